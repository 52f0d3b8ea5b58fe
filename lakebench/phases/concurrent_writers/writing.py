"""One cell of phase 9: writers that start together, a reader all along, perhaps a fault, and what came of it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lakebench import engines
from lakebench.datasets.concurrency import history
from lakebench.datasets.concurrency.workloads import FIELDS, ConcurrentWorkload, tasks
from lakebench.engines import CanOperate, CanScan
from lakebench.engines.ducklake import unverified
from lakebench.errors import CaseError, EngineCrash, EngineUnavailable, Refused, Timeout, WrongAnswer
from lakebench.execution.cases import Evidence
from lakebench.execution.context import RunContext
from lakebench.execution.engine_client import EngineClient
from lakebench.execution.request import Request
from lakebench.execution.workers import WorkerPool
from lakebench.iceberg.operations import Append, Create, Operation, to_json
from lakebench.iceberg.scan import Scan
from lakebench.model import CatalogKind, Coordinates, EngineRef, Lake, TableFormat
from lakebench.phases import distance
from lakebench.phases.table_loading import snapshot, word
from lakebench.processes.concurrent_tasks import Shape
from lakebench.processes.worker_client import Remote
from lakebench.services import Services, lakes
from lakebench.services.fault_proxies import HOLD, LOSE, REFUSE, Fault, HttpProxy, PostgresProxy, at_port
from lakebench.services.object_store import store

TABLE = "t"
ROWS, MANY_ROWS, MANY = 100, 160, 8  # rows of a cell, and of one with so many writers
# Of a cell with a fault: the writer that it happens to has more tasks than all the others can make it lose.
_FAULTY_TASKS, _OTHER_TASKS = 9, 3
LIMIT_S = 3.0
_FAULT_LIMIT_S = 5.0  # a client may wait before it tries again
_AHEAD_S = 0.05  # from the call of the last writer to the common start
_WAIT_S = 180.0
_HELD_S = 40.0
_SCAN = Scan(TABLE, fields=FIELDS)
_FINAL = "final"  # the session that makes tables, and reads them in the end
_RACE = b"ducklake_snapshot_pkey"
_DUCKLAKE_FACTS = (
    "SELECT (SELECT count(*) FROM ducklake_snapshots('lake')) AS snapshots, "
    "(SELECT count(*) FROM ducklake_list_files('lake', 't', schema => '{namespace}')) AS data_files"
)
_SLOW_DOWN = '<?xml version="1.0"?><Error><Code>SlowDown</Code><Message>made by lakebench</Message></Error>'
_COMMITS = re.compile(r"/tables/[^/?]+$|/transactions/commit$")
CATALOG, STORE = "catalog", "store"


@dataclass(frozen=True)
class SharedStore:
    """What the writers share, and how they connect.

    ``catalog`` is where a DuckLake's catalog lies, or the service of an Iceberg catalog. ``shared`` says whether
    another process can read meanwhile. ``catalog_ms`` is the round trip to the catalog in ms.
    """

    name: str
    format: TableFormat
    catalog: str = ""
    shape: Shape = field(default_factory=Shape)
    options: Mapping[str, str] = field(default_factory=dict)
    shared: bool = True
    catalog_ms: int = 0

    @property
    def id(self) -> str:
        """The name without commas and blanks."""
        return self.name.replace(",", "").replace(" ", "_")

    def away(self, catalog_ms: int) -> SharedStore:
        """The same store, its catalog a round trip of ``catalog_ms`` away."""
        return replace(self, name=f"{self.name}{distance.away(catalog_ms)}", catalog_ms=catalog_ms)


@dataclass(frozen=True)
class PlannedFault:
    """A fault that a cell is about: what is done to the requests of the first writer, on the way to which server."""

    name: str
    title: str
    kind: str
    where: str = CATALOG
    times: int = 1


FAULTS = {
    one.name: one
    for one in (
        PlannedFault(
            "catalog-refuses", "the catalog answers two commits with 503 (PostgreSQL: disconnects)", REFUSE, times=2
        ),
        PlannedFault("answer-lost", "the catalog commits, and the connection ends before its answer", LOSE),
        PlannedFault("store-refuses", "the object store answers a write with 503", REFUSE, STORE),
        # The last: a server that is killed is slow for a while after its next start.
        PlannedFault("killed", "a writer killed with -9 between its data and its commit", HOLD),
    )
}


@dataclass(frozen=True)
class WriterGroup:
    """Writers on one store with one workload; they take turns on ``refs``. ``fault`` names one of :data:`FAULTS`."""

    refs: tuple[EngineRef, ...]
    store: SharedStore
    workload: ConcurrentWorkload
    writers: int
    fault: str = ""

    @property
    def id(self) -> str:
        """Such as ``phase9/insert/ducklake-postgres_kept/8/duckdb``."""
        return f"phase9/{self.workload.name}/{self.store.id}/{self.fault or self.writers}/{self.who}"

    @property
    def coordinates(self) -> Coordinates:
        """What identifies its case."""
        more: dict[str, str | int] = {"fault": self.fault} if self.fault else {"writers": self.writers}
        more |= distance.coordinate(self.store.catalog_ms)
        return Coordinates(
            engines=tuple(map(str, self.refs)),
            format=self.store.format,
            catalog=self.store.catalog or None,
            test=self.workload.name,
            more={"store": self.store.id, **more},
        )

    @property
    def who(self) -> str:
        """The engines."""
        return "+".join(map(str, self.refs))

    def by(self, number: int) -> EngineRef:
        """The engine of the writer ``number``, which begins with 1."""
        return self.refs[(number - 1) % len(self.refs)]

    def session(self, name: str) -> str:
        """The session of the group's reader: groups with faults run side by side, and may share a reader."""
        return f"{self.refs[0]} {name}"

    def share(self, number: int) -> int:
        """How many tasks the writer ``number`` has."""
        if self.fault:
            return _FAULTY_TASKS if number == 1 else _OTHER_TASKS
        rows = MANY_ROWS if self.writers >= MANY else ROWS
        return rows // self.writers + (number <= rows % self.writers)


def run(context: RunContext, cell: WriterGroup) -> Evidence:
    """Have all writers write at once while one reads; compare the table with what was acknowledged.

    Raises:
        WrongAnswer: it cannot be explained.
        Refused: nobody could write.
    """
    lake, reader = _lake(context, cell), _reader(context.request, cell)
    _create(context.workers, context.client, cell, lake)
    races = _races(context.services)
    far = context.distances.lake(lake, cell.store.catalog_ms)
    with _faulty(cell, far) as (fault, writers_lake, answers):
        logs, seen = _write(context, cell, far, reader, writers_lake, fault)
        concurrency = _concurrency(context, cell, lake, reader, logs, seen, fault)
    concurrency |= (
        {"lost_races": _races(context.services) - races} if cell.store.catalog == CatalogKind.POSTGRES else {}
    )
    concurrency |= {"answers": dict(answers)} if answers else {}
    evidence = {"concurrency": concurrency, "checked_against": ["the commits that were acknowledged"]}
    if anomalies := concurrency["anomalies"]:
        kind, words = next(iter(anomalies.items()))
        raise WrongAnswer(f"{kind}: {words[0]}", **evidence)
    if not concurrency["succeeded"]:
        raise Refused(f"nobody could write: {next(iter(concurrency['errors']), 'no task began in time')}", **evidence)
    return evidence


def namespace_of(cell: WriterGroup) -> str:
    """The namespace of its tables."""
    return word(cell.id.removeprefix("phase9/"))[:60]


def _lake(context: RunContext, cell: WriterGroup) -> Lake:
    """A new lake: a file, a DuckLake, or a namespace of an Iceberg catalog."""
    name, one = namespace_of(cell), cell.store
    # A kept connection is made before the clock runs; a connection a task is as a user's.
    trusted = unverified(*cell.refs, _reader(context.request, cell)) if one.shape.kept else {}
    options = {**trusted, **one.options}
    folder = context.files.scratch / "concurrent"
    folder.mkdir(mode=0o700, exist_ok=True)
    if one.format is TableFormat.DUCKDB:
        local = replace(lakes.rest_lake(context.services), store=None)
        return replace(local, format=one.format, database=str(folder / f"{name}.duckdb"))
    if one.format is TableFormat.DUCKLAKE:
        objects = store(context.services.endpoint("object-store"))
        postgres = context.services.endpoint("postgres")
        return lakes.ducklake(CatalogKind(one.catalog), name, folder, objects, postgres, options)
    return replace(lakes.CATALOGS[one.catalog].lake(context.services), namespace=name, options=options)


def _reader(request: Request, cell: WriterGroup) -> EngineRef:
    """The engine that reads: the writers', or one inside a worker where theirs are servers, which may die."""
    able = [
        ref
        for ref in (*cell.refs, *request.able(CanScan, CanOperate))
        if engines.find(ref.name).service is None and cell.store.format in engines.find(ref.name).formats
    ]
    return (able or list(cell.refs))[0]


def _create(workers: WorkerPool, client: EngineClient, cell: WriterGroup, lake: Lake) -> None:
    """The table with the workload's first rows, by the first engine; then nobody has the lake open."""
    rows = cell.workload.first(cell.writers)
    made: list[Operation] = [Create(table=TABLE, columns=FIELDS)]
    made += [Append(table=TABLE, fields=FIELDS, rows=rows)] if rows else []
    client.call(cell.refs[0], lake, "operate", operations=[to_json(one) for one in made], session=cell.session(_FINAL))
    _close(workers, cell, cell.refs[0])


def _close(workers: WorkerPool, cell: WriterGroup, ref: EngineRef) -> None:
    (remote,) = workers.started([(ref, cell.session(_FINAL))])
    with contextlib.suppress(EngineCrash):
        remote.call("close", limit_s=_WAIT_S)


# Writers and readers


def _write(
    context: RunContext, cell: WriterGroup, lake: Lake, reader: EngineRef, first: Lake, fault: Fault | None
) -> tuple[dict[int, Path], Path | None]:
    """Run the writers and the reader; the files that they wrote. The first writer's lake is ``first``."""
    numbers = range(1, cell.writers + 1)
    remotes = context.workers.started([(cell.by(number), f"writer-{number}") for number in numbers])
    writer_lakes = [_named_lake(first if number == 1 else lake, number) for number in numbers]
    logs = {number: context.files.new(f"writer-{number}").with_suffix(".jsonl") for number in numbers}
    seen, stop = context.files.new("reader").with_suffix(".jsonl"), context.files.new("stop")
    with ThreadPoolExecutor(cell.writers + 2) as pool:
        list(pool.map(lambda remote, at: _enter(remote, at, cell), remotes, writer_lakes))
        reading = (
            pool.submit(_watch, context.workers, cell, reader, _named_lake(lake, 0), seen, stop)
            if cell.store.shared
            else None
        )
        killing = (
            pool.submit(_kill, context.services, cell, remotes[0], fault) if fault and fault.kind == HOLD else None
        )
        try:
            start = time.monotonic_ns() + int(_AHEAD_S * 1e9)
            list(pool.map(lambda number: _work(remotes[number - 1], cell, number, logs[number], start), numbers))
        finally:
            stop.touch()
        _ended(reading)
        _ended(killing)
        list(pool.map(_leave, remotes))
    return logs, seen if reading else None


def _ended(running: Future[None] | None) -> None:
    if running is not None:
        running.result()


def _named_lake(lake: Lake, number: int) -> Lake:
    """The lake under a name of the writer's: several writers may share one server, which knows catalogs by name."""
    return replace(lake, name=f"{lake.name}_{number}") if lake.format is TableFormat.ICEBERG else lake


def _enter(remote: Remote, lake: Lake, cell: WriterGroup) -> None:
    """Connect ahead where the connection is kept; a task tries again where that fails."""
    asked: dict[str, Any] = {"lake": dataclasses.asdict(lake), "shape": dataclasses.asdict(cell.store.shape)}
    remote.call("enter", limit_s=_WAIT_S, **asked)


def _work(remote: Remote, cell: WriterGroup, number: int, log: Path, start: int) -> None:
    """Run the writer's share. Of a writer that dies or hangs, its file has what it did."""
    operations = [to_json(replace(one, table=TABLE)) for one in tasks(cell.workload, number, cell.share(number))]
    seconds = _FAULT_LIMIT_S if cell.fault else LIMIT_S
    with contextlib.suppress(EngineCrash, Timeout):
        remote.call("work", limit_s=_WAIT_S, tasks=operations, into=str(log), start_ns=start, seconds=seconds)


def _leave(remote: Remote) -> None:
    if remote.alive:
        with contextlib.suppress(CaseError):
            remote.call("leave", limit_s=_WAIT_S)


def _watch(workers: WorkerPool, cell: WriterGroup, reader: EngineRef, lake: Lake, into: Path, stop: Path) -> None:
    """Read again and again; of a reader that dies with its server, its file has what it saw."""
    remote = workers.open(reader, lake, cell.session("reader"))
    with contextlib.suppress(EngineCrash):
        remote.call("watch", limit_s=_WAIT_S, scan=_SCAN.to_json(), into=str(into), stop=str(stop))


def _kill(services: Services, cell: WriterGroup, remote: Remote, fault: Fault) -> None:
    """End the first writer as soon as its commit is on the way: its process, or the server that is the engine."""
    if fault.held.wait(_HELD_S):
        server = engines.find(cell.refs[0].name).service
        if server is None:
            remote.kill()
        for pid in services.processes(server) if server else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
    fault.release()


def _concurrency(
    context: RunContext,
    cell: WriterGroup,
    lake: Lake,
    reader: EngineRef,
    logs: Mapping[int, Path],
    seen: Path | None,
    fault: Fault | None,
) -> dict[str, Any]:
    """What the checker says of the cell, after the last read of the table."""
    server = engines.find(cell.refs[0].name).service
    if server and not context.services.alive(server):
        context.workers.restart(cell.refs[0])
    final = _read(context.client, cell, reader, lake)
    facts = _facts(context.client, cell, lake, reader)
    _close(context.workers, cell, reader)
    lost = fault.fired if fault and fault.kind == LOSE else []
    readers = {f"{reader} (reader)": seen} if seen else {}
    findings = context.checker.call(history.of_files, cell.workload.name, logs, readers, final, facts[0], lost)
    fired = {"fault": FAULTS[cell.fault].title, "fault_fired": len(fault.fired)} if fault else {}
    if fault and not fault.fired:
        raise EngineUnavailable(f"the fault did not happen: {cell.who} sent no such request by way of the proxy")
    options = {"options": dict(cell.store.options)} if cell.store.options else {}
    return {"writers": cell.writers, "reader": str(reader), **findings, **facts[1], **fired, **options}


def _read(client: EngineClient, cell: WriterGroup, reader: EngineRef, lake: Lake) -> Path:
    """The whole table.

    Raises:
        WrongAnswer: it cannot be read any more, which it could before.
    """
    try:
        return client.scan(reader, lake, Scan(TABLE), session=cell.session(_FINAL))
    except Refused as error:
        raise WrongAnswer(f"the table cannot be read any more: {error}") from error


def _facts(
    client: EngineClient, cell: WriterGroup, lake: Lake, reader: EngineRef
) -> tuple[Path | None, dict[str, Any]]:
    """Snapshots and data files: of a DuckLake in a file with one row, of Iceberg as its catalog reports."""
    if cell.store.format is TableFormat.DUCKLAKE:
        sql = _DUCKLAKE_FACTS.format(namespace=lake.namespace)
        return client.query(reader, lake, sql, session=cell.session(_FINAL)).path, {}
    if cell.store.format is TableFormat.ICEBERG:
        at = snapshot(lake, TABLE)
        counts = {"snapshots": len(at.metadata.get("snapshots", ()))} if cell.store.catalog != "nessie" else {}
        return None, {**counts, "data_files": at.facts().files}
    return None, {}


def _races(services: Services) -> int:
    """How often PostgreSQL's log has a snapshot's number that another session had taken."""
    log = services.log("postgres")
    return log.read_bytes().count(_RACE) if log.exists() else 0


# Faults


@contextlib.contextmanager
def _faulty(cell: WriterGroup, lake: Lake) -> Iterator[tuple[Fault | None, Lake, Mapping[str, int]]]:
    """The fault, the lake by way of the proxy that makes it, and what the proxy answers."""
    if not cell.fault:
        yield None, lake, {}
        return
    planned = FAULTS[cell.fault]
    fault = _fault(planned)
    address = urlsplit(lake.objects.endpoint if planned.where == STORE else lake.catalog.uri)
    host, port = address.hostname or "", address.port or 0
    if address.scheme == "postgresql":
        with PostgresProxy(host, port, fault) as plain:
            yield fault, _by_way(lake, planned, plain.port), {}
        return
    with HttpProxy(host, port, fault) as proxy:
        yield fault, _by_way(lake, planned, proxy.port), proxy.answers


def _fault(planned: PlannedFault) -> Fault:
    if planned.where == STORE:
        return Fault(planned.kind, _is_write, skip=1, times=planned.times, body=_SLOW_DOWN)
    # After a commit of the same writer, so that somebody has written where the server dies with its writers.
    return Fault(planned.kind, _is_commit, skip=1 if planned.kind == HOLD else 0, times=planned.times)


def _is_commit(method: str, path: str) -> bool:
    """Whether it is a commit to a table, or a PostgreSQL's."""
    return method == "COMMIT" or (method == "POST" and bool(_COMMITS.search(path.partition("?")[0])))


def _is_write(method: str, _path: str) -> bool:
    return method == "PUT"


def _by_way(lake: Lake, planned: PlannedFault, port: int) -> Lake:
    """``lake`` with the proxy's port instead of the server's."""
    if planned.where == STORE:
        return replace(lake, store=replace(lake.objects, endpoint=at_port(lake.objects.endpoint, port)))
    return replace(lake, catalog=replace(lake.catalog, uri=at_port(lake.catalog.uri, port)))


def able(refs: Sequence[EngineRef], workload: ConcurrentWorkload, form: TableFormat) -> tuple[EngineRef, ...]:
    """Those of ``refs`` that can be asked for every operation of ``workload`` on a lake of this format."""
    task = workload.task(1, 0)
    kinds = {Create, type(task), *(type(one) for one in getattr(task, "operations", ()))}
    return tuple(
        ref
        for ref in refs
        if issubclass(one := engines.find(ref.name), CanOperate)
        and kinds <= one.operations
        and form in one.formats
        and (form is not TableFormat.ICEBERG or CatalogKind.REST in one.catalogs)
    )
