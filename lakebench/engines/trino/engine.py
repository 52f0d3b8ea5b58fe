"""Trino, through its own Python client and a catalog that is made by SQL."""

from __future__ import annotations

import contextlib
import functools
import secrets
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from lakebench.engines import CanAppend, CanCreate, CanExecute, CanLoad, CanQuery, CanRegister, CanScan, Engine
from lakebench.engines.boundary import EngineCalls, read_error
from lakebench.engines.inprocess import local_path
from lakebench.engines.trino import types
from lakebench.engines.trino.caches import CachesOfTrino
from lakebench.engines.trino.statements import TrinoOperations
from lakebench.errors import CommitConflict, EngineCrash, EngineUnavailable, LakebenchError, OutOfMemory, Refused
from lakebench.iceberg import catalog_properties
from lakebench.iceberg.files import file_system
from lakebench.model import UTC, CatalogKind, Delegation, Runtime, TableFormat

if TYPE_CHECKING:
    import pyarrow as pa

    from lakebench.iceberg.scan import Scan
    from lakebench.model import Lake, ObjectStore

_PAGE_ROWS = 8192
_VALUES_ROWS = 1000
_VALUES_CHARACTERS = 900_000  # below Trino's query.max-length of 1,000,000
_MEMORY = {"EXCEEDED_LOCAL_MEMORY_LIMIT", "EXCEEDED_GLOBAL_MEMORY_LIMIT", "CLUSTER_OUT_OF_MEMORY"}
_NO_CONNECTOR = "No factory for connector"
_CONFLICT = {"ICEBERG_COMMIT_ERROR", "TRANSACTION_CONFLICT"}


class Trino(
    CachesOfTrino, TrinoOperations, Engine, CanQuery, CanExecute, CanScan, CanCreate, CanAppend, CanLoad, CanRegister
):
    """Trino on a server of its own, over a REST catalog, or over PostgreSQL where the server has that connector."""

    name = "trino"
    title = "Trino"
    dialect = "trino"
    one_statement = True
    distribution = "trino"
    preload = ("trino", "pyarrow")
    service = "trino"
    catalogs: ClassVar[tuple[CatalogKind, ...]] = (
        CatalogKind.REST,
        CatalogKind.JDBC,
        CatalogKind.HIVE,
        CatalogKind.GLUE,
    )
    formats: ClassVar[tuple[TableFormat, ...]] = (TableFormat.ICEBERG, TableFormat.POSTGRESQL)

    _connection: Any = None
    _lake: Lake | None = None

    @functools.cached_property
    def _token(self) -> str:
        return secrets.token_hex(4)

    def open(self, lake: Lake) -> None:
        """Make the catalog ``lake.name`` by SQL; one that an earlier worker left is replaced.

        In a server of the user's it has a name of its own, as one of the user's may be called so.

        Raises:
            EngineUnavailable: the server lacks the connector.
        """
        with contextlib.suppress(LakebenchError):
            self._disconnect()
        self._connection = self._connect()
        self._drop_catalog()  # of the lake before
        named = replace(lake, name=self._catalog_name(lake))
        self._run(f"DROP CATALOG IF EXISTS {_name(named.name)}")
        self._create_catalog(lake)
        self._lake = named
        self._connection = self._connect(named.name, named.namespace)

    def close(self) -> None:
        """Drop the catalog, whose tables stay."""
        with contextlib.suppress(LakebenchError):
            self._drop_catalog()
        with contextlib.suppress(LakebenchError):
            self._disconnect()

    def versions(self) -> dict[str, str]:
        """Trino's version as the server reports it, and the client's."""
        import trino

        (version,) = self._rows("SELECT version()")[0]
        return {"trino": str(version), "trino-python-client": str(trino.__version__)}

    def settings_used(self) -> dict[str, str]:
        """The server's settings where it is ours, and the catalog's."""
        server = self.settings.server
        properties = {} if server is None else server.properties
        ours = {key.removeprefix("setting."): value for key, value in properties.items() if key.startswith("setting.")}
        if self._opened.format is TableFormat.POSTGRESQL:
            return ours
        return ours | {f"fs.native-{'local' if self._opened.store is None else 's3'}.enabled": "true"}

    def query(self, sql: str) -> Iterator[pa.RecordBatch]:
        """Pages of rows, each turned into a record batch by Trino's own types."""
        with self._cursor() as cursor:
            _call(cursor.execute, sql)
            schema = types.schema(_call(getattr, cursor, "description"))
            empty = True
            while rows := _call(cursor.fetchmany, _PAGE_ROWS):
                empty = False
                yield types.batch(rows, schema)
            if empty:
                yield types.batch([], schema)

    def scan(self, scan: Scan) -> Iterable[pa.RecordBatch]:
        """A SELECT, ``FOR VERSION`` or ``TIMESTAMP AS OF``, or of a metadata table."""
        source = _name(f"{scan.table}${scan.metadata}" if scan.metadata else scan.table)
        if scan.at_ms is not None:
            source = f"{source} FOR TIMESTAMP AS OF from_unixtime_nanos(DECIMAL '{scan.at_ms}000000')"
        version = types.text(scan.ref) if scan.ref is not None else scan.snapshot_id
        travel = "" if version is None else f" FOR VERSION AS OF {version}"
        return self.query(self.sql.select(scan, f"{source}{travel}"))

    def create(self, table: str, schema: pa.Schema) -> None:
        """CREATE SCHEMA and CREATE TABLE."""
        lake = self._opened
        self._run(f"CREATE SCHEMA IF NOT EXISTS {_name(lake.name)}.{_name(lake.namespace)}")
        self._run(f"CREATE TABLE {_name(table)} ({types.columns(schema)})")

    def drop(self, table: str) -> None:
        """DROP TABLE IF EXISTS."""
        if self._namespace_exists():
            self._run(f"DROP TABLE IF EXISTS {_name(table)}")

    def append(self, table: str, rows: pa.Table) -> None:
        """One INSERT: of VALUES where the rows fit into a statement, else of staged Parquet."""
        if rows.num_rows == 0:
            return
        if rows.num_rows <= _VALUES_ROWS:
            sql = f"INSERT INTO {_name(table)} ({_names(rows.schema)}) VALUES {types.values(rows)}"
            if len(sql) <= _VALUES_CHARACTERS:
                self._run(sql)
                return
        import pyarrow.parquet as pq

        with tempfile.TemporaryDirectory(dir=self.settings.folder) as folder:
            file = Path(folder, "rows.parquet")
            pq.write_table(rows, file)
            self.load(table, [str(file)])

    def load(self, table: str, files: Sequence[str]) -> None:
        """Copy each file into the lake's storage, add it to a staging table, and INSERT from that, a commit a file."""
        for file in files:
            with self._staged(file) as staging:
                self._run(f"INSERT INTO {_name(table)} ({_names(_schema(file))}) SELECT * FROM {_name(staging)}")

    def register(self, table: str, metadata_location: str) -> None:
        """CALL system.register_table."""
        location, _, file = metadata_location.rpartition("/metadata/")
        lake = self._opened
        self._run(f"CREATE SCHEMA IF NOT EXISTS {_name(lake.name)}.{_name(lake.namespace)}")
        arguments = ", ".join(map(types.text, (lake.namespace, table, location, file)))
        self._run(f"CALL {_name(lake.name)}.system.register_table({arguments})")

    @property
    def _opened(self) -> Lake:
        if self._lake is None:
            raise EngineUnavailable("no lake is open")
        return self._lake

    def _connect(self, catalog: str | None = None, schema: str | None = None) -> Any:
        from trino.auth import BasicAuthentication
        from trino.dbapi import connect

        server = self.settings.server
        if server is None:
            raise EngineUnavailable("Trino's server does not run: see the reason that the service trino gives")
        auth = _call(BasicAuthentication, server.user, server.password) if server.password else None
        return _call(
            connect,
            host=server.host,
            port=server.port,
            http_scheme=server.uri.partition("://")[0],
            user=server.user or "lakebench",
            auth=auth,
            catalog=catalog,
            schema=schema,
            source="lakebench",
            timezone=self._lake.zone if self._lake else UTC,
            # Values as the server sends them: they become Arrow column by column instead of Python value by value.
            legacy_primitive_types=True,
        )

    def _catalog_name(self, lake: Lake) -> str:
        server = self.settings.server
        is_external = server is not None and server.runtime is Runtime.EXTERNAL
        return f"lakebench_{self._token}_{lake.name}" if is_external else lake.name

    def _create_catalog(self, lake: Lake) -> None:
        connector = "postgresql" if lake.format is TableFormat.POSTGRESQL else "iceberg"
        wanted = _catalog(lake, self.settings.folder) | self.cache_properties(lake)
        properties = ", ".join(f"{_name(key)} = {types.text(value)}" for key, value in wanted.items())
        try:
            self._run(f"CREATE CATALOG {_name(self._catalog_name(lake))} USING {connector} WITH ({properties})")
        except Refused as error:
            if _NO_CONNECTOR not in str(error):
                raise
            raise EngineUnavailable(
                f"Trino's server lacks the connector {connector} ({error}): name the folder of its plugin as "
                f'[services.trino.properties] "plugin.{connector}" = "/path", or an external Trino that has it'
            ) from error

    def _drop_catalog(self) -> None:
        """Drop the catalog of the lake that was open."""
        lake, self._lake = self._lake, None
        if lake is not None:
            self._run(f"DROP CATALOG IF EXISTS {_name(lake.name)}")

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            _call(connection.close)

    def execute(self, sql: str) -> None:
        """Run one statement, which commits."""
        self._run(sql)

    def _target(self, table: str) -> str:
        return _name(table)

    def _execute(self, sql: str) -> None:
        self._rows(sql)

    @contextlib.contextmanager
    def _another(self) -> Iterator[Trino]:
        """Another connection: the catalog is the server's, and stays this one's to drop."""
        lake, other = self._opened, type(self)(self.settings)
        other._connection = other._connect(lake.name, lake.namespace)  # noqa: SLF001 - one of its own class
        try:
            yield other
        finally:
            other.close()

    def _run(self, sql: str) -> None:
        self._rows(sql)

    def _rows(self, sql: str) -> list[list[Any]]:
        with self._cursor() as cursor:
            _call(cursor.execute, sql)
            return list(_call(cursor.fetchall))

    @contextlib.contextmanager
    def _cursor(self) -> Iterator[Any]:
        cursor = _call(self._connection.cursor)
        try:
            yield cursor
        finally:
            _call(cursor.close)

    def _namespace_exists(self) -> bool:
        lake = self._opened
        schemas = self._rows(f"SHOW SCHEMAS FROM {_name(lake.name)}")
        return [lake.namespace] in schemas

    @contextlib.contextmanager
    def _staged(self, file: str) -> Iterator[str]:
        """A table over a copy of one local Parquet file, for the duration of the block; its rows never pass through.

        On local files the table lies beside the copy, in the lake's folder: the catalog cannot delete what Trino calls
        ``local:``, so it only forgets the table.
        """
        lake, name = self._opened, f"staging_{uuid.uuid4().hex}"
        store, folder = _staging(lake, name)
        local = lake.store is None
        where = f" WITH (location = {types.text(f'file://{folder}/table')})" if local else ""
        drop = f"CALL system.unregister_table({types.text(lake.namespace)}, {types.text(name)})" if local else ""
        location = types.text(f"{'local' if local else 's3'}://{folder}/files/")
        try:
            _upload(store, file, f"{folder}/files/{Path(file).name}")
            self._run(f"CREATE TABLE {_name(name)} ({types.columns(_schema(file))}){where}")
            self._run(f"ALTER TABLE {_name(name)} EXECUTE add_files(location => {location}, format => 'PARQUET')")
            yield name
        finally:
            with contextlib.suppress(LakebenchError):
                self._run(drop or f"DROP TABLE IF EXISTS {_name(name)}")
            _store("forget")(_delete, store, folder)


def _meaning(error: Exception) -> LakebenchError:
    """The client's error as ours, in the server's words."""
    import requests
    from trino import exceptions

    if isinstance(error, exceptions.TrinoQueryError):
        return _refusal(error)
    if isinstance(error, requests.RequestException | exceptions.HttpError | exceptions.TrinoConnectionError):
        return EngineCrash(f"Trino's server no longer answers: {type(error).__name__}; its log says why")
    return Refused(_line(str(error))) if isinstance(error, exceptions.Error) else read_error(error)


_call = EngineCalls(_meaning)


def _refusal(error: Any) -> LakebenchError:
    message = f"{error.error_name}: {_line(error.message)}"
    if error.error_name in _MEMORY:
        return OutOfMemory(message)
    if error.error_name in _CONFLICT:
        return CommitConflict(message)
    return Refused(message)


def _line(text: str) -> str:
    return " ".join(text.split())[:500]


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _names(schema: pa.Schema) -> str:
    return ", ".join(_name(name) for name in schema.names)


def _schema(file: str) -> pa.Schema:
    import pyarrow.parquet as pq

    return pq.read_schema(file)


def _catalog(lake: Lake, scratch: str) -> dict[str, str]:
    """The properties of the connector for ``lake`` (Trino's documentation, "Iceberg" and "PostgreSQL connector")."""
    if lake.format is TableFormat.POSTGRESQL:
        return {
            "connection-url": lake.catalog.uri,
            "connection-user": lake.catalog.user,
            "connection-password": lake.catalog.password,
        }
    vended = lake.catalog.delegation is Delegation.VENDED_CREDENTIALS
    return {
        **catalog_properties.trino(lake.catalog, lake.name, lake.store),
        # Where keys are vended, a server refuses to have the procedure.
        **({} if vended else {"iceberg.register-table-procedure.enabled": "true"}),
        "iceberg.add-files-procedure.enabled": "true",
        "iceberg.allowed-extra-properties": "*",
        "iceberg.expire-snapshots.min-retention": "0s",  # the default refuses what is younger than a week
        **(_local(lake, scratch) if lake.store is None else _s3(lake.store)),
    }


def _local(lake: Lake, scratch: str) -> dict[str, str]:
    """The local file system, of which Trino sees the folder of the tables and nothing else.

    It takes the path of an address, with ``file:`` as with ``local:``, below ``local.location`` and never above it
    (lib/trino-filesystem, LocalFileSystem; it is not in the documentation). So that is an empty folder where a link at
    the tables' whole path leads to them.
    """
    tables, root = Path(local_path(lake.catalog.warehouse)), Path(scratch, "seen-by-trino").absolute()
    link = root / tables.relative_to("/")
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(tables)
    return {"fs.native-local.enabled": "true", "local.location": str(root)}


def _s3(store: ObjectStore) -> dict[str, str]:
    return {
        "fs.native-s3.enabled": "true",
        "s3.endpoint": store.endpoint,
        "s3.region": store.region,
        "s3.path-style-access": str(store.path_style).lower(),
        **({"s3.aws-access-key": store.access_key, "s3.aws-secret-key": store.secret_key} if store.access_key else {}),
    }


def _staging(lake: Lake, name: str) -> tuple[Any, str]:
    """The file system that files are staged on, and the folder called ``name`` there."""
    if lake.store is not None:
        return file_system(lake.store), f"{lake.store.bucket}/lakebench-staging/{name}"
    folder = Path(local_path(lake.catalog.warehouse), "lakebench-staging", name)
    (folder / "files").mkdir(parents=True)
    return file_system(None), str(folder)


def _upload(store: Any, file: str, path: str) -> None:
    from pyarrow.fs import LocalFileSystem, copy_files

    _store("take")(copy_files, file, path, source_filesystem=LocalFileSystem(), destination_filesystem=store)


def _store(what: str) -> EngineCalls:
    """Calls of the object store, which refuses whatever fails there."""
    return EngineCalls(lambda error: Refused(f"the object store did not {what} the staged file: {_line(str(error))}"))


def _delete(store: Any, folder: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        store.delete_dir(folder)
