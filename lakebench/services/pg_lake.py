"""pg_lake: PostgreSQL that keeps Iceberg tables, and ``pgduck_server`` beside it, which handles their files."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from lakebench.engines.postgresql import literal
from lakebench.errors import ServiceUnavailable
from lakebench.model import Endpoint, ObjectStore, Runtime
from lakebench.services.base import Command, Context
from lakebench.services.object_store import store
from lakebench.services.postgres_extension import ExtensionService, rows

PROGRAM = "pgduck_server"
_OPTION = "pgduck."
_SOCKET_PORT = 5332
_SOCKET_PATH_BYTES = 107  # Linux's sockaddr_un, without its final zero
_SOCKET_S = 60.0
_LOOK_S = 0.05
_STOP_S = 5.0
_BUFFERS = 128 * 2**20
_LOCATION = "pg_lake_iceberg.default_location_prefix"


class PgLakeService(ExtensionService):
    """PostgreSQL with pg_lake, and its ``pgduck_server``: one starts, ends and dies with the other.

    The two speak over a Unix socket in a folder that other users cannot enter; the key of the object store is in a file
    there. ``memory`` is the limit of ``pgduck_server``. A property ``pgduck.X`` becomes its option ``--X``;
    ``pgduck.extensions_dir`` names a folder that has DuckDB's extensions, and then none is downloaded.

    Endpoint: as that of a server with an extension, and ``location``, the address below which tables lie.
    """

    name = "pg_lake"
    title = "PostgreSQL with pg_lake"
    needs = ("object-store",)
    memory = 1024 * 2**20
    start_s = 90
    extensions: ClassVar[tuple[str, ...]] = ("pg_lake",)
    preload: ClassVar[tuple[str, ...]] = ("pg_extension_base",)
    uses: ClassVar[tuple[str, ...]] = ("lake_file_cache.remove",)
    image = "lakebench/pg_lake:3.5-pg17"
    build = (
        "git clone --recurse-submodules https://github.com/Snowflake-Labs/pg_lake && cd pg_lake && "
        "PG_CONFIG=/path/to/pg_config make install"
    )

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._beside = self.folder / "pgduck"
        self._duck: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Make the cluster, and the folder of ``pgduck_server`` with the key of the object store."""
        super().prepare()
        if self.runtime is Runtime.LOCAL and not (self._bin / PROGRAM).exists():
            raise ServiceUnavailable(f"{self._bin} has no {PROGRAM}, which pg_lake needs: {self.mend()}")
        socket = self._socket()
        if len(os.fsencode(socket)) > _SOCKET_PATH_BYTES:
            raise ServiceUnavailable(f"{socket} is too long for a socket: name a shorter folder with TMPDIR")
        self._beside.mkdir(mode=0o700)
        init = self.private("pgduck/init.sql", secret(store(self.context.endpoint("object-store"))))
        if self._account:
            shutil.chown(self._beside, self._account)
            shutil.chown(init, self._account)

    def _socket(self) -> Path:
        return self._beside / f".s.PGSQL.{_SOCKET_PORT}"

    def _settings(self, port: int) -> dict[str, str]:
        bucket = store(self.context.endpoint("object-store")).bucket
        return {
            "pg_lake_engine.host": f"host={self._beside} port={_SOCKET_PORT}",
            _LOCATION: f"s3://{bucket}/pg_lake",
            **super()._settings(port),
        }

    def buffers(self) -> int:
        """PostgreSQL's own part is small."""
        return _BUFFERS

    def command(self, ports: Mapping[str, int]) -> Command:
        """PostgreSQL's command; a container starts both."""
        command = super().command(ports)
        options = " ".join(f"--{key} {value}" for key, value in self._options().items())
        return Command(command.argv, {**command.env, "LAKEBENCH_PGDUCK": options}, command.user, command.death_signal)

    def _options(self) -> dict[str, str]:
        """The options of ``pgduck_server``."""
        properties = self.context.settings.properties
        ours = {
            "unix_socket_directory": str(self._beside),
            "port": str(_SOCKET_PORT),
            "init_file_path": str(self._beside / "init.sql"),
            "cache_dir": str(self._beside / "cache"),
            "memory_limit": f"{self.limit // 2**20}MiB",
        }
        return ours | {key.removeprefix(_OPTION): value for key, value in properties.items() if key.startswith(_OPTION)}

    def _spawn(self, command: Command) -> None:
        options = self._options()
        argv = [str(self._bin / PROGRAM), *(part for key, value in options.items() for part in (f"--{key}", value))]
        if "extensions_dir" in options:
            argv.append("--no_extension_install")
        self._socket().unlink(missing_ok=True)
        home = {"HOME": str(self._beside), "TMPDIR": str(self._beside)}
        self._duck = self._spawned(Command(argv, home, self._account))
        self._await_socket(self._duck)
        super()._spawn(command)

    def _await_socket(self, duck: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + _SOCKET_S
        while not self._socket().exists():
            ended = duck.poll() is not None
            if ended or time.monotonic() > deadline or self.context.stopping.is_set():
                why = f"ended with exit code {duck.returncode}" if ended else f"has no socket after {_SOCKET_S:.0f} s"
                failed = self._failed(f"{PROGRAM} {why}")
                self.stop()
                raise ServiceUnavailable(failed)
            time.sleep(_LOOK_S)

    def stop(self) -> None:
        """End PostgreSQL, then ``pgduck_server``."""
        super().stop()
        duck, self._duck = self._duck, None
        if duck:
            self.context.guard.stop(duck, signal.SIGTERM, _STOP_S)

    def exit_code(self) -> int | None:
        """What the one of the two ended with that is gone."""
        code = super().exit_code()
        return self._duck.poll() if code is None and self._duck else code

    def _roots(self) -> list[int]:
        """Both, or none where one of them is gone: the other is of no use."""
        postgres = super()._roots()
        if self._duck is None or not postgres:
            return postgres
        return [*postgres, self._duck.pid] if self._duck.poll() is None else []

    def look(self, connection: Any, endpoint: Endpoint) -> None:
        """Also ask where tables lie."""
        super().look(connection, endpoint)
        ((location,),) = rows(connection, f"SHOW {_LOCATION}")
        self.seen["location"] = str(location)


def secret(objects: ObjectStore) -> str:
    """The statement by which the DuckDB of ``pgduck_server`` gets the key of the object store."""
    scheme, _, host = objects.endpoint.partition("://")
    options = {
        "KEY_ID": literal(objects.access_key),
        "SECRET": literal(objects.secret_key),
        "REGION": literal(objects.region),
        "ENDPOINT": literal(host),
        "URL_STYLE": literal("path" if objects.path_style else "vhost"),
        "USE_SSL": str(scheme == "https").lower(),
        "SCOPE": literal(f"s3://{objects.bucket}"),
    }
    return f"CREATE SECRET lakebench_store (TYPE s3, {', '.join(f'{key} {one}' for key, one in options.items())});\n"
