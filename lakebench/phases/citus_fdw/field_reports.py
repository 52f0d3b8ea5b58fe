"""Phase 8: what its cases say of the field reports, which are about Citus that asks pg_lake."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lakebench.model import Record
from lakebench.outcomes import Outcome, ReportVerdict
from lakebench.phases.citus_fdw.ends import CITUS, PAIRS, PG_LAKE
from lakebench.phases.field_reports import of_times
from lakebench.results import statistics
from lakebench.results.records import FieldReport

_THEIRS = (CITUS.service, PG_LAKE.service)
_C25_MS: Mapping[str, float] = {"select, cold": 102, "insert": 205, "update": 99, "delete": 70}
_MS = 1e6


def judge_field_reports(cases: Sequence[Record]) -> Iterator[FieldReport]:
    """C24, C25 and C26."""
    yield _pushdown(cases)
    yield _latencies(cases)
    yield _readers(cases)


def _ends(case: Record) -> tuple[str, str]:
    more = case.coordinates.more
    return str(more["local"]), str(more["remote"])


def _of(cases: Sequence[Record], check: str, ends: tuple[str, str] = _THEIRS) -> list[Record]:
    """The cases of a kind by the pair of ``ends`` that ran."""
    return [case for case in cases if case.coordinates.check == check and _ends(case) == ends and case.outcome.ran]


def _why(cases: Sequence[Record]) -> str:
    """Why Citus did not ask pg_lake."""
    return next((case.reason for case in cases if _ends(case) == _THEIRS and case.reason), "not asked")


def _pushdown(cases: Sequence[Record]) -> FieldReport:
    """C24 by the plans: with statistics and without them; plain PostgreSQL stands beside it."""
    plans = _of(cases, "pushdown")
    passed = [case for case in plans if case.outcome is Outcome.PASS]
    pushed = {case.coordinates.test: bool(case.evidence["aggregate_pushed"]) for case in passed}
    analyzed = [done for test, done in pushed.items() if str(test).endswith("-analyzed")]
    verdict = ReportVerdict.COULD_NOT_RUN
    if plans:
        whole = bool(analyzed) and all(analyzed) and len(passed) == len(plans)
        verdict = ReportVerdict.REPRODUCED if whole else ReportVerdict.NOT_REPRODUCED
    ours = {f"{case.row} ({case.column})": _where(case) for case in _beside(cases, "pushdown")}
    return FieldReport(
        report="C24",
        statement="Citus (PostgreSQL 16) reaches pg_lake (PostgreSQL 18) by postgres_fdw; aggregates are pushed down",
        theirs={"SUM by region from a date on": "pushed down whole"},
        ours=ours or {"plans": "not had"},
        verdict=verdict,
        detail="" if plans else f"Citus did not ask pg_lake: {_why(cases)}. What stands here is of other pairs.",
    )


def _where(case: Record) -> str:
    return "computed by the other end" if case.evidence.get("aggregate_pushed") else "computed here, from its rows"


def _beside(cases: Sequence[Record], check: str) -> list[Record]:
    """The cases of a kind that passed: of Citus that asks pg_lake, else of the first pair that has some."""
    pairs = [_THEIRS, *((one.local.service, one.remote.service) for one in PAIRS)]
    had = ([case for case in _of(cases, check, ends) if case.outcome is Outcome.PASS] for ends in pairs)
    return next((some for some in had if some), [])


def _latencies(cases: Sequence[Record]) -> FieldReport:
    """C25 by the ratios of the four times to each other."""
    beside = _beside(cases, "latency")
    times = {name: ms for case in beside for name, ms in _medians(case).items()}
    complete = bool(beside) and _ends(beside[0]) == _THEIRS and set(_C25_MS) <= set(times)
    verdict = of_times(_C25_MS, times) if complete else ReportVerdict.COULD_NOT_RUN
    where = f"Ours is of {beside[0].column}. " if beside else ""
    return FieldReport(
        report="C25",
        statement="SELECT with aggregate cold 102 ms, INSERT 205 ms, UPDATE 99 ms, DELETE 70 ms",
        theirs={name: f"{ms:g} ms" for name, ms in _C25_MS.items()},
        ours={name: f"{times[name]:.1f} ms" for name in _C25_MS if name in times} or {"times": "not had"},
        verdict=verdict,
        detail=(where + ("" if complete else f"Citus did not ask pg_lake: {_why(cases)}.")).strip(),
    )


def _medians(case: Record) -> dict[str, float]:
    """Milliseconds of the statement, warm; of the SELECT cold, as theirs is."""
    name = str(case.coordinates.test)
    kind, shown = ("cold", "select, cold") if name == "select" else ("warm", name)
    samples = [one.ns / _MS for one in case.samples if one.kind == kind]
    return {shown: statistics.median(samples)} if samples else {}


def _readers(cases: Sequence[Record]) -> FieldReport:
    """C26 by the writes, each read by three."""
    writes = [case for case in _of(cases, "write") if "readers" in case.evidence]
    agreed = sum(case.outcome is Outcome.PASS for case in writes)
    verdict = ReportVerdict.COULD_NOT_RUN
    if writes:
        verdict = ReportVerdict.REPRODUCED if agreed == len(writes) else ReportVerdict.NOT_REPRODUCED
    beside = _beside(cases, "write")
    ours = {f"{case.row} ({case.column})": ", ".join(case.evidence.get("readers", ())) for case in beside}
    return FieldReport(
        report="C26",
        statement="A row inserted through Citus is the same read by pg_lake, by Citus and by DuckDB from the Iceberg "
        "metadata",
        theirs={"row order_id = 999": "the same by pg_lake, Citus and DuckDB"},
        ours={name: f"the same by {who}" for name, who in ours.items() if who} or {"readers": "not had"},
        verdict=verdict,
        detail="" if writes else f"Citus did not write to pg_lake: {_why(cases)}. What stands here is of other pairs.",
    )
