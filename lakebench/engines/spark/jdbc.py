"""A schema of PostgreSQL as options of Spark's JDBC data source (its documentation, *JDBC To Other Databases*)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lakebench.model import Lake

FETCH_ROWS = 10_000
"""Rows that a partition fetches at a time: at the default of 0 PostgreSQL's driver takes the whole answer at once."""
Bounds = Mapping[str, tuple[str, int, int]]
"""Table → the integer column that begins its primary key, and that column's least and greatest value."""


def source(lake: Lake) -> dict[str, str]:
    """The options that reach the database."""
    return {
        "url": lake.catalog.uri,
        "user": lake.catalog.user,
        "password": lake.catalog.password,
        "driver": "org.postgresql.Driver",
        "fetchsize": str(FETCH_ROWS),
    }


def tables(namespace: str) -> str:
    """A query for the tables and views of ``namespace``, and of each the column that it can be partitioned by."""
    return (
        "SELECT c.relname::text AS name, a.attname::text AS key FROM pg_class c "
        "JOIN pg_namespace n ON n.oid = c.relnamespace "
        "LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary "
        "LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0] "
        "AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype) "
        f"WHERE n.nspname = {_text(namespace)} AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
    )


def bounds(namespace: str, keys: Mapping[str, str]) -> str:
    """A query for the bounds of each table's key column (``keys``: table → column)."""
    queries = (
        f"SELECT {_text(table)}::text AS name, min({_name(key)})::bigint AS low, max({_name(key)})::bigint AS high "
        f"FROM {_name(namespace)}.{_name(table)}"
        for table, key in keys.items()
    )
    return " UNION ALL ".join(queries)


def bounds_of(rows: list[dict[str, Any]], keys: Mapping[str, str]) -> Bounds:
    """The bounds in the ``rows`` that answer :func:`bounds`; a table without rows has none."""
    return {one["name"]: (keys[one["name"]], one["low"], one["high"]) for one in rows if one["low"] is not None}


def partitioned(key_bounds: Bounds, table: str, partitions: int) -> dict[str, str]:
    """The options by which ``table`` is read in ``partitions``; nothing where it has no key for that.

    Spark takes ``upperBound`` as the end of the last stride, so one past the greatest value makes the strides even.
    """
    if table not in key_bounds:
        return {}
    key, low, high = key_bounds[table]
    return {
        "partitionColumn": _name(key),
        "lowerBound": str(low),
        "upperBound": str(high + 1),
        "numPartitions": str(partitions),
    }


def views(lake: Lake, names: list[str], key_bounds: Bounds, partitions: int) -> dict[str, dict[str, str]]:
    """View → its options: one for each table, and those that ``lake.options`` name as ``<view>.<option>``."""
    options = {
        name: {**source(lake), "dbtable": target(lake, name), **partitioned(key_bounds, name, partitions)}
        for name in names
    }
    for key, value in lake.options.items():
        view, _, option = key.partition(".")
        options.setdefault(view, source(lake))[option] = value
    return options


def target(lake: Lake, table: str) -> str:
    """The table's full name in PostgreSQL."""
    return f"{_name(lake.namespace)}.{_name(table)}"


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
