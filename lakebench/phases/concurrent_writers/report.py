"""Phase 9 in the report: what each cell came to, and a plot of throughput over writers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from lakebench.model import Record
from lakebench.outcomes import Outcome
from lakebench.reports import plots
from lakebench.reports.content import DASH, Cell, Part, Plot, Section, Table, cells, label, mark
from lakebench.results.records import Run

_NOTE = (
    "Told: tasks that the engine said were committed, of those that began; a cell passes where the final rows and all "
    "reads are explained by them. Rates and times are of the tasks that were committed, and stand only where the cell "
    "passed, and had no fault: engines take their faults side by side. Writers and servers share the machine."
)
_HEAD = (
    *("store and engine", "writers", "outcome", "told", "final rows", "per s", "median ms", "p95 ms", "max ms"),
    *("snapshots", "data files", "lost races", "reads", "behind", "errors"),
)


def sections(run: Run) -> list[Section]:
    """A table for each group of cells, and the plot of the appends."""
    return [Section("Several writers at once", "writers", tuple(_parts(run)))]


def _parts(run: Run) -> list[Part]:
    records = [one for one in run.cases if one.evidence.get("concurrency")]
    made: list[Part] = []
    for group in dict.fromkeys(one.group for one in records):
        group_records = [one for one in records if one.group == group]
        if drawn := _series(group_records):
            made.append(_plot(group, drawn))
        made.append(
            Table(f"{group}: what each cell came to", _HEAD, tuple(map(_row, group_records)), (_NOTE,), "figures")
        )
    return made


def _row(record: Record) -> tuple[Cell, ...]:
    concurrency: Mapping[str, Any] = record.evidence["concurrency"]
    timed = record.outcome is Outcome.PASS and "fault" not in concurrency
    name = record.row if _counts_writers(record) else f"{record.row}: {record.column}"
    figures = ("operations_per_s", "median_ms", "p95_ms", "maximum_ms")
    return (
        Cell(name),
        *cells(concurrency["writers"]),
        Cell(label(record.outcome), mark(record.outcome)),
        *cells(f"{concurrency['succeeded']} of {concurrency['asked']}", concurrency["final_rows"]),
        *(Cell(_figure(concurrency.get(key)) if timed else DASH) for key in figures),
        *(Cell(_figure(concurrency.get(key))) for key in ("snapshots", "data_files", "lost_races")),
        *cells(concurrency["reads"], concurrency["reads_behind"]),
        Cell(_errors(concurrency["errors"])),
    )


def _counts_writers(record: Record) -> bool:
    """Whether the number of its writers identifies it: the appends."""
    return record.coordinates.test == "insert"


def _figure(value: Any) -> str:
    return DASH if value is None else str(value)


def _errors(errors: Mapping[str, int]) -> str:
    return "; ".join(f"{count} times {text}" for text, count in errors.items()) or "none"


def _series(records: Sequence[Record]) -> dict[str, list[tuple[float, float]]]:
    """Store and engine → number of writers, operations a second, where there is more than one point."""
    series: dict[str, list[tuple[float, float]]] = {}
    for record in records:
        concurrency = record.evidence["concurrency"]
        if record.outcome is Outcome.PASS and _counts_writers(record) and concurrency.get("operations_per_s"):
            series.setdefault(record.row, []).append((concurrency["writers"], concurrency["operations_per_s"]))
    return {name: sorted(points) for name, points in series.items() if len(points) > 1}


def _plot(group: str, drawn: Mapping[str, Sequence[tuple[float, float]]]) -> Plot:
    alt = "; ".join(
        f"{name}: {', '.join(f'{rate:g} a second by {writers:g}' for writers, rate in points)}"
        for name, points in drawn.items()
    )
    draw = partial(plots.lines, drawn, "writers", "commits a second, logarithmic", log=True, points=True)
    return Plot(f"{group}: commits a second", alt, draw)
