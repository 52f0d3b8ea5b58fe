"""What the cases of a run share: datasets, tables and answers that are made once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from lakebench.errors import CaseEnd, CaseError, HarnessFault
from lakebench.execution.fault_log import FaultLog
from lakebench.execution.prerequisites import Prerequisites

T = TypeVar("T")


class PreparedData:
    """What is made once a run, by key; an error is remembered too. Safe to use from several threads.

    One thing is made at a time; a thread waits only for what is not there yet. What is made may need other prepared
    data, but must not wait for another thread that prepares some. The lock is the first of a run's locks: see
    :class:`~lakebench.execution.workers.WorkerPool`.
    """

    def __init__(self, prerequisites: Prerequisites, faults: FaultLog) -> None:
        self._prerequisites, self._faults = prerequisites, faults
        self._made: dict[str, Any] = {}
        self._making = threading.RLock()

    def once(self, key: str, make: Callable[[], T]) -> T:
        """What ``make`` gives, made with the first call for ``key``.

        Raises:
            CaseError: ``make`` failed so, in this call or an earlier one.
            HarnessFault: likewise, by a fault of ours.
            UsageError: a disk is full, which says nothing of what is prepared.
            ServiceLost: a service is gone that the run needs; likewise.
        """
        if key not in self._made:
            with self._making:
                if key not in self._made:
                    self._made[key] = self._outcome(make)
        value = self._made[key]
        if isinstance(value, CaseError | HarnessFault):
            raise value
        made: T = value
        return made

    def _outcome(self, make: Callable[[], T]) -> T | CaseEnd:
        """What ``make`` gives, or how it failed."""
        try:
            return make()
        except Exception as error:  # noqa: BLE001 - of a server or an engine, or a fault of ours
            end = error if isinstance(error, CaseError) else self._faults.fault(error)
            self._prerequisites.check(end)
            return end
