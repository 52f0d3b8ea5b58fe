"""What a run has at hand: services, workers, the checker, and what was prepared once."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self, TypeVar

from lakebench import environments
from lakebench.accepted import Baseline
from lakebench.checker import Checker
from lakebench.config import Settings
from lakebench.engines import Engine, find
from lakebench.errors import EngineCrash, EngineUnavailable, LakebenchError, ServiceLost, Timeout
from lakebench.guard import Guard
from lakebench.measure import Profile
from lakebench.model import EngineRef, EngineSettings, Lake, Selection
from lakebench.progress import Progress
from lakebench.remote import Remote
from lakebench.services import Services
from lakebench.services.object_store import counters

_OPEN_LIMIT_S = 120.0
_ENGINE_SHARE = 0.75  # of a worker's memory limit, for the engine itself; the rest is Python and Arrow
_ALL, _NOTHING = Selection(), Baseline()
Prepared = TypeVar("Prepared")


class Bench:
    """One run's services, workers and results. The harness makes it; phases use it.

    ``refs`` are the engines of the run in the order the user named them; ``foundation`` names the services that every
    case stands on (object store, catalog); ``writer`` writes the dataset, and is empty where there is none.
    """

    def __init__(
        self,
        settings: Settings,
        guard: Guard,
        services: Services,
        progress: Progress,
        *,
        refs: tuple[EngineRef, ...],
        writer: str,
        profile: Profile,
        seed: int,
        foundation: tuple[str, ...],
        selection: Selection = _ALL,
        baseline: Baseline = _NOTHING,
    ) -> None:
        self.settings, self.guard, self.services, self.progress = settings, guard, services, progress
        self.refs, self.writer, self.profile, self.seed, self.foundation = refs, writer, profile, seed, foundation
        self.selection, self.baseline = selection, baseline
        self.checker = Checker(guard)
        self.opened: dict[EngineRef, Remote] = {}
        self._remotes: dict[EngineRef, Remote] = {}
        self._unavailable: dict[EngineRef, EngineUnavailable] = {}
        self._prepared: dict[str, Any] = {}
        self._numbers = itertools.count()
        self._looking = threading.Lock()
        self._folder = guard.folder / "results"
        self._folder.mkdir()

    def __enter__(self) -> Self:
        """Use the bench."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the workers and the checker; the services go with the guard."""
        for ref in list(self._remotes):
            self.retire(ref)
        self.checker.close()

    def able(self, *abilities: type[Any]) -> tuple[EngineRef, ...]:
        """The engines of this run that have all of ``abilities``."""
        return tuple(ref for ref in self.refs if all(issubclass(find(ref.name), ability) for ability in abilities))

    def shuffled(self, things: tuple[Any, ...], *, where: str) -> list[Any]:
        """``things`` in the order that the run's seed gives for ``where``."""
        order = list(things)
        random.Random(f"{self.seed}/{where}").shuffle(order)  # noqa: S311 - an order, not a secret
        return order

    def file(self, name: str) -> Path:
        """A new path for an Arrow IPC file of this run."""
        return self._folder / f"{next(self._numbers):05d}-{''.join(c if c.isalnum() else '-' for c in name)}.arrow"

    def prepare(self, key: str, make: Callable[[], Prepared]) -> Prepared:
        """What ``make`` gives, made once a run; an error is remembered too, and raised again."""
        if key not in self._prepared:
            try:
                self._prepared[key] = make()
            except ServiceLost:
                raise
            except LakebenchError as error:
                self._prepared[key] = error
        value = self._prepared[key]
        if isinstance(value, LakebenchError):
            raise value
        made: Prepared = value
        return made

    def remote(self, ref: EngineRef, lake: Lake) -> Remote:
        """The worker of ``ref`` with ``lake`` open; started where there is none.

        Raises:
            LakebenchError: the engine cannot run here, or refuses the lake.
        """
        if ref in self._unavailable:
            raise self._unavailable[ref]
        try:
            remote = self._started(ref)
            remote.open(lake, _OPEN_LIMIT_S)
        except EngineUnavailable as error:
            self._unavailable[ref] = error
            raise
        self.opened[ref] = remote
        return remote

    def call(
        self, ref: EngineRef, lake: Lake, operation: str, limit_s: float | None = None, **given: Any
    ) -> dict[str, Any]:
        """Ask ``ref`` for ``operation`` on ``lake``; see :class:`~lakebench.worker.Worker`."""
        try:
            return self.remote(ref, lake).call(operation, limit_s=limit_s or self.profile.protocol.limit_s, **given)
        except LakebenchError as error:
            raise self.look_after(ref, error) from None

    def look_after(self, ref: EngineRef, error: LakebenchError) -> LakebenchError:
        """What ``error`` means once the servers have been looked at; a server that died is started again.

        Raises:
            ServiceLost: one of the services that the run stands on is gone.
        """
        with self._looking:
            return self._looked(ref, error)

    def _looked(self, ref: EngineRef, error: LakebenchError) -> LakebenchError:
        for name in self.foundation:
            if not self.services.alive(name):
                tail = self.services.log_tail(name)
                raise ServiceLost(f"{name} died while {ref} ran; the end of its log: {tail[-300:]}") from None
        server = find(ref.name).service
        if server is None or server in self.services.failures():
            return error
        if not self.services.alive(server):
            error = EngineCrash(
                f"{server}, the server of {ref}, died", log=self.services.log_tail(server), said=str(error)
            )
        if isinstance(error, EngineCrash | Timeout):  # a query that nobody waits for would slow the others
            self.fresh(ref)
        return error

    def fresh(self, ref: EngineRef) -> None:
        """End the worker of ``ref``, and start its server again where it has one."""
        self.retire(ref)
        server = find(ref.name).service
        if server is not None:
            for other in self._sharing(server):
                self.retire(other)
            self.services.restart(server)

    def retire(self, ref: EngineRef) -> None:
        """End the worker of ``ref`` where there is one."""
        remote = self._remotes.pop(ref, None)
        if remote is not None:
            remote.kill()

    def server_processes(self, ref: EngineRef) -> list[int]:
        """The processes of the server that is the engine; none where the engine is inside its worker."""
        server = find(ref.name).service
        return self.services.processes(server) if server else []

    def store_counters(self) -> dict[str, int]:
        """Requests at the object store by operation so far, where the store is ours; else nothing."""
        return counters(self.services.endpoint("object-store"))

    def versions(self, ref: EngineRef) -> Mapping[str, str]:
        """What the running engine said of itself; empty before it was open."""
        return self.opened[ref].versions if ref in self.opened else {}

    def _sharing(self, server: str) -> list[EngineRef]:
        return [ref for ref in list(self._remotes) if find(ref.name).service == server]

    def preload(self) -> None:
        """Start the workers, which import their engines' packages while the services start.

        Raises:
            UsageError: there is no such version of an engine.
        """
        for ref in dict.fromkeys((*self.refs, *([EngineRef(self.writer)] if self.writer else []))):
            try:
                self._remotes[ref] = self._start(ref, find(ref.name))
            except EngineUnavailable as error:
                self._unavailable[ref] = error

    def _started(self, ref: EngineRef) -> Remote:
        engine = find(ref.name)
        remote = self._remotes.get(ref)
        if remote is None or not remote.alive:
            remote = self._remotes[ref] = self._start(ref, engine)
        remote.make(self._settings(ref, engine, remote.folder))
        return remote

    def _start(self, ref: EngineRef, engine: type[Engine]) -> Remote:
        python = environments.python_for(engine, ref, self.progress)
        folder = self.guard.folder / f"worker-{next(self._numbers)}-{ref}"
        return Remote(self.guard, engine, ref, python, folder, int(self.settings.engine(ref.name).memory))

    def _settings(self, ref: EngineRef, engine: type[Engine], folder: Path) -> EngineSettings:
        limits = self.settings.engine(ref.name)
        return EngineSettings(
            threads=limits.threads,
            memory=int(limits.memory * _ENGINE_SHARE),
            folder=str(folder),
            server=self.services.endpoint(engine.service) if engine.service else None,
        )
