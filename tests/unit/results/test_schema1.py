"""Runs of schema 1 are read as they were meant: ids of that time say what their cases are about.

``tests/fixtures/schema1`` has lines of real runs.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lakebench import cli, harness
from lakebench.config import Settings
from lakebench.errors import UsageError
from lakebench.model import Coordinates
from lakebench.outcomes import ExitCode, Outcome
from lakebench.results import baseline, records, schema1

RUNS = sorted((Path(__file__).parents[2] / "fixtures" / "schema1").iterdir())
Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """A command in an empty folder: its exit code, and what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: Path | str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["lakebench", *map(str, arguments)])
        code = cli._run()
        output = capsys.readouterr()
        return code, output.out + output.err

    return run


def _copy(run: Path, folder: Path, without: str = "") -> Path:
    """``run`` below ``folder``, without the case of this id."""
    to = folder / (f"less-{run.name}" if without else run.name)
    to.mkdir()
    lines = (run / records.FILE).read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not without or json.loads(line).get("case") != without]
    (to / records.FILE).write_text("".join(kept), encoding="utf-8")
    return to


def _first_that_ran(run: Path) -> str:
    return next(one.case for one in records.read(run).cases if one.outcome.ran)


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_a_run_is_reported_with_all_its_cases(run: Path, tmp_path: Path, command: Command) -> None:
    made = _copy(run, tmp_path)
    code, output = command("report", made)
    assert code == ExitCode.OK, output
    read = records.read(made)
    assert read.header.schema == 1
    assert all(one.coordinates.participants for one in read.cases)
    report = (made / "report.md").read_text(encoding="utf-8")
    if read.header.phases != ("interop",):
        assert all(one.case.replace("_", "\\_") in report for one in read.cases)
    else:
        page = (made / "interop.html").read_text(encoding="utf-8")
        assert all(str(one.coordinates.feature) in page for one in read.cases)
        assert "Claims against measured" in report


def test_claims_of_schema_1_are_field_reports() -> None:
    reports = {report.report for run in RUNS for report in records.read(run).field_reports}
    assert {"C1", "C2", "C6", "C7", "C8", "C9", "C28", "C29"} <= reports


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_a_run_is_compared(run: Path, tmp_path: Path, command: Command) -> None:
    made, less = _copy(run, tmp_path), _copy(run, tmp_path, _first_that_ran(run))
    assert command("compare", less, made)[0] == ExitCode.OK
    code, output = command("compare", made, less)
    assert code == ExitCode.WORSE
    assert output.split("GONE: ", 1)[1].startswith("1 of ")


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_a_run_is_accepted_with_coordinates(run: Path, tmp_path: Path, command: Command) -> None:
    made = _copy(run, tmp_path)
    interrupted = [] if records.read(made).complete else ["--interrupted"]
    code, output = command("accept", made, "--reason", "as it was", *interrupted)
    assert code == ExitCode.OK, output
    read = records.read(made)
    entries = {case: one for (case, _), one in baseline.read(tmp_path / baseline.FILE).items()}
    known = {one.case: one.coordinates for one in read.cases}
    assert {case: entries[case].coordinates for case in known} == known
    assert {entry.phase for entry in entries.values()} == set(read.header.phases)
    others = [one for case, one in entries.items() if case not in known]  # accepted before, and not in these lines
    assert all(set(one.outcomes) == {Outcome.UNAVAILABLE} for one in others)
    assert bool(others) is not bool(interrupted)


def test_an_interrupted_run_goes_on_in_the_schema_of_today(tmp_path: Path) -> None:
    interrupted = next(run for run in RUNS if records.read(run).end is None)
    made = _copy(interrupted, tmp_path)
    assert harness.again(made, Settings()).phases == ("clickbench",)
    before = records.read(made).cases
    new = records.Record("clickbench/local/iceberg/q42/duckdb", "clickbench", "", "duckdb", Outcome.PASS,
                         coordinates=Coordinates(engine="duckdb", query="q42", more={"note": "by itself"}))  # fmt: skip
    changes = {"new": (records.ChangedCase(new.case, "PASS"),)}
    with records.Writer(made / records.FILE) as writer:
        for line in (
            records.Resume("2026-11-29T12:00:00+00:00"),
            new,
            records.End("complete", 1.0, 0, None, "", changes),
        ):
            writer.write(line)
    read = records.read(made)
    assert read.cases == (*before, new)
    assert read.end is not None
    assert read.end.changes == changes


@pytest.mark.parametrize(
    ("case", "about"),
    [
        ("interop/append/spark", Coordinates(feature="append", writer="spark", catalog="nessie")),
        (
            "interop/append/duckdb@1.4.4→trino",
            Coordinates(feature="append", writer="duckdb@1.4.4", reader="trino", catalog="nessie"),
        ),
        ("phase1/sqlite/s3/merge/duckdb", Coordinates("merge", engine="duckdb", storage="s3", catalog="sqlite")),
        (
            "phase1/read/plain/live/polars",
            Coordinates(engine="polars", check="read", more={"state": "plain", "way": "live"}),
        ),
        ("phase1/connector/trino", Coordinates(engine="trino", check="connector")),
        (
            "phase1/versions/duckdb/duckdb@1.4.4→duckdb",
            Coordinates(writer="duckdb@1.4.4", reader="duckdb", catalog="duckdb", check="versions"),
        ),
        (
            "phase2/local/postgresql/q01/spark",
            Coordinates(engine="spark", storage="local", format="postgresql", query="q01"),
        ),
        ("phase2/read-null-and-negative/spark", Coordinates(engine="spark", check="read", test="null-and-negative")),
        ("phase2/all-or-nothing/spark", Coordinates(engine="spark", check="all-or-nothing")),
        (
            "phase2/nodes-pgspider-off-sum-integer/postgres",
            Coordinates(
                engine="postgres",
                check="nodes",
                test="sum-integer",
                more={"shape": "pgspider", "partitionwise": "off"},
            ),
        ),
        (
            "phase2/local/load-lineitem/pyiceberg",
            Coordinates(engine="pyiceberg", storage="local", check="load", more={"table": "lineitem"}),
        ),
        ("phase3/local/power/spark", Coordinates(engine="spark", storage="local", test="power")),
        ("phase3/s3/rf1/spark→trino", Coordinates(writer="spark", reader="trino", storage="s3", test="rf1")),
        (
            "phase3/base/local/iceberg/q01/duckdb@1.4.4",
            Coordinates(engine="duckdb", version="1.4.4", storage="local", format="iceberg", query="q01", base=True),
        ),
        ("phase4/q01/spark-jdbc", Coordinates(engine="spark-jdbc", query="q01")),
        ("phase4/append/daft→trino", Coordinates(writer="daft", reader="trino", check="append")),
        (
            "phase4/nessie/tag/spark→trino",
            Coordinates(writer="spark", reader="trino", check="reference", test="tag"),
        ),
        (
            "phase9/groups/iceberg-nessie_kept/2/duckdb+spark",
            Coordinates(
                engines=("duckdb", "spark"),
                format="iceberg",
                catalog="nessie",
                test="groups",
                more={"store": "iceberg-nessie_kept", "writers": 2},
            ),
        ),
        (
            "phase9/groups/iceberg-rest_kept/killed/duckdb",
            Coordinates(
                engines=("duckdb",),
                format="iceberg",
                catalog="rest",
                test="groups",
                more={"store": "iceberg-rest_kept", "fault": "killed"},
            ),
        ),
        ("workload/s3/parquet/by-day/duckdb", Coordinates(
            engine="duckdb", storage="s3", format="parquet", query="by-day")),
        ("another/thing/of/theirs/spark→trino", Coordinates(writer="spark", reader="trino")),
        ("nothing", Coordinates()),
    ],
)  # fmt: skip
def test_an_id_says_what_the_case_is_about(case: str, about: Coordinates) -> None:
    assert schema1.coordinates(case, "nessie") == about


def test_an_id_of_a_baseline_says_it_too(tmp_path: Path) -> None:
    by = {"run": "r", "date": "2026-11-21", "reason": "first look", "versions": {"duckdb": "duckdb 1.5.5"}}
    cases = [
        ["interop/append/duckdb→trino", "trino", {"PASS": "as claimed"}, 1, ["catalog=nessie"]],
        ["phase4/q01/duckdb", "duckdb", {"WRONG": ""}, 1],
    ]
    file = tmp_path / baseline.FILE
    file.write_text(json.dumps({"schema": 2, "acceptances": {"1": by}, "cases": cases}), encoding="utf-8")
    cell, query = baseline.read(file).values()
    assert cell.coordinates == Coordinates(feature="append", writer="duckdb", reader="trino", catalog="nessie")
    assert (cell.phase, cell.engine, cell.needs) == ("interop", "trino", {"catalog=nessie"})
    assert (query.phase, query.coordinates, query.needs) == ("phase4", Coordinates(engine="duckdb", query="q01"), set())
    assert query.versions == by["versions"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"case": "', '"case": 1, "title": "'),
        ('"better": [', '"better": [1, '),
        ('"changes": {', '"changes": 1, "x": {'),
    ],
)
def test_what_no_harness_wrote_is_damaged(tmp_path: Path, old: str, new: str) -> None:
    made = _copy(next(run for run in RUNS if "interop-539f" in run.name), tmp_path)
    text = (made / records.FILE).read_text(encoding="utf-8")
    assert old in text
    (made / records.FILE).write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(UsageError, match="is damaged"):
        records.read(made)


def test_a_case_of_today_has_to_say_what_it_is_about(tmp_path: Path) -> None:
    made = shutil.copytree(RUNS[0], tmp_path / "run")
    text = (made / records.FILE).read_text(encoding="utf-8")
    (made / records.FILE).write_text(text.replace('"schema": 1', f'"schema": {records.SCHEMA}', 1), encoding="utf-8")
    with pytest.raises(UsageError, match=r"is damaged \(coordinates: "):
        records.read(made)


def test_an_engine_that_wrote_nothing_is_to_blame_before_who_was_to_read() -> None:
    about = Coordinates(writer="spark", reader="trino")
    assert (about.first_absent({"trino"}), about.first_absent({"spark"})) == ("spark", "trino")
    assert about.first_absent({"spark", "trino"}) is None
