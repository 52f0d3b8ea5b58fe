"""A report that cannot be drawn is a fault of ours: exit code 5, and the records stay."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import fixture_run
import pytest

from lakebench import reports
from lakebench.errors import HarnessFault, UsageError
from lakebench.results.records import FILE

PLANT = "def fail(*_, **__): raise KeyError('planted')\nfrom lakebench.reports import {0}\n{0}.render = fail\n"


def planted(folder: Path, module: str) -> str:
    """A folder for PYTHONPATH that lets every Python fail in the drawing of ``module``."""
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(PLANT.format(module))
    return str(folder)


@pytest.mark.parametrize("module", ["markdown", "html"])
def test_lakebench_report_that_cannot_draw_is_a_fault_of_ours(tmp_path: Path, module: str) -> None:
    run = fixture_run.write(tmp_path)
    before = (run / FILE).read_bytes()
    command = [sys.executable, "-m", "lakebench", "report", str(run)]
    environment = {**os.environ, "PYTHONPATH": planted(tmp_path / "plant", module)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=False)
    assert done.returncode == 5, done.stderr
    said = " ".join(done.stderr.split())
    assert "a fault of lakebench itself, please report it with faults/001.txt of the run's folder" in said
    assert "KeyError: 'planted'" in (run / "faults" / "001.txt").read_text()
    assert (run / FILE).read_bytes() == before
    again = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert again.returncode == 0, again.stderr


def test_a_drawing_that_is_killed_is_no_mistake_of_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = fixture_run.write(tmp_path)
    (tmp_path / "plant").mkdir()
    (tmp_path / "plant" / "sitecustomize.py").write_text("import os\nos.kill(os.getpid(), 9)\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "plant"))
    with pytest.raises(HarnessFault, match="exit code -9"):
        reports.write_apart(run)


def test_records_that_cannot_be_read_are_the_users(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        reports.write_apart(tmp_path / "none")
