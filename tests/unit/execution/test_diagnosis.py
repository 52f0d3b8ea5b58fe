"""What a failure means by the state of the engine's server, and what the engine needs after it."""

from __future__ import annotations

from typing import Any

import pytest
from pool_fakes import FakeServices

from lakebench import engines
from lakebench.errors import (
    CaseError,
    EngineCrash,
    EngineUnavailable,
    OutOfMemory,
    Refused,
    ServiceUnavailable,
    Timeout,
)
from lakebench.execution.diagnosis import Remedy, diagnose
from lakebench.model import EngineRef

DUCKDB, TRINO = EngineRef("duckdb"), EngineRef("trino")


def diagnosed(ref: EngineRef, error: CaseError, services: Any = None, **options: Any) -> tuple[CaseError, Remedy]:
    return diagnose(services or FakeServices(), ref, error, **options)


@pytest.mark.parametrize(
    ("ref", "error", "remedy"),
    [
        (DUCKDB, Refused("no"), Remedy.NEW_CONNECTION),
        (DUCKDB, EngineUnavailable("not offered"), Remedy.NOTHING),
        (DUCKDB, EngineCrash("died"), Remedy.NEW_PROCESS),
        (DUCKDB, Timeout("slow"), Remedy.NEW_PROCESS),
        (TRINO, Refused("no"), Remedy.NEW_CONNECTION),
        (TRINO, EngineCrash("died"), Remedy.NEW_SERVER),
        (TRINO, Timeout("slow"), Remedy.NEW_SERVER),
    ],
)
def test_what_an_engine_needs_while_its_server_is_there(ref: EngineRef, error: CaseError, remedy: Remedy) -> None:
    assert diagnosed(ref, error) == (error, remedy)


def test_a_lasting_session_stays_after_a_refusal_and_after_nothing_else() -> None:
    assert diagnosed(DUCKDB, Refused("no"), lasting=True)[1] is Remedy.NOTHING
    assert diagnosed(DUCKDB, Timeout("slow"), lasting=True)[1] is Remedy.NEW_PROCESS


def test_an_error_that_says_the_process_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines.find("duckdb"), "fatal", ("invalidated",))
    error = Refused("the database has been invalidated")
    assert diagnosed(DUCKDB, error, lasting=True)[1] is Remedy.NEW_PROCESS


def test_the_death_of_a_server_is_a_crash_of_its_engine() -> None:
    error, remedy = diagnosed(TRINO, Refused("connection refused"), FakeServices("trino"))
    assert isinstance(error, EngineCrash)
    assert (str(error), error.details["said"]) == ("trino, the server of trino, died", "connection refused")
    assert remedy is Remedy.NEW_SERVER


def test_a_server_that_is_gone_with_the_docker_engine_is_no_crash() -> None:
    services = FakeServices("trino", no_docker="no Docker engine answers: start Docker")
    error, _ = diagnosed(TRINO, Refused("connection refused"), services)
    assert isinstance(error, ServiceUnavailable)
    assert str(error) == "trino, the server of trino, is gone: no Docker engine answers: start Docker"


def test_a_container_that_the_kernel_ended_at_its_limit_was_out_of_memory() -> None:
    services = FakeServices("trino")
    services.killed.add("trino")
    error, _ = diagnosed(TRINO, Refused("connection refused"), services)
    assert isinstance(error, OutOfMemory)
    assert "[services.trino] memory" in str(error)


def test_a_process_of_postgresql_that_died_is_named_with_its_signal() -> None:
    log = (
        "[7] LOG:  server process (PID 12) was terminated by signal 11: Segmentation fault\n[7] DETAIL:  it was running"
    )
    error, remedy = diagnosed(EngineRef("postgres"), EngineCrash("gone", tried=1), FakeServices(log=log))
    assert (error.details["signal"], error.details["tried"]) == (11, 1)
    assert error.details["log"] == log.splitlines()
    assert remedy is Remedy.NEW_SERVER


def test_a_java_that_ended_itself_was_out_of_memory_and_the_setting_is_named() -> None:
    log = "Terminating due to java.lang.OutOfMemoryError: Java heap space"
    error, _ = diagnosed(TRINO, Refused("connection refused"), FakeServices("trino", log=log))
    assert isinstance(error, OutOfMemory)
    assert str(error).endswith("[services.trino] memory in lakebench.toml raises the limit")


def test_a_server_that_never_came_is_not_started_again() -> None:
    error = Refused("no endpoint")
    services = FakeServices("trino", failed=("trino",))
    assert diagnosed(TRINO, error, services) == (error, Remedy.NEW_CONNECTION)
