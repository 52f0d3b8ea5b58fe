"""Phase 8: one PostgreSQL server asks another through postgres_fdw."""
