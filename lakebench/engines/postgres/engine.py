"""PostgreSQL itself, through psycopg: what the other engines' ways into it are compared with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from lakebench.engines import CanAppend, CanCreate, CanExecute, CanLoad, CanQuery, CanScan, Engine
from lakebench.engines.boundary import EngineCalls
from lakebench.engines.inprocess import Answer
from lakebench.engines.postgresql import arrow_table, calls, connect, fetched, parameters
from lakebench.errors import Refused
from lakebench.model import CatalogKind, TableFormat

if TYPE_CHECKING:
    import pyarrow as pa

    from lakebench.iceberg.scan import Scan
    from lakebench.model import Lake

# Shown as PostgreSQL writes them: psycopg has Python values for them that Arrow has no type for.
_AS_TEXT = ("json", "jsonb", "inet", "cidr", "macaddr", "interval", "timetz", "bit", "varbit", "money", "uuid")


class Postgres(Engine, CanQuery, CanExecute, CanScan, CanCreate, CanAppend, CanLoad):
    """One session of PostgreSQL, each statement a transaction of its own unless it begins one.

    A lake's options ``zone`` and ``protocol`` are those of :func:`lakebench.engines.postgresql.connect`.
    """

    name = "postgres"
    title = "PostgreSQL"
    dialect = "postgres"
    distribution = "psycopg"
    service = "postgres"
    catalogs: ClassVar[tuple[CatalogKind, ...]] = (CatalogKind.JDBC,)
    formats: ClassVar[tuple[TableFormat, ...]] = (TableFormat.POSTGRESQL,)
    optional = True
    preload = ("psycopg", "pyarrow.csv")

    _connection: Any = None

    def open(self, lake: Lake) -> None:
        """Connect, and make the namespace the current schema, with PostgreSQL's after it.

        Raises:
            EngineUnavailable: the server does not let us in.
        """
        from psycopg.types.string import TextLoader

        self.close()
        session = {key: lake.options[key] for key in ("zone", "protocol") if key in lake.options}
        self._connection = connect(parameters(lake.catalog), **session)
        for name in _AS_TEXT:
            self._call(self._connection.adapters.register_loader, name, TextLoader)
        self.execute(f"CREATE SCHEMA IF NOT EXISTS {_name(lake.namespace)}")
        self.execute(f"SET search_path = {_name(lake.namespace)}, public")

    def close(self) -> None:
        """Disconnect."""
        connection, self._connection = self._connection, None
        if connection is not None:
            calls(connection)(connection.close)

    def versions(self) -> dict[str, str]:
        """The versions of PostgreSQL, its extensions and psycopg."""
        import psycopg

        (version,) = self._rows("SHOW server_version")[0]
        extensions = self._rows("SELECT extname, extversion FROM pg_extension WHERE extname <> 'plpgsql' ORDER BY 1")
        of_extensions = {f"extension {name}": str(number) for name, number in extensions}
        return {"postgresql": str(version), **of_extensions, "psycopg": psycopg.__version__}

    def settings_used(self) -> dict[str, str]:
        """Our setting."""
        return {"TimeZone": "UTC"}

    def query(self, sql: str) -> Iterable[pa.RecordBatch]:
        """The whole answer, fetched row by row and then turned into Arrow."""
        table = arrow_table(*fetched(self._connection, sql))
        return Answer(table.schema, table.to_batches())

    def execute(self, sql: str) -> None:
        """Run ``sql``."""
        self._call(self._connection.execute, sql)

    def scan(self, scan: Scan) -> Iterable[pa.RecordBatch]:
        """A SELECT of the columns; a heap table has no snapshots to choose.

        Raises:
            Refused: an older snapshot, or what only tables of Iceberg have, is asked for.
        """
        if scan.snapshot_id is not None or scan.ref or scan.at_ms is not None or scan.metadata or scan.where:
            raise Refused("a table of PostgreSQL has no snapshots, references or metadata tables")
        columns = "count(*)" if scan.count else "*" if scan.columns is None else ", ".join(map(_name, scan.columns))
        return self.query(f"SELECT {columns} FROM {_name(scan.table)}")

    def create(self, table: str, schema: pa.Schema) -> None:
        """CREATE TABLE, with PostgreSQL's types of the Arrow ones."""
        columns = ", ".join(f"{_name(field.name)} {_type(field.type)}" for field in schema)
        self.execute(f"CREATE TABLE {_name(table)} ({columns})")

    def drop(self, table: str) -> None:
        """DROP TABLE IF EXISTS."""
        self.execute(f"DROP TABLE IF EXISTS {_name(table)}")

    def append(self, table: str, rows: pa.Table) -> None:
        """COPY in one transaction."""
        self._copy(table, rows.schema, rows.to_batches())

    def load(self, table: str, files: Sequence[str]) -> None:
        """COPY of each file's row batches, a transaction a file."""
        import pyarrow.parquet as pq

        for file in files:
            with pq.ParquetFile(file) as opened:
                self._copy(table, opened.schema_arrow, opened.iter_batches())

    def _copy(self, table: str, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        """COPY … FROM STDIN as CSV: Arrow writes a null without quotes and an empty text with them, as COPY reads."""
        import pyarrow as pa
        from pyarrow import csv

        if any(pa.types.is_binary(field.type) for field in schema):
            raise Refused("binary columns are not copied into PostgreSQL here")
        names = ", ".join(_name(name) for name in schema.names)
        statement = f"COPY {_name(table)} ({names}) FROM STDIN (FORMAT csv)"
        entered = self._call.entered
        with entered(self._connection.cursor) as cursor, entered(cursor.copy, statement) as copy:
            for batch in batches:
                sink = pa.BufferOutputStream()
                csv.write_csv(_plain(batch), sink, csv.WriteOptions(include_header=False))
                self._call(copy.write, sink.getvalue().to_pybytes())

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        return fetched(self._connection, sql)[1]

    @property
    def _call(self) -> EngineCalls:
        return calls(self._connection)


def _plain(batch: pa.RecordBatch) -> pa.RecordBatch:
    """``batch`` without Arrow's view types, which its CSV writer does not take."""
    import pyarrow as pa

    fields = [one.with_type(pa.string()) if pa.types.is_string_view(one.type) else one for one in batch.schema]
    return batch.cast(pa.schema(fields))


def _type(kind: pa.DataType) -> str:
    """PostgreSQL's name of an Arrow type.

    Raises:
        Refused: it has none here.
    """
    import pyarrow as pa

    if pa.types.is_decimal(kind):
        return f"numeric({kind.precision}, {kind.scale})"
    if pa.types.is_timestamp(kind):
        return "timestamptz" if kind.tz else "timestamp"
    types = {
        "bool": "boolean",
        "int16": "smallint",
        "int32": "integer",
        "int64": "bigint",
        "float": "real",
        "double": "double precision",
        "string": "text",
        "string_view": "text",
        "date32[day]": "date",
    }
    if str(kind) not in types:
        raise Refused(f"there is no type of PostgreSQL for Arrow's {kind} here")
    return types[str(kind)]


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
