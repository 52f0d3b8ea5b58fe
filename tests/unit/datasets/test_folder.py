"""The user's own folder: its tables, its queries, and the error for each mistake."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebench import engines
from lakebench.datasets import folder
from lakebench.datasets.rules import Rules
from lakebench.datasets.workload import Question, Workload
from lakebench.errors import UsageError
from lakebench.progress import Quiet

ORDERS = pa.table({"id": pa.array([1, 2, 3], pa.int64()), "price": [1.5, 2.5, 2.5], "Day": [dt.date(2026, 1, 1)] * 3})


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Two tables, one of them in two files, and two queries."""
    path = tmp_path / "mine"
    (path / "Items").mkdir(parents=True)
    (path / "queries").mkdir()
    pq.write_table(ORDERS, path / "orders.parquet")
    for part in (1, 2):
        pq.write_table(pa.table({"id": pa.array([part], pa.int64())}), path / "Items" / f"{part}.parquet")
    (path / "best.sql").write_text("-- The best.\nSELECT id FROM orders ORDER BY price DESC LIMIT 1;\n")
    (path / "queries" / "mean.sql").write_text(
        "-- dialect: duckdb\nSELECT any_value(day), avg(price) FROM orders JOIN items USING (id) GROUP BY ALL\n"
    )
    return path


def loaded(path: Path) -> Workload:
    return folder.workload(path, Quiet())


def question(path: Path, name: str) -> Question:
    return next(one for one in loaded(path).questions if one.name == name)


def test_tables_and_queries(mine: Path) -> None:
    workload = loaded(mine)
    assert {name: (table.rows, table.file_rows) for name, table in workload.tables.items()} == {
        "orders": (3, (3,)),
        "items": (2, (1, 1)),
    }
    assert [one.name for one in workload.questions] == ["best", "mean"]
    best, mean = workload.questions
    assert best.text == "-- The best.\nSELECT id FROM orders ORDER BY price DESC LIMIT 1"
    assert best.rules == Rules(limit=1, full_order=(-1,))
    assert best.tables == {"orders"}
    assert mean.tables == {"orders", "items"}
    assert mean.rules == Rules(average=(1,))
    assert all(not one.references for one in workload.questions)
    assert workload.tables["items"].schema().names == ["id"]


def test_engines_are_asked_in_their_own_words(mine: Path) -> None:
    (mine / "cut.sql").write_text("SELECT id FROM orders ORDER BY id LIMIT 2 OFFSET 1")
    (mine / "cut.spark.sql").write_text("-- By hand.\nSELECT id FROM orders WHERE id > 1 ORDER BY id;\n")
    cut = question(mine, "cut")
    assert cut.sql(engines.find("trino")).split()[-4:] == ["OFFSET", "1", "LIMIT", "2"]
    spark = engines.find("spark")
    assert cut.sql(spark) == "-- By hand.\nSELECT id FROM orders WHERE id > 1 ORDER BY id"
    assert cut.variant(spark)
    assert not cut.variant(engines.find("trino"))
    assert cut.variant(engines.find("spark-jdbc")) == (engines.find("spark-jdbc").variant_of == "spark")


def test_names_that_are_not_in_small_letters_are_quoted(mine: Path) -> None:
    (mine / "days.sql").write_text("SELECT day, count(*) AS n FROM Orders GROUP BY day ORDER BY day")
    days = question(mine, "days")
    assert '"Day"' in days.text
    assert days.rules == Rules(order=(0,), full_order=(0,))
    with duckdb.connect() as connection:
        connection.read_parquet(str(mine / "orders.parquet")).create_view("orders")
        assert connection.execute(days.sql(engines.find("duckdb"))).fetchall() == [(dt.date(2026, 1, 1), 3)]


def test_hashes_are_those_of_content_and_texts(mine: Path) -> None:
    first, again = loaded(mine), loaded(mine)
    assert (first.content_hash, first.workload_hash) == (again.content_hash, again.workload_hash)
    (mine / "best.trino.sql").write_text("SELECT id FROM orders ORDER BY price DESC, id LIMIT 1")
    changed = loaded(mine)
    assert (changed.content_hash, changed.workload_hash != first.workload_hash) == (first.content_hash, True)
    pq.write_table(ORDERS.slice(1), mine / "orders.parquet")
    assert loaded(mine).content_hash != first.content_hash


def _parquet(name: str, **columns: pa.Array) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        (path / name).parent.mkdir(exist_ok=True)
        pq.write_table(pa.table(columns), path / name)

    return write


def _text(name: str, text: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        (path / name).write_text(text)

    return write


def _without(pattern: str) -> Callable[[Path], None]:
    def remove(path: Path) -> None:
        for one in path.rglob(pattern):
            one.unlink()

    return remove


MISTAKES = {
    "no parquet": (_without("*.parquet"), "no Parquet there"),
    "no sql": (_without("*.sql"), "no SQL there"),
    "unknown table": (
        _text("x.sql", "SELECT 1 FROM order_s"),
        r"x.sql: unknown table 'order_s': did you mean orders",
    ),
    "schema": (_text("x.sql", "SELECT 1 FROM main.orders"), "without a schema"),
    "syntax": (
        _text("x.sql", "SELECT id\nFROM orders\nWHERE (id = 1"),
        r"x.sql: it does not parse .* line 3, column \d+",
    ),
    "two": (_text("x.sql", "SELECT 1; SELECT 2"), "x.sql: it has 2 statements"),
    "empty": (_text("x.sql", "-- nothing"), "x.sql: it has 0 statements"),
    "no query": (_text("x.sql", "DELETE FROM orders"), "x.sql: it is no query"),
    "dialect": (_text("x.sql", "-- dialect: duckbd\nSELECT 1"), "unknown dialect 'duckbd': did you mean duckdb"),
    "not text": (lambda path: (path / "x.sql").write_bytes(b"\xff\xfe\x00"), "is not text in UTF-8"),
    "same query": (_text("mean.sql", "SELECT 1"), "a second query 'mean'"),
    "query name": (_text("a b.sql", "SELECT 1"), "'a b' is no name for a query"),
    "variant of nothing": (_text("x.trino.sql", "SELECT 1"), "there is no x.sql"),
    "no engine": (_text("best.trini.sql", "SELECT 1"), "unknown engine 'trini': did you mean trino"),
    "table name": (_parquet("my table.parquet", a=pa.array([1])), "'my table' is no name for a table"),
    "same table": (_parquet("items.parquet", id=pa.array([1])), "a second table 'items'"),
    "schemas": (
        _parquet("Items/3.parquet", id=pa.array([1], pa.int32())),
        r"3.parquet: .*id \(int64\) is missing, id \(int",
    ),
    "types": (
        _parquet("t.parquet", a=pa.array([1], pa.uint8()), b=pa.array([1]), c=pa.array([1], pa.duration("s"))),
        r"no such column types: a \(uint8\), c \(duration\[s\]\)",
    ),
    "nested type": (_parquet("t.parquet", a=pa.array([[1]], pa.list_(pa.int16()))), "no such column types: a "),
    "nanoseconds": (_parquet("t.parquet", a=pa.array([1], pa.timestamp("ns"))), r"a \(timestamp\[ns\]\)"),
    "case": (_parquet("t.parquet", a=pa.array([1]), A=pa.array([1])), "differ only in their case"),
    "not parquet": (_text("t.parquet", "text"), "t.parquet cannot be read as Parquet"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_mistakes(mine: Path, name: str) -> None:
    spoil, message = MISTAKES[name]
    spoil(mine)
    with pytest.raises(UsageError, match=message):
        loaded(mine)


def test_no_folder(mine: Path) -> None:
    with pytest.raises(UsageError, match="is no folder"):
        loaded(mine / "best.sql")


def test_types_that_iceberg_has(mine: Path) -> None:
    kinds = [
        *(pa.bool_(), pa.int32(), pa.int64(), pa.float32(), pa.float64(), pa.decimal128(38, 2), pa.date32()),
        *(pa.time64("us"), pa.timestamp("us"), pa.timestamp("us", "UTC"), pa.string(), pa.large_string(), pa.binary()),
        *(pa.list_(pa.int32()), pa.map_(pa.string(), pa.int64()), pa.struct([("x", pa.date32())]), pa.binary(16)),
    ]
    pq.write_table(pa.table({f"c{n}": pa.nulls(1, kind) for n, kind in enumerate(kinds)}), mine / "t.parquet")
    assert len(loaded(mine).tables["t"].schema()) == len(kinds)
