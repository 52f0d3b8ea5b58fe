"""What the refresh functions of TPC-H (clause 2.5) have done to the tables so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

KEYS = {"orders": "o_orderkey", "lineitem": "l_orderkey"}
"""The tables that a refresh changes, and the column that it finds rows by."""


@dataclass
class RefreshState:
    """What the refreshes have done to orders and line items: files inserted, and ranges of keys deleted."""

    inserted: dict[str, list[Path]] = field(default_factory=lambda: {table: [] for table in KEYS})
    deleted: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: {table: [] for table in KEYS})


@dataclass(frozen=True)
class RefreshStep:
    """One commit of a refresh: rows of ``file`` inserted, or those with a key in ``keys`` deleted."""

    function: str
    table: str
    file: Path | None = None
    keys: tuple[int, int] | None = None


def apply(state: RefreshState, step: RefreshStep) -> None:
    """Enter ``step`` into ``state``."""
    if step.file is not None:
        state.inserted[step.table].append(step.file)
    elif step.keys is not None:
        state.deleted[step.table].append(step.keys)


def state_after(state: RefreshState, steps: Sequence[RefreshStep], orders: int, items: int) -> RefreshState:
    """``state`` after the first commits of ``steps`` on each table."""
    after = RefreshState(
        {table: list(files) for table, files in state.inserted.items()},
        {table: list(keys) for table, keys in state.deleted.items()},
    )
    for table, count in (("orders", orders), ("lineitem", items)):
        for step in [one for one in steps if one.table == table][:count]:
            apply(after, step)
    return after
