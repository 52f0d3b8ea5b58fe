"""Phase 3 as a user runs it: storages, formats, the tests of TPC-H, comparison, resume, and no room on the disk."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from started import lakebench, quick_servers

from lakebench.outcomes import Outcome
from lakebench.results import record_schema, records
from lakebench.results.records import Run

QUICK = ("--profile", "quick")
ONCE = ("--profile", "once", "--sf", "0.01")
FAR_MS = 20
FAR = f"""
[storage.simulated-gcs]
properties = {{ "latency.get.latency" = {FAR_MS}, "latency.put.latency" = {FAR_MS}, "latency.list.latency" = {FAR_MS} }}
"""
"""A third of the shipped latency, for which the tests would wait."""
LIARS = Path(__file__).parent.parent / "liar"


def only_run(folder: Path) -> Run:
    (made,) = (folder / "runs").iterdir()
    assert record_schema.check(made / records.FILE) > 0
    return records.read(made)


def own_queries(folder: Path) -> None:
    """A workload of the user's below ``folder``, with one query."""
    (folder / "mine").mkdir()
    pq.write_table(pa.table({"n": [1, 2, 3]}), folder / "mine" / "things.parquet")
    (folder / "mine" / "q01.sql").write_text("SELECT sum(n) AS total FROM things")


@pytest.fixture(scope="module")
def targets_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two storages and every format, by an engine that starts fast; and after it a workload that has a Q1 too."""
    folder = tmp_path_factory.mktemp("targets")
    quick_servers(folder, FAR)
    own_queries(folder)
    argv = ["--engines", "duckdb", "--storage", "local,simulated-gcs"]
    argv += ["--formats", "iceberg,parquet,duckdb,ducklake"]
    completed = lakebench("run", "phase3", "workload", "./mine", *ONCE, *argv, cwd=folder)
    assert completed.returncode == 0, completed.stderr + completed.stdout
    return only_run(folder)


@pytest.mark.integration
def test_every_target_is_asked_and_right(targets_run: Run) -> None:
    assert {case.outcome for case in targets_run.cases} == {Outcome.PASS}
    at = {case.case.split("/", 1)[1].rpartition("/q")[0] for case in targets_run.cases}
    both = {f"{storage}/{form}" for storage in ("local", "simulated-gcs") for form in ("iceberg", "parquet")}
    assert at == {*both, "local/duckdb", "local/ducklake", "simulated-gcs/ducklake"}
    tpch = [case for case in targets_run.cases if case.phase == "phase3"]
    assert len(tpch) == 22 * 7
    assert len(targets_run.cases) == len(tpch) + 7
    assert all(case.evidence["checked_against"] == ["postgresql", "duckdb"] for case in tpch if "q01" in case.case)


@pytest.mark.integration
def test_no_execution_on_the_far_store_is_faster_than_a_request_and_its_requests_count(targets_run: Run) -> None:
    cases = {case.case: case for case in targets_run.cases}
    near, far = (cases[f"phase3/{storage}/iceberg/q06/duckdb"] for storage in ("local", "simulated-gcs"))
    assert far.samples[-1].ns >= FAR_MS * 1_000_000
    assert not near.samples[-1].requests
    assert sum((far.samples[-1].requests or {}).values()) > 0
    asked = [sample.requests or {} for name, case in cases.items() if "/ducklake/" in name for sample in case.samples]
    assert sum(one.get("GetObject", 0) for one in asked) > 0


@pytest.mark.integration
def test_the_records_say_where_tables_lie(targets_run: Run) -> None:
    assert {(one.storage, one.format) for one in targets_run.datasets} == {
        ("local", "iceberg"),
        ("local", "duckdb"),
        ("local", "ducklake"),
        ("simulated-gcs", "iceberg"),
        ("simulated-gcs", "ducklake"),
    }
    lakes = [one for one in targets_run.datasets if one.format == "ducklake" and one.dataset == "tpch"]
    items = [table for one in lakes for table in one.tables if table.name == "lineitem"]
    assert [(table.files, (table.bytes or 0) > 100_000) for table in items] == [(1, True)] * 2
    assert "postgres" in {one.service for one in targets_run.services}
    simulated = next(one for one in targets_run.services if one.service == "object-store@simulated-gcs")
    assert any("latency" in key for key in simulated.settings)


@pytest.mark.integration
def test_the_report_says_what_storage_and_format_cost(targets_run: Run) -> None:
    report = (targets_run.path.parent / "report.md").read_text()
    for phase in ("phase3", "workload"):
        assert f"{phase}: What Iceberg costs on local" in report
        assert f"{phase}: What storage costs" in report
    assert "DuckLake has its catalog in PostgreSQL" in report
    assert {report.report for report in targets_run.field_reports} == {"C6", "C7", "C27"}
    assert not (targets_run.path.parent / "lake").exists()


@pytest.fixture(scope="module")
def tests_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Load, power and throughput tests, another engine reading along."""
    folder = tmp_path_factory.mktemp("tests")
    quick_servers(folder, '[engines.duckdb]\nmemory = "1GiB"\n')  # three of them run side by side
    argv = ["--engines", "duckdb,polars", "--tests", "power,throughput"]
    completed = lakebench("run", "phase3", *QUICK, *argv, cwd=folder)
    assert completed.returncode == 0, completed.stderr + completed.stdout
    return only_run(folder)


@pytest.mark.integration
def test_the_metrics_are_the_specifications(tests_run: Run) -> None:
    cases = {case.case: case for case in tests_run.cases}
    power, throughput = (cases[f"phase3/local/{test}/duckdb"] for test in ("power", "throughput"))
    assert (power.outcome, throughput.outcome) == (Outcome.PASS, Outcome.PASS), power.reason + throughput.reason
    seconds = power.evidence["seconds"]
    assert len(seconds) == 24
    least = max(value for name, value in seconds.items() if name.startswith("Q")) / 1000
    raised = [max(value, least) if name.startswith("Q") else value for name, value in seconds.items()]
    mean = math.exp(sum(map(math.log, raised)) / 24)
    assert power.evidence["power_at_size"] == pytest.approx(3600 * 0.01 / mean, rel=1e-4)
    evidence = throughput.evidence
    expected = evidence["streams"] * 22 * 3600 / evidence["elapsed_seconds"] * 0.01
    assert evidence["throughput_at_size"] == pytest.approx(expected, rel=1e-4)
    assert evidence["qphh_at_size"] == pytest.approx(math.sqrt(expected * power.evidence["power_at_size"]), rel=1e-4)
    assert len(evidence["states_seen"]) == evidence["streams"] * 22


@pytest.mark.integration
def test_after_each_refresh_another_engine_agrees(tests_run: Run) -> None:
    cases = {case.case: case for case in tests_run.cases}
    for point in ("rf1", "rf2"):
        assert cases[f"phase3/local/{point}/duckdb→polars"].outcome is Outcome.PASS
    assert cases["phase3/local/load/polars"].outcome in {Outcome.PASS, Outcome.UNAVAILABLE}


@pytest.mark.integration
def test_a_wrong_answer_in_the_power_test_has_no_power(tmp_path: Path) -> None:
    quick_servers(tmp_path)
    argv = ["run", "phase3", *QUICK, "--engines", "liar-drops-a-row", "--tests", "power"]
    completed = lakebench(*argv, cwd=tmp_path, PYTHONPATH=str(LIARS))
    assert completed.returncode == 4, completed.stderr + completed.stdout
    cases = {case.case: case for case in only_run(tmp_path).cases}
    power = cases["phase3/local/power/liar-drops-a-row"]
    assert power.outcome is Outcome.WRONG
    assert "power_at_size" not in power.evidence


@pytest.mark.integration
def test_a_killed_load_goes_on_where_it_stopped(tmp_path: Path) -> None:
    quick_servers(tmp_path)
    argv = ["run", "phase3", *ONCE, "--engines", "duckdb", "--formats", "iceberg"]
    run = subprocess.Popen([sys.executable, "-m", "lakebench", *argv], cwd=tmp_path, start_new_session=True)
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("runs/*/lake/**/partsupp/**/*.parquet")):
        assert time.monotonic() < deadline
        assert run.poll() is None
        time.sleep(0.02)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    (folder,) = (tmp_path / "runs").iterdir()
    assert not records.read(folder).cases
    time.sleep(3)  # the reaper ends the servers
    completed = lakebench("run", "--resume", folder.name, cwd=tmp_path)
    assert completed.returncode == 0, completed.stderr + completed.stdout
    again = records.read(folder)
    assert {case.outcome for case in again.cases} == {Outcome.PASS}
    assert len(again.cases) == 22
    assert again.datasets[0].load_seconds is None  # a part is of the first try


@pytest.mark.integration
def test_the_same_engine_against_itself(tmp_path: Path) -> None:
    own_queries(tmp_path)
    quick_servers(tmp_path)
    argv = [*QUICK, "--engines", "duckdb", "--against", "duckdb", "--repeat", "5", "--formats", "iceberg"]
    completed = lakebench("run", "workload", "./mine", *argv, cwd=tmp_path)
    assert completed.returncode in {0, 1}, completed.stderr + completed.stdout
    run = only_run(tmp_path)
    bases = [case for case in run.cases if "base_of" in case.evidence]
    assert len(bases) == 1 == len(run.cases) - 1
    compared = lakebench("compare", run.header.run, "--json", cwd=tmp_path)
    assert compared.returncode == completed.returncode, compared.stderr + compared.stdout
    assert json.loads(compared.stdout)


def test_too_little_disk_space_is_reported_before_anything_starts(tmp_path: Path) -> None:
    completed = lakebench("run", "phase3", "--sf", "1000000", cwd=tmp_path)
    assert completed.returncode == 2
    assert "needs about" in completed.stderr
    assert "are free" in completed.stderr
    assert "Traceback" not in completed.stderr


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["phase3", "--storage", "locl"], "did you mean local"),
        (["phase3", "--formats", "parket"], "did you mean parquet"),
        (["phase3", "--tests", "powr"], "did you mean power"),
        (["phase3", "--against", "duckbd"], "duckdb"),
        (["workload"], "needs a folder"),
        (["workload", "./nowhere"], "no such file"),
        (["phase3", "./nowhere"], "takes no path"),
        (["phase3", "--storage", "gcs"], "bucket"),
    ],
)
def test_invalid_options_are_reported(tmp_path: Path, argv: list[str], words: str) -> None:
    completed = lakebench("run", *argv, cwd=tmp_path)
    assert completed.returncode == 2, completed.stderr
    assert words in completed.stderr
    assert "Traceback" not in completed.stderr
