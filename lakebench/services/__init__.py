"""The servers of a run: which there are, and one manager that starts, watches and ends them."""

from __future__ import annotations

import difflib
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from lakebench.config import Settings
from lakebench.errors import LakebenchError, ServiceUnavailable, UsageError
from lakebench.guard import Guard
from lakebench.model import Endpoint
from lakebench.progress import Progress
from lakebench.records import ServiceFacts
from lakebench.services.base import Context, Service
from lakebench.services.nessie import Nessie
from lakebench.services.object_store import ObjectStoreService
from lakebench.services.postgres import Postgres
from lakebench.services.rest_catalog import RestBridge, RestCatalog
from lakebench.services.spark import Spark, SparkIceberg111
from lakebench.services.trino import Trino

SERVICES: dict[str, type[Service]] = {
    one.name: one
    for one in (ObjectStoreService, Nessie, RestCatalog, RestBridge, Postgres, Trino, Spark, SparkIceberg111)
}
_END_S = 5.0


def find(name: str) -> type[Service]:
    """The service called ``name``.

    Raises:
        UsageError: there is none; the message has the nearest name.
    """
    if name in SERVICES:
        return SERVICES[name]
    near = difflib.get_close_matches(name, SERVICES, n=1)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"unknown service '{name}': {hint}valid names are {', '.join(SERVICES)}")


def with_needs(names: Iterable[str]) -> list[str]:
    """``names`` and all they need, each after what it needs.

    Raises:
        UsageError: an unknown name.
    """
    ordered: dict[str, None] = {}
    for name in names:
        for one in (*with_needs(find(name).needs), name):
            ordered.setdefault(one)
    return list(ordered)


class Services:
    """The services of one run, by name.

    A start that fails is kept as the reason that :meth:`endpoint` raises; the others go on. Safe to call from several
    threads. ``guard`` ends what is still there when the run does.
    """

    def __init__(self, settings: Settings, guard: Guard, progress: Progress) -> None:
        self._settings, self._guard, self._progress = settings, guard, progress
        self._running: dict[str, _Running] = {}
        self._stopping = threading.Event()
        self._lock = threading.Lock()

    def start(self, names: Sequence[str]) -> None:
        """Start ``names`` and what they need, independent ones at once; return when all are ready or have failed.

        Raises:
            UsageError: an unknown name.
        """
        wanted = with_needs(names)
        try:
            for one in [self._begin(name) for name in wanted]:
                one.done.wait()
        except BaseException:
            self._stopping.set()
            raise

    def endpoint(self, name: str) -> Endpoint:
        """Where ``name`` is reached.

        Raises:
            ServiceUnavailable: it did not start, with the reason; or nobody started it.
        """
        running = self._running.get(name)
        if running is None or not running.done.is_set():
            raise ServiceUnavailable(f"the service {name} was not started: run `lakebench up {name}`")
        if running.error:
            raise ServiceUnavailable(str(running.error), **running.error.details) from running.error
        if running.endpoint is None:
            raise ServiceUnavailable(f"the service {name} was stopped: start it again")
        return running.endpoint

    def failures(self) -> dict[str, str]:
        """Service → why it did not start."""
        return {name: str(one.error) for name, one in self._running.items() if one.error}

    def processes(self, name: str) -> list[int]:
        """The process ids of ``name`` and their children; none where it does not run on this machine."""
        running = self._running.get(name)
        return running.service.processes() if running else []

    def alive(self, name: str) -> bool:
        """Whether ``name`` was started and still is there."""
        running = self._running.get(name)
        return running is not None and running.endpoint is not None and running.service.alive()

    def restart(self, name: str) -> Endpoint:
        """Stop ``name`` and start it again with the same ports, credentials and data.

        Raises:
            ServiceUnavailable: it does not come back, or was never there.
        """
        self.endpoint(name)
        running = self._running[name]
        try:
            running.endpoint = running.service.restart()
        except LakebenchError as error:
            running.error = error
            raise
        return running.endpoint

    def stop(self) -> None:
        """End all, those that need others first. May be called again."""
        self._stopping.set()
        for running in reversed(list(self._running.values())):
            running.done.wait(_END_S)  # a download cannot be interrupted: its thread starts no process any more
            running.service.stop()
            running.endpoint = None

    def log(self, name: str) -> Path:
        """The log file of ``name``: what the server wrote, which may hold secrets."""
        return self._folder(name) / "log"

    def log_tail(self, name: str) -> str:
        """The end of the log of ``name`` without secrets; ``""`` where there is none."""
        running = self._running.get(name)
        return running.service.log_tail() if running else ""

    def secrets(self) -> tuple[str, ...]:
        """What must not stand in a record: every credential of the services that run."""
        return tuple(secret for running in self._running.values() for secret in running.service.secrets())

    def facts(self) -> Iterator[ServiceFacts]:
        """What the records keep of each service that runs; its settings are those that are not its defaults."""
        for name, running in self._running.items():
            if running.endpoint is None:
                continue
            told = running.endpoint.properties
            yield ServiceFacts(
                service=name,
                runtime=running.endpoint.runtime,
                version=running.endpoint.version,
                seconds_to_start=running.seconds,
                memory_limit=running.service.limit,
                settings={key.removeprefix("setting."): told[key] for key in told if key.startswith("setting.")},
            )

    def _folder(self, name: str) -> Path:
        return self._guard.folder / name

    def _begin(self, name: str) -> _Running:
        with self._lock:
            if name not in self._running:
                self._running[name] = running = _Running(self._make(name), self._running_needs(name))
                # A daemon: Ctrl-C while a download waits for the network ends the program at once.
                threading.Thread(target=running.run, args=(self._progress.say,), name=name, daemon=True).start()
            return self._running[name]

    def _running_needs(self, name: str) -> list[_Running]:
        return [self._running[one] for one in find(name).needs]

    def _make(self, name: str) -> Service:
        folder = self._folder(name)
        folder.mkdir(mode=0o700)
        settings = self._settings.service(name)
        context = Context(settings, self._settings, folder, self._guard, self._progress, self.endpoint, self._stopping)
        return find(name)(context)


class _Running:
    """One service, its thread of starting, and what came of it."""

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
        except LakebenchError as error:
            self.error = error
        except Exception as error:  # noqa: BLE001 - whatever it is, the other services go on, and the reason is kept
            self.error = ServiceUnavailable(f"{self.service.title} did not start: {type(error).__name__}: {error}")
        finally:
            if self.error:
                say(f"{self.service.name} is not available: {self.error}")
            self.done.set()

    def _start(self) -> Endpoint:
        for need in self._needs:
            need.done.wait()
            if need.error:
                raise ServiceUnavailable(f"{self.service.title} needs {need.service.name}: {need.error}")
        began = time.monotonic()
        endpoint = self.service.start()
        self.seconds = round(time.monotonic() - began, 3)
        return endpoint
