"""One feature by one writer, and all its readers: the cells of a row of the interop matrix."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lakebench import engines
from lakebench.datasets.interop import expected as oracles
from lakebench.datasets.interop import inspector
from lakebench.datasets.interop.feature import Feature
from lakebench.datasets.interop.features import FEATURES
from lakebench.datasets.interop.inspector import Inspected
from lakebench.datasets.interop.program import Planned, planned, readable
from lakebench.engines import CanOperate
from lakebench.errors import (
    CaseEnd,
    CaseError,
    CommitConflict,
    EngineUnavailable,
    HarnessFault,
    Refused,
)
from lakebench.execution.cases import Block, Case, failure, now, record
from lakebench.execution.context import RunContext
from lakebench.execution.history import RunHistory
from lakebench.execution.prerequisites import Prerequisites
from lakebench.execution.request import Request
from lakebench.iceberg.catalogs import table_metadata
from lakebench.iceberg.operations import Concurrent, Mark, Operation, Read, Rollback, to_json
from lakebench.iceberg.scan import Scan
from lakebench.model import Coordinates, EngineRef, Lake, Record, Selection
from lakebench.outcomes import Outcome
from lakebench.phases.derived_check import DerivedCheck
from lakebench.phases.interop.blame import REFERENCE, Judgement, Readings, judge, ours
from lakebench.phases.interop.table_lakes import lake_of, observed
from lakebench.phases.interop.ways import derived_reads
from lakebench.phases.read_check import TableReader, worst
from lakebench.phases.table_loading import snapshot
from lakebench.results import claims

_NOT_WRITTEN = "not written: "
_FILES_SHOWN = 40
_AT_ONCE = 4
_LIMIT_S = 60.0


@dataclass(frozen=True)
class _Made:
    """A table with a feature: how it was made, where it is, what the inspector saw, and what must be read."""

    plan: Planned
    statements: tuple[str, ...]
    marks: Mapping[str, int]
    metadata: Mapping[str, Any]
    location: str
    inspected: Inspected
    expected: tuple[Path, ...]
    filtered: Path


@dataclass
class _WriteProgress:
    """How far the writing of a table has come; what an error leaves behind is evidence.

    ``culprit`` answers for what is wrong with the table: the writer, or another engine that carried out the step which
    failed, or after which the table broke the specification. ``other`` carried out a step for the writer.
    """

    culprit: EngineRef
    other: EngineRef | None = None
    broken: bool = False
    statements: list[str] = field(default_factory=list)
    marks: dict[str, int] = field(default_factory=dict)
    succeeded: list[list[bool]] = field(default_factory=list)


@dataclass(frozen=True)
class _Cell:
    """The result of one reader on a table."""

    reader: EngineRef
    began: tuple[str, float]
    seconds: float
    evidence: Mapping[str, Any]
    error: CaseEnd | None

    @property
    def outcome(self) -> Outcome:
        return self.error.outcome if self.error else Outcome.PASS


@dataclass(frozen=True)
class Written(Block):
    """One feature by one writer, and all its readers."""

    feature: Feature
    writer: EngineRef
    readers: tuple[EngineRef, ...]
    catalog: str = Selection().catalog

    @property
    def cases(self) -> tuple[Case, ...]:
        """The writer's case, and one a reader."""
        return (self._case(None), *(self._case(reader) for reader in self.readers))

    def _case(self, reader: EngineRef | None) -> Case:
        did = f"{reader} reads what {self.writer} wrote" if reader else f"{self.writer} writes"
        return Case(
            id=_id(self.feature, self.writer, reader),
            phase="interop",
            title=f"{did}: {self.feature.title}",
            engine=reader or self.writer,
            group=f"Written by {self.writer}",
            row=self.feature.id,
            column=_pair(self.writer, reader),
            coordinates=Coordinates(
                feature=self.feature.id,
                writer=str(self.writer),
                reader=str(reader) if reader else None,
                catalog=self.catalog,
            ),
        )

    def run(self, context: RunContext, todo: frozenset[str]) -> Iterator[Record]:
        """Write once, then read in shuffled order; the writer's own record comes last, as it needs those of readers."""
        began, progress = now(), _WriteProgress(self.writer)
        made, error = self._attempt(context, progress)
        wrote = now()[1] - began[1]
        cells = list(self._reads(context, made, error, todo))
        judgement = Judgement(error)
        if made is not None and error is None:
            judgement = judge(self.writer, self._readings(context.history, cells), made.inspected.violations)
            judgement = replace(judgement, error=judgement.error and ours(progress.culprit, judgement.error))
        for cell in cells:
            yield self._read_by(context.prerequisites, context.history, cell, judgement, progress.culprit)
        if (case := self._case(None)).id in todo:
            evidence = {
                **self._evidence(context.request, "write", None),
                **_physical(made),
                "statements": progress.statements,
            }
            if progress.succeeded:
                evidence["succeeded"] = progress.succeeded
            subject = progress.culprit if judgement.error and judgement.error.outcome.is_failure else self.writer
            if subject != self.writer:
                evidence["fault"] = str(subject)
            written = self._judged_record(
                context.prerequisites, context.history, case, began, judgement.error, evidence, subject
            )
            yield replace(written, seconds=round(wrote, 6))

    def _attempt(self, context: RunContext, progress: _WriteProgress) -> tuple[_Made | None, CaseEnd | None]:
        """The table, and why it is not what it was to be."""
        made: _Made | None = None
        try:
            made = self._make(context, progress)
            _must_be_there(made.inspected, progress)
        except CaseError as error:
            by = error.details.pop("by", None)
            progress.culprit = by if isinstance(by, EngineRef) else self.writer
            return made, ours(progress.culprit, error)
        if not made.inspected.violations:
            progress.culprit = self.writer
        return made, None

    def _read_by(
        self, prerequisites: Prerequisites, history: RunHistory, cell: _Cell, write: Judgement, culprit: EngineRef
    ) -> Record:
        """The record of a reading. What misled the reader is the fault of ``culprit``, or ours."""
        error, evidence = cell.error, dict(cell.evidence)
        misled = cell.reader in write.misled
        if misled and isinstance(write.error, HarnessFault):
            error = HarnessFault(f"read a wrong table: {write.error}")
        elif misled:
            evidence["fault"] = str(culprit)
        read = self._judged_record(
            prerequisites, history, self._case(cell.reader), cell.began, error, evidence, cell.reader
        )
        return replace(read, seconds=round(cell.seconds, 6))

    def _lake(self, context: RunContext, ref: EngineRef) -> Lake:
        return lake_of(context.request, context.services, ref, self.feature)

    # Writing.

    def _make(self, context: RunContext, progress: _WriteProgress) -> _Made:
        if self.feature.by_reference and self.writer.name != REFERENCE:
            raise EngineUnavailable("no engine is asked to make this: it is a shape of files, not an operation")
        plan = planned(self.feature, self._table)
        for operation in plan.operations:
            self._carry_out(context, operation, progress)
            if self._has_another and not progress.broken:
                self._watch(context, operation, progress)
        lake = observed(context.request, context.services, self.feature)
        response = table_metadata(lake.catalog, lake.namespace, self._table("t"))
        derived, metadata = self.feature.derived, response["metadata"]
        reads = (*self.feature.all_reads, *derived.shapes)
        expected = tuple(context.files.new(f"expected-{number}") for number in range(len(reads)))
        filtered = context.files.new("expected-filtered")
        program, filters = [to_json(one) for one in self.feature.program], derived.filters
        context.checker.call(
            oracles.write, program, reads, progress.succeeded, metadata, lake.objects, expected, filters, filtered
        )
        inspected = context.checker.call(inspector.inspect, response["metadata"], lake.objects, self.feature.proof)
        return _Made(
            plan,
            tuple(progress.statements),
            dict(progress.marks),
            response["metadata"],
            response["metadata-location"],
            inspected,
            expected,
            filtered,
        )

    @property
    def _has_another(self) -> bool:
        """Whether another engine has a part in the program."""
        steps = [part for one in self.feature.program for part in (one, *getattr(one, "operations", ()))]
        return any(one.by for one in steps)

    def _watch(self, context: RunContext, operation: Operation, progress: _WriteProgress) -> None:
        """Note which engine is at fault where the table breaks the specification after ``operation``.

        Of the reference and an engine that commit at once it is the engine: what the reference commits alone is right.
        """
        lake = observed(context.request, context.services, self.feature)
        response = table_metadata(lake.catalog, lake.namespace, self._table("t"))
        if context.checker.call(inspector.inspect, response["metadata"], lake.objects).violations:
            parts = operation.operations if isinstance(operation, Concurrent) else (operation,)
            hands = [self._who(context, one) for one in parts]
            progress.broken, progress.culprit = True, hands[-1] if self.writer.name == REFERENCE else hands[0]

    def _table(self, name: str) -> str:
        words = (self.feature.id, str(self.writer), *([] if name == "t" else [name]))
        return self.feature.tables.format("_".join(re.sub(r"\W", "_", word) for word in words))

    def _carry_out(self, context: RunContext, operation: Operation, progress: _WriteProgress) -> None:
        """One operation by the engine whose turn it is; a mark is the harness's own."""
        if isinstance(operation, Mark):
            lake = observed(context.request, context.services, self.feature)
            progress.marks[operation.name] = snapshot(lake, operation.table).snapshot_id
            return
        if mark := getattr(operation, "to" if isinstance(operation, Rollback) else "at", ""):
            operation = replace(operation, snapshot_id=progress.marks[mark])  # type: ignore[call-arg]
        if isinstance(operation, Concurrent) and any(part.by for part in operation.operations):
            progress.succeeded.append(self._together(context, operation, progress))
        else:
            progress.succeeded += self._operate(context, operation, progress)["succeeded"]
        if progress.succeeded and not any(progress.succeeded[-1]):
            raise CommitConflict("every part of the concurrent operation was refused by a conflict: nobody won")

    def _operate(self, context: RunContext, operation: Operation, progress: _WriteProgress) -> dict[str, Any]:
        who = self._who(context, operation)
        prefix = "" if who == self.writer else f"-- by {who}: "
        progress.other = progress.other if who == self.writer else who
        try:
            lake, operations = self._lake(context, who), [to_json(operation)]
            reply = context.client.call(who, lake, "operate", _limit(context.request), operations=operations)
        except CaseError as error:
            statements = error.details.get("statements")
            progress.statements += [f"{prefix}{one}" for one in statements] if isinstance(statements, list) else []
            error.details.pop("statements", None)
            error.details["by"] = who
            raise
        progress.statements += [f"{prefix}{one}" for one in reply["statements"]]
        return reply

    def _who(self, context: RunContext, operation: Operation) -> EngineRef:
        """The writer, or for an operation by another an engine of the run that claims to do such things.

        Raises:
            EngineUnavailable: there is no other.
        """
        if not operation.by:
            return self.writer
        able = [
            ref
            for ref in context.request.able(CanOperate)
            if ref.name not in {self.writer.name, REFERENCE}
            and not engines.find(ref.name).own_catalog
            and type(operation) in engines.find(ref.name).operations  # type: ignore[attr-defined]
        ]
        if not able:
            raise EngineUnavailable(f"no second engine of this run can be asked for {type(operation).__name__}")
        return next((ref for ref in able if self._claims_to_write(context, ref)), able[0])

    def _claims_to_write(self, context: RunContext, ref: EngineRef) -> bool:
        # A claim may be of one version, which the running engine reports.
        context.workers.open(ref, self._lake(context, ref))
        claim = claims.claim_of(ref.name, self.feature.id, self.feature.claim, context.history.versions(ref))
        return claim is not None and claim.covers("write")

    def _together(self, context: RunContext, operation: Concurrent, progress: _WriteProgress) -> list[bool]:
        """Parts of two engines at once; a conflict is an answer, any other failure is one of the whole.

        Raises:
            EngineUnavailable: the two do not commit to one catalog.
        """
        if engines.find(self.writer.name).own_catalog:
            raise EngineUnavailable(f"{self.writer} commits to a catalog of its own, where no other engine does")

        def attempt(part: Operation) -> bool:
            try:
                self._operate(context, part, progress)
            except CommitConflict:
                return False
            return True

        for part in operation.operations:  # both are open before either begins
            context.workers.open(self._who(context, part), self._lake(context, self._who(context, part)))
        with ThreadPoolExecutor(len(operation.operations)) as pool:
            return list(pool.map(attempt, operation.operations))

    # Reading.

    def _reads(
        self, context: RunContext, made: _Made | None, error: CaseEnd | None, todo: frozenset[str]
    ) -> Iterator[_Cell]:
        """Readers are processes of their own, so several read at once: what counts is the answer, not its time."""
        readers = tuple(one for one in self.readers if self._case(one).id in todo)
        shuffled = context.request.shuffled(readers, where=f"interop/{self.feature.id}/{self.writer}")
        if made is None or error is not None:
            kind = HarnessFault if isinstance(error, HarnessFault) else EngineUnavailable
            why = kind(f"{_NOT_WRITTEN}{self.writer} {_outcome(error)}: {error}")
            for reader in shuffled:
                yield _Cell(reader, now(), 0.0, self._evidence(context.request, "read", reader), why)
            return
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            yield from pool.map(lambda reader: self._cell(context, reader, made), shuffled)

    def _cell(self, context: RunContext, reader: EngineRef, made: _Made) -> _Cell:
        began = now()
        reads: dict[str, Any] = {"reads": []}
        try:
            reads, error = self._read(context, reader, made)
        except Exception as raised:  # noqa: BLE001 - a fault of ours in one reader's case; the others go on
            error = context.client.case_end(raised)
        evidence = {
            **self._evidence(context.request, "read", reader),
            "snapshot_id": made.metadata.get("current-snapshot-id"),
            **reads,
        }
        return _Cell(reader, began, now()[1] - began[1], evidence, error)

    def _read(self, context: RunContext, reader: EngineRef, made: _Made) -> tuple[dict[str, Any], CaseEnd | None]:
        """Every read of the feature by ``reader``; the worst of them is what becomes of the case.

        What is derived is asked where the whole table is read right: else it says nothing more.
        """
        lake = self._lake(context, reader)
        table = TableReader(context, reader, lake, _limit(context.request), lambda read: self._scan(read, made))
        own = self.feature.all_reads
        try:
            results = table.results(own, made.expected[: len(own)])
        except CaseError as error:
            return {"reads": []}, error
        evidence: dict[str, Any] = {"reads": [one for one, _ in results]}
        errors = [error for _, error in results if error is not None]
        derived = derived_reads(self.feature, self.writer.name, reader.name)
        if results[0][1] is None and derived.filters:
            shapes = made.expected[len(own) :][: len(derived.shapes)]
            evidence["derived"], failures = DerivedCheck(table, derived, made.filtered, shapes).run()
            errors += failures
        return evidence, worst(errors)

    def _scan(self, read: Read, made: _Made) -> Scan:
        times = {one["snapshot-id"]: one["timestamp-ms"] for one in made.metadata.get("snapshots", ())}
        return Scan(
            table=self._table(read.view or read.table),
            columns=read.columns,
            snapshot_id=made.marks[read.at] if read.at else None,
            ref=read.ref or None,
            at_ms=times[made.marks[read.at_time]] if read.at_time else None,
            where=read.where,
            count=read.count,
            metadata=read.metadata,
            fields=() if read.metadata else readable(self.feature, read, made.plan),
        )

    # Records.

    def _readings(self, history: RunHistory, cells: Sequence[_Cell]) -> Readings:
        """The readings of this table and of the reference's, from this process and from the records."""
        table = self._on_record(history, self.writer) | {one.reader: one.outcome for one in cells}
        reference = {} if self.writer.name == REFERENCE else self._on_record(history, EngineRef(REFERENCE))
        claim = claims.claim_of(self.writer.name, self.feature.id, self.feature.claim, history.versions(self.writer))
        refusing = table.get(self.writer) is Outcome.REFUSED and claim is not None and not claim.covers("read")
        return Readings(table, reference, frozenset({self.writer} if refusing else ()))

    def _on_record(self, history: RunHistory, writer: EngineRef) -> dict[EngineRef, Outcome]:
        """The outcome of the table of ``writer`` at the readers that have finished."""
        records = {reader: history.case(_id(self.feature, writer, reader)) for reader in self.readers}
        return {reader: record.outcome for reader, record in records.items() if record is not None}

    def _evidence(self, request: Request, side: str, reader: EngineRef | None) -> dict[str, Any]:
        readers = reader or self.writer
        return {
            "side": side,
            "feature": self.feature.id,
            "writer": str(self.writer),
            **({"reader": str(reader)} if reader else {}),
            "command": self._command(request, readers),
        }

    def _command(self, request: Request, readers: EngineRef) -> str:
        """What runs just this cell; where another engine has a part in it, the engines of this run come too."""
        parts = [f"lakebench run interop --features {self.feature.id} --writers {self.writer} --readers {readers}"]
        if self._has_another:
            parts.append(f"--engines {','.join(map(str, request.refs))}")
        if request.selection.catalog != Selection().catalog:
            parts.append(f"--catalog {request.selection.catalog}")
        files = request.selection.options.get("interop", {}).get("feature-file", ())
        if files and self.feature not in FEATURES:
            parts.append(f"--feature-file {shlex.quote(','.join(files))}")
        return " ".join(parts)

    def _judged_record(
        self,
        prerequisites: Prerequisites,
        history: RunHistory,
        case: Case,
        began: tuple[str, float],
        error: CaseEnd | None,
        evidence: Mapping[str, Any],
        subject: EngineRef,
    ) -> Record:
        """The record, with the outcome held against what ``subject`` claims."""
        claim = claims.claim_of(subject.name, self.feature.id, self.feature.claim, history.versions(subject))
        outcome = error.outcome if error else Outcome.PASS
        # A reader that was misled by a wrong table has broken no claim: the verdict is the writer's.
        misled = evidence["side"] == "read" and "fault" in evidence
        verdict = None if misled else claims.verdict(claim, evidence["side"], outcome)
        judged = {**evidence, "claim": claim.to_json() if claim else None, "verdict": verdict}
        if error is None:
            return record(history, case, began, judged)
        return failure(prerequisites, history, case, began, error, judged)


def _pair(writer: EngineRef, reader: EngineRef | None) -> str:
    return f"{writer}→{reader}" if reader else str(writer)


def _id(feature: Feature, writer: EngineRef, reader: EngineRef | None) -> str:
    return f"interop/{feature.id}/{_pair(writer, reader)}"


def _limit(request: Request) -> float:
    """Seconds for one call: these tables are small, and an engine that hangs would stop all others."""
    return min(_LIMIT_S, request.profile.protocol.limit_s)


def _outcome(error: CaseEnd | None) -> str:
    return error.outcome.value if error else Outcome.UNAVAILABLE.value


def _must_be_there(inspected: Inspected, progress: _WriteProgress) -> None:
    """Stop where the feature is not in the table.

    Raises:
        Refused: the rows may be right, but the engine did not do what it was asked for. Where another engine has a part
            in the program, that part is the feature.
        HarnessFault: the reference did not do it.
    """
    if not inspected.missing:
        return
    by, missing = progress.other or progress.culprit, "; ".join(inspected.missing)
    if by.name == REFERENCE:
        raise HarnessFault(f"the reference writer did not make the feature: {missing}")
    raise Refused(f"the engine took the operations, but the feature is not there: {missing}", by=by)


def _physical(made: _Made | None) -> dict[str, Any]:
    """What the inspector saw, as evidence."""
    if made is None:
        return {}
    return {
        "snapshot_id": made.metadata.get("current-snapshot-id"),
        "metadata_location": made.location,
        "facts": made.inspected.facts,
        "violations": list(made.inspected.violations),
        "missing": list(made.inspected.missing),
        "files": list(made.inspected.files)[:_FILES_SHOWN],
    }
