"""The audit of a table by its own files: rows, tags and files that must be there. The table is PyIceberg's, on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from living_orders import THREE, append, delete, encoded, generated, row
from pyiceberg.catalog.sql import SqlCatalog

from lakebench.datasets.living import audit
from lakebench.datasets.living.audit import AuditedTable
from lakebench.datasets.living.life import FIELDS
from lakebench.iceberg.values import arrow_table

PROGRAM = encoded(append(row(9, "9.00")), delete(2))


@pytest.fixture
def table(tmp_path: Path) -> Any:
    """Three orders; one more; one less. The first snapshot has a tag."""
    folder = tmp_path / "warehouse"
    folder.mkdir()
    catalog = SqlCatalog("c", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{folder}")
    catalog.create_namespace("n")
    made = catalog.create_table("n.orders", schema=arrow_table(FIELDS, []).schema)
    made.append(arrow_table(FIELDS, list(THREE)))
    made.manage_snapshots().create_tag(made.current_snapshot().snapshot_id, "kept").commit()
    made.append(arrow_table(FIELDS, [row(9, "9.00")]))
    made.delete("o_orderkey = 2")
    yield made
    catalog.close()


def loaded(table: Any) -> AuditedTable:
    return AuditedTable(table.metadata.model_dump(mode="json", by_alias=True), table.metadata_location, None)


def ids(table: Any) -> list[int]:
    return [one.snapshot_id for one in table.metadata.snapshots]


def test_the_rows_of_a_snapshot_are_those_after_its_commits(table: Any, tmp_path: Path) -> None:
    base = generated(tmp_path)
    assert audit.wrong_rows(loaded(table), None, base, PROGRAM) == ""
    for number, snapshot in enumerate(ids(table)):
        assert audit.wrong_rows(loaded(table), snapshot, base, PROGRAM[:number]) == ""
    said = audit.wrong_rows(loaded(table), ids(table)[1], base, PROGRAM)
    assert said == "it has 1 order that must not be there, such as 2, which commit 2 deleted"
    assert "not in the metadata" in audit.wrong_rows(loaded(table), 1, base, PROGRAM)


def test_facts_are_those_of_the_current_snapshot(table: Any) -> None:
    facts = audit.facts(loaded(table))
    assert (facts["snapshots"], facts["data_files"], facts["delete_files"]) == (3, 2, 0)
    assert facts["rows_in_files"] == 3
    assert facts["metadata_bytes"] == Path(table.metadata_location.removeprefix("file://")).stat().st_size


def test_a_file_that_a_snapshot_refers_to_must_be_there(table: Any) -> None:
    first = ids(table)[0]
    assert audit.damage(loaded(table), {"kept": first}) == []
    paths = {one.as_posix() for one in Path(table.location().removeprefix("file://")).rglob("*.parquet")}
    (old,) = [one for one in paths if pq.read_table(one)["o_orderkey"].to_pylist() == [1, 2, 3]]
    Path(old).unlink()  # the tag alone needs it
    (said,) = audit.damage(loaded(table), {"kept": first})
    assert "which a snapshot refers to, is not in the store" in said


def test_a_tag_must_hold_its_snapshot(table: Any) -> None:
    first, second, *_ = ids(table)
    assert audit.damage(loaded(table), {"other": first}) == ["the tag other is gone"]
    assert f"is at snapshot {first} instead of {second}" in audit.damage(loaded(table), {"kept": second})[0]
    assert "holds, is not in the metadata any more" in audit.damage(loaded(table), {"kept": 1})[0]


def test_what_lies_below_a_folder_is_weighed(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_bytes(b"123")
    found = audit.stored(f"file://{tmp_path}", None)
    assert (found.sizes, found.bytes) == ({f"file://{tmp_path}/a/b": 3}, 3)
