"""Every script and benchmark starts, at its smallest scale. ``test_template.py`` starts the example."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lakebench.datasets.tpch import references
from lakebench.outcomes import ExitCode
from lakebench.provisioning import artifacts

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
STARTED = {
    "benchmarks/hot_paths.py": {"benchmarks/conftest.py"},
    "benchmarks/harness_cost.py": {"benchmarks/plain_duckdb.py"},
    "benchmarks/false_alarms.py": {"benchmarks/slowed_duckdb.py"},
    "benchmarks/peer.py": {"benchmarks/peer_theirs.py"},
    "scripts/lock_artifacts.py": set(),
    "scripts/make_answers.py": set(),
}
"""What a test below starts, and what it starts in turn."""
NIGHTLY = {"scripts/nightly_issues.py", "scripts/nightly_jobs.py"}
"""What tests/unit/test_nightly.py and test_workflows.py start."""


def start(tool: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The tool, run to its end."""
    assert tool in STARTED
    command = [sys.executable, str(ROOT / tool), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_each_script_and_benchmark_is_started_here() -> None:
    there = {str(one.relative_to(ROOT)) for folder in ("benchmarks", "scripts") for one in (ROOT / folder).glob("*.py")}
    assert there == NIGHTLY.union(STARTED, *STARTED.values())


def test_the_cost_of_the_harness_is_measured() -> None:
    done = start("benchmarks/harness_cost.py", "--sf", "0.01", "--pairs", "5")
    assert done.returncode == 0, done.stderr
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["query"] for one in results] == ["scan and aggregate", "many rows", "next to nothing"]
    assert all(one["ratio"] > 0 and len(one["interval"]) == 2 for one in results)


def test_false_alarms_are_counted() -> None:
    done = start("benchmarks/false_alarms.py", "--sf", "0.01", "--runs", "1", "--queries", "q06")
    equal, slowed, summary = [json.loads(line) for line in done.stdout.splitlines()]
    assert (equal["slowed"], slowed["slowed"], summary["runs"]) == (False, True, 1)
    assert equal["ratio"] > 0
    assert done.returncode == (0 if summary["holds"] else 1), done.stderr


def test_the_peer_and_we_take_turns() -> None:
    done = start("benchmarks/peer.py", "--sf", "0.01", "--rounds", "1")
    assert done.returncode in {ExitCode.OK, ExitCode.WORSE}, done.stderr
    results = json.loads(done.stdout)
    assert results["ratio"] > 0
    assert all(len(results[side]["seconds"]) == 1 for side in ("ours", "theirs"))


def test_one_group_of_artifacts_is_locked_again_as_it_was(tmp_path: Path) -> None:
    shipped = artifacts.LOCK_FILE
    lock = tmp_path / "artifacts.lock"
    without = json.loads(shipped.read_text(encoding="utf-8"))
    del without["maven"]["postgresql-jdbc"]
    lock.write_text(json.dumps(without), encoding="utf-8")
    done = start("scripts/lock_artifacts.py", "--lock", str(lock), "postgresql-jdbc")
    assert done.returncode == 0, done.stderr
    assert lock.read_bytes() == shipped.read_bytes()


def test_the_answers_are_made_again_as_they_are(tmp_path: Path) -> None:
    done = start("scripts/make_answers.py", "--sf", "0.01", "--into", str(tmp_path))
    assert done.returncode == 0, done.stderr
    made = {one.relative_to(tmp_path): one.read_bytes() for one in tmp_path.rglob("*.parquet")}
    shipped = {one: (references.FOLDER / one).read_bytes() for one in made}
    assert len(made) == 44
    assert made == shipped


def test_make_bench_starts_at_its_smallest_scale() -> None:
    command = ["/usr/bin/env", "make", "-s", "bench", "ARGS=-q --part 0.001 --benchmark-disable"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "7 passed" in done.stdout
