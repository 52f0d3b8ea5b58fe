"""One random program on a table of its own: each step by its engine, then every reader against the oracle."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lakebench import engines
from lakebench.datasets.interop import expected as oracles
from lakebench.datasets.interop import inspector
from lakebench.datasets.interop.feature import Feature
from lakebench.datasets.interop.program import Planned, planned, readable
from lakebench.datasets.interop.random_programs import Program, Writers, reads_of
from lakebench.errors import CaseError, HarnessFault
from lakebench.execution.context import RunContext
from lakebench.iceberg import catalogs
from lakebench.iceberg.operations import Create, Mark, Operation, Read, Rollback, to_json
from lakebench.iceberg.scan import Scan
from lakebench.model import EngineRef
from lakebench.outcomes import Outcome
from lakebench.phases.interop.blame import REFERENCE
from lakebench.phases.interop.fuzz.failures import Failure, kind_of_read, name_of, words_of
from lakebench.phases.interop.table_lakes import lake_of, observed
from lakebench.phases.read_check import TableReader
from lakebench.phases.table_loading import snapshot

_AT_ONCE = 4
_LIMIT_S = 60.0
_SHOWN = 3  # violations in a message
_WORST = (Outcome.WRONG, Outcome.CRASH, Outcome.TIMEOUT, Outcome.OUT_OF_MEMORY, Outcome.REFUSED)


@dataclass
class ProgramResult:
    """What became of a program: the operations that were carried out, with who did so, and the statements of each.

    ``namespace`` and ``table`` are where; ``marks`` are the snapshots of its marks.
    """

    program: list[Operation] = field(default_factory=list)
    statements: list[tuple[str, ...]] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    namespace: str = ""
    table: str = ""
    marks: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _FailedRead:
    """What a reader made of one read."""

    read: Read
    evidence: Mapping[str, Any]
    error: CaseError


class ProgramRun:
    """Runs ``program`` on the table ``table``.

    A step that its engine refuses, or dies of, is given to the next engine that can be asked for it. A reader that
    fails is asked no more in this program; a table that is wrong ends it, and so does a failed step that may have
    changed the table. With a ``target`` only what is needed to see that failure again is looked at. Once ``is_late``,
    no further step is begun.
    """

    def __init__(
        self,
        context: RunContext,
        writers: Writers,
        readers: Sequence[EngineRef],
        table: str,
        target: Failure | None = None,
        is_late: Callable[[], bool] = lambda: False,
    ) -> None:
        self._context, self._writers, self._readers = context, writers, list(readers)
        self._table, self._target, self._is_late = table, target, is_late
        self._lake = observed(context.request, context.services)
        self.result = ProgramResult(namespace=self._lake.namespace, table=table)
        self._marks = self.result.marks

    def run(self, program: Program) -> ProgramResult:
        """What became of ``program``; its table is dropped in the end.

        Raises:
            LakebenchError: a fault of ours, or a service that the run needs is gone.
        """
        try:
            for operation in program:
                if self._is_late() or not self._step(operation) or self._is_seen:
                    break
                if self._must_check(operation) and not self._check():
                    break
        finally:
            with contextlib.suppress(CaseError):
                catalogs.drop(self._lake.catalog, self._lake.namespace, self._table)
        return self.result

    @property
    def _is_seen(self) -> bool:
        return self._target is not None and self._target.name in {one.name for one in self.result.failures}

    def _must_check(self, operation: Operation) -> bool:
        if isinstance(operation, Mark):
            return False
        target = self._target
        return target is None or (target.side != "write" and target.operation == name_of(operation))

    # Writing.

    def _step(self, operation: Operation) -> bool:
        """Carry out ``operation``; whether the program can go on."""
        if isinstance(operation, Mark):
            self._marks[operation.name] = snapshot(self._lake, self._table).snapshot_id
            self._did(operation, ())
            return True
        for engine in self._hands(operation):
            before = self._location()
            try:
                self._did(replace(operation, by=engine), self._operate(replace(operation, by=engine)))
            except CaseError as error:
                if error.outcome.is_failure:
                    self._failed_step(replace(operation, by=engine), error)
                if self._location() != before and not isinstance(operation, Create):
                    return False
            else:
                return True
        return False

    def _failed_step(self, operation: Operation, error: CaseError) -> None:
        statements = error.details.get("statements")
        evidence = {"statements": statements if isinstance(statements, list) else []}
        reason = str(error)
        self._fail(
            operation.by, "write", operation, error.outcome, words_of(reason), reason,
            attempted=operation, evidence=evidence,
        )  # fmt: skip

    def _hands(self, operation: Operation) -> list[str]:
        """The engine whose turn it is, and then the others that can be asked."""
        able = [name for name, known in self._writers.items() if type(operation) in known]
        return sorted(able, key=lambda name: name != operation.by)

    def _did(self, operation: Operation, statements: Sequence[str]) -> None:
        self.result.program.append(operation)
        self.result.statements.append(tuple(statements))

    def _operate(self, operation: Operation) -> list[str]:
        ref, context = engines.parse(operation.by), self._context
        ready = self._plan([*self.result.program, operation]).operations[-1]
        if isinstance(ready, Rollback):
            ready = replace(ready, snapshot_id=self._marks[ready.to])
        lake = lake_of(context.request, context.services, ref)
        try:
            reply = context.client.call(ref, lake, "operate", _LIMIT_S, operations=[to_json(ready)])
        except HarnessFault:
            raise
        except CaseError as error:
            if ref.name == REFERENCE and error.outcome.is_failure:  # it is ours
                raise HarnessFault(f"the reference writer at {name_of(operation)}: {error}", **error.details) from None
            raise
        statements: list[str] = reply["statements"]
        return statements

    def _location(self) -> str:
        """Where the table's metadata is; empty where there is no table."""
        try:
            found = catalogs.table_metadata(self._lake.catalog, self._lake.namespace, self._table)
        except CaseError:
            return ""
        return str(found["metadata-location"])

    # Checking.

    def _check(self) -> bool:
        """Let the inspector and every reader look at the table; whether it is right."""
        operation = self.result.program[-1]
        found = catalogs.table_metadata(self._lake.catalog, self._lake.namespace, self._table)
        metadata = found["metadata"]
        if violations := self._violations(metadata):
            reason = "; ".join(violations[:_SHOWN])
            self._fail(operation.by, "table", operation, Outcome.WRONG, words_of(violations[0]), reason)
            return False
        answers = self._answers(metadata)
        wrong = [ref for ref, one in answers.items() if one and one.error.outcome is Outcome.WRONG]
        if len(answers) > 1 and 2 * len(wrong) > len(answers):
            first = answers[wrong[0]]
            assert first is not None  # noqa: S101 - for the type checker
            names = ", ".join(map(str, wrong))
            reason = f"read wrong by {names}: {first.error}"
            self._fail(
                operation.by, "table", operation, Outcome.WRONG, kind_of_read(first.read), reason,
                read=first.read, evidence=first.evidence,
            )  # fmt: skip
            return False
        for ref, answer in answers.items():
            if answer:
                self._readers.remove(ref)
                self._failed_read(ref, operation, answer)
        return bool(self._readers)

    def _failed_read(self, ref: EngineRef, operation: Operation, answer: _FailedRead) -> None:
        error = answer.error
        if error.outcome.is_failure:
            kind = kind_of_read(answer.read) if error.outcome is Outcome.WRONG else words_of(_without(answer))
            self._fail(
                str(ref), "read", operation, error.outcome, kind, str(error), read=answer.read,
                evidence=answer.evidence,
            )  # fmt: skip

    def _violations(self, metadata: Mapping[str, Any]) -> tuple[str, ...]:
        if self._target is not None and (self._target.side != "table" or self._target.read):
            return ()
        return self._context.checker.call(inspector.inspect, metadata, self._lake.objects).violations

    def _answers(self, metadata: Mapping[str, Any]) -> dict[EngineRef, _FailedRead | None]:
        """The worst failed read of each reader, ``None`` where all are right."""
        done = tuple(self.result.program)
        reads, plan = reads_of(done), self._plan(done)
        expected = [self._context.files.new(f"expected-{number}") for number in range(len(reads))]
        self._context.checker.call(
            oracles.write, [to_json(one) for one in done], reads, (), metadata, self._lake.objects, expected
        )
        readers = [one for one in self._readers if self._is_asked(one)]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            answers = list(pool.map(lambda ref: self._worst(ref, plan, reads, expected), readers))
        for path in expected:
            path.unlink(missing_ok=True)
        return dict(zip(readers, answers, strict=True))

    def _is_asked(self, reader: EngineRef) -> bool:
        return self._target is None or self._target.side != "read" or self._target.engine == str(reader)

    def _worst(
        self, ref: EngineRef, plan: Planned, reads: Sequence[Read], expected: Sequence[Path]
    ) -> _FailedRead | None:
        failed = list(self._failed(ref, plan, reads, expected))
        return min(failed, key=lambda one: _rank(one.error.outcome), default=None)

    def _failed(
        self, ref: EngineRef, plan: Planned, reads: Sequence[Read], expected: Sequence[Path]
    ) -> Iterator[_FailedRead]:
        """The reads that did not pass.

        Raises:
            HarnessFault: one failed by a fault of ours.
        """
        context = self._context
        lake = lake_of(context.request, context.services, ref)
        table = TableReader(context, ref, lake, _LIMIT_S, lambda read: self._scan(read, plan))
        try:
            results = table.results(reads, expected)
        except CaseError as error:
            yield _FailedRead(reads[0], {}, error)
            return
        for read, (evidence, failed) in zip(reads, results, strict=True):
            if isinstance(failed, HarnessFault):
                raise failed
            if failed is not None:
                yield _FailedRead(read, evidence, failed)

    # What both need.

    def _feature(self, program: Sequence[Operation]) -> Feature:
        return Feature("fuzz", "", "", tuple(program), "", "")

    def _plan(self, program: Sequence[Operation]) -> Planned:
        return planned(self._feature(program), lambda _: self._table)

    def _scan(self, read: Read, plan: Planned) -> Scan:
        fields = readable(self._feature(self.result.program), read, plan)
        at = self._marks[read.at] if read.at else None
        return Scan(self._table, read.columns, at, read.ref or None, where=read.where, count=read.count, fields=fields)

    def _fail(
        self, engine: str, side: Any, operation: Operation, outcome: Outcome, kind: str, reason: str, **more: Any
    ) -> None:
        step = len(self.result.program) + ("attempted" in more)
        self.result.failures.append(Failure(engine, side, name_of(operation), outcome, kind, step, reason, **more))


def _without(answer: _FailedRead) -> str:
    """The engine's own words, without the name of the read."""
    return str(answer.error).removeprefix(f"{answer.read.name}: ")


def _rank(outcome: Outcome) -> int:
    return _WORST.index(outcome) if outcome in _WORST else len(_WORST)
