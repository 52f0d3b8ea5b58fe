"""Steps in a folder of runs: of times and of outcomes, with the versions that changed."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Sequence
from pathlib import Path

import fixture_run
import pytest
from typer.testing import CliRunner

from lakebench import cli
from lakebench.errors import UsageError
from lakebench.model import Coordinates, Record
from lakebench.outcomes import Outcome
from lakebench.reports import history as reports
from lakebench.reports.content import DASH
from lakebench.results import records
from lakebench.results.cell_changes import ChangeKind
from lakebench.results.history import History, history


def _run(day: int, seconds: float, version: str = "1.4.4", outcome: str = "PASS", **more: object) -> records.Run:
    header = dataclasses.replace(fixture_run.header(), run=f"run-{day:02}", started=f"2026-11-{day:02}T00:00:00+00:00")
    dice = random.Random(day)  # noqa: S311 - not for secrets
    samples = fixture_run.samples(dice, seconds) if outcome == "PASS" else ()
    case = Record(
        "phase4/q01/duckdb", "phase4", "", "duckdb", Outcome(outcome), "" if samples else "why", samples=samples,
        coordinates=Coordinates(engine="duckdb", query="q01"),
    )  # fmt: skip
    run = records.Run(
        Path(header.run), header, cases=(case,), engines=(records.EngineFacts("duckdb", {"duckdb": version}),)
    )
    return dataclasses.replace(run, **more)  # type: ignore[arg-type]


def _times(seconds: Sequence[float], new_from: int = 99) -> History:
    return history(
        _run(day, one, "1.5.5" if day >= new_from else "1.4.4") for day, one in reversed([*enumerate(seconds, 1)])
    )


def test_a_step_has_its_run_its_ratio_and_the_version_that_changed() -> None:
    found = _times([1.0] * 6 + [1.5] * 4, new_from=7)
    (step,) = found.times
    assert (step.now.run, step.confirmed) == ("run-07", True)
    assert step.ratio.ratio == pytest.approx(1.5, rel=0.05)
    assert step.versions == (("duckdb: duckdb", "1.4.4", "1.5.5"),)
    assert found.outcomes == ()


def test_one_slow_night_is_an_outlier() -> None:
    assert _times([1.0] * 4 + [3.0] + [1.0] * 4).times == ()


def test_the_step_of_the_newest_run_waits() -> None:
    (step,) = _times([1.0] * 5 + [2.0]).times
    assert (step.now.run, step.confirmed, step.versions) == ("run-06", False, ())


def test_there_and_back_are_two_steps() -> None:
    found = _times([1.0] * 4 + [2.0] * 4 + [1.0] * 4)
    assert [(one.now.run, one.ratio.ratio > 1) for one in found.times] == [("run-09", False), ("run-05", True)]


@pytest.mark.parametrize("seed", range(8))
def test_noise_is_no_step(seed: int) -> None:
    dice = random.Random(seed)  # noqa: S311 - not for secrets
    assert _times([dice.lognormvariate(0, 0.03) for _ in range(25)]).times == ()


def test_what_takes_milliseconds_has_no_steps() -> None:
    assert _times([0.004] * 5 + [0.008] * 5).times == ()


def test_another_machine_or_other_data_is_another_series() -> None:
    machine = dataclasses.replace(_run(9, 1).header, machine={"cpu_model": "other", "cores": 2}, run="run-09")
    runs = [_run(1, 1.0), _run(2, 1.0), _run(8, 2.0, header=machine), _run(9, 2.0, header=machine)]
    data = (dataclasses.replace(fixture_run.dataset(), scale_factor="10"),)
    assert history(runs).times == ()
    assert history([*runs[:2], _run(8, 9.0, datasets=data), _run(9, 9.0, datasets=data)]).times == ()


def test_outcomes_change_with_the_version_beside_them() -> None:
    runs = [_run(1, 1.0), _run(2, 0, outcome="UNAVAILABLE"), _run(3, 0, "1.5.5", outcome="WRONG"), _run(4, 1, "1.5.6")]
    mended, broken = history(runs).outcomes
    assert (broken.before.run, broken.now.run, broken.change) == ("run-01", "run-03", ChangeKind.BROKEN)
    assert broken.versions == (("duckdb: duckdb", "1.4.4", "1.5.5"),)
    assert (mended.change, mended.now.run) == (ChangeKind.MENDED, "run-04")


def test_a_trend_is_drawn() -> None:
    (series,) = _times([1.0, 1.0, 2.0]).series
    assert reports.trend(series) == "▁▁█"
    assert reports.trend(dataclasses.replace(series, points=series.points[:1])) == DASH


def _written(folder: Path, run: records.Run) -> None:
    with records.Writer(folder / run.header.run / records.FILE) as writer:
        for line in (run.header, *run.engines, *run.cases, records.End("complete", 1.0, 0)):
            writer.write(line)


def test_the_command_reads_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for day, seconds in enumerate([1.0, 1.0, 1.0, 1.6, 1.6], 1):
        _written(tmp_path / "runs", _run(day, seconds, "1.5.5" if day > 3 else "1.4.4"))
    (tmp_path / "runs" / "broken").mkdir()
    (tmp_path / "runs" / "broken" / "records.jsonl").write_text("{")
    done = CliRunner().invoke(cli.app, ["history"])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[-1] == "5 runs, 1 case: 1 step of times (1 slower) in 1 trends; 0 changes of outcomes (0 worse)"
    assert "LEFT OUT: " in done.stdout
    assert "duckdb 1.4.4 → 1.5.5" in CliRunner().invoke(cli.app, ["history", "--format", "markdown"]).stdout
    csv = CliRunner().invoke(cli.app, ["history", "runs", "--format", "csv"]).stdout.splitlines()
    assert len(csv) == 6
    none = CliRunner().invoke(cli.app, ["history", str(tmp_path / "none")])
    assert isinstance(none.exception, UsageError)
