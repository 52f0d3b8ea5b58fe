"""What a table by column answers, against a heap table: comparisons with edge values, and joins with heap tables."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from lakebench.datasets import answer_files
from lakebench.datasets.postgresql.edges import COLUMNS, JOINED, TYPES, EdgeColumn, filled, joined
from lakebench.datasets.postgresql.twins import QUESTIONS, SPECIAL, TwinQuery, filters
from lakebench.engines.postgresql import literal
from lakebench.execution.cases import Check, Evidence, same
from lakebench.execution.context import RunContext
from lakebench.phases.pg_mooncake.sides import COLUMNAR, COLUMNSTORE, MIRROR, ColumnarTwins, Side, at, case_of

SIDES = (COLUMNAR, COLUMNSTORE, MIRROR)
FILTERS, JOINS, VALUES = "Filters by column", "Joins and aggregates with heap tables", "Values of one type"
_OWN = "own"


def blocks(side: Side) -> Iterator[Check]:
    """Every check of answers of ``side``."""
    for column in COLUMNS:
        case = case_of(side, "filter", column.name, FILTERS, f"filters of {column.type}")
        yield Check(case, partial(_filters, side=side, column=column))
    for name, question in QUESTIONS.items():
        case = case_of(side, "answer", name, JOINS, question.title.replace("foreign table", "table by column"))
        yield Check(case, partial(_answer, side=side, question=question))
    for name, special in SPECIAL.items():
        case = case_of(side, "special", name, VALUES, special.title)
        yield Check(case, partial(_special, side=side, name=name))


def orders(context: RunContext, side: Side) -> ColumnarTwins:
    """The table ``orders`` with a column of each type, its heap twin, and the heap table that is joined; once a run."""
    return context.prepared.once(f"pg_mooncake/orders/{side.name}", lambda: _make(at(side, context, "orders")))


def _make(twins: ColumnarTwins) -> ColumnarTwins:
    twins.make(TYPES, *filled("{t}"))
    own = f"{twins.server.schema()}.{_OWN}"
    twins.server.execute(f"CREATE TABLE {own} ({JOINED})", joined(own))
    return twins


def _compared(twins: ColumnarTwins, question: TwinQuery) -> Evidence:
    """The evidence that ``question`` has one answer of both tables."""
    server, own = twins.server, f"{twins.server.schema()}.{_OWN}"
    asked = question.sql.replace("{own}", own)
    sql, expected = (asked.replace("{t}", one) for one in (twins.table, twins.twin))
    reference = {"a heap table with the same rows": server.answer(expected)}
    checked = server.context.checker.call(answer_files.compare, server.answer(sql), reference, question.rules)
    return {"sql": sql, **same(checked)}


def _filters(context: RunContext, side: Side, column: EdgeColumn) -> Evidence:
    """The rows behind every comparison with every edge value, and the aggregates of those rows."""
    twins = orders(context, side)
    rows, aggregates = (_compared(twins, one) for one in filters(column))
    return {**rows, "aggregates": aggregates["answer"]}


def _answer(context: RunContext, side: Side, question: TwinQuery) -> Evidence:
    twins = orders(context, side)
    try:
        twins.server.execute(f"SET TimeZone = {literal(question.zone)}")
        return _compared(twins, question)
    finally:
        twins.server.end()


def _special(context: RunContext, side: Side, name: str) -> Evidence:
    """Values as text and compared, each in its place."""
    special = SPECIAL[name]
    twins = at(side, context, f"special_{name.replace('-', '_')}")
    twins.make(special.columns, special.insert)
    return _compared(twins, special.query)
