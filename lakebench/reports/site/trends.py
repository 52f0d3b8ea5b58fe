"""How outcomes of cells and times of queries went over the runs, with the steps that ``lakebench history`` finds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lakebench.reports.history import changed
from lakebench.reports.site import speed
from lakebench.reports.site.observations import Observation
from lakebench.results.history import History, TimeStep, history
from lakebench.results.records import Run

_POINTS = ("group", "engine", "version", "query", "run", "date", "seconds", "kind")
_STEPS = (
    "group", "engine", "query", "run", "date", "before", "now", "ratio", "low", "high", "confirmed", "changed",
)  # fmt: skip


def tables(runs: Sequence[Run], cells: Iterable[Observation]) -> dict[str, Any]:
    """``points`` and ``steps`` of times, by column, in seconds; ``outcomes``: row of a cell → what changed with it."""
    found = history(runs)
    timed = {(one.run, one.record.case): one for run in found.runs for one in speed.queries(run)}
    points = [
        (one.group, one.engine.name, one.engine.version, one.query, point.run, point.date, _rounded(point.median_s),
         _kind(one))
        for series in found.series
        for point in series.points
        if point.samples and (one := timed.get((point.run, series.case)))
    ]  # fmt: skip
    steps = [_step(step, one) for step in found.times if (one := timed.get((step.now.run, step.series.case)))]
    return {
        "points": _columns(_POINTS, points),
        "steps": _columns(_STEPS, steps),
        "outcomes": _outcomes(found, cells),
    }


def _kind(one: speed.TimedQuery) -> str:
    return "warm" if one.seconds("warm") else "cold"


def _step(step: TimeStep, one: speed.TimedQuery) -> tuple[Any, ...]:
    interval = step.ratio.interval
    return (
        one.group,
        one.engine.name,
        one.query,
        step.now.run,
        step.now.date,
        _rounded(step.before.median_s),
        _rounded(step.now.median_s),
        _rounded(step.ratio.ratio),
        _rounded(interval.low if interval else None),
        _rounded(interval.high if interval else None),
        step.confirmed,
        changed(step.versions),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _columns(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> dict[str, list[Any]]:
    return {name: [row[number] for row in rows] for number, name in enumerate(names)}


def _outcomes(found: History, cells: Iterable[Observation]) -> dict[str, str]:
    rows = {(one.source.id, one.case): row for row, one in enumerate(cells) if not one.source.accepted}
    return {
        str(row): f"{step.change}: {changed(step.versions)}"
        for step in found.outcomes
        if (row := rows.get((step.now.run, step.series.case))) is not None
    }
