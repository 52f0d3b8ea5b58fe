"""Small tables of PostgreSQL with their expected rows: types, and keys at which partitions may lose rows."""

from lakebench.datasets.postgresql.small import BEFORE, KINDS, TRAPS, Kind, Small, expected, small, write_expected

__all__ = ["BEFORE", "KINDS", "TRAPS", "Kind", "Small", "expected", "small", "write_expected"]
