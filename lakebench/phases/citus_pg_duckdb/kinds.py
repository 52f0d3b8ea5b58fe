"""Which kinds of query live where both extensions are loaded, and which end the server process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from lakebench.datasets import answer_files
from lakebench.datasets.rules import Rules
from lakebench.errors import EngineCrash
from lakebench.execution.cases import Block, Evidence, same
from lakebench.phases.citus_pg_duckdb import tables
from lakebench.phases.citus_pg_duckdb.case import case_of, check_of
from lakebench.phases.citus_pg_duckdb.server import PG_DUCKDB, Both, Combination
from lakebench.phases.citus_pg_duckdb.tables import KINDS

GROUP = "Kinds of query"
BOTH, ONLY_CITUS, ONLY_OTHER = "both", "citus", "other"
"""The extensions of the database in which a query runs."""


@dataclass(frozen=True)
class KindOfQuery:
    """``sql`` after the statements ``before`` in one session, and ``plain``, the same question of heap tables.

    The texts may name ``{file}`` and ``{iceberg}``, which have the rows of the tables, ``{out}``, the address of a file
    that is not there yet, and ``{schema}``. ``database`` is one of the three above.
    """

    title: str
    sql: str
    plain: str
    before: tuple[str, ...] = ()
    database: str = BOTH


def _sum(source: str) -> str:
    return f"SELECT count(*) AS n, sum(a) AS s FROM {source}"


_FORCED = ("SET duckdb.force_execution = true",)
_HEAP, _DIST, _BOTH_ROWS = _sum("heap"), _sum("dist"), "SELECT count(*) AS n, sum(h.a) AS s FROM heap h JOIN {t} ON {c}"
_OF_FILE = "SELECT count(*)::bigint AS n, sum((r['a'])::int)::bigint AS s FROM {t} r"
_IN_FILE = "r.id = h.id"
_FILE_IDS = "(SELECT (f['id'])::int AS id FROM {t} f) r"
_TEMP = ("CREATE TEMP TABLE t (id integer, a integer) USING duckdb", "INSERT INTO t VALUES (1, 2), (3, 4)")
_HEAP_JOINED = _BOTH_ROWS.format(t="heap r", c="r.id = h.id")


def _file(source: str) -> str:
    return _OF_FILE.replace("{t}", source)


def _joined(source: str) -> str:
    return _BOTH_ROWS.format(t=_FILE_IDS.replace("{t}", source), c=_IN_FILE)


_PARQUET, _ICEBERG = "read_parquet('{file}')", "iceberg_scan('{iceberg}')"
_OF_CITUS: Mapping[str, KindOfQuery] = {
    "heap": KindOfQuery("a heap table", _HEAP, _HEAP),
    "distributed": KindOfQuery("a distributed table", _DIST, _DIST),
    "distributed-join": KindOfQuery(
        "a distributed table joined to a reference table",
        "SELECT count(*) AS n, sum(r.a) AS s FROM dist d JOIN ref r ON r.id = d.a",
        "SELECT count(*) AS n, sum(r.a) AS s FROM dist d JOIN ref r ON r.id = d.a",
    ),
    "broadcast": KindOfQuery(
        "a reference table with a distributed one on the nullable side",
        "SELECT count(*) AS n, count(d.id) AS c FROM ref r LEFT JOIN dist d ON d.a = r.id",
        "SELECT count(*) AS n, count(d.id) AS c FROM ref r LEFT JOIN dist d ON d.a = r.id",
    ),
    "broadcast-alone": KindOfQuery(
        "the same in a database that has Citus alone",
        "SELECT count(*) AS n, count(d.id) AS c FROM ref r LEFT JOIN dist d ON d.a = r.id",
        "SELECT count(*) AS n, count(d.id) AS c FROM ref r LEFT JOIN dist d ON d.a = r.id",
        database=ONLY_CITUS,
    ),
}
_WITH_DUCKDB: Mapping[str, KindOfQuery] = {
    **_OF_CITUS,
    "duckdb-query": KindOfQuery(
        "duckdb.query of no table", "SELECT * FROM duckdb.query('SELECT 42 AS a')", "SELECT 42 AS a"
    ),
    "parquet": KindOfQuery("read_parquet", _file(_PARQUET), _HEAP),
    "parquet-prepared": KindOfQuery(
        "read_parquet, prepared, the sixth time",
        "EXECUTE q(500)",
        _sum("heap WHERE id > 500"),
        (f"PREPARE q(integer) AS {_file(_PARQUET)} WHERE (r['id'])::int > $1", *["EXECUTE q(1)"] * 5),
    ),
    "parquet-into-heap": KindOfQuery(
        "CREATE TABLE AS of read_parquet",
        _sum("made"),
        _HEAP,
        (f"CREATE TABLE made AS SELECT (r['id'])::int AS id, (r['a'])::int AS a FROM {_PARQUET} r",),
    ),
    "parquet-to-parquet": KindOfQuery(
        "COPY of read_parquet to Parquet",
        _file("read_parquet('{out}')"),
        _HEAP,
        (f"COPY (SELECT * FROM {_PARQUET} r) TO '{{out}}'",),
    ),
    "iceberg": KindOfQuery("iceberg_scan", _file(_ICEBERG), _HEAP),
    "iceberg-join-parquet": KindOfQuery(
        "iceberg_scan joined to read_parquet",
        f"SELECT count(*) AS n FROM {_ICEBERG} i JOIN {_PARQUET} r ON i['id'] = r['id']",
        "SELECT count(*) AS n FROM heap",
    ),
    "temporary": KindOfQuery("a TEMP table USING duckdb", _sum("t"), "SELECT 2::bigint AS n, 6::bigint AS s", _TEMP),
    "forced-explain": KindOfQuery(
        "EXPLAIN of a heap table by DuckDB", "SELECT 1 AS a", "SELECT 1 AS a", (*_FORCED, f"EXPLAIN {_HEAP}")
    ),
    "forced-catalog": KindOfQuery(
        "a system catalog by DuckDB",
        "SELECT count(*) AS n FROM pg_catalog.pg_namespace WHERE nspname = 'pg_catalog'",
        "SELECT 1::bigint AS n",
        _FORCED,
    ),
    "forced-update": KindOfQuery(
        "UPDATE with execution by DuckDB forced",
        "SELECT count(*) AS n FROM heap WHERE a = 3 AND id = 29",
        "SELECT count(*) AS n FROM heap WHERE id = 29",
        (*_FORCED, "UPDATE heap SET a = a WHERE id = 29", "SET duckdb.force_execution = false"),
    ),
    "forced-heap": KindOfQuery("a heap table by DuckDB", _HEAP, _HEAP, _FORCED),
    "forced-distributed": KindOfQuery("a distributed table by DuckDB", _DIST, _DIST, _FORCED),
    "forced-reference": KindOfQuery("a reference table by DuckDB", _sum("ref"), _sum("ref"), _FORCED),
    "forced-partitioned": KindOfQuery("a partitioned table by DuckDB", _sum("part"), _sum("part"), _FORCED),
    "forced-view": KindOfQuery("a view of a heap table by DuckDB", _sum("over"), _HEAP, _FORCED),
    "forced-join": KindOfQuery(
        "a heap table joined to a distributed one by DuckDB",
        "SELECT count(*) AS n FROM heap h JOIN dist d ON d.id = h.id",
        "SELECT count(*) AS n FROM heap h JOIN dist d ON d.id = h.id",
        _FORCED,
    ),
    "forced-prepared": KindOfQuery(
        "a heap table by DuckDB, prepared", "EXECUTE q", _HEAP, (*_FORCED, f"PREPARE q AS {_HEAP}")
    ),
    "forced-function": KindOfQuery(
        "a heap table by DuckDB, in PL/pgSQL",
        "SELECT 1 AS a",
        "SELECT 1 AS a",
        (*_FORCED, "DO $$ DECLARE n bigint; BEGIN SELECT count(*) INTO n FROM heap; END $$"),
    ),
    "parquet-join-heap": KindOfQuery("read_parquet joined to a heap table", _joined(_PARQUET), _HEAP_JOINED),
    "iceberg-join-heap": KindOfQuery("iceberg_scan joined to a heap table", _joined(_ICEBERG), _HEAP_JOINED),
    "iceberg-join-distributed": KindOfQuery(
        "iceberg_scan joined to a distributed table",
        _joined(_ICEBERG).replace("heap h", "dist h"),
        _HEAP_JOINED,
    ),
    "temporary-join-heap": KindOfQuery(
        "a TEMP table USING duckdb joined to a heap table",
        "SELECT count(*) AS n FROM t JOIN heap h ON h.id = t.id",
        "SELECT 2::bigint AS n",
        _TEMP,
    ),
    "copy-heap": KindOfQuery(
        "COPY of a heap table to Parquet", _file("read_parquet('{out}')"), _HEAP, ("COPY heap TO '{out}'",)
    ),
    "copy-distributed": KindOfQuery(
        "COPY of a distributed table to Parquet", _file("read_parquet('{out}')"), _DIST, ("COPY dist TO '{out}'",)
    ),
    "raw-scan": KindOfQuery(
        "duckdb.query of a heap table",
        "SELECT * FROM duckdb.query('SELECT count(*) AS n FROM pgduckdb.{schema}.heap')",
        "SELECT count(*) AS n FROM heap",
    ),
    "without-citus": KindOfQuery(
        "a heap table by DuckDB, in a database without Citus", _HEAP, _HEAP, _FORCED, database=ONLY_OTHER
    ),
}
_ICE = (
    "DROP TABLE IF EXISTS ice",
    "CREATE TABLE ice (id integer, a integer) USING iceberg",
    "INSERT INTO ice SELECT * FROM heap",
)
_AGAIN = (
    "CREATE TABLE again (id integer, a integer) USING iceberg",
    "INSERT INTO again SELECT * FROM heap",
    "CREATE TABLE IF NOT EXISTS again (id integer, a integer) USING iceberg",
)
_WITH_LAKE: Mapping[str, KindOfQuery] = {
    **_OF_CITUS,
    "iceberg": KindOfQuery("an Iceberg table", _sum("ice"), _HEAP, _ICE),
    "if-not-exists": KindOfQuery(
        "CREATE TABLE IF NOT EXISTS of an Iceberg table that is there", _sum("again"), _HEAP, _AGAIN
    ),
    "if-not-exists-alone": KindOfQuery(
        "the same in a database that has pg_lake alone", _sum("again"), _HEAP, _AGAIN, database=ONLY_OTHER
    ),
    "iceberg-prepared": KindOfQuery(
        "an Iceberg table, prepared, the sixth time",
        "EXECUTE q(500)",
        _sum("heap WHERE id > 500"),
        (*_ICE, f"PREPARE q(integer) AS {_sum('ice WHERE id > $1')}", *["EXECUTE q(1)"] * 5),
    ),
    "iceberg-join-heap": KindOfQuery(
        "an Iceberg table joined to a heap table", _BOTH_ROWS.format(t="ice r", c=_IN_FILE), _HEAP_JOINED, _ICE
    ),
    "iceberg-join-distributed": KindOfQuery(
        "an Iceberg table joined to a distributed table",
        "SELECT count(*) AS n, sum(d.a) AS s FROM dist d JOIN ice r ON r.id = d.id",
        _HEAP_JOINED,
        _ICE,
    ),
    "iceberg-left-distributed": KindOfQuery(
        "an Iceberg table with a distributed one on the nullable side",
        "SELECT count(*) AS n, count(d.id) AS c FROM ice r LEFT JOIN dist d ON d.a = r.id",
        "SELECT count(*) AS n, count(d.id) AS c FROM ref r LEFT JOIN dist d ON d.a = r.id",
        _ICE,
    ),
    "iceberg-from-distributed": KindOfQuery(
        "INSERT into an Iceberg table from a distributed one",
        _sum("ice"),
        _DIST,
        (*_ICE[:2], "INSERT INTO ice SELECT id, a FROM dist"),
    ),
    "distributed-from-iceberg": KindOfQuery(
        "INSERT into a distributed table from an Iceberg one",
        "SELECT count(*) AS n FROM dist WHERE id > 10000",
        "SELECT 1000::bigint AS n",
        (*_ICE, "BEGIN", "INSERT INTO dist SELECT id + 10000, a FROM ice"),
    ),
    "update-and-delete": KindOfQuery(
        "UPDATE and DELETE of an Iceberg table",
        _sum("ice"),
        "SELECT count(*) AS n, sum(a + 1) AS s FROM heap WHERE id <= 500",
        (*_ICE, "UPDATE ice SET a = a + 1", "DELETE FROM ice WHERE id > 500"),
    ),
    "both-rolled-back": KindOfQuery(
        "one transaction over a distributed and an Iceberg table, rolled back",
        "SELECT (SELECT count(*) FROM ice) AS i, (SELECT count(*) FROM dist) AS d",
        "SELECT count(*) AS i, count(*) AS d FROM heap",
        (*_ICE, "BEGIN", "INSERT INTO dist VALUES (20000, 1)", "INSERT INTO ice VALUES (20000, 1)", "ROLLBACK"),
    ),
    "both-committed": KindOfQuery(
        "one transaction over a distributed and an Iceberg table, committed",
        "SELECT (SELECT count(*) FROM ice WHERE id = 30000) AS i, (SELECT count(*) FROM dist WHERE id = 30000) AS d",
        "SELECT 1::bigint AS i, 1::bigint AS d",
        (*_ICE, "BEGIN", "INSERT INTO dist VALUES (30000, 0)", "INSERT INTO ice VALUES (30000, 0)", "COMMIT"),
    ),
    "copy-distributed": KindOfQuery(
        "COPY of a distributed table to Parquet, read again",
        _sum("back"),
        "SELECT count(*) AS n, sum(a) AS s FROM heap",
        (
            "COPY (SELECT id, a FROM dist WHERE id <= 1000) TO '{out}'",
            "CREATE FOREIGN TABLE back () SERVER pg_lake OPTIONS (path '{out}')",
        ),
    ),
    "spread-iceberg": KindOfQuery(
        "an Iceberg table that is distributed",
        _sum("spread"),
        _HEAP,
        (
            "CREATE TABLE spread (id integer, a integer) USING iceberg",
            "SELECT create_distributed_table('spread', 'id', shard_count := 4)",
            "INSERT INTO spread SELECT * FROM heap",
        ),
    ),
    "reference-iceberg": KindOfQuery(
        "an Iceberg table that is a reference table",
        _sum("everywhere"),
        _HEAP,
        (
            "CREATE TABLE everywhere (id integer, a integer) USING iceberg",
            "SELECT create_reference_table('everywhere')",
            "INSERT INTO everywhere SELECT * FROM heap",
        ),
    ),
}


def of(combination: Combination) -> Mapping[str, KindOfQuery]:
    """The kinds that are asked of ``combination``."""
    return _WITH_DUCKDB if combination == PG_DUCKDB else _WITH_LAKE


def blocks(combination: Combination) -> Iterator[Block]:
    """A check for each kind."""
    for name, kind in of(combination).items():
        case = case_of(combination, "kind", name, GROUP, kind.title)
        yield check_of(combination, case, partial(_ask, name=name, kind=kind))


def _ask(both: Both, name: str, kind: KindOfQuery) -> Evidence:
    """The answer is that of heap tables in plain PostgreSQL.

    A crash has as further evidence whether other sessions were ended by it, and the rows that are there after it.
    """
    server, database = both.server, _database(both, kind)
    tables.plain_kinds(both)
    tables.kinds(both, database)
    texts = _texts(both, database, name, kind)
    expected = both.plain.answer("", KINDS, kind.plain)
    bystander = server.bystander(database)
    try:
        server.new_session()
        server.execute(database, KINDS, *texts[:-1])
        actual = server.answer(database, KINDS, texts[-1])
    except EngineCrash as error:
        error.details |= {"statements": list(texts), **_after(both, database, bystander)}
        raise
    finally:
        server.new_session()
    sources = {"heap tables in plain PostgreSQL": expected}
    return {
        "statements": list(texts),
        **same(both.context.checker.call(answer_files.compare, actual, sources, Rules())),
    }


def _database(both: Both, kind: KindOfQuery) -> str:
    both.server.require_ours()
    if kind.database == BOTH:
        return both.database()
    return both.created(("citus",) if kind.database == ONLY_CITUS else (both.combination.other,))


def _texts(both: Both, database: str, name: str, kind: KindOfQuery) -> tuple[str, ...]:
    """The statements with what they name; it is made where one of them names it."""
    whole = "\n".join((*kind.before, kind.sql))
    named = {"{schema}": both.server.schema(KINDS)}
    if "{file}" in whole:
        named["{file}"] = tables.parquet(both, database)
    if "{out}" in whole:
        named["{out}"] = tables.new_file(both, database, name)
    if "{iceberg}" in whole:
        named["{iceberg}"] = tables.iceberg(both)
        tables.with_key(both, database)
    return tuple(_filled(one, named) for one in (*kind.before, kind.sql))


def _filled(text: str, named: Mapping[str, str]) -> str:
    for name, value in named.items():
        text = text.replace(name, value)
    return text


def _after(both: Both, database: str, bystander: str) -> dict[str, Any]:
    """What a crash left: whether the other session is gone, and how many rows of a table are there."""
    asked = (
        f"SELECT (SELECT count(*) FROM pg_stat_activity WHERE pid = {bystander}) AS o, (SELECT count(*) FROM heap) AS n"
    )
    ((others, rows),) = both.server.cells(database, KINDS, asked)
    return {"other_sessions": "ended" if others == "0" else "lived", "rows_after": rows}
