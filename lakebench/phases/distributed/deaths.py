"""Workers that die, fewer workers, and what each process holds: the long query of :mod:`work` on a cluster of ours."""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from lakebench import engines
from lakebench.datasets import answer_files
from lakebench.datasets.rules import Rules
from lakebench.errors import CaseError, EngineUnavailable, OutOfMemory, Refused
from lakebench.execution.cases import Evidence, same
from lakebench.execution.context import RunContext
from lakebench.execution.engine_client import AnswerFile
from lakebench.model import EngineRef, Lake, Runtime
from lakebench.phases.distributed import work
from lakebench.processes import resources
from lakebench.services import SERVICES
from lakebench.services.ray import nodes_among

_LIMIT_S = 300.0
_REPEAT = 3
_IN_THE_MIDDLE = 0.3
_RAY_WORKER = "ray::"
_NS = 1e9
_LOOK_S = 0.05
_REFERENCE = EngineRef("duckdb")


def survives(context: RunContext, ref: EngineRef, lake: Lake) -> Evidence:
    """The answer is right though a worker was killed while the query ran.

    Of a cluster of ours it is a node with all its workers; of one that the engine starts by itself, a worker of Ray.

    Raises:
        EngineUnavailable: it has no workers, or the query ended before one could be killed.
        WrongAnswer: its answer is another one.
        CaseError: it failed.
    """
    killable = _killable(context, ref, lake)
    _long(context, ref, lake)  # started, connected, and warm
    before = _computed(killable())
    usual = _seconds(context, ref, lake)
    enough = _more(_computed(killable()), before) * _IN_THE_MIDDLE
    try:
        with ThreadPoolExecutor(1) as pool:
            running = pool.submit(_long, context, ref, lake)
            killed = _kill_in_the_middle(killable, running, enough)
            try:
                answer = running.result()
            except CaseError as error:
                error.details.update(killed=killed, usual_s=usual)
                raise
        evidence = {"killed": killed, "usual_s": usual, "took_s": round(answer.ns / _NS, 3)}
        return {**evidence, **_right(context, answer, lake)}
    finally:
        _mend(context, ref)


def faster(context: RunContext, ref: EngineRef, lake: Lake) -> Evidence:
    """Each execution with all nodes is faster than each with one; nodes are taken away one after the other.

    Of three and three that differ by chance alone, one in twenty is so.

    Raises:
        Refused: they overlap.
    """
    service = _cluster(context, ref)
    if service is None:
        raise EngineUnavailable(f"{ref} starts a cluster of its own, whose nodes are not ours to end")
    workers, times = _workers(context, service), {}
    if len(workers) == 1:
        raise EngineUnavailable(f"the cluster has one worker: set workers under [services.{service}.properties]")
    try:
        while workers:
            if len(workers) & (len(workers) - 1) == 0:  # 1, 2, 4 …
                _right(context, _long(context, ref, lake), lake)
                times[len(workers)] = [_seconds(context, ref, lake) for _ in range(_REPEAT)]
            if len(workers) == 1:
                break
            _kill(workers.pop())
    finally:
        _mend(context, ref)
    medians = {number: round(statistics.median(some), 3) for number, some in times.items()}
    evidence = {"seconds_by_workers": medians, "samples": times, "cores": os.cpu_count()}
    most = max(medians)
    if max(times[most]) >= min(times[1]):
        raise Refused(f"{_span(times[most])} with {most} workers, {_span(times[1])} with one", **evidence)
    return evidence


def _span(seconds: Sequence[float]) -> str:
    return f"{min(seconds):.2f} to {max(seconds):.2f} s"


def within_memory(context: RunContext, ref: EngineRef, lake: Lake) -> Evidence:
    """Driver and workers stay below their limits together; what each process held, and read, is in the evidence.

    Raises:
        OutOfMemory: they held more.
    """
    engine, limit = engines.find(ref.name), int(context.request.settings.engine(ref.name).memory)
    _long(context, ref, lake)  # started, connected, and warm
    driver = context.workers.open(ref, lake).process.pid
    servers = context.services.processes(engine.service) if engine.service else []
    pids = resources.tree([driver, *servers])
    idle = resources.resident_bytes(pids)
    resources.reset_peak(pids)
    before = {pid: _read_bytes(pid) for pid in pids}
    answer = _long(context, ref, lake)
    held = {pid: resources.peak_bytes([pid]) for pid in resources.tree([driver, *servers])}
    of_service = _service_limit(context, engine.service) if engine.service else 0
    processes = [
        {"process": _name(pid), "peak_bytes": size, "read_bytes": _read_bytes(pid) - before.get(pid, 0)}
        for pid, size in sorted(held.items(), key=lambda one: -one[1])
        if size
    ]
    evidence = {
        "limit_bytes": limit + of_service,
        "peak_bytes": sum(held.values()),
        "idle_bytes": idle,
        "service": engine.service or "",
        "processes": processes,
        "took_s": round(answer.ns / _NS, 3),
    }
    if sum(held.values()) > limit + of_service:
        raise OutOfMemory(
            f"{ref} held {sum(held.values()) / 2**30:.2f} GiB, and its limits are together less", **evidence
        )
    return evidence


def _service_limit(context: RunContext, service: str) -> int:
    """The limits of all processes of the server that is the engine, in bytes: of a cluster those of each node."""
    limit = int(context.request.settings.service(service).memory or SERVICES[service].memory)
    return limit * max(1, len(nodes_among(context.services.processes(service))))


def _cluster(context: RunContext, ref: EngineRef) -> str | None:
    """The service that is the cluster of ``ref``; ``None`` where it starts one by itself.

    Raises:
        EngineUnavailable: it has no workers, or its cluster is the user's, whose nodes we do not end.
    """
    engine = engines.find(ref.name)
    if not engine.distributed:
        raise EngineUnavailable(f"{ref} has no workers that could die: it is one process")
    if engine.service and context.services.endpoint(engine.service).runtime is Runtime.EXTERNAL:
        raise EngineUnavailable("the cluster is yours: its nodes are not ended")
    return engine.service


def _workers(context: RunContext, service: str) -> list[int]:
    """The nodes of the cluster beside its head."""
    return nodes_among(context.services.processes(service))[1:]


def _killable(context: RunContext, ref: EngineRef, lake: Lake) -> Callable[[], list[int]]:
    """What lists the processes that can be killed: nodes of our cluster, or Ray's workers below the engine's process.

    Raises:
        EngineUnavailable: there are none (see :func:`_cluster`).
    """
    service = _cluster(context, ref)
    if service is not None:
        return partial(_workers, context, service)
    driver = context.workers.open(ref, lake).process.pid
    return lambda: [pid for pid in resources.tree([driver]) if _name(pid).startswith(_RAY_WORKER)]


def _computed(pids: Sequence[int]) -> dict[int, int]:
    """The CPU time of each with its children so far, in nanoseconds."""
    trees = resources.trees({str(pid): [pid] for pid in pids})
    return {pid: resources.cpu_ns(trees[str(pid)]) for pid in pids}


def _more(now: Mapping[int, int], before: Mapping[int, int]) -> int:
    return sum(ns - before.get(pid, 0) for pid, ns in now.items())


def _kill_in_the_middle(killable: Callable[[], list[int]], running: Future[AnswerFile], enough: float) -> str:
    """Kill the one that computes most, once all have computed for ``enough`` nanoseconds of CPU.

    Time would not do: a machine that is busy with other work is slow.
    """
    before = now = _computed(killable())
    while _more(now, before) < enough and not running.done():
        time.sleep(_LOOK_S)
        now = _computed(killable())
    if running.done() or not now:
        raise EngineUnavailable("the query ended before a worker could be killed: it is too short for this test")
    busiest = max(now, key=lambda pid: now[pid] - before.get(pid, 0))
    name = _name(busiest)
    _kill(busiest)
    return f"{name}, one of {len(now)}, after {_more(now, before) / _NS:.2f} s of CPU"


def _kill(parent: int) -> None:
    """End a process and its children at once."""
    for pid in reversed(resources.tree([parent])):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _mend(context: RunContext, ref: EngineRef) -> None:
    """A whole cluster for the next case; drivers of the one before are ended."""
    service = engines.find(ref.name).service
    for other in context.request.refs:
        if other == ref or (service and engines.find(other.name).service == service):
            context.workers.retire(other)
    if service:
        context.services.restart(service)


def _long(context: RunContext, ref: EngineRef, lake: Lake) -> AnswerFile:
    sql = work.question(work.LONG).sql(engines.find(ref.name))
    into = context.files.new(f"{ref}-long")
    reply = context.client.call(ref, lake, "query", _LIMIT_S, sql=sql, into=str(into))
    return AnswerFile(into, reply["ns"])


def _seconds(context: RunContext, ref: EngineRef, lake: Lake) -> float:
    return round(_long(context, ref, lake).ns / _NS, 3)


def _right(context: RunContext, answer: AnswerFile, lake: Lake) -> dict[str, Any]:
    """The evidence that ``answer`` is that of the reference engine over the same files."""

    def ask() -> Path:
        return context.client.query(_REFERENCE, lake, work.question(work.LONG).text, session="reference").path

    expected: Path = context.prepared.once("distributed/long/expected", ask)
    checked = context.checker.call(answer_files.compare, answer.path, {"DuckDB over the same files": expected}, Rules())
    return same(checked)


def _read_bytes(pid: int) -> int:
    """Bytes that a process has read by system calls so far (proc(5): rchar), 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text("ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("rchar")), 0)


def _name(pid: int) -> str:
    try:
        return psutil.Process(pid).name()
    except psutil.Error:
        return "ended"
