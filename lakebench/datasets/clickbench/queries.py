"""ClickBench's 43 queries in our own words, and their SQL for each engine.

Each file in ``queries/`` computes what ClickBench's query of that number computes; its first line says what
that is. Text and column names are ours. ``{frequent}`` is how many rows make a counter or a host a frequent one.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lakebench.datasets import sql_rules
from lakebench.datasets.clickbench import hits
from lakebench.datasets.rules import Rules
from lakebench.datasets.workload import Question, variant_file

if TYPE_CHECKING:
    from lakebench.engines import Engine

DIALECT = "postgres"
FREQUENT = 100_000
"""ClickBench's own number; its table has about a thousand times as many rows."""
_FOLDER = Path(__file__).parent / "queries"


@dataclass(frozen=True)
class ClickBenchQuery:
    """One query: ``q01`` to ``q43``, its ``sql`` in :data:`DIALECT` without the comment, and its rules."""

    name: str
    sql: str
    rules: Rules
    frequent: int


@functools.cache
def queries(frequent: int = FREQUENT) -> tuple[ClickBenchQuery, ...]:
    """The 43 queries, by number. ``frequent`` replaces ClickBench's number of rows."""
    return tuple(_query(path, frequent) for path in sorted(_FOLDER.glob("q*.sql")))


def _query(path: Path, frequent: int) -> ClickBenchQuery:
    sql = _filled(path.read_text("utf-8").partition("\n")[2], frequent)
    return ClickBenchQuery(path.stem, sql, sql_rules.rules_of(sql, DIALECT, {hits.TABLE: hits.COLUMNS}), frequent)


def question(query: ClickBenchQuery) -> Question:
    """``query`` as part of a workload."""
    return Question(
        name=query.name,
        text=query.sql,
        sql=functools.partial(_sql, query),
        rules=query.rules,
        tables=frozenset({hits.TABLE}),
        variant=functools.partial(_is_variant, query),
    )


def workload_hash(queries: Iterable[ClickBenchQuery]) -> str:
    """SHA-256 over text and rules of ``queries``: results of another hash are not comparable."""
    contents = [[query.name, query.sql, dataclasses.asdict(query.rules)] for query in queries]
    return hashlib.sha256(json.dumps(contents).encode()).hexdigest()


def _sql(query: ClickBenchQuery, engine: type[Engine]) -> str:
    """``query`` in the words of ``engine``: its hand-written variant, or else a translation into its dialect."""
    variant = _variant(query, engine)
    if variant.is_file():
        return _filled(variant.read_text("utf-8"), query.frequent)
    return sql_rules.translated(query.sql, DIALECT, engine.dialect)


def _is_variant(query: ClickBenchQuery, engine: type[Engine]) -> bool:
    """Whether ``engine`` has a hand-written variant, whose file gives the reason."""
    return _variant(query, engine).is_file()


def _variant(query: ClickBenchQuery, engine: type[Engine]) -> Path:
    return variant_file(engine, f"clickbench/{query.name}")


def _filled(sql: str, frequent: int) -> str:
    return sql.strip().replace("{frequent}", str(frequent))
