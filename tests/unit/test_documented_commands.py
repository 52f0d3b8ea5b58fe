"""Every ``lakebench …`` and ``make …`` that README, docs and --help show is one that the command takes.

What answers from records, lists or writes is run here to its end, as it is shown, on runs that other tests recorded.
What starts servers ends here where its work would begin, and a table says which other test runs it.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import fixture_site
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from lakebench import cli, harness, phases, services
from lakebench.commands import up
from lakebench.results import records

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]
NAMES = "|".join(sorted(typer.main.get_command(cli.app).commands))
ALONE = "uvx --from lakebench-harness "
COMMANDS = rf"(?:\.venv/bin/|{ALONE})?lakebench (?:{NAMES})\b"
STAND_INS = {"mine": "duckdb", "template": "duckdb", "round-trip": "phase4"}
"""Engines and phases of a reader's own in examples, and those of ours that replace them here."""
RUN_HERE = {"accept", "compare", "data", "export", "history", "list", "report", "site", "stack", "upgrade"}
RUN_BY = {
    "--against": "test_tpch_phase.py", "--catalog": "test_rest_catalog_phase.py",
    "--checks": "test_rest_catalog_phase.py", "--engines": "test_tpch_phase.py",
    "--commits": "test_living_tables.py", "--seed": "test_living_tables.py",
    "--feature-file": "test_documented_runs.py", "--features": "test_interop.py",
    "--formats": "test_tpch_phase.py", "--generate-on": "test_generate_on.py", "--json": "test_interop.py",
    "--output": "test_interop.py", "--profile": "test_tpch_phase.py", "--readers": "test_interop.py",
    "--repeat": "test_tpch_phase.py", "--require": "test_documented_runs.py", "--resume": "test_interop_resume.py",
    "--runtime": "../docker/test_containers.py", "--catalog-latency": "test_distance_and_caches.py",
    "--sf": "test_tpch_phase.py", "--storage": "test_tpch_phase.py", "--tests": "test_tpch_phase.py",
    "--time-limit": "test_documented_runs.py", "--use-up": "test_documented_runs.py",
    "--with": "test_documented_runs.py",
    "--writers": "test_interop.py", "check": "test_check.py", "doctor": "test_command.py", "down": "test_command.py",
    "install": "test_wheel.py", "interop": "test_interop.py", "phase1": "test_ducklake_phase.py",
    "phase2": "test_postgresql_phase.py", "phase3": "test_tpch_phase.py", "phase4": "test_leftovers.py",
    "phase45": "test_pg_lake_phase.py", "phase5": "test_distributed_phase.py", "phase6": "test_file_formats_phase.py",
    "phase7": "test_citus_pg_duckdb_phase.py", "phase8": "test_citus_fdw_phase.py",
    "phase9": "test_concurrent_writers.py", "phase10": "test_pg_mooncake_phase.py",
    "phase11": "test_rest_catalog_phase.py", "phase12": "test_living_tables.py", "fuzz": "test_fuzz.py",
    "up": "test_command.py", "workload": "test_tpch_phase.py",
}  # fmt: skip
"""Command, phase or option → the module of ``tests/integration`` that runs it on real servers, at a smaller scale."""
NOT_RUN = {
    r"run all\b": "each phase is run by a test of its own",
    r"run clickbench": "its sample has 1,000,000 rows: the nightly run runs it",
    r"--lakes all": "the servers of four lakes take minutes: tests/unit/phases/test_lakes_compared.py",
    r"--load-tables": "thousands of tables take minutes: tests/unit/phases/test_rest_catalog_load.py",
    r"--measure": "it takes minutes: tests/unit/commands/test_answers.py has what it asks for, and what it says",
}
"""What takes longer than a test may, by a part of the command, with the reason."""
OF_THE_READER = {
    r"--storage lake": "an object store", r"--catalog duckicelake": "the source of DuckIceLake",
    r"--catalog http://": "a catalog", r"clickbench ~/": "a file of data",
}  # fmt: skip
"""What only the reader has, by a part of the command."""
RECORDED = {
    "phase3": fixture_site.TIMED,
    "phase4": next((ROOT / "tests" / "fixtures" / "phase4").iterdir()),
    "interop": next((ROOT / "tests" / "fixtures" / "interop-versions").iterdir()),
}
"""Runs of other tests, which have the names of those that examples name."""
RUNS = {"RUN": "against", "BASE": "phase3", "RUN1": "phase4", "RUN2": "interop"}


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


def record(runs: Path, name: str, of: str) -> None:
    """A run called ``name`` below ``runs``; ``against`` has a base for each case, as --against makes it."""
    source = RECORDED["phase3" if of == "against" else of]
    text = (source / records.FILE).read_text(encoding="utf-8").replace(source.name, name)
    (runs / name).mkdir(parents=True)
    (runs / name / records.FILE).write_text(text, encoding="utf-8")
    if of == "against":
        with records.Writer(runs / name / records.FILE) as writer:
            for case in records.read(runs / name).cases:
                evidence = {**case.evidence, "base_of": case.case}
                writer.write(replace(case, case=f"base/{case.case}", evidence=evidence))


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of all runs that the examples name."""
    runs = tmp_path_factory.mktemp("recorded") / "runs"
    named = {(one[0], one[1]) for _, line in LINES for one in re.findall(r"(\d{8}T\d{6}Z-(\w+)-\w{4})", line)}
    alone = {name for _, line in LINES for name in re.findall(r"compare (\d{8}T\S+)$", line)}
    for name, phase in named:
        record(runs, name, "against" if name in alone else phase)
    for name, of in RUNS.items():
        record(runs, name, of)
    return runs


@pytest.fixture
def _here(tmp_path: Path, recorded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder with all that the examples name, and commands that end where servers would start."""
    (tmp_path / "mine").mkdir()
    for file in (tmp_path / "mine" / "orders.parquet", tmp_path / "hits.parquet"):
        pq.write_table(pa.table({"id": [1]}), file)
    (tmp_path / "mine" / "q1.sql").write_text("SELECT count(*) AS n FROM orders")
    (tmp_path / "mine.toml").write_text(example("docs/adding-a-feature.md"))
    (tmp_path / "lakebench.toml").write_text(example("docs/own-endpoints.md"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(harness, "run", stop)
    monkeypatch.setattr(harness, "again", stop)
    (tmp_path / "runs").symlink_to(recorded)
    monkeypatch.setattr("lakebench.table_check.check.Guard", stop)
    monkeypatch.setattr(up, "up", known_services)
    monkeypatch.setattr(up, "down", stop)
    monkeypatch.setattr(up, "settings", lambda settings: settings)
    monkeypatch.setattr("lakebench.commands.doctor.examine", stop)
    monkeypatch.setattr("lakebench.commands.endpoints.try_endpoints", stop)
    monkeypatch.setattr("lakebench.provisioning.environments.tested_environment", stop)
    monkeypatch.setattr("lakebench.phases.interop.fuzz.session.search", stop)


LINES = sorted(set(lines()))


COMMANDS_ALONE = sorted({re.split(r"\s+# ", line)[0].removeprefix(".venv/bin/") for _, line in LINES})


def words_of(line: str, folder: Path) -> list[str]:
    """The words of the command, with names of ours in place of a reader's."""
    words = shlex.split(line.removeprefix(ALONE).replace("~/", f"{folder}/"), comments=True)[1:]
    words = ["runs" if word in {"/var/lakebench/nightly", "history/local", "FOLDER"} else word for word in words]
    words = [word if before == "--catalog" else STAND_INS.get(word, word) for before, word in pairwise(["", *words])]
    runs = [str(one) for one in sorted((folder / "runs").iterdir())]
    return [each for word in words for each in (runs if word.startswith("history/") else [word])]


def smaller(words: Sequence[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A site of one phase's outcomes alone, as reading all takes seconds; and no file of the package is written."""
    of = phases.baselines
    if words[0] == "site":
        monkeypatch.setattr(phases, "baselines", lambda _: of(["phase11"]))
    if "--shipped" in words:
        monkeypatch.setattr(phases, "baselines", lambda names: {name: folder / f"{name}.json" for name in names})


def test_there_are_many() -> None:
    assert len(LINES) > 40
    nightly = ".github/workflows/nightly.yml"
    assert {"README.md", "docs/tpch.md", "docs/interop.md", "--help", nightly} <= {page for page, _ in LINES}


@pytest.mark.usefixtures("_here")
@pytest.mark.parametrize("line", COMMANDS_ALONE)
def test_a_documented_command_is_run_or_taken(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = words_of(line, tmp_path)
    smaller(words, tmp_path, monkeypatch)
    done = CliRunner().invoke(cli.app, words)
    ends_here = (words[0] in RUN_HERE and "--measure" not in words) or "--help" in words
    told = (line, done.exception, done.output)
    assert isinstance(done.exception, Taken) is not ends_here, told
    assert not ends_here or done.exit_code == 0, told
    for name in ("--output", "--single"):
        if ends_here and name in words:
            assert (tmp_path / words[words.index(name) + 1]).exists(), told


def parts(line: str, folder: Path) -> list[str]:
    """The command, or the phases and options of ``lakebench run``."""
    command, *words = words_of(line, folder)
    known = {*phases.phases(), "all"}
    chosen = [word for word in words if word in known or word.startswith("--")]
    return [command] if command != "run" else chosen


@pytest.mark.parametrize("line", COMMANDS_ALONE)
def test_what_is_not_run_here_is_run_by_another_test_or_needs_what_a_reader_has(line: str, recorded: Path) -> None:
    if any(re.search(one, line) for one in (*NOT_RUN, *OF_THE_READER)):
        return
    for part in parts(line, recorded.parent):
        assert part in {*RUN_HERE, *RUN_BY, "--help"}, f"no test runs {part} of: {line}"


@pytest.mark.parametrize(("part", "module"), RUN_BY.items())
def test_the_other_test_runs_it(part: str, module: str) -> None:
    text = (ROOT / "tests" / "integration" / module).read_text(encoding="utf-8")
    subject = phases.find(part).subject if part in phases.phases() else part
    assert re.search(rf"[\" .](?:{part}|{subject})[\" .]", text), (part, module)


@pytest.mark.parametrize("reason", NOT_RUN.values())
def test_what_no_test_runs_names_a_test_that_is_there(reason: str) -> None:
    assert all((ROOT / one).exists() for one in re.findall(r"tests/\S+\.py", reason))


def test_no_exception_is_left_that_no_command_needs() -> None:
    assert [one for one in (*NOT_RUN, *OF_THE_READER) if not any(re.search(one, line) for _, line in LINES)] == []


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
