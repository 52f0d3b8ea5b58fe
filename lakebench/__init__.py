"""lakebench: which lakehouse engine reads and writes what another wrote, and how fast, measured on real servers.

For scripts and notebooks: :func:`load` reads a run, whose cases, samples and latencies are pandas data frames, and
:func:`compare` holds two of them against each other. docs/python.md has both at work.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from lakebench.results.frames import LoadedRun

try:
    __version__ = version("lakebench-harness")
except PackageNotFoundError:  # a worker in an environment of its own has our source and not our metadata
    __version__ = "0"


# Workers import this package, in environments that have no pandas.
def load(path: str | Path) -> LoadedRun:
    """The run in the folder ``path``, or in the file ``records.jsonl`` at ``path``.

    Raises:
        UsageError: there is none there, or it is damaged, or a newer lakebench wrote it.
    """
    from lakebench.results.frames import LoadedRun

    return LoadedRun.at(path)


def compare(base: LoadedRun, other: LoadedRun) -> pd.DataFrame:
    """The cases of both runs, and how ``other``'s times stand to those of ``base``, as a data frame.

    Its columns are :data:`lakebench.results.frames.COMPARISON`.

    Raises:
        UsageError: the runs have other data, or no case in common.
    """
    from lakebench.results.frames import compared

    return compared(base.run, other.run)
