"""A query as stages, as a user of Ray writes it by hand: Ray itself splits no SQL.

A script is SQL under headings, which are comments:

- ``-- each TABLE``: a task for each part of the table; the other tables of the SELECT are read whole by each.
- ``-- split TABLE by COLUMN``: the same, and each answer is split by the hash of its column.
- ``-- join``: a task for each number of a hash; the tables that were split have their rows of that number.
- ``-- last``: one task over ``parts``, the answers of the stage before it.

SQL without a heading is one task, which reads every table whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PARTS = "parts"
"""The table that the last stage reads."""
_HEADING = re.compile(r"^-- (each|split|join|last)(?: (\w+))?(?: by (\w+))?\s*$", re.MULTILINE)


@dataclass(frozen=True)
class Stage:
    """One heading: ``kind`` is its first word; ``table`` and ``key`` are those that it names."""

    kind: str
    sql: str
    table: str = ""
    key: str = ""


def stages(script: str) -> tuple[Stage, ...]:
    """The stages of ``script`` in order."""
    first, *rest = _HEADING.split(script.strip())
    if not rest:
        return (Stage("last", first.strip()),)
    each = zip(rest[0::4], rest[1::4], rest[2::4], rest[3::4], strict=True)
    return tuple(Stage(kind, sql.strip().rstrip(";"), table or "", key or "") for kind, table, key, sql in each)
