"""What machine this is: read only, and nothing that names its owner."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from lakebench.errors import LakebenchError

_CPUINFO = Path("/proc/cpuinfo")
_DROP_CACHES = Path("/proc/sys/vm/drop_caches")
_CGROUP = Path("/sys/fs/cgroup")


class _NotHad(LakebenchError):
    """A fact that this machine does not tell; the message says why."""


def facts(folder: Path) -> dict[str, Any]:
    """The machine's facts; ``folder`` (which exists) says which disk is meant. Bytes, seconds and counts are numbers.

    A fact that cannot be had is ``None``, with its reason under ``not_had``.
    """
    readers: dict[str, Callable[[], Any]] = {
        "cpu_model": _cpu_model,
        "cores": os.cpu_count,
        "cores_usable": _cores_usable,
        "memory_bytes": lambda: psutil.virtual_memory().total,
        "memory_limit_bytes": _memory_limit,
        "disk": lambda: _disk(folder),
        "kernel": lambda: f"{platform.system()} {platform.release()}",
        "architecture": platform.machine,
        "governor": _governor,
        "virtualised": _virtualised,
        "load_before": load,
        "page_cache": page_cache,
        "python": platform.python_version,
    }
    values: dict[str, Any] = {}
    not_had: dict[str, str] = {}
    for name, reader in readers.items():
        try:
            values[name] = reader()
        except (_NotHad, OSError) as error:
            values[name] = None
            not_had[name] = str(error)
    return {**values, "not_had": not_had}


def load() -> list[float]:
    """The load averages over 1, 5 and 15 minutes."""
    return [round(one, 2) for one in os.getloadavg()]


def page_cache() -> str:
    """``can be dropped``, or why it cannot."""
    if not _DROP_CACHES.exists():
        return f"cannot be dropped: this system has no {_DROP_CACHES}"
    if not os.access(_DROP_CACHES, os.W_OK):
        return f"cannot be dropped: {_DROP_CACHES} is not writable (it needs root, and no container around it)"
    return "can be dropped"


def _cpuinfo(key: str) -> str:
    if not _CPUINFO.exists():
        raise _NotHad(f"this system has no {_CPUINFO}")
    for line in _CPUINFO.read_text(errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    raise _NotHad(f"{_CPUINFO} does not say")


def _cpu_model() -> str:
    try:
        return _cpuinfo("model name")
    except _NotHad:
        if named := platform.processor():
            return named
        raise


def _cores_usable() -> int:
    """Cores this process may use: its affinity, and below that the control group's quota."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _CGROUP / "cpu.max"
    if quota.exists():
        limit, period = quota.read_text().split()
        if limit != "max":
            cores = min(cores, max(1, int(limit) // int(period)))
    return cores


def _memory_limit() -> int:
    limit = _CGROUP / "memory.max"
    text = limit.read_text().strip() if limit.exists() else "max"
    if text == "max":
        raise _NotHad("no limit is set on this process's control group")
    return int(text)


def _disk(folder: Path) -> dict[str, Any]:
    where = str(folder.resolve())
    mounts = [one for one in psutil.disk_partitions(all=True) if Path(where).is_relative_to(one.mountpoint)]
    if not mounts:
        raise _NotHad(f"no mounted filesystem holds {where}")
    mount = max(mounts, key=lambda one: len(one.mountpoint))
    usage = shutil.disk_usage(where)
    return {
        "device": mount.device,
        "filesystem": mount.fstype,
        "free_bytes": usage.free,
        "total_bytes": usage.total,
        "rotational": _rotational(where),
    }


def _rotational(where: str) -> bool | None:
    device = os.stat(where).st_dev  # noqa: PTH116 - the device number is what is asked
    block = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}")
    for flag in (block / "queue/rotational", block.resolve().parent / "queue/rotational"):
        if flag.exists():
            return flag.read_text().strip() == "1"
    return None


def _governor() -> str:
    file = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    if not file.exists():
        raise _NotHad("the kernel offers no frequency control here (usual in a virtual machine)")
    return file.read_text().strip()


def _virtualised() -> str:
    """``no``, or what shows that the processor is shared with others."""
    signs = []
    if "hypervisor" in _cpuinfo("flags").split():
        signs.append("virtual machine")
    vendor = Path("/sys/class/dmi/id/sys_vendor")
    if signs and vendor.exists():
        signs[0] += f" ({vendor.read_text().strip()})"
    if Path("/.dockerenv").exists() or Path("/run/.containerenv").exists():
        signs.append("container")
    return ", ".join(signs) or "no"
