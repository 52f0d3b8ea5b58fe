"""Operations of engines: after a failure the next one begins clean, and only what is broken is replaced."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pool_fakes import FakePool, FakeServices

from lakebench.errors import EngineCrash, HarnessFault, Refused, ServiceLost
from lakebench.execution.engine_client import EngineClient
from lakebench.execution.fault_log import FaultLog
from lakebench.execution.prerequisites import Prerequisites
from lakebench.execution.run_files import RunFiles
from lakebench.iceberg.scan import Scan
from lakebench.model import Catalog, CatalogKind, EngineRef, Lake

DUCKDB, TRINO = EngineRef("duckdb"), EngineRef("trino")
NOTHING: dict[str, Any] = {"details": {}, "traceback": ""}
LAKE = Lake("lake", None, Catalog(CatalogKind.REST, "http://127.0.0.1:9", "warehouse"))


class Asked:
    """A client over a pool without processes, whose workers raise ``error`` where there is one."""

    def __init__(self, folder: Path) -> None:
        self.services: Any = FakeServices()
        self.pool = FakePool(self.services)
        self.error: Exception | None = None
        self.pool.answers = self.answer
        prerequisites = Prerequisites(self.services, ("store",), ())
        self.client = EngineClient(
            self.pool, self.services, prerequisites, FaultLog(folder), RunFiles(folder, folder), 1.0
        )

    def answer(self, operation: str) -> dict[str, Any]:
        if self.error is not None:
            raise self.error
        return {"operation": operation}

    def fails(self, ref: EngineRef, error: Exception, session: str = "", **options: Any) -> Exception:
        """What a call raises whose worker raises ``error``."""
        self.error = error
        with pytest.raises((type(error), EngineCrash, ServiceLost)) as raised:
            self.client.call(ref, LAKE, "query", session=session, **options)
        self.error = None
        return raised.value


@pytest.fixture
def asked(tmp_path: Path) -> Asked:
    return Asked(tmp_path)


def test_a_refusal_costs_the_connection_of_its_own_session(asked: Asked) -> None:
    for session in ("a", "b"):
        assert asked.client.call(DUCKDB, LAKE, "query", session=session) == {"operation": "query"}
    asked.fails(DUCKDB, Refused("no"), "a")
    assert [asked.pool.is_open(DUCKDB, one) for one in ("a", "b")] == [False, True]
    asked.fails(DUCKDB, Refused("no"), "b", lasting=True)
    assert asked.pool.is_open(DUCKDB, "b")
    assert len(asked.pool.starts) == 2


def test_a_crash_costs_the_process_and_one_of_ours_too(asked: Asked) -> None:
    for error in (EngineCrash("died"), HarnessFault("ours")):
        asked.fails(DUCKDB, error)
        assert not asked.pool.processes()


def test_two_failures_of_one_dead_server_start_it_once(asked: Asked) -> None:
    asked.services.dead.add("trino")
    assert isinstance(asked.fails(TRINO, Refused("connection refused"), "a"), EngineCrash)
    assert type(asked.fails(TRINO, Refused("connection reset"), "b")) is Refused
    assert asked.services.restarted == ["trino"]


def test_a_service_that_every_case_stands_on_ends_the_run(asked: Asked) -> None:
    asked.services.dead.add("store")
    assert str(asked.fails(DUCKDB, Refused("no"))).startswith("store died while duckdb ran")


def test_what_an_error_makes_of_a_case(asked: Asked) -> None:
    asked.pool.open(DUCKDB, LAKE)
    refused = Refused("no")
    assert asked.client.case_end(refused) is refused
    assert asked.pool.is_open(DUCKDB, "")
    assert asked.client.case_end(refused, DUCKDB) is refused
    assert not asked.pool.is_open(DUCKDB, "")
    assert isinstance(asked.client.case_end(KeyError("ours"), DUCKDB), HarnessFault)
    assert not asked.pool.processes()
    with pytest.raises(ServiceLost):
        asked.client.case_end(ServiceLost("gone"))


def test_reads_go_on_after_one_that_failed(asked: Asked) -> None:
    replies = iter(
        [[{"ok": True}, {"ok": False, "error": {"kind": "Refused", "message": "no", **NOTHING}}], [{"ok": True}]]
    )
    asked.pool.answers = lambda _: {"replies": (part := next(replies)), "calls": [["SELECT 1"]] * len(part)}
    made = asked.client.scans(DUCKDB, LAKE, [{}] * 3, [Path("a")] * 3, 1.0)
    assert [one["ok"] for one in made] == [True, False, True]
    assert [one["calls"] for one in made] == [["SELECT 1"]] * 3
    remote: Any = asked.pool.opened[DUCKDB]
    assert remote.opened == 2


def test_answers_and_rows_have_files_of_their_own(asked: Asked) -> None:
    asked.pool.answers = lambda _: {"ns": 7}
    answers = [asked.client.query(DUCKDB, LAKE, "SELECT 1") for _ in range(2)]
    assert [one.ns for one in answers] == [7, 7]
    paths = {*(one.path for one in answers), asked.client.scan(DUCKDB, LAKE, Scan("t"))}
    assert len(paths) == 3
