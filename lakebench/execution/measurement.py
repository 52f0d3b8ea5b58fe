"""A block that measures one query on several engines, and verifies their answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from lakebench import engines
from lakebench.datasets import answer_files
from lakebench.datasets.answer_files import Agreed
from lakebench.datasets.answers import FULL
from lakebench.datasets.rules import Rules
from lakebench.errors import CaseEnd, CaseError, EngineUnavailable, WrongAnswer
from lakebench.execution.cases import (
    Block,
    Case,
    Check,
    Evidence,
    diff_evidence,
    failure,
    now,
    record,
    same,
    side_by_server,
)
from lakebench.execution.context import RunContext
from lakebench.execution.protocol import Meter, Profile, Protocol
from lakebench.execution.request import Request
from lakebench.execution.workers import WorkerPool
from lakebench.iceberg.scan import Scan
from lakebench.model import EngineRef, Lake, Record, Sample
from lakebench.outcomes import Outcome
from lakebench.processes import resources
from lakebench.results.comparison import undecided
from lakebench.services import Services
from lakebench.services.object_store import settled_counters, transferred
from lakebench.verification.checker import Checker

_WITNESS = "duckdb"  # the engine that the witness is
_NO_MAJORITY = "cannot be verified: there is no reference answer, and no majority of engines"
_STEP = 5  # samples more at a time, while a comparison is undecided


@dataclass(frozen=True)
class MeasuredEngine:
    """An engine in a measurement: its case, its lake, and the query in its own SQL.

    ``session`` names the worker that it has for itself, ``store`` the service whose requests count, empty where the
    lake has none. ``against`` is the id of the case that this one is the base of. With ``scan`` the engine is asked for
    that, and ``sql`` is its text for people.
    """

    case: Case
    lake: Callable[[RunContext], Lake]
    sql: str
    session: str = ""
    store: str = "object-store"
    against: str = ""
    scan: Scan | None = None

    @property
    def operation(self) -> tuple[str, dict[str, Any]]:
        """The operation of the worker, and its arguments."""
        return ("query", {"sql": self.sql}) if self.scan is None else ("scan", {"scan": self.scan.to_json()})


@dataclass
class _EngineRun:
    """The state of one engine in a measurement; ``earlier`` is its record where an earlier process finished it.

    ``expected`` are the verified answers of others that its own are compared with.
    """

    entry: MeasuredEngine
    earlier: Record | None = None
    began: tuple[str, float] = field(default_factory=now)
    samples: list[Sample] = field(default_factory=list)
    evidence: dict[str, Any] = field(default_factory=dict)
    error: CaseEnd | None = None
    answer: Path | None = None
    expected: Mapping[str, Path] = field(default_factory=dict)
    busy: float = 0.0


@dataclass(frozen=True)
class Measurement(Block):
    """One query on several engines, measured in shuffled rounds; the answers are checked outside the clock.

    The first round verifies: an engine that is wrong there is not timed further. ``references`` are the reference
    answers by source; where there are none, the engines are compared with each other, and with the answers of
    ``witnesses`` by source. ``rules`` are the column rules of the answer. An engine that has its record already is not
    measured again; where engines are compared with each other it is asked once more, for its vote.

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
    evidence: Callable[[RunContext], Evidence] = lambda _: {}
    witnesses: Callable[[RunContext], Mapping[str, Path]] = lambda _: {}
    restart: bool = True

    @property
    def cases(self) -> tuple[Case, ...]:
        """A case an engine."""
        return tuple(entry.case for entry in self.entries)

    def run(self, context: RunContext, todo: frozenset[str]) -> Iterator[Record]:
        """Verify, take the samples, and yield the record of each engine."""
        began = time.perf_counter_ns()
        runs = [_EngineRun(entry) for entry in self.entries if entry.case.id in todo]
        finished = [
            _EngineRun(entry, context.history.case(entry.case.id))
            for entry in self.entries
            if entry.case.id not in todo
        ]
        for number, (kinds, running) in enumerate(self._rounds(context.request, runs, finished)):
            for run in running:
                for kind in kinds:
                    self._take(context, run, kind, number, began)
            if number == 0 and not self.references:
                for run in finished:
                    self._vote_again(context, run)
                order = [run for entry in self.entries for run in (*runs, *finished) if run.entry is entry]
                self._agree(context, [run for run in order if run.answer and run.error is None])
        for run in runs:
            against = {"base_of": run.entry.against} if run.entry.against else {}
            evidence = {
                "sql": run.entry.sql,
                **self.evidence(context),
                **against,
                **run.evidence,
                "tolerance": self.tolerance,
            }
            if run.error is None:
                finished_record = record(context.history, run.entry.case, run.began, evidence, tuple(run.samples))
            else:
                finished_record = failure(
                    context.prerequisites, context.history, run.entry.case, run.began, run.error, evidence
                )
            yield replace(finished_record, seconds=round(run.busy, 6))

    def _vote_again(self, context: RunContext, run: _EngineRun) -> None:
        """The answer of an engine whose record says that it gave one when the others were asked."""
        entry, into = run.entry, context.files.new(run.entry.case.id)
        if run.earlier is None or not _voted(run.earlier):
            return
        try:
            limit_s, (operation, asked) = self.protocol.limit_s, entry.operation
            context.client.call(
                entry.case.engine,
                entry.lake(context),
                operation,
                limit_s,
                session=entry.session,
                into=str(into),
                **asked,
            )
            run.answer = into
        except Exception as error:  # noqa: BLE001 - its record stays: only its vote is not to be had
            run.error = context.client.case_end(error, entry.case.engine, entry.session)

    def _rounds(
        self, request: Request, runs: list[_EngineRun], finished: list[_EngineRun]
    ) -> Iterator[tuple[list[str], list[_EngineRun]]]:
        """The kinds of execution of each round, and the engines still in it, shuffled by round."""
        rounds = schedule(self.protocol)
        for number, kinds in enumerate(rounds):
            order = request.shuffled(tuple(range(len(runs))), where=f"{self.name}/{number}")
            yield kinds, [runs[i] for i in order if runs[i].error is None]
        for number in range(self.protocol.samples, self.protocol.most, _STEP):
            pairs = _undecided(runs, finished)
            for more in range(min(_STEP, self.protocol.most - number)):
                order = request.shuffled(tuple(range(len(pairs))), where=f"{self.name}/{len(rounds) + number + more}")
                yield ["warm"], [one for i in order for one in request.shuffled(pairs[i], where=f"{number}/{more}/{i}")]

    def _take(self, context: RunContext, run: _EngineRun, kind: str, number: int, began: int) -> None:
        if run.error is not None:
            return
        started = time.monotonic()
        try:
            self._execute(context, run, kind, number, began)
        finally:
            run.busy += time.monotonic() - started

    def _execute(self, context: RunContext, run: _EngineRun, kind: str, number: int, began: int) -> None:
        ref = run.entry.case.engine
        if kind == "warm" and run.samples and not context.workers.is_open(ref, run.entry.session):
            self._execute(context, run, "warm-up", number, began)  # its worker had to free memory for others
        if run.error is not None:
            return
        into = context.files.new(run.entry.case.id)
        try:
            sample = _sample(context, run, kind, into, self.protocol.limit_s, restart=self.restart)
            shifted = sample["offset_ns"] - began
            run.samples.append(
                Sample(**{**sample, "offset_ns": shifted, "round": number, "position": len(run.samples)})
            )
            run.answer = into
            self._verify(context.checker, run, into)
        except Exception as error:  # noqa: BLE001 - one engine's case, or a fault of ours; the others go on
            run.error = context.client.case_end(error, ref, run.entry.session)
            run.samples.clear()

    def _verify(self, checker: Checker, run: _EngineRun, path: Path) -> None:
        """Hold one answer against the references, or where there are none against what the engines agreed on."""
        expected = self.references or run.expected
        if expected:
            evidence = same(checker.call(answer_files.compare, path, expected, self.rules))
            run.evidence |= evidence if self.references else {}

    def _agree(self, context: RunContext, runs: list[_EngineRun]) -> None:
        """Compare the first answers with each other; an engine outside the majority is wrong or cannot be verified.

        An engine has one vote, however many lakes it was asked on; its other answers are held against the majority's.
        """
        voters = {_family(run): run for run in reversed(runs)}
        witnesses = self._witnesses(context, voters)
        if witnesses and len(voters) > 1:
            voters.pop(_WITNESS, None)  # the witness has its vote
        answers = {name: run.answer for name, run in voters.items() if run.answer}
        agreed = context.checker.call(answer_files.agree, {**answers, **witnesses}, self.rules)
        right = {name: path for name, path in {**answers, **witnesses}.items() if name in agreed.verified}
        for run in runs:
            name = _family(run)
            run.expected = _expected(right, name)
            if voters.get(name) is run and name not in agreed.verified:
                run.error = _unverified(name, agreed)
                run.samples.clear()
            elif voters.get(name) is run:
                run.evidence |= {"checked_against": [other for other in agreed.verified if other != name]}
            else:
                self._hold(context.checker, run, list(right))

    def _witnesses(self, context: RunContext, voters: Mapping[str, _EngineRun]) -> Mapping[str, Path]:
        """The witnesses, where their engine has no vote, for one vote alone, or where they have more rows."""
        if len(voters) > 1 and _WITNESS in voters and not self.rules.is_cut:
            return {}
        return self.witnesses(context)

    def _hold(self, checker: Checker, run: _EngineRun, sources: list[str]) -> None:
        """Hold one answer against the one that the engines ``sources`` gave."""
        if not run.expected:
            run.error = EngineUnavailable(_NO_MAJORITY)
        else:
            try:
                actual = run.answer or Path()
                comparison = same(checker.call(answer_files.compare, actual, run.expected, self.rules))
                run.evidence |= {**comparison, "checked_against": sources}
            except WrongAnswer as error:
                run.error = error
        if run.error is not None:
            run.samples.clear()


def answers_first(measured: Sequence[Measurement], profile: Profile) -> Iterator[Block]:
    """``measured``; where correctness alone counts, first those with reference answers, asked once and side by side."""
    untimed = [one for one in measured if profile.correctness_alone and one.references]
    if untimed:
        yield side_by_server(check for one in untimed for check in asked_once(one))
    yield from (one for one in measured if one not in untimed)


def asked_once(measured: Measurement) -> Iterator[Check]:
    """Each engine of ``measured`` asked once, its answer held against the references, and no time taken.

    It is for runs whose verdict is correctness: what is not timed may run side by side.
    """
    for entry in measured.entries:
        yield Check(entry.case, partial(_right_answer, measured=measured, entry=entry))


def _right_answer(context: RunContext, measured: Measurement, entry: MeasuredEngine) -> Evidence:
    """The evidence that the answer of one engine is the references'.

    Raises:
        CaseError: it is another one, or there is none; the details have the query.
    """
    about = {"sql": entry.sql, **measured.evidence(context), "tolerance": measured.tolerance}
    into = context.files.new(entry.case.id)
    operation, asked = entry.operation
    try:
        lake = entry.lake(context)
        context.client.call(entry.case.engine, lake, operation, session=entry.session, into=str(into), **asked)
        compared = context.checker.call(answer_files.compare, into, measured.references, measured.rules)
        return {**about, **same(compared)}
    except CaseError as error:
        error.details.update(about)
        raise


def _expected(right: Mapping[str, Path], name: str) -> Mapping[str, Path]:
    """What further answers of the engine ``name`` are held against: a full answer, or one of the verified ones."""
    full = {source: path for source, path in right.items() if source.startswith(FULL)}
    others = {source: path for source, path in right.items() if source != name}
    return full or dict(list((others or right).items())[:1])


def _family(run: _EngineRun) -> str:
    """The engine that computes, whatever way into it and whichever version of it was asked."""
    engine = engines.find(run.entry.case.engine.name)
    return engine.computes_by or engine.distribution


def _unverified(name: str, agreed: Agreed) -> CaseError:
    """Why the answer of engine ``name`` does not stand where there is no reference answer."""
    if name in agreed.unreadable:
        return WrongAnswer(agreed.unreadable[name])
    if not agreed.verified:
        return EngineUnavailable(_NO_MAJORITY)
    diff = agreed.diffs[name]
    return WrongAnswer(f"differs from {', '.join(agreed.verified)}: {diff['message']}", diff=diff_evidence(diff))


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


def _undecided(runs: list[_EngineRun], finished: list[_EngineRun]) -> list[tuple[_EngineRun, ...]]:
    """Of each comparison that more samples may decide, base and candidate; one that has its record takes none."""
    right = {run.entry.case.id: run for run in (*runs, *finished) if _timed(run)}
    pairs = [(run, right.get(run.entry.against)) for run in right.values()]
    open_ = [(base, other) for base, other in pairs if other and undecided(_warm(base), _warm(other))]
    left = [tuple(run for run in pair if run.earlier is None) for pair in open_]
    return [pair for pair in left if pair]


def _timed(run: _EngineRun) -> bool:
    return run.error is None if run.earlier is None else run.earlier.outcome is Outcome.PASS


def _warm(run: _EngineRun) -> list[int]:
    samples = run.samples if run.earlier is None else run.earlier.samples
    return [sample.ns for sample in samples if sample.kind == "warm"]


def _sample(
    context: RunContext, run: _EngineRun, kind: str, into: Path, limit_s: float, *, restart: bool
) -> dict[str, Any]:
    """One execution: what the worker measured, and what the processes and the store saw."""
    entry = run.entry
    ref, lake = entry.case.engine, entry.lake(context)
    cache = ""
    if kind == "cold":
        cache = _made_cold(context.workers, entry, restart=restart)
        run.evidence["start_s"] = _start(context, entry, lake, restart=restart)
        cache = f"{cache}, {resources.drop_page_cache()}"
    remote = context.workers.open(ref, lake, entry.session)
    requests = _store_counters(context.services, entry.store)
    sent = _store_bytes(context.services, entry.store)
    meter = Meter(remote.process.pid, _server_processes(context.services, ref))
    meter.start()
    operation, asked = run.entry.operation
    reply = remote.call(operation, limit_s=limit_s, raised_by="--time-limit", into=str(into), **asked)
    cpu_ns, peak = meter.stop(reply["cpu_ns"])
    sent_after = _store_bytes(context.services, entry.store)  # before the counters, whose text the store puts out, too
    after = _store_counters(context.services, entry.store)
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


def _start(context: RunContext, entry: MeasuredEngine, lake: Lake, *, restart: bool) -> float:
    """Start the engine's process and open ``lake``; seconds that this took, with those of its server where it has one.

    ``restart`` says that this server was started anew, too.
    """
    server = engines.find(entry.case.engine.name).service
    launched_s = context.services.launched_s(server) if server and restart else 0.0
    began = time.monotonic()
    context.workers.open(entry.case.engine, lake, entry.session)
    return round(launched_s + time.monotonic() - began, 3)


def _requests(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    """Requests between two readings of a store's counters; none where the store was restarted between them."""
    if any(after.get(operation, 0) < count for operation, count in before.items()):
        return {}
    return {
        operation: count - before.get(operation, 0)
        for operation, count in after.items()
        if count != before.get(operation, 0)
    }


def _made_cold(workers: WorkerPool, entry: MeasuredEngine, *, restart: bool) -> str:
    """Remove what the engine keeps between queries; returns what was done, for the sample's tag."""
    ref = entry.case.engine
    if restart:
        workers.restart(ref)
        return "new process"
    workers.retire(ref, entry.session)
    return "new process" if engines.find(ref.name).service is None else "new session and catalog, the server kept"


def _server_processes(services: Services, ref: EngineRef) -> list[int]:
    """The processes of the server that is the engine; none where the engine is inside its worker."""
    server = engines.find(ref.name).service
    return services.processes(server) if server else []


def _store_bytes(services: Services, store: str) -> int | None:
    """Bytes that the service ``store`` has put out so far, ``None`` where it is not ours."""
    return transferred(services.processes(store)).get("write") if store else None


def _store_counters(services: Services, store: str) -> dict[str, int]:
    """Requests at the service ``store`` by operation so far, where the store is ours; else nothing."""
    return settled_counters(services.endpoint(store)) if store else {}
