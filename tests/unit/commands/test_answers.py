"""``lakebench stack`` and ``lakebench upgrade``, on the shipped baseline and on a recorded run of two versions."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from lakebench import cli, engines, harness, reports
from lakebench.datasets.interop.features import all_features
from lakebench.errors import UsageError
from lakebench.execution.request import Request
from lakebench.outcomes import ExitCode
from lakebench.phases.interop.ways import lacking

(VERSIONS,) = (Path(__file__).parents[2] / "fixtures" / "interop-versions").iterdir()
"""DuckDB 1.4.4 and 1.5.5, PyIceberg and the reference: seven features."""


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def lakebench(*words: str) -> str:
    done = CliRunner().invoke(cli.app, words)
    assert (done.exception, done.exit_code) == (None, 0), (done.exception, done.output)
    return done.stdout


def test_a_stack_from_the_shipped_baseline() -> None:
    lines = lakebench("stack", "--write", "spark", "--read", "trino,duckdb").splitlines()
    assert lines[-2] == "spark 4.1.4 writes; trino 476, duckdb 1.5.5 read"
    assert lines[-1].startswith("AVOID")
    assert lines[-1].endswith("not known")
    table = "\n".join(lines)
    assert "20261121T094920Z-interop-b826" in table
    assert "silently wrong" in table
    assert max(map(len, lines[:-1])) <= 100


def test_a_stack_as_json_says_where_each_outcome_comes_from() -> None:
    answer = json.loads(lakebench("stack", "--write", "spark", "--read", "trino,duckdb", "--json"))
    assert (answer["output"], answer["version"]) == ("stack", 1)
    by_id = {one["feature"]: one for one in answer["features"]}
    assert set(by_id) == {one.id for one in all_features() if not one.by_reference}
    steps = [step for one in by_id.values() for step in one["steps"] if step["outcome"]]
    assert all(step["run"] and step["date"] for step in steps)
    assert by_id["equality-deletes"]["advice"] == "the writer cannot"
    assert "no way to ask" in by_id["equality-deletes"]["steps"][0]["reason"]
    assert sum(answer["counts"].values()) == len(by_id)
    assert answer["notes"] == []


def test_a_stack_as_csv_has_a_line_for_each_step() -> None:
    text = lakebench("stack", "--write", "pyiceberg", "--read", "duckdb", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {one["writer"] for one in rows} == {"pyiceberg@0.12.0"}
    assert {one["reader"] for one in rows} == {"", "duckdb@1.5.5"}
    assert {one["outcome"] for one in rows} >= {"PASS", "REFUSED", ""}


def test_a_version_that_only_a_run_has() -> None:
    answer = json.loads(lakebench("stack", "--write", "pyiceberg", "--read", "duckdb@1.4.3", "--format", "json"))
    nobody, how = answer["notes"]
    assert nobody == "Nobody measured duckdb 1.4.3: there is duckdb 1.5.5, 1.4.4"
    assert ": lakebench run interop --writers reference,pyiceberg --readers duckdb@1.4.3; then add --run RUN" in how
    assert answer["counts"]["fine"] == 0
    words = ("stack", "--write", "pyiceberg", "--read", "duckdb@1.4.4", "--format", "json")
    with_run = json.loads(lakebench(*words, "--run", str(VERSIONS)))
    assert with_run["notes"] == []
    advice = {one["feature"]: one["advice"] for one in with_run["features"]}
    assert advice["type-list"] == advice["add-column"] == "silently wrong"
    assert advice["append"] == "fine"


def test_the_users_own_accepted_outcomes_count() -> None:
    lakebench("accept", str(VERSIONS), "--reason", "two versions")
    answer = json.loads(lakebench("stack", "--write", "pyiceberg", "--read", "duckdb@1.4.4", "--json"))
    (one,) = (one for one in answer["features"] if one["feature"] == "type-list")
    assert one["advice"] == "silently wrong"
    assert one["steps"][1]["run"] == VERSIONS.name


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("stack", "--write", "sprak", "--read", "duckdb"), "did you mean spark"),
        (("stack", "--write", "spark", "--read", "dukdb"), "did you mean duckdb"),
        (("stack", "--write", "iceberg_scan", "--read", "duckdb"), "'iceberg_scan' cannot write the features"),
        (("stack", "--write", ",", "--read", "duckdb"), "--write names no engine"),
        (("upgrade", "dukdb", "1.4.4", "1.5.5"), "did you mean duckdb"),
        (("upgrade", "duckdb", "1.4.4", "1.5.5", "--run", "none"), "no run called 'none'"),
    ],
)
def test_names_that_do_not_exist(words: tuple[str, ...], message: str) -> None:
    done = CliRunner().invoke(cli.app, words)
    assert isinstance(done.exception, UsageError)
    assert message in str(done.exception)


def test_an_upgrade_from_a_run_of_both_versions() -> None:
    answer = json.loads(lakebench("upgrade", "duckdb", "1.4.4", "1.5.5", "--run", str(VERSIONS), "--json"))
    changed = {(one["change"], one["feature"], one["what"], one["counterpart"]) for one in answer["changed"]}
    assert ("mended", "type-list", "reads tables of", "pyiceberg") in changed
    assert ("mended", "deletion-vectors", "writes", "") in changed
    assert ("new", "deletion-vectors", "its tables are read by", "pyiceberg") in changed
    assert ("worse", "upgrade-v2-v3", "writes", "") in changed
    of_the_run = [one["change"] for one in answer["changed"] if (one["now"] or {}).get("run") == VERSIONS.name]
    assert (of_the_run.count("worse"), of_the_run.count("broken")) == (2, 0)
    assert answer["old_tables"]
    assert answer["notes"] == []
    assert answer["times"] == []


@pytest.mark.parametrize(
    ("engine", "before", "now"),
    [
        ("duckdb", "1.4.4", "1.5.5"),
        ("daft", "0.7.25", "0.7.26"),
        ("pyiceberg", "0.11.1", "0.12.0"),
        ("datafusion", "54.0.0", "54.1.0"),
    ],
)
def test_an_upgrade_from_the_outcomes_that_are_shipped(engine: str, before: str, now: str) -> None:
    """One older version of each engine that runs in a process of ours, but of Polars, whose way is new in 2.1."""
    answer = json.loads(lakebench("upgrade", engine, before, now, "--json"))
    assert not any("Nobody measured" in one for one in answer["notes"])
    assert answer["same"] > 200


def test_an_upgrade_that_nobody_measured_names_the_command() -> None:
    text = lakebench("upgrade", "duckdb", "1.4.3", "1.5.5", "--format", "markdown")
    assert "Nobody measured duckdb 1.4.3: there is duckdb 1.5.5, 1.4.4" in text
    assert "--writers reference,duckdb@1.4.3,duckdb,daft" in text, "1.5.5 is installed here"
    assert "0 broken, 0 new, 0 mended; 0 the same" in text


def test_an_upgrade_as_csv() -> None:
    text = lakebench("upgrade", "duckdb", "1.4.4", "1.5.5", "--run", str(VERSIONS), "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert {one["change"] for one in rows} >= {"worse", "new", "mended", "not known"}


def test_measure_runs_the_cells_and_answers_with_them(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Request] = []

    def recorded(request: Request, folder: Path, *_: Any) -> harness.Result:
        asked.append(request)
        shutil.copytree(VERSIONS, folder)
        return harness.Result(folder, ExitCode.OK)

    monkeypatch.setattr(harness, "run", recorded)
    monkeypatch.setattr(reports, "write_apart", lambda *_: None)
    answer = json.loads(lakebench("stack", "--write", "pyiceberg", "--read", "duckdb@1.4.4", "--measure", "--json"))
    assert {one["run"] for feature in answer["features"] for one in feature["steps"] if one["outcome"]} >= {
        VERSIONS.name
    }
    assert asked[0].selection.writers == ("reference", "pyiceberg")
    assert asked[0].selection.readers == ("duckdb@1.4.4",)
    lakebench("upgrade", "duckdb", "1.4.4", "1.5.5", "--measure", "--json")
    others = {"daft", "datafusion", "iceberg_scan", "polars", "pyiceberg"}
    assert set(asked[1].selection.readers) == {"duckdb@1.4.4", "duckdb"} | others


def test_what_an_engine_has_no_way_to_do_is_known_without_a_run() -> None:
    by_id = {one.id: one for one in all_features()}
    assert lacking(by_id["equality-deletes"], "spark") == "spark has no way to ask for EqualityDelete"
    assert lacking(by_id["append"], "spark") == ""
    assert lacking(by_id["multi-table-transaction"], "spark") == "spark has no way to ask for Transaction"
    for name in ("duckdb", "trino", "reference"):
        assert engines.find(name)
        assert lacking(by_id["append"], name) == ""
