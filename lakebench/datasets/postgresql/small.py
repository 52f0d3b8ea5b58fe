"""Small tables of PostgreSQL: the statements that make them, and their rows as Arrow by our own hand.

Each value is written twice, as a literal of PostgreSQL and as what it means, without an engine or a driver in between.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakebench.datasets import table_files

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS = 100
_NULL_EACH = 7
_HUGE = Decimal("123456789012345678901234567890.5")
_TEXT = 'Zürich 東京 🦆 it\'s \\ "q"\n'
_AT = dt.datetime(2026, 3, 29, 2, 30, 0, 123456)  # noqa: DTZ001 - a timestamp without a zone: no such hour in Zürich


@dataclass(frozen=True)
class Small:
    """A table: its columns as CREATE TABLE takes them, and its rows as VALUES takes them.

    ``types`` are the Arrow types by column, ``values`` the rows as Python values; a type is made on demand,
    because the parent imports no Arrow.
    """

    name: str
    columns: str
    literals: tuple[str, ...]
    types: Callable[[], dict[str, pa.DataType]]
    values: tuple[tuple[Any, ...], ...]

    def statements(self) -> tuple[str, ...]:
        """The statements that make the table."""
        return (
            f"CREATE TABLE {self.name} ({self.columns})",
            f"INSERT INTO {self.name} VALUES {', '.join(self.literals)}",
        )

    def rows(self) -> pa.Table:
        """The rows."""
        import pyarrow as pa

        columns = zip(*self.values, strict=True)
        arrays = [pa.array(column, kind) for column, kind in zip(columns, self.types().values(), strict=True)]
        return pa.table(arrays, names=list(self.types()))


@dataclass(frozen=True)
class Kind:
    """A type of PostgreSQL with some values: literal (of the type, without a cast) → what it means; NULL is always one.

    ``arrow`` names the type that holds all of it.
    """

    name: str
    type: str
    values: tuple[tuple[str, Any], ...]
    arrow: Callable[[], pa.DataType]
    note: str = ""

    @property
    def table(self) -> str:
        """The table's name."""
        return f"type_{self.name.replace('-', '_')}"

    def small(self) -> Small:
        """Its table: ``id`` and ``v``."""
        pairs = [*((_quoted(literal), value) for literal, value in self.values), ("NULL", None)]
        return Small(
            self.table,
            f"id integer, v {self.type}",
            tuple(f"({n}, {literal})" for n, (literal, _) in enumerate(pairs)),
            lambda: {"id": _arrow("int32")(), "v": self.arrow()},
            tuple((n, value) for n, (_, value) in enumerate(pairs)),
        )


def _quoted(literal: str) -> str:
    return "'" + literal.replace("'", "''") + "'"


def _arrow(name: str, *arguments: Any) -> Callable[[], pa.DataType]:
    def make() -> pa.DataType:
        import pyarrow as pa

        kind: pa.DataType = getattr(pa, name)(*arguments)
        return kind

    return make


def _list(item: str) -> Callable[[], pa.DataType]:
    def make() -> pa.DataType:
        import pyarrow as pa

        return pa.list_(_arrow(item)())

    return make


def _lists(item: str) -> Callable[[], pa.DataType]:
    def make() -> pa.DataType:
        import pyarrow as pa

        return pa.list_(_list(item)())

    return make


def _same(*texts: str) -> tuple[tuple[str, str], ...]:
    return tuple((text, text) for text in texts)


def _numbers(*texts: str) -> tuple[tuple[str, Decimal], ...]:
    return tuple((text, Decimal(text)) for text in texts)


_ID = "00000000-0000-4000-8000-0000000000ff"

KINDS: tuple[Kind, ...] = (
    Kind("smallint", "smallint", (("-32768", -(2**15)), ("32767", 2**15 - 1)), _arrow("int16")),
    Kind("integer", "integer", (("-2147483648", -(2**31)), ("2147483647", 2**31 - 1)), _arrow("int32")),
    Kind("bigint", "bigint", ((str(-(2**63)), -(2**63)), (str(2**63 - 1), 2**63 - 1)), _arrow("int64")),
    Kind("real", "real", (("0.1", 0.1), ("NaN", math.nan), ("-Infinity", -math.inf)), _arrow("float32")),
    Kind("double", "double precision", (("0.1", 0.1), ("NaN", math.nan), ("Infinity", math.inf)), _arrow("float64")),
    Kind("numeric-15-2", "numeric(15, 2)", _numbers("-9999999999999.99", "0.01"), _arrow("decimal128", 15, 2)),
    Kind("numeric-38-10", "numeric(38, 10)", _numbers("1234567890123456789012345678.0123456789"),
         _arrow("decimal128", 38, 10)),
    Kind("numeric", "numeric", _numbers("1.5", "0.1", "12345678901234567890.123"), _arrow("decimal128", 38, 3),
         "no precision declared, values that 38 digits hold"),
    Kind("numeric-wide", "numeric", (("1.5", Decimal("1.5")), (str(_HUGE), _HUGE)), _arrow("decimal128", 38, 1),
         "no precision declared, 30 digits before the point"),
    Kind("numeric-nan", "numeric", (("1.5", 1.5), ("NaN", math.nan)), _arrow("float64"), "NaN is a numeric too"),
    Kind("boolean", "boolean", (("true", True), ("false", False)), _arrow("bool_")),
    Kind("text", "text", _same("", _TEXT), _arrow("string")),
    Kind("varchar", "varchar(40)", _same("", _TEXT), _arrow("string")),
    Kind("char", "char(4)", (("abcd", "abcd"), ("Züri", "Züri")), _arrow("string"), "of its full length"),
    Kind("bytea", "bytea", (("\\x", b""), ("\\x00ff5c27", b"\x00\xff\\'")), _arrow("binary")),
    Kind("date", "date", (("2026-02-28", dt.date(2026, 2, 28)), ("1969-12-31", dt.date(1969, 12, 31))),
         _arrow("date32")),
    Kind("date-1500", "date", (("1500-03-01", dt.date(1500, 3, 1)), ("0001-01-01", dt.date(1, 1, 1))), _arrow("date32"),
         "before the Gregorian calendar"),
    Kind("time", "time", (("23:59:59.999999", dt.time(23, 59, 59, 999999)), ("00:00:00", dt.time(0))),
         _arrow("time64", "us")),
    Kind("timestamp", "timestamp", ((str(_AT), _AT),), _arrow("timestamp", "us"), "an hour that summer time skips"),
    Kind("timestamptz", "timestamptz", ((f"{_AT}+02", _AT.replace(tzinfo=dt.UTC) - dt.timedelta(hours=2)),),
         _arrow("timestamp", "us", "UTC")),
    Kind("uuid", "uuid", ((_ID, bytes.fromhex(_ID.replace("-", ""))),), _arrow("binary", 16)),
    Kind("json", "json", _same('{"b": 1, "a": [null, "é"]}'), _arrow("string"), "as text, as it was written"),
    Kind("jsonb", "jsonb", (('{"b":1, "a":"é"}', '{"a": "é", "b": 1}'),), _arrow("string"),
         "as text, as PostgreSQL writes it"),
    Kind("inet", "inet", _same("192.0.2.1/24", "2001:db8::/32"), _arrow("string"), "as text"),
    Kind("enum", "mood", _same("so-so", "glad"), _arrow("string"), "as text"),
    Kind("integer-array", "integer[]", (("{1,NULL,2}", [1, None, 2]), ("{}", [])), _list("int32")),
    Kind("text-array", "text[]", (('{"a,b","é",NULL}', ["a,b", "é", None]),), _list("string")),
    Kind("integer-matrix", "integer[][]", (("{{1,2},{3,4}}", [[1, 2], [3, 4]]),), _lists("int32"),
         "two dimensions, which the type in the catalog does not tell"),
)  # fmt: skip
"""The types that are tested."""

BEFORE = ("CREATE TYPE mood AS ENUM ('so-so', 'glad')",)
"""Statements that the tables of :data:`KINDS` need first."""


def _trap(number: int) -> tuple[int, int | None, str]:
    """A row: a key from 1, a number that is negative, null or large, and a text."""
    return number, None if number % _NULL_EACH == 0 else number - _ROWS // 2, f"row {number}"


_TRAP_ROWS = tuple(_trap(number) for number in range(1, _ROWS + 1))
TRAPS = Small(
    "traps",
    "id integer PRIMARY KEY, k integer, t text",
    tuple(f"({n}, {'NULL' if k is None else k}, '{t}')" for n, k, t in _TRAP_ROWS),
    lambda: {"id": _arrow("int32")(), "k": _arrow("int32")(), "t": _arrow("string")()},
    _TRAP_ROWS,
)
"""100 rows; ``k`` is null in every seventh row, and else from -49 to 50."""


def small(name: str) -> Small:
    """The table called ``name``."""
    return next(one for one in (TRAPS, *(kind.small() for kind in KINDS)) if one.name == name)


def write_expected(name: str, into: Path) -> None:
    """Write :func:`expected` as an Arrow IPC file."""
    table_files.write(expected(name), into)


def expected(name: str) -> pa.Table:
    """The rows of the table called ``name``."""
    return small(name).rows()
