"""Every ``lakebench …`` and ``make …`` that README, docs and --help show is one that the command takes."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from lakebench import cli, harness, services
from lakebench.commands import up

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]
NAMES = "|".join(sorted(typer.main.get_command(cli.app).commands))
ALONE = "uvx --from lakebench-harness "
COMMANDS = rf"(?:\.venv/bin/|{ALONE})?lakebench (?:{NAMES})\b"
STAND_INS = {"mine": "duckdb", "template": "duckdb", "round-trip": "phase4"}
"""Engines and phases of a reader's own in examples, and those of ours that replace them here."""


class Taken(Exception):
    """The command line was taken, and its work would begin."""


def lines() -> Iterator[tuple[str, str]]:
    """The page, and the command."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
        commands = [line for block in blocks for line in block.splitlines() if re.match(COMMANDS, line)]
        named = [" ".join(one.split()) for one in re.findall(rf"`({COMMANDS}[^`]*)`", text)]
        # One that ends with its name is no whole command.
        commands += [one for one in named if not re.search(r"(--resume|lakebench \w+)$", one)]
        yield from ((str(page.relative_to(ROOT)), line) for line in commands if "…" not in line.replace('"…"', ""))
    for workflow in WORKFLOWS:
        for command in re.findall(rf"(?=\.venv)({COMMANDS}.*)", workflow.read_text(encoding="utf-8")):
            # Its arguments of each job: test_workflows.py.
            line = re.split(r" (?:\||>|\|\|) ", command)[0].replace("$ARGUMENTS", "phase4")
            yield str(workflow.relative_to(ROOT)), line
    for shown in (
        cli.app.info.help or "",
        *((one.callback.__doc__ or "") for one in cli.app.registered_commands if one.callback),
    ):
        for line in shown.splitlines():
            if re.match(rf"\s+{COMMANDS}", line):
                yield "--help", re.split(r"\s{3,}", line.strip())[0]


def stop(*_: Any, **__: Any) -> Any:
    raise Taken


def known_services(names: Sequence[str], *_: Any) -> Any:
    services.with_needs(names)
    raise Taken


def example(page: str) -> str:
    """The TOML that a page shows."""
    return (ROOT / page).read_text(encoding="utf-8").partition("```toml\n")[2].partition("```")[0]


@pytest.fixture
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with all that the examples name, and commands that end where their work would begin."""
    (tmp_path / "mine").mkdir()
    for file in (tmp_path / "mine" / "orders.parquet", tmp_path / "hits.parquet"):
        pq.write_table(pa.table({"id": [1]}), file)
    (tmp_path / "mine" / "q1.sql").write_text("SELECT count(*) AS n FROM orders")
    (tmp_path / "mine.toml").write_text(example("docs/adding-a-feature.md"))
    (tmp_path / "lakebench.toml").write_text(example("docs/own-endpoints.md"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(harness, "run", stop)
    monkeypatch.setattr("lakebench.results.history.history", stop)
    runs = tmp_path / "runs" / "one"
    runs.mkdir(parents=True)
    (runs / "records.jsonl").write_text("")
    monkeypatch.setattr(cli, "folder_of", stop)
    monkeypatch.setattr(cli, "folders_of", lambda _settings, _names: [])
    monkeypatch.setattr("lakebench.commands.runs.folders_of", lambda _settings, _names: [])
    monkeypatch.setattr("lakebench.commands.runs.folder_of", stop)
    monkeypatch.setattr(up, "up", known_services)
    monkeypatch.setattr(up, "down", stop)
    monkeypatch.setattr(up, "settings", lambda settings: settings)
    monkeypatch.setattr("lakebench.commands.doctor.examine", stop)
    monkeypatch.setattr("lakebench.provisioning.environments.tested_environment", stop)
    monkeypatch.setattr("lakebench.reports.site.write", stop)
    monkeypatch.setattr("lakebench.reports.site.write_single", stop)


LINES = sorted(set(lines()))


def test_there_are_many() -> None:
    assert len(LINES) > 40
    nightly = ".github/workflows/nightly.yml"
    assert {"README.md", "docs/tpch.md", "docs/interop.md", "--help", nightly} <= {page for page, _ in LINES}


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize(("page", "line"), LINES)
def test_a_documented_command_is_taken(page: str, line: str, tmp_path: Path) -> None:
    words = shlex.split(line.removeprefix(ALONE).replace("~/", f"{tmp_path}/"), comments=True)[1:]
    words = ["runs" if word in {"/var/lakebench/nightly", "history/local", "FOLDER"} else word for word in words]
    words = [word if before == "--catalog" else STAND_INS.get(word, word) for before, word in pairwise(["", *words])]
    done = CliRunner().invoke(cli.app, words)
    assert isinstance(done.exception, Taken) or done.exit_code == 0, (page, line, done.exception, done.output)


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize(
    "line", ["run phase99", "run phase4 --engine duckdb", "run phase4 --engines ducks", "list things", "up nothing",
             "run interop --features none-*", "run phase3 --formats delta", "run phase3 --storage moon"],
)  # fmt: skip
def test_what_is_not_taken_would_be_seen(line: str) -> None:
    done = CliRunner().invoke(cli.app, shlex.split(line))
    assert not isinstance(done.exception, Taken)
    assert done.exit_code


def test_each_make_target_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    shown = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    named = set(re.findall(r"(?:^|`)make ([a-z]+)", shown, re.MULTILINE))
    assert {"run", "test", "bench"} <= named
    assert named <= targets
