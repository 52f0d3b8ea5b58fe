"""The pool: which worker a session has, which ends to make room, and the order in which locks of a run are taken."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pool_fakes import FakePool, FakeServices

from lakebench.config import EngineLimits, ServiceSettings, Settings
from lakebench.errors import CaseError, EngineCrash, EngineUnavailable, Refused, from_outcome
from lakebench.execution import workers
from lakebench.execution.engine_client import EngineClient
from lakebench.execution.fault_log import FaultLog
from lakebench.execution.prepared import PreparedData
from lakebench.execution.prerequisites import Prerequisites
from lakebench.execution.run_files import RunFiles
from lakebench.model import Catalog, CatalogKind, EngineRef, Lake, Runtime, TableFormat
from lakebench.outcomes import Outcome
from lakebench.processes.worker_client import Remote

DUCKDB, POLARS, TRINO = EngineRef("duckdb"), EngineRef("polars"), EngineRef("trino")
LAKE = Lake("lake", None, Catalog(CatalogKind.REST, "http://127.0.0.1:9", "warehouse"))
OTHER = replace(LAKE, name="other")


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets how many bytes of memory the machine has left, and that no worker holds any."""
    monkeypatch.setattr(workers.resources, "resident_bytes", lambda _: 0)
    return lambda left: monkeypatch.setattr(workers.resources, "available_bytes", lambda: left)


def test_a_session_keeps_its_worker_and_its_lake() -> None:
    pool = FakePool()
    first = pool.open(DUCKDB, LAKE, "a")
    assert pool.open(DUCKDB, LAKE, "a") is first
    assert pool.open(DUCKDB, LAKE, "b") is not first
    assert pool.starts == [(DUCKDB, "a"), (DUCKDB, "b")]
    assert pool.opened[DUCKDB].lake == LAKE
    assert pool._history.versions(DUCKDB) == {"duckdb": "1"}


@pytest.mark.parametrize(("runtime", "left"), [(Runtime.EXTERNAL, None), (Runtime.LOCAL, LAKE)])
def test_a_worker_closes_its_lake_in_a_server_of_the_user_before_it_ends(runtime: Runtime, left: Lake | None) -> None:
    pool = FakePool(
        settings=Settings(services={"trino": ServiceSettings(runtime=runtime, uri="https://trino.example")})
    )
    remote = pool.open(TRINO, LAKE)
    pool.end()
    assert not remote.alive
    assert remote.lake == left


def test_a_worker_that_died_is_started_again() -> None:
    pool = FakePool()
    pool.open(DUCKDB, LAKE).kill()
    assert not pool.is_open(DUCKDB, "")
    assert pool.open(DUCKDB, LAKE).alive
    assert pool.starts == [(DUCKDB, "")] * 2


def test_a_worker_that_was_started_ahead_is_the_first_session_with_its_limits() -> None:
    pool = FakePool(base=Settings(engines={"duckdb": EngineLimits(threads=1)}))
    pool.preload([DUCKDB, DUCKDB])
    pool.open(DUCKDB, LAKE, "base/local")
    pool.open(DUCKDB, LAKE, "local")
    assert pool.starts == [(DUCKDB, ""), (DUCKDB, "base/local")]


def test_a_connection_that_was_ended_is_made_again() -> None:
    pool = FakePool()
    remote: Any = pool.open(DUCKDB, LAKE)
    pool.disconnect(DUCKDB, "")
    assert pool.open(DUCKDB, LAKE) is remote
    pool.close(DUCKDB)
    pool.open(DUCKDB, LAKE)
    assert remote.opened == 3


def test_with_a_server_all_its_clients_go() -> None:
    services = FakeServices()
    pool = FakePool(services)
    clients = [pool.open(TRINO, LAKE, name) for name in ("a", "b")]
    inside = pool.open(DUCKDB, LAKE)
    pool.restart(TRINO)
    assert [one.alive for one in clients] == [False, False]
    assert inside.alive
    assert services.restarted == ["trino"]
    assert pool.processes() == {"duckdb": [inside.process.pid]}
    pool.end()
    assert not pool.processes()


def test_an_engine_that_cannot_run_here_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = FakePool()
    asked: list[EngineRef] = []

    def start(ref: EngineRef, _: str) -> None:
        asked.append(ref)
        raise EngineUnavailable("not here")

    monkeypatch.setattr(pool, "_start", start)
    pool.preload([DUCKDB])
    for session in ("", "a"):
        with pytest.raises(EngineUnavailable, match="not here"):
            pool.open(DUCKDB, LAKE, session)
    assert asked == [DUCKDB]


def test_a_lake_that_one_session_cannot_open_says_nothing_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = FakePool()
    remote: Any = pool.open(DUCKDB, LAKE, "a")

    def refuse(*_: object) -> None:
        raise EngineUnavailable("no such lake here")

    monkeypatch.setattr(remote, "open", refuse)
    with pytest.raises(EngineUnavailable):
        pool.open(DUCKDB, OTHER, "a")
    assert pool.open(DUCKDB, LAKE, "b").alive


def test_room_is_made_by_the_session_that_was_not_used_for_the_longest_time(
    free: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = FakePool()
    free(2**50)
    one, two = pool.open(DUCKDB, LAKE, "one"), pool.open(DUCKDB, LAKE, "two")
    unnamed = pool.open(POLARS, LAKE)
    pool.open(DUCKDB, LAKE, "one")
    left = iter([0, 2**50, 2**50])
    monkeypatch.setattr(workers.resources, "available_bytes", lambda: next(left))
    pool.open(DUCKDB, LAKE, "three")
    assert (one.alive, two.alive, unnamed.alive) == (True, False, True)


def test_no_session_is_ended_while_several_are_in_use(free: Callable[[int], None]) -> None:
    pool = FakePool()
    free(2**50)
    asked = [(DUCKDB, "one"), (DUCKDB, "two")]
    other = pool.open(DUCKDB, LAKE, "other")
    with pool.reserved(asked):
        free(0)
        used = [pool.open(ref, LAKE, session) for ref, session in asked]
        assert [one.alive for one in used] == [True, True]
    assert not other.alive
    with pytest.raises(EngineUnavailable, match="2 workers side by side may need"), pool.reserved(asked):
        pass
    with pool.keeping_all():
        pool.open(DUCKDB, LAKE, "three")
    assert all(one.alive for one in used)
    pool.open(DUCKDB, LAKE, "four")
    assert not any(one.alive for one in used)


LOCKS = ("PreparedData._making", "EngineClient._diagnosing", "WorkerPool._starting")


class Order:
    """Which lock was taken while which was held, of any thread: pairs of their names."""

    def __init__(self) -> None:
        self.pairs: set[tuple[str, str]] = set()
        self.held = threading.local()

    def watch(self, owner: Any, name: str) -> None:
        """Let the lock of ``owner`` tell when it is taken."""
        lock = getattr(owner, name.partition(".")[2])
        order = self

        class Watched:
            def __enter__(self) -> None:
                held = vars(order.held).setdefault("names", [])
                order.pairs.update((one, name) for one in held if one != name)
                lock.acquire()
                held.append(name)

            def __exit__(self, *_: object) -> None:
                vars(order.held)["names"].remove(name)
                lock.release()

        setattr(owner, name.partition(".")[2], Watched())


class SlowPool(FakePool):
    """Its first worker of the session ``other`` starts only while another thread prepares something."""

    def __init__(self, services: FakeServices, both_hold: threading.Barrier) -> None:
        super().__init__(services)
        self.both_hold = both_hold

    def _start(self, ref: EngineRef, session: str, form: TableFormat | None = None) -> Remote:
        if session == "other":
            self.both_hold.wait()
        return super()._start(ref, session, form)


class Run:
    """The three objects of a run that have locks, watched, and two threads' work that meets while each holds one."""

    def __init__(self, folder: Path, order: Order) -> None:
        services: Any = FakeServices()
        faults, prerequisites = FaultLog(folder), Prerequisites(services, (), ())
        self.both_hold = threading.Barrier(2, timeout=5)
        self.pool = SlowPool(services, self.both_hold)
        self.pool.answers = answer
        self.client = EngineClient(self.pool, services, prerequisites, faults, RunFiles(folder, folder), 1.0)
        self.prepared = PreparedData(prerequisites, faults)
        for owner, name in zip((self.prepared, self.client, self.pool), LOCKS, strict=True):
            order.watch(owner, name)

    def prepare(self) -> None:
        """Make a table, which asks engines and stands on something else that is prepared."""
        self.prepared.once("table", self._make)

    def _make(self) -> str:
        self.both_hold.wait()
        self._ask_and_fail(TRINO, EngineCrash("died"), "made")
        return self.prepared.once("stands on", lambda: "made")

    def ask(self) -> None:
        """Ask an engine, and need the table."""
        self._ask_and_fail(POLARS, Refused("no"), "other")
        assert self.prepared.once("table", lambda: "too late") == "made"

    def _ask_and_fail(self, ref: EngineRef, error: CaseError, session: str) -> None:
        self.client.call(ref, LAKE, "query", session=session)
        with pytest.raises(type(error)):
            self.client.call(ref, LAKE, error.outcome.value, session=session)


def answer(operation: str) -> dict[str, Any]:
    if operation != "query":
        raise from_outcome(Outcome(operation), "no")
    return {}


def test_the_docstring_has_the_order_of_the_locks() -> None:
    text = workers.WorkerPool.__doc__ or ""
    assert sorted(LOCKS, key=text.index) == list(LOCKS)


def test_locks_are_taken_in_order_and_threads_side_by_side_come_to_an_end(tmp_path: Path) -> None:
    order = Order()
    run = Run(tmp_path, order)
    threads = [threading.Thread(target=one, daemon=True) for one in (run.prepare, run.ask)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(10)
    assert not any(one.is_alive() for one in threads), "two threads wait for each other"
    first, second, third = LOCKS
    assert {(first, second), (first, third)} <= order.pairs <= {(first, second), (first, third), (second, third)}
