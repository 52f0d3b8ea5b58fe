"""The comparison of lakes and the recommendations in reports of recorded runs, alone and ``--with`` others."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from lakebench import cli
from lakebench.outcomes import ExitCode
from lakebench.reports import document, lakes
from lakebench.reports.content import Document, Table
from lakebench.results import records

RUNS = Path(__file__).parents[2] / "fixtures"
PHASE4, PHASE8 = "20261129T193437Z-phase4-065f", "20261129T200733Z-phase8-cdcf"
Command = Callable[..., tuple[int, str]]


def _folder(name: str) -> Path:
    (folder,) = RUNS.glob(f"*/{name}")
    return folder


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """A command in a folder with the recorded runs: its exit code, and what it printed."""
    for name in (PHASE4, PHASE8):
        shutil.copytree(_folder(name), tmp_path / "runs" / name)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["lakebench", *arguments])
        code = cli._run()
        output = capsys.readouterr()
        return code, output.out + output.err

    return run


def _tables(made: Document) -> dict[str, Table]:
    return {part.caption: part for section in made.sections for part in section.parts if isinstance(part, Table)}


def _texts(table: Table) -> dict[str, list[str]]:
    return {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}


def test_a_report_shows_theirs_beside_the_cases_of_the_run() -> None:
    run = records.read(_folder(PHASE4))
    tables = _tables(document.build(run))
    compared = tables["Lakes by criterion (C16), theirs in brackets"]
    assert _texts(compared)["pg_duckdb"] == [
        "not in this run [fails]", "passes [passes]", "not in this run [passes]", "not in this run",
    ]  # fmt: skip
    marks = {row[0].text: [cell.mark for cell in row[1:]] for row in compared.rows}
    assert marks["pg_duckdb"] == ["none", "pass", "none", "none"]
    questions = {(row[0].text, row[1].text, row[2].text): row[3:] for row in tables["The cases of each cell"].rows}
    outcome, cases = questions["pg_duckdb", "Iceberg + Nessie", "rows that others wrote"]
    assert outcome.text == "PASS"
    assert cases.text == "PASS phase4/append/duckdb→pg_duckdb"
    assert outcome.link.startswith("#case-")
    outcome, cases = questions["Trino", "DuckLake", "a connector for DuckLake"]
    assert outcome.text == "not in this run"
    assert cases.text == "those of phase1: check connector, engine trino"


def test_a_recommendation_without_evidence_says_so() -> None:
    tables = _tables(document.build(records.read(_folder(PHASE8))))
    lines = _texts(tables["Recommendations (C27)"])
    assert lines["existing Citus warehouse"] == [
        "Citus + pg_lake + postgres_fdw", "cases that support it: 25, that contradict it: 7",
    ]  # fmt: skip
    assert lines["distributed DuckDB"] == ["Ray + DuckDB, or Daft", "no evidence"]
    cases = {(row[0].text, row[1].text): row[3].text for row in tables["The cases of each line"].rows}
    assert cases["distributed DuckDB", "Ray + DuckDB or Daft on several machines"] == "no case asks this"
    special = cases["existing Citus warehouse", "values that are special"]
    assert special.startswith("FAIL ")
    assert "FAIL WRONG phase8/citus→pg_lake/special-numeric-nan" in special


def test_cases_of_earlier_runs_stand_with_the_names_of_their_runs() -> None:
    run, earlier = (records.read(_folder(name)) for name in (PHASE8, PHASE4))
    alone, together = (_tables(document.build(run, others)) for others in ((), [earlier]))
    scenario = "existing Citus warehouse"
    assert _texts(alone["Recommendations (C27)"])[scenario] == _texts(together["Recommendations (C27)"])[scenario]
    assert "Lakes by criterion (C16), theirs in brackets" not in alone
    compared = together["Lakes by criterion (C16), theirs in brackets"]
    assert _texts(compared)["pg_duckdb"][1] == "passes [passes]"
    assert any(PHASE4 in note for note in compared.notes)
    cells = [cell for row in together["The cases of each cell"].rows for cell in row]
    assert any(f"PASS phase4/q01/pg_duckdb in {PHASE4}" in cell.text for cell in cells)
    assert not any(cell.link for cell in cells)
    reports = {one.report: one for one in lakes.field_reports(run, [earlier])}
    assert str(reports["C16"].ours["Iceberg + Nessie"]).startswith("5 as theirs, 0 not")


def test_the_command_takes_earlier_runs(command: Command, tmp_path: Path) -> None:
    code, output = command("report", PHASE8, "--with", f"{PHASE4},{PHASE8}", "--with", f"runs/{PHASE4}")
    assert code == ExitCode.OK, output
    report = (tmp_path / "runs" / PHASE8 / "report.md").read_text(encoding="utf-8")
    assert f"PASS phase4/q01/duckdb in {PHASE4}" in report.replace("\\", "")


@pytest.mark.parametrize("words", [("report", PHASE8), ("run", "clickbench")])
def test_an_earlier_run_that_is_not_there_is_an_error_before_anything_starts(
    command: Command, words: tuple[str, ...]
) -> None:
    code, output = command(*words, "--with", "20990101T000000Z-phase4-0000")
    assert code == ExitCode.USAGE
    assert "no run called '20990101T000000Z-phase4-0000'" in " ".join(output.split())
