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

from lakebench.config import Settings
from lakebench.datasets import answers, rows, table_files
from lakebench.datasets.tpch import references
from lakebench.datasets.tpch.queries import Query, queries, sql_for
from lakebench.engines import CanAppend, CanCreate, CanLoad
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
from lakebench.processes.guard import Guard
from lakebench.progress import Quiet
from lakebench.services import Services, lakes

pytestmark = pytest.mark.integration

SF = Decimal("0.01")
ENGINES = (DuckDB, IcebergScan, PyIceberg, Daft, Polars, DataFusion)
WRITERS = tuple(engine for engine in ENGINES if issubclass(engine, CanAppend))
BEFORE, MORE = rows.rows(1, 0), rows.rows(1, 1)


@pytest.fixture(scope="module")
def running() -> Iterator[Services]:
    with Guard("inprocess") as guard:
        services = Services(Settings(), guard, Quiet())
        services.start(["nessie", "rest-catalog"])
        assert services.failures() == {}
        yield services
        services.stop()


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
    found = answers.same_rows(read(answer), pa.concat_tables(expected))
    assert found.diff is None, found.diff and found.diff.message


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
    found = read(kept.at(engine, tpch).query(sql_for(query, engine)))
    for path in references.reference(SF, query.number).values():
        diff = answers.compare(found, table_files.read(path), query.rules)
        assert diff is None, diff.message


@pytest.mark.parametrize("engine", [engine for engine in ENGINES if issubclass(engine, CanLoad)])
def test_what_it_loads_is_what_lay_in_the_files(
    engine: type[Any], running: Services, kept: Kept, parquet: Path
) -> None:
    loader = kept.at(engine, rest(running, f"load_{engine.name}"))
    load(loader, parquet)
    for file in sorted(parquet.glob("*.parquet")):
        assert_rows(loader.scan(Scan(file.stem)), pq.read_table(file))


@pytest.mark.parametrize("engine", ENGINES)
def test_a_commit_of_another_engine_is_seen_in_the_same_session(
    engine: type[Any], running: Services, kept: Kept
) -> None:
    lake, table = nessie(running, "seen"), f"t_{engine.name}"
    written(kept, lake, table)
    reader = kept.at(engine, lake)
    assert_rows(reader.scan(Scan(table)), BEFORE)
    kept.at(PyIceberg, lake).append(table, MORE)
    assert_rows(reader.scan(Scan(table)), BEFORE, MORE)
    (count,) = read(reader.query(f"SELECT count(*) AS n FROM {table}"))["n"].to_pylist()
    assert count == BEFORE.num_rows + MORE.num_rows


@pytest.mark.parametrize("engine", WRITERS)
def test_what_it_appends_on_a_branch_is_not_on_main(engine: type[Any], running: Services, kept: Kept) -> None:
    main, table, branch = nessie(running, "branches"), f"t_{engine.name}", f"dev_{engine.name}"
    written(kept, main, table)
    api = NessieClient(running.endpoint("nessie").properties["api"], running.endpoint("nessie").password)
    api.create_branch(branch, api.get_reference("main"))
    kept.at(engine, main.at(branch)).append(table, MORE)
    for reader in ENGINES:
        assert_rows(kept.at(reader, main.at(branch)).scan(Scan(table)), BEFORE, MORE)
        assert_rows(kept.at(reader, main).scan(Scan(table)), BEFORE)


@pytest.mark.parametrize("engine", [engine for engine in ENGINES if issubclass(engine, CanCreate)])
def test_a_table_in_a_new_namespace(engine: type[Any], running: Services, kept: Kept) -> None:
    for lake in (nessie(running, f"new_{engine.name}"), rest(running, f"new_{engine.name}")):
        writer = kept.at(engine, lake)
        writer.drop("t")
        writer.create("t", rows.schema())
        writer.append("t", BEFORE)
        assert_rows(kept.at(PyIceberg, lake).scan(Scan("t")), BEFORE)
        kept.at(engine, lake).drop("t")
        with pytest.raises(Refused):
            read(kept.at(PyIceberg, lake).scan(Scan("t")))


@pytest.mark.parametrize("engine", [engine for engine in ENGINES if engine is not DataFusion])
def test_time_travel_to_a_snapshot(engine: type[Any], running: Services, kept: Kept) -> None:
    lake, table = rest(running, "travel"), f"t_{engine.name}"
    written(kept, lake, table)
    library = kept.at(PyIceberg, lake)
    snapshot_id = library._table(table).current_snapshot().snapshot_id
    library.append(table, MORE)
    assert_rows(kept.at(engine, lake).scan(Scan(table, snapshot_id=snapshot_id)), BEFORE)


@pytest.mark.parametrize("engine", ENGINES)
def test_chosen_columns_with_their_types(engine: type[Any], running: Services, kept: Kept) -> None:
    lake, table = rest(running, "columns"), f"t_{engine.name}"
    written(kept, lake, table)
    found = read(kept.at(engine, lake).scan(Scan(table, ("id", "a_decimal", "a_date", "a_timestamp"))))
    assert dict(zip(found.column_names, found.schema.types, strict=True)) == {
        "id": pa.int64(),
        "a_decimal": pa.decimal128(18, 4),
        "a_date": pa.date32(),
        "a_timestamp": pa.timestamp("us"),
    }


@pytest.mark.parametrize("engine", ENGINES)
def test_an_answer_without_rows_has_its_columns(engine: type[Any], running: Services, kept: Kept) -> None:
    lake, table = rest(running, "empty"), f"t_{engine.name}"
    written(kept, lake, table)
    found = read(kept.at(engine, lake).query(f"SELECT id, a_date FROM {table} WHERE id < 0"))
    assert (found.num_rows, found.column_names) == (0, ["id", "a_date"])


@pytest.mark.parametrize("engine", ENGINES)
def test_the_engines_own_words_when_it_refuses(engine: type[Any], tpch: Lake, kept: Kept) -> None:
    reader = kept.at(engine, tpch)
    with pytest.raises(Refused, match="no_such"):
        read(reader.query("SELECT count(*) AS n FROM no_such_table"))
    with pytest.raises(Refused, match="no_such"):
        read(reader.query("SELECT no_such_column FROM nation"))


@pytest.mark.parametrize("engine", ENGINES)
def test_versions_and_settings_tell_no_secret(engine: type[Any], tpch: Lake, kept: Kept) -> None:
    reader = kept.at(engine, tpch)
    told = str(reader.versions()) + str(reader.settings_used())
    assert all(reader.versions().values())
    assert tpch.store.secret_key not in told
    assert tpch.store.access_key not in told


def test_the_second_of_two_changes_to_one_state_conflicts(running: Services, kept: Kept) -> None:
    lake = rest(running, "conflict")
    written(kept, lake, "t")
    library = kept.at(PyIceberg, lake)
    first, second = library._table("t"), library._table("t")
    first.update_schema().add_column("one", LongType()).commit()
    late = second.update_schema().add_column("two", LongType())
    with pytest.raises(CommitConflict):
        engine_call(late.commit)
