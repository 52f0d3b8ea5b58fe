"""Polars: lazy frames and SQL on Iceberg tables."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from lakebench.engines import CanAppend, CanQuery, Engine
from lakebench.engines.boundary import engine_call
from lakebench.engines.inprocess import (
    PYICEBERG_CATALOGS,
    Answer,
    ScansLoadedTable,
    file_io,
    named_snapshot,
    pyiceberg_catalog,
    version_of,
)
from lakebench.engines.polars.calls import PolarsOperations, expression, s3_endpoint, sink_storage, summaries
from lakebench.engines.polars.files import READERS, frames
from lakebench.errors import EngineUnavailable
from lakebench.iceberg.scan import Scan
from lakebench.model import CatalogKind, Lake, TableFormat

if TYPE_CHECKING:
    import pyarrow as pa

_MEMORY = "POLARS_OVERRIDE_TOTAL_MEMORY_MB"


class Polars(PolarsOperations, Engine, CanQuery, ScansLoadedTable, CanAppend):
    """``scan_iceberg`` frames and a SQL context with the catalog registered; or ``scan_parquet``, ``scan_delta``.

    PyIceberg loads the metadata; polars-iceberg plans, or PyIceberg where that cannot; Polars reads the data files
    itself and computes.
    """

    name: ClassVar[str] = "polars"
    title: ClassVar[str] = "Polars"
    dialect: ClassVar[str] = "postgres"
    distribution: ClassVar[str] = "polars"
    catalogs: ClassVar[tuple[CatalogKind, ...]] = PYICEBERG_CATALOGS
    # Not polars itself: open sets its threads and memory before the import.
    preload: ClassVar[tuple[str, ...]] = ("pyiceberg.catalog.rest", "pyiceberg.io.pyarrow")
    requirements: ClassVar[tuple[str, ...]] = ("polars[iceberg]=={version}", "pyiceberg[pyarrow]==0.12.0")
    formats: ClassVar[tuple[TableFormat, ...]] = (
        TableFormat.ICEBERG,
        TableFormat.PARQUET,
        TableFormat.DELTA,
        TableFormat.VORTEX,
        TableFormat.LANCE,
    )
    environments: ClassVar[Mapping[TableFormat, str]] = dict.fromkeys(
        (TableFormat.VORTEX, TableFormat.LANCE), "file-formats"
    )

    _catalog: Any = None
    _context: Any = None
    _frames: Mapping[str, Any]
    _lake: Lake

    def open(self, lake: Lake) -> None:
        """Register the catalog in a new SQL context; see :meth:`lakebench.engines.Engine.open`."""
        os.environ.update(self._environment())  # read when Polars is imported
        from polars import SQLContext

        self._lake = lake
        with _unstable():
            self._context = engine_call(SQLContext)
            if lake.format.is_files:
                self._frames = frames(lake)
                engine_call(self._context.register_many, self._frames)
                return
            if not hasattr(SQLContext, "register_catalog"):
                raise EngineUnavailable("Polars has catalogs in SQL since 2.1; lakebench knows no other way to them")
            self._catalog = pyiceberg_catalog(lake)
            engine_call(
                self._context.register_catalog,
                lake.name,
                self._catalog,
                default_namespace=lake.namespace,
                default=True,
                storage_options=_storage(lake),
            )

    def close(self) -> None:
        """Let the context go."""
        self._context = None

    def versions(self) -> dict[str, str]:
        """Polars, and the libraries that plan or read for it."""
        from polars import __version__

        others = {TableFormat.VORTEX: ("vortex-data",), TableFormat.LANCE: ("pylance",)}
        readers = others.get(self._lake.format, ("polars-iceberg", "pyiceberg"))
        return {"polars": __version__, **{one: version_of(one) for one in (*readers, "pyarrow")}}

    def settings_used(self) -> dict[str, str]:
        """Threads as Polars reports them, memory, and its way to a table."""
        from polars import thread_pool_size

        how = f"register_many({READERS[self._lake.format]})" if self._lake.format.is_files else "register_catalog"
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
        if scan.metadata or scan.at_ms is not None or scan.positions:
            raise EngineUnavailable(f"Polars has no way to read {_target(scan)}")
        return self._scan(self._table_of(scan), scan)

    def _scan(self, table: Any, scan: Scan) -> Iterable[pa.RecordBatch]:
        from polars import len as count

        with _unstable():
            frame = self._frames[scan.table] if table is None else self._iceberg_frame(table, scan)
            for condition in scan.where:
                frame = engine_call(frame.filter, expression(scan.fields, condition))
            if scan.count:
                frame = engine_call(frame.select, engine_call(engine_call(count).alias, "n"))
            if scan.summary:
                return _answer(engine_call(frame.select, *summaries(scan.summary)))
            return _answer(engine_call(frame.select, *scan.columns) if scan.columns else frame)

    def _iceberg_frame(self, table: Any, scan: Scan) -> Any:
        from polars import scan_iceberg

        snapshot_id = named_snapshot(table, scan.ref) if scan.ref else scan.snapshot_id
        return engine_call(scan_iceberg, table, snapshot_id=snapshot_id, storage_options=_storage(self._lake))

    def append(self, table: str, rows: pa.Table) -> None:
        """Sink a frame of the rows in one commit."""
        from polars import from_arrow

        target = self._table(table)
        with _unstable():
            frame = engine_call(engine_call(from_arrow, rows).lazy)
            engine_call(frame.sink_iceberg, target, mode="append", storage_options=sink_storage(target))

    def _environment(self) -> dict[str, str]:
        """Threads, and the memory above which the streaming engine spills to disk; no memory stops a query."""
        return {
            "POLARS_MAX_THREADS": str(self.settings.threads),
            _MEMORY: str(self.settings.memory // 2**20),
            "POLARS_OOC_SPILL_DIR": f"{self.settings.folder}/polars",
        }

    def _table(self, table: str) -> Any:
        return engine_call(self._catalog.load_table, (self._lake.namespace, table))


def _storage(lake: Lake) -> dict[str, str]:
    """The store of ``lake``; nothing where its files are local."""
    properties = file_io(lake)
    return properties if lake.store is None else properties | s3_endpoint(properties, f"s3://{lake.store.bucket}")


def _target(scan: Scan) -> str:
    if scan.positions:
        return "rows by their positions"
    return f"the metadata table {scan.metadata}" if scan.metadata else "a table as of a time"


def _answer(frame: Any) -> Answer:
    rows = engine_call(engine_call(frame.collect).to_arrow)
    return Answer(rows.schema, rows.to_batches())


def _unstable() -> warnings.catch_warnings[None]:
    """Polars calls its Iceberg functions unstable, in a warning on each use."""
    return warnings.catch_warnings(action="ignore")
