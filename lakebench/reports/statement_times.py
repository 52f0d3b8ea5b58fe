"""Times of one statement, cold and warm, for phases that show them in a table and a plot of their own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from lakebench.model import Record
from lakebench.reports import plots
from lakebench.reports.content import DASH, Cell, Plot
from lakebench.reports.latency import interval
from lakebench.results import statistics

_NS = 1e9
_KINDS = ("cold", "warm")


def milliseconds(case: Record) -> list[Cell]:
    """Median and interval of the cold samples of ``case``; median, interval and number of the warm ones."""
    cold, warm = (_figures(case, kind) for kind in _KINDS)
    return [*cold[:2], *warm]


def plot(title: str, cases: Mapping[str, Record]) -> list[Plot]:
    """The samples of each case, by its name in the plot: a line for the cold and one for the warm ones."""
    strips = [
        _strip(f"{name}, {kind}", samples)
        for name, case in cases.items()
        for kind in _KINDS
        if (samples := _seconds(case, kind))
    ]
    if not strips:
        return []
    alt = "; ".join(f"{one.name}: median {one.median * 1000:.1f} ms of {len(one.samples)}" for one in strips)
    return [Plot(title, alt, partial(plots.strips, strips))]


def _seconds(case: Record, kind: str) -> list[float]:
    return [one.ns / _NS for one in case.samples if one.kind == kind]


def _figures(case: Record, kind: str) -> list[Cell]:
    samples = _seconds(case, kind)
    if not samples:
        return [Cell(DASH)] * 3
    summary = statistics.summarise([one * 1000 for one in samples])
    return [Cell(f"{summary.median:.1f}"), Cell(interval(summary.interval, summary.n)), Cell(str(summary.n))]


def _strip(name: str, samples: list[float]) -> plots.Strip:
    bounds = statistics.median_interval(samples)
    return plots.Strip(name, tuple(samples), statistics.median(samples), (bounds.low, bounds.high) if bounds else None)
