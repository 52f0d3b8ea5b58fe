"""What a role without rights is refused, and what one with few rights may do, against plain PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial

from lakebench.engines.postgresql import literal
from lakebench.errors import Refused, WrongAnswer
from lakebench.execution.cases import Block, Evidence
from lakebench.phases.citus_pg_duckdb import tables
from lakebench.phases.citus_pg_duckdb.case import case_of, check_of
from lakebench.phases.citus_pg_duckdb.server import PG_DUCKDB, PLAIN, Both, Cells, Combination, Server
from lakebench.phases.citus_pg_duckdb.tables import KINDS

GROUP = "A role with few rights"
_ROLE = "lakebench_reader"
Answer = Cells | str
"""Rows, or why there are none."""


@dataclass(frozen=True)
class Right:
    """What the role asks after the rights ``granted``; ``plain`` is the same there, and without it it is to be refused.

    The texts may name ``{shard}``, a shard of the distributed table, and ``{file}``, a Parquet file.
    """

    title: str
    sql: str
    plain: str = ""
    granted: tuple[str, ...] = ()
    before: tuple[str, ...] = ()


def _same(title: str, sql: str, *granted: str) -> Right:
    return Right(title, sql, sql, granted)


_COUNT = "SELECT count(*) AS n FROM {}"
_FORCED = ("SET duckdb.force_execution = true",)
_OF_CITUS: Mapping[str, Right] = {
    "distributed": _same("a distributed table without rights", _COUNT.format("dist")),
    "reference": _same("a reference table without rights", _COUNT.format("ref")),
    "shard": Right("a shard of a distributed table without rights", _COUNT.format("{shard}")),
    "view-none": _same("a view of a distributed table without rights", _COUNT.format("over_dist")),
    "view": _same(
        "a view of a distributed table, SELECT granted on the view", _COUNT.format("over_dist"), "SELECT ON over_dist"
    ),
    "column": _same("a column with SELECT granted", "SELECT sum(id) AS s FROM dist", "SELECT (id) ON dist"),
    "other-column": _same(
        "another column than that with SELECT granted", "SELECT sum(a) AS s FROM dist", "SELECT (id) ON dist"
    ),
    "join": _same(
        "a granted table joined to one without rights",
        "SELECT count(*) AS n FROM dist d LEFT JOIN ref r ON r.id = d.a",
        "SELECT ON dist",
    ),
    "insert": _same("INSERT without rights", "INSERT INTO dist VALUES (1, 1) RETURNING id", "SELECT ON dist"),
    "update": _same("UPDATE without rights", "UPDATE dist SET a = 1 WHERE id = 1 RETURNING id", "SELECT ON dist"),
    "merge": _same(
        "MERGE without rights",
        "MERGE INTO dist d USING ref r ON d.id = r.id WHEN MATCHED THEN UPDATE SET a = 1",
        "SELECT ON dist",
        "SELECT ON ref",
    ),
}
_OF_DUCKDB: Mapping[str, Right] = {
    "forced-heap": Right("a heap table by DuckDB without rights", _COUNT.format("heap"), before=_FORCED),
    "forced-distributed": Right("a distributed table by DuckDB without rights", _COUNT.format("dist"), before=_FORCED),
    "forced-view": Right("a view by DuckDB without rights", _COUNT.format("over"), before=_FORCED),
    "files": Right("read_parquet without duckdb.postgres_role", _COUNT.format("read_parquet('{file}') r")),
    "query": Right("duckdb.query without duckdb.postgres_role", "SELECT * FROM duckdb.query('SELECT 42 AS a')"),
    "raw-query": Right("duckdb.raw_query without duckdb.postgres_role", "SELECT duckdb.raw_query('SELECT 42')"),
}


def of(combination: Combination) -> Mapping[str, Right]:
    """What is asked of ``combination``."""
    return {**_OF_CITUS, **_OF_DUCKDB} if combination == PG_DUCKDB else _OF_CITUS


def blocks(combination: Combination) -> Iterator[Block]:
    """A check for each."""
    for name, right in of(combination).items():
        case = case_of(combination, "right", name, GROUP, right.title)
        yield check_of(combination, case, partial(_ask, right=right))


def _ask(both: Both, right: Right) -> Evidence:
    """The role gets what plain PostgreSQL gives it, and is refused where that refuses."""
    both.server.require_ours()
    database = both.database()
    tables.plain_kinds(both)
    tables.kinds(both, database)
    for server, where in ((both.plain, ""), (both.server, database)):
        both.context.prepared.once(f"both/role/{server.service}/{where}", partial(_make_role, server, where))
    sql = _filled(both, database, right)
    expected = _asked(both.plain, "", right, right.plain) if right.plain else "refused"
    got = _asked(both.server, database, right, sql)
    return judged(expected, got, {"sql": sql, "granted": list(right.granted), "plain": expected, "answer": got})


def judged(expected: Answer, got: Answer, evidence: Evidence) -> Evidence:
    """``evidence`` where the role got what was to be expected; a text is why it was refused.

    Raises:
        Refused: it is to have an answer.
        WrongAnswer: it is to be refused, or to have another answer.
    """
    if got == expected or (isinstance(expected, str) and isinstance(got, str)):
        return evidence
    if isinstance(got, str):
        raise Refused(got, **evidence)
    what = "to be refused" if isinstance(expected, str) else f"to be answered {expected}"
    raise WrongAnswer(f"the role is {what}, and is answered {got}", **evidence)


def _make_role(server: Server, database: str) -> None:
    """The role; Citus connects to itself with it, by the password of the server."""
    schema, password = server.schema(KINDS), server.context.services.endpoint(server.service).password
    server.execute(
        database,
        KINDS,
        f"DO $$ BEGIN CREATE ROLE {_ROLE} LOGIN PASSWORD {literal(password)}; "
        "EXCEPTION WHEN duplicate_object THEN NULL; END $$",
        f"GRANT USAGE ON SCHEMA {schema} TO {_ROLE}",
        "CREATE VIEW over_dist AS SELECT id, a FROM dist",
    )


def _filled(both: Both, database: str, right: Right) -> str:
    sql = right.sql
    if "{file}" in sql:
        sql = sql.replace("{file}", tables.parquet(both, database))
    if "{shard}" in sql:
        asked = "SELECT 'dist_' || min(shardid) AS a FROM pg_dist_shard WHERE logicalrelid = 'dist'::regclass"
        ((shard,),) = both.server.cells(database, KINDS, asked)
        sql = sql.replace("{shard}", str(shard))
    return sql


def _asked(server: Server, database: str, right: Right, sql: str) -> Answer:
    """The answer that the role gets, or why it is refused."""
    grants = [f"GRANT {one} TO {_ROLE}" for one in right.granted]
    before = right.before if server.service != PLAIN else ()
    try:
        server.execute(database, KINDS, "BEGIN", *grants, "COMMIT", f"SET ROLE {_ROLE}", *before)
        return _answer(server, database, sql)
    except Refused as error:
        return f"refused: {error}"
    finally:
        server.new_session()
        server.execute(database, KINDS, *(f"REVOKE {one} FROM {_ROLE}" for one in right.granted))


def _answer(server: Server, database: str, sql: str) -> Cells:
    if sql.startswith("MERGE"):
        server.execute(database, KINDS, sql)
        return []
    return server.cells(database, KINDS, sql)
