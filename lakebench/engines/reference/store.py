"""The object store, whole objects at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from lakebench.engines.inprocess import file_system, words
from lakebench.errors import Refused

if TYPE_CHECKING:
    from lakebench.model import ObjectStore


class Store:
    """The objects of one bucket by their addresses (``s3://…``); ``tell`` is told what is written and deleted."""

    def __init__(self, store: ObjectStore) -> None:
        self._files = file_system(store)
        self.tell: Callable[[str], None] = lambda _: None

    def write(self, address: str, data: bytes) -> None:
        """Write an object."""
        self.tell(f"PUT {address} ({len(data)} bytes)")
        try:
            with self._files.open_output_stream(_path(address)) as target:
                target.write(data)
        except OSError as error:
            raise Refused(f"the object store did not take {address}: {words(error)}") from error

    def read(self, address: str) -> bytes:
        """An object's bytes."""
        try:
            with self._files.open_input_file(_path(address)) as source:
                return bytes(source.read())
        except OSError as error:
            raise Refused(f"the object store did not give {address}: {words(error)}") from error

    def delete(self, addresses: Iterable[str]) -> None:
        """Delete objects; those that are gone already are no fault."""
        for address in addresses:
            self.tell(f"DELETE {address}")
            with contextlib.suppress(FileNotFoundError):
                self._files.delete_file(_path(address))


def _path(address: str) -> str:
    return address.partition("://")[2]
