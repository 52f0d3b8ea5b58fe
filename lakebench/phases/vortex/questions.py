"""What is measured in phase 6: scans, the same for every engine and format."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from lakebench.datasets.file_formats import large
from lakebench.engines.sql import SqlDialect
from lakebench.iceberg.scan import Condition, Scan
from lakebench.iceberg.types import Field
from lakebench.phases.vortex.tables import LINEITEM, WIDE

_FIELDS = (Field("l_shipdate", "date"),)  # not the keys: ten thousand casts would be a part of the time
_ROW = ("id", "l_extendedprice", "l_comment")
_NUMBERS = ("id", "k", "l_orderkey", "l_partkey", "l_suppkey", "l_quantity", "l_extendedprice", "l_discount", "l_tax")
_OTHERS = (
    *("l_returnflag", "l_linestatus", "l_shipdate", "l_commitdate", "l_receiptdate", "l_shipinstruct"),
    *("l_shipmode", "l_comment"),
)
_ALL = (*(("sum", one) for one in _NUMBERS), ("sum", "l_linenumber"), *(("count", one) for one in _OTHERS))
_TOTALS = (("sum", "l_extendedprice"), ("sum", "k"), ("max", "l_shipdate"), ("max", "l_comment"), ("count", "l_tax"))
_SUMS = (("sum", "id"), ("sum", "l_extendedprice"), ("count", "l_comment"))
_COMPARED = 100
COUNTS = (1, 100, 10_000)
COLD = ("full", "key-1")
"""The questions that have a cold execution, where the profile has one."""


@dataclass(frozen=True)
class FormatQuestion:
    """A scan by the number of rows of its table. ``remote`` ones are asked on object storage, too.

    ``kind`` groups them: ``scan``, ``key`` or ``position``; those that are ``slow`` are asked of few.
    """

    name: str
    title: str
    table: str
    kind: str
    scan: Callable[[int], Scan]
    remote: bool = False
    slow: bool = False

    def expected_sql(self, rows: int) -> str:
        """The same question in SQL, for a table with the name of the question's."""
        scan = self.scan(rows)
        if scan.positions:
            where = Condition("id", "in", scan.positions)
            scan = replace(scan, positions=(), where=(where,))
        return SqlDialect().select(replace(scan, fetched=False), self.table)

    def text(self, rows: int) -> str:
        """The question for people, shortened."""
        sql = self.expected_sql(rows)
        shown = 400
        return sql if len(sql) <= shown else f"{sql[:shown]} …"


def _spread(count: int, rows: int) -> tuple[int, ...]:
    """``count`` different numbers below ``rows``, spread evenly, ascending."""
    if count == 1:
        return (rows // 2,)
    return tuple(dict.fromkeys(at * (rows - 1) // (count - 1) for at in range(count)))


def _counted(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"


def _fetched(table: str, *pairs: tuple[str, str]) -> Callable[[int], Scan]:
    return lambda _: Scan(table, summary=pairs, fetched=True)


def _rows(scan: Scan, count: int) -> Scan:
    """``scan`` for these rows; many are compared by their sums: one by one would take longer than reading them."""
    if count <= _COMPARED:
        return scan
    return replace(scan, summary=_SUMS, fetched=True)


def _by_key(column: str, count: int, table: str = LINEITEM, columns: tuple[str, ...] = _ROW) -> Callable[[int], Scan]:
    return lambda rows: _rows(Scan(table, columns, where=(Condition(column, "in", _spread(count, rows)),)), count)


def _by_position(count: int) -> Callable[[int], Scan]:
    return lambda rows: _rows(Scan(LINEITEM, _ROW, positions=_spread(count, rows)), count)


def _filtered(_: int) -> Scan:
    where = (Condition("l_shipdate", ">=", "1998-11-15"),)
    return Scan(LINEITEM, where=where, fields=_FIELDS, summary=_SUMS, fetched=True)


QUESTIONS: Mapping[str, FormatQuestion] = {
    one.name: one
    for one in (
        FormatQuestion("full", "every column of every row, fetched", LINEITEM, "scan", _fetched(LINEITEM, *_ALL),
                       slow=True),
        FormatQuestion(
            "projection", "two of 18 columns, fetched", LINEITEM, "scan",
            _fetched(LINEITEM, ("sum", "l_extendedprice"), ("sum", "l_discount")),
        ),
        FormatQuestion(
            "totals", "five aggregates, computed by the engine", LINEITEM, "scan",
            lambda _: Scan(LINEITEM, summary=_TOTALS), slow=True,
        ),
        FormatQuestion("filter", "a filter on a column without order", LINEITEM, "scan", _filtered, remote=True),
        *(
            FormatQuestion(f"key-{count}", f"{_counted(count)} by a key in order", LINEITEM, "key",
                           _by_key("id", count), remote=True)
            for count in COUNTS
        ),
        FormatQuestion("scattered-100", "100 rows by a key without order", LINEITEM, "key",
                       _by_key("k", 100)),
        *(
            FormatQuestion(f"position-{count}", f"{_counted(count)} by position", LINEITEM, "position",
                           _by_position(count), remote=count == _COMPARED)
            for count in COUNTS
        ),
        FormatQuestion(
            "wide-full", "54 columns with nested ones, fetched", WIDE, "scan",
            _fetched(WIDE, *large.wide_summary()), slow=True,
        ),
        FormatQuestion(
            "wide-nested", "one struct of 54 columns, fetched", WIDE, "scan",
            _fetched(WIDE, ("sum", "info.address.zip"), ("count", "info.name")),
        ),
        FormatQuestion(
            "wide-key-100", "100 rows with nested columns by a key in order", WIDE, "key",
            _by_key("id", 100, WIDE, ("id", "info", "tags", "points")),
        ),
    )
}  # fmt: skip
"""By name, in the order of the report."""
