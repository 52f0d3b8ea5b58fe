"""What phase 4 says of the field reports C8 and C9; ``timed`` are the cases of the timed query by engine."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from lakebench.model import Record
from lakebench.outcomes import Outcome, ReportVerdict
from lakebench.phases.field_reports import of_times
from lakebench.results.records import FieldReport
from lakebench.results.statistics import median

_C8_THEIRS = {"pg_duckdb": 0.37, "trino": 2.36, "spark-jdbc": 10.8}
_C8_SCALE_FACTOR = "1"


def _seconds(timed: Mapping[str, Record], engine: str, kind: str = "warm") -> float | None:
    case = timed.get(engine)
    taken = [sample.ns for sample in case.samples if sample.kind == kind] if case else []
    return median(taken) / 1e9 if taken else None


def _with_start(case: Record | None) -> float | None:
    """Seconds of a cold execution with the start of the engine's process, and of its server, before it."""
    start_s = case.evidence.get("start_s") if case else None
    cold = [one.ns / 1e9 for one in case.samples if one.kind == "cold"] if case else []
    return median(cold) + start_s if cold and start_s is not None else None


def latencies(timed: Mapping[str, Record], scale_factor: str) -> FieldReport:
    """C8: the order and the ratios of three engines on query 1."""
    ours = {engine: _seconds(timed, engine) for engine in (*_C8_THEIRS, "iceberg_scan")}
    had = {engine: seconds for engine in _C8_THEIRS if (seconds := ours[engine]) is not None}
    missing = [engine for engine in _C8_THEIRS if engine not in had]
    verdict, detail = ReportVerdict.COULD_NOT_RUN, _ratios(had)
    if scale_factor != _C8_SCALE_FACTOR:
        detail += f"The report is about SF 1; this run has SF {scale_factor}."
    elif missing:
        reasons = (f"{engine}: {timed[engine].reason if engine in timed else 'not asked'}" for engine in missing)
        detail += f"Without a time: {'; '.join(reasons)}"
    else:
        verdict = of_times(_C8_THEIRS, had)
    cold = {f"{engine}, cold": _seconds(timed, engine, "cold") for engine in ours}
    started = {f"{engine}, cold, with its start": _with_start(timed.get(engine)) for engine in ours}
    return FieldReport(
        report="C8",
        statement="Q1, SF 1 (6 million rows), one Iceberg snapshot: pg_duckdb 0.37 s (iceberg_scan), Trino 2.36 s "
        "(Nessie REST), Spark 10.8 s (JDBC catalog, S3FileIO)",
        theirs={engine: f"{seconds:g} s" for engine, seconds in _C8_THEIRS.items()},
        ours={
            **{engine: "no time" if seconds is None else f"{seconds:.2f} s" for engine, seconds in ours.items()},
            **{name: f"{seconds:.2f} s" for name, seconds in {**cold, **started}.items() if seconds is not None},
        },
        verdict=verdict,
        detail=detail,
    )


def _ratios(ours: Mapping[str, float]) -> str:
    """Each engine over the one before it in their order, theirs and ours."""
    names = [engine for engine in _C8_THEIRS if engine in ours]
    sentences = [
        f"{slow} over {fast}: theirs {_C8_THEIRS[slow] / _C8_THEIRS[fast]:.1f} times, "
        f"ours {ours[slow] / ours[fast]:.1f} times. "
        for fast, slow in itertools.pairwise(names)
    ]
    if "spark-jdbc" in ours:
        sentences.append("Theirs of Spark holds the start of its JVM; ours are warm, where no other word stands. ")
    return "".join(sentences)


def identical(timed: Mapping[str, Record]) -> FieldReport:
    """C9: the three of C8 give the same answer from the same snapshot."""
    outcomes = {engine: timed[engine].outcome.value if engine in timed else "not asked" for engine in _C8_THEIRS}
    snapshots = {str(case.evidence.get("snapshots")) for case in timed.values() if case.outcome is Outcome.PASS}
    if any(timed[engine].outcome.is_failure for engine in _C8_THEIRS if engine in timed):
        verdict = ReportVerdict.NOT_REPRODUCED
    elif set(outcomes.values()) == {Outcome.PASS.value} and len(snapshots) == 1:
        verdict = ReportVerdict.REPRODUCED
    else:
        verdict = ReportVerdict.COULD_NOT_RUN
    right = [engine for engine, case in timed.items() if case.outcome is Outcome.PASS]
    return FieldReport(
        report="C9",
        statement="All three of C8 (pg_duckdb, Trino, Spark) return identical results from the same snapshot",
        theirs=dict.fromkeys(_C8_THEIRS, "identical"),
        ours=outcomes,
        verdict=verdict,
        detail=f"{len(right)} engines gave the verified answer from {len(snapshots)} recorded snapshot(s) of the same "
        f"rows: {', '.join(right) or 'none'}",
    )
