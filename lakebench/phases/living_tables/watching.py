"""A reader that reads all along while a table is maintained, by a way of its own to the store, which is counted."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from lakebench import engines
from lakebench.datasets.living import seen
from lakebench.errors import CaseError
from lakebench.execution.context import RunContext
from lakebench.iceberg.scan import Scan
from lakebench.model import EngineRef, Lake
from lakebench.phases.call_costs import Traffic
from lakebench.services.fault_proxies import HttpProxy, Passed

_SESSION = "living watcher"
_WAIT_S = 1200.0
_FIRST_S = 60.0


@dataclass
class Watched:
    """What came of it: the numbers of reads that were right, and of those that failed, with the first error."""

    reader: EngineRef
    counts: dict[str, Any] = field(default_factory=dict)
    requests: int = 0
    bytes: int = 0

    def before(self, method: str, path: str) -> None:
        """Let it pass."""

    def after(self, passed: Passed) -> None:
        """Count an answer."""
        self.requests += 1
        self.bytes += len(passed.answer)

    @property
    def traffic(self) -> Traffic:
        """What the reader asked of the store."""
        return Traffic(self.requests, self.bytes)

    def to_json(self) -> dict[str, Any]:
        """As a record has it."""
        return {"reader": str(self.reader), **self.counts}


def reader_of(readers: Sequence[EngineRef], maintainer: EngineRef) -> EngineRef | None:
    """Who reads meanwhile: an engine inside its worker, whose processes are not those of ``maintainer``'s server."""
    inside = [ref for ref in readers if engines.find(ref.name).service is None]
    others = [ref for ref in inside if ref != maintainer]
    return next(iter([*others, *inside]), None)


@contextlib.contextmanager
def watched(context: RunContext, reader: EngineRef, lake: Lake, scan: Scan, expected: Path) -> Iterator[Watched]:
    """Let ``reader`` ask for ``scan`` again and again while the block runs; each answer has to be ``expected``."""
    log, stop = context.files.new("watcher").with_suffix(".jsonl"), context.files.new("stop")
    watching = Watched(reader)
    address = urlsplit(lake.objects.endpoint)
    with HttpProxy(address.hostname or "", address.port or 0, watcher=watching) as proxy, ThreadPoolExecutor(1) as pool:
        by_way = _by_way(lake, proxy.port)
        arguments: Mapping[str, Any] = {"scan": scan.to_json(), "into": str(log), "stop": str(stop)}
        running = pool.submit(context.client.call, reader, by_way, "watch", _WAIT_S, session=_SESSION, **arguments)
        try:
            _wait_for(log, running)
            yield watching
        finally:
            stop.touch()
        with contextlib.suppress(CaseError):  # its log has what it read, and how it failed
            running.result()
        watching.counts = context.checker.call(seen.counted, log, expected)
    context.workers.close(reader, _SESSION)


def _wait_for(log: Path, running: Future[Any]) -> None:
    """Until the first read has ended, so that a short step is read meanwhile as well."""
    deadline = time.monotonic() + _FIRST_S
    while not (log.exists() and log.stat().st_size) and not running.done() and time.monotonic() < deadline:
        time.sleep(0.02)


def _by_way(lake: Lake, port: int) -> Lake:
    parts = urlsplit(lake.objects.endpoint)
    endpoint = urlunsplit(parts._replace(netloc=f"{parts.hostname}:{port}"))
    return replace(lake, store=replace(lake.objects, endpoint=endpoint))
