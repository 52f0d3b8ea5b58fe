"""Phase 4: one Iceberg snapshot behind Nessie, many engines, verified answers; and what Nessie adds to a catalog."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from lakebench import engines
from lakebench.config import Settings
from lakebench.datasets import answer_files, rows, tpch
from lakebench.datasets.workload import Question
from lakebench.engines import CanAppend, CanQuery, CanScan
from lakebench.errors import CaseError, CommitConflict, EngineUnavailable, WrongAnswer
from lakebench.execution.cases import Block, Case, Check, Evidence, same
from lakebench.execution.context import RunContext
from lakebench.execution.engine_client import EngineClient
from lakebench.execution.measurement import MeasuredEngine, Measurement, answers_first
from lakebench.execution.request import Request, Scope
from lakebench.iceberg.catalogs import NessieClient, NessieReference
from lakebench.iceberg.scan import Scan
from lakebench.model import CatalogKind, Coordinates, EngineRef, Lake, Record, Selection
from lakebench.phases import distance
from lakebench.phases.base import Phase
from lakebench.phases.nessie.field_reports import identical, latencies
from lakebench.phases.options import Option
from lakebench.phases.table_loading import (
    Loaded,
    Snapshot,
    lake_for,
    load,
    loader,
    may_register,
    not_loaded,
    snapshot,
    tolerance,
    tpch_data,
    word,
)
from lakebench.results.records import Dataset, FieldReport
from lakebench.services import Services, lakes
from lakebench.verification.checker import Checker

_TIMED = "q01"
_APPEND, _REFERENCE = "append", "reference"
_ANSWERS = "TPC-H answers"
_APPENDS = "Appended by (row), read by (column)"
_REFERENCES = "Nessie references"


class Nessie(Phase):
    """Which engines read the same Iceberg snapshot through Nessie, with the same right answers, and how fast."""

    name: ClassVar[str] = "phase4"
    subject: ClassVar[str] = "nessie"
    title: ClassVar[str] = "One Iceberg snapshot behind Nessie, many engines, verified answers"
    loads: ClassVar[bool] = True
    field_reports: ClassVar[tuple[str, ...]] = ("C8", "C9")
    options: ClassVar[tuple[Option, ...]] = (distance.CATALOG_LATENCY,)

    def takes_times(self, request: Request) -> bool:
        """Not by ``quick``, which asks for answers alone."""
        return not request.profile.correctness_alone

    def services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:  # noqa: ARG002
        """The object store and Nessie."""
        return ("object-store", "nessie")

    def engines(self, selection: Selection) -> tuple[str, ...]:  # noqa: ARG002
        """Every engine that answers queries or reads tables."""
        return tuple(
            name for name, one in engines.engines().items() if issubclass(one, CanQuery | CanScan) and not one.optional
        )

    def ready(self, context: RunContext) -> None:
        """The data, and the checker."""
        context.checker.start()
        tpch_data(context)

    def plan(self, context: RunContext) -> Iterator[Block]:
        """Answers and times, then appends, then references; of ``quick`` answers alone."""
        yield from not_loaded(self.name, _tpch(context))
        yield from _answers(context, distance.latencies(self, context.request.selection))
        yield from _appends(context.request)
        yield from _references(context.request)

    def load(self, context: RunContext) -> None:
        """TPC-H."""
        _tpch(context)

    def facts(self, context: RunContext) -> Iterator[Dataset]:
        """TPC-H as it was loaded."""
        yield _tpch(context).facts

    def covers(self, case: Coordinates, scope: Scope) -> bool:
        """Whether the engines are asked, and together: which pairs there are depends on all engines of the run."""
        if distance.of(case) and not distance.covered(case, distance.latencies(self, scope.selection)):
            return False
        asked, registered = case.participants, set(map(str, scope.registered))
        if not super().covers(case, scope) or not registered.issuperset(
            asked
        ):  # then it is of an engine that is no more
            return super().covers(case, scope)
        if case.check == _REFERENCE:
            return asked in {
                (str(scenario.writer), str(reader))
                for scenario, readers in _scenarios(scope.registered)
                for reader in readers
            }
        others = {str(ref) for ref in _without_variants(scope.registered)}
        return case.check == _APPEND or case.query == _TIMED or others.issuperset(asked)

    def judge_field_reports(self, cases: Sequence[Record], scale_factor: str) -> Iterator[FieldReport]:
        """Field reports C8 and C9."""
        timed = {
            case.engine: case
            for case in cases
            if case.coordinates.query == _TIMED and not distance.of(case.coordinates)
        }
        yield latencies(timed, scale_factor)
        yield identical(timed)


# (a) answers and times


def _answers(context: RunContext, catalog_ms: Sequence[int]) -> Iterator[Block]:
    """Query 1 by the run's protocol, then the others once; all once, side by side, where correctness alone counts."""
    yield from answers_first(list(_measurements(context, catalog_ms)), context.request.profile)


def _measurements(context: RunContext, catalog_ms: Sequence[int]) -> Iterator[Measurement]:
    """The queries; query 1 at each distance of the catalog, and at none in any case."""
    once = context.request.profile.protocol.once()
    for query in tpch.workload(tpch_data(context)).questions:
        yield Measurement(
            name=query.name,
            entries=tuple(
                _entry(query, ref, far)
                for far in dict.fromkeys((0, *(catalog_ms if query.name == _TIMED else ())))
                for ref in _asked(context.request, query)
            ),
            protocol=context.request.profile.protocol if query.name == _TIMED else once,
            references=query.references,
            rules=query.rules,
            tolerance=tolerance(query),
            evidence=lambda context: {"snapshots": _tpch(context).snapshot_ids},
        )


def _asked(request: Request, query: Question) -> tuple[EngineRef, ...]:
    """The engines that are asked ``query``; variants of an engine (field report C8) are asked the timed query alone."""
    able = request.able(CanQuery)
    return able if query.name == _TIMED else _without_variants(able)


def _without_variants(refs: Sequence[EngineRef]) -> tuple[EngineRef, ...]:
    """``refs`` without variants of an engine that is among them."""
    names = {ref.name for ref in refs}
    return tuple(ref for ref in refs if engines.find(ref.name).variant_of not in names)


def _entry(query: Question, ref: EngineRef, catalog_ms: int) -> MeasuredEngine:
    row, far = f"Q{int(query.name[1:])}", distance.away(catalog_ms)
    case = Case(
        id="/".join(["phase4", query.name, *distance.key(catalog_ms), str(ref)]),
        phase="phase4",
        title=f"TPC-H {row} by {ref}{far}",
        engine=ref,
        group=f"{_ANSWERS}{far}",
        row=row,
        column=str(ref),
        coordinates=Coordinates(
            engine=ref.name, version=ref.version, query=query.name, more=distance.coordinate(catalog_ms)
        ),
    )
    lake = partial(_tpch_lake, ref=ref, query=query, catalog_ms=catalog_ms)
    return MeasuredEngine(case, lake, query.sql(engines.find(ref.name)), session="/".join(distance.key(catalog_ms)))


def _tpch(context: RunContext) -> Loaded:
    workload = tpch.workload(tpch_data(context))
    return load(context, lakes.nessie_lake(context.services), workload, registered=may_register(context.request))


def _tpch_lake(context: RunContext, ref: EngineRef, query: Question, catalog_ms: int) -> Lake:
    """The lake of ``ref`` with the tables that ``query`` names, its catalog a round trip of ``catalog_ms`` away."""
    loaded = _tpch(context)
    loaded.require(query.tables)
    named = [one for one in loaded.snapshots if one.table in query.tables]
    return context.distances.lake(lake_for(context, lakes.nessie_lake(context.services), ref, named), catalog_ms)


# (b) each engine that writes, with each that reads


@dataclass(frozen=True)
class _Rows:
    """A table with what must be read from it: an Arrow IPC file."""

    at: Snapshot
    expected: Path


def _appends(request: Request) -> Iterator[Block]:
    """A table by each engine that can write, read by the others in shuffled order."""
    for writer in _through_rest(request.refs, CanAppend):
        for reader in request.shuffled(request.able(CanScan), where=f"append/{writer}"):
            case = Case(
                id=f"phase4/append/{writer}→{reader}",
                phase="phase4",
                title=f"{reader} reads the rows that {writer} appended",
                engine=reader,
                group=_APPENDS,
                row=str(writer),
                column=str(reader),
                coordinates=Coordinates(writer=str(writer), reader=str(reader), check=_APPEND),
            )
            yield Check(case, partial(_reads_append, writer=writer, reader=reader))


def _through_rest(refs: Sequence[EngineRef], ability: type[Any]) -> tuple[EngineRef, ...]:
    """Those of ``refs`` that have ``ability`` through the REST catalog."""
    candidates = ((ref, engines.find(ref.name)) for ref in refs)
    return tuple(
        ref for ref, engine in candidates if issubclass(engine, ability) and CatalogKind.REST in engine.catalogs
    )


def _reads_append(context: RunContext, writer: EngineRef, reader: EngineRef) -> Evidence:
    with _written_for(reader, writer):
        written = context.prepared.once(f"append/{writer}", lambda: _append(context, writer))
    lake = lake_for(context, lakes.nessie_lake(context.services), reader, [written.at])
    return _same(context.client, context.checker, reader, lake, Scan(written.at.table), written.expected) | {
        "snapshot_id": written.at.snapshot_id,
        "steps": [
            f"{loader(context.request.writer)} created {written.at.table} and wrote 1 batch",
            f"{writer} appended 1 batch",
        ],
    }


@contextlib.contextmanager
def _written_for(reader: EngineRef, writer: EngineRef) -> Iterator[None]:
    """A failure of the writer says nothing of another engine that was to read what it wrote.

    Raises:
        EngineUnavailable: the writer failed; its own case says how.
    """
    try:
        yield
    except CaseError as error:
        if reader == writer:
            raise
        raise EngineUnavailable(f"there was nothing to read, because {writer} could not write: {error}") from error


def _append(context: RunContext, writer: EngineRef) -> _Rows:
    """A table with rows of the dataset's writer and then of ``writer``."""
    lake, table = lakes.nessie_lake(context.services), f"append_{word(writer)}"
    _create(context, lake, table)
    context.client.call(writer, lake, "append", table=table, rows=str(_batch(context, 1)))
    return _Rows(snapshot(lake, table), _batch(context, 0, 1))


def _create(context: RunContext, lake: Lake, table: str) -> None:
    """``table`` by the dataset's writer, with its first batch of rows."""
    first = str(_batch(context, 0))
    context.client.call(loader(context.request.writer), lake, "create", table=table, rows=first)
    context.client.call(loader(context.request.writer), lake, "append", table=table, rows=first)


def _batch(context: RunContext, *numbers: int) -> Path:
    """The run's batches of rows of these numbers, as one Arrow IPC file."""
    name = f"batch-{'-'.join(str(number) for number in numbers)}"

    def write() -> Path:
        path = context.files.new(name)
        context.checker.call(rows.write, context.request.seed, numbers, path)
        return path

    return context.prepared.once(name, write)


def _same(
    client: EngineClient, checker: Checker, reader: EngineRef, lake: Lake, scan: Scan, expected: Path
) -> dict[str, Any]:
    """The evidence that ``reader`` reads exactly the rows of the file ``expected``.

    Raises:
        WrongAnswer: it reads others.
    """
    comparison = same(checker.call(answer_files.compare_rows, client.scan(reader, lake, scan), expected))
    return {**comparison, "checked_against": ["the rows written"], "tolerance": "exact, in any order"}


def _reads(context: RunContext, reader: EngineRef, lake: Lake, scan: Scan, *batches: int) -> dict[str, Any]:
    """The evidence that ``reader`` reads exactly the rows of these batches.

    Raises:
        WrongAnswer: it reads others.
    """
    return _same(context.client, context.checker, reader, lake, scan, _batch(context, *batches))


# (c) what Nessie adds: branches, tags, merges


@dataclass(frozen=True)
class _Scenario:
    """The names of what one writer makes: a table, a tag before its commit, a branch with its commit."""

    writer: EngineRef

    @property
    def table(self) -> str:
        return f"refs_{word(self.writer)}"

    @property
    def tag(self) -> str:
        return f"before_{word(self.writer)}"

    @property
    def branch(self) -> str:
        return f"dev_{word(self.writer)}"


Test = Callable[[RunContext, _Scenario, EngineRef], Evidence]


def _in_scenario(test: Test, scenario: _Scenario, reader: EngineRef, context: RunContext) -> Evidence:
    with _written_for(reader if test is not _commits else scenario.writer, scenario.writer):
        _committed(context, scenario)
    return test(context, scenario, reader)


def _references(request: Request) -> Iterator[Block]:
    """Each writer's scenario with its readers; the checks of one scenario run in the order of :data:`_CHECKS`."""
    for scenario, readers in _scenarios(request.refs):
        for name, (title, test) in _CHECKS.items():
            for reader in readers:
                case = Case(
                    id=f"phase4/nessie/{name}/{scenario.writer}→{reader}",
                    phase="phase4",
                    title=f"{title}: {scenario.writer} commits, {reader} reads",
                    engine=scenario.writer if test is _commits else reader,
                    group=_REFERENCES,
                    row=title,
                    column=f"{scenario.writer} → {reader}",
                    coordinates=Coordinates(
                        writer=str(scenario.writer), reader=str(reader), test=name, check=_REFERENCE
                    ),
                )
                yield Check(case, partial(_in_scenario, test, scenario, reader))


def _scenarios(refs: Sequence[EngineRef]) -> list[tuple[_Scenario, list[EngineRef]]]:
    """Every writer with a reader other than itself where there is one; every reader at least once."""
    writers, readers = _through_rest(refs, CanAppend), _through_rest(refs, CanScan)
    readers_of: dict[EngineRef, list[EngineRef]] = {writer: [] for writer in writers}
    for number in range(max(len(writers), len(readers)) if writers and readers else 0):
        writer = writers[number % len(writers)]
        others = [reader for reader in readers if reader != writer] or list(readers)
        readers_of[writer].append(min(others, key=lambda reader: sum(reader in seen for seen in readers_of.values())))
    return [(_Scenario(writer), seen_by) for writer, seen_by in readers_of.items()]


def _api(services: Services) -> NessieClient:
    nessie = services.endpoint("nessie")
    return NessieClient(nessie.properties["api"], nessie.password)


def _merge(services: Services, branch: str) -> None:
    """Merge ``branch`` into main."""
    api = _api(services)
    api.merge(api.get_reference(branch), api.get_reference("main"))


@dataclass(frozen=True)
class _Before:
    """Main before the scenario's commit: the table's snapshot, and Nessie's reference with its hash."""

    snapshot: Snapshot
    main: NessieReference


def _committed(context: RunContext, scenario: _Scenario) -> _Before:
    """The state before the merge: a table and a tag on main, a branch with one more commit."""

    def act() -> _Before:
        lake, api = lakes.nessie_lake(context.services), _api(context.services)
        _create(context, lake, scenario.table)
        main = api.get_reference("main")
        api.create_tag(scenario.tag, main)
        api.create_branch(scenario.branch, main)
        before = _Before(snapshot(lake, scenario.table), main)
        context.client.call(
            scenario.writer, lake.at(scenario.branch), "append", table=scenario.table, rows=str(_batch(context, 1))
        )
        return before

    return context.prepared.once(f"refs/{scenario.writer}", act)


def _merged(context: RunContext, scenario: _Scenario) -> _Before:
    """The state after the merge; what main was before."""
    before = _committed(context, scenario)
    context.prepared.once(f"merged/{scenario.writer}", lambda: _merge(context.services, scenario.branch))
    return before


def _commits(context: RunContext, scenario: _Scenario, _: EngineRef) -> Evidence:
    before = _committed(context, scenario)
    branch = _api(context.services).get_reference(scenario.branch)
    if branch.hash == before.main.hash:
        raise WrongAnswer(f"{scenario.writer} reported a commit, and the branch is where it was")
    return {"steps": [f"branch {scenario.branch} went from {before.main.hash[:12]}… to {branch.hash[:12]}…"]}


def _unseen_on_main(context: RunContext, scenario: _Scenario, reader: EngineRef) -> Evidence:
    return _reads(context, reader, lakes.nessie_lake(context.services), Scan(scenario.table), 0)


def _seen_on_branch(context: RunContext, scenario: _Scenario, reader: EngineRef) -> Evidence:
    branch = lakes.nessie_lake(context.services).at(scenario.branch)
    return _reads(context, reader, branch, Scan(scenario.table), 0, 1)


def _seen_after_merge(context: RunContext, scenario: _Scenario, reader: EngineRef) -> Evidence:
    _merged(context, scenario)
    return _reads(context, reader, lakes.nessie_lake(context.services), Scan(scenario.table), 0, 1)


def _tag_keeps(context: RunContext, scenario: _Scenario, reader: EngineRef) -> Evidence:
    _merged(context, scenario)
    tagged = lakes.nessie_lake(context.services).at(scenario.tag)
    return _reads(context, reader, tagged, Scan(scenario.table), 0)


def _time_travel(context: RunContext, scenario: _Scenario, reader: EngineRef) -> Evidence:
    main = _merged(context, scenario).main
    then = lakes.nessie_lake(context.services).at(f"main@{main.hash}")
    return _reads(context, reader, then, Scan(scenario.table), 0)


def _old_snapshot(context: RunContext, scenario: _Scenario, reader: EngineRef) -> Evidence:
    before = _merged(context, scenario).snapshot
    scan = Scan(scenario.table, snapshot_id=before.snapshot_id)
    comparison = _reads(context, reader, lakes.nessie_lake(context.services), scan, 0)
    return {**comparison, "snapshot_id": before.snapshot_id}


def _conflict(context: RunContext, scenario: _Scenario, reader: EngineRef) -> Evidence:
    _merged(context, scenario)
    refusal = context.prepared.once(f"conflict/{scenario.writer}", lambda: _two_branches(context, scenario))
    comparison = _reads(context, reader, lakes.nessie_lake(context.services), Scan(scenario.table), 0, 1, 2)
    return {**comparison, "steps": [f"the second merge was refused: {refusal}"]}


def _two_branches(context: RunContext, scenario: _Scenario) -> str:
    """Commit to one table on two branches and merge both; what Nessie says of the second.

    Raises:
        WrongAnswer: Nessie took both.
    """
    lake, api = lakes.nessie_lake(context.services), _api(context.services)
    left, right = f"left_{word(scenario.writer)}", f"right_{word(scenario.writer)}"
    for number, branch in ((2, left), (3, right)):
        api.create_branch(branch, api.get_reference("main"))
        context.client.call(
            scenario.writer, lake.at(branch), "append", table=scenario.table, rows=str(_batch(context, number))
        )
    _merge(context.services, left)
    try:
        _merge(context.services, right)
    except CommitConflict as error:
        return str(error)
    raise WrongAnswer("two branches changed one table, and Nessie merged both without a conflict")


_CHECKS: Mapping[str, tuple[str, Test]] = {
    "commit": ("commits on a branch", _commits),
    "unseen-on-main": ("a commit on a branch is unseen on main", _unseen_on_main),
    "seen-on-branch": ("a commit on a branch is seen on the branch", _seen_on_branch),
    "merge": ("after the merge it is seen on main", _seen_after_merge),
    "tag": ("a tag from before the commit stays as it was", _tag_keeps),
    "time-travel": ("time travel to main's commit before the merge", _time_travel),
    "old-snapshot": ("main's snapshot before the merge, by its Iceberg snapshot id", _old_snapshot),
    "conflict": ("two branches change one table: the second merge is refused", _conflict),
}
