"""Phase 12: a table that lives: many commits, maintenance, and readers all along."""
