"""Tables on a lake: loading a workload, finding snapshots, reading rows back. Shared by phases."""

from __future__ import annotations

import contextlib
import itertools
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from lakebench import engines
from lakebench.datasets import field_ids, tpch
from lakebench.datasets.rules import RULES_TEXT
from lakebench.datasets.workload import Question, TableData, Workload, write_schema
from lakebench.engines import CanAddFiles, CanCreate, CanLoad, CanRegister
from lakebench.errors import CaseError, EngineUnavailable, Refused, UsageError, from_outcome
from lakebench.execution.cases import Block, Case, Check, Evidence
from lakebench.execution.context import RunContext
from lakebench.execution.engine_client import EngineClient
from lakebench.execution.protocol import ONCE, QUICK
from lakebench.execution.request import Request
from lakebench.execution.workers import WorkerPool
from lakebench.iceberg.catalogs import drop, roll_back, table_metadata
from lakebench.model import CatalogKind, Coordinates, EngineRef, Lake, TableFormat
from lakebench.phases.base import NOT_LOADED
from lakebench.results.records import Dataset, TableFacts
from lakebench.services import lakes

_LOAD_LIMIT_S = 4 * 3600.0
_NO_SNAPSHOT = -1
_SECOND = "load"  # the session of a second worker that loads


@dataclass(frozen=True)
class Snapshot:
    """A table at one snapshot, as its catalog has it (Iceberg specification, *Table Metadata Fields*)."""

    table: str
    snapshot_id: int
    metadata_location: str
    metadata: Mapping[str, Any]

    def facts(self) -> TableFacts:
        """What the records keep of it."""
        summaries = [one["summary"] for one in self.metadata["snapshots"] if one["snapshot-id"] == self.snapshot_id]
        summary = summaries[0] if summaries else {}
        properties = self.metadata.get("properties", {})
        return TableFacts(
            name=self.table,
            rows=int(summary.get("total-records", 0)),
            files=int(summary.get("total-data-files", 0)),
            bytes=int(summary.get("total-files-size", 0)),
            delete_files=int(summary.get("total-delete-files", 0)),
            snapshot_id=self.snapshot_id,
            metadata_location=self.metadata_location,
            format_version=self.metadata["format-version"],
            file_format=properties.get("write.format.default", "parquet"),
            codec=properties.get("write.parquet.compression-codec", "the writer's default"),
        )


def snapshot(lake: Lake, table: str) -> Snapshot:
    """``table`` as the REST catalog of ``lake`` has it now.

    Raises:
        LakebenchError: no such table, or the catalog does not answer.
    """
    response = table_metadata(lake.catalog, lake.namespace, table)
    metadata = response["metadata"]
    current = metadata.get("current-snapshot-id")  # a table that nothing was written to has none
    return Snapshot(table, _NO_SNAPSHOT if current is None else current, response["metadata-location"], metadata)


def loader(name: str) -> EngineRef:
    """The engine that writes the dataset.

    Raises:
        UsageError: the engine is unknown, or cannot create and load tables; the message names those that can.
    """
    ref = engines.parse(name)
    able = [
        engine_name
        for engine_name, engine in engines.engines().items()
        if issubclass(engine, CanCreate) and issubclass(engine, CanLoad) and CatalogKind.REST in engine.catalogs
    ]
    if ref.name not in able:
        raise UsageError(f"'{name}' cannot write the dataset: valid writers are {', '.join(able)}")
    return ref


def tpch_data(context: RunContext, scale_factor: Decimal | None = None) -> tpch.TpchData:
    """TPC-H at ``scale_factor``, or else the run's, found in the cache or made."""
    size = scale_factor or context.request.profile.scale_factor
    return context.prepared.once(f"tpch/{size}", lambda: tpch.generate(size, context.progress))


@dataclass(frozen=True)
class Loaded:
    """A workload on a lake: one recorded snapshot a table; ``failed`` is why a table is not there."""

    workload: Workload
    snapshots: tuple[Snapshot, ...]
    facts: Dataset
    failed: Mapping[str, CaseError] = field(default_factory=dict)

    @property
    def snapshot_ids(self) -> dict[str, int]:
        """Table name → snapshot id."""
        return {one.table: one.snapshot_id for one in self.snapshots}

    def require(self, tables: Iterable[str]) -> None:
        """Nothing, where ``tables`` are there.

        Raises:
            EngineUnavailable: one was not loaded, which says nothing of the engine that needs it.
        """
        for name in sorted(self.failed.keys() & set(tables)):
            error = self.failed[name]
            raise EngineUnavailable(f"not loaded by {self.facts.writer}: {error.outcome}: {error}")


def not_loaded(phase: str, loaded: Loaded) -> Iterator[Block]:
    """A case for each table that the writer failed to load: it is the writer's failure, and no reader's."""
    writer, storage = engines.parse(str(loaded.facts.writer)), loaded.facts.storage
    for table, error in loaded.failed.items():
        case = Case(
            id="/".join([phase, *([storage] if storage else []), f"{NOT_LOADED}-{table}", str(writer)]),
            phase=phase,
            title=f"{writer} loads {table}",
            engine=writer,
            group="Tables that were not loaded",
            row=table,
            column=str(writer),
            coordinates=Coordinates(
                engine=writer.name, version=writer.version, storage=storage, check=NOT_LOADED, more={"table": table}
            ),
        )
        yield Check(case, partial(_raise, error))


def _raise(error: CaseError, context: RunContext) -> Evidence:  # noqa: ARG001 - as a test of a case has it
    raise error


def load(context: RunContext, lake: Lake, workload: Workload, *, storage: str = "", registered: bool = False) -> Loaded:
    """``workload`` on ``lake``, written once a run by the run's writer, or ``registered``: see :func:`write`."""
    key = f"load/{workload.name}/{lake.name}"
    return context.prepared.once(key, lambda: _load(context, lake, workload, storage, registered=registered))


def _load(context: RunContext, lake: Lake, workload: Workload, storage: str, *, registered: bool) -> Loaded:
    writer = loader(context.request.writer)
    if registered:
        written = write(context, lake, workload, writer, registered=True)
    else:
        written = write(context, lake, workload, writer, sessions=("", _SECOND))
        context.workers.retire(writer, _SECOND)
    snapshots = tuple(snapshot(lake, name) for name in workload.tables if name not in written.failed)
    tables = tuple(one.facts() for one in snapshots)
    if registered:
        tables = tuple(replace(one, codec=written.codec) for one in tables)
    facts = replace(facts_of(workload, written, tables, storage), registered=registered)
    return Loaded(workload, snapshots, facts, written.failed)


def may_register(request: Request) -> bool:
    """Whether the generator's files may become tables as they are: the profile has no times that are compared."""
    able = issubclass(engines.find(loader(request.writer).name), CanAddFiles)
    return able and request.profile.name in {QUICK, ONCE} and "repeat" not in request.profile.chosen


@dataclass(frozen=True)
class LoadResult:
    """How a load went: ``seconds`` of all of it, ``None`` where an earlier try had written a part; peak in bytes.

    ``failed`` are the tables that the writer did not load, and why. ``codec`` is that of files that were registered.
    """

    writer: EngineRef
    seconds: float | None
    peak_bytes: int
    failed: Mapping[str, CaseError] = field(default_factory=dict)
    codec: str = ""

    def require_all(self) -> LoadResult:
        """Itself.

        Raises:
            LakebenchError: a table was not loaded.
        """
        for error in self.failed.values():
            raise error
        return self


def facts_of(workload: Workload, written: LoadResult, tables: tuple[TableFacts, ...], storage: str) -> Dataset:
    """What the records keep of a load."""
    return Dataset(
        dataset=workload.name,
        scale_factor=workload.scale_factor or "none",
        seed=workload.seed,
        content_hash=workload.content_hash,
        workload_hash=workload.workload_hash,
        writer=str(written.writer),
        tables=tables,
        load_seconds=written.seconds,
        load_peak_bytes=written.peak_bytes,
        storage=storage or None,
    )


def write(
    context: RunContext,
    lake: Lake,
    workload: Workload,
    writer: EngineRef,
    *,
    sessions: Sequence[str] = ("",),
    registered: bool = False,
) -> LoadResult:
    """Let ``writer`` write the tables of ``workload`` to ``lake``, one Parquet file after the other.

    With two sessions the largest table has the first for itself, while the second loads the others. What an earlier
    try of this run wrote of whole files stays, where the lake's catalog still has it. The result has the tables that
    failed; the others are written. ``registered`` files are not written again: they get the field ids of the table, and
    ``writer`` reads their statistics and commits them.

    Raises:
        LakebenchError: the writer cannot run here, or a service or the harness failed.
    """
    began = time.monotonic()
    tables = list(workload.tables.values())
    load = _Load(context, lake, writer, sessions[0], registered)
    already = {table.name: load.prepare(table) for table in tables}
    finished = list(range(sum(already.values())))
    title = f"loading {workload.title} by {writer} into {lake.name}"
    with context.progress.count(title, sum(len(table.files) for table in tables)) as done:

        def fill(session: str, share: Sequence[TableData]) -> int:
            peak = 0
            for table in share:
                for file in table.files[already[table.name] :]:
                    peak = max(peak, load.take(session, table, file))
                    finished.append(len(finished))
                    done(len(finished))
            return peak

        peaks = _side_by_side(context.workers, writer, _shares(tables, sessions), fill)
    seconds = None if any(already.values()) else round(time.monotonic() - began, 3)
    return LoadResult(writer, seconds, sum(peaks), load.failed, load.codec)


@dataclass
class _Load:
    """Tables on their way to ``lake``; one that ``failed`` is left alone, and the others go on."""

    context: RunContext
    lake: Lake
    writer: EngineRef
    first: str
    registered: bool = False
    failed: dict[str, CaseError] = field(default_factory=dict)
    codec: str = ""

    def prepare(self, table: TableData) -> int:
        """Make ``table``, unless an earlier try has; how many of its files are in it."""
        with self._alone(table):
            return _prepared(self.context, self.lake, table, self.writer, self.first)
        return 0

    def take(self, session: str, table: TableData, file: Path) -> int:
        """Load ``file``; the worker's peak in bytes."""
        if table.name in self.failed:
            return 0
        if self.registered:
            with self._alone(table):
                self._register(table, file)
            return 0
        # A catalog of its own name inside a server that both sessions share.
        at = self.lake if session == self.first else replace(self.lake, name=f"{self.lake.name}_{session}")
        arguments: dict[str, Any] = {"table": table.name, "files": [str(file)]}
        with self._alone(table):
            reply = self.context.client.call(self.writer, at, "load", _LOAD_LIMIT_S, session=session, **arguments)
            return int(reply["peak_bytes"])
        return 0

    def _register(self, table: TableData, file: Path) -> None:
        """Copy ``file`` with the table's field ids to where the table has its data, and commit it."""
        metadata = snapshot(self.lake, table.name).metadata
        (schema,) = [one for one in metadata["schemas"] if one["schema-id"] == metadata["current-schema-id"]]
        ids = {one["name"]: one["id"] for one in schema["fields"]}
        address = f"{metadata['location']}/data/{uuid.uuid4()}-{file.name}"
        self.codec = self.context.checker.call(field_ids.store, file, ids, self.lake.store, address)
        arguments: dict[str, Any] = {"table": table.name, "files": [address]}
        self.context.client.call(self.writer, self.lake, "add_files", _LOAD_LIMIT_S, session=self.first, **arguments)

    @contextlib.contextmanager
    def _alone(self, table: TableData) -> Iterator[None]:
        """Keep the engine's own failure, with the table's name; any other error is not about one table."""
        try:
            yield
        except CaseError as error:
            if not error.outcome.is_failure:
                raise
            self.context.prerequisites.check(error)  # now: what a full disk stopped may have freed space again
            failure = from_outcome(error.outcome, f"loading {table.name}: {error}")
            failure.details.update(error.details)
            self.failed[table.name] = failure


def _shares(tables: Sequence[TableData], sessions: Sequence[str]) -> dict[str, list[TableData]]:
    """Which session loads which tables."""
    if len(sessions) == 1:
        return {sessions[0]: list(tables)}
    largest = max(tables, key=lambda table: table.bytes)
    return {sessions[0]: [largest], sessions[1]: [table for table in tables if table is not largest]}


def _side_by_side(
    workers: WorkerPool,
    writer: EngineRef,
    shares: Mapping[str, Sequence[TableData]],
    fill: Callable[[str, Sequence[TableData]], int],
) -> list[int]:
    """``fill`` each share at once; where one fails, or the user interrupts, the workers of all end."""
    with ThreadPoolExecutor(len(shares)) as pool:
        try:
            return [one.result() for one in [pool.submit(fill, session, share) for session, share in shares.items()]]
        except BaseException:
            for session in shares:
                workers.retire(writer, session)
            raise


def _prepared(context: RunContext, lake: Lake, table: TableData, writer: EngineRef, session: str) -> int:
    """Make ``table``, unless an earlier try has; how many of its files are in it."""
    already = _already(lake, table)
    if already is None:
        schema = context.files.new(f"schema-{table.name}")
        context.checker.call(write_schema, table.files[0], schema)
        context.client.call(writer, lake, "create", session=session, table=table.name, rows=str(schema))
    return already or 0


def _already(lake: Lake, table: TableData) -> int | None:
    """How many of the files an earlier try has written, ``None`` where the table is yet to be made.

    A file that was written in part is taken back: the snapshot before it becomes the current one.
    """
    if lake.format is not TableFormat.ICEBERG:
        return None
    try:
        current = snapshot(lake, table.name)
    except Refused:
        return None
    whole = {rows: number for number, rows in enumerate(itertools.accumulate(table.file_rows, initial=0))}
    snapshots = {one["snapshot-id"]: one for one in current.metadata.get("snapshots", ())}
    at = snapshots.get(current.snapshot_id)
    while at is not None:
        rows = int(at["summary"].get("total-records", 0))
        if rows in whole:
            if at["snapshot-id"] != current.snapshot_id:
                roll_back(lake.catalog, lake.namespace, table.name, at["snapshot-id"])
            return whole[rows]
        at = snapshots.get(at.get("parent-snapshot-id"))
    if not snapshots:
        return 0
    drop(lake.catalog, lake.namespace, table.name)
    return None


def jdbc_lake(context: RunContext, snapshots: Sequence[Snapshot], ref: EngineRef) -> Lake:
    """The lake that ``ref`` sees through the JDBC catalog, with the tables of ``known`` registered in it."""
    lake = lakes.jdbc_lake(context.services)
    for one in snapshots:
        context.prepared.once(f"jdbc/{one.metadata_location}", partial(_register, context.client, ref, lake, one))
    return lake


def _register(client: EngineClient, ref: EngineRef, lake: Lake, one: Snapshot) -> None:
    client.call(ref, lake, "register", table=one.table, metadata_location=one.metadata_location)


def lake_for(context: RunContext, lake: Lake, ref: EngineRef, snapshots: Sequence[Snapshot]) -> Lake:
    """``lake`` as ``ref`` reaches it: itself, or the JDBC catalog over the very same files."""
    engine = engines.find(ref.name)
    if CatalogKind.REST not in engine.catalogs and issubclass(engine, CanRegister):
        return jdbc_lake(context, snapshots, ref)
    return lake


def tolerance(question: Question) -> str:
    """The rules that the answer's columns are compared by, in words."""
    kinds = {"exact": True, "average": bool(question.rules.average), "ratio": bool(question.rules.ratio)}
    rules = [f"{kind}: {RULES_TEXT[kind]}" for kind, used in kinds.items() if used]
    return "; ".join([*rules, *([question.rules.cut_text] if question.rules.is_cut else [])])


def word(thing: object) -> str:
    """``thing`` as part of a table's, a branch's or a namespace's name."""
    return "".join(c if c.isalnum() else "_" for c in str(thing))
