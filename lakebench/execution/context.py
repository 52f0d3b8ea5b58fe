"""The context of a run: objects with one job each, made together and ended together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lakebench.execution.engine_client import EngineClient
from lakebench.execution.fault_log import FaultLog
from lakebench.execution.history import RunHistory
from lakebench.execution.prepared import PreparedData
from lakebench.execution.prerequisites import Prerequisites
from lakebench.execution.request import Request
from lakebench.execution.run_files import RunFiles
from lakebench.execution.workers import WorkerPool
from lakebench.processes.guard import Guard
from lakebench.progress import Progress
from lakebench.services import Services
from lakebench.services.distance import Distances
from lakebench.verification.checker import Checker
from lakebench.verification.witness import Witness

_WITNESS_BYTES = 4 * 2**30


@dataclass(frozen=True)
class RunContext:
    """The objects of one run. A function that needs one or two of them takes these, and not the context.

    ``request`` is what the user asked for; ``prerequisites`` are what every case needs. ``history`` has the finished
    cases, those of earlier processes of a resumed run too: a verdict that depends on another case uses only these.
    """

    request: Request
    services: Services
    workers: WorkerPool
    client: EngineClient
    prepared: PreparedData
    files: RunFiles
    checker: Checker
    witness: Witness
    prerequisites: Prerequisites
    faults: FaultLog
    history: RunHistory
    progress: Progress
    distances: Distances


@contextlib.contextmanager
def run_context(
    request: Request,
    guard: Guard,
    services: Services,
    progress: Progress,
    required_services: tuple[str, ...] = (),
    kept: Path | None = None,
    history: RunHistory | None = None,
    faults: FaultLog | None = None,
    *,
    pool: type[WorkerPool] = WorkerPool,
) -> Iterator[RunContext]:
    """The context of a run; in the end its workers, its checker and its witness are ended.

    ``required_services`` names the services that every case needs. ``kept`` is a folder that outlives a killed run: it
    holds what ``--resume`` continues from.
    """
    settings, faults, history = request.settings, faults or FaultLog(guard.folder), history or RunHistory()
    files = RunFiles(guard.folder, kept or guard.folder)
    storages = (settings.storages()[name].path for name in request.selection.storages)
    folders = (guard.folder, faults.folder, files.kept, *(path.expanduser() for path in storages if path))
    prerequisites = Prerequisites(services, required_services, folders)
    workers = pool(settings, request.base, guard, services, progress, history)
    checker = Checker(guard)
    distances = Distances()
    witness = Witness(guard, guard.folder / "witness", _WITNESS_BYTES, settings.engine("duckdb").threads)
    try:
        yield RunContext(
            request=request,
            services=services,
            workers=workers,
            client=EngineClient(workers, services, prerequisites, faults, files, request.profile.protocol.limit_s),
            prepared=PreparedData(prerequisites, faults),
            files=files,
            checker=checker,
            witness=witness,
            prerequisites=prerequisites,
            faults=faults,
            history=history,
            progress=progress,
            distances=distances,
        )
    finally:
        workers.end()
        distances.end()
        checker.close()
        witness.close()
