"""Phase 1 as a user runs it: features that are there, and expectations and proofs that must fail."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from started import quick_servers

from lakebench.model import Record
from lakebench.outcomes import Outcome
from lakebench.results import record_schema, records
from lakebench.results.records import Run

pytestmark = pytest.mark.integration

# Real features, and three that are wrong on purpose; on two lakes instead of six, and two states to read.
PROGRAM = """
from lakebench import cli
from lakebench.datasets.ducklake.feature import FILES, DuckLakeFeature, look, no, rows, run
from lakebench.phases.ducklake import phase, readers

made = run("CREATE TABLE t (id INTEGER)", "INSERT INTO t VALUES (1), (2)")
broken = (
    DuckLakeFeature("wrong-rows", "wrong rows", "", (*made, rows("SELECT * FROM t", "id: int32", (1,), (3,)))),
    DuckLakeFeature("wrong-type", "wrong type", "", (*made, rows("SELECT * FROM t", "id: int64", (1,), (2,)))),
    DuckLakeFeature("not-refused", "not refused", "", (*made, no("INSERT INTO t VALUES (3)", "conflict"))),
    DuckLakeFeature("other-words", "other words", "", (*made, no("SELECT * FROM nothing", "conflict"))),
    DuckLakeFeature("no-file", "no file", "", (*made, look(("data-files", "=", 1))), FILES | {"DATA_INLINING_ROW_LIMIT": "10"}),
    DuckLakeFeature("not-encrypted", "not encrypted", "", (*made, look(("unreadable-files", "=", 1))), FILES),
)
real = {"create-insert-read", "encryption", "inlined-delete", "processes-update-conflict", "expire"}
phase.FEATURES = (*(one for one in phase.FEATURES if one.id in real), *broken)
made = {"rows-type-int", "rows-update", "rows-partition-evolution"}
of_rows = tuple(one for one in phase.row_features() if one.id in made)
phase.row_features = lambda: of_rows
chosen = {"duckdb / local", "postgres / s3"}
phase.CATALOG_STORAGES = tuple(one for one in phase.CATALOG_STORAGES if one.title in chosen)
readers.STATES = tuple(one for one in readers.STATES if one.id in {"insert", "delete"})
cli.main()
"""  # noqa: E501 - a program


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("phase1")
    quick_servers(folder)
    command = [sys.executable, "-c", PROGRAM, "run", "phase1", "--engines", "duckdb,polars,pg_duckdb"]
    completed = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=900, check=False, env={**os.environ}
    )
    assert completed.returncode == 4, completed.stderr + completed.stdout
    (made,) = (folder / "runs").iterdir()
    assert record_schema.check(made / records.FILE) > 0
    return records.read(made)


@pytest.fixture(scope="module")
def cases(done: Run) -> dict[str, Record]:
    return {case.case.removeprefix("phase1/"): case for case in done.cases}


@pytest.mark.parametrize("catalog_storage", ["duckdb/local", "postgres/s3"])
@pytest.mark.parametrize("feature", ["create-insert-read", "encryption", "inlined-delete", "expire"])
def test_what_the_documents_name_is_there(feature: str, catalog_storage: str, cases: dict[str, Record]) -> None:
    case = cases[f"{catalog_storage}/{feature}/duckdb"]
    assert case.outcome is Outcome.PASS, case.reason
    assert any(step.startswith("inspected: ") for step in case.evidence["steps"])


@pytest.mark.parametrize(
    ("feature", "outcome", "reason"),
    [
        ("wrong-rows", Outcome.WRONG, "1 of 2 rows differ in id"),
        ("wrong-type", Outcome.WRONG, "id: int32 instead of int64"),
        ("not-refused", Outcome.WRONG, "was to be refused"),
        ("other-words", Outcome.REFUSED, "does not exist"),
        ("no-file", Outcome.REFUSED, "data-files = 1: found 0"),
        ("not-encrypted", Outcome.REFUSED, "unreadable-files = 1: found 0"),
    ],
)
def test_a_wrong_expectation_does_not_pass(
    feature: str, outcome: Outcome, reason: str, cases: dict[str, Record]
) -> None:
    for catalog_storage in ("duckdb/local", "postgres/s3"):
        case = cases[f"{catalog_storage}/{feature}/duckdb"]
        assert case.outcome is outcome, case.reason
        assert reason in case.reason


def test_two_processes_are_two(cases: dict[str, Record]) -> None:
    steps = cases["postgres/s3/processes-update-conflict/duckdb"].evidence["steps"]
    assert any(step.startswith("b: refused: ") and "onflict" in step for step in steps)
    locked = cases["duckdb/local/processes-update-conflict/duckdb"]
    assert locked.outcome is Outcome.REFUSED
    assert "lock" in locked.reason


def test_who_reads_only_the_files_gets_deleted_rows_back(cases: dict[str, Record]) -> None:
    assert cases["read/insert/live/polars"].outcome is Outcome.PASS
    assert cases["read/delete/attached/duckdb"].outcome is Outcome.PASS
    wrong = cases["read/delete/live/polars"]
    assert wrong.outcome is Outcome.WRONG
    assert "known" in wrong.evidence
    assert cases["connector/polars"].outcome is Outcome.REFUSED
    assert cases["read/insert/attached/pg_duckdb"].outcome is Outcome.UNAVAILABLE


def test_rows_are_asked_more_than_was_written_by_hand(cases: dict[str, Record]) -> None:
    for catalog_storage in ("duckdb/local", "postgres/s3"):
        for feature in ("rows-type-int", "rows-update"):
            case = cases[f"{catalog_storage}/{feature}/duckdb"]
            assert case.outcome is Outcome.PASS, case.reason
            derived = case.evidence["derived"]
            assert derived["passed"] == derived["asked"] > 10
    lost = cases["duckdb/local/rows-partition-evolution/duckdb"]
    assert lost.outcome is Outcome.WRONG
    assert "known" in lost.evidence
    assert cases["postgres/s3/rows-partition-evolution/duckdb"].outcome is Outcome.PASS


def test_the_claims_are_judged(done: Run) -> None:
    verdicts = {report.report: report.verdict for report in done.field_reports}
    assert verdicts["C1"] == "reproduced"
    assert verdicts["C2"] == "could not run here"
    assert verdicts["C3"] == "could not run here"
