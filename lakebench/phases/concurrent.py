"""Phase 9: several writers at once on one table, and whether every acknowledged commit is there, once."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from lakebench import engines
from lakebench.bench import Bench
from lakebench.cases import Block, Case, Check, Evidence
from lakebench.config import Settings
from lakebench.datasets.concurrency.workloads import FIELDS, WORKLOADS, Workload, tasks
from lakebench.engines import CanOperate, CanScan
from lakebench.errors import Refused, WrongAnswer
from lakebench.loops import Retry, Shape
from lakebench.model import CatalogKind, EngineRef, Lake, Record, Scan, Selection, TableFormat
from lakebench.operations import Append, Create, Operation, to_json
from lakebench.phases import Phase
from lakebench.phases.tables import word
from lakebench.records import Claim, Dataset
from lakebench.remote import Remote
from lakebench.services import lakes
from lakebench.services.object_store import store

_TABLE = "t"
_AHEAD_S = 0.05  # from the call of the last writer to the common start
_ROWS, _MANY_ROWS, _MANY = 100, 160, 8  # rows of a cell, and of one with so many writers
_FEW = 3  # writers of the cells that are no appends
_LIMIT_S = 10.0
_LITTLE_SLOWER = 1.5
_WAIT_S = 120.0
_SCAN = Scan(_TABLE, fields=FIELDS)
_LOCK = Retry("Conflicting lock", attempts=6, wait_s=0.5)  # as the tool behind the claims waits for the file
_APPENDS = "Appends by writers at once"
_CHANGES = f"Changes by {_FEW} writers at once"


@dataclass(frozen=True)
class Store:
    """What the writers share, and how they connect; ``shared`` says whether another process can read meanwhile."""

    name: str
    format: TableFormat
    catalog: CatalogKind | None = None
    shape: Shape = dataclasses.field(default_factory=Shape)
    options: Mapping[str, str] = dataclasses.field(default_factory=dict)
    shared: bool = True


_TASK = Shape(kept=False)
_CREATE = "CREATE TABLE IF NOT EXISTS t (id BIGINT, writer INTEGER, value BIGINT)"
_POSTGRES = Store("ducklake-postgres kept", TableFormat.DUCKLAKE, CatalogKind.POSTGRES)
_ICEBERG = Store("iceberg-rest kept", TableFormat.ICEBERG)
_STORES = (
    Store("duckdb-file kept", TableFormat.DUCKDB, shared=False),
    Store("duckdb-file task", TableFormat.DUCKDB, shape=Shape(kept=False, retry=_LOCK), shared=False),
    _POSTGRES,
    replace(_POSTGRES, name="ducklake-postgres task", shape=_TASK),
    Store("ducklake-sqlite kept", TableFormat.DUCKLAKE, CatalogKind.SQLITE),
    Store("ducklake-duckdb kept", TableFormat.DUCKLAKE, CatalogKind.DUCKDB, shared=False),
    _ICEBERG,
)
_INLINING = "DATA_INLINING_ROW_LIMIT"
_RETRIES = "ducklake_max_retry_count"
_VARIED = (
    replace(_POSTGRES, name="ducklake-postgres kept, no inlining", options={_INLINING: "0"}),
    replace(_POSTGRES, name="ducklake-postgres kept, retry count 0", options={_RETRIES: "0"}),
    replace(_POSTGRES, name="ducklake-postgres kept, retry count 100", options={_RETRIES: "100"}),
    replace(_POSTGRES, name="ducklake-postgres task, CREATE TABLE in it", shape=replace(_TASK, before=_CREATE)),
)


@dataclass(frozen=True)
class Cell:
    """Writers of one engine on one store with one workload."""

    ref: EngineRef
    store: Store
    workload: Workload
    writers: int

    @property
    def id(self) -> str:
        """Such as ``phase9/insert/ducklake-postgres_kept/8/duckdb``."""
        where = self.store.name.replace(",", "").replace(" ", "_")
        return f"phase9/{self.workload.name}/{where}/{self.writers}/{self.ref}"

    @property
    def rows(self) -> int:
        """The tasks of all writers together."""
        return _MANY_ROWS if self.writers >= _MANY else _ROWS


class Concurrent(Phase):
    """What several processes that write at once get: rows, errors, times; and whether the outcome can be explained."""

    name: ClassVar[str] = "phase9"
    subject: ClassVar[str] = "concurrent_writers"
    title: ClassVar[str] = "Several writers at once: DuckDB's file, DuckLake and Iceberg, with an oracle for the rows"
    claims: ClassVar[tuple[str, ...]] = ("C28", "C29", "C30")

    def services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:  # noqa: ARG002
        """An object store, a REST catalog, and PostgreSQL for a DuckLake."""
        return ("object-store", "rest-catalog", "postgres")

    def engines(self, selection: Selection) -> tuple[str, ...]:  # noqa: ARG002
        """Those inside a worker that append by an operation; servers are asked where they are named."""
        return tuple(
            name
            for name, one in engines.engines().items()
            if issubclass(one, CanOperate)
            and issubclass(one, CanScan)
            and {Append, Create} <= one.operations
            and one.service is None
            and one.distribution != "lakebench-harness"
            and not one.optional
        )

    def ready(self, bench: Bench) -> None:
        """The checker."""
        bench.checker.start()

    def plan(self, bench: Bench) -> Iterator[Block]:
        """Appends by store and number of writers, then settings, then other changes; engine by engine."""
        for ref in bench.able(CanOperate, CanScan):
            for cell in _cells(bench, ref):
                yield Check(_case(cell), partial(_run, cell=cell))

    def facts(self, bench: Bench) -> Iterator[Dataset]:  # noqa: ARG002
        """Nothing: the rows are made by the writers."""
        return iter(())

    def reproduced(self, cases: Sequence[Record], scale_factor: str) -> Iterator[Claim]:  # noqa: ARG002
        """Claims C28 to C30."""
        known = {case.case: case for case in cases}
        yield _lock_errors(known)
        yield _pooled(known)
        yield _one_writer(known)


def _cells(bench: Bench, ref: EngineRef) -> Iterator[Cell]:
    formats = engines.find(ref.name).formats
    numbers = (1, _FEW) if bench.profile.name == "quick" else (1, _FEW, _MANY, 16)
    own = [one for one in _STORES if one.format in formats]
    for one in own:
        yield from (Cell(ref, one, WORKLOADS["insert"], number) for number in numbers)
    for one in _VARIED:
        if one.format in formats:
            yield Cell(ref, one, WORKLOADS["insert"], max(numbers[:3]))
    for one in (_POSTGRES, _ICEBERG):
        if one.format in formats:
            for name in ("groups", "update-one", "update-own", "move", "add-column"):
                yield Cell(ref, one, WORKLOADS[name], _FEW)


def _case(cell: Cell) -> Case:
    appends = cell.workload.name == "insert"
    return Case(
        id=cell.id,
        phase="phase9",
        title=f"{cell.writers} writers by {cell.ref} on {cell.store.name}: {cell.workload.title}",
        engine=cell.ref,
        group=_APPENDS if appends else _CHANGES,
        row=f"{cell.store.name} by {cell.ref}",
        column=f"{cell.writers} writers" if appends else cell.workload.name,
    )


def _run(bench: Bench, cell: Cell) -> Evidence:
    """Write by all at once while somebody reads, and hold what is there against what was acknowledged.

    Raises:
        WrongAnswer: it cannot be explained.
        Refused: nobody could write.
    """
    lake = _lake(bench, cell)
    _create(bench, cell, lake)
    found = _history(bench, cell, lake)
    told = {**found, "options": dict(cell.store.options), "time_limit_s": _LIMIT_S}
    if anomalies := found["anomalies"]:
        kind, words = next(iter(anomalies.items()))
        raise WrongAnswer(f"{kind}: {words[0]}", concurrency=told)
    if not found["succeeded"]:
        raise Refused(f"nobody could write: {next(iter(found['errors']), 'no task began in time')}", concurrency=told)
    return {"concurrency": told, "checked_against": ["the commits that were acknowledged"]}


def _lake(bench: Bench, cell: Cell) -> Lake:
    """A lake that nobody has used: a file, a DuckLake, or a namespace of the REST catalog."""
    name = word(cell.id)
    one = cell.store
    folder = bench.guard.folder / "concurrent"
    folder.mkdir(exist_ok=True)
    if one.format is TableFormat.DUCKDB:
        rest = lakes.rest_lake(bench.services)
        return replace(rest, store=None, format=one.format, database=str(folder / f"{name}.duckdb"))
    if one.catalog is not None:
        postgres = bench.services.endpoint("postgres")
        objects = store(bench.services.endpoint("object-store"))
        return lakes.ducklake(one.catalog, name[:60], folder, objects, postgres, one.options)
    return replace(lakes.rest_lake(bench.services), namespace=name)


def _create(bench: Bench, cell: Cell, lake: Lake) -> None:
    """The table with the workload's first rows, by the engine; then nobody has the lake open."""
    rows = cell.workload.first(cell.writers)
    made: list[Operation] = [Create(table=_TABLE, columns=FIELDS)]
    made += [Append(table=_TABLE, fields=FIELDS, rows=rows)] if rows else []
    bench.call(cell.ref, lake, "operate", operations=[to_json(one) for one in made], seat="final")
    _close(bench, cell.ref)


def _close(bench: Bench, ref: EngineRef) -> None:
    """Close the lake at the seat that makes tables and reads them in the end."""
    (remote,) = bench.workers([(ref, "final")])
    remote.call("close", limit_s=_WAIT_S)


def _history(bench: Bench, cell: Cell, lake: Lake) -> dict[str, Any]:
    """Run the writers and a reader; what the checker says of it."""
    ref, numbers = cell.ref, range(1, cell.writers + 1)
    remotes = dict(zip(numbers, bench.workers([(ref, f"writer-{number}") for number in numbers]), strict=True))
    logs = {number: bench.file(f"writer-{number}").with_suffix(".jsonl") for number in numbers}
    seen, stop = bench.file("reader").with_suffix(".jsonl"), bench.file("stop")
    with ThreadPoolExecutor(cell.writers + 1) as pool:
        refused = list(pool.map(lambda number: _enter(remotes[number], _own(lake, number), cell), numbers))
        reading = pool.submit(_watch, bench, cell, lake, seen, stop) if cell.store.shared else None
        try:
            start = time.monotonic_ns() + int(_AHEAD_S * 1e9)
            list(pool.map(lambda number: _work(remotes[number], cell, number, logs[number], start), numbers))
        finally:
            stop.touch()
        if reading:
            reading.result()
        list(pool.map(lambda number: remotes[number].call("leave", limit_s=_WAIT_S), numbers))
    final = bench.file("final")
    bench.call(ref, lake, "scan", scan=Scan(_TABLE).to_json(), into=str(final), seat="final")
    _close(bench, ref)
    readers = {f"{ref} reader": seen} if reading else {}
    found: dict[str, Any] = bench.checker.writers(cell.workload.name, logs, readers, final)
    return {"writers": cell.writers, "not_connected_at_start": sum(map(bool, refused)), **found}


def _own(lake: Lake, number: int) -> Lake:
    """The lake under a name of the writer's: several writers may share one server, which knows catalogs by name."""
    return replace(lake, name=f"{lake.name}_{number}") if lake.format is TableFormat.ICEBERG else lake


def _enter(remote: Remote, lake: Lake, cell: Cell) -> str:
    asked = {"lake": dataclasses.asdict(lake), "shape": dataclasses.asdict(cell.store.shape)}
    return str(remote.call("enter", limit_s=_WAIT_S, **asked)["refused"])


def _work(remote: Remote, cell: Cell, number: int, log: Path, start: int) -> None:
    """The writer's share of the rows."""
    share = cell.rows // cell.writers + (number <= cell.rows % cell.writers)
    operations = [to_json(replace(one, table=_TABLE)) for one in tasks(cell.workload, number, share)]
    remote.call("work", limit_s=_WAIT_S, tasks=operations, into=str(log), start_ns=start, seconds=_LIMIT_S)


def _watch(bench: Bench, cell: Cell, lake: Lake, into: Path, stop: Path) -> None:
    bench.call(
        cell.ref, _own(lake, 0), "watch", _WAIT_S, seat="reader", scan=_SCAN.to_json(), into=str(into), stop=str(stop)
    )


# Claims


def _told(known: Mapping[str, Record], store: str, writers: int) -> Mapping[str, Any]:
    """The evidence of the appends by DuckDB on ``store``, empty where they did not run, or did not pass."""
    record = known.get(f"phase9/insert/{store}/{writers}/duckdb")
    found: Mapping[str, Any] = record.evidence.get("concurrency", {}) if record else {}
    return found


def _lock_errors(known: Mapping[str, Record]) -> Claim:
    file, lake = _told(known, "duckdb-file_kept", _FEW), _told(known, "ducklake-postgres_kept", _FEW)
    locked = sum(count for text, count in file.get("errors", {}).items() if "Conflicting lock" in text)
    also = sum(count for text, count in lake.get("errors", {}).items() if "Conflicting lock" in text)
    ours = {"duckdb file": f"{locked} lock errors", "ducklake": f"{also} lock errors"} if file and lake else {}
    verdict = "could not run here" if not ours else "reproduced" if locked and not also else "not reproduced"
    return Claim(
        claim="C28",
        statement="Several processes on one DuckDB file: Conflicting lock; on DuckLake with PostgreSQL: no lock error",
        theirs={"duckdb file": "Conflicting lock is held", "ducklake": "no lock error"},
        ours=ours,
        verdict=verdict,
    )


def _pooled(known: Mapping[str, Record]) -> Claim:
    """C29 by the time for each row that was written, as not all shapes write all rows in the time they have."""
    stores = ("duckdb-file_task", "ducklake-postgres_kept", "ducklake-postgres_task")
    each = {one: _per_row(_told(known, one, _FEW)) for one in stores}
    ours = {one: f"{value:.0f} ms a row" for one, value in each.items() if value is not None}
    file, kept = each[stores[0]], each[stores[1]]
    verdict = "could not run here" if file is None or kept is None else _faster(kept, file)
    return Claim(
        claim="C29",
        statement="100 rows by 3 workers: DuckDB without pooling 440 ms an operation, DuckLake pooled 280 ms",
        theirs={"duckdb": "440 ms a row", "ducklake pooled": "280 ms a row"},
        ours=ours,
        verdict=verdict,
        detail="Wall time of all writers by the rows that they wrote. The claim compares two shapes: DuckDB opens its "
        "file for each row, DuckLake keeps its connection.",
    )


def _per_row(told: Mapping[str, Any]) -> float | None:
    return 1000 / told["operations_per_s"] if told.get("operations_per_s") else None


def _faster(one: float, other: float) -> str:
    return "reproduced" if one < other else "not reproduced"


def _one_writer(known: Mapping[str, Record]) -> Claim:
    """C30 in both shapes: a connection a task, and a kept one."""
    pairs = {
        "a connection a task": ("duckdb-file_task", "ducklake-postgres_task"),
        "a kept one": ("duckdb-file_kept", "ducklake-postgres_kept"),
    }
    ratios: dict[str, float] = {}
    for shape, (file, lake) in pairs.items():
        ours, theirs = _told(known, lake, 1).get("median_ms"), _told(known, file, 1).get("median_ms")
        if ours and theirs:
            ratios[shape] = ours / theirs
    near = all(1 < one <= _LITTLE_SLOWER for one in ratios.values())
    verdict = "could not run here" if not ratios else "reproduced" if near else "not reproduced"
    return Claim(
        claim="C30",
        statement="One worker: DuckLake is 5 to 10 % slower than DuckDB",
        theirs={"one worker": "1.05 to 1.10 times"},
        ours={shape: f"{ratio:.2f} times" for shape, ratio in ratios.items()},
        verdict=verdict,
        detail=f"Reproduced means slower, by half at most: up to {_LITTLE_SLOWER:g} times, in both shapes.",
    )
