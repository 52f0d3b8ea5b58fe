"""Libraries that read one format: PyArrow, whose package is here; what is common to all of them, and summaries."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebench.engines.arrow_files.engine import Lance, PyArrow, Vortex
from lakebench.engines.duckdb import files
from lakebench.engines.duckdb.engine import DuckDB
from lakebench.engines.summaries import summarised
from lakebench.errors import EngineUnavailable
from lakebench.iceberg.scan import Condition, Scan
from lakebench.iceberg.types import Field
from lakebench.model import Catalog, CatalogKind, EngineSettings, Lake, ObjectStore, TableFormat

ROWS = pa.table(
    {
        "id": pa.array(range(10), pa.int64()),
        "price": pa.array([None if n == 3 else Decimal(n) / 4 for n in range(10)], pa.decimal128(9, 2)),
        "info": pa.array([None if n % 2 else {"zip": n, "tags": ["x"] * n} for n in range(10)]),
    }
)
OPTIONS = {"row_group_size": "4", "compression": "zstd", "write_page_index": "True", "bloom_filter": "id"}
SUMMARY = (("count", "price"), ("sum", "price"), ("max", "id"), ("sum", "info.zip"), ("length", "info.tags"))


def _lake(path: Path, **given: Any) -> Lake:
    catalog = Catalog(CatalogKind.REST, "", "")
    lake = Lake("files", None, catalog, format=TableFormat.PARQUET, files={"t": (f"file://{path}",)})
    return replace(lake, **given)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[PyArrow]:
    made = PyArrow(EngineSettings(1, 2**30, str(tmp_path)))
    made.open(_lake(tmp_path / "t.parquet", writes=True, options=OPTIONS))
    made.append("t", ROWS)
    made.open(_lake(tmp_path / "t.parquet"))
    yield made
    made.close()


def _read(engine: Any, scan: Scan) -> pa.Table:
    answer = engine.scan(Scan.from_json(scan.to_json()))
    return answer if isinstance(answer, pa.Table) else pa.Table.from_batches(list(answer), answer.schema)


def test_the_writer_follows_its_options(engine: PyArrow, tmp_path: Path) -> None:
    metadata = pq.read_metadata(tmp_path / "t.parquet")
    assert [metadata.row_group(n).num_rows for n in range(metadata.num_row_groups)] == [4, 4, 2]
    column = metadata.row_group(0).column(0)
    assert (column.compression, column.has_offset_index, column.has_column_index) == ("ZSTD", True, True)
    assert _read(engine, Scan("t")).equals(ROWS)


def test_a_file_is_loaded_from_others_in_their_order(tmp_path: Path) -> None:
    for number in range(2):
        pq.write_table(ROWS.slice(5 * number, 5), tmp_path / f"{number}.parquet")
    engine = PyArrow(EngineSettings(1, 2**30, str(tmp_path)))
    engine.open(_lake(tmp_path / "all.parquet", writes=True, options=OPTIONS))
    engine.load("t", [str(tmp_path / "0.parquet"), str(tmp_path / "1.parquet")])
    assert pq.read_table(tmp_path / "all.parquet").equals(ROWS)
    assert pq.read_metadata(tmp_path / "all.parquet").num_row_groups == 3


def test_rows_by_position_condition_and_count(engine: PyArrow) -> None:
    assert _read(engine, Scan("t", ("id",), positions=(1, 8))).column("id").to_pylist() == [1, 8]
    fields = (Field("id", "long"),)
    among = Scan("t", ("id",), where=(Condition("id", "in", (2, 9, 77)),), fields=fields)
    assert _read(engine, among).column("id").to_pylist() == [2, 9]
    assert _read(engine, replace(among, columns=None, count=True)).to_pydict() == {"n": [2]}
    nulls = Scan("t", count=True, where=(Condition("price", "is-null"),))
    assert _read(engine, nulls).to_pydict() == {"n": [1]}


def test_files_have_no_snapshots(engine: PyArrow) -> None:
    with pytest.raises(EngineUnavailable, match="no snapshots"):
        engine.scan(Scan("t", snapshot_id=1))


def test_a_summary_is_that_of_the_rows_whatever_the_batches(engine: PyArrow) -> None:
    expected = [9, sum(n for n in range(10) if n != 3) / Decimal(4), 9, 20, 20]
    assert list(_read(engine, Scan("t", summary=SUMMARY)).to_pylist()[0].values()) == expected
    one_by_one = [ROWS.slice(n, 1).to_batches()[0] for n in range(10)]
    assert list(summarised(one_by_one, SUMMARY).to_pylist()[0].values()) == expected
    assert summarised([], SUMMARY).to_pylist() == [dict.fromkeys(f"s{n}" for n in range(5))]


def test_what_is_fetched_is_the_columns_of_the_summary() -> None:
    scan = Scan("t", summary=SUMMARY, fetched=True)
    assert scan.rows_to_fetch == Scan("t", ("price", "id", "info"))


def test_duckdb_reads_and_writes_each_format_in_its_own_words(tmp_path: Path) -> None:
    lake = _lake(tmp_path / "t.vortex", format=TableFormat.VORTEX, options={"ROW_GROUP_SIZE": "4"})
    path = str(tmp_path / "t.vortex")
    assert files.source(lake.format, lake.files["t"]) == f"read_vortex(['{path}'])"
    assert files.copy(lake, "t", "SELECT 1") == f"COPY (SELECT 1) TO '{path}' (FORMAT vortex, ROW_GROUP_SIZE 4)"
    at = files.at_positions(lake, Scan("t", ("id",), positions=(1, 2)), '"t"')
    assert at == f"SELECT \"id\" FROM read_vortex(['{path}']) WHERE file_row_number IN (1, 2)"
    assert files.extensions(replace(lake, options={"extensions": "ducklake"})) == ("vortex", "ducklake")
    assert files.source(TableFormat.LANCE, ("file:///a.lance",)) == "'/a.lance'"


def test_vortex_and_lance_run_in_an_environment_of_their_own() -> None:
    assert Vortex.environments == {TableFormat.VORTEX: "file-formats"}
    assert Lance.environments == {TableFormat.LANCE: "file-formats"}
    assert TableFormat.PARQUET not in DuckDB.environments


def test_the_store_of_vortex_is_in_the_environment_and_only_there(tmp_path: Path) -> None:
    store = ObjectStore("http://127.0.0.1:9", "lake", "key", "secret")
    remote = _lake(tmp_path, store=store)
    assert files.environment(remote) == {}
    assert files.environment(_lake(tmp_path, format=TableFormat.VORTEX)) == {}
    named = files.environment(replace(remote, format=TableFormat.VORTEX))
    assert (named["AWS_ENDPOINT_URL"], named["AWS_ACCESS_KEY_ID"]) == ("http://127.0.0.1:9", "key")
    assert named == files.environment(replace(remote, format=TableFormat.LANCE))
