"""Faults of ours in a run: the traceback of each lies in the run's folder, and the records name the file."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable
from pathlib import Path

from lakebench.errors import CaseError, HarnessFault, LakebenchError, UsageError

FOLDER = "faults"


class FaultLog:
    """Writes ``faults/001.txt`` and so on below ``folder``; what has the same traceback has one file.

    ``masked`` takes secrets out of a text. Safe to use from several threads.
    """

    def __init__(self, folder: Path, masked: Callable[[str], str] = str) -> None:
        self.folder = folder
        self._masked = masked
        self._files: dict[str, str] = {}
        self._lock = threading.Lock()

    def fault(self, error: Exception) -> HarnessFault:
        """What ``error`` is for the case that it came out of: a fault of ours, with the file of its traceback.

        Raises:
            LakebenchError: it is one that ends the run, and not the case.
            UsageError: the file cannot be written.
        """
        if isinstance(error, HarnessFault) and "file" in error.details:
            return error
        if isinstance(error, LakebenchError) and not isinstance(error, CaseError | HarnessFault):
            raise error
        what = str(error) if isinstance(error, HarnessFault) else f"{type(error).__name__}: {error}"
        file = self._file(_traceback(error))
        message = f"a fault of lakebench itself, please report it with {file} of the run's folder: {what}"
        return HarnessFault(message, file=file)

    def _file(self, text: str) -> str:
        """The name of the file that has ``text``, below the run's folder."""
        with self._lock:
            if text not in self._files:
                self._files[text] = self._written(self._masked(text))
            return self._files[text]

    def _written(self, text: str) -> str:
        at = self.folder / FOLDER
        try:
            at.mkdir(mode=0o700, parents=True, exist_ok=True)
            file = at / f"{len(list(at.iterdir())) + 1:03}.txt"
            file.write_text(text, encoding="utf-8", errors="backslashreplace")
        except OSError as error:
            raise UsageError(f"{at} cannot be written: {error.strerror}; the fault was:\n{text}") from None
        return f"{FOLDER}/{file.name}"


def _traceback(error: BaseException) -> str:
    """The traceback of where ``error`` began: in another process of ours, or in this one."""
    while not (isinstance(error, LakebenchError) and "traceback" in error.details) and error.__cause__ is not None:
        error = error.__cause__
    text = error.details.get("traceback") if isinstance(error, LakebenchError) else None
    return str(text or "".join(traceback.format_exception(error)))
