"""Files that users or other programs wrote: reading one never blocks, and never takes more memory than a limit."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from lakebench.errors import UsageError

if TYPE_CHECKING:
    import pyarrow.parquet as pq

TEXT_BYTES = 16 * 2**20
"""The most bytes that a file of settings or SQL may have."""
_KINDS = (
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
    (stat.S_ISSOCK, "a socket"),
)


def text(path: Path, most: int = TEXT_BYTES) -> str:
    """The text of the regular file at ``path``, which is UTF-8, with or without a byte order mark.

    Raises:
        FileNotFoundError: there is none.
        UsageError: it is no regular file, is larger than ``most`` bytes, is not UTF-8, or cannot be read.
    """
    data = contents(path, most)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not text in UTF-8 (byte {error.start}): write it again as UTF-8") from None


def contents(path: Path, most: int) -> bytes:
    """The bytes of the regular file at ``path``.

    Raises:
        FileNotFoundError: there is none.
        UsageError: it is no regular file, is larger than ``most`` bytes, or cannot be read.
    """
    descriptor = _open(path)
    try:
        status = os.fstat(descriptor)
        _insist(path, status)
        data = b""
        if status.st_size <= most:  # a larger file is not read into memory
            with os.fdopen(descriptor, "rb", closefd=False) as file:
                data = file.read(most + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    finally:
        os.close(descriptor)
    if max(len(data), status.st_size) > most:
        raise UsageError(f"{path} is larger than {most:,} bytes: name another file")
    return data


def insist_on_regular(path: Path) -> None:
    """Check that ``path`` is a file that can be read to its end.

    Raises:
        FileNotFoundError: there is nothing.
        UsageError: it is no regular file.
    """
    try:
        _insist(path, path.stat())
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {_why(error)}") from None


def parquet(path: Path) -> pq.ParquetFile:
    """The Parquet file at ``path``, opened.

    Raises:
        UsageError: there is no regular file, or it is no Parquet.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        insist_on_regular(path)
        return pq.ParquetFile(path)
    except (pa.ArrowException, OSError) as error:
        raise UsageError(f"{path} cannot be read as Parquet: {str(error).splitlines()[0]}") from None


def _open(path: Path) -> int:
    """A descriptor; opening a named pipe does not wait for its writer."""
    try:
        return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise UsageError(f"{path} cannot be read: {_why(error)}") from None


def _insist(path: Path, status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(status.st_mode)), "no regular file")
        raise UsageError(f"{path} is {kind}: name a regular file")


def _why(error: OSError | ValueError) -> str:
    return (error.strerror if isinstance(error, OSError) else "") or str(error)
