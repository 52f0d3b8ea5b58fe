"""The contents of orders and lineitem while refresh functions run, and which of them a query may have seen.

A refresh function is a commit on each of two tables, and no transaction spans both: a query may see one table before
and the other after.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path

from lakebench.datasets.tpch.refresh import KEYS

State = tuple[int, int]
"""How many of the commits orders and lineitem hold."""


def candidates(steps: Sequence[tuple[str, int, int]], started: int, ended: int, tables: frozenset[str]) -> list[State]:
    """The states that a query of ``tables`` from ``started`` to ``ended`` may have seen, the most likely first.

    ``steps`` are the commits that succeeded, in order: table, begin and end, each begun after the one before it ended.
    All times are of one clock. A table is seen with at least the commits that ended before the query started, and at
    most those that began before it ended; one that the query does not read has its least. States that existed at one
    instant come first, and among them the early ones: engines choose their snapshots before they read.
    """
    counts = []
    for table in KEYS:
        commits = [(began, done) for name, began, done in steps if name == table]
        least = sum(done < started for _, done in commits)
        most = sum(began <= ended for began, _ in commits) if table in tables else least
        counts.append(range(least, most + 1))
    at_once = {_after(steps[:count]) for count in range(len(steps) + 1)}
    states = [(orders, lineitem) for orders, lineitem in itertools.product(*counts)]
    return sorted(states, key=lambda state: (state not in at_once, sum(state), state))


def _after(steps: Sequence[tuple[str, int, int]]) -> State:
    orders, lineitem = (sum(name == table for name, *_ in steps) for table in KEYS)
    return orders, lineitem


def views(
    files: Mapping[str, Sequence[Path]],
    inserted: Mapping[str, Sequence[Path]],
    deleted: Mapping[str, Sequence[tuple[int, int]]],
) -> dict[str, str]:
    """Each table's rows as a SELECT of DuckDB: those of its ``files`` and ``inserted`` ones, without ``deleted`` keys.

    ``deleted`` are key ranges, both ends included. Inserted and deleted keys never meet, so order does not matter.
    """
    return {
        table: _view([*paths, *inserted.get(table, ())], KEYS.get(table, ""), deleted.get(table, ()))
        for table, paths in files.items()
    }


def _view(files: Sequence[Path], key: str, deleted: Sequence[tuple[int, int]]) -> str:
    listed = ", ".join("'" + str(file).replace("'", "''") + "'" for file in files)
    gone = " OR ".join(f"{key} BETWEEN {lo} AND {hi}" for lo, hi in deleted)
    return f"SELECT * FROM read_parquet([{listed}])" + (f" WHERE NOT ({gone})" if gone else "")
