"""Phase 2: what its cases say of the field reports."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lakebench.model import Record
from lakebench.outcomes import Outcome, ReportVerdict
from lakebench.phases.jdbc.pgspider import WISE, title_of
from lakebench.results.records import FieldReport


def judge_field_reports(cases: Sequence[Record]) -> Iterator[FieldReport]:
    """C4 and C5."""
    yield _in_parallel(cases)
    yield _union(cases)


def _of(cases: Sequence[Record], check: str) -> list[Record]:
    return [case for case in cases if case.coordinates.check == check]


def _in_parallel(cases: Sequence[Record]) -> FieldReport:
    """C4: partitioned, in parallel, right."""
    parallel = {case.engine: case for case in _of(cases, "parallel")}
    reads = [case for case in _of(cases, "read") if case.engine in parallel and case.outcome.ran]
    ran = {name: case for name, case in parallel.items() if case.outcome.ran}
    ours: dict[str, float | str] = {
        f"{name}, sessions of PostgreSQL": f"{len(case.evidence.get('backends', ()))}, "
        f"{case.evidence.get('at_once', 'none')} at once"
        for name, case in ran.items()
    }
    right = sum(case.outcome is Outcome.PASS for case in reads)
    if ran:
        ours["reads in partitions and whole"] = f"{right} of {len(reads)} right"
    works = bool(ran) and right == len(reads) and all(case.outcome is Outcome.PASS for case in ran.values())
    return FieldReport(
        report="C4",
        statement="PySpark reads PostgreSQL tables over JDBC, partitioned, in parallel: works",
        theirs={"result": "works"},
        ours=ours or {"reads": "not had: no engine of this run reads in partitions"},
        verdict=ReportVerdict.COULD_NOT_RUN
        if not ran
        else ReportVerdict.REPRODUCED
        if works
        else ReportVerdict.NOT_REPRODUCED,
        detail=_moved(cases) if ran else "",
    )


def _moved(cases: Sequence[Record]) -> str:
    apart = [case for case in _of(cases, "consistent") if case.outcome is Outcome.WRONG]
    if not apart:
        return ""
    return f"Each partition is a transaction of its own: {apart[0].reason}. "


def _union(cases: Sequence[Record]) -> FieldReport:
    """C5: PGSpider appends what its nodes send, and nothing else."""
    asked = [case for case in _of(cases, "nodes") if case.coordinates.more["shape"] == "pgspider"]
    passed = [case for case in asked if case.outcome is Outcome.PASS]
    plans = [case for case in passed if "appended" in case.evidence]
    ours: dict[str, float | str] = {f"partitionwise {wise}: nodes compute": _computed(plans, wise) for wise in WISE}
    appended = sum(bool(case.evidence["appended"]) for case in plans)
    ours["plans that append (UNION ALL)"] = f"{appended} of {len(plans)}"
    ours |= {case.row: _how(case) for case in passed if "at_once" in case.evidence}
    computes = any(case.evidence["pushed"] for case in plans)
    if not plans:
        verdict = ReportVerdict.COULD_NOT_RUN
        ours = {"plan": "not had: no PostgreSQL here with the extension pgspider_ext"}
    else:
        verdict = ReportVerdict.REPRODUCED if appended == len(plans) and not computes else ReportVerdict.NOT_REPRODUCED
    halves = "The union holds; that nodes only send rows does not, where partitionwise aggregates are on. "
    return FieldReport(
        report="C5",
        statement="PGSpider's distributed reading is a UNION ALL over nodes, no genuine distributed execution",
        theirs={"plan": "UNION ALL"},
        ours=ours,
        verdict=verdict,
        detail=halves if computes and appended == len(plans) else "",
    )


def _computed(plans: Sequence[Record], wise: str) -> str:
    """The questions of which nodes compute aggregates, with ``enable_partitionwise_aggregate`` off or on."""
    computed = [case.coordinates for case in plans if case.evidence["pushed"]]
    titles = [title_of(one.test or "") for one in computed if one.more["partitionwise"] == wise]
    return "; ".join(titles) or "nothing"


def _how(case: Record) -> str:
    """Whether the nodes of ``case`` worked side by side."""
    return "at once" if case.evidence["at_once"] else "one after the other"
