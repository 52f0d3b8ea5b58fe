"""A failure is held against the services and the disks that every case stands on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pool_fakes import FakeServices

from lakebench.errors import Refused, ServiceLost, ServiceUnavailable, UsageError
from lakebench.execution.prerequisites import Prerequisites
from lakebench.provisioning import disk_space

GONE: Any = FakeServices("store", "trino", log="x" * 400 + "panic")


@pytest.mark.parametrize("error", [ServiceUnavailable("no answer"), KeyError("ours")])
def test_a_service_that_is_gone_ends_the_run(error: Exception) -> None:
    with pytest.raises(ServiceLost, match=r"store died; the end of its log: x+panic$"):
        Prerequisites(GONE, ("store",), ()).check(error)


def test_other_services_and_failures_of_engines_end_nothing() -> None:
    Prerequisites(GONE, ("catalog",), ()).check(KeyError("ours"))
    Prerequisites(GONE, ("store",), ()).check(Refused("no"))


def test_the_message_says_what_ran() -> None:
    with pytest.raises(ServiceLost, match=r"^store died while duckdb ran; "):
        Prerequisites(GONE, ("store",), ()).check_services(" while duckdb ran")


def test_an_empty_log_is_called_empty() -> None:
    services: Any = FakeServices("store")
    with pytest.raises(ServiceLost, match=r"^store died; the end of its log: it is empty$"):
        Prerequisites(services, ("store",), ()).check_services()


def test_where_the_docker_engine_is_gone_no_service_is_blamed() -> None:
    services: Any = FakeServices("store", no_docker="no Docker engine answers: start Docker")
    with pytest.raises(ServiceLost, match=r"^store is gone while duckdb ran: no Docker engine answers: start Docker$"):
        Prerequisites(services, ("store",), ()).check_services(" while duckdb ran")


def test_a_full_disk_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prerequisites = Prerequisites(GONE, (), (tmp_path,))
    prerequisites.check(Refused("no"))
    monkeypatch.setattr(disk_space, "_free", lambda _: 1000)
    with pytest.raises(UsageError, match="the disk is full"):
        prerequisites.check(Refused("no"))
