"""What a run has at hand: services, workers, the checker, and what was prepared once."""

from __future__ import annotations

import contextlib
import itertools
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeVar

from lakebench.config import Settings
from lakebench.engines import find
from lakebench.errors import (
    CaseEnd,
    CaseError,
    EngineCrash,
    EngineUnavailable,
    HarnessFault,
    OutOfMemory,
    ServiceLost,
    ServiceUnavailable,
    Timeout,
    UsageError,
)
from lakebench.execution.fault_log import FaultLog
from lakebench.execution.past import Past
from lakebench.execution.protocol import Profile
from lakebench.model import EngineRef, EngineSettings, Lake, Selection
from lakebench.outcomes import Outcome
from lakebench.processes import resources
from lakebench.processes.guard import Guard
from lakebench.processes.replies import error_from
from lakebench.processes.worker_client import Remote
from lakebench.progress import Progress
from lakebench.provisioning import disk_space, environments
from lakebench.results.baseline import Baseline
from lakebench.services import Services
from lakebench.services.object_store import counters, transferred
from lakebench.verification.checker import Checker
from lakebench.verification.witness import Witness

_OPEN_LIMIT_S = 120.0
_ENGINE_SHARE = 0.75  # of a worker's memory limit, for the engine itself; the rest is Python and Arrow
_WITNESS_BYTES = 4 * 2**30
_JAVA_MEMORY = "Terminating due to java.lang.OutOfMemoryError"  # what -XX:+ExitOnOutOfMemoryError prints
_ALL, _NOTHING = Selection(), Baseline()
BASE = "base"
"""How the name of a seat begins that has the settings to compare against."""
Prepared = TypeVar("Prepared")


class Bench:
    """One run's services, workers and results. The harness makes it; phases use it.

    ``refs`` are the engines of the run in the order the user named them; ``foundation`` names the services that every
    case stands on (object store, catalog); ``writer`` writes the dataset, and is empty where there is none. ``data`` is
    a folder that outlives a killed run, for what ``--resume`` goes on with; ``base`` the settings to compare against.
    ``past`` is what the run has on record, of whichever process of it: nothing else tells what became of another case.
    ``faults`` keeps the tracebacks of our own.
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
        data: Path | None = None,
        base: Settings | None = None,
        past: Past | None = None,
        faults: FaultLog | None = None,
    ) -> None:
        self.settings, self.guard, self.services, self.progress = settings, guard, services, progress
        self.refs, self.writer, self.profile, self.seed, self.foundation = refs, writer, profile, seed, foundation
        self.selection, self.baseline = selection, baseline
        self.data, self.base = data or guard.folder, base or settings
        self.past = past or Past()
        self.faults = faults or FaultLog(guard.folder)
        self.checker = Checker(guard)
        self.witness = Witness(guard, guard.folder / "witness", _WITNESS_BYTES, settings.engine("duckdb").threads)
        self.opened: dict[EngineRef, Remote] = {}
        self._remotes: dict[tuple[EngineRef, str], Remote] = {}
        self._used: dict[tuple[EngineRef, str], int] = {}
        self._together = False
        self._unavailable: dict[EngineRef, EngineUnavailable] = {}
        self._prepared: dict[str, Any] = {}
        self._numbers = itertools.count()
        self._looking, self._starting = threading.Lock(), threading.Lock()
        self._preparing = threading.RLock()  # what is made may stand on something else that is prepared
        self._folder = guard.folder / "results"
        self._folder.mkdir(mode=0o700)

    def __enter__(self) -> Self:
        """Use the bench."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the workers and the checker; the services go with the guard."""
        for ref, seat in list(self._remotes):
            self.retire(ref, seat)
        self.checker.close()
        self.witness.close()

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
        """What ``make`` gives, made once a run; what became of it is remembered too, and raised again.

        One thing is made at a time; who works side by side with others waits only for what is not there yet.
        """
        if key not in self._prepared:
            with self._preparing:
                if key not in self._prepared:
                    self._prepared[key] = self._outcome(make)
        value = self._prepared[key]
        if isinstance(value, CaseError | HarnessFault):
            raise value
        made: Prepared = value
        return made

    def _outcome(self, make: Callable[[], Prepared]) -> Prepared | CaseEnd:
        """What ``make`` gives, or how it failed.

        Raises:
            UsageError: it failed for want of room, which says nothing of what is prepared.
        """
        try:
            return make()
        except Exception as error:  # noqa: BLE001 - of a server or an engine, or a fault of ours
            ended = self.ended(error)
            self.must_stand(ended)
            return ended

    def ended(self, error: Exception, ref: EngineRef | None = None, seat: str = "") -> CaseEnd:
        """What ``error`` makes of a case, which the worker of ``ref`` at ``seat`` may have had a part in.

        Raises:
            LakebenchError: it ends the run, and not the case.
        """
        if isinstance(error, CaseError):
            return self.look_after(ref, error, seat) if ref else error
        if ref is not None:
            self.retire(ref, seat)  # nobody knows what it was left with
        return self.faults.fault(error)

    def must_stand(self, error: Exception) -> None:
        """See that ``error`` did not come about because what the run stands on gave way.

        Raises:
            UsageError: a disk is full; the message says which.
            ServiceLost: one of the services that the run stands on is gone.
        """
        if not isinstance(error, CaseError) or isinstance(error, ServiceUnavailable):
            self._must_be_there("")
        storages = (self.settings.storages()[name].path for name in self.selection.storages)
        folders = (self.guard.folder, self.faults.folder, self.data, *(path.expanduser() for path in storages if path))
        if told := disk_space.full(folders, f"{error} {getattr(error, 'details', '')}"):
            raise UsageError(told) from error

    def remote(self, ref: EngineRef, lake: Lake, seat: str = "") -> Remote:
        """The worker of ``ref`` at ``seat`` with ``lake`` open; started where there is none.

        Each seat has a worker process of its own, so an engine can take turns on several lakes and stay warm on each.
        A seat whose name begins with ``base`` has the settings to compare against.

        Raises:
            LakebenchError: the engine cannot run here, or refuses the lake.
        """
        if ref in self._unavailable:
            raise self._unavailable[ref]
        try:
            self._make_room(ref, seat)
            remote = self._started(ref, seat)
        except EngineUnavailable as error:
            self._unavailable[ref] = error
            raise
        try:
            remote.open(lake, _OPEN_LIMIT_S)
        except EngineUnavailable as error:
            if not seat:  # another seat may have a lake that the engine can open
                self._unavailable[ref] = error
            raise
        self.opened[ref] = remote
        return remote

    def workers(self, places: Sequence[tuple[EngineRef, str]]) -> list[Remote]:
        """The workers at these seats, all started before the first is waited for; they have no lake open.

        Raises:
            EngineUnavailable: the engine cannot run here.
        """
        for ref, seat in places:
            remote = self._remotes.get((ref, seat))
            if remote is None or not remote.alive:
                self._remotes[ref, seat] = self._start(ref, seat)
        for ref, seat in places:
            remote = self._remotes[ref, seat]
            remote.make(self._engine_settings(ref, seat, remote.folder))
            remote.lake = None
        return [self._remotes[one] for one in places]

    def call(
        self,
        ref: EngineRef,
        lake: Lake,
        operation: str,
        limit_s: float | None = None,
        *,
        seat: str = "",
        lasting: bool = False,
        **given: Any,
    ) -> dict[str, Any]:
        """Ask ``ref`` for ``operation`` on ``lake``; see :class:`~lakebench.processes.worker.Worker`.

        After a failure the next call has a new connection, unless the session is ``lasting``: then it goes on after a
        refusal, and whoever asks closes it.
        """
        raised_by = "" if limit_s else "--time-limit"
        limit_s = limit_s or self.profile.protocol.limit_s
        try:
            return self.remote(ref, lake, seat).call(operation, limit_s=limit_s, raised_by=raised_by, **given)
        except CaseError as error:
            raise self.look_after(ref, error, seat, lasting=lasting) from None
        except HarnessFault:
            self.retire(ref, seat)  # nobody knows what it was left with
            raise

    def scans(
        self, ref: EngineRef, lake: Lake, scans: Sequence[Mapping[str, Any]], into: Sequence[Path], limit_s: float
    ) -> list[dict[str, Any]]:
        """What became of each of ``scans``: the worker's reply. A read after one that failed has a new connection.

        Raises:
            LakebenchError: the worker could not be asked, or died.
        """
        replies: list[dict[str, Any]] = []
        while len(replies) < len(scans):
            at = len(replies)
            given: dict[str, Any] = {"scans": list(scans[at:]), "into": [str(path) for path in into[at:]]}
            replies += self.call(ref, lake, "scans", limit_s, **given)["replies"]
            if not replies[-1]["ok"]:
                self.ended(error_from(replies[-1]["error"]), ref)
        return replies

    def look_after(self, ref: EngineRef, error: CaseError, seat: str = "", *, lasting: bool = False) -> CaseError:
        """What ``error`` means once the servers have been looked at; a server that died is started again.

        Nothing is asked of the connection any more that the error came over, unless the session is ``lasting``.

        Raises:
            ServiceLost: one of the services that the run stands on is gone.
        """
        with self._looking:
            self._distrust(ref, error, seat, lasting=lasting)
            return _with_setting(ref, self._looked(ref, error, seat))

    def _distrust(self, ref: EngineRef, error: CaseError, seat: str, *, lasting: bool) -> None:
        """Let the next case begin with a new connection, or a new process where the error says that this one is broken.

        What an engine has no way to do was not asked of it.
        """
        if any(sign in str(error) for sign in find(ref.name).fatal):
            self.retire(ref, seat)
        elif not lasting and error.outcome is not Outcome.UNAVAILABLE and (ref, seat) in self._remotes:
            self._remotes[ref, seat].lake = None

    def _looked(self, ref: EngineRef, error: CaseError, seat: str) -> CaseError:
        self._must_be_there(f" while {ref} ran")
        server = find(ref.name).service
        if server is None:
            if isinstance(error, EngineCrash | Timeout):
                self.retire(ref, seat)
            return error
        if server in self.services.failures():
            return error
        if not self.services.alive(server):
            error = self._death(ref, server, error)
        # A query that nobody waits for would slow the others.
        if isinstance(error, EngineCrash | Timeout) or not self.services.alive(server):
            self.fresh(ref)
        return error

    def _must_be_there(self, when: str) -> None:
        for name in self.foundation:
            if self.services.died(name):
                tail = self.services.log_tail(name)
                raise ServiceLost(f"{name} died{when}; the end of its log: {tail[-300:]}") from None

    def _death(self, ref: EngineRef, server: str, error: CaseError) -> CaseError:
        """Of what the server of ``ref`` died: a Java that is out of memory ends itself, and says so."""
        log = self.services.log_tail(server)
        if _JAVA_MEMORY in log:
            return OutOfMemory(f"{server}, the server of {ref}, ran out of memory", log=log, said=str(error))
        return EngineCrash(f"{server}, the server of {ref}, died", log=log, said=str(error))

    def fresh(self, ref: EngineRef) -> None:
        """End the workers of ``ref``, and start its server again where it has one."""
        server = find(ref.name).service
        for other, seat in list(self._remotes):
            if other == ref or (server is not None and find(other.name).service == server):
                self.retire(other, seat)
        if server is not None:
            self.services.restart(server)

    def close(self, ref: EngineRef, seat: str = "") -> None:
        """End the connection of the worker of ``ref`` at ``seat``, which stays: what it had open, others may open."""
        remote = self._remotes.get((ref, seat))
        if remote is not None and remote.alive and remote.made:
            remote.close(_OPEN_LIMIT_S)

    def retire(self, ref: EngineRef, seat: str = "") -> None:
        """End the worker of ``ref`` at ``seat`` where there is one."""
        remote = self._remotes.pop((ref, seat), None)
        if remote is not None:
            remote.kill()

    def server_processes(self, ref: EngineRef) -> list[int]:
        """The processes of the server that is the engine; none where the engine is inside its worker."""
        server = find(ref.name).service
        return self.services.processes(server) if server else []

    def processes(self) -> dict[str, list[int]]:
        """Process trees of this run: workers by engine and seat, services by name, the checker and the witness."""
        trees = {f"{ref} {seat}".strip(): [remote.process.pid] for (ref, seat), remote in list(self._remotes.items())}
        trees |= {name: self.services.processes(name) for name in self.services.names()}
        trees |= {"checker": self.checker.processes(), "witness": self.witness.processes()}
        return resources.trees({name: pids for name, pids in trees.items() if pids})

    def store_bytes(self, store: str) -> int | None:
        """Bytes that the service ``store`` has put out so far, ``None`` where it is not ours."""
        return transferred(self.services.processes(store)).get("write") if store else None

    def store_counters(self, store: str) -> dict[str, int]:
        """Requests at the service ``store`` by operation so far, where the store is ours; else nothing."""
        return counters(self.services.endpoint(store)) if store else {}

    def versions(self, ref: EngineRef) -> Mapping[str, str]:
        """What the engine said of itself, now or in an earlier process of this run; empty before it was open."""
        return self.opened[ref].versions if ref in self.opened else self.past.versions(str(ref))

    def preload(self) -> None:
        """Start the workers, which import their engines' packages while the services start.

        Raises:
            UsageError: there is no such version of an engine.
        """
        for ref in dict.fromkeys((*self.refs, *([EngineRef(self.writer)] if self.writer else []))):
            try:
                self._remotes[ref, ""] = self._start(ref, "")
            except EngineUnavailable as error:
                self._unavailable[ref] = error

    def _started(self, ref: EngineRef, seat: str) -> Remote:
        with self._starting:
            remote = self._remotes.get((ref, seat)) or self._idle(ref, seat)
            if remote is None or not remote.alive:
                remote = self._start(ref, seat)
            self._remotes[ref, seat] = remote
        remote.make(self._engine_settings(ref, seat, remote.folder))
        return remote

    def _idle(self, ref: EngineRef, seat: str) -> Remote | None:
        """The worker that was started ahead, where nobody sits at it yet and its limits are those of ``seat``."""
        ahead = self._remotes.get((ref, ""))
        if ahead is None or ahead.made or self._settings(seat) is not self.settings:
            return None
        return self._remotes.pop((ref, ""))

    def seated(self, ref: EngineRef, seat: str) -> bool:
        """Whether the worker of ``ref`` at ``seat`` is there, as it was left."""
        remote = self._remotes.get((ref, seat))
        return remote is not None and remote.alive and remote.lake is not None

    @contextlib.contextmanager
    def together(self, refs: Sequence[tuple[EngineRef, str]]) -> Iterator[None]:
        """Work at several seats at once: none of them is ended to make room for another.

        Raises:
            EngineUnavailable: the limits of all of them are more memory than the machine has to give.
        """
        wanted = sum(int(self._settings(seat).engine(ref.name).memory) for ref, seat in refs)
        for other in [one for one in self._remotes if one[1] and one not in refs]:
            self.retire(*other)
        if wanted > (free := resources.available_bytes()):
            raise EngineUnavailable(
                f"{len(refs)} workers side by side may need {wanted / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are "
                f"free: lower memory of engines.{refs[0][0].name} in lakebench.toml"
            )
        with self.side_by_side():
            yield

    @contextlib.contextmanager
    def side_by_side(self) -> Iterator[None]:
        """End no seat to make room for another: it may be in use."""
        before, self._together = self._together, True
        try:
            yield
        finally:
            self._together = before

    def _make_room(self, ref: EngineRef, seat: str) -> None:
        """End the named seats that were not used for the longest time, until this one may grow to its limit."""
        self._used[ref, seat] = next(self._numbers)
        mine = self._remotes.get((ref, seat))
        held = resources.resident_bytes([mine.process.pid]) if mine is not None else 0
        wanted = int(self._settings(seat).engine(ref.name).memory) - held
        others = [one for one in self._remotes if one[1] and one != (ref, seat)] if seat and not self._together else []
        for other in sorted(others, key=lambda one: self._used.get(one, 0)):
            if wanted <= resources.available_bytes():
                return
            self.retire(*other)

    def _start(self, ref: EngineRef, seat: str) -> Remote:
        engine = find(ref.name)
        python = environments.python_for(engine, ref, self.progress)
        folder = self.guard.folder / f"worker-{next(self._numbers)}-{ref}"
        return Remote(self.guard, engine, ref, python, folder, int(self._settings(seat).engine(ref.name).memory))

    def _settings(self, seat: str) -> Settings:
        return self.base if seat.startswith(BASE) else self.settings

    def _engine_settings(self, ref: EngineRef, seat: str, folder: Path) -> EngineSettings:
        engine, limits = find(ref.name), self._settings(seat).engine(ref.name)
        return EngineSettings(
            threads=limits.threads,
            memory=int(limits.memory * _ENGINE_SHARE),
            folder=str(folder),
            server=self.services.endpoint(engine.service) if engine.service else None,
        )


def _with_setting(ref: EngineRef, error: CaseError) -> CaseError:
    """``error``, and where it is of memory with the setting that raises the limit."""
    if not isinstance(error, OutOfMemory) or "lakebench.toml" in str(error):
        return error
    server = find(ref.name).service
    table = f"services.{server}" if server else f"engines.{ref.name}"
    return OutOfMemory(f"{error}: [{table}] memory in lakebench.toml raises the limit", **error.details)
