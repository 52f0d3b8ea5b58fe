"""Tables on a lake: loading TPC-H, finding snapshots, reading rows back. Shared by phases."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lakebench import engines
from lakebench.bench import Bench
from lakebench.catalogs import table_metadata
from lakebench.datasets import tpch
from lakebench.engines import CanCreate, CanLoad, CanRegister
from lakebench.errors import UsageError
from lakebench.model import CatalogKind, EngineRef, Lake, Scan
from lakebench.records import Dataset, TableFacts
from lakebench.services import lakes

_LOAD_LIMIT_S = 4 * 3600.0


@dataclass(frozen=True)
class Snapshot:
    """A table at one snapshot, as its catalog tells (Iceberg specification, *Table Metadata Fields*)."""

    table: str
    snapshot_id: int
    metadata_location: str
    metadata: Mapping[str, Any]

    def facts(self) -> TableFacts:
        """What the records keep of it."""
        found = [one["summary"] for one in self.metadata["snapshots"] if one["snapshot-id"] == self.snapshot_id]
        summary = found[0] if found else {}
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
    found = table_metadata(lake.catalog, lake.namespace, table)
    metadata = found["metadata"]
    return Snapshot(table, metadata["current-snapshot-id"], found["metadata-location"], metadata)


def loader(name: str) -> EngineRef:
    """The engine that writes the dataset.

    Raises:
        UsageError: the engine is unknown, or cannot create and load tables; the message names those that can.
    """
    ref = engines.parse(name)
    able = [
        known
        for known, engine in engines.engines().items()
        if issubclass(engine, CanCreate) and issubclass(engine, CanLoad) and CatalogKind.REST in engine.catalogs
    ]
    if ref.name not in able:
        raise UsageError(f"'{name}' cannot write the dataset: valid writers are {', '.join(able)}")
    return ref


@dataclass(frozen=True)
class Loaded:
    """TPC-H on a lake: one recorded snapshot a table."""

    dataset: tpch.Dataset
    snapshots: tuple[Snapshot, ...]
    facts: Dataset

    @property
    def snapshot_ids(self) -> dict[str, int]:
        """Table name → snapshot id."""
        return {one.table: one.snapshot_id for one in self.snapshots}


def load_tpch(bench: Bench, lake: Lake) -> Loaded:
    """TPC-H at the run's scale factor on ``lake``, written once a run by the run's writer."""
    return bench.prepare(f"tpch/{lake.name}", lambda: _load_tpch(bench, lake))


def _load_tpch(bench: Bench, lake: Lake) -> Loaded:
    dataset = tpch.generate(bench.profile.scale_factor, bench.progress)
    writer = loader(bench.writer)
    began = time.monotonic()
    with bench.progress.count(f"loading TPC-H SF {dataset.scale_factor} by {writer}", len(dataset.tables)) as done:
        peaks = []
        for number, (name, table) in enumerate(dataset.tables.items(), start=1):
            schema = bench.file(f"schema-{name}")
            bench.checker.write_schema(table.files[0], schema)
            bench.call(writer, lake, "create", table=name, rows=str(schema))
            files = [str(file) for file in table.files]
            peaks.append(bench.call(writer, lake, "load", _LOAD_LIMIT_S, table=name, files=files)["peak_bytes"])
            done(number)
    seconds = time.monotonic() - began
    snapshots = tuple(snapshot(lake, name) for name in dataset.tables)
    facts = Dataset(
        dataset="tpch",
        scale_factor=str(dataset.scale_factor),
        seed=dataset.seed,
        content_hash=dataset.content_hash,
        workload_hash=tpch.workload_hash(tpch.queries(dataset.scale_factor)),
        writer=str(writer),
        tables=tuple(one.facts() for one in snapshots),
        load_seconds=round(seconds, 3),
        load_peak_bytes=max(peaks),
    )
    return Loaded(dataset, snapshots, facts)


def jdbc_lake(bench: Bench, known: Sequence[Snapshot], ref: EngineRef) -> Lake:
    """The lake that ``ref`` sees through the JDBC catalog, with the tables of ``known`` registered in it."""
    lake = lakes.jdbc_lake(bench.services)
    for one in known:
        bench.prepare(f"jdbc/{one.metadata_location}", partial(_register, bench, ref, lake, one))
    return lake


def _register(bench: Bench, ref: EngineRef, lake: Lake, one: Snapshot) -> None:
    bench.call(ref, lake, "register", table=one.table, metadata_location=one.metadata_location)


def lake_for(bench: Bench, lake: Lake, ref: EngineRef, known: Sequence[Snapshot]) -> Lake:
    """``lake`` as ``ref`` reaches it: itself, or the JDBC catalog over the very same files."""
    engine = engines.find(ref.name)
    if CatalogKind.REST not in engine.catalogs and issubclass(engine, CanRegister):
        return jdbc_lake(bench, known, ref)
    return lake


def read(bench: Bench, ref: EngineRef, lake: Lake, scan: Scan) -> Path:
    """The rows that ``ref`` reads, as the path of an Arrow IPC file."""
    into = bench.file(f"{ref}-{scan.table}")
    bench.call(ref, lake, "scan", scan=scan.to_json(), into=str(into))
    return into
