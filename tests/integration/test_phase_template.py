"""The template of a phase works as it stands: installed beside lakebench, it runs and reports without an edit."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from started import installed, lakebench

from lakebench.outcomes import ExitCode, Outcome
from lakebench.phases import BASELINE
from lakebench.results.records import ChangedCase, read

pytestmark = pytest.mark.integration

TEMPLATE = Path(__file__).parents[2] / "examples" / "phase-template"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The template installed into a folder of its own, as ``pip install --target`` does."""
    return installed(TEMPLATE, tmp_path_factory.mktemp("template"))


def test_it_is_listed_and_its_help_has_its_option(environment: dict[str, str], tmp_path: Path) -> None:
    rows = json.loads(lakebench("list", "phases", "--json", cwd=tmp_path, **environment).stdout)["rows"]
    assert {"round-trip", "phase4"} <= {one["phase"] for one in rows}
    assert "--batches" in lakebench("run", "round-trip", "--help", cwd=tmp_path, **environment).stdout
    refused = lakebench("run", "phase4", "--batches", "3", cwd=tmp_path, **environment)
    assert refused.returncode == ExitCode.USAGE
    assert "--batches is no option of phase4, but of round-trip" in refused.stderr


def test_it_runs_is_held_against_its_baseline_and_has_a_section_of_the_report(
    environment: dict[str, str], tmp_path: Path
) -> None:
    accepted = Path(environment["PYTHONPATH"]) / "lakebench_phase_template" / BASELINE
    text, (case, other) = accepted.read_text(encoding="utf-8"), ('pyiceberg", {"PASS"', 'pyiceberg", {"REFUSED"')
    assert case in text
    accepted.write_text(text.replace(case, other), encoding="utf-8")
    given = ("run", "round-trip", "--engines", "duckdb,pyiceberg", "--batches", "3", "--json")
    done = lakebench(*given, cwd=tmp_path, **environment)
    folder = tmp_path / json.loads(done.stdout)["folder"]
    run = read(folder)
    cases = {one.case: one for one in run.cases}
    assert run.end is not None
    assert {kind: lines for kind, lines in run.end.changes.items() if lines} == {
        "better": (ChangedCase("round-trip/read/pyiceberg", "REFUSED → PASS"),)
    }
    lakebench("accept", str(folder), "--shipped", "--reason", "it passes", cwd=tmp_path, **environment)
    assert case in accepted.read_text(encoding="utf-8")
    assert {case: one.outcome for case, one in cases.items()} == {
        "round-trip/read/duckdb": Outcome.PASS,
        "round-trip/read/pyiceberg": Outcome.PASS,
    }
    assert {one.evidence["commits"] for one in cases.values()} == {3}
    for name in ("report.md", "report.html"):
        assert "Rows of a table of several commits" in (folder / name).read_text(encoding="utf-8")
