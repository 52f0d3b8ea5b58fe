"""TPC-H made by the workers of a cluster: they write its parts to the storage, and each table is committed once."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from lakebench import engines
from lakebench.config import Settings
from lakebench.datasets import tpch, tpch_part
from lakebench.datasets.workload import Workload, write_schema
from lakebench.engines import CanAddFiles, CanDistribute
from lakebench.engines.inprocess import local_path
from lakebench.errors import Refused, UsageError, WrongAnswer
from lakebench.execution.context import RunContext
from lakebench.execution.request import Request
from lakebench.inputs.addresses import without_passwords
from lakebench.model import EngineRef, Lake, Selection, TableFormat
from lakebench.phases.options import Asked, Option
from lakebench.phases.table_loading import Loaded, LoadResult, Snapshot, facts_of, loader, snapshot
from lakebench.processes.functions import name_of

_LIMIT_S = 24 * 3600.0
_LOOK_S = 1.0
_SCHEMA_OF = Decimal("0.01")  # any scale factor has the same columns
_ROWS_PER_SF = {"supplier": 10_000, "customer": 150_000, "part": 200_000, "partsupp": 800_000, "orders": 1_500_000}
_FORMATS = {TableFormat.ICEBERG, TableFormat.PARQUET}
_ON_WORKERS = "run our code on the workers of a cluster"


def _engine(text: str, asked: Asked) -> str:
    """The engine whose workers ``text`` means: by its name, its service's, or the address that the service has.

    Raises:
        UsageError: there is none, or it cannot run our code on workers.
    """
    if "://" in text:
        return _at(text, asked.settings)
    return engines.able([_clusters().get(text, text)], CanDistribute, _ON_WORKERS)[0] if text else ""


def _at(address: str, settings: Settings) -> str:
    for service, engine in _clusters().items():
        if settings.service(service).uri.rstrip("/") == address.rstrip("/"):
            return engine
    raise UsageError(
        f"--generate-on {without_passwords(address)}: no cluster of lakebench.toml has this address: write it as uri "
        f'into {" or ".join(f"[services.{one}]" for one in _clusters())}, with runtime = "external" and its password'
    )


def _clusters() -> dict[str, str]:
    """Service → the engine that runs our code on its workers."""
    able = {name: one for name, one in engines.engines().items() if issubclass(one, CanDistribute)}
    return {one.service: name for name, one in able.items() if one.service and one.variant_of is None}


GENERATE_ON = Option(
    "generate-on",
    "Let the workers of a cluster make the tables and write them to the storage, not this machine: spark or ray, or "
    "the address that one of them has in lakebench.toml.",
    metavar="CLUSTER",
    read=_engine,
)


@dataclass(frozen=True)
class ClusterData:
    """TPC-H as a cluster made it on one storage: what it is, and the addresses of each table's files, part by part.

    ``seconds`` is what this took, ``None`` where an earlier try had made a part.
    """

    data: tpch.TpchData
    addresses: Mapping[str, tuple[str, ...]]
    seconds: float | None


def require_possible(request: Request, on: str) -> None:
    """Nothing, where the data of ``request`` can be made ``on`` a cluster.

    Raises:
        UsageError: it asks for something that needs the files on this machine; the message says what.
    """
    chosen: Selection = request.selection
    if chosen.tests != ("queries",):
        raise UsageError(
            f"--generate-on {on} leaves no file on this machine, which the tests power and throughput need"
        )
    if own := [one for one in chosen.formats if TableFormat(one) not in _FORMATS]:
        raise UsageError(
            f"--generate-on {on} leaves no file on this machine, from which {', '.join(own)} is loaded: name "
            "--formats iceberg, or iceberg,parquet"
        )
    engines.able([request.writer], CanAddFiles, f"commit the files that --generate-on {on} makes")


def make(context: RunContext, lake: Lake, on: str) -> ClusterData:
    """The parts of TPC-H in the storage of ``lake``: each made by a worker of the cluster ``on``, and checked.

    Raises:
        Refused: the cluster did not make a part; those that it made stay, and are not made again.
        WrongAnswer: they are not what the generator makes on this machine.
        UsageError: the workers write to a disk that is not this machine's.
    """
    began, scale_factor = time.monotonic(), context.request.profile.scale_factor
    tables = _tables(context, lake)
    parts = tpch.parts_of(scale_factor)
    tasks = [_task(lake, scale_factor, one, tables) for one in parts]
    results = _distributed(context, lake, engines.parse(on), tasks)
    files = [{**one, "part": part["part"]} for part in results for one in part["files"]]
    data = tpch.made_elsewhere(scale_factor, files)
    _require_here(lake, on, files)
    _require_rows(data)
    _require_alike(context, scale_factor, parts, files)
    ordered = sorted(files, key=lambda one: one["part"])
    addresses = {name: tuple(one["address"] for one in ordered if one["table"] == name) for name in data.tables}
    made_now = all(one["made"] for one in results)
    return ClusterData(data, addresses, time.monotonic() - began if made_now else None)


def commit(context: RunContext, lake: Lake, made: ClusterData, workload: Workload, storage: str, on: str) -> Loaded:
    """``made`` as Iceberg tables: one commit a table by the run's writer, unless an earlier try has made it.

    Raises:
        Refused: a table has rows of something else.
        WrongAnswer: another storage has other data.
    """
    if made.data.content_hash != workload.content_hash:
        raise WrongAnswer(f"the files in {lake.name} are other than those of the first storage")
    began, writer = time.monotonic(), loader(context.request.writer)
    with context.progress.count(f"committing {workload.title} in {lake.name}", len(made.addresses)) as done:
        for number, (name, addresses) in enumerate(made.addresses.items(), start=1):
            rows, expected = snapshot(lake, name).facts().rows, workload.tables[name].rows
            if rows not in {0, expected}:
                raise Refused(
                    f"the table {lake.namespace}.{name} in {lake.name} has {rows} rows of something else: drop it"
                )
            if not rows:
                context.client.call(writer, lake, "add_files", _LIMIT_S, table=name, files=list(addresses))
            done(number)
    seconds = None if made.seconds is None else round(made.seconds + time.monotonic() - began, 3)
    snapshots = tuple(snapshot(lake, name) for name in workload.tables)
    facts = facts_of(workload, LoadResult(writer, seconds, 0), tuple(one.facts() for one in snapshots), storage)
    return Loaded(workload, snapshots, dataclasses.replace(facts, load_peak_bytes=None, generated_on=on))


def _tables(context: RunContext, lake: Lake) -> dict[str, Snapshot]:
    """Each table in the catalog, made where it is not there yet."""
    columns = tpch.generate(_SCHEMA_OF, context.progress)
    return {name: _table(context, lake, name, table.files[0]) for name, table in columns.tables.items()}


def _table(context: RunContext, lake: Lake, name: str, like: Path) -> Snapshot:
    with contextlib.suppress(Refused):
        return snapshot(lake, name)
    schema = context.files.new(f"schema-{name}")
    context.checker.call(write_schema, like, schema)
    context.client.call(loader(context.request.writer), lake, "create", table=name, rows=str(schema))
    return snapshot(lake, name)


def _task(lake: Lake, scale_factor: Decimal, one: tpch.Part, tables: Mapping[str, Snapshot]) -> dict[str, Any]:
    """What a worker needs to know to make ``one``."""
    version, size = tpch.generator_version(), f"{scale_factor:f}"
    folders = {name: _location(tables[name]) for name in one.tables}
    made = f"tpch-sf{size}-{version}"
    return {
        "version": version,
        "scale_factor": size,
        "part": one.number,
        "parts": one.parts,
        "files": {name: f"{at}/data/{made}/{name}.{one.number}.parquet" for name, at in folders.items()},
        "note": f"{folders[one.tables[0]]}/{made}-parts/{one.number}.json",
        "store": None if lake.store is None else dataclasses.asdict(lake.store),
    }


def _location(table: Snapshot) -> str:
    """Where the table lies, as an address with a scheme."""
    location = str(table.metadata["location"]).rstrip("/")
    return location if "://" in location else f"file://{location.removeprefix('file:')}"


def _distributed(
    context: RunContext, lake: Lake, ref: EngineRef, tasks: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    """The facts of every part, of which each is there."""
    into = context.files.new(f"{ref}-parts")
    title = f"making {len(tasks)} parts of TPC-H on the workers of {ref}"
    with context.progress.count(title, len(tasks)) as done, _watched(into, done):
        context.client.call(
            ref, lake, "distribute", _LIMIT_S, function=name_of(tpch_part.make), tasks=list(tasks), into=str(into)
        )
    results: list[dict[str, Any]] = [json.loads(line) for line in into.read_text("utf-8").splitlines()]
    failed = [one for one in results if "error" in one]
    if failed:
        raise Refused(
            f"{len(failed)} of {len(tasks)} parts were not made, part {failed[0]['part']}: {failed[0]['error']}"
        )
    return results


@contextlib.contextmanager
def _watched(file: Path, done: Callable[[int], None]) -> Iterator[None]:
    """Tell ``done``, now and then, how many lines ``file`` has."""
    over = threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_S):
            if file.exists():
                done(file.read_bytes().count(b"\n"))

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _require_here(lake: Lake, on: str, files: Sequence[Mapping[str, Any]]) -> None:
    """Of a local storage every file is on this machine."""
    away = [one["address"] for one in files if lake.store is None and not Path(local_path(one["address"])).exists()]
    if away:
        raise UsageError(
            f"the workers of {on} wrote to disks of their own: {away[0]} is not on this machine; name a --storage that "
            "they and this machine reach"
        )


def _require_rows(data: tpch.TpchData) -> None:
    """Each table but lineitem has as many rows as the specification says (clause 4.2.5)."""
    for name, per_unit in _ROWS_PER_SF.items():
        rows, expected = data.tables[name].rows, int(per_unit * data.scale_factor)
        if rows != expected:
            raise WrongAnswer(f"the parts of {name} have {rows} rows together, and {expected} are to be there")


def _require_alike(
    context: RunContext, scale_factor: Decimal, parts: Sequence[tpch.Part], files: Sequence[Mapping[str, Any]]
) -> None:
    """One part, which the seed chooses, is what the generator makes on this machine: rows, sums and bytes."""
    number = context.request.shuffled(tuple(range(len(parts))), where="a part that is made twice")[0]
    one, keys = parts[number], ("rows", "bytes", "sha256", "sums")
    folder = context.files.new(f"part-{one.number}").with_suffix("")
    folder.mkdir()
    with context.progress.step(f"making part {one.number} of {one.parts} of TPC-H here, to compare"):
        for table, path in tpch.make_part(scale_factor, one, folder).items():
            here = context.checker.call(tpch_part.facts_of, table, path)
            there = next(file for file in files if (file["table"], file["part"]) == (table, one.number))
            differ = [f"{key} {there[key]}, here {here[key]}" for key in keys if there[key] != here[key]]
            if differ:
                raise WrongAnswer(f"part {one.number} of {table} is not what is made here: {'; '.join(differ)}")
            path.unlink()
