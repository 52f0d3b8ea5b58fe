"""Nothing of ours outlives the parent.

A :class:`Guard` starts every process of a run and makes its temporary folder. Beside it lives one small reaper
process that holds the other end of a pipe: when the parent ends, for whatever reason, the pipe closes, and the reaper
ends what is still there and removes the folder. It knows the processes by the parent's messages, by their sessions,
and by a mark in their environment, so it also finds a process that starts while the parent dies. A reaper that dies is
replaced by another, which gets the same messages. (The kernel's own ``PR_SET_PDEATHSIG`` is of no use here: it fires
when the thread that started the child ends.)
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
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from lakebench.errors import HarnessFault
from lakebench.paths import with_source
from lakebench.processes import process_table
from lakebench.processes.reaper import FILE, identity

_REAPERS = 5


class Guard:
    """Starts processes and makes one temporary folder; both end with the parent.

    Use as a context manager; leaving it ends every process still running, newest first.
    """

    def __init__(self, name: str = "run") -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"lakebench-{name[:20]}-"))  # with access for its owner alone
        self._began = time.time()
        self._processes: list[subprocess.Popen[bytes]] = []
        self._shared: dict[int, set[str]] = {}
        self._messages: list[bytes] = []
        self._sending = threading.Lock()
        self._reapers, self._closed = 0, False
        self._reaper = self._start_reaper()
        self._send(folder=str(self.folder), **identity(os.getpid()))
        self._send(**identity(self._reaper.pid))
        threading.Thread(target=self._watch_reaper, name="reaper", daemon=True).start()

    def __enter__(self) -> Self:
        """Use the guard."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End all."""
        self.close()

    def remove(self, folder: Path) -> None:
        """Have ``folder``, which is half made elsewhere, removed when the parent ends."""
        self._send(remove=str(folder))

    def remember(self, process: subprocess.Popen[bytes]) -> None:
        """Remember the shared memory that ``process`` has: a server that is killed does not remove it."""
        paths = process_table.shared_memory([process.pid])
        if paths - self._shared.get(process.pid, set()):
            self._shared.setdefault(process.pid, set()).update(paths)
            self._send(shared=sorted(paths))

    def open_way(self) -> None:
        """Let a server of another account reach its own folder; no other folder in here may then be open to others."""
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
        leaves: Sequence[str] = (),
    ) -> subprocess.Popen[bytes]:
        """Start ``argv`` in a session of its own, as ``user`` where one is given (needs root).

        When the parent dies the reaper sends it ``death_signal``, and kills it where it does not end by that.
        ``umask`` is for its files; -1 is the parent's. ``leaves`` are files outside of this folder that it does not
        remove where it is killed.
        """
        if self._reapers > _REAPERS:
            raise HarnessFault("the process that ends what a killed command leaves was ended again and again")
        account = pwd.getpwnam(user) if user else None
        process = subprocess.Popen(
            list(argv),
            env={**(os.environ if env is None else env), process_table.MARK: str(self.folder)},
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
        since = process_table.started(process.pid)
        self._send(process=process.pid, started=since, signal=int(death_signal), at=self._began)
        if leaves:
            self._shared[process.pid] = set(leaves)
            self._send(shared=list(leaves))
        return process

    def stop(
        self,
        process: subprocess.Popen[bytes],
        with_signal: signal.Signals = signal.SIGTERM,
        grace_s: float = process_table.GRACE_S,
    ) -> None:
        """End ``process`` and what it started: by ``with_signal``, and by SIGKILL after ``grace_s`` seconds."""
        family = process_table.families({process.pid: 0})
        pids = {process.pid, *(one.pid for one in family)}
        shared = process_table.shared_memory(pids) | self._shared.pop(process.pid, set())
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(with_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(grace_s)
        process_table.kill(family)
        process.wait()
        process_table.remove_remains(pids, self._began, shared)
        _close_pipes(process)
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
        with self._sending:
            self._closed = True
        _close_pipes(self._reaper)
        self._reaper.wait()

    def _send(self, **message: object) -> None:
        """Send a message to the reaper and its successors, and to a file, for the case that all of us are killed."""
        line = json.dumps(message).encode() + b"\n"
        with self._sending:
            if self._closed:  # while another reaper was being started
                return
            self._messages.append(line)
            self._write(line)
            with contextlib.suppress(OSError), open(self.folder / FILE, "ab", opener=_for_its_owner) as file:
                file.write(line)

    def _write(self, lines: bytes) -> None:
        if self._reaper.stdin is None:  # pragma: no cover - Popen was given a pipe
            return
        with contextlib.suppress(BrokenPipeError):
            self._reaper.stdin.write(lines)
            self._reaper.stdin.flush()

    def _start_reaper(self) -> subprocess.Popen[bytes]:
        # It has a session of its own, so that Ctrl-C in the terminal does not reach it.
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "lakebench.processes.reaper"],
            stdin=subprocess.PIPE,
            start_new_session=True,
            cwd="/",
            env=with_source(),
        )

    def _watch_reaper(self) -> None:
        """Start another reaper when one dies."""
        while self._reapers <= _REAPERS:
            self._reaper.wait()
            with self._sending:
                if self._closed:
                    return
                self._reapers += 1
                _close_pipes(self._reaper)
                self._reaper = self._start_reaper()
                self._write(b"".join(self._messages))
            self._send(**identity(self._reaper.pid))


def _for_its_owner(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe:
            with contextlib.suppress(BrokenPipeError):  # what it did not read is lost with it
                pipe.close()


def run(command: Sequence[str], env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``command`` to its end, or to ours where that comes first; what it printed is text."""
    with Guard("command") as guard:
        process = guard.spawn(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        out, err = process.communicate()
    return subprocess.CompletedProcess(
        list(command), process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")
    )
