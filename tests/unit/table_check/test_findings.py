"""What is found in a table's metadata and files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import own_tables
import pyarrow.parquet as pq

from lakebench.table_check import findings


def test_a_sound_table_has_no_violations_and_says_what_it_uses(tmp_path: Path) -> None:
    found = findings.of_iceberg(own_tables.content(own_tables.write(tmp_path)), None)
    assert found.violations == ()
    assert found.features["format version"] == "2"
    assert found.features["types"] == "date, double, list, long, string"
    assert "deletes" not in found.features
    assert found.layout["data files"] == 1
    assert found.layout["rows in data files"] == own_tables.ROWS.num_rows


def test_small_files_are_remarked(tmp_path: Path) -> None:
    file = own_tables.write(tmp_path, *[own_tables.ROWS] * 3)
    found = findings.of_iceberg(own_tables.content(file), None)
    assert found.layout["small data files"] == 3
    assert any("compaction would help" in one for one in found.remarks)


def test_only_a_sample_of_many_files_is_opened_and_the_report_says_so(tmp_path: Path) -> None:
    file = own_tables.write(tmp_path, *[own_tables.ROWS] * 5)
    found = findings.of_iceberg(own_tables.content(file), None, at_most=2)
    assert found.layout["files opened"] == 2
    assert found.layout["data files"] == 5
    assert any("of 5 live files 2 were opened" in one for one in found.remarks)
    assert found.violations == ()


def test_a_wrong_number_of_rows_is_a_violation(tmp_path: Path) -> None:
    metadata: dict[str, Any] = own_tables.content(own_tables.write(tmp_path))
    metadata["snapshots"][-1]["summary"]["total-records"] = "5"
    assert any("total-records 5" in one for one in findings.of_iceberg(metadata, None).violations)


def test_a_missing_data_file_is_a_violation(tmp_path: Path) -> None:
    file = own_tables.write(tmp_path)
    (data,) = (tmp_path / "lake").rglob("*.parquet")
    data.unlink()
    found = findings.of_iceberg(own_tables.content(file), None)
    assert any("is not in the store" in one for one in found.violations)


def test_a_damaged_manifest_list_is_a_violation_and_no_fault_of_ours(tmp_path: Path) -> None:
    file = own_tables.write(tmp_path)
    next(file.parent.glob("snap-*.avro")).write_bytes(b"no Avro")
    assert any("manifest list" in one for one in findings.of_iceberg(own_tables.content(file), None).violations)


def test_plain_parquet(tmp_path: Path) -> None:
    pq.write_table(own_tables.ROWS, tmp_path / "a.parquet")
    pq.write_table(own_tables.ROWS.drop_columns(["day"]), tmp_path / "b.parquet")
    (tmp_path / "c.parquet").write_bytes(b"no Parquet")
    found = findings.of_parquet([f"file://{tmp_path}/{one}.parquet" for one in "abc"], None)
    assert len(found.violations) == 1
    assert "c.parquet cannot be read" in found.violations[0]
    assert any("1 of 2 files have other columns" in one for one in found.remarks)
