"""DuckDB with its extensions: an Iceberg catalog, a DuckLake or PostgreSQL attached; single metadata files scanned."""

from __future__ import annotations

import contextlib
import copy
import os
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from lakebench.engines import CanAppend, CanCreate, CanExecute, CanLoad, CanQuery, CanScan, Engine
from lakebench.engines.boundary import engine_call
from lakebench.engines.duckdb import files as file_formats
from lakebench.engines.duckdb.caches import CachesOfDuckDB
from lakebench.engines.duckdb.statements import DuckDBOperations, DuckDBSql
from lakebench.engines.ducklake import AT_START, attach_ducklake, store_secret
from lakebench.engines.inprocess import Answer
from lakebench.engines.postgresql import conninfo, parameters
from lakebench.errors import EngineUnavailable, LakebenchError, Refused
from lakebench.iceberg import catalog_properties
from lakebench.iceberg.catalogs import rest_config, table_metadata
from lakebench.iceberg.scan import Scan
from lakebench.model import Catalog, CatalogKind, Lake, TableFormat

if TYPE_CHECKING:
    import pyarrow as pa

_EXTENSIONS = ("avro", "httpfs", "iceberg")  # the last asks for the others when it is loaded
# What a DuckLake needs, by the database that its catalog is in.
_CATALOGS = {
    CatalogKind.DUCKDB: (),
    CatalogKind.SQLITE: ("sqlite_scanner",),
    CatalogKind.POSTGRES: ("postgres_scanner",),
}
_PACKAGES = (*_EXTENSIONS, "ducklake", "sqlite-scanner", "postgres-scanner")
_SHOWN = (
    "threads",
    "memory_limit",
    "temp_directory",
    "TimeZone",
    "autoinstall_known_extensions",
    "allow_unsigned_extensions",
)
_ROWS = "lakebench_rows"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC).replace(tzinfo=None)  # UTC is the session's time zone
# Iceberg's metadata tables by the extension's functions: columns, and which rows are the table's.
_METADATA: Mapping[str, tuple[str, Mapping[str, str], str]] = {
    "snapshots": ("iceberg_snapshots", {"snapshot_id": "CAST(snapshot_id AS BIGINT)", "operation": "operation"}, ""),
    "files": (
        "iceberg_metadata",
        {
            "record_count": "record_count",
            "content": "CASE content WHEN 'POSITION_DELETES' THEN 1 WHEN 'EQUALITY_DELETES' THEN 2 ELSE 0 END",
        },
        " WHERE status <> 'DELETED'",
    ),
}


class _Connected(Engine, CanQuery, CanScan):
    """One DuckDB with the extensions that its packages bring; the extension site is never asked.

    It is in memory, except for a lake of DuckDB's own tables: then it is the lake's file.
    """

    sql: ClassVar[DuckDBSql] = DuckDBSql()

    distribution: ClassVar[str] = "duckdb"
    preload: ClassVar[tuple[str, ...]] = ("duckdb", "pyarrow")
    dialect: ClassVar[str] = "duckdb"
    one_statement: ClassVar[bool] = True
    # After these DuckDB refuses every request; a file is opened again only once every reference to it is gone.
    fatal: ClassVar[tuple[str, ...]] = ("INTERNAL Error", "FATAL Error", "database has been invalidated")
    requirements: ClassVar[tuple[str, ...]] = (
        "duckdb=={version}",
        *(f"duckdb-extension-{name}=={{version}}" for name in _PACKAGES),
    )

    _connection: Any = None
    _lake: Lake

    def open(self, lake: Lake) -> None:
        """Load the extensions, keep the store's keys as a secret; see :meth:`lakebench.engines.Engine.open`.

        A file of DuckDB's own tables is locked until ``close``, or another ``open``.

        Each lake has a database of its own: in one that attaches first one catalog and then another, the extension
        sends requests for the second over connections to the first.
        """
        self.close()
        self._lake = lake
        self._connection = self._connect()
        if lake.store is not None and lake.store.access_key:
            self._run(store_secret(lake.store))
        self._reach()

    def close(self) -> None:
        """Close the database."""
        connection, self._connection = self._connection, None
        if connection is not None:
            engine_call(connection.close)

    def versions(self) -> dict[str, str]:
        """The versions that DuckDB and its extensions report."""
        ((version,),) = self._rows("SELECT version()")
        extensions = self._rows(
            "SELECT extension_name, extension_version FROM duckdb_extensions() "
            "WHERE loaded AND install_mode <> 'STATICALLY_LINKED' ORDER BY extension_name"
        )
        return {"duckdb": version.removeprefix("v")} | {f"extension {name}": version for name, version in extensions}

    def settings_used(self) -> dict[str, str]:
        """Our settings as DuckDB reports them."""
        sql = f"SELECT name, value FROM duckdb_settings() WHERE name IN {_SHOWN} ORDER BY name"
        return dict(self._rows(sql))

    def query(self, sql: str) -> Iterable[pa.RecordBatch]:
        """Run ``sql`` on the tables as the catalog has them now."""
        self._see(sql)
        return self._answer(sql)

    def scan(self, scan: Scan) -> Iterable[pa.RecordBatch]:
        """Read one table by a SELECT, or its metadata by the extension's functions.

        Raises:
            EngineUnavailable: there is no function for it.
        """
        if scan.ref:
            raise Refused(f"DuckDB's Iceberg extension has no syntax for the table's own branch or tag '{scan.ref}'")
        source = self._metadata(scan) if scan.metadata else self._source(scan)
        return self._answer(self.sql.select(scan, source))

    def _metadata(self, scan: Scan) -> str:
        """A query of the metadata table, with Iceberg's names of its columns."""
        function, columns, where = _METADATA.get(scan.metadata, ("", {}, ""))
        missing = [one for one in scan.columns or () if one not in columns]
        if missing or not columns:
            part = f"the {', '.join(missing)} of " if columns else ""
            raise EngineUnavailable(f"DuckDB's Iceberg extension has no way to report {part}a table's {scan.metadata}")
        listed = ", ".join(f"{expression} AS {_name(column)}" for column, expression in columns.items())
        return f"(SELECT {listed} FROM {function}({self._plain(scan.table)}){where})"

    def _connect(self) -> Any:
        import duckdb

        if self._lake.database:
            Path(self._lake.database).parent.mkdir(parents=True, exist_ok=True)
        config = {
            "threads": self.settings.threads,
            "memory_limit": f"{self.settings.memory * 8 // 10 // 2**20}MiB",
            "temp_directory": f"{self.settings.folder}/duckdb",
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            # Not allow_persistent_secrets = false: the extension for PostgreSQL asks for the storage of theirs.
            "secret_directory": f"{self.settings.folder}/secrets",
            **{key: value for key, value in self._lake.options.items() if key in AT_START},
        }
        connection = engine_call(duckdb.connect, self._lake.database or ":memory:", config=config)
        for extension in _extensions(self._lake):
            engine_call(connection.load_extension, _extension_file(extension, duckdb.__version__))
        engine_call(connection.execute, f"SET TimeZone = {_text(self._lake.zone)}")
        return connection

    def _answer(self, sql: str) -> Answer:
        """The rows of ``sql``, computed while they are fetched."""
        result = self._run(sql)
        # Until 1.4 the reader had another name.
        read = result.to_arrow_reader if hasattr(result, "to_arrow_reader") else result.fetch_record_batch
        reader = engine_call(read)
        return Answer(reader.schema, engine_call.rows(reader))

    def _run(self, sql: str) -> Any:
        return engine_call(self._connection.execute, sql)

    def _rows(self, sql: str) -> list[Any]:
        rows: list[Any] = engine_call(self._run(sql).fetchall)
        return rows

    def _make_views(self, sql: str) -> None:
        """A view by its plain name for each table that ``sql`` names, over the table as it is now.

        The names are asked of a connection that has no views: DuckDB names what a view reads, not the view.
        """
        with engine_call.entered(self._connection.cursor) as plain:
            tables = engine_call(plain.get_table_names, sql)
        for table in tables:
            self._run(f"CREATE OR REPLACE TEMP VIEW {_name(table)} AS SELECT * FROM {self._source(Scan(table))}")

    @abstractmethod
    def _reach(self) -> None:
        """Do what one way of access needs on open."""

    @abstractmethod
    def _see(self, sql: str) -> None:
        """Let the plain table names in ``sql`` be those of the lake."""

    @abstractmethod
    def _source(self, scan: Scan) -> str:
        """What follows FROM to read the table as of the snapshot of ``scan``."""

    @abstractmethod
    def _plain(self, table: str) -> str:
        """What a function of the extension takes for ``table``."""


class DuckDB(CachesOfDuckDB, DuckDBOperations, _Connected, CanExecute, CanCreate, CanAppend, CanLoad):
    """A catalog attached as a database; or a view over each table's Parquet files; or a file of DuckDB's own tables.

    What is attached is an Iceberg REST catalog, a DuckLake, or a schema of PostgreSQL by the extension for it.

    DuckDB asks the catalog for a table's metadata in each transaction (``MAX_TABLE_STALENESS`` is not set), so commits
    of other engines are seen at once; it remembers that a namespace is missing until it is attached again.

    A reference of Nessie's can only be named in a table's name, ``"t@branch"`` (Nessie's own syntax): an endpoint
    with a reference in it does not work, because the extension ignores the ``uri`` that Nessie's configuration
    overrides. The names are hidden behind views; commits there need ``DISABLE_MULTI_TABLE_COMMIT`` (1.5.4 and newer),
    as Nessie does not know such names in a transaction of many tables.
    """

    name: ClassVar[str] = "duckdb"
    title: ClassVar[str] = "DuckDB (catalog attached)"
    formats: ClassVar[tuple[TableFormat, ...]] = (
        TableFormat.ICEBERG,
        TableFormat.PARQUET,
        TableFormat.DUCKDB,
        TableFormat.DUCKLAKE,
        TableFormat.POSTGRESQL,
        TableFormat.DELTA,
        TableFormat.VORTEX,
        TableFormat.LANCE,
    )
    environments: ClassVar[Mapping[TableFormat, str]] = dict.fromkeys(
        (TableFormat.VORTEX, TableFormat.LANCE), "file-formats"
    )

    _suffix: str = ""
    _using: bool = False
    _created: bool = False

    def settings_used(self) -> dict[str, str]:
        """DuckDB's settings, and how a reference of Nessie is named."""
        if self._in_ducklake:
            return {**super().settings_used(), **self._lake.options}
        if self._lake.format is not TableFormat.ICEBERG:
            return super().settings_used()
        at = {"tables": f'"<table>{self._suffix}"', "disable_multi_table_commit": "true"} if self._suffix else {}
        return {**super().settings_used(), "access_delegation_mode": "none", **at}

    def execute(self, sql: str) -> None:
        """Run ``sql``; plain table names are the lake's as soon as its schema is there."""
        if not self._in_ducklake:
            self._see(sql)
        self._run(sql)

    def create(self, table: str, schema: pa.Schema) -> None:
        """Create the schema and the table, with the types that DuckDB gives the Arrow ones."""
        for statement in self._namespace():
            self._run(statement)
        engine_call(self._connection.register, _ROWS, schema.empty_table())
        described = self._rows(f"DESCRIBE {_ROWS}")
        engine_call(self._connection.unregister, _ROWS)
        columns = ", ".join(f"{_name(name)} {kind}" for name, kind, *_ in described)
        self._run(f"CREATE TABLE {self._target(table)} ({columns})")

    def drop(self, table: str) -> None:
        """Drop the table where it exists."""
        self._run(f"DROP TABLE IF EXISTS {self._target(table)}")

    def scan(self, scan: Scan) -> Iterable[pa.RecordBatch]:
        """Read one table; rows by their position through the format's own column for it."""
        if scan.positions:
            return self._answer(file_formats.at_positions(self._lake, scan, self._target(scan.table)))
        return super().scan(scan)

    def append(self, table: str, rows: pa.Table) -> None:
        """Insert in one commit; a table of plain files gets its file."""
        engine_call(self._connection.register, _ROWS, rows)
        try:
            self._run(self._inserted(table, f"SELECT * FROM {_ROWS}"))
        finally:
            engine_call(self._connection.unregister, _ROWS)

    def load(self, table: str, files: Sequence[str]) -> None:
        """Insert the files' rows in one commit, streamed; a file of DuckDB's own has its size right after."""
        self._run(self._inserted(table, f"SELECT * FROM {file_formats.source(TableFormat.PARQUET, files)}"))
        if self._lake.format is TableFormat.DUCKDB:
            self._run("CHECKPOINT")

    def _inserted(self, table: str, select: str) -> str:
        if self._lake.format.is_files:
            return file_formats.copy(self._lake, table, select)
        return f"INSERT INTO {self._target(table)} BY NAME {select}"

    def _reach(self) -> None:
        self.set_caches(self._lake)
        if self._in_ducklake:
            self._suffix, self._using, self._created = "", True, True
            self._attach_ducklake()
            return
        if self._lake.format is TableFormat.POSTGRESQL:
            self._suffix, self._using, self._created = "", True, True
            self._attach_postgresql()
            return
        if self._lake.format is not TableFormat.ICEBERG:
            self._suffix, self._using, self._created = "", True, True
            self._make_file_views()
            return
        catalog = self._lake.catalog
        self._suffix = f"@{_as_identifier(catalog.ref)}" if catalog.ref not in {None, _default_branch(catalog)} else ""
        self._using = self._created = False
        self._attach()

    def _make_file_views(self) -> None:
        """A view over the files or the folder of each table, but for one that is yet to be written.

        DuckDB reads the files' schemas for that, and keeps what it has read: not here, as it is part of a cold query.
        """
        lake = self._lake
        os.environ.update(file_formats.environment(lake))
        if not lake.files or lake.writes:
            return
        self._run("SET enable_external_file_cache = false")
        for table, addresses in lake.files.items():
            self._run(f"CREATE VIEW {_name(table)} AS SELECT * FROM {file_formats.source(lake.format, addresses)}")
        self._run("RESET enable_external_file_cache")

    def _attach(self) -> None:
        catalog = self._lake.catalog
        attachment = catalog_properties.duckdb(catalog)
        if attachment.secret:
            secret = _listed(attachment.secret)
            self._run(f"CREATE OR REPLACE TEMPORARY SECRET {catalog_properties.SECRET} ({secret})")
        # Without READ_ONLY a warehouse that is an address is taken for a remote file.
        options = {**attachment.options, "READ_ONLY": "false"}
        if self._suffix:
            options["DISABLE_MULTI_TABLE_COMMIT"] = "true"
        self._run(f"ATTACH {_text(catalog.warehouse)} AS {_name(self._lake.name)} ({_listed(options)})")

    def _attach_ducklake(self) -> None:
        """Attach it, which makes it where it is not there yet, and make its schema the current one."""
        lake = self._lake
        *attached, used = attach_ducklake(lake)
        for statement in attached:
            self._run(statement)
        condition = f"database_name = {_text(lake.name)} AND schema_name = {_text(lake.namespace)}"
        if not self._rows(f"SELECT 1 FROM duckdb_schemas() WHERE {condition}"):  # it may be read-only
            self._run(f"CREATE SCHEMA IF NOT EXISTS {_name(lake.name)}.{_name(lake.namespace)}")
        self._run(used)

    def _attach_postgresql(self) -> None:
        """Attach the schema (DuckDB's documentation, *PostgreSQL Extension*), and make it the current one."""
        lake = self._lake
        database, schema = _text(conninfo(parameters(lake.catalog))), _text(lake.namespace)
        self._run(f"ATTACH {database} AS {_name(lake.name)} (TYPE postgres, SCHEMA {schema})")
        self._run(f"USE {_name(lake.name)}.{_name(lake.namespace)}")

    def _attach_anew(self) -> None:
        """Forget what the extension remembers: a namespace that it once did not find stays unknown to it."""
        self._run("USE memory.main")
        self._using = False
        self._run(f"DETACH {_name(self._lake.name)}")
        self._attach()

    def _see(self, sql: str) -> None:
        if self._suffix:
            self._make_views(sql)
        elif not self._using:  # not on open: the schema need not be there yet
            try:
                self._run(f"USE {_name(self._lake.name)}.{_name(self._lake.namespace)}")
            except LakebenchError:
                self._attach_anew()  # another engine may create it yet
                raise
            self._using = True

    def _target(self, table: str) -> str:
        lake = self._lake
        if lake.format.is_files or lake.format is TableFormat.DUCKDB:
            return _name(table)
        return ".".join(map(_name, (lake.name, lake.namespace, f"{table}{self._suffix}")))

    def _source(self, scan: Scan) -> str:
        return f"{self._target(scan.table)}{_at(scan)}"

    def _plain(self, table: str) -> str:
        return self._target(table)

    def _namespace(self) -> Iterator[str]:
        if not self._created:
            yield f"CREATE SCHEMA IF NOT EXISTS {_name(self._lake.name)}.{_name(self._lake.namespace)}"
            self._attach_anew()
            self._created = True

    def _execute(self, sql: str) -> None:
        self._run(sql)

    @contextlib.contextmanager
    def _another(self) -> Iterator[DuckDB]:
        other = copy.copy(self)
        other._connection = engine_call(self._connection.cursor)  # noqa: SLF001 - one of its own class
        try:
            yield other
        finally:
            other.close()


class IcebergScan(_Connected):
    """``iceberg_scan`` of a metadata file, without the extension's catalog.

    Each query first asks the REST catalog where the metadata of the tables it names lies now, inside the clock, as
    everybody who works this way has to.
    """

    name: ClassVar[str] = "iceberg_scan"
    title: ClassVar[str] = "DuckDB (iceberg_scan)"

    def _reach(self) -> None:
        """Nothing is attached."""

    def _see(self, sql: str) -> None:
        self._make_views(sql)

    def _source(self, scan: Scan) -> str:
        return f"iceberg_scan({self._plain(scan.table)}{_as_parameter(scan)})"

    def _plain(self, table: str) -> str:
        loaded = table_metadata(self._lake.catalog, self._lake.namespace, table)
        return _text(loaded["metadata-location"])


def _at(scan: Scan) -> str:
    """The snapshot that is asked for, as the suffix of a catalog's table."""
    if scan.at_ms is not None:
        return f" AT (TIMESTAMP => {_moment(scan.at_ms)})"
    return "" if scan.snapshot_id is None else f" AT (VERSION => {scan.snapshot_id})"


def _as_parameter(scan: Scan) -> str:
    """The snapshot that is asked for, as a parameter of the function."""
    if scan.at_ms is not None:
        return f", snapshot_from_timestamp => {_moment(scan.at_ms)}"
    return "" if scan.snapshot_id is None else f", snapshot_from_id => {scan.snapshot_id}"


def _moment(ms: int) -> str:
    return f"TIMESTAMP '{_EPOCH + timedelta(milliseconds=ms)}'"


def _extensions(lake: Lake) -> tuple[str, ...]:
    """What DuckDB needs beyond itself: nothing for Parquet and tables of its own on local files."""
    if lake.format is TableFormat.ICEBERG:
        return _EXTENSIONS
    if lake.format is TableFormat.POSTGRESQL:
        return ("postgres_scanner",)
    # DuckDB before 1.5 encrypts by what httpfs brings.
    store = () if lake.store is None and "ENCRYPTED" not in lake.options else ("httpfs",)
    if lake.format is TableFormat.DUCKLAKE:
        return (*store, "ducklake", *_CATALOGS[lake.catalog.kind])
    return (*store, *file_formats.extensions(lake))


def _extension_file(name: str, version: str) -> str:
    """The signed extension as its package brings it; loaded from there, it is not copied into the user's home.

    Raises:
        EngineUnavailable: the package is not there: that of ``delta`` is one to choose.
    """
    if find_spec(f"duckdb_extension_{name}") is None:
        package = f"duckdb-extension-{name}"
        how = f"make {name}, or pip install {package}=={version}"
        raise EngineUnavailable(f"DuckDB {version} has no package {package} beside it here: {how}")
    return str(files(f"duckdb_extension_{name}") / "extensions" / f"v{version}" / f"{name}.duckdb_extension")


def _as_identifier(ref: str | None) -> str:
    """``ref`` after a table's name: Nessie writes ``branch#commit`` there, and ``branch@commit`` in addresses."""
    return (ref or "").replace("@", "#")


def _default_branch(catalog: Catalog) -> str | None:
    """The reference that Nessie takes where none is named, ``None`` for another catalog."""
    config = rest_config(catalog, catalog.uri)
    merged: dict[str, str] = {**config.get("defaults", {}), **config.get("overrides", {})}
    return merged.get("nessie.default-branch.name")


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _listed(options: Mapping[str, str]) -> str:
    return ", ".join(f"{key} {_text(value)}" for key, value in options.items())


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
