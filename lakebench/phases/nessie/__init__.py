"""Phase 4: Iceberg with Nessie."""
