from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.types import LongType

from lakebench.datasets import answers, rows, table_files
from lakebench.datasets.tpch import references
from lakebench.datasets.tpch.queries import Query, queries, sql_for
from lakebench.engines import CanAppend, CanCreate
from lakebench.engines.boundary import engine_call
from lakebench.engines.daft.engine import Daft
from lakebench.engines.datafusion.engine import DataFusion
from lakebench.engines.duckdb.engine import DuckDB, IcebergScan
from lakebench.engines.polars.engine import Polars
from lakebench.engines.pyiceberg.engine import PyIceberg
from lakebench.errors import CommitConflict, Refused
from lakebench.iceberg.catalogs import NessieClient
from lakebench.iceberg.scan import Scan
from lakebench.model import EngineSettings, Lake
from lakebench.processes import worker
from lakebench.services import Services, lakes

pytestmark = pytest.mark.integration

SF = Decimal("0.01")
ENGINES = (DuckDB, IcebergScan, PyIceberg, Daft, Polars, DataFusion)
WRITERS = tuple(engine for engine in ENGINES if issubclass(engine, CanAppend))
BEFORE, MORE = rows.rows(1, 0), rows.rows(1, 1)


@pytest.fixture(scope="module")
def running(lakebench_services: Services) -> Services:
    lakebench_services.start(["nessie", "rest-catalog"])
    assert lakebench_services.failures() == {}
    return lakebench_services


class Kept:
    """One adapter of each kind, opened at whatever lake a test asks for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[type[Any], Any] = {}

    def at(self, engine: type[Any], lake: Lake) -> Any:
        if engine not in self._made:
            self._made[engine] = engine(EngineSettings(2, 4 * 2**30, str(self._folder)))
        self._made[engine].open(lake)
        return self._made[engine]

    def close(self) -> None:
        for one in self._made.values():
            one.close()


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    adapters = Kept(tmp_path_factory.mktemp("engines"))
    yield adapters
    adapters.close()


def nessie(running: Services, namespace: str) -> Lake:
    return dataclasses.replace(lakes.nessie_lake(running), namespace=namespace)


def rest(running: Services, namespace: str) -> Lake:
    return dataclasses.replace(lakes.rest_lake(running), namespace=namespace)


def read(answer: Any) -> pa.Table:
    batches, schema = worker.drain(answer)
    return pa.Table.from_batches(batches, schema)


def assert_rows(answer: Any, *expected: pa.Table) -> None:
    checked = answers.same_rows(read(answer), pa.concat_tables(expected))
    assert checked.diff is None, checked.diff and checked.diff.message


def written(kept: Kept, lake: Lake, table: str) -> None:
    """``table`` with the rows BEFORE, made by PyIceberg."""
    library = kept.at(PyIceberg, lake)
    library.drop(table)
    library.create(table, rows.schema())
    library.append(table, BEFORE)


@pytest.fixture(scope="module")
def parquet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tpch")
    generator = Path(sys.executable).with_name("tpchgen-cli")
    subprocess.run([generator, "parquet", "-s", str(SF), f"--output-dir={folder}"], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def tpch(running: Services, kept: Kept, parquet: Path) -> Lake:
    """TPC-H behind Nessie, loaded by PyIceberg."""
    lake = nessie(running, "tpch")
    load(kept.at(PyIceberg, lake), parquet)
    return lake


def load(engine: Any, parquet: Path) -> None:
    for file in sorted(parquet.glob("*.parquet")):
        plain = [pa.field(f.name, pa.string() if f.type == pa.string_view() else f.type) for f in pq.read_schema(file)]
        engine.drop(file.stem)
        engine.create(file.stem, pa.schema(plain))
        engine.load(file.stem, [str(file)])


@pytest.mark.parametrize("query", queries(SF), ids=lambda query: query.name)
@pytest.mark.parametrize("engine", ENGINES)
def test_the_answer_is_the_reference(engine: type[Any], query: Query, tpch: Lake, kept: Kept) -> None:
    answer = read(kept.at(engine, tpch).query(sql_for(query, engine)))
    for path in references.reference(SF, query.number).values():
        diff = answers.compare(answer, table_files.read(path), query.rules)
        assert diff is None, diff.message


@pytest.mark.parametrize("engine", WRITERS)
def test_what_it_appends_on_a_branch_is_not_on_main(engine: type[Any], running: Services, kept: Kept) -> None:
    main, table, branch = nessie(running, "branches"), f"t_{engine.name}", f"dev_{engine.name}"
    written(kept, main, table)
    api = NessieClient(running.endpoint("nessie").properties["api"], running.endpoint("nessie").password)
    api.create_branch(branch, api.get_reference("main"))
    kept.at(engine, main.at(branch)).append(table, MORE)
    for reader in ENGINES:
        at = kept.at(reader, main.at(branch))
        assert_rows(at.scan(Scan(table)), BEFORE, MORE)
        for _ in range(2):
            assert read(at.query(f"SELECT id FROM {table}")).num_rows == BEFORE.num_rows + MORE.num_rows
        assert_rows(kept.at(reader, main).scan(Scan(table)), BEFORE)


@pytest.mark.parametrize("engine", [engine for engine in ENGINES if issubclass(engine, CanCreate)])
def test_a_table_in_a_new_namespace_of_nessie(engine: type[Any], running: Services, kept: Kept) -> None:
    lake = nessie(running, f"new_{engine.name}")
    writer = kept.at(engine, lake)
    writer.drop("t")
    writer.create("t", rows.schema())
    writer.append("t", BEFORE)
    assert_rows(kept.at(PyIceberg, lake).scan(Scan("t")), BEFORE)
    kept.at(engine, lake).drop("t")
    with pytest.raises(Refused):
        read(kept.at(PyIceberg, lake).scan(Scan("t")))


def test_the_second_of_two_changes_to_one_state_conflicts(running: Services, kept: Kept) -> None:
    lake = rest(running, "conflict")
    written(kept, lake, "t")
    library = kept.at(PyIceberg, lake)
    first, second = library._table("t"), library._table("t")
    first.update_schema().add_column("one", LongType()).commit()
    late = second.update_schema().add_column("two", LongType())
    with pytest.raises(CommitConflict):
        engine_call(late.commit)
