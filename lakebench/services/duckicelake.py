"""DuckIceLake: an Iceberg REST catalog over a DuckLake, from a folder of the user's with its source."""

from __future__ import annotations

import base64
import dataclasses
import hmac
import json
import platform
import shutil
from collections.abc import Callable, Mapping

from lakebench.errors import ServiceUnavailable
from lakebench.http import HOST, http
from lakebench.model import (
    Authentication,
    BearerToken,
    Catalog,
    CatalogKind,
    Endpoint,
    Lake,
    ObjectStore,
    Runtime,
    TableFormat,
)
from lakebench.services.base import Command, Context
from lakebench.services.catalog import CatalogService, rest_catalog
from lakebench.services.own_database import OwnDatabase
from lakebench.services.seaweedfs import ASSUMED, SeaweedFSService

WAREHOUSE = "lake"
_BOOTSTRAP_S = 120
_ISSUER = "duckicelake"
_EXPIRES = 4_102_444_800  # 2100
_SIGNED_HERE = "signed with the secret"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


class DuckIceLakeService(OwnDatabase, CatalogService):
    """DuckIceLake's server, its DuckLake in a database of its own in ``postgres``, its files in ``seaweedfs``.

    The settings name the folder of its source with ``home``; the Python of the environment in it
    (``<home>/.venv``, see docs/services.md) runs it. It gives a token for an id and a secret (OAuth 2.0's client
    credentials), which it takes in the body alone, where DuckDB 1.5 sends them in a header: engines get a token that is
    signed here. Endpoint: ``uri`` is the REST address, ``user`` the id, ``password`` the secret; properties
    ``warehouse``, ``tokens`` where the secret is the key of tokens too, and ``database`` where the DuckLake is ours.
    """

    name = "duckicelake"
    choice = "duckicelake"
    over_ducklake = True
    title = "DuckIceLake"
    version = "from source"
    needs = ("seaweedfs", "postgres")
    memory = 2**30
    ports = ("http",)
    start_s = 90
    has_home = True

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.hide(_token(self.user, self.password))

    def prepare(self) -> None:
        """Find the source and its Python, and put DuckDB's extensions where they are looked for."""
        if self.runtime is Runtime.COMPOSE:
            raise ServiceUnavailable(f"{self.title} has no compose file: use runtime local, or external with a uri")
        home = self.context.settings.home
        if home is None:
            raise ServiceUnavailable(
                "DuckIceLake is in no package index: get its source, make its environment as docs/services.md says, "
                f"and name its folder with [{self.settings_table}] home = ..., or an endpoint with uri"
            )
        folder = home.expanduser().absolute()
        self._source, self._python = folder / "src", folder / ".venv/bin/python"
        for one in (self._source / "duckicelake", self._python):
            if not one.exists():
                raise ServiceUnavailable(f"{self.settings_table}.home = {home}: there is no {one} (docs/services.md)")
        self._take_extensions()

    def _take_extensions(self) -> None:
        """DuckDB's extensions of its environment in its home folder, as ``INSTALL`` puts them there."""
        packages = self._python.parent.parent.glob("lib/python*/site-packages/duckdb_extension_*/extensions/*")
        for version in packages:
            machine = _MACHINES.get(platform.machine(), platform.machine())
            into = self.folder / ".duckdb/extensions" / version.name / f"linux_{machine}"
            into.mkdir(parents=True, exist_ok=True)
            for extension in version.glob("*.duckdb_extension"):
                shutil.copy(extension, into)

    def command(self, ports: Mapping[str, int]) -> Command:
        """Uvicorn, after the program that makes the DuckLake; the settings of both are variables."""
        environment = self._environment(ports)
        bootstrap = Command([str(self._python), "-P", "-m", "duckicelake.bootstrap"], environment)
        self.make_database(lambda: self.run_once(bootstrap, _BOOTSTRAP_S, "its bootstrap did not make the DuckLake"))
        server = ["-m", "uvicorn", "duckicelake.server:app", "--host", HOST, "--port", str(ports["http"])]
        return Command([str(self._python), "-P", *server], environment)

    def _environment(self, ports: Mapping[str, int]) -> dict[str, str]:
        store, postgres = self.store(self.context.endpoint), self.postgres
        self.hide(store.secret_key)
        self.hide(postgres.password)
        named = {
            "PG_HOST": postgres.host,
            "PG_PORT": str(postgres.port),
            "PG_USER": postgres.user,
            "PG_PASSWORD": postgres.password,
            "PG_DATABASE": self.database,
            "READER_GROUP_ROLE": self._readers(),
            "S3_ENDPOINT": store.endpoint,
            "S3_REGION": store.region,
            "S3_BUCKET": store.bucket,
            "S3_ROOT_KEY": store.access_key,
            "S3_ROOT_SECRET": store.secret_key,
            "S3_PATH_STYLE": str(int(store.path_style)),
            "S3_PREFIX": f"{WAREHOUSE}/",
            "STS_ROLE_ARN": ASSUMED,
            "OAUTH_CLIENTS": f"{self.user}:{self.password}",
            "OAUTH_JWT_SECRET": self.password,
            "REQUIRE_AUTH": "1",
            "PUBLIC_URL": f"http://{HOST}:{ports['http']}",
        }
        ours = {f"DUCKICELAKE_{key}": value for key, value in named.items()}
        return {**ours, "PYTHONPATH": str(self._source), "PYTHONDONTWRITEBYTECODE": "1"}

    def _readers(self) -> str:
        return f"{self.database}_reader"

    def left_in_postgres(self) -> list[str]:
        """Its role of readers too."""
        return [*super().left_in_postgres(), f"DROP ROLE IF EXISTS {self._readers()}"]

    def local_endpoint(self, ports: Mapping[str, int]) -> Endpoint:
        """The REST address, and who may ask for a token."""
        port = ports["http"]
        endpoint = Endpoint(self.name, self.runtime, f"http://{HOST}:{port}", HOST, port, self.version)
        properties = {"warehouse": WAREHOUSE, "tokens": _SIGNED_HERE, "database": self.database}
        return dataclasses.replace(endpoint, user=self.user, password=self.password, properties=properties)

    def external_endpoint(self) -> Endpoint:
        """The user's server; ``warehouse`` has the usual name where none is given."""
        endpoint = super().external_endpoint()
        return dataclasses.replace(endpoint, properties={"warehouse": WAREHOUSE, **endpoint.properties})

    @staticmethod
    def catalog(endpoint: Endpoint) -> Catalog:
        """The REST catalog; the user's own gives a token for id and secret, or has one for a password."""
        catalog = dataclasses.replace(rest_catalog(endpoint), stage_tables=False)
        if endpoint.properties.get("tokens") != _SIGNED_HERE:
            return catalog
        return dataclasses.replace(catalog, authentication=BearerToken(_token(endpoint.user, endpoint.password)))

    @staticmethod
    def scoped_login(endpoint: Endpoint, namespace: str, *, writes: bool) -> Authentication | None:
        """A token with the scope ``ns:<namespace>:r`` or ``:rw``, as the server makes it for a client of that scope."""
        if endpoint.properties.get("tokens") != _SIGNED_HERE:
            return None
        scope = f"ns:{namespace}:{'rw' if writes else 'r'}"
        return BearerToken(_token(endpoint.user, endpoint.password, scope))

    @classmethod
    def ducklake(cls, look: Callable[[str], Endpoint], options: Mapping[str, str]) -> Lake | None:
        """The DuckLake in its own database, whose tables are in the schema ``public``."""
        store, postgres, database = cls.store(look), look("postgres"), look(cls.name).properties.get("database")
        if not database:
            return None
        uri, files = (
            f"postgresql://{postgres.host}:{postgres.port}/{database}",
            f"s3://{store.bucket}/{WAREHOUSE}/",
        )
        catalog = Catalog(CatalogKind.POSTGRES, uri, files, None, postgres.user, postgres.password)
        given = {"METADATA_SCHEMA": "public", **options}
        return Lake("ducklake", store, catalog, format=TableFormat.DUCKLAKE, options=given)

    @classmethod
    def store(cls, look: Callable[[str], Endpoint]) -> ObjectStore:
        """A bucket of SeaweedFS that holds any file."""
        return dataclasses.replace(SeaweedFSService.store(look), bucket=look("seaweedfs").properties["objects"])

    def check(self, endpoint: Endpoint) -> None:
        """It says itself that it is ready."""
        http(f"{endpoint.uri}/readyz", timeout=20)


def _token(client: str, key: str, scope: str = "*:*:*") -> str:
    """The JSON Web Token for ``client``, as the server itself makes it, and always the same."""
    claims = {"iss": _ISSUER, "sub": client, "iat": 0, "exp": _EXPIRES, "scope": scope}
    signed = ".".join(_encoded(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims))
    return f"{signed}.{_encoded(hmac.digest(key.encode(), signed.encode(), 'sha256'))}"


def _encoded(part: bytes) -> str:
    return base64.urlsafe_b64encode(part).rstrip(b"=").decode()
