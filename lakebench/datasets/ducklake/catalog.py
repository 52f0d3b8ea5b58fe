"""DuckLake's catalog tables, read as what they are: tables of a database, without DuckLake's extension.

(DuckLake's specification, *Tables*.)
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from lakebench.errors import ServiceUnavailable, WrongAnswer
from lakebench.model import Catalog, CatalogKind, Lake

Row = dict[str, Any]
_LOCK_S = 5  # a session that was killed may hold its locks for a moment


class Metadata:
    """The database that the catalog of ``lake`` is in; used as a context manager. Nobody else may write meanwhile."""

    def __init__(self, lake: Lake) -> None:
        kind, self._file = lake.catalog.kind, lake.catalog.uri
        self._connection = {
            CatalogKind.POSTGRES: _postgres,
            CatalogKind.SQLITE: _sqlite,
            CatalogKind.DUCKDB: _duckdb,
        }[kind](lake.catalog)
        self._prefix = f'"{lake.options["METADATA_SCHEMA"]}".' if kind is CatalogKind.POSTGRES else ""

    def __enter__(self) -> Self:
        """The open database."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self._connection.close()

    def rows(self, table: str, where: str = "") -> list[Row]:
        """Every column of the rows of ``table`` that ``where`` holds for; none where there is no such table."""
        if not self._has(table):
            return []
        condition = f" WHERE {where}" if where else ""
        cursor = self._connection.cursor()
        cursor.execute(f'SELECT * FROM {self._prefix}"{table}"{condition}')
        names = [one[0] for one in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def live(self, table: str, snapshot: int, where: str = "true") -> list[Row]:
        """The rows of ``table`` that are part of ``snapshot``."""
        span = f"begin_snapshot <= {snapshot} AND (end_snapshot IS NULL OR end_snapshot > {snapshot})"
        return self.rows(table, f"{span} AND {where}")

    def bytes(self) -> int:
        """What the catalog takes in its database: its tables with their indexes, or the file."""
        if not self._prefix:
            return Path(self._file).stat().st_size
        cursor = self._connection.cursor()
        cursor.execute(
            "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE c.relkind = 'r' AND n.nspname = %s",
            (self._prefix.strip('".'),),
        )
        return int(cursor.fetchone()[0] or 0)

    def _has(self, table: str) -> bool:
        import sqlite3

        import duckdb
        import psycopg

        cursor = self._connection.cursor()
        try:
            cursor.execute(f'SELECT 1 FROM {self._prefix}"{table}" LIMIT 0')
        except (duckdb.CatalogException, psycopg.errors.UndefinedTable):
            return False
        except sqlite3.OperationalError as error:  # also where the database is locked
            if "no such table" not in str(error):
                raise
            return False
        return True


def forget(lake: Lake) -> None:
    """Drop the PostgreSQL schema of the catalog of ``lake``, which no session may have open. A file stays as it is.

    DuckDB's extension reads the system catalog of the whole database whenever it attaches one: each of the catalogs
    that are there makes the next one slower.
    """
    import psycopg

    if lake.catalog.kind is CatalogKind.POSTGRES:
        with (
            contextlib.closing(_postgres(lake.catalog)) as connection,
            contextlib.suppress(psycopg.errors.LockNotAvailable),
        ):
            connection.execute(f"SET lock_timeout = '{_LOCK_S}s'")
            connection.execute(f'DROP SCHEMA IF EXISTS "{lake.options["METADATA_SCHEMA"]}" CASCADE')


def newest(metadata: Metadata) -> int:
    """The newest snapshot."""
    return max(int(one["snapshot_id"]) for one in metadata.rows("ducklake_snapshot"))


def addresses(lake: Lake, table: str) -> list[str]:
    """The data files of ``table`` that the newest snapshot has: ``s3://`` addresses or paths.

    Raises:
        WrongAnswer: there is no such table.
    """
    with Metadata(lake) as metadata:
        at = newest(metadata)
        one = the_table(metadata, at, table)
        home = folder(lake, metadata, at, one)
        return [
            absolute(home, file) for file in metadata.live("ducklake_data_file", at, f"table_id = {one['table_id']}")
        ]


def the_table(metadata: Metadata, snapshot: int, name: str) -> Row:
    """The row of ``ducklake_table`` of the table called ``name``.

    Raises:
        WrongAnswer: there is none.
    """
    tables = metadata.live("ducklake_table", snapshot, f"table_name = '{name}'")
    if not tables:
        raise WrongAnswer(f"the catalog has no table {name} at snapshot {snapshot}")
    return tables[0]


def folder(lake: Lake, metadata: Metadata, snapshot: int, table: Row) -> str:
    """The folder of the files of ``table`` (DuckLake's documentation, *Paths*)."""
    schema = metadata.live("ducklake_schema", snapshot, f"schema_id = {table['schema_id']}")[0]
    return absolute(absolute(lake.catalog.warehouse, schema), table)


def absolute(parent: str, row: Row) -> str:
    """The path in ``row``, which may be relative to ``parent``."""
    return f"{parent}{row['path']}" if row["path_is_relative"] else str(row["path"])


def _postgres(catalog: Catalog) -> Any:
    import psycopg

    address = urlsplit(catalog.uri)
    try:
        return psycopg.connect(
            host=address.hostname,
            port=address.port,
            dbname=address.path.removeprefix("/"),
            user=catalog.user,
            password=catalog.password,
            autocommit=True,
        )
    except psycopg.OperationalError as error:
        raise ServiceUnavailable(f"the catalog in PostgreSQL does not answer: {error}") from error


def _sqlite(catalog: Catalog) -> Any:
    import sqlite3

    return sqlite3.connect(f"file:{catalog.uri}?mode=ro", uri=True)


def _duckdb(catalog: Catalog) -> Any:
    import duckdb

    return duckdb.connect(catalog.uri, read_only=True)


def inlined(metadata: Metadata, table_id: int) -> Sequence[str]:
    """The names of the tables that hold inlined rows of the table."""
    return [str(one["table_name"]) for one in metadata.rows("ducklake_inlined_data_tables", f"table_id = {table_id}")]
