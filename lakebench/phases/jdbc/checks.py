"""Checks of phase 2: reads in partitions, types, what is pushed down, and writes that have to be whole."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lakebench import engines
from lakebench.datasets import answer_files
from lakebench.datasets.postgresql import BEFORE, KINDS, TRAPS, Kind, write_expected
from lakebench.datasets.rules import Rules
from lakebench.datasets.tpch import states
from lakebench.datasets.workload import Workload
from lakebench.engines import CanExecute, CanQuery
from lakebench.errors import EngineUnavailable, Refused, WrongAnswer
from lakebench.execution.cases import Block, Case, Check, Evidence, same
from lakebench.execution.context import RunContext
from lakebench.execution.engine_client import EngineClient
from lakebench.execution.request import Request
from lakebench.model import Coordinates, EngineRef, Lake, Runtime, TableFormat
from lakebench.phases.table_loading import word
from lakebench.services import Services, lakes
from lakebench.verification import query_plans

SERVER = EngineRef("postgres")
"""The engine that makes tables in PostgreSQL and reads them, whichever other engine is asked."""
HEAP = "tpch"
"""The schema with the tables of TPC-H."""
SMALL = "small"
_SESSIONS = {HEAP: "local/postgresql", SMALL: "small"}  # a worker for each schema: opening one again takes time
_LOG = 20_000  # characters
_PARTITIONS = 4
_ORDER_KEYS = 6_000_000  # the greatest order key at SF 1 (TPC-H specification, clause 4.2.3)
_ACCOUNTS, _AMOUNT, _MOVED = 16, 100, 50
_BAD = 90

_READS, _TYPES = "Reads", "Types of PostgreSQL"
_PUSHED, _WRITES = "What PostgreSQL is asked for", "Writes"

# Name → partition column, lower bound, upper bound, and what is to be shown.
_CUTS: Mapping[str, tuple[str, int, int, str]] = {
    "even": ("id", 1, 101, "partitions of equal size"),
    "null-and-negative": ("k", -50, 51, "keys that are null or negative"),
    "outside": ("k", -10, 20, "keys below and above the bounds, and null"),
    "far": ("id", 1000, 2000, "every key below the bounds"),
    "narrow": ("id", 50, 52, "fewer keys between the bounds than partitions"),
    "one": ("id", 50, 50, "bounds that are equal"),
}

# The accounts' sum never changes: reading the first row moves an amount to it from the last one.
_LEDGER = (
    "CREATE TABLE ledger (id integer PRIMARY KEY, amount integer)",
    f"INSERT INTO ledger SELECT n, {_AMOUNT} FROM generate_series(1, {_ACCOUNTS}) n",
    f"""CREATE FUNCTION move(id integer) RETURNS integer LANGUAGE plpgsql VOLATILE AS $$ BEGIN
    IF move.id = 1 THEN UPDATE {SMALL}.ledger l SET amount = amount + CASE l.id WHEN 1 THEN {_MOVED} ELSE -{_MOVED} END
    WHERE l.id IN (1, {_ACCOUNTS}); END IF; RETURN move.id; END $$""",
    "CREATE VIEW moving AS SELECT id, amount, move(id) AS moved FROM ledger",
)
_WHO = (
    "CREATE VIEW who AS SELECT l_orderkey, l_linenumber, pg_backend_pid() AS backend, "
    f"extract(epoch FROM clock_timestamp())::double precision AS seen FROM {HEAP}.lineitem"
)


def checks(request: Request, workload: Workload) -> Iterator[Block]:
    """Every check of every engine that has a way into PostgreSQL."""
    for ref in (one for one in request.able(CanQuery) if TableFormat.POSTGRESQL in engines.find(one.name).formats):
        subject = _Subject(ref, workload)
        yield from _reads(subject)
        for kind in KINDS:
            yield subject.check("type", kind.name, _TYPES, _kind_title(kind), partial(_type, kind=kind))
        if engines.find(ref.name).dialect != engines.find(SERVER.name).dialect:
            for name, asked in _PUSHES.items():
                yield subject.check("pushed", name, _PUSHED, asked.title, partial(_pushed, asked=asked))
        if issubclass(engines.find(ref.name), CanExecute):
            for name, (title, test) in _WRITTEN.items():
                yield subject.check(name, "", _WRITES, title, test)


@dataclass(frozen=True)
class _Subject:
    """An engine that is asked, and the tables of TPC-H."""

    ref: EngineRef
    workload: Workload

    def check(
        self, check: str, name: str, group: str, row: str, test: Callable[[RunContext, _Subject], Evidence]
    ) -> Check:
        """A case ``phase2/<check>-<name>/<engine>``; ``name`` is empty where there is one of its kind."""
        case = Case(
            id=f"phase2/{'-'.join(one for one in (check, name) if one)}/{self.ref}",
            phase="phase2",
            title=f"{row}, by {self.ref}",
            engine=self.ref,
            group=group,
            row=row,
            column=str(self.ref),
            coordinates=Coordinates(engine=self.ref.name, version=self.ref.version, test=name or None, check=check),
        )
        return Check(case, partial(_tested, test, self))

    def lake(self, context: RunContext) -> Lake:
        """The small tables, made once, with a view for each way to cut one; writable ones are the engine's own."""
        size = float(self.workload.scale_factor)
        options = {f"{self.copy('over')}.truncate": "true"}
        options |= _cut("who", "who", "l_orderkey", 1, int(_ORDER_KEYS * size) + 1)
        options |= _cut("moving", "moving", "id", 1, _ACCOUNTS + 1, partitions=_ACCOUNTS // 2)
        for name, (column, low, high, _) in _CUTS.items():
            options |= _cut(_view(name), TRAPS.name, column, low, high)
        context.prepared.once("jdbc/small", partial(_make, context))
        return lakes.postgresql_lake(context.services, SMALL, options=options)

    def copy(self, what: str) -> str:
        """The name of a table of the engine's own."""
        return f"{what}_{word(self.ref)}"


def _tested(test: Callable[[RunContext, _Subject], Evidence], subject: _Subject, context: RunContext) -> Evidence:
    return test(context, subject)


def _view(cut: str) -> str:
    return f"{TRAPS.name}_{word(cut)}"


def _cut(view: str, table: str, column: str, low: int, high: int, partitions: int = _PARTITIONS) -> dict[str, str]:
    """The options of a view that reads ``table`` in partitions."""
    options = {
        "dbtable": f"{SMALL}.{table}",
        "partitionColumn": column,
        "lowerBound": str(low),
        "upperBound": str(high),
        "numPartitions": str(partitions),
    }
    return {f"{view}.{key}": value for key, value in options.items()}


def _make(context: RunContext) -> None:
    """The small tables, views, and for each engine that writes its own targets."""
    made = [*BEFORE, *TRAPS.statements(), *_LEDGER, _WHO]
    for kind in KINDS:
        made += kind.small().statements()
    for ref in context.request.able(CanExecute):
        name = word(ref)
        made += [f"CREATE TABLE {what}_{name} ({TRAPS.columns})" for what in ("copy", "over")]
        made.append(f"CREATE TABLE bad_{name} (id integer PRIMARY KEY CHECK (id <> {_BAD}), k integer, t text)")
    _at_server(context.services, context.client, *made)


def _at_server(services: Services, client: EngineClient, *statements: str) -> None:
    """Run ``statements`` in the schema of the small tables."""
    lake = lakes.postgresql_lake(services, SMALL)
    for sql in statements:
        client.call(SERVER, lake, "execute", session=_SESSIONS[SMALL], sql=sql)


def _server_answer(context: RunContext, sql: str) -> list[list[str | None]]:
    """What PostgreSQL itself answers, as text."""
    answer = _answer(context.client, SERVER, lakes.postgresql_lake(context.services, SMALL), sql)
    return context.checker.call(answer_files.cells, answer)


def _answer(client: EngineClient, ref: EngineRef, lake: Lake, sql: str) -> Path:
    return client.query(ref, lake, sql, session=_SESSIONS[lake.namespace]).path


# Reads


def _reads(subject: _Subject) -> Iterator[Block]:
    yield subject.check("read", "customer", _READS, "every row of customer", _customer)
    yield subject.check("read", "whole", _READS, "a table with null and negative keys", partial(_rows, view=TRAPS.name))
    if engines.find(subject.ref.name).partitioned:
        for name, (_, _, _, title) in _CUTS.items():
            yield subject.check("read", name, _READS, f"in partitions: {title}", partial(_rows, view=_view(name)))
        yield subject.check("parallel", "", _READS, "in partitions: several sessions of PostgreSQL at once", _parallel)
        yield subject.check("consistent", "", _READS, "in partitions: all of one moment", _consistent)


def _customer(context: RunContext, subject: _Subject) -> Evidence:
    """All rows of customer, against the generator's files."""
    sql = "SELECT * FROM customer"
    actual = _answer(context.client, subject.ref, lakes.postgresql_lake(context.services, HEAP), sql)
    return same(context.checker.call(answer_files.compare_rows, actual, _witnessed(context, subject, sql)))


def _rows(context: RunContext, subject: _Subject, view: str) -> Evidence:
    """The trap table's rows, through ``view``."""
    sql = f"SELECT id, k, t FROM {view}"
    return {"sql": sql} | _same_small(
        context, _answer(context.client, subject.ref, subject.lake(context), sql), TRAPS.name
    )


def _same_small(context: RunContext, actual: Path, table: str) -> dict[str, Any]:
    def write() -> Path:
        path = context.files.new(f"expected-{table}")
        context.checker.call(write_expected, table, path)
        return path

    expected = context.prepared.once(f"jdbc/expected/{table}", write)
    comparison = same(context.checker.call(answer_files.compare_rows, actual, expected))
    return {**comparison, "checked_against": ["the rows written"]}


def _parallel(context: RunContext, subject: _Subject) -> Evidence:
    """Each row says which session sent it and when: the sessions' times overlap, and together they sent every row."""
    if context.request.settings.engine(subject.ref.name).threads < 2:  # noqa: PLR2004 - at once needs two
        raise EngineUnavailable(f"engines.{subject.ref.name}.threads is 1: nothing can be read at once")
    sql = "SELECT backend, count(*) AS n, min(seen) AS first, max(seen) AS last FROM who GROUP BY backend"
    sessions = context.checker.call(
        answer_files.cells, _answer(context.client, subject.ref, subject.lake(context), sql)
    )
    backends = {str(pid): int(str(rows)) for pid, rows, _, _ in sessions}
    at_once = query_plans.side_by_side([(float(str(first)), float(str(last))) for _, _, first, last in sessions])
    rows = subject.workload.tables["lineitem"].rows
    if sum(backends.values()) != rows:
        raise WrongAnswer(f"{sum(backends.values())} rows came of {rows}", backends=backends)
    if at_once < 2:  # noqa: PLR2004 - at once are two
        raise WrongAnswer(f"{len(backends)} sessions read, and never two at once", backends=backends)
    return {"sql": sql, "backends": backends, "at_once": at_once, "partitions": _PARTITIONS}


def _consistent(context: RunContext, subject: _Subject) -> Evidence:
    """Money moves while accounts are read; in every snapshot of PostgreSQL the sum is the same."""
    _at_server(context.services, context.client, f"UPDATE ledger SET amount = {_AMOUNT}")
    sql = "SELECT sum(amount) AS total, count(moved) AS accounts FROM moving"
    ((total, accounts),) = context.checker.call(
        answer_files.cells, _answer(context.client, subject.ref, subject.lake(context), sql)
    )
    wanted = _ACCOUNTS * _AMOUNT
    if (int(str(total)), int(str(accounts))) != (wanted, _ACCOUNTS):
        raise WrongAnswer(f"the accounts read hold {total}, and in every snapshot they hold {wanted}", sql=sql)
    return {"sql": sql, "total": wanted}


def _witnessed(context: RunContext, subject: _Subject, sql: str) -> Path:
    """The answer of DuckDB over the generator's files of ``customer`` and ``orders``."""

    def ask() -> Path:
        into = context.files.new("witness-jdbc")
        files = {name: subject.workload.tables[name].files for name in ("customer", "orders")}
        views = states.views(files, {}, {})
        context.witness.answer(sql, views, into, context.request.profile.protocol.limit_s)
        return into

    return context.prepared.once(f"jdbc/witness/{sql}", ask)


# Types


def _kind_title(kind: Kind) -> str:
    about = f" ({kind.note})" if kind.note else ""
    return f"{kind.type}{about}"


def _type(context: RunContext, subject: _Subject, kind: Kind) -> Evidence:
    sql = f"SELECT id, v FROM {kind.table}"
    return {"sql": sql} | _same_small(
        context, _answer(context.client, subject.ref, subject.lake(context), sql), kind.table
    )


# What is pushed down


@dataclass(frozen=True)
class _Push:
    """A query of orders, and what stands in a statement to PostgreSQL where that does the work."""

    title: str
    sql: str
    sign: str


_PUSHES: Mapping[str, _Push] = {
    "filter": _Push("a filter", "SELECT o_orderkey, o_comment FROM orders WHERE o_orderkey = 7",
                    r"o_orderkey\"?\)?\s*=\s*'?7"),
    "filter-text": _Push(
        "a filter with LIKE", "SELECT count(*) AS n FROM orders WHERE o_comment LIKE 'final%'", r"LIKE|>=?\s*'final"
    ),
    "columns": _Push("two of nine columns", "SELECT sum(o_totalprice) AS s, max(o_custkey) AS m FROM orders",
                     r"^(?!.*o_comment).*o_totalprice"),
    "aggregate": _Push("an aggregate", "SELECT sum(o_totalprice) AS s, count(*) AS n FROM orders", r"\bsum\("),
    "limit": _Push("LIMIT", "SELECT count(*) AS n FROM (SELECT o_orderkey FROM orders LIMIT 3) t", r"\bLIMIT\b"),
    "join": _Push("a join", "SELECT count(*) AS n FROM orders a JOIN orders b ON a.o_orderkey = b.o_orderkey",
                  r"\bJOIN\b"),
}  # fmt: skip


def _pushed(context: RunContext, subject: _Subject, asked: _Push) -> Evidence:
    """The answer is right; ``sent`` are the statements that PostgreSQL's log has of it."""
    lake = lakes.postgresql_lake(context.services, HEAP)
    marker = f"lakebench {subject.ref} {asked.title}"
    _at_server(
        context.services,
        context.client,
        "ALTER SYSTEM SET log_statement = 'all'",
        "SELECT pg_reload_conf()",
        "SELECT pg_sleep(0.1)",
    )
    try:
        _at_server(context.services, context.client, f"SELECT '{marker}'")
        actual = _answer(context.client, subject.ref, lake, asked.sql)
    finally:
        _at_server(context.services, context.client, "ALTER SYSTEM RESET log_statement", "SELECT pg_reload_conf()")
    expected = {"the generator's files": _witnessed(context, subject, asked.sql)}
    checked = context.checker.call(answer_files.compare, actual, expected, Rules())
    return {"sql": asked.sql, **same(checked), **_sent(context.services, marker, asked)}


def _sent(services: Services, marker: str, asked: _Push) -> Evidence:
    if services.endpoint("postgres").runtime is not Runtime.LOCAL:
        return {"sent": "not had: the log of a PostgreSQL that is not ours"}
    sent = query_plans.statements(services.log_tail("postgres", _LOG), marker)
    sent = tuple(one for one in sent if "ALTER SYSTEM" not in one and "pg_reload_conf" not in one)
    pushed_down = any(re.search(asked.sign, one, re.IGNORECASE | re.DOTALL) for one in sent)
    return {"pushed_down": pushed_down, "sent": list(sent[:3])}


# Writes


def _appended(context: RunContext, subject: _Subject) -> Evidence:
    """Rows inserted once are there once."""
    table = subject.copy("copy")
    sql = f"INSERT INTO {table} SELECT id, k, t FROM {_source(subject)}"
    context.client.call(subject.ref, subject.lake(context), "execute", session=_SESSIONS[SMALL], sql=sql)
    return {"statements": [sql], **_written(context, table)}


def _overwritten(context: RunContext, subject: _Subject) -> Evidence:
    """Rows replaced by others; the table stays the same one, with its key."""
    table = subject.copy("over")
    _at_server(context.services, context.client, f"INSERT INTO {table} VALUES (-1, 0, 'from before')")
    before = _server_answer(context, _identity(table))
    insert = f"SELECT id, k, t FROM {_source(subject)}"
    statements = [f"DELETE FROM {table}", f"INSERT INTO {table} {insert}"]
    if engines.find(subject.ref.name).dialect == "spark":
        statements = [f"INSERT OVERWRITE TABLE {table} {insert}"]
    for sql in statements:
        context.client.call(subject.ref, subject.lake(context), "execute", session=_SESSIONS[SMALL], sql=sql)
    comparison = _written(context, table)
    if (after := _server_answer(context, _identity(table))) != before:
        raise WrongAnswer(f"the table is another one: identity and keys were {before}, and are {after}")
    return {"statements": statements, **comparison}


def _identity(table: str) -> str:
    return (
        "SELECT c.oid::bigint AS oid, count(i.indexrelid) AS keys FROM pg_class c LEFT JOIN pg_index i "
        f"ON i.indrelid = c.oid AND i.indisprimary WHERE c.oid = '{table}'::regclass GROUP BY c.oid"
    )


def _all_or_nothing(context: RunContext, subject: _Subject) -> Evidence:
    """One row of 100 breaks a CHECK: the write has to fail, and to leave nothing behind."""
    table = subject.copy("bad")
    sql = f"INSERT INTO {table} SELECT id, k, t FROM {_source(subject)}"
    try:
        context.client.call(subject.ref, subject.lake(context), "execute", session=_SESSIONS[SMALL], sql=sql)
    except Refused as error:
        ((left,),) = _server_answer(context, f"SELECT count(*) AS n FROM {table}")
        if left != "0":
            raise WrongAnswer(f"the write failed, and {left} of {len(TRAPS.values)} rows stay in the table", sql=sql,
                              said=str(error)) from error  # fmt: skip
        return {"sql": sql, "said": str(error), "rows_left": 0}
    raise WrongAnswer("the write was accepted, with a row that breaks a CHECK", sql=sql)


def _source(subject: _Subject) -> str:
    """What is read to be written: in partitions, where the engine does so."""
    return _view("even") if engines.find(subject.ref.name).partitioned else TRAPS.name


def _written(context: RunContext, table: str) -> dict[str, Any]:
    lake = lakes.postgresql_lake(context.services, SMALL)
    return _same_small(context, _answer(context.client, SERVER, lake, f"SELECT id, k, t FROM {table}"), TRAPS.name)


_WRITTEN: Mapping[str, tuple[str, Callable[[RunContext, _Subject], Evidence]]] = {
    "append": ("rows appended are there once", _appended),
    "overwrite": ("rows overwritten, the table kept", _overwritten),
    "all-or-nothing": ("a write that fails leaves nothing", _all_or_nothing),
}
