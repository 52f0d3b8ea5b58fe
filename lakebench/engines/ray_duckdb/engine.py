"""Ray + DuckDB: tasks of a Ray cluster with a DuckDB in each, over the files that a catalog plans."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from lakebench.engines import CanAppend, CanCreate, CanDistribute, CanQuery, CanScan, Engine
from lakebench.engines.boundary import engine_call
from lakebench.engines.ducklake import store_secret
from lakebench.engines.inprocess import (
    PYICEBERG_CATALOGS,
    Answer,
    create_namespace,
    drop_table,
    pyiceberg_catalog,
    version_of,
)
from lakebench.engines.ray import DAFT, ENVIRONMENT, PACKAGES, RAY, connect, cpus
from lakebench.engines.ray_duckdb import sources, tasks
from lakebench.engines.ray_duckdb.sources import PlannedTable
from lakebench.engines.ray_duckdb.stages import PARTS, Stage, stages
from lakebench.engines.ray_duckdb.tasks import Task
from lakebench.engines.sql import SqlDialect
from lakebench.errors import EngineUnavailable
from lakebench.iceberg.scan import Scan
from lakebench.model import CatalogKind, Lake, TableFormat

if TYPE_CHECKING:
    import pyarrow as pa

_EXTENSIONS: Mapping[TableFormat, tuple[str, ...]] = {
    TableFormat.ICEBERG: ("httpfs",),
    TableFormat.PARQUET: ("httpfs",),
    TableFormat.DUCKLAKE: ("httpfs", "ducklake", "postgres_scanner"),
}
_ROWS = "lakebench_rows"
_TASKS_A_CPU = 2  # the second begins while the first one's answer is on its way


class RayDuckDB(Engine, CanQuery, CanScan, CanCreate, CanAppend, CanDistribute):
    """A task for each part of a table, with DuckDB's SQL in it; a query is stages of such tasks.

    Tables of Iceberg are planned by PyIceberg, those of a DuckLake by its extension; a task reads its files without
    the rows that their delete files name. ``append`` writes Parquet in tasks and commits once (``add_files``).
    """

    name: ClassVar[str] = "ray_duckdb"
    title: ClassVar[str] = "Ray + DuckDB"
    dialect: ClassVar[str] = "duckdb"
    distribution: ClassVar[str] = "ray"
    computes_by: ClassVar[str] = "duckdb"
    service: ClassVar[str | None] = "ray"
    needs: ClassVar[tuple[str, ...]] = ("ray",)
    catalogs: ClassVar[tuple[CatalogKind, ...]] = PYICEBERG_CATALOGS
    formats: ClassVar[tuple[TableFormat, ...]] = (TableFormat.ICEBERG, TableFormat.PARQUET, TableFormat.DUCKLAKE)
    optional: ClassVar[bool] = True
    distributed: ClassVar[bool] = True
    usual_version: ClassVar[str] = RAY
    environment: ClassVar[str] = ENVIRONMENT
    requirements: ClassVar[tuple[str, ...]] = ("ray[client]=={version}", f"daft=={DAFT}", *PACKAGES)
    preload: ClassVar[tuple[str, ...]] = ("pyiceberg.catalog.rest", "pyiceberg.io.pyarrow", "pyarrow")

    sql: ClassVar[SqlDialect] = SqlDialect()

    _ray: Any = None
    _run: Any = None
    _catalog: Any = None
    _planner: Any = None
    _lake: Lake

    def open(self, lake: Lake) -> None:
        """Connect to the cluster, and open the catalog."""
        self._lake = lake
        self._ray = connect(self.settings.server, self.settings.folder)
        engine_call(self._ray.cloudpickle.register_pickle_by_value, tasks)
        # A task whose worker dies runs again, as Ray does by itself.
        self._run = engine_call(self._ray.remote, tasks.run)
        self._catalog = pyiceberg_catalog(lake) if lake.format is TableFormat.ICEBERG else None
        ducklake = lake.format is TableFormat.DUCKLAKE
        self._planner = sources.attached(lake, self._setup(), self._extensions()) if ducklake else None

    def close(self) -> None:
        """Let the catalog go; the driver stays connected."""
        self._catalog = None
        if self._planner is not None:
            engine_call(self._planner.close)

    def versions(self) -> dict[str, str]:
        """Ray, and what plans and computes on it."""
        packages = ("ray", "duckdb", "pyiceberg", "pyarrow")
        return {name: version_of(name) for name in packages}

    def settings_used(self) -> dict[str, str]:
        """How wide a query is spread."""
        return {"tasks at once": str(cpus(self._ray)), "parts of a table": f"at most {self._width}"}

    @property
    def _width(self) -> int:
        return cpus(self._ray) * _TASKS_A_CPU

    def query(self, sql: str) -> Iterable[pa.RecordBatch]:
        """Run the stages of ``sql`` one after the other; each waits for what it reads only."""
        return self._answer(self._stages(sql))

    def scan(self, scan: Scan) -> Iterable[pa.RecordBatch]:
        """Read the parts of a table side by side.

        Raises:
            EngineUnavailable: metadata, a branch, or a snapshot by its time is asked for.
        """
        if scan.metadata or scan.ref or scan.at_ms is not None:
            raise EngineUnavailable("Ray + DuckDB reads a table's rows, now or as of a snapshot's id, and nothing else")
        table, name = self._table(scan.table, scan.snapshot_id), scan.table
        select = self.sql.select(scan, f'"{name}"')
        parts = [self._submit(self._task(select, {name: one.source()})) for one in table.parts(self._width)]
        last = f"SELECT CAST(sum(n) AS BIGINT) AS n FROM {PARTS}" if scan.count else f"SELECT * FROM {PARTS}"
        return self._answer([self._submit(Task(last, inputs=((PARTS, len(parts)),)), parts)])

    def create(self, table: str, schema: pa.Schema) -> None:
        """Create the table by PyIceberg."""
        create_namespace(self._catalog, self._lake.namespace)
        engine_call(self._catalog.create_table, (self._lake.namespace, table), schema)

    def drop(self, table: str) -> None:
        """Drop the table where it exists."""
        drop_table(self._catalog, (self._lake.namespace, table))

    def append(self, table: str, rows: pa.Table) -> None:
        """Write the rows by two tasks at least, and commit their files once."""
        target = engine_call(self._catalog.load_table, (self._lake.namespace, table))
        location = f"{str(engine_call(target.location)).rstrip('/')}/data/{uuid.uuid4().hex}"
        share = max(1, -(-rows.num_rows // max(2, cpus(self._ray))))
        written = {f"{location}-{at}.parquet": rows.slice(at, share) for at in range(0, max(1, rows.num_rows), share)}
        self._gather([self._written(address, part) for address, part in written.items()])
        engine_call(target.add_files, list(written))

    def distribute(
        self, function: Callable[[Mapping[str, Any]], Mapping[str, Any]], tasks: Sequence[Mapping[str, Any]]
    ) -> Iterator[Mapping[str, Any]]:
        """A task of Ray, and so a CPU, for each; one whose worker dies runs again on another, three times at most."""
        engine_call(self._ray.cloudpickle.register_pickle_by_value, sys.modules[function.__module__])
        remote = engine_call(self._ray.remote, function)
        waiting = [engine_call(remote.remote, one) for one in tasks]
        while waiting:
            done, waiting = engine_call(self._ray.wait, waiting)
            yield from self._gather(done)

    def _written(self, address: str, rows: pa.Table) -> Any:
        task = replace(self._task(f"SELECT * FROM {_ROWS}", {}), inputs=((_ROWS, 1),), copy_to=address)
        return self._submit(task, [rows])

    # Stages

    def _stages(self, script: str) -> list[Any]:
        """The references to the answer's tables."""
        split: dict[str, list[Sequence[Any]]] = {}
        made: list[Any] = []
        for stage in stages(script):
            if stage.kind == "each":
                made += self._each(stage)
            elif stage.kind == "split":
                split[stage.table] = self._split(stage)
            elif stage.kind == "join":
                made, split = self._join(stage, split), {}
            else:
                made = [self._last(stage, made)]
        return made

    def _each(self, stage: Stage) -> list[Any]:
        whole = self._whole(stage)
        parts = self._table(stage.table).parts(self._width)
        return [self._submit(self._task(stage.sql, {**whole, stage.table: part.source()})) for part in parts]

    def _split(self, stage: Stage) -> list[Sequence[Any]]:
        """Of each part of the table a reference for each bucket."""
        whole, buckets = self._whole(stage), self._buckets
        parts = self._table(stage.table).parts(self._width)
        tasks_of_parts = [self._task(stage.sql, {**whole, stage.table: part.source()}) for part in parts]
        made = [self._submit(replace(one, key=stage.key, buckets=buckets)) for one in tasks_of_parts]
        return [one if buckets > 1 else [one] for one in made]

    def _join(self, stage: Stage, split: Mapping[str, list[Sequence[Any]]]) -> list[Any]:
        inputs = tuple((name, len(parts)) for name, parts in split.items())
        return [
            self._submit(Task(stage.sql, inputs=inputs), [part[bucket] for parts in split.values() for part in parts])
            for bucket in range(self._buckets)
        ]

    def _last(self, stage: Stage, made: list[Any]) -> Any:
        task, inputs = self._task(stage.sql, self._whole(stage)), ((PARTS, len(made)),) if made else ()
        return self._submit(replace(task, inputs=inputs), made)

    @property
    def _buckets(self) -> int:
        return cpus(self._ray)

    def _whole(self, stage: Stage) -> dict[str, str]:
        """The tables that the SELECT names, each whole, without the one that comes in parts."""
        return {name: self._table(name).source() for name in _named(stage.sql) if name != stage.table}

    def _table(self, name: str, snapshot_id: int | None = None) -> PlannedTable:
        lake = self._lake
        if lake.format is TableFormat.PARQUET:
            return sources.of_files(lake.files.get(name, ()))
        if lake.format is TableFormat.DUCKLAKE:
            return sources.of_ducklake(self._planner, lake, name)
        return sources.of_iceberg(self._catalog, lake.namespace, name, snapshot_id)

    # Tasks

    def _task(self, sql: str, views: Mapping[str, str]) -> Task:
        """One SELECT over ``views``, with the store's keys."""
        return Task(sql, views, extensions=("httpfs",) if self._lake.store else (), setup=self._setup())

    def _submit(self, task: Task, tables: Sequence[Any] = ()) -> Any:
        """Send ``task`` to the cluster; a reference to its answer, or one for each bucket."""
        return engine_call(engine_call(self._run.options, num_returns=task.buckets).remote, task, *tables)

    def _setup(self) -> tuple[str, ...]:
        return () if self._lake.store is None else (store_secret(self._lake.store),)

    def _extensions(self) -> tuple[str, ...]:
        names = _EXTENSIONS[self._lake.format]
        return names if self._lake.store else tuple(one for one in names if one != "httpfs")

    def _gather(self, references: Sequence[Any]) -> list[Any]:
        tables: list[Any] = engine_call(self._ray.get, list(references))
        return tables

    def _answer(self, references: Sequence[Any]) -> Answer:
        tables = self._gather(references)
        batches: Iterator[pa.RecordBatch] = (batch for table in tables for batch in table.to_batches())
        return Answer(tables[0].schema, batches)


def _named(sql: str) -> list[str]:
    """The tables that ``sql`` names, as DuckDB reads it."""
    import duckdb

    with engine_call.entered(duckdb.connect) as connection:
        return sorted(engine_call(connection.get_table_names, sql) - {PARTS})
