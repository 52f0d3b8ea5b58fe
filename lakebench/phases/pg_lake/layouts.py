"""The same rows in other files: pieces, deletes, partitions of each kind, and a partition spec that changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from lakebench.datasets.postgresql.edges import predicates
from lakebench.execution.cases import Check, Evidence
from lakebench.phases.pg_lake.case import case_of, check_of
from lakebench.phases.pg_lake.server import TwinServer
from lakebench.phases.pg_lake.twins import Twins, twins
from lakebench.phases.pg_lake.values import ask_each

GROUP = "Layouts of the same rows, against a heap table"
COLUMNS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "n": ("bigint", ("-9223372036854775808", "9223372036854775807", "-1", "0", "7")),
    "s": ("text", ("", "Zürich", "north", "a text that is longer than sixteen bytes, A",
                   "a text that is longer than sixteen bytes, B")),
    "d": ("date", ("1969-12-31", "1970-01-01", "2024-02-29", "9999-12-31")),
    "ts": ("timestamp", ("1969-12-31 23:59:59.999999", "2026-03-08 02:30:00", "0001-01-01 00:00:00")),
    "z": ("timestamptz", ("1969-12-31 23:59:59.999999+00", "2026-03-08 07:00:00+00", "2026-11-01 05:30:00+00")),
    "m": ("numeric(10, 2)", ("0.00", "-99999999.99", "10.05")),
    "f": ("double precision", ("NaN", "5", "-Infinity", "-0")),
}  # fmt: skip
"""Name → the type and its edge values."""
_ROWS = 14
_AGGREGATES = (
    "count(*), count(n), count(s), min(n), max(n), sum(n % 1000), min(s), max(s), min(d), max(d), min(ts), max(ts), "
    "min(z), max(z), min(f), max(f), min(m), max(m), sum(m), count(DISTINCT s)"
)
_SHORT_CUTS = (
    f"SELECT {_AGGREGATES} FROM t",
    *(
        f"SELECT {one.strip()} FROM t"
        for one in ("count(*)", "max(f)", "min(n)", "max(z)", "sum(m)", "count(DISTINCT d)")
    ),
    "SELECT count(*) FROM t WHERE d >= '1970-01-01'",
    "SELECT max(n) FROM t WHERE s <> 'north'",
    "SELECT min(m), max(m) FROM t WHERE f > 1",
    "SELECT DISTINCT s FROM t WHERE n IS NOT NULL",
    "SELECT id FROM t WHERE m = 10.05 LIMIT 100",
    "SELECT count(*) FROM (SELECT 1 FROM t LIMIT 5) q",
    "SELECT d, count(*) FROM t GROUP BY d",
)


@dataclass(frozen=True)
class TwinLayout:
    """How the rows come to lie as they do: ``options`` of the table, and the number of INSERTs, ``pieces``.

    ``between`` the halves, and as last of all, there are statements for the Iceberg table alone (``lake``); those
    ``after`` the rows are for both tables.
    """

    title: str
    options: str = ""
    pieces: int = 1
    between: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    lake: tuple[str, ...] = ()


def _partitioned(by: str) -> TwinLayout:
    return TwinLayout(f"partitioned by {by}", f"partition_by = '{by}'", 2)


_CHANGES = (
    "DELETE FROM t WHERE id IN (1, 5, 9)",
    "UPDATE t SET s = 'changed', n = n + 1 WHERE id IN (2, 6)",
    "DELETE FROM t WHERE id = 2",
)
LAYOUTS: Mapping[str, TwinLayout] = {
    "one-file": TwinLayout("one file"),
    "pieces": TwinLayout("a file for each row", pieces=_ROWS),
    "deletes": TwinLayout("with deleted and updated rows", pieces=2, after=_CHANGES),
    "compacted": TwinLayout("the same, after VACUUM FULL", pieces=3, after=_CHANGES, lake=("VACUUM FULL t",)),
    "identity": _partitioned("s"),
    "truncate-number": _partitioned("truncate(10, n)"),
    "truncate-text": _partitioned("truncate(3, s)"),
    "bucket": _partitioned("bucket(4, n)"),
    "day": _partitioned("day(ts)"),
    "hour-zone": _partitioned("hour(z)"),
    "month": _partitioned("month(d)"),
    "year-zone": _partitioned("year(z)"),
    "evolved": TwinLayout(
        "another partitioning for the second half",
        "partition_by = 'day(ts)'",
        2,
        ("ALTER TABLE t OPTIONS (SET partition_by 'bucket(4, s), truncate(10, n)')",),
        _CHANGES,
    ),
    "partitioned-later": TwinLayout(
        "partitioned after the first half", "", 2, ("ALTER TABLE t OPTIONS (ADD partition_by 'truncate(10, n)')",)
    ),
    "column-added": TwinLayout(
        "a column added after the rows", "", 2, (), ("ALTER TABLE t ADD COLUMN late integer DEFAULT 3",)
    ),
}


def blocks() -> Iterator[Check]:
    """Filters and aggregates of each layout."""
    for name, layout in LAYOUTS.items():
        for question, title in (("filter", "filters"), ("aggregate", "aggregates, DISTINCT and LIMIT")):
            case = case_of("layout", f"{name}-{question}", GROUP, layout.title, title)
            yield check_of(case, partial(_same, name=name, question=question))


def _same(server: TwinServer, name: str, question: str) -> Evidence:
    layout = LAYOUTS[name]
    files = server.context.prepared.once(f"pg_lake/layout/{name}", lambda: _make(server, name, layout))
    with twins(server, f"layout_{name}") as pair:
        if question == "aggregate":
            pair.run(_SHORT_CUTS)
        else:
            _filters(pair)
        return pair.evidence(data_files=files)


def _filters(pair: Twins) -> None:
    for column, (kind, values) in COLUMNS.items():
        ask_each(pair, tuple(predicates(column, kind, values)), "id")


def _make(server: TwinServer, name: str, layout: TwinLayout) -> int:
    """The tables of the layout; how many data files the Iceberg table has."""
    columns = ", ".join(f"{column} {kind}" for column, (kind, _) in COLUMNS.items())
    with twins(server, f"layout_{name}") as pair:
        pair.make("t", f"id integer, {columns}", options=layout.options)
        _fill(pair, layout)
        pair.must(*layout.after)
        pair.lake.must(*layout.lake)
    return sum("/data/" in path for path in server.files(f"layout_{name}_lake", "t"))


def _fill(pair: Twins, layout: TwinLayout) -> None:
    rows = [f"({at}, {', '.join(_value(column, at) for column in COLUMNS)})" for at in range(_ROWS)]
    size = -(-_ROWS // layout.pieces)
    pieces = [rows[start : start + size] for start in range(0, _ROWS, size)]
    for number, piece in enumerate(pieces):
        if number == len(pieces) // 2:
            pair.lake.must(*layout.between)
        pair.must(f"INSERT INTO t VALUES {', '.join(piece)}")


def _value(column: str, row: int) -> str:
    """The value of ``column`` in ``row``: each edge value in turn, then NULL."""
    kind, values = COLUMNS[column]
    turn = [*values, None]
    value = turn[(row + ord(column[0])) % len(turn)]
    return "NULL" if value is None else f"'{value}'::{kind}"
