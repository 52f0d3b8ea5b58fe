"""The Iceberg specification as data: types, values, operations on tables, and clients of catalogs."""
