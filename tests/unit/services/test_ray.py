"""Ray as a service, without Ray: its settings, its address, where it keeps its sockets."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lakebench import engines
from lakebench.config import ServiceSettings, Settings
from lakebench.engines import ray as driver
from lakebench.errors import EngineUnavailable, Refused, ServiceUnavailable, UsageError
from lakebench.model import Endpoint, Runtime
from lakebench.provisioning import environments
from lakebench.services import compose, ray
from lakebench.services.base import Context
from lakebench.services.ray import RayService


def _service(folder: Path, **given: Any) -> RayService:
    settings, anything = ServiceSettings(**given), SimpleNamespace()
    context: Any = Context(
        settings,
        Settings(services={"ray": settings}),
        folder,
        anything,  # type: ignore[arg-type] - nothing is spawned
        anything,  # type: ignore[arg-type]
        lambda _: pytest.fail("it needs no other service"),
        threading.Event(),
        compose.Composed,
    )
    return RayService(context)


def test_the_nodes_are_those_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environments, "python_for", lambda engine, *_: Path(f"/of/{engine.environment}/python"))
    service = _service(tmp_path, properties={"workers": "4"}, memory="1 GiB")
    monkeypatch.setattr(ray, "_SOCKET_PATH", 1000)
    service.prepare()
    command = service.command({"gcs": 7})
    assert command.argv[0] == f"/of/{driver.ENVIRONMENT}/python"
    settings = json.loads(command.argv[-1])
    assert (settings["port"], settings["workers"], settings["memory"]) == (7, 4, 2**30)
    assert service.password not in str(command.argv)
    assert command.env["RAY_AUTH_TOKEN"] == service.password
    endpoint = service.local_endpoint({"gcs": 7})
    assert (endpoint.uri, endpoint.password) == ("127.0.0.1:7", service.password)
    assert endpoint.properties["setting.workers"] == "4"


@pytest.mark.parametrize("workers", ["none", "0", "65", "-1", "1.5"])
def test_what_is_no_number_of_nodes_is_an_error_of_usage(tmp_path: Path, workers: str) -> None:
    with pytest.raises(UsageError, match=r"services\.ray\.properties\.workers = "):
        assert _service(tmp_path, properties={"workers": workers}).workers


def test_sockets_that_linux_has_no_room_for_are_told_before_the_start(tmp_path: Path) -> None:
    folder = tmp_path / ("long" * 30)
    with pytest.raises(ServiceUnavailable, match="set TMPDIR to a shorter folder"):
        _service(folder).prepare()


def test_there_is_no_container(tmp_path: Path) -> None:
    with pytest.raises(ServiceUnavailable, match="use runtime local, or external"):
        _service(tmp_path, runtime=Runtime.COMPOSE).prepare()


@pytest.mark.parametrize(
    ("uri", "of_ray", "host", "port"),
    [
        ("tcp://10.0.0.5:6379", "10.0.0.5:6379", "10.0.0.5", 6379),
        ("ray://head:10001", "ray://head:10001", "head", 10001),
    ],
)
def test_a_cluster_of_the_users(tmp_path: Path, uri: str, of_ray: str, host: str, port: int) -> None:
    endpoint = _service(tmp_path, runtime=Runtime.EXTERNAL, uri=uri, password="theirs").external_endpoint()  # noqa: S106
    assert (endpoint.uri, endpoint.host, endpoint.port, endpoint.password) == (of_ray, host, port, "theirs")


@pytest.mark.parametrize("uri", ["http://head:6379", "tcp://head", "ray://head"])
def test_what_is_no_address_is_an_error_of_usage(tmp_path: Path, uri: str) -> None:
    with pytest.raises(UsageError, match=r"services\.ray\.uri: write tcp://"):
        _service(tmp_path, runtime=Runtime.EXTERNAL, uri=uri).external_endpoint()


def test_a_cluster_is_ready_when_every_node_has_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray.socket, "create_connection", lambda *_args, **_named: open("/dev/null"))  # noqa: PTH123, SIM115
    service = _service(tmp_path)
    with pytest.raises(OSError, match="not all of its nodes"):
        service.check(service.local_endpoint({"gcs": 7}))
    service.log.write_text("2026 INFO it is already there\nready\n")
    service.check(service.local_endpoint({"gcs": 7}))


def test_another_version_is_one_line_that_says_what_to_do() -> None:
    server = Endpoint("ray", Runtime.EXTERNAL, "head:6379", "head", 6379, "unknown")
    said = RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.52.1\n    Python: 3.11.7")
    line = driver._why(server, said)
    assert "ray_duckdb@2.52.1 " in line
    assert "Ray: 2.52.1" in line
    assert "\n" not in line
    other = driver._why(server, Refused("ConnectionError: cannot reach the GCS"))
    assert other == "the Ray cluster at head:6379 cannot be used: ConnectionError: cannot reach the GCS"
    with pytest.raises(EngineUnavailable, match="no Ray cluster"):
        driver.connect(None, "/nowhere")


def test_the_engines_on_ray_share_one_environment() -> None:
    on_ray = [one for one in engines.engines().values() if one.service == "ray"]
    pinned = {tuple(part.format(version=one.usual_version) for part in one.requirements) for one in on_ray}
    assert len(on_ray) > 1
    assert len(pinned) == 1
