"""Exports, read back by the tools that they are for."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import fixture_run
import pandas as pd
import pyperf
import pytest
from junitparser import Error, JUnitXml, Skipped
from junitparser.junitparser import Result
from pytest_benchmark.stats import Stats
from typer.testing import CliRunner

from lakebench import cli
from lakebench.commands.export import ExportFormat
from lakebench.outcomes import Outcome
from lakebench.reports import exports
from lakebench.results import records


@pytest.fixture
def run(tmp_path: Path) -> records.Run:
    return records.read(fixture_run.write(tmp_path / "runs"))


def _exported(run: records.Run, format_: str, *more: str) -> Path:
    file = run.path.parents[2] / f"exported.{format_}"
    asked = ["export", str(run.path.parent), "--format", format_, "--output", str(file), *more]
    done = CliRunner().invoke(cli.app, asked)
    assert done.exit_code == 0, done.output
    assert done.output.strip() == str(file)
    return file


def test_junit_has_a_failure_for_what_nobody_accepted_alone(run: records.Run) -> None:
    suites = list(JUnitXml.fromfile(str(_exported(run, "junit"))))
    cases = {case.name: case for suite in suites for case in suite}
    assert set(cases) == {one.case for one in run.cases}
    assert {suite.name for suite in suites} == {one.group for one in run.cases}
    for record in run.cases:
        kinds = [type(one).__name__ for one in cases[record.case].result]
        known = "known" in record.evidence
        failed = record.outcome.is_failure and not known
        skipped = known or record.outcome is Outcome.UNAVAILABLE
        assert kinds == ["Failure"] * failed + ["Skipped"] * skipped, record
        assert cases[record.case].time == pytest.approx(record.seconds)
    kinds = {"Skipped" if one.outcome is Outcome.UNAVAILABLE else "Failure" for one in run.cases if one.reason}
    assert kinds == {"Failure", "Skipped"}


def _result(run: records.Run, **changes: Any) -> Result:
    """What JUnit has of one case with ``changes``."""
    (suite,) = exports.junit(replace(run, cases=(replace(run.cases[0], samples=(), **changes),)))
    (case,) = suite
    (result,) = case.result
    return result


def test_an_error_of_ours_is_an_error_there(run: records.Run) -> None:
    result = _result(run, outcome=Outcome.HARNESS_FAULT, reason="KeyError: 'x'")
    assert (type(result), result.message) == (Error, "KeyError: 'x'")


def test_a_known_failure_is_skipped_with_both_reasons(run: records.Run) -> None:
    known = {"known": {"reason": "It reads no deletes.", "versions": "daft 0.7", "link": ""}}
    result = _result(run, outcome=Outcome.WRONG, reason="900 rows", evidence=known)
    assert (type(result), result.message) == (Skipped, "known WRONG: It reads no deletes. This run: 900 rows")


@pytest.mark.parametrize("table", ["cases", "samples", "latencies"])
def test_tables_are_read_by_pandas(run: records.Run, table: str) -> None:
    parquet = pd.read_parquet(_exported(run, "parquet", "--table", table))
    csv = pd.read_csv(_exported(run, "csv", "--table", table))
    assert len(parquet) == len(csv) > 0
    assert list(parquet) == list(csv)
    assert list(parquet["case"]) == list(csv["case"])


def test_pytest_benchmark_compares_it(run: records.Run, tmp_path: Path) -> None:
    file = _exported(run, "pytest-benchmark")
    command = [sys.executable, "-m", "pytest_benchmark", "compare", str(file), "--csv", str(tmp_path / "compared.csv")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    compared = pd.read_csv(tmp_path / "compared.csv").set_index("name")
    for record in run.cases:
        warm = [one.ns / 1e9 for one in record.samples if one.kind == "warm"]
        if warm:
            assert compared.loc[record.case, "median"] == pytest.approx(pd.Series(warm).median())
            assert compared.loc[record.case, "rounds"] == len(warm)


def test_the_statistics_are_those_of_pytest_benchmark(run: records.Run) -> None:
    made = json.loads(_exported(run, "pytest-benchmark").read_text("utf-8"))["benchmarks"]
    for one in made:
        theirs = Stats()
        for seconds in one["stats"]["data"]:
            theirs.update(seconds)
        for name in ("min", "max", "mean", "median", "total", "ops", "rounds"):
            assert one["stats"][name] == pytest.approx(getattr(theirs, name)), name
        assert one["stats"]["stddev"] == pytest.approx(theirs.stddev)


def test_pyperf_reads_it(run: records.Run) -> None:
    suite = pyperf.BenchmarkSuite.load(str(_exported(run, "pyperf")))
    names = {one.case for one in run.cases if one.samples}
    assert set(suite.get_benchmark_names()) == names
    (record,) = (one for one in run.cases if one.case == min(names))
    warm = [one.ns / 1e9 for one in record.samples if one.kind == "warm"]
    assert suite.get_benchmark(record.case).median() == pytest.approx(pd.Series(warm).median())


def test_what_cannot_be_exported_is_one_line(run: records.Run, tmp_path: Path) -> None:
    asked = ["export", str(run.path.parent), "--format", "junit", "--output"]
    no_table = CliRunner().invoke(cli.app, [*asked, str(tmp_path / "x.xml"), "--table", "samples"])
    assert "junit has no tables" in str(no_table.exception)
    nowhere = CliRunner().invoke(cli.app, [*asked, str(tmp_path / "no" / "such" / "x.xml")])
    assert "cannot be written: No such file or directory" in str(nowhere.exception)
    assert {one.value for one in ExportFormat} == {"parquet", "csv", "junit", "pytest-benchmark", "pyperf"}
