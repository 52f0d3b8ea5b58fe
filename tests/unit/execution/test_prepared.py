"""What is prepared is made once, whoever asks; what became of it is remembered."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pool_fakes import FakeServices

from lakebench.errors import HarnessFault, Refused, ServiceLost
from lakebench.execution.fault_log import FaultLog
from lakebench.execution.prepared import PreparedData
from lakebench.execution.prerequisites import Prerequisites


@pytest.fixture
def services() -> FakeServices:
    return FakeServices()


@pytest.fixture
def prepared(tmp_path: Path, services: Any) -> PreparedData:
    return PreparedData(Prerequisites(services, ("store",), ()), FaultLog(tmp_path))


def test_threads_that_ask_at_once_have_the_same(prepared: PreparedData) -> None:
    made: list[object] = []
    ready = threading.Barrier(4, timeout=5)

    def make() -> object:
        made.append(object())
        return made[-1]

    def ask(_: int) -> object:
        ready.wait()
        return prepared.once("key", make)

    with ThreadPoolExecutor(4) as pool:
        values = set(map(id, pool.map(ask, range(4))))
    assert len(values) == len(made) == 1


def test_what_stands_on_something_else_that_is_prepared(prepared: PreparedData) -> None:
    assert prepared.once("view", lambda: prepared.once("table", lambda: 1) + 1) == 2
    assert prepared.once("table", lambda: 7) == 1


@pytest.mark.parametrize(("error", "kind"), [(Refused("no"), Refused), (KeyError("ours"), HarnessFault)])
def test_a_failure_is_remembered(prepared: PreparedData, error: Exception, kind: type[Exception]) -> None:
    tries: list[int] = []

    def fail() -> None:
        tries.append(1)
        raise error

    for _ in range(2):
        with pytest.raises(kind):
            prepared.once("key", fail)
    assert tries == [1]


def test_what_ends_the_run_is_not_remembered(prepared: PreparedData, services: FakeServices) -> None:
    services.dead.add("store")
    with pytest.raises(ServiceLost):
        prepared.once("key", lambda: {}["ours"])
    services.dead.clear()
    assert prepared.once("key", lambda: "made") == "made"
