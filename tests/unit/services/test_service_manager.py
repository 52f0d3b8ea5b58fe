from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from lakebench import services
from lakebench.config import ServiceSettings, Settings
from lakebench.errors import CommitConflict, HarnessFault, Refused, ServiceUnavailable, UsageError
from lakebench.execution.fault_log import FaultLog
from lakebench.http import HttpError
from lakebench.iceberg import catalogs
from lakebench.model import Catalog, CatalogKind, Endpoint, Runtime
from lakebench.progress import Quiet
from lakebench.services import Services, base, compose, object_store, with_needs
from lakebench.services.base import Command, Service
from lakebench.services.catalog import ExternalCatalog
from lakebench.services.private import PrivateService

DOCKER = shutil.which("docker")
COMPOSE = DOCKER and subprocess.run([DOCKER, "compose", "version"], capture_output=True, check=False).returncode == 0
SECRETS = ("PASSWORD", "SECRET")


class Folder:
    """As much of a guard as a service that starts nothing needs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder


class Toy(Service):
    """Starts nothing: the test sets what its start does."""

    name = "toy"
    title = "a toy"
    memory = 1

    def start(self) -> Endpoint:
        BEHAVIOUR.get(self.name, lambda: None)()
        return self.local_endpoint({"main": 1})

    def restart(self) -> Endpoint:
        return self.start()

    def prepare(self) -> None: ...

    def command(self, ports: Mapping[str, int]) -> Command:
        raise NotImplementedError

    def local_endpoint(self, ports: Mapping[str, int]) -> Endpoint:
        return Endpoint(self.name, Runtime.LOCAL, "toy://", "127.0.0.1", ports["main"], "1", self.user, self.password)

    def check(self, endpoint: Endpoint) -> None: ...


class Upper(Toy):
    name = "upper"
    needs = ("toy",)


class Other(Toy):
    name = "other"


BEHAVIOUR: dict[str, Callable[[], None]] = {}


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Services:
    monkeypatch.setattr(services, "SERVICES", {one.name: one for one in (Upper, Toy, Other)})
    monkeypatch.setitem(globals(), "BEHAVIOUR", {})
    return Services(Settings(), Folder(tmp_path), Quiet())  # type: ignore[arg-type] - nothing is spawned


def fail() -> None:
    raise ServiceUnavailable("toys are out")


def test_what_is_needed_comes_first() -> None:
    ordered = with_needs(["nessie", "object-store"])
    assert ordered == ["object-store", "nessie"]


@pytest.mark.parametrize("answers", [True, False])
def test_a_server_of_the_users_that_dies_meanwhile_is_a_failure(
    toys: Services, monkeypatch: pytest.MonkeyPatch, answers: bool
) -> None:
    monkeypatch.setattr(Toy, "start", lambda _: Endpoint("toy", Runtime.EXTERNAL, "toy://", "h", 1, "1"))
    monkeypatch.setattr(Toy, "alive", lambda _: answers)
    toys.start(["toy"])
    assert toys.failures() == {}
    toys.stop()
    why = "a toy answered at the start and does not any more: start it"
    assert toys.failures() == ({} if answers else {"toy": why})


def test_an_unknown_service_has_the_nearest_name() -> None:
    with pytest.raises(UsageError, match=r"unknown service 'nesie': did you mean nessie\? valid names are"):
        services.find("nesie")


def test_needs_are_started_too(toys: Services) -> None:
    toys.start(["upper"])
    assert toys.endpoint("toy").service == "toy"
    assert toys.endpoint("upper").service == "upper"
    assert toys.failures() == {}


def test_a_service_that_fails_does_not_stop_the_others(toys: Services) -> None:
    BEHAVIOUR["toy"] = fail
    toys.start(["upper", "other"])
    assert toys.endpoint("other").service == "other"
    with pytest.raises(ServiceUnavailable, match="toys are out"):
        toys.endpoint("toy")
    with pytest.raises(ServiceUnavailable, match="a toy needs toy: toys are out"):
        toys.endpoint("upper")
    assert not toys.alive("upper")


class Recorder(Quiet):
    """Progress that keeps its messages."""

    def __init__(self) -> None:
        self.messages: list[str] = []

    def say(self, message: str) -> None:
        self.messages.append(message)


@pytest.fixture
def messages(toys: Services, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The messages of ``toys``."""
    progress = Recorder()
    monkeypatch.setattr(toys, "_progress", progress)
    return progress.messages


def test_a_reason_is_reported_once(toys: Services, messages: list[str]) -> None:
    BEHAVIOUR["toy"] = fail
    toys.start(["upper", "other"])
    assert messages == ["toy is not available: toys are out", "upper is not available: it needs toy"]


def test_the_failure_of_a_vital_service_is_left_to_the_caller(toys: Services, messages: list[str]) -> None:
    BEHAVIOUR["toy"] = fail
    toys.start(["toy", "other"], vital=["toy"])
    assert messages == []
    assert toys.failures() == {"toy": "toys are out"}


def test_what_the_user_has_to_mend_is_reported_once(toys: Services, messages: list[str]) -> None:
    def damaged() -> None:
        raise UsageError("the archive is damaged: rm archive")

    BEHAVIOUR["toy"] = damaged
    with pytest.raises(UsageError, match="the archive is damaged"):
        toys.start(["upper"])
    assert messages == []


def test_an_interrupted_start_says_no_reason(
    toys: Services, messages: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = threading.Event()

    def never_ready(service: Toy) -> Endpoint:
        endpoint = service.local_endpoint({"main": 1})
        begun.set()
        service._wait(endpoint)
        return endpoint

    def refused(*_: object) -> None:
        raise OSError("connection refused")

    def interrupt() -> None:
        begun.wait(20)
        raise KeyboardInterrupt

    monkeypatch.setattr(Toy, "start", never_ready)
    monkeypatch.setattr(Toy, "check", refused)
    monkeypatch.setattr(Toy, "alive", lambda _: True)
    with pytest.raises(KeyboardInterrupt):
        toys.start(["upper"], interrupt)
    for running in toys._running.values():
        running.done.wait(20)
    assert toys.failures()["toy"] == "a toy was interrupted while it started"
    assert messages == []


def test_a_fault_of_ours_in_a_start_is_one_for_all_who_need_the_service(toys: Services, tmp_path: Path) -> None:
    BEHAVIOUR["toy"] = lambda: {}["missing"]
    toys.start(["upper", "other"])
    assert toys.endpoint("other").service == "other"
    log = FaultLog(tmp_path)
    for name in ("toy", "upper"):
        with pytest.raises(HarnessFault, match="a toy did not start: KeyError: 'missing'") as caught:
            toys.endpoint(name)
        assert log.fault(caught.value).details == {"file": "faults/001.txt"}
    assert 'BEHAVIOUR["toy"] = lambda' in (tmp_path / "faults" / "001.txt").read_text()
    with pytest.raises(ServiceUnavailable, match="lakebench up"):
        toys.endpoint("nobody")


def test_a_full_disk_in_a_start_stops_everything(toys: Services) -> None:
    BEHAVIOUR["toy"] = lambda: os.write(os.open("/dev/full", os.O_WRONLY), b"x") and None
    with pytest.raises(UsageError, match=r"the disk is full \(.* left\): free some space there"):
        toys.start(["upper", "other"])


def test_what_the_user_can_mend_stops_everything(toys: Services) -> None:
    def damaged() -> None:
        raise UsageError("the archive is damaged: rm archive")

    BEHAVIOUR["toy"] = damaged
    with pytest.raises(UsageError, match="the archive is damaged: rm archive"):
        toys.start(["toy", "other"])


def test_independent_services_start_at_once(toys: Services) -> None:
    both = threading.Barrier(2, timeout=20)
    BEHAVIOUR["toy"] = BEHAVIOUR["other"] = lambda: both.wait() and None
    toys.start(["toy", "other"])
    assert toys.failures() == {}


def test_a_service_is_started_once(toys: Services) -> None:
    began: list[float] = []
    BEHAVIOUR["toy"] = lambda: began.append(time.monotonic())
    toys.start(["toy"])
    toys.start(["toy", "upper"])
    assert len(began) == 1


def test_a_service_that_nobody_started_is_an_error(toys: Services) -> None:
    with pytest.raises(ServiceUnavailable, match="lakebench up toy"):
        toys.endpoint("toy")
    assert toys.processes("toy") == []
    assert not toys.alive("toy")
    assert toys.log_tail("toy") == ""


def test_after_the_stop_there_is_no_endpoint(toys: Services) -> None:
    toys.start(["toy"])
    toys.stop()
    toys.stop()
    with pytest.raises(ServiceUnavailable, match="was stopped"):
        toys.endpoint("toy")


def test_the_end_of_a_log_has_no_secret_and_no_stack(toys: Services, tmp_path: Path) -> None:
    toys.start(["toy"])
    toy = toys._running["toy"].service
    toys.log("toy").write_text(
        f"password={toy.password}\nboom: no\n\tat org.example.Main.main(Main.java:7)\n\t... 3 more\n"
    )
    assert toys.log("toy") == tmp_path / "toy" / "log"
    assert toy.password not in toys.log_tail("toy")
    assert toy._failed("so it is") == ("a toy did not start: so it is; the end of its log: password=*** | boom: no")


def test_credentials_are_random_and_not_shown(toys: Services) -> None:
    toys.start(["toy", "other"])
    first, second = toys.endpoint("toy"), toys.endpoint("other")
    assert first.password != second.password
    assert len(first.password) >= 20
    assert first.password not in repr(first)


def test_free_ports_differ() -> None:
    assert len(set(base.free_ports(5))) == 5


@pytest.mark.parametrize("file", sorted(compose.FOLDER.glob("*.yaml")), ids=lambda file: file.stem)
def test_a_compose_file_is_pinned_local_and_has_no_secret(file: Path) -> None:
    parsed = yaml.safe_load(file.read_text())
    own = "${LAKEBENCH_PROJECT:-lakebench-minio}" if file.stem == "minio" else "${LAKEBENCH_PROJECT:?}"
    assert parsed["name"] == own, "runs must not share containers"
    assert file.stem in parsed["services"]
    for service in parsed["services"].values():
        _, _, tag = service["image"].partition(":")
        assert any(character.isdigit() for character in tag), "an exact tag"
        assert "mem_limit" in service
        assert service.get("network_mode") == "host" or all(
            str(port).startswith("127.0.0.1:") for port in service["ports"]
        )
        for key, value in service.get("environment", {}).items():
            if any(secret in key for secret in SECRETS):
                assert value.startswith("${LAKEBENCH_"), key


@pytest.mark.parametrize("file", sorted(compose.FOLDER.glob("*.yaml")), ids=lambda file: file.stem)
def test_docker_accepts_a_compose_file(file: Path) -> None:
    if not COMPOSE:
        pytest.skip("docker has no compose command")
    named = dict.fromkeys(re.findall(r"LAKEBENCH_\w+", file.read_text()), "/some/value")
    named |= {"LAKEBENCH_MEMORY": "1000000", "LAKEBENCH_PROJECT": "project"}
    read = ["docker", "compose", "--file", str(file), "config", "--quiet"]
    said = subprocess.run(read, capture_output=True, text=True, check=False, env={**os.environ, **named})
    assert (said.returncode, said.stderr) == (0, "")


def test_every_service_has_a_compose_file() -> None:
    # A driver must have the very Ray and Python of its cluster, which an image does not; Hive's client is PySpark's;
    # and what takes what anybody sends would be open to every user of the machine in a container on its network.
    # Flink's file with a stream of deletes lies in a folder of the worker, which a container does not see.
    without_any = (PrivateService, ExternalCatalog)
    without = {"ray", "hive-bridge", "duckicelake", "flink"}
    without |= {name for name, one in services.SERVICES.items() if issubclass(one, without_any)}
    assert {file.stem for file in compose.FOLDER.glob("*.yaml")} == set(services.SERVICES) - without | {"minio"}


def test_no_docker_is_one_line_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ServiceUnavailable) as caught:
        compose.Composed.require()
    assert str(caught.value) == (
        "no Docker engine answers (no docker command on PATH): start Docker, or use --runtime local"
    )


def test_an_external_endpoint_is_what_the_settings_say(tmp_path: Path) -> None:
    service_settings = ServiceSettings(
        runtime=Runtime.EXTERNAL, uri="https://s3.example/", user="u", properties={"bucket": "mine"}
    )
    settings = Settings(services={"object-store": service_settings})
    context = base.Context(
        service_settings,
        settings,
        tmp_path,
        Folder(tmp_path),
        Quiet(),
        lambda _: fail(),
        threading.Event(),
        compose.Composed,  # type: ignore[arg-type, return-value] - nothing is spawned
    )
    endpoint = object_store.ObjectStoreService(context).external_endpoint()
    assert (endpoint.uri, endpoint.host, endpoint.port) == ("https://s3.example", "s3.example", 443)
    assert endpoint.properties == {"bucket": "mine", "region": "us-east-1"}
    assert object_store.store(endpoint).bucket == "mine"


def test_counters_add_up_by_operation(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = (
        'http_server_request_duration_seconds_count{http_request_method="GET",s3_operation="GetObject"} 3',
        'http_server_request_duration_seconds_count{s3_operation="GetObject",http_response_status_code="404"} 1.0',
        'http_server_request_duration_seconds_count{s3_operation="PutObject"} 2',
        'http_server_request_duration_seconds_sum{s3_operation="PutObject"} 0.5',
    )
    monkeypatch.setattr(object_store, "http", lambda _: "\n".join(lines).encode())
    endpoint = Endpoint("object-store", Runtime.LOCAL, "", "", 1, "", properties={"metrics": "here"})
    assert object_store.counters(endpoint) == {"GetObject": 4, "PutObject": 2}


def test_a_request_that_is_counted_late_is_in_the_settled_counters(monkeypatch: pytest.MonkeyPatch) -> None:
    readings = iter(({"GetObject": 3}, {"GetObject": 4}, {"GetObject": 4}, {"GetObject": 9}))
    monkeypatch.setattr(object_store, "counters", lambda _: next(readings))
    endpoint = Endpoint("object-store", Runtime.LOCAL, "", "", 1, "")
    assert object_store.settled_counters(endpoint) == {"GetObject": 4}


def test_a_store_without_metrics_has_no_counters() -> None:
    endpoint = Endpoint("object-store", Runtime.EXTERNAL, "", "", 1, "")
    assert object_store.counters(endpoint) == object_store.settled_counters(endpoint) == {}


class FakeCatalog:
    """Answers a catalog's requests by their address."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answers: Mapping[str, Any]) -> None:
        self.urls: list[str] = []
        self._answers = answers
        monkeypatch.setattr(catalogs, "http", self)

    def __call__(self, url: str, **_: Any) -> bytes:
        self.urls.append(url)
        answer = self._answers[url]
        if isinstance(answer, Exception):
            raise answer
        return json.dumps(answer).encode()


CATALOG = Catalog(CatalogKind.REST, "http://c", "w")


@pytest.mark.parametrize(
    ("config", "path"),
    [
        ({}, "http://c/v1/namespaces/ns/tables/t"),
        ({"defaults": {"prefix": "a"}}, "http://c/v1/a/namespaces/ns/tables/t"),
        ({"defaults": {"prefix": "a"}, "overrides": {"prefix": "b"}}, "http://c/v1/b/namespaces/ns/tables/t"),
        ({"overrides": {"prefix": "main|lake"}}, "http://c/v1/main%7Clake/namespaces/ns/tables/t"),
        ({"overrides": {"uri": "http://d/"}}, "http://d/v1/namespaces/ns/tables/t"),
    ],
)
def test_the_prefix_comes_from_the_catalog(monkeypatch: pytest.MonkeyPatch, config: Any, path: str) -> None:
    catalog = FakeCatalog(monkeypatch, {"http://c/v1/config?warehouse=w": config, path: {"metadata-location": "m"}})
    assert catalogs.table_metadata(CATALOG, "ns", "t") == {"metadata-location": "m"}
    assert catalog.urls[-1] == path


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        (404, '{"error": {"message": "no\\nsuch table", "code": 404}}', Refused, "404: no such table"),
        (409, '{"status": 409, "message": "changed in conflict"}', CommitConflict, "409: changed in conflict"),
        (502, "<html>bad gateway</html>", Refused, "502: <html>bad gateway</html>"),
        (400, '["odd"]', Refused, "400: "),
    ],
)
def test_a_refusal_has_the_words_of_the_catalog(
    monkeypatch: pytest.MonkeyPatch, status: int, body: str, kind: type[Exception], words: str
) -> None:
    FakeCatalog(monkeypatch, {"http://n/trees/main": HttpError(status, body)})
    with pytest.raises(kind, match=words):
        catalogs.NessieClient("http://n/").get_reference("main")


def test_a_catalog_that_is_gone_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeCatalog(monkeypatch, {"http://c/v1/config?warehouse=w": ConnectionRefusedError("refused")})
    with pytest.raises(ServiceUnavailable, match="http://c does not answer"):
        catalogs.table_metadata(CATALOG, "ns", "t")


class Strange(BaseHTTPRequestHandler):
    """Answers everything, and is no Trino."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"<html>" if self.path.startswith("/html") else b"[1]")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Nothing."""


def external(tmp_path: Path, uri: str) -> Services:
    trino = ServiceSettings(runtime=Runtime.EXTERNAL, uri=uri)
    manager = Services(Settings(services={"trino": trino}), Folder(tmp_path), Quiet())  # type: ignore[arg-type] - likewise
    with contextlib.suppress(UsageError):
        manager.start(["trino"])
    return manager


@pytest.mark.parametrize("path", ["/html", "/list"])
def test_something_else_at_the_users_address_is_no_fault_of_ours(tmp_path: Path, path: str) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Strange) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        manager = external(tmp_path, f"http://127.0.0.1:{server.server_address[1]}{path}")
        server.shutdown()
    with pytest.raises(ServiceUnavailable, match="what answers there is no Trino"):
        manager.endpoint("trino")
