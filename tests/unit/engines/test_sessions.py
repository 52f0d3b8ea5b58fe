"""One failure does not colour the next case: what is asked after it has a new connection, or a new process."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ByteSize
from run_requests import request

from lakebench import engines
from lakebench.config import EngineLimits, Settings
from lakebench.datasets import folder
from lakebench.datasets.workload import Workload
from lakebench.engines.boundary import engine_call
from lakebench.engines.duckdb.engine import DuckDB
from lakebench.engines.pg_duckdb.engine import PgDuckDB
from lakebench.engines.postgres.engine import Postgres
from lakebench.errors import EngineCrash, EngineUnavailable, LakebenchError, OutOfMemory, Refused, Timeout
from lakebench.execution.context import RunContext, run_context
from lakebench.execution.diagnosis import _with_setting
from lakebench.iceberg.scan import Scan
from lakebench.model import Catalog, CatalogKind, EngineRef, EngineSettings, Lake, ObjectStore, TableFormat
from lakebench.phases.table_loading import Loaded, not_loaded, write
from lakebench.processes.concurrent_tasks import watch
from lakebench.processes.guard import Guard
from lakebench.processes.worker import drain
from lakebench.progress import Quiet
from lakebench.results.records import Dataset
from lakebench.services import Services

LIARS = Path(__file__).parents[2] / "liar"
NOWHERE = Catalog(CatalogKind.REST, "http://127.0.0.1:9", "warehouse")
GLUTTON, SLEEPER = EngineRef("liar-eats-memory"), EngineRef("liar-hangs")
SESSION, PROCESS = EngineRef("poisons-its-session"), EngineRef("poisons-its-process")
_NO_WORKLOAD = Workload("own", "", {}, (), "", "", "", "")
POISON, HARMLESS = "SELECT 'poison' AS n", "SELECT 1 AS n"
LIMIT_S = 30.0


@pytest.fixture(scope="module")
def context() -> Iterator[RunContext]:
    """A context with engines that are good for nothing after an error, and no services."""
    settings = Settings(engines={GLUTTON.name: EngineLimits(memory=ByteSize(400 * 2**20))})
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(LIARS))
        patch.setenv("PYTHONPATH", str(LIARS))
        engines.engines.cache_clear()
        with (
            Guard("poison") as guard,
            run_context(
                request(SESSION, PROCESS, settings=settings), guard, Services(settings, guard, Quiet()), Quiet()
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


def ask(context: RunContext, ref: EngineRef, lake: Lake, sql: str, **given: Any) -> int:
    into = context.files.new("rows")
    reply = context.client.call(ref, lake, "query", LIMIT_S, sql=sql, into=str(into), **given)
    return int(reply["rows"])


@pytest.mark.parametrize("ref", [SESSION, PROCESS], ids=str)
def test_what_is_asked_after_a_poisoning_error_is_answered(context: RunContext, lake: Lake, ref: EngineRef) -> None:
    for _ in range(2):
        with pytest.raises(Refused, match="poisoned itself"):
            ask(context, ref, lake, POISON)
        assert ask(context, ref, lake, HARMLESS) == 1


def test_only_a_broken_process_is_replaced(context: RunContext, lake: Lake) -> None:
    for ref, replaced in ((SESSION, False), (PROCESS, True)):
        before = context.workers.open(ref, lake).process.pid
        with pytest.raises(Refused):
            ask(context, ref, lake, POISON)
        assert (context.workers.open(ref, lake).process.pid != before) == replaced


@pytest.mark.parametrize("ref", [SESSION, PROCESS], ids=str)
def test_a_read_that_poisons_leaves_the_other_reads_of_its_case_alone(
    context: RunContext, lake: Lake, ref: EngineRef
) -> None:
    scans = [Scan(table).to_json() for table in ("t", "poison", "t", "poison", "t")]
    into = [context.files.new("read") for _ in scans]
    replies = context.client.scans(ref, lake, scans, into, LIMIT_S)
    assert [one["ok"] for one in replies] == [True, False, True, False, True]
    assert all("poisoned itself" in one["error"]["message"] for one in replies if not one["ok"])


def test_a_session_that_lasts_goes_on_after_a_refusal(context: RunContext, lake: Lake) -> None:
    def execute(sql: str, *, lasting: bool = False) -> None:
        context.client.call(SESSION, lake, "execute", LIMIT_S, sql=sql, lasting=lasting)

    execute("CREATE TEMP TABLE own AS SELECT 1 AS n")
    with pytest.raises(Refused, match="no_such_table"):
        execute("DROP TABLE no_such_table", lasting=True)
    assert ask(context, SESSION, lake, "SELECT n FROM own") == 1
    with pytest.raises(Refused, match="no_such_table"):
        execute("DROP TABLE no_such_table")
    with pytest.raises(Refused, match="own"):
        ask(context, SESSION, lake, "SELECT n FROM own")


def test_what_an_engine_has_no_way_to_do_costs_no_new_connection(context: RunContext, lake: Lake) -> None:
    remote = context.workers.open(SESSION, lake)
    with pytest.raises(LakebenchError, match="has no CanRegister"):
        context.client.call(SESSION, lake, "register", LIMIT_S, table="t", metadata_location="x")
    assert remote.lake == lake


def test_a_memory_limit_that_was_passed_names_engine_and_setting(context: RunContext, lake: Lake) -> None:
    with pytest.raises(OutOfMemory) as raised:
        ask(context, GLUTTON, lake, HARMLESS)
    assert re.fullmatch(
        r"the process of liar-eats-memory held 0\.\d\d GiB at query, and its limit is 0\.39 GiB: "
        r"\[engines\.liar-eats-memory\] memory in lakebench\.toml raises it",
        str(raised.value),
    )


def test_memory_that_an_engine_says_it_lacks_names_the_setting(context: RunContext) -> None:
    said = OutOfMemory("Out of Memory Error: failed to allocate", limit_bytes=1)
    error = context.client.diagnose_failure(SESSION, said)
    assert str(error).endswith("[engines.poisons-its-session] memory in lakebench.toml raises the limit")
    assert error.details == {"limit_bytes": 1}
    assert "[services.trino] memory" in str(_with_setting(EngineRef("trino"), said))


def test_a_time_limit_that_was_passed_names_engine_and_flag(
    context: RunContext, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    context.workers.open(SLEEPER, lake)
    monkeypatch.setattr(context.client, "_limit_s", 2)
    said = "liar-hangs gave no answer to query within 2 s: --time-limit raises the limit"
    with pytest.raises(Timeout, match=f"^{said}$"):
        context.client.call(SLEEPER, lake, "query", sql=HARMLESS, into=str(context.files.new("rows")))
    with pytest.raises(Timeout, match=r"^liar-hangs gave no answer to query within 1 s$"):
        context.client.call(SLEEPER, lake, "query", 1, sql=HARMLESS, into=str(context.files.new("rows")))


def test_a_table_that_fails_leaves_the_others_to_be_loaded(context: RunContext, tmp_path: Path) -> None:
    latin = pa.array([b"\xe4"], pa.binary())
    files = {
        "good": pa.table({"n": [1]}),
        "bad": pa.table({"s": pa.Array.from_buffers(pa.string(), 1, latin.buffers())}),  # DuckDB takes UTF-8 only
        "empty": pa.table({"n": pa.array([], pa.int64())}),
    }
    for name, rows in files.items():
        pq.write_table(rows, tmp_path / f"{name}.parquet")
    (tmp_path / "all.sql").write_text("SELECT count(*) AS n FROM good, empty")
    workload = folder.workload(tmp_path, Quiet())
    own = Lake("own", None, NOWHERE, format=TableFormat.DUCKDB, database=str(tmp_path / "own.duckdb"))
    written = write(context, own, workload, SESSION, sessions=("own",))
    assert list(written.failed) == ["bad"], written.failed
    assert str(written.failed["bad"]).startswith("loading bad: InvalidInputException: ")
    into = context.files.new("rows")
    reply = context.client.call(
        SESSION, own, "query", LIMIT_S, session="own", sql="SELECT * FROM good, empty", into=str(into)
    )
    assert reply["rows"] == 0
    with pytest.raises(Refused, match="loading bad"):
        written.require_all()


def test_who_needs_a_table_that_was_not_loaded_has_not_failed() -> None:
    refused = Refused("loading bad: no")
    loaded = Loaded(_NO_WORKLOAD, (), Dataset("own", "none", writer="duckdb", storage="local"), {"bad": refused})
    loaded.require(["good"])
    with pytest.raises(EngineUnavailable, match=r"^not loaded by duckdb: REFUSED: loading bad: no$"):
        loaded.require(["good", "bad"])
    (block,) = not_loaded("workload", loaded)
    assert [case.id for case in block.cases] == ["workload/local/load-bad/duckdb"]


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


@pytest.mark.parametrize("engine", [Postgres, PgDuckDB])
def test_opened_again_the_client_of_a_server_connects_again(engine: Any, tmp_path: Path) -> None:
    class Connected(Exception):
        pass

    class Client(engine):  # type: ignore[misc]
        def _connect(self, *_: str) -> Any:
            raise Connected

    client: Any = Client(EngineSettings(1, 2**30, str(tmp_path)))
    client._connection = client._session = Broken()
    store = ObjectStore("http://127.0.0.1:9", "lake", "key", "secret")
    with pytest.raises((Connected, EngineUnavailable)) as raised:
        client.open(Lake("lake", store, NOWHERE))
    assert not str(raised.value) or "does not let us in" in str(raised.value)


def test_a_panic_of_an_engine_in_rust_is_a_crash_and_ends_no_worker() -> None:
    from polars.exceptions import PanicException

    def panic() -> None:
        raise PanicException("index out of bounds")

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(EngineCrash, match=r"^the engine panicked: index out of bounds$"):
        engine_call(panic)
    with pytest.raises(KeyboardInterrupt):
        engine_call(interrupt)
