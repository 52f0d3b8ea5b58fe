"""A plan of cases -> records: order, isolation, resume. A thin front; no engine in it."""

from __future__ import annotations

import contextlib
import datetime as dt
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import lakebench
from lakebench import engines, phases
from lakebench.config import POSTGRES, Settings
from lakebench.datasets.tpch import scale_factor
from lakebench.errors import CaseError, CheckerLost, HarnessFault, LakebenchError, ServiceLost, UsageError
from lakebench.execution import machine, users_servers
from lakebench.execution.cases import records
from lakebench.execution.context import RunContext, run_context
from lakebench.execution.fault_log import FaultLog
from lakebench.execution.history import RunHistory
from lakebench.execution.prerequisites import Prerequisites
from lakebench.execution.protocol import PROFILES, Protocol
from lakebench.execution.request import Request, Scope, selection_of
from lakebench.execution.time_left import Share, seconds_of_cases
from lakebench.execution.users_servers import UsersServers
from lakebench.execution.workers import WorkerPool
from lakebench.model import EngineRef, Record, Runtime
from lakebench.outcomes import ExitCode, Outcome
from lakebench.paths import run_name
from lakebench.phases import lakes_compared, recommendations
from lakebench.phases.base import Phase
from lakebench.phases.case_choice import CasesOfRuns, RunCase
from lakebench.processes import resources
from lakebench.processes.guard import Guard
from lakebench.processes.memory_trace import FILE as TRACE
from lakebench.processes.memory_trace import MemoryTrace
from lakebench.processes.reaper import end_left_behind
from lakebench.progress import Progress
from lakebench.provisioning import disk_space, environments, tested
from lakebench.results import accepted, comparison
from lakebench.results.baseline import Baseline, load
from lakebench.results.records import (
    FILE,
    ChangedCase,
    End,
    EngineFacts,
    FieldReport,
    Gone,
    Header,
    Resume,
    Run,
    Writer,
    by_engine,
    read,
)
from lakebench.results.run_lock import alone, at_it
from lakebench.services import Services

LAKE = "lake"
"""The folder of a run that holds what was loaded, until the run is complete."""


@dataclass(frozen=True)
class Result:
    """How a run ended, and where it lies."""

    folder: Path
    code: ExitCode
    stale: tuple[str, ...] = ()
    error: LakebenchError | None = None
    changes: Mapping[str, tuple[ChangedCase, ...]] = field(default_factory=dict)
    gone: tuple[Gone, ...] = ()


def again(run: Path, settings: Settings) -> Request:
    """The request of an earlier run, from its records.

    Raises:
        UsageError: there is no such run, it is complete or still running, or its records are damaged.
    """
    earlier = _unfinished(run)
    if earlier.running is not None:
        raise at_it(run, earlier.running)
    try:
        return _request(earlier.header, settings)
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise UsageError(
            f"{run.name} cannot be resumed: its first line does not have the settings of a run "
            f"({type(error).__name__}: {error}); start a new run"
        ) from None


def _request(header: Header, settings: Settings) -> Request:
    """The request that ``header`` has."""
    from pydantic import TypeAdapter

    recorded = header.settings
    profile = PROFILES[recorded["profile"]]
    return Request(
        phases=tuple(recorded["phases"]),
        refs=tuple(engines.parse(ref) for ref in recorded["engines"]),
        writer=recorded["writer"],
        profile=replace(
            profile,
            scale_factor=scale_factor(str(recorded["scale_factor"])),
            protocol=TypeAdapter(Protocol).validate_python(recorded["protocol"]),
            chosen=tuple(recorded.get("chosen", ())),
        ),
        seed=int(recorded["seed"]),
        settings=settings,
        command=header.command,
        selection=selection_of(recorded),
        named=tuple(recorded.get("named", ())),
        require=tuple(recorded.get("require", ())),
    )


def _unfinished(run: Path) -> Run:
    earlier = read(run)
    if earlier.complete:
        raise UsageError(
            f"{run.name} is complete: lakebench report {run_name(run)} shows it, lakebench run starts a new one"
        )
    return earlier


def new_id(request: Request) -> str:
    """An id that sorts by time and says what ran."""
    at = dt.datetime.now(dt.UTC).strftime("%Y%m%dT%H%M%SZ")
    return f"{at}-{'-'.join(request.phases)}-{secrets.token_hex(2)}"


def run(request: Request, folder: Path, progress: Progress, *, resumed: bool = False) -> Result:
    """Run all cases of ``request`` that ``folder`` has no record of yet.

    What is finished is on the disk before the next case begins. Services and workers are gone when this returns,
    however it returns; what was loaded stays for another try, until a run is complete.

    Raises:
        UsageError: the folder cannot be written, another process is at this run, or its records are damaged.
        KeyboardInterrupt: from the terminal; the records say that the run was interrupted.
    """
    baseline = load(request.to_json(), phases.baselines(request.phases).values())
    began = time.monotonic()
    for ended in end_left_behind():
        progress.say(ended)
    with alone(folder), Writer(folder / FILE) as writer, Guard("run") as guard:
        writer.hide(*(one for each in (request.settings, request.base) if each for one in each.secrets()))
        history = RunHistory(earlier := _unfinished(folder) if resumed else None)
        done = [one for one in earlier.cases if history.case(one.case)] if earlier else []
        faults = FaultLog(folder, writer.masked)
        writer.write(Resume(_now()) if resumed else _header(request, folder))
        end = End("interrupted", 0.0, ExitCode.INTERRUPTED)
        try:
            if not resumed:  # what was loaded is there already
                _check_disk_space(request, progress)
            keeps = folder / LAKE if any(phases.find(name).keeps for name in request.phases) else None
            timed = any(phases.find(name).takes_times(request) for name in request.phases)
            services = Services(request.settings, guard, progress, keeps, short_lived=not timed)
            kept = (folder / LAKE).absolute()
            required = _required_services(request)
            with run_context(request, guard, services, progress, required, kept, history, faults) as context:
                cases = [*done, *_cases(context, writer, done, baseline, folder, resumed=resumed)]
                for stays in _users_servers(context).clear():
                    progress.say(stays)
            changed = _changes(request, cases, baseline)
            gone = accepted.gone(changed.gone, cases, request.asked, _asked(request, services.failures()))
            against = comparison.within(read(folder)) if request.selection.against else None
            gone += by_engine((one.engine, one.reason) for one in against.gone) if against else ()
            code = accepted.exit_code(cases, baseline, gone)
            if code is ExitCode.OK and against is not None and against.worse:
                code = ExitCode.WORSE
            stale = tuple(str(one) for one in accepted.stale(cases, baseline))
            end = End("complete", 0.0, code, changes=changed.lines(), gone=gone)
            if summary := _faults(cases):
                end = replace(end, status="interrupted", reason=summary)
                return Result(folder, code, stale, HarnessFault(summary), end.changes, gone)
            _discard(services, folder / LAKE)
            return Result(folder, code, stale, changes=end.changes, gone=gone)
        except UsageError as error:
            end = End("interrupted", 0.0, ExitCode.USAGE, reason=str(error))
            raise
        except (CaseError, ServiceLost) as error:
            # What is left did not run; where nothing ran, the code says so by itself.
            code = ExitCode.first(ExitCode.WORSE, accepted.exit_code(read(folder).cases, baseline))
            end = End("interrupted", 0.0, code, reason=str(error))
            return Result(folder, code, error=error)
        except Exception as error:  # noqa: BLE001 - a fault of ours outside of any case: the run ends in order
            fault = error if isinstance(error, CheckerLost) else faults.fault(error)
            end = End("interrupted", 0.0, ExitCode.HARNESS_FAULT, reason=str(fault))
            return Result(folder, ExitCode.HARNESS_FAULT, error=fault)
        finally:
            took = round(time.monotonic() - began, 3)
            writer.write(replace(end, seconds=took, load_after=tuple(machine.load())))
            if end.status != "complete" and (folder / LAKE).exists():
                progress.say(f"what was loaded stays in {folder / LAKE} for lakebench run --resume {run_name(folder)}")


def _faults(cases: Iterable[Record]) -> str:
    """One line: how many of ``cases`` met a fault of ours, and the first of them; empty where none did."""
    every = list(cases)
    met = [case for case in every if case.outcome is Outcome.HARNESS_FAULT]
    return f"{len(met)} of {len(every)} cases say nothing; the first is {met[0].case}: {met[0].reason}" if met else ""


def _changes(request: Request, cases: Iterable[Record], baseline: Baseline) -> accepted.Changes:
    """What the run changes of what is accepted; nothing where none of its phases was ever accepted."""
    if not any(entry.phase in request.phases for entry in baseline.entries.values()):
        return accepted.Changes()
    scope = Scope(request.refs, request.selection, request.profile.name, bool(request.named))
    return accepted.changes(cases, baseline, phases.covers(request.phases, scope))


def _asked(request: Request, failures: Mapping[str, str]) -> dict[str, str]:
    """The services among ``failures`` that the user asked for, by settings or by naming an engine that needs them."""
    settings = request.settings
    named = [engines.find(engines.parse(name).name) for name in request.asked]
    asked = {service for one in named for service in (one.service, *one.needs)}
    asked |= {name for name, one in settings.services.items() if one.runtime or one.uri or one.pg_config or one.home}
    asked |= {POSTGRES} if settings.pg_config else set()
    return {name: why for name, why in failures.items() if settings.runtime is not Runtime.LOCAL or name in asked}


def _required_services(request: Request) -> tuple[str, ...]:
    """The services that every case needs."""
    wanted = (phases.find(name).services(request.selection, request.settings) for name in request.phases)
    return tuple(dict.fromkeys(service for services in wanted for service in services))


def _cases(
    context: RunContext, writer: Writer, done: Iterable[Record], baseline: Baseline, folder: Path, *, resumed: bool
) -> list[Record]:
    """Run what is not in ``done``; the new records."""
    request, finished = context.request, {case.case for case in done}
    wanted = [phases.find(name) for name in request.phases]
    new: list[Record] = []
    with MemoryTrace(folder / TRACE, lambda: _processes(context)), _checking(context.prerequisites):
        context.workers.preload(_engines_of(request))
        _start(context, writer)
        if not resumed:  # its namespaces are there already
            _users_servers(context).check_free()
        for phase in wanted:
            new += _phase(phase, context, writer, finished, baseline)
        for ref in request.refs:
            # An engine that had nothing left to do has its line.
            if ref in context.workers.opened or not context.history.versions(ref):
                writer.write(_engine(context.workers, context.progress, ref, [*done, *new]))
    for phase in wanted:
        cases = [case for case in (*done, *new) if case.phase == phase.name]
        for report in phase.judge_field_reports(cases, f"{request.profile.scale_factor:f}"):
            writer.write(report)
    for report in _of_several_phases(context.services, [*done, *new]):
        writer.write(report)
    return new


def _of_several_phases(services: Services, cases: Iterable[Record]) -> Iterator[FieldReport]:
    """The field reports that cases of several phases bear on."""
    servers = {one.service: one.version for one in services.facts()}
    runs = CasesOfRuns(tuple(map(RunCase, cases)), servers)
    yield from lakes_compared.judged(lakes_compared.compared(runs))
    yield from recommendations.judged(recommendations.recommended(runs))


def _processes(context: RunContext) -> dict[str, list[int]]:
    """Process trees of this run: workers by engine and session, services by name, the checker and the witness."""
    services = context.services
    trees = context.workers.processes() | {name: services.processes(name) for name in services.names()}
    trees |= {"checker": context.checker.processes(), "witness": context.witness.processes()}
    return resources.trees({name: pids for name, pids in trees.items() if pids})


@contextlib.contextmanager
def _checking(prerequisites: Prerequisites) -> Iterator[None]:
    """Turn an error that comes from a full disk or a lost service into that error.

    Raises:
        UsageError: a disk is full.
        ServiceLost: a service that the run needs is gone.
    """
    try:
        yield
    except UsageError:
        raise
    except Exception as error:
        prerequisites.check(error)
        raise


def _discard(services: Services, lake: Path) -> None:
    """Remove what was loaded: a complete run needs it no more."""
    services.stop()
    services.discard()
    shutil.rmtree(lake, ignore_errors=True)


def _check_disk_space(request: Request, progress: Progress) -> None:
    """Report what the run will write, and stop where the disk has too little space.

    Raises:
        UsageError: a disk has too little space.
    """
    needs = [need for name in request.phases for need in phases.find(name).disk_space(request)]
    if needs:
        progress.say(disk_space.check(needs))


def _start(context: RunContext, writer: Writer) -> None:
    """Start the services and record them; meanwhile the phases prepare what needs no service.

    Raises:
        ServiceUnavailable: a service that every case needs did not start.
    """
    request, services, required = context.request, context.services, context.prerequisites.names

    def meanwhile() -> None:
        for name in request.phases:
            phases.find(name).ready(context)

    services.start(_needed(request, required), meanwhile, required)
    writer.hide(*services.secrets())
    for service in services.facts():
        writer.write(service)
    for name in required:
        services.endpoint(name)


def _users_servers(context: RunContext) -> UsersServers:
    """The user's servers that the run makes tables in."""
    request, used = context.request, _needed(context.request, context.prerequisites.names)
    wanted = [phases.find(name) for name in request.phases]
    namespaces = dict.fromkeys(one for phase in wanted for one in phase.namespaces(request))
    schemas = dict.fromkeys(one for phase in wanted for one in phase.schemas)
    catalog = request.selection.catalog
    return users_servers.of_run(request.settings, context.services, used, catalog, tuple(namespaces), tuple(schemas))


def _phase(phase: Phase, context: RunContext, writer: Writer, finished: set[str], baseline: Baseline) -> list[Record]:
    """Run the cases of ``phase`` that are not among ``finished``; each record is on the disk as soon as it is there."""
    phase.load(context)
    for facts in phase.facts(context):
        writer.write(facts)
    planned = [(block, frozenset(case.id for case in block.cases)) for block in phase.plan(context)]
    total = sum(len(ids) for _, ids in planned)
    done = sum(len(ids & finished) for _, ids in planned)
    new: list[Record] = []
    opened = context.workers.opened
    seen = set(opened)
    left = {case for _, ids in planned for case in ids - finished}
    share = Share(left, seconds_of_cases(context.request.settings.output, phase.name, left, writer.path.parent))
    with context.progress.count(f"{phase.name}: {total} cases", total, share.done) as advance:
        for block, ids in planned:
            todo = ids - finished
            for finished_record in records(block, context, todo) if todo else ():
                record = accepted.with_acceptance(finished_record, baseline)
                writer.write(record)
                context.history.add(record)
                new.append(record)
                done += 1
                share.finish(record.case)
                advance(done)
            for ref in [one for one in context.request.refs if one in opened and one not in seen]:
                # Now, so that a run that is killed has its engines on record.
                writer.write(_engine(context.workers, context.progress, ref, new))
                seen.add(ref)
    return new


def _needed(request: Request, required: tuple[str, ...]) -> list[str]:
    """The services of the phases, of the engines and of the dataset's writer."""
    chosen = [engines.find(ref.name) for ref in _engines_of(request)]
    services = [*required]
    for name in request.phases:
        services += phases.find(name).optional_services(request.selection, request.settings)
    for engine in chosen:
        services += [*([engine.service] if engine.service else []), *engine.needs]
    return list(dict.fromkeys(services))


def _engines_of(request: Request) -> tuple[EngineRef, ...]:
    """The engines of the run, and the dataset's writer."""
    return (*request.refs, *([engines.parse(request.writer)] if request.writer else []))


def _engine(workers: WorkerPool, progress: Progress, ref: EngineRef, cases: list[Record]) -> EngineFacts:
    """What the report says of an engine: the versions and settings that it reported, or why it could not run."""
    engine = engines.find(ref.name)
    remote = workers.opened.get(ref)
    reasons = [case.reason for case in cases if case.engine == str(ref) and case.outcome == "UNAVAILABLE"]
    return EngineFacts(
        engine=str(ref),
        versions=remote.versions if remote else {},
        settings=remote.settings if remote else {},
        python_lock=environments.packages_of(environments.python_for(engine, ref, progress)) if remote else None,
        service=engine.service,
        reason="" if remote else (reasons or [""])[0],
    )


def _header(request: Request, folder: Path) -> Header:
    return Header(
        run=folder.name,
        phases=request.phases,
        command=request.command,
        started=_now(),
        settings=request.to_json(),
        machine=machine.facts(folder),
        harness={"version": lakebench.__version__, **_source()},
    )


def _source() -> dict[str, str]:
    """The commit where this is a checkout, the hash of the tested versions, and the packages that have other ones."""
    source = {"lock": tested.sha256()}
    if others := tested.untested():
        source["untested"] = ", ".join(map(str, others))
    root = Path(lakebench.__file__).parent.parent
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "describe", "--always", "--dirty", "--abbrev=40"]
        try:
            commit = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False).stdout.strip()
        except (OSError, subprocess.TimeoutExpired):
            commit = ""
        if commit:
            source["commit"] = commit
    return source


def _now() -> str:
    return dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
