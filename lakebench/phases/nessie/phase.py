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
from lakebench.execution.measurement import MeasuredEngine, Measurement
from lakebench.execution.request import Request, Scope
from lakebench.iceberg.catalogs import NessieClient, NessieReference
from lakebench.iceberg.scan import Scan
from lakebench.model import CatalogKind, Coordinates, EngineRef, Lake, Record, Selection
from lakebench.phases.base import Phase
from lakebench.phases.nessie.field_reports import identical, latencies
from lakebench.phases.table_loading import (
    Loaded,
    Snapshot,
    lake_for,
    load,
    loader,
    not_loaded,
    snapshot,
    tolerance,
    tpch_data,
    word,
)
from lakebench.results.records import Claim, Dataset
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
    claims: ClassVar[tuple[str, ...]] = ("C8", "C9")

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
        """Answers and times, then appends, then references."""
        yield from not_loaded(self.name, _tpch(context))
        yield from _answers(context)
        yield from _appends(context.request)
        yield from _references(context.request)

    def load(self, context: RunContext) -> None:
        """TPC-H."""
        _tpch(context)

    def facts(self, context: RunContext) -> Iterator[Dataset]:
        """TPC-H as it was loaded."""
        yield _tpch(context).facts

    def covers(self, case: Coordinates, scope: Scope) -> bool:
        """Whether engines are asked, and together: not each is asked all, and pairs follow from who is there."""
        asked, known = case.participants, set(map(str, scope.known))
        if not super().covers(case, scope) or not known.issuperset(asked):  # then it is of an engine that is no more
            return super().covers(case, scope)
        if case.check == _REFERENCE:
            return asked in {(str(story.writer), str(one)) for story, readers in _cast(scope.known) for one in readers}
        others = {str(ref) for ref in _without_variants(scope.known)}
        return case.check == _APPEND or case.query == _TIMED or others.issuperset(asked)

    def reproduced(self, cases: Sequence[Record], scale_factor: str) -> Iterator[Claim]:
        """Claims C8 and C9."""
        timed = {case.engine: case for case in cases if case.coordinates.query == _TIMED}
        yield latencies(timed, scale_factor)
        yield identical(timed)


# (a) answers and times


def _answers(context: RunContext) -> Iterator[Measurement]:
    """Query 1 by the run's protocol, then the others once."""
    once = context.request.profile.protocol.once()
    for query in tpch.workload(tpch_data(context)).questions:
        yield Measurement(
            name=query.name,
            entries=tuple(_entry(query, ref) for ref in _asked(context.request, query)),
            protocol=context.request.profile.protocol if query.name == _TIMED else once,
            references=query.references,
            rules=query.rules,
            tolerance=tolerance(query),
            evidence=lambda context: {"snapshots": _tpch(context).snapshot_ids},
        )


def _asked(request: Request, query: Question) -> tuple[EngineRef, ...]:
    """Who is asked ``query``: every engine, and another way into one of them (claim C8) the timed query alone."""
    able = request.able(CanQuery)
    return able if query.name == _TIMED else _without_variants(able)


def _without_variants(refs: Sequence[EngineRef]) -> tuple[EngineRef, ...]:
    """``refs`` without those that are another way into one of them."""
    names = {ref.name for ref in refs}
    return tuple(ref for ref in refs if engines.find(ref.name).variant_of not in names)


def _entry(query: Question, ref: EngineRef) -> MeasuredEngine:
    row = f"Q{int(query.name[1:])}"
    case = Case(
        id=f"phase4/{query.name}/{ref}",
        phase="phase4",
        title=f"TPC-H {row} by {ref}",
        engine=ref,
        group=_ANSWERS,
        row=row,
        column=str(ref),
        coordinates=Coordinates(engine=ref.name, version=ref.version, query=query.name),
    )
    return MeasuredEngine(case, partial(_tpch_lake, ref=ref, query=query), query.sql(engines.find(ref.name)))


def _tpch(context: RunContext) -> Loaded:
    return load(context, lakes.nessie_lake(context.services), tpch.workload(tpch_data(context)))


def _tpch_lake(context: RunContext, ref: EngineRef, query: Question) -> Lake:
    """The lake of ``ref`` with the tables that ``query`` names."""
    loaded = _tpch(context)
    loaded.require(query.tables)
    named = [one for one in loaded.snapshots if one.table in query.tables]
    return lake_for(context, lakes.nessie_lake(context.services), ref, named)


# (b) every engine that writes, and every one that reads


@dataclass(frozen=True)
class _Rows:
    """A table with what must be read from it: an Arrow IPC file."""

    at: Snapshot
    expected: Path


def _appends(request: Request) -> Iterator[Block]:
    """A table by each engine that can write; who reads it is shuffled."""
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
    known = ((ref, engines.find(ref.name)) for ref in refs)
    return tuple(ref for ref, one in known if issubclass(one, ability) and CatalogKind.REST in one.catalogs)


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
    """What the writer could not write says nothing of another engine that was to read it.

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
    found = same(checker.call(answer_files.compare_rows, client.scan(reader, lake, scan), expected))
    return {**found, "checked_against": ["the rows written"], "tolerance": "exact, in any order"}


# (c) what Nessie adds: branches, tags, merges


@dataclass(frozen=True)
class _Story:
    """The names of one writer's story: a table, a tag before its commit, a branch with its commit."""

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


Test = Callable[[RunContext, _Story, EngineRef], Evidence]


def _told(test: Test, story: _Story, reader: EngineRef, context: RunContext) -> Evidence:
    with _written_for(reader if test is not _commits else story.writer, story.writer):
        _committed(context, story)
    return test(context, story, reader)


def _references(request: Request) -> Iterator[Block]:
    """Each writer's story, seen by its readers; the checks of a story have an order of their own."""
    for story, readers in _cast(request.refs):
        for name, (title, test) in _CHECKS.items():
            for reader in readers:
                case = Case(
                    id=f"phase4/nessie/{name}/{story.writer}→{reader}",
                    phase="phase4",
                    title=f"{title}: {story.writer} commits, {reader} reads",
                    engine=story.writer if test is _commits else reader,
                    group=_REFERENCES,
                    row=title,
                    column=f"{story.writer} → {reader}",
                    coordinates=Coordinates(writer=str(story.writer), reader=str(reader), test=name, check=_REFERENCE),
                )
                yield Check(case, partial(_told, test, story, reader))


def _cast(refs: Sequence[EngineRef]) -> list[tuple[_Story, list[EngineRef]]]:
    """Every writer with at least one reader other than itself where there is one, every reader at least once."""
    writers, readers = _through_rest(refs, CanAppend), _through_rest(refs, CanScan)
    cast: dict[EngineRef, list[EngineRef]] = {writer: [] for writer in writers}
    for number in range(max(len(writers), len(readers)) if writers and readers else 0):
        writer = writers[number % len(writers)]
        others = [reader for reader in readers if reader != writer] or list(readers)
        cast[writer].append(min(others, key=lambda reader: sum(reader in seen for seen in cast.values())))
    return [(_Story(writer), seen_by) for writer, seen_by in cast.items()]


def _api(services: Services) -> NessieClient:
    nessie = services.endpoint("nessie")
    return NessieClient(nessie.properties["api"], nessie.password)


def _merge(services: Services, branch: str) -> None:
    """Merge ``branch`` into main."""
    api = _api(services)
    api.merge(api.get_reference(branch), api.get_reference("main"))


@dataclass(frozen=True)
class _Before:
    """Main before the story's commit: the table's snapshot, and Nessie's reference with its hash."""

    snapshot: Snapshot
    main: NessieReference


def _committed(context: RunContext, story: _Story) -> _Before:
    """The state before the merge: a table and a tag on main, a branch with one more commit."""

    def act() -> _Before:
        lake, api = lakes.nessie_lake(context.services), _api(context.services)
        _create(context, lake, story.table)
        main = api.get_reference("main")
        api.create_tag(story.tag, main)
        api.create_branch(story.branch, main)
        before = _Before(snapshot(lake, story.table), main)
        context.client.call(
            story.writer, lake.at(story.branch), "append", table=story.table, rows=str(_batch(context, 1))
        )
        return before

    return context.prepared.once(f"refs/{story.writer}", act)


def _merged(context: RunContext, story: _Story) -> _Before:
    """The state after the merge; what main was before."""
    before = _committed(context, story)
    context.prepared.once(f"merged/{story.writer}", lambda: _merge(context.services, story.branch))
    return before


def _commits(context: RunContext, story: _Story, _: EngineRef) -> Evidence:
    before = _committed(context, story)
    branch = _api(context.services).get_reference(story.branch)
    if branch.hash == before.main.hash:
        raise WrongAnswer(f"{story.writer} said that it committed, and the branch is where it was")
    return {"steps": [f"branch {story.branch} went from {before.main.hash[:12]}… to {branch.hash[:12]}…"]}


def _unseen_on_main(context: RunContext, story: _Story, reader: EngineRef) -> Evidence:
    return _same(
        context.client,
        context.checker,
        reader,
        lakes.nessie_lake(context.services),
        Scan(story.table),
        _batch(context, 0),
    )


def _seen_on_branch(context: RunContext, story: _Story, reader: EngineRef) -> Evidence:
    branch = lakes.nessie_lake(context.services).at(story.branch)
    return _same(context.client, context.checker, reader, branch, Scan(story.table), _batch(context, 0, 1))


def _seen_after_merge(context: RunContext, story: _Story, reader: EngineRef) -> Evidence:
    _merged(context, story)
    return _same(
        context.client,
        context.checker,
        reader,
        lakes.nessie_lake(context.services),
        Scan(story.table),
        _batch(context, 0, 1),
    )


def _tag_keeps(context: RunContext, story: _Story, reader: EngineRef) -> Evidence:
    _merged(context, story)
    tagged = lakes.nessie_lake(context.services).at(story.tag)
    return _same(context.client, context.checker, reader, tagged, Scan(story.table), _batch(context, 0))


def _time_travel(context: RunContext, story: _Story, reader: EngineRef) -> Evidence:
    main = _merged(context, story).main
    then = lakes.nessie_lake(context.services).at(f"main@{main.hash}")
    return _same(context.client, context.checker, reader, then, Scan(story.table), _batch(context, 0))


def _old_snapshot(context: RunContext, story: _Story, reader: EngineRef) -> Evidence:
    before = _merged(context, story).snapshot
    scan = Scan(story.table, snapshot_id=before.snapshot_id)
    found = _same(
        context.client, context.checker, reader, lakes.nessie_lake(context.services), scan, _batch(context, 0)
    )
    return {**found, "snapshot_id": before.snapshot_id}


def _conflict(context: RunContext, story: _Story, reader: EngineRef) -> Evidence:
    _merged(context, story)
    said = context.prepared.once(f"conflict/{story.writer}", lambda: _two_branches(context, story))
    found = _same(
        context.client,
        context.checker,
        reader,
        lakes.nessie_lake(context.services),
        Scan(story.table),
        _batch(context, 0, 1, 2),
    )
    return {**found, "steps": [f"the second merge was refused: {said}"]}


def _two_branches(context: RunContext, story: _Story) -> str:
    """Commit to one table on two branches and merge both; what Nessie says of the second.

    Raises:
        WrongAnswer: Nessie took both.
    """
    lake, api = lakes.nessie_lake(context.services), _api(context.services)
    left, right = f"left_{word(story.writer)}", f"right_{word(story.writer)}"
    for number, branch in ((2, left), (3, right)):
        api.create_branch(branch, api.get_reference("main"))
        context.client.call(
            story.writer, lake.at(branch), "append", table=story.table, rows=str(_batch(context, number))
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
