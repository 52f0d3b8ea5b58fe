"""What runs in a worker of Ray: one DuckDB for one SELECT. It is sent by value: DuckDB and PyArrow are all it needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

BUCKET = "lakebench_bucket"


@dataclass(frozen=True)
class Task:
    """One SELECT: ``views`` (name → what follows FROM) are its tables beside those that other tasks computed.

    ``extensions`` and ``setup`` are for a new DuckDB. ``inputs`` has how many of the task's tables are concatenated to
    which name. ``buckets`` splits the answer by the hash of the column ``key``. ``copy_to`` is the address of a Parquet
    file that the answer is written to, in its place is then the number of its rows.
    """

    sql: str
    views: Mapping[str, str] = field(default_factory=dict)
    extensions: tuple[str, ...] = ()
    setup: tuple[str, ...] = ()
    config: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[tuple[str, int], ...] = ()
    key: str = ""
    buckets: int = 1
    copy_to: str = ""


def run(task: Task, *tables: Any) -> Any:
    """The answer of ``task`` as an Arrow table, or where it has several buckets a list of them."""
    connection = connected(task)
    try:
        _register(connection, task.inputs, tables)
        for name, source in task.views.items():
            connection.execute(f"CREATE TEMP VIEW {_name(name)} AS SELECT * FROM {source}")
        return _answer(connection, task)
    finally:
        connection.close()


def connected(task: Task) -> Any:
    """A new DuckDB with the extensions and after the statements of ``task``."""
    import duckdb

    connection = duckdb.connect(config={"threads": 1, **task.config})
    for name in task.extensions:
        _load(connection, name, duckdb.__version__)
    for statement in ("SET TimeZone = 'UTC'", *task.setup):
        connection.execute(statement)
    return connection


def _load(connection: Any, name: str, version: str) -> None:
    """Load an extension from its package, or where the cluster has none as DuckDB gets it."""
    from importlib.resources import files

    try:
        file = files(f"duckdb_extension_{name}") / "extensions" / f"v{version}" / f"{name}.duckdb_extension"
    except ModuleNotFoundError:
        connection.install_extension(name)
        connection.load_extension(name)
    else:
        connection.load_extension(str(file))


def _register(connection: Any, inputs: Sequence[tuple[str, int]], tables: Sequence[Any]) -> None:
    import pyarrow as pa

    rest = list(tables)
    for name, count in inputs:
        mine, rest = rest[:count], rest[count:]
        connection.register(name, pa.concat_tables(mine))


def _answer(connection: Any, task: Task) -> Any:
    if task.copy_to:
        connection.execute(f"COPY ({task.sql}) TO '{task.copy_to}' (FORMAT parquet)")
        return connection.execute(f"SELECT count(*) AS n FROM read_parquet('{task.copy_to}')").to_arrow_table()
    if task.buckets == 1:
        return connection.execute(task.sql).to_arrow_table()
    # A hash of the column's own: DuckDB's joins use another part of the same one.
    split = f"SELECT *, hash({_name(task.key)}) % {task.buckets} AS {BUCKET} FROM ({task.sql})"
    rows = connection.execute(split).to_arrow_table()
    return [_bucket(rows, number) for number in range(task.buckets)]


def _bucket(rows: Any, number: int) -> Any:
    import pyarrow.compute as pc

    return rows.filter(pc.equal(rows[BUCKET], number)).drop_columns([BUCKET])


def _name(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
