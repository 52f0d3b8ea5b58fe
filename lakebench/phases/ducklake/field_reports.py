"""Phase 1: what its cases say of the field reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from lakebench.model import Record
from lakebench.outcomes import Outcome, ReportVerdict
from lakebench.phases.field_reports import texts_of
from lakebench.results.records import FieldReport

_C1 = "create-insert-read"
_C31 = {
    "time travel": ("travel-version", "travel-timestamp", "attach-version"),
    "introspection": ("introspection", "change-feed"),
    "maintenance": ("expire", "merge-adjacent"),
}
_C2_ERROR = "undefined symbol: PQconnectdb"


def judge_field_reports(cases: Sequence[Record]) -> Iterator[FieldReport]:
    """C1, C2, C3 and C31."""
    yield _alone(cases)
    yield _pg_duckdb(cases)
    yield _others(cases)
    yield _history(cases)


def _of(cases: Sequence[Record], check: str, engine: str, way: str = "") -> list[Record]:
    """The cases of ``engine`` that are a ``check`` of this kind; of reads those in one ``way``."""
    asked = [one for one in cases if one.coordinates.check == check and one.engine == engine]
    return [one for one in asked if one.coordinates.more.get("way", "") == way]


def _feature(cases: Sequence[Record], *ids: str) -> list[Record]:
    """The cases of features on a catalog in PostgreSQL."""
    return [one for one in cases if one.coordinates.catalog == "postgres" and one.coordinates.feature in ids]


def _outcomes(cases: Sequence[Record]) -> str:
    counted = Counter(one.outcome.value for one in cases)
    return ", ".join(f"{number} {outcome}" for outcome, number in sorted(counted.items())) or "not asked"


def _ran(cases: Sequence[Record]) -> list[Record]:
    return [one for one in cases if one.outcome.ran]


def _all_pass(cases: Sequence[Record]) -> ReportVerdict:
    """The verdict where passing is what is reported."""
    if not _ran(cases):
        return ReportVerdict.COULD_NOT_RUN
    return (
        ReportVerdict.REPRODUCED
        if {one.outcome for one in _ran(cases)} == {Outcome.PASS}
        else ReportVerdict.NOT_REPRODUCED
    )


def _alone(cases: Sequence[Record]) -> FieldReport:
    """C1: create, insert and read."""
    asked = _feature(cases, _C1)
    return FieldReport(
        report="C1",
        statement="DuckDB alone uses DuckLake with a PostgreSQL catalog: create, insert, read",
        theirs={"DuckDB": "PASS"},
        ours={f"{one.engine} on {one.coordinates.storage}": one.outcome.value for one in asked},
        verdict=_all_pass(asked),
        detail="a catalog in PostgreSQL, files on local disk and on S3; rows and snapshots checked",
    )


def _pg_duckdb(cases: Sequence[Record]) -> FieldReport:
    """C2: pg_duckdb attaches a DuckLake with its catalog in PostgreSQL, and the process dies of a missing symbol."""
    asked = _of(cases, "read", "pg_duckdb", "attached")
    ran = _ran(asked)
    verdict, detail = ReportVerdict.COULD_NOT_RUN, asked[0].reason if asked else "pg_duckdb was not asked"
    if ran:
        passed = [one for one in ran if one.outcome is Outcome.PASS]
        verdict = ReportVerdict.OUT_OF_DATE if passed else _by_text(ran)
        told = ran[0].versions or ran[0].evidence.get("versions", {})
        versions = ", ".join(f"{name} {version}" for name, version in told.items())
        detail = f"{'attached' if passed else ran[0].reason}, with {versions or 'a version that it did not tell'}"
    return FieldReport(
        report="C2",
        statement="pg_duckdb attaching DuckLake with a PostgreSQL catalog fails: libpq symbol collision (PQconnectdb)",
        theirs={"pg_duckdb": f"symbol lookup error: … pg_duckdb.so: {_C2_ERROR}"},
        ours={"pg_duckdb": _outcomes(asked)},
        verdict=verdict,
        detail=detail,
    )


def _by_text(failed: Sequence[Record]) -> ReportVerdict:
    """It fails, as they say; of the same fault only where the error is theirs, word for word."""
    theirs = all(_C2_ERROR in texts_of(one.evidence, one.reason) for one in failed)
    return ReportVerdict.REPRODUCED if theirs else ReportVerdict.DIRECTION_ONLY


def _others(cases: Sequence[Record]) -> FieldReport:
    """C3: Trino has no way, Spark a limited one."""
    trino, spark = _of(cases, "connector", "trino"), _of(cases, "connector", "spark")
    by_jdbc = {str(one.coordinates.more["state"]): one for one in _of(cases, "read", "spark", "jdbc")}
    right = [state for state, one in by_jdbc.items() if one.outcome is Outcome.PASS]
    wrong = [state for state, one in by_jdbc.items() if one.outcome is Outcome.WRONG]
    verdict = ReportVerdict.COULD_NOT_RUN
    if _ran(trino) and _ran(spark) and _ran(list(by_jdbc.values())):
        none = {one.outcome for one in [*trino, *spark]} == {Outcome.REFUSED}
        verdict = (
            ReportVerdict.REPRODUCED if none and right and len(right) < len(by_jdbc) else ReportVerdict.NOT_REPRODUCED
        )
    return FieldReport(
        report="C3",
        statement="Trino cannot read DuckLake; Spark only in a limited way (JDBC to the catalog, Parquet files)",
        theirs={"Trino": "cannot read it", "Spark": "Limited"},
        ours={
            "Trino's connector": _outcomes(trino),
            "Trino, files imported into Iceberg": _outcomes(_of(cases, "read", "trino", "imported")),
            "Spark's data source": _outcomes(spark),
            "Spark, files listed by JDBC": _outcomes(list(by_jdbc.values())),
        },
        verdict=verdict,
        detail=f"Spark by JDBC is right in the states {', '.join(right) or 'none'}, and silently wrong in "
        f"{', '.join(wrong) or 'none'}",
    )


def _history(cases: Sequence[Record]) -> FieldReport:
    """C31: time travel, introspection, maintenance."""
    asked = {what: _feature(cases, *ids) for what, ids in _C31.items()}
    return FieldReport(
        report="C31",
        statement="Time travel by snapshot and timestamp; catalog introspection (ducklake_snapshots, "
        "ducklake_table_info, ducklake_table_changes); maintenance (expire_snapshots, cleanup_old_files, "
        "merge_adjacent_files)",
        theirs=dict.fromkeys(_C31, "works"),
        ours={what: _outcomes(records) for what, records in asked.items()},
        verdict=_all_pass([one for records in asked.values() for one in records]),
        detail="on a catalog in PostgreSQL; features "
        + ", ".join(one for ids in _C31.values() for one in ids)
        + ". What row-lineage finds after a merge is a limit of it",
    )
