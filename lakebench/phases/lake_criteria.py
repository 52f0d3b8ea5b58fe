"""The criteria of field report C16, in its order and words, and the cases that each cell rests on."""

from __future__ import annotations

from collections.abc import Mapping

from lakebench.phases.case_choice import CaseQuestion, CasesOf, Grade, asked, cases_of
from lakebench.phases.lake_cells import LakeCell, Readers, SeparateServer, Servers, Works

PHASE = "phase45"
DUCKLAKE, NESSIE, PG_LAKE, JDBC = "DuckLake", "Iceberg + Nessie", "pg_lake", "Iceberg + JDBC catalog in PostgreSQL"
LAKES = (DUCKLAKE, NESSIE, PG_LAKE, JDBC)
THEIRS = (DUCKLAKE, NESSIE, PG_LAKE)
"""The lakes that the report has; the fourth is ours."""
CATALOGS = {DUCKLAKE: "postgres", NESSIE: "nessie", PG_LAKE: "pg_lake", JDBC: "jdbc"}
"""The coordinate ``catalog`` of each lake's cases."""
ACID = {
    "rollback": "a transaction that is rolled back leaves nothing",
    "two-tables": "two tables in one commit",
    "conflict": "two tables, one of them in conflict: both or neither",
    "reader": "a reader meanwhile sees all of it or nothing",
    "killed": "killed between write and commit",
    "answer-lost": "committed, and the answer lost",
}
"""The tests of the check ``acid`` of phase 4.5, and their questions."""
_PASSES, _LIMITED, _FAILS = Grade.PASSES, Grade.LIMITED, Grade.FAILS
_WRITERS = ("duckdb", "spark", "spark-jdbc", "trino", "pyiceberg", "pg_lake")
_EVOLUTION = (
    *("add-column*", "drop-column", "rename-column", "drop-and-add-again", "rename-and-reuse-name"),
    *("move-column-first", "promote-*", "nested-*"),
)
_OF_DUCKLAKE = (
    *("add-column", "drop-column", "rename", "swap-names", "promote", "promote-field", "nested-evolution"),
    "evolution-inlined",
)


def _of_lake(lake: str, check: str, test: str = "*") -> CasesOf:
    """The cases of phase 4.5 that put the same question to each of the four lakes."""
    return cases_of(PHASE, check=check, test=test, catalog=CATALOGS[lake])


def _interop(lake: str, *feature: str) -> CasesOf:
    """The features that engines wrote to ``lake``; the tables of pg_lake are read through other catalogs."""
    if lake == PG_LAKE:
        return cases_of("interop", feature=feature, writer="pg_lake")
    return cases_of("interop", feature=feature, writer=_WRITERS, catalog=CATALOGS[lake])


def _acid(lake: str, **more: CasesOf) -> tuple[CaseQuestion, ...]:
    """The questions of ACID, with cases of other phases that ask the same of ``lake``: test, with ``_``, → those."""
    own = {test: [_of_lake(lake, "acid", test)] for test in ACID}
    for test, choice in more.items():
        own[test.replace("_", "-")].append(choice)
    return tuple(asked(title, *own[test]) for test, title in ACID.items())


def _fault(lake: str, fault: str) -> CasesOf:
    return cases_of("phase9", catalog=CATALOGS[lake], fault=fault)


def _evolved(lake: str) -> CaseQuestion:
    others = [_of_lake(lake, "evolution")]
    if lake == DUCKLAKE:
        others.append(cases_of("phase1", feature=_OF_DUCKLAKE, catalog="postgres"))
    else:
        others.append(_interop(lake, *_EVOLUTION))
    if lake == PG_LAKE:
        others.append(cases_of(PHASE, check="told", test="add-column"))
    return asked("columns added, renamed, dropped", *others)


def _nessie(*engines: str) -> tuple[CaseQuestion, ...]:
    answers = asked("answers of TPC-H", cases_of("phase4", engine=engines))
    return answers, asked("rows that others wrote", cases_of("phase4", check="append", reader=engines))


def _pg_lake(*engines: str) -> tuple[CaseQuestion, ...]:
    features = cases_of("interop", writer="pg_lake", reader=engines)
    return (asked("rows that pg_lake wrote", cases_of(PHASE, writer="pg_lake", reader=engines), features),)


def _jdbc(*engines: str) -> tuple[CaseQuestion, ...]:
    return (asked("features that others wrote", cases_of("interop", catalog="jdbc", reader=engines)),)


def _servers(lake: str) -> tuple[CaseQuestion, ...]:
    return (asked("servers of its cases", _of_lake(lake, "*")),)


def _connector(*engines: str) -> CaseQuestion:
    return asked("a connector for DuckLake", cases_of("phase1", check="connector", engine=engines))


def _works(theirs: str, grade: Grade | None, *asks: CaseQuestion) -> Works:
    return Works(theirs, asks, grade)


def _as_fourth(*asks: CaseQuestion) -> Works:
    """A cell of the lake that the report does not have."""
    return Works("", asks)


_ATTACHED = asked("pg_duckdb attaches it", cases_of("phase1", check="read", engine="pg_duckdb", way="attached"))
_MADE = asked("made, filled and read by DuckDB", cases_of("phase1", feature="create-insert-read", catalog="postgres"))
_BY_JDBC = asked("Spark, files listed by JDBC", cases_of("phase1", check="read", engine="spark", way="jdbc"))
_SPARK_JDBC = asked("answers of TPC-H", cases_of("phase4", engine="spark-jdbc"))
_ACID_OF_DUCKLAKE = _acid(
    DUCKLAKE,
    rollback=cases_of("phase1", feature="rollback", catalog="postgres"),
    two_tables=cases_of("phase1", feature="commit", catalog="postgres"),
    reader=cases_of("phase1", feature=("processes-uncommitted", "processes-isolation"), catalog="postgres"),
    killed=_fault(DUCKLAKE, "killed"),
    answer_lost=_fault(DUCKLAKE, "answer-lost"),
)
_ACID_OF_NESSIE = _acid(
    NESSIE,
    two_tables=_interop(NESSIE, "multi-table-transaction"),
    reader=cases_of("phase9", catalog="nessie", test="groups", writers="*"),
    killed=_fault(NESSIE, "killed"),
    answer_lost=_fault(NESSIE, "answer-lost"),
)
_ACID_OF_PG_LAKE = _acid(
    PG_LAKE,
    rollback=cases_of(PHASE, check="transaction", test=("rolled-back", "savepoint", "failed")),
    two_tables=cases_of(PHASE, check="transaction", test=("two-tables", "heap-and-iceberg")),
    reader=cases_of(PHASE, check="transaction", test="reader-meanwhile"),
    killed=cases_of(PHASE, check="death"),
)
_STATEMENTS = asked(
    "tables made and changed", _of_lake(PG_LAKE, "evolution"), cases_of(PHASE, check="told", engine="pg_lake")
)
POSTGRES, FULL_ACID = "PostgreSQL as catalog", "full ACID"
ENGINES = ("pg_duckdb", "Trino", "Spark", "DuckDB alone")
"""The criteria that are engines."""
CRITERIA: Mapping[str, Mapping[str, LakeCell]] = {
    POSTGRES: {
        DUCKLAKE: _works("fails (libpq)", _FAILS, _MADE, _ATTACHED),
        NESSIE: SeparateServer("a separate service", _nessie("*"), "nessie"),
        PG_LAKE: _works("native", _PASSES, _STATEMENTS),
        JDBC: _as_fourth(asked("tables made and changed", _of_lake(JDBC, "evolution"))),
    },
    "pg_duckdb": {
        DUCKLAKE: _works("fails", _FAILS, _ATTACHED),
        NESSIE: _works("passes", _PASSES, *_nessie("pg_duckdb")),
        PG_LAKE: _works("passes", _PASSES, *_pg_lake("pg_duckdb")),
        JDBC: _as_fourth(*_jdbc("pg_duckdb")),
    },
    "Trino": {
        DUCKLAKE: _works("fails", _FAILS, _connector("trino")),
        NESSIE: _works("passes", _PASSES, *_nessie("trino")),
        PG_LAKE: _works("passes", _PASSES, *_pg_lake("trino")),
        JDBC: _as_fourth(*_jdbc("trino")),
    },
    "Spark": {
        DUCKLAKE: _works("limited", _LIMITED, _connector("spark"), _BY_JDBC),
        NESSIE: _works("passes", _PASSES, *_nessie("spark")),
        PG_LAKE: _works("passes", _PASSES, *_pg_lake("spark", "spark-jdbc")),
        JDBC: _as_fourth(_SPARK_JDBC, *_jdbc("spark", "spark-jdbc")),
    },
    "DuckDB alone": {
        DUCKLAKE: _works("passes", _PASSES, _MADE),
        NESSIE: _works("passes", _PASSES, *_nessie("duckdb")),
        PG_LAKE: _works("passes", _PASSES, *_pg_lake("duckdb", "iceberg_scan")),
        JDBC: _as_fourth(*_jdbc("duckdb", "iceberg_scan")),
    },
    FULL_ACID: {
        DUCKLAKE: _works("limited", _LIMITED, *_ACID_OF_DUCKLAKE),
        NESSIE: _works("limited", _LIMITED, *_ACID_OF_NESSIE),
        PG_LAKE: _works("full", _PASSES, *_ACID_OF_PG_LAKE),
        JDBC: _as_fourth(*_acid(JDBC, two_tables=_interop(JDBC, "multi-table-transaction"))),
    },
    "schema evolution": {
        DUCKLAKE: _works("passes", _PASSES, _evolved(DUCKLAKE)),
        NESSIE: _works("passes", _PASSES, _evolved(NESSIE)),
        PG_LAKE: _works("passes", _PASSES, _evolved(PG_LAKE)),
        JDBC: _as_fourth(_evolved(JDBC)),
    },
    "external services": {
        DUCKLAKE: Servers("0 to 1", _servers(DUCKLAKE), 0, 1, "postgres"),
        NESSIE: Servers("2 (Nessie, storage)", _servers(NESSIE), 2, 2),
        PG_LAKE: Servers("1 (storage)", _servers(PG_LAKE), 1, 1, "pg_lake"),
        JDBC: Servers("", _servers(JDBC), own="postgres"),
    },
    "standard": {
        DUCKLAKE: Readers("DuckDB's own", (_MADE, _connector("*"))),
        NESSIE: Readers("industry standard", _nessie("*"), several=True),
        PG_LAKE: Readers("Iceberg", _pg_lake("*"), several=True),
        JDBC: Readers("", _jdbc("*"), several=True),
    },
}
"""Criterion → lake → cell."""
