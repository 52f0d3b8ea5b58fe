"""Small tables of PostgreSQL with what has to be read from them: types, and keys that partitions may lose rows at."""

from lakebench.datasets.postgresql.small import BEFORE, KINDS, TRAPS, Kind, Small, expected, small, write_expected

__all__ = ["BEFORE", "KINDS", "TRAPS", "Kind", "Small", "expected", "small", "write_expected"]
