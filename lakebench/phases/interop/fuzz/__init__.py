"""Random programs, each step by another engine on the same table, checked after each step by every reader."""
