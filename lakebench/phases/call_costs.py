"""What a call of an engine costs: its time, its CPU time, and what it asks of the object store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from lakebench import engines
from lakebench.execution.context import RunContext
from lakebench.execution.protocol import Meter
from lakebench.model import EngineRef, Lake
from lakebench.processes import resources
from lakebench.services import Services
from lakebench.services.object_store import settled_counters, transferred


@dataclass(frozen=True)
class Cost:
    """Of one call: ``ns`` by the worker's clock, the CPU time of worker and server; what the store saw, where known.

    ``store_bytes`` are those that the store put out, to clients and to its own files: bytes read and bytes written.
    """

    ns: int
    cpu_ns: int | None
    requests: int | None
    store_bytes: int | None

    def to_json(self) -> dict[str, Any]:
        """As a record has it: milliseconds, and the numbers."""
        cpu_ms = None if self.cpu_ns is None else round(self.cpu_ns / 1e6, 1)
        values = {"ms": round(self.ns / 1e6, 2), "cpu_ms": cpu_ms}
        return {**values, "requests": self.requests, "store_bytes": self.store_bytes}


@dataclass(frozen=True)
class Traffic:
    """What a store has seen so far; ``None`` where it is not ours."""

    requests: int | None
    bytes: int | None

    def since(self, before: Traffic) -> Traffic:
        """What came between; unknown where the store was started anew."""
        return Traffic(_difference(self.requests, before.requests), _difference(self.bytes, before.bytes))


_NOTHING = Traffic(0, 0)


def query_cost(
    context: RunContext,
    ref: EngineRef,
    lake: Lake,
    call: Callable[[], Mapping[str, Any]],
    *,
    store: str = "",
    session: str = "",
) -> Cost:
    """The cost of ``call``, a query whose reply has the worker's ``ns`` and ``cpu_ns``.

    Requests and bytes are those at the service ``store``, where it is named: that takes longer than many a query.
    """
    remote = context.workers.open(ref, lake, session)
    before = _first(context.services, store) if store else Traffic(None, None)
    meter = Meter(remote.process.pid, _server(context.services, ref))
    meter.start()
    reply = call()
    cpu_ns, _ = meter.stop(int(reply["cpu_ns"]))
    seen = _last(context.services, store).since(before) if store else before
    return Cost(int(reply["ns"]), cpu_ns, seen.requests, seen.bytes)


def change_cost(
    context: RunContext,
    ref: EngineRef,
    lake: Lake,
    call: Callable[[], int],
    store: str,
    others: Callable[[], Traffic] = lambda: _NOTHING,
) -> Cost:
    """The cost of ``call``, which changes the table and returns the worker's nanoseconds; at the service ``store``.

    ``others`` is what somebody else has asked of the store so far, which is not part of it.
    """
    remote = context.workers.open(ref, lake)
    before, others_before = _first(context.services, store), others()
    pids = resources.tree([remote.process.pid, *_server(context.services, ref)])
    cpu_ns = resources.cpu_ns(pids)
    ns = call()
    used = resources.cpu_ns(pids) - cpu_ns
    others_after = others()
    seen = _last(context.services, store).since(before).since(others_after.since(others_before))
    return Cost(ns, used if used >= 0 else None, seen.requests, seen.bytes)


def _first(services: Services, store: str) -> Traffic:
    """The counters before the bytes: the store puts out the text of its counters, too."""
    requests = settled_counters(services.endpoint(store))
    return Traffic(sum(requests.values()) if requests else None, transferred(services.processes(store)).get("write"))


def _last(services: Services, store: str) -> Traffic:
    sent = transferred(services.processes(store)).get("write")
    requests = settled_counters(services.endpoint(store))
    return Traffic(sum(requests.values()) if requests else None, sent)


def _difference(after: int | None, before: int | None) -> int | None:
    return None if after is None or before is None or after < before else after - before


def _server(services: Services, ref: EngineRef) -> list[int]:
    server = engines.find(ref.name).service
    return services.processes(server) if server else []
