"""A process of ours that answers requests one by one, JSON objects in lines: the parent's end of it."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from lakebench.errors import HarnessFault, LakebenchError, kind_of, of_kind
from lakebench.paths import with_source
from lakebench.processes.guard import Guard

_SAID = 300


class Died(Exception):
    """The process is gone: its exit ``code``, and the end of what it ``said`` on standard error."""

    def __init__(self, code: int, said: str) -> None:
        super().__init__(f"has died with code {code}: {said}")
        self.code, self.said = code, said


class Silent(Exception):
    """There was no answer within the limit; the process was ended."""


def raised(error: Exception) -> dict[str, str]:
    """The reply of a child to a request that ended by ``error``: what is of no kind of ours is a fault of ours."""
    said = str(error) if isinstance(error, LakebenchError) else f"{type(error).__name__}: {error}"
    return {"raised": kind_of(error), "said": said, "traceback": "".join(traceback.format_exception(error))}


class Child:
    """``python -m module arguments``, started with the first request and again after one that ended it.

    ``log`` takes its standard error. Threads take turns. It imports nothing from the folder where the command runs
    (``-P``): that may be one which others write to.
    """

    def __init__(self, guard: Guard, module: str, log: Path, arguments: Sequence[str] = ()) -> None:
        self._guard, self._command, self._log = guard, [sys.executable, "-P", "-m", module, *arguments], log
        self._process: subprocess.Popen[bytes] | None = None
        self._turn = threading.Lock()

    def start(self) -> None:
        """Start the process, where there is none."""
        with self._turn:
            self._running()

    def ask(self, request: Mapping[str, Any], limit_s: float) -> dict[str, Any]:
        """The reply to ``request``.

        Raises:
            Died: the process is gone.
            Silent: it took longer than ``limit_s`` seconds.
            CaseError: it found something that becomes of a case.
            HarnessFault: code of ours failed there.
        """
        with self._turn:
            process = self._running()
            if process.stdin is None or process.stdout is None:  # pragma: no cover - Popen was given pipes
                raise HarnessFault("a child has no pipes")
            try:
                process.stdin.write(json.dumps(request).encode() + b"\n")
                process.stdin.flush()
            except BrokenPipeError:
                raise self._died(process) from None
            line = self._line(process, process.stdout, limit_s)
        reply: dict[str, Any] = json.loads(line)
        if "raised" in reply:
            raise of_kind(reply["raised"])(reply["said"], traceback=reply["traceback"])
        return reply

    def ask_again(self, request: Mapping[str, Any], limit_s: float) -> dict[str, Any]:
        """:meth:`ask`, and once more of a new process where the process died of it.

        Raises:
            Died: the new one is gone, too.
            Silent: it took longer than ``limit_s`` seconds.
        """
        try:
            return self.ask(request, limit_s)
        except Died:
            return self.ask(request, limit_s)

    def processes(self) -> list[int]:
        """The process, where there is one."""
        return [self._process.pid] if self._process else []

    def close(self) -> None:
        """End the process, where there is one."""
        with self._turn:
            self._end()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._log.open("ab") as log:
                self._process = self._guard.spawn(
                    self._command,
                    env=with_source(),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                )
        return self._process

    def _line(self, process: subprocess.Popen[bytes], replies: IO[bytes], limit_s: float) -> bytes:
        """One line of the reply; the pipe is read unbuffered, as ``select`` sees only what is in the pipe."""
        deadline = time.monotonic() + limit_s
        line = b""
        while not line.endswith(b"\n"):
            if not select.select([replies], [], [], max(0.0, deadline - time.monotonic()))[0]:
                self._end()
                raise Silent
            data = os.read(replies.fileno(), 1 << 16)
            if not data:
                raise self._died(process)
            line += data
        return line

    def _died(self, process: subprocess.Popen[bytes]) -> Died:
        code = process.wait()
        self._end()
        return Died(code, " ".join(self._log.read_text("utf-8", "replace").split())[-_SAID:] or "it said nothing")

    def _end(self) -> None:
        if self._process:
            self._guard.kill(self._process)
        self._process = None
