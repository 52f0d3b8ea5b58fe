"""Shapes of joins over distributed, reference and local tables, simple and prepared, against plain PostgreSQL."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lakebench.datasets import answer_files
from lakebench.datasets.rules import Rules
from lakebench.errors import CaseError
from lakebench.execution.cases import Block, Evidence, same
from lakebench.phases.citus_pg_duckdb import tables
from lakebench.phases.citus_pg_duckdb.case import case_of, check_of
from lakebench.phases.citus_pg_duckdb.server import PG_DUCKDB, Both, Combination, Server
from lakebench.phases.citus_pg_duckdb.tables import Layout

GROUP = "Shapes of joins"
TITLES: Mapping[str, str] = {"created": "both created", "citus": "Citus alone created"}
"""The extensions of the database: where Citus is alone, the library of the other one is loaded and does nothing."""
_EXECUTIONS = 6  # PostgreSQL takes a generic plan at the sixth, if it is no worse
_VALUES = (10, 60)


@dataclass(frozen=True)
class JoinShape:
    """A query with the parameter ``{p}``, an integer; where there is an ``after``, a write, and what shows its rows."""

    title: str
    sql: str
    after: str = ""


SHAPES: Mapping[str, JoinShape] = {
    "inner-colocated": JoinShape(
        "INNER JOIN on the distribution columns",
        "SELECT o.region, count(*) AS n, sum(i.qty) AS q FROM orders o JOIN items i ON i.order_id = o.id "
        "WHERE o.amount > {p} GROUP BY o.region",
    ),
    "left-colocated": JoinShape(
        "LEFT JOIN on the distribution columns, with a condition",
        "SELECT o.id, i.id AS item FROM orders o LEFT JOIN items i ON i.order_id = o.id AND i.qty > 2 "
        "WHERE o.amount > {p}",
    ),
    "full-colocated": JoinShape(
        "FULL JOIN on the distribution columns",
        "SELECT o.id, i.id AS item FROM orders o FULL JOIN items i ON i.order_id = o.id "
        "WHERE coalesce(o.amount, 0) < {p}",
    ),
    "left-reference": JoinShape(
        "distributed LEFT JOIN reference",
        "SELECT o.id, r.title FROM orders o LEFT JOIN regions r ON r.region = o.region AND r.rank > 1 "
        "WHERE o.amount > {p}",
    ),
    "reference-left": JoinShape(
        "reference LEFT JOIN distributed",
        "SELECT r.region, r.title, count(o.id) AS n, sum(o.amount) AS s FROM regions r LEFT JOIN orders o "
        "ON o.region = r.region AND o.amount > {p} GROUP BY r.region, r.title",
    ),
    "right-reference": JoinShape(
        "distributed RIGHT JOIN reference",
        "SELECT o.id, r.title FROM (SELECT * FROM orders WHERE amount > {p}) o RIGHT JOIN regions r "
        "ON r.region = o.region",
    ),
    "full-reference": JoinShape(
        "distributed FULL JOIN reference",
        "SELECT o.id, r.title FROM (SELECT * FROM orders WHERE amount > {p}) o FULL JOIN regions r "
        "ON r.region = o.region",
    ),
    "inner-repartition": JoinShape(
        "INNER JOIN on another column",
        "SELECT count(*) AS n, sum(o.amount) AS s FROM orders o JOIN items i ON i.id = o.customer WHERE o.amount > {p}",
    ),
    "left-repartition": JoinShape(
        "LEFT JOIN on another column",
        "SELECT count(*) AS n, count(i.id) AS c FROM orders o LEFT JOIN items i ON i.id = o.customer "
        "WHERE o.amount > {p}",
    ),
    "self-left": JoinShape(
        "a table LEFT JOIN itself",
        "SELECT count(*) AS n, sum(b.amount) AS s FROM orders a LEFT JOIN orders b ON b.id = a.id "
        "AND b.customer IS NULL WHERE a.amount > {p}",
    ),
    "local-left": JoinShape(
        "local LEFT JOIN distributed",
        "SELECT n.note, o.id FROM notes n LEFT JOIN orders o ON o.customer = n.customer AND o.amount > {p}",
    ),
    "left-local": JoinShape(
        "distributed LEFT JOIN local",
        "SELECT o.id, n.note FROM orders o LEFT JOIN notes n ON n.customer = o.customer WHERE o.amount > {p}",
    ),
    "nested-left": JoinShape(
        "LEFT JOIN of a LEFT JOIN",
        "SELECT count(*) AS n, count(i.id) AS i, count(r.title) AS r FROM (orders o LEFT JOIN items i "
        "ON i.order_id = o.id) LEFT JOIN regions r ON r.region = o.region AND i.qty IS NULL WHERE o.amount > {p}",
    ),
    "nested-subquery": JoinShape(
        "LEFT JOIN of a grouped LEFT JOIN",
        "SELECT o.id, x.n FROM orders o LEFT JOIN (SELECT i.order_id, count(*) AS n FROM items i LEFT JOIN regions r "
        "ON r.rank = i.qty WHERE r.title IS NULL GROUP BY i.order_id) x ON x.order_id = o.id WHERE o.amount > {p}",
    ),
    "nested-full": JoinShape(
        "FULL JOIN of a LEFT JOIN with a local table",
        "SELECT count(*) AS n, count(o.id) AS o, count(t.note) AS t FROM regions r LEFT JOIN orders o "
        "ON o.region = r.region AND o.amount > {p} FULL JOIN notes t ON t.customer = o.customer",
    ),
    "left-union": JoinShape(
        "LEFT JOIN of a UNION of local and reference",
        "SELECT o.id FROM orders o LEFT JOIN (SELECT customer FROM notes UNION SELECT rank FROM regions) x "
        "ON x.customer = o.customer WHERE o.amount > {p}",
    ),
    "union-of-left": JoinShape(
        "LEFT JOIN UNION reference",
        "SELECT o.id, r.title FROM orders o LEFT JOIN regions r ON r.region = o.region WHERE o.amount > {p} "
        "UNION SELECT r.rank, r.title FROM regions r",
    ),
    "union-all-left": JoinShape(
        "UNION ALL of distributed and reference, LEFT JOIN reference",
        "SELECT u.region, count(*) AS n FROM (SELECT region FROM orders WHERE amount > {p} UNION ALL "
        "SELECT region FROM regions) u LEFT JOIN regions r ON r.region = u.region GROUP BY u.region",
    ),
    "except": JoinShape(
        "reference EXCEPT distributed", "SELECT region FROM regions EXCEPT SELECT region FROM orders WHERE amount > {p}"
    ),
    "intersect": JoinShape(
        "distributed INTERSECT local",
        "SELECT customer FROM orders WHERE amount > {p} INTERSECT SELECT customer FROM notes",
    ),
    "distinct-on": JoinShape(
        "DISTINCT ON over a LEFT JOIN",
        "SELECT DISTINCT ON (o.region) o.region, o.id, r.title FROM orders o LEFT JOIN regions r USING (region) "
        "WHERE o.amount > {p} ORDER BY o.region, o.amount DESC, o.id",
    ),
    "not-in": JoinShape(
        "NOT IN with NULL, and NOT EXISTS",
        "SELECT r.title, r.region NOT IN (SELECT region FROM orders WHERE amount > {p} AND region IS NOT NULL) AS a "
        "FROM regions r WHERE NOT EXISTS (SELECT 1 FROM notes n WHERE n.customer = r.rank + 100)",
    ),
    "lateral": JoinShape(
        "LEFT JOIN LATERAL",
        "SELECT o.id, l.q FROM orders o LEFT JOIN LATERAL (SELECT max(i.qty) AS q FROM items i "
        "WHERE i.order_id = o.id) l ON true WHERE o.amount > {p}",
    ),
    "cte": JoinShape(
        "a CTE of a UNION, LEFT JOIN distributed",
        "WITH u AS (SELECT id FROM orders WHERE amount > {p} UNION SELECT order_id FROM items WHERE id < 50) "
        "SELECT u.id, o.region FROM u LEFT JOIN orders o ON o.id = u.id",
    ),
    "window": JoinShape(
        "rank() over a LEFT JOIN",
        "SELECT o.id, rank() OVER (PARTITION BY o.customer ORDER BY o.amount DESC, o.id) AS r FROM orders o "
        "LEFT JOIN regions g USING (region) WHERE g.title IS NULL AND o.amount > {p}",
    ),
    "distinct-count": JoinShape(
        "count(DISTINCT) and FILTER over a LEFT JOIN",
        "SELECT count(DISTINCT o.region) AS a, count(DISTINCT o.customer) AS b, count(*) FILTER (WHERE i.id IS NULL) "
        "AS e, sum(o.amount) FILTER (WHERE i.qty > 3) AS s FROM orders o LEFT JOIN items i ON i.order_id = o.id "
        "WHERE o.amount > {p}",
    ),
    "merge": JoinShape(
        "MERGE of a distributed table into another",
        "MERGE INTO orders o USING items i ON o.id = i.order_id AND i.id <= 600 WHEN MATCHED AND o.amount > {p} "
        "THEN UPDATE SET tag = 'merged' WHEN MATCHED THEN DELETE "
        "WHEN NOT MATCHED THEN INSERT (id, tag) VALUES (i.order_id, i.tag)",
        "SELECT tag, count(*) AS n, sum(id) AS s FROM orders GROUP BY tag",
    ),
    "merge-by-source": JoinShape(
        "MERGE of few rows, with WHEN NOT MATCHED BY SOURCE",
        "MERGE INTO orders o USING (SELECT DISTINCT qty FROM items WHERE qty IS NOT NULL AND id > {p}) i "
        "ON o.id = i.qty WHEN MATCHED THEN UPDATE SET tag = 'matched' "
        "WHEN NOT MATCHED THEN INSERT (id, tag) VALUES (i.qty, 'new') "
        "WHEN NOT MATCHED BY SOURCE THEN UPDATE SET tag = 'lost'",
        "SELECT tag, count(*) AS n, sum(id) AS s FROM orders GROUP BY tag",
    ),
    "merge-by-source-delete": JoinShape(
        "MERGE with WHEN NOT MATCHED BY SOURCE THEN DELETE alone",
        "MERGE INTO orders o USING (SELECT DISTINCT order_id FROM items WHERE order_id > {p}) i ON o.id = i.order_id "
        "WHEN MATCHED THEN UPDATE SET tag = 'matched' WHEN NOT MATCHED BY SOURCE THEN DELETE",
        "SELECT tag, count(*) AS n, sum(id) AS s FROM orders GROUP BY tag",
    ),
    "update-from": JoinShape(
        "UPDATE from a LEFT JOIN of reference and distributed",
        "UPDATE orders SET tag = r.title FROM regions r LEFT JOIN notes n ON n.customer = r.rank "
        "WHERE orders.region = r.region AND orders.amount > {p}",
        "SELECT tag, count(*) AS n, sum(id) AS s FROM orders GROUP BY tag",
    ),
}

_FOUR = tables.shards(4)
_LAYOUTS = (tables.shards(1), _FOUR, tables.shards(32))
_IN_ICEBERG = Layout(
    "4-iceberg",
    "4 shards, the local tables in Iceberg",
    {"notes": "USING iceberg"},
    _FOUR.spread,
)


def layouts(combination: Combination) -> Sequence[tuple[Layout, str]]:
    """The layouts of ``combination``, and the extensions of the database that each lies in (:data:`TITLES`)."""
    if combination == PG_DUCKDB:
        return (*((one, "created") for one in _LAYOUTS), (_FOUR, "citus"))
    return ((_FOUR, "created"), (_IN_ICEBERG, "created"))


def blocks(combination: Combination) -> Iterator[Block]:
    """A check for each shape in each layout."""
    for layout, extensions in layouts(combination):
        column = f"{layout.title}, {TITLES[extensions]}"
        for name, shape in SHAPES.items():
            case = case_of(combination, "join", name, GROUP, shape.title, column, shards=layout.name, in_=extensions)
            yield check_of(combination, case, partial(_ask, name=name, layout=layout, extensions=extensions))


def _ask(both: Both, name: str, layout: Layout, extensions: str) -> Evidence:
    """The shape as a simple statement, and prepared: the first and the sixth execution, and another value then."""
    database = both.database() if extensions == "created" else both.created(("citus",))
    shape = SHAPES[name]
    asked = _ShapeAsked(both.server, database, tables.joined(both, both.server, database, layout), shape)
    answers: dict[str, Any] = {}
    with asked.session():
        for step in asked.steps():
            try:
                expected = {"plain PostgreSQL": _plain(both, name, step.value)}
                checked = both.context.checker.call(answer_files.compare, asked.taken(step), expected, Rules())
                answers[step.how] = same(checked)["answer"]
            except CaseError as error:
                error.details |= {"asked": step.how, "sql": step.sql, "right_before": list(answers)}
                raise
    return {"sql": shape.sql.format(p=_VALUES[0]), "answers": answers}


def _plain(both: Both, name: str, value: int) -> Path:
    """What plain PostgreSQL answers, asked once a run."""

    def ask() -> Path:
        schema = tables.joined(both, both.plain, "", tables.HEAPS)
        shape = SHAPES[name]
        return _ShapeAsked(both.plain, "", schema, shape).run(shape.sql.format(p=value))

    return both.context.prepared.once(f"both/plain/{name}/{value}", ask)


@dataclass(frozen=True)
class _Asking:
    """How the shape is asked with ``value``: ``sql``, and what comes before it."""

    how: str
    value: int
    sql: str
    before: tuple[str, ...] = ()


@dataclass(frozen=True)
class _ShapeAsked:
    """A shape, the server that is asked, and where its tables are."""

    server: Server
    database: str
    schema: str
    shape: JoinShape

    @contextlib.contextmanager
    def session(self) -> Iterator[None]:
        """A session in which Citus may repartition."""
        self.server.new_session()
        self._execute("SET citus.enable_repartition_joins = on")
        try:
            yield
        finally:
            self.server.new_session()

    def steps(self) -> Iterator[_Asking]:
        """The shape as a simple statement, and prepared."""
        first, second = _VALUES
        yield _Asking("simple", first, self.shape.sql.format(p=first))
        prepare = f"PREPARE shape(integer) AS {self.shape.sql.format(p='$1')}"
        yield _Asking("prepared, execution 1", first, f"EXECUTE shape({first})", (prepare,))
        between = (f"EXECUTE shape({first})",) * (_EXECUTIONS - 2)
        yield _Asking(f"prepared, execution {_EXECUTIONS}", first, f"EXECUTE shape({first})", between)
        yield _Asking("prepared, another value", second, f"EXECUTE shape({second})")

    def taken(self, step: _Asking) -> Path:
        """The answer of ``step``."""
        for sql in step.before:
            self.run(sql) if sql.startswith("EXECUTE") else self._execute(sql)
        return self.run(step.sql)

    def run(self, sql: str) -> Path:
        """The answer of ``sql``; of a write what shows its rows, and it is rolled back."""
        if not self.shape.after:
            return self.server.answer(self.database, self.schema, sql)
        self._execute("BEGIN")
        try:
            self._execute(sql)
            return self.server.answer(self.database, self.schema, self.shape.after)
        finally:
            with contextlib.suppress(CaseError):
                self._execute("ROLLBACK")

    def _execute(self, *statements: str) -> None:
        self.server.execute(self.database, self.schema, *statements)
