"""Smallpond: Parquet files and SQL on each part of them; no catalog of any kind."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from lakebench import private_network
from lakebench.engines import CanQuery, Engine
from lakebench.engines.inprocess import Answer, version_of
from lakebench.errors import EngineUnavailable, Refused
from lakebench.model import CatalogKind, Lake, ObjectStore, TableFormat

if TYPE_CHECKING:
    import pyarrow as pa

WAY = "way"
"""The option of a lake that says by which way Smallpond comes to S3; see :data:`USUAL_WAY`."""
USUAL_WAY = "dataset"  # by "arrow" the driver holds all rows
_DUCKDB = "1.2.2"  # newer than 1.2 Smallpond does not run with
_WITH_VARIABLES = frozenset({"variables", "secret", "dataset"})
"""The ways whose session has variables with the store's keys."""
_SESSION = "lakebench.engines.smallpond.session"


class Smallpond(Engine, CanQuery):
    """A session of Smallpond, which starts a Ray of its own in a network that nobody else reaches.

    Every query is one task: Smallpond splits no SQL, and has no second stage but what the user writes.
    """

    name: ClassVar[str] = "smallpond"
    title: ClassVar[str] = "Smallpond"
    dialect: ClassVar[str] = "duckdb"
    distribution: ClassVar[str] = "smallpond"
    computes_by: ClassVar[str] = "duckdb"
    catalogs: ClassVar[tuple[CatalogKind, ...]] = ()
    formats: ClassVar[tuple[TableFormat, ...]] = (TableFormat.PARQUET,)
    optional: ClassVar[bool] = True
    distributed: ClassVar[bool] = True
    usual_version: ClassVar[str] = "0.15.0"
    requirements: ClassVar[tuple[str, ...]] = (
        "smallpond=={version}",
        f"duckdb=={_DUCKDB}",
        f"duckdb-extension-httpfs=={_DUCKDB}",
        "numpy<2",
        "pandas<2.3",
        "pyarrow==16.1.0",
        "ray[default]<2.45",
        "s3fs",
    )

    _program: subprocess.Popen[bytes] | None = None
    _of_session: tuple[ObjectStore | None, bool] = (None, False)
    _lake: Lake

    def open(self, lake: Lake) -> None:
        """Start the session, with the variables of the way to the store.

        Raises:
            EngineUnavailable: it does not start.
        """
        variables = lake.options.get(WAY, USUAL_WAY) in _WITH_VARIABLES
        of_session = (lake.store, variables)
        self._lake = lake
        if self._program is not None and self._program.poll() is None and self._of_session == of_session:
            return
        self.close()
        self._of_session = of_session
        # Beside the worker's folder, and with a short name: Ray's sockets lie in it, and their paths have a limit.
        folder = Path(tempfile.mkdtemp(prefix="p", dir=Path(self.settings.folder).parent))
        (folder / "home").mkdir()
        socket = folder / "store"
        host, _, port = lake.objects.endpoint.partition("://")[2].rpartition(":")
        private_network.serve(private_network.listen_here(socket), private_network.to_address(host, int(port)))
        self._program = self._started(folder, variables=variables)
        store = dataclasses.asdict(lake.objects)
        given = {"folder": str(folder), "socket": str(socket), "store": store}
        try:
            self._exchange(given)
        except Refused as error:
            raise EngineUnavailable(f"Smallpond does not start here: {error}") from error

    def close(self) -> None:
        """End the session; what it started ends with its network's last process, and with the run."""
        session, self._program = self._program, None
        if session is not None:
            session.terminate()
            session.wait()

    def versions(self) -> dict[str, str]:
        """Smallpond, and what it computes with."""
        return {name: version_of(name) for name in ("smallpond", "duckdb", "ray", "pyarrow")}

    def settings_used(self) -> dict[str, str]:
        """The way to the store, and the allocator: its own default is not among its packages."""
        return {WAY: self._lake.options.get(WAY, USUAL_WAY), "SP_MEMORY_ALLOCATOR": "system"}

    def query(self, sql: str) -> Iterable[pa.RecordBatch]:
        """Run ``sql`` as one ``partial_sql`` over the tables that it names."""
        import pyarrow as pa

        way, into = self._lake.options.get(WAY, USUAL_WAY), Path(self.settings.folder) / "answer.arrow"
        tables = {name: files for name, files in self._lake.files.items() if name in sql}
        self._exchange({"way": way, "sql": sql, "tables": tables, "into": str(into)})
        with pa.OSFile(str(into), "rb") as source:
            table = pa.ipc.open_file(source).read_all()
        return Answer(table.schema, table.to_batches())

    def _started(self, folder: Path, *, variables: bool) -> subprocess.Popen[bytes]:
        """The session in a network of its own.

        Raises:
            EngineUnavailable: this machine lets us have none.
        """
        private = private_network.unshared()
        if private is None:
            raise EngineUnavailable(
                "Smallpond starts a Ray that takes what anybody sends, and a network of its own cannot be had here: "
                "run as root, or allow user namespaces"
            )
        return subprocess.Popen(
            [*private, sys.executable, "-P", "-m", _SESSION],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **_variables(folder), **(_of_store(self._lake.objects) if variables else {})},
        )

    def _exchange(self, message: Mapping[str, Any]) -> dict[str, Any]:
        """The reply of the session.

        Raises:
            Refused: what Smallpond says.
            EngineUnavailable: it ended.
        """
        session = self._program
        if session is None or session.stdin is None or session.stdout is None:
            raise EngineUnavailable("Smallpond has no session")
        session.stdin.write(json.dumps(message).encode() + b"\n")
        session.stdin.flush()
        line = session.stdout.readline()
        if not line:
            raise EngineUnavailable(f"Smallpond's session ended with exit code {session.wait()}")
        reply: dict[str, Any] = json.loads(line)
        if not reply["ok"]:
            raise Refused(reply["error"])
        return reply


def _variables(folder: Path) -> dict[str, str]:
    return {
        "HOME": str(folder / "home"),
        "RAY_TMPDIR": str(folder),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
        "SP_MEMORY_ALLOCATOR": "system",
    }


def _of_store(store: ObjectStore) -> dict[str, str]:
    """The variables that AWS's tools, PyArrow and DuckDB's extension read."""
    scheme, _, host = store.endpoint.partition("://")
    return {
        "AWS_ACCESS_KEY_ID": store.access_key,
        "AWS_SECRET_ACCESS_KEY": store.secret_key,
        "AWS_REGION": store.region,
        "AWS_DEFAULT_REGION": store.region,
        "AWS_ENDPOINT_URL": store.endpoint,
        "DUCKDB_S3_ENDPOINT": host,
        "DUCKDB_S3_USE_SSL": str(scheme == "https").lower(),
    }
