"""Daft: dataframes and SQL on Iceberg tables that PyIceberg plans."""

from __future__ import annotations

import functools
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from lakebench.engines import CanAppend, CanCreate, CanQuery, Engine, ray
from lakebench.engines.boundary import engine_call
from lakebench.engines.daft.calls import DaftOperations, filtered
from lakebench.engines.inprocess import (
    PYICEBERG_CATALOGS,
    Answer,
    ScansLoadedTable,
    counted,
    create_namespace,
    drop_table,
    local_path,
    pyiceberg_catalog,
    require_deltalake,
    version_of,
)
from lakebench.errors import EngineUnavailable
from lakebench.iceberg.scan import Scan
from lakebench.model import CatalogKind, Lake, ObjectStore, TableFormat

if TYPE_CHECKING:
    import pyarrow as pa

_ENVIRONMENT = {"DAFT_PROGRESS_BAR": "0", "DAFT_ANALYTICS_ENABLED": "0", "DO_NOT_TRACK": "true"}


class Daft(DaftOperations, Engine, CanQuery, ScansLoadedTable, CanCreate, CanAppend):
    """A Daft session on the native runner, with the catalog attached or with dataframes as its tables.

    The dataframes are those of ``read_parquet`` and ``read_deltalake``.

    PyIceberg loads the catalog's tables and plans which files are read; Daft reads and computes.
    """

    name: ClassVar[str] = "daft"
    title: ClassVar[str] = "Daft"
    dialect: ClassVar[str] = "duckdb"
    distribution: ClassVar[str] = "daft"
    catalogs: ClassVar[tuple[CatalogKind, ...]] = PYICEBERG_CATALOGS
    # Not daft itself: what it sends and shows is decided by variables that open sets before the import.
    preload: ClassVar[tuple[str, ...]] = ("pyiceberg.catalog.rest", "pyiceberg.io.pyarrow")
    requirements: ClassVar[tuple[str, ...]] = ("daft=={version}", "pyiceberg[pyarrow]==0.12.0")
    formats: ClassVar[tuple[TableFormat, ...]] = (TableFormat.ICEBERG, TableFormat.PARQUET, TableFormat.DELTA)

    _session: Any = None
    _catalog: Any = None
    _lake: Lake

    def open(self, lake: Lake) -> None:
        """Attach the catalog to a new session; see :meth:`lakebench.engines.Engine.open`."""
        os.environ.update(self._environment())  # read when Daft is imported
        from daft.catalog import Catalog
        from daft.session import Session

        self._choose_runner()
        self._lake = lake
        self._session = engine_call(Session)
        if lake.format is not TableFormat.ICEBERG:
            for table, frame in _frames(lake).items():
                engine_call(self._session.create_temp_table, table, frame)
            return
        self._catalog = pyiceberg_catalog(lake)
        attached = engine_call(Catalog.from_iceberg, self._catalog)
        engine_call(self._session.attach_catalog, attached, alias=lake.name)
        engine_call(self._session.use, f"{lake.name}.{lake.namespace}")

    def close(self) -> None:
        """Let the session go."""
        self._session = None

    def versions(self) -> dict[str, str]:
        """Daft, and the library that plans for it."""
        import daft

        return {"daft": daft.__version__, "pyiceberg": version_of("pyiceberg"), "pyarrow": version_of("pyarrow")}

    def settings_used(self) -> dict[str, str]:
        """The runner, its memory, and what is switched off."""
        return {"runner": "native", "num_threads": str(self.settings.threads), **self._environment()}

    def query(self, sql: str) -> Iterable[pa.RecordBatch]:
        """Run ``sql`` in the session."""
        return _answer(engine_call(self._session.sql, sql))

    def scan(self, scan: Scan) -> Iterable[pa.RecordBatch]:
        """Read one table as a dataframe.

        Raises:
            EngineUnavailable: metadata is asked for, or a snapshot by its time.
        """
        target = f"the metadata table {scan.metadata}" if scan.metadata else "a table as of a time"
        if scan.metadata or scan.at_ms is not None:
            raise EngineUnavailable(f"Daft has no way to read {target}")
        return self._scan(self._table_of(scan), scan)

    def _scan(self, table: Any, scan: Scan) -> Iterable[pa.RecordBatch]:
        frame = _frames(self._lake)[scan.table] if table is None else self._iceberg_frame(table, scan)
        frame = filtered(frame, scan.fields, scan.where)
        if scan.count:
            return counted(engine_call(frame.count_rows))
        return _answer(engine_call(frame.select, *scan.columns) if scan.columns else frame)

    @staticmethod
    def _iceberg_frame(table: Any, scan: Scan) -> Any:
        """The table as of its snapshot, or of one of its branches and tags."""
        from daft import read_iceberg

        ref = {_kind_of(table, scan.ref): scan.ref} if scan.ref else {}
        return engine_call(read_iceberg, table, snapshot_id=scan.snapshot_id, **ref)

    def create(self, table: str, schema: pa.Schema) -> None:
        """Create the table by the session's catalog."""
        from daft import Schema

        create_namespace(self._catalog, self._lake.namespace)
        engine_call(self._session.create_table, table, engine_call(Schema.from_pyarrow_schema, schema))

    def drop(self, table: str) -> None:
        """Drop the table where it exists."""
        drop_table(self._catalog, (self._lake.namespace, table))

    def append(self, table: str, rows: pa.Table) -> None:
        """Write a dataframe of the rows in one commit."""
        from daft import from_arrow

        engine_call(engine_call(from_arrow, rows).write_iceberg, self._table(table), mode="append")

    def _choose_runner(self) -> None:
        _set_runner(self.settings.threads)

    def _environment(self) -> dict[str, str]:
        """What is switched off, and the bytes that Daft's operators share out, where they ask for some at all."""
        return {**_ENVIRONMENT, "DAFT_MEMORY_LIMIT": str(self.settings.memory * 8 // 10)}

    def _table(self, table: str) -> Any:
        return engine_call(self._catalog.load_table, (self._lake.namespace, table))


class DaftRay(Daft):
    """The same on Ray's runner: Daft spreads a query over the workers of the cluster by itself."""

    name: ClassVar[str] = "daft-ray"
    title: ClassVar[str] = "Daft on Ray"
    service: ClassVar[str | None] = "ray"
    needs: ClassVar[tuple[str, ...]] = ("ray",)
    variant_of: ClassVar[str | None] = "daft"
    optional: ClassVar[bool] = True
    distributed: ClassVar[bool] = True
    usual_version: ClassVar[str] = ray.DAFT
    environment: ClassVar[str] = ray.ENVIRONMENT
    formats: ClassVar[tuple[TableFormat, ...]] = (TableFormat.ICEBERG, TableFormat.PARQUET)
    requirements: ClassVar[tuple[str, ...]] = (f"ray[client]=={ray.RAY}", "daft=={version}", *ray.PACKAGES)

    def versions(self) -> dict[str, str]:
        """Daft, what plans for it, and Ray."""
        return {**super().versions(), "ray": version_of("ray")}

    def settings_used(self) -> dict[str, str]:
        """The runner, and what is switched off."""
        return {"runner": "ray", **self._environment()}

    def _choose_runner(self) -> None:
        ray.connect(self.settings.server, self.settings.folder)
        _set_runner_ray()


def _kind_of(table: Any, ref: str) -> str:
    """``branch`` or ``tag``, as the table's metadata calls ``ref``."""
    kind: str = engine_call(table.metadata.refs.__getitem__, ref).snapshot_ref_type.value
    return kind


@functools.cache
def _set_runner(threads: int) -> None:
    """Choose the native runner and its threads, which Daft takes once a process."""
    from daft import set_runner_native

    engine_call(set_runner_native, num_threads=threads)


@functools.cache
def _set_runner_ray() -> None:
    """Choose the runner on the cluster that this process is connected to."""
    from daft import set_runner_ray

    engine_call(set_runner_ray, noop_if_initialized=True)


def _frames(lake: Lake) -> dict[str, Any]:
    """A lazy frame over the Parquet files of each table, or over the Delta Lake table in its folder."""
    from daft import read_deltalake, read_parquet

    config = None if lake.store is None else _io_config(lake.store)
    paths = {table: [local_path(one) for one in addresses] for table, addresses in lake.files.items()}
    if lake.format is TableFormat.DELTA:
        require_deltalake("Daft")
        return {table: engine_call(read_deltalake, path, io_config=config) for table, (path,) in paths.items()}
    return {table: engine_call(read_parquet, listed, io_config=config) for table, listed in paths.items()}


def _io_config(store: ObjectStore) -> Any:
    from daft.io import IOConfig, S3Config

    s3 = engine_call(
        S3Config,
        endpoint_url=store.endpoint,
        key_id=store.access_key,
        access_key=store.secret_key,
        region_name=store.region,
        use_ssl=store.endpoint.startswith("https://"),
        force_virtual_addressing=not store.path_style,
    )
    return engine_call(IOConfig, s3=s3)


def _answer(frame: Any) -> Answer:
    schema = engine_call(engine_call(frame.schema).to_pyarrow_schema)
    return Answer(schema, engine_call.rows(engine_call(frame.to_arrow_iter)))
