"""What ends the processes of a command that has ended, however it ended, and removes their files.

``python -m lakebench.processes.reaper`` waits beside a :class:`lakebench.processes.guard.Guard` for the end of the pipe
from it. Where the command and its reaper were both killed, the next start finds what they left by the file in their
folder.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO, Any

from lakebench.processes import process_table

FILE = "guarded.jsonl"
"""In a guard's folder: what it told its reaper, a JSON object a line."""


def identity(pid: int) -> dict[str, Any]:
    """What names the process ``pid`` for good."""
    return {"pid": pid, "started": process_table.started(pid), "boot": process_table.boot()}


def reap(lines: Iterable[bytes]) -> None:
    """Read what to guard until the parent's end of the pipe closes, then end it all."""
    told = _parsed(lines)
    if told:
        _end(told)


def _parsed(lines: Iterable[bytes]) -> list[dict[str, Any]]:
    """The whole ``lines``: of the last one a killed parent may have written a part."""
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


def _end(told: Sequence[dict[str, Any]]) -> list[int]:
    """End all that was ``told`` and remove what it leaves; the numbers of the processes that were there."""
    folder = next(one["folder"] for one in told if "folder" in one)
    guarded = [one for one in told if "process" in one]
    families = process_table.families({each["process"]: each["started"] for each in guarded})
    pids = {one.pid for one in families} | {each["process"] for each in guarded}
    shared = {path for one in told for path in one.get("shared", ())} | process_table.shared_memory(pids)
    for each in guarded:
        process_table.ask(each["process"], each["started"], each["signal"])
    left = [*families, *process_table.marked(folder)]
    process_table.kill(left)
    process_table.remove_remains(pids, min((each["at"] for each in guarded), default=time.time()), shared)
    for one in (folder, *(one["remove"] for one in told if "remove" in one)):
        _remove(one)
    return sorted({one.pid for one in left})


def _remove(folder: str) -> None:
    for _ in range(10):  # a server that is just ending may still write
        shutil.rmtree(folder, ignore_errors=True)
        if not Path(folder).exists():
            break
        time.sleep(0.1)


def end_left_behind() -> list[str]:
    """End what commands left that were killed together with their reapers; what was ended, in words.

    It is known by the file in the folder of its guard, which must be this account's: processes by their number, their
    start and the boot, or by the mark that they carry. A folder whose command or reaper lives is left alone.
    """
    said = []
    for folder in Path(tempfile.gettempdir()).glob("lakebench-*"):
        told = _told(folder)
        if told and not any(_lives(one) for one in told if "boot" in one):
            ended = _end(_of_this_boot(told))
            said.append(f"{folder.name}, which a killed command left, is gone now, with {len(ended)} processes")
    return said


def _told(folder: Path) -> list[dict[str, Any]]:
    """What the guard of ``folder`` told; nothing where it is another account's, or not whole."""
    file = folder / FILE
    try:
        if folder.is_symlink() or {folder.stat().st_uid, file.lstat().st_uid} != {os.geteuid()}:
            return []
        told = _parsed(file.read_bytes().splitlines(keepends=True))
    except (OSError, ValueError):
        return []
    return told if any(one.get("folder") == str(folder) for one in told) else []


def _lives(one: dict[str, Any]) -> bool:
    return one["boot"] == process_table.boot() and process_table.alive(one["pid"], one["started"])


def _of_this_boot(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """``told`` without the processes of an earlier boot, whose numbers are others' now."""
    boot = next(one["boot"] for one in told if "boot" in one)
    return told if boot == process_table.boot() else [one for one in told if "process" not in one]


def main(lines: IO[bytes]) -> None:
    """Reap, deaf to what ends the parent."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    reap(lines)


if __name__ == "__main__":
    main(sys.stdin.buffer)
