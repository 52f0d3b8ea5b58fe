"""Phase 12 in the report: when to compact, by whom, and what it costs not to; then the life of each table."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from lakebench.model import Record
from lakebench.outcomes import Outcome
from lakebench.phases.living_tables.observations import EXPIRED, GROUP, READS, TAG, WRITES
from lakebench.phases.living_tables.verdicts import (
    SLOW,
    Look,
    cheapest,
    compactions,
    looks,
    round_of,
    slow_after,
    slowdowns,
)
from lakebench.reports import plots
from lakebench.reports.content import (
    DASH,
    TIMES,
    Cell,
    Paragraph,
    Part,
    Plot,
    Section,
    Table,
    anchor,
    cells,
    label,
    mark,
    size,
)
from lakebench.results.records import Run

_GLANCE = (
    f"A row a table. A round is every query once. Slow: the median reader takes {SLOW} times as long as when the table "
    "was new or freshly compacted. By whom: of the compactions that were right, the one with the least CPU time for "
    "each commit. Not to: what a round took more just before this compaction than just after it, in the mean of the "
    "readers. Pays: the rounds whose saved CPU time is that of the compaction. Only readers whose answers were all "
    "right count; a dash is what this life does not show."
)
_STEPS = (
    "CPU time is of the engine's process and its server. Moved: what the store put out, to the engine and to its own "
    "files. Made and freed: objects and their bytes that came and went meanwhile. Meanwhile: the reads of another "
    "engine while the step ran; each had to have the same right answer. A step is wrong where rows, a tag or a file "
    "that a snapshot refers to is not as before."
)
_WRITERS = "Writers take turns, commit by commit. Milliseconds are medians by the engine's own clock."
_PINNED = (
    "A snapshot that a tag holds must be read to the end. One that expires is read before, and afterwards it may be "
    "refused, but never answered wrongly."
)
_MAINTENANCE = ("compact", "expire-snapshots", "remove-orphans", "rewrite-manifests")


def sections(run: Run) -> list[Section]:
    """What to do first, then the evidence."""
    lives: dict[str, list[Record]] = {}
    for case in run.cases:
        lives.setdefault(case.group.removeprefix(GROUP), []).append(case)
    ran = {name: cases for name, cases in lives.items() if any(one.outcome.ran for one in cases)}
    if not ran:
        return []
    first = Section("When to compact, by whom, and what it costs not to", "compact", tuple(_first(ran)))
    return [first, *(Section(f"{GROUP}{name}", anchor("life", name), tuple(_life(one))) for name, one in ran.items())]


# At a glance


def _first(lives: Mapping[str, Sequence[Record]]) -> Iterator[Part]:
    yield from (Paragraph(_sentence(name, cases)) for name, cases in lives.items())
    head = (
        *("table", "commits", f"{TIMES} at most", "slow after", "by whom", "CPU s", "written"),
        *("not to: ms", "CPU ms", "requests", "bytes", "pays after"),
    )
    yield Table(
        "At a glance", head, tuple(_glance(name, cases) for name, cases in lives.items()), (_GLANCE,), "figures"
    )
    for reader in _common_readers(lives):
        series = {name: _line(looks(cases).get(reader, ()), _ms) for name, cases in lives.items()}
        yield from _plot(f"A round by {reader} in each life", series, "ms", log=False)


def _sentence(name: str, cases: Sequence[Record]) -> str:
    """The answer for one table."""
    aged = slowdowns(cases)
    if not aged:
        return f"{name}: no reader was right to the end, so nothing is said of its speed."
    most = max(aged, key=lambda one: one[1])
    slow = slow_after(cases)
    when = (
        f"compact it within {slow} commits: by then the median reader takes {SLOW} times as long"
        if slow is not None
        else f"it was never {SLOW} times as slow as when it was fresh"
    )
    best = cheapest(compactions(cases))
    if best is None:
        return f"{name}: {when} (at most {most[1]:.2f} times, after {most[0]} commits). Nobody here compacted it."
    rounds = best.pays_after
    pays = f"which {rounds:.0f} rounds pay back" if rounds is not None else "which readers' CPU time does not pay back"
    return (
        f"{name}: {when} (at most {most[1]:.2f} times, after {most[0]} commits). Cheapest by {best.engine}: "
        f"{_number(best.cpu_s)} CPU seconds after {best.age} commits, {pays}. Not to costs each round "
        f"{_number(best.saves('ms'))} ms, {_number(best.saves('cpu_ms'))} ms of CPU time and "
        f"{_number(best.saves('requests'))} requests."
    )


def _glance(name: str, cases: Sequence[Record]) -> tuple[Cell, ...]:
    aged = slowdowns(cases)
    best = cheapest(compactions(cases))
    slow = slow_after(cases)
    commits = max((look["commits"] for some in looks(cases).values() for look in some), default=0)
    shown = cells(
        name,
        commits or DASH,
        f"{max(ratio for _, ratio in aged):.2f}" if aged else DASH,
        f"{slow} commits" if slow is not None else "not yet" if aged else DASH,
    )
    if best is None:
        return (*shown, *cells(*[DASH] * 8))
    saved = best.saves("store_bytes")
    return (
        *shown,
        *cells(best.engine, _number(best.cpu_s), size(best.case.evidence["made_bytes"])),
        *cells(*(_number(best.saves(one)) for one in ("ms", "cpu_ms", "requests"))),
        *cells(DASH if saved is None else _signed_size(saved)),
        *cells(DASH if best.pays_after is None else f"{best.pays_after:.0f} rounds"),
    )


def _common_readers(lives: Mapping[str, Sequence[Record]]) -> list[str]:
    """The readers that are in every life; where there is one life, its own plot shows them."""
    named = [set(looks(cases)) for cases in lives.values()]
    return sorted(set.intersection(*named)) if len(named) > 1 else []


# A life


def _life(cases: Sequence[Record]) -> Iterator[Part]:
    by_reader = looks(cases)
    for what, unit, value in (
        ("Time of a round", "ms", _ms),
        ("Requests of a round", "requests", lambda look: round_of(look).requests),
        ("Bytes of a round", "kB", lambda look: _kilo(round_of(look).store_bytes)),
    ):
        yield from _plot(what, {reader: _line(some, value) for reader, some in by_reader.items()}, unit)
    yield from _table_plot(by_reader)
    yield from _steps(cases)
    yield from _writers(cases)
    yield from _readers(cases)
    yield from _pinned(cases)


def _ms(look: Look) -> float | None:
    return round_of(look).ms


def _kilo(value: float | None) -> float | None:
    return None if value is None else value / 1000


def _line(some: Sequence[Look], value: Callable[[Look], float | None]) -> list[tuple[float, float]]:
    """Commits → value; a compaction is a step down at the same number of commits."""
    points = [(float(look["commits"]), value(look)) for look in some]
    return [(x, y) for x, y in points if y is not None]


def _plot(
    title: str, series: Mapping[str, Sequence[tuple[float, float]]], unit: str, *, log: bool = True
) -> Iterator[Plot]:
    drawn = {name: points for name, points in series.items() if len(points) > 1}
    if not drawn:
        return
    positive = all(y > 0 for points in drawn.values() for _, y in points)
    alt = "; ".join(
        f"{name}: {points[0][1]:.4g} at first, {max(y for _, y in points):.4g} at most, {points[-1][1]:.4g} at last"
        for name, points in drawn.items()
    )
    axis = f"{unit}, logarithmic" if log and positive else unit
    yield Plot(f"{title}, over commits", alt, partial(plots.lines, drawn, "commits", axis, log=log and positive))


def _table_plot(by_reader: Mapping[str, Sequence[Look]]) -> Iterator[Plot]:
    """What a reader plans with; any reader's looks have it."""
    some = max(by_reader.values(), key=len, default=())
    series = {
        "data files": _line(some, lambda look: float(look["data_files"])),
        "delete files": _line(some, lambda look: float(look["delete_files"])),
        "snapshots": _line(some, lambda look: float(look["snapshots"])),
        "metadata, kB": _line(some, lambda look: (look["metadata_bytes"] + look.get("manifest_bytes", 0)) / 1000),
    }
    yield from _plot("Files, snapshots and metadata", series, "number, or kB", log=False)


def _steps(cases: Sequence[Record]) -> Iterator[Table]:
    asked = [one for one in cases if one.coordinates.check in _MAINTENANCE]
    head = (
        *("step", "engine", "outcome", "s", "CPU s", "requests", "moved", "made", "freed", "files", "snapshots"),
        "meanwhile",
    )
    if asked:
        yield Table("Maintenance: what each step costs and frees", head, tuple(map(_step, asked)), (_STEPS,), "figures")


def _step(case: Record) -> tuple[Cell, ...]:
    evidence = case.evidence
    outcome = Cell(label(case.outcome), mark(case.outcome))
    names = cells(case.coordinates.check, case.engine)
    if "before" not in evidence:
        return (*names, outcome, *cells(*[DASH] * 9))
    before, after = evidence["before"], evidence["after"]
    seconds = [None if evidence.get(one) is None else evidence[one] / 1000 for one in ("ms", "cpu_ms")]
    moved = evidence.get("store_bytes")
    return (
        *names,
        outcome,
        *cells(*map(_number, seconds), _number(evidence.get("requests"))),
        *cells(DASH if moved is None else size(moved)),
        *cells(
            *(
                f"{evidence.get(f'{one}_objects', 0)}: {size(evidence.get(f'{one}_bytes', 0))}"
                for one in ("made", "freed")
            )
        ),
        *cells(f"{_files(before)} to {_files(after)}", f"{before['snapshots']} to {after['snapshots']}"),
        Cell(_meanwhile(evidence.get("meanwhile"))),
    )


def _files(facts: Mapping[str, int]) -> str:
    return f"{facts['data_files']}+{facts['delete_files']}"


def _meanwhile(watched: Mapping[str, Any] | None) -> str:
    if not watched:
        return DASH
    wrong = f", {watched['wrong']} wrong" if watched.get("wrong") else ""
    failed = f", {watched['failed']} failed" if watched.get("failed") else ""
    return f"{watched['reader']}: {watched.get('right', 0)} right{wrong}{failed}"


def _writers(cases: Sequence[Record]) -> Iterator[Table]:
    asked = [one for one in cases if one.coordinates.check == WRITES]
    head = ("engine", "outcome", "commits", "Merge ms", "Append ms", "Delete ms", "CPU ms", "requests")
    if asked:
        yield Table("Writers", head, tuple(map(_writer, asked)), (_WRITERS,), "figures")


def _writer(case: Record) -> tuple[Cell, ...]:
    commits: Sequence[Mapping[str, Any]] = case.evidence.get("commits", ())
    by_kind = (
        _median(one.get("ms") for one in commits if one["operation"] == kind) for kind in ("Merge", "Append", "Delete")
    )
    return (
        *cells(case.engine),
        Cell(label(case.outcome), mark(case.outcome)),
        *cells(len(commits), *map(_number, by_kind)),
        *cells(*(_number(_median(one.get(key) for one in commits)) for key in ("cpu_ms", "requests"))),
    )


def _readers(cases: Sequence[Record]) -> Iterator[Table]:
    """Each reader at first, at its slowest and at last."""
    asked = [one for one in cases if one.coordinates.check == READS]
    head = ("engine", "outcome", "looks", "first ms", "most ms", "last ms", "first requests", "most requests", "reason")
    if asked:
        note = "Milliseconds and requests of a round: every query once, the median of its executions at that look."
        yield Table("Readers", head, tuple(map(_reader, asked)), (note,), "figures")


def _reader(case: Record) -> tuple[Cell, ...]:
    rounds = [round_of(one) for one in case.evidence.get("looks", ())]
    outcome = Cell(label(case.outcome), mark(case.outcome))
    if case.outcome is not Outcome.PASS or not rounds:
        return (Cell(case.engine), outcome, *cells(len(rounds), *[DASH] * 5, case.reason[:160]))
    requests = [one.requests for one in rounds if one.requests is not None]
    times = [one.ms for one in rounds]
    return (
        Cell(case.engine),
        outcome,
        *cells(len(rounds), *map(_number, (times[0], max(times), times[-1]))),
        *cells(*(map(_number, (requests[0], max(requests))) if requests else (DASH, DASH)), ""),
    )


def _pinned(cases: Sequence[Record]) -> Iterator[Table]:
    asked = [one for one in cases if one.coordinates.check in {TAG, EXPIRED}]
    head = ("engine", "snapshot", "outcome", "right", "after its expiry", "it says")
    if asked:
        yield Table("Readers that stay with an old snapshot", head, tuple(map(_pin, asked)), (_PINNED,))


def _pin(case: Record) -> tuple[Cell, ...]:
    reads: Sequence[Mapping[str, Any]] = case.evidence.get("reads", ())
    right = sum(one["answer"] == "right" for one in reads)
    late = [str(one["answer"]) for one in reads if one["expired"]]
    said = next((str(one["answer"]) for one in reads if one["answer"] != "right"), case.reason)
    held = "held by a tag" if case.coordinates.check == TAG else "not held"
    return (
        *cells(case.engine, held),
        Cell(label(case.outcome), mark(case.outcome)),
        *cells(f"{right} of {len(reads)}" if reads else DASH),
        *cells(", ".join(sorted({one.partition(":")[0] for one in late})) or DASH, said[:160]),
    )


# Numbers


def _median(values: Any) -> float | None:
    known = [one for one in values if one is not None]
    return statistics.median(known) if known else None


def _number(value: float | None) -> str:
    if value is None:
        return DASH
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits are shown


def _signed_size(value: float) -> str:
    return size(value) if value >= 0 else f"{DASH}{size(-value)}"
