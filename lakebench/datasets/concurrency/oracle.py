"""Whether the acknowledged commits explain what a table holds, and what readers saw.

Standard library only. Times are nanoseconds of one monotonic clock that all processes of a machine share. A task is
``done`` (the engine said so), ``refused`` (the engine said no), or ``unknown``: its writer was killed in it, or the
answer to its commit was lost on the way, so that it may or may not have happened. An anomaly is what no serial
order of the done commits, some of the unknown ones and none of the refused ones can explain.
"""

from __future__ import annotations

import itertools
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lakebench.datasets.concurrency.workloads import GROUP, column, task_of

Task = tuple[int, int]
"""A writer and the number of its task."""
_SHOWN = 5
INSERTS = frozenset({"insert", "groups", "first-commit"})
"""Workloads whose tasks insert rows that name their writer and task."""


@dataclass(frozen=True)
class Attempt:
    """One task as it went: ``state`` is ``done``, ``refused`` or ``unknown``; ``tries`` counts the client's own."""

    writer: int
    task: int
    began: int
    ended: int | None
    state: str
    kind: str = ""
    message: str = ""
    tries: int = 1


@dataclass(frozen=True)
class Seen:
    """The answer to one read of ``reader``: rows of ``id``, ``writer`` and ``value``."""

    reader: str
    began: int
    ended: int
    rows: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Final:
    """The table after all: its rows and the names of its columns."""

    rows: tuple[tuple[int, int, int], ...]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Explained:
    """Anomalies, which cannot be explained: kind → some of the cases in words.

    ``behind`` counts reads that miss a commit which had been acknowledged before they began: stale, and no fault of a
    serial order. ``unknown_landed`` are the unknown inserts that turned out to have happened.
    """

    anomalies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    behind: int = 0
    unknown_landed: int = 0


Anomaly = tuple[str, str]


def explain(workload: str, attempts: Sequence[Attempt], seen: Sequence[Seen], final: Final) -> Explained:
    """Check ``final`` and ``seen`` against the ``attempts`` of the workload called ``workload``."""
    by_state = _AttemptsByState(attempts)
    check: Callable[[_AttemptsByState, Sequence[Seen], Final], Iterator[Anomaly]] = _CHECKS[workload]
    anomalies: dict[str, list[str]] = defaultdict(list)
    for kind, words in check(by_state, seen, final):
        anomalies[kind].append(words)
    shown = {kind: (*words[:_SHOWN], *_more(words)) for kind, words in anomalies.items()}
    return Explained(shown, _behind(workload, by_state, seen), _landed(workload, by_state, final))


def _more(words: Sequence[str]) -> tuple[str, ...]:
    return (f"and {len(words) - _SHOWN} more",) if len(words) > _SHOWN else ()


class _AttemptsByState:
    """The attempts by state."""

    def __init__(self, attempts: Sequence[Attempt]) -> None:
        self.attempts = attempts
        self.by_task: dict[Task, Attempt] = {(one.writer, one.task): one for one in attempts}
        self.done = {task for task, one in self.by_task.items() if one.state == "done"}
        self.unknown = {task for task, one in self.by_task.items() if one.state == "unknown"}

    def begun_by(self, at: int) -> int:
        """How many tasks that may have happened had begun at ``at``."""
        return sum(one.began <= at and one.state != "refused" for one in self.attempts)

    def done_by(self, at: int) -> int:
        """How many tasks were acknowledged before ``at``."""
        return sum(one.state == "done" and (one.ended or at) < at for one in self.attempts)


# Inserts: each task's rows are there once, or not at all.


def _inserts(size: int, by_state: _AttemptsByState, seen: Sequence[Seen], final: Final) -> Iterator[Anomaly]:
    counts = _by_task(final.rows)
    yield from _whole(size, counts, "the final rows")
    for task in sorted(by_state.done - set(counts)):
        yield "lost", f"task {task} was acknowledged, and its rows are not there"
    yield from _uncommitted(by_state, counts, "the final rows")
    yield from _reads(size, by_state, seen, set(counts))


def _by_task(rows: Sequence[tuple[int, int, int]]) -> dict[Task, Counter[int]]:
    counts: dict[Task, Counter[int]] = defaultdict(Counter)
    for number, *_ in rows:
        counts[task_of(number)][number] += 1
    return counts


def _whole(size: int, counts: Mapping[Task, Counter[int]], where: str) -> Iterator[Anomaly]:
    for task, ids in counts.items():
        if any(count > 1 for count in ids.values()):
            yield "doubled", f"rows of task {task} are there more than once in {where}: {dict(ids)}"
        elif len(ids) != size:
            yield "half a commit", f"{len(ids)} of {size} rows of task {task} are in {where}"


def _uncommitted(by_state: _AttemptsByState, counts: Mapping[Task, Any], where: str) -> Iterator[Anomaly]:
    for task in sorted(set(counts) - by_state.done - by_state.unknown):
        attempt = by_state.by_task.get(task)
        yield "not committed", f"rows of task {task} are in {where}, which {_origin_in_words(attempt)}"


def _origin_in_words(attempt: Attempt | None) -> str:
    return "nobody inserted" if attempt is None else f"said: {attempt.message[:200]}"


def _reads(size: int, by_state: _AttemptsByState, seen: Sequence[Seen], final: set[Task]) -> Iterator[Anomaly]:
    """Each read holds whole commits that had begun, and all reads are one chain: of any two, one holds the other."""
    sets: list[tuple[str, set[Task]]] = []
    for number, one in enumerate(seen):
        counts, where = _by_task(one.rows), f"read {number} of {one.reader}"
        yield from _whole(size, counts, where)
        yield from _uncommitted(by_state, counts, where)
        for task in counts:
            attempt = by_state.by_task.get(task)
            if attempt and attempt.began > one.ended:
                yield "from the future", f"{where} has task {task}, which began after it"
        if set(counts) - final:
            yield "taken back", f"{where} has tasks {sorted(set(counts) - final)[:3]}, which the final rows lack"
        sets.append((one.reader, set(counts)))
    yield from _chain(sets)


def _chain(sets: Sequence[tuple[str, set[Task]]]) -> Iterator[Anomaly]:
    for reader in sorted({reader for reader, _ in sets}):
        reads = [tasks for name, tasks in sets if name == reader]
        for before, after in itertools.pairwise(reads):
            if before - after:
                yield "back in time", f"a read of {reader} lacks {sorted(before - after)[:3]}, which the one before has"
    ordered = sorted(sets, key=lambda one: len(one[1]))
    for (first, small), (second, large) in itertools.pairwise(ordered):
        if small - large:
            yield "no serial order", f"{first} saw {sorted(small - large)[:3]} and {second} did not, and the reverse"


# Updates: a value counts the tasks that happened.


def _one_counter(by_state: _AttemptsByState, seen: Sequence[Seen], final: Final) -> Iterator[Anomaly]:
    yield from _count(final.rows, {0: (len(by_state.done), len(by_state.unknown))}, "the final rows")
    for number, one in enumerate(seen):
        yield from _count(one.rows, {0: (0, by_state.begun_by(one.ended))}, f"read {number} of {one.reader}")
    yield from _monotonic(seen)


def _counter_per_writer(by_state: _AttemptsByState, seen: Sequence[Seen], final: Final) -> Iterator[Anomaly]:
    yield from _count(final.rows, _limits(by_state, final.rows), "the final rows")
    yield from _monotonic(seen)


def _limits(by_state: _AttemptsByState, rows: Sequence[tuple[int, int, int]]) -> dict[int, tuple[int, int]]:
    """For each writer's row, how many tasks are done and how many are unknown."""
    done, unknown = Counter(one for one, _ in by_state.done), Counter(one for one, _ in by_state.unknown)
    writers = {writer for _, writer, _ in rows} | {writer for writer, _ in by_state.by_task}
    return {writer: (done[writer], unknown[writer]) for writer in writers}


def _count(
    rows: Sequence[tuple[int, int, int]], limits: Mapping[int, tuple[int, int]], where: str
) -> Iterator[Anomaly]:
    """Each of ``limits`` is a row by its ``id``, once, and its value between what is done and what may be."""
    ids = Counter(number for number, *_ in rows)
    for number, count in ids.items():
        if count > 1:
            yield "doubled", f"row {number} is {count} times in {where}"
        if number not in limits:
            yield "not committed", f"row {number} is in {where}, and nobody inserted it"
    values = {number: value for number, _, value in rows}
    for number, (done, unknown) in limits.items():
        if number not in values:
            yield "lost", f"row {number} is not in {where}"
        elif values[number] < done:
            yield "lost", f"row {number} counts {values[number]} in {where}, and {done} updates were acknowledged"
        elif values[number] > done + unknown:
            yield "doubled", f"row {number} counts {values[number]} in {where}, of {done + unknown} updates at most"


def _monotonic(seen: Sequence[Seen]) -> Iterator[Anomaly]:
    last: dict[tuple[str, int], int] = {}
    for one in seen:
        for number, _, value in one.rows:
            if value < last.get((one.reader, number), 0):
                yield "back in time", f"{one.reader} saw row {number} at {value} after {last[one.reader, number]}"
            last[one.reader, number] = value


# DELETE and INSERT in one transaction: each writer has one row at any time.


def _moves(by_state: _AttemptsByState, seen: Sequence[Seen], final: Final) -> Iterator[Anomaly]:
    writers = {writer for writer, _ in by_state.by_task}
    yield from _one_each(writers, final.rows, "the final rows")
    for number, one in enumerate(seen):
        yield from _one_each(writers, one.rows, f"read {number} of {one.reader}")
    last = {
        writer: max((task + 1 for owner, task in by_state.done if owner == writer), default=0) for writer in writers
    }
    for _, writer, value in final.rows:
        later = {task + 1 for owner, task in by_state.unknown if owner == writer and task + 1 > last.get(writer, 0)}
        if value != last.get(writer) and value not in later:
            yield "lost", f"the row of writer {writer} is at {value}, its last acknowledged move at {last.get(writer)}"


def _one_each(writers: set[int], rows: Sequence[tuple[int, int, int]], where: str) -> Iterator[Anomaly]:
    counts = Counter(writer for _, writer, _ in rows)
    for writer in sorted(writers):
        if counts[writer] != 1:
            yield "half a commit", f"writer {writer} has {counts[writer]} rows in {where}, where it always has one"


# Columns.


def _columns(by_state: _AttemptsByState, seen: Sequence[Seen], final: Final) -> Iterator[Anomaly]:  # noqa: ARG001 - nobody reads
    present = [name for name in final.columns if name.startswith("c_")]
    names = {column(*task): task for task in by_state.by_task}
    for name, count in Counter(present).items():
        if count > 1:
            yield "doubled", f"the column {name} is there {count} times"
        if names.get(name) not in by_state.done | by_state.unknown:
            yield (
                "not committed",
                f"the column {name} is there, which {_origin_in_words(by_state.by_task.get(names.get(name, (0, 0))))}",
            )
    for task in sorted(by_state.done):
        if column(*task) not in present:
            yield "lost", f"the column {column(*task)} was acknowledged, and is not there"


_CHECKS: Mapping[str, Callable[[_AttemptsByState, Sequence[Seen], Final], Iterator[Anomaly]]] = {
    "insert": lambda *arguments: _inserts(1, *arguments),
    "groups": lambda *arguments: _inserts(GROUP, *arguments),
    "first-commit": lambda *arguments: _inserts(GROUP, *arguments),
    "update-one": _one_counter,
    "update-own": _counter_per_writer,
    "move": _moves,
    "add-column": _columns,
}


def _behind(workload: str, by_state: _AttemptsByState, seen: Sequence[Seen]) -> int:
    """Reads that miss a commit which had been acknowledged before they began."""
    if workload not in {*INSERTS, "update-one"}:
        return 0
    return sum(_happened(workload, one) < by_state.done_by(one.began) for one in seen)


def _happened(workload: str, one: Seen) -> int:
    """How many tasks a read shows, at least."""
    return sum(value for *_, value in one.rows) if workload == "update-one" else len(_by_task(one.rows))


def _landed(workload: str, by_state: _AttemptsByState, final: Final) -> int:
    """How many of the unknown inserts turned out to have happened."""
    return len(by_state.unknown & set(_by_task(final.rows))) if workload in INSERTS else 0
