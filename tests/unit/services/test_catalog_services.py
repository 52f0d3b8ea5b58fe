"""The catalogs as services: how each is started and logged in to, without starting one."""

from __future__ import annotations

import base64
import dataclasses
import hmac
import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from lakebench import private_network
from lakebench.config import ServiceSettings, Settings
from lakebench.errors import ServiceUnavailable
from lakebench.model import BearerToken, Delegation, Endpoint, OAuth2, Runtime
from lakebench.progress import Quiet
from lakebench.services import base, own_database
from lakebench.services.catalog import ExternalCatalog
from lakebench.services.compose import Composed
from lakebench.services.duckicelake import DuckIceLakeService
from lakebench.services.glue import GlueService
from lakebench.services.hive import HiveService
from lakebench.services.lakekeeper import LakekeeperService
from lakebench.services.lakes import CATALOGS
from lakebench.services.own_database import OwnDatabase
from lakebench.services.polaris import PolarisService
from lakebench.services.private import PrivateService
from lakebench.services.seaweedfs import SeaweedFSService, ShortKeysService
from lakebench.services.unity import UnityService

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


@pytest.mark.parametrize(("kind", "lasts"), [(SeaweedFSService, "1h"), (ShortKeysService, "20s")])
def test_seaweedfs_says_how_long_the_keys_of_its_catalog_last(
    tmp_path: Path, kind: type[SeaweedFSService], lasts: str
) -> None:
    service = made(kind, tmp_path)
    service._weed, service._data = tmp_path / "weed", tmp_path / "data"
    assert "-s3.iceberg.credentialDurationSeconds=0" in given(service.command(PORTS))["argv"]
    assert json.loads((tmp_path / "s3.json").read_text())["sts"]["tokenDuration"] == lasts


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
    service._store, service._postgres, service._made = STORE, DATABASE, True
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


def source(folder: Path) -> Path:
    """A folder with as much of DuckIceLake as a start looks for."""
    (folder / "src/duckicelake").mkdir(parents=True)
    (folder / ".venv/bin").mkdir(parents=True)
    (folder / ".venv/bin/python").touch()
    extensions = folder / ".venv/lib/python3.12/site-packages/duckdb_extension_ducklake/extensions/v1.5.5"
    extensions.mkdir(parents=True)
    (extensions / "ducklake.duckdb_extension").touch()
    return folder


def seaweedfs(folder: Path) -> Endpoint:
    endpoint: Endpoint = made(SeaweedFSService, folder).local_endpoint(PORTS)
    return endpoint


def test_duckicelake_is_the_user_s(tmp_path: Path) -> None:
    with pytest.raises(ServiceUnavailable, match=r"\[services.duckicelake\] home = ..., or an endpoint with uri"):
        made(DuckIceLakeService, tmp_path).prepare()
    with pytest.raises(ServiceUnavailable, match=r"services.duckicelake.home = .*: there is no .*src/duckicelake"):
        made(DuckIceLakeService, tmp_path, home=tmp_path).prepare()


def test_duckicelake_gets_a_database_and_a_bucket_of_its_own(tmp_path: Path) -> None:
    needed = {"seaweedfs": seaweedfs(tmp_path), "postgres": DATABASE}
    service = made(DuckIceLakeService, tmp_path, needed, home=source(tmp_path / "its"))
    service.prepare()
    assert [one.name for one in tmp_path.glob(".duckdb/extensions/v1.5.5/linux_*/*")] == ["ducklake.duckdb_extension"]
    service._made = True
    command = service.command({"http": 7})
    assert command.env["DUCKICELAKE_S3_BUCKET"] == "objects"
    assert command.env["DUCKICELAKE_PG_DATABASE"].startswith("lakebench_")
    assert command.env["DUCKICELAKE_REQUIRE_AUTH"] == "1"
    assert not [one for one in command.argv if service.password in one]
    assert service.left_in_postgres()[0].startswith("DROP DATABASE IF EXISTS lakebench_")


def test_duckicelake_s_token_is_signed_with_the_client_s_secret(tmp_path: Path) -> None:
    service = made(DuckIceLakeService, tmp_path, {"seaweedfs": seaweedfs(tmp_path)})
    login = service.catalog(service.local_endpoint({"http": 7})).authentication
    signed, _, signature = login.token.rpartition(".")
    assert login.token in service.secrets()
    digest = hmac.digest(service.password.encode(), signed.encode(), "sha256")
    assert base64.urlsafe_b64decode(f"{signature}=") == digest
    claims = json.loads(base64.urlsafe_b64decode(f"{signed.partition('.')[2]}=="))
    assert (claims["sub"], claims["iss"]) == (service.user, "duckicelake")


def test_duckicelake_has_tokens_for_one_namespace(tmp_path: Path) -> None:
    service = made(DuckIceLakeService, tmp_path, {"seaweedfs": seaweedfs(tmp_path)})
    endpoint = service.local_endpoint({"http": 7})
    for writes, scope in ((False, "ns:sales:r"), (True, "ns:sales:rw")):
        login = service.scoped_login(endpoint, "sales", writes=writes)
        assert json.loads(base64.urlsafe_b64decode(f"{login.token.split('.')[1]}=="))["scope"] == scope
    properties = {key: one for key, one in endpoint.properties.items() if key != "tokens"}
    yours = dataclasses.replace(endpoint, properties=properties)
    assert service.scoped_login(yours, "sales", writes=True) is None
    assert SeaweedFSService.scoped_login(seaweedfs(tmp_path), "sales", writes=True) is None


@pytest.mark.parametrize(
    ("given", "login"),
    [
        ({"user": "id", "password": "s"}, OAuth2("http://c/v1/oauth/tokens", "id", "s")),
        ({"password": "t"}, BearerToken("t")),
        ({}, None),
    ],
)
def test_a_duckicelake_of_the_user_s_has_his_login(tmp_path: Path, given: dict[str, str], login: object) -> None:
    endpoint = made(DuckIceLakeService, tmp_path, runtime=Runtime.EXTERNAL, uri="http://c", **given).external_endpoint()
    assert DuckIceLakeService.catalog(endpoint).authentication == login


POLARIS = {"http": 7, "management": 8}


def polaris(folder: Path, **settings: Any) -> Any:
    """The service, from a folder with as much of Polaris as a start looks for."""
    (folder / "polaris/server").mkdir(parents=True)
    (folder / "polaris/server/quarkus-run.jar").touch()
    return made(PolarisService, folder, {"object-store": STORE}, home=folder / "polaris", **settings)


def test_polaris_is_the_user_s_archive_a_container_or_an_endpoint(tmp_path: Path) -> None:
    with pytest.raises(ServiceUnavailable, match="unpack its binary archive and name the folder"):
        made(PolarisService, tmp_path).prepare()
    with pytest.raises(ServiceUnavailable, match=r"there is no .*quarkus-run\.jar"):
        made(PolarisService, tmp_path, home=tmp_path).prepare()


def test_polaris_has_no_secret_on_its_command_line(tmp_path: Path) -> None:
    service = polaris(tmp_path)
    service.java = Path("java")
    service._find_server()
    command = service.command(POLARIS)
    assert command.env["POLARIS_BOOTSTRAP_CREDENTIALS"] == f"POLARIS,{service.user},{service.password}"
    assert command.env["AWS_SECRET_ACCESS_KEY"] == "s3-secret"  # noqa: S105 - of this test
    assert not [one for one in command.argv if service.password in one]
    properties = (tmp_path / "polaris.properties").read_text()
    assert "quarkus.http.host=127.0.0.1" in properties
    assert "quarkus.management.host=127.0.0.1" in properties


class Asked(BaseHTTPRequestHandler):
    """Answers as Polaris's management interface does, as far as a start asks it; the catalog is there already."""

    got: ClassVar[list[tuple[str, str, dict[str, Any]]]] = []

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path.endswith("/tokens"):
            reply, status = {"access_token": "a-token", "expires_in": 3600}, 200
        else:
            assert self.headers["Authorization"] == "Bearer a-token"
            self.got.append((self.command, self.path, json.loads(body or b"{}")))
            reply, status = {}, 409 if self.path.endswith("/catalogs") else 200
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(reply).encode())

    do_GET = do_POST = do_PUT = _answer  # noqa: N815 - http.server's names

    def log_message(self, *_: Any) -> None:
        """Quiet."""


def test_polaris_gets_a_warehouse_over_the_store(tmp_path: Path) -> None:
    Asked.got.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), Asked) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        service = polaris(tmp_path)
        service.check(service.local_endpoint({"http": server.server_address[1], "management": 8}))
        server.shutdown()
    (_, made_at, body), (method, granted_at, grant), (_, config, _) = Asked.got
    assert made_at == "/api/management/v1/catalogs"
    assert body["catalog"]["storageConfigInfo"]["allowedLocations"] == ["s3://b/polaris"]
    assert body["catalog"]["storageConfigInfo"]["stsUnavailable"] is True
    assert (method, granted_at) == ("PUT", "/api/management/v1/catalogs/lake/catalog-roles/catalog_admin/grants")
    assert grant["grant"]["privilege"] == "CATALOG_MANAGE_CONTENT"
    assert config == "/api/catalog/v1/config?warehouse=lake"


def test_polaris_is_logged_in_to_with_its_own_scope(tmp_path: Path) -> None:
    service = made(PolarisService, tmp_path)
    endpoint = service.local_endpoint(POLARIS)
    login = OAuth2(f"{endpoint.uri}/v1/oauth/tokens", service.user, service.password, "PRINCIPAL_ROLE:ALL")
    assert service.catalog(endpoint).authentication == login


@pytest.mark.parametrize("kind", [LakekeeperService, UnityService])
def test_a_catalog_that_is_not_started_says_how_to_name_one(kind: type[ExternalCatalog], tmp_path: Path) -> None:
    with pytest.raises(ServiceUnavailable, match=r'name yours with runtime = "external" and uri under \[services\.'):
        made(kind, tmp_path).start()


def test_an_external_catalog_is_what_its_properties_say(tmp_path: Path) -> None:
    properties = {"warehouse": "w", "token_uri": "http://idp/token", "scope": "all", "delegation": "vended-credentials"}
    given = {"runtime": Runtime.EXTERNAL, "uri": "http://c/catalog", "user": "id", "password": "s"}
    endpoint = made(LakekeeperService, tmp_path, **given, properties=properties).external_endpoint()
    catalog = LakekeeperService.catalog(endpoint)
    assert catalog.authentication == OAuth2("http://idp/token", "id", "s", "all")
    assert (catalog.warehouse, catalog.delegation) == ("w", Delegation.VENDED_CREDENTIALS)


class Owner(OwnDatabase):
    """A server that has nothing but its database."""

    name = "owner"
    title = "the owner"
    version = "1"
    memory = 1

    def prepare(self) -> None: ...

    def command(self, ports: Mapping[str, int]) -> base.Command:  # noqa: ARG002 - the interface's
        self.make_database(lambda: None)
        return base.Command(["true"])

    def local_endpoint(self, ports: Mapping[str, int]) -> Endpoint:  # noqa: ARG002 - the interface's
        return DATABASE

    def check(self, endpoint: Endpoint) -> None: ...


def test_a_database_of_its_own_outlives_a_restart_and_not_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(own_database, "administer", lambda _, *statements: said.extend(statements))
    monkeypatch.setattr(Owner, "_launch", lambda self, ports: self.command(ports) and DATABASE)
    owner = made(Owner, tmp_path, {"postgres": DATABASE})
    owner._launch({})
    owner.restart()
    assert [one.split()[0] for one in said] == ["CREATE"]
    owner.stop()
    owner.stop()
    assert said[1:] == [f"DROP DATABASE IF EXISTS {owner.database} WITH (FORCE)"]


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
