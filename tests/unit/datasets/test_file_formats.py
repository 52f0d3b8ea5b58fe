"""The tables of file formats, and how files are compared with their source."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from lakebench.datasets import table_files
from lakebench.datasets.file_formats import kinds, large


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("formats") / "wide.parquet"
    assert large.make_wide(600, path) == 600
    return path


def test_the_wide_table_is_in_the_order_of_its_id_and_its_other_key_is_unique(wide: Path) -> None:
    table = pq.read_table(wide)
    assert table.column("id").to_pylist() == list(range(600))
    assert sorted(table.column("k").to_pylist()) == list(range(600))
    assert table.column("k").to_pylist() != list(range(600))
    assert table.num_columns == 54
    info = table.column("info").combine_chunks()
    assert 0 < info.null_count < 600
    assert 0 < pc.struct_field(info, ["address"]).null_count < 600
    assert {path.partition(".")[0] for _, path in large.wide_summary()} == set(table.column_names)


def test_lineitem_keeps_the_order_of_its_files(tmp_path: Path) -> None:
    for number in range(2):
        pq.write_table(pa.table({"l_orderkey": [10 * number + 1, 10 * number + 2]}), tmp_path / f"{number}.parquet")
    files = [tmp_path / "0.parquet", tmp_path / "1.parquet"]
    assert large.make_lineitem(files, tmp_path / "all.parquet") == 4
    made = pq.read_table(tmp_path / "all.parquet").to_pydict()
    assert (made["id"], made["l_orderkey"]) == ([0, 1, 2, 3], [1, 2, 11, 12])


def _stored(table: pa.Table, into: Path) -> Path:
    table_files.write(table, into)
    return into


def test_the_same_rows_in_another_order_and_with_views_are_the_same(wide: Path, tmp_path: Path) -> None:
    rows = pq.read_table(wide)
    views = rows.set_column(rows.column_names.index("t0"), "t0", rows.column("t0").cast(pa.string_view()))
    checked = large.same_as_source(_stored(views, tmp_path / "a.arrow"), wide, 600, "id")
    assert checked.ok
    assert checked.type_differences == ("t0: string_view instead of string",)
    reverse = rows.take(list(range(599, -1, -1)))
    assert large.same_as_source(_stored(reverse, tmp_path / "b.arrow"), wide, 600, "id").ok


@pytest.mark.parametrize("column", ["n0", "t3", "info", "tags"])
def test_a_value_that_became_null_is_seen(wide: Path, tmp_path: Path, column: str) -> None:
    rows = pq.read_table(wide)
    at = next(n for n, one in enumerate(rows.column(column).to_pylist()) if one is not None and n > 300)
    values = rows.column(column).to_pylist()
    values[at] = None
    damaged = rows.set_column(rows.column_names.index(column), column, pa.array(values, rows.schema.field(column).type))
    checked = large.same_as_source(_stored(damaged, tmp_path / "c.arrow"), wide, 600, "id")
    assert not checked.ok
    assert column in checked.message


def test_rows_that_are_missing_are_seen(wide: Path, tmp_path: Path) -> None:
    rows = pq.read_table(wide).slice(0, 599)
    assert not large.same_as_source(_stored(rows, tmp_path / "d.arrow"), wide, 600, "id").ok


def test_every_type_has_null_and_edge_values(tmp_path: Path) -> None:
    for name, kind in kinds.KINDS.items():
        kinds.write_kind(name, tmp_path / "kind.arrow")
        table = table_files.read(tmp_path / "kind.arrow")
        assert table.schema.field("v").type == kind.type()
        assert table.num_rows == (len(kind.values) + 1 if kind.values else 0)


def test_odd_columns_are_what_their_names_say(tmp_path: Path) -> None:
    kinds.write_odd(tmp_path / "odd.arrow", empty=False)
    odd = table_files.read(tmp_path / "odd.arrow")
    assert odd.column("all_null").null_count == odd.num_rows
    assert pc.all(pc.is_nan(odd.column("all_nan"))).as_py()
    assert sum(odd.column("overflowing").to_pylist()) > 2**63
    kinds.write_odd(tmp_path / "none.arrow", empty=True)
    assert table_files.read(tmp_path / "none.arrow").schema == odd.schema
    assert set(kinds.ODD_COLUMNS) | {"id"} == set(odd.column_names)
