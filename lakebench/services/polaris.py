"""Apache Polaris: a REST catalog with OAuth 2.0, from the user's own binary archive, a container, or an endpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from lakebench.errors import LakebenchError, ServiceUnavailable
from lakebench.http import HOST, HttpError, http
from lakebench.iceberg.login import login_headers
from lakebench.model import Catalog, Endpoint, Runtime
from lakebench.services.base import Command
from lakebench.services.catalog import CatalogService, check_rest, rest_catalog
from lakebench.services.java import JavaService
from lakebench.services.quoting import java_properties

WAREHOUSE = "lake"
_REALM = "POLARIS"
_SCOPE = "PRINCIPAL_ROLE:ALL"
_CONFLICT = 409


class PolarisService(JavaService, CatalogService):
    """Polaris with its state in memory: what it knows of tables is gone after a restart, though their files stay.

    The settings name the unpacked archive (``polaris-bin``) with ``home``. Its first principal may do everything, and
    engines reach the store by the store's keys: our object store has no STS, by which Polaris would give keys.
    Endpoint: ``uri`` is the REST address, ``user`` and ``password`` are id and secret of the principal; property
    ``warehouse``.
    """

    name = "polaris"
    choice = "polaris"
    title = "Polaris"
    version = "1.5.0"
    needs = ("object-store",)
    memory = 2**30
    ports = ("http", "management")
    start_s = 120
    has_home = True

    def prepare(self) -> None:
        """Find the server and a Java."""
        if self.runtime is not Runtime.COMPOSE:
            self._find_server()
        self.java = self.find_java(21)

    def _find_server(self) -> None:
        home = self.context.settings.home
        if home is None:
            raise ServiceUnavailable(
                "Polaris is in no package index: unpack its binary archive and name the folder with "
                f'[{self.settings_table}] home = "…", use runtime compose, or an endpoint with uri'
            )
        self._server = home.expanduser().absolute() / "server/quarkus-run.jar"
        if not self._server.exists():
            raise ServiceUnavailable(f"{self.settings_table}.home = {home}: there is no {self._server}")
        self.version = "of the archive"

    def command(self, ports: Mapping[str, int]) -> Command:
        """Quarkus reads a file of properties; who may do what, and the keys of the store, are variables."""
        store = self.context.endpoint("object-store")
        self.hide(store.password)
        self.private("polaris.properties", java_properties(self._properties(ports)))
        if self.runtime is Runtime.COMPOSE:
            keys = {"LAKEBENCH_S3_KEY": store.user, "LAKEBENCH_S3_SECRET": store.password}
            return Command([], {**keys, "LAKEBENCH_S3_REGION": store.properties["region"]})
        variables = {
            "POLARIS_BOOTSTRAP_CREDENTIALS": f"{_REALM},{self.user},{self.password}",
            "AWS_ACCESS_KEY_ID": store.user,
            "AWS_SECRET_ACCESS_KEY": store.password,
            "AWS_REGION": store.properties["region"],
        }
        return dataclasses.replace(super().command(ports), env=variables)

    def arguments(self, ports: Mapping[str, int]) -> list[str]:  # noqa: ARG002 - they are in the file
        """The server's jar, and where its properties are."""
        location = (self.folder / "polaris.properties").as_uri()
        quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
        return [*quick, f"-Dquarkus.config.locations={location}", "-jar", str(self._server)]

    def _properties(self, ports: Mapping[str, int]) -> dict[str, str]:
        return {
            "quarkus.http.host": HOST,
            "quarkus.http.port": str(ports["http"]),
            "quarkus.management.host": HOST,
            "quarkus.management.port": str(ports["management"]),
            "quarkus.otel.sdk.disabled": "true",
            "polaris.realm-context.realms": _REALM,
            "polaris.persistence.type": "in-memory",
            "polaris.readiness.ignore-severe-issues": "true",  # that the state is in memory is one of them
        }

    def local_endpoint(self, ports: Mapping[str, int]) -> Endpoint:
        """The REST address."""
        port, properties = ports["http"], {"warehouse": WAREHOUSE}
        uri = f"http://{HOST}:{port}/api/catalog"
        endpoint = Endpoint(self.name, self.runtime, uri, HOST, port, self.version, properties=properties)
        return dataclasses.replace(endpoint, user=self.user, password=self.password)

    def external_endpoint(self) -> Endpoint:
        """The user's server: ``uri`` ends in ``/api/catalog``; ``warehouse`` has the usual name where none is given."""
        endpoint = super().external_endpoint()
        return dataclasses.replace(endpoint, properties={"warehouse": WAREHOUSE, **endpoint.properties})

    @staticmethod
    def catalog(endpoint: Endpoint) -> Catalog:
        """The REST catalog, with a token for id and secret."""
        return rest_catalog(endpoint, _SCOPE)

    def check(self, endpoint: Endpoint) -> None:
        """It gives a token and knows the warehouse, which is made in a server of ours."""
        if endpoint.runtime is not Runtime.EXTERNAL:
            self._make_warehouse(endpoint)
        check_rest(self.catalog(endpoint))

    def _make_warehouse(self, endpoint: Endpoint) -> None:
        """Make the catalog that clients call warehouse, and let its administrator change what is in it."""
        store, catalogs = self.context.endpoint("object-store"), f"{_base(endpoint)}/api/management/v1/catalogs"
        location = f"s3://{store.properties['bucket']}/polaris"
        storage = {
            "storageType": "S3",
            "allowedLocations": [location],
            "endpoint": store.uri,
            "pathStyleAccess": True,
            "region": store.properties["region"],
            "stsUnavailable": True,
        }
        properties = {"default-base-location": location}
        catalog = {"name": WAREHOUSE, "type": "INTERNAL", "properties": properties, "storageConfigInfo": storage}
        try:
            self._ask(endpoint, "POST", catalogs, {"catalog": catalog})
        except HttpError as error:
            if error.status != _CONFLICT:  # it was made by an earlier look
                raise
        grant = {"grant": {"type": "catalog", "privilege": "CATALOG_MANAGE_CONTENT"}}
        self._ask(endpoint, "PUT", f"{catalogs}/{WAREHOUSE}/catalog-roles/catalog_admin/grants", grant)

    def _ask(self, endpoint: Endpoint, method: str, address: str, body: Mapping[str, Any]) -> None:
        try:
            headers = login_headers(self.catalog(endpoint).authentication, method, address)
        except LakebenchError as error:
            raise OSError(str(error)) from error
        http(address, method=method, body=body, headers={**headers, "Polaris-Realm": _REALM})


def _base(endpoint: Endpoint) -> str:
    return endpoint.uri.removesuffix("/api/catalog")
