"""A PostgreSQL with Citus and another extension: its databases, its sessions, and what a crash of it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakebench.datasets import answer_files
from lakebench.engines.postgresql import VERSIONS, server_versions
from lakebench.errors import EngineCrash, EngineUnavailable
from lakebench.execution.context import RunContext
from lakebench.model import EngineRef, Lake, Runtime
from lakebench.services import lakes
from lakebench.services.server_crashes import CrashWatch

CLIENT = EngineRef("postgres")
"""The engine whose sessions speak to every server."""
PLAIN = "postgres"
"""The service that the answers are compared with."""
Cells = list[list[str | None]]
"""The rows of a small answer, as text."""
_LIMIT_S = 120.0
_RECOVERY_S = 90.0


@dataclass(frozen=True)
class Combination:
    """Citus and ``other`` in one server, the service ``service``.

    ``works`` are queries, by extension, that show that it was created.
    """

    service: str
    other: str
    title: str
    works: Mapping[str, str]

    @property
    def orders(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """Both orders in which the extensions can be created."""
        return ("citus", self.other), (self.other, "citus")


_CITUS_WORKS = "SELECT citus_version() LIKE 'Citus %' AS a"
PG_DUCKDB = Combination(
    "citus_pg_duckdb",
    "pg_duckdb",
    "Citus with pg_duckdb",
    {"citus": _CITUS_WORKS, "pg_duckdb": "SELECT * FROM duckdb.query('SELECT version() LIKE ''v%'' AS a')"},
)
PG_LAKE = Combination(
    "citus_pg_lake",
    "pg_lake",
    "Citus with pg_lake",
    {"citus": _CITUS_WORKS, "pg_lake": "SELECT count(*) >= 0 AS a FROM iceberg_tables"},
)
COMBINATIONS = (PG_DUCKDB, PG_LAKE)


@dataclass(frozen=True)
class Server:
    """The sessions of one server: of a combination, or of plain PostgreSQL."""

    context: RunContext
    service: str

    @property
    def is_users(self) -> bool:
        """Whether it is a server of the user's, which is not made to crash, and gets no database and no role."""
        return self.context.services.endpoint(self.service).runtime is Runtime.EXTERNAL

    def require_ours(self) -> None:
        """Check that databases and roles may be made there, and that it may crash.

        Raises:
            EngineUnavailable: it is a server of the user's.
            ServiceUnavailable: it does not run here.
        """
        if self.is_users:
            raise EngineUnavailable(
                f"{self.service} is a server of yours: it gets no database and no role, and nothing is asked that may "
                "end all of its sessions"
            )

    def schema(self, name: str) -> str:
        """The name of a schema there; in a server of the user's it begins with that of the run's own."""
        runs_own = self.context.services.endpoint(self.service).properties.get("schema", "")
        return f"{runs_own}_{name}" if runs_own else f"both_{name}"

    def execute(self, database: str, schema: str, *statements: str) -> None:
        """Run ``statements`` one after the other.

        Raises:
            CaseError: one of them failed; of a crash with its evidence.
        """
        for sql in statements:
            self._call(self.lake(database, schema), "execute", sql=sql)

    def answer(self, database: str, schema: str, sql: str) -> Path:
        """The rows of ``sql``, in a file."""
        into = self.context.files.new(f"{self.service}-query")
        self._call(self.lake(database, schema), "query", sql=sql, into=str(into))
        return into

    def cells(self, database: str, schema: str, sql: str) -> Cells:
        """The rows of a small answer, as text."""
        return self.context.checker.call(answer_files.cells, self.answer(database, schema, sql))

    def bystander(self, database: str) -> str:
        """The process id of a session that does nothing else; it is opened where it is not there any more.

        Raises:
            CaseError: it cannot be opened.
        """
        remote = self.context.workers.open(CLIENT, self.lake(database, "made"), f"bystander {self.service}")
        into = self.context.files.new("bystander")
        try:
            remote.call("query", limit_s=_LIMIT_S, sql="SELECT pg_backend_pid() AS pid", into=str(into))
        except EngineCrash:  # an earlier crash has ended it
            self.context.workers.disconnect(CLIENT, f"bystander {self.service}")
            return self.bystander(database)
        ((pid,),) = self.context.checker.call(answer_files.cells, into)
        return str(pid)

    def new_session(self) -> None:
        """Have the next statement begin a session of the server."""
        self.context.workers.disconnect(CLIENT, self._session)

    def lake(self, database: str, schema: str) -> Lake:
        """The schema ``schema`` in ``database``, or in that of the endpoint where this is empty."""
        return lakes.postgresql_lake(self.context.services, self.schema(schema), database, service=self.service)

    @property
    def _session(self) -> str:
        return f"both {self.service}"

    def _call(self, lake: Lake, operation: str, **arguments: Any) -> None:
        watch = CrashWatch(self.context.services, self.service)
        try:
            remote = self.context.workers.open(CLIENT, lake, self._session)
            remote.call(operation, limit_s=_LIMIT_S, **arguments)
        except EngineCrash as error:
            self.new_session()
            crash = watch.recover(_RECOVERY_S)
            raise EngineCrash(str(error), **error.details, **(crash.evidence() if crash else {})) from None

    def versions(self, database: str, schema: str) -> Mapping[str, str]:
        """The versions of PostgreSQL and of the extensions of ``database``."""
        return server_versions(self.service, self.cells(database, schema, VERSIONS))


@dataclass(frozen=True)
class Both:
    """A combination in a run: its databases, each made once."""

    context: RunContext
    combination: Combination

    @property
    def server(self) -> Server:
        """The server that has both extensions."""
        return Server(self.context, self.combination.service)

    @property
    def plain(self) -> Server:
        """The server that has neither."""
        return Server(self.context, PLAIN)

    def created(self, extensions: Sequence[str]) -> str:
        """A database in which ``extensions`` were created in this order, once a run.

        Raises:
            CaseError: the server does not run, is the user's, refuses, or crashes.
        """
        name = "_then_".join(extensions)
        return self.context.prepared.once(
            f"both/{self.combination.service}/{name}", lambda: self._create(name, extensions)
        )

    def _create(self, name: str, extensions: Sequence[str]) -> str:
        self.server.require_ours()
        self.server.execute("", "made", f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}")
        for extension in extensions:
            self.server.execute(name, "made", f"CREATE EXTENSION {extension} CASCADE")
        return name

    def database(self) -> str:
        """A database that has both extensions: the user's, or the first order that could be created.

        Raises:
            CaseError: there is none.
        """
        if self.server.is_users:
            return ""
        first, second = self.combination.orders
        try:
            return self.created(first)
        except EngineCrash:
            return self.created(second)
