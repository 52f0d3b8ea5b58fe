"""What is left where more than the command is killed: its reaper too, a server, or the process of a report."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from started import eventually

from lakebench.config import Settings
from lakebench.processes import process_table, reaper
from lakebench.processes.guard import Guard
from lakebench.progress import Quiet
from lakebench.services import Services

pytestmark = pytest.mark.integration

GUARDED = """
import subprocess, sys, time
from lakebench.processes.guard import Guard
guard = Guard("killed")
known = guard.spawn(["env", "-i", "sleep", "600"])
mark = {"LAKEBENCH_GUARD": str(guard.folder)}
unknown = subprocess.Popen(["sleep", "600"], start_new_session=True, env=mark)
print(guard.folder, guard._reaper.pid, known.pid, unknown.pid, flush=True)
time.sleep(600)
"""
SLOW_REPORT = """
import sys, time
if "lakebench.reports" in sys.orig_argv:
    time.sleep(600)
"""
REPORT = """
import sys
from pathlib import Path
from lakebench import reports
reports.write_apart(Path(sys.argv[1]))
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder for the temporary files of this process and those below it; what a failed test leaves there is ended."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield tmp_path
    for one in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            here = {one.environ().get("TMPDIR"), str(Path(one.environ().get("LAKEBENCH_GUARD", "/")).parent)}
            if one.pid != os.getpid() and str(tmp_path) in here:
                one.kill()


@contextlib.contextmanager
def guarded() -> Iterator[tuple[subprocess.Popen[str], Path, int, list[int]]]:
    """A command with its folder, its reaper, and two processes that it started: one known to the reaper, one not."""
    with subprocess.Popen([sys.executable, "-c", GUARDED], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        folder, ready, *pids = parent.stdout.readline().split()
        try:
            yield parent, Path(folder), int(ready), [int(one) for one in pids]
        finally:
            parent.kill()


@pytest.mark.usefixtures("temporary")
def test_a_reaper_that_is_killed_is_replaced() -> None:
    with guarded() as (parent, folder, first, pids):
        os.kill(first, signal.SIGKILL)

        def second() -> list[int]:
            # The first is a zombie for a moment, which has no command line.
            below = {one.pid for one in psutil.Process(parent.pid).children()} - {first}
            return [one for one in below if "lakebench.processes.reaper" in psutil.Process(one).cmdline()]

        assert eventually(lambda: bool(second()))
        assert all(psutil.pid_exists(one) for one in pids)
        parent.kill()
    assert eventually(lambda: not any(psutil.pid_exists(one) for one in pids))
    assert eventually(lambda: not folder.exists())


def test_what_a_command_and_its_reaper_leave_ends_with_the_next_start(temporary: Path) -> None:
    with Guard("other") as other:
        bystander = other.spawn(["sleep", "600"])
        with guarded() as (parent, folder, first, pids):
            parent.send_signal(signal.SIGSTOP)  # so that it puts no other reaper in its place
            assert reaper.end_left_behind() == [], "a command that lives is left alone"
            os.kill(first, signal.SIGKILL)
            parent.kill()
        assert eventually(lambda: not process_table.started(first))
        assert all(psutil.pid_exists(one) for one in pids)
        assert reaper.end_left_behind() == [
            f"{folder.name}, which a killed command left, is gone now, with {len(pids)} processes"
        ]
        assert not any(psutil.pid_exists(one) for one in pids)
        assert not folder.exists()
        assert bystander.poll() is None
        assert reaper.end_left_behind() == []
    assert list(temporary.iterdir()) == []


def test_a_process_that_has_the_number_of_another_is_not_ended(temporary: Path) -> None:
    with Guard("other") as other:
        bystander = other.spawn(["sleep", "600"])
        folder = temporary / "lakebench-run-old"
        folder.mkdir()
        boot = process_table.boot()
        since = process_table.started(bystander.pid)
        lines = [
            f'{{"folder": "{folder}", "pid": {os.getpid()}, "started": 1, "boot": "{boot}"}}',
            f'{{"process": {bystander.pid}, "started": {since + 1}, "signal": 9, "at": 0}}',
        ]
        (folder / reaper.FILE).write_text("\n".join(lines) + "\n")
        assert len(reaper.end_left_behind()) == 1
        assert not folder.exists()
        folder.mkdir()
        lines = [lines[0].replace(boot, "another boot"), lines[1].replace(str(since + 1), str(since))]
        (folder / reaper.FILE).write_text("\n".join(lines) + "\n")
        assert len(reaper.end_left_behind()) == 1
        assert bystander.poll() is None


def test_the_process_of_a_report_ends_with_the_command(temporary: Path) -> None:
    (temporary / "sitecustomize.py").write_text(SLOW_REPORT)
    environment = {**os.environ, "PYTHONPATH": str(temporary)}

    def drawing() -> list[int]:
        pids = []
        for one in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if one.cmdline()[-2:] == ["lakebench.reports", str(temporary)]:
                    pids.append(one.pid)
        return pids

    with subprocess.Popen([sys.executable, "-c", REPORT, str(temporary)], env=environment) as parent:
        assert eventually(lambda: bool(drawing()), 30)
        parent.kill()
    assert eventually(lambda: not drawing())


def parallel_query(services: Services) -> None:
    """A query by two processes of PostgreSQL, which share memory for it, until the server is killed."""
    import psycopg

    one = services.endpoint("postgres")
    with (
        contextlib.suppress(psycopg.OperationalError),
        psycopg.connect(host=one.host, port=one.port, user=one.user, password=one.password, dbname="postgres") as to,
    ):
        to.execute("SET debug_parallel_query = on")
        to.execute("SELECT pg_sleep(120)")


def system_v(creator: int) -> list[int]:
    return [segment for segment, by, *_ in process_table._system_v() if by == creator]


def test_shared_memory_of_a_killed_postgresql_is_removed() -> None:
    with Guard("shared") as guard:
        services = Services(Settings(), guard, Quiet())
        services.start(["postgres"])
        server = psutil.Process(services._running["postgres"].service._roots()[0])
        query = threading.Thread(target=parallel_query, args=(services,))
        query.start()

        def shared() -> set[str]:
            return {path for one in (server, *server.children()) for path in process_table._mapped(one.pid)}

        assert eventually(lambda: len(shared()) >= 2, 60), shared()
        left = shared()
        assert system_v(server.pid)
        everyone = [server, *server.children()]
        for end in (
            psutil.Process.suspend,
            psutil.Process.kill,
        ):  # all at once: one that is left cleans up
            for one in everyone:
                end(one)
        query.join(60)
        assert eventually(lambda: not services.alive("postgres"))
        assert all(Path(one).exists() for one in left), "a killed server removes none of it"
        services.stop()
        assert not system_v(server.pid)
        assert not [one for one in left if Path(one).exists()]


def test_what_a_killed_java_attached_to_itself_by_is_removed() -> None:
    with Guard("attach") as guard:
        services = Services(Settings(), guard, Quiet())
        services.start(["object-store"])
        (pid,) = services._running["object-store"].service._roots()
        Path(f"/proc/{pid}/cwd/.attach_pid{pid}").touch()
        os.kill(pid, signal.SIGQUIT)  # with that file beside it, Java opens its socket and prints no threads
        socket = Path(f"/tmp/.java_pid{pid}")  # noqa: S108 - where Java puts it
        assert eventually(socket.exists)
        os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: not services.alive("object-store"))
        assert socket.exists()
        services.stop()
        assert not socket.exists()
