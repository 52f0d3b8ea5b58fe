"""A run in the formats of other tools: JUnit's XML, and the JSON of pytest-benchmark and of pyperf.

JUnit has every case. The other two have the warm executions of each query that was verified, in seconds; where a query
has none, its cold ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakebench.model import Record
from lakebench.outcomes import Outcome
from lakebench.reports.content import failed
from lakebench.reports.latency import of_kind, times
from lakebench.results.records import Run

if TYPE_CHECKING:
    import pandas as pd
    from junitparser import JUnitXml
    from junitparser.junitparser import FinalResult

_KNOWN = "known"
_FENCE = 1.5  # interquartile ranges, as pytest-benchmark counts outliers


def junit(run: Run) -> JUnitXml:
    """A test suite for each group of cases.

    A failure is one that nobody accepted, an error is one of lakebench itself; what did not run is skipped, and so is a
    known failure, with its reason.
    """
    from junitparser import JUnitXml, TestCase, TestSuite

    made = JUnitXml("lakebench")
    suites: dict[str, TestSuite] = {}
    for record in run.cases:
        suite = suites.setdefault(record.group, TestSuite(record.group or record.phase))
        case = TestCase(record.case, record.phase, record.seconds)
        case.result = list(_result(record))
        suite.add_testcase(case)
    for suite in suites.values():
        suite.timestamp = run.header.started
        made.add_testsuite(suite)
    made.update_statistics()  # type: ignore[no-untyped-call]
    return made


def _result(record: Record) -> Iterator[FinalResult]:
    from junitparser import Error, Failure, Skipped

    outcome = record.outcome.value
    if record.outcome is Outcome.HARNESS_FAULT:
        yield Error(record.reason, outcome)
    elif failed(record) and _KNOWN in record.evidence:
        yield Skipped(f"known {outcome}: {record.evidence[_KNOWN]['reason']} This run: {record.reason}", outcome)
    elif failed(record):
        yield Failure(record.reason, outcome)
    elif not record.outcome.ran:
        yield Skipped(record.reason, outcome)


def pytest_benchmark(run: Run) -> dict[str, Any]:
    """The JSON object that ``pytest-benchmark compare`` reads: a benchmark for each query, groups by query."""
    return {
        "machine_info": {"node": "", **run.header.machine},
        "commit_info": {"id": run.header.harness.get("commit", ""), "dirty": False},
        "benchmarks": [_benchmark(record, seconds) for record, seconds in _timed(run)],
        "datetime": run.header.started,
        "version": "5.1.0",  # of the format
    }


def _benchmark(record: Record, seconds: pd.Series[float]) -> dict[str, Any]:
    return {
        "group": f"{record.group}: {record.row}",
        "name": record.case,
        "fullname": record.case,
        "params": None,
        "param": None,
        "extra_info": {"engine": record.engine, **record.versions},
        "options": {"disable_gc": False, "timer": "monotonic", "min_rounds": len(seconds), "warmup": False},
        "stats": {**_stats(seconds), "data": list(seconds), "iterations": 1},
    }


def _stats(seconds: pd.Series[float]) -> dict[str, float | int | str]:
    """The statistics of pytest-benchmark, in seconds; its quartiles are interpolated otherwise, by a little."""
    q1, q3 = float(seconds.quantile(0.25)), float(seconds.quantile(0.75))
    iqr, mean = q3 - q1, float(seconds.mean())
    stddev = float(seconds.std()) if len(seconds) > 1 else 0.0
    within = seconds[seconds.between(q1 - _FENCE * iqr, q3 + _FENCE * iqr)]
    far = int((~seconds.between(mean - stddev, mean + stddev)).sum())
    beyond = len(seconds) - len(within)
    return {
        "min": float(seconds.min()),
        "max": float(seconds.max()),
        "mean": mean,
        "stddev": stddev,
        "rounds": len(seconds),
        "median": float(seconds.median()),
        "iqr": iqr,
        "q1": q1,
        "q3": q3,
        "iqr_outliers": beyond,
        "stddev_outliers": far,
        "outliers": f"{far};{beyond}",
        "ld15iqr": float(within.min()),
        "hd15iqr": float(within.max()),
        "ops": 1 / mean,
        "total": float(seconds.sum()),
    }


def pyperf(run: Run, file: Path) -> None:
    """Write the benchmark suite that pyperf reads to ``file``: a benchmark for each query, named by its case.

    Raises:
        UsageError: the run has no times.
    """
    import pyperf as library

    from lakebench.errors import UsageError

    benchmarks = [
        library.Benchmark([library.Run(list(seconds), metadata=_metadata(run, record), collect_metadata=False)])
        for record, seconds in _timed(run)
    ]
    if not benchmarks:
        raise UsageError(f"{run.header.run} has no times: pyperf knows nothing else")
    library.BenchmarkSuite(benchmarks).dump(str(file), replace=True)


def _metadata(run: Run, record: Record) -> Mapping[str, str]:
    versions = ", ".join(f"{name} {version}" for name, version in record.versions.items())
    return {"name": record.case, "unit": "second", "date": run.header.started[:19], "engine": versions}


def _timed(run: Run) -> Iterator[tuple[Record, pd.Series[float]]]:
    import pandas as pd

    for record in run.cases:
        seconds = times(of_kind(record, "warm") or of_kind(record, "cold"))
        if seconds:
            yield record, pd.Series(seconds, dtype="float64")
