"""A table that lives: what happens to it commit by commit, what it must hold then, and what it physically is."""
