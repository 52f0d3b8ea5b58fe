"""What a worker does in a loop while other workers do the same: a writer's tasks, a reader's reads.

The begin and the end of each is a line of a file, written before the next step, so that the file of a killed process
says what it had done. Times are nanoseconds of the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from lakebench.engines import CanExecute, CanOperate, CanScan, Engine
from lakebench.errors import CaseError, CommitConflict
from lakebench.iceberg.operations import Operation
from lakebench.iceberg.scan import Scan
from lakebench.model import Lake

_PAUSE_S = 0.005


@dataclass(frozen=True)
class Retry:
    """A client's retries: ``attempts`` tries while the error contains ``on``, waiting ``wait_s · 2ⁿ`` between them."""

    on: str
    attempts: int
    wait_s: float


@dataclass(frozen=True)
class Shape:
    """How a writer connects: once (``kept``) or again for each task; each task begins with the SQL of ``before``."""

    kept: bool = True
    before: str = ""
    retry: Retry | None = None


class TaskWriter:
    """Carries out tasks on ``lake`` with ``engine``; it keeps one connection or opens one for each task.

    An error of the engine ends the task; any other exception ends the work, as a fault of ours.
    """

    def __init__(self, engine: Engine, lake: Lake, shape: Shape) -> None:
        self._engine, self._lake, self._shape = engine, lake, shape
        self._open = False

    def enter(self) -> None:
        """Connect ahead, where the connection is kept.

        Raises:
            CaseError: the engine's; each task tries again to connect.
        """
        if self._shape.kept:
            self._connect()

    def leave(self) -> None:
        """Disconnect."""
        if self._open:
            self._open = False
            self._engine.close()

    def work(self, tasks: Sequence[tuple[int, Operation]], log: IO[str], start_ns: int, limit_s: float) -> None:
        """All of ``tasks`` in order from ``start_ns`` on; none begins ``limit_s`` seconds later."""
        while time.monotonic_ns() < start_ns:
            time.sleep(_PAUSE_S / 5)
        for number, operation in tasks:
            if time.monotonic_ns() - start_ns > limit_s * 1e9:
                return
            _write(log, task=number, began=time.monotonic_ns())
            _write(log, task=number, **self._task(operation))

    def _task(self, operation: Operation) -> dict[str, Any]:
        tries = 0
        while True:
            tries += 1
            try:
                self._try(operation)
            except CaseError as error:
                self._after(error)
                if not self._again(error, tries):
                    failure = {"kind": type(error).__name__, "message": str(error)}
                    return {"ended": time.monotonic_ns(), "state": "refused", "tries": tries, **failure}
            else:
                return {"ended": time.monotonic_ns(), "state": "done", "tries": tries}

    def _try(self, operation: Operation) -> None:
        if not self._open:
            self._connect()
        if self._shape.before and isinstance(self._engine, CanExecute):
            self._engine.execute(self._shape.before)
        if isinstance(self._engine, CanOperate):
            self._engine.operate(operation, lambda _: None)
        if not self._shape.kept:
            self.leave()

    def _connect(self) -> None:
        self._engine.open(self._lake)
        self._open = True

    def _after(self, error: CaseError) -> None:
        """Drop the connection, unless it only lost a race: then it is as good as before."""
        if not (self._shape.kept and isinstance(error, CommitConflict)):
            with contextlib.suppress(CaseError):
                self.leave()
            self._open = False

    def _again(self, error: CaseError, tries: int) -> bool:
        retry = self._shape.retry
        if retry is None or retry.on not in str(error) or tries >= retry.attempts:
            return False
        time.sleep(retry.wait_s * 2 ** (tries - 1))
        return True


def watch(
    engine: Any, scan: Scan, log: IO[str], stop: Path, drain: Callable[[Any], Any], reopen: Callable[[], None]
) -> None:
    """Read ``scan`` over and over until the file ``stop`` exists; ``drain`` turns an answer into rows.

    After a read that failed ``reopen`` makes a new connection.
    """
    assert isinstance(engine, CanScan)  # noqa: S101 - the caller asked for the ability
    failed = False
    while not stop.exists():
        began = time.monotonic_ns()
        try:
            if failed:
                reopen()
            rows = drain(engine.scan(scan))
        except CaseError as error:  # it is logged, and the next read tries again
            failed = True
            _write(log, began=began, ended=time.monotonic_ns(), kind=type(error).__name__, message=str(error))
        else:
            failed = False
            _write(log, began=began, ended=time.monotonic_ns(), rows=rows)
        time.sleep(_PAUSE_S)


def _write(log: IO[str], **entry: Any) -> None:
    log.write(json.dumps(entry) + "\n")
    log.flush()


def shape_from(value: Mapping[str, Any]) -> Shape:
    """The shape from the JSON that ``dataclasses.asdict`` made of it."""
    return Shape(**{**value, "retry": Retry(**value["retry"]) if value["retry"] else None})
