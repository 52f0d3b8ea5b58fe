"""The records of a run as pandas data frames, with one row for each case, sample, latency or cell.

Every duration is in seconds, every size in bytes. A column that a row has no value for is missing there (``NaN``,
``NaT`` or ``None``). The columns and their order are those of :data:`CASES`, :data:`SAMPLES`, :data:`LATENCIES` and
:data:`COMPARISON`, whether or not there are rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pandas as pd

from lakebench.model import Record, Sample
from lakebench.results import comparison, records, statistics
from lakebench.results.records import Run

_NS = 1e9


@dataclass(frozen=True)
class FrameColumn:
    """A column: its pandas data type, and what it has."""

    dtype: str
    text: str


CASES: Mapping[str, FrameColumn] = {
    "case": FrameColumn("str", "the id of the case"),
    "phase": FrameColumn("str", "the name of its phase"),
    "title": FrameColumn("str", "what it is about, for people"),
    "outcome": FrameColumn("str", "PASS, REFUSED, WRONG … (docs/reports.md)"),
    "known": FrameColumn("bool", "whether a failure is an accepted one"),
    "reason": FrameColumn("str", "why it failed or did not run; empty where it passed"),
    "engine": FrameColumn("str", "the engine under test, of an interop cell the reader"),
    "versions": FrameColumn("str", "the versions that took part, such as 'duckdb 1.5.5, spark 4.1.0'"),
    "storage": FrameColumn("str", "the storage profile: local, s3 …"),
    "format": FrameColumn("str", "the table format: iceberg, parquet …"),
    "catalog": FrameColumn("str", "the name of the catalog"),
    "query": FrameColumn("str", "the query, such as q01"),
    "feature": FrameColumn("str", "of the interop matrix: the id of the feature"),
    "writer": FrameColumn("str", "of the interop matrix: the engine that wrote"),
    "reader": FrameColumn("str", "of the interop matrix: the engine that read"),
    "check": FrameColumn("str", "the kind of check"),
    "test": FrameColumn("str", "one test of this kind"),
    "base": FrameColumn("bool", "whether it is the base of a comparison"),
    "started": FrameColumn("datetime64[us, UTC]", "when it started (UTC)"),
    "seconds": FrameColumn("float64", "how long the whole case took, with all that is not timed"),
}
"""The columns of :func:`cases`."""

SAMPLES: Mapping[str, FrameColumn] = {
    "case": FrameColumn("str", "the id of the case"),
    "engine": FrameColumn("str", "the engine"),
    "storage": FrameColumn("str", "the storage profile"),
    "format": FrameColumn("str", "the table format"),
    "query": FrameColumn("str", "the query"),
    "kind": FrameColumn("str", "cold, warm-up or warm"),
    "round": FrameColumn("int64", "the round of turns that it was taken in, from 0"),
    "position": FrameColumn("int64", "its number among the case's samples, from 0"),
    "seconds": FrameColumn("float64", "the engine's time up to the last row fetched"),
    "offset_seconds": FrameColumn("float64", "its start, since the measurement of the query began"),
    "rows": FrameColumn("int64", "the rows of the answer"),
    "bytes": FrameColumn("int64", "the bytes of the answer"),
    "cpu_seconds": FrameColumn("float64", "CPU time of the engine's processes"),
    "peak_bytes": FrameColumn("Int64", "the most memory that they held"),
    "requests": FrameColumn("Int64", "requests at the object store"),
    "store_bytes": FrameColumn("Int64", "what the object store put out"),
    "cache": FrameColumn("str", "what was dropped before a cold one"),
}
"""The columns of :func:`samples`."""

LATENCIES: Mapping[str, FrameColumn] = {
    "case": FrameColumn("str", "the id of the case"),
    "engine": FrameColumn("str", "the engine"),
    "storage": FrameColumn("str", "the storage profile"),
    "format": FrameColumn("str", "the table format"),
    "query": FrameColumn("str", "the query"),
    "kind": FrameColumn("str", "cold or warm"),
    "n": FrameColumn("int64", "the number of samples"),
    "median": FrameColumn("float64", "their median in seconds"),
    "low": FrameColumn(
        "float64", "the lower end of the 95 % interval of the median in seconds; missing below five samples"
    ),
    "high": FrameColumn("float64", "the upper end of it"),
    "minimum": FrameColumn("float64", "the fastest one in seconds"),
    "spread": FrameColumn("float64", "1.4826 · MAD / median"),
    "unstable": FrameColumn("bool", "whether the spread is over 10 %"),
}
"""The columns of :func:`latencies`."""

COMPARISON: Mapping[str, FrameColumn] = {
    "case": FrameColumn("str", "the id of the case"),
    "engine": FrameColumn("str", "the engine"),
    "query": FrameColumn("str", "the query; missing where the case is none"),
    "base_outcome": FrameColumn("str", "the outcome in the base; missing where the base has no such case"),
    "other_outcome": FrameColumn("str", "the outcome in the other run; missing where it has no such case"),
    "kind": FrameColumn("str", "warm or cold; missing where there are no times to compare"),
    "base": FrameColumn("float64", "the median of the base in seconds"),
    "other": FrameColumn("float64", "the median of the other run in seconds"),
    "ratio": FrameColumn("float64", "other divided by base"),
    "low": FrameColumn("float64", "the lower end of the ratio's 95 % interval; missing below five samples"),
    "high": FrameColumn("float64", "the upper end of it"),
    "verdict": FrameColumn(
        "str", "faster, slower, regression, no difference shown or n too small; missing where there are no times"
    ),
}
"""The columns of :func:`compared`."""


@dataclass(frozen=True)
class LoadedRun:
    """A run whose records were read; each method makes a new data frame."""

    run: Run

    @classmethod
    def at(cls, path: str | Path) -> Self:
        """The run in the folder or file at ``path``.

        Raises:
            UsageError: there is none there, or it is damaged, or a newer lakebench wrote it.
        """
        return cls(records.read(Path(path)))

    @property
    def id(self) -> str:
        """The id of the run, such as ``20261121T101500Z-phase4-a1b2``."""
        return self.run.header.run

    def cases(self) -> pd.DataFrame:
        """See :func:`cases`."""
        return cases(self.run)

    def samples(self) -> pd.DataFrame:
        """See :func:`samples`."""
        return samples(self.run)

    def latencies(self) -> pd.DataFrame:
        """See :func:`latencies`."""
        return latencies(self.run)

    def matrix(self) -> pd.DataFrame:
        """See :func:`matrix`."""
        return matrix(self.run)


def cases(run: Run) -> pd.DataFrame:
    """A row for each case of ``run``, in the order of the records; the columns are :data:`CASES`."""
    return _frame((_case(one) for one in run.cases), CASES)


def samples(run: Run) -> pd.DataFrame:
    """A row for each execution that was timed; the columns are :data:`SAMPLES`.

    Only a case whose answers are all verified has samples.
    """
    return _frame((_sample(case, one) for case in run.cases for one in case.samples), SAMPLES)


def latencies(run: Run) -> pd.DataFrame:
    """A row for each case and kind of execution with its statistics; the columns are :data:`LATENCIES`."""
    return _frame((row for case in run.cases for row in _latencies(case)), LATENCIES)


def matrix(run: Run) -> pd.DataFrame:
    """The interop matrix: a row for each feature, a column for each pair of ``writer`` and ``reader``, outcomes in it.

    What was not asked is missing. A run without the interop matrix has an empty frame.
    """
    cells = cases(run).dropna(subset=["feature", "writer"])
    cells = cells.assign(reader=cells["reader"].fillna(""))
    return cells.pivot_table(index="feature", columns=["writer", "reader"], values="outcome", aggfunc="last")


def compared(base: Run, other: Run) -> pd.DataFrame:
    """A row for each case of either run, and for each kind of times that both have; columns :data:`COMPARISON`.

    Raises:
        UsageError: the runs have other data, or no case in common.
    """
    found = comparison.between(base, other)
    timed: dict[str, list[comparison.Row]] = {}
    for row in (*found.rows, *found.cold):
        timed.setdefault(row.case, []).append(row)
    before, after = ({one.case: one for one in run.cases} for run in (base, other))
    every = dict.fromkeys((*before, *after))
    rows = (row for case in every for row in _both(before.get(case), after.get(case), timed.get(case, [])))
    return _frame(rows, COMPARISON)


def _both(before: Record | None, after: Record | None, timed: Sequence[comparison.Row]) -> Iterator[dict[str, Any]]:
    """The rows of one case: one for each kind of times, and one without times where there are none."""
    about = {
        **{name: getattr(after or before, name) for name in ("case", "engine")},
        "query": next((one.coordinates.query for one in (after, before) if one), None),
        "base_outcome": before.outcome.value if before else None,
        "other_outcome": after.outcome.value if after else None,
    }
    yield from ({**about, **_times(row)} for row in timed)
    if not timed:
        yield about


def _frame(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, FrameColumn]) -> pd.DataFrame:
    frame = pd.DataFrame(list(rows), columns=list(columns))
    for name in frame.columns.intersection(["started"]):
        frame[name] = pd.to_datetime(frame[name], utc=True, format="ISO8601")
    return frame.astype({name: column.dtype for name, column in columns.items()})


def _case(record: Record) -> dict[str, Any]:
    of_record = ("case", "phase", "title", "reason", "engine", "seconds")
    of_coordinates = ("storage", "format", "catalog", "query", "feature", "writer", "reader", "check", "test", "base")
    return {
        **{name: getattr(record, name) for name in of_record},
        **{name: getattr(record.coordinates, name) for name in of_coordinates},
        "outcome": record.outcome.value,
        "known": "known" in record.evidence,
        "versions": ", ".join(f"{name} {version}" for name, version in record.versions.items()),
        "started": record.started or None,
    }


def _about(record: Record) -> dict[str, Any]:
    at = record.coordinates
    about = {"storage": at.storage, "format": at.format, "query": at.query or record.row}
    return {"case": record.case, "engine": record.engine, **about}


def _sample(record: Record, one: Sample) -> dict[str, Any]:
    names = ("kind", "round", "position", "rows", "bytes", "peak_bytes", "store_bytes", "cache")
    return {
        **_about(record),
        **{name: getattr(one, name) for name in names},
        "seconds": one.ns / _NS,
        "offset_seconds": one.offset_ns / _NS,
        "cpu_seconds": None if one.cpu_ns is None else one.cpu_ns / _NS,
        "requests": None if one.requests is None else sum(one.requests.values()),
    }


def _latencies(record: Record) -> Iterator[dict[str, Any]]:
    for kind in ("cold", "warm"):
        taken = [one.ns / _NS for one in record.samples if one.kind == kind]
        if taken:
            found = statistics.summarise(taken)
            low, high = (found.interval.low, found.interval.high) if found.interval else (None, None)
            of = {"n": found.n, "median": found.median, "low": low, "high": high, "minimum": found.minimum}
            yield {**_about(record), "kind": kind, **of, "spread": found.spread, "unstable": found.unstable}


def _times(row: comparison.Row) -> dict[str, Any]:
    interval = row.ratio.interval
    return {
        "kind": row.kind,
        "base": row.base_s,
        "other": row.other_s,
        "ratio": row.ratio.ratio,
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "verdict": row.verdict,
    }
