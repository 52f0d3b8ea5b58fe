"""Phase 6: file formats."""
