"""Units of a plan: blocks, which turn into the records of their cases."""

from __future__ import annotations

import datetime as dt
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Any

from lakebench import engines
from lakebench.datasets.answer_files import Checked
from lakebench.errors import CaseEnd, CaseError, EngineUnavailable, HarnessFault, ServiceUnavailable, WrongAnswer
from lakebench.execution.context import RunContext
from lakebench.execution.history import RunHistory
from lakebench.execution.prerequisites import Prerequisites
from lakebench.model import Coordinates, EngineRef, Record, Sample
from lakebench.outcomes import Outcome

Evidence = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """One check or one measurement: what its record has, whatever the outcome.

    ``coordinates`` say what it is about; the id, ``title``, ``group``, ``row`` and ``column`` are for display.
    """

    id: str
    phase: str
    title: str
    engine: EngineRef
    group: str
    row: str
    column: str
    coordinates: Coordinates


@dataclass(frozen=True)
class Block(ABC):
    """Cases that run together; what is finished of them is never run again."""

    @property
    @abstractmethod
    def cases(self) -> tuple[Case, ...]:
        """The cases of this block, in the order of the report."""

    @abstractmethod
    def run(self, context: RunContext, todo: frozenset[str]) -> Iterator[Record]:
        """The records of the cases whose ids are in ``todo``, each as soon as it is finished."""


def record(
    history: RunHistory, case: Case, began: tuple[str, float], evidence: Evidence, samples: tuple[Sample, ...] = ()
) -> Record:
    """The record of a case that passed."""
    return _record(history, case, began, Outcome.PASS, "", evidence, samples)


def failure(
    prerequisites: Prerequisites,
    history: RunHistory,
    case: Case,
    began: tuple[str, float],
    error: CaseEnd,
    evidence: Evidence,
) -> Record:
    """The record of a case that did not pass. It has no latency: only a verified answer has a time.

    Raises:
        LakebenchError: a disk is full, or a service is gone that the run needs, so the case says nothing.
    """
    prerequisites.check(error)
    details = {**evidence, "error": str(error), **{key: value for key, value in error.details.items() if value}}
    return _record(history, case, began, error.outcome, str(error), details, ())


def records(block: Block, context: RunContext, todo: frozenset[str]) -> Iterator[Record]:
    """The records of ``block``; where code of ours fails, the cases that have none yet are faults of ours."""
    began, finished = now(), set[str]()
    try:
        for one in block.run(context, todo):
            finished.add(one.case)
            yield one
        if missing := sorted(todo - finished):
            raise HarnessFault(f"no record came of {', '.join(missing)}")  # noqa: TRY301 - a fault like any other
    except (ServiceUnavailable, EngineUnavailable):  # what the whole run needs
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is no engine's, and other cases go on
        fault = context.faults.fault(error)
        for case in block.cases:
            if case.id in todo - finished:
                yield failure(context.prerequisites, context.history, case, began, fault, {})


def now() -> tuple[str, float]:
    """The time of day for people, and the monotonic clock for durations."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"), time.monotonic()


def _record(
    history: RunHistory,
    case: Case,
    began: tuple[str, float],
    outcome: Outcome,
    reason: str,
    evidence: Evidence,
    samples: tuple[Sample, ...],
) -> Record:
    return Record(
        case=case.id,
        phase=case.phase,
        title=case.title,
        engine=str(case.engine),
        outcome=outcome,
        reason=reason,
        evidence=evidence,
        samples=samples,
        versions=history.versions(case.engine),
        started=began[0],
        seconds=round(time.monotonic() - began[1], 6),
        group=case.group,
        row=case.row,
        column=case.column,
        coordinates=case.coordinates,
    )


@dataclass(frozen=True)
class Check(Block):
    """One case that passes when ``test`` returns its evidence, and fails by the error that it raises."""

    case: Case
    test: Callable[[RunContext], Evidence]

    @property
    def cases(self) -> tuple[Case, ...]:
        """The one case."""
        return (self.case,)

    def run(self, context: RunContext, todo: frozenset[str]) -> Iterator[Record]:
        """Run the test."""
        if self.case.id not in todo:
            return
        began = now()
        try:
            yield record(context.history, self.case, began, self.test(context))
        except CaseError as error:
            yield failure(context.prerequisites, context.history, self.case, began, error, {})


@dataclass(frozen=True)
class SideBySide(Block):
    """Sequences of checks that have nothing in common: they run side by side, the checks of each one after the other.

    It is for checks that wait (for a lock, for a server), never for checks that are timed.
    """

    sequences: tuple[tuple[Check, ...], ...]

    @property
    def cases(self) -> tuple[Case, ...]:
        """The case of each check."""
        return tuple(one.case for sequence in self.sequences for one in sequence)

    def run(self, context: RunContext, todo: frozenset[str]) -> Iterator[Record]:
        """Run them; a record as soon as it is there."""
        made: SimpleQueue[Record | None] = SimpleQueue()
        stop = threading.Event()
        with context.workers.keeping_all(), ThreadPoolExecutor(max(1, len(self.sequences))) as pool:
            running = [pool.submit(_run_sequence, context, sequence, todo, made, stop) for sequence in self.sequences]
            try:
                for _ in self.sequences:
                    yield from iter(made.get, None)
            finally:
                stop.set()
            for one in running:
                one.result()


def side_by_server(checks: Iterable[Check]) -> SideBySide:
    """``checks`` side by side: a sequence for each server that an engine computes on, or for the engine itself."""
    sequences: dict[str, list[Check]] = {}
    for one in checks:
        ref = one.case.engine
        sequences.setdefault(engines.find(ref.name).service or str(ref), []).append(one)
    return SideBySide(tuple(tuple(some) for some in sequences.values()))


def _run_sequence(
    context: RunContext,
    sequence: tuple[Check, ...],
    todo: frozenset[str],
    made: SimpleQueue[Record | None],
    stop: threading.Event,
) -> None:
    """Put the records of one sequence into ``made``, and ``None`` at its end."""
    try:
        for check in sequence:
            for one in records(check, context, todo & {check.case.id}) if not stop.is_set() else ():
                made.put(one)
    finally:
        made.put(None)


@dataclass(frozen=True)
class Versioned(Block):
    """A block whose records have what ``versions`` says of the ``servers``, asked once a run; nothing if one is gone.

    ``beside`` says that the versions of a record's own engine stay: it is another one than the client of the servers.
    """

    block: Block
    servers: str
    versions: Callable[[RunContext], Mapping[str, str]]
    beside: bool = False

    @property
    def cases(self) -> tuple[Case, ...]:
        """Those of the block."""
        return self.block.cases

    def run(self, context: RunContext, todo: frozenset[str]) -> Iterator[Record]:
        """Run the block."""
        for one in self.block.run(context, todo):
            own = one.versions if self.beside else {}
            yield replace(one, versions={**own, **self._asked(context)} if one.outcome.ran else {})

    def _asked(self, context: RunContext) -> Mapping[str, str]:
        try:
            return context.prepared.once(f"versions/{self.servers}", lambda: self.versions(context))
        except CaseError:
            return {}


@dataclass(frozen=True)
class Followed(Block):
    """A block after which ``then`` is called."""

    block: Block
    then: Callable[[RunContext], None]

    @property
    def cases(self) -> tuple[Case, ...]:
        """Those of the block."""
        return self.block.cases

    def run(self, context: RunContext, todo: frozenset[str]) -> Iterator[Record]:
        """Run the block, and what follows it."""
        yield from self.block.run(context, todo)
        self.then(context)


def same(checked: Checked) -> dict[str, Any]:
    """The evidence of a comparison that found no difference.

    Raises:
        WrongAnswer: it found one.
    """
    if checked.diff is not None:
        raise WrongAnswer(checked.message, diff=diff_evidence(checked.diff), checked_against=list(checked.sources))
    evidence: dict[str, Any] = {"answer": {"rows": checked.rows, "sha256": checked.sha256}}
    if checked.sources:
        evidence["checked_against"] = list(checked.sources)
    if checked.type_differences:
        evidence["type_differences"] = list(checked.type_differences)
    return evidence


def diff_evidence(diff: Mapping[str, Any]) -> dict[str, Any]:
    """``diff`` with its text for people."""
    rows = [f"  {side}: {' | '.join(row)}" for side in ("expected", "actual") for row in diff[side]]
    return {**diff, "text": "\n".join([diff["message"], *rows])}
