"""Statements of PostgreSQL on an Iceberg table and on its heap twin: what is refused, and what differs silently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from lakebench.execution.cases import Check, Evidence
from lakebench.phases.pg_lake.case import case_of, check_of
from lakebench.phases.pg_lake.server import TwinServer
from lakebench.phases.pg_lake.twins import twins

GROUP = "Statements, against a heap table"
_MERGE = (
    "MERGE INTO t USING (VALUES (3, 'm'), (99, 'n')) s (id, v) ON s.id = t.id "
    "WHEN MATCHED THEN UPDATE SET v = s.v WHEN NOT MATCHED THEN INSERT VALUES (s.id, s.v)"
)
_RECURSIVE = "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 3)"
_FILLED = "INSERT INTO t SELECT n, 'row ' || n FROM generate_series(1, 12) n"


@dataclass(frozen=True)
class Script:
    """Statements for the table ``t`` of ``columns``; ``key`` is the primary key that only the heap table can have.

    ``states`` says that errors must have the same SQLSTATE.
    """

    title: str
    steps: tuple[str, ...]
    columns: str = "id integer, v text"
    key: str = ""
    states: bool = False


SCRIPTS: Mapping[str, Script] = {
    "primary-key": Script("PRIMARY KEY", ("CREATE TABLE k (id integer PRIMARY KEY) USING iceberg",)),
    "unique": Script("UNIQUE", ("CREATE TABLE u (id integer UNIQUE) USING iceberg",)),
    "foreign-key": Script(
        "FOREIGN KEY",
        ("CREATE TABLE f (id integer REFERENCES parent) USING iceberg",),
    ),
    "index": Script("CREATE INDEX", ("CREATE INDEX ON t (id)",)),
    "temporary": Script("CREATE TEMPORARY TABLE", ("CREATE TEMPORARY TABLE tt (id integer) USING iceberg",)),
    "on-conflict-nothing": Script(
        "INSERT … ON CONFLICT DO NOTHING",
        ("INSERT INTO t VALUES (1, 'a')", "INSERT INTO t VALUES (1, 'b') ON CONFLICT DO NOTHING", "SELECT * FROM t"),
        key="id",
    ),
    "on-conflict-update": Script(
        "INSERT … ON CONFLICT (id) DO UPDATE",
        ("INSERT INTO t VALUES (1, 'a')", "INSERT INTO t VALUES (1, 'b') ON CONFLICT (id) DO UPDATE SET v = 'b'"),
        key="id",
    ),
    "merge": Script(
        "MERGE",
        (
            _FILLED,
            _MERGE,
        ),
    ),
    "for-update": Script("SELECT … FOR UPDATE", (_FILLED, "SELECT * FROM t WHERE id = 1 FOR UPDATE")),
    "cursor": Script(
        "a cursor", (_FILLED, "BEGIN", "DECLARE c CURSOR FOR SELECT id FROM t ORDER BY id", "FETCH 3 FROM c", "COMMIT")
    ),
    "tablesample": Script("TABLESAMPLE", (_FILLED, "SELECT count(*) FROM t TABLESAMPLE BERNOULLI (100)")),
    "system-columns": Script("ctid and xmin", (_FILLED, "SELECT count(ctid), count(xmin) FROM t")),
    "not-null": Script(
        "NOT NULL", ("INSERT INTO t VALUES (NULL, 'a')", "SELECT * FROM t"), "id integer NOT NULL, v text"
    ),
    "check": Script(
        "CHECK",
        ("INSERT INTO t VALUES (0, 'a')", "INSERT INTO t VALUES (1, 'a')", "UPDATE t SET id = -1", "SELECT * FROM t"),
        "id integer CHECK (id > 0), v text",
    ),
    "varchar": Script(
        "varchar(3) and char(3): too long",
        (
            "INSERT INTO t VALUES ('abcd', 'a')",
            "INSERT INTO t VALUES ('a', 'abcd')",
            "INSERT INTO t VALUES ('ab ', 'a')",
            "SELECT v, length(v), c, length(c), octet_length(c) FROM t",
        ),
        "v varchar(3), c char(3)",
    ),
    "char-equal": Script(
        "char(4) = 'a': blanks at the end do not count",
        (
            "INSERT INTO t VALUES (1, 'a'), (2, 'ab')",
            "SELECT id FROM t WHERE c = 'a'",
            "SELECT count(*) FROM t WHERE c = 'a '",
        ),
        "id integer, c char(4)",
    ),
    "char-join": Script(
        "char(4) joined to text, and as text",
        (
            "INSERT INTO t VALUES (1, 'a')",
            "SELECT c::text || '.' FROM t",
            "SELECT count(*) FROM t a JOIN t b ON a.c::text = 'a'",
        ),
        "id integer, c char(4)",
    ),
    "domain": Script(
        "a domain with a check",
        ("INSERT INTO t VALUES (1, 5)", "INSERT INTO t VALUES (2, -5)", "SELECT * FROM t"),
        "id integer, v positive",
    ),
    "enum": Script(
        "an enum, in its own order",
        (
            "INSERT INTO t VALUES (1, 'sad'), (2, 'ok'), (3, 'happy')",
            "SELECT id, v FROM t ORDER BY v",
            "SELECT max(v) FROM t",
            "SELECT id FROM t WHERE v > 'sad'",
        ),
        "id integer, v mood",
    ),
    "composite": Script(
        "a composite type",
        (
            "INSERT INTO t VALUES (1, ROW(1, 'x')), (2, ROW(NULL, NULL)), (3, NULL)",
            "SELECT id, v, (v).b FROM t",
            "SELECT id FROM t WHERE v IS NULL",
        ),
        "id integer, v pair",
    ),
    "numeric-unbounded": Script(
        "numeric without precision",
        (
            "INSERT INTO t VALUES (1, 0.1), (2, 12345678901234567890.123456789)",
            "SELECT * FROM t",
            "SELECT sum(v) FROM t",
        ),
        "id integer, v numeric",
    ),
    "numeric-type": Script(
        "numeric without precision: its type",
        ("INSERT INTO t VALUES (1, 0.1)", "SELECT pg_typeof(v) FROM t"),
        "id integer, v numeric",
    ),
    "numeric-wide": Script(
        "numeric(50, 10)",
        ("INSERT INTO t VALUES (1, 1234567890123456789012345678901234567890.0123456789)", "SELECT * FROM t"),
        "id integer, v numeric(50, 10)",
    ),
    "generated": Script(
        "serial, identity, generated and default, with RETURNING",
        (
            "INSERT INTO t DEFAULT VALUES RETURNING *",
            "INSERT INTO t (w) VALUES (1), (2) RETURNING id, g, w + 1",
            "UPDATE t SET w = 9 WHERE id = 2 RETURNING *",
            "DELETE FROM t WHERE id = 1 RETURNING *",
            "SELECT * FROM t",
        ),
        "id serial, v integer GENERATED ALWAYS AS IDENTITY, g integer GENERATED ALWAYS AS (w * 2) STORED, "
        "w integer DEFAULT 7",
    ),
    "returning-with": Script(
        "RETURNING inside WITH",
        (
            _FILLED,
            "WITH d AS (DELETE FROM t WHERE id < 4 RETURNING *) SELECT count(*), min(v), max(v) FROM d",
            "WITH i AS (INSERT INTO t VALUES (100, 'new') RETURNING id) SELECT * FROM i",
            "SELECT count(*) FROM t",
        ),
    ),
    "update-key": Script(
        "UPDATE … SET id = id + 1 RETURNING",
        (_FILLED, "UPDATE t SET id = id + 1 WHERE id > 6 RETURNING id", "SELECT * FROM t"),
    ),
    "update-from": Script(
        "UPDATE … FROM the table itself",
        (
            _FILLED,
            "UPDATE t SET v = o.v FROM t o WHERE o.id = t.id + 1 AND t.id < 5 RETURNING t.id, t.v",
            "SELECT * FROM t",
        ),
    ),
    "delete-using": Script(
        "DELETE … USING a heap table",
        (_FILLED, "DELETE FROM t USING side WHERE side.id = t.id RETURNING t.id, side.v", "SELECT * FROM t"),
    ),
    "trigger": Script("a row trigger", ("INSERT INTO t VALUES (1, 'a')", "SELECT * FROM t")),
    "row-security": Script("row-level security", (_FILLED, "ALTER TABLE t ENABLE ROW LEVEL SECURITY")),
    "join-heap": Script(
        "joins with a heap table",
        (
            _FILLED,
            "SELECT t.id, side.v FROM t LEFT JOIN side ON side.id = t.id",
            "SELECT count(*), count(t.id), count(side.id) FROM t FULL JOIN side ON side.id = t.id",
            "SELECT side.id FROM side WHERE id NOT IN (SELECT id FROM t)",
        ),
    ),
    "recursive": Script(
        "WITH RECURSIVE, LATERAL, DISTINCT ON, GROUPING SETS",
        (
            _FILLED,
            f"{_RECURSIVE} SELECT n, v FROM r JOIN t ON id = n",
            "SELECT x.id, y.n FROM t x LEFT JOIN LATERAL (SELECT count(*) AS n FROM t y WHERE y.id < x.id) y ON true",
            "SELECT DISTINCT ON (id % 3) id % 3, id FROM t ORDER BY id % 3, id DESC",
            "SELECT id % 3, count(*), grouping(id % 3) FROM t GROUP BY ROLLUP (id % 3)",
        ),
    ),
    "sqlstate": Script(
        "errors have PostgreSQL's SQLSTATE",
        (
            "INSERT INTO t VALUES (2147483647, 'a'), (2, 'b')",
            "SELECT id * id FROM t",
            "SELECT (SELECT id FROM t)",
            "SELECT v::integer FROM t",
        ),
        states=True,
    ),
    "add-column-default": Script(
        "ADD COLUMN with a default, for rows that are there",
        (
            _FILLED,
            "ALTER TABLE t ADD COLUMN w integer DEFAULT 7",
            "SELECT * FROM t WHERE w = 7",
            "INSERT INTO t VALUES (99, 'x')",
            "SELECT sum(w), count(*) FROM t",
        ),
    ),
    "drop-add-column": Script(
        "DROP COLUMN, and ADD COLUMN of the same name",
        (
            _FILLED,
            "ALTER TABLE t DROP COLUMN v",
            "ALTER TABLE t ADD COLUMN v text",
            "SELECT * FROM t",
            "SELECT count(v) FROM t",
        ),
    ),
    "alter-type": Script(
        "ALTER COLUMN TYPE", (_FILLED, "ALTER TABLE t ALTER COLUMN id TYPE bigint", "SELECT * FROM t")
    ),
    "rename-column": Script(
        "RENAME COLUMN", (_FILLED, "ALTER TABLE t RENAME COLUMN v TO w", "SELECT w FROM t WHERE id = 3")
    ),
    "empty": Script(
        "aggregates of no row",
        (
            "SELECT count(*), sum(id), avg(id), min(v), max(v), bool_and(id > 0), string_agg(v, ',') FROM t",
            "SELECT count(*) FROM t LIMIT 0",
            "SELECT id, count(*) FROM t GROUP BY id",
        ),
    ),
}
_BEFORE: Mapping[str, tuple[str, ...]] = {
    "foreign-key": ("CREATE TABLE parent (id integer PRIMARY KEY)",),
    "domain": ("CREATE DOMAIN positive AS integer CHECK (VALUE > 0)",),
    "enum": ("CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')",),
    "composite": ("CREATE TYPE pair AS (a integer, b text)",),
    "delete-using": ("CREATE TABLE side (id integer, v text)", "INSERT INTO side VALUES (2, 's'), (5, 's')"),
    "join-heap": ("CREATE TABLE side (id integer, v text)", "INSERT INTO side VALUES (2, 's'), (77, 's')"),
}
_AFTER: Mapping[str, tuple[str, ...]] = {
    "trigger": (
        "CREATE FUNCTION louder() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.v := upper(NEW.v); RETURN NEW; END'",
        "CREATE TRIGGER louder BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION louder()",
    ),
}


def blocks() -> Iterator[Check]:
    """A case for each script."""
    for name, script in SCRIPTS.items():
        case = case_of("statement", name, GROUP, script.title)
        yield check_of(case, partial(_same, name=name, script=script))


def _same(server: TwinServer, name: str, script: Script) -> Evidence:
    with twins(server, f"statement_{name}", states=script.states) as pair:
        pair.must(*_BEFORE.get(name, ()))
        pair.make("t", script.columns, key=script.key)
        pair.must(*_AFTER.get(name, ()))
        pair.run(script.steps)
        return pair.evidence()
