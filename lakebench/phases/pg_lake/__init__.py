"""Phase 4.5: Iceberg tables inside PostgreSQL, by pg_lake."""
