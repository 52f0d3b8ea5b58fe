"""Disk space: what a run will write, reported and checked before it starts."""

from __future__ import annotations

import os
import re
import shutil
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lakebench.errors import UsageError

_ALMOST_NONE = 16 * 2**20
# How the system (errno.ENOSPC, errno.EDQUOT), Java and SQLite say it.
_FULL = re.compile(r"no space left on device|disk quota exceeded|\bENOSPC\b|database or disk is full", re.IGNORECASE)


@dataclass(frozen=True)
class Need:
    """``bytes`` that will be written below ``folder``, and what they are."""

    what: str
    folder: Path
    bytes: int


def check(needs: Iterable[Need]) -> str:
    """One line that says what the run needs and what is free; needs on one device are added up.

    Raises:
        UsageError: a device has not that much space.
    """
    by_device: dict[int, list[Need]] = defaultdict(list)
    for need in needs:
        by_device[_there(need.folder).stat().st_dev].append(need)
    lines = []
    for group in by_device.values():
        total, free = sum(need.bytes for need in group), shutil.disk_usage(_there(group[0].folder)).free
        listed = ", ".join(f"{need.what} {size(need.bytes)}" for need in group)
        if free < total:
            raise UsageError(
                f"this run needs about {size(total)} below {group[0].folder} ({listed}), and {size(free)} are free: "
                "free some space, take a smaller --sf, fewer --storage or --formats, or name other folders with "
                "--output and LAKEBENCH_CACHE"
            )
        lines.append(f"disk: needs about {size(total)} ({listed}), {size(free)} are free")
    return "; ".join(lines)


def full(folders: Iterable[Path], error: str) -> str:
    """What to do where something failed because a disk is full: a folder is, or ``error`` says so; empty where not."""
    free = {str(folder): _free(folder) for folder in dict.fromkeys(map(_there, folders))}
    short = {folder: left for folder, left in free.items() if left < _ALMOST_NONE}
    if not short and not _FULL.search(error):
        return ""
    listed = ", ".join(f"{folder} has {size(left)} left" for folder, left in (short or free).items())
    return (
        f"the disk is full ({listed}): free some space there, or name another folder with TMPDIR; a run that it "
        "stopped goes on with lakebench run --resume"
    )


def _free(folder: Path) -> int:
    """The bytes that are left in ``folder``; none where no file can be made any more."""
    status = os.statvfs(folder)
    return 0 if status.f_files and not status.f_favail else status.f_bavail * status.f_frsize


def size(count: int) -> str:
    """``count`` bytes in the unit that people use."""
    return f"{count / 1e9:,.1f} GB" if count >= 1e9 else f"{count / 1e6:,.0f} MB"  # noqa: PLR2004 - a gigabyte


def _there(folder: Path) -> Path:
    """``folder``, or the nearest one above it that exists."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return folder
