"""The 22 queries with the specification's validation parameters, and how each engine is asked them.

The files in ``queries/`` hold the specification's text with three changes that no answer depends on: arithmetic on a
constant date stands as its result, Q13 and Q15 name their columns with ``AS`` and ``WITH``, and "the first N rows" is
``LIMIT N``. What depends on the scale factor is a placeholder.
"""

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from lakebench.answers import Rules

if TYPE_CHECKING:
    from lakebench.engines import Engine

DIALECT = "postgres"
ANSWERED = (Decimal("0.01"), Decimal("0.1"), Decimal(1))
_FOLDER = Path(__file__).parent / "queries"
_FRACTION = Decimal("0.0001")
_FRACTION_DIGITS = Decimal("1e-10")

# By number: the positions of the ORDER BY columns, and of the columns that are an average or a ratio.
_RULES = {
    1: Rules(order=(0, 1), average=(6, 7, 8)),
    2: Rules(order=(0, 2, 1, 3)),
    3: Rules(order=(1, 2)),
    4: Rules(order=(0,)),
    5: Rules(order=(1,)),
    6: Rules(),
    7: Rules(order=(0, 1, 2)),
    8: Rules(order=(0,), ratio=(1,)),
    9: Rules(order=(0, 1)),
    10: Rules(order=(2,)),
    11: Rules(order=(1,)),
    12: Rules(order=(0,)),
    13: Rules(order=(1, 0)),
    14: Rules(ratio=(0,)),
    15: Rules(order=(0,)),
    16: Rules(order=(3, 0, 1, 2)),
    17: Rules(average=(0,)),
    18: Rules(order=(4, 3)),
    19: Rules(),
    20: Rules(order=(0,)),
    21: Rules(order=(1, 0)),
    22: Rules(order=(0,)),
}


@dataclass(frozen=True)
class Query:
    """One query: ``sql`` in :data:`DIALECT`, and the rules its answer is compared by.

    ``fraction`` is Q11's FRACTION for the scale factor, as SQL text.
    """

    number: int
    sql: str
    fraction: str
    rules: Rules

    @property
    def name(self) -> str:
        """``q01`` to ``q22``."""
        return f"q{self.number:02d}"


def queries(scale_factor: Decimal) -> tuple[Query, ...]:
    """The 22 queries for ``scale_factor``, by number."""
    fraction = q11_fraction(scale_factor)
    return tuple(
        Query(number, _filled((_FOLDER / f"q{number:02d}.sql").read_text("utf-8"), fraction), fraction, rules)
        for number, rules in _RULES.items()
    )


def q11_fraction(scale_factor: Decimal) -> str:
    """Q11's FRACTION: 0.0001 / SF (clause 2.4.11.3) to the ten digits of the specification's own query generator.

    At the scale factors that have reference answers it is the validation parameter 0.0001 (clause 2.4.11.4): those
    answers were made with it.
    """
    if scale_factor in ANSWERED:
        return str(_FRACTION)
    return format((_FRACTION / scale_factor).quantize(_FRACTION_DIGITS, ROUND_HALF_UP).normalize(), "f")


def workload_hash(some: Iterable[Query]) -> str:
    """SHA-256 over text and rules of ``some`` queries: results of another hash are not comparable."""
    text = "\0".join(f"{query.name}\0{query.sql}\0{query.rules}" for query in some)
    return hashlib.sha256(text.encode()).hexdigest()


def sql_for(engine: type[Engine], query: Query) -> str:
    """``query`` in the words of ``engine``: its hand-written variant, or else a translation into its dialect."""
    variant = _variant(engine, query.name)
    if variant.is_file():
        return _filled(variant.read_text("utf-8"), query.fraction)
    return _translated(query.sql, engine.dialect)


def is_variant(engine: type[Engine], query: Query) -> bool:
    """Whether ``engine`` is asked a hand-written variant, which its file gives the reason for."""
    return _variant(engine, query.name).is_file()


def _variant(engine: type[Engine], name: str) -> Path:
    module = sys.modules[engine.__module__].__file__
    return Path(module or "").parent / "sql" / f"{name}.sql"


def _filled(sql: str, fraction: str) -> str:
    return sql.strip().replace("{fraction}", fraction)


@functools.cache
def _translated(sql: str, dialect: str) -> str:
    if dialect in {"", DIALECT}:
        return sql
    import sqlglot

    return sqlglot.transpile(sql, read=DIALECT, write=dialect, pretty=True)[0]
