"""Distance and caches on real servers: the same answers at every distance, later; what a cache saves, by requests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from started import lakebench, quick_servers

from lakebench.datasets.storage_probe import in_words, probe
from lakebench.model import Record
from lakebench.outcomes import Outcome
from lakebench.phases.tpch.caches import STEPS
from lakebench.results import record_schema, records
from lakebench.results.records import Run

pytestmark = pytest.mark.integration

AWAY_MS = 25
FAR = f"""
[storage.simulated-gcs]
properties = {{ "latency.get.latency" = {AWAY_MS} }}
"""


def made(folder: Path, *argv: str) -> Run:
    completed = lakebench("run", *argv, cwd=folder)
    assert completed.returncode == 0, completed.stderr + completed.stdout
    (run,) = (folder / "runs").iterdir()
    assert record_schema.check(run / records.FILE) > 0
    return records.read(run)


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Queries with the catalog here and far, and sessions with caches and without, on a disk and on a far store."""
    folder = tmp_path_factory.mktemp("sessions")
    quick_servers(folder, FAR)
    argv = ["--engines", "duckdb", "--storage", "local,simulated-gcs", "--formats", "iceberg"]
    argv += ["--tests", "queries,caches", "--catalog-latency", f"0,{AWAY_MS}", "--profile", "once", "--sf", "0.01"]
    argv += ["--repeat", "2"]
    return made(folder, "phase3", *argv)


def by_id(run: Run) -> Mapping[str, Record]:
    assert {case.outcome for case in run.cases} == {Outcome.PASS}
    return {case.case: case for case in run.cases}


def test_every_answer_is_right_at_every_distance(sessions: Run) -> None:
    cases = by_id(sessions)
    asked = [name for name in cases if "/q" in name]
    assert len(asked) == 22 * 2 * 2
    far = [case for case in cases.values() if case.coordinates.more.get("catalog_ms") == AWAY_MS]
    assert len(far) == 22 * 2
    assert all(case.samples[0].ns >= AWAY_MS * 1e6 for case in far)


def test_the_distance_is_a_row_of_its_own_beside_what_the_storages_give(sessions: Run) -> None:
    report = (sessions.path.parent / "report.md").read_text()
    assert f"duckdb on local, catalog {AWAY_MS} ms away" in report
    probes = {one.storage: one.storage_probe for one in sessions.datasets}
    assert probes["simulated-gcs"]["first_byte_ms"] >= AWAY_MS > probes["local"]["first_byte_ms"] > 0
    assert in_words(probes["simulated-gcs"]) in report


def executions(cases: Mapping[str, Record], storage: str, caches: str, step: str) -> list[dict[str, Any]]:
    return list(cases[f"phase3/{storage}/caches-{caches}/{step}/duckdb"].evidence["executions"])


def test_a_cache_saves_requests_until_it_expires(sessions: Run) -> None:
    cases = by_id(sessions)
    sent = {
        (caches, step.name): [
            one["store_bytes"] for one in executions(cases, "simulated-gcs", caches, step.name)
        ]
        for caches in ("on", "off")
        for step in STEPS
    }  # fmt: skip
    assert {len(one) for one in sent.values()} == {2}
    assert max(sent["on", "again"]) < min(sent["on", "first"]) / 10
    assert min(sent["on", "expired"]) > max(sent["on", "again"]) * 10
    assert min(sent["off", "again"]) > min(sent["off", "first"]) / 2
    assert min(sent["on", "other-table"]) > max(sent["on", "again"])
    assert all(one["store_bytes"] is None for one in executions(cases, "local", "on", "first"))


def test_the_report_shows_the_sessions_and_what_c7_comes_from(sessions: Run) -> None:
    report = (sessions.path.parent / "report.md").read_text()
    assert "Caches of the engines" in report
    assert "enable_external_file_cache (blocks of files)" in report.replace("\\", "")
    (claim,) = (one for one in sessions.field_reports if one.report == "C7")
    assert {"duckdb on simulated-gcs, its caches on", "duckdb on simulated-gcs, its caches off"} <= claim.ours.keys()


def test_a_storage_that_does_not_answer_is_not_probed() -> None:
    assert "could not be probed" in in_words(probe(["file:///nowhere/at/all.parquet"], None))


def test_phase_4_asks_query_1_again_with_the_catalog_far(tmp_path: Path) -> None:
    quick_servers(tmp_path)
    argv = ["--engines", "duckdb,pyiceberg", "--profile", "once", "--sf", "0.01", "--catalog-latency", f"0,{AWAY_MS}"]
    cases = {one.case: one for one in made(tmp_path, "phase4", *argv).cases}
    for engine in ("duckdb", "pyiceberg"):  # Nessie tells clients its own address: that by which they came
        near, far = cases[f"phase4/q01/{engine}"], cases[f"phase4/q01/catalog-{AWAY_MS}ms/{engine}"]
        assert near.outcome is far.outcome is Outcome.PASS
        assert far.samples[0].ns >= AWAY_MS * 1e6
        assert near.evidence["checked_against"] == far.evidence["checked_against"] == ["postgresql", "duckdb"]


def test_a_table_lives_with_its_catalog_far(tmp_path: Path) -> None:
    quick_servers(tmp_path)
    argv = ["--engines", "duckdb,pyiceberg", "--profile", "quick", "--commits", "4", "--features", "v2-one-writer"]
    completed = lakebench("run", "phase12", *argv, "--catalog-latency", str(AWAY_MS), cwd=tmp_path)
    assert completed.returncode in {0, 1}, completed.stderr  # what is accepted is of a catalog that is near
    (folder,) = (tmp_path / "runs").iterdir()
    cases = {one.case: one for one in records.read(folder).cases}
    assert {one.outcome for one in cases.values()} <= {Outcome.PASS, Outcome.REFUSED}
    writes = cases[f"phase12/v2-one-writer/catalog-{AWAY_MS}ms/writes/duckdb"].evidence["commits"]
    assert len(writes) == 4
    assert all(one["ms"] >= 2 * AWAY_MS for one in writes)  # it loads the table, and commits
