"""One failure does not colour the next case: what is asked after it has a new connection, or a new process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebench import engines
from lakebench.bench import Bench
from lakebench.config import Settings
from lakebench.engines.daft.engine import Daft
from lakebench.engines.datafusion.engine import DataFusion
from lakebench.engines.duckdb.engine import DuckDB
from lakebench.engines.pg_duckdb.engine import PgDuckDB
from lakebench.engines.polars.engine import Polars
from lakebench.engines.postgres.engine import Postgres
from lakebench.engines.spark.engine import Spark
from lakebench.engines.trino.engine import Trino
from lakebench.errors import EngineUnavailable, LakebenchError, Refused
from lakebench.guard import Guard
from lakebench.loops import watch
from lakebench.measure import PROFILES
from lakebench.model import Catalog, CatalogKind, EngineRef, EngineSettings, Lake, ObjectStore, Scan, TableFormat
from lakebench.progress import Quiet
from lakebench.services import Services
from lakebench.worker import drain

LIARS = Path(__file__).parent.parent / "liar"
NOWHERE = Catalog(CatalogKind.REST, "http://127.0.0.1:9", "warehouse")
SESSION, PROCESS = EngineRef("poisons-its-session"), EngineRef("poisons-its-process")
POISON, HARMLESS = "SELECT 'poison' AS n", "SELECT 1 AS n"
LIMIT_S = 30.0


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """A bench with engines that are good for nothing after an error, and no services."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(LIARS))
        patch.setenv("PYTHONPATH", str(LIARS))
        engines.engines.cache_clear()
        with (
            Guard("poison") as guard,
            Bench(
                Settings(),
                guard,
                Services(Settings(), guard, Quiet()),
                Quiet(),
                refs=(SESSION, PROCESS),
                writer="",
                profile=PROFILES["quick"],
                seed=1,
                foundation=(),
            ) as made,
        ):
            yield made
    engines.engines.cache_clear()


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake with one table ``t`` in a Parquet file."""
    pq.write_table(pa.table({"n": [1, 2, 3]}), tmp_path / "t.parquet")
    files = {"t": (f"file://{tmp_path / 't.parquet'}",)}
    return Lake("plain", None, NOWHERE, format=TableFormat.PARQUET, files=files)


def ask(bench: Bench, ref: EngineRef, lake: Lake, sql: str, **given: Any) -> int:
    into = bench.file("rows")
    reply = bench.call(ref, lake, "query", LIMIT_S, sql=sql, into=str(into), **given)
    return int(reply["rows"])


@pytest.mark.parametrize("ref", [SESSION, PROCESS], ids=str)
def test_what_is_asked_after_a_poisoning_error_is_answered(bench: Bench, lake: Lake, ref: EngineRef) -> None:
    for _ in range(2):
        with pytest.raises(Refused, match="poisoned itself"):
            ask(bench, ref, lake, POISON)
        assert ask(bench, ref, lake, HARMLESS) == 1


def test_only_a_broken_process_is_replaced(bench: Bench, lake: Lake) -> None:
    for ref, replaced in ((SESSION, False), (PROCESS, True)):
        before = bench.remote(ref, lake).process.pid
        with pytest.raises(Refused):
            ask(bench, ref, lake, POISON)
        assert (bench.remote(ref, lake).process.pid != before) == replaced


@pytest.mark.parametrize("ref", [SESSION, PROCESS], ids=str)
def test_a_read_that_poisons_leaves_the_other_reads_of_its_case_alone(bench: Bench, lake: Lake, ref: EngineRef) -> None:
    scans = [Scan(table).to_json() for table in ("t", "poison", "t", "poison", "t")]
    into = [bench.file("read") for _ in scans]
    replies = bench.scans(ref, lake, scans, into, LIMIT_S)
    assert [one["ok"] for one in replies] == [True, False, True, False, True]
    assert all("poisoned itself" in one["error"]["message"] for one in replies if not one["ok"])


def test_a_session_that_lasts_goes_on_after_a_refusal(bench: Bench, lake: Lake) -> None:
    def execute(sql: str, *, lasting: bool = False) -> None:
        bench.call(SESSION, lake, "execute", LIMIT_S, sql=sql, lasting=lasting)

    execute("CREATE TEMP TABLE own AS SELECT 1 AS n")
    with pytest.raises(Refused, match="no_such_table"):
        execute("DROP TABLE no_such_table", lasting=True)
    assert ask(bench, SESSION, lake, "SELECT n FROM own") == 1
    with pytest.raises(Refused, match="no_such_table"):
        execute("DROP TABLE no_such_table")
    with pytest.raises(Refused, match="own"):
        ask(bench, SESSION, lake, "SELECT n FROM own")


def test_what_an_engine_has_no_way_to_do_costs_no_new_connection(bench: Bench, lake: Lake) -> None:
    remote = bench.remote(SESSION, lake)
    with pytest.raises(LakebenchError, match="has no CanRegister"):
        bench.call(SESSION, lake, "register", LIMIT_S, table="t", metadata_location="x")
    assert remote.lake == lake


def test_a_reader_in_a_loop_has_a_new_connection_after_a_read_that_failed(tmp_path: Path, lake: Lake) -> None:
    stop, seen = tmp_path / "stop", tmp_path / "seen"
    opened: list[str] = []

    class Reader(DuckDB):
        broken = False

        def scan(self, scan: Scan) -> Any:
            if len(opened) == 2:
                stop.touch()
            elif self.broken or opened:
                raise Refused("database has been invalidated")
            self.broken = not opened
            if self.broken:
                raise Refused("INTERNAL Error")
            return super().scan(scan)

    engine = Reader(EngineSettings(1, 2**30, str(tmp_path)))
    engine.open(lake)

    def reopen() -> None:
        opened.append("again")
        engine.open(lake)

    with seen.open("w") as log:
        watch(engine, Scan("t"), log, stop, lambda rows: len(drain(rows)[0]), reopen)
    engine.close()
    lines = seen.read_text().splitlines()
    assert "INTERNAL Error" in lines[0]
    assert '"rows": 1' in lines[-1]


class Broken:
    """A connection or session whose every method raises, but that it can be closed."""

    def close(self) -> None:
        pass

    stop = close

    def __getattr__(self, name: str) -> Any:
        def broken(*_: Any, **__: Any) -> Any:
            raise RuntimeError(f"database has been invalidated: {name}")

        return broken


@pytest.mark.parametrize(
    ("engine", "session"), [(DuckDB, "_connection"), (Daft, "_session"), (Polars, "_context"), (DataFusion, "_context")]
)
def test_opened_again_an_engine_has_left_its_broken_session(
    engine: Any, session: str, tmp_path: Path, lake: Lake
) -> None:
    made = engine(EngineSettings(1, 2**30, str(tmp_path)))
    made.open(lake)
    setattr(made, session, Broken())
    with pytest.raises(Refused, match="invalidated"):
        drain(made.query("SELECT n FROM t"))
    made.open(lake)
    batches, _ = drain(made.query("SELECT n FROM t"))
    assert sum(batch.num_rows for batch in batches) == 3
    made.close()


@pytest.mark.parametrize("engine", [Postgres, PgDuckDB, Trino, Spark])
def test_opened_again_the_client_of_a_server_connects_again(engine: Any, tmp_path: Path) -> None:
    class Connected(Exception):
        pass

    class Client(engine):  # type: ignore[misc]
        def _connect(self, *_: str) -> Any:
            raise Connected

    made: Any = Client(EngineSettings(1, 2**30, str(tmp_path)))
    made._connection = made._session = Broken()
    store = ObjectStore("http://127.0.0.1:9", "lake", "key", "secret")
    with pytest.raises((Connected, EngineUnavailable)) as raised:
        made.open(Lake("lake", store, NOWHERE))
    assert not str(raised.value) or "does not let us in" in str(raised.value)
