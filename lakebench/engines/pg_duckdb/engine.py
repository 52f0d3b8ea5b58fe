"""pg_duckdb: ``iceberg_scan`` of metadata files, or a DuckLake attached, in a PostgreSQL that has the extension."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from lakebench.engines import CanQuery, CanScan, Engine
from lakebench.engines.ducklake import attach_ducklake
from lakebench.engines.inprocess import Answer
from lakebench.engines.postgresql import arrow_table, calls, connect, fetched, login, secret_parameters
from lakebench.errors import EngineUnavailable, LakebenchError, Refused
from lakebench.model import Lake, TableFormat

if TYPE_CHECKING:
    import pyarrow as pa

    from lakebench.iceberg.scan import Scan
    from lakebench.model import ObjectStore

_EXTENSION = "pg_duckdb"
_WITH = re.compile(r"\s*with\b", re.IGNORECASE)
# Iceberg's primitive types as PostgreSQL's.
_TYPES = {
    "boolean": "boolean",
    "int": "integer",
    "long": "bigint",
    "float": "real",
    "double": "double precision",
    "string": "text",
    "date": "date",
    "timestamp": "timestamp",
    "timestamptz": "timestamptz",
    "binary": "bytea",
    "uuid": "uuid",
}
_DECIMAL = re.compile(r"decimal\((\d+),\s*(\d+)\)")


class PgDuckDB(Engine, CanQuery, CanScan):
    """DuckDB inside PostgreSQL.

    It has no catalog: each query first asks the REST catalog, inside the clock, where the metadata of its tables lies,
    as everybody who works this way has to. It reads only.

    A DuckLake is attached inside its DuckDB, and a query goes there whole (``duckdb.query``).
    """

    name = "pg_duckdb"
    title = "pg_duckdb (iceberg_scan)"
    dialect = "postgres"
    distribution = "psycopg"
    computes_by = "duckdb"
    service = "pg_duckdb"
    formats: ClassVar[tuple[TableFormat, ...]] = (TableFormat.ICEBERG, TableFormat.DUCKLAKE)

    _connection: Any = None
    _secret: str = ""
    _lake: Lake | None = None

    def open(self, lake: Lake) -> None:
        """Connect, and make the store's key a secret there; the service has looked for the extension.

        Raises:
            EngineUnavailable: no server, or a lake on local files.
        """
        if lake.store is None:
            raise EngineUnavailable(
                "pg_duckdb reads files as PostgreSQL's own account, which a run's local folders are closed to: "
                "use a lake on an object store"
            )
        self.close()
        self._connection = self._connect()
        self._run(f"SET duckdb.threads = {self.settings.threads}")
        self._make_secret(lake.store)
        if lake.format is TableFormat.DUCKLAKE:
            self._attach(lake)
        self._lake = lake

    def _attach(self, lake: Lake) -> None:
        """Attach a DuckLake; an error has the versions, which nobody can ask an engine for that did not open."""
        try:
            for statement in attach_ducklake(lake):
                self._run("SELECT duckdb.raw_query(%s)", (statement,))
        except Refused as error:
            error.details["versions"] = self.versions()
            raise

    def close(self) -> None:
        """Drop the secret, which would outlive the session, and disconnect."""
        connection, self._connection, self._lake = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(LakebenchError):
                if self._secret:
                    calls(connection)(connection.execute, f"DROP SERVER IF EXISTS {_name(self._secret)} CASCADE")
            calls(connection)(connection.close)

    def versions(self) -> dict[str, str]:
        """The versions of the extension, of its DuckDB, and of PostgreSQL."""
        (extension,) = self._run("SELECT extversion FROM pg_extension WHERE extname = %s", (_EXTENSION,))[0]
        (duckdb,) = self._run("SELECT r['version'] FROM duckdb.query('SELECT version() AS version') r")[0]
        (postgres,) = self._run("SHOW server_version")[0]
        return {"pg_duckdb": str(extension), "duckdb": str(duckdb).removeprefix("v"), "postgresql": str(postgres)}

    def settings_used(self) -> dict[str, str]:
        """Our settings."""
        return {"duckdb.threads": str(self.settings.threads), "TimeZone": "UTC"}

    def query(self, sql: str) -> Iterable[pa.RecordBatch]:
        """Run ``sql`` with a common table expression over ``iceberg_scan`` for each table that it names."""
        if self._opened.format is TableFormat.DUCKLAKE:
            return self._answer(f"SELECT * FROM duckdb.query({_text(sql)})")
        return self._answer(_with(sql, {table: self._source(table) for table in _tables(sql)}))

    def scan(self, scan: Scan) -> Iterable[pa.RecordBatch]:
        """A SELECT of the columns from ``iceberg_scan``, of the current snapshot only."""
        if scan.snapshot_id is not None or scan.ref is not None:
            raise Refused("pg_duckdb's iceberg_scan has no parameter for a snapshot, branch or tag")
        columns = "*" if scan.columns is None else ", ".join(map(_name, scan.columns))
        return self._answer(f"SELECT {columns} FROM ({self._source(scan.table)}) AS t")

    @property
    def _opened(self) -> Lake:
        if self._lake is None:
            raise EngineUnavailable("no lake is open")
        return self._lake

    def _connect(self) -> Any:
        if self.settings.server is None:
            raise EngineUnavailable("no PostgreSQL with pg_duckdb runs: lakebench up pg_duckdb says why")
        return connect(login(self.settings.server))

    def _make_secret(self, store: ObjectStore) -> None:
        parameters = secret_parameters(store)
        named = ", ".join(f"{key} := %s" for key in parameters)
        # It answers with the name of the foreign server that holds the secret.
        ((self._secret,),) = self._run(f"SELECT duckdb.create_simple_secret({named})", tuple(parameters.values()))

    def _source(self, table: str) -> str:
        """A SELECT of every column of ``table`` as it is now, each with its PostgreSQL type."""
        from lakebench.iceberg.catalogs import table_metadata

        lake = self._opened
        loaded = table_metadata(lake.catalog, lake.namespace, table)
        columns = ", ".join(_column(field) for field in _fields(loaded["metadata"]))
        return f"SELECT {columns} FROM iceberg_scan({_text(loaded['metadata-location'])}) r"

    def _answer(self, sql: str) -> Iterable[pa.RecordBatch]:
        table = arrow_table(*fetched(self._connection, sql))
        return Answer(table.schema, table.to_batches())

    def _run(self, sql: str, values: Sequence[str] | None = None) -> list[tuple[Any, ...]]:
        call = calls(self._connection)
        with call.entered(self._connection.cursor) as cursor:
            call(cursor.execute, sql, values)
            return call(cursor.fetchall) if cursor.description else []


def _with(sql: str, sources: Mapping[str, str]) -> str:
    """``sql`` with each table's source as a common table expression before its own."""
    ours = ", ".join(f"{_name(table)} AS ({source})" for table, source in sources.items())
    if not ours:
        return sql
    match = _WITH.match(sql)
    return f"WITH {ours}, {sql[match.end() :]}" if match else f"WITH {ours} {sql}"


def _tables(sql: str) -> list[str]:
    """The tables that ``sql`` names, without those that it defines itself and without table functions.

    Raises:
        EngineUnavailable: it is not clear which they are.
    """
    import sqlglot
    from sqlglot import exp

    try:
        tree = sqlglot.parse_one(sql, read="postgres")
    except sqlglot.errors.SqlglotError as error:
        message = " ".join(str(error).split())
        raise EngineUnavailable(f"pg_duckdb's adapter cannot tell which tables the query names: {message}") from error
    defined = {one.alias for one in tree.find_all(exp.CTE)}
    named = {table.name for table in tree.find_all(exp.Table) if isinstance(table.this, exp.Identifier)}
    return sorted(named - defined)


def _fields(metadata: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The columns of the current schema (Iceberg specification, *current-schema-id*)."""
    current = metadata["current-schema-id"]
    return next(list(schema["fields"]) for schema in metadata["schemas"] if schema["schema-id"] == current)


def _column(field: Mapping[str, Any]) -> str:
    """One column by the syntax of pg_duckdb's rows, cast so that PostgreSQL knows its type when it plans."""
    name = str(field["name"])
    return f"(r[{_text(name)}])::{_postgres_type(field['type'])} AS {_name(name)}"


def _postgres_type(kind: Any) -> str:
    if isinstance(kind, str) and kind in _TYPES:
        return _TYPES[kind]
    match = _DECIMAL.fullmatch(kind) if isinstance(kind, str) else None
    if match is None:
        raise Refused(f"pg_duckdb's adapter has no PostgreSQL type for Iceberg's {kind}")
    return f"numeric({match[1]}, {match[2]})"


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
