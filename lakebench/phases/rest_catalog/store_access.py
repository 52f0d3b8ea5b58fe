"""What the object store gives to whoever has certain keys: functions for the checker process."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lakebench.iceberg.files import file_system
from lakebench.model import ObjectStore

if TYPE_CHECKING:
    from pyarrow import fs


class Action(enum.StrEnum):
    """What is tried with keys."""

    READ = "read"
    WRITE = "write"
    LIST = "list"


@dataclass(frozen=True)
class Keys:
    """Keys that a catalog gave, and the store that they are for."""

    endpoint: str
    region: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    session_token: str = field(default="", repr=False)
    path_style: bool = True


def tried(keys: Keys, action: Action, location: str) -> str:
    """What the store says to ``action`` at ``location`` (``s3://``); empty where it allows it."""
    from pyarrow import fs

    path = location.partition("://")[2]
    try:
        files = _file_system(keys)
        if action is Action.LIST:
            files.get_file_info(fs.FileSelector(path))
        elif action is Action.READ:
            with files.open_input_stream(path) as stream:
                stream.read(1)
        else:
            with files.open_output_stream(path) as stream:
                stream.write(b"written by a check of lakebench")
    except OSError as error:
        return str(error) or type(error).__name__
    return ""


def write_manifest_list(store: ObjectStore, location: str, snapshot: Mapping[str, Any], version: int) -> str:
    """What the store says to a manifest list without manifests at ``location`` (``s3://``); empty where it is written.

    ``snapshot`` is the one in a commit, ``version`` the table's format version, of which PyIceberg writes 1 and 2.
    """
    from pyiceberg.io.pyarrow import PyArrowFile
    from pyiceberg.manifest import write_manifest_list as writer

    keys = Keys(store.endpoint, store.region, store.access_key, store.secret_key, path_style=store.path_style)
    file = PyArrowFile(location, location.partition("://")[2], _file_system(keys))
    identity, parent = snapshot["snapshot-id"], snapshot.get("parent-snapshot-id")
    try:
        with writer(1 if version == 1 else 2, file, identity, parent, snapshot["sequence-number"], "null"):
            pass
    except OSError as error:
        return str(error) or type(error).__name__
    return ""


def _file_system(keys: Keys) -> fs.FileSystem:
    from pyarrow import fs

    return fs.S3FileSystem(
        access_key=keys.access_key,
        secret_key=keys.secret_key,
        session_token=keys.session_token or None,
        endpoint_override=keys.endpoint or None,
        region=keys.region,
        force_virtual_addressing=not keys.path_style,
        allow_delayed_open=True,  # a small object is one request
        retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=1),
    )


def objects(store: ObjectStore, location: str) -> list[str]:
    """The addresses of the objects below ``location`` (``s3://``), sorted.

    Raises:
        OSError: the store does not answer.
    """
    from pyarrow import fs

    scheme, _, path = location.partition("://")
    selector = fs.FileSelector(path.rstrip("/"), recursive=True, allow_not_found=True)
    found = file_system(store).get_file_info(selector)
    return sorted(f"{scheme}://{one.path}" for one in found if one.type is fs.FileType.File)
