"""Ray + DuckDB on a Ray that runs each task at once: stages, deletes, and what the tasks are given."""

from __future__ import annotations

import datetime as dt
import re
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebench.datasets import tpch
from lakebench.datasets.answers import compare_with
from lakebench.datasets.workload import Question
from lakebench.engines import ray
from lakebench.engines.ray_duckdb import engine as adapter
from lakebench.engines.ray_duckdb import sources, tasks
from lakebench.engines.ray_duckdb.engine import RayDuckDB
from lakebench.engines.ray_duckdb.sources import DataFile, PlannedTable
from lakebench.engines.ray_duckdb.stages import Stage, stages
from lakebench.errors import Refused
from lakebench.model import Catalog, CatalogKind, EngineSettings, Lake, TableFormat
from lakebench.phases.distributed import work
from lakebench.testing.lakes import doubled

LOCK = Path(__file__).parents[3] / "requirements.lock"
SCALE = Decimal("0.01")
OWN = ("regions", "shuffle", work.LONG)


class FakeRay:
    """Tasks run as they are sent; ``sent`` has each with its tables."""

    def __init__(self, cpus: int) -> None:
        self.sent: list[tuple[tasks.Task, tuple[Any, ...]]] = []
        self._cpus = cpus
        self.cloudpickle = SimpleNamespace(register_pickle_by_value=lambda _module: None)

    def remote(self, function: Callable[..., Any]) -> Any:
        def send(task: tasks.Task, *tables: Any) -> Any:
            self.sent.append((task, tables))
            return function(task, *tables)

        return SimpleNamespace(remote=send, options=lambda **_options: SimpleNamespace(remote=send))

    def wait(self, references: list[Any]) -> tuple[list[Any], list[Any]]:
        return references[-1:], references[:-1]

    def get(self, references: list[Any]) -> list[Any]:
        return references

    def cluster_resources(self) -> dict[str, float]:
        return {"CPU": float(self._cpus)}


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, ...]]:
    """Orders, lines and customers in three files each, with ties in nothing that is ordered by."""
    folder = tmp_path_factory.mktemp("tables")
    connection = duckdb.connect()
    made = {
        "customer": "SELECT n AS c_custkey, 'Customer ' || n AS c_name, "
        "CASE n % 3 WHEN 0 THEN 'BUILDING' ELSE 'MACHINERY' END AS c_mktsegment FROM range(60) t(n)",
        "orders": "SELECT n AS o_orderkey, n % 60 AS o_custkey, (1000 + n * 7919 % 100003)::DECIMAL(15, 2) AS "
        "o_totalprice, DATE '1994-06-01' + (n * 37 % 700)::INTEGER AS o_orderdate, (n % 5) || '-X' AS o_orderpriority, "
        "0::INTEGER AS o_shippriority FROM range(600) t(n)",
        "lineitem": "SELECT n % 600 AS l_orderkey, n // 600 + 1 AS l_linenumber, (n * 31 % 50 + 50)::DECIMAL(15, 2) AS "
        "l_quantity, (900 + n * 104729 % 9001)::DECIMAL(15, 2) AS l_extendedprice, (n % 11 / 100)::DECIMAL(15, 2) AS "
        "l_discount, (n % 9 / 100)::DECIMAL(15, 2) AS l_tax, substr('NAR', n % 3 + 1, 1) AS l_returnflag, "
        "substr('OF', n % 2 + 1, 1) AS l_linestatus, DATE '1993-12-01' + (n * 13 % 900)::INTEGER AS l_shipdate, "
        "substr('ABCDEFG', n % 7 + 1, 1) AS l_shipmode FROM range(3000) t(n)",
    }
    files = {}
    for name, sql in made.items():
        files[name] = tuple(str(folder / f"{name}-{part}.parquet") for part in range(3))
        for part, file in enumerate(files[name]):
            connection.execute(f"COPY (SELECT * FROM ({sql}) WHERE {name[0]}_{_key(name)} % 3 = {part}) TO '{file}'")
    return files


def _key(name: str) -> str:
    return {"customer": "custkey", "orders": "orderkey", "lineitem": "orderkey"}[name]


def _engine(monkeypatch: pytest.MonkeyPatch, files: dict[str, tuple[str, ...]], cpus: int) -> tuple[RayDuckDB, FakeRay]:
    fake = FakeRay(cpus)
    monkeypatch.setattr(adapter, "connect", lambda *_: fake)
    engine = RayDuckDB(EngineSettings(1, 2**30, "/nowhere"))
    lake = Lake("files", None, Catalog(CatalogKind.REST, "", ""), format=TableFormat.PARQUET, files=files)
    engine.open(lake)
    return engine, fake


def _answer(engine: RayDuckDB, sql: str) -> pa.Table:
    answer: Any = engine.query(sql)
    return pa.Table.from_batches(list(answer), answer.schema)


def _question(name: str) -> Question:
    if name in OWN:
        return work.question(name)
    return next(one for one in tpch.questions(SCALE, tpch.queries(SCALE)) if one.name == name)


@pytest.mark.parametrize("cpus", [1, 2, 5])
@pytest.mark.parametrize("name", [*work.TPCH, *OWN])
def test_a_query_in_stages_is_the_query(
    monkeypatch: pytest.MonkeyPatch, tables: dict[str, tuple[str, ...]], name: str, cpus: int
) -> None:
    question = _question(name)
    plain = duckdb.connect()
    for table, files in tables.items():
        plain.execute(f"CREATE VIEW {table} AS SELECT * FROM read_parquet({list(files)})")
    expected = plain.execute(question.text).to_arrow_table()
    assert expected.num_rows
    engine, fake = _engine(monkeypatch, tables, cpus)
    answer = _answer(engine, question.sql(RayDuckDB))
    assert compare_with("DuckDB alone", answer, expected, question.rules) is None
    assert len(fake.sent) > 1


def test_what_a_task_of_the_cluster_gives_is_there_as_soon_as_it_has_run(monkeypatch: pytest.MonkeyPatch) -> None:
    engine, fake = _engine(monkeypatch, {}, 2)
    sent_by_value: list[Any] = []
    fake.cloudpickle = SimpleNamespace(register_pickle_by_value=sent_by_value.append)
    given = engine.distribute(doubled, [{"number": number} for number in range(3)])
    assert next(iter(given)) == {"number": 4}  # the last one ran first
    assert [one["number"] for one in given] == [2, 0]
    assert sent_by_value == [sys.modules[doubled.__module__]]
    assert list(engine.distribute(doubled, [])) == []


def test_sql_without_headings_is_one_task(monkeypatch: pytest.MonkeyPatch, tables: dict[str, tuple[str, ...]]) -> None:
    engine, fake = _engine(monkeypatch, tables, 4)
    assert _answer(engine, "SELECT count(*) AS n FROM orders JOIN customer ON o_custkey = c_custkey").to_pylist() == [
        {"n": 600}
    ]
    assert len(fake.sent) == 1


def test_a_script_is_read_by_its_headings() -> None:
    script = "-- why\n-- split a by k\nSELECT 1 FROM a;\n-- join\nSELECT 2\n-- last\nSELECT 3 FROM parts\n"
    assert stages(script) == (
        Stage("split", "SELECT 1 FROM a", "a", "k"),
        Stage("join", "SELECT 2"),
        Stage("last", "SELECT 3 FROM parts"),
    )


def test_a_table_is_split_into_parts_of_about_the_same_size() -> None:
    table = PlannedTable(tuple(DataFile(str(number), size) for number, size in enumerate((50, 20, 20, 10))))
    assert [sum(one.bytes for one in part.files) for part in table.parts(2)] == [50, 50]
    assert len(table.parts(9)) == 4
    assert len(PlannedTable(()).parts(3)) == 1


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "it's a file.parquet"
    pq.write_table(pa.table({"id": pa.array(range(10), pa.int64())}), path)
    return str(path)


def _ids(table: PlannedTable) -> list[int]:
    sql = f"SELECT id FROM {table.source()} ORDER BY id"
    return [row[0] for row in duckdb.connect().execute(sql).fetchall()]


def test_a_row_that_a_delete_names_is_none(tmp_path: Path, file: str) -> None:
    deletes = tmp_path / "deletes.parquet"
    named = {"file_path": [file, file, "another"], "pos": pa.array([2, 5, 7], pa.int64())}
    pq.write_table(pa.table(named), deletes)
    assert _ids(PlannedTable((DataFile(file, 1, deletes=(str(deletes),)),))) == [0, 1, 3, 4, 6, 7, 8, 9]
    assert _ids(PlannedTable((DataFile(file, 1, positions=(0, 9)),))) == [1, 2, 3, 4, 5, 6, 7, 8]
    both = PlannedTable((DataFile(file, 1, (str(deletes),), (0,)), DataFile(file, 1)))
    assert _ids(both) == sorted([*range(10), 1, 3, 4, 6, 7, 8, 9])


def test_the_columns_of_a_table_that_has_changed_are_known_by_their_ids(tmp_path: Path) -> None:
    path = tmp_path / "old.parquet"
    field = pa.field("old_name", pa.int64(), metadata={b"PARQUET:field_id": b"1"})
    pq.write_table(pa.table([pa.array([1, 2], pa.int64())], pa.schema([field])), path)
    table = PlannedTable((DataFile(str(path), 1),), {1: ("id", "BIGINT"), 2: ("new", "VARCHAR")})
    assert duckdb.connect().execute(f"FROM {table.source()}").fetchall() == [(1, None), (2, None)]


def test_deletes_in_a_format_that_nobody_here_reads_are_refused() -> None:
    data = SimpleNamespace(file_path="a", file_size_in_bytes=1)
    orc = SimpleNamespace(file_format="FileFormat.ORC", file_path="d")
    with pytest.raises(Refused, match="neither Parquet nor Puffin"):
        sources._planned(None, SimpleNamespace(file=data, delete_files=[orc]), {})


def test_a_task_writes_a_file_and_says_how_many_rows(tmp_path: Path) -> None:
    into, rows = tmp_path / "out.parquet", pa.table({"day": [dt.date(2026, 1, 1), None]})
    task = tasks.Task("SELECT * FROM r", inputs=(("r", 1),), copy_to=str(into))
    assert tasks.run(task, rows).to_pylist() == [{"n": 2}]
    assert pq.read_table(into).to_pylist() == rows.to_pylist()


def test_the_packages_of_tasks_are_those_that_are_locked() -> None:
    locked = dict(re.findall(r"^([\w-]+)==([\w.]+)", LOCK.read_text(), re.MULTILINE))
    for one in (*ray.PACKAGES, f"daft=={ray.DAFT}"):
        name, _, version = one.partition("==")
        assert locked[name.partition("[")[0]] == version


def test_the_token_is_in_the_environment_and_nothing_is_sent_home() -> None:
    given = ray.variables("secret", "/tmp/own", local=True)  # noqa: S108 - a name
    assert given["RAY_AUTH_MODE"] == "token"
    assert given["RAY_AUTH_TOKEN"] == "secret"  # noqa: S105 - the test's
    assert given["RAY_USAGE_STATS_ENABLED"] == "0"
    assert given["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"
    assert "RAY_AUTH_TOKEN" not in ray.variables("", "/tmp/own", local=False)  # noqa: S108 - a name
