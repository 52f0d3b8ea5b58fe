"""ClickHouse in this process (chDB): an Iceberg catalog as a database, or views over Parquet files."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from lakebench.engines import CanAppend, CanCreate, CanLoad, CanQuery, CanScan, Engine
from lakebench.engines.boundary import EngineCalls, words
from lakebench.engines.clickhouse import catalog, kept
from lakebench.engines.clickhouse.statements import ClickHouseOperations, new_folder
from lakebench.engines.inprocess import Answer, local_path, version_of
from lakebench.errors import CommitConflict, EngineUnavailable, LakebenchError, OutOfMemory, Refused
from lakebench.iceberg.catalogs import table_names
from lakebench.iceberg.scan import Scan
from lakebench.model import CatalogKind, Lake, TableFormat

if TYPE_CHECKING:
    import pyarrow as pa

_STORE = "lakebench_store"
"""The named collection with the address and the keys of the object store, so that no statement has them."""
_SETTINGS = {
    "allow_database_iceberg": "1",
    "allow_insert_into_iceberg": "1",
    "allow_experimental_iceberg_compaction": "1",
    "allow_experimental_expire_snapshots": "1",
    "allow_geo_types_in_iceberg": "1",
    "allow_experimental_alias_table_engine": "1",
    "enable_time_time64_type": "1",
    "write_full_path_in_iceberg_metadata": "1",  # without it other engines find no file
    # As SQL has it: nulls, and no default values, where an outer join finds no row and an aggregate has none.
    "join_use_nulls": "1",
    "aggregate_functions_null_for_empty": "1",
    "session_timezone": kept.ZONE,
}
_METADATA = {"snapshots": "iceberg_history", "history": "iceberg_history", "files": "iceberg_files"}
_COLUMNS = {
    "snapshot_id": "toInt64(snapshot_id)",
    "parent_id": "if(parent_id = toUInt64(-1), NULL, toInt64(parent_id))",
    "operation": "lower(toString(operation))",
    "is_current_ancestor": "CAST(is_current_ancestor AS Bool)",
    "record_count": "record_count",
    "content": "toInt32(content)",
}
_CONFLICT = re.compile(r"\b409\b|CommitFailed|Too many unsuccess|concurrent", re.IGNORECASE)
_DROPPED = "NoSuchTableException"
_UNKNOWN = "(UNKNOWN_TABLE)"


class ClickHouse(ClickHouseOperations, Engine, CanQuery, CanScan, CanCreate, CanAppend, CanLoad):
    """ClickHouse with a database ``DataLakeCatalog`` over the catalog, whose tables are called ``namespace.table``.

    Queries name a table alone: for that the session's own database has a table of the engine ``Alias`` for each.
    Plain Parquet files are views over the functions ``s3`` and ``file``.
    """

    name: ClassVar[str] = "clickhouse"
    title: ClassVar[str] = "ClickHouse (chDB)"
    dialect: ClassVar[str] = "clickhouse"
    distribution: ClassVar[str] = "chdb"
    optional: ClassVar[bool] = True
    usual_version: ClassVar[str] = "4.4.0"
    requirements: ClassVar[tuple[str, ...]] = ("chdb=={version}",)
    preload: ClassVar[tuple[str, ...]] = ("chdb", "pyarrow")
    catalogs: ClassVar[tuple[CatalogKind, ...]] = (CatalogKind.REST,)
    formats: ClassVar[tuple[TableFormat, ...]] = (TableFormat.ICEBERG, TableFormat.PARQUET)

    _connection: Any = None
    _folder: str = ""
    _lake: Lake

    def open(self, lake: Lake) -> None:
        """Start ClickHouse in a folder of the worker; see :meth:`lakebench.engines.Engine.open`."""
        self.close()
        self._lake = lake
        self._connection = self._connect()
        if lake.store is not None and lake.store.access_key:
            self._run(self._collection())
        if lake.format.is_files:
            self._make_views()
            return
        self._run(self._database())
        self._make_aliases()

    def close(self) -> None:
        """End ClickHouse, with all that it had."""
        connection, self._connection = self._connection, None
        if connection is not None:
            _call(connection.close)

    def versions(self) -> dict[str, str]:
        """The version that ClickHouse reports, and that of the package."""
        return {"clickhouse": self._value("SELECT version()"), "chdb": version_of("chdb")}

    def settings_used(self) -> dict[str, str]:
        """The session's settings."""
        return self._settings()

    def query(self, sql: str) -> Iterable[pa.RecordBatch]:
        """Run ``sql``; a table that another engine made since ``open`` gets its alias when it is asked for."""
        try:
            return self._answer(sql)
        except Refused as error:
            if _UNKNOWN not in str(error) or self._lake.format.is_files:
                raise
        self._make_aliases()
        return self._answer(sql)

    def scan(self, scan: Scan) -> Iterable[pa.RecordBatch]:
        """A SELECT, with the snapshot as a setting; metadata from ClickHouse's own tables of it.

        Raises:
            EngineUnavailable: metadata or positions that it has no table and no column for.
        """
        if scan.ref:
            raise Refused(f"ClickHouse has no syntax for the table's own branch or tag '{scan.ref}'")
        if scan.positions:
            raise EngineUnavailable("ClickHouse has no way to read rows by their positions")
        source = self._metadata(scan) if scan.metadata else self._source(scan.table)
        return self._answer(f"{self.sql.select(scan, source)}{_at(scan)}", scan)

    def create(self, table: str, schema: pa.Schema) -> None:
        """CREATE TABLE, with the types that ClickHouse gives an Arrow file of this schema."""
        with self._file(schema.empty_table()) as file:
            described = self._answer(f"DESCRIBE TABLE {file}")
        rows = [row for batch in described for row in batch.to_pylist()]
        columns = ", ".join(f"{self.sql.name(row['name'])} {row['type']}" for row in rows)
        self._run(f"CREATE TABLE {self._target(table)} ({columns}) {self._engine(new_folder(table), 'Parquet')}")

    def drop(self, table: str) -> None:
        """DROP TABLE."""
        self._execute(f"DROP TABLE IF EXISTS {self._target(table)}")

    def append(self, table: str, rows: pa.Table) -> None:
        """INSERT in one commit, from a file."""
        with self._file(rows) as file:
            self._run(self._inserted(table, rows.schema.names, file))

    def load(self, table: str, files: Sequence[str]) -> None:
        """INSERT the rows of each file, streamed, a commit a file."""
        import pyarrow.parquet as pq

        for file in files:
            self._run(self._inserted(table, pq.read_schema(file).names, self._local(file)))

    def _inserted(self, table: str, columns: Sequence[str], source: str) -> str:
        names = self.sql.names(columns)
        return f"INSERT INTO {self._target(table)} ({names}) SELECT {names} FROM {source}"

    def _connect(self) -> Any:
        import chdb

        folder = Path(self.settings.folder, "clickhouse")
        folder.mkdir(mode=0o700, exist_ok=True)  # it keeps databases in files, with their keys
        self._folder = f"{folder}/{uuid.uuid4().hex}"
        if self._lake.store is None:
            os.chdir("/")  # chDB opens local tables below the working directory alone
        return self._configured(_call(chdb.connect, self._folder))

    def _configured(self, connection: Any) -> Any:
        for name, value in self._settings().items():
            _call(connection.query, f"SET {name} = {self.sql.text(value)}")
        return connection

    def _settings(self) -> dict[str, str]:
        memory = str(self.settings.memory * 8 // 10)
        return {**_SETTINGS, "max_threads": str(self.settings.threads), "max_memory_usage": memory}

    def _collection(self) -> str:
        store, text = self._lake.objects, self.sql.text
        return (
            f"CREATE NAMED COLLECTION {_STORE} AS url = {text(f'{store.endpoint}/{store.bucket}/')}, "
            f"access_key_id = {text(store.access_key)}, secret_access_key = {text(store.secret_key)}"
        )

    def _database(self) -> str:
        lake, text = self._lake, self.sql.text
        keys = [lake.store.access_key, lake.store.secret_key] if lake.store and lake.store.access_key else []
        arguments = ", ".join(map(text, (f"{lake.catalog.rest_uri}/v1", *keys)))
        settings = ", ".join(f"{key} = {text(value)}" for key, value in catalog.settings(lake).items())
        return f"CREATE DATABASE {self.sql.name(lake.name)} ENGINE = DataLakeCatalog({arguments}) SETTINGS {settings}"

    def _engine(self, folder: str, form: str) -> str:
        lake = self._lake
        if lake.store is None:
            path = f"{local_path(lake.catalog.warehouse)}/{lake.namespace}/{folder}/"
            return f"ENGINE = IcebergLocal({self.sql.text(path)}, {self.sql.text(form)})"
        if not lake.store.access_key:
            raise EngineUnavailable("ClickHouse makes a table by keys of its own only, not by those of the catalog")
        start = lake.catalog.warehouse.partition(f"s3://{lake.store.bucket}/")[2] or "clickhouse"
        path = f"{start}/{lake.namespace}/{folder}/"
        return f"ENGINE = IcebergS3({_STORE}, filename = {self.sql.text(path)}, format = {self.sql.text(form)})"

    def _make_aliases(self) -> None:
        """A name in the session's own database for each table that the namespace has now."""
        with contextlib.suppress(Refused):  # there is no namespace yet
            for table in table_names(self._lake.catalog, self._lake.namespace):
                target = f"{self.sql.text(self._lake.name)}, {self.sql.text(self._inside(table))}"
                self._run(f"CREATE TABLE IF NOT EXISTS {self.sql.name(table)} ENGINE = Alias({target})")

    def _make_views(self) -> None:
        for table, addresses in self._lake.files.items():
            union = " UNION ALL ".join(f"SELECT * FROM {self._parquet(one)}" for one in addresses)
            self._run(f"CREATE VIEW {self.sql.name(table)} AS {union}")

    def _parquet(self, address: str) -> str:
        """A function that reads the Parquet file at ``address``."""
        store = self._lake.store
        if store is None:
            return self._local(local_path(address))
        key = self.sql.text(address.removeprefix(f"s3://{store.bucket}/"))
        return f"s3({_STORE}, filename = {key}, format = 'Parquet')"

    def _local(self, file: str) -> str:
        return f"file({self.sql.text(file)}, Parquet)"

    @contextlib.contextmanager
    def _file(self, rows: pa.Table) -> Iterator[str]:
        """A function that reads ``rows`` from a Parquet file."""
        import pyarrow.parquet as pq

        with tempfile.TemporaryDirectory(dir=self.settings.folder) as folder:
            file = f"{folder}/rows.parquet"
            pq.write_table(rows, file)
            yield self._local(file)

    def _metadata(self, scan: Scan) -> str:
        """A query of ClickHouse's table of the metadata, with Iceberg's names and types of its columns."""
        columns = scan.columns or ()
        missing = [one for one in columns if one not in _COLUMNS]
        if scan.metadata not in _METADATA or missing:
            part = f"the {', '.join(missing)} of " if missing else ""
            raise EngineUnavailable(f"ClickHouse has no way to report {part}a table's {scan.metadata}")
        listed = ", ".join(f"{_COLUMNS[one]} AS {one}" for one in columns)
        text = self.sql.text
        where = f"database = {text(self._lake.name)} AND table = {text(self._inside(scan.table))}"
        return f"(SELECT {listed} FROM system.{_METADATA[scan.metadata]} WHERE {where})"

    def _inside(self, table: str) -> str:
        """What the catalog's database calls ``table``."""
        return f"{self._lake.namespace}.{table}"

    def _source(self, table: str) -> str:
        return self.sql.name(table) if self._lake.format.is_files else self._target(table)

    def _target(self, table: str) -> str:
        return f"{self.sql.name(self._lake.name)}.{self.sql.name(self._inside(table))}"

    def _answer(self, sql: str, scan: Scan | None = None) -> Answer:
        """The whole answer, as ClickHouse's Arrow stream."""
        import pyarrow as pa

        answer = _call(self._connection.query, sql, "ArrowStream")
        stream: bytes = _call(answer.bytes)
        table = kept.table(pa.ipc.open_stream(pa.py_buffer(stream)).read_all(), scan)
        return Answer(table.schema, table.to_batches())

    def _value(self, sql: str) -> str:
        return str(_call(self._connection.query, sql, "TabSeparatedRaw")).strip()

    def _run(self, sql: str) -> None:
        _call(self._connection.query, sql)

    def _execute(self, sql: str) -> None:
        """Run one statement; a table is dropped although ClickHouse says that it failed, as it asks twice for that."""
        try:
            self._run(sql)
        except Refused as error:
            if not sql.startswith("DROP TABLE") or _DROPPED not in str(error):
                raise

    @contextlib.contextmanager
    def _another(self) -> Iterator[ClickHouse]:
        """Another session of the same ClickHouse."""
        import chdb

        other = type(self)(self.settings)
        other._lake = self._lake  # noqa: SLF001 - one of its own class
        other._connection = other._configured(_call(chdb.connect, self._folder))  # noqa: SLF001 - likewise
        try:
            yield other
        finally:
            other.close()


def _at(scan: Scan) -> str:
    """The snapshot that is asked for, as a setting of the query."""
    if scan.snapshot_id is not None:
        return f" SETTINGS iceberg_snapshot_id = {scan.snapshot_id}"
    return "" if scan.at_ms is None else f" SETTINGS iceberg_timestamp_ms = {scan.at_ms}"


def _meaning(error: Exception) -> LakebenchError:
    """ClickHouse's error in its own words, without the answer that a catalog sent with it."""
    text = " ".join(words(error).split())[:700]
    if "MEMORY_LIMIT_EXCEEDED" in str(error) or isinstance(error, MemoryError):
        return OutOfMemory(text)
    return CommitConflict(text) if _CONFLICT.search(text) else Refused(text)


_call = EngineCalls(_meaning)
