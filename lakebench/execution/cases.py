"""Units of a plan: blocks, which turn into the records of their cases."""

from __future__ import annotations

import datetime as dt
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from lakebench import engines
from lakebench.datasets import answer_files
from lakebench.datasets.answer_files import Agreed, Checked
from lakebench.datasets.answers import FULL
from lakebench.datasets.rules import Rules
from lakebench.errors import CaseEnd, CaseError, EngineUnavailable, HarnessFault, ServiceUnavailable, WrongAnswer
from lakebench.execution.context import Bench
from lakebench.execution.protocol import Meter, Protocol
from lakebench.model import EngineRef, Lake, Record, Sample
from lakebench.outcomes import Outcome
from lakebench.processes import resources
from lakebench.results import accepted
from lakebench.results.comparison import undecided

Evidence = Mapping[str, Any]
_WITNESS = "duckdb"  # the engine that the witness is
_NO_MAJORITY = "cannot be verified: there is no reference answer, and no majority of engines"
_STEP = 5  # samples more at a time, while a comparison is undecided


@dataclass(frozen=True)
class Case:
    """One check or one measurement: what stands in its record whatever becomes of it."""

    id: str
    phase: str
    title: str
    engine: EngineRef
    group: str
    row: str
    column: str


@dataclass(frozen=True)
class Block(ABC):
    """Cases that run together; what is finished of them is never run again."""

    @property
    @abstractmethod
    def cases(self) -> tuple[Case, ...]:
        """The cases of this block, in the order of the report."""

    @abstractmethod
    def run(self, bench: Bench, todo: frozenset[str]) -> Iterator[Record]:
        """The records of the cases whose ids stand in ``todo``, each as soon as it is finished."""


def record(
    bench: Bench, case: Case, began: tuple[str, float], evidence: Evidence, samples: tuple[Sample, ...] = ()
) -> Record:
    """The record of a case that passed."""
    return _record(bench, case, began, Outcome.PASS, "", evidence, samples)


def failure(bench: Bench, case: Case, began: tuple[str, float], error: CaseEnd, evidence: Evidence) -> Record:
    """The record of a case that did not pass. It has no latency: only a verified answer has a time.

    Raises:
        LakebenchError: a disk is full, or a service is gone that the run stands on, so the case says nothing.
    """
    bench.must_stand(error)
    told = {**evidence, "error": str(error), **{key: value for key, value in error.details.items() if value}}
    if known := accepted.known(case.id, error.outcome, bench.baseline):
        told["known"] = known
    return _record(bench, case, began, error.outcome, str(error), told, ())


def records(block: Block, bench: Bench, todo: frozenset[str]) -> Iterator[Record]:
    """The records of ``block``; where code of ours fails, the cases that have none yet are faults of ours."""
    began, told = now(), set[str]()
    try:
        for one in block.run(bench, todo):
            told.add(one.case)
            yield one
        if missing := sorted(todo - told):
            raise HarnessFault(f"no record came of {', '.join(missing)}")  # noqa: TRY301 - a fault like any other
    except (ServiceUnavailable, EngineUnavailable):  # what the run stands on
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is no engine's, and other cases go on
        fault = bench.faults.fault(error)
        for case in block.cases:
            if case.id in todo - told:
                yield failure(bench, case, began, fault, {})


def now() -> tuple[str, float]:
    """The time of day for people, and the monotonic clock for durations."""
    return dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds"), time.monotonic()


def _record(
    bench: Bench,
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
        versions=bench.versions(case.engine),
        started=began[0],
        seconds=round(time.monotonic() - began[1], 6),
        group=case.group,
        row=case.row,
        column=case.column,
    )


@dataclass(frozen=True)
class Check(Block):
    """One case that passes when ``test`` returns its evidence, and fails by the error that it raises."""

    case: Case
    test: Callable[[Bench], Evidence]

    @property
    def cases(self) -> tuple[Case, ...]:
        """The one case."""
        return (self.case,)

    def run(self, bench: Bench, todo: frozenset[str]) -> Iterator[Record]:
        """Run the test."""
        if self.case.id not in todo:
            return
        began = now()
        try:
            yield record(bench, self.case, began, self.test(bench))
        except CaseError as error:
            yield failure(bench, self.case, began, error, {})


@dataclass(frozen=True)
class SideBySide(Block):
    """Lanes of checks: those of one lane run one after the other, the lanes at once, as they have nothing in common.

    It is for checks that wait (for a lock, for a server), never for such as are timed.
    """

    lanes: tuple[tuple[Check, ...], ...]

    @property
    def cases(self) -> tuple[Case, ...]:
        """The case of each check."""
        return tuple(one.case for lane in self.lanes for one in lane)

    def run(self, bench: Bench, todo: frozenset[str]) -> Iterator[Record]:
        """Run them; a record as soon as it is there."""
        made: SimpleQueue[Record | None] = SimpleQueue()
        stop = threading.Event()
        with bench.side_by_side(), ThreadPoolExecutor(max(1, len(self.lanes))) as pool:
            running = [pool.submit(_drive, bench, lane, todo, made, stop) for lane in self.lanes]
            try:
                for _ in self.lanes:
                    yield from iter(made.get, None)
            finally:
                stop.set()
            for one in running:
                one.result()


def _drive(
    bench: Bench,
    lane: tuple[Check, ...],
    todo: frozenset[str],
    made: SimpleQueue[Record | None],
    stop: threading.Event,
) -> None:
    """Put the records of one lane into ``made``, and ``None`` at its end."""
    try:
        for check in lane:
            for one in records(check, bench, todo & {check.case.id}) if not stop.is_set() else ():
                made.put(one)
    finally:
        made.put(None)


@dataclass(frozen=True)
class MeasuredEngine:
    """An engine in a measurement: its case, its lake, and the query in its own SQL.

    ``seat`` names the worker that it has for itself, ``store`` the service whose requests count, empty where the lake
    has none. ``against`` is the id of the case that this one is the base of.
    """

    case: Case
    lake: Callable[[Bench], Lake]
    sql: str
    seat: str = ""
    store: str = "object-store"
    against: str = ""


@dataclass
class _EngineRun:
    """How far one engine has come in a measurement; ``past`` is its record where it came to its end before."""

    entry: MeasuredEngine
    past: Record | None = None
    began: tuple[str, float] = field(default_factory=now)
    samples: list[Sample] = field(default_factory=list)
    evidence: dict[str, Any] = field(default_factory=dict)
    error: CaseEnd | None = None
    answer: Path | None = None
    known: Mapping[str, Path] = field(default_factory=dict)
    busy: float = 0.0


@dataclass(frozen=True)
class Measurement(Block):
    """One query on several engines, measured in shuffled rounds; the answers are checked outside the clock.

    The first round verifies: who is wrong there is not timed any further. ``references`` are the reference answers by
    source; where there are none, the engines are held against each other, and against the answers of ``witnesses`` by
    source. ``rules`` are the column rules of the answer. An engine that has its record already is not measured again;
    where engines are held against each other it is asked once more, for its vote.

    ``restart`` says that a cold execution has a new server too, where the engine is one; without it the server stays,
    and only what the engine's session keeps is new. Entries that are compared take more samples, up to the protocol's
    ``most``, while their ratio is undecided.
    """

    name: str
    entries: tuple[MeasuredEngine, ...]
    protocol: Protocol
    references: Mapping[str, Path]
    rules: Rules
    tolerance: str
    evidence: Callable[[Bench], Evidence] = lambda _: {}
    witnesses: Callable[[Bench], Mapping[str, Path]] = lambda _: {}
    restart: bool = True

    @property
    def cases(self) -> tuple[Case, ...]:
        """A case an engine."""
        return tuple(entry.case for entry in self.entries)

    def run(self, bench: Bench, todo: frozenset[str]) -> Iterator[Record]:
        """Verify, take the samples, and tell of each engine."""
        began = time.perf_counter_ns()
        courses = [_EngineRun(entry) for entry in self.entries if entry.case.id in todo]
        finished = [
            _EngineRun(entry, bench.past.case(entry.case.id)) for entry in self.entries if entry.case.id not in todo
        ]
        for number, (kinds, running) in enumerate(self._rounds(bench, courses, finished)):
            for course in running:
                for kind in kinds:
                    self._take(bench, course, kind, number, began)
            if number == 0 and not self.references:
                for course in finished:
                    self._vote_again(bench, course)
                order = [course for entry in self.entries for course in (*courses, *finished) if course.entry is entry]
                self._agree(bench, [course for course in order if course.answer and course.error is None])
        for course in courses:
            against = {"base_of": course.entry.against} if course.entry.against else {}
            evidence = {
                "sql": course.entry.sql,
                **self.evidence(bench),
                **against,
                **course.evidence,
                "tolerance": self.tolerance,
            }
            if course.error is None:
                told = record(bench, course.entry.case, course.began, evidence, tuple(course.samples))
            else:
                told = failure(bench, course.entry.case, course.began, course.error, evidence)
            yield replace(told, seconds=round(course.busy, 6))

    def _vote_again(self, bench: Bench, course: _EngineRun) -> None:
        """The answer of an engine whose record says that it gave one when the others were asked."""
        entry, into = course.entry, bench.file(course.entry.case.id)
        if course.past is None or not _voted(course.past):
            return
        try:
            limit_s = self.protocol.limit_s
            bench.call(
                entry.case.engine, entry.lake(bench), "query", limit_s, seat=entry.seat, sql=entry.sql, into=str(into)
            )
            course.answer = into
        except Exception as error:  # noqa: BLE001 - its record stays: only its vote is not to be had
            course.error = bench.ended(error, entry.case.engine, entry.seat)

    def _rounds(
        self, bench: Bench, courses: list[_EngineRun], finished: list[_EngineRun]
    ) -> Iterator[tuple[list[str], list[_EngineRun]]]:
        """The kinds of execution of each round, and the engines still in it, shuffled by round."""
        rounds = schedule(self.protocol)
        for number, kinds in enumerate(rounds):
            order = bench.shuffled(tuple(range(len(courses))), where=f"{self.name}/{number}")
            yield kinds, [courses[i] for i in order if courses[i].error is None]
        for number in range(self.protocol.samples, self.protocol.most, _STEP):
            pairs = _undecided(courses, finished)
            for more in range(min(_STEP, self.protocol.most - number)):
                order = bench.shuffled(tuple(range(len(pairs))), where=f"{self.name}/{len(rounds) + number + more}")
                yield ["warm"], [one for i in order for one in bench.shuffled(pairs[i], where=f"{number}/{more}/{i}")]

    def _take(self, bench: Bench, course: _EngineRun, kind: str, number: int, began: int) -> None:
        if course.error is not None:
            return
        started = time.monotonic()
        try:
            self._execute(bench, course, kind, number, began)
        finally:
            course.busy += time.monotonic() - started

    def _execute(self, bench: Bench, course: _EngineRun, kind: str, number: int, began: int) -> None:
        ref = course.entry.case.engine
        if kind == "warm" and course.samples and not bench.seated(ref, course.entry.seat):
            self._execute(bench, course, "warm-up", number, began)  # its worker had to make room for others
        if course.error is not None:
            return
        into = bench.file(course.entry.case.id)
        try:
            sample = _sample(bench, course, kind, into, self.protocol.limit_s, restart=self.restart)
            shifted = sample["offset_ns"] - began
            course.samples.append(
                Sample(**{**sample, "offset_ns": shifted, "round": number, "position": len(course.samples)})
            )
            course.answer = into
            self._verify(bench, course, into)
        except Exception as error:  # noqa: BLE001 - one engine's case, or a fault of ours; the others go on
            course.error = bench.ended(error, ref, course.entry.seat)
            course.samples.clear()

    def _verify(self, bench: Bench, course: _EngineRun, path: Path) -> None:
        """Hold one answer against the references, or where there are none against what the engines agreed on."""
        known = self.references or course.known
        if known:
            evidence = same(bench.checker.call(answer_files.compare, path, known, self.rules))
            course.evidence |= evidence if self.references else {}

    def _agree(self, bench: Bench, courses: list[_EngineRun]) -> None:
        """Hold the first answers against each other; who is not with the majority is wrong or cannot be verified.

        An engine has one vote, however many lakes it was asked on; its other answers are held against the majority's.
        """
        voters = {_family(course): course for course in reversed(courses)}
        witnesses = self._witnesses(bench, voters)
        if witnesses and len(voters) > 1:
            voters.pop(_WITNESS, None)  # the witness has its vote
        told = {name: course.answer for name, course in voters.items() if course.answer}
        agreed = bench.checker.call(answer_files.agree, {**told, **witnesses}, self.rules)
        right = {name: path for name, path in {**told, **witnesses}.items() if name in agreed.verified}
        for course in courses:
            name = _family(course)
            course.known = _known(right, name)
            if voters.get(name) is course and name not in agreed.verified:
                course.error = _unverified(name, agreed)
                course.samples.clear()
            elif voters.get(name) is course:
                course.evidence |= {"checked_against": [other for other in agreed.verified if other != name]}
            else:
                self._hold(bench, course, list(right))

    def _witnesses(self, bench: Bench, voters: Mapping[str, _EngineRun]) -> Mapping[str, Path]:
        """The witnesses, where their engine has no vote, or one vote would be all there is, or they know more rows."""
        if len(voters) > 1 and _WITNESS in voters and not self.rules.is_cut:
            return {}
        return self.witnesses(bench)

    def _hold(self, bench: Bench, course: _EngineRun, sources: list[str]) -> None:
        """Hold one answer against the one that the engines ``sources`` gave."""
        if not course.known:
            course.error = EngineUnavailable(_NO_MAJORITY)
        else:
            try:
                actual = course.answer or Path()
                found = same(bench.checker.call(answer_files.compare, actual, course.known, self.rules))
                course.evidence |= {**found, "checked_against": sources}
            except WrongAnswer as error:
                course.error = error
        if course.error is not None:
            course.samples.clear()


def _known(right: Mapping[str, Path], name: str) -> Mapping[str, Path]:
    """What further answers of the engine ``name`` are held against: a full answer, or one of the verified ones."""
    full = {source: path for source, path in right.items() if source.startswith(FULL)}
    others = {source: path for source, path in right.items() if source != name}
    return full or dict(list((others or right).items())[:1])


def _family(course: _EngineRun) -> str:
    """The engine that computes, whatever way into it and whichever version of it was asked."""
    return engines.find(course.entry.case.engine.name).distribution


def _unverified(name: str, agreed: Agreed) -> CaseError:
    """Why the answer of engine ``name`` does not stand where there is no reference answer."""
    if name in agreed.unreadable:
        return WrongAnswer(agreed.unreadable[name])
    if not agreed.verified:
        return EngineUnavailable(_NO_MAJORITY)
    diff = agreed.diffs[name]
    return WrongAnswer(f"differs from {', '.join(agreed.verified)}: {diff['message']}", diff=_told(diff))


def same(checked: Checked) -> dict[str, Any]:
    """The evidence of a comparison that found no difference.

    Raises:
        WrongAnswer: it found one.
    """
    if checked.diff is not None:
        raise WrongAnswer(checked.message, diff=_told(checked.diff), checked_against=list(checked.sources))
    evidence: dict[str, Any] = {"answer": {"rows": checked.rows, "sha256": checked.sha256}}
    if checked.sources:
        evidence["checked_against"] = list(checked.sources)
    if checked.type_differences:
        evidence["type_differences"] = list(checked.type_differences)
    return evidence


def _told(diff: Mapping[str, Any]) -> dict[str, Any]:
    """``diff`` with its text for people."""
    rows = [f"  {side}: {' | '.join(row)}" for side in ("expected", "actual") for row in diff[side]]
    return {**diff, "text": "\n".join([diff["message"], *rows])}


def schedule(protocol: Protocol) -> list[list[str]]:
    """The kinds of execution that each engine takes, round by round; the first round is one execution, to verify."""
    kinds = ["cold"] * protocol.cold + ["warm-up"] * protocol.warm_ups + ["warm"] * protocol.samples
    first, rest = kinds[0], kinds[1:]
    rounds = [[first]]
    block: list[str] = []
    for kind in rest:
        block.append(kind)
        if kind == "cold" or block.count("warm") == protocol.block:
            rounds.append(block)
            block = []
    return [*rounds, block] if block else rounds


def _voted(record: Record) -> bool:
    """Whether the engine gave an answer in the first round, whatever became of it afterwards."""
    had = record.outcome in {Outcome.PASS, Outcome.WRONG} or "checked_against" in record.evidence
    return had or record.reason == _NO_MAJORITY


def _undecided(courses: list[_EngineRun], finished: list[_EngineRun]) -> list[tuple[_EngineRun, ...]]:
    """Of each comparison that more samples may decide, base and candidate; one that has its record takes none."""
    right = {course.entry.case.id: course for course in (*courses, *finished) if _timed(course)}
    pairs = [(course, right.get(course.entry.against)) for course in right.values()]
    open_ = [(base, other) for base, other in pairs if other and undecided(_warm(base), _warm(other))]
    left = [tuple(course for course in pair if course.past is None) for pair in open_]
    return [pair for pair in left if pair]


def _timed(course: _EngineRun) -> bool:
    return course.error is None if course.past is None else course.past.outcome is Outcome.PASS


def _warm(course: _EngineRun) -> list[int]:
    samples = course.samples if course.past is None else course.past.samples
    return [sample.ns for sample in samples if sample.kind == "warm"]


def _sample(
    bench: Bench, course: _EngineRun, kind: str, into: Path, limit_s: float, *, restart: bool
) -> dict[str, Any]:
    """One execution: what the worker measured, and what the processes and the store saw."""
    entry = course.entry
    ref, lake = entry.case.engine, entry.lake(bench)
    cache = ""
    if kind == "cold":
        cache = _made_cold(bench, entry, restart=restart)
    remote = bench.remote(ref, lake, entry.seat)
    if kind == "cold":
        cache = f"{cache}, {resources.drop_page_cache()}"
    requests = bench.store_counters(entry.store)
    sent = bench.store_bytes(entry.store)
    meter = Meter(remote.process.pid, bench.server_processes(ref))
    meter.start()
    reply = remote.call("query", limit_s=limit_s, raised_by="--time-limit", sql=course.entry.sql, into=str(into))
    cpu_ns, peak = meter.stop(reply["cpu_ns"])
    sent_after = bench.store_bytes(entry.store)  # before the counters, whose text the store puts out, too
    after = bench.store_counters(entry.store)
    return {
        "kind": kind,
        "ns": reply["ns"],
        "offset_ns": reply["offset_ns"],
        "rows": reply["rows"],
        "bytes": reply["bytes"],
        "cpu_ns": cpu_ns,
        "peak_bytes": peak,
        "requests": _requests(requests, after),
        "store_bytes": None if sent is None or sent_after is None or sent_after < sent else sent_after - sent,
        "cache": cache,
    }


def _requests(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Requests between two readings of a store's counters; none where the store was started anew between them."""
    if any(after.get(operation, 0) < count for operation, count in before.items()):
        return {}
    return {
        operation: count - before.get(operation, 0)
        for operation, count in after.items()
        if count != before.get(operation, 0)
    }


def _made_cold(bench: Bench, entry: MeasuredEngine, *, restart: bool) -> str:
    """Take from the engine what it keeps between queries; in words, for the sample's tag."""
    ref = entry.case.engine
    if restart:
        bench.fresh(ref)
        return "new process"
    bench.retire(ref, entry.seat)
    return "new process" if engines.find(ref.name).service is None else "new session and catalog, the server kept"
