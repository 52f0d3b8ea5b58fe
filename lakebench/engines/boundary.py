"""Where an adapter calls its engine: what is raised there is the engine's, and nothing else is.

An adapter gives the engine's own function, and what it is called with, to :data:`engine_call`, or to
:class:`EngineCalls` of its own where the engine's errors need a reading of their own. SQL, arguments and Arrow tables
that the adapter computes are computed outside. Whatever is raised outside, and is none of
:mod:`lakebench.errors`, is an error of the adapter's: :func:`meaning` makes it a fault, which blames no engine.
"""

from __future__ import annotations

import functools
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from types import ModuleType, TracebackType
from typing import Any, ParamSpec, TypeVar

from lakebench.engines.listening import hear
from lakebench.errors import (
    CommitConflict,
    EngineCrash,
    EngineUnavailable,
    HarnessFault,
    LakebenchError,
    OutOfMemory,
    Refused,
)

P = ParamSpec("P")
T = TypeVar("T")
Reading = Callable[[Exception], LakebenchError]
"""What an exception of the engine means."""

OURS = "lakebench"
_LINES = 6
_STACK = "Stack Trace:"  # of DuckDB's internal errors: addresses, which differ each time
_PANIC = "PanicException"  # pyo3's, a BaseException of its own in each extension module
_END = object()
_CONFLICT = re.compile(
    r"DuckLake transaction\.\s+(?:Transaction conflict|Exceeded the maximum retry count)|"
    r"CommitFailed|Conflict_?409|\b409\b|requirement failed|has changed: expected|"
    r"ValidationException: (?:Added data|Deleted data|Data files were concurrently|Cannot commit, found new delete|"
    r"Missing required files)",
    re.IGNORECASE,
)
_MEMORY = re.compile(
    r"out of memory|resources exhausted|cannot allocate|allocation failed|cannot request \d+ bytes, only", re.IGNORECASE
)
_callback_faults: list[Exception] = []


def read_error(error: Exception) -> LakebenchError:
    """The meaning of an exception of a Python library: a lost race or too little memory by its text, else a refusal."""
    message = f"{type(error).__name__}: {words(error)}"
    if _CONFLICT.search(message):
        return CommitConflict(message)
    return OutOfMemory(message) if _MEMORY.search(message) else Refused(message)


class EngineCalls:
    """Calls of an engine's own functions; ``reading`` says what an exception of theirs means.

    Each way of calling raises:

    - EngineUnavailable: a package is missing.
    - OutOfMemory: this process has no more memory.
    - EngineCrash: an engine in Rust panicked; its locks may still be held, so the process is not used again.
    - what ``reading`` makes of anything else.
    """

    def __init__(self, reading: Reading = read_error) -> None:
        self._reading = reading

    def __call__(self, function: Callable[..., T], /, *args: Any, **named: Any) -> T:
        """The result of ``function``; its arguments are computed before, outside."""
        hear(function, args, named)
        try:
            result = function(*args, **named)
        except LakebenchError:
            raise
        except MemoryError as error:
            raise OutOfMemory(f"the engine ran out of memory: {error or 'MemoryError'}") from error
        except Exception as error:
            raise self._meant(error) from error
        except BaseException as error:
            if type(error).__name__ != _PANIC:
                raise
            raise EngineCrash(f"the engine panicked: {words(error)}") from error
        if _callback_faults:
            raise _of_callback()
        return result

    def rows(self, answer: Iterable[T]) -> Iterator[T]:
        """The items of the engine's lazy ``answer``, as they are asked for."""
        iterator = self(iter, answer)
        while (row := self(next, iterator, _END)) is not _END:
            yield row

    def entered(self, function: Callable[..., AbstractContextManager[T]], /, *args: Any, **named: Any) -> _Entered[T]:
        """The context manager that ``function`` gives: its entry and exit are calls, the block is not."""
        return _Entered(self, self(function, *args, **named))

    def _meant(self, error: Exception) -> Exception:
        if _callback_faults:
            return _of_callback()
        return _missing(error) or self._reading(error)


class _Entered(AbstractContextManager[T]):
    def __init__(self, call: EngineCalls, context: AbstractContextManager[T]) -> None:
        self._call, self._context = call, context

    def __enter__(self) -> T:
        return self._call(self._context.__enter__)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        try:
            return self._call(self._context.__exit__, kind, error, trace)
        except LakebenchError as raised:
            if error is not None and raised.__cause__ is error:  # the block's own, passed on
                return False
            raise


engine_call = EngineCalls()
"""Calls of an engine that is a Python library."""


def called_back(function: Callable[P, T]) -> Callable[P, T]:
    """A function of ours that an engine calls: the engine's errors pass as they are, and ours stay ours.

    What the engine makes of an exception that comes from here would be taken for its own.
    """

    @functools.wraps(function)
    def guarded(*args: P.args, **named: P.kwargs) -> T:
        try:
            return function(*args, **named)
        except LakebenchError as error:
            raise error.__cause__ or error from None
        except Exception as error:
            _callback_faults.append(error)
            raise

    return guarded


def _of_callback() -> Exception:
    fault, *_ = _callback_faults
    _callback_faults.clear()
    return fault


def meaning(error: Exception, adapter: str = "") -> LakebenchError:
    """The meaning of an exception that came from no call of the engine; ``adapter`` is the worker's ``module:Class``.

    One of :mod:`lakebench.errors` was raised on purpose. A package of the engine's that cannot be imported makes the
    engine unavailable; an attribute that an object of the engine's lacks in this version is a refusal; anything else is
    a fault.
    """
    if isinstance(error, LakebenchError):
        return error
    return _not_importable(error, adapter) or _lacking(error, adapter) or _fault(error, adapter)


def words(error: BaseException) -> str:
    """The first lines of what ``error`` says, without a stack; an error without words has those of its cause.

    What Ray passes on from a task begins with the stack of the task: its words are those of the task's own error.
    """
    passed_on = getattr(error, "cause", None)
    if isinstance(passed_on, BaseException) and type(error).__module__.startswith("ray."):
        return words(passed_on)
    lines = [line for line in str(error).partition(_STACK)[0].splitlines() if line.strip()]
    if not lines and error.__cause__ is not None:
        return words(error.__cause__)
    return "\n".join(lines[:_LINES]) or repr(error)


def _missing(error: Exception) -> EngineUnavailable | None:
    if not isinstance(error, ImportError) or _top(error.name) == OURS:
        return None
    return EngineUnavailable(f"{words(error)}: install what is missing, or the version that fits")


def _not_importable(error: Exception, adapter: str) -> EngineUnavailable | None:
    """The meaning of an error at the import of a module that is neither ours nor the adapter's."""
    if missing := _missing(error):
        return missing
    imported = [name for name, code in _frames(error) if code == "<module>"]
    if not imported or _top(imported[-1]) in {OURS, _top(adapter)}:
        return None
    package, reason = _top(imported[-1]), f"{type(error).__name__}: {words(error)}"
    return EngineUnavailable(
        f"{package} fails when it is imported ({reason}): install it again, or a version that works"
    )


def _lacking(error: Exception, adapter: str) -> Refused | None:
    """A refusal, where an object of the engine's lacks an attribute that the adapter uses."""
    if not isinstance(error, AttributeError) or error.obj is None:
        return None
    owner = error.obj if isinstance(error.obj, type | ModuleType) else type(error.obj)
    package = _top(getattr(owner, "__module__", "") or owner.__name__)
    ours = package in {OURS, _top(adapter)} or package in sys.stdlib_module_names
    return None if ours else Refused(f"{type(error).__name__}: {words(error)}")


def _fault(error: Exception, adapter: str) -> HarnessFault:
    module = adapter.partition(":")[0]
    packages = {module.rpartition(".")[0] or module, f"{OURS}.engines"}
    of_adapter = any(f"{name}.".startswith(f"{package}.") for name, _ in _frames(error) for package in packages)
    whose = f"the adapter {adapter}" if adapter and of_adapter else "the worker"
    return HarnessFault(f"{whose} raised {type(error).__name__}: {words(error)}")


def _frames(error: Exception) -> list[tuple[str, str]]:
    """The module and the code's name of each frame that ``error`` came through, the innermost last."""
    walked: Any = traceback.walk_tb(error.__traceback__)
    return [(str(frame.f_globals.get("__name__", "")), frame.f_code.co_name) for frame, _ in walked]


def _top(module: str | None) -> str:
    return (module or "").partition(":")[0].partition(".")[0]
