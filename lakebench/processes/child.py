"""The parent's end of a process that calls functions by their names (:mod:`lakebench.processes.functions`)."""

from __future__ import annotations

import functools
import inspect
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, get_type_hints

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from lakebench.errors import HarnessFault
from lakebench.paths import with_source
from lakebench.processes import replies
from lakebench.processes.functions import name_of
from lakebench.processes.guard import Guard
from lakebench.processes.pipe import Closed, Pipe

P = ParamSpec("P")
T = TypeVar("T")
_LOG_TAIL = 300


class Died(Exception):
    """The process is gone: its exit ``code``, and ``log``, the end of its log."""

    def __init__(self, code: int, log: str) -> None:
        super().__init__(f"has died with code {code}: {log}")
        self.code, self.log = code, log


class Silent(Exception):
    """There was no answer within the limit; the process was ended."""


class Child:
    """The process, started by the first call and again after a call that ended it; it imports ``needed`` at its start.

    ``log`` takes its output. Threads take turns. It imports nothing from the folder where the command runs (``-P``):
    others may be able to write there.
    """

    def __init__(self, guard: Guard, log: Path, needed: Sequence[str] = ()) -> None:
        self._guard, self._log = guard, log
        self._command = [sys.executable, "-P", "-m", "lakebench.processes.functions", *needed]
        self._pipe: Pipe | None = None
        self._turn = threading.Lock()

    def start(self) -> None:
        """Start the process, where there is none."""
        with self._turn:
            self._running()

    def call(self, limit_s: float, function: Callable[P, T], /, *args: P.args, **named: P.kwargs) -> T:
        """The result of ``function``, called there; its arguments and result have types that JSON can hold.

        Raises:
            Died: the process is gone.
            Silent: it took longer than ``limit_s`` seconds.
            CaseError: the function ended by what is the outcome of a case.
            HarnessFault: code of ours failed there.
        """
        arguments = _signature(function).bind(*args, **named).arguments
        request = {"function": name_of(function), "arguments": to_jsonable_python(arguments)}
        reply = replies.parsed(name_of(function), self._reply(request, limit_s))
        if not reply["ok"]:
            raise replies.error_from(reply["error"])
        try:
            value: T = _result_type(function).validate_python(reply.get("value"))
        except ValidationError as error:
            raise HarnessFault(f"{name_of(function)} did not return what its annotation says: {error}") from None
        return value

    def processes(self) -> list[int]:
        """The process, where there is one."""
        return [self._pipe.process.pid] if self._pipe else []

    def close(self) -> None:
        """End the process, where there is one."""
        with self._turn:
            self._end()

    def _reply(self, request: dict[str, Any], limit_s: float) -> bytes:
        with self._turn:
            pipe = self._running()
            try:
                pipe.send(request)
                line = pipe.line(limit_s)
            except Closed:
                raise self._died(pipe) from None
            if line is None:
                self._end()
                raise Silent
            return line

    def _running(self) -> Pipe:
        if self._pipe is None:
            self._pipe = Pipe(self._guard, self._command, self._log, with_source())
        return self._pipe

    def _died(self, pipe: Pipe) -> Died:
        self._pipe = None
        code = pipe.died()
        return Died(code, " ".join(pipe.log_tail(_LOG_TAIL).split()) or "its log is empty")

    def _end(self) -> None:
        if self._pipe:
            self._pipe.end()
        self._pipe = None


_signature = functools.cache(inspect.signature)


@functools.cache
def _result_type(function: Callable[..., Any]) -> TypeAdapter[Any]:
    return TypeAdapter(get_type_hints(function)["return"])
