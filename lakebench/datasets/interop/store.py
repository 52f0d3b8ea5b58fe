"""Files in the object store, by their locations in Iceberg metadata."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lakebench.errors import ServiceUnavailable
from lakebench.iceberg.damage import Damaged, parsed
from lakebench.iceberg.files import file_system
from lakebench.model import ObjectStore

if TYPE_CHECKING:
    import pyarrow as pa


class Files:
    """The files in an object store, or on the local file system; a missing file is a :class:`FileNotFoundError`.

    A store that does not answer is a :class:`~lakebench.errors.ServiceUnavailable`.
    """

    def __init__(self, store: ObjectStore | None) -> None:
        self._system = file_system(store)

    def open(self, location: str) -> pa.NativeFile:
        """The file at ``location``, for reading anywhere in it."""
        import pyarrow as pa

        try:
            return self._system.open_input_file(_path(location))
        except FileNotFoundError:
            raise
        except pa.ArrowInvalid as error:
            raise Damaged(f"{location} is no location: {error}") from None
        except OSError as error:
            raise ServiceUnavailable(f"the store cannot be read: {error}") from error

    def read(self, location: str) -> bytes:
        """All bytes of the file at ``location``."""
        with self.open(location) as file:
            return parsed(lambda: bytes(file.read()), OSError)

    def list(self, folder: str) -> tuple[str, ...]:
        """The locations of all files below ``folder``."""
        return tuple(self.sizes(folder))

    def sizes(self, folder: str) -> dict[str, int]:
        """The locations of all files below ``folder``, with their bytes."""
        from pyarrow import fs

        scheme, separator, _ = folder.partition("://")
        selector = fs.FileSelector(_path(folder), recursive=True)
        try:
            found = self._system.get_file_info(selector)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise ServiceUnavailable(f"the store cannot be read: {error}") from error
        return {f"{scheme}{separator}{one.path}": one.size for one in found if one.type is fs.FileType.File}

    def put(self, file: Path, location: str) -> None:
        """Copy the local ``file`` to ``location``."""
        from pyarrow import fs

        fs.copy_files(
            str(file), _path(location), source_filesystem=file_system(None), destination_filesystem=self._system
        )


def upload(files: Sequence[Path], store: ObjectStore, folder: str) -> tuple[str, ...]:
    """Copy local ``files`` below the address ``folder`` of ``store``; their addresses there."""
    objects = Files(store)
    named = {f"{folder}/{number:05d}.parquet": file for number, file in enumerate(files)}
    for address, file in named.items():
        objects.put(file, address)
    return tuple(named)


def _path(location: str) -> str:
    """Bucket and key: names in a location stand for themselves, also those that look like an encoded URL."""
    return location.partition("://")[2] or location.removeprefix("file:")
