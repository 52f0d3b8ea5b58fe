"""The workflows, issue forms and CITATION.cff: their form, what they pin, and that their commands are those we have."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lakebench.commands.run import Arguments, phases_of, request
from lakebench.config import Settings
from lakebench.engines import find
from lakebench.provisioning.environments import Releases

ROOT = Path(__file__).parents[2]
FOLDERS = (ROOT / ".github" / "workflows", ROOT / "examples" / "github-actions")
WORKFLOWS = [file for folder in FOLDERS for file in sorted(folder.glob("*.yml"))]
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
ACTIONLINT = "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12"
INSTALL_S = 600


def _schema(file: Path) -> str:
    if file.parent in FOLDERS:
        return "vendor.github-workflows"
    if file.suffix == ".cff":
        return "vendor.citation-file-format"
    return "vendor.github-issue-config" if file.stem == "config" else "vendor.github-issue-forms"


def _checked(schema: str, *files: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *map(str, files)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def _steps(file: Path) -> list[dict[str, Any]]:
    jobs = yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"].values()
    return [step for job in jobs for step in job.get("steps", ())]


def test_there_are_workflows_and_forms() -> None:
    assert {"ci", "nightly", "cells"} <= {one.stem for one in WORKFLOWS}
    assert {"wrong-cell", "config"} <= {one.stem for one in FORMS}


@pytest.mark.parametrize("schema", sorted({_schema(one) for one in (*WORKFLOWS, *FORMS, ROOT / "CITATION.cff")}))
def test_each_file_has_the_form_that_github_publishes(schema: str) -> None:
    done = _checked(schema, *(one for one in (*WORKFLOWS, *FORMS, ROOT / "CITATION.cff") if _schema(one) == schema))
    assert done.returncode == 0, done.stdout


def test_each_job_has_a_time_limit() -> None:
    done = _checked("custom.github-workflows-require-timeout", *WORKFLOWS)
    assert done.returncode == 0, done.stdout


def test_a_form_that_is_wrong_would_be_seen(tmp_path: Path) -> None:
    file = tmp_path / "nightly.yml"
    file.write_text("on: push\njobs: {run: {steps: [{runs: make}]}}\n", encoding="utf-8")
    assert _checked("vendor.github-workflows", file).returncode


@pytest.fixture(scope="session")
def actionlint(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The program: on PATH, or made from its Go module, which Go keeps in its caches."""
    if there := shutil.which("actionlint"):
        return there
    if (go := shutil.which("go")) is None:
        pytest.skip("actionlint cannot be had: it is not on PATH, and neither is go, which would make it")
    folder = tmp_path_factory.mktemp("actionlint")
    environment = {**os.environ, "GOBIN": str(folder)}
    try:
        subprocess.run([go, "install", ACTIONLINT], env=environment, check=True, capture_output=True, timeout=INSTALL_S)
    except subprocess.SubprocessError as error:
        pytest.skip(f"actionlint cannot be had: {error}")
    return str(folder / "actionlint")


def test_actionlint_finds_nothing(actionlint: str) -> None:
    done = subprocess.run([actionlint, *map(str, WORKFLOWS)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_actions_are_pinned_by_commit_with_their_version(file: Path) -> None:
    for line in re.findall(r"uses: (.*)", file.read_text(encoding="utf-8")):
        assert re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", line), line


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.stem)
def test_no_expression_is_put_into_a_script(file: Path) -> None:
    assert not [step["run"] for step in _steps(file) if "${{" in step.get("run", "")]


def test_the_nightly_has_every_phase_with_each_runtime_and_the_newest_releases(jobs: list[dict[str, str]]) -> None:
    from lakebench import phases

    pinned = {(job["phase"], job["runtime"]) for job in jobs if job["versions"] == "pinned"}
    containers_alone = {"phase7", "phase45"}  # no runner has their extensions of PostgreSQL as processes
    assert {phase for phase, runtime in pinned if runtime == "compose"} == set(phases.phases())
    assert {phase for phase, runtime in pinned if runtime == "local"} == set(phases.phases()) - containers_alone
    newest = {job["phase"] for job in jobs if job["versions"] == "newest"}
    assert {"phase1", "phase3", "phase4", "phase9", "interop", "clickbench", "workload"} <= newest
    assert len({job["name"] for job in jobs}) == len(jobs) < 256  # GitHub's limit of a matrix


def test_each_job_of_the_nightly_is_a_run_that_lakebench_takes(
    jobs: list[dict[str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    for job in jobs:
        words = shlex.split(job["arguments"])
        names, _ = phases_of(words[: words.index("--profile")])
        assert names == (job["phase"],)
        engines = words[words.index("--engines") + 1] if "--engines" in words else ""
        asked = request(words[: words.index("--profile")], {}, Arguments(engines, profile="quick"), Settings(), Some())
        pinned = {str(ref) for ref in asked.refs if ref.version is None}
        assert {ref.name for ref in asked.refs if ref.version} <= pinned
        assert any(ref.version for ref in asked.refs) is (job["versions"] == "newest")


class Some(Releases):
    """Releases without an index: every engine that has releases has the same one."""

    def __init__(self) -> None:
        pass

    def named(self, text: str | None) -> str | None:
        names = [one.partition("@")[0] for one in (text or "").split(",") if one.endswith("@latest")]
        assert all(find(name).requirements for name in names)
        return text and text.replace("@latest", "@99.9")


@pytest.fixture(scope="module")
def jobs() -> list[dict[str, str]]:
    """The jobs that the script prints."""
    command = [sys.executable, str(ROOT / "scripts" / "nightly_jobs.py")]
    name, _, value = subprocess.run(command, capture_output=True, text=True, check=True).stdout.partition("=")
    assert name == "jobs"
    found: list[dict[str, str]] = yaml.safe_load(value)
    return found
