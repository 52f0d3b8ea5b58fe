"""Phase 1: what its cases say of the claims of the field reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from lakebench.model import Outcome, Record
from lakebench.records import Claim

_C1 = "create-insert-read"
_C31 = {
    "time travel": ("travel-version", "travel-timestamp", "attach-version"),
    "introspection": ("introspection", "change-feed"),
    "maintenance": ("expire", "merge-adjacent"),
}
_DID_NOT_RUN = "could not run here"


def reproduced(cases: Sequence[Record]) -> Iterator[Claim]:
    """Claims C1, C2, C3 and C31."""
    yield _alone(cases)
    yield _pg_duckdb(cases)
    yield _others(cases)
    yield _history(cases)


def _of(cases: Sequence[Record], start: str, end: str = "") -> list[Record]:
    return [one for one in cases if one.case.startswith(f"phase1/{start}") and one.case.endswith(end)]


def _feature(cases: Sequence[Record], *ids: str) -> list[Record]:
    """The cases of features on a catalog in PostgreSQL."""
    return [one for one in _of(cases, "postgres/") if one.case.split("/")[3] in ids]


def _outcomes(cases: Sequence[Record]) -> str:
    counted = Counter(one.outcome.value for one in cases)
    return ", ".join(f"{number} {outcome}" for outcome, number in sorted(counted.items())) or "not asked"


def _ran(cases: Sequence[Record]) -> list[Record]:
    return [one for one in cases if one.outcome is not Outcome.UNAVAILABLE]


def _all_pass(cases: Sequence[Record]) -> str:
    """The verdict where passing is what is claimed."""
    if not _ran(cases):
        return _DID_NOT_RUN
    return "reproduced" if {one.outcome for one in _ran(cases)} == {Outcome.PASS} else "not reproduced"


def _alone(cases: Sequence[Record]) -> Claim:
    """C1: create, insert and read."""
    asked = _feature(cases, _C1)
    return Claim(
        claim="C1",
        statement="DuckDB alone uses DuckLake with a PostgreSQL catalog: create, insert, read",
        theirs={"DuckDB": "PASS"},
        ours={f"{one.engine} on {one.case.split('/')[2]}": one.outcome.value for one in asked},
        verdict=_all_pass(asked),
        detail="a catalog in PostgreSQL, files on local disk and on S3; rows and snapshots checked",
    )


def _pg_duckdb(cases: Sequence[Record]) -> Claim:
    """C2: pg_duckdb attaches a DuckLake with its catalog in PostgreSQL."""
    asked = _of(cases, "read/", "/attached/pg_duckdb")
    ran = _ran(asked)
    verdict, detail = _DID_NOT_RUN, asked[0].reason if asked else "pg_duckdb was not asked"
    if ran and all("libpq" in one.reason for one in ran):
        verdict, detail = "reproduced", ran[0].reason
    elif ran:
        verdict = "out of date" if any(one.outcome is Outcome.PASS for one in ran) else "not reproduced"
        detail = f"with {', '.join(f'{name} {version}' for name, version in ran[0].versions.items())}"
    return Claim(
        claim="C2",
        statement="pg_duckdb attaching DuckLake with a PostgreSQL catalog fails: libpq symbol collision",
        theirs={"pg_duckdb": "libpq is incorrectly linked to backend functions"},
        ours={"pg_duckdb": _outcomes(asked)},
        verdict=verdict,
        detail=f"{detail}. Not of this run, measured in November 2026 with servers that have it: 1.1.1 (DuckDB 1.4.3) "
        "ends in that error; main (DuckDB 1.5.4) attaches it, so 'cannot be fixed' is out of date",
    )


def _others(cases: Sequence[Record]) -> Claim:
    """C3: Trino has no way, Spark a limited one."""
    trino, spark = _of(cases, "connector/", "/trino"), _of(cases, "connector/", "/spark")
    by_jdbc = {one.case.split("/")[2]: one for one in _of(cases, "read/", "/jdbc/spark")}
    right = [state for state, one in by_jdbc.items() if one.outcome is Outcome.PASS]
    wrong = [state for state, one in by_jdbc.items() if one.outcome is Outcome.WRONG]
    verdict = _DID_NOT_RUN
    if _ran(trino) and _ran(spark) and _ran(list(by_jdbc.values())):
        none = {one.outcome for one in [*trino, *spark]} == {Outcome.REFUSED}
        verdict = "reproduced" if none and right and len(right) < len(by_jdbc) else "not reproduced"
    return Claim(
        claim="C3",
        statement="Trino cannot read DuckLake; Spark only in a limited way (JDBC to the catalog, Parquet files)",
        theirs={"Trino": "no", "Spark": "limited"},
        ours={
            "Trino's connector": _outcomes(trino),
            "Trino, files imported into Iceberg": _outcomes(_of(cases, "read/", "/imported/trino")),
            "Spark's data source": _outcomes(spark),
            "Spark, files listed by JDBC": _outcomes(list(by_jdbc.values())),
        },
        verdict=verdict,
        detail=f"Spark by JDBC is right in the states {', '.join(right) or 'none'}, and silently wrong in "
        f"{', '.join(wrong) or 'none'}",
    )


def _history(cases: Sequence[Record]) -> Claim:
    """C31: time travel, introspection, maintenance."""
    asked = {what: _feature(cases, *ids) for what, ids in _C31.items()}
    return Claim(
        claim="C31",
        statement="Time travel by snapshot and timestamp, catalog introspection and maintenance functions",
        theirs=dict.fromkeys(_C31, "works"),
        ours={what: _outcomes(found) for what, found in asked.items()},
        verdict=_all_pass([one for found in asked.values() for one in found]),
        detail="on a catalog in PostgreSQL; features "
        + ", ".join(one for ids in _C31.values() for one in ids)
        + ". What row-lineage finds after a merge is a limit of it",
    )
