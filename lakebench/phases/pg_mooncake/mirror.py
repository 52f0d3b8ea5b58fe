"""The mirror of pg_mooncake 0.2: how fresh it is, its snapshots, and what it costs the table that it follows.

It has met no server yet: its statements are those of pg_mooncake's own source (``mooncake.create_table``,
``mooncake.create_snapshot``, ``mooncake.list_tables``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from lakebench.errors import EngineUnavailable, WrongAnswer
from lakebench.execution.cases import Check, Evidence
from lakebench.execution.context import RunContext
from lakebench.model import Runtime
from lakebench.phases.pg_mooncake.sides import MIRROR, ColumnarTwins, at, case_of
from lakebench.phases.pg_mooncake.writes import compared

FRESH, SNAPSHOTS, SOURCE = "Freshness of the mirror", "Snapshots of the mirror", "What the mirror costs its source"
ROWS = (1, 100, 10_000, 1_000_000)
_TIMES = 50
_WAIT_S = 60.0
_COLUMNS = "id integer PRIMARY KEY, region text, amount numeric(10, 2)"
_FILL = "INSERT INTO {t} SELECT n, 'r' || n % 3, n % 100 * 1.25 FROM generate_series(1, 1000) AS n"
_FIRST = 1_001  # the first id that the table has not had yet
_SUMS = "SELECT count(*) AS n, sum(id::bigint) AS s FROM {t}"


def blocks() -> Iterator[Check]:
    """Every check of the mirror."""
    for rows in ROWS:
        case = case_of(MIRROR, "fresh", str(rows), FRESH, f"{rows:,} rows, read at once")
        yield Check(case, partial(_fresh, rows=rows))
    for name, (group, title, test) in _TESTS.items():
        yield Check(case_of(MIRROR, name, "update", group, title), test)


def _mirrored(context: RunContext, name: str) -> ColumnarTwins:
    """A heap table of 1,000 rows, and its mirror."""
    twins = at(MIRROR, context, name)
    twins.make(_COLUMNS, _FILL)
    return twins


def _fresh(context: RunContext, rows: int) -> Evidence:
    """The first read after the commit has its rows; where it has not, how long it takes until one has.

    Raises:
        WrongAnswer: the first read has others, or no read has them in the end.
    """
    twins = _mirrored(context, f"fresh_{rows}")
    numbers = f"generate_series({_FIRST}, {_FIRST + rows - 1})"
    twins.server.execute(f"INSERT INTO {twins.twin} SELECT n, 'new', 1 FROM {numbers} AS n")
    expected = _sums(twins, twins.twin)
    reads, delay = until(lambda: _sums(twins, twins.table), expected, _WAIT_S)
    evidence = {"delay_s": delay, "reads": len(reads), "first_read": reads[0]}
    if reads[0] != expected:
        raise WrongAnswer(f"the first read has {reads[0]}, the table {expected}; right after {delay} s", **evidence)
    return evidence


def until(read: Callable[[], Any], expected: Any, limit_s: float) -> tuple[list[Any], float | None]:
    """What ``read`` gave until it was ``expected``, and after how many seconds; ``None`` where it never was."""
    began, reads = time.monotonic(), list[Any]()
    while True:
        reads.append(read())
        delay = round(time.monotonic() - began, 3)
        if reads[-1] == expected:
            return reads, delay
        if delay > limit_s:
            return reads, None


def _sums(twins: ColumnarTwins, table: str) -> list[str | None]:
    return twins.server.cells(_SUMS.replace("{t}", table))[0]


def _snapshots(context: RunContext) -> Evidence:
    """UPDATE and snapshot, one after the other without a pause, then the rows of the mirror."""
    twins = _mirrored(context, "snapshots")
    for number in range(_TIMES):
        twins.server.execute(
            f"UPDATE {twins.twin} SET amount = amount + 1 WHERE id % {_TIMES} = {number}",
            f"CALL mooncake.create_snapshot('{twins.table}')",
        )
    return {"times": _TIMES, **compared(twins)}


def _source(context: RunContext) -> Evidence:
    """Replica identity, WAL of one UPDATE of all rows, and the slots' lag, before the mirror is there and after."""
    twins = at(MIRROR, context, "source")
    twins.server.ready()
    table = twins.twin
    twins.server.execute(f"CREATE TABLE {table} ({_COLUMNS})", _FILL.replace("{t}", table))
    before = _cost(twins)
    twins.server.execute(f"CALL mooncake.create_table('{twins.table}', '{table}')")
    return {"before": before, "with_mirror": _cost(twins), **compared(twins)}


def _cost(twins: ColumnarTwins) -> dict[str, Any]:
    server, name = twins.server, twins.twin
    identity = server.cells(f"SELECT relreplident::text AS i FROM pg_class WHERE oid = '{name}'::regclass")[0][0]
    start = server.cells("SELECT pg_current_wal_insert_lsn()::text AS lsn")[0][0]
    server.execute(f"UPDATE {name} SET amount = amount + 1")
    wal = server.number(f"SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '{start}')::bigint AS n")
    lag = "pg_wal_lsn_diff(pg_current_wal_insert_lsn(), confirmed_flush_lsn)::bigint"
    slots = server.cells(
        f"SELECT slot_name::text AS s, {lag} AS lag FROM pg_replication_slots WHERE database = current_database()"
    )
    return {"replica_identity": identity, "wal_bytes": wal, "slot_lag_bytes": {str(one): lag for one, lag in slots}}


_TESTS: Mapping[str, tuple[str, str, Callable[[RunContext], Evidence]]] = {
    "snapshot": (SNAPSHOTS, f"UPDATE and snapshot without a pause, {_TIMES} times", _snapshots),
    "source": (SOURCE, "replica identity, WAL and slot lag", _source),
}


def metadata_file(twins: ColumnarTwins) -> Path:
    """The newest metadata file of the mirror's Iceberg table, after a snapshot of it.

    Raises:
        EngineUnavailable: the files are not on this machine, or there are none.
    """
    server = twins.server
    if server.context.services.endpoint(server.service).runtime is not Runtime.LOCAL:
        raise EngineUnavailable("the mirror's files lie with a server of another machine or container")
    server.execute(f"CALL mooncake.create_snapshot('{twins.table}')")
    ((place,),) = server.cells(
        f"SELECT iceberg_warehouse_location FROM mooncake.list_tables() WHERE \"table\" = '{twins.table}'"
    )
    ((data,),) = server.cells("SELECT setting FROM pg_settings WHERE name = 'data_directory'")
    found = server.context.checker.call(newest_metadata, Path(str(data)) / str(place), twins.name)
    if found is None:
        raise EngineUnavailable(f"no metadata file of {twins.table} lies below {place}")
    return found


def newest_metadata(folder: Path, table: str) -> Path | None:
    """The newest ``*.metadata.json`` of ``table`` below ``folder``. A function for the checker."""
    found = [one for one in folder.rglob("*.metadata.json") if table in str(one.relative_to(folder))]
    return max(found, key=lambda one: one.stat().st_mtime_ns, default=None)
