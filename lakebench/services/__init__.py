"""The servers of a run: which there are, and one manager that starts, watches and ends them.

A storage has instances of its own of the object store and of the REST catalog: ``object-store@s3`` is that of the
storage ``s3``, beside the plain ``object-store``.
"""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

from lakebench.config import Settings, StorageKind
from lakebench.errors import CaseError, HarnessFault, LakebenchError, ServiceUnavailable, UsageError, unknown
from lakebench.model import Endpoint, Runtime
from lakebench.processes.guard import Guard
from lakebench.progress import Progress
from lakebench.provisioning import disk_space
from lakebench.results.records import ServiceFacts
from lakebench.services.base import Context, Service
from lakebench.services.citus import CitusService
from lakebench.services.citus_pg_duckdb import CitusPgDuckDBService
from lakebench.services.citus_pg_lake import CitusPgLakeService
from lakebench.services.compose import Composed
from lakebench.services.duckicelake import DuckIceLakeService
from lakebench.services.flink import FlinkService
from lakebench.services.glue import GlueBridge, GlueService
from lakebench.services.hive import HiveBridge, HiveService
from lakebench.services.lakekeeper import LakekeeperService
from lakebench.services.nessie import NessieService
from lakebench.services.object_store import ObjectStoreService
from lakebench.services.pg_duckdb import PgDuckDBService
from lakebench.services.pg_lake import PgLakeService
from lakebench.services.pg_mooncake import PgMooncake01Service, PgMooncakeService
from lakebench.services.pgspider import PgSpiderService
from lakebench.services.polaris import PolarisService
from lakebench.services.postgres import PostgresService, RemotePostgresService
from lakebench.services.ray import RayService
from lakebench.services.rest_catalog import PgLakeBridge, RestBridge, RestCatalogService
from lakebench.services.seaweedfs import SeaweedFSService, ShortKeysService
from lakebench.services.spark import SparkIceberg111Service, SparkService
from lakebench.services.trino import TrinoService
from lakebench.services.unity import UnityService

SERVICES: dict[str, type[Service]] = {
    one.name: one
    for one in (
        ObjectStoreService,
        NessieService,
        RestCatalogService,
        RestBridge,
        SeaweedFSService,
        ShortKeysService,
        # A bridge before what it stands over: `up` shows how clients reach the first catalog.
        HiveBridge,
        HiveService,
        GlueBridge,
        GlueService,
        DuckIceLakeService,
        PolarisService,
        LakekeeperService,
        UnityService,
        PostgresService,
        RemotePostgresService,
        CitusService,
        PgLakeService,
        PgLakeBridge,
        PgDuckDBService,
        PgMooncakeService,
        PgMooncake01Service,
        PgSpiderService,
        CitusPgDuckDBService,
        CitusPgLakeService,
        TrinoService,
        SparkService,
        SparkIceberg111Service,
        FlinkService,
        RayService,
    )
}
_OF_A_STORAGE = ("object-store", "rest-catalog")
_END_S = 5.0


def find(name: str) -> type[Service]:
    """The service called ``name``; ``object-store@s3`` is the instance of ``object-store`` for the storage ``s3``.

    Raises:
        UsageError: there is none; the message has the nearest name.
    """
    service, at, storage = name.partition("@")
    if service in SERVICES and (not at or (storage and service in _OF_A_STORAGE)):
        return SERVICES[service]
    if service in SERVICES:
        of = ", ".join(f"{one}@STORAGE" for one in _OF_A_STORAGE)
        raise UsageError(f"unknown service '{name}': instances of a storage are {of}")
    raise unknown("service", name, SERVICES)


def with_needs(names: Iterable[str], settings: Settings | None = None) -> list[str]:
    """``names`` and all they need, each after what it needs; without ``settings`` there are the built-in storages.

    Raises:
        UsageError: an unknown name.
    """
    ordered: dict[str, None] = {}
    for name in names:
        for needed in (*with_needs(_needs(name, settings or Settings()), settings), name):
            ordered.setdefault(needed)
    return list(ordered)


def _needs(name: str, settings: Settings) -> tuple[str, ...]:
    """What ``name`` needs, of the same storage; tables on the file system need no object store."""
    needs, (_, _, storage) = find(name).needs, name.partition("@")
    if not storage:
        return needs
    local = settings.storage(storage).kind is StorageKind.LOCAL
    return tuple(f"{need}@{storage}" for need in needs if not (local and need == "object-store"))


class Services:
    """The services of one run, by name.

    A start that fails is kept as the reason that :meth:`endpoint` raises; the others go on. Safe to call from several
    threads. ``guard`` ends what is still there when the run does. Object stores and catalogs keep their data
    in ``data``, where a later start finds it; without ``data`` it is removed with the guard's folder. ``short_lived``
    says that nothing is timed: servers are to start with little CPU time, not to answer fast once they are warm.
    """

    def __init__(
        self,
        settings: Settings,
        guard: Guard,
        progress: Progress,
        data: Path | None = None,
        *,
        short_lived: bool = False,
    ) -> None:
        self._settings, self._guard, self._progress, self._short_lived = settings, guard, progress, short_lived
        self._data = data.absolute() if data else None
        self._running: dict[str, _Running] = {}
        self._stopping = threading.Event()
        self._lock = threading.Lock()

    def start(
        self, names: Sequence[str], meanwhile: Callable[[], None] = lambda: None, vital: Collection[str] = ()
    ) -> None:
        """Start ``names`` and what they need, independent ones at once; return when all are ready or have failed.

        ``meanwhile`` is called while they start. The caller, and not this, reports the failure of one of ``vital``.

        Raises:
            UsageError: an unknown name, a storage that lacks keys, a damaged cache, a full disk.
        """
        try:
            begun = [self._begin(name, vital) for name in with_needs(names, self._settings)]
            meanwhile()
            for running in begun:
                running.done.wait()
            if stops := next((one.error for one in begun if isinstance(one.error, UsageError)), None):
                raise stops  # noqa: TRY301 - the user has to mend it, such as a full disk
        except BaseException:
            self._stopping.set()
            raise

    def endpoint(self, name: str) -> Endpoint:
        """Where ``name`` is reached.

        Raises:
            ServiceUnavailable: it did not start, with the reason; or nobody started it.
            HarnessFault: it did not start because code of ours failed.
        """
        running = self._running.get(name)
        if running is None or not running.done.is_set():
            raise ServiceUnavailable(f"the service {name} was not started: run `lakebench up {name}`")
        if running.error:
            raise _because(running.error, str(running.error))
        if running.endpoint is None:
            raise ServiceUnavailable(f"the service {name} was stopped: start it again")
        return running.endpoint

    def names(self) -> list[str]:
        """Every service that was asked for, also where it did not start."""
        return list(self._running)

    def failures(self) -> dict[str, str]:
        """Service → why it did not start; once all are stopped also what the user's own do not answer any more."""
        return {name: str(one.error) for name, one in self._running.items() if one.error}

    def processes(self, name: str) -> list[int]:
        """The process ids of ``name`` and their children; none where it does not run on this machine."""
        running = self._running.get(name)
        return running.service.processes() if running else []

    def data_folder(self, name: str) -> Path | None:
        """The folder of the objects that ``name`` serves; ``None`` where they lie elsewhere than on this machine."""
        running = self._running.get(name)
        return running.service.data_folder() if running and running.endpoint else None

    def alive(self, name: str) -> bool:
        """Whether ``name`` was started and still is there."""
        running = self._running.get(name)
        return running is not None and running.endpoint is not None and running.service.alive()

    def died(self, name: str) -> bool:
        """Whether ``name`` was started, and is gone though nobody stopped it."""
        running = self._running.get(name)
        return running is not None and running.endpoint is not None and not running.service.alive()

    def outage(self, name: str) -> str:
        """Why nothing is known of ``name``, whose container's engine does not answer; else empty."""
        running = self._running.get(name)
        return running.service.outage() if running else ""

    def out_of_memory(self, name: str) -> bool:
        """Whether the container of ``name`` was ended at its memory limit."""
        running = self._running.get(name)
        return running is not None and running.service.out_of_memory()

    def launched_s(self, name: str) -> float:
        """Seconds from the last start of the server's process until it was ready; 0 where we do not start it."""
        running = self._running.get(name)
        return running.service.launched_s if running else 0.0

    def exit_code(self, name: str) -> int | None:
        """What the process of ``name`` ended with, a signal as a negative number; ``None`` where it runs."""
        running = self._running.get(name)
        return running.service.exit_code() if running else None

    def restart(self, name: str) -> Endpoint:
        """Stop ``name`` and start it again with the same ports, credentials and data.

        Raises:
            ServiceUnavailable: it does not come back, or was never there.
            HarnessFault: it does not come back because code of ours failed.
        """
        self.endpoint(name)
        return self._running[name].again()

    def stop(self) -> None:
        """End all, those that need others first. May be called again."""
        self._stopping.set()
        for running in reversed(list(self._running.values())):
            running.done.wait(_END_S)  # a download cannot be interrupted: its thread starts no process any more
            running.look_for_loss()
            running.service.stop()
            running.endpoint = None

    def discard(self) -> None:
        """Remove what ``data`` keeps, also what lies on the device of a storage; call it after :meth:`stop`."""
        for running in self._running.values():
            for folder in running.service.keeps():
                shutil.rmtree(folder, ignore_errors=True)

    def log(self, name: str) -> Path:
        """The log file of ``name``: what the server wrote, which may hold secrets."""
        return self._folder(name) / "log"

    def log_tail(self, name: str, characters: int | None = None) -> str:
        """The end of the log of ``name`` without secrets; ``""`` where there is none."""
        running = self._running.get(name)
        if running is None:
            return ""
        return running.service.log_tail() if characters is None else running.service.log_tail(characters)

    def redact(self, name: str, text: str) -> str:
        """``text`` without the secrets of ``name``."""
        running = self._running.get(name)
        return running.service.redact(text) if running else text

    def secrets(self) -> tuple[str, ...]:
        """What must not be in a record: every credential of the services that run."""
        return tuple(secret for running in self._running.values() for secret in running.service.secrets())

    def facts(self) -> Iterator[ServiceFacts]:
        """What the records keep of each service that runs; its settings are those that are not its defaults."""
        for name, running in self._running.items():
            if running.endpoint is None:
                continue
            properties = running.endpoint.properties
            yield ServiceFacts(
                service=name,
                runtime=running.endpoint.runtime,
                version=running.endpoint.version,
                seconds_to_start=running.seconds,
                memory_limit=running.service.limit,
                settings={
                    key.removeprefix("setting."): properties[key] for key in properties if key.startswith("setting.")
                },
            )

    def _folder(self, name: str) -> Path:
        return self._guard.folder / name.replace("@", "-")

    def _begin(self, name: str, vital: Collection[str]) -> _Running:
        say = _say_nothing if name in vital else self._progress.say
        with self._lock:
            if name not in self._running:
                self._running[name] = running = _Running(self._make(name), self._running_needs(name))
                # A daemon: Ctrl-C while a download waits for the network ends the program at once.
                threading.Thread(target=running.run, args=(say,), name=name, daemon=True).start()
            return self._running[name]

    def _running_needs(self, name: str) -> list[_Running]:
        return [self._running[one] for one in _needs(name, self._settings)]

    def _make(self, name: str) -> Service:
        settings = self._settings.service(name)
        folder = self._folder(name)
        folder.mkdir(mode=0o700)
        _, at, storage = name.partition("@")
        context = Context(
            settings,
            self._settings,
            folder,
            self._guard,
            self._progress,
            lambda need: self.endpoint(f"{need}{at}{storage}"),
            self._stopping,
            Composed,
            storage,
            self._data / folder.name if self._data else None,
            self._short_lived,
        )
        return find(name)(context)


class _Running:
    """One service, the thread that starts it, and the result."""

    def __init__(self, service: Service, needs: Sequence[_Running]) -> None:
        self.service, self._needs = service, needs
        self.done = threading.Event()
        self.endpoint: Endpoint | None = None
        self.error: LakebenchError | None = None
        self.seconds = 0.0

    def run(self, say: Callable[[str], None]) -> None:
        """Start the service, and keep the endpoint or the reason."""
        try:
            self.endpoint = self._start()
        except Exception as error:  # noqa: BLE001 - whatever it is, the other services go on, and the reason is kept
            self.error = self._meaning(error)
            # What the user has to mend ends the run, and is its last line; an interrupted start has not failed.
            if not (isinstance(self.error, UsageError) or self.service.context.stopping.is_set()):
                say(f"{self.service.full_name} is not available: {self._why()}")
        finally:
            self.done.set()

    def _why(self) -> str:
        """The reason, which is reported once: where a needed service failed, only the name of that service."""
        missing = next((need.service.full_name for need in self._needs if need.error), "")
        return f"it needs {missing}" if missing else str(self.error)

    def again(self) -> Endpoint:
        """Stop the service and start it; see :meth:`Services.restart`."""
        try:
            self.endpoint = self.service.restart()
        except Exception as error:
            self.error = self._meaning(error)
            raise self.error from error
        return self.endpoint

    def look_for_loss(self) -> None:
        """Keep as an error that a server of the user's, which was there, does not answer any more."""
        if self.endpoint and self.endpoint.runtime is Runtime.EXTERNAL and not self.service.alive():
            self.error = ServiceUnavailable(
                f"{self.service.title} answered at the start and does not any more: start it"
            )

    def _meaning(self, error: Exception) -> LakebenchError:
        """``error`` where it is one of ours; a full disk is the user's to mend, anything else a fault of ours."""
        if full := disk_space.full([self.service.folder], str(error)):
            return UsageError(full)
        if isinstance(error, LakebenchError):
            return error
        fault = HarnessFault(f"{self.service.title} did not start: {type(error).__name__}: {error}")
        fault.__cause__ = error
        return fault

    def _start(self) -> Endpoint:
        for need in self._needs:
            need.done.wait()
            if need.error:
                raise _because(need.error, f"{self.service.title} needs {need.service.full_name}: {need.error}")
        began = time.monotonic()
        endpoint = self.service.start()
        self.seconds = round(time.monotonic() - began, 3)
        return endpoint


def _say_nothing(_message: str) -> None: ...


def _because(error: LakebenchError, message: str) -> LakebenchError:
    """The error of a service whose needed service failed with ``error``: ``message``, of the same kind."""
    kind = ServiceUnavailable if isinstance(error, CaseError) else type(error)
    failure = kind(message, **error.details)
    failure.__cause__ = error
    return failure
