"""A lock in a run's folder: one process works on a run. The kernel releases the lock however the process ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path

from lakebench.errors import UsageError
from lakebench.paths import run_name

FILE = "run.lock"
_TRIES, _PAUSE_S = 20, 0.05  # a process that only looks holds the lock for a moment
_PID_BYTES = 20


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Hold the lock of the run in ``folder``; make the folder if it is missing.

    Raises:
        UsageError: another process works on the run, or the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder / FILE, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror}; name another folder with --output") from None
    try:
        _lock(descriptor, folder)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: Path) -> None:
    for left in reversed(range(_TRIES)):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not left:
                raise at_it(folder, _process_id(descriptor)) from None
            time.sleep(_PAUSE_S)
        except OSError as error:
            raise UsageError(
                f"{folder / FILE} cannot be locked: {error.strerror}; name another folder with --output"
            ) from None
        else:
            return


def at_it(folder: Path, pid: int) -> UsageError:
    """The error for a run in ``folder`` on which the process ``pid`` works."""
    return UsageError(
        f"{folder.name} is still running in process {pid}: wait for its end; or end it with kill {pid}, then "
        f"lakebench run --resume {run_name(folder)} goes on"
    )


def process(folder: Path) -> int | None:
    """The id of the process that works on the run in ``folder`` now; ``None`` where there is none."""
    try:
        descriptor = os.open(folder / FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _process_id(descriptor)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return None


def _process_id(descriptor: int) -> int:
    """The process id in the lock file; 0 where there is none."""
    text = os.pread(descriptor, _PID_BYTES, 0)
    return int(text) if text.isdigit() else 0
