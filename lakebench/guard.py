"""Nothing of ours outlives the parent.

A :class:`Guard` starts every process of a run and makes its temporary folder. Beside it lives one small reaper
process that holds the other end of a pipe: when the parent ends, for whatever reason, the pipe closes, and the reaper
ends what is still there and removes the folder. It knows the processes by what it was told, by their sessions, and by
a mark in their environment, so a process that starts while the parent dies is found too. (The kernel's own
``PR_SET_PDEATHSIG`` is of no use here: it fires when the thread that started the child ends.)
"""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import psutil

_MARK = "LAKEBENCH_GUARD"
_GRACE_S = 2.0


class Guard:
    """Starts processes and makes one temporary folder, and sees to it that both end with the parent.

    Use as a context manager; leaving it ends every process still running, newest first.
    """

    def __init__(self, name: str = "run") -> None:
        # Its owner's alone. Short: PostgreSQL's socket path below it may have 107 bytes at most.
        self.folder = Path(tempfile.mkdtemp(prefix=f"lakebench-{name[:20]}-"))
        self._processes: list[subprocess.Popen[bytes]] = []
        # The reaper has a session of its own, so that Ctrl-C in the terminal does not reach it.
        self._reaper = subprocess.Popen(
            [sys.executable, "-P", "-m", "lakebench.guard"],
            stdin=subprocess.PIPE,
            start_new_session=True,
            cwd="/",
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        )
        self._tell(folder=str(self.folder))

    def __enter__(self) -> Self:
        """Use the guard."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End all."""
        self.close()

    def remove(self, folder: Path) -> None:
        """See to it that ``folder``, which is half made somewhere else, does not outlive the parent."""
        self._tell(remove=str(folder))

    def open_way(self) -> None:
        """Let a server that runs as another account pass through to its own folder; no other may then be readable."""
        self.folder.chmod(0o711)

    def spawn(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str | Path | None = None,
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        stdout: int | IO[bytes] = subprocess.DEVNULL,
        stderr: int | IO[bytes] = subprocess.DEVNULL,
        user: str | None = None,
        death_signal: signal.Signals = signal.SIGKILL,
        pass_fds: Sequence[int] = (),
        umask: int = -1,
    ) -> subprocess.Popen[bytes]:
        """Start ``argv`` in a session of its own, as ``user`` where one is given (needs root).

        ``death_signal`` is what ends it where the parent dies; it is killed where it does not end by that.
        ``umask`` is that of its files, the parent's where it is -1.
        """
        account = pwd.getpwnam(user) if user else None
        process = subprocess.Popen(
            list(argv),
            env={**(os.environ if env is None else env), _MARK: str(self.folder)},
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            user=account.pw_uid if account else None,
            group=account.pw_gid if account else None,
            extra_groups=[] if account else None,
            start_new_session=True,
            pass_fds=pass_fds,
            umask=umask,
        )
        self._processes.append(process)
        self._tell(process=process.pid, started=_started(process.pid), signal=int(death_signal))
        return process

    def stop(
        self, process: subprocess.Popen[bytes], with_signal: signal.Signals = signal.SIGTERM, grace_s: float = _GRACE_S
    ) -> None:
        """End ``process`` and what it started: asked first, killed after ``grace_s`` seconds."""
        family = _family(process.pid)
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(with_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(grace_s)
        _kill(family)
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                with contextlib.suppress(BrokenPipeError):  # what it did not read is lost with it
                    pipe.close()
        if process in self._processes:
            self._processes.remove(process)

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """End ``process`` and what it started at once."""
        self.stop(process, signal.SIGKILL)

    def close(self) -> None:
        """End all, newest first, remove the folder, and let the reaper go. May be called again."""
        for process in reversed(self._processes.copy()):
            self.stop(process)
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._reaper.stdin and not self._reaper.stdin.closed:
            with contextlib.suppress(BrokenPipeError):
                self._reaper.stdin.close()
        self._reaper.wait()

    def _tell(self, **what: object) -> None:
        if self._reaper.stdin is None:  # pragma: no cover - Popen was given a pipe
            return
        with contextlib.suppress(BrokenPipeError):
            self._reaper.stdin.write(json.dumps(what).encode() + b"\n")
            self._reaper.stdin.flush()


def _started(pid: int) -> float:
    """When ``pid`` started, which with the number names a process for good; 0.0 where it is gone."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return 0.0


def _family(pid: int, started: float = 0.0) -> list[psutil.Process]:
    """``pid``, everything below it, and everything in its session, which outlives it; none older than ``started``."""
    found: dict[int, psutil.Process] = {}
    with contextlib.suppress(psutil.Error):
        root = psutil.Process(pid)
        found = {one.pid: one for one in (root, *root.children(recursive=True))}
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            if os.getsid(one.pid) == pid:
                found[one.pid] = one
    return [one for one in found.values() if _started(one.pid) >= started]


def _kill(processes: Sequence[psutil.Process]) -> None:
    for process in processes:
        with contextlib.suppress(psutil.Error):  # gone, or its number is another's now: psutil looks at the start time
            process.kill()
    psutil.wait_procs(processes, timeout=_GRACE_S)


def _marked(folder: str) -> list[psutil.Process]:
    """The processes that carry the mark of the guard of ``folder``."""
    found = []
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if one.pid != os.getpid() and one.environ().get(_MARK) == folder:
                found.append(one)
    return found


def reap(lines: IO[bytes]) -> None:
    """Read what to guard until the parent's end of the pipe closes, then end it all."""
    folder = json.loads(next(lines))["folder"]
    guarded = [json.loads(line) for line in lines]
    alive = [one for told in guarded if "process" in told for one in _ask(told)]
    _kill(alive + _marked(folder))
    for one in (folder, *(told["remove"] for told in guarded if "remove" in told)):
        _remove(one)


def _remove(folder: str) -> None:
    for _ in range(10):  # a server that is just ending may still write
        shutil.rmtree(folder, ignore_errors=True)
        if not Path(folder).exists():
            break
        time.sleep(0.1)


def _ask(told: dict[str, Any]) -> list[psutil.Process]:
    """Send one process its death signal; what is to be killed if that does not end it."""
    family = _family(told["process"], told["started"])
    if told["signal"] != signal.SIGKILL and _started(told["process"]) == told["started"]:
        with contextlib.suppress(psutil.Error):
            root = psutil.Process(told["process"])
            root.send_signal(told["signal"])
            root.wait(_GRACE_S / 2)
    return family


if __name__ == "__main__":
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    reap(sys.stdin.buffer)
