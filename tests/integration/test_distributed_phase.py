"""Phase 5 as a user runs it, without a cluster: the references alone; deleted rows, what errors tell, the rubric."""

from __future__ import annotations

from pathlib import Path

import pytest
from started import lakebench

from lakebench.model import Record
from lakebench.outcomes import Outcome
from lakebench.results import record_schema, records

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phase5")
    asked = ["run", "phase5", "--profile", "once", "--sf", "0.01", "--engines", "duckdb,daft"]
    completed = lakebench(*asked, cwd=folder)
    assert completed.returncode in {0, 4}, completed.stderr + completed.stdout
    (made,) = (folder / "runs").iterdir()
    return made


@pytest.fixture(scope="module")
def cases(run: Path) -> dict[str, Record]:
    return {one.case.removeprefix("phase5/"): one for one in records.read(run).cases}


def test_the_run_keeps_to_its_schema_and_has_a_report(run: Path) -> None:
    assert record_schema.check(run / records.FILE) > 0
    report = (run / "report.md").read_text()
    assert "Deleted rows" in report
    assert "Rubric" in report
    assert "lines of set-up" in report


def test_the_work_is_right_in_every_format(cases: dict[str, Record]) -> None:
    work = [case for case in cases.values() if case.coordinates.query]
    assert {case.coordinates.format for case in work} == {"parquet", "iceberg", "ducklake"}
    assert len(work) == 6 * 3 * 2
    assert {case.outcome for case in work} == {Outcome.PASS}


def test_files_that_a_catalog_lists_still_have_what_was_deleted(cases: dict[str, Record]) -> None:
    assert cases["deletes/ducklake-before/daft"].outcome is Outcome.PASS
    after = cases["deletes/ducklake-after/daft"]
    assert after.outcome is Outcome.WRONG
    assert after.coordinates.more["way"] == "files"
    assert cases["deletes/ducklake-after/duckdb"].outcome is Outcome.PASS
    assert cases["deletes/iceberg-after/daft"].outcome is Outcome.PASS


def test_a_program_of_ones_own_gives_the_first_answer(cases: dict[str, Record]) -> None:
    for engine in ("duckdb", "daft"):
        case = cases[f"set-up/first-query/{engine}"]
        assert case.outcome is Outcome.PASS
        assert case.evidence["lines"] > 5
        assert "ICEBERG_URI" in case.evidence["program"]


def test_lines_of_the_rubric_pass_and_fail(cases: dict[str, Record]) -> None:
    assert cases["rubric/reads-s3/daft"].outcome is Outcome.PASS
    assert cases["rubric/reads-ducklake/daft"].outcome is Outcome.UNAVAILABLE
    assert cases["rubric/survives-death/duckdb"].outcome is Outcome.UNAVAILABLE
    assert "no_such_column" in cases["rubric/tells-bad-sql/duckdb"].evidence["said"]
    assert cases["rubric/within-memory/duckdb"].evidence["processes"]
