"""The servers that phase 10 asks, and the kinds of table on each: heap, and by column."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lakebench import engines
from lakebench.datasets import answer_files
from lakebench.errors import CaseError, EngineUnavailable, WrongAnswer
from lakebench.execution.cases import Case
from lakebench.execution.context import RunContext
from lakebench.model import Coordinates, EngineRef, Lake, Runtime
from lakebench.services import lakes

PHASE = "phase10"
POSTGRES = EngineRef("postgres")
CITUS = EngineRef("citus_columnar")
MOONCAKE_01 = EngineRef("pg_mooncake-0.1")
MOONCAKE = EngineRef("pg_mooncake")
SERVERS = (POSTGRES, CITUS, MOONCAKE_01, MOONCAKE)
_EXTENSION = "citus_columnar"  # of Citus's package, and not part of its extension
LONG_S = 900.0
"""The time limit of a statement that loads or changes many rows."""


@dataclass(frozen=True)
class Side:
    """A kind of table on one server; ``filled`` are the statements that make ``{table}`` of the rows of ``{source}``.

    ``follows`` says that it is a mirror, which the rows of its source reach by themselves.
    """

    ref: EngineRef
    storage: str
    title: str
    filled: tuple[str, ...] = ()
    follows: bool = False

    @property
    def name(self) -> str:
        """Such as ``pg_mooncake-0.1-columnstore``."""
        return f"{self.ref}-{self.storage}"


def _using(method: str) -> tuple[str, ...]:
    return (
        f"CREATE TABLE {{table}} (LIKE {{source}}) USING {method}",
        "INSERT INTO {table} SELECT * FROM {source}",
    )


HEAP = "heap"
PLAIN = Side(POSTGRES, HEAP, "PostgreSQL, heap")
COLUMNAR = Side(CITUS, "columnar", "Citus, columnar", _using("columnar"))
COLUMNSTORE = Side(MOONCAKE_01, "columnstore", "pg_mooncake 0.1, columnstore", _using("columnstore"))
MIRROR = Side(
    MOONCAKE, "mirror", "pg_mooncake 0.2, mirror", ("CALL mooncake.create_table('{table}', '{source}')",), follows=True
)
SIDES = (
    PLAIN,
    Side(CITUS, HEAP, "Citus, heap"),
    COLUMNAR,
    Side(MOONCAKE_01, HEAP, "pg_mooncake 0.1, heap"),
    COLUMNSTORE,
    Side(MOONCAKE, HEAP, "pg_mooncake 0.2, heap"),
    MIRROR,
)
"""Each server with its heap tables, which those by column are compared with, and plain PostgreSQL."""


def case_of(side: Side, check: str, test: str, group: str, row: str, *, query: str | None = None) -> Case:
    """The case ``phase10/<check>/<test>/<side>``."""
    service = engines.find(side.ref.name).service or ""
    return Case(
        id=f"{PHASE}/{check}/{test}/{side.name}",
        phase=PHASE,
        title=f"{row}: {side.title}",
        engine=side.ref,
        group=group,
        row=row,
        column=side.name,
        coordinates=Coordinates(
            engine=side.ref.name,
            check=check,
            test=None if query else test,
            query=query,
            more={"table": side.storage, **({} if side == PLAIN else {"services": service})},
        ),
    )


@dataclass(frozen=True)
class ColumnarServer:
    """A server of PostgreSQL in a run: its sessions, and the run's own schema there."""

    context: RunContext
    ref: EngineRef

    @property
    def service(self) -> str:
        """The service that it is."""
        return engines.find(self.ref.name).service or ""

    @property
    def is_users(self) -> bool:
        """Whether it is a server of the user's, which is not extended."""
        return self.context.services.endpoint(self.service).runtime is Runtime.EXTERNAL

    def schema(self, storage: str = HEAP) -> str:
        """The schema of the tables of a kind; its name begins with that of the run's own schema there.

        Raises:
            ServiceUnavailable: the server does not run here.
        """
        runs_own = self.context.services.endpoint(self.service).properties.get("schema", "lakebench_phase10")
        return f"{runs_own}_{storage}"

    def lake(self, storage: str = HEAP) -> Lake:
        """The schema as a lake.

        Raises:
            ServiceUnavailable: the server does not run here.
        """
        return lakes.postgresql_lake(self.context.services, self.schema(storage), service=self.service)

    def execute(self, *statements: str, session: str = "") -> None:
        """Run ``statements``, one after the other, in a session that goes on after a refusal."""
        for sql in statements:
            self._call("execute", session, sql=sql)

    def append(self, table: str, rows: Path) -> None:
        """COPY the rows of an answer's file into ``table``."""
        self._call("append", "", table=table, rows=str(rows))

    def answer(self, sql: str, session: str = "") -> Path:
        """The rows of ``sql``, in a file."""
        into = self.context.files.new("answer")
        self._call("query", session, sql=sql, into=str(into))
        return into

    def cells(self, sql: str, session: str = "") -> list[list[str | None]]:
        """The rows of a small answer, as text."""
        return self.context.checker.call(answer_files.cells, self.answer(sql, session))

    def number(self, sql: str, session: str = "") -> int:
        """The one number that ``sql`` answers."""
        ((cell,),) = self.cells(sql, session)
        return int(str(cell))

    def _call(self, operation: str, session: str, **arguments: Any) -> None:
        name = f"{PHASE} {session}".strip()
        self.context.client.call(self.ref, self.lake(), operation, LONG_S, session=name, lasting=True, **arguments)

    def end(self, session: str = "") -> None:
        """Have the next statement begin a new session."""
        self.context.workers.disconnect(self.ref, f"{PHASE} {session}".strip())

    def ready(self) -> None:
        """Make the schemas anew, and Citus's extension, once a run.

        Raises:
            CaseError: the server is not there, or refuses.
        """
        self.context.prepared.once(f"{PHASE}/{self.ref}", self._make)

    def _make(self) -> None:
        if self.ref == CITUS:
            self._require_columnar()
            self.end()  # the script of the extension leaves another search_path behind
        for side in SIDES:
            if side.ref == self.ref:
                schema = self.schema(side.storage)
                self.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE", f"CREATE SCHEMA {schema}")

    def _require_columnar(self) -> None:
        if not self.is_users:
            self.execute(f"CREATE EXTENSION IF NOT EXISTS {_EXTENSION}")
        elif not self.number(f"SELECT count(*) AS n FROM pg_extension WHERE extname = '{_EXTENSION}'"):
            raise EngineUnavailable(f"the database there has no extension {_EXTENSION}: CREATE EXTENSION {_EXTENSION}")

    def dropped(self) -> None:
        """Remove what the phase has made, as far as the server still answers."""
        for side in SIDES:
            if side.ref == self.ref:
                with contextlib.suppress(CaseError):
                    self.execute(f"DROP SCHEMA IF EXISTS {self.schema(side.storage)} CASCADE")


@dataclass(frozen=True)
class ColumnarTwins:
    """A table of ``side`` and a heap table with the same rows, both on its server, made by the same statements."""

    server: ColumnarServer
    side: Side
    name: str

    @property
    def table(self) -> str:
        """The table of the side, with its schema."""
        return f"{self.server.schema(self.side.storage)}.{self.name}"

    @property
    def twin(self) -> str:
        """The heap table, of which the other one is made where the side is a mirror."""
        return f"{self.server.schema()}.{self.name}"

    def make(self, columns: str, *rows: str) -> None:
        """Make both with ``columns`` and the ``rows``, statements of ``{t}``."""
        self.server.ready()
        self.server.execute(f"CREATE TABLE {self.twin} ({columns})", *(one.replace("{t}", self.twin) for one in rows))
        for statement in self.side.filled:
            self.server.execute(statement.format(table=self.table, source=self.twin))


def at(side: Side, context: RunContext, name: str) -> ColumnarTwins:
    """The tables ``name`` of ``side``."""
    return ColumnarTwins(ColumnarServer(context, side.ref), side, name)


def of_storage(lake: Lake, schema: str) -> Lake:
    """``lake`` with the tables of another kind as its current ones."""
    return replace(lake, namespace=schema)


def same_number(actual: int, expected: int, what: str) -> None:
    """Nothing, where both are equal.

    Raises:
        WrongAnswer: they are not.
    """
    if actual != expected:
        raise WrongAnswer(f"{what}: {actual:,}, and {expected:,} were to be", actual=actual, expected=expected)
