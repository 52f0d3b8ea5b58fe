"""Flink SQL, through its SQL gateway and Iceberg's catalog for Flink."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from lakebench.engines import CanExecute, CanQuery, CanScan, Engine
from lakebench.engines.boundary import EngineCalls, read_error
from lakebench.engines.flink import types
from lakebench.engines.flink.gateway import Gateway, GatewaySession
from lakebench.engines.flink.statements import FlinkOperations
from lakebench.errors import CommitConflict, EngineUnavailable, LakebenchError, OutOfMemory, Refused
from lakebench.iceberg import catalog_properties
from lakebench.iceberg.scan import Scan
from lakebench.model import CatalogKind, Lake, TableFormat

if TYPE_CHECKING:
    import pyarrow as pa

_LOST = "MiniCluster is not yet running or has already been shut down"
_CONFLICTS = ("CommitFailedException", "ValidationException: Found conflicting")
_MEMORY = ("OutOfMemoryError", "Insufficient number of network buffers", "Could not allocate")
_SETTINGS = {
    "execution.runtime-mode": "batch",
    "table.dml-sync": "true",  # an INSERT returns when it is committed
    "table.local-time-zone": "UTC",
    # Iceberg's sink keeps the order of changes of a key itself.
    "table.exec.sink.upsert-materialize": "NONE",
}


class Flink(FlinkOperations, Engine, CanQuery, CanExecute, CanScan):
    """A session of the SQL gateway, whose catalog is Iceberg's; its jobs run in the gateway's own process."""

    name: ClassVar[str] = "flink"
    title: ClassVar[str] = "Flink"
    dialect: ClassVar[str] = "trino"
    distribution: ClassVar[str] = "lakebench-harness"  # the client of its gateway is ours
    service: ClassVar[str] = "flink"
    optional: ClassVar[bool] = True
    preload: ClassVar[tuple[str, ...]] = ("pyarrow",)
    catalogs: ClassVar[tuple[CatalogKind, ...]] = (CatalogKind.REST,)
    formats: ClassVar[tuple[TableFormat, ...]] = (TableFormat.ICEBERG,)

    _session: GatewaySession | None = None
    _lake: Lake

    def open(self, lake: Lake) -> None:
        """Open a session, and make the catalog in it.

        Raises:
            EngineUnavailable: the gateway does not run.
        """
        self.close()
        self._lake = lake
        server = self.settings.server
        if server is None:
            raise EngineUnavailable("Flink's SQL gateway does not run: see the reason that the service flink gives")
        self._session = _call(Gateway(server).open_session, _SETTINGS)
        name = self.sql.name(lake.name)
        self._run(f"CREATE CATALOG {name} WITH ({self.sql.options({'type': 'iceberg', **_catalog(lake)})})")
        self._run(f"USE CATALOG {name}")
        with contextlib.suppress(Refused):  # there is no namespace yet
            self._run(f"USE {self.sql.name(lake.namespace)}")

    def close(self) -> None:
        """End the session, and with it the catalog; the tables stay."""
        session, self._session = self._session, None
        if session is not None:
            with contextlib.suppress(LakebenchError):
                _call(session.close)

    def versions(self) -> dict[str, str]:
        """Flink's version as the gateway reports it."""
        server = self.settings.server
        version = "" if server is None else str(_call(Gateway(server).info)["version"])
        return {"flink": version}

    def settings_used(self) -> dict[str, str]:
        """The server's settings where it is ours, and the session's."""
        server = self.settings.server
        properties = {} if server is None else server.properties
        ours = {key.removeprefix("setting."): value for key, value in properties.items() if key.startswith("setting.")}
        return ours | _SETTINGS

    def query(self, sql: str) -> Iterator[pa.RecordBatch]:
        """Pages of rows, each turned into a record batch."""
        for columns, rows in _call.rows(_call(self._opened.pages, sql)):
            if columns:
                yield types.batch(rows, columns, types.schema(columns))

    def execute(self, sql: str) -> None:
        """Run one statement to its end."""
        self._run(sql)

    def scan(self, scan: Scan) -> Iterable[pa.RecordBatch]:
        """A SELECT, with the snapshot, the time or the reference as a hint; or of a metadata table.

        Raises:
            EngineUnavailable: rows are asked for by their positions.
        """
        if scan.positions:
            raise EngineUnavailable("Flink has no way to read rows by their positions")
        name = f"{scan.table}${scan.metadata}" if scan.metadata else scan.table
        return self.query(self.sql.select(scan, f"{self._target(name)}{self.sql.hint(self._at(scan))}"))

    def _at(self, scan: Scan) -> Mapping[str, str]:
        """The options of the snapshot that is asked for; of a name, whether it is a branch or a tag is not known."""
        if scan.snapshot_id is not None:
            return {"snapshot-id": str(scan.snapshot_id)}
        if scan.at_ms is not None:
            return {"as-of-timestamp": str(scan.at_ms)}
        return {} if scan.ref is None else {self._kind_of(scan.table, scan.ref): scan.ref}

    def _kind_of(self, table: str, ref: str) -> str:
        where = f"WHERE name = {self.sql.text(ref)}"
        refs = _call(self._opened.run, f"SELECT type FROM {self._target(f'{table}$refs')} {where}")
        return str(refs[0][0]).lower() if refs else "branch"

    @property
    def _opened(self) -> GatewaySession:
        if self._session is None:
            raise EngineUnavailable("no lake is open")
        return self._session

    def _namespace(self) -> str:
        return f"{self.sql.name(self._lake.name)}.{self.sql.name(self._lake.namespace)}"

    def _target(self, table: str) -> str:
        return f"{self._namespace()}.{self.sql.name(table)}"

    def _scratch(self) -> Path:
        return Path(self.settings.folder)

    def _rows(self, sql: str) -> list[Sequence[Any]]:
        return _call(self._opened.run, sql)

    def _run(self, sql: str) -> None:
        self._rows(sql)

    def _execute(self, sql: str) -> None:
        self._run(sql)

    @contextlib.contextmanager
    def _another(self) -> Iterator[Flink]:
        other = type(self)(self.settings)
        try:
            other.open(self._lake)
            yield other
        finally:
            other.close()


def _catalog(lake: Lake) -> dict[str, str]:
    """The properties of Iceberg's catalog for Flink, without ``type``, which is Flink's own there."""
    properties = catalog_properties.java(lake.catalog)
    kind = properties.pop("type")
    store = lake.store
    if store is None:
        files = {"io-impl": "org.apache.iceberg.hadoop.HadoopFileIO"}
    else:
        files = {
            "io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
            "s3.endpoint": store.endpoint,
            "s3.path-style-access": str(store.path_style).lower(),
            **catalog_properties.s3_keys(store),
            "client.region": store.region,
        }
    return {"catalog-type": kind, **properties, **files, "cache-enabled": "false"}


def _meaning(error: Exception) -> LakebenchError:
    message = str(error)
    if _LOST in message:
        return Refused(f"the job failed, and its cluster was gone before the gateway asked it why ({message})")
    if any(sign in message for sign in _MEMORY):
        return OutOfMemory(message)
    return CommitConflict(message) if any(sign in message for sign in _CONFLICTS) else read_error(error)


_call = EngineCalls(_meaning)
