"""The memory of each process of a run over time, from the trace beside the records."""

from __future__ import annotations

from functools import partial

from lakebench.processes import memory_trace
from lakebench.reports import plots
from lakebench.reports.content import Cell, Part, Plot, Table, memory
from lakebench.results.records import Run

_DRAWN = 9
_LEAST_S = 5.0


def parts(run: Run) -> list[Part]:
    """A plot of the processes with most memory, and the peak of each; nothing if the run was too short."""
    series = memory_trace.series(run.path.parent / memory_trace.FILE)
    if not series or max(points[-1][0] for points in series.values()) < _LEAST_S:
        return []
    peaks = {name: max(points, key=lambda point: point[1]) for name, points in series.items()}
    order = sorted(peaks, key=lambda name: peaks[name][1], reverse=True)
    drawn = {name: [(at, held / 2**30) for at, held in series[name]] for name in order[:_DRAWN]}
    rows = tuple((Cell(name), Cell(memory(peaks[name][1])), Cell(f"{peaks[name][0]:.0f}")) for name in order)
    caption = (
        f"Resident memory of each process tree, sampled every {memory_trace.EVERY_S:g} s: a shorter peak may be "
        "missing here, and stands with the samples. Pages that processes share count in each. The harness is the "
        "parent alone."
    )
    alt = "; ".join(f"{name} at most {memory(peaks[name][1])}" for name in drawn)
    draw = partial(plots.lines, drawn, "seconds since the start", "GiB resident")
    return [
        Plot("Resident memory over time", alt, draw),
        Table("Peak of each process", ("process", "peak", "at second"), rows, (caption,), "figures"),
    ]
