"""A process of ours that calls functions by their names, as its parent (:mod:`lakebench.processes.child`) asks.

A function is one of lakebench, or of the package of an installed phase; no record and no file of a user's names one.
Arguments and results are JSON values; the function gets its arguments in the types of its signature.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any

from pydantic import validate_call
from pydantic_core import to_jsonable_python

from lakebench.errors import HarnessFault, LakebenchError
from lakebench.processes.pipe import serve_parent

OURS = "lakebench"
PHASES = "lakebench.phases"
"""The entry points of phases: their packages may have functions."""


def name_of(function: Callable[..., Any]) -> str:
    """The name by which :func:`find` finds ``function``."""
    return f"{function.__module__}:{function.__qualname__}"


@functools.cache
def find(name: str) -> Callable[..., Any]:
    """The function ``module:name``, which takes JSON values for its arguments.

    Raises:
        HarnessFault: there is no such function at the top of a module of lakebench or of an installed phase.
    """
    module, _, qualname = name.partition(":")
    package = module.partition(".")[0]
    if package != OURS and package not in {one.module.partition(".")[0] for one in entry_points(group=PHASES)}:
        raise HarnessFault(f"{name} is no function of lakebench or of an installed phase")
    function = getattr(importlib.import_module(module), qualname, None)
    if not inspect.isfunction(function) or function.__module__ != module:
        raise HarnessFault(f"{module} has no function {qualname}")
    return validate_call(function)


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """The reply to ``request``: the ``value`` that its function returns."""
    value = find(request["function"])(**request["arguments"])
    return {"ok": True, "value": to_jsonable_python(value)}


def meaning(error: Exception) -> LakebenchError:
    """``error``, or a fault of ours where it is not an error of lakebench."""
    return error if isinstance(error, LakebenchError) else HarnessFault(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    for needed in sys.argv[1:-1]:  # before the first request waits for it
        importlib.import_module(needed)
    serve_parent(answer, meaning)
