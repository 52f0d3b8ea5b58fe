"""Smallpond: DuckDB in tasks of a Ray cluster of its own, in an environment of its own."""
