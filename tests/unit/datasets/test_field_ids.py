from __future__ import annotations

import datetime as dt
import io
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
        "small": pa.array([1, 2, 3], pa.int16()),
        "price": pa.array([Decimal("1.50"), None, Decimal("-2.25")], pa.decimal128(15, 2)),
        "day": pa.array([dt.date(1998, 9, 2)] * 3),
        "at": pa.array([dt.datetime(2024, 2, 29, tzinfo=dt.UTC)] * 3, pa.timestamp("us", "UTC")),
        "ok": pa.array([True, False, None]),
        "text": pa.array(["a", "ü", None], pa.string_view()),
        "raw": pa.array([b"a", b"", None]),
    }
)
IDS = {name: 10 + number for number, name in enumerate(TABLE.column_names)}


def parquet(table: pa.Table) -> io.BytesIO:
    made = io.BytesIO()
    pq.write_table(table, made, row_group_size=2, write_page_index=True)
    return made


def test_the_columns_get_their_ids_and_nothing_else_changes(tmp_path: Path) -> None:
    source, file = parquet(TABLE), tmp_path / "copied.parquet"
    with file.open("wb") as target:
        field_ids.copy(source, IDS, target)
    assert pq.read_table(file).cast(TABLE.schema).equals(TABLE)
    assert {one.name: int(one.metadata[b"PARQUET:field_id"]) for one in pq.read_schema(file)} == IDS
    found = duckdb.sql(f"SELECT name, field_id FROM parquet_schema('{file}') WHERE type IS NOT NULL").fetchall()
    assert dict(found) == IDS
    before, after = pq.read_metadata(source), pq.read_metadata(file)
    assert [after.row_group(n).to_dict() for n in range(2)] == [before.row_group(n).to_dict() for n in range(2)]


def test_readers_take_the_types_of_parquet() -> None:
    copied = io.BytesIO()
    field_ids.copy(parquet(TABLE), IDS, copied)
    assert pq.read_schema(parquet(TABLE)).field("text").type == pa.string_view()
    assert pq.read_schema(copied).field("text").type == pa.string()


def test_ids_that_a_file_has_are_replaced() -> None:
    first, second = io.BytesIO(), io.BytesIO()
    field_ids.copy(parquet(TABLE), dict.fromkeys(IDS, 1), first)
    field_ids.copy(first, IDS, second)
    assert {one.name: int(one.metadata[b"PARQUET:field_id"]) for one in pq.read_schema(second)} == IDS


def test_a_file_is_stored_where_the_table_has_its_data(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(parquet(TABLE).getvalue())
    codec = field_ids.store(tmp_path / "t.parquet", IDS, None, f"file://{tmp_path}/table/data/t.parquet")
    assert codec == "snappy"
    assert pq.read_metadata(tmp_path / "table" / "data" / "t.parquet").num_rows == 3


@pytest.mark.parametrize(
    ("source", "said"),
    [
        (io.BytesIO(b"no Parquet at all"), "no Parquet file"),
        (parquet(pa.table({"s": [{"a": 1}]})), "the column s is nested"),
        (parquet(pa.table({"other": [1]})), "the column other is nested, or not in the table"),
    ],
)
def test_what_cannot_have_ids_is_said(source: io.BytesIO, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        field_ids.copy(source, IDS, io.BytesIO())
