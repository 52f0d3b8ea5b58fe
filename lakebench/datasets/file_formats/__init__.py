"""Tables for file formats: TPC-H's lineitem with keys, a wide table with nested columns, one of each type."""
