"""Runs as data frames, the page about them, and the notebook."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import fixture_interop
import fixture_run
import pandas as pd
import pytest

import lakebench
from lakebench.errors import UsageError
from lakebench.model import Record
from lakebench.results import frames, records

DOCS = Path(__file__).parents[3] / "docs"
PAGE = (DOCS / "python.md").read_text("utf-8")
DOCUMENTED = {
    "run.cases()": frames.CASES,
    "run.samples()": frames.SAMPLES,
    "run.latencies()": frames.LATENCIES,
    "lakebench.compare(base, other)": frames.COMPARISON,
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return fixture_run.write(tmp_path / "runs")


def _slowed(folder: Path, engine: str) -> Path:
    """A second run, in which ``engine`` takes twice as long."""

    def slowed(line: records.Line) -> records.Line:
        if isinstance(line, records.Header):
            return replace(line, run="20261122-120000-phase4")
        if isinstance(line, Record) and line.engine == engine:
            return replace(line, samples=tuple(replace(one, ns=2 * one.ns) for one in line.samples))
        return line

    at = folder.parent / "20261122-120000-phase4"
    with records.Writer(at / records.FILE) as writer:
        for line in fixture_run.lines():
            writer.write(slowed(line))
    return at


@pytest.mark.parametrize(
    "module", ["lakebench", "lakebench.processes.worker", "lakebench.harness", "lakebench.reports.document"]
)
def test_neither_the_package_nor_a_worker_nor_a_run_loads_pandas(module: str) -> None:
    code = f"import sys, {module}; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_cases_have_the_columns_that_are_documented(folder: Path) -> None:
    run = lakebench.load(folder)
    cases = run.cases()
    assert list(cases) == list(frames.CASES)
    assert {name: str(cases[name].dtype) for name in cases} == {name: one.dtype for name, one in frames.CASES.items()}
    assert list(cases["case"]) == [one.case for one in run.run.cases]
    assert set(cases["outcome"]) == {one.outcome.value for one in run.run.cases}


def test_samples_are_in_seconds_and_of_verified_answers_alone(folder: Path) -> None:
    run = lakebench.load(folder)
    samples, taken = run.samples(), [one for case in run.run.cases for one in case.samples]
    assert list(samples["seconds"]) == [one.ns / 1e9 for one in taken]
    assert set(samples["case"]) <= set(run.cases().query("outcome == 'PASS'")["case"])


def test_latencies_are_medians_within_their_intervals(folder: Path) -> None:
    run = lakebench.load(folder)
    latencies = run.latencies()
    assert {"cold", "warm"} == set(latencies["kind"])
    many = latencies[latencies["n"] >= 5]
    assert (many["low"] <= many["median"]).all()
    assert (many["median"] <= many["high"]).all()
    assert latencies[latencies["n"] < 5]["low"].isna().all()
    warm = run.samples().query("kind == 'warm'").groupby("case")["seconds"].median()
    pd.testing.assert_series_equal(
        latencies.query("kind == 'warm'").set_index("case")["median"].sort_index(), warm, check_names=False
    )


def test_a_run_without_times_has_the_same_columns(tmp_path: Path) -> None:
    run = lakebench.load(fixture_interop.write(tmp_path))
    assert list(run.samples()) == list(frames.SAMPLES)
    assert run.latencies().empty


def test_the_matrix_has_a_column_for_each_writer_with_each_reader(tmp_path: Path) -> None:
    run = lakebench.load(fixture_interop.write(tmp_path))
    matrix = run.matrix()
    read = [one for one in run.run.cases if one.coordinates.reader]
    assert matrix.notna().sum().sum() == len(run.run.cases)
    for one in read:
        at = one.coordinates
        assert matrix.loc[at.feature, (at.writer, at.reader)] == one.outcome.value


def test_a_comparison_has_every_case_and_shows_who_became_slower(folder: Path) -> None:
    base = lakebench.load(folder)
    other = lakebench.load(_slowed(folder, "trino"))
    found = lakebench.compare(base, other)
    assert list(found) == list(frames.COMPARISON)
    assert set(found["case"]) == set(base.cases()["case"])
    assert set(found[found["verdict"] == "regression"]["engine"]) == {"trino"}
    assert found.query("engine == 'trino' and kind == 'warm'")["ratio"].median() == pytest.approx(2)
    assert found[found["kind"].isna()]["ratio"].isna().all()


def test_runs_of_other_data_are_not_compared(folder: Path, tmp_path: Path) -> None:
    interop = lakebench.load(fixture_interop.write(tmp_path))
    with pytest.raises(UsageError, match="no case in common"):
        lakebench.compare(lakebench.load(folder), interop)


def test_a_folder_without_a_run_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name a folder below the runs folder"):
        lakebench.load(tmp_path / "nothing")


@pytest.mark.parametrize("title", DOCUMENTED)
def test_the_page_has_each_column_with_its_type(title: str) -> None:
    part = PAGE.split(f"### `{title}`")[1].split("\n#")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.+?) \| (.+?) \|$", part, re.MULTILINE)
    assert rows == [(name, one.dtype, one.text) for name, one in DOCUMENTED[title].items()]


def test_the_script_of_the_page_answers(folder: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    (script,) = (one for one in blocks if "combinations" in one)
    assert len([line for line in script.splitlines() if line.strip()]) <= 20
    runs = [fixture_interop.write(tmp_path), folder, _slowed(folder, "trino")]
    command = [sys.executable, "-c", script, *map(str, runs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert re.search(r"^\w+ and \w+ disagree most often: [1-9]\d* tables$", done.stdout, re.MULTILINE)
    assert re.search(r"^trino +\d+ +2\.0", done.stdout, re.MULTILINE)


def test_the_notebook_runs(folder: Path) -> None:
    notebook = json.loads((DOCS / "python-notebook.ipynb").read_text("utf-8"))
    cells = ["".join(one["source"]) for one in notebook["cells"] if one["cell_type"] == "code"]
    assert all(not one["outputs"] for one in notebook["cells"] if one["cell_type"] == "code")
    code = "import matplotlib\nmatplotlib.use('agg')\n" + "\n".join(cells)
    code += "\nimport matplotlib.pyplot as plt\nprint(len(plt.get_fignums()))"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=folder.parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 3
