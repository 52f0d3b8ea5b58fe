"""pg_lake."""
