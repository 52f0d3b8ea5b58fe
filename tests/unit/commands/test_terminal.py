"""What commands print for people and for programs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

import lakebench
from lakebench import cli, harness
from lakebench.commands import json_outputs
from lakebench.commands.run import show
from lakebench.errors import UsageError
from lakebench.outcomes import ExitCode
from lakebench.results.records import ChangedCase, Gone
from lakebench.services import SERVICES


def test_the_version() -> None:
    done = CliRunner().invoke(cli.app, ["--version"])
    assert (done.exit_code, done.stdout) == (0, f"lakebench {lakebench.__version__}\n")


def test_engines_tell_the_version_of_their_server() -> None:
    done = CliRunner().invoke(cli.app, ["list", "engines", "--json"])
    rows = {one["engine"]: one for one in json.loads(done.stdout)["rows"]}
    assert rows["trino"]["server"] == f"trino {SERVICES['trino'].version}"
    assert rows["duckdb"]["server"] == ""


(RECORDED,) = (Path(__file__).parents[2] / "fixtures" / "interop-versions").iterdir()
COMMANDS = {
    "report": ("report", "runs/one"),
    "compare": ("compare", "runs/one", "runs/two"),
    "accept": ("accept", "runs/one", "--reason", "seen"),
    "list": ("list", "features"),
    "doctor": ("doctor",),
    "stack": ("stack", "--write", "pyiceberg", "--read", "duckdb@1.4.4", "--run", "runs/one"),
    "upgrade": ("upgrade", "duckdb", "1.4.4", "1.5.5", "--run", "runs/one"),
    "history": ("history",),
}


def _check(text: str, name: str) -> None:
    value = json.loads(text)
    assert value["output"] == name
    schema = json.loads(json_outputs.FILE.read_text(encoding="utf-8"))
    one = {**schema["$defs"][json_outputs.OUTPUTS[name].__name__], "$defs": schema["$defs"]}
    jsonschema.Draft202012Validator(one).validate(value)
    jsonschema.Draft202012Validator(schema).validate(value)


def test_the_schema_is_that_of_the_types() -> None:
    assert json_outputs.FILE.read_text(encoding="utf-8") == json_outputs.text(), "make schema makes it again"


@pytest.mark.parametrize("name", COMMANDS)
def test_what_is_printed_for_programs_fits_the_schema(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for run in ("one", "two"):
        shutil.copytree(RECORDED, Path("runs") / run)
    done = CliRunner().invoke(cli.app, [*COMMANDS[name], "--json"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    _check(done.stdout, name)


def test_a_run_counts_its_outcomes(capsys: pytest.CaptureFixture[str]) -> None:
    gone = (Gone("cases", "trino", "no Java", 3),)
    changes = {"worse": (ChangedCase("a", "PASS → WRONG"),)}
    show(harness.Result(RECORDED, ExitCode.WORSE, (), UsageError("full"), changes, gone), as_json=True)
    text = capsys.readouterr().out
    _check(text, "run")
    outcomes = json.loads(text)["outcomes"]
    assert outcomes == {
        "PASS": 60, "WRONG": 10, "REFUSED": 12, "CRASH": 0, "TIMEOUT": 0, "OUT_OF_MEMORY": 0, "UNAVAILABLE": 30,
        "HARNESS_FAULT": 0,
    }  # fmt: skip
