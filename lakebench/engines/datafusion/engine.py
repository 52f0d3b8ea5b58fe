"""DataFusion on Iceberg tables, read by iceberg-rust."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from lakebench.engines import CanQuery, CanScan, Engine
from lakebench.engines.inprocess import Answer, pyiceberg_catalog, refusals, version_of
from lakebench.errors import Refused
from lakebench.model import Lake, Scan

if TYPE_CHECKING:
    import pyarrow as pa


class DataFusion(Engine, CanQuery, CanScan):
    """A session whose catalog hands out pyiceberg-core's table providers.

    PyIceberg asks the REST catalog where a table's metadata lies; iceberg-rust (inside pyiceberg-core) plans and reads,
    DataFusion computes. pyiceberg-core speaks to one major version of DataFusion only, and refuses others.
    """

    name: ClassVar[str] = "datafusion"
    title: ClassVar[str] = "DataFusion (iceberg-rust)"
    dialect: ClassVar[str] = "postgres"
    distribution: ClassVar[str] = "datafusion"
    preload: ClassVar[tuple[str, ...]] = ("datafusion", "pyiceberg.catalog.rest", "pyiceberg.io.pyarrow")
    requirements: ClassVar[tuple[str, ...]] = (
        "datafusion=={version}",
        "pyiceberg[pyarrow]==0.12.0",
        "pyiceberg-core",
    )

    _context: Any = None
    _catalog: Any = None
    _lake: Lake

    def open(self, lake: Lake) -> None:
        """Make a session over the catalog; see :meth:`lakebench.engines.Engine.open`."""
        with refusals():
            from datafusion import RuntimeEnvBuilder, SessionConfig, SessionContext

            from lakebench.engines.datafusion.provider import IcebergCatalog

            self._catalog = pyiceberg_catalog(lake)
            config = SessionConfig().with_default_catalog_and_schema(lake.name, lake.namespace)
            runtime = RuntimeEnvBuilder().with_fair_spill_pool(self.settings.memory * 8 // 10).with_disk_manager_os()
            self._context = SessionContext(config.with_target_partitions(self.settings.threads), runtime)
            self._context.register_catalog_provider(lake.name, IcebergCatalog(self._catalog, lake.namespace))
            self._lake = lake

    def close(self) -> None:
        """Let the session go."""
        self._context = None

    def versions(self) -> dict[str, str]:
        """DataFusion, and the libraries that read for it."""
        parts = ("datafusion", "pyiceberg-core", "pyiceberg", "pyarrow")
        return {part: version_of(part) for part in parts}

    def settings_used(self) -> dict[str, str]:
        """Threads, memory, and the way to a table."""
        return {
            "target_partitions": str(self.settings.threads),
            "fair_spill_pool": f"{self.settings.memory * 8 // 10 // 2**20} MiB",
            "tables": "pyiceberg_core.datafusion.IcebergDataFusionTable",
        }

    def query(self, sql: str) -> Iterable[pa.RecordBatch]:
        """Run ``sql`` in the session."""
        with refusals():
            return _answer(self._context.sql(sql))

    def scan(self, scan: Scan) -> Iterable[pa.RecordBatch]:
        """Read one table by a SELECT.

        Raises:
            Refused: an old snapshot or a reference is asked for.
        """
        if scan.snapshot_id is not None or scan.ref:
            raise Refused("pyiceberg-core's table provider for DataFusion reads the current snapshot only")
        with refusals():
            columns = ", ".join(map(_name, scan.columns)) if scan.columns else "*"
            return _answer(self._context.sql(f"SELECT {columns} FROM {_name(scan.table)}"))


def _answer(frame: Any) -> Answer:
    import pyarrow as pa

    reader = pa.RecordBatchReader.from_stream(frame)
    return Answer(reader.schema, reader)


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
