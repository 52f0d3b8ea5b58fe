"""What the ways between pg_lake and other engines say of the field reports C12 to C15."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lakebench.model import Record
from lakebench.outcomes import Outcome, ReportVerdict
from lakebench.phases.pg_lake.way_steps import STEPS
from lakebench.phases.pg_lake.ways import CHECK
from lakebench.results.records import FieldReport

_REPORTS = {
    "C12": ("Spark → pg_lake (a foreign table with the path of metadata.json): PASS", "foreign-table"),
    "C13": ("pg_lake → Spark (JDBC catalog, S3FileIO): PASS", "jdbc-catalog"),
    "C14": ("pg_lake → DuckDB (iceberg_scan of the metadata path): PASS", "metadata-file"),
    "C15": ("pg_lake → Trino (REST catalog bridge): PASS", "bridge-trino"),
}
REPORTS = tuple(_REPORTS)


def judge_ways(cases: Sequence[Record]) -> Iterator[FieldReport]:
    """C12 to C15, each by its way: every step has to be read right."""
    for report, (statement, way) in _REPORTS.items():
        of_way = [one for one in cases if one.coordinates.check == CHECK and one.coordinates.more["way"] == way]
        yield _judged(report, statement, of_way)


def _judged(report: str, statement: str, cases: Sequence[Record]) -> FieldReport:
    ran = [case for case in cases if case.outcome.ran]
    return FieldReport(
        report=report,
        statement=statement,
        theirs={"read": "PASS"},
        ours={step.title: _outcome(cases, step.name) for step in STEPS},
        verdict=_verdict(ran),
        detail=_versions(ran) if ran else _why(cases),
    )


def _verdict(ran: Sequence[Record]) -> ReportVerdict:
    if not ran:
        return ReportVerdict.COULD_NOT_RUN
    whole = len(ran) == len(STEPS) and all(case.outcome is Outcome.PASS for case in ran)
    return ReportVerdict.REPRODUCED if whole else ReportVerdict.NOT_REPRODUCED


def _outcome(cases: Sequence[Record], step: str) -> str:
    return next((case.outcome.value for case in cases if case.coordinates.test == step), "not in this run")


def _versions(ran: Sequence[Record]) -> str:
    """The versions of pg_lake and of the reader."""
    last = ran[-1]
    of_reader = ", ".join(f"{name} {version}" for name, version in last.versions.items())
    return f"pg_lake {last.evidence.get('pg_lake', '')}; read by {of_reader}"


def _why(cases: Sequence[Record]) -> str:
    return next((case.reason for case in cases if case.reason), "not asked")
