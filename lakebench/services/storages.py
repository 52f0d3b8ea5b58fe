"""What a report says of a storage."""

from __future__ import annotations

import os
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

import psutil

from lakebench.config import Settings, StorageKind, StorageSettings

_BLOCKS = Path("/sys/dev/block")
_NAMED_BLOCKS = Path("/sys/class/block")
_SIMULATED = "by S3Proxy's latency middleware; these are not numbers of a cloud's object store"


def storage_facts(name: str, settings: Settings, path: Path | None) -> dict[str, str]:
    """What the records keep of the storage ``name``: its kind, endpoint, latencies, and the device of ``path``.

    ``path`` exists, and is where the data lies on this machine; ``None`` where it does not. No secrets. What cannot be
    had reads ``not had: reason``.

    Raises:
        UsageError: there is no such storage.
    """
    storage = settings.storage(name)
    return {
        "kind": str(storage.kind),
        **({"simulated": _SIMULATED} if storage.kind is StorageKind.SIMULATED else {}),
        **_reached(storage),
        **latency(storage.properties),
        **({f"device.{key}": value for key, value in device(path).items()} if path else {}),
    }


def latency(properties: Mapping[str, str]) -> dict[str, str]:
    """The simulated latencies and speeds among ``properties``."""
    return {key: value for key, value in properties.items() if key.startswith("latency.")}


def _reached(storage: StorageSettings) -> dict[str, str]:
    if storage.kind is StorageKind.GCS and storage.backend == "google":
        return {"endpoint": "Google Cloud Storage through S3Proxy's own back end"}
    if storage.kind is StorageKind.GCS:
        return {"endpoint": urllib.parse.urlsplit(storage.uri).hostname or "storage.googleapis.com"}
    if storage.uri:
        return {"endpoint": urllib.parse.urlsplit(storage.uri).hostname or "not had: no host in the address"}
    return {} if storage.kind is StorageKind.LOCAL else {"endpoint": "S3Proxy on this machine"}


def device(path: Path) -> dict[str, str]:
    """The device below ``path``.

    ``name``, ``model`` and ``rotational`` (0 or 1) are of the block device; ``filesystem`` and ``mount`` are of what is
    mounted there.
    """
    where = path.resolve()
    mounts = [one for one in psutil.disk_partitions(all=True) if where.is_relative_to(one.mountpoint)]
    mount = max(mounts, key=lambda one: len(one.mountpoint), default=None)
    block = _block(where, mount.device if mount else "")
    unknown = f"not had: no block device is known for {mount.device if mount else 'it'}"
    return {
        "name": block.name if block else unknown,
        "model": _read(block / "device/model", "the device reports no model") if block else unknown,
        "rotational": _read(block / "queue/rotational", "the device does not say") if block else unknown,
        "filesystem": mount.fstype if mount else "not had: no mount holds it",
        "mount": mount.mountpoint if mount else "not had: no mount holds it",
    }


def _block(where: Path, named: str) -> Path | None:
    """The whole block device in ``/sys``, found by its number, or by its name where the file system hides that."""
    number = os.stat(where).st_dev  # noqa: PTH116 - the device number is what is asked
    for path in (
        _BLOCKS / f"{os.major(number)}:{os.minor(number)}",
        _NAMED_BLOCKS / Path(os.path.realpath(named)).name,
    ):
        if named and path.exists():
            device = path.resolve()
            return device.parent if (device / "partition").exists() else device
    return None


def _read(file: Path, otherwise: str) -> str:
    try:
        return file.read_text(encoding="utf-8").strip() or f"not had: {otherwise}"
    except OSError:
        return f"not had: {otherwise}"
