"""Phase 7: Citus beside pg_duckdb, and beside pg_lake, in one PostgreSQL."""
