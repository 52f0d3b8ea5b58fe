"""A process of ours that answers requests one by one, both JSON objects in lines: the parent's end, and the child's.

The child reads requests from its standard input, and writes replies to the descriptor that its last argument names.
Its standard output and error go to a log: whatever a library prints, it cannot be taken for a reply.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from lakebench.errors import HarnessFault, LakebenchError, kind_of

if TYPE_CHECKING:  # a worker's environment has no more than its engine needs
    from lakebench.processes.guard import Guard

_TRACEBACK_LINES = 60


class Closed(Exception):
    """The other end is gone."""


class Pipe:
    """The parent's end: the process of ``command``, whose output goes to ``log``; ``env`` and ``cwd`` are as Popen's.

    The folder of ``log`` is made, its owner's alone, where it is not there.
    """

    def __init__(
        self, guard: Guard, command: Sequence[str], log: Path, env: Mapping[str, str], cwd: Path | None = None
    ) -> None:
        log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._guard, self._log, self._read = guard, log, b""
        self._descriptor = threading.Lock()  # nobody closes it while another thread reads: its number may be another's
        self._replies, write = os.pipe()
        try:
            with log.open("ab") as out:
                self.process: subprocess.Popen[bytes] = guard.spawn(
                    [*command, str(write)],
                    env=env,
                    cwd=cwd,
                    stdin=subprocess.PIPE,
                    stdout=out,
                    stderr=out,
                    pass_fds=(write,),
                )
        finally:
            os.close(write)

    @property
    def alive(self) -> bool:
        """Whether the process is still there."""
        return self.process.poll() is None

    def send(self, request: Mapping[str, Any]) -> None:
        """Send ``request``; its reply is one more line.

        Raises:
            Closed: the process is gone.
        """
        if self.process.stdin is None:  # pragma: no cover - Popen was given a pipe
            raise HarnessFault("a process of ours has no standard input")
        try:
            self.process.stdin.write(json.dumps(request).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Closed from None

    def line(self, wait_s: float) -> bytes | None:
        """The next line of the replies; ``None`` where it is not whole within ``wait_s`` seconds.

        Raises:
            Closed: the process is gone.
        """
        deadline = time.monotonic() + wait_s
        while b"\n" not in self._read:
            data = self._more(max(0.0, deadline - time.monotonic()))
            if data is None:
                return None
            self._read += data
        line, _, self._read = self._read.partition(b"\n")
        return line

    def _more(self, wait_s: float) -> bytes | None:
        with self._descriptor:
            if self._replies >= 0 and not select.select([self._replies], [], [], wait_s)[0]:
                return None
            if self._replies >= 0 and (data := os.read(self._replies, 1 << 16)):
                return data
        raise Closed

    def end(self) -> int:
        """End the process where it is still there, and give its exit code; the log stays."""
        self._guard.kill(self.process)
        with self._descriptor:
            if self._replies >= 0:
                os.close(self._replies)
            self._replies = -1
        return self.process.returncode

    def died(self) -> int:
        """The exit code of a process that is :class:`Closed`."""
        self.process.wait()
        return self.end()

    def log_tail(self, size: int) -> str:
        """The end of what it printed, ``size`` bytes at most."""
        try:
            return self._log.read_bytes()[-size:].decode("utf-8", "replace")
        except OSError:
            return ""


def failure(error: LakebenchError) -> dict[str, Any]:
    """The reply to a request that ended by ``error``, or by the exception that is handled and that ``error`` means."""
    return {
        "ok": False,
        "error": {
            "kind": kind_of(error),
            "message": str(error),
            "details": json.loads(json.dumps(error.details, default=str)),
            "traceback": "\n".join(traceback.format_exc().splitlines()[-_TRACEBACK_LINES:]),
        },
    }


def serve(
    requests: IO[bytes],
    replies: IO[bytes],
    answer: Callable[[dict[str, Any]], Mapping[str, Any]],
    meaning: Callable[[Exception], LakebenchError],
) -> None:
    """Answer requests until the parent closes its end. What is raised is replied as what it means."""
    for line in requests:
        replies.write(_reply(line, answer, meaning))
        replies.flush()


def _reply(
    line: bytes,
    answer: Callable[[dict[str, Any]], Mapping[str, Any]],
    meaning: Callable[[Exception], LakebenchError],
) -> bytes:
    try:
        return _encoded(answer(json.loads(line)))
    except Exception as error:  # noqa: BLE001 - whatever is raised is an outcome or a fault, never the end of a run
        return _encoded(failure(meaning(error)))


def serve_parent(
    answer: Callable[[dict[str, Any]], Mapping[str, Any]], meaning: Callable[[Exception], LakebenchError]
) -> None:
    """:func:`serve` the parent that started this process by :class:`Pipe`."""
    with contextlib.suppress(BrokenPipeError), os.fdopen(int(sys.argv[-1]), "wb") as replies:
        serve(sys.stdin.buffer, replies, answer, meaning)


def _encoded(reply: Mapping[str, Any]) -> bytes:
    return json.dumps(reply, default=str).encode() + b"\n"
