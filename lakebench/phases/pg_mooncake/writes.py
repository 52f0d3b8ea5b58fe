"""Writes of a table by column: as a heap table has them, in its transactions, and what they leave in its folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from lakebench.datasets import answer_files
from lakebench.errors import EngineUnavailable, Refused, WrongAnswer
from lakebench.execution.cases import Check, Evidence, same
from lakebench.execution.context import RunContext
from lakebench.phases.pg_mooncake import files
from lakebench.phases.pg_mooncake.sides import (
    COLUMNAR,
    COLUMNSTORE,
    PHASE,
    ColumnarTwins,
    Side,
    at,
    case_of,
    same_number,
)

GROUP, MILLION = "Writes, against a heap table", "One row of a million deleted"
SIDES = (COLUMNAR, COLUMNSTORE)
_COLUMNS = "id integer, region text, amount numeric(10, 2)"
_ROWS = "INSERT INTO {t} SELECT n, 'r' || n % 3, n * 1.25 FROM generate_series(1, 10) AS n"
_OTHER = "second"
FAILS = "!"
"""Begins a statement that is to be refused."""


@dataclass(frozen=True)
class Write:
    """Statements of the table ``{t}`` and of a heap table ``{own}`` beside it; ``commits`` are those that change it."""

    title: str
    statements: tuple[str, ...]
    commits: int = 1


_INSERT = "INSERT INTO {t} VALUES (11, 'new', 1.25), (12, NULL, NULL)"
_INSERT_OWN = "INSERT INTO {own} VALUES (11, 'a')"
_SET, _FEW = "UPDATE {t} SET amount = 9 WHERE id >= 10", "DELETE FROM {t} WHERE id < 3"
_MERGE = (
    "MERGE INTO {t} AS t USING {own} AS o ON o.id = t.id WHEN MATCHED THEN UPDATE SET amount = 0 "
    "WHEN NOT MATCHED THEN INSERT VALUES (o.id, o.region, 7)"
)
WRITES: Mapping[str, Write] = {
    "insert": Write("INSERT of rows, one with NULL", (_INSERT,)),
    "insert-select": Write(
        "INSERT of what a join with a heap table gives",
        ("INSERT INTO {t} SELECT o.id + 100, o.region, 2 FROM {own} AS o JOIN {t} AS t USING (id)",),
    ),
    "update": Write("UPDATE by a filter", ("UPDATE {t} SET amount = amount + 1, region = 'u' WHERE id % 2 = 0",)),
    "update-from": Write(
        "UPDATE with values of a heap table",
        ("UPDATE {t} AS t SET region = o.region FROM {own} AS o WHERE o.id = t.id",),
    ),
    "delete": Write("DELETE by a filter", ("DELETE FROM {t} WHERE id > 7",)),
    "delete-using": Write(
        "DELETE of what a heap table names", ("DELETE FROM {t} AS t USING {own} AS o WHERE o.id = t.id",)
    ),
    "delete-all": Write("DELETE of every row, then INSERT", ("DELETE FROM {t}", _INSERT), 2),
    "truncate": Write("TRUNCATE, then INSERT", ("TRUNCATE {t}", _INSERT), 2),
    "nothing": Write("UPDATE that finds no row", ("UPDATE {t} SET amount = 0 WHERE id = -1",), 0),
    "committed": Write("INSERT, UPDATE and DELETE in one transaction", ("BEGIN", _INSERT, _SET, _FEW, "COMMIT")),
    "rolled-back": Write("INSERT, UPDATE and DELETE, rolled back", ("BEGIN", _INSERT, _SET, _FEW, "ROLLBACK"), 0),
    "savepoint": Write(
        "INSERT behind a savepoint, rolled back",
        (
            "BEGIN",
            _INSERT,
            "SAVEPOINT s",
            "INSERT INTO {t} VALUES (13, 'gone', 1)",
            "ROLLBACK TO SAVEPOINT s",
            "COMMIT",
        ),
    ),
    "both-committed": Write("heap and column in one transaction", ("BEGIN", _INSERT, _INSERT_OWN, "COMMIT")),
    "both-rolled-back": Write(
        "heap and column in one transaction, rolled back", ("BEGIN", _INSERT_OWN, _INSERT, "ROLLBACK"), 0
    ),
    "both-failed": Write(
        "heap and column in one transaction, which fails",
        ("BEGIN", _INSERT, _INSERT_OWN, FAILS + "SELECT 1 / 0", "COMMIT"),
        0,
    ),
    "merge": Write("MERGE with a heap table", (_MERGE,)),
}
"""By name: what is written."""


def blocks(side: Side) -> Iterator[Check]:
    """Every check of writes of ``side``, each with tables of its own."""
    for name, write in WRITES.items():
        yield Check(case_of(side, "write", name, GROUP, write.title), partial(_written, side=side, name=name))
    for name, (title, test) in _MORE.items():
        yield Check(case_of(side, "write", name, GROUP, title), partial(test, side=side))
    case = case_of(side, "million", "delete-one", MILLION, "DELETE of one row of a million")
    yield Check(case, partial(_million, side=side))


def _made(context: RunContext, side: Side, name: str) -> tuple[ColumnarTwins, ColumnarTwins]:
    """The tables ``name`` of 10 rows, and two heap tables that go with them."""
    twins = at(side, context, f"w_{name.replace('-', '_')}")
    twins.make(_COLUMNS, _ROWS)
    own = ColumnarTwins(twins.server, side, f"{twins.name}_own")
    for table in (own.twin, f"{own.twin}_twin"):
        few = f"INSERT INTO {table} VALUES (1, 'a'), (3, 'b'), (40, 'c')"
        twins.server.execute(f"CREATE TABLE {table} (id integer, region text)", few)
    return twins, own


def _written(context: RunContext, side: Side, name: str) -> Evidence:
    """The statements on both tables; both pairs of tables are the same after it, and so is the log of the folder."""
    write = WRITES[name]
    twins, own = _made(context, side, name)
    before = files.of_table(twins) if side == COLUMNSTORE else None
    try:
        _run(twins, write, twins.table, own.twin)
        _run(twins, write, twins.twin, f"{own.twin}_twin")
        evidence = {"statements": list(write.statements), **compared(twins), **_own_compared(twins, own)}
    finally:
        twins.server.end()
    return {**evidence, **_versions(twins, before, write.commits)}


def _run(twins: ColumnarTwins, write: Write, table: str, own: str) -> None:
    for statement in write.statements:
        sql = statement.replace("{t}", table).replace("{own}", own)
        if not sql.startswith(FAILS):
            twins.server.execute(sql)
            continue
        try:
            twins.server.execute(sql.removeprefix(FAILS))
        except Refused:
            continue
        raise WrongAnswer(f"{sql} was not refused")


def compared(twins: ColumnarTwins, session: str = "") -> dict[str, Any]:
    """The evidence that the table has the rows of its twin.

    Raises:
        WrongAnswer: it has others.
    """
    tables = [twins.server.answer(f"SELECT * FROM {one}", session) for one in (twins.table, twins.twin)]
    return same(twins.server.context.checker.call(answer_files.compare_rows, *tables))


def _own_compared(twins: ColumnarTwins, own: ColumnarTwins) -> dict[str, Any]:
    """The evidence that the heap table of the transaction has the rows that it has with the twin."""
    tables = [twins.server.answer(f"SELECT * FROM {one}") for one in (own.twin, f"{own.twin}_twin")]
    return {"heap_rows": same(twins.server.context.checker.call(answer_files.compare_rows, *tables))["answer"]}


def _versions(twins: ColumnarTwins, before: files.DeltaFiles | None, commits: int) -> dict[str, Any]:
    """The evidence that each commit made one version of the Delta Lake table, and what lies there unlisted.

    Raises:
        WrongAnswer: there are more or fewer versions.
    """
    after = files.of_table(twins) if before else None
    if before is None or after is None:
        return {}
    same_number(after.versions - before.versions, commits, "versions of the Delta Lake table")
    return {"versions_made": commits, "files": len(after.active), "files_not_listed": len(after.others)}


# What is more than statements.


def _copy(context: RunContext, side: Side) -> Evidence:
    """COPY of rows, from the client, into the table and its twin."""
    twins, _ = _made(context, side, "copy")
    rows = twins.server.answer(f"SELECT * FROM {twins.twin}")
    for storage in (side.storage, "heap"):
        twins.server.execute(f"SET search_path = {twins.server.schema(storage)}")
        twins.server.append(twins.name, rows)
    twins.server.end()
    return compared(twins)


def _file(twins: ColumnarTwins) -> str:
    """A file of the server, as a literal.

    Raises:
        EngineUnavailable: the server is the user's, on whose machine no file is written.
    """
    if twins.server.is_users:
        raise EngineUnavailable("COPY to a file writes on the machine of a server of yours")
    ((folder,),) = twins.server.cells("SELECT setting FROM pg_settings WHERE name = 'data_directory'")
    return f"'{folder}/{PHASE}_{twins.side.storage}.csv'"


def _copy_file(context: RunContext, side: Side) -> Evidence:
    """COPY of the rows of the twin into a file of the server, and of that file into the table."""
    twins, _ = _made(context, side, "copy_file")
    file = _file(twins)
    statements = (f"COPY {twins.twin} TO {file}", f"COPY {twins.table} FROM {file}")
    twins.server.execute(*statements, f"INSERT INTO {twins.twin} SELECT * FROM {twins.twin}")
    return {"statements": ["COPY … TO a file", "COPY … FROM the file"], **compared(twins)}


def _copy_heap(context: RunContext, side: Side) -> Evidence:
    """The same with a heap table, which the extension has nothing to do with."""
    twins, _ = _made(context, side, "copy_heap")
    file = _file(twins)
    twins.server.execute(f"COPY {twins.twin} TO {file}", f"COPY {twins.twin} FROM {file}")
    same_number(twins.server.number(f"SELECT count(*) AS n FROM {twins.twin}"), 20, "rows of the heap table")
    return {"statements": ["COPY … TO a file", "COPY … FROM the file"]}


def _meanwhile(context: RunContext, side: Side) -> Evidence:
    """Another session sees nothing of an open transaction, the transaction sees its own rows, and all after COMMIT."""
    twins, _ = _made(context, side, "meanwhile")
    server, count = twins.server, f"SELECT count(*) AS n FROM {twins.table}"
    try:
        server.execute("BEGIN", f"INSERT INTO {twins.table} VALUES (11, 'new', 1)")
        same_number(server.number(count, _OTHER), 10, "rows that another session sees before COMMIT")
        same_number(server.number(count), 11, "rows that the transaction itself sees")
        server.execute("COMMIT")
        same_number(server.number(count, _OTHER), 11, "rows that another session sees after COMMIT")
    finally:
        server.end()
    return {"statements": ["BEGIN", "INSERT", count, "COMMIT"]}


def _prepared(context: RunContext, side: Side) -> Evidence:
    """A prepared SELECT, seven times, so that PostgreSQL comes to its generic plan."""
    twins, _ = _made(context, side, "prepared")
    server = twins.server
    statement = f"PREPARE p (integer) AS SELECT count(*) AS n, sum(amount) AS s FROM {twins.table} WHERE id > $1"
    try:
        server.execute(statement)
        for low in range(7):
            expected = server.cells(f"SELECT count(*) AS n, sum(amount) AS s FROM {twins.twin} WHERE id > {low}")
            actual = server.cells(f"EXECUTE p({low})")
            if actual != expected:
                raise WrongAnswer(f"EXECUTE p({low}) gives {actual}, the heap table {expected}")
    finally:
        server.end()
    return {"statements": [statement, "EXECUTE p(0)", "EXECUTE p(6)"]}


_MORE: Mapping[str, tuple[str, Callable[..., Evidence]]] = {
    "copy": ("COPY … FROM STDIN", _copy),
    "copy-file": ("COPY of a file of the server", _copy_file),
    "copy-heap": ("COPY of a file of the server into a heap table", _copy_heap),
    "meanwhile": ("another session while a transaction is open", _meanwhile),
    "prepared": ("a prepared SELECT, seven times", _prepared),
}


# One row of a million.

_MANY = 1_000_000
_MANY_ROWS = f"INSERT INTO {{t}} SELECT n, 'region ' || n % 7, n % 10000 / 100.0 FROM generate_series(1, {_MANY}) AS n"
_SUMS = "SELECT count(*) AS n, sum(id::bigint) AS i, sum(amount) AS s, min(id) AS low, max(id) AS high FROM {t}"


def _million(context: RunContext, side: Side) -> Evidence:
    """DELETE of one row: what it writes by column, and in a heap table."""
    twins = at(side, context, "million")
    twins.make(_COLUMNS, _MANY_ROWS)
    evidence: dict[str, Any] = {"by_column": _deleted(twins, twins.table), "heap": _deleted(twins, twins.twin)}
    _same_sums(twins)
    return evidence


def _deleted(twins: ColumnarTwins, table: str) -> dict[str, Any]:
    """Bytes of WAL and files that the DELETE wrote; of a columnstore table files and rows by its log."""
    before = files.of_table(twins) if twins.side == COLUMNSTORE and table == twins.table else None
    start = twins.server.cells("SELECT pg_current_wal_insert_lsn()::text AS lsn")[0][0]
    twins.server.execute(f"DELETE FROM {table} WHERE id = {_MANY // 2}")
    wal = twins.server.number(f"SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '{start}')::bigint AS n")
    return {"wal_bytes": wal, **(_rewritten(twins, before) if before else {})}


def _rewritten(twins: ColumnarTwins, before: files.DeltaFiles) -> dict[str, Any]:
    """The data files before and after, and the rows of those that the DELETE wrote."""
    context, folder = twins.server.context, files.folder_of(twins)
    after = context.checker.call(files.list_delta, folder)
    new = tuple(sorted(set(after.written) - set(before.written)))
    rows = context.checker.call(files.row_counts, folder, new)
    return {
        "files_before": len(before.active),
        "files_after": len(after.active),
        "files_written": len(new),
        "bytes_written": sum(after.written[name] for name in new),
        "bytes_listed": after.active_bytes,
        "rows_written": sum(rows.values()),
    }


def _same_sums(twins: ColumnarTwins) -> None:
    context = twins.server.context
    paths = [twins.server.answer(_SUMS.replace("{t}", one)) for one in (twins.table, twins.twin)]
    same(context.checker.call(answer_files.compare_rows, *paths))
