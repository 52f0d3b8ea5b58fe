"""What the failure of an engine means once its server has been looked at, and what the engine needs after it."""

from __future__ import annotations

from enum import IntEnum

from lakebench.engines import find
from lakebench.errors import CaseError, EngineCrash, OutOfMemory, ServiceUnavailable, Timeout
from lakebench.model import EngineRef
from lakebench.outcomes import Outcome
from lakebench.services import SERVICES, Services
from lakebench.services.server_crashes import last_crash

_JAVA_MEMORY = "Terminating due to java.lang.OutOfMemoryError"  # what -XX:+ExitOnOutOfMemoryError prints


class Remedy(IntEnum):
    """What an engine needs before the next case; each has the effects of those before it."""

    NOTHING = 0
    NEW_CONNECTION = 1
    NEW_PROCESS = 2
    NEW_SERVER = 3


def diagnose(
    services: Services, ref: EngineRef, error: CaseError, *, lasting: bool = False
) -> tuple[CaseError, Remedy]:
    """What ``error`` of ``ref`` means, and what the engine needs; a ``lasting`` session goes on after a refusal."""
    remedy = _remedy(ref, error, lasting=lasting)
    server = find(ref.name).service
    broken = isinstance(error, EngineCrash | Timeout)
    if server is None:
        remedy = max(remedy, Remedy.NEW_PROCESS) if broken else remedy
    elif server not in services.failures():
        if died := not services.alive(server):
            error = _death(services, ref, server, error)
        elif isinstance(error, EngineCrash) and getattr(SERVICES.get(server), "is_postgresql", False):
            error = _with_crash(services, server, error)
        # A query whose answer nobody waits for would slow the others.
        remedy = Remedy.NEW_SERVER if died or broken else remedy
    return _with_setting(ref, error), remedy


def _remedy(ref: EngineRef, error: CaseError, *, lasting: bool) -> Remedy:
    """What the session needs: a new process where the error says that this one is broken.

    Nothing was asked of an engine that has no way to do it.
    """
    if any(sign in str(error) for sign in find(ref.name).fatal):
        return Remedy.NEW_PROCESS
    return Remedy.NOTHING if lasting or error.outcome is Outcome.UNAVAILABLE else Remedy.NEW_CONNECTION


def _death(services: Services, ref: EngineRef, server: str, error: CaseError) -> CaseError:
    """Why the server of ``ref`` died: a JVM that is out of memory ends itself, and says so in its log.

    Where the Docker engine is gone, that is no engine's fault.
    """
    if outage := services.outage(server):
        return ServiceUnavailable(f"{server}, the server of {ref}, is gone: {outage}", said=str(error))
    log = services.log_tail(server)
    if _JAVA_MEMORY in log or services.out_of_memory(server):
        return OutOfMemory(f"{server}, the server of {ref}, ran out of memory", log=log, said=str(error))
    return EngineCrash(f"{server}, the server of {ref}, died", log=log, said=str(error))


def _with_crash(services: Services, server: str, error: EngineCrash) -> EngineCrash:
    """``error`` with signal and lines of the log, where PostgreSQL says that one of its processes died."""
    crash = last_crash(services, server)
    return EngineCrash(str(error), **{**error.details, **crash.evidence()}) if crash else error


def _with_setting(ref: EngineRef, error: CaseError) -> CaseError:
    """``error``, and where it is of memory with the setting that raises the limit."""
    if not isinstance(error, OutOfMemory) or "lakebench.toml" in str(error):
        return error
    server = find(ref.name).service
    table = f"services.{server}" if server else f"engines.{ref.name}"
    return OutOfMemory(f"{error}: [{table}] memory in lakebench.toml raises the limit", **error.details)
