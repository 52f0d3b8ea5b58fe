"""``lakebench check`` as a user starts it: honest engines agree, a liar is found, and nothing is written."""

from __future__ import annotations

import json
from pathlib import Path

import own_tables
import pyarrow.parquet as pq
import pytest
from started import lakebench

pytestmark = pytest.mark.integration

LIARS = Path(__file__).parent.parent / "liar"


def files(folder: Path) -> dict[Path, bytes]:
    return {one: one.read_bytes() for one in folder.rglob("*") if one.is_file()}


def test_a_liar_among_the_readers_is_found_down_to_the_row(tmp_path: Path) -> None:
    metadata = own_tables.write(tmp_path / "lake_of_mine", own_tables.ROWS, own_tables.ROWS.slice(0, 2))
    before = files(tmp_path / "lake_of_mine")
    readers = "duckdb,pyiceberg,liar-reads-less,liar-prunes-a-row,liar-exits"
    argv = ["check", str(metadata.parent.parent), "--engines", readers, "--json"]
    done = lakebench(*argv, "--output", "checked", cwd=tmp_path, PYTHONPATH=str(LIARS))
    assert done.returncode == 4, done.stderr
    assert files(tmp_path / "lake_of_mine") == before
    (table,) = json.loads(done.stdout)["tables"]
    assert table["violations"] == []
    outcomes = {(one["reader"], one["read"]): one["outcome"] for one in table["answers"]}
    assert outcomes["reference", "all rows"] == outcomes["duckdb", "all rows"] == "PASS"
    assert outcomes["liar-exits", "all rows"] == "CRASH"
    lost = [one for one in table["differences"] if one["read"] == "all rows"]
    assert [one["reader"] for one in lost] == ["liar-reads-less"]
    pruned = [one for one in table["differences"] if one["reader"] == "liar-prunes-a-row"]
    assert {"id = 1", "id >= 4"} <= {one["read"] for one in pruned}
    for difference in (*lost, *pruned):
        assert difference["expected"] == "reference"
        assert len(difference["lacking"]) == 1
        assert difference["extra"] == []
        assert sum(difference["files"].values()) == 1
    assert {one["reader"] for one in table["differences"]} == {"liar-reads-less", "liar-prunes-a-row"}
    assert {one.name for one in (tmp_path / "checked").iterdir()} == {"check.md", "check.html", "check.json"}


def test_a_damaged_table_and_a_folder_of_parquet(tmp_path: Path) -> None:
    metadata = own_tables.write(tmp_path / "lake_of_mine")
    broken = own_tables.content(metadata)
    broken["snapshots"][-1]["summary"]["total-records"] = "7"
    metadata.write_text(json.dumps(broken), encoding="utf-8")
    (tmp_path / "plain").mkdir()
    for name in ("a", "b"):
        pq.write_table(own_tables.ROWS, tmp_path / "plain" / f"{name}.parquet")
    done = lakebench("check", str(metadata), "plain", "--engines", "duckdb,polars,daft", "--json", cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    iceberg, plain = json.loads(done.stdout)["tables"]
    assert any("total-records 7" in one for one in iceberg["violations"])
    assert plain["exit_code"] == 0
    whole = [one for one in plain["answers"] if one["read"] == "all rows"]
    assert {one["rows"] for one in whole} == {8}
    assert len({one["hash"] for one in whole}) == 1
    assert len(plain["answers"]) > len(whole)
