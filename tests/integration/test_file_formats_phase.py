"""Phase 6 as a user runs it, on two engines: files that are written and read back, positions, aggregates, types."""

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
    folder = tmp_path_factory.mktemp("phase6")
    asked = ["run", "phase6", "--profile", "quick", "--repeat", "1", "--engines", "pyarrow,vortex"]
    completed = lakebench(*asked, cwd=folder)
    assert completed.returncode == 0, completed.stderr + completed.stdout
    (made,) = (folder / "runs").iterdir()
    return made


@pytest.fixture(scope="module")
def cases(run: Path) -> dict[str, Record]:
    return {one.case.removeprefix("phase6/"): one for one in records.read(run).cases}


def test_the_run_keeps_to_its_schema_and_has_a_report(run: Path) -> None:
    assert record_schema.check(run / records.FILE) > 0
    report = (run / "report.md").read_text()
    assert "Readers and formats" in report
    assert "vortex on Vortex by DuckDB against Parquet, local disk" in report


def test_what_is_written_is_read_back_value_by_value(cases: dict[str, Record]) -> None:
    written = {name: one for name, one in cases.items() if one.coordinates.check == "write"}
    assert {one.outcome for one in written.values()} == {Outcome.PASS}
    compact = written["local/vortex-compact/write-lineitem/vortex"].evidence
    assert compact["rows"] == compact["answer"]["rows"]
    assert compact["bytes"] < written["local/vortex-data/write-lineitem/vortex"].evidence["bytes"]


def test_every_scan_has_the_answer_of_the_source(cases: dict[str, Record]) -> None:
    asked = [one for one in cases.values() if one.coordinates.query]
    assert {one.coordinates.more["layout"] for one in asked} == {
        "parquet-default",
        "parquet-indexed",
        "vortex",
        "vortex-data",
    }
    assert {(one.outcome, tuple(one.evidence["checked_against"])) for one in asked} == {
        (Outcome.PASS, ("DuckDB over the source file",))
    }
    remote = [one for one in asked if one.coordinates.storage == "s3"]
    assert all(sum((one.samples[-1].requests or {}).values()) > 0 for one in remote if one.engine == "pyarrow")


def test_types_are_right_or_said_to_be_refused(cases: dict[str, Record]) -> None:
    read = {name: one for name, one in cases.items() if one.coordinates.check == "read-type"}
    failed = {name for name, one in read.items() if one.outcome is not Outcome.PASS}
    assert failed == {"types/parquet-indexed/fixed-size-list/read/pyarrow"}
    assert read["types/vortex-data/map/read/vortex"].evidence["answer"]["rows"] == 3
