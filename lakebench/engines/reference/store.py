"""The object store, whole objects at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from lakebench.engines.boundary import EngineCalls, words
from lakebench.errors import Refused
from lakebench.iceberg.files import file_system

if TYPE_CHECKING:
    from lakebench.model import ObjectStore


class Store:
    """The objects of one bucket by their addresses (``s3://…``); ``tell`` gets what is written and deleted.

    Without a store they are files of this machine (``file://…``).
    """

    def __init__(self, store: ObjectStore | None) -> None:
        self._files = file_system(store)
        self.tell: Callable[[str], None] = lambda _: None

    def write(self, address: str, data: bytes) -> None:
        """Write an object."""
        self.tell(f"PUT {address} ({len(data)} bytes)")
        _not("take", address)(_written, self._files, _path(address), data)

    def read(self, address: str) -> bytes:
        """An object's bytes."""
        return _not("give", address)(_read, self._files, _path(address))

    def older(self, folder: str, than: datetime) -> list[str]:
        """The addresses of the objects below ``folder`` that were last written before ``than``."""
        scheme, between, path = folder.partition("://")
        found = _not("list", folder)(_listed, self._files, path)
        return [f"{scheme}{between}{one.path}" for one in found if one.is_file and one.mtime < than]

    def delete(self, addresses: Iterable[str]) -> None:
        """Delete objects; those that are gone already are no fault."""
        for address in addresses:
            self.tell(f"DELETE {address}")
            _not("delete", address)(_deleted, self._files, _path(address))


def _not(what: str, address: str) -> EngineCalls:
    """Calls of the store; it refuses whatever fails there."""
    return EngineCalls(lambda error: Refused(f"the object store did not {what} {address}: {words(error)}"))


def _written(files: Any, path: str, data: bytes) -> None:
    with files.open_output_stream(path) as target:
        target.write(data)


def _read(files: Any, path: str) -> bytes:
    with files.open_input_file(path) as source:
        return bytes(source.read())


def _listed(files: Any, path: str) -> list[Any]:
    from pyarrow.fs import FileSelector

    found: list[Any] = files.get_file_info(FileSelector(path, recursive=True))
    return found


def _deleted(files: Any, path: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        files.delete_file(path)


def _path(address: str) -> str:
    return address.partition("://")[2]
