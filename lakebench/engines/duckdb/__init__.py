"""DuckDB, by an attached catalog and by iceberg_scan."""
