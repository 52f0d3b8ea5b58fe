"""Where things are kept between runs, and how they are kept from being made twice at once."""

from __future__ import annotations

import fcntl
import os
import shlex
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from lakebench.progress import Progress


RUNS = Path("runs")
"""Where runs lie, unless settings or a flag say otherwise."""


def cache_dir() -> Path:
    """The cache: ``$LAKEBENCH_CACHE``, or ``lakebench`` below ``$XDG_CACHE_HOME`` (``~/.cache``); an absolute path.

    A relative ``XDG_CACHE_HOME`` does not count, as the XDG Base Directory Specification says.
    """
    if own := os.environ.get("LAKEBENCH_CACHE"):
        return Path(own).absolute()
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "lakebench"


def run_name(folder: Path) -> str:
    """What commands call the run in ``folder``, as part of a command line: its id in the usual place, else its path."""
    return shlex.quote(folder.name if folder.parent == RUNS else str(folder))


def take(lock: IO[str], waiting: str, progress: Progress) -> None:
    """Lock the open file ``lock`` against other processes and threads; where one has it, say what is waited for."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        with progress.step(waiting):
            fcntl.flock(lock, fcntl.LOCK_EX)


def with_source() -> dict[str, str]:
    """This process's environment, our own source first among what a Python started with it imports from.

    With ``-P`` beside it, nothing is imported from the folder where the command runs: that may be one which others
    write to.
    """
    path = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
