"""The servers that ask each other through postgres_fdw, and the two sessions of a pair of them."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lakebench.datasets import answer_files
from lakebench.engines.postgresql import VERSIONS, literal, server_versions
from lakebench.errors import CaseError, EngineUnavailable
from lakebench.execution.context import RunContext
from lakebench.execution.engine_client import AnswerFile
from lakebench.model import EngineRef, Lake, Runtime
from lakebench.phases.table_loading import word
from lakebench.services import lakes

CLIENT = EngineRef("postgres")
"""The engine whose sessions speak to every end."""
Cells = list[list[str | None]]


@dataclass(frozen=True)
class ForeignEnd:
    """A server that may be either side: the service it is, and how a table of its own kind is made there.

    ``after`` are statements for each new table ``{table}``. ``analyzes`` says whether the server has statistics of its
    tables.
    """

    service: str
    title: str
    using: str = ""
    after: tuple[str, ...] = ()
    analyzes: bool = True

    def made(self, table: str, columns: str) -> tuple[str, ...]:
        """The statements that make ``table``."""
        create = f"CREATE TABLE {table} ({columns}) {self.using}".strip()
        return (create, *(one.format(table=table) for one in self.after))


POSTGRES = ForeignEnd("postgres", "PostgreSQL")
REMOTE = ForeignEnd("postgres-remote", "PostgreSQL, the second server")
CITUS = ForeignEnd(
    "citus",
    "Citus",
    after=("SELECT create_distributed_table('{table}', 'id', shard_count := 4)",),
)
PG_LAKE = ForeignEnd(
    "pg_lake",
    "pg_lake",
    using="USING iceberg",
    analyzes=False,
)


@dataclass(frozen=True)
class Pair:
    """``local`` has the foreign tables, and ``remote`` the rows."""

    local: ForeignEnd
    remote: ForeignEnd

    @property
    def name(self) -> str:
        """``local→remote``, by the names of the services."""
        return f"{self.local.service}→{self.remote.service}"

    @property
    def title(self) -> str:
        """In words."""
        return f"{self.local.title} → {self.remote.title}"

    @property
    def schema(self) -> str:
        """The name of the schema of its tables."""
        return f"fdw_{word(self.local.service)}_{word(self.remote.service)}"


PAIRS = (
    Pair(POSTGRES, REMOTE),
    Pair(CITUS, PG_LAKE),
    Pair(PG_LAKE, CITUS),
    Pair(CITUS, REMOTE),
    Pair(PG_LAKE, REMOTE),
    Pair(POSTGRES, CITUS),
    Pair(POSTGRES, PG_LAKE),
)
"""Every pair of ends in both directions, with plain PostgreSQL on each side of both extensions."""


@dataclass(frozen=True)
class Link:
    """The sessions of a pair: one at each end, and others by name."""

    context: RunContext
    pair: Pair

    def schema(self, end: ForeignEnd) -> str:
        """The schema of the pair's tables at ``end``; its name begins with that of the run's own schema there.

        Raises:
            ServiceUnavailable: the server does not run here.
        """
        runs_own = self.context.services.endpoint(end.service).properties.get("schema", "")
        return f"{runs_own}_{self.pair.schema}" if runs_own else self.pair.schema

    def is_users(self, end: ForeignEnd) -> bool:
        """Whether ``end`` is a server of the user's, which is not stopped, set or extended."""
        return self.context.services.endpoint(end.service).runtime is Runtime.EXTERNAL

    def lake(self, end: ForeignEnd) -> Lake:
        """The pair's schema at ``end``.

        Raises:
            ServiceUnavailable: the server does not run here.
        """
        return lakes.postgresql_lake(self.context.services, self.schema(end), service=end.service)

    def execute(self, end: ForeignEnd, *statements: str, session: str = "") -> None:
        """Run ``statements`` at ``end``, one after the other."""
        for sql in statements:
            self.context.client.call(
                CLIENT, self.lake(end), "execute", session=_session(end, session), lasting=True, sql=sql
            )

    def answer(self, end: ForeignEnd, sql: str, session: str = "") -> AnswerFile:
        """The rows of ``sql`` at ``end``, in a file."""
        return self.context.client.query(CLIENT, self.lake(end), sql, session=_session(end, session))

    def timed(self, sql: str, into: Path | None) -> dict[str, Any]:
        """What the local session's worker says of ``sql``: its time, and the size of its answer where it has one."""
        local = self.pair.local
        operation, more = ("execute", {}) if into is None else ("query", {"into": str(into)})
        session, lake = _session(local, ""), self.lake(local)
        return self.context.client.call(CLIENT, lake, operation, None, session=session, lasting=False, sql=sql, **more)

    def cells(self, end: ForeignEnd, sql: str, session: str = "") -> Cells:
        """The rows of a small answer, as text."""
        return self.context.checker.call(answer_files.cells, self.answer(end, sql, session).path)

    def plan(self, sql: str) -> tuple[str, ...]:
        """The lines of the local plan of ``sql``."""
        return tuple(str(line) for (line,) in self.cells(self.pair.local, f"EXPLAIN (VERBOSE, COSTS OFF) {sql}"))

    def file(self, name: str) -> Path:
        """A new file for an answer."""
        return self.context.files.new(name)

    def new_session(self, end: ForeignEnd, session: str = "") -> None:
        """Have the next statement at ``end`` begin a session of the server."""
        self.context.workers.disconnect(CLIENT, _session(end, session))

    def versions(self) -> Mapping[str, str]:
        """What both servers say of themselves: ``<service> <component>`` → version."""
        local, remote = (
            server_versions(end.service, self.cells(end, VERSIONS)) for end in (self.pair.local, self.pair.remote)
        )
        return {**local, **remote}

    def require_fdw(self) -> None:
        """Create postgres_fdw at the local end.

        Raises:
            EngineUnavailable: the server does not have it, or is the user's to extend.
        """
        local = self.pair.local
        catalog = "pg_extension WHERE extname" if self.is_users(local) else "pg_available_extensions WHERE name"
        if self.cells(local, f"SELECT count(*) AS n FROM {catalog} = 'postgres_fdw'") != [["1"]]:
            raise EngineUnavailable(
                f"{local.title} here has no extension postgres_fdw: it is part of PostgreSQL's contrib; install that, "
                "and CREATE EXTENSION postgres_fdw on a server of yours"
            )
        if not self.is_users(local):
            self.execute(local, "CREATE EXTENSION IF NOT EXISTS postgres_fdw SCHEMA public")

    def server(self) -> tuple[str, ...]:
        """The statements that name the remote end at the local one; the server has the name of the schema."""
        remote, name = self.context.services.endpoint(self.pair.remote.service), self.schema(self.pair.local)
        where = {"host": remote.host, "port": str(remote.port), "dbname": remote.properties["database"]}
        where["options"] = "-c synchronous_commit=on"  # the default, which the death after a COMMIT takes from others
        who = {"user": remote.user, "password": remote.password}
        return (
            f"DROP SERVER IF EXISTS {name} CASCADE",
            f"CREATE SERVER {name} FOREIGN DATA WRAPPER postgres_fdw OPTIONS ({_options(where)})",
            f"CREATE USER MAPPING FOR CURRENT_USER SERVER {name} OPTIONS ({_options(who)})",
        )

    def foreign(self, name: str, columns: str, table: str = "", more: str = "") -> str:
        """The statement that makes ``name`` a foreign table of the remote end's ``table``, with ``more`` options."""
        options = f"schema_name '{self.schema(self.pair.remote)}', table_name '{table or name}'{more}"
        return f"CREATE FOREIGN TABLE {name} ({columns}) SERVER {self.schema(self.pair.local)} OPTIONS ({options})"

    def imported(self, *tables: str) -> str:
        """The statement that makes foreign tables as the remote end describes its own."""
        here, there = self.schema(self.pair.local), self.schema(self.pair.remote)
        return f"IMPORT FOREIGN SCHEMA {there} LIMIT TO ({', '.join(tables)}) FROM SERVER {here} INTO {here}"

    def dropped(self) -> None:
        """Remove what the pair has made, as far as its servers still answer."""
        local, remote = self.pair.local, self.pair.remote
        with contextlib.suppress(CaseError):
            name = self.schema(local)
            self.execute(local, f"DROP SERVER IF EXISTS {name} CASCADE", f"DROP SCHEMA IF EXISTS {name} CASCADE")
        with contextlib.suppress(CaseError):
            self.execute(remote, f"DROP SCHEMA IF EXISTS {self.schema(remote)} CASCADE")


def _session(end: ForeignEnd, name: str) -> str:
    """The worker of ``end``; the name must not begin with that of a base."""
    return f"fdw {end.service} {name}".strip()


def _options(values: Mapping[str, str]) -> str:
    return ", ".join(f"{key} {literal(value)}" for key, value in values.items())
