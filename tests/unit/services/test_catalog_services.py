"""The catalogs as services: how each is started and logged in to, without starting one."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lakebench import private_network
from lakebench.config import ServiceSettings, Settings
from lakebench.errors import ServiceUnavailable
from lakebench.model import Delegation, Endpoint, OAuth2, Runtime
from lakebench.progress import Quiet
from lakebench.services import base
from lakebench.services.compose import Composed
from lakebench.services.lakes import CATALOGS
from lakebench.services.private import PrivateService
from lakebench.services.seaweedfs import SeaweedFSService

PORTS = {name: 1000 + number for number, name in enumerate(SeaweedFSService.ports)}


def made(kind: type[base.Service], folder: Path, endpoints: dict[str, Endpoint] | None = None, **settings: Any) -> Any:
    """The service, with the endpoints of what it needs."""
    given = ServiceSettings(**settings)
    look = (endpoints or {}).__getitem__
    guard: Any = SimpleNamespace(folder=folder)
    return kind(
        base.Context(
            given,
            Settings(),
            folder,
            guard,
            Quiet(),
            look,
            threading.Event(),
            Composed,  # type: ignore[arg-type, return-value] - nothing is spawned
        )
    )


def given(command: base.Command) -> dict[str, Any]:
    """What the program that makes the network is told."""
    told: dict[str, Any] = json.loads(command.argv[-1])
    return told


def test_seaweedfs_opens_the_doors_with_locks_alone(tmp_path: Path) -> None:
    service = made(SeaweedFSService, tmp_path)
    service._weed, service._data = tmp_path / "weed", tmp_path / "data"
    command = service.command(PORTS)
    told = given(command)
    assert told["serves"] == [PORTS["iceberg"], PORTS["s3"]]
    assert {"-master.telemetry=false", "-ip=127.0.0.1", "-webdav=false", "-admin.ui=false"} <= set(told["argv"])
    assert not [one for one in told["argv"] if service.password in one or service.user in one]
    assert f"/tmp/seaweedfs-filer-grpc-{PORTS['filer_grpc']}.sock" in command.leaves  # noqa: S108 - where it makes them
    assert (tmp_path / "s3.json").stat().st_mode & 0o077 == 0


def test_an_engine_gets_a_token_of_seaweedfs_and_no_key_of_the_store(tmp_path: Path) -> None:
    endpoint = made(SeaweedFSService, tmp_path).local_endpoint(PORTS)
    choice, look = CATALOGS["seaweedfs"], {"seaweedfs": endpoint}.__getitem__
    assert choice.services == ("seaweedfs",)
    lake, observed = choice.lake(look), choice.observer(look)
    assert lake.catalog.delegation is Delegation.VENDED_CREDENTIALS
    assert lake.catalog.authentication == OAuth2(f"{endpoint.uri}/v1/oauth/tokens", endpoint.user, endpoint.password)
    assert (lake.objects.access_key, observed.objects.access_key) == ("", endpoint.user)
    assert observed.objects.endpoint == f"http://127.0.0.1:{PORTS['s3']}"


PRIVATE = [SeaweedFSService]


@pytest.mark.parametrize("kind", PRIVATE, ids=lambda kind: kind.name)
def test_a_server_that_anybody_may_command_has_a_network_of_its_own_or_does_not_start(
    kind: type[PrivateService], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ServiceUnavailable, match="has no compose file"):
        made(kind, tmp_path, runtime=Runtime.COMPOSE).prepare()
    monkeypatch.setattr(private_network, "unshared", lambda: None)
    with pytest.raises(ServiceUnavailable, match="cannot be had here: run as root, or allow user namespaces"):
        made(kind, tmp_path).prepare()
