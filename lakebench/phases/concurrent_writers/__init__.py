"""Phase 9: several writers on one table."""
