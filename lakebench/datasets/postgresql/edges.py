"""Orders with edge values of each type of PostgreSQL and generated rows, and a small table to join them with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from lakebench.engines.postgresql import literal

GENERATED = 5_000
"""Rows beside those with edge values; their ids begin at :data:`FIRST`."""
FIRST = 101
_EDGES = 12


def typed(value: str, kind: str) -> str:
    """``value`` as a literal of the type ``kind``."""
    return f"{literal(value)}::{kind}"


def predicates(column: str, kind: str, values: Sequence[str]) -> Iterator[str]:
    """Comparisons of ``column`` with each of ``values``, with two at once, and with NULL."""
    literals = [typed(value, kind) for value in values]
    for one in literals:
        yield from (f"{column} {operator} {one}" for operator in ("=", "<>", "<", ">="))
    yield from (f"{column} IN ({one}, {other})" for one, other in islice(pairwise(literals), 1))
    yield f"{column} IS NULL"
    yield f"{column} IS NOT NULL"


@dataclass(frozen=True)
class EdgeColumn:
    """A column, its edge values as PostgreSQL writes them, and the expression of ``n`` that generates others."""

    name: str
    type: str
    values: tuple[str, ...]
    generated: str

    def literal(self, value: str) -> str:
        """``value`` with its type."""
        return typed(value, self.type)

    def predicates(self) -> Iterator[str]:
        """Comparisons with each edge value, with two at once, and with NULL."""
        return predicates(self.name, self.type, self.values)


COLUMNS: Sequence[EdgeColumn] = (
    EdgeColumn(
        "region",
        "text",
        ("north", "South", "", "Zürich", "it's", "north "),
        "CASE n % 5 WHEN 0 THEN 'north' WHEN 1 THEN 'South' WHEN 2 THEN 'east' WHEN 3 THEN 'West' ELSE 'Zürich' END",
    ),
    EdgeColumn(
        "amount", "numeric(10, 2)", ("0", "-0.01", "99999999.99", "-99999999.99"), "(n * 7919 % 1000000) / 100.0"
    ),
    EdgeColumn("score", "double precision", ("NaN", "Infinity", "-Infinity", "-0", "5", "1e-300"), "n * 0.5"),
    EdgeColumn("quantity", "bigint", ("9223372036854775807", "-9223372036854775808", "0"), "n % 97"),
    EdgeColumn("paid", "boolean", ("true", "false"), "n % 3 = 0"),
    EdgeColumn(
        "ordered", "date", ("0001-01-01", "1969-12-31", "2024-02-29", "9999-12-31"), "date '2025-01-01' + n % 500"
    ),
    EdgeColumn(
        "shipped",
        "timestamp",
        ("1969-12-31 23:59:59.999999", "2026-03-08 02:30:00", "1582-10-15 00:00:00"),
        "timestamp '2025-01-01' + n % 500 * interval '1 hour'",
    ),
    EdgeColumn(
        "seen",
        "timestamptz",
        ("2026-03-08 06:59:59+00", "2026-03-08 07:00:00+00", "1969-12-31 23:59:59.999999+00"),
        "timestamptz '2026-03-07 20:00:00+00' + n % 500 * interval '7 minutes'",
    ),
)
TYPES = "id integer, " + ", ".join(f"{one.name} {one.type}" for one in COLUMNS)
"""The columns of the tables of orders."""
JOINED = "id integer, region text"
"""The columns of the small tables that are joined with the orders."""
_REGIONS = ("north", "South", "nowhere", "Zürich", None)


def filled(table: str) -> tuple[str, ...]:
    """The statements that give ``table`` its rows, the same ones wherever they run."""
    names = ", ".join(("id", *(one.name for one in COLUMNS)))
    rows = ", ".join(f"({number}, {', '.join(_edge(one, number) for one in COLUMNS)})" for number in range(_EDGES))
    made = ", ".join(one.generated for one in COLUMNS)
    last = FIRST + GENERATED - 1
    return (
        f"INSERT INTO {table} ({names}) VALUES {rows}",
        f"INSERT INTO {table} ({names}) SELECT n, {made} FROM generate_series({FIRST}, {last}) n",
    )


def _edge(column: EdgeColumn, number: int) -> str:
    """The value of ``column`` in row ``number``: each edge value in turn, then NULL; no two columns go in step."""
    values = (*column.values, None)
    value = values[(number + len(column.name)) % len(values)]
    return "NULL" if value is None else column.literal(value)


def joined(table: str) -> str:
    """The statement that gives a small ``table`` of :data:`JOINED` its rows."""
    rows = ", ".join(f"({at}, {'NULL' if one is None else literal(one)})" for at, one in enumerate(_REGIONS))
    return f"INSERT INTO {table} VALUES {rows}"
