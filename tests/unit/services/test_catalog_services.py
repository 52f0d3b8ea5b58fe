"""The catalogs as services: how each is started and logged in to, without starting one."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
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
from lakebench.services.glue import GlueService
from lakebench.services.hive import HiveService
from lakebench.services.lakes import CATALOGS
from lakebench.services.private import PrivateService
from lakebench.services.seaweedfs import SeaweedFSService

STORE = Endpoint(
    "object-store", Runtime.LOCAL, "http://127.0.0.1:1", "127.0.0.1", 1, "1", "s3-key", "s3-secret",
    {"bucket": "b", "region": "r"},
)  # fmt: skip
DATABASE = Endpoint("postgres", Runtime.LOCAL, "", "127.0.0.1", 2, "18", "u", "p", {"database": "postgres"})
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


def test_hive_reaches_its_store_and_its_database_and_nothing_else(tmp_path: Path) -> None:
    service = made(HiveService, tmp_path)
    service._store, service._postgres, service._has_tables = STORE, DATABASE, True
    service._home, service._jars, service.java = tmp_path / "home", [], Path("java")
    told = given(service.command({"thrift": 7}))
    assert (told["serves"], told["reaches"]) == ([7], [STORE.port, DATABASE.port])
    site = tmp_path / "metastore-site.xml"
    assert site.stat().st_mode & 0o077 == 0
    assert f"jdbc:postgresql://127.0.0.1:{DATABASE.port}/lakebench_" in site.read_text()
    assert "s3-secret" not in str(told)


def test_hive_does_not_start_where_it_cannot_reach_what_it_needs(tmp_path: Path) -> None:
    far = replace(STORE, host="s3.example")
    service = made(HiveService, tmp_path, {"object-store": far, "postgres": DATABASE})
    with pytest.raises(ServiceUnavailable, match=r"does not reach object-store at s3.example: name a metastore"):
        service._of_this_machine("object-store")


@pytest.mark.parametrize("name", ["hive", "glue"])
def test_a_catalog_that_is_not_rest_is_looked_at_through_its_bridge(name: str) -> None:
    server = Endpoint(name, Runtime.LOCAL, f"thrift://h:{name}", "h", 1, "1", properties={"warehouse": "s3://b/w"})
    bridge = replace(server, service=f"{name}-bridge", uri="http://bridge")
    look = {"object-store": STORE, name: server, f"{name}-bridge": bridge}.__getitem__
    choice = CATALOGS[name]
    assert {name, f"{name}-bridge", "object-store"} <= set(choice.services)
    assert (choice.lake(look).catalog.kind, choice.lake(look).catalog.authentication) == (name, None)
    assert (choice.observer(look).catalog.kind, choice.observer(look).catalog.uri) == ("rest", "http://bridge")


def test_the_emulated_glue_is_called_emulated(tmp_path: Path) -> None:
    service = made(GlueService, tmp_path, {"object-store": STORE})
    endpoint = service.local_endpoint({"http": 7})
    assert endpoint.properties["setting.emulated"] == f"by MiniStack {GlueService.version}"
    assert "emulated" in GlueService.title


PRIVATE = [SeaweedFSService, HiveService, GlueService]


@pytest.mark.parametrize("kind", PRIVATE, ids=lambda kind: kind.name)
def test_a_server_that_anybody_may_command_has_a_network_of_its_own_or_does_not_start(
    kind: type[PrivateService], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ServiceUnavailable, match="has no compose file"):
        made(kind, tmp_path, runtime=Runtime.COMPOSE).prepare()
    monkeypatch.setattr(private_network, "unshared", lambda: None)
    with pytest.raises(ServiceUnavailable, match="cannot be had here: run as root, or allow user namespaces"):
        made(kind, tmp_path).prepare()
