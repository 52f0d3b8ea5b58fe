"""Nothing of ours survives: a normal end, an exception in a phase, Ctrl-C once and twice, and kill -9 of the parent."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from started import quick_servers

pytestmark = pytest.mark.integration

GONE_WITHIN_S = 5.0
PARENT_BYTES = 200 * 10**6
STARTS_WITHIN_S = 120.0
RUN = ["run", "phase4", "--profile", "once", "--sf", "0.01", "--engines", "duckdb"]
MATRIX = ["run", "interop", "--features", "type-d*", "--writers", "reference", "--readers", "duckdb,pyiceberg"]
"""A run that is soon at its cases, and has many of them."""
BROKEN = """
import sys
from lakebench import cli
from lakebench.execution import cases
def broken(self, context, todo):
    raise RuntimeError("a phase with a fault")
cases.Check.run = broken
cli.main()
"""


class Started:
    """A run in a process of its own, whose temporary files all lie below a folder of the test."""

    def __init__(self, folder: Path, argv: list[str]) -> None:
        self.temporary = folder / "tmp"
        self.temporary.mkdir(exist_ok=True)
        self.output = folder / "runs"
        self.log = folder / "log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *argv, "--output", str(self.output)],
                env={**os.environ, "TMPDIR": str(self.temporary)},
                cwd=folder,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

    def ours(self) -> list[psutil.Process]:
        """Every process that was started with our temporary folder, the parent itself left out."""
        processes = []
        for one in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                environment = one.environ()
                marked = environment.get("LAKEBENCH_GUARD", "").startswith(str(self.temporary))
                if (marked or environment.get("TMPDIR") == str(self.temporary)) and one.pid != self.process.pid:
                    processes.append(one)
        return processes

    def records(self) -> list[dict[str, object]]:
        """The whole lines of the run's records so far."""
        files = list(self.output.glob("*/records.jsonl"))
        if not files:
            return []
        return [json.loads(line) for line in files[0].read_bytes().split(b"\n")[:-1]]

    def cases(self) -> list[str]:
        return [str(line["case"]) for line in self.records() if line["kind"] == "case"]

    def wait_for_cases(self, number: int) -> None:
        deadline = time.monotonic() + STARTS_WITHIN_S
        while len(self.cases()) < number:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.1)

    def ports(self) -> list[int]:
        """The ports on which our processes listen, each on 127.0.0.1 only."""
        numbers = []
        for one in self.ours():
            with contextlib.suppress(psutil.Error):
                for connection in one.net_connections("tcp"):
                    if connection.status == psutil.CONN_LISTEN:
                        assert connection.laddr.ip in {"127.0.0.1", "::ffff:127.0.0.1"}, one.cmdline()[:2]
                        numbers.append(connection.laddr.port)
        return numbers


def assert_all_gone(started: Started, ports: list[int]) -> None:
    deadline = time.monotonic() + GONE_WITHIN_S
    while started.ours() or list(started.temporary.iterdir()):
        assert time.monotonic() < deadline, (started.ours(), list(started.temporary.iterdir()))
        time.sleep(0.1)
    listening = {one.laddr.port for one in psutil.net_connections("tcp") if one.status == psutil.CONN_LISTEN}
    assert not listening & set(ports)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    quick_servers(tmp_path)
    yield tmp_path
    for one in psutil.process_iter():  # whatever a failed test leaves must not disturb the next
        with contextlib.suppress(psutil.Error):
            if str(tmp_path) in one.environ().get("TMPDIR", ""):
                one.kill()


def test_after_a_normal_end(folder: Path) -> None:
    started = Started(folder, ["-m", "lakebench", *MATRIX])
    started.wait_for_cases(1)
    ports = started.ports()
    assert len(ports) >= 2
    peak = 0
    while started.process.poll() is None:
        with contextlib.suppress(psutil.Error):
            peak = max(peak, psutil.Process(started.process.pid).memory_info().rss)
        time.sleep(0.1)
    assert started.process.returncode == 0, started.log.read_text()
    assert 0 < peak < PARENT_BYTES, peak
    assert_all_gone(started, ports)
    assert next(iter(started.output.glob("*/report.html"))).stat().st_size > 0


def test_after_an_exception_in_a_phase(folder: Path) -> None:
    started = Started(folder, ["-c", BROKEN, *RUN])
    started.wait_for_cases(1)
    ports = started.ports()
    assert started.process.wait(300) == 5
    assert "a fault of lakebench itself" in started.log.read_text()
    assert_all_gone(started, ports)


@pytest.mark.parametrize("times", [1, 2])
def test_after_ctrl_c(folder: Path, times: int) -> None:
    started = Started(folder, ["-m", "lakebench", *MATRIX])
    started.wait_for_cases(3)
    ports = started.ports()
    for _ in range(times):
        started.process.send_signal(signal.SIGINT)
        time.sleep(0.05)
    assert started.process.wait(GONE_WITHIN_S) == 130
    assert_all_gone(started, ports)
    assert "Traceback" not in started.log.read_text()


def test_after_kill_9_and_every_finished_case_is_kept(folder: Path) -> None:
    started = Started(folder, ["-m", "lakebench", *MATRIX])
    started.wait_for_cases(12)
    ports = started.ports()
    started.process.kill()
    started.process.wait()
    assert_all_gone(started, ports)
    before = next(iter(started.output.glob("*/records.jsonl"))).read_bytes()
    kept = started.cases()

    resumed = Started(folder, ["-m", "lakebench", "run", "--resume", next(iter(started.output.iterdir())).name])
    assert resumed.process.wait(300) in {0, 1}, resumed.log.read_text()
    assert_all_gone(resumed, [])
    after = next(iter(started.output.glob("*/records.jsonl"))).read_bytes()
    assert after.startswith(before)
    cases = resumed.cases()
    assert cases[: len(kept)] == kept
    assert len(cases) == len(set(cases))
    assert len(cases) > len(kept)
