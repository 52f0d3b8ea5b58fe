"""The object store under pg_lake's tables, looked at without pg_lake: functions for the checker process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from lakebench.datasets.interop.store import Files
from lakebench.errors import ServiceUnavailable
from lakebench.iceberg.files import file_system
from lakebench.model import ObjectStore


@dataclass(frozen=True)
class FileMetadata:
    """What a metadata file says: the number of its ``snapshots``, and the manifest list of the current one."""

    snapshots: int
    manifest_list: str


def listed(store: ObjectStore, place: str) -> dict[str, int]:
    """The objects below the address ``place``: path from there on → bytes.

    Raises:
        ServiceUnavailable: the store does not answer.
    """
    from pyarrow import fs

    folder = _key(place)
    try:
        found = file_system(store).get_file_info(fs.FileSelector(folder, recursive=True, allow_not_found=True))
    except OSError as error:
        raise ServiceUnavailable(f"the store cannot be read: {error}") from error
    files = (one for one in found if one.type is fs.FileType.File)
    return {one.path.removeprefix(folder).lstrip("/"): int(one.size) for one in files}


def removed(store: ObjectStore, location: str) -> None:
    """Remove the object at ``location``.

    Raises:
        ServiceUnavailable: the store does not do it.
    """
    try:
        file_system(store).delete_file(_key(location))
    except OSError as error:
        raise ServiceUnavailable(f"the store does not remove {location}: {error}") from error


def metadata(store: ObjectStore, location: str) -> FileMetadata:
    """What the metadata file at ``location`` says."""
    said: dict[str, Any] = json.loads(Files(store).read(location))
    snapshots: list[dict[str, Any]] = said.get("snapshots") or []
    current = next((one for one in snapshots if one["snapshot-id"] == said.get("current-snapshot-id")), {})
    return FileMetadata(len(snapshots), str(current.get("manifest-list", "")))


def _key(location: str) -> str:
    return location.partition("://")[2]
