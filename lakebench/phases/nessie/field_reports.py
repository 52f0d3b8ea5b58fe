"""What phase 4 says of the field reports C8 and C9; ``timed`` are the cases of the timed query by engine."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from lakebench.model import Record
from lakebench.outcomes import Outcome, ReportVerdict
from lakebench.phases.field_reports import of_times
from lakebench.results.records import FieldReport
from lakebench.results.statistics import independent_ratio, median, median_interval

_C8_THEIRS = {"pg_duckdb": 0.37, "trino": 2.36, "spark-jdbc": 10.8}
_C8_SCALE_FACTOR = "1"
_STARTED = "spark-jdbc"  # theirs of it holds the start of its JVM


def _samples(timed: Mapping[str, Record], engine: str, kind: str) -> list[float]:
    """Seconds of an engine; of the kind ``started`` those of a cold execution with the start of process and server."""
    case = timed.get(engine)
    taken = [one.ns / 1e9 for one in case.samples if one.kind == kind.replace("started", "cold")] if case else []
    start_s = case.evidence.get("start_s") if case else None
    if kind != "started":
        return taken
    return [one + start_s for one in taken] if start_s is not None else []


def _shown(samples: list[float]) -> str:
    if not samples:
        return "no time"
    interval = median_interval(samples)
    between = f" ({interval.low:.2f} to {interval.high:.2f})" if interval else ""
    return f"{median(samples):.2f} s{between}"


def latencies(timed: Mapping[str, Record], scale_factor: str) -> FieldReport:
    """C8: the order and the ratios of three engines on query 1; an engine whose start theirs holds is held with it."""
    names = (*_C8_THEIRS, "iceberg_scan")
    kinds = {"": "warm", ", cold": "cold", ", cold, with its start": "started"}
    times = {f"{name}{words}": _samples(timed, name, kind) for words, kind in kinds.items() for name in names}
    had = {name: _like_theirs(timed, name) for name in _C8_THEIRS if times[name]}
    missing = [name for name in _C8_THEIRS if name not in had]
    verdict, detail = ReportVerdict.COULD_NOT_RUN, _ratios(had)
    if scale_factor != _C8_SCALE_FACTOR:
        detail += f"The report is about SF 1; this run has SF {scale_factor}."
    elif missing:
        reasons = (f"{engine}: {timed[engine].reason if engine in timed else 'not asked'}" for engine in missing)
        detail += f"Without a time: {'; '.join(reasons)}"
    else:
        verdict = of_times(_C8_THEIRS, {name: median(samples) for name, samples in had.items()})
    return FieldReport(
        report="C8",
        statement="Q1, SF 1 (6 million rows), one Iceberg snapshot: pg_duckdb 0.37 s (iceberg_scan), Trino 2.36 s "
        "(Nessie REST), Spark 10.8 s (JDBC catalog, S3FileIO)",
        theirs={engine: f"{seconds:g} s" for engine, seconds in _C8_THEIRS.items()},
        ours={name: _shown(samples) for name, samples in times.items() if samples or name in names},
        verdict=verdict,
        detail=detail,
    )


def _like_theirs(timed: Mapping[str, Record], engine: str) -> list[float]:
    """The seconds that stand beside theirs: warm ones, and of Spark with its start where that was measured."""
    started = _samples(timed, engine, "started") if engine == _STARTED else []
    return started or _samples(timed, engine, "warm")


def _ratios(ours: Mapping[str, list[float]]) -> str:
    """Each engine over the one before it in their order, theirs and ours with its interval where there is one."""
    sentences = []
    for fast, slow in itertools.pairwise(name for name in _C8_THEIRS if name in ours):
        ratio = independent_ratio(ours[fast], ours[slow])
        between = f" ({ratio.interval.low:.1f} to {ratio.interval.high:.1f})" if ratio.interval else ""
        theirs = _C8_THEIRS[slow] / _C8_THEIRS[fast]
        sentences.append(f"{slow} over {fast}: theirs {theirs:.1f} times, ours {ratio.ratio:.1f} times{between}. ")
    if _STARTED in ours:
        sentences.append("Theirs of Spark holds the start of its JVM, and so does ours where a cold run was measured. ")
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
