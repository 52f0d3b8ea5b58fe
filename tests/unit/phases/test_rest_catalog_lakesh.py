"""The check by lakesh: its settings, and what its exit code and its answer make of the case."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from lakebench.config import Settings
from lakebench.errors import EngineUnavailable, Refused, WrongAnswer
from lakebench.model import Catalog, CatalogKind, EngineRef, Lake, ObjectStore
from lakebench.phases.rest_catalog import data_lakesh
from lakebench.phases.rest_catalog.targets import target

STORE = ObjectStore("http://127.0.0.1:9000", "bucket", "the-key", "the-secret")
AT = Lake("lake", STORE, Catalog(CatalogKind.REST, "http://127.0.0.1:8181", "lake"))
PYICEBERG = EngineRef("pyiceberg")


@pytest.fixture
def shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of PATH with a command that answers as the file ``answer`` beside it says."""
    lines = [
        f"#!{sys.executable}",
        "import os, pathlib, sys, tomllib",
        "settings = tomllib.loads(pathlib.Path(os.environ['LAKESH_CONFIG']).read_text())",
        "assert settings['profiles'][sys.argv[3]]['uri'] == 'http://127.0.0.1:8181'",
        "answer = pathlib.Path(__file__).with_name('answer').read_text()",
        "sys.exit(answer) if answer.startswith('error') else print(answer)",
    ]
    command = tmp_path / "bin" / data_lakesh.COMMAND
    command.parent.mkdir()
    command.write_text("\n".join(lines) + "\n")
    command.chmod(0o700)
    monkeypatch.setenv("PATH", str(command.parent))
    return command.parent


def test_only_a_catalog_over_a_ducklake_has_the_case_and_only_where_the_command_is(
    shell: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over_ducklake, other = (target(name, Settings()) for name in ("duckicelake", "rest"))
    (case,) = data_lakesh.blocks([PYICEBERG], over_ducklake)
    assert case.case.id == "phase11/duckicelake/lakesh/pyiceberg"
    assert not list(data_lakesh.blocks([PYICEBERG], other))
    monkeypatch.setenv("PATH", str(shell / "elsewhere"))
    assert not list(data_lakesh.blocks([PYICEBERG], over_ducklake))


def test_the_settings_are_for_this_user_alone(tmp_path: Path) -> None:
    file = data_lakesh.write_profile(AT, tmp_path / "lakesh.toml")
    assert file.stat().st_mode & 0o777 == 0o600
    written = tomllib.loads(file.read_text())
    assert written["profiles"][written["default"]]["s3"] == {
        "endpoint": STORE.endpoint,
        "region": "us-east-1",
        "access_key": "the-key",
        "secret_key": "the-secret",
        "path_style": True,
    }


def test_an_answer_counts_only_with_the_count_and_the_sum(shell: Path, tmp_path: Path) -> None:
    profile = data_lakesh.write_profile(AT, tmp_path / "lakesh.toml")
    (shell / "answer").write_text("| count=20 sum=1330 |")
    answer = data_lakesh.ask(profile, "exec", "-q", "SELECT 1", unable=Refused)
    assert data_lakesh.expect(answer, 20, 1330)["answer"] == "| count=20 sum=1330 |"
    with pytest.raises(WrongAnswer, match="count=21"):
        data_lakesh.expect(answer, 21, 1330)


@pytest.mark.parametrize("unable", [Refused, EngineUnavailable])
def test_an_error_is_what_the_caller_makes_of_it(
    shell: Path, tmp_path: Path, unable: type[Refused | EngineUnavailable]
) -> None:
    profile = data_lakesh.write_profile(AT, tmp_path / "lakesh.toml")
    (shell / "answer").write_text("error: 401 Unauthorized")
    with pytest.raises(unable, match="ended with 1: error: 401"):
        data_lakesh.ask(profile, "doctor", unable=unable)
