"""Answers are checked after the clock, in a process that is neither an engine's nor the parent.

The parent, which never reads a row, gives :meth:`Checker.call` a function of :mod:`lakebench.datasets` or of a phase;
tables are files (Arrow IPC, or Parquet), whose paths are its arguments. Small tables are written there for the same
reason.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from lakebench.errors import CheckerLost, HarnessFault
from lakebench.processes.child import Child, Died, Silent
from lakebench.processes.guard import Guard

P = ParamSpec("P")
T = TypeVar("T")
_LIMIT_S = 600.0
_ATTEMPTS = 2


class Checker:
    """The checker process, started by the first call, and again where it died. Threads take turns."""

    def __init__(self, guard: Guard) -> None:
        self._child = Child(guard, guard.folder / "checker.log", ("pyarrow.parquet",))

    def call(self, function: Callable[P, T], /, *args: P.args, **named: P.kwargs) -> T:
        """The result of ``function``, called there.

        Raises:
            CaseError: the function ended by what is the outcome of a case.
            HarnessFault: code of ours failed there.
            CheckerLost: the process died of it, and so did a second one.
        """
        name = function.__name__
        for _ in range(_ATTEMPTS):
            try:
                return self._child.call(_LIMIT_S, function, *args, **named)
            except Silent:
                raise HarnessFault(f"the checker gave no answer to {name} within {_LIMIT_S:g} s") from None
            except Died as error:
                died = error
        raise CheckerLost(f"the checker {died} (twice at the same call, {name})")

    def processes(self) -> list[int]:
        """The process, where there is one."""
        return self._child.processes()

    def start(self) -> None:
        """Start the process, where there is none; it imports what it needs at once."""
        self._child.start()

    def close(self) -> None:
        """End the process, where there is one."""
        self._child.close()
