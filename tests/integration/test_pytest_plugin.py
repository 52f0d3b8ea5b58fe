"""``pytest --lakebench``: a run on real servers, and what pytest says of each of its cells."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from lakebench.model import Coordinates
from lakebench.outcomes import Outcome
from lakebench.results import baseline

pytestmark = pytest.mark.integration

FEATURES = ("append", "time-travel-timestamp", "equality-deletes-null-key")
READERS = ("daft", "datafusion", "duckdb")
ACCEPTED = {("append", "duckdb"): Outcome.REFUSED, ("time-travel-timestamp", "datafusion"): Outcome.PASS}
"""What somebody accepted and is not so: DuckDB reads an append, DataFusion refuses to travel."""


def _pytest(cwd: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-v", *arguments]
    return subprocess.run(
        command, cwd=cwd, capture_output=True, text=True, check=False, env={**os.environ, **variables}
    )


def _accept(file: Path) -> None:
    by = baseline.Acceptance(1, "20261120T090000Z-interop-0001", "2026-11-20", "for this test")
    entries: baseline.Entries = {}
    for (feature, reader), outcome in ACCEPTED.items():
        about = Coordinates(feature=feature, writer="reference", reader=reader, catalog="rest")
        needs = frozenset({"catalog=rest"})
        case = f"interop/{feature}/reference→{reader}"
        entries[case, needs] = baseline.Entry("interop", reader, {outcome: ""}, by, about, needs)
    baseline.write(file, entries)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another project, with a test of its own."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "test_own.py").write_text("def test_own() -> None:\n    pass\n", encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nxfail_strict = true\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def ended(folder: Path, lake_up: dict[str, str]) -> dict[str, ET.Element]:
    """The test cases of a run, by name."""
    _accept(folder / baseline.FILE)
    address = f"interop/{','.join(FEATURES)}/reference/{','.join(READERS)}"
    xml = folder / "cells.xml"
    done = _pytest(folder, "--lakebench", address, "--lakebench-options=--use-up", f"--junitxml={xml}", **lake_up)
    assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
    assert "collected 13 items" in done.stdout
    return {one.attrib["name"]: one for one in ET.parse(xml).iter("testcase")}  # noqa: S314 - pytest's own


def test_each_cell_is_a_test_and_no_other_file_is_collected(ended: dict[str, ET.Element]) -> None:
    tables = {f"interop/{feature}/reference" for feature in FEATURES}
    cells = tables | {f"{table}→{reader}" for table in tables for reader in READERS}
    assert cells < set(ended)
    assert len(ended) == len(cells) + 1


@pytest.mark.parametrize(
    ("cell", "kind", "says"),
    [
        ("append/reference→daft", None, ""),
        ("time-travel-timestamp/reference→daft", "skipped", "Daft"),
        ("equality-deletes-null-key/reference→daft", "skipped", "REFUSED"),
        ("equality-deletes-null-key/reference→duckdb", "skipped", "WRONG"),
        ("append/reference→duckdb", "failure", "[XPASS(strict)]"),
        ("time-travel-timestamp/reference→datafusion", "failure", "REFUSED"),
    ],
)
def test_what_pytest_says_of_a_cell(ended: dict[str, ET.Element], cell: str, kind: str | None, says: str) -> None:
    test = ended[f"interop/{cell}"]
    found = [one for one in test if one.tag in {"skipped", "failure", "error"}]
    assert [one.tag for one in found] == ([kind] if kind else [])
    assert not found or says.lower() in f"{found[0].attrib['message']} {found[0].text}".lower()


def test_a_failure_has_the_address_of_its_evidence(ended: dict[str, ET.Element], folder: Path) -> None:
    failed = ended["interop/time-travel-timestamp/reference→datafusion"]
    named = next(one.attrib["value"] for one in failed.iter("property"))
    page, _, cell = named.partition("#cell=")
    assert named in str(next(failed.iter("failure")).text)
    assert (folder / page).is_file()
    assert cell == "interop%2Ftime-travel-timestamp%2Freference%E2%86%92datafusion"


def test_the_run_fails_with_the_exit_code_of_the_command(ended: dict[str, ET.Element]) -> None:
    (run,) = (one for name, one in ended.items() if name.endswith("(the run)"))
    assert "exit code 1 of lakebench run interop" in str(next(run.iter("failure")).text)


@pytest.mark.parametrize(
    ("arguments", "collected"),
    [
        (("--lakebench", "interop/tag/reference/duckdb", "-k", "duckdb"), {"interop/tag/reference→duckdb"}),
        (("--lakebench", "interop/tag/reference/duckdb", "-m", "not lakebench", "."), {"test_own"}),
    ],
)
def test_what_is_collected(folder: Path, arguments: tuple[str, ...], collected: set[str]) -> None:
    done = _pytest(folder, "--collect-only", "-q", "-q", *arguments)
    lines = [line.partition("::")[2] for line in done.stdout.splitlines() if "::" in line]
    assert {one for one in lines if "(the run)" not in one} == collected


def test_several_processes_are_refused_before_anything_runs(folder: Path) -> None:
    done = _pytest(folder, "--lakebench", "interop/tag", "-n", "2")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "add -n 0" in done.stderr
