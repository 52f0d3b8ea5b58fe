"""One process at a run: the lock, what it says, and that it goes with the process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fixture_interop
import fixture_run
import pytest

from lakebench import cli, harness, reports
from lakebench.config import Settings
from lakebench.errors import UsageError
from lakebench.outcomes import ExitCode
from lakebench.reports import document
from lakebench.results import records, run_lock

HOLD = """
import sys
from pathlib import Path
from lakebench.results.run_lock import alone
with alone(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run that has not come to its end."""
    path = fixture_interop.write(tmp_path)
    file = path / records.FILE
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    file.write_text("".join(lines[:-1]), encoding="utf-8")
    return path


@pytest.fixture
def other(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that is at the run."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_run_that_is_running_is_not_resumed(folder: Path, other: subprocess.Popen[str]) -> None:
    said = f"is still running in process {other.pid}: wait for its end; or end it with kill {other.pid}"
    with pytest.raises(UsageError, match=said):
        harness.again(folder, Settings())
    with pytest.raises(UsageError, match=said), run_lock.alone(folder):
        pass


def test_the_lock_goes_with_the_process(folder: Path, other: subprocess.Popen[str]) -> None:
    assert run_lock.process(folder) == other.pid
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert run_lock.process(folder) is None
    with run_lock.alone(folder):
        assert run_lock.process(folder) == os.getpid()
    assert run_lock.process(folder) is None


def test_who_looks_does_not_keep_others_away(folder: Path) -> None:
    (folder / run_lock.FILE).write_text("12", encoding="utf-8")
    look = f"while True: process(Path({str(folder)!r}))"
    watching = subprocess.Popen(
        [sys.executable, "-c", f"from pathlib import Path\nfrom lakebench.results.run_lock import process\n{look}"]
    )
    try:
        for _ in range(20):
            with run_lock.alone(folder):
                pass
    finally:
        watching.kill()
        watching.wait()


def test_a_report_says_that_the_run_goes_on(folder: Path, other: subprocess.Popen[str]) -> None:
    run = records.read(folder)
    assert run.running == other.pid
    assert document.build(run).alerts == (
        f"STILL RUNNING in process {other.pid}: this is what is finished so far",
    )  # fmt: skip
    assert not document.build(run).good
    reports.write(folder)
    assert f"STILL RUNNING in process {other.pid}" in (folder / "interop.html").read_text(encoding="utf-8")
    other.kill()
    other.wait()
    assert document.build(records.read(folder)).alerts[0].startswith("INTERRUPTED: lakebench run --resume")


def test_a_report_of_other_phases_says_it_too(tmp_path: Path) -> None:
    path = fixture_run.write(tmp_path)
    with (path / records.FILE).open("a", encoding="utf-8") as file:
        file.write('{"kind": "resume", "at": "2026-11-21T12:00:00+00:00"}\n')
    with run_lock.alone(path):
        assert f"STILL RUNNING in process {os.getpid()}" in document.build(records.read(path)).alerts[0]


def test_accepting_says_that_the_run_goes_on(
    folder: Path, other: subprocess.Popen[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "argv", ["lakebench", "accept", str(folder), "--reason", "a test"])
    assert cli._run() == ExitCode.USAGE
    assert f"is still running in process {other.pid}" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize("text", ["", "no number", "-7"])
def test_what_stands_in_the_lock_file_is_not_trusted(tmp_path: Path, text: str) -> None:
    (tmp_path / run_lock.FILE).write_text(text, encoding="utf-8")
    assert run_lock.process(tmp_path) is None
    with run_lock.alone(tmp_path):
        (tmp_path / run_lock.FILE).write_text(text, encoding="utf-8")
        assert run_lock.process(tmp_path) == 0


def test_a_pipe_in_its_place_stops_nobody(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / run_lock.FILE)
    assert run_lock.process(tmp_path) is None


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(UsageError, match=r"file/run cannot be written: .*--output"),
        run_lock.alone(tmp_path / "file" / "run"),
    ):
        pass
