"""The template of an engine works as it stands: installed beside lakebench, it is in the matrix without an edit."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from started import installed, lakebench

from lakebench.outcomes import Outcome
from lakebench.results.records import Run, read

pytestmark = pytest.mark.integration

TEMPLATE = Path(__file__).parents[2] / "examples" / "engine-template"
FEATURES = "type-int,type-string,add-column,position-deletes"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The template installed into a folder of its own, as ``pip install --target`` does."""
    return installed(TEMPLATE, tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="module")
def run(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory, lake_up: dict[str, str]) -> Run:
    folder = tmp_path_factory.mktemp("runs")
    arguments = ["run", "interop", "--features", FEATURES, "--writers", "reference", "--readers", "template", "--json"]
    done = lakebench(*arguments, "--use-up", "--output", str(folder), cwd=folder, **{**environment, **lake_up})
    return read(Path(json.loads(done.stdout)["folder"]))


def test_it_is_listed_with_what_it_can_do(environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "lakebench", "list", "engines", "--json"]
    output = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
    (mine,) = (one for one in json.loads(output)["rows"] if one["engine"] == "template")
    assert (mine["version"], mine["abilities"]) == ("0.1.0", "scan")


def test_it_passes_the_base_tests_of_lakebench(environment: dict[str, str], tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "-c",
        "/dev/null",
        str(TEMPLATE / "tests"),
    ]
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    assert "skipped" not in done.stdout


def test_it_reads_what_it_claims_and_refuses_what_it_does_not(run: Run) -> None:
    cases = {one.row: one for one in run.cases if one.column == "reference→template"}
    assert {feature: one.outcome for feature, one in cases.items()} == {
        "type-int": Outcome.PASS,
        "type-string": Outcome.PASS,
        "add-column": Outcome.PASS,
        "position-deletes": Outcome.REFUSED,
    }
    assert "knows no delete files" in cases["position-deletes"].reason
    assert cases["type-int"].evidence["claim"]["source"] == "examples/engine-template/README.md"
    assert cases["type-int"].evidence["verdict"] == "as claimed"
    assert cases["position-deletes"].evidence["verdict"] == "as claimed"
    assert cases["add-column"].evidence["verdict"] == "unknown"


def test_it_is_in_the_reports(run: Run) -> None:
    folder = run.path.parent
    for name in ("report.md", "report.html", "interop.html"):
        assert "template" in (folder / name).read_text(encoding="utf-8")
