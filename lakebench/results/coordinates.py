"""What a case is about, as its id says."""

from __future__ import annotations

import re
from collections.abc import Collection


def engines_of(case: str) -> tuple[str, ...]:
    """The engines that the last part of a case's id names: ``trino``, ``spark→trino`` or ``duckdb+spark``."""
    return tuple(re.split(r"[→+]", case.rpartition("/")[2]))


def to_blame(case: str, engine: str, ran: Collection[str]) -> str:
    """Whose a case is that did not run: the first engine of its id of which nothing ``ran``, else ``engine``.

    What an engine did not write, no other could read.
    """
    return next((name for name in engines_of(case) if name not in ran), engine)
