"""The interoperability matrix: each feature, written by each engine, read by every other, against the oracle."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from lakebench import claims, engines
from lakebench.bench import Bench
from lakebench.cases import Block, Case, failure, now, record
from lakebench.catalogs import table_metadata
from lakebench.checker import Inspected
from lakebench.config import Settings
from lakebench.datasets.interop import features
from lakebench.datasets.interop.feature import Feature
from lakebench.datasets.interop.program import Planned, in_words, planned, proof_in_words, read_in_words, readable
from lakebench.engines import CanOperate, CanScan
from lakebench.errors import (
    CaseEnd,
    CaseError,
    CommitConflict,
    EngineUnavailable,
    HarnessFault,
    Refused,
    WrongAnswer,
    from_outcome,
)
from lakebench.model import EngineRef, Lake, Outcome, Record, Scan, Selection
from lakebench.operations import Concurrent, Mark, Operation, Read, Rollback, to_json
from lakebench.phases import Phase, Scope, engines_of
from lakebench.phases.tables import snapshot
from lakebench.records import FeatureFacts
from lakebench.replies import error_from
from lakebench.services import lakes

REFERENCE = "reference"
_NOT_WRITTEN = "not written: "
_WORST = (
    Outcome.HARNESS_FAULT,
    Outcome.WRONG,
    Outcome.CRASH,
    Outcome.TIMEOUT,
    Outcome.OUT_OF_MEMORY,
    Outcome.REFUSED,
    Outcome.UNAVAILABLE,
    Outcome.PASS,
)
_FILES_SHOWN = 40
_AT_ONCE = 4
_LIMIT_S = 60.0


class Interop(Phase):
    """Who reads what whom wrote, feature by feature, against what the engines claim."""

    name: ClassVar[str] = "interop"
    subject: ClassVar[str] = "interoperability"
    title: ClassVar[str] = "Every Iceberg feature, written by each engine and read by every other"
    chooses_catalog: ClassVar[bool] = True

    def services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:  # noqa: ARG002
        """The object store and the catalog that was chosen."""
        return lakes.CATALOGS[selection.catalog].services

    def engines(self, selection: Selection) -> tuple[str, ...]:
        """Who writes and who reads."""
        return tuple(dict.fromkeys([*_named(selection.writers, CanOperate), *_named(selection.readers, CanScan)]))

    def features(self) -> tuple[str, ...]:
        """The ids of the features."""
        return tuple(one.id for one in features.FEATURES)

    def plan(self, bench: Bench) -> Iterator[Block]:
        """A block a feature and writer; the reference writer comes first, so that readers are known before engines."""
        writers = sorted(_those(bench, bench.selection.writers, CanOperate), key=lambda ref: ref.name != REFERENCE)
        readers = _those(bench, bench.selection.readers, CanScan)
        for feature in features.chosen(bench.selection.features):
            for writer in writers:
                yield Written(feature, writer, tuple(readers))

    def covers(self, case: str, scope: Scope) -> bool:
        """Whether feature, writer and reader are among those that were chosen."""
        _, feature, *_, pair = case.split("/")
        writer, _, reader = pair.partition("→")
        chosen = scope.selection
        return (
            any(fnmatch.fnmatchcase(feature, one) for one in chosen.features or ("*",))
            and scope.asks(engines_of(case))
            and _among(writer, chosen.writers, CanOperate)
            and (not reader or _among(reader, chosen.readers, CanScan))
        )

    def facts(self, bench: Bench) -> Iterator[FeatureFacts]:
        """Each feature in words."""
        for one in features.chosen(bench.selection.features):
            yield FeatureFacts(
                feature=one.id,
                group=one.group,
                title=one.title,
                format_version=one.format_version,
                source=one.source,
                topic=one.claim,
                program=tuple(in_words(step) for step in one.program),
                reads=tuple(read_in_words(read) for read in one.all_reads),
                proof=tuple(proof_in_words(proof) for proof in one.proof),
            )


def _named(chosen: tuple[str, ...], ability: type[Any]) -> tuple[str, ...]:
    """``chosen``, or who has ``ability`` and is no other's second way, not optional, and without PostgreSQL."""
    known = engines.engines()
    return chosen or tuple(
        name
        for name, engine in known.items()
        if issubclass(engine, ability)
        and not engine.variant_of
        and not engine.optional
        and "postgres" not in (engine.service, *engine.needs)
    )


def _among(name: str, chosen: tuple[str, ...], ability: type[Any]) -> bool:
    """Whether ``name`` is one of :func:`_named`, or unknown here where nobody is chosen."""
    return name in _named(chosen, ability) or (not chosen and name not in engines.engines())


def _those(bench: Bench, chosen: tuple[str, ...], ability: type[Any]) -> list[EngineRef]:
    names = _named(chosen, ability)
    return [ref for ref in bench.able(ability) if str(ref) in names]


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


@dataclass
class _Course:
    """What is known so far of a table in the making; what an error leaves behind is evidence."""

    statements: list[str] = field(default_factory=list)
    marks: dict[str, int] = field(default_factory=dict)
    succeeded: list[list[bool]] = field(default_factory=list)


@dataclass(frozen=True)
class _Cell:
    """What one reader made of a table."""

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
    """One feature by one writer, and everyone who reads it."""

    feature: Feature
    writer: EngineRef
    readers: tuple[EngineRef, ...]

    @property
    def cases(self) -> tuple[Case, ...]:
        """The writer's case, and one a reader."""
        return (self._case(None), *(self._case(reader) for reader in self.readers))

    def _case(self, reader: EngineRef | None) -> Case:
        pair = f"{self.writer}→{reader}" if reader else str(self.writer)
        did = f"{reader} reads what {self.writer} wrote" if reader else f"{self.writer} writes"
        return Case(
            id=f"interop/{self.feature.id}/{pair}",
            phase="interop",
            title=f"{did}: {self.feature.title}",
            engine=reader or self.writer,
            group=f"Written by {self.writer}",
            row=self.feature.id,
            column=pair,
        )

    def run(self, bench: Bench, todo: frozenset[str]) -> Iterator[Record]:
        """Write once; then who reads it, in shuffled order; the writer's own record comes last, as it needs theirs."""
        began, course = now(), _Course()
        error: CaseEnd | None = None
        made: _Made | None = None
        try:
            made = self._make(bench, course)
            _must_be_there(made.inspected)
        except CaseError as found:
            error = found
        wrote = now()[1] - began[1]
        cells = list(self._reads(bench, made, error, todo))
        misled: frozenset[EngineRef] = frozenset()
        if made is not None and error is None:
            error, misled = self._unconfirmed(bench, made, {one.reader: one.outcome for one in cells})
        for cell in cells:
            evidence = {**cell.evidence, **({"fault": str(self.writer)} if cell.reader in misled else {})}
            told = self._told(bench, self._case(cell.reader), cell.began, cell.error, evidence, "read")
            yield replace(told, seconds=round(cell.seconds, 6))
        if (case := self._case(None)).id in todo:
            evidence = {**self._evidence(bench, "write", None), **_physical(made), "statements": course.statements}
            if course.succeeded:
                evidence["succeeded"] = course.succeeded
            yield replace(self._told(bench, case, began, error, evidence, "write"), seconds=round(wrote, 6))

    # Writing.

    def _make(self, bench: Bench, course: _Course) -> _Made:
        if self.feature.by_reference and self.writer.name != REFERENCE:
            raise EngineUnavailable("no engine is asked to make this: it is a shape of files, not an operation")
        plan = planned(self.feature, self._table)
        for operation in plan.operations:
            self._carry_out(bench, operation, course)
        found = table_metadata(_observer(bench).catalog, _observer(bench).namespace, self._table("t"))
        reads = self.feature.all_reads
        expected = tuple(bench.file(f"expected-{number}") for number in range(len(reads)))
        store = _observer(bench).objects
        bench.checker.write_expected(self.feature.program, reads, course.succeeded, found["metadata"], store, expected)
        inspected = bench.checker.inspect(found["metadata"], store, self.feature.proof)
        return _Made(
            plan,
            tuple(course.statements),
            dict(course.marks),
            found["metadata"],
            found["metadata-location"],
            inspected,
            expected,
        )

    def _table(self, name: str) -> str:
        words = (self.feature.id, str(self.writer), *([] if name == "t" else [name]))
        return "_".join(re.sub(r"\W", "_", word) for word in words)

    def _carry_out(self, bench: Bench, operation: Operation, course: _Course) -> None:
        """One operation by the engine whose turn it is; a mark is the harness's own."""
        if isinstance(operation, Mark):
            course.marks[operation.name] = snapshot(_observer(bench), operation.table).snapshot_id
            return
        if mark := getattr(operation, "to" if isinstance(operation, Rollback) else "at", ""):
            operation = replace(operation, snapshot_id=course.marks[mark])  # type: ignore[call-arg]
        if isinstance(operation, Concurrent) and any(part.by for part in operation.operations):
            course.succeeded.append(self._together(bench, operation, course))
        else:
            course.succeeded += self._operate(bench, operation, course)["succeeded"]
        if course.succeeded and not any(course.succeeded[-1]):
            raise CommitConflict("every part of the concurrent operation was refused by a conflict: nobody won")

    def _operate(self, bench: Bench, operation: Operation, course: _Course) -> dict[str, Any]:
        who = self._who(bench, operation)
        prefix = "" if who == self.writer else f"-- by {who}: "
        try:
            reply = bench.call(who, lake_of(bench, who), "operate", _limit(bench), operations=[to_json(operation)])
        except CaseError as error:
            told = error.details.get("statements")
            course.statements += [f"{prefix}{one}" for one in told] if isinstance(told, list) else []
            error.details.pop("statements", None)
            raise
        course.statements += [f"{prefix}{one}" for one in reply["statements"]]
        return reply

    def _who(self, bench: Bench, operation: Operation) -> EngineRef:
        """The writer, or for an operation by another an engine of the run that claims to do such things.

        Raises:
            EngineUnavailable: there is no other.
        """
        if not operation.by:
            return self.writer
        able = [
            ref
            for ref in bench.able(CanOperate)
            if ref.name not in {self.writer.name, REFERENCE} and type(operation) in engines.find(ref.name).operations  # type: ignore[attr-defined]
        ]
        if not able:
            raise EngineUnavailable(f"no second engine of this run can be asked for {type(operation).__name__}")
        return next((ref for ref in able if self._claims_to_write(bench, ref)), able[0])

    def _claims_to_write(self, bench: Bench, ref: EngineRef) -> bool:
        bench.remote(ref, lake_of(bench, ref))  # a claim may be of one version: the running engine tells it
        claim = claims.claim_of(ref.name, self.feature.id, self.feature.claim, bench.versions(ref))
        return claim is not None and claim.covers("write")

    def _together(self, bench: Bench, operation: Concurrent, course: _Course) -> list[bool]:
        """Parts of two engines at once; a conflict is an answer, any other failure is one of the whole."""

        def attempt(part: Operation) -> bool:
            try:
                self._operate(bench, part, course)
            except CommitConflict:
                return False
            return True

        for part in operation.operations:  # both are open before either begins
            bench.remote(self._who(bench, part), lake_of(bench, self._who(bench, part)))
        with ThreadPoolExecutor(len(operation.operations)) as pool:
            return list(pool.map(attempt, operation.operations))

    # Reading.

    def _reads(self, bench: Bench, made: _Made | None, error: CaseEnd | None, todo: frozenset[str]) -> Iterator[_Cell]:
        """Readers are processes of their own, so several read at once: what counts is the answer, not its time."""
        readers = tuple(one for one in self.readers if self._case(one).id in todo)
        shuffled = bench.shuffled(readers, where=f"interop/{self.feature.id}/{self.writer}")
        if made is None or error is not None:
            why = EngineUnavailable(f"{_NOT_WRITTEN}{self.writer} {_outcome(error)}: {error}")
            for reader in shuffled:
                yield _Cell(reader, now(), 0.0, self._evidence(bench, "read", reader), why)
            return
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            yield from pool.map(lambda reader: self._cell(bench, reader, made), shuffled)

    def _cell(self, bench: Bench, reader: EngineRef, made: _Made) -> _Cell:
        began = now()
        try:
            told, error = self._read(bench, reader, made)
        except Exception as found:  # noqa: BLE001 - a fault of ours in one reader's case; the others go on
            told, error = [], bench.ended(found)
        evidence = {
            **self._evidence(bench, "read", reader),
            "snapshot_id": made.metadata.get("current-snapshot-id"),
            "reads": told,
        }
        return _Cell(reader, began, now()[1] - began[1], evidence, error)

    def _read(self, bench: Bench, reader: EngineRef, made: _Made) -> tuple[list[dict[str, Any]], CaseEnd | None]:
        """Every read of the feature by ``reader``; the worst of them is what becomes of the case."""
        reads = self.feature.all_reads
        scans = [self._scan(read, made).to_json() for read in reads]
        into = [bench.file(f"{reader}-{number}") for number in range(len(reads))]
        try:
            replies = bench.scans(reader, lake_of(bench, reader), scans, into, _limit(bench))
        except CaseError as error:
            return [], error
        checked = [
            _checked(bench, read, reply, path, expected)
            for read, reply, path, expected in zip(reads, replies, into, made.expected, strict=True)
        ]
        told = [one for one, _ in checked]
        errors = [error for _, error in checked if error is not None]
        return told, min(errors, key=lambda one: _WORST.index(one.outcome)) if errors else None

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

    # What is told.

    def _unconfirmed(
        self, bench: Bench, made: _Made, read: Mapping[EngineRef, Outcome]
    ) -> tuple[CaseEnd | None, frozenset[EngineRef]]:
        """Why a write does not stand although the inspector found what it looked for, and who was misled by it.

        The table must be what the specification allows, and the writer must read its own rows back. Readers that read
        the reference's table of this feature right tell whose fault a wrong answer is: where at least half of them read
        this table wrong, it is the writer's.
        """
        known: dict[str, set[EngineRef]] = bench.prepare("interop/right", dict)
        right = known.setdefault(self.feature.id, set())
        if self.writer.name == REFERENCE:
            right |= {ref for ref, outcome in read.items() if outcome is Outcome.PASS}
        judges = right.intersection(read)
        wrong = frozenset(ref for ref in judges if read[ref] is Outcome.WRONG)
        if wrong and 2 * len(wrong) >= len(judges):
            names = ", ".join(sorted(map(str, wrong)))
            return WrongAnswer(f"read wrong by {names}, which read the reference's table right"), wrong
        if made.inspected.violations:
            broken = "; ".join(made.inspected.violations[:3])
            return WrongAnswer(f"the table breaks the specification: {broken}"), wrong
        own = read.get(self.writer, Outcome.PASS)
        if own is Outcome.HARNESS_FAULT:
            return HarnessFault(f"whether {self.writer} reads its own table back is not known: see its own read"), wrong
        claim = claims.claim_of(self.writer.name, self.feature.id, self.feature.claim, bench.versions(self.writer))
        says_no = own is Outcome.REFUSED and claim is not None and not claim.covers("read")
        if says_no or own in {Outcome.PASS, Outcome.UNAVAILABLE}:
            return None, frozenset()
        return from_outcome(own, f"{self.writer} does not read its own table back right"), frozenset()

    def _evidence(self, bench: Bench, side: str, reader: EngineRef | None) -> dict[str, Any]:
        readers = reader or self.writer
        return {
            "side": side,
            "feature": self.feature.id,
            "writer": str(self.writer),
            **({"reader": str(reader)} if reader else {}),
            "command": self._command(bench, readers),
        }

    def _command(self, bench: Bench, readers: EngineRef) -> str:
        """What runs just this cell; where another engine has a part in it, the engines of this run come too."""
        parts = [f"lakebench run interop --features {self.feature.id} --writers {self.writer} --readers {readers}"]
        steps = [part for one in self.feature.program for part in (one, *getattr(one, "operations", ()))]
        if any(one.by for one in steps):
            parts.append(f"--engines {','.join(map(str, bench.refs))}")
        if bench.selection.catalog != Selection().catalog:
            parts.append(f"--catalog {bench.selection.catalog}")
        return " ".join(parts)

    def _told(
        self,
        bench: Bench,
        case: Case,
        began: tuple[str, float],
        error: CaseEnd | None,
        evidence: Mapping[str, Any],
        side: claims.Side,
    ) -> Record:
        claim = claims.claim_of(case.engine.name, self.feature.id, self.feature.claim, bench.versions(case.engine))
        outcome = error.outcome if error else Outcome.PASS
        told = {
            **evidence,
            "claim": claim.to_json() if claim else None,
            # Who was misled by a wrong table has broken no claim: the verdict is the writer's.
            "verdict": None if "fault" in evidence else claims.verdict(claim, side, outcome),
        }
        if error is None:
            return record(bench, case, began, told)
        return failure(bench, case, began, error, told)


def _limit(bench: Bench) -> float:
    """Seconds for one call: these tables are small, and who hangs would stop all others."""
    return min(_LIMIT_S, bench.profile.protocol.limit_s)


def _outcome(error: CaseEnd | None) -> str:
    return error.outcome.value if error else Outcome.UNAVAILABLE.value


def _must_be_there(inspected: Inspected) -> None:
    """Stop where the feature is not in the table.

    Raises:
        Refused: the rows may be right, but the engine did not do what it was asked for.
    """
    if inspected.missing:
        raise Refused(f"the engine took the operations, but the feature is not there: {'; '.join(inspected.missing)}")


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


def _checked(
    bench: Bench, read: Read, reply: Mapping[str, Any], actual: Path, expected: Path
) -> tuple[dict[str, Any], CaseEnd | None]:
    """What became of one read, for the record, and the error where it did not pass."""
    if not reply["ok"]:
        error = bench.ended(error_from(reply["error"]))
        return {"read": read.name, "outcome": error.outcome, "reason": str(error)}, _named_read(read, error)
    checked = bench.checker.same_read(actual, expected)
    told = {"read": read.name, "outcome": Outcome.PASS, "rows": checked.rows}
    if checked.type_differences:
        told["type_differences"] = list(checked.type_differences)
    if checked.diff is None:
        return told, None
    return {**told, "outcome": Outcome.WRONG, "reason": checked.message, "diff": dict(checked.diff)}, WrongAnswer(
        f"{read.name}: {checked.message}"
    )


def _named_read(read: Read, error: CaseEnd) -> CaseEnd:
    if isinstance(error, HarnessFault):
        return error
    return from_outcome(error.outcome, f"{read.name}: {error}")


def lake_of(bench: Bench, ref: EngineRef) -> Lake:
    """The lake of the run's catalog as ``ref`` reaches it.

    Raises:
        EngineUnavailable: the engine does not speak to such a catalog.
    """
    chosen = lakes.CATALOGS[bench.selection.catalog]
    engine = engines.find(ref.name)
    if ref.name == REFERENCE:  # no engine, whose way to the catalog is in question
        return _observer(bench)
    lake = chosen.lake(bench.services)
    if lake.catalog.kind not in engine.catalogs:
        raise EngineUnavailable(f"{ref} has no way to a {lake.catalog.kind} catalog here")
    return replace(lake, namespace="interop")


def _observer(bench: Bench) -> Lake:
    """The same tables through a REST catalog, for the inspector."""
    return replace(lakes.CATALOGS[bench.selection.catalog].observer(bench.services), namespace="interop")
