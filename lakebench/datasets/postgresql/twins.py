"""Queries of the orders with edge values, and values of one type, for a table and a heap table with the same rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from lakebench.datasets.postgresql.edges import FIRST, EdgeColumn
from lakebench.datasets.rules import Rules
from lakebench.engines.postgresql import literal


@dataclass(frozen=True)
class TwinQuery:
    """A query of the table ``{t}``; ``{own}`` is a small table of the local end. ``zone`` is the session's time zone.

    ``rules`` say how its answer is compared.
    """

    title: str
    sql: str
    rules: Rules = field(default_factory=Rules)
    zone: str = "UTC"


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


@dataclass(frozen=True)
class SpecialValues:
    """A type and values of it that not every server has, for a table ``{t}`` of their own."""

    type: str
    values: tuple[str, ...]

    @property
    def title(self) -> str:
        """In words."""
        return f"{self.type}: {', '.join(self.values)}"

    @property
    def columns(self) -> str:
        """Those of the table."""
        return f"id integer, v {self.type}"

    @property
    def insert(self) -> str:
        """The statement that gives the table its rows."""
        return f"INSERT INTO {{t}} VALUES {', '.join(f'({at}, {one})' for at, one in enumerate(self._literals))}"

    @property
    def query(self) -> TwinQuery:
        """The values as text, and each compared with all of them."""
        same = " ".join(f"WHEN v = {one} THEN {at}" for at, one in enumerate(self._literals))
        return TwinQuery(self.title, f"SELECT id, v::text AS v, CASE {same} END AS same FROM {{t}} t")

    @property
    def _literals(self) -> list[str]:
        return [f"{literal(value)}::{self.type}" for value in self.values]


SPECIAL: Mapping[str, SpecialValues] = {
    "numeric-nan": SpecialValues("numeric", ("NaN", "0.1", "12345678901234567890.123456789")),
    "infinite-time": SpecialValues("timestamptz", ("infinity", "-infinity", "294276-12-31 23:59:59+00")),
    "before-christ": SpecialValues("date", ("4713-01-01 BC", "0001-12-31 BC", "5874897-12-31")),
    "json": SpecialValues("jsonb", ('{"a": [1, null]}', "null", '"\\u00fc"')),
}


def filters(column: EdgeColumn) -> tuple[TwinQuery, TwinQuery]:
    """The rows behind every comparison with every edge value of ``column``, and the aggregates of those rows."""
    selected = ("id AS n, 0 AS s, 0 AS low, 0 AS high", "count(*) AS n, sum(id) AS s, min(id) AS low, max(id) AS high")
    rows, aggregates = (TwinQuery(column.name, _each(list(column.predicates()), one)) for one in selected)
    return rows, aggregates


def _each(predicates: Sequence[str], selected: str) -> str:
    """One query: what is ``selected`` behind each of ``predicates``, with its number, of edge rows and a few more."""
    few = f"id < {FIRST + 20}"
    parts = [f"SELECT {at} AS p, {selected} FROM {{t}} AS t WHERE {one} AND {few}" for at, one in enumerate(predicates)]
    return " UNION ALL ".join(parts)
