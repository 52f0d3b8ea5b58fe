"""Phase 10: PostgreSQL tables by column, and who else reads their files."""
