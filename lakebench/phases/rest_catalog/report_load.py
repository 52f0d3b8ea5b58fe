"""The load of phase 11 in the report: a table of all loops, and a plot of each curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from lakebench.model import Record
from lakebench.outcomes import Outcome
from lakebench.reports import plots
from lakebench.reports.content import DASH, Cell, Part, Plot, Section, Table, cells, label, mark

Series = dict[str, list[tuple[float, float]]]
_NOTE = (
    "A closed loop has clients that send their next request when they have the answer to the last; an open loop sends "
    "at a rate, and latencies count from the time at which a request was to be sent. Every answer was looked at. "
    "Clients and servers share the machine: where the client's CPU time a request is near one core divided by the "
    "rate, the client is the limit."
)
_HEAD = (
    *("operation", "loop", "catalog", "outcome", "requests", "per s", "p50 ms", "p95 ms", "p99 ms"),
    *("server CPU ms", "client CPU ms", "errors"),
)
_FIGURES = ("requests", "per_s", "p50_ms", "p95_ms", "p99_ms", "server_cpu_ms", "client_cpu_ms")


def section(cases: Sequence[Record]) -> list[Section]:
    """The section of the cases that have a load or a growth; none where there is no such case."""
    loops = [case for case in cases if case.evidence.get("load")]
    grown = [case for case in cases if case.evidence.get("growth")]
    if not (loops or grown):
        return []
    parts: list[Part | None] = [throughput(loops), open_latency(loops), *(growth(grown, by) for by in _grown(grown))]
    table = Table("Each loop", _HEAD, tuple(map(_row, loops)), (_NOTE,), "figures")
    shown = [one for one in parts if one is not None]
    return [Section("Load on REST catalogs", "rest-catalogs-load", (*shown, *([table] if loops else [])))]


def throughput(loops: Sequence[Record]) -> Plot | None:
    """Requests a second by the number of clients at once."""
    series = _curves(loops, "clients", "per_s", loop="closed")
    return _plot("Requests a second by clients at once", series, "clients at once", "requests a second, logarithmic")


def open_latency(loops: Sequence[Record]) -> Plot | None:
    """The 99th percentile of the latency by the rate that was asked for."""
    series = _curves(loops, "rate", "p99_ms", loop="open")
    return _plot("Latency by rate: 99th percentile", series, "requests a second that were sent", "ms, logarithmic")


def growth(cases: Sequence[Record], by: str) -> Plot | None:
    """The median latency by the number of snapshots, tables or namespaces."""
    series: Series = {}
    for case in cases:
        for point in case.evidence["growth"]["points"] if case.evidence["growth"]["by"] == by else ():
            for operation, figures in point.items():
                if isinstance(figures, Mapping):
                    name = f"{operation}, {case.coordinates.catalog}"
                    series.setdefault(name, []).append((point["size"], figures["p50_ms"]))
    return _plot(f"Median latency by number of {by}", series, f"{by}, logarithmic", "ms, logarithmic", log_x=True)


def _grown(cases: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(case.evidence["growth"]["by"] for case in cases))


def _curves(loops: Sequence[Record], x: str, y: str, loop: str) -> Series:
    """Operation and catalog → points, of loops that passed."""
    series: Series = {}
    for case in loops:
        load: Mapping[str, Any] = case.evidence["load"]
        if case.outcome is Outcome.PASS and load.get("loop") == loop and load.get(y):
            name = f"{load['operation']}, {case.coordinates.catalog}"
            series.setdefault(name, []).append((load[x], load[y]))
    return {name: sorted(points) for name, points in series.items()}


def _plot(title: str, series: Series, x: str, y: str, *, log_x: bool = True) -> Plot | None:
    """A line for each name that has more than one point."""
    drawn = {name: points for name, points in series.items() if len(points) > 1}
    if not drawn:
        return None
    alt = "; ".join(f"{name}: {', '.join(f'{b:g} at {a:g}' for a, b in points)}" for name, points in drawn.items())
    return Plot(title, alt, partial(plots.lines, drawn, x, y, log=True, log_x=log_x, points=True))


def _row(case: Record) -> tuple[Cell, ...]:
    load: Mapping[str, Any] = case.evidence["load"]
    loop = f"{load['rate']} a second" if "rate" in load else f"{load.get('clients', DASH)} at once, {load['loop']}"
    errors = ", ".join(f"{times} times {error}" for error, times in load.get("errors", {}).items()) or "none"
    return (
        *cells(load["operation"], loop, case.coordinates.catalog),
        Cell(label(case.outcome), mark(case.outcome)),
        *(Cell(str(load.get(key, DASH))) for key in _FIGURES),
        Cell(errors),
    )
