"""The history of a folder of runs, as content of a report, as JSON values and as rows of a CSV file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lakebench.reports.alerts import counted
from lakebench.reports.compare import summed
from lakebench.reports.content import DASH, Cell, Document, Paragraph, Section, Table, cells, seconds
from lakebench.results.history import History, OutcomeStep, Series, TimeStep
from lakebench.results.statistics import TOO_SMALL

_BARS = "▁▂▃▄▅▆▇█"
_POINTS = 30
"""The newest points of a drawn trend."""
_PARTS = 4
"""Versions that a line names."""


def document(found: History, notes: Sequence[str] = ()) -> Document:
    """Where outcomes and times step; ``notes`` are about runs that cannot be read."""
    sections = (
        Section("Steps of times", "times", (_times(found.times),) if found.times else ()),
        Section("Changes of outcomes", "outcomes", (_outcomes(found.outcomes),) if found.outcomes else ()),
        Section("How steps are found", "method", (Paragraph(_METHOD),)),
    )
    first, last = (found.runs[0], found.runs[-1]) if found.runs else (None, None)
    span = f", {first.header.started[:10]} to {last.header.started[:10]}" if first and last else ""
    slower = any(one.ratio.ratio > 1 for one in found.times)
    return Document(
        title="The history of these runs",
        subtitle=f"{counted(len(found.runs), 'run')}{span}",
        verdict=verdict(found),
        good=not slower and not any(one.change.bad for one in found.outcomes),
        alerts=tuple(notes),
        overview=_runs(found),
        first=None,
        sections=tuple(one for one in sections if one.parts),
    )


_METHOD = (
    "A run's samples are compared with all those since the last step of the same case on the same machine and data. "
    "It is a step if the medians are more than 10 % and 5 ms apart, with an interval without 1, and the next "
    "run shows the same; a run that differs alone is an outlier. The step of the newest run waits for the next one."
)


def verdict(found: History) -> str:
    """The history in one sentence."""
    timed = sum(len([point for point in one.points if point.samples]) > 1 for one in found.series)
    slower = sum(one.ratio.ratio > 1 for one in found.times)
    worse = sum(one.change.bad for one in found.outcomes)
    return (
        f"{counted(len(found.runs), 'run')}, {counted(len(found.series), 'case')}: "
        f"{counted(len(found.times), 'step')} of times ({slower} slower) in {timed} trends; "
        f"{counted(len(found.outcomes), 'change')} of outcomes ({worse} worse)"
    )


def _runs(found: History) -> Table:
    rows = tuple(
        cells(
            run.header.run,
            run.header.started[:10],
            len(run.cases),
            "complete" if run.complete else "interrupted",
            ", ".join(f"{one.engine} {next(iter(one.versions.values()))}" for one in run.engines if one.versions),
        )
        for run in reversed(found.runs)
    )
    return Table("Runs", ("run", "date", "cases", "end", "versions"), rows)


def _times(steps: Sequence[TimeStep]) -> Table:
    rows = tuple(
        (
            Cell(step.now.date[:10]),
            Cell(step.series.case),
            Cell(trend(step.series)),
            Cell(f"{seconds(step.before.median_s or 0)} → {seconds(step.now.median_s or 0)}"),
            Cell(summed(step.ratio), "fail" if step.ratio.ratio > 1 else "pass"),
            Cell("yes" if step.confirmed else "waits for the next run"),
            Cell(changed(step.versions)),
        )
        for step in steps
    )
    return Table(
        "Steps of times, the newest first", ("date", "case", "trend", "s", "ratio", "confirmed", "changed"), rows
    )


def _outcomes(steps: Sequence[OutcomeStep]) -> Table:
    rows = tuple(
        (
            Cell(step.now.date[:10]),
            Cell(step.series.case),
            Cell(f"{step.before.outcome} → {step.now.outcome}", "fail" if step.change.bad else "pass"),
            Cell(changed(step.versions)),
            Cell(" ".join((step.now.reason or step.before.reason).split())[:160]),
        )
        for step in steps
    )
    return Table("Changes of outcomes, the newest first", ("date", "case", "outcome", "changed", "why"), rows)


def changed(versions: Sequence[tuple[str, str, str]]) -> str:
    """``duckdb 1.4.4 → 1.5.5``; lakebench itself comes last, because it changes with every commit."""
    ordered = sorted(versions, key=lambda one: one[0].startswith("lakebench "))
    texts = [f"{part.partition(': ')[2] or part} {before} → {now}" for part, before, now in ordered]
    more = f" and {len(texts) - _PARTS} more" if len(texts) > _PARTS else ""
    return ", ".join(texts[:_PARTS]) + more or "no version that the records have"


def trend(series: Series) -> str:
    """The medians as bars from the least to the largest, the oldest first."""
    medians = [one.median_s for one in series.points if one.median_s is not None][-_POINTS:]
    if len(medians) < 2:  # noqa: PLR2004 - a trend has two ends
        return DASH
    low, high = min(medians), max(medians)
    steps = len(_BARS) - 1
    return "".join(_BARS[round((one - low) / (high - low) * steps) if high > low else 0] for one in medians)


def to_json(found: History, notes: Sequence[str] = ()) -> dict[str, Any]:
    """The history as JSON values; times are in seconds."""
    return {
        "verdict": verdict(found),
        "notes": list(notes),
        "runs": [{"run": one.header.run, "started": one.header.started} for one in found.runs],
        "times": [
            {
                "case": step.series.case,
                "engine": step.series.engine,
                **_ends(step),
                "before_s": step.before.median_s,
                "now_s": step.now.median_s,
                "ratio": step.ratio.ratio,
                "interval": [step.ratio.interval.low, step.ratio.interval.high] if step.ratio.interval else TOO_SMALL,
                "confirmed": step.confirmed,
            }
            for step in found.times
        ],
        "outcomes": [
            {
                "case": step.series.case,
                "engine": step.series.engine,
                **_ends(step),
                "change": step.change.value,
                "before": step.before.outcome.value,
                "now": step.now.outcome.value,
                "reason": step.now.reason,
            }
            for step in found.outcomes
        ],
        "trends": [
            {
                "case": one.case,
                "engine": one.engine,
                "points": [
                    {"run": point.run, "date": point.date, "outcome": point.outcome.value, "median_s": point.median_s}
                    for point in one.points
                ],
            }
            for one in found.series
        ],
    }


def _ends(step: TimeStep | OutcomeStep) -> dict[str, Any]:
    parts = [{"part": part, "before": before, "now": now} for part, before, now in step.versions]
    return {"run_before": step.before.run, "run": step.now.run, "date": step.now.date, "changed": parts}


def rows(found: History) -> list[tuple[str, ...]]:
    """A header, and a line for each case in each run."""
    head = ("case", "engine", "run", "date", "outcome", "median_s")
    return [
        head,
        *(
            (one.case, one.engine, point.run, point.date, point.outcome, str(point.median_s or ""))
            for one in found.series
            for point in one.points
        ),
    ]
