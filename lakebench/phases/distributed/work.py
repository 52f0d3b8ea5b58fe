"""The work of phase 5: queries that are computed in parts, and where one part must hear of another."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from lakebench.datasets.sql_rules import rules_of, tables_of, translated
from lakebench.datasets.workload import Question, Workload, variant_file
from lakebench.engines import Engine

TPCH = ("q01", "q03", "q06", "q18")
LONG = "long"
"""A query for killing a worker in the middle: much to compute, little to read, and of the same size at every scale."""
_DIALECT = "duckdb"
_TEXTS = {
    # The shape of field reports C17 to C19: a sum by region, of one year.
    "regions": """
        SELECT o_orderpriority, sum(o_totalprice) AS amount, count(*) AS n
        FROM orders
        WHERE o_orderdate >= DATE '1995-01-01' AND o_orderdate < DATE '1996-01-01'
        GROUP BY o_orderpriority
        ORDER BY o_orderpriority
    """,
    "shuffle": """
        SELECT o_orderpriority, l_shipmode, count(*) AS n, sum(l_quantity) AS quantity
        FROM orders JOIN lineitem ON o_orderkey = l_orderkey
        GROUP BY o_orderpriority, l_shipmode
        ORDER BY o_orderpriority, l_shipmode
    """,
    LONG: """
        SELECT count(*) AS n, sum(a.l_linenumber * b.l_linenumber) AS product
        FROM (SELECT l_quantity, l_linenumber FROM lineitem WHERE l_orderkey <= 30000) AS a
        JOIN (SELECT l_quantity, l_linenumber FROM lineitem WHERE l_orderkey <= 30000) AS b
        ON a.l_quantity = b.l_quantity
    """,
}


def workload(tpch: Workload) -> Workload:
    """The tables of ``tpch`` with four of its queries, a partitioned aggregate and a shuffle join."""
    own = [question(name) for name in _TEXTS if name != LONG]
    return replace(tpch, questions=(*(one for one in tpch.questions if one.name in TPCH), *own))


def question(name: str) -> Question:
    """One of our own questions."""
    text = "\n".join(line.strip() for line in _TEXTS[name].strip().splitlines())
    return Question(
        name=name,
        text=text,
        sql=partial(_sql, name, text),
        rules=rules_of(text, _DIALECT),
        tables=tables_of(text, _DIALECT),
    )


def _sql(name: str, text: str, engine: type[Engine]) -> str:
    """The question in the words of ``engine``: its stages where a file has them, or a translation."""
    file = variant_file(engine, name)
    return file.read_text("utf-8") if file.is_file() else translated(text, _DIALECT, engine.dialect)
