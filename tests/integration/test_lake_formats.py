from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.fs import LocalFileSystem, copy_files

from lakebench.config import Settings
from lakebench.datasets import answers, rows
from lakebench.engines import CanCreate, CanLoad
from lakebench.engines.daft.engine import Daft
from lakebench.engines.datafusion.engine import DataFusion
from lakebench.engines.duckdb.engine import DuckDB, IcebergScan
from lakebench.engines.inprocess import local_path
from lakebench.engines.pg_duckdb.engine import PgDuckDB
from lakebench.engines.polars.engine import Polars
from lakebench.engines.pyiceberg.engine import PyIceberg
from lakebench.engines.spark.engine import Spark
from lakebench.engines.trino.engine import Trino
from lakebench.errors import EngineUnavailable, OutOfMemory
from lakebench.iceberg.files import file_system
from lakebench.iceberg.operations import Delete
from lakebench.iceberg.scan import Condition, Scan
from lakebench.iceberg.types import Field
from lakebench.model import EngineSettings, Lake, TableFormat
from lakebench.processes import worker
from lakebench.services import Services, lakes
from lakebench.services.object_store import store

pytestmark = pytest.mark.integration

READERS = (DuckDB, IcebergScan, PyIceberg, Daft, Polars, DataFusion, Spark, Trino)
WRITERS = (DuckDB, PyIceberg, Daft, Polars, Spark, Trino)
DELETERS = (DuckDB, PyIceberg, Polars, Spark, Trino)
PARQUET = tuple(engine for engine in READERS if TableFormat.PARQUET in engine.formats)
PARTS = [pa.concat_tables([rows.rows(1, writer) for writer in some]) for some in (range(5), range(5, 10))]
ALL = pa.concat_tables(PARTS)
KEY = (Field("id", "long"),)
RANGE = (Condition("id", ">=", 50), Condition("id", "<=", 149))
LEFT = pa.concat_tables([ALL.slice(0, 50), ALL.slice(150)])
TYPES = {
    "id": pa.int64(),
    "a_decimal": pa.decimal128(18, 4),
    "a_date": pa.date32(),
    "a_timestamp": pa.timestamp("us"),
    "a_timestamptz": pa.timestamp("us", "UTC"),
}


class Kept:
    """One adapter of each kind, opened at whatever lake a test asks for."""

    def __init__(self, services: Services, folder: Path) -> None:
        self.services, self._folder = services, folder
        self._made: dict[type[Any], Any] = {}

    def at(self, engine: type[Any], lake: Lake) -> Any:
        if engine not in self._made:
            server = self.services.endpoint(engine.service) if engine.service else None
            self._made[engine] = engine(EngineSettings(2, 2**30, str(self._folder), server))
        made = self._made[engine]
        if getattr(made, "_lake", None) != lake:
            made.open(lake)
        return made

    def close(self) -> None:
        for one in self._made.values():
            one.close()


@pytest.fixture(scope="module")
def running(lakebench_services: Services) -> Services:
    local = lakes.storage_services(Settings(), "local")
    lakebench_services.start([*local, "object-store", "trino", "spark"])
    assert lakebench_services.failures() == {}
    return lakebench_services


@pytest.fixture(scope="module")
def lake(running: Services) -> Lake:
    """Tables on the file system, behind a REST catalog."""
    return lakes.storage_lake(running, Settings(), "local")


@pytest.fixture(scope="module")
def kept(running: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    adapters = Kept(running, tmp_path_factory.mktemp("engines"))
    yield adapters
    adapters.close()


@pytest.fixture(scope="module")
def files(lake: Lake, kept: Kept) -> tuple[str, ...]:
    """The addresses of the two data files of an Iceberg table that DuckDB wrote."""
    writer = kept.at(DuckDB, lake)
    writer.create("plain", rows.schema())
    for part in PARTS:
        writer.append("plain", part)
    planned = kept.at(PyIceberg, lake)._table("plain").scan().plan_files()
    return tuple(one.file.file_path for one in planned)


def read(answer: Any) -> pa.Table:
    batches, schema = worker.drain(answer)
    return pa.Table.from_batches(batches, schema)


def assert_rows(answer: Any, expected: pa.Table) -> None:
    checked = answers.same_rows(read(answer), expected)
    assert checked.diff is None, checked.diff and checked.diff.message


def assert_all_read(kept: Kept, lake: Lake, table: str, expected: pa.Table) -> None:
    for reader in READERS:
        engine = kept.at(reader, lake)
        assert_rows(engine.scan(Scan(table)), expected)
        assert read(engine.query(f"SELECT count(*) AS n FROM {table}"))["n"].to_pylist() == [expected.num_rows]


@pytest.mark.parametrize("engine", WRITERS)
def test_what_it_writes_on_local_files_all_read(engine: type[Any], lake: Lake, kept: Kept) -> None:
    table = f"t_{engine.name}"
    creator = kept.at(engine if issubclass(engine, CanCreate) else PyIceberg, lake)
    creator.drop(table)
    creator.create(table, rows.schema())
    for part in PARTS:
        kept.at(engine, lake).append(table, part)
    assert_all_read(kept, lake, table, ALL)


@pytest.mark.parametrize("engine", DELETERS)
def test_a_key_range_that_it_deletes_is_gone_for_all(engine: type[Any], lake: Lake, kept: Kept) -> None:
    table = f"d_{engine.name}"
    library = kept.at(PyIceberg, lake)
    library.create(table, rows.schema())
    library.append(table, ALL)
    told: list[str] = []
    kept.at(engine, lake).operate(Delete(table=table, fields=KEY, where=RANGE), told.append)
    assert told
    assert_all_read(kept, lake, table, LEFT)


@pytest.mark.parametrize("engine", [engine for engine in READERS if issubclass(engine, CanLoad)])
def test_what_it_loads_onto_local_files(engine: type[Any], lake: Lake, kept: Kept, tmp_path: Path) -> None:
    paths = [str(tmp_path / f"{number}.parquet") for number in range(len(PARTS))]
    for part, path in zip(PARTS, paths, strict=True):
        pq.write_table(part, path)
    loader, table = kept.at(engine, lake), f"l_{engine.name}"
    loader.create(table, rows.schema())
    loader.load(table, paths)
    assert_rows(loader.scan(Scan(table)), ALL)
    assert not list(Path(loader.settings.folder).glob("staging_*"))
    assert "staging_" not in str(kept.at(PyIceberg, lake)._catalog.list_tables(lake.namespace))


@pytest.mark.parametrize("storage", ["local", "s3"])
@pytest.mark.parametrize("engine", PARQUET)
def test_plain_parquet_has_the_rows_and_types_of_iceberg(
    engine: type[Any], storage: str, running: Services, lake: Lake, files: tuple[str, ...], kept: Kept
) -> None:
    objects = store(running.endpoint("object-store"))
    plain = dataclasses.replace(
        lake, name="plain", format=TableFormat.PARQUET, files={"plain": files, "one": files[:1]}
    )
    if storage == "s3":
        plain = dataclasses.replace(
            plain, store=objects, files={name: moved(of, objects) for name, of in plain.files.items()}
        )
    reader = kept.at(engine, plain)
    answer = read(reader.query("SELECT * FROM plain"))
    assert_rows(answer, ALL)
    assert {
        name: kind for name, kind in zip(answer.column_names, answer.schema.types, strict=True) if name in TYPES
    } == TYPES
    (count,) = read(reader.query("SELECT count(*) AS n FROM one AS a JOIN plain AS b ON a.id = b.id"))["n"].to_pylist()
    assert count == PARTS[0].num_rows
    text = str(reader.settings_used()) + str(reader.versions())
    assert objects.secret_key not in text
    assert objects.access_key not in text


def moved(addresses: tuple[str, ...], objects: Any) -> tuple[str, ...]:
    """The same files in the bucket."""
    names = [f"{objects.bucket}/plain/{Path(address).name}" for address in addresses]
    for address, name in zip(addresses, names, strict=True):
        copy_files(
            local_path(address), name, source_filesystem=LocalFileSystem(), destination_filesystem=file_system(objects)
        )
    return tuple(f"s3://{name}" for name in names)


def test_duckdbs_own_tables_lie_in_a_file(lake: Lake, kept: Kept, tmp_path: Path) -> None:
    database, source = tmp_path / "own" / "tables.duckdb", tmp_path / "rows.parquet"
    pq.write_table(ALL, source)
    file_lake = dataclasses.replace(lake, store=None, format=TableFormat.DUCKDB, database=str(database))
    engine = kept.at(DuckDB, file_lake)
    engine.create("t", rows.schema())
    empty = database.stat().st_size
    engine.load("t", [str(source)])
    assert database.stat().st_size > empty
    assert not database.with_name(f"{database.name}.wal").exists()
    assert_rows(engine.query("SELECT * FROM t"), ALL)
    engine.operate(Delete(table="t", fields=KEY, where=RANGE), lambda _: None)
    assert opens(database) is False
    engine.close()
    assert opens(database) is True
    engine.open(file_lake)
    assert_rows(engine.scan(Scan("t")), LEFT)
    engine.drop("t")
    engine.create("t", rows.schema())
    engine.append("t", PARTS[0])
    assert_rows(engine.query("SELECT * FROM t"), PARTS[0])


def opens(database: Path) -> bool:
    """Whether another process can open the file."""
    program = f"import duckdb; duckdb.connect({str(database)!r}).close()"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False, text=True)
    assert done.returncode == 0 or "lock" in done.stderr
    return done.returncode == 0


@pytest.mark.parametrize(
    ("engine", "sql"),
    [
        (DuckDB, "SELECT array_agg(i::VARCHAR || 'long enough to be kept apart') FROM range(20000000) r(i)"),
        (DataFusion, "SELECT array_agg(CAST(value AS VARCHAR) || 'long enough') AS a FROM range(20000000)"),
    ],
)
def test_memory_that_is_not_there_is_out_of_memory(engine: type[Any], sql: str, lake: Lake, tmp_path: Path) -> None:
    made = engine(EngineSettings(1, 64 * 2**20, str(tmp_path)))
    made.open(dataclasses.replace(lake, format=TableFormat.PARQUET))
    with pytest.raises(OutOfMemory):
        read(made.query(sql))
    made.close()


@pytest.mark.parametrize("engine", [Polars, Daft])
def test_the_memory_that_its_settings_give(engine: type[Any], lake: Lake, kept: Kept) -> None:
    used = kept.at(engine, lake).settings_used()
    assert used.get("POLARS_OVERRIDE_TOTAL_MEMORY_MB") == "1024" or used.get("DAFT_MEMORY_LIMIT") == str(
        2**30 * 8 // 10
    )


def test_pg_duckdb_says_that_it_needs_an_object_store(lake: Lake, tmp_path: Path) -> None:
    made = PgDuckDB(EngineSettings(1, 2**30, str(tmp_path)))
    with pytest.raises(EngineUnavailable, match="object store"):
        made.open(lake)
    made.close()
