"""Polars: lazy frames and SQL on Iceberg tables."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from lakebench.engines import CanAppend, CanQuery, CanScan, Engine
from lakebench.engines.inprocess import Answer, pyiceberg_catalog, refusals, s3_properties, version_of
from lakebench.engines.polars.calls import PolarsOperations, expression
from lakebench.errors import EngineUnavailable
from lakebench.model import Lake, Scan

if TYPE_CHECKING:
    import pyarrow as pa


class Polars(PolarsOperations, Engine, CanQuery, CanScan, CanAppend):
    """``scan_iceberg`` frames and a SQL context with the catalog registered.

    PyIceberg loads a table's metadata and plans; Polars reads the data files itself and computes.
    """

    name: ClassVar[str] = "polars"
    title: ClassVar[str] = "Polars"
    dialect: ClassVar[str] = "postgres"
    distribution: ClassVar[str] = "polars"
    # Not polars itself: open sets its number of threads before the import.
    preload: ClassVar[tuple[str, ...]] = ("pyiceberg.catalog.rest", "pyiceberg.io.pyarrow")
    requirements: ClassVar[tuple[str, ...]] = ("polars=={version}", "pyiceberg[pyarrow]==0.12.0")

    _catalog: Any = None
    _context: Any = None
    _lake: Lake

    def open(self, lake: Lake) -> None:
        """Register the catalog in a new SQL context; see :meth:`lakebench.engines.Engine.open`."""
        os.environ["POLARS_MAX_THREADS"] = str(self.settings.threads)  # read when Polars is imported
        with refusals(), _unstable():
            from polars import SQLContext

            self._catalog = pyiceberg_catalog(lake)
            self._context = SQLContext()
            self._context.register_catalog(
                lake.name,
                self._catalog,
                default_namespace=lake.namespace,
                default=True,
                storage_options=s3_properties(lake.objects),
            )
            self._lake = lake

    def close(self) -> None:
        """Let the context go."""
        self._context = None

    def versions(self) -> dict[str, str]:
        """Polars, and the library that plans for it."""
        from polars import __version__

        return {"polars": __version__, "pyiceberg": version_of("pyiceberg"), "pyarrow": version_of("pyarrow")}

    def settings_used(self) -> dict[str, str]:
        """Threads as Polars tells them, and its way to a table."""
        from polars import thread_pool_size

        return {"POLARS_MAX_THREADS": str(thread_pool_size()), "catalog": "SQLContext.register_catalog"}

    def query(self, sql: str) -> Iterable[pa.RecordBatch]:
        """Run ``sql`` in the context."""
        with refusals(), _unstable():
            return _answer(self._context.execute(sql))

    def scan(self, scan: Scan) -> Iterable[pa.RecordBatch]:
        """Read one table as a lazy frame.

        Raises:
            EngineUnavailable: metadata is asked for, or a snapshot by its time.
        """
        for_what = f"the metadata table {scan.metadata}" if scan.metadata else "a table as of a time"
        if scan.metadata or scan.at_ms is not None:
            raise EngineUnavailable(f"Polars has no way to read {for_what}")
        with refusals(), _unstable():
            from polars import len as count
            from polars import scan_iceberg

            table = self._table(scan.table)
            snapshot_id = table.snapshot_by_name(scan.ref).snapshot_id if scan.ref else scan.snapshot_id
            frame = scan_iceberg(table, snapshot_id=snapshot_id, storage_options=s3_properties(self._lake.objects))
            for one in scan.where:
                frame = frame.filter(expression(scan.fields, one))
            if scan.count:
                frame = frame.select(count().alias("n"))
            return _answer(frame.select(*scan.columns) if scan.columns else frame)

    def append(self, table: str, rows: pa.Table) -> None:
        """Sink a frame of the rows in one commit."""
        with refusals(), _unstable():
            from polars import from_arrow

            options = s3_properties(self._lake.objects)
            from_arrow(rows).lazy().sink_iceberg(self._table(table), mode="append", storage_options=options)

    def _table(self, table: str) -> Any:
        return self._catalog.load_table((self._lake.namespace, table))


def _answer(frame: Any) -> Answer:
    rows = frame.collect().to_arrow()
    return Answer(rows.schema, rows.to_batches())


def _unstable() -> warnings.catch_warnings[None]:
    """Polars calls its Iceberg functions unstable, in a warning on each use."""
    return warnings.catch_warnings(action="ignore")
