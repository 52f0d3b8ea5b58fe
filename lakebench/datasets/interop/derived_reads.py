"""Reads that follow from the rows and types of a feature: nobody has to think of the one that finds the mistake.

Of each column they have every comparison with every edge value that any step of the program wrote, also those that are
gone by now; IN; null and not null; conjunctions of two columns; counts beside the rows that they count; columns alone
and in another order. Where these are too many, they are chosen so that each value is asked for by ``=``, each column by
each comparison, and each two neighbouring columns together (pairwise), as far as the number goes.

Left out are reads that engines answer differently with good reason: what compares with NaN or -0.0, or orders a NaN
(SQL and the specification differ); the order of UUIDs and truth values; and values too long for a statement.
"""

from __future__ import annotations

import itertools
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from lakebench.datasets.interop.oracle import Oracle, comparable
from lakebench.iceberg.operations import Concurrent, Operation, Read
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field, kind

TABLE = "t"
MANY, SOME, FEW = 16, 6, 3
"""Filters of the reference's table, where readers differ; the same by a server; and of another writer's table."""
_SOME_SHAPES = 2
_MOST_VALUES = 8
_LONGEST = 400
_EQUALITY = ("=", "!=", "in")
_ORDER = ("<=", ">", "<", ">=")
_NULLS = ("is-null", "not-null")
_EQUAL_ONLY = frozenset({"boolean", "uuid"})
_ORDERED = frozenset(
    {
        "int", "long", "float", "double", "decimal", "date", "time", "timestamp", "timestamptz", "timestamp_ns",
        "timestamptz_ns", "string", "binary", "fixed",
    }
)  # fmt: skip
_KEYS = ("int", "long", "string")


@dataclass(frozen=True)
class DerivedReads:
    """``filters`` all ask for the same column, by which rows are told apart; ``shapes`` are counts and projections."""

    filters: tuple[Read, ...] = ()
    shapes: tuple[Read, ...] = ()

    def some(self) -> DerivedReads:
        """Those of a reader to which each costs much."""
        return DerivedReads(self.filters[:SOME], self.shapes[:_SOME_SHAPES])

    def few(self) -> DerivedReads:
        """The filters that show what a writer did wrong: readers leave out files by the values that it noted."""
        return DerivedReads(self.filters[:FEW])


class _Role(Enum):
    """What a column is to its table; the greater the number, the more rarely it is asked for."""

    PARTITION = 2
    VALUE = 3
    KEY = 9


@dataclass(frozen=True)
class _ColumnValues:
    """A column, the edge values that it ever had, ascending, and the comparisons that all engines agree about."""

    field: Field
    role: _Role
    values: tuple[Any, ...] = ()
    tests: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.field.name


def derived(program: Sequence[Operation]) -> DerivedReads:
    """The reads that follow from ``program``, of its table :data:`TABLE` as it is at the end."""
    parts = [[True] * len(one.operations) for one in program if isinstance(one, Concurrent)]
    fields, rows = Oracle(program, parts).ever(TABLE)
    if not fields:
        return DerivedReads()
    key = next((one for one in fields if kind(one.type) in _KEYS), fields[0])
    columns = [_column(one, _role(one, key, program), [row[one.name] for row in rows]) for one in fields]
    columns.sort(key=lambda one: one.role.value)
    chosen = _covering(list(_candidates(columns)))[:MANY]
    filters = tuple(Read(_in_words(where), columns=(key.name,), where=where) for where in chosen)
    return DerivedReads(filters, tuple(_shapes(columns, fields)))


def _role(field: Field, key: Field, program: Sequence[Operation]) -> _Role:
    """Whether the table was ever partitioned by ``field`` (a wrong partition value loses rows), or it tells rows."""
    specs = (getattr(one, "partition", ()) for one in program if one.table == TABLE)
    if field.name in {part.source for spec in specs for part in spec}:
        return _Role.PARTITION
    return _Role.KEY if field is key else _Role.VALUE


def _column(field: Field, role: _Role, ever: Sequence[Any]) -> _ColumnValues:
    bare = kind(field.type)
    if bare not in _ORDERED | _EQUAL_ONLY:
        return _ColumnValues(field, role)
    special = {one for one in ever if isinstance(one, str) and bare in {"float", "double"}}
    plain = [one for one in ever if one is not None and one not in {"NaN", "-0.0"} and len(str(one)) <= _LONGEST]
    if "-0.0" in special:
        plain = [one for one in plain if one != 0]
    distinct = sorted({comparable(field.type, one): one for one in plain}.items(), key=lambda pair: pair[0])
    order = () if bare in _EQUAL_ONLY else ("<=", "<") if "NaN" in special else _ORDER
    return _ColumnValues(field, role, _edges([value for _, value in distinct]), (*_EQUALITY, *order))


def _edges(values: Sequence[Any]) -> tuple[Any, ...]:
    """``values``, or the least, the greatest and some evenly between them."""
    if len(values) <= _MOST_VALUES:
        return tuple(values)
    step = (len(values) - 1) / (_MOST_VALUES - 1)
    return tuple(values[round(n * step)] for n in range(_MOST_VALUES))


Where = tuple[Condition, ...]


@dataclass(frozen=True)
class _Candidate:
    """A filter, what it covers, and the column and value that it is about."""

    where: Where
    covers: frozenset[Any]
    column: _ColumnValues
    value: str = ""


def _candidates(columns: Sequence[_ColumnValues]) -> Iterator[_Candidate]:
    for column in columns:
        for test in _NULLS:
            yield _Candidate((Condition(column.name, test),), frozenset({(column.name, test)}), column)
        for at, test in itertools.product(range(len(column.values)), column.tests):
            yield _of_value(column, test, at)
    for one, other in itertools.pairwise(columns):
        yield _both(one, (Condition(one.name, "not-null"), Condition(other.name, "not-null")))
        if one.values and other.values:
            last = len(other.values) - 1
            yield _both(one, (*_compared(one, "!=", 0), *_compared(other, "=", last)))
            yield _both(one, (*_compared(one, "=", 0), *_compared(other, other.tests[-1], last)))


def _of_value(column: _ColumnValues, test: str, at: int) -> _Candidate:
    """It covers the test of the column, the value, and where it is a partition's that value by ``=``."""
    value = json.dumps(column.values[at])
    covers = {(column.name, test), (column.name, "value", value)}
    if column.role is _Role.PARTITION and test == "=":
        covers.add((column.name, "=", value))
    return _Candidate(_compared(column, test, at), frozenset(covers), column, value)


def _both(column: _ColumnValues, where: Where) -> _Candidate:
    return _Candidate(where, frozenset({frozenset(one.column for one in where)}), column)


def _compared(column: _ColumnValues, test: str, at: int) -> Where:
    value = column.values[at]
    if test == "in":
        value = tuple(dict.fromkeys((value, column.values[(at + 1) % len(column.values)])))
    return (Condition(column.name, test, value),)


def _covering(candidates: list[_Candidate]) -> list[Where]:
    """``candidates`` so that what covers most comes first; of equals, what is about a column and value asked rarely."""
    chosen: list[Where] = []
    uncovered = {part for one in candidates for part in one.covers}
    asked: Counter[tuple[str, ...]] = Counter()

    def order(one: _Candidate) -> tuple[int, ...]:
        often = asked[(one.column.name,)] * one.column.role.value
        return -often, len(one.covers & uncovered), -asked[one.column.name, one.value]

    while candidates:
        useful = [one for one in candidates if one.covers & uncovered] or candidates
        best = max(useful, key=order)
        candidates.remove(best)
        uncovered -= best.covers
        asked.update([(best.column.name,), (best.column.name, best.value)])
        chosen.append(best.where)
    return chosen


def _shapes(columns: Sequence[_ColumnValues], fields: Sequence[Field]) -> Iterator[Read]:
    """Counts beside the rows that they count, and columns alone and in another order than the table's."""
    first = columns[0]
    if first.values:
        yield _counted(_compared(first, "!=", 0))
    yield _counted((Condition(first.name, "not-null"),))
    alone = columns[-2:][0].name  # the last but the key
    yield Read(f"{alone} alone", columns=(alone,))
    if len(fields) > 1:
        yield Read("columns in another order", columns=tuple(one.name for one in reversed(fields)))


def _counted(where: Where) -> Read:
    return Read(f"count(*) where {_in_words(where)}", where=where, count=True)


def _in_words(where: Where) -> str:
    return " and ".join(
        one.column + " " + one.test + ("" if one.test in _NULLS else f" {json.dumps(one.value, ensure_ascii=False)}")
        for one in where
    )
