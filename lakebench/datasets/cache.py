"""Datasets in the cache: made once next to their folder, moved there when complete, verified before each use."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shlex
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from lakebench.datasets.workload import TableData
from lakebench.errors import UsageError
from lakebench.paths import take
from lakebench.progress import Progress

_MANIFEST = "manifest.json"
_ELSEWHERE = "free some disk space, or name another folder in LAKEBENCH_CACHE"


@contextlib.contextmanager
def locked(folder: Path, progress: Progress) -> Iterator[None]:
    """Keep two runs from making the same data at once.

    Raises:
        UsageError: the cache cannot be written.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        lock = folder.with_name(f"{folder.name}.lock").open("w")
    except OSError as error:
        raise UsageError(
            f"the cache cannot be written: {error}; make it writable, or name another folder in LAKEBENCH_CACHE"
        ) from None
    with lock:
        take(lock, f"waiting for another run that makes {folder.name}", progress)
        yield


def sha256(path: Path) -> str:
    """SHA-256 of the file's bytes, as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def table(
    folder: Path, name: str, need: int, make: Callable[[Path], Sequence[Path]], progress: Progress
) -> tuple[TableData, str]:
    """The table ``name`` in ``folder``, where ``make`` writes its Parquet files the first time, and their content hash.

    ``make`` is given an empty folder of its own and returns the files in order; ``need`` is how many bytes it takes.

    Raises:
        UsageError: not enough disk space, the cache cannot be written, or the data in it is damaged.
    """
    if not folder.exists():  # existing data needs no lock, and a cache that cannot be written has none
        with locked(folder, progress):
            if not folder.exists():
                _check_disk_space(folder.parent, name, need)
                _make(folder, name, make)
    return _verified(folder, name, progress)


def _check_disk_space(folder: Path, name: str, need: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < need:
        raise UsageError(
            f"the table {name} needs about {need / 1e6:,.0f} MB in {folder}, and {free / 1e6:,.0f} MB are free: "
            f"{_ELSEWHERE}"
        )


def _make(folder: Path, name: str, make: Callable[[Path], Sequence[Path]]) -> None:
    import pyarrow.parquet as pq

    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir()
        files = [
            {
                "file": str(path.relative_to(partial)),
                "rows": pq.read_metadata(path).num_rows,
                "bytes": path.stat().st_size,
                "sha256": sha256(path),
            }
            for path in make(partial)
        ]
        with (partial / _MANIFEST).open("w", encoding="utf-8") as out:
            json.dump({"table": name, "files": files}, out, indent=1)
            out.flush()
            os.fsync(out.fileno())
        partial.rename(folder)
    except OSError as error:
        raise UsageError(f"the table {name} cannot be written: {error}; {_ELSEWHERE}") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _verified(folder: Path, name: str, progress: Progress) -> tuple[TableData, str]:
    path = folder / _MANIFEST
    try:
        files = json.loads(path.read_text("utf-8"))["files"]
        rows = tuple(int(one["rows"]) for one in files)
        size = sum(int(one["bytes"]) for one in files)
        file_hashes = [(folder / one["file"], str(one["sha256"])) for one in files]
    except (OSError, ValueError, KeyError, TypeError):
        raise damaged(path, "cannot be read", folder) from None
    with progress.step(f"verifying {folder.name}"):
        for file, expected in file_hashes:
            verify(file, expected, folder)
    hashes = "".join(f"{file.name} {one}\n" for file, one in file_hashes)
    data = TableData(name, tuple(file for file, _ in file_hashes), sum(rows), size, rows)
    return data, hashlib.sha256(hashes.encode()).hexdigest()


def verify(path: Path, expected: str, folder: Path) -> None:
    """Check the SHA-256 of a file in ``folder``.

    Raises:
        UsageError: it is another, or the file cannot be read.
    """
    try:
        actual = sha256(path)
    except OSError as error:
        raise damaged(path, error.strerror or str(error), folder) from None
    if actual != expected:
        raise damaged(path, "its SHA-256 is not the one in the manifest", folder)


def damaged(path: Path, why: str, folder: Path) -> UsageError:
    """The error for data that is to be removed."""
    return UsageError(f"damaged data: {path}: {why}; run: rm -r {shlex.quote(str(folder))} (it is made anew)")
