"""Phase 5: what its cases say of the field reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lakebench.model import Record, TableFormat
from lakebench.outcomes import Outcome, ReportVerdict
from lakebench.phases.field_reports import texts_of
from lakebench.results.records import FieldReport

_RAY, _DAFT, _DAFT_RAY, _SMALLPOND = "ray_duckdb", "daft", "daft-ray", "smallpond"
_OF_TEN = 10
_THEIR_ERROR = "unsupported S3 endpoint configuration"


def judge_field_reports(cases: Sequence[Record]) -> Iterator[FieldReport]:
    """C17, C18 and C19."""
    yield _works(cases, "C17", "Ray + DuckDB", (_RAY,))
    yield _works(cases, "C18", "Daft", (_DAFT, _DAFT_RAY))
    yield _fails(cases)


def _name(case: Record) -> str:
    return case.coordinates.engine or ""


def _aggregates(cases: Sequence[Record], names: Sequence[str], form: TableFormat) -> list[Record]:
    """The partitioned aggregate, which is the work of the field reports."""
    asked = [one for one in cases if one.coordinates.query == "regions" and _name(one) in names]
    return [one for one in asked if one.coordinates.format == form and one.outcome.ran]


def _score(cases: Sequence[Record], name: str) -> str:
    """How many lines of the rubric pass, of those that there are for ``name``."""
    lines = [one for one in cases if one.coordinates.check == "rubric" and _name(one) == name]
    passed = sum(one.outcome is Outcome.PASS for one in lines)
    return f"{passed} of {len(lines)} lines of the rubric"


def _works(cases: Sequence[Record], report: str, title: str, names: Sequence[str]) -> FieldReport:
    """It works on S3 and on a DuckLake; after a delete, too, as a table has deletes sooner or later."""
    on_s3 = _aggregates(cases, names, TableFormat.PARQUET)
    on_lake = _aggregates(cases, names, TableFormat.DUCKLAKE)
    after = [
        one
        for one in cases
        if one.coordinates.check == "deletes" and one.coordinates.test == "ducklake-after" and _name(one) in names
    ]
    ran = [*on_s3, *on_lake]
    works = bool(on_s3) and bool(on_lake) and all(one.outcome is Outcome.PASS for one in ran)
    lost = [one for one in after if one.outcome.ran and one.outcome is not Outcome.PASS]
    verdict = ReportVerdict.COULD_NOT_RUN
    if ran:
        verdict = ReportVerdict.REPRODUCED if works and not lost else ReportVerdict.NOT_REPRODUCED
        verdict = ReportVerdict.DIRECTION_ONLY if works and lost else verdict
    ours: dict[str, float | str] = {f"{_name(one)} on Parquet": one.outcome.value for one in on_s3}
    ours |= {f"{_name(one)} on a DuckLake": one.outcome.value for one in on_lake}
    ours |= {
        f"{_name(one)} on a DuckLake after a delete, by {one.coordinates.more.get('way')}": one.outcome.value
        for one in after
    }
    ours |= {f"{name}, score": _score(cases, name) for name in names if any(_name(one) == name for one in cases)}
    return FieldReport(
        report=report,
        statement=f"{title} works on MinIO and on DuckLake (9/10)",
        theirs={"MinIO": "works", "DuckLake": "works", "score": "9/10"},
        ours=ours or {"work": "not had: the engine was not asked"},
        verdict=verdict,
        detail=f"without a connector the files that the catalog lists are read, and after a delete they have rows that "
        f"are deleted: {lost[0].reason}"
        if lost
        else "",
    )


def _fails(cases: Sequence[Record]) -> FieldReport:
    """C19: its reader takes no endpoint; by which way it comes to S3 nevertheless."""
    asked = [one for one in cases if one.coordinates.check == "ways" and _name(one) == _SMALLPOND and one.outcome.ran]
    ways = {str(one.coordinates.test): one for one in asked}
    theirs = ways.get("endpoint-url")
    verdict = ReportVerdict.COULD_NOT_RUN
    if theirs is not None:
        works = [one for one in asked if one.outcome is Outcome.PASS]
        failed = theirs.outcome is not Outcome.PASS
        verdict = ReportVerdict.REPRODUCED if failed and not works else ReportVerdict.NOT_REPRODUCED
        verdict = ReportVerdict.DIRECTION_ONLY if failed and works else verdict
        if failed and _THEIR_ERROR not in texts_of(theirs.evidence, theirs.reason):
            verdict = min(verdict, ReportVerdict.DIRECTION_ONLY, key=list(ReportVerdict).index)
    return FieldReport(
        report="C19",
        statement="Smallpond fails on both, with unclear errors (3/10)",
        theirs={"MinIO": _THEIR_ERROR, "DuckLake": "fails", "score": "3/10"},
        ours={one.row: one.outcome.value for one in asked} or {"ways to S3": "not had: Smallpond was not asked"},
        verdict=verdict,
        detail=theirs.reason[:300] if theirs is not None else "",
    )
