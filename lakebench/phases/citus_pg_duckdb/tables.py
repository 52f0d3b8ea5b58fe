"""The tables of phase 7: those whose kinds are asked about, and those that are joined in each layout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from lakebench.datasets import table_files
from lakebench.engines.postgresql import literal, secret_parameters
from lakebench.iceberg.catalogs import table_metadata
from lakebench.model import EngineRef, ObjectStore
from lakebench.phases.citus_pg_duckdb.server import Both, Server
from lakebench.services import lakes
from lakebench.services.object_store import store

ROWS = 1_000
"""The rows of each table whose kind is asked about."""
KINDS = "kinds"
"""The schema of these tables."""
_WRITER = EngineRef("pyiceberg")
_ROWS = f"SELECT i AS id, i * 7 % 100 AS a FROM generate_series(1, {ROWS}) i"
_HEAPS = ("heap", "dist", "ref", "part")


def plain_kinds(both: Both) -> None:
    """The tables in plain PostgreSQL, all of them heaps, once a run."""
    both.context.prepared.once("both/plain/kinds", lambda: _plain_kinds(both.plain))


def _plain_kinds(plain: Server) -> None:
    tables = [f"CREATE TABLE {name} AS {_ROWS}" for name in _HEAPS]
    plain.execute(
        "", KINDS, f"DROP SCHEMA IF EXISTS {plain.schema(KINDS)} CASCADE", f"CREATE SCHEMA {plain.schema(KINDS)}"
    )
    plain.execute("", KINDS, *tables)


def kinds(both: Both, database: str) -> None:
    """The same tables in ``database``, once a run: a heap, a partitioned one and a view; with Citus also its own."""
    key = f"both/{both.combination.service}/{database}/kinds"
    both.context.prepared.once(key, lambda: _kinds(both.server, database))


def _kinds(server: Server, database: str) -> None:
    server.execute(
        database,
        KINDS,
        f"CREATE TABLE heap AS {_ROWS}",
        "CREATE VIEW over AS SELECT id, a FROM heap",
        "CREATE TABLE part (id integer, a integer) PARTITION BY RANGE (id)",
        f"CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO ({ROWS + 1})",
        f"INSERT INTO part {_ROWS}",
    )
    if server.cells(database, KINDS, "SELECT count(*) AS n FROM pg_extension WHERE extname = 'citus'") == [["1"]]:
        server.execute(
            database,
            KINDS,
            "CREATE TABLE dist (id integer, a integer)",
            "SELECT create_distributed_table('dist', 'id', shard_count := 4)",
            "CREATE TABLE ref (id integer, a integer)",
            "SELECT create_reference_table('ref')",
            *(f"INSERT INTO {name} {_ROWS}" for name in ("dist", "ref")),
        )


# Files that DuckDB reads.


def new_file(both: Both, database: str, name: str) -> str:
    """The address of a Parquet file that is not there yet: beside the data of the server, or in the object store."""
    location = both.context.services.endpoint(both.combination.service).properties.get("location")
    return f"{location or _folder(both.server, database)}/lakebench_{name}.parquet"


def _folder(server: Server, database: str) -> str:
    ((folder,),) = server.cells(database, KINDS, "SELECT current_setting('data_directory') AS a")
    return str(folder)


def parquet(both: Both, database: str) -> str:
    """The path of a Parquet file with the rows of the tables, which the DuckDB of the server writes; once a run."""
    return both.context.prepared.once(f"both/parquet/{database}", lambda: _parquet(both.server, database))


def _parquet(server: Server, database: str) -> str:
    path = f"{_folder(server, database)}/lakebench_{database}.parquet"
    rows = f"SELECT i::INTEGER AS id, (i * 7 % 100)::INTEGER AS a FROM range(1, {ROWS + 1}) t(i)"
    server.execute(database, KINDS, f"COPY (SELECT * FROM duckdb.query('{rows}')) TO '{path}'")
    return path


def iceberg(both: Both) -> str:
    """The metadata file of an Iceberg table with these rows in the object store, once a run.

    Raises:
        CaseError: its services do not run, or it could not be written.
    """
    return both.context.prepared.once("both/iceberg", lambda: _iceberg(both))


def _iceberg(both: Both) -> str:
    lake, client, rows = lakes.rest_lake(both.context.services), both.context.client, both.context.files.new("rows")
    both.context.checker.call(write_rows, rows)
    client.call(_WRITER, lake, "create", table="both", rows=str(rows))
    client.call(_WRITER, lake, "append", table="both", rows=str(rows))
    return str(table_metadata(lake.catalog, lake.namespace, "both")["metadata-location"])


def write_rows(into: Path) -> None:
    """Write the rows of the tables; the checker does it."""
    import pyarrow as pa

    numbers = range(1, ROWS + 1)
    columns = {"id": pa.array(numbers, pa.int32()), "a": pa.array([i * 7 % 100 for i in numbers], pa.int32())}
    table_files.write(pa.table(columns), into)


def secret(objects: ObjectStore) -> str:
    """The statement that gives the DuckDB of a server the key of the object store."""
    parameters = (f"{key} := {literal(one)}" for key, one in secret_parameters(objects).items())
    return f"SELECT duckdb.create_simple_secret({', '.join(parameters)})"


def with_key(both: Both, database: str) -> None:
    """Give the DuckDB of ``database`` the key of the object store, once a run."""
    sql = secret(store(both.context.services.endpoint("object-store")))
    both.context.prepared.once(f"both/key/{database}", lambda: both.server.execute(database, KINDS, sql))


# Tables that are joined.

ORDERS, ITEMS = 500, 800
_FILLED: Mapping[str, tuple[str, str]] = {
    "orders": (
        "id integer, customer integer, region text, amount numeric(10, 2), tag text",
        f"""SELECT n, nullif(n % 37, 0), (array['north', 'South', 'east', NULL, 'Zürich'])[1 + n % 5],
        (n * 7919 % 10000) / 100.0, nullif('t' || n % 7, 't0') FROM generate_series(1, {ORDERS}) n""",
    ),
    "items": (
        "id integer, order_id integer, qty integer, tag text",
        f"SELECT n, n * 7 % 600, nullif(n % 5, 0), 't' || n % 9 FROM generate_series(1, {ITEMS}) n",
    ),
    "regions": (
        "region text, title text, rank integer",
        "VALUES ('north', 'N', 1), ('South', 'S', 2), ('nowhere', 'X', 3), (NULL, '?', 4), ('Zürich', 'Z', NULL)",
    ),
    "notes": (
        "customer integer, note text",
        "SELECT n % 40, 'n' || n FROM generate_series(1, 50) n",
    ),
}
"""Table → its columns, and the query of its rows."""


@dataclass(frozen=True)
class Layout:
    """How the tables lie: each with what comes behind CREATE TABLE, and a statement that spreads it."""

    name: str
    title: str
    using: Mapping[str, str]
    spread: Mapping[str, str]

    def statements(self) -> Iterator[str]:
        """What makes and fills the tables."""
        for table, (columns, rows) in _FILLED.items():
            yield f"CREATE TABLE {table} ({columns}) {self.using.get(table, '')}".strip()
            if table in self.spread:
                yield self.spread[table]
            yield f"INSERT INTO {table} {rows}"


HEAPS = Layout("heaps", "plain PostgreSQL", {}, {})


def shards(count: int) -> Layout:
    """``orders`` and ``items`` colocated in ``count`` shards, ``regions`` a reference table, ``notes`` a local one."""
    spread = {
        "orders": f"SELECT create_distributed_table('orders', 'id', shard_count := {count}, colocate_with := 'none')",
        "items": "SELECT create_distributed_table('items', 'order_id', colocate_with := 'orders')",
        "regions": "SELECT create_reference_table('regions')",
    }
    return Layout(f"{count}", f"{count} shard{'s' if count > 1 else ''}", {}, spread)


def joined(both: Both, server: Server, database: str, layout: Layout) -> str:
    """The schema of the tables in this layout, made once a run."""
    key = f"both/joined/{server.service}/{database}/{layout.name}"
    return both.context.prepared.once(key, lambda: _joined(server, database, layout))


def _joined(server: Server, database: str, layout: Layout) -> str:
    name = f"layout_{layout.name.replace('-', '_')}"
    if not database:  # it may be left of an earlier run
        schema = server.schema(name)
        server.execute(database, KINDS, f"DROP SCHEMA IF EXISTS {schema} CASCADE", f"CREATE SCHEMA {schema}")
    server.execute(database, name, *layout.statements())
    return name
