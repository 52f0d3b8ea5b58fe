"""Files of a generator as data files of an Iceberg table."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebench.datasets import field_ids

TABLE = pa.table(
    {
        "k": pa.array([1, 2, None], pa.int64()),
        "small": pa.array([1, 2, 3], pa.int32()),
        "price": pa.array([Decimal("1.50"), None, Decimal("-2.25")], pa.decimal128(15, 2)),
        "day": pa.array([dt.date(1998, 9, 2)] * 3),
        "at": pa.array([dt.datetime(2024, 2, 29, tzinfo=dt.UTC)] * 3, pa.timestamp("us", "UTC")),
        "ok": pa.array([True, False, None]),
        "text": pa.array(["a", "ü", None], pa.string_view()),
        "raw": pa.array([b"a", b"", None]),
    }
)
IDS = {name: 10 + number for number, name in enumerate(TABLE.column_names)}


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    made, file = tmp_path / "t.parquet", tmp_path / "table" / "data" / "t.parquet"
    pq.write_table(TABLE, made, row_group_size=2, compression="zstd")
    assert field_ids.store(made, IDS, None, f"file://{file}") == "zstd"
    return file


def test_rows_row_groups_and_codec_stay_and_columns_get_their_ids(stored: Path) -> None:
    assert pq.read_table(stored).cast(TABLE.schema).equals(TABLE)
    assert {one.name: int(one.metadata[b"PARQUET:field_id"]) for one in pq.read_schema(stored)} == IDS
    found = duckdb.sql(f"SELECT name, field_id FROM parquet_schema('{stored}') WHERE type IS NOT NULL").fetchall()
    assert dict(found) == IDS
    read = pq.read_metadata(stored)
    assert [read.row_group(n).num_rows for n in range(read.num_row_groups)] == [2, 1]
    assert {read.row_group(0).column(n).compression for n in range(read.num_columns)} == {"ZSTD"}


def test_readers_take_the_types_of_parquet(stored: Path) -> None:
    assert pq.read_schema(stored).field("text").type == pa.string()


def test_a_column_without_an_id_is_said(tmp_path: Path) -> None:
    pq.write_table(TABLE, tmp_path / "t.parquet")
    ids = {name: number for name, number in IDS.items() if name != "raw"}
    with pytest.raises(KeyError, match="raw"):
        field_ids.store(tmp_path / "t.parquet", ids, None, f"file://{tmp_path}/u.parquet")
