"""Processes of this machine: what identifies them, what belongs to them, and how to end them with all that they leave.

A process id is used again; together with the time of its start, and the boot that this counts from, it is unique.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

MARK = "LAKEBENCH_GUARD"
"""The variable in which each process of ours carries the folder of its guard."""
GRACE_S = 2.0
_SHARED = Path("/dev/shm")  # noqa: S108 - where the kernel keeps shared memory
_TEMPORARY = Path("/tmp")  # noqa: S108 - where Java puts these files whatever TMPDIR says
_STARTTIME = 15  # of the fields behind the session in /proc/PID/stat


def boot() -> str:
    """Which start of the machine this is; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""


def namespace() -> int:
    """Which process ids these are (pid_namespaces(7)): a container has others; 0 where the system does not say."""
    try:
        return Path("/proc/self/ns/pid").stat().st_ino
    except OSError:
        return 0


class _Facts(NamedTuple):
    parent: int
    session: int
    started: int


def _facts(pid: int) -> _Facts | None:
    """What the kernel says of a process (proc_pid_stat(5)); ``None`` where there is none, or it has ended."""
    try:
        state, parent, _, session, *more = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (OSError, ValueError):
        return None
    return None if state in {b"Z", b"X"} else _Facts(int(parent), int(session), int(more[_STARTTIME]))


def started(pid: int) -> int:
    """When ``pid`` started, in ticks since the boot; 0 where there is no such process, or it has ended."""
    facts = _facts(pid)
    return facts.started if facts else 0


def alive(pid: int, since: int) -> bool:
    """Whether the process ``pid`` that started at ``since`` runs."""
    return since > 0 and started(pid) == since


def families(roots: Mapping[int, int]) -> list[psutil.Process]:
    """The ``roots`` (process → its start), all below them, and all in their sessions, which outlive them.

    None is older than its root: the id of a root that ended may be another process's now.
    """
    facts_by_pid = {one: facts for one in psutil.pids() if (facts := _facts(one))}
    processes = []
    for pid, facts in facts_by_pid.items():
        root = next((one for one in (*_above(pid, facts_by_pid), facts.session) if one in roots), None)
        if root is not None and facts.started >= roots[root]:
            with contextlib.suppress(psutil.Error):
                processes.append(psutil.Process(pid))
    return processes


def _above(pid: int, facts_by_pid: Mapping[int, _Facts]) -> Iterator[int]:
    """``pid``, its parent, and so on."""
    while pid in facts_by_pid:
        yield pid
        pid = facts_by_pid[pid].parent


def marked(folder: str) -> list[psutil.Process]:
    """The processes that carry the mark of the guard of ``folder``."""
    processes = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(MARK) == folder:
                processes.append(process)
    return processes


def ask(pid: int, since: int, with_signal: int) -> None:
    """Send a process its signal, and wait a moment for its end; do nothing where the id is another process's now."""
    if with_signal != signal.SIGKILL and alive(pid, since):
        with contextlib.suppress(psutil.Error):
            root = psutil.Process(pid)
            root.send_signal(with_signal)
            root.wait(GRACE_S / 2)


def kill(processes: Sequence[psutil.Process]) -> None:
    """End ``processes`` at once."""
    for process in processes:
        with contextlib.suppress(psutil.Error):  # gone, or the id is another's now: psutil compares the start time
            process.kill()
    psutil.wait_procs(processes, timeout=GRACE_S)


def shared_memory(pids: Iterable[int]) -> set[str]:
    """The files of PostgreSQL's shared memory that ``pids`` have in use, and those that these list.

    A server removes them at its end, but not where it is killed.
    """
    used = {path for pid in pids for path in _mapped(pid)}
    return used | {one for path in used for one in _named_in(Path(path))}


def _mapped(pid: int) -> set[str]:
    try:
        lines = Path(f"/proc/{pid}/maps").read_text("utf-8", "replace").splitlines()
    except OSError:
        return set()
    paths = (line.partition("/")[1] + line.partition("/")[2] for line in lines)
    return {path for path in paths if path.startswith(f"{_SHARED}/PostgreSQL.") and "(deleted)" not in path}


def _named_in(control: Path) -> set[str]:
    """The segments that a server's control segment lists by their numbers, whatever the layout of its version."""
    try:
        content, owner = control.read_bytes(), control.stat().st_uid
        there = {one: one.stat() for one in _SHARED.glob("PostgreSQL.*")}
    except OSError:
        return set()
    numbers = set(memoryview(content[: len(content) // 4 * 4]).cast("I"))
    return {
        str(path)
        for path, facts in there.items()
        if facts.st_uid == owner and path.suffix[1:].isdigit() and int(path.suffix[1:]) in numbers
    }


def remove_remains(pids: Collection[int], since: float, shared: Collection[str] = ()) -> None:
    """Remove what killed servers leave outside their folders: shared memory, and the files of Java's attach protocol.

    ``pids`` are processes of ours that have ended, ``since`` is when the first of them started, in seconds since 1970;
    ``shared`` is what :func:`shared_memory` returned for them; what a process still uses of it stays.
    """
    _remove_shared_memory(shared)
    for segment, creator, users, at in _system_v():
        if creator in pids and users == 0 and at >= since - 1:
            ctypes.CDLL(None).shmctl(segment, 0, None)  # 0 is IPC_RMID
    for pid in pids:
        for name in (f".java_pid{pid}", f".attach_pid{pid}"):
            _remove_ours(_TEMPORARY / name, since)


def _remove_shared_memory(paths: Collection[str]) -> None:
    left = {path for one in paths for path in {one, *_named_in(Path(one))} if Path(path).exists()}
    if left:
        used = {path for pid in psutil.pids() for path in _mapped(pid)}
        for path in left - used:
            with contextlib.suppress(OSError):
                Path(path).unlink()


def _remove_ours(path: Path, since: float) -> None:
    with contextlib.suppress(OSError):
        facts = path.lstat()
        ours = facts.st_uid == os.geteuid() and facts.st_mtime >= since - 1
        if ours and (stat.S_ISSOCK(facts.st_mode) or stat.S_ISREG(facts.st_mode)):
            path.unlink()


def _system_v() -> list[tuple[int, int, int, int]]:
    """Each System V segment: its id, its creator, how many use it, when it was made (seconds since 1970)."""
    try:
        header, *lines = Path("/proc/sysvipc/shm").read_text("ascii").splitlines()
    except (OSError, ValueError):
        return []
    rows = [dict(zip(header.split(), line.split(), strict=False)) for line in lines]
    return [tuple(int(one[key]) for key in ("shmid", "cpid", "nattch", "ctime")) for one in rows]  # type: ignore[misc]
