"""Phase 4.5: what its cases say of the field reports C10 and C11."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lakebench.model import Record
from lakebench.outcomes import Outcome, ReportVerdict
from lakebench.phases.field_reports import FACTOR
from lakebench.phases.pg_lake.told import STATEMENTS
from lakebench.results import statistics
from lakebench.results.records import FieldReport

_C11_MS = (10.0, 12.0)
_MS = 1e6


def judge_field_reports(cases: Sequence[Record]) -> Iterator[FieldReport]:
    """C10 and C11."""
    yield _statements(cases)
    yield _latency(cases)


def _of(cases: Sequence[Record], check: str) -> dict[str, Record]:
    """Test → its case, of a kind."""
    return {str(case.coordinates.test): case for case in cases if case.coordinates.check == check}


def _why(cases: Sequence[Record], check: str) -> str:
    """Why none of a kind ran; another kind may have failed for reasons of other engines."""
    return next((case.reason for case in _of(cases, check).values() if case.reason), "not asked")


def _versions(cases: Sequence[Record]) -> str:
    versions = next((case.versions for case in cases if case.versions), {})
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _statements(cases: Sequence[Record]) -> FieldReport:
    """C10 by each of its statements."""
    asked = [case for case in _of(cases, "told").values() if case.outcome.ran]
    passed = [case for case in asked if case.outcome is Outcome.PASS]
    verdict = ReportVerdict.COULD_NOT_RUN
    if asked:
        whole = len(passed) == len(STATEMENTS)
        verdict = ReportVerdict.REPRODUCED if whole else ReportVerdict.NOT_REPRODUCED
    versions = _versions(asked)
    return FieldReport(
        report="C10",
        statement="CREATE TABLE … USING iceberg; INSERT, UPDATE, DELETE; ROLLBACK leaves no snapshot; ADD COLUMN; "
        "JSONB queries",
        theirs=dict.fromkeys((one.title for one in STATEMENTS.values()), "works"),
        ours={case.row: case.outcome.value for case in asked} or {"statements": "not had"},
        verdict=verdict,
        detail=f"Theirs is pg_lake 3.3 on PostgreSQL 18.1, which they say it requires; ours is {versions}."
        if asked
        else f"pg_lake did not run: {_why(cases, 'told')}",
    )


def _latency(cases: Sequence[Record]) -> FieldReport:
    """C11 by its time, which has no other beside it: within the factor of a ratio, or at least faster than the heap."""
    timed = _of(cases, "latency")
    medians = {side: _median(case) for side, case in timed.items() if _warm(case)}
    lake, heap = medians.get("lake"), medians.get("heap")
    ours = {side: f"{ms:.1f} ms" for side, ms in medians.items()}
    ran = "lake" in timed and timed["lake"].outcome.ran
    verdict = _of_time(lake, heap) if ran else ReportVerdict.COULD_NOT_RUN
    return FieldReport(
        report="C11",
        statement="Q1 on 60,000 rows in 10 to 12 ms",
        theirs={"pg_lake": "10 to 12 ms"},
        ours={"pg_lake" if side == "lake" else "the same rows in a heap table": ms for side, ms in ours.items()}
        or {"times": "not had"},
        verdict=verdict,
        detail=f"TPC-H's lineitem at SF 0.01, 60,175 rows, warm; reproduced within a factor of {FACTOR:g}, direction "
        "only where it is at least faster than a heap table here"
        if ran
        else f"pg_lake did not run: {_why(cases, 'latency')}",
    )


def _of_time(lake: float | None, heap: float | None) -> ReportVerdict:
    if lake is None:
        return ReportVerdict.NOT_REPRODUCED
    low, high = _C11_MS
    if low / FACTOR <= lake <= high * FACTOR:
        return ReportVerdict.REPRODUCED
    return ReportVerdict.DIRECTION_ONLY if heap is not None and lake < heap else ReportVerdict.NOT_REPRODUCED


def _warm(case: Record) -> list[float]:
    return [one.ns / _MS for one in case.samples if one.kind == "warm"]


def _median(case: Record) -> float:
    return statistics.median(_warm(case))
