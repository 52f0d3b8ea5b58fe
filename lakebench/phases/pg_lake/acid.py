"""The same questions of ACID and of schema evolution to each of the four lakes of field report C16."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from lakebench.engines import find
from lakebench.engines.postgresql import calls, connect, login
from lakebench.errors import CaseError, EngineUnavailable, WrongAnswer
from lakebench.execution.cases import Block, Case, Check, Evidence
from lakebench.execution.context import RunContext
from lakebench.model import Coordinates, EngineRef, Record
from lakebench.phases import lake_criteria
from lakebench.phases.pg_lake.four_lakes import FIRST, OTHER, WRITER, LakeKind, Row, TwoTables, fresh
from lakebench.services import held_commits
from lakebench.services.held_commits import LOCK, STANDBY

GROUPS = {"acid": "ACID of four lakes", "evolution": "Schema evolution of four lakes"}
"""Of each check of this module."""
_BEGIN, _COMMIT = "START TRANSACTION", "COMMIT"
_SECOND: Row = ("2", "20")
_BOTH = (FIRST, _SECOND)
_SHOWN = 300
Test = Callable[[TwoTables], Evidence]


def blocks(refs: Sequence[EngineRef], lakes: Sequence[LakeKind]) -> Iterator[Block]:
    """Lake by lake: every test of ACID that its engine can be asked, then schema evolution."""
    for kind in lakes:
        for ref in [one for one in refs if one.name == kind.engine]:
            tests = [("acid", *one) for one in _tests(kind).items()] + [
                ("evolution", *one) for one in _EVOLUTION.items()
            ]
            for number, (check, name, test) in enumerate(tests, 1):
                asked = Check(_case(kind, ref, check, name), partial(_asked, kind=kind, ref=ref, name=name, test=test))
                yield OfLake(asked, kind.client or ref, last=number == len(tests))


@dataclass(frozen=True)
class OfLake(Block):
    """A check of a lake; after the ``last`` one the processes of its sessions are gone."""

    check: Check
    client: EngineRef
    last: bool

    @property
    def cases(self) -> tuple[Case, ...]:
        """The one case."""
        return self.check.cases

    def run(self, context: RunContext, todo: frozenset[str]) -> Iterator[Record]:
        """Run the check."""
        yield from self.check.run(context, todo)
        for session in (WRITER, OTHER) if self.last else ():
            context.workers.retire(self.client, session)


def _case(kind: LakeKind, ref: EngineRef, check: str, test: str) -> Case:
    row = lake_criteria.ACID.get(test, test.replace("-column", " a column"))
    return Case(
        id=f"phase45/{check}/{test}/{kind.catalog}/{ref}",
        phase=lake_criteria.PHASE,
        title=f"{row}: {kind.title} by {ref}",
        engine=ref,
        group=GROUPS[check],
        row=row,
        column=f"{kind.title} by {ref}",
        coordinates=Coordinates(
            engine=ref.name,
            version=ref.version,
            format=kind.format,
            catalog=kind.catalog,
            check=check,
            test=test,
            more={"services": " ".join(kind.servers)},
        ),
    )


def _asked(context: RunContext, kind: LakeKind, ref: EngineRef, name: str, test: Test) -> Evidence:
    tables = TwoTables(context, kind, kind.client or ref, name)
    for server in kind.servers:
        context.services.endpoint(server)
    with context.workers.keeping_all(), fresh(tables):  # the writer's session is in use while the other one opens
        return test(tables)


def _tests(kind: LakeKind) -> Mapping[str, Test]:
    """The tests for the engine of ``kind``; without transactions, a commit is held on its way to the catalog."""
    if kind.engine not in {"spark", "spark-jdbc"}:
        lost = {"answer-lost": _answer_lost} if kind.title == lake_criteria.PG_LAKE else {}
        return {**_TRANSACTIONS, "reader": _reader, "killed": _killed, **lost}
    held = {"reader": _reader_while_held, "killed": _killed_while_held, "answer-lost": _answer_of_catalog_lost}
    return {**_TRANSACTIONS, **(held if kind.title == lake_criteria.JDBC else {})}


# Transactions


def _inserts(tables: TwoTables) -> tuple[str, ...]:
    """A transaction that writes a row to each table, before its end."""
    row = f"VALUES ({', '.join(map(str, _SECOND))})"
    return _BEGIN, f"INSERT INTO {tables.a} {row}", f"INSERT INTO {tables.b} {row}"


def _rollback(tables: TwoTables) -> Evidence:
    statements = (*_inserts(tables), "ROLLBACK")
    tables.run(*statements)
    return {"statements": statements, "rows": tables.seen(a=[FIRST], b=[FIRST])}


def _two_tables(tables: TwoTables) -> Evidence:
    statements = (*_inserts(tables), _COMMIT)
    tables.run(*statements)
    return {"statements": statements, "rows": tables.seen(a=_BOTH, b=_BOTH)}


def _conflict(tables: TwoTables) -> Evidence:
    """The transaction reads ``b``; another session changes that row; the transaction changes it too.

    Raises:
        WrongAnswer: half of the transaction is there, or the other's change is lost.
    """
    insert = _inserts(tables)[:2]
    others = f"UPDATE {tables.b} SET v = 11 WHERE id = 1"
    own = f"UPDATE {tables.b} SET v = v + 100 WHERE id = 1"
    tables.run(*insert, f"SELECT v FROM {tables.b}")
    tables.run(others, session=OTHER)
    said = _said(tables, own, _COMMIT)
    tables.new_session()
    a, b = (tables.rows(f"SELECT id, v FROM {one} ORDER BY id") for one in (tables.a, tables.b))
    committed, refused = ([FIRST, _SECOND], [("1", "111")]), ([FIRST], [("1", "11")])
    if (a, b) != (refused if said else committed):
        raise WrongAnswer(
            f"the transaction was {'refused' if said else 'committed'}, and a has {a}, b has {b}", said=said
        )
    return {
        "statements": (*insert, f"the other session: {others}", own, _COMMIT),
        "said": said,
        "rows": {"a": a, "b": b},
    }


def _said(tables: TwoTables, *statements: str) -> str:
    """What the writer is told of ``statements``; empty where they succeed."""
    try:
        tables.run(*statements)
    except CaseError as error:
        return str(error)[:_SHOWN]
    return ""


def _reader(tables: TwoTables) -> Evidence:
    statements = _inserts(tables)
    tables.run(*statements)
    before = tables.seen(a=[FIRST], b=[FIRST])
    tables.run(_COMMIT)
    return {"statements": (*statements, _COMMIT), "before": before, "after": tables.seen(a=_BOTH, b=_BOTH)}


def _killed(tables: TwoTables) -> Evidence:
    statements = _inserts(tables)
    tables.run(*statements)
    tables.kill_writer()
    return {"statements": statements, **_as_before(tables)}


def _as_before(tables: TwoTables) -> dict[str, object]:
    """Nothing of a transaction is there, and who writes next is not stopped by it."""
    left = tables.seen(a=[FIRST], b=[FIRST])
    tables.new_session()
    tables.run(f"INSERT INTO {tables.a} VALUES (3, 30)")
    return {"left": left, "next": tables.seen(a=[FIRST, ("3", "30")])}


def _answer_lost(tables: TwoTables) -> Evidence:
    """pg_lake has committed, and its session ends before it can say so; its own workers commit meanwhile."""
    pg_lake = tables.context.services.endpoint("pg_lake")
    connection = connect(login(pg_lake))
    call = calls(connection)
    with contextlib.closing(connection), ThreadPoolExecutor(1) as pool:
        for sql in (held_commits.ASK, f"SET search_path = {tables.lake.namespace}", *_inserts(tables)):
            call(connection.execute, sql)
        with held_commits.answers_held(pg_lake, asked=True):
            told = pool.submit(_told, lambda: call(connection.execute, _COMMIT))
            held_commits.end_held(pg_lake, STANDBY)
        said = told.result()
    return {"statements": (*_inserts(tables), _COMMIT), "said": said, "rows": tables.seen(a=_BOTH, b=_BOTH)}


def _told(commit: Callable[[], object]) -> str:
    """What a client is told of its commit whose answer is lost.

    Raises:
        EngineUnavailable: the answer was not lost.
    """
    try:
        commit()
    except CaseError as error:
        return str(error)[:_SHOWN]
    raise EngineUnavailable("the commit was answered: no answer was lost")


# One statement, held on its way to a JDBC catalog


def _insert(tables: TwoTables) -> str:
    return _inserts(tables)[1]


def _row_of(tables: TwoTables) -> str:
    """The row of the JDBC catalog whose change is the commit to ``a``."""
    return f"iceberg_tables WHERE table_namespace = '{tables.lake.namespace}' AND table_name = '{tables.a}'"


def _reader_while_held(tables: TwoTables) -> Evidence:
    postgres = tables.context.services.endpoint("postgres")
    with ThreadPoolExecutor(1) as pool:
        with held_commits.row_locked(postgres, _row_of(tables)):
            writing = pool.submit(tables.run, _insert(tables))
            held_commits.wait_held(postgres, LOCK)
            before = tables.seen(a=[FIRST])
        writing.result()
    return {"statements": [_insert(tables)], "before": before, "after": tables.seen(a=_BOTH)}


def _killed_while_held(tables: TwoTables) -> Evidence:
    """The data and the new metadata are written, and the server that writes is killed before the catalog knows."""
    server, postgres = find(tables.ref.name).service or "", tables.context.services.endpoint("postgres")
    processes = tables.context.services.processes(server)
    if not processes:
        raise EngineUnavailable(f"{server} is a server of yours: it is not killed")
    with ThreadPoolExecutor(1) as pool:
        with held_commits.row_locked(postgres, _row_of(tables)):
            writing = pool.submit(_told, lambda: tables.run(_insert(tables)))
            held_commits.wait_held(postgres, LOCK)
            for pid in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            held_commits.end_held(postgres, LOCK)
        said = writing.result()
    return {"statements": [_insert(tables)], "said": said, **_as_before(tables)}


def _answer_of_catalog_lost(tables: TwoTables) -> Evidence:
    """The catalog's database has committed, and the connection ends before it can say so; the engine may try again."""
    postgres = tables.context.services.endpoint("postgres")
    with ThreadPoolExecutor(1) as pool:
        with held_commits.answers_held(postgres):
            writing = pool.submit(_said, tables, _insert(tables))
            held_commits.end_held(postgres, STANDBY)
        said = writing.result()
    tables.new_session()
    return {"statements": [_insert(tables)], "said": said, "rows": tables.seen(a=_BOTH)}


_TRANSACTIONS: Mapping[str, Test] = {"rollback": _rollback, "two-tables": _two_tables, "conflict": _conflict}


# Schema evolution


def _changed(tables: TwoTables, change: str, insert: str, query: str, rows: tuple[Row, ...]) -> Evidence:
    """The table after ``change`` and a row more.

    Raises:
        WrongAnswer: it has other rows than ``rows``.
    """
    statements = tuple(one.format(t=tables.a) for one in (f"ALTER TABLE {{t}} {change}", f"INSERT INTO {{t}} {insert}"))
    tables.run(*statements)
    found = tables.rows(f"{query.format(t=tables.a)} ORDER BY id")
    if found != list(rows):
        raise WrongAnswer(f"the table has {found}, and is to have {list(rows)}", statements=statements)
    return {"statements": statements, "rows": found}


_LARGE = str(2**40)
_EVOLUTION: Mapping[str, Test] = {
    "add-column": partial(
        _changed,
        change="ADD COLUMN w INTEGER",
        insert="VALUES (2, 20, 200)",
        query="SELECT id, v, w FROM {t}",
        rows=((*FIRST, None), (*_SECOND, "200")),
    ),
    "rename-column": partial(
        _changed,
        change="RENAME COLUMN v TO w",
        insert="VALUES (2, 20)",
        query="SELECT id, w FROM {t}",
        rows=(FIRST, _SECOND),
    ),
    "drop-column": partial(
        _changed, change="DROP COLUMN v", insert="VALUES (2)", query="SELECT * FROM {t}", rows=(("1",), ("2",))
    ),
    "widen-column": partial(
        _changed,
        change="ALTER COLUMN v TYPE BIGINT",
        insert=f"VALUES (2, {_LARGE})",
        query="SELECT id, v FROM {t}",
        rows=(FIRST, ("2", _LARGE)),
    ),
}
