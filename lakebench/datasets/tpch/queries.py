"""The 22 queries with the specification's validation parameters or drawn ones, and their SQL for each engine.

The files in ``queries/`` hold the specification's text with three changes that no answer depends on: arithmetic on a
substitution parameter is written as its result, Q13 and Q15 name their columns with ``AS`` and ``WITH``, and "the first
N rows" is ``LIMIT N``. Placeholders mark the parameters (:mod:`lakebench.datasets.tpch.parameters`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from lakebench.datasets.rules import Rules
from lakebench.datasets.sql_rules import translated
from lakebench.datasets.tpch.parameters import VALIDATION, drawn, placeholders
from lakebench.datasets.tpch.streams import order
from lakebench.datasets.workload import variant_file

if TYPE_CHECKING:
    from lakebench.engines import Engine

DIALECT = "postgres"
ANSWERED = (Decimal("0.01"), Decimal("0.1"), Decimal(1))
_FOLDER = Path(__file__).parent / "queries"
_WITH_FRACTION = 11
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

    ``parameters`` are its substitution parameters, the specification's name in lower case → value as text.
    """

    number: int
    sql: str
    parameters: Mapping[str, str]
    rules: Rules

    @property
    def name(self) -> str:
        """``q01`` to ``q22``."""
        return f"q{self.number:02d}"


def queries(scale_factor: Decimal) -> tuple[Query, ...]:
    """The 22 queries for ``scale_factor`` with the validation parameters, by number."""
    return tuple(_query(number, VALIDATION[number], q11_fraction(scale_factor)) for number in _RULES)


def stream_queries(scale_factor: Decimal, seed: int, stream: int) -> tuple[Query, ...]:
    """The 22 queries with the parameters that ``seed`` gives ``stream``, in the stream's order.

    Stream 0 is the power test's, those from 1 are the throughput test's. Q11's FRACTION is 0.0001 / SF everywhere.
    """
    fraction = _fraction(scale_factor)
    return tuple(_query(number, drawn(seed, stream, number), fraction) for number in order(stream))


def _query(number: int, parameters: Mapping[str, str], fraction: str) -> Query:
    all_parameters = {**parameters, "fraction": fraction} if number == _WITH_FRACTION else parameters
    template = (_FOLDER / f"q{number:02d}.sql").read_text("utf-8")
    return Query(number, _filled(template, number, all_parameters), all_parameters, _RULES[number])


def q11_fraction(scale_factor: Decimal) -> str:
    """Q11's FRACTION: 0.0001 / SF (clause 2.4.11.3) to the ten digits of the specification's own query generator.

    At the scale factors that have reference answers it is the validation parameter 0.0001 (clause 2.4.11.4): those
    answers were made with it.
    """
    return str(_FRACTION) if scale_factor in ANSWERED else _fraction(scale_factor)


def _fraction(scale_factor: Decimal) -> str:
    return format((_FRACTION / scale_factor).quantize(_FRACTION_DIGITS, ROUND_HALF_UP).normalize(), "f")


def workload_hash(some: Iterable[Query]) -> str:
    """SHA-256 over text and rules of ``some`` queries: results of another hash are not comparable."""
    text = "\0".join(f"{query.name}\0{query.sql}\0{query.rules}" for query in some)
    return hashlib.sha256(text.encode()).hexdigest()


def sql_for(query: Query, engine: type[Engine]) -> str:
    """``query`` in the words of ``engine``: its hand-written variant, or else a translation into its dialect."""
    variant = variant_file(engine, query.name)
    if variant.is_file():
        return _filled(variant.read_text("utf-8"), query.number, query.parameters)
    return translated(query.sql, DIALECT, engine.dialect)


def is_variant(query: Query, engine: type[Engine]) -> bool:
    """Whether ``engine`` has a hand-written variant, whose file gives the reason."""
    return variant_file(engine, query.name).is_file()


def _filled(sql: str, number: int, parameters: Mapping[str, str]) -> str:
    return sql.strip().format_map(placeholders(number, parameters))
