"""The engines and servers of a search: started for it, and ended with it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis.configuration import set_hypothesis_home_dir

from lakebench import engines
from lakebench.datasets.interop.feature import NAMESPACE
from lakebench.engines import CanOperate, CanScan, Engine
from lakebench.errors import UsageError
from lakebench.execution import users_servers
from lakebench.execution.context import RunContext, run_context
from lakebench.execution.fault_log import FaultLog
from lakebench.execution.request import Request
from lakebench.model import EngineRef, Selection
from lakebench.phases import find
from lakebench.phases.interop.fuzz import script
from lakebench.phases.interop.fuzz.search import DATABASE, Limits, Search, SearchSummary
from lakebench.processes.guard import Guard
from lakebench.processes.reaper import end_left_behind
from lakebench.progress import Progress
from lakebench.services import Services
from lakebench.services.lakes import catalog_choice


def search(request: Request, limits: Limits, output: Path, progress: Progress) -> SearchSummary:
    """Search with the engines of ``request`` within ``limits``; findings go to ``output``.

    Raises:
        LakebenchError: the folder cannot be written, or a service that the search needs is not there.
    """
    _make(output)
    set_hypothesis_home_dir(output / DATABASE)  # else it makes a folder where the user stands
    for ended in end_left_behind():
        progress.say(ended)
    required = catalog_choice(request.settings, request.selection.catalog).services
    with Guard("fuzz") as guard:
        services = Services(request.settings, guard, progress)
        faults = FaultLog(output)
        with run_context(request, guard, services, progress, required, faults=faults) as context:
            _start(context, required)
            writers = {str(ref): _engine(ref).operations for ref in request.refs if _writes(ref)}
            catalogs = users_servers.of_run(
                request.settings, services, required, request.selection.catalog, (NAMESPACE,)
            )
            catalogs.check_free()
            try:
                return Search(context, writers, request.able(CanScan), limits, output).run()
            finally:
                for stays in catalogs.clear():
                    progress.say(stays)


def usual_engines() -> tuple[EngineRef, ...]:
    """The engines of the matrix that need no server.

    Those whose steps a script of a finding can have come first: a step is shrunk to the first engine that can do it.
    """
    names = sorted(find("interop").engines(Selection()), key=lambda name: name not in script.ENGINES)
    return tuple(EngineRef(name) for name in names if engines.find(name).service is None)


def check(refs: Sequence[EngineRef]) -> None:
    """Check that one of ``refs`` writes and one reads.

    Raises:
        UsageError: none does.
    """
    if not any(map(_writes, refs)):
        raise UsageError("--engines: none of them writes tables that others change as well")
    if not any(issubclass(engines.find(ref.name), CanScan) for ref in refs):
        raise UsageError("--engines: none of them reads tables")


def _writes(ref: EngineRef) -> bool:
    engine = engines.find(ref.name)
    return issubclass(engine, CanOperate) and not engine.own_catalog


def _engine(ref: EngineRef) -> Any:
    return engines.find(ref.name)


def _start(context: RunContext, required: Sequence[str]) -> None:
    """Start the servers, and meanwhile the workers.

    Raises:
        ServiceUnavailable: the catalog did not start.
    """
    context.workers.preload(context.request.refs)
    used: list[type[Engine]] = [engines.find(ref.name) for ref in context.request.refs]
    needed = [name for one in used for name in (*([one.service] if one.service else []), *one.needs)]
    context.services.start([*required, *dict.fromkeys(needed)], vital=required)
    for name in required:
        context.services.endpoint(name)


def _make(output: Path) -> None:
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{output} cannot be written: {error.strerror}") from None
