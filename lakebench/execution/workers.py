"""Worker processes: each holds one engine in one session, with one lake open."""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from lakebench.config import Settings
from lakebench.engines import find
from lakebench.errors import EngineUnavailable, LakebenchError
from lakebench.execution.history import RunHistory
from lakebench.model import EngineRef, EngineSettings, Lake, Runtime, TableFormat
from lakebench.processes import resources
from lakebench.processes.guard import Guard
from lakebench.processes.worker_client import Remote
from lakebench.progress import Progress
from lakebench.provisioning import environments
from lakebench.services import Services

BASE = "base"
"""Prefix of the names of sessions that have the settings to compare against."""
_OPEN_LIMIT_S = 120.0
_LEAVE_LIMIT_S = 10.0
_ENGINE_SHARE = 0.75  # of a worker's memory limit, for the engine itself; the rest is Python and Arrow


class WorkerPool:
    """Starts and ends the workers of a run, one for each engine and session. Safe to use from several threads.

    A session names one worker of an engine, so that an engine can alternate between lakes and stay warm on each. A
    session whose name begins with :data:`BASE` has the settings ``base``. The worker of the session ``""`` may be
    started ahead. ``opened`` has the worker of each engine that opened a lake last; ``history`` keeps its versions.

    A run's locks are taken in this order; a thread that holds one never takes an earlier one:

    1. ``PreparedData._making``: what is made may call engines, and so start and end workers;
    2. ``EngineClient._diagnosing``: a failure may restart a server and end workers;
    3. ``WorkerPool._starting``: starting a worker needs neither of the other two.
    """

    def __init__(
        self,
        settings: Settings,
        base: Settings | None,
        guard: Guard,
        services: Services,
        progress: Progress,
        history: RunHistory,
    ) -> None:
        self.opened: dict[EngineRef, Remote] = {}
        self._settings, self._base = settings, base or settings
        self._guard, self._services, self._progress, self._history = guard, services, progress, history
        self._remotes: dict[tuple[EngineRef, str], Remote] = {}
        self._used: dict[tuple[EngineRef, str], int] = {}
        self._unavailable: dict[tuple[EngineRef, str], EngineUnavailable] = {}  # by engine and environment
        self._keeps_all = False
        self._numbers = itertools.count()
        self._starting = threading.Lock()

    def preload(self, refs: Iterable[EngineRef]) -> None:
        """Start the workers of ``refs``, which import their engines' packages while the services start.

        Raises:
            UsageError: there is no such version of an engine.
        """
        for ref in dict.fromkeys(refs):
            try:
                self._remotes[ref, ""] = self._start(ref, "")
            except EngineUnavailable as error:
                self._unavailable[ref, ""] = error

    def open(self, ref: EngineRef, lake: Lake, session: str = "") -> Remote:
        """The worker of ``ref`` in ``session`` with ``lake`` open; started where there is none.

        Raises:
            LakebenchError: the engine cannot run here, or refuses the lake.
        """
        wanted = ref, find(ref.name).environments.get(lake.format, "")
        if wanted in self._unavailable:
            raise self._unavailable[wanted]
        try:
            self._free_memory(ref, session)
            remote = self._started(ref, session, lake.format)
        except EngineUnavailable as error:
            self._unavailable[wanted] = error
            raise
        try:
            remote.open(lake, _OPEN_LIMIT_S)
        except EngineUnavailable as error:
            if not session:  # another session may have a lake that the engine can open
                self._unavailable[wanted] = error
            raise
        self.opened[ref] = remote
        self._history.add_versions(ref, remote.versions)
        return remote

    def started(self, sessions: Sequence[tuple[EngineRef, str]]) -> list[Remote]:
        """The workers of these sessions, started side by side; they have no lake open.

        Raises:
            EngineUnavailable: the engine cannot run here.
        """
        for ref, session in sessions:
            remote = self._remotes.get((ref, session))
            if remote is None or not remote.alive:
                self._remotes[ref, session] = self._start(ref, session)
        for ref, session in sessions:
            remote = self._remotes[ref, session]
            remote.make(self._engine_settings(ref, session, remote.folder))
            remote.lake = None
        return [self._remotes[one] for one in sessions]

    def is_open(self, ref: EngineRef, session: str) -> bool:
        """Whether the worker of ``ref`` in ``session`` is alive and still has its lake open."""
        remote = self._remotes.get((ref, session))
        return remote is not None and remote.alive and remote.lake is not None

    def close(self, ref: EngineRef, session: str = "") -> None:
        """Close the connection of the worker of ``ref`` in ``session``, so that others may open its lake."""
        remote = self._remotes.get((ref, session))
        if remote is not None and remote.alive and remote.made:
            remote.close(_OPEN_LIMIT_S)

    def disconnect(self, ref: EngineRef, session: str) -> None:
        """Have the worker of ``ref`` in ``session`` open its lake again, by a new connection, at its next call."""
        if remote := self._remotes.get((ref, session)):
            remote.lake = None

    def retire(self, ref: EngineRef, session: str = "") -> None:
        """End the worker of ``ref`` in ``session`` where there is one."""
        remote = self._remotes.pop((ref, session), None)
        if remote is not None:
            self._take_leave(ref, remote)
            remote.kill()

    def _take_leave(self, ref: EngineRef, remote: Remote) -> None:
        """Let the engine remove what it made in a server of the user's, such as a catalog of Trino."""
        server = find(ref.name).service
        if server is None or self._settings.service(server).runtime is not Runtime.EXTERNAL:
            return
        if remote.alive and remote.lake is not None:
            with contextlib.suppress(LakebenchError):
                remote.close(_LEAVE_LIMIT_S)

    def restart(self, ref: EngineRef) -> None:
        """End the workers of ``ref``, and start its server again where it has one."""
        server = find(ref.name).service
        for other, session in list(self._remotes):
            if other == ref or (server is not None and find(other.name).service == server):
                self.retire(other, session)
        if server is not None:
            self._services.restart(server)

    def end(self) -> None:
        """End all workers."""
        for ref, session in list(self._remotes):
            self.retire(ref, session)

    def processes(self) -> dict[str, list[int]]:
        """The process of each worker, by engine and session."""
        return {f"{ref} {session}".strip(): [one.process.pid] for (ref, session), one in list(self._remotes.items())}

    @contextlib.contextmanager
    def reserved(self, sessions: Sequence[tuple[EngineRef, str]]) -> Iterator[None]:
        """Use several sessions of an engine at once: none of them is ended to free memory for another.

        Raises:
            EngineUnavailable: the limits of all of them are more memory than the machine has to give.
        """
        wanted = sum(self._limit(ref, session) for ref, session in sessions)
        for other in [one for one in self._remotes if one[1] and one not in sessions]:
            self.retire(*other)
        if wanted > (free := resources.available_bytes()):
            raise EngineUnavailable(
                f"{len(sessions)} workers side by side may need {wanted / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB "
                f"are free: lower memory of engines.{sessions[0][0].name} in lakebench.toml"
            )
        with self.keeping_all():
            yield

    @contextlib.contextmanager
    def keeping_all(self) -> Iterator[None]:
        """End no worker to free memory for another: it may be in use."""
        before, self._keeps_all = self._keeps_all, True
        try:
            yield
        finally:
            self._keeps_all = before

    def _free_memory(self, ref: EngineRef, session: str) -> None:
        """End the named sessions that are unused for the longest time, until this one may grow to its limit."""
        self._used[ref, session] = next(self._numbers)
        mine = self._remotes.get((ref, session))
        held = resources.resident_bytes([mine.process.pid]) if mine is not None else 0
        wanted = self._limit(ref, session) - held
        movable = session and not self._keeps_all
        others = [one for one in self._remotes if one[1] and one != (ref, session)] if movable else []
        for other in sorted(others, key=lambda one: self._used.get(one, 0)):
            if wanted <= resources.available_bytes():
                return
            self.retire(*other)

    def _started(self, ref: EngineRef, session: str, form: TableFormat) -> Remote:
        environment = find(ref.name).environments.get(form, "")
        with self._starting:
            remote = self._remotes.get((ref, session)) or self._idle(ref, session, environment)
            if remote is not None and remote.environment != environment:
                remote.kill()
            if remote is None or not remote.alive:
                remote = self._start(ref, session, form)
                remote.environment = environment
            self._remotes[ref, session] = remote
        remote.make(self._engine_settings(ref, session, remote.folder))
        return remote

    def _idle(self, ref: EngineRef, session: str, environment: str) -> Remote | None:
        """The worker started ahead, where nothing was asked of it yet, and environment and limits are those wanted."""
        ahead = self._remotes.get((ref, ""))
        if ahead is None or ahead.made or environment or self._settings_of(session) is not self._settings:
            return None
        return self._remotes.pop((ref, ""))

    def _start(self, ref: EngineRef, session: str, form: TableFormat | None = None) -> Remote:
        engine = find(ref.name)
        python = environments.python_for(engine, ref, self._progress, form)
        folder = self._guard.folder / f"worker-{next(self._numbers)}-{ref}"
        return Remote(self._guard, engine, ref, python, folder, self._limit(ref, session))

    def _settings_of(self, session: str) -> Settings:
        return self._base if session.startswith(BASE) else self._settings

    def _limit(self, ref: EngineRef, session: str) -> int:
        """Bytes of memory that the worker may hold."""
        return int(self._settings_of(session).engine(ref.name).memory)

    def _engine_settings(self, ref: EngineRef, session: str, folder: Path) -> EngineSettings:
        engine, limits = find(ref.name), self._settings_of(session).engine(ref.name)
        return EngineSettings(
            threads=limits.threads,
            memory=int(limits.memory * _ENGINE_SHARE),
            folder=str(folder),
            server=self._services.endpoint(engine.service) if engine.service else None,
        )
