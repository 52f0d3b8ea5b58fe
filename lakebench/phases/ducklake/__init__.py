"""Phase 1: DuckLake."""
