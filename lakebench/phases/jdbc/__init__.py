"""Phase 2: PostgreSQL over JDBC and by other ways in."""
