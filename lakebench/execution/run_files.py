"""Where the files of a run lie."""

from __future__ import annotations

import itertools
from pathlib import Path


class RunFiles:
    """Files below ``scratch``, which goes when the run ends, and below ``kept``, which outlives a run that was killed.

    Safe to use from several threads.
    """

    def __init__(self, scratch: Path, kept: Path) -> None:
        self.scratch, self.kept = scratch, kept
        self._numbers = itertools.count()
        self._results = scratch / "results"
        self._results.mkdir(mode=0o700)

    def new(self, name: str) -> Path:
        """A path for an Arrow IPC file that is not there yet; ``name`` is for people."""
        return self._results / f"{next(self._numbers):05d}-{''.join(c if c.isalnum() else '-' for c in name)}.arrow"
