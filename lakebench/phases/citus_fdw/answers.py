"""What a foreign table answers: pushed down, not pushed down, and a heap table with the same rows beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from lakebench.datasets import answer_files
from lakebench.datasets.rules import Rules
from lakebench.engines.postgresql import literal
from lakebench.errors import EngineUnavailable, Refused, WrongAnswer
from lakebench.execution.cases import Evidence, same
from lakebench.phases.citus_fdw.case import OfPair, case_of, check_of
from lakebench.phases.citus_fdw.ends import Link, Pair
from lakebench.phases.citus_fdw.tables import COLUMNS, FIRST, EdgeColumn
from lakebench.verification import query_plans

PUSHDOWN, ANSWERS, TYPES = "Aggregates pushed down", "Answers of a foreign table", "Values and order of both ends"
_TWIN = "twin"
MODES: Mapping[str, tuple[str, str]] = {
    "plain": ("orders_plain", "without statistics"),
    "analyzed": ("orders", "after ANALYZE"),
    "estimate": ("orders_estimate", "with use_remote_estimate"),
}
"""Name → the foreign table, and what the planner knows of it."""


@dataclass(frozen=True)
class TwinQuery:
    """A query of the table ``{t}``; ``{own}`` is a small table of the local end. ``zone`` is the session's time zone.

    ``rules`` say how its answer is compared.
    """

    title: str
    sql: str
    rules: Rules = field(default_factory=Rules)
    zone: str = "UTC"


AGGREGATES: Mapping[str, TwinQuery] = {
    "whole": TwinQuery("count and sum", "SELECT count(*) AS n, sum(amount) AS s FROM {t} t"),
    "grouped": TwinQuery("sum by region", "SELECT region, count(*) AS n, sum(amount) AS s FROM {t} t GROUP BY region"),
    "filtered": TwinQuery(
        "sum by region from a date on",
        "SELECT region, sum(amount) AS s FROM {t} t WHERE ordered >= date '2025-06-01' GROUP BY region",
    ),
}
_COUNTED = f"id >= {FIRST}"
QUESTIONS: Mapping[str, TwinQuery] = {
    "alone": TwinQuery(
        "count, min, max and sum of whole columns",
        "SELECT count(*) AS n, count(score) AS c, min(amount) AS a, max(amount) AS b, sum(quantity) AS s, "
        "min(seen) AS d, max(shipped) AS e, min(region) AS f, max(region) AS g, max(score) AS h, min(score) AS i "
        "FROM {t} t",
    ),
    "average": TwinQuery("avg and count(DISTINCT)",
                        f"SELECT avg(amount) AS m, count(DISTINCT region) AS n FROM {{t}} t WHERE {_COUNTED}",
                        Rules(average=(0,))),
    "filter-clause": TwinQuery("aggregates with FILTER",
                              "SELECT count(*) FILTER (WHERE paid) AS n, sum(amount) FILTER (WHERE NOT paid) AS s, "
                              "bool_and(paid) AS a, max(ordered) FILTER (WHERE region = 'north') AS d FROM {t} t"),
    "nulls": TwinQuery("groups of NULL", "SELECT region, paid, count(*) AS n, count(amount) AS c, sum(amount) AS s "
                                        "FROM {t} t GROUP BY region, paid"),
    "having": TwinQuery("HAVING", "SELECT region FROM {t} t GROUP BY region HAVING count(*) > 5 AND max(score) > 10"),
    "nan": TwinQuery("NaN and infinity in filter and order",
                    "SELECT id, score, rank() OVER (ORDER BY score DESC NULLS LAST) AS r FROM {t} "
                    f"WHERE score > 1000000 OR score < 0 OR score IS NULL OR id < {FIRST}"),
    "large": TwinQuery("a double that is larger than every decimal", "SELECT id, score FROM {t} t WHERE score > 1e300"),
    "limit": TwinQuery("LIMIT and OFFSET behind an order with NULL",
                      "SELECT id, region FROM {t} t ORDER BY region DESC NULLS FIRST, id LIMIT 9 OFFSET 3"),
    "distinct": TwinQuery("DISTINCT", "SELECT DISTINCT region, paid FROM {t} t"),
    "distinct-on": TwinQuery("DISTINCT ON",
                            "SELECT DISTINCT ON (region) region, id, amount FROM {t} t "
                            "ORDER BY region, amount DESC NULLS LAST, id"),
    "union": TwinQuery("UNION and EXCEPT with a local table",
                      "(SELECT region FROM {t} t UNION SELECT region FROM {own}) EXCEPT SELECT 'east'"),
    "left-join": TwinQuery("the foreign table on the nullable side",
                          "SELECT r.id, r.region, count(o.id) AS n, sum(o.amount) AS s, "
                          "count(*) FILTER (WHERE o.id IS NULL) AS e FROM {own} r LEFT JOIN {t} o "
                          "ON o.region = r.region AND o.amount > 100 GROUP BY r.id, r.region"),
    "full-join": TwinQuery("FULL JOIN, and a filter above it",
                          "SELECT coalesce(r.region, 'none') AS a, coalesce(o.region, 'none') AS b, count(*) AS n "
                          f"FROM (SELECT * FROM {{t}} t WHERE id < {FIRST}) o "
                          "FULL JOIN {own} r ON o.region = r.region WHERE o.paid IS NOT TRUE GROUP BY 1, 2"),
    "self-join": TwinQuery("the foreign table joined to itself, nullable",
                          "SELECT count(*) AS n, count(b.id) AS c, sum(b.amount) AS s FROM {t} a LEFT JOIN {t} b "
                          "ON b.id = a.id + 1 AND b.paid WHERE a.region = 'north' AND b.amount IS DISTINCT FROM 0"),
    "not-in": TwinQuery("NOT IN and NOT EXISTS with NULL",
                       "SELECT r.id, r.region NOT IN (SELECT region FROM {t} t WHERE id < 5) AS a, "
                       "NOT EXISTS (SELECT 1 FROM {t} o WHERE o.region = r.region) AS b FROM {own} r"),
    "like": TwinQuery("LIKE, case and blanks",
                     "SELECT id, length(region) AS n, upper(region) AS u FROM {t} t "
                     "WHERE region LIKE 'n%' OR region ILIKE 'Z_RICH'"),
    "zone": TwinQuery("days of a zone that the other end does not have",
                     "SELECT seen::date AS d, count(*) AS n, min(extract(hour FROM seen)) AS h FROM {t} "
                     "WHERE seen >= '2026-03-08 01:30' GROUP BY 1", zone="America/New_York"),
}  # fmt: skip


def blocks(pair: Pair) -> Iterator[OfPair]:
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
    for name, (type_, values) in SPECIAL.items():
        case = case_of(pair, "special", name, TYPES, f"{type_}: {', '.join(values)}")
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
    predicates = list(column.predicates())
    found = each(predicates, "id AS n, 0 AS s, 0 AS low, 0 AS high")
    counted = each(predicates, "count(*) AS n, sum(id) AS s, min(id) AS low, max(id) AS high")
    rows = compared(link, TwinQuery(column.name, found), "orders")
    aggregates = compared(link, TwinQuery(column.name, counted), "orders")
    return {**rows, "predicates": predicates, "aggregates": aggregates["answer"]}


def each(predicates: Sequence[str], selected: str) -> str:
    """One query: what is ``selected`` behind each of ``predicates``, with its number, of edge rows and a few more."""
    few = f"id < {FIRST + 20}"
    parts = [f"SELECT {at} AS p, {selected} FROM {{t}} AS t WHERE {one} AND {few}" for at, one in enumerate(predicates)]
    return " UNION ALL ".join(parts)


# Values that not every server has, each in a table of its own.

SPECIAL: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "numeric-nan": ("numeric", ("NaN", "0.1", "12345678901234567890.123456789")),
    "infinite-time": ("timestamptz", ("infinity", "-infinity", "294276-12-31 23:59:59+00")),
    "before-christ": ("date", ("4713-01-01 BC", "0001-12-31 BC", "5874897-12-31")),
    "json": ("jsonb", ('{"a": [1, null]}', "null", '"\\u00fc"')),
}


def _special(link: Link, name: str) -> Evidence:
    """Values read as text through the foreign table, and compared there, against a heap table."""
    type_, values = SPECIAL[name]
    table = f"special_{name.replace('-', '_')}"
    filled = [f"({at}, {literal(value)}::{type_})" for at, value in enumerate(values)]
    insert, columns = f"VALUES {', '.join(filled)}", f"id integer, v {type_}"
    link.execute(link.pair.remote, *link.pair.remote.made(table, columns), f"INSERT INTO {table} {insert}")
    twin = (f"CREATE TABLE {table}_twin ({columns})", f"INSERT INTO {table}_twin {insert}")
    link.execute(link.pair.local, link.foreign(table, columns), *twin)
    same_value = " ".join(f"WHEN v = {literal(value)}::{type_} THEN {at}" for at, value in enumerate(values))
    return _of_twin(link, f"SELECT id, v::text AS v, CASE {same_value} END AS same FROM {{t}} t", table)


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
