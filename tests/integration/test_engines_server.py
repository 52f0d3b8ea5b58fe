from __future__ import annotations

import dataclasses
import datetime as dt
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from oauth_front import oauth_front
from started import lakebench

from lakebench.datasets import answers
from lakebench.datasets.tpch import references
from lakebench.datasets.tpch.queries import Query, queries, sql_for
from lakebench.engines.daft.engine import Daft
from lakebench.engines.datafusion.engine import DataFusion
from lakebench.engines.duckdb.engine import DuckDB
from lakebench.engines.pg_duckdb.engine import PgDuckDB
from lakebench.engines.polars.engine import Polars
from lakebench.engines.pyiceberg.engine import PyIceberg
from lakebench.engines.spark.engine import Spark, SparkJdbc
from lakebench.engines.trino.engine import Trino
from lakebench.errors import EngineCrash, EngineUnavailable, OutOfMemory, Refused
from lakebench.iceberg import catalogs
from lakebench.iceberg.files import file_system
from lakebench.iceberg.scan import Scan
from lakebench.model import EngineSettings, Lake
from lakebench.services import Services, lakes
from lakebench.services.fault_proxies import PostgresProxy

pytestmark = pytest.mark.integration

SF = Decimal("0.01")
ENGINES = (Trino, Spark, SparkJdbc)
SCHEMA = pa.schema(
    [
        ("b", pa.bool_()),
        ("i", pa.int32()),
        ("l", pa.int64()),
        ("f", pa.float32()),
        ("x", pa.float64()),
        ("d", pa.decimal128(12, 3)),
        ("s", pa.string()),
        ("y", pa.binary()),
        ("day", pa.date32()),
        ("ts", pa.timestamp("us")),
        ("tz", pa.timestamp("us", "UTC")),
    ]
)
ROW = {
    "b": True,
    "i": -1,
    "l": 2**40,
    "f": 1.5,
    "x": float("-inf"),
    "d": Decimal("-1.250"),
    "s": 'O\'Neil \\n\n"ü"',
    "y": b"\x00'\xff",
    "day": dt.date(1960, 2, 29),
    "ts": dt.datetime(2020, 1, 1, 1, 2, 3, 456),  # noqa: DTZ001 - a timestamp without zone is what is tested
    "tz": dt.datetime(2020, 1, 1, 1, 2, 3, 456, tzinfo=dt.UTC),
}
MILLION = "UNNEST(sequence(1, 10000)) t(a) CROSS JOIN UNNEST(sequence(1, 100)) u(b)"
ROWS = pa.Table.from_pylist([ROW, dict.fromkeys(ROW)], schema=SCHEMA)


@pytest.fixture(scope="module")
def running(lakebench_services: Services) -> Services:
    """Both servers and what their lakes need."""
    lakebench_services.start(["rest-catalog", "postgres", "trino", "spark"])
    assert lakebench_services.failures() == {}
    return lakebench_services


@pytest.fixture(scope="module")
def parquet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tpch")
    generator = Path(sys.executable).with_name("tpchgen-cli")
    subprocess.run([generator, "parquet", "-s", str(SF), f"--output-dir={folder}"], check=True, capture_output=True)
    return folder


def lake_of(engine: type[Any], services: Services) -> Lake:
    return lakes.jdbc_lake(services) if engine is SparkJdbc else lakes.rest_lake(services)


def opened(engine: type[Any], services: Services, folder: Path, name: str = "") -> Any:
    """The engine, over a lake called ``name`` where one is given: on one Trino server each open lake has its name."""
    made = engine(EngineSettings(2, 4 * 2**30, str(folder), services.endpoint(engine.service)))
    lake = lake_of(engine, services)
    made.open(dataclasses.replace(lake, name=name or lake.name))
    return made


class Kept:
    """Each engine is opened and loaded once for the module, in whatever order the tests come."""

    def __init__(self, services: Services, folder: Path, parquet: Path) -> None:
        self._services, self._folder, self._parquet = services, folder, parquet
        self._engines: dict[type[Any], Any] = {}
        self._loaded: set[type[Any]] = set()

    def get(self, engine: type[Any]) -> Any:
        if engine not in self._engines:
            self._engines[engine] = opened(engine, self._services, self._folder)
        return self._engines[engine]

    def loaded(self, engine: type[Any]) -> Any:
        made = self.get(engine)
        if engine not in self._loaded:
            for file in sorted(self._parquet.glob("*.parquet")):
                made.drop(file.stem)
                made.create(file.stem, pq.read_schema(file))
                made.load(file.stem, [str(file)])
            self._loaded.add(engine)
        return made

    def close(self) -> None:
        for one in self._engines.values():
            one.close()


@pytest.fixture(scope="module")
def kept(running: Services, parquet: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kept]:
    engines_kept = Kept(running, tmp_path_factory.mktemp("worker"), parquet)
    yield engines_kept
    engines_kept.close()


@pytest.fixture(params=ENGINES, ids=lambda one: one.name)
def engine(request: pytest.FixtureRequest, kept: Kept) -> Any:
    return kept.get(request.param)


@pytest.fixture(params=ENGINES, ids=lambda one: one.name)
def loaded(request: pytest.FixtureRequest, kept: Kept) -> Any:
    """An engine over TPC-H tables that it has loaded itself; Trino and Spark share a lake, the last loader's stay."""
    return kept.loaded(request.param)


@pytest.fixture
def table(engine: Any) -> Iterator[str]:
    """A table with one snapshot of ROWS."""
    name = f"kept_{time.monotonic_ns()}"
    engine.create(name, SCHEMA)
    engine.append(name, ROWS)
    yield name
    engine.drop(name)


def rows_of(engine: Any, scan: Scan) -> pa.Table:
    return drained(engine.scan(scan))


def result(engine: Any, sql: str) -> pa.Table:
    return drained(engine.query(sql))


def drained(answer: Any) -> pa.Table:
    batches = list(answer)
    return pa.Table.from_batches(batches, getattr(answer, "schema", None) or batches[0].schema)


# Another catalog changes where Spark finds the tables, and not how it computes: a few queries show that.
ASKED = [
    (engine, query)
    for engine in ENGINES
    for query in queries(SF)
    if engine is not SparkJdbc or query.name in {"q01", "q06", "q15"}
]


@pytest.mark.parametrize(("loaded", "query"), ASKED, indirect=["loaded"], ids=lambda one: one.name)
def test_each_tpch_query_has_the_reference_answer(loaded: Any, query: Query) -> None:
    answer = result(loaded, sql_for(query, type(loaded)))
    expected = references.reference(SF, query.number)
    assert expected
    for source, file in expected.items():
        assert answers.compare(answer, pq.read_table(file), query.rules) is None, source


def test_types_and_values_survive(engine: Any, table: str) -> None:
    rows = rows_of(engine, Scan(table)).sort_by("i")
    assert rows.schema == SCHEMA
    assert rows.to_pylist() == ROWS.sort_by("i").to_pylist()


def test_many_rows_are_one_commit(engine: Any, table: str) -> None:
    engine.append(table, pa.concat_tables([ROWS] * 600))
    assert rows_of(engine, Scan(table, ("i",))).num_rows == 1202
    assert len(snapshots(engine, table)) == 2


def snapshots(engine: Any, table: str) -> list[int]:
    """The table's snapshot ids, oldest first, as the engine's own metadata table has them."""
    namespace = "lakebench"
    source = f'{namespace}."{table}$snapshots"' if engine.name == "trino" else f"{namespace}.{table}.snapshots"
    answer = result(engine, f"SELECT snapshot_id FROM {source} ORDER BY committed_at")
    return [int(one) for one in answer["snapshot_id"].to_pylist() if one is not None][-2:]


def test_a_ref_is_read(engine: Any, table: str) -> None:
    assert rows_of(engine, Scan(table, ref="main")).num_rows == 2


@pytest.mark.parametrize("sql", ["SELECT * FROM absent", "SELEC 1", "SELECT CAST('x' AS INT)"])
def test_a_refusal_is_one_line_without_java(engine: Any, sql: str) -> None:
    with pytest.raises(Refused) as refused:
        result(engine, sql)
    said = str(refused.value)
    assert "\n" not in said
    assert "at org." not in said
    assert "at io." not in said


def test_versions_are_the_servers_own(engine: Any) -> None:
    versions = engine.versions()
    first = next(iter(versions))
    assert first == type(engine).service
    assert versions[first].split(".")[0] == {"trino": "476", "spark": "4"}[first]


def test_a_table_is_registered_by_its_metadata(running: Services, tmp_path: Path) -> None:
    spark, jdbc = opened(Spark, running, tmp_path), opened(SparkJdbc, running, tmp_path)
    spark.create("there", SCHEMA)
    spark.append("there", ROWS)
    lake = lakes.rest_lake(running)
    loaded = catalogs.table_metadata(lake.catalog, lake.namespace, "there")
    jdbc.drop("here")
    jdbc.register("here", loaded["metadata-location"])
    assert rows_of(jdbc, Scan("here")).num_rows == 2
    jdbc.drop("here")
    assert rows_of(spark, Scan("there")).num_rows == 2
    spark.close()
    jdbc.close()


def test_staged_files_are_removed(running: Services, tmp_path: Path) -> None:

    trino = opened(Trino, running, tmp_path, "staged")
    file = tmp_path / "rows.parquet"
    pq.write_table(ROWS, file)
    trino.create("staged", SCHEMA)
    trino.load("staged", [str(file), str(file)])
    assert rows_of(trino, Scan("staged")).num_rows == 4
    lake = lakes.rest_lake(running)
    left = file_system(lake.store).get_file_info(f"{lake.store.bucket}/lakebench-staging")
    assert not left.is_file
    assert "staging_" not in str(result(trino, "SHOW TABLES").to_pylist())
    trino.drop("staged")
    trino.close()


def test_open_takes_the_place_of_what_a_killed_worker_left(running: Services, tmp_path: Path) -> None:
    left, taken = opened(Trino, running, tmp_path, "left"), opened(Trino, running, tmp_path, "left")
    assert result(taken, "SELECT 1 AS one").to_pylist() == [{"one": 1}]
    taken.close()
    left.close()


@pytest.mark.filterwarnings("ignore:The 'warn' method is deprecated")  # PySpark's own words when a session ends badly
def test_spark_asks_for_its_token(running: Services, tmp_path: Path) -> None:
    server = dataclasses.replace(running.endpoint("spark"), password="not the token")  # noqa: S106 - it is wrong
    spark = Spark(EngineSettings(2, 2**30, str(tmp_path), server))
    with pytest.raises(Refused, match="token"):
        spark.open(lakes.rest_lake(running))
    spark.close()


@pytest.mark.parametrize("name", ["trino", "spark"])
def test_a_server_listens_on_this_machine_only(running: Services, name: str) -> None:
    addresses = set()
    for pid in running.processes(name):
        for one in psutil.Process(pid).net_connections("tcp"):
            if one.status == psutil.CONN_LISTEN:
                addresses.add(one.laddr.ip.removeprefix("::ffff:"))
    assert addresses == {"127.0.0.1"}


@pytest.mark.parametrize("name", ["trino", "spark"])
def test_no_secret_in_the_log_or_the_command_line(running: Services, name: str, engine: Any) -> None:  # noqa: ARG001
    log = running.log(name).read_text(encoding="utf-8", errors="replace")
    lines = " ".join(" ".join(psutil.Process(pid).cmdline()) for pid in running.processes(name))
    store = running.endpoint("object-store")
    secrets = [store.user, store.password, running.endpoint("postgres").password, running.endpoint(name).password]
    assert not [one for one in secrets if one and (one in log or one in lines)]


WRITERS = (DuckDB, PyIceberg, Trino, Spark)


def test_a_catalog_behind_oauth2_is_read_and_written_by_every_engine(running: Services, tmp_path: Path) -> None:
    plain = lakes.rest_lake(running)
    with oauth_front(plain.catalog.uri) as front:
        catalog = dataclasses.replace(plain.catalog, uri=front.uri, authentication=front.login)
        lake = dataclasses.replace(plain, name="behind", catalog=catalog, namespace="behind")
        opened_ones = [_behind(one, running, tmp_path, lake) for one in (*WRITERS, Daft, Polars, DataFusion)]
        schema = pa.schema([("engine", pa.string())])
        opened_ones[0].create("said", schema)
        for one in opened_ones[: len(WRITERS)]:
            one.append("said", pa.table({"engine": [one.name]}, schema=schema))
        wanted = sorted(one.name for one in WRITERS)
        read = {one.name: _names_of(one.scan(Scan("said", ("engine",)))) for one in opened_ones}
        assert read == dict.fromkeys(read, wanted)
        assert catalogs.table_metadata(catalog, "behind", "said")["metadata"]["snapshots"][3]
        for one in opened_ones:
            one.close()
        assert front.passed > len(opened_ones) * 2
        assert front.logins >= len(opened_ones)
        assert front.refused == 0
        stranger = dataclasses.replace(front.login, client_id="another")
        wrong = dataclasses.replace(catalog, authentication=stranger)
        with pytest.raises(Refused, match="401"):
            catalogs.table_metadata(wrong, "behind", "said")
        logs = "".join(running.log(name).read_text("utf-8", "replace") for name in ("trino", "spark"))
        assert front.secret not in logs
        assert front.token not in logs


OWN = """
[services.object-store]
runtime = "external"
uri = "{store.uri}"
user = "{store.user}"
password = "{store.password}"
properties = {{ bucket = "lake", region = "{store.properties[region]}" }}

[catalog.mine]
kind = "rest"
uri = "{front.uri}"
warehouse = "{warehouse}"
authentication = "oauth2"
token_uri = "{front.login.token_uri}"
client_id = "{client}"
client_secret = "{front.secret}"
scope = "{front.login.scope}"
"""


def test_the_matrix_runs_on_a_catalog_of_the_users(running: Services, tmp_path: Path) -> None:
    plain, store = lakes.rest_lake(running).catalog, running.endpoint("object-store")
    # In a namespace that is not there yet: the catalog has others' tables in the usual one.
    named = ["--catalog", "mine", "--features", "name-of-namespace-odd", "--engines", "duckdb,pyiceberg"]
    with oauth_front(plain.uri) as front:
        for client, code in ((front.login.client_id, 0), ("another", 3)):
            settings = OWN.format(store=store, front=front, warehouse=plain.warehouse, client=client)
            (tmp_path / "lakebench.toml").write_text(settings, encoding="utf-8")
            done = lakebench("run", "interop", *named, cwd=tmp_path)
            assert done.returncode == code, done.stderr
        assert front.passed
    assert "the catalog's token address answers 401" in done.stderr
    kept = [one.read_bytes() for one in (tmp_path / "runs").rglob("*") if one.is_file()]
    records = [one.read_text(encoding="utf-8") for one in (tmp_path / "runs").glob("*/records.jsonl")]
    lines = [json.loads(line) for text in records for line in text.splitlines()]
    assert {line["outcome"] for line in lines if "case" in line} == {"PASS"}
    for secret in (front.secret, front.token, store.password):
        assert not [data for data in kept if secret.encode() in data]


def _behind(engine: type[Any], services: Services, folder: Path, lake: Lake) -> Any:
    """The engine with ``lake`` open."""
    server = services.endpoint(engine.service) if engine.service else None
    made = engine(EngineSettings(2, 2 * 2**30, str(folder), server))
    made.open(lake)
    return made


def _names_of(batches: Any) -> list[str]:
    return sorted(name for batch in batches for name in batch.column(0).to_pylist())


def test_memory_that_is_not_there_is_out_of_memory(running: Services, tmp_path: Path) -> None:
    trino = opened(Trino, running, tmp_path, "big")
    trino._run("SET SESSION query_max_memory_per_node = '1MB'")
    with pytest.raises(OutOfMemory, match="EXCEEDED_LOCAL_MEMORY_LIMIT"):
        result(trino, f"SELECT cardinality(array_agg(cast(a AS varchar) || '{'x' * 50}')) FROM {MILLION}")
    trino.close()


@pytest.mark.filterwarnings(
    "ignore:.*RETRIES_EXCEEDED", "ignore:The 'warn' method is deprecated"
)  # PySpark's own words
@pytest.mark.parametrize("engine_class", [Trino, Spark], ids=lambda one: one.name)
def test_a_server_that_is_gone_is_a_crash(engine_class: type[Any], running: Services, tmp_path: Path) -> None:
    server = running.endpoint(engine_class.service)
    with PostgresProxy(server.host, server.port) as proxy:  # passes on whatever is said, until it is gone
        uri = server.uri.replace(f":{server.port}", f":{proxy.port}")
        made = engine_class(
            EngineSettings(2, 2**30, str(tmp_path), dataclasses.replace(server, uri=uri, port=proxy.port))
        )
        made.open(dataclasses.replace(lakes.rest_lake(running), name="gone"))
        assert result(made, "SELECT 1 AS one").num_rows == 1
    with pytest.raises(EngineCrash):
        result(made, "SELECT 1 AS one")
    made.close()


def test_pg_duckdb_without_the_extension_is_refused(running: Services, tmp_path: Path) -> None:
    made = PgDuckDB(EngineSettings(2, 2**30, str(tmp_path), running.endpoint("postgres")))
    with pytest.raises(Refused, match="duckdb"):
        made.open(lakes.rest_lake(running))
    made.close()


def test_pg_duckdb_with_no_server_at_the_address(running: Services, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = dataclasses.replace(running.endpoint("postgres"), port=free.getsockname()[1])
        made = PgDuckDB(EngineSettings(2, 2**30, str(tmp_path), nobody))
        with pytest.raises(EngineUnavailable):
            made.open(lakes.rest_lake(running))
        made.close()
