"""The parent's end of a worker: a child process with one engine, that may hang, die or eat memory."""

from __future__ import annotations

import dataclasses
import os
import signal
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lakebench.engines import Engine
from lakebench.errors import CaseEnd, EngineCrash, HarnessFault, OutOfMemory, Timeout
from lakebench.model import EngineRef, EngineSettings, Lake
from lakebench.processes import replies, resources
from lakebench.processes.guard import Guard
from lakebench.processes.pipe import Closed, Pipe

_LOOK_S = 0.1
_MAKE_LIMIT_S = 120.0
_LOOK_FOR_CHILDREN_S = 2.0
_LOG_TAIL = 2000
_TRACEBACK = "Traceback (most recent call last)"


class Remote:
    """A worker process with one engine.

    ``environment`` names the locked one that it runs in, if any. ``limit_bytes`` is what the worker's whole process
    tree may hold in memory. After :class:`~lakebench.errors.Timeout`, :class:`~lakebench.errors.OutOfMemory` or
    :class:`~lakebench.errors.EngineCrash` the process is gone.

    The process begins to import what its engine needs at once; :meth:`make` comes when the servers are there.
    """

    def __init__(
        self, guard: Guard, engine: type[Engine], ref: EngineRef, python: Path, folder: Path, limit_bytes: int
    ) -> None:
        self.ref = ref
        self.environment = ""
        self.lake: Lake | None = None
        self.versions: dict[str, str] = {}
        self.settings: dict[str, str] = {}
        self.folder = folder
        self._limit_bytes = limit_bytes
        self._adapter = f"{engine.__module__}:{engine.__name__}"
        self.made = False
        command = [str(python), "-m", "lakebench.processes.worker"]
        self._pipe = Pipe(guard, command, folder / "log", _environment(folder, guard.folder, python), folder)
        self.process = self._pipe.process
        self._pids = [self.process.pid]
        self._unread = 1  # the reply to this, which nobody waits for yet
        self._send("preload", engine=self._adapter)

    def make(self, settings: EngineSettings) -> None:
        """Make the adapter, unless it is made already."""
        if not self.made:
            self.call("make", limit_s=_MAKE_LIMIT_S, engine=self._adapter, settings=dataclasses.asdict(settings))
            self.made = True

    @property
    def alive(self) -> bool:
        """Whether the process is still there."""
        return self._pipe.alive

    def open(self, lake: Lake, limit_s: float) -> None:
        """Open ``lake``, unless it is open already."""
        if self.lake == lake:
            return
        self.lake = None
        reply = self.call("open", limit_s=limit_s, lake=dataclasses.asdict(lake))
        self._check_memory("open")  # a quick answer comes before anybody has looked
        self.lake, self.versions, self.settings = lake, reply["versions"], reply["settings"]

    def close(self, limit_s: float) -> None:
        """Close the engine's connection; ``open`` makes another."""
        self.lake = None
        self.call("close", limit_s=limit_s)

    def call(self, operation: str, *, limit_s: float, raised_by: str = "", **arguments: Any) -> dict[str, Any]:
        """Ask the worker for ``operation`` and wait ``limit_s`` seconds at most; the option ``raised_by`` raises that.

        Raises:
            CaseError: what the worker reported, or how it ended.
        """
        while self._unread:
            self._line("the start of its process", _MAKE_LIMIT_S)
            self._unread -= 1
        self._send(operation, **arguments)
        what = f"{operation} of {arguments['table']}" if "table" in arguments else operation
        reply = replies.parsed(operation, self._line(what, limit_s, raised_by), self._adapter)
        if reply["ok"]:
            return reply
        raise replies.error_from(reply["error"])

    def _send(self, operation: str, **arguments: Any) -> None:
        try:
            self._pipe.send({"op": operation, **arguments})
        except Closed:
            raise self._died() from None

    def kill(self) -> None:
        """End the process at once; the log stays."""
        self._pipe.end()

    def _line(self, what: str, limit_s: float, raised_by: str = "") -> bytes:
        """The next line of the worker, within the limits on time and memory."""
        deadline = time.monotonic() + limit_s
        children_at = time.monotonic() + _LOOK_FOR_CHILDREN_S
        while (line := self._next_line()) is None:
            now = time.monotonic()
            if now > deadline:
                self.kill()
                how = f": {raised_by} raises the limit" if raised_by else ""
                message = f"{self.ref} gave no answer to {what} within {limit_s:g} s{how}"
                raise Timeout(message, limit_s=limit_s, log=self.log_tail())
            if now > children_at:
                self._pids, children_at = resources.tree([self.process.pid]), now + _LOOK_FOR_CHILDREN_S
            self._check_memory(what)
        return line

    def _next_line(self) -> bytes | None:
        try:
            return self._pipe.line(_LOOK_S)
        except Closed:
            raise self._died() from None

    def _check_memory(self, what: str) -> None:
        used = resources.resident_bytes(self._pids)
        if used > self._limit_bytes:
            self.kill()
            raise OutOfMemory(
                f"the process of {self.ref} held {used / 2**30:.2f} GiB at {what}, and its limit is "
                f"{self._limit_bytes / 2**30:.2f} GiB: [engines.{self.ref.name}] memory in lakebench.toml raises it",
                limit_bytes=self._limit_bytes,
                used_bytes=used,
            )

    def _died(self) -> CaseEnd:
        """What the end of the process means: an exception before its first reply can only be ours."""
        code = self._pipe.died()
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        log = self.log_tail()
        if self._unread and code == 1 and _TRACEBACK in log:
            last_line = log.strip().rpartition("\n")[2]
            return HarnessFault(f"a worker could not start: {last_line}", exit_code=code, log=log)
        began = "" if self.made else " before the engine was there"
        return EngineCrash(f"the engine's process died {how}{began}", exit_code=code, log=log)

    def log_tail(self) -> str:
        """The end of what the engine printed."""
        return self._pipe.log_tail(_LOG_TAIL)


def _environment(folder: Path, shared: Path, python: Path) -> Mapping[str, str]:
    """The worker's variables.

    A link leads to our source, because another environment must not see this one's packages. ``TMPDIR`` is the worker's
    own folder, so that files an engine leaves are removed with the run.
    """
    source = shared / "source"
    source.mkdir(mode=0o700, exist_ok=True)
    link = source / "lakebench"
    if not link.exists():
        link.symlink_to(Path(__file__).parents[1])
    path = [str(source)]
    if python == Path(sys.executable):  # an adapter of the user's own may lie on the path that this process has
        path += [*filter(None, [os.environ.get("PYTHONPATH")])]
    own = {"PYTHONPATH": os.pathsep.join(path), "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}
    # Libraries that use requests, such as Trino's client, read the authorities that this process accepts from here.
    authorities = {"REQUESTS_CA_BUNDLE": os.environ["SSL_CERT_FILE"]} if "SSL_CERT_FILE" in os.environ else {}
    return {**os.environ, **authorities, **own}
