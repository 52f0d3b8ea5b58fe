"""Phase 5 in the report: the rubric, the work by format, and what becomes of deleted rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from lakebench.model import Record
from lakebench.outcomes import Outcome
from lakebench.reports import plots
from lakebench.reports.content import DASH, Cell, Part, Plot, Section, Table, cells, label, mark
from lakebench.results import statistics
from lakebench.results.records import Run

_RUBRIC = (
    "A line is one case, and the score is how many pass. What an engine has no way to do, and what has no workers that "
    "could die, is no point."
)
_BESIDE = (
    "No part of the score. The start is that of the server that is the engine; idle is what driver and cluster held "
    "after a query, before the next one. The lines are those of the program by which a user comes from addresses and "
    "keys to a first answer, without blank lines and comments."
)
_DELETES = (
    "By a connector the engine reads the table; by files it reads the data files that DuckLake's catalog lists, "
    "because it has no connector. Those files still have the deleted rows: the catalog lists their deletes beside them."
)
_DEATHS = (
    "Killed by SIGKILL while the long query ran: of our cluster a whole node with its workers (raylet), of the cluster "
    "that Smallpond starts by itself one of its workers."
)
_MEMORY = "Peaks of all processes of driver and cluster, each for itself, while the long query ran."


def sections(run: Run) -> list[Section]:
    """The tables, and a plot of the score."""
    parts = [
        *_rubric(run.cases),
        *_beside(run),
        *_deletes(run.cases),
        *_deaths(run.cases),
        *_workers(run.cases),
        *_memory(run.cases),
    ]
    return [Section("Distribution", "distribution", tuple(parts))] if parts else []


def _of(cases: Sequence[Record], check: str, test: str = "") -> list[Record]:
    asked = [one for one in cases if one.coordinates.check == check]
    return [one for one in asked if one.coordinates.test == test] if test else asked


def _rubric(cases: Sequence[Record]) -> list[Part]:
    lines = _of(cases, "rubric")
    names = list(dict.fromkeys(one.column for one in lines))
    at = {(one.row, one.column): one for one in lines}
    rows = [
        (Cell(row), *(_outcome(at.get((row, name))) for name in names))
        for row in dict.fromkeys(one.row for one in lines)
    ]
    score = [sum(one.outcome is Outcome.PASS for one in lines if one.column == name) for name in names]
    if not lines:
        return []
    of = len(rows)
    rows.append((Cell("score"), *(Cell(f"{one} of {of}") for one in score)))
    alt = "; ".join(f"{name}: {one} of {of} lines pass" for name, one in zip(names, score, strict=True))
    shares = {"lines that pass": [one / of for one in score]}
    plot = Plot("Rubric: score", alt, partial(plots.bars, names, shares, "share of the lines"))
    return [Table("Rubric", ("line", *names), tuple(rows), (_RUBRIC,)), plot]


def _beside(run: Run) -> list[Part]:
    """What people ask beside the score: how long the start takes, what is held by doing nothing, what one writes."""
    memory = {one.engine: one.evidence for one in _of(run.cases, "rubric", "within-memory")}
    asked = {engine: evidence for engine, evidence in memory.items() if "idle_bytes" in evidence}
    lines = {one.engine: _lines(one) for one in _of(run.cases, "set-up")}
    starts = {one.service: one.seconds_to_start for one in run.services} if asked else {}
    rows = tuple(
        (Cell(engine), *cells(*_held(starts, asked.get(engine)), lines.get(engine, DASH)))
        for engine in {**asked, **lines}
    )
    head = ("engine", "start s", "idle MiB", "lines of set-up")
    return [Table("Beside the score", head, rows, (_BESIDE,), "figures")] if rows else []


def _held(starts: Mapping[str, float | None], evidence: Mapping[str, Any] | None) -> tuple[str, str]:
    return (_start(starts, evidence["service"]), _mib(evidence["idle_bytes"])) if evidence else (DASH, DASH)


def _lines(case: Record) -> str:
    """Of the program; how it ended, where it did not give the answer."""
    lines = str(case.evidence.get("lines", DASH))
    return lines if case.outcome is Outcome.PASS else f"{lines} ({label(case.outcome)})"


def _start(starts: Mapping[str, float | None], service: str) -> str:
    seconds = starts.get(service)
    return DASH if seconds is None else f"{seconds:.1f}"


def _outcome(case: Record | None) -> Cell:
    return Cell(DASH) if case is None else Cell(label(case.outcome), mark(case.outcome))


def _deletes(cases: Sequence[Record]) -> list[Part]:
    # Engines are asked side by side, and so the records have no order.
    asked = sorted(_of(cases, "deletes"), key=lambda one: (one.coordinates.more.get("lake", ""), one.row, one.engine))
    head = ("table", "engine", "way", "outcome", "rows")
    rows = tuple(
        (*cells(one.row, one.engine, one.coordinates.more.get("way", DASH)), _outcome(one), Cell(_rows(one)))
        for one in asked
    )
    return [Table("Deleted rows", head, rows, (_DELETES,))] if rows else []


def _rows(case: Record) -> str:
    diff: Any = case.evidence.get("diff") or {}
    answer: Any = case.evidence.get("answer") or {}
    if "actual_rows" in diff:
        return f"{diff['actual_rows']} instead of {diff['expected_rows']}"
    return str(answer.get("rows", DASH))


def _deaths(cases: Sequence[Record]) -> list[Part]:
    asked = [one for one in _of(cases, "rubric", "survives-death") if one.outcome.ran]
    head = ("engine", "outcome", "killed", "usual s", "with a death s", "error")
    rows = tuple(
        (
            Cell(one.engine),
            _outcome(one),
            *cells(*(one.evidence.get(key, DASH) for key in ("killed", "usual_s", "took_s")), one.reason or DASH),
        )
        for one in asked
    )
    return [Table("A worker dies in the middle", head, rows, (_DEATHS,))] if rows else []


def _workers(cases: Sequence[Record]) -> list[Part]:
    asked = [one for one in _of(cases, "rubric", "faster-with-workers") if one.evidence.get("samples")]
    strips = [_strip(one, workers, some) for one in asked for workers, some in one.evidence["samples"].items()]
    if not strips:
        return []
    cores = asked[0].evidence.get("cores", DASH)
    rows = tuple(
        cells(one.engine, workers, f"{statistics.median(some):.3f}")
        for one in asked
        for workers, some in one.evidence["samples"].items()
    )
    alt = "; ".join(f"{one.name}: median {one.median:.3f} s" for one in strips)
    return [
        Table("The long query by workers", ("engine", "workers", "median s"), rows, (f"On {cores} cores.",), "figures"),
        Plot("The long query by number of workers", alt, partial(plots.strips, strips)),
    ]


def _strip(case: Record, workers: Any, some: Sequence[float]) -> plots.Strip:
    bounds = statistics.median_interval(list(some))
    return plots.Strip(
        f"{case.engine}, {workers} worker{'s' if str(workers) != '1' else ''}",
        tuple(some),
        statistics.median(list(some)),
        (bounds.low, bounds.high) if bounds else None,
    )


def _memory(cases: Sequence[Record]) -> list[Part]:
    asked = [one for one in _of(cases, "rubric", "within-memory") if "processes" in one.evidence]
    head = ("engine", "outcome", "peak MiB", "limit MiB", "largest processes")
    rows = tuple(
        (
            Cell(one.engine),
            _outcome(one),
            *cells(_mib(one.evidence["peak_bytes"]), _mib(one.evidence["limit_bytes"]), _largest(one)),
        )
        for one in asked
    )
    return [Table("Memory", head, rows, (_MEMORY,), "figures")] if rows else []


def _largest(case: Record) -> str:
    return ", ".join(f"{one['process']} {_mib(one['peak_bytes'])}" for one in case.evidence["processes"][:3])


def _mib(size: int) -> str:
    return f"{size / 2**20:,.0f}"
