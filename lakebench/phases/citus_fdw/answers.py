"""What a foreign table answers: pushed down, not pushed down, and a heap table with the same rows beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from lakebench.datasets import answer_files
from lakebench.datasets.postgresql.edges import COLUMNS, EdgeColumn
from lakebench.datasets.postgresql.twins import QUESTIONS, SPECIAL, TwinQuery, filters
from lakebench.datasets.rules import Rules
from lakebench.engines.postgresql import literal
from lakebench.errors import EngineUnavailable, Refused, WrongAnswer
from lakebench.execution.cases import Block, Evidence, same
from lakebench.phases.citus_fdw.case import case_of, check_of
from lakebench.phases.citus_fdw.ends import Link, Pair
from lakebench.verification import query_plans

PUSHDOWN, ANSWERS, TYPES = "Aggregates pushed down", "Answers of a foreign table", "Values and order of both ends"
_TWIN = "twin"
MODES: Mapping[str, tuple[str, str]] = {
    "plain": ("orders_plain", "without statistics"),
    "analyzed": ("orders", "after ANALYZE"),
    "estimate": ("orders_estimate", "with use_remote_estimate"),
}
"""Name → the foreign table, and what the planner knows of it."""
AGGREGATES: Mapping[str, TwinQuery] = {
    "whole": TwinQuery("count and sum", "SELECT count(*) AS n, sum(amount) AS s FROM {t} t"),
    "grouped": TwinQuery("sum by region", "SELECT region, count(*) AS n, sum(amount) AS s FROM {t} t GROUP BY region"),
    "filtered": TwinQuery(
        "sum by region from a date on",
        "SELECT region, sum(amount) AS s FROM {t} t WHERE ordered >= date '2025-06-01' GROUP BY region",
    ),
}


def blocks(pair: Pair) -> Iterator[Block]:
    """Every check of answers of ``pair``."""
    for name, question in AGGREGATES.items():
        for mode, (_, known) in MODES.items():
            case = case_of(pair, "pushdown", f"{name}-{mode}", PUSHDOWN, f"{question.title}, {known}")
            yield check_of(pair, case, partial(_pushdown, question=question, mode=mode))
    for number in _EXECUTIONS:
        title = f"a prepared statement with parameters, execution {number}"
        case = case_of(pair, "prepared", str(number), ANSWERS, title)
        yield check_of(pair, case, partial(_prepared, executions=number))
    for column in COLUMNS:
        case = case_of(pair, "filter", column.name, ANSWERS, f"filters of {column.type}")
        yield check_of(pair, case, partial(_filters, column=column))
    for name, question in QUESTIONS.items():
        case = case_of(pair, "answer", name, ANSWERS, question.title)
        yield check_of(pair, case, partial(_answer, question=question))
    for name, special in SPECIAL.items():
        case = case_of(pair, "special", name, TYPES, special.title)
        yield check_of(pair, case, partial(_special, name=name))
    for name, title in (("by-hand", "declared without the collation"), ("imported", "by IMPORT FOREIGN SCHEMA")):
        case = case_of(pair, "collation", name, TYPES, f"text of another collation at the other end, {title}")
        yield check_of(pair, case, partial(_collation, imported=name == "imported"))


def _defeated(sql: str, table: str) -> str:
    """``sql`` of ``{t}`` with nothing pushed down: the rows of ``table`` are fetched, once, and all else is local."""
    return f"WITH fetched AS MATERIALIZED (SELECT * FROM {table}) {sql.replace('{t}', 'fetched')}"


def _texts(question: TwinQuery, table: str) -> tuple[str, str, str]:
    """The question of the foreign table, of its rows alone, and of the heap twin."""
    sql = question.sql.replace("{own}", "own")
    return sql.replace("{t}", table), _defeated(sql, table), question.sql.format(t=_TWIN, own="regions")


def _pushdown(link: Link, question: TwinQuery, mode: str) -> Evidence:
    """The answer is right; the evidence is whether the other end computed it."""
    return compared(link, question, MODES[mode][0])


def _answer(link: Link, question: TwinQuery) -> Evidence:
    local = link.pair.local
    try:
        link.execute(local, f"SET TimeZone = {literal(question.zone)}")
        return compared(link, question, "orders")
    finally:
        link.new_session(local)


def compared(link: Link, question: TwinQuery, table: str) -> dict[str, Any]:
    """The evidence that both ways to ask ``table`` give what the heap twin gives, and what the other end was asked.

    Raises:
        WrongAnswer: one of them gives something else.
    """
    pushed, rows, twin = _texts(question, table)
    plan = link.plan(pushed)
    expected = {"a heap table with the same rows": link.answer(link.pair.local, twin).path}
    evidence = _same(link, pushed, expected, question.rules)
    return {
        "sql": pushed,
        **evidence,
        "not_pushed": _same(link, rows, expected, question.rules)["answer"],
        **pushed_by(plan),
    }


def _same(link: Link, sql: str, expected: Mapping[str, Any], rules: Rules) -> dict[str, Any]:
    """The evidence that the answer to ``sql`` is the ``expected`` one.

    Raises:
        WrongAnswer: it is not; its details have the statement.
    """
    actual = link.answer(link.pair.local, sql).path
    try:
        return same(link.context.checker.call(answer_files.compare, actual, expected, rules))
    except WrongAnswer as error:
        error.details["sql"] = sql
        raise


def pushed_by(plan: Sequence[str]) -> dict[str, Any]:
    """What ``plan`` says that the other end computes: its aggregates and joins, and the queries that it gets."""
    lines = [line.strip() for line in plan]
    relations = [line.partition(": ")[2] for line in lines if line.startswith("Relations: ")]
    return {
        "aggregate_pushed": any(one.startswith("Aggregate on") for one in relations),
        "relations": relations,
        "remote": list(query_plans.distributed(plan).remote)[:5],
        "plan": "\n".join(plan),
    }


# Prepared statements.

_EXECUTIONS = (1, 6)  # from the sixth on a plan may be for all values: PostgreSQL's PREPARE, Notes
_PARAMETERS = "'it''s', '2024-02-29', 0.5, 'Infinity'"
_WITH_PARAMETERS = (
    "SELECT count(*) AS n, sum(amount) AS s, max(seen) AS m FROM {t} "
    "WHERE region <> $1 AND ordered >= $2 AND amount > $3 AND score < $4"
)


def _prepared(link: Link, executions: int) -> Evidence:
    """The answer of the last of ``executions`` of a statement that the session prepared, and the plan that it has."""
    local, types = link.pair.local, "text, date, numeric, double precision"
    try:
        for name, table in (("asked", "orders"), ("expected", _TWIN)):
            link.execute(local, f"PREPARE {name} ({types}) AS {_WITH_PARAMETERS.format(t=table)}")
        for _ in range(executions - 1):
            link.cells(local, f"EXECUTE asked ({_PARAMETERS})")
        expected = {"a heap table": link.answer(local, f"EXECUTE expected ({_PARAMETERS})").path}
        evidence = _same(link, f"EXECUTE asked ({_PARAMETERS})", expected, Rules())
        plan = link.plan(f"EXECUTE asked ({_PARAMETERS})")
        return {"sql": _WITH_PARAMETERS.format(t="orders"), **evidence, **pushed_by(plan)}
    finally:
        link.new_session(local)


# Filters: each comparison with each edge value, in one statement.


def _filters(link: Link, column: EdgeColumn) -> Evidence:
    """The rows behind every comparison with every edge value, and the aggregates of those rows."""
    rows, aggregates = (compared(link, one, "orders") for one in filters(column))
    return {**rows, "predicates": list(column.predicates()), "aggregates": aggregates["answer"]}


# Values that not every server has, each in a table of its own.


def _special(link: Link, name: str) -> Evidence:
    """Values read as text through the foreign table, and compared there, against a heap table."""
    special, table = SPECIAL[name], f"special_{name.replace('-', '_')}"
    columns, twin = special.columns, f"{table}_twin"
    made = link.pair.remote.made(table, columns)
    link.execute(link.pair.remote, *made, special.insert.replace("{t}", table))
    heap = (f"CREATE TABLE {twin} ({columns})", special.insert.replace("{t}", twin))
    link.execute(link.pair.local, link.foreign(table, columns), *heap)
    return _of_twin(link, special.query.sql, table)


def _of_twin(link: Link, sql: str, table: str) -> dict[str, Any]:
    """The answer of the foreign ``table`` to ``sql`` of ``{t}``, against that of its own twin."""
    expected = {
        "a heap table with the same rows": link.answer(link.pair.local, sql.replace("{t}", f"{table}_twin")).path
    }
    pushed = sql.replace("{t}", table)
    evidence = _same(link, pushed, expected, Rules())
    _same(link, _defeated(sql, table), expected, Rules())
    return {"sql": pushed, **evidence, **pushed_by(link.plan(pushed))}


# Order of text.

_COLLATIONS = ("en-x-icu", "und-x-icu", "unicode", "en_US.utf8", "de_DE.utf8")
_WORDS = ("a", "B", "b", "A", "z", "Z", "ä", "Ä", "a b", "ab", "")


def _collation(link: Link, *, imported: bool) -> Evidence:
    """Order, comparison, min and max of text whose column at the other end has another collation."""
    collation = other_collation(link)
    table, plain = f"words_{'imported' if imported else 'by_hand'}", "id integer, w text"
    columns, rows = f'{plain} COLLATE "{collation}"', ", ".join(f"({at}, {literal(w)})" for at, w in enumerate(_WORDS))
    link.execute(link.pair.remote, *link.pair.remote.made(table, columns), f"INSERT INTO {table} VALUES {rows}")
    foreign = link.imported(table) if imported else link.foreign(table, plain)
    heap = f"CREATE TABLE {table}_twin ({columns if imported else plain})"
    link.execute(link.pair.local, foreign, heap, f"INSERT INTO {table}_twin VALUES {rows}")
    sql = (
        "SELECT w, (SELECT min(w) || max(w) FROM {t} t WHERE w <> '') AS m FROM {t} t WHERE w < 'b' ORDER BY w LIMIT 4"
    )
    return {"collation": collation, **_of_twin(link, sql, table)}


def other_collation(link: Link) -> str:
    """A collation of the other end that does not order by code points.

    Raises:
        EngineUnavailable: it has none.
    """
    named = ", ".join(map(literal, _COLLATIONS))
    asked = f"SELECT DISTINCT collname::text AS c FROM pg_collation WHERE collname IN ({named})"
    for (name,) in link.cells(link.pair.remote, asked):
        try:
            if link.cells(link.pair.remote, f"SELECT 'a' COLLATE \"{name}\" < 'B' AS a") == [["True"]]:
                return str(name)
        except Refused:  # a server without ICU still lists one
            continue
    raise EngineUnavailable(
        f"{link.pair.remote.title} here orders text by code points alone: name a PostgreSQL that has ICU, with "
        f"pg_config under [services.{link.pair.remote.service}] in lakebench.toml"
    )
