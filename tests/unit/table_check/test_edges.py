"""Which filters a table is asked with: at the bounds of its files and partitions."""

from __future__ import annotations

from pathlib import Path

import own_tables
import pyarrow as pa
import pyarrow.parquet as pq

from lakebench.datasets.interop.store import Files
from lakebench.iceberg.scan import Condition
from lakebench.table_check import columns, edges, findings


def test_filters_of_an_iceberg_table(tmp_path: Path) -> None:
    metadata = own_tables.content(own_tables.write(tmp_path, own_tables.ROWS.slice(0, 2), own_tables.ROWS.slice(2)))
    found = findings.of_iceberg(metadata, None).filters
    assert Condition("id", "=", 3) in found
    assert Condition("id", ">=", 4) in found
    assert Condition("day", "is-null") in found
    assert len({one.column for one in found}) == edges.COLUMNS
    assert not any(one.column == "tags" for one in found)


def test_columns_of_partitions_come_first_and_have_their_starts(tmp_path: Path) -> None:
    metadata = own_tables.content(own_tables.write(tmp_path, partition=("day", "month")))
    found = findings.of_iceberg(metadata, None).filters
    assert found[0].column == "day"
    assert Condition("day", ">=", "2024-10-01") in found
    assert Condition("day", ">=", "2024-10-04") in found


def test_filters_of_plain_parquet(tmp_path: Path) -> None:
    names = []
    for at in range(3):
        names.append(f"file://{tmp_path}/{at}.parquet")
        pq.write_table(pa.table({"id": [at * 10, at * 10 + 9], "a.b": [1, 2]}), tmp_path / f"{at}.parquet")
    fields = columns.fields_of_arrow(pa.schema({"id": pa.int64(), "a.b": pa.int64()}))
    found = edges.of_parquet(names, Files(None), fields)
    assert Condition("id", "=", 10) in found
    assert Condition("id", ">=", 19) in found
    assert {one.column for one in found} == {"id"}
