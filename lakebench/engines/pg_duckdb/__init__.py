"""pg_duckdb."""
