"""Transactions: all or nothing for rows, snapshots and files; what others see meanwhile; and what a death leaves."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from lakebench.errors import CaseError, EngineUnavailable, WrongAnswer
from lakebench.execution.cases import Check, Evidence
from lakebench.phases.pg_lake.case import case_of, check_of
from lakebench.phases.pg_lake.objects import AT_ONCE
from lakebench.phases.pg_lake.server import SERVICE, TwinServer
from lakebench.phases.pg_lake.session import Session
from lakebench.services.pg_lake import PROGRAM
from lakebench.services.server_crashes import CrashWatch

GROUP, DEATH = "Transactions", "A death in a transaction"
_BOTH = "SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM other), (SELECT count(*) FROM heap)"
_ROUNDS = 4
_NEXT_WRITER_S = 30.0
_SHOWN = 300


def blocks() -> Iterator[Check]:
    """Every check of transactions whose server goes on."""
    return _cases("transaction", GROUP, _TRANSACTIONS)


def deaths() -> Iterator[Check]:
    """Every check of a death."""
    return _cases("death", DEATH, _DEATHS)


def _cases(check: str, group: str, tests: Mapping[str, tuple[str, Callable[..., Evidence]]]) -> Iterator[Check]:
    for name, (title, test) in tests.items():
        yield check_of(case_of(check, name, group, title), partial(test, name=f"{check}_{name}"))


def _made(session: Session) -> None:
    """The tables: two of Iceberg, and one of PostgreSQL's own, each with two rows."""
    rows = "VALUES (1, 'one'), (2, 'two')"
    for table, using in (("t", "USING iceberg"), ("other", "USING iceberg"), ("heap", "")):
        session.must(f"CREATE TABLE {table} (id integer, v text) {using}", f"INSERT INTO {table} {rows}")


def _expect(session: Session, sql: str, *rows: tuple[str | None, ...], when: str = "") -> None:
    """Check that ``sql`` answers ``rows``.

    Raises:
        WrongAnswer: it answers others.
    """
    found = session.must(sql).rows
    if found != rows:
        raise WrongAnswer(f"{sql}{f' {when}' if when else ''}: {_shown(found)}, and not {_shown(rows)}")


def _shown(rows: Sequence[tuple[str | None, ...]]) -> str:
    return ", ".join(" | ".join(str(one) for one in row) for row in rows) or "no row"


def _snapshots(server: TwinServer, session: Session, expected: int, before: int) -> int:
    """How many snapshots ``t`` got since it had ``before``.

    Raises:
        WrongAnswer: another number than ``expected``.
    """
    made = server.metadata(session, "t").snapshots - before
    if made != expected:
        raise WrongAnswer(f"{made} snapshots were made, and {expected} were to be", made=made)
    return made


# One transaction.


def _rolled_back(server: TwinServer, name: str) -> Evidence:
    """A rollback leaves rows and snapshots; the files that were written lie in the store until the next VACUUM."""
    statements = ("BEGIN", "INSERT INTO t VALUES (3, 'three')", "UPDATE t SET v = 'x' WHERE id = 1",
                  "DELETE FROM t WHERE id = 2", "ROLLBACK")  # fmt: skip
    with server.session(name) as session:
        _made(session)
        snapshots, files = server.metadata(session, "t").snapshots, server.files(name, "t")
        session.must(*statements)
        _expect(session, "SELECT * FROM t ORDER BY id", ("1", "one"), ("2", "two"))
        _snapshots(server, session, 0, snapshots)
        left = sorted(server.files(name, "t").keys() - files.keys())
        session.must("VACUUM t")
        return {"statements": statements, "snapshots_made": 0, "files_after_rollback": left,
                **_gone(server, name, "t", files)}  # fmt: skip


def _gone(server: TwinServer, name: str, table: str, before: Mapping[str, int]) -> dict[str, object]:
    """The evidence that ``table`` has no objects more than ``before``.

    Raises:
        WrongAnswer: it has.
    """
    if left := sorted(server.files(name, table).keys() - before.keys()):
        raise WrongAnswer(f"{len(left)} files of the transaction are still in the store after VACUUM", files=left)
    return {"files_after_vacuum": []}


def _savepoint(server: TwinServer, name: str) -> Evidence:
    """What is behind a savepoint goes, the rest stays, and the commit is one snapshot."""
    statements = ("BEGIN", "INSERT INTO t VALUES (3, 'three')", "SAVEPOINT s", "INSERT INTO t VALUES (4, 'four')",
                  "UPDATE t SET v = 'x' WHERE id = 1", "ROLLBACK TO SAVEPOINT s", "DELETE FROM t WHERE id = 2",
                  "COMMIT")  # fmt: skip
    with server.session(name) as session:
        _made(session)
        before = server.metadata(session, "t").snapshots
        session.must(*statements)
        _expect(session, "SELECT * FROM t ORDER BY id", ("1", "one"), ("3", "three"))
        return {"statements": statements, "snapshots_made": _snapshots(server, session, 1, before)}


def _failed(server: TwinServer, name: str) -> Evidence:
    """After an error the COMMIT is a ROLLBACK."""
    with server.session(name) as session:
        _made(session)
        session.must("BEGIN", "INSERT INTO t VALUES (3, 'three')")
        error = session.run("INSERT INTO heap VALUES (3, 'three'), ('no number', 'x')")
        tag = session.run("COMMIT").tag
        if not error.refused or tag != "ROLLBACK":
            raise WrongAnswer(f"the failed transaction ended with {tag}", said=error.shown())
        _expect(session, _BOTH, ("2", "2", "2"))
        return {"said": error.shown(), "commit": tag}


def _over(server: TwinServer, name: str, tables: tuple[str, ...]) -> Evidence:
    """One transaction over ``tables``, rolled back and then committed: all of them, or none."""
    inserts = [f"INSERT INTO {table} VALUES (3, 'three')" for table in tables]
    with server.session(name) as session:
        _made(session)
        session.must("BEGIN", *inserts, "ROLLBACK")
        _expect(session, _BOTH, ("2", "2", "2"), when="after ROLLBACK")
        session.must("BEGIN", *inserts, "COMMIT")
        counts = tuple("3" if one in tables else "2" for one in ("t", "other", "heap"))
        _expect(session, _BOTH, counts, when="after COMMIT")
    return {"statements": ["BEGIN", *inserts, "ROLLBACK", "BEGIN", *inserts, "COMMIT"]}


def _reader(server: TwinServer, name: str) -> Evidence:
    """Others see both tables as they were up to the COMMIT; a REPEATABLE READ transaction also after it."""
    with server.session(name) as writer, server.session(name) as other, server.session(name) as repeatable:
        _made(writer)
        repeatable.must("BEGIN ISOLATION LEVEL REPEATABLE READ")
        _expect(repeatable, _BOTH, ("2", "2", "2"), when="in the older transaction")
        writer.must("BEGIN", "INSERT INTO t VALUES (3, 'three')", "DELETE FROM other")
        _expect(writer, _BOTH, ("3", "0", "2"), when="in the transaction itself")
        _expect(other, _BOTH, ("2", "2", "2"), when="before the COMMIT")
        writer.must("COMMIT")
        _expect(other, _BOTH, ("3", "0", "2"), when="after the COMMIT")
        _expect(repeatable, _BOTH, ("2", "2", "2"), when="after the COMMIT, REPEATABLE READ")
    return {"seen": "nothing before the COMMIT, all after it; REPEATABLE READ keeps what it saw"}


def _schema_change(server: TwinServer, name: str) -> Evidence:
    """CREATE TABLE, ADD COLUMN and TRUNCATE are rolled back; the files of the new table go with the next VACUUM."""
    statements = ("BEGIN", "ALTER TABLE t ADD COLUMN more integer DEFAULT 7", "TRUNCATE other",
                  "CREATE TABLE fresh (id integer) USING iceberg", "INSERT INTO fresh VALUES (1)",
                  "ROLLBACK")  # fmt: skip
    server.must_be_ours()
    with server.session(name) as session:
        _made(session)
        session.must(*AT_ONCE, *statements)
        _expect(session, "SELECT * FROM t ORDER BY id", ("1", "one"), ("2", "two"))
        _expect(session, _BOTH, ("2", "2", "2"))
        left = sorted(server.files(name, "fresh"))
        session.must("VACUUM (ICEBERG)")
        after = sorted(server.files(name, "fresh"))
    if after:
        raise WrongAnswer(
            f"{len(after)} files of a table that was never there are still in the store after VACUUM",
            statements=statements, files_after_rollback=left, files_after_vacuum=after,
        )  # fmt: skip
    return {"statements": statements, "files_after_rollback": left, "files_after_vacuum": after}


def _two_writers(server: TwinServer, name: str) -> Evidence:
    """Two sessions count one row up at once: no update is lost, none fails."""

    def count(_: int) -> None:
        with server.session(name) as session:
            for _round in range(_ROUNDS):
                session.must("UPDATE counter SET n = n + 1 WHERE id = 1")

    with server.session(name) as session:
        session.must("CREATE TABLE counter (id integer, n integer) USING iceberg", "INSERT INTO counter VALUES (1, 0)")
        began = time.monotonic()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(count, range(2)))
        took = time.monotonic() - began
        _expect(session, "SELECT n FROM counter", (str(2 * _ROUNDS),))
    return {"updates": 2 * _ROUNDS, "seconds": round(took, 3)}


_TRANSACTIONS: Mapping[str, tuple[str, Callable[..., Evidence]]] = {
    "rolled-back": ("ROLLBACK leaves no row, no snapshot, and after VACUUM no file", _rolled_back),
    "savepoint": ("ROLLBACK TO SAVEPOINT; one snapshot for the commit", _savepoint),
    "failed": ("an error in a transaction: nothing stays", _failed),
    "two-tables": ("two Iceberg tables in one transaction", partial(_over, tables=("t", "other"))),
    "heap-and-iceberg": ("an Iceberg and a heap table in one transaction", partial(_over, tables=("t", "heap"))),
    "reader-meanwhile": ("what other sessions see before and after the COMMIT", _reader),
    "schema-change": ("CREATE TABLE, ADD COLUMN and TRUNCATE, rolled back", _schema_change),
    "two-writers": ("two sessions update one row at once", _two_writers),
}


# A death between the write and the commit.


def _death(server: TwinServer, name: str, dies: Callable[[TwinServer, Session], None]) -> Evidence:
    """All or nothing over both kinds of table, every file there, and who writes next is not blocked."""
    inserts = [f"INSERT INTO {table} VALUES (3, 'three')" for table in ("t", "other", "heap")]
    with server.session(name) as session:
        _made(session)
        session.must("BEGIN", *inserts)
        watch = CrashWatch(server.context.services, SERVICE)
        dies(server, session)
        said = _commit(session)
    crash = watch.recover()
    evidence = {"said": said or "it was committed", **(crash.evidence() if crash else {})}
    counts, after = _after(server, name)
    if counts not in {("2", "2", "2"), ("3", "3", "3")} or (not said and counts[0] == "2"):
        raise WrongAnswer(f"the death left {_shown([counts])} rows in two Iceberg tables and a heap one", **evidence)
    return {"statements": ["BEGIN", *inserts, "COMMIT"], **evidence, "rows": counts, "next_writer_s": after}


def _commit(session: Session) -> str:
    """What the client is told of its COMMIT; empty where that succeeds."""
    try:
        reply = session.run("COMMIT")
    except CaseError as error:
        return str(error)[:_SHOWN]
    return reply.error[:_SHOWN] if reply.refused else "" if reply.tag == "COMMIT" else reply.tag


def _after(server: TwinServer, name: str) -> tuple[tuple[str | None, ...], float]:
    """The rows of the tables, every column read; and the seconds that the next writer takes.

    Raises:
        CaseError: a table cannot be read, or the next writer is blocked.
    """
    with server.session(name, limit_s=_NEXT_WRITER_S) as session:
        session.must(*(f"SELECT * FROM {table}" for table in ("t", "other", "heap")))
        (counts,) = session.must(_BOTH).rows
        began = time.monotonic()
        session.must("BEGIN", "UPDATE t SET v = 'next'", "INSERT INTO heap VALUES (4, 'next')", "COMMIT")
        return counts, round(time.monotonic() - began, 3)


def _session_ends(server: TwinServer, session: Session) -> None:
    with server.session("other") as other:
        other.must(f"SELECT pg_terminate_backend({session.pid})")


def _backend_dies(server: TwinServer, session: Session) -> None:
    server.must_be_ours()
    os.kill(session.pid, signal.SIGKILL)


def _engine_dies(server: TwinServer, _session: Session) -> None:
    server.must_be_ours()
    os.kill(engine_pid(server), signal.SIGKILL)


def engine_pid(server: TwinServer) -> int:
    """The process of pgduck_server.

    Raises:
        EngineUnavailable: there is none.
    """
    for pid in server.context.services.processes(SERVICE):
        program = Path(f"/proc/{pid}/comm")
        if program.exists() and program.read_text().strip() == PROGRAM[:15]:
            return pid
    raise EngineUnavailable(f"{PROGRAM} was not found among the processes of the server")


def _of(dies: Callable[[TwinServer, Session], None]) -> Callable[..., Evidence]:
    return partial(_death, dies=dies)


_DEATHS: Mapping[str, tuple[str, Callable[..., Evidence]]] = {
    "session": ("the session is ended before the COMMIT", _of(_session_ends)),
    "backend": ("its server process is killed before the COMMIT", _of(_backend_dies)),
    "engine": ("pgduck_server is killed before the COMMIT", _of(_engine_dies)),
}
