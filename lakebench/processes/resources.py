"""What a process tree uses, read from the kernel (proc(5)); cheap enough to ask around every sample."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import psutil

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def tree(pids: Iterable[int]) -> list[int]:
    """``pids`` and everything below them that is alive."""
    return trees({"": pids})[""]


def trees(roots: Mapping[str, Iterable[int]]) -> dict[str, list[int]]:
    """Name → process ids and everything below them that is alive, each once, from one list of the machine's processes.

    psutil lists them all for each root: with 30 roots and a list each second that takes a tenth of a core.
    """
    children, alive = _children()
    return {name: list(dict.fromkeys(_below(pids, children, alive))) for name, pids in roots.items()}


def _below(pids: Iterable[int], children: Mapping[int, list[int]], alive: set[int]) -> Iterator[int]:
    for pid in pids:
        if pid in alive:
            yield pid
            yield from _below(children.get(pid, ()), children, alive)


def _children() -> tuple[dict[int, list[int]], set[int]]:
    """Process id → its children that are alive, and all processes that are alive."""
    children: dict[int, list[int]] = {}
    alive = set()
    for pid in psutil.pids():
        with contextlib.suppress(OSError):
            children.setdefault(int(_stat(pid)[1]), []).append(pid)
            alive.add(pid)
    return children, alive


def _stat(pid: int) -> list[str]:
    """The fields of ``/proc/<pid>/stat`` behind the name, which may have anything in it."""
    with open(f"/proc/{pid}/stat", "rb") as file:  # noqa: PTH123 - in half the time
        return file.read().rpartition(b")")[2].decode().split()


def cpu_ns(pids: Iterable[int]) -> int:
    """User and system CPU time of ``pids`` so far, in nanoseconds (the kernel counts in clock ticks)."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            after_name = _stat(pid)
            total += int(after_name[11]) + int(after_name[12])
    return total * _TICK_NS


def reset_peak(pids: Iterable[int]) -> None:
    """Set the peak resident memory of ``pids`` to what they hold now, where the kernel allows it."""
    for pid in pids:
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/clear_refs").write_text("5")


def peak_bytes(pids: Iterable[int]) -> int:
    """The sum of the peak resident memory of ``pids`` since :func:`reset_peak`, in bytes."""
    return sum(_status(pid, "VmHWM:") for pid in pids)


def resident_bytes(pids: Iterable[int]) -> int:
    """What ``pids`` hold in memory now, in bytes."""
    return sum(_status(pid, "VmRSS:") for pid in pids)


def available_bytes() -> int:
    """What the machine can give to processes without swapping (free(1): available), in bytes."""
    return int(psutil.virtual_memory().available)


def _status(pid: int, field: str) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith(field):
                return int(line.split()[1]) * 1024
    return 0


def drop_page_cache() -> str:
    """Drop the machine's page cache, where we may.

    Returns:
        What was done, or why it was not: a sentence for the sample's tag.
    """
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("1")
    except OSError as error:
        return f"page cache not dropped ({error.strerror or error})"
    return "page cache dropped"
