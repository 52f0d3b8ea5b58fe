"""``lakebench doctor --settings`` against servers that this run of lakebench did not start."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from certificates import Authority
from oauth_front import oauth_front
from started import eventually

from lakebench.commands.endpoints import Tried, try_endpoints
from lakebench.config import CatalogSettings, ServiceSettings, Settings, StorageKind, StorageSettings
from lakebench.model import Endpoint, Runtime
from lakebench.processes.guard import Guard
from lakebench.progress import Quiet
from lakebench.services import Services, base
from lakebench.services.postgres import administer

pytestmark = pytest.mark.integration

PG_CONFIG = next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_config"), reverse=True)), None)
_EXPIRED = dt.timedelta(days=-1)


def service_at(name: str, uri: str, user: str = "", password: str = "", **properties: str) -> Settings:
    one = ServiceSettings(runtime=Runtime.EXTERNAL, uri=uri, user=user, password=password, properties=properties)
    return Settings(services={name: one})


def only(settings: Settings) -> Tried:
    (tried,) = try_endpoints(settings)
    return tried


def problem(settings: Settings) -> str:
    tried = only(settings)
    assert not tried.ok
    assert "\n" not in tried.problem
    for secret in settings.secrets():
        assert secret not in tried.problem
    return tried.problem


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority") / "ca.pem")


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> Path:
    """What PostgreSQL shows; tests write others over it."""
    file = authority.certify(authority.path.parent / "server.pem")
    for one in (*file.parents[:4],):
        one.chmod(one.stat().st_mode | 0o711)
    return file


@pytest.fixture(scope="module")
def postgres(certificate: Path) -> Iterator[Endpoint]:
    """PostgreSQL with TLS, started as another one's: the endpoint that its owner tells."""
    if PG_CONFIG is None:
        pytest.skip("no PostgreSQL that is built with TLS is installed: the package index's is not")
    owned(certificate)
    tls = {"conf.ssl": "on", "conf.ssl_cert_file": str(certificate), "conf.ssl_key_file": f"{certificate}.key"}
    with Guard("tls") as guard:
        settings = Settings(services={"postgres": ServiceSettings(pg_config=PG_CONFIG, properties=tls)})
        services = Services(settings, guard, Quiet())
        services.start(["postgres"])
        yield services.endpoint("postgres")
        services.stop()


def owned(certificate: Path) -> None:
    """Let the account that the server runs as read the key: PostgreSQL wants it to be nobody else's."""
    certificate.chmod(0o644)
    if os.geteuid() == 0:
        shutil.chown(f"{certificate}.key", "nobody")


def certified(postgres: Endpoint, authority: Authority, certificate: Path, **how: dt.timedelta) -> None:
    """Let the server show another certificate of ``authority``."""
    authority.certify(certificate, **how)
    owned(certificate)
    administer(postgres, "SELECT pg_reload_conf()")


@contextlib.contextmanager
def verified(monkeypatch: pytest.MonkeyPatch, authority: Path) -> Iterator[None]:
    """A client that accepts the certificates of ``authority`` for the right host alone."""
    with monkeypatch.context() as patch:
        patch.setenv("PGSSLMODE", "verify-full")
        patch.setenv("PGSSLROOTCERT", str(authority))
        yield


def known(endpoint: Endpoint, **other: str) -> Settings:
    named = {"uri": endpoint.uri, "user": endpoint.user, "password": endpoint.password} | other
    return service_at("postgres", **named)


def test_postgresql_with_tls(postgres: Endpoint, authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    with verified(monkeypatch, authority.path):
        tried = only(known(postgres))
        assert (tried.ok, tried.writes, tried.version) == (True, "yes", postgres.version)
        assert tried.clock_s is not None
        assert abs(tried.clock_s) < 2
        assert "correct user and password" in problem(known(postgres, password="not-this-one"))
        elsewhere = postgres.uri.replace("127.0.0.1", "localhost")
        assert "certificate that is not accepted" in problem(known(postgres, uri=elsewhere))
    with verified(monkeypatch, Authority(authority.path.with_name("another.pem")).path):
        assert "name its authority's certificate by SSL_CERT_FILE" in problem(known(postgres))


def test_an_expired_certificate_of_postgresql(
    postgres: Endpoint, authority: Authority, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certified(postgres, authority, certificate, ends_in=_EXPIRED)
    with verified(monkeypatch, authority.path):
        assert eventually(lambda: "certificate verify failed" in only(known(postgres)).problem)
    certified(postgres, authority, certificate)  # for other tests, which run in any order
    with verified(monkeypatch, authority.path):
        assert eventually(lambda: only(known(postgres)).ok)


def test_an_account_of_postgresql_that_may_not_create(postgres: Endpoint) -> None:
    administer(postgres, "CREATE ROLE reads LOGIN PASSWORD 'reads-only'")
    tried = only(known(postgres, user="reads", password="reads-only"))
    assert (tried.ok, tried.writes) == (False, "no")
    assert "may not create (permission denied" in tried.problem


def test_a_store_and_a_catalog(settings_up: Settings) -> None:
    tried = {one.table: one for one in try_endpoints(settings_up)}
    assert {name: (one.ok, one.writes, one.problem) for name, one in tried.items()} == {
        "services.object-store": (True, "yes", ""),
        "services.rest-catalog": (True, "yes", ""),
    }


def test_a_store_that_refuses(settings_up: Settings) -> None:
    up = settings_up.services["object-store"]
    mine = StorageSettings(kind=StorageKind.S3, uri=up.uri, user=up.user, password=up.password, bucket="lake")

    def storage(**other: str) -> Settings:
        return Settings(storage={"mine": mine.model_copy(update=other)})

    assert only(storage()).ok
    assert "refuses the keys" in problem(storage(password="not-this-one"))
    assert "has no bucket" in problem(storage(bucket="nothing"))
    assert "correct storage.mine.uri" in problem(storage(uri=f"http://127.0.0.1:{base.free_ports(1)[0]}"))


def test_a_catalog_with_oauth2(settings_up: Settings) -> None:
    with oauth_front(settings_up.services["rest-catalog"].uri) as front:
        login = front.login

        def catalog(uri: str = front.uri, secret: str = login.client_secret) -> Settings:
            mine = CatalogSettings(
                kind="rest",
                uri=uri,
                authentication="oauth2",
                token_uri=login.token_uri,
                client_id=login.client_id,
                client_secret=secret,
                scope=login.scope,
            )
            return Settings(catalog={"mine": mine})

        assert only(catalog()).ok
        assert front.passed > 0
        assert "correct its uri or its login" in problem(catalog(secret="not-this-one"))


def test_the_certificate_of_a_catalog(
    settings_up: Settings, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(certificate: Path) -> str:
        with over_tls(settings_up.services["rest-catalog"].uri, certificate) as uri:
            return problem(Settings(catalog={"mine": CatalogSettings(kind="rest", uri=uri)}))

    valid = authority.certify(tmp_path / "valid")
    assert "certificate verify failed" in said(valid), "an authority that nobody knows"
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
    assert "HTTP status 401" in said(valid), "the front asks for a token"
    assert "certificate has expired" in said(authority.certify(tmp_path / "expired", ends_in=_EXPIRED))
    assert "certificate is not valid for" in said(authority.certify(tmp_path / "other", host="other.example"))


@contextlib.contextmanager
def over_tls(behind: str, certificate: Path) -> Iterator[str]:
    """The address of a front with ``certificate``."""
    with oauth_front(behind) as front:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate, f"{certificate}.key")
        front.socket = context.wrap_socket(front.socket, server_side=True)
        yield front.uri.replace("http:", "https:")
