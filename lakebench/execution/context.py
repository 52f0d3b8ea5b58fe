"""What a run has at hand: objects with one job each, made together and ended together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lakebench.execution.engine_client import EngineClient
from lakebench.execution.fault_log import FaultLog
from lakebench.execution.foundation import Foundation
from lakebench.execution.past import Past
from lakebench.execution.prepared import PreparedData
from lakebench.execution.request import Request
from lakebench.execution.run_files import RunFiles
from lakebench.execution.workers import WorkerPool
from lakebench.processes.guard import Guard
from lakebench.progress import Progress
from lakebench.services import Services
from lakebench.verification.checker import Checker
from lakebench.verification.witness import Witness

_WITNESS_BYTES = 4 * 2**30


@dataclass(frozen=True)
class RunContext:
    """The objects of one run. A function that needs one or two of them takes these, and not the context.

    ``request`` is what the user asked for; ``foundation`` what every case needs; ``past`` what the run has on record,
    from any of its processes: nothing else says what became of another case.
    """

    request: Request
    services: Services
    workers: WorkerPool
    client: EngineClient
    prepared: PreparedData
    files: RunFiles
    checker: Checker
    witness: Witness
    foundation: Foundation
    faults: FaultLog
    past: Past
    progress: Progress


@contextlib.contextmanager
def run_context(
    request: Request,
    guard: Guard,
    services: Services,
    progress: Progress,
    foundation: tuple[str, ...] = (),
    kept: Path | None = None,
    past: Past | None = None,
    faults: FaultLog | None = None,
    *,
    pool: type[WorkerPool] = WorkerPool,
) -> Iterator[RunContext]:
    """The context of a run; in the end its workers, its checker and its witness are ended.

    ``foundation`` names the services that every case needs. ``kept`` is a folder that outlives a killed run, for what
    ``--resume`` goes on with.
    """
    settings, faults, past = request.settings, faults or FaultLog(guard.folder), past or Past()
    files = RunFiles(guard.folder, kept or guard.folder)
    storages = (settings.storages()[name].path for name in request.selection.storages)
    folders = (guard.folder, faults.folder, files.kept, *(path.expanduser() for path in storages if path))
    stands_on = Foundation(services, foundation, folders)
    workers = pool(settings, request.base, guard, services, progress, past)
    checker = Checker(guard)
    witness = Witness(guard, guard.folder / "witness", _WITNESS_BYTES, settings.engine("duckdb").threads)
    try:
        yield RunContext(
            request=request,
            services=services,
            workers=workers,
            client=EngineClient(workers, services, stands_on, faults, files, request.profile.protocol.limit_s),
            prepared=PreparedData(stands_on, faults),
            files=files,
            checker=checker,
            witness=witness,
            foundation=stands_on,
            faults=faults,
            past=past,
            progress=progress,
        )
    finally:
        workers.end()
        checker.close()
        witness.close()
