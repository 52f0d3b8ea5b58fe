"""pg_lake: PostgreSQL that keeps Iceberg tables, through psycopg."""

from __future__ import annotations

import contextlib
import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lakebench.engines import CanScan, Engine
from lakebench.engines.boundary import EngineCalls
from lakebench.engines.inprocess import Answer
from lakebench.engines.pg_lake.reads import metadata_query, selected, with_nested
from lakebench.engines.pg_lake.statements import PgLakeOperations, PgLakeSql, local_name, tables_of
from lakebench.engines.postgresql import arrow_table, calls, connect, fetched, login
from lakebench.errors import EngineUnavailable, LakebenchError, Refused
from lakebench.iceberg import catalogs
from lakebench.iceberg import operations as ops

if TYPE_CHECKING:
    import pyarrow as pa

    from lakebench.iceberg.scan import Scan
    from lakebench.iceberg.types import Field, MapOf
    from lakebench.model import Lake

# Shown as PostgreSQL writes them: psycopg has Python values for them that Arrow has no type for.
_AS_TEXT = ("json", "jsonb", "uuid", "interval", "timetz")


class PgLakeEngine(PgLakeOperations, Engine, CanScan):
    """Tables that pg_lake keeps in a catalog of its own, registered in the lake's after each step.

    Others' tables are foreign tables of their metadata files, which the lake's catalog is asked for at each read. What
    is written lies in a schema of the run's own, whatever the lake's namespace.
    """

    name = "pg_lake"
    title = "pg_lake"
    dialect = "postgres"
    distribution = "psycopg"
    service = "pg_lake"
    optional = True
    own_catalog = True
    preload = ("psycopg", "pyarrow")

    _connection: Any = None
    _lake: Lake | None = None

    def open(self, lake: Lake) -> None:
        """Connect, and make the schema.

        Raises:
            EngineUnavailable: no server, or a lake in another place than the object store of the server.
        """
        self.close()
        self._check_store(lake)
        self._connection, self._lake = self._connect(), lake
        self.sql = PgLakeSql(_schema(self._server("schema"), lake.namespace))
        self._run(f"CREATE SCHEMA IF NOT EXISTS {self.sql.name(self.sql.schema)}")

    def close(self) -> None:
        """Disconnect; schema and tables stay, as their metadata is registered."""
        connection, self._connection, self._lake = self._connection, None, None
        if connection is not None:
            with contextlib.suppress(LakebenchError):
                calls(connection)(connection.close)

    def versions(self) -> dict[str, str]:
        """The versions of the extension and of PostgreSQL."""
        ((extension,),) = self._run("SELECT extversion FROM pg_extension WHERE extname = 'pg_lake'")
        ((postgres,),) = self._run("SHOW server_version")
        return {"pg_lake": str(extension), "postgresql": str(postgres)}

    def settings_used(self) -> dict[str, str]:
        """Ours."""
        return {"TimeZone": "UTC", "autovacuum_enabled": "false"}

    # Reading

    def scan(self, scan: Scan) -> Iterable[pa.RecordBatch]:
        """A SELECT of the table where it is pg_lake's own, else of a foreign table of its metadata file.

        Raises:
            Refused: another snapshot than the current one of the metadata file.
        """
        if scan.snapshot_id is not None or scan.ref is not None or scan.at_ms is not None:
            raise Refused("pg_lake reads the current snapshot of a metadata file, and has no words for another one")
        location = self._registered(scan.table)
        if scan.metadata:
            return self._answer(metadata_query(self.sql, scan, location))
        with self._readable(location) as source:
            return self._answer(self.sql.select(scan, source), selected(scan))

    def _registered(self, table: str) -> str:
        """Where the metadata of ``table`` is, as the lake's catalog says."""
        lake = self._opened
        location: str = catalogs.table_metadata(lake.catalog, lake.namespace, table)["metadata-location"]
        return location

    @contextlib.contextmanager
    def _readable(self, location: str) -> Iterator[str]:
        """What to select from for the table whose metadata is at ``location``."""
        own = self._run(
            "SELECT table_namespace, table_name FROM iceberg_tables WHERE metadata_location = %s", (location,)
        )
        if own:
            yield ".".join(map(self.sql.name, own[0]))
            return
        foreign = self.sql.qualified(f"read_{uuid.uuid4().hex}")
        self._run(f"CREATE FOREIGN TABLE {foreign} () SERVER pg_lake OPTIONS (path {self.sql.text(location)})")
        try:
            yield foreign
        finally:
            with contextlib.suppress(LakebenchError):  # the error of the block is the one to see
                self._run(f"DROP FOREIGN TABLE {foreign}")

    def _answer(self, sql: str, fields: Sequence[Field | None] = ()) -> Answer:
        """The whole answer; columns of nested ``fields`` come as JSON."""
        table = with_nested(arrow_table(*fetched(self._connection, sql)), fields)
        return Answer(table.schema, table.to_batches())

    # Writing

    def operate(self, operation: ops.Operation, tell: Callable[[str], None]) -> list[bool] | None:
        """Carry out ``operation``, and register the tables' new metadata files in the lake's catalog.

        Raises:
            EngineUnavailable: another engine has changed a table there, which pg_lake does not follow.
        """
        for table in tables_of(operation):
            if not isinstance(operation, ops.Create):
                self._check_not_changed(table)
        if isinstance(operation, ops.Transaction):
            with self._another() as session:
                done = PgLakeOperations.operate(session, operation, tell)
        else:
            done = super().operate(operation, tell)
        for table in tables_of(operation):
            self._register(table, tell)
        return done

    def _check_not_changed(self, table: str) -> None:
        own = self._location(table)
        if own is not None and own != self._registered(table):
            raise EngineUnavailable(
                "another engine has changed the table in the lake's catalog, which pg_lake, whose catalog is its own, "
                "does not follow"
            )

    def _register(self, table: str, tell: Callable[[str], None]) -> None:
        """Make the lake's catalog know the table by its newest metadata file."""
        lake, location = self._opened, self._location(table)
        if location is None:
            return
        with contextlib.suppress(Refused):
            if self._registered(table) == location:
                return
        catalogs.create_namespace(lake.catalog, lake.namespace)
        catalogs.unregister(lake.catalog, lake.namespace, table)
        tell(f"-- registered: {location}")
        catalogs.register(lake.catalog, lake.namespace, table, location)

    def _location(self, table: str) -> str | None:
        """Where the metadata of a table of pg_lake's own is."""
        found = self._run(
            "SELECT metadata_location FROM iceberg_tables WHERE table_namespace = %s AND table_name = %s",
            (self.sql.schema, local_name(table)),
        )
        return str(found[0][0]) if found else None

    def _make_map(self, of: MapOf) -> None:
        self.sql.note_map(of, self._run(self.sql.create_map(of))[0])

    def _execute(self, sql: str) -> None:
        self._run(sql)

    @contextlib.contextmanager
    def _another(self) -> Iterator[PgLakeEngine]:
        """Another session with the same schema."""
        other = type(self)(self.settings)
        other.sql = self.sql
        other._connection = other._connect()  # noqa: SLF001 - one of its own class
        try:
            yield other
        finally:
            other.close()

    # The server

    @property
    def _opened(self) -> Lake:
        if self._lake is None:
            raise EngineUnavailable("no lake is open")
        return self._lake

    def _connect(self) -> Any:
        from psycopg.types.string import TextLoader

        if self.settings.server is None:
            raise EngineUnavailable("no PostgreSQL with pg_lake runs: lakebench up pg_lake says why")
        connection = connect(login(self.settings.server))
        for name in _AS_TEXT:
            calls(connection)(connection.adapters.register_loader, name, TextLoader)
        return connection

    def _server(self, name: str) -> str:
        """A property of the server."""
        return "" if self.settings.server is None else self.settings.server.properties.get(name, "")

    def _check_store(self, lake: Lake) -> None:
        location = self._server("location")
        if lake.store is None or (location and not location.startswith(f"s3://{lake.store.bucket}/")):
            raise EngineUnavailable(f"pg_lake here has its tables at {location}, and the lake has its own elsewhere")

    def _run(self, sql: str, values: Sequence[str] | None = None) -> list[tuple[Any, ...]]:
        call = self._call
        with call.entered(self._connection.cursor) as cursor:
            call(cursor.execute, sql, values)
            return call(cursor.fetchall) if cursor.description else []

    @property
    def _call(self) -> EngineCalls:
        return calls(self._connection)


def _schema(ours: str, namespace: str) -> str:
    """The schema for a namespace of the lake, which begins with that of the run."""
    return local_name(re.sub(r"\W", "_", f"{ours}_{namespace}" if ours else namespace))
