"""docs/troubleshooting.md: its headings are messages of the source, and what beginners meet is among them."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from lakebench import cli
from lakebench.config import ServiceSettings
from lakebench.engines.trino.engine import Trino
from lakebench.errors import CaseError, UsageError
from lakebench.model import EngineSettings
from lakebench.outcomes import Outcome
from lakebench.services.compose import Composed
from lakebench.services.lakekeeper import LakekeeperService

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "troubleshooting.md"
HEADINGS = re.findall(r"^### `(.*)`$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def text_of(node: ast.expr) -> str:
    """A string of the source, with … for each value in it; empty where ``node`` is none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(one) if isinstance(one, ast.Constant) else "…" for one in node.values)
    return ""


@cache
def source() -> str:
    """Every string of the package, one a line, and what the installing script says."""
    trees = (ast.parse(file.read_text(encoding="utf-8")) for file in sorted((ROOT / "lakebench").rglob("*.py")))
    strings = (text_of(node) for tree in trees for node in ast.walk(tree) if isinstance(node, ast.expr))
    script = (ROOT / "scripts" / "uv.sh").read_text(encoding="utf-8")
    return re.sub("…+", "…", "\n".join([*strings, script]))


def describes(heading: str, message: str) -> bool:
    return re.search(".*".join(map(re.escape, heading.split("…"))), message, re.DOTALL) is not None


def test_headings_are_many_and_each_is_there_once() -> None:
    assert len(HEADINGS) > 50
    assert len(set(HEADINGS)) == len(HEADINGS)
    others = re.findall(r"^### .*", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(others) == len(HEADINGS)


@pytest.mark.parametrize("heading", HEADINGS)
def test_a_heading_is_a_message_of_the_source(heading: str) -> None:
    assert heading.strip("… ") in source()


def test_a_message_that_is_not_in_the_source_would_be_seen() -> None:
    assert "no Docker engine replies" not in source()


BEGINNERS = [
    "run", "run phase99", "run phase4 --engines ducks", "run phase4 --profile fast", "run phase4 --engines duckdb@",
    "run phase4 ./mine", "run workload", "run workload ./mine", "report nothing", "run --resume nothing",
    "compare nothing", "run interop --features none-*", "run phase3 --storage moon", "up nothing",
    "run interop --catalog moon", "run phase4 --engines duckdb --require trino", "run phase4 --catalog rest",
    "run phase4 --use-up", "run phase3 --formats delta",
]  # fmt: skip


def error_of(command: str) -> Exception:
    error = CliRunner().invoke(cli.app, shlex.split(command)).exception
    assert isinstance(error, UsageError), command
    return error


@pytest.mark.parametrize("command", BEGINNERS)
def test_what_a_beginner_writes_wrong_is_there(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LAKEBENCH_CACHE", str(tmp_path / "cache"))
    message = str(error_of(command))
    assert [one for one in HEADINGS if describes(one, message)], message


@pytest.mark.parametrize(
    "text",
    ["a = [", 'outputs = "x"', '[services.trino]\nruntime = "external"', '[services.trino]\nuri = "x"',
     '[services.trinoo]\nmemory = "1GiB"', "[storage.mine]\nkind = 's3'\nuri = 'http://127.0.0.1:9'"],
)  # fmt: skip
def test_what_a_beginner_sets_wrong_is_there(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "lakebench.toml").write_text(text)
    message = str(error_of("run phase3 --storage mine"))
    assert [one for one in HEADINGS if describes(one, message)], message


def trino_without_its_server() -> None:
    Trino(EngineSettings(1, 2**30, Path()))._connect()


def lakekeeper_without_settings() -> None:
    LakekeeperService(context()).prepare()


def context() -> Any:
    return SimpleNamespace(storage="", folder=Path(), settings=ServiceSettings())


@pytest.mark.parametrize("call", [Composed.require, trino_without_its_server, lakekeeper_without_settings])
def test_what_is_not_to_be_had_is_there(call: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    with pytest.raises(CaseError) as raised:
        call()
    assert raised.value.outcome is Outcome.UNAVAILABLE
    assert [one for one in HEADINGS if describes(one, str(raised.value))], raised.value
