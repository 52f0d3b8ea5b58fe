"""ClickBench: each query has a telling answer on the sample, and the published form of the data is converted."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from lakebench import engines
from lakebench.datasets import clickbench, sql_rules
from lakebench.datasets.answers import compare, top_n
from lakebench.datasets.clickbench import hits, sample, user_hits
from lakebench.datasets.clickbench.queries import DIALECT, queries, question, workload_hash
from lakebench.datasets.rules import Rules
from lakebench.datasets.workload import Question, Workload
from lakebench.errors import UsageError
from lakebench.progress import Quiet

NAMES = [query.name for query in queries()]
DUCKDB = engines.find("duckdb")


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        path = tmp_path_factory.mktemp("cache")
        patch.setenv("LAKEBENCH_CACHE", str(path))
        yield path


@pytest.fixture(scope="module")
def made(cache: Path) -> Workload:
    workload = clickbench.workload(Quiet(), None, sample.LEAST_ROWS)
    assert all(cache in file.parents for file in workload.tables["hits"].files)
    return workload


@pytest.fixture(scope="module")
def connection(made: Workload) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as one:
        one.read_parquet([str(file) for file in made.tables["hits"].files]).create_view("hits")
        yield one


def asked(made: Workload, name: str) -> Question:
    return next(one for one in made.questions if one.name == name)


def answer(connection: duckdb.DuckDBPyConnection, sql: str) -> pa.Table:
    return connection.execute(sql).to_arrow_table()


class TestQueries:
    def test_there_are_43_on_105_columns(self, made: Workload) -> None:
        assert [one.name for one in made.questions] == [f"q{n:02d}" for n in range(1, 44)]
        assert len(hits.COLUMNS) == len(set(hits.COLUMNS)) == 105
        assert made.tables["hits"].schema().equals(hits.schema())
        assert {one.tables for one in made.questions} == {frozenset({"hits"})}
        assert {str(kind) for kind in hits.schema().types} == {
            "int32",
            "int64",
            "string",
            "date32[day]",
            "timestamp[us]",
        }

    @pytest.mark.parametrize("name", NAMES)
    def test_each_has_a_telling_answer(self, made: Workload, connection: duckdb.DuckDBPyConnection, name: str) -> None:
        one = asked(made, name)
        sql = one.sql(DUCKDB)
        got = answer(connection, sql)
        full = answer(connection, sql_rules.without_limit(sql))
        assert compare(got, got, one.rules) is None
        assert top_n(got, full, one.rules) is None
        assert got.num_rows == (one.rules.limit or got.num_rows) > 0
        if one.rules.is_cut:
            assert full.num_rows > got.num_rows + one.rules.offset

    @pytest.mark.parametrize("dialect", ["duckdb", "spark", "trino", "postgres"])
    def test_each_parses_in_each_dialect(self, dialect: str) -> None:
        for query in queries():
            text = sql_rules.translated(query.sql, DIALECT, dialect)
            assert sql_rules.rules_of(text, dialect, {"hits": hits.COLUMNS}) == query.rules

    def test_variants_parse_and_say_why(self) -> None:
        variants = {}
        for name, engine in engines.engines().items():
            for one in map(question, queries()):
                if one.variant(engine):
                    text = one.sql(engine)
                    assert text.startswith("-- ")
                    assert "{" not in text
                    assert sql_rules.rules_of(text, engine.dialect) == one.rules
                    variants[name, one.name] = text
        assert {("trino", "q29"), ("spark", "q29"), ("spark", "q43"), ("daft", "q43")} <= set(variants)

    def test_rules(self) -> None:
        rules = {query.name: query.rules for query in queries()}
        assert rules["q03"] == Rules(average=(2,))
        assert rules["q10"] == Rules(order=(2,), average=(3,), limit=10, full_order=(2,))
        assert rules["q18"] == Rules(limit=10)
        assert rules["q24"] == Rules(order=(4,), limit=10, full_order=(-1,))
        assert rules["q27"] == Rules(limit=10, full_order=(-1, 0))
        assert rules["q42"] == Rules(order=(2,), limit=10, offset=10_000, full_order=(2,))

    def test_the_hash_is_that_of_the_texts(self) -> None:
        assert workload_hash(queries()) == workload_hash(queries())
        assert workload_hash(queries()) != workload_hash(queries(1000))


class TestSample:
    def test_it_is_found_again(self, made: Workload) -> None:
        again = clickbench.workload(Quiet(), None, sample.LEAST_ROWS)
        assert again.tables == made.tables
        table = made.tables["hits"]
        assert (table.rows, table.file_rows, table.bytes) == (100_000, (100_000,), table.files[0].stat().st_size)

    def test_a_smaller_one_is_the_beginning_of_a_larger_one(
        self, made: Workload, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sample, "_PART_ROWS", 1000)
        one, two = (tmp_path / "one", tmp_path / "two")
        for folder, rows in ((one, 2000), (two, 3000)):
            folder.mkdir()
            assert len(sample.write(folder, rows, Quiet())) == rows // 1000
        first = [(folder / "hits.2.parquet").read_bytes() for folder in (one, two)]
        assert first[0] == first[1] != (two / "hits.3.parquet").read_bytes()
        assert made.seed == "43"

    def test_shares(self, connection: duckdb.DuckDBPyConnection) -> None:
        sql = """
            SELECT avg((searchphrase = '')::int), avg((advengineid = 0)::int), avg((counterid = 62)::int),
                count(*) - count(DISTINCT watchid), count(*) FILTER (WHERE userid = 435090932899640449),
                avg((url LIKE '%google%')::int), min(eventdate) < DATE '2013-07-01', max(eventdate) > DATE '2013-07-31',
                bool_and(eventtime::date = eventdate), count(DISTINCT counterid) > 1000
            FROM hits
        """
        phrase, adv, counter, twice, user, google, *true = connection.execute(sql).fetchall()[0]
        assert 0.84 < phrase < 0.88
        assert 0.95 < adv < 0.99
        assert 0.3 < counter < 0.4
        assert 50 < twice < 200
        assert 100 < user < 1000
        assert 0.01 < google < 0.05
        assert all(true)

    def test_too_few_rows(self) -> None:
        with pytest.raises(UsageError, match="100,000 or more"):
            clickbench.workload(Quiet(), None, 10_000)

    def test_damage_is_mended_by_the_command_in_the_message(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LAKEBENCH_CACHE", str(tmp_path))
        monkeypatch.setattr(sample, "LEAST_ROWS", 1000)
        made, content_hash = sample.table(1000, Quiet())
        made.files[0].write_bytes(b"XXXX")
        with pytest.raises(UsageError, match="damaged data") as error:
            sample.table(1000, Quiet())
        command = str(error.value).partition("run: ")[2].partition(" (")[0]
        folder = Path(command.removeprefix("rm -r "))
        assert folder == made.files[0].parent
        shutil.rmtree(folder)
        assert sample.table(1000, Quiet())[1] == content_hash


def published(table: pa.Table) -> pa.Table:
    """The sample in the form of the published Parquet: seconds, days, bytes, 16 bits, mixed case."""
    columns: dict[str, Any] = {}
    for field in table.schema:
        column = table.column(field.name)
        if pa.types.is_timestamp(field.type):
            column = pc.divide(column.cast(pa.int64()), 1_000_000)
        elif pa.types.is_date(field.type):
            column = column.cast(pa.int32()).cast(pa.uint16())
        elif pa.types.is_string(field.type):
            column = column.cast(pa.binary())
        elif field.name == "isrefresh":
            column = column.cast(pa.int16())
        columns[field.name.title()] = column
    return pa.table({"More": pa.array([1] * table.num_rows), **columns})


class TestOwn:
    @pytest.fixture
    def rows(self, made: Workload) -> pa.Table:
        return pq.read_table(made.tables["hits"].files[0]).slice(0, 3000)

    def test_the_published_form_is_converted_once(
        self, rows: pa.Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("LAKEBENCH_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(user_hits, "_BATCH_ROWS", 500)
        monkeypatch.setattr(user_hits, "_PART_ROWS", 1000)
        folder = tmp_path / "hits"
        folder.mkdir()
        pq.write_table(published(rows.slice(0, 1000)), folder / "a.parquet")
        pq.write_table(published(rows.slice(1000)), folder / "b.parquet")
        workload = clickbench.workload(Quiet(), folder, 0)
        table = workload.tables["hits"]
        assert (table.rows, table.file_rows) == (3000, (1000, 1000, 1000))
        assert pa.concat_tables([pq.read_table(file) for file in table.files]).equals(rows)
        assert "100000" in asked(workload, "q28").text
        assert clickbench.workload(Quiet(), folder, 0).tables == workload.tables

    def test_our_own_form_is_used_in_place(self, rows: pa.Table, tmp_path: Path) -> None:
        pq.write_table(rows, tmp_path / "mine.parquet")
        workload = clickbench.workload(Quiet(), tmp_path / "mine.parquet", 0)
        assert workload.tables["hits"].files == (tmp_path / "mine.parquet",)
        assert workload.title == "ClickBench on mine.parquet"

    def test_what_is_not_hits(self, rows: pa.Table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LAKEBENCH_CACHE", str(tmp_path / "cache"))
        with pytest.raises(UsageError, match="no Parquet there"):
            clickbench.workload(Quiet(), tmp_path, 0)
        file = tmp_path / "x.parquet"
        file.write_bytes(b"PAR1 no")
        with pytest.raises(UsageError, match="cannot be read as Parquet"):
            clickbench.workload(Quiet(), file, 0)
        pq.write_table(rows.drop_columns(["url", "clid"]), file)
        with pytest.raises(UsageError, match=r"missing \(2\): url, clid"):
            clickbench.workload(Quiet(), file, 0)
        pq.write_table(rows.set_column(0, "watchid", pa.array(["x"] * rows.num_rows)), file)
        with pytest.raises(UsageError, match="its column watchid"):
            clickbench.workload(Quiet(), file, 0)
