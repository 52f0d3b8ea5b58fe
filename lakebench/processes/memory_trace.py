"""The memory of a run over time: what the harness, its workers and the servers hold, sample by sample."""

from __future__ import annotations

import csv
import io
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

from lakebench.errors import UsageError, is_full_disk
from lakebench.inputs import files, untrusted
from lakebench.processes import resources

FILE = "memory.csv"
EVERY_S = 1.0
_LARGEST = 2**30
_ENDLESS_S = 1e9


class MemoryTrace:
    """Appends to ``path`` what each process tree holds (resident bytes), a line each second and tree.

    ``trees`` gives name → process ids. Pages that several processes share count in each of them. Used as a context
    manager.
    """

    def __init__(self, path: Path, trees: Callable[[], Mapping[str, list[int]]]) -> None:
        self._path, self._trees = path, trees
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="memory", daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        """Write until the end, or until the disk is full: then the records, which the run needs, say what to do."""
        try:
            self._write()
        except OSError as error:
            if not is_full_disk(error):
                raise

    def _write(self) -> None:
        began = time.monotonic()
        new = not self._path.exists()
        with self._path.open("a", newline="", encoding="utf-8") as out:
            lines = csv.writer(out)
            if new:
                lines.writerow(("seconds", "process", "bytes"))
            while not self._ended.wait(EVERY_S):
                at = round(time.monotonic() - began, 1)
                for name, pids in {"harness": [os.getpid()], **self._trees()}.items():
                    lines.writerow((at, name, resources.resident_bytes(pids)))
                out.flush()


def series(path: Path) -> dict[str, list[tuple[float, int]]]:
    """Process tree → seconds since the start and bytes held, in order; empty where the run has no trace."""
    by_tree: dict[str, list[tuple[float, int]]] = {}
    try:
        for line in csv.DictReader(io.StringIO(files.text(path, _LARGEST))):
            at, held = float(line["seconds"]), int(line["bytes"])
            if not (0 <= at < _ENDLESS_S and 0 <= held < 2**63):
                return {}
            by_tree.setdefault(untrusted.printable(line["process"]), []).append((at, held))
    except (UsageError, OSError, KeyError, ValueError, TypeError, csv.Error):
        return {}
    return by_tree
