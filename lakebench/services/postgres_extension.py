"""PostgreSQL with an extension: what the services of Citus, pg_lake, pg_duckdb, pg_mooncake and PGSpider share."""

from __future__ import annotations

import contextlib
import dataclasses
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from lakebench.config import Settings
from lakebench.engines.postgresql import calls
from lakebench.errors import CaseError, ServiceUnavailable
from lakebench.model import Endpoint, Runtime
from lakebench.services.base import Context
from lakebench.services.postgres import PostgresService, ask_pg_config

_OURS = (("SCHEMA", "nspname", "pg_namespace"), ("SERVER", "srvname", "pg_foreign_server"))


class ExtensionService(PostgresService):
    """A PostgreSQL server that has ``extensions``, loads ``preload`` at its start, and is configured by ``conf``.

    ``local`` needs the installation that the settings name for this very service. ``external`` is a server of the
    user's, in which we write nothing but the schema of the endpoint, which :meth:`stop` drops, with all schemas and
    foreign servers whose names begin with its. Where the server is ours, the extensions are created in the database of
    the endpoint; a database that a case makes has none.

    ``uses`` are functions and procedures without which an extension is too old; ``image`` and ``build`` say how one
    gets such a server. ``creates`` is false where creating the extensions is itself a test. Endpoint: as that of
    PostgreSQL, with the version that the server says, and the properties ``schema`` and ``extension.NAME``, the version
    of each extension.
    """

    extensions: ClassVar[tuple[str, ...]]
    preload: ClassVar[tuple[str, ...]]
    conf: ClassVar[Mapping[str, str]] = {}
    uses: ClassVar[tuple[str, ...]] = ()
    creates: ClassVar[bool] = True
    image: ClassVar[str]
    build: ClassVar[str]
    version = "17"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._schema = f"lakebench_{secrets.token_hex(4)}"
        self.seen: dict[str, str] = {}

    @classmethod
    def lacking(cls, settings: Settings) -> str:
        """What a local server lacks, in one line; empty where it can be started.

        Raises:
            UsageError: the ``pg_config`` of the settings cannot be used.
        """
        pg_config = settings.service(cls.name).pg_config
        if pg_config is None:
            return (
                f"no PostgreSQL with {cls.extensions[0]} is named: write [services.{toml_key(cls.name)}] "
                'pg_config = "/path/to/pg_config" into lakebench.toml'
            )
        missing = [name for name in cls.extensions if not has_extension(pg_config, name)]
        return f"the PostgreSQL of {pg_config} has no extension {missing[0]}: {cls.mend()}" if missing else ""

    @classmethod
    def mend(cls) -> str:
        """What to do about an extension that a PostgreSQL lacks."""
        return f"install it there, or name another PostgreSQL for [services.{toml_key(cls.name)}] in lakebench.toml"

    def prepare(self) -> None:
        """Look for the extension before the cluster is made."""
        if self.runtime is Runtime.LOCAL and (lacking := self.lacking(self.context.all_settings)):
            raise ServiceUnavailable(f"{lacking}; lakebench doctor says how to get one")
        super().prepare()

    def libraries(self) -> tuple[str, ...]:
        """What the server loads at its start, in this order."""
        return self.preload

    def _settings(self, port: int) -> dict[str, str]:
        libraries = {"shared_preload_libraries": ",".join(self.libraries())} if self.libraries() else {}
        return {**libraries, **self.conf, **super()._settings(port)}

    def start(self) -> Endpoint:
        """Start or reach the server, see that it has the extensions, and make the schema.

        Raises:
            ServiceUnavailable: it cannot run here, or lacks what it has to have.
            UsageError: the settings cannot be used.
        """
        endpoint = super().start()
        try:
            self._look(endpoint)
        except CaseError as error:
            super().stop()
            raise ServiceUnavailable(self.redact(f"{self.title}: {error}")) from error
        return self._described(endpoint)

    def restart(self) -> Endpoint:
        """As that of any service; extensions and schema are still there."""
        return self._described(super().restart())

    def stop(self) -> None:
        """End the server, or drop what is ours in the user's."""
        if self.runtime is Runtime.EXTERNAL and self.seen:
            self.seen = {}
            try:
                self._clear(self.external_endpoint())
            except CaseError as error:
                self.context.progress.say(self.redact(f"{self.title} keeps the schema {self._schema}: {error}"))
        super().stop()

    def _described(self, endpoint: Endpoint) -> Endpoint:
        """``endpoint`` with what the server said of itself."""
        properties = {**endpoint.properties, **self.seen, "schema": self._schema}
        return dataclasses.replace(endpoint, version=self.version, properties=properties)

    def _look(self, endpoint: Endpoint) -> None:
        with contextlib.closing(self.session(endpoint)) as connection:
            self.look(connection, endpoint)
            rows(connection, f"CREATE SCHEMA {self._schema}")

    def look(self, connection: Any, endpoint: Endpoint) -> None:
        """Create the extensions where the server is ours, check that all is there, and keep what the server says.

        Raises:
            CaseError: something is missing; the message says what.
        """
        (version,) = rows(connection, "SHOW server_version")[0]
        self.version = str(version).split()[0]
        self._check_loaded(connection)
        for name in self.extensions:
            self._create(connection, name, endpoint)
        self._check_functions(connection)

    def _check_loaded(self, connection: Any) -> None:
        (said,) = rows(connection, "SHOW shared_preload_libraries")[0]
        loaded = {one.strip().strip('"').rpartition("/")[2] for one in str(said).split(",")}
        if missing := [one for one in self.libraries() if one not in loaded]:
            wanted = ",".join(self.libraries())
            raise ServiceUnavailable(f"it does not load {missing[0]}: set shared_preload_libraries = '{wanted}'")

    def _create(self, connection: Any, name: str, endpoint: Endpoint) -> None:
        if not _versions(connection, name):
            raise ServiceUnavailable(f"the PostgreSQL {self.version} there has no extension {name}: {self.mend()}")
        ours = self.runtime is not Runtime.EXTERNAL
        if ours and self.creates:
            rows(connection, f"CREATE EXTENSION IF NOT EXISTS {name} CASCADE")
        ((installed, offered),) = _versions(connection, name)
        if ours and not self.creates:
            installed = offered
        if installed is None:
            database = endpoint.properties["database"]
            raise ServiceUnavailable(f"the database {database} has no extension {name}: CREATE EXTENSION {name} there")
        self.seen[f"extension.{name}"] = str(installed)

    def _check_functions(self, connection: Any) -> None:
        named = (
            "SELECT nspname || '.' || proname FROM pg_catalog.pg_proc p "
            "JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE nspname || '.' || proname = ANY(%s)"
        )
        there = {name for (name,) in rows(connection, named, (list(self.uses),))}
        if missing := [one for one in self.uses if one not in there]:
            name = self.extensions[0]
            found = self.seen[f"extension.{name}"]
            raise ServiceUnavailable(f"{name} {found} is too old: it has no {missing[0]}; install a newer one")

    def _clear(self, endpoint: Endpoint) -> None:
        with contextlib.closing(self.session(endpoint)) as connection:
            for kind, name, catalog in _OURS:
                ours = f"SELECT quote_ident({name}) FROM {catalog} WHERE starts_with({name}::text, %s)"
                for (one,) in rows(connection, ours, (self._schema,)):
                    rows(connection, f"DROP {kind} {one} CASCADE")


def has_extension(pg_config: Path, name: str) -> bool:
    """Whether the installation has the control file of the extension ``name``.

    Raises:
        UsageError: ``pg_config`` does not run.
    """
    return (ask_pg_config(pg_config, "--sharedir") / "extension" / f"{name}.control").exists()


def toml_key(name: str) -> str:
    """``name`` as a key of TOML, in quotes where it has a dot."""
    return f'"{name}"' if "." in name else name


def _versions(connection: Any, name: str) -> list[tuple[Any, ...]]:
    """The version of the extension ``name`` that is created, else ``None``, and the one that CREATE EXTENSION makes.

    Empty where there is none.
    """
    asked = "SELECT installed_version, default_version FROM pg_available_extensions WHERE name = %s"
    return rows(connection, asked, (name,))


def rows(connection: Any, sql: str, values: Sequence[Any] | None = None) -> list[tuple[Any, ...]]:
    """What ``sql`` answers; empty where it has no answer."""
    call = calls(connection)
    with call.entered(connection.cursor) as cursor:
        call(cursor.execute, sql, values)
        return call(cursor.fetchall) if cursor.description else []
