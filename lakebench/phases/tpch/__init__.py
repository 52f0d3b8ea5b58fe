"""Phase 3: TPC-H."""
