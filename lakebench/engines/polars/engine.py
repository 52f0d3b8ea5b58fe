"""Polars: lazy frames and SQL on Iceberg tables."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from lakebench.engines import CanAppend, CanQuery, CanScan, Engine
from lakebench.engines.boundary import engine_call
from lakebench.engines.inprocess import (
    PYICEBERG_CATALOGS,
    Answer,
    file_io,
    local_path,
    named_snapshot,
    pyiceberg_catalog,
    require_deltalake,
    version_of,
)
from lakebench.engines.polars.calls import PolarsOperations, expression
from lakebench.errors import EngineUnavailable
from lakebench.iceberg.scan import Scan
from lakebench.model import CatalogKind, Lake, ObjectStore, TableFormat

if TYPE_CHECKING:
    import pyarrow as pa

_MEMORY = "POLARS_OVERRIDE_TOTAL_MEMORY_MB"


class Polars(PolarsOperations, Engine, CanQuery, CanScan, CanAppend):
    """``scan_iceberg`` frames and a SQL context with the catalog registered; or ``scan_parquet``, ``scan_delta``.

    PyIceberg loads a table's metadata and plans; Polars reads the data files itself and computes.
    """

    name: ClassVar[str] = "polars"
    title: ClassVar[str] = "Polars"
    dialect: ClassVar[str] = "postgres"
    distribution: ClassVar[str] = "polars"
    catalogs: ClassVar[tuple[CatalogKind, ...]] = PYICEBERG_CATALOGS
    # Not polars itself: open sets its threads and memory before the import.
    preload: ClassVar[tuple[str, ...]] = ("pyiceberg.catalog.rest", "pyiceberg.io.pyarrow")
    requirements: ClassVar[tuple[str, ...]] = ("polars=={version}", "pyiceberg[pyarrow]==0.12.0")
    formats: ClassVar[tuple[TableFormat, ...]] = (TableFormat.ICEBERG, TableFormat.PARQUET, TableFormat.DELTA)

    _catalog: Any = None
    _context: Any = None
    _lake: Lake

    def open(self, lake: Lake) -> None:
        """Register the catalog in a new SQL context; see :meth:`lakebench.engines.Engine.open`."""
        os.environ.update(self._environment())  # read when Polars is imported
        from polars import SQLContext

        self._lake = lake
        with _unstable():
            self._context = engine_call(SQLContext)
            if lake.format is not TableFormat.ICEBERG:
                engine_call(self._context.register_many, _frames(lake))
                return
            self._catalog = pyiceberg_catalog(lake)
            engine_call(
                self._context.register_catalog,
                lake.name,
                self._catalog,
                default_namespace=lake.namespace,
                default=True,
                storage_options=file_io(lake),
            )

    def close(self) -> None:
        """Let the context go."""
        self._context = None

    def versions(self) -> dict[str, str]:
        """Polars, and the library that plans for it."""
        from polars import __version__

        return {"polars": __version__, "pyiceberg": version_of("pyiceberg"), "pyarrow": version_of("pyarrow")}

    def settings_used(self) -> dict[str, str]:
        """Threads as Polars reports them, memory, and its way to a table."""
        from polars import thread_pool_size

        scanned = {TableFormat.PARQUET: "register_many(scan_parquet)", TableFormat.DELTA: "register_many(scan_delta)"}
        how = scanned.get(self._lake.format, "register_catalog")
        return {
            "POLARS_MAX_THREADS": str(engine_call(thread_pool_size)),
            _MEMORY: self._environment()[_MEMORY],
            "tables": f"SQLContext.{how}",
        }

    def query(self, sql: str) -> Iterable[pa.RecordBatch]:
        """Run ``sql`` in the context."""
        with _unstable():
            return _answer(engine_call(self._context.execute, sql))

    def scan(self, scan: Scan) -> Iterable[pa.RecordBatch]:
        """Read one table as a lazy frame.

        Raises:
            EngineUnavailable: metadata is asked for, or a snapshot by its time.
        """
        target = f"the metadata table {scan.metadata}" if scan.metadata else "a table as of a time"
        if scan.metadata or scan.at_ms is not None:
            raise EngineUnavailable(f"Polars has no way to read {target}")
        from polars import len as count
        from polars import scan_iceberg

        with _unstable():
            table = self._table(scan.table)
            snapshot_id = named_snapshot(table, scan.ref) if scan.ref else scan.snapshot_id
            frame = engine_call(scan_iceberg, table, snapshot_id=snapshot_id, storage_options=file_io(self._lake))
            for condition in scan.where:
                frame = engine_call(frame.filter, expression(scan.fields, condition))
            if scan.count:
                frame = engine_call(frame.select, engine_call(engine_call(count).alias, "n"))
            return _answer(engine_call(frame.select, *scan.columns) if scan.columns else frame)

    def append(self, table: str, rows: pa.Table) -> None:
        """Sink a frame of the rows in one commit."""
        from polars import from_arrow

        options = file_io(self._lake)
        with _unstable():
            frame = engine_call(engine_call(from_arrow, rows).lazy)
            engine_call(frame.sink_iceberg, self._table(table), mode="append", storage_options=options)

    def _environment(self) -> dict[str, str]:
        """Threads, and the memory above which the streaming engine spills to disk; no memory stops a query."""
        return {
            "POLARS_MAX_THREADS": str(self.settings.threads),
            _MEMORY: str(self.settings.memory // 2**20),
            "POLARS_OOC_SPILL_DIR": f"{self.settings.folder}/polars",
        }

    def _table(self, table: str) -> Any:
        return engine_call(self._catalog.load_table, (self._lake.namespace, table))


def _frames(lake: Lake) -> dict[str, Any]:
    """A lazy frame over the Parquet files of each table, or over the Delta Lake table in its folder."""
    from polars import scan_delta, scan_parquet

    options = None if lake.store is None else _storage_options(lake.store)
    paths = {table: [local_path(one) for one in addresses] for table, addresses in lake.files.items()}
    if lake.format is TableFormat.DELTA:
        require_deltalake("Polars")
        return {table: engine_call(scan_delta, path, storage_options=options) for table, (path,) in paths.items()}
    return {table: engine_call(scan_parquet, listed, storage_options=options) for table, listed in paths.items()}


def _storage_options(store: ObjectStore) -> dict[str, str]:
    """``store`` in the words of Rust's object_store."""
    return {
        "aws_endpoint_url": store.endpoint,
        "aws_access_key_id": store.access_key,
        "aws_secret_access_key": store.secret_key,
        "aws_region": store.region,
        "aws_virtual_hosted_style_request": str(not store.path_style).lower(),
        "aws_allow_http": str(store.endpoint.startswith("http://")).lower(),
    }


def _answer(frame: Any) -> Answer:
    rows = engine_call(engine_call(frame.collect).to_arrow)
    return Answer(rows.schema, rows.to_batches())


def _unstable() -> warnings.catch_warnings[None]:
    """Polars calls its Iceberg functions unstable, in a warning on each use."""
    return warnings.catch_warnings(action="ignore")
