"""The life of a table as a program: small commits on TPC-H's ``orders``, made from a seed; and what readers are asked.

The program knows which keys there are without reading a row: the specification fixes the keys of ``orders`` (TPC-H,
clause 4.2.3: eight of each 32 numbers). Standard library only.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from lakebench.iceberg.operations import Append, Delete, Merge, Operation, Row
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field

TABLE = "orders"
KEY = "o_orderkey"
FIELDS = (
    Field(KEY, "long"),
    Field("o_custkey", "long"),
    Field("o_orderstatus", "string"),
    Field("o_totalprice", "decimal(15,2)"),
    Field("o_orderdate", "date"),
    Field("o_orderpriority", "string"),
    Field("o_clerk", "string"),
    Field("o_shippriority", "int"),
    Field("o_comment", "string"),
)
RECENT = (KEY, "o_custkey", "o_orderstatus", "o_totalprice", "o_comment")
"""The columns of the rows that are looked up."""
WATCHED = (KEY, "o_custkey", "o_orderstatus")
"""Those that are read all along while the table is maintained."""
ORDERS = 1_500_000
"""Rows of ``orders`` for each unit of the scale factor (TPC-H, clause 4.2.5)."""

_KEYS, _OF = 8, 32
_LOOKED_UP = 100  # orders of the first day among those that are looked up
_HOT_SHARE, _HOT = 0.8, 0.02  # most changes are of the newest orders
_PRIORITIES = ("1-URGENT", "2-HIGH", "3-MEDIUM", "4-NOT SPECIFIED", "5-LOW")
_WORDS = ("carefully", "quick", "final", "deposits", "sleep", "furiously", "ironic", "requests", "haggle", "pending")
_FIRST_DAY = dt.date(1998, 8, 3)  # the day after the last order of the generator
_CHANGED, _NEW, _APPENDED, _DELETED = 15, 5, 20, 5


def orders(scale_factor: Decimal) -> int:
    """How many orders the generator makes."""
    return int(ORDERS * scale_factor)


def key_of(number: int) -> int:
    """The key of the order ``number``, which begins with 0."""
    return (number + 1) // _KEYS * _OF + (number + 1) % _KEYS


def first_looked_up(scale_factor: Decimal) -> int:
    """The least key of the orders that are looked up: the last of the generator's, and all that come later."""
    return key_of(max(0, orders(scale_factor) - _LOOKED_UP))


def queries(scale_factor: Decimal) -> dict[str, str]:
    """What every reader is asked, in SQL that all of them know: a sum over the table, by group, and newest rows."""
    least = first_looked_up(scale_factor)
    return {
        "totals": f"SELECT count(*) AS n, sum(o_totalprice) AS total FROM {TABLE}",
        "groups": f"SELECT o_orderpriority, count(*) AS n, sum(o_totalprice) AS total FROM {TABLE} "
        "GROUP BY o_orderpriority",
        "recent": f"SELECT {', '.join(RECENT)} FROM {TABLE} WHERE {KEY} >= {least}",
    }


def commits(scale_factor: Decimal, number: int, seed: int) -> tuple[Operation, ...]:
    """The first ``number`` commits of the life that ``seed`` gives: upserts, appends and deletes of a few rows.

    A shorter life is the beginning of a longer one.
    """
    drawn = random.Random(f"living/{seed}")  # noqa: S311 - data, not a secret
    orders_there = _Orders(orders(scale_factor), drawn)
    return tuple(_commit(orders_there, drawn) for _ in range(number))


@dataclass
class _Orders:
    """The orders that there are: numbers below ``end`` without those that are ``gone``."""

    end: int
    drawn: random.Random

    def __post_init__(self) -> None:
        """Nothing is gone yet."""
        self.gone: set[int] = set()

    def new(self, count: int) -> list[int]:
        self.end += count
        return list(range(self.end - count, self.end))

    def some(self, count: int) -> list[int]:
        """Different orders that are there, most of them new ones."""
        found: dict[int, None] = {}
        while len(found) < count:
            oldest = int(self.end * (1 - _HOT)) if self.drawn.random() < _HOT_SHARE else 0
            one = self.drawn.randrange(oldest, self.end)
            if one not in self.gone:
                found[one] = None
        return list(found)


def _commit(there: _Orders, drawn: random.Random) -> Operation:
    kind = drawn.random()
    about: dict[str, Any] = {"table": TABLE, "fields": FIELDS}
    if kind < 0.5:  # noqa: PLR2004 - half of the commits
        numbers = [*there.some(_CHANGED), *there.new(_NEW)]
        return Merge(rows=tuple(_rows(numbers, drawn)), key=(KEY,), **about)
    if kind < 0.75:  # noqa: PLR2004 - a quarter
        return Append(rows=tuple(_rows(there.new(_APPENDED), drawn)), **about)
    deleted = there.some(_DELETED)
    there.gone.update(deleted)
    return Delete(where=(Condition(KEY, "in", tuple(map(key_of, sorted(deleted)))),), **about)


def _rows(numbers: list[int], drawn: random.Random) -> Iterator[Row]:
    for number in numbers:
        yield (
            key_of(number),
            drawn.randrange(1, 100_000),
            drawn.choice("FOP"),
            f"{drawn.randrange(100_000, 50_000_000) / 100:.2f}",
            str(_FIRST_DAY + dt.timedelta(days=drawn.randrange(365))),
            drawn.choice(_PRIORITIES),
            f"Clerk#{drawn.randrange(1, 1000):09d}",
            0,
            " ".join(drawn.choices(_WORDS, k=6)),
        )
