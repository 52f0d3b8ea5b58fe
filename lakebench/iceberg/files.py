"""Arrow's file systems for the storages of tables."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyarrow import fs

    from lakebench.model import ObjectStore


@functools.cache
def file_system(store: ObjectStore | None) -> fs.FileSystem:
    """The file system of ``store``, whose paths begin with the bucket; the local one where there is no store."""
    from pyarrow import fs

    if store is None:
        return fs.LocalFileSystem()
    return fs.S3FileSystem(
        access_key=store.access_key,
        secret_key=store.secret_key,
        endpoint_override=store.endpoint,
        region=store.region,
        force_virtual_addressing=not store.path_style,
    )
