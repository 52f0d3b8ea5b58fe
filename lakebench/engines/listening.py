"""What an engine is asked while something listens: each statement, and each function with its arguments."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from contextvars import ContextVar
from typing import Any

_heard: ContextVar[list[str] | None] = ContextVar("heard", default=None)
_CALLS = 20
"""Calls that are kept of one listening."""
_CHARACTERS = 2000
"""Characters that are kept of one call: values may be megabytes long."""
_FETCHING = ("fetch", "close", "__")
"""Beginnings of the names of functions that only fetch what was asked for, or end it."""
_BINDING = "pybind11"
"""The beginning of what stands for the class of a method in DuckDB's binding."""


@contextlib.contextmanager
def listening() -> Iterator[list[str]]:
    """The statements and calls of the block, in order; one that follows itself is there once."""
    calls: list[str] = []
    token = _heard.set(calls)
    try:
        yield calls
    finally:
        _heard.reset(token)


def hear(function: Callable[..., Any], args: tuple[Any, ...], named: Mapping[str, Any]) -> None:
    """Note that the engine's ``function`` is called, where something listens."""
    calls = _heard.get()
    if calls is None or len(calls) >= _CALLS or _only_fetches(function):
        return
    call = _in_words(function, args, named)
    if not calls or calls[-1] != call:
        calls.append(call if len(call) <= _CHARACTERS else f"{call[:_CHARACTERS]}…")


def _only_fetches(function: Callable[..., Any]) -> bool:
    name = _name(function).rpartition(".")[2]
    return any(function is one for one in (iter, next, getattr)) or name.startswith(_FETCHING)


def _name(function: Callable[..., Any]) -> str:
    """Its class and name; an engine's object that can be called may have anything else under ``__qualname__``."""
    name = getattr(function, "__qualname__", None)
    if not isinstance(name, str):
        return type(function).__name__
    return name.rpartition(".")[2] if name.startswith(_BINDING) else name


def _in_words(function: Callable[..., Any], args: tuple[Any, ...], named: Mapping[str, Any]) -> str:
    """The statement alone where one is handed over, else the function with its arguments."""
    if len(args) == 1 and not named and isinstance(args[0], str) and " " in args[0]:
        return args[0]
    arguments = [*map(_shown, args), *(f"{key}={_shown(value)}" for key, value in named.items())]
    return f"{_name(function)}({', '.join(arguments)})"


def _shown(value: Any) -> str:
    """Plain values and expressions as they are; of options, which may hold keys, and of anything else the kind."""
    kind = type(value)
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"({', '.join(map(_shown, value))})"
    if "expr" in f"{kind.__module__}.{kind.__qualname__}".lower():
        with contextlib.suppress(Exception):  # an engine's own text, which the call does not need
            return str(value)
    return f"<{kind.__name__}>"
