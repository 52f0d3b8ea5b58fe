"""DataFusion on Iceberg tables, read by iceberg-rust."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from lakebench.engines import CanQuery, CanScan, Engine
from lakebench.engines.boundary import engine_call
from lakebench.engines.inprocess import (
    PYICEBERG_CATALOGS,
    Answer,
    lance_dataset,
    pyiceberg_catalog,
    version_of,
    vortex_file,
)
from lakebench.engines.sql import SqlDialect
from lakebench.errors import EngineUnavailable, Refused
from lakebench.iceberg.scan import Scan
from lakebench.iceberg.types import Type
from lakebench.model import CatalogKind, Lake, ObjectStore, TableFormat

if TYPE_CHECKING:
    import pyarrow as pa


class DataFusionSql(SqlDialect):
    """DataFusion's SQL. What it has no type for is written as iceberg-rust reads it: UUIDs are 16 bytes."""

    types: ClassVar[Mapping[str, str]] = {
        "boolean": "BOOLEAN",
        "int": "INT",
        "long": "BIGINT",
        "float": "FLOAT",
        "double": "DOUBLE",
        "decimal": "DECIMAL({0}, {1})",
        "date": "DATE",
        "timestamp": "TIMESTAMP(6)",
        "timestamptz": "TIMESTAMP(6) WITH TIME ZONE",
        "timestamp_ns": "TIMESTAMP(9)",
        "timestamptz_ns": "TIMESTAMP(9) WITH TIME ZONE",
        "string": "VARCHAR",
        "binary": "BYTEA",
    }

    def is_changed(self, of: Type) -> bool:  # noqa: ARG002 - of no type
        """No type is: there are no functions for variants and geometries."""
        return False

    def primitive(self, of: str, value: Any) -> str:
        """A value; a UUID as its bytes, a time in microseconds, as a TIME compares with nanoseconds only."""
        if of == "time":
            return f"arrow_cast({self.text(value)}, 'Time64(Microsecond)')"
        return self.bytes(of, value.replace("-", "")) if of == "uuid" else super().primitive(of, value)

    def summary(self, function: str, path: str) -> str:
        """As elsewhere; a field of a struct by a function."""
        name, *inner = path.split(".")
        column = functools.reduce(lambda outer, one: f"get_field({outer}, {self.text(one)})", inner, self.name(name))
        return f"sum(array_length({column}))" if function == "length" else f"{function}({column})"

    def bytes(self, of: str, value: str) -> str:  # noqa: ARG002 - fixed and binary are both bytes
        """Bytes in hex."""
        return f"X'{value}'"


class DataFusion(Engine, CanQuery, CanScan):
    """A session whose catalog hands out pyiceberg-core's table providers; or with its own tables over Parquet files.

    PyIceberg asks the REST catalog where a table's metadata lies; iceberg-rust (inside pyiceberg-core) plans and reads,
    DataFusion computes. pyiceberg-core speaks to one major version of DataFusion only, and refuses others.
    """

    name: ClassVar[str] = "datafusion"
    title: ClassVar[str] = "DataFusion (iceberg-rust)"
    dialect: ClassVar[str] = "postgres"
    one_statement: ClassVar[bool] = True
    distribution: ClassVar[str] = "datafusion"
    catalogs: ClassVar[tuple[CatalogKind, ...]] = PYICEBERG_CATALOGS
    preload: ClassVar[tuple[str, ...]] = ("datafusion", "pyiceberg.catalog.rest", "pyiceberg.io.pyarrow")
    requirements: ClassVar[tuple[str, ...]] = (
        "datafusion=={version}",
        "pyiceberg[pyarrow]==0.12.0",
        "pyiceberg-core",
    )
    formats: ClassVar[tuple[TableFormat, ...]] = (
        TableFormat.ICEBERG,
        TableFormat.PARQUET,
        TableFormat.VORTEX,
        TableFormat.LANCE,
    )
    environments: ClassVar[Mapping[TableFormat, str]] = dict.fromkeys(
        (TableFormat.VORTEX, TableFormat.LANCE), "file-formats"
    )

    _context: Any = None
    _lake: Lake

    def open(self, lake: Lake) -> None:
        """Make a session over the catalog; see :meth:`lakebench.engines.Engine.open`."""
        from datafusion import RuntimeEnvBuilder, SessionConfig, SessionContext

        self._lake = lake
        config = engine_call(engine_call(SessionConfig).with_target_partitions, self.settings.threads)
        if lake.format is TableFormat.ICEBERG:
            config = engine_call(config.with_default_catalog_and_schema, lake.name, lake.namespace)
        runtime = engine_call(engine_call(RuntimeEnvBuilder).with_fair_spill_pool, self.settings.memory * 8 // 10)
        runtime = engine_call(runtime.with_disk_manager_specified, self.settings.folder)
        self._context = engine_call(SessionContext, config, runtime)
        if lake.format.is_files:
            _REGISTER[lake.format](self._context, lake)
        else:
            from lakebench.engines.datafusion.provider import IcebergCatalog

            provider = IcebergCatalog(pyiceberg_catalog(lake), lake.namespace)
            engine_call(self._context.register_catalog_provider, lake.name, provider)

    def close(self) -> None:
        """Let the session go."""
        self._context = None

    def versions(self) -> dict[str, str]:
        """DataFusion, and the libraries that read for it."""
        reader = {TableFormat.VORTEX: "vortex-data", TableFormat.LANCE: "pylance"}.get(self._lake.format)
        readers = (reader,) if reader else ("pyiceberg-core", "pyiceberg")
        return {part: version_of(part) for part in ("datafusion", *readers, "pyarrow")}

    def settings_used(self) -> dict[str, str]:
        """Threads, memory, and the way to a table."""
        return {
            "target_partitions": str(self.settings.threads),
            "fair_spill_pool": f"{self.settings.memory * 8 // 10 // 2**20} MiB",
            "tables": _PROVIDERS.get(self._lake.format, "pyiceberg_core.datafusion.IcebergDataFusionTable"),
        }

    def query(self, sql: str) -> Iterable[pa.RecordBatch]:
        """Run ``sql`` in the session."""
        return _answer(engine_call(self._context.sql, sql))

    def scan(self, scan: Scan) -> Iterable[pa.RecordBatch]:
        """Read one table by a SELECT.

        Raises:
            Refused: an old snapshot or a reference is asked for.
            EngineUnavailable: metadata is asked for.
        """
        if scan.snapshot_id is not None or scan.ref or scan.at_ms is not None:
            raise Refused("pyiceberg-core's table provider for DataFusion reads the current snapshot only")
        if scan.metadata:
            raise EngineUnavailable(f"DataFusion has no way to read the metadata table {scan.metadata}")
        if scan.positions:
            raise EngineUnavailable("DataFusion has no way to read rows by their positions")
        return _answer(engine_call(self._context.sql, _SQL.select(scan, _SQL.name(scan.table))))


_SQL = DataFusionSql()


def _register_files(context: Any, lake: Lake) -> None:
    """A table over the Parquet files of each: one file is one, and more are a view over the union of theirs.

    A listing table would take a folder, and all that lies in it; there is none for files that are named.
    """
    if lake.store is not None:
        engine_call(context.register_object_store, "s3://", _amazon(lake.store), lake.store.bucket)
    for table, addresses in lake.files.items():
        name = _SQL.name(table)
        if len(addresses) == 1:
            engine_call(context.register_parquet, name, addresses[0])
            continue
        parts = [f"{table}_{number}" for number in range(len(addresses))]
        for part, address in zip(parts, addresses, strict=True):
            engine_call(context.register_parquet, _SQL.name(part), address)
        union = " UNION ALL ".join(f"SELECT * FROM {_SQL.name(part)}" for part in parts)
        engine_call(context.sql, f"CREATE VIEW {name} AS {union}")


def _register_vortex(context: Any, lake: Lake) -> None:
    """The dataset of vortex-data, which says that it is one of PyArrow's; there is no other way in Python."""
    for table, (address,) in lake.files.items():
        dataset = engine_call(vortex_file(lake, address).to_dataset)
        engine_call(context.register_dataset, _SQL.name(table), dataset)


def _register_lance(context: Any, lake: Lake) -> None:
    from lance import FFILanceTableProvider

    for table, (address,) in lake.files.items():
        provider = engine_call(FFILanceTableProvider, lance_dataset(lake, address))
        engine_call(context.register_table, _SQL.name(table), provider)


_REGISTER: Mapping[TableFormat, Callable[[Any, Lake], None]] = {
    TableFormat.PARQUET: _register_files,
    TableFormat.VORTEX: _register_vortex,
    TableFormat.LANCE: _register_lance,
}
_PROVIDERS: Mapping[TableFormat, str] = {
    TableFormat.PARQUET: "register_parquet",
    TableFormat.VORTEX: "register_dataset(vortex.open().to_dataset)",
    TableFormat.LANCE: "register_table(FFILanceTableProvider)",
}


def _amazon(store: ObjectStore) -> Any:
    from datafusion.object_store import AmazonS3

    return engine_call(
        AmazonS3,
        bucket_name=store.bucket,
        endpoint=store.endpoint,
        access_key_id=store.access_key,
        secret_access_key=store.secret_key,
        region=store.region,
        allow_http=store.endpoint.startswith("http://"),
    )


def _answer(frame: Any) -> Answer:
    import pyarrow as pa

    reader = engine_call(pa.RecordBatchReader.from_stream, frame)
    return Answer(reader.schema, engine_call.rows(reader))
