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
"""In a guard's folder: the messages to its reaper, a JSON object a line."""


def identity(pid: int) -> dict[str, Any]:
    """What names the process ``pid`` for good."""
    of = {"boot": process_table.boot(), "namespace": process_table.namespace()}
    return {"pid": pid, "started": process_table.started(pid), **of}


def reap(lines: Iterable[bytes]) -> None:
    """Read what to guard until the parent's end of the pipe closes, then end it all."""
    messages = _parsed(lines)
    if messages:
        _end(messages)


def _parsed(lines: Iterable[bytes]) -> list[dict[str, Any]]:
    """The complete ``lines``: a killed parent may have written a part of the last one."""
    return [json.loads(line) for line in lines if line.endswith(b"\n")]


def _end(messages: Sequence[dict[str, Any]]) -> list[int]:
    """End all that ``messages`` name and remove what it leaves; the ids of the processes that were there."""
    folder = next(one["folder"] for one in messages if "folder" in one)
    guarded = [one for one in messages if "process" in one]
    families = process_table.families({each["process"]: each["started"] for each in guarded})
    pids = {one.pid for one in families} | {each["process"] for each in guarded}
    shared = {path for one in messages for path in one.get("shared", ())} | process_table.shared_memory(pids)
    for each in guarded:
        process_table.ask(each["process"], each["started"], each["signal"])
    left = [*families, *process_table.marked(folder)]
    process_table.kill(left)
    process_table.remove_remains(pids, min((each["at"] for each in guarded), default=time.time()), shared)
    for path in (folder, *(one["remove"] for one in messages if "remove" in one)):
        _remove(path)
    return sorted({one.pid for one in left})


def _remove(folder: str) -> None:
    for _ in range(10):  # a server that is just ending may still write
        shutil.rmtree(folder, ignore_errors=True)
        if not Path(folder).exists():
            break
        time.sleep(0.1)


def end_left_behind() -> list[str]:
    """End what is left of commands that were killed together with their reapers, and say what was ended.

    The file in the folder of a guard, which must be this account's, says what that is: processes by their id, their
    start and the boot, or by the mark that they carry. A folder whose command or reaper lives is left alone, and so is
    one of a container that shares the folder for temporary files: its process ids are others.
    """
    notices = []
    for folder in Path(tempfile.gettempdir()).glob("lakebench-*"):
        messages = _messages_of(folder)
        if messages and not any(_lives(one) for one in messages if "boot" in one):
            ended = _end(_of_this_boot(messages))
            notices.append(f"{folder.name}, which a killed command left, is gone now, with {len(ended)} processes")
    return notices


def _messages_of(folder: Path) -> list[dict[str, Any]]:
    """The messages of the guard of ``folder``; none where it is another account's, or is not complete."""
    file = folder / FILE
    try:
        if folder.is_symlink() or {folder.stat().st_uid, file.lstat().st_uid} != {os.geteuid()}:
            return []
        messages = _parsed(file.read_bytes().splitlines(keepends=True))
    except (OSError, ValueError):
        return []
    return messages if any(one.get("folder") == str(folder) for one in messages) else []


def _lives(process: dict[str, Any]) -> bool:
    """Whether it runs, or may run: ids of a container that shares the folder for temporary files say nothing here."""
    here = process_table.namespace()
    if process["boot"] == process_table.boot() and process.get("namespace", here) != here:
        return True
    return process["boot"] == process_table.boot() and process_table.alive(process["pid"], process["started"])


def _of_this_boot(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """``messages`` without the processes of an earlier boot, whose ids are others' now."""
    boot = next(one["boot"] for one in messages if "boot" in one)
    return messages if boot == process_table.boot() else [one for one in messages if "process" not in one]


def main(lines: IO[bytes]) -> None:
    """Reap; signals that end the parent are ignored."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    reap(lines)


if __name__ == "__main__":
    main(sys.stdin.buffer)
