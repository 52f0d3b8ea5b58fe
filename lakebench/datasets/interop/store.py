"""Files in the object store, by their locations in Iceberg metadata."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from lakebench.datasets.interop.damage import Damaged, parsed
from lakebench.errors import ServiceUnavailable
from lakebench.model import ObjectStore

if TYPE_CHECKING:
    import pyarrow as pa
    from pyarrow import fs

_ATTEMPTS = 3


class Files:
    """What lies in an object store, or on the local file system; a missing file is a :class:`FileNotFoundError`.

    A store that does not answer is a :class:`~lakebench.errors.ServiceUnavailable`.
    """

    def __init__(self, store: ObjectStore | None) -> None:
        self._system = _local() if store is None else _system(store)

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

    def put(self, file: str, location: str) -> None:
        """Copy the local ``file`` to ``location``."""
        from pyarrow import fs

        fs.copy_files(file, _path(location), source_filesystem=_local(), destination_filesystem=self._system)

    def has(self, location: str) -> bool:
        """Whether there is a file at ``location``."""
        from pyarrow import fs

        return bool(self._system.get_file_info(_path(location)).type == fs.FileType.File)


def _local() -> fs.LocalFileSystem:
    from pyarrow import fs

    return fs.LocalFileSystem()


@functools.cache
def _system(store: ObjectStore) -> fs.S3FileSystem:
    from pyarrow import fs

    return fs.S3FileSystem(
        access_key=store.access_key,
        secret_key=store.secret_key,
        endpoint_override=store.endpoint,
        region=store.region,
        force_virtual_addressing=not store.path_style,
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=_ATTEMPTS),
    )


def _path(location: str) -> str:
    """Bucket and key: names in a location stand for themselves, also those that look like an encoded URL."""
    return location.partition("://")[2] or location.removeprefix("file:")
