"""The matrix with liars, once whole and once killed at three points: the same outcomes, verdicts and evidence."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import interop_sums
import pytest

from lakebench.model import Record
from lakebench.outcomes import Outcome
from lakebench.results.records import Run, read

pytestmark = pytest.mark.integration

LIARS = Path(__file__).parent.parent / "liar"
WRITER, READER = "liar-writes-less", "liar-reads-less"
FEATURES = ("type-int", "delete-by-another")
ASKED = (
    "run", "interop", "--json", "--use-up", "--features", ",".join(FEATURES),
    "--writers", f"reference,duckdb,{WRITER}", "--readers", f"duckdb,pyiceberg,{READER}",
)  # fmt: skip
KILLS = (2, 6, 3)
"""Cases after which the process dies: among the reference's readers, behind a writer's last, before a writer's own."""
DIES = """
import os, signal, sys
from lakebench import cli
from lakebench.results import records
left, write = int(sys.argv.pop(1)), records.Writer.write
def last(self, line):
    global left
    write(self, line)
    left -= isinstance(line, records.Record)
    if not left:
        os.kill(os.getpid(), signal.SIGKILL)
records.Writer.write = last
cli.main()
"""
_OF_THE_TRY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|\d{9,}|s3://\S+|\(\d+ bytes\)")
_DRAWN_FROM = 10**9


def start(folder: Path, variables: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **variables, "PYTHONPATH": str(LIARS)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=env, capture_output=True, text=True, timeout=1200, check=False
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, lake_up: dict[str, str]) -> Run:
    done = start(folder := tmp_path_factory.mktemp("whole"), lake_up, "-m", "lakebench", *ASKED)
    assert done.stdout, done.stderr
    return read(folder / json.loads(done.stdout)["folder"])


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, lake_up: dict[str, str]) -> Run:
    folder, asked = tmp_path_factory.mktemp("killed"), ASKED
    for number, after in enumerate(KILLS, 1):
        assert start(folder, lake_up, "-c", DIES, str(after), *asked).returncode == -signal.SIGKILL
        (path,) = (folder / "runs").iterdir()
        assert len(read(path).cases) == sum(KILLS[:number])
        asked = ("run", "--json", "--use-up", "--resume", path.name)
    assert start(folder, lake_up, "-m", "lakebench", *asked).stdout
    return read(path)


def comparable(record: Record) -> Any:
    """All of ``record`` but times, paths and numbers that each try draws anew."""
    fields = {key: value for key, value in vars(record).items() if key not in {"started", "seconds"}}
    evidence = {key: value for key, value in record.evidence.items() if key != "files"}  # in the order of drawn names
    # The first table of a session makes the namespace.
    sent = [one for one in record.evidence.get("statements", ()) if not one.startswith("CREATE SCHEMA IF NOT EXISTS")]
    evidence |= {"statements": sent}
    return _masked({**fields, "evidence": evidence})


def _masked(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _masked(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(one) for one in value]
    if isinstance(value, str):
        return _OF_THE_TRY.sub("…", value)
    return "…" if isinstance(value, int) and value > _DRAWN_FROM else value


def test_killed_at_three_points_it_comes_to_the_same(whole: Run, killed: Run) -> None:
    assert killed.complete
    assert len(killed.resumes) == len(KILLS)
    first, second = ({one.case: comparable(one) for one in run.cases} for run in (whole, killed))
    assert first == second
    assert {one.engine: one.versions for one in whole.engines} == {one.engine: one.versions for one in killed.engines}


def of(run: Run, feature: str) -> dict[str, tuple[Outcome, str | None]]:
    """Writer or writer→reader: the outcome, and the engine at fault where it is another one."""
    return {one.column: (one.outcome, one.evidence.get("fault")) for one in run.cases if one.row == feature}


def test_a_writer_that_loses_rows_is_found_by_those_that_read_the_reference_right(whole: Run) -> None:
    outcomes = of(whole, "type-int")
    assert outcomes[WRITER] == (Outcome.WRONG, None)
    for reader in ("duckdb", "pyiceberg", READER):
        assert outcomes[f"{WRITER}→{reader}"] == (Outcome.WRONG, WRITER)
    (record,) = [one for one in whole.cases if one.case == f"interop/type-int/{WRITER}"]
    assert record.reason == "read wrong by duckdb, pyiceberg, which read the reference's table right"


def test_a_reader_that_loses_rows_is_no_ones_fault_but_its_own(whole: Run) -> None:
    outcomes = of(whole, "type-int")
    for writer in ("reference", "duckdb"):
        assert outcomes[writer] == (Outcome.PASS, None)
        assert outcomes[f"{writer}→pyiceberg"] == (Outcome.PASS, None)
        assert outcomes[f"{writer}→{READER}"] == (Outcome.WRONG, None)


def test_a_step_that_another_engine_does_not_do_is_its_fault(whole: Run) -> None:
    outcomes = of(whole, "delete-by-another")
    assert outcomes["reference"] == (Outcome.PASS, None)
    assert outcomes["duckdb"] == (Outcome.REFUSED, WRITER)
    assert outcomes["duckdb→pyiceberg"] == (Outcome.UNAVAILABLE, None)


def test_the_numbers_of_its_reports_add_up_and_hold_each_engines_own_faults(whole: Run) -> None:
    sums = interop_sums.adds_up(whole)
    wrong = {one.column for one in whole.cases if one.outcome is Outcome.WRONG and "fault" not in one.evidence}
    assert sums["wrong"] >= len(wrong) > 0
    assert sums["MISLED"] >= 3
