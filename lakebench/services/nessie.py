"""Nessie: a catalog with branches and tags, spoken to by its Iceberg REST API."""

from __future__ import annotations

import base64
import dataclasses
import json
import time
from collections.abc import Mapping

from lakebench.http import HOST, bearer, http
from lakebench.model import Catalog, CatalogKind, Endpoint, bearer_token
from lakebench.provisioning import artifacts
from lakebench.services.catalog import CatalogService
from lakebench.services.java import JavaService
from lakebench.services.quoting import java_properties

WAREHOUSE = "lake"
_YEAR_S = 365 * 24 * 3600


class NessieService(JavaService, CatalogService):
    """Nessie's server, its commits in RocksDB below the service's folder, so that a restart keeps them.

    It answers only requests with a bearer token: a JSON Web Token signed here; the server gets the public key.
    Endpoint: ``uri`` is the Iceberg REST address without a reference (clients use ``<uri>/<ref>``), ``password`` the
    token; properties ``api`` (Nessie's own API, version 2), ``warehouse``, and ``expired-token``, which was one.
    """

    name = "nessie"
    choice = "nessie"
    title = "Nessie"
    version = "0.99.0"
    needs = ("object-store",)
    memory = 2**30
    ports = ("http", "management")
    start_s = 120

    def prepare(self) -> None:
        """Get Nessie and a Java."""
        (self._jar,) = artifacts.ensure("nessie", self.context.progress)
        self.java = self.find_java(21, 25)
        self._key, self.password, self._expired = _key_and_tokens()
        self.hide(self.password)

    def arguments(self, ports: Mapping[str, int]) -> list[str]:
        """Quarkus reads everything from a properties file."""
        properties = self.private("nessie.properties", java_properties(self._properties(ports)))
        # A catalog answers few and small requests: the second compiler costs more than it gives within a run.
        quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
        return [*quick, f"-Dquarkus.config.locations={properties.as_uri()}", "-jar", str(self._jar)]

    def _properties(self, ports: Mapping[str, int]) -> dict[str, str]:
        store = self.context.endpoint("object-store")
        self.hide(store.password)
        s3 = "nessie.catalog.service.s3.default-options"
        return {
            "quarkus.http.host": HOST,
            "quarkus.http.port": str(ports["http"]),
            "quarkus.management.host": HOST,
            "quarkus.management.port": str(ports["management"]),
            "quarkus.http.access-log.enabled": "false",
            "quarkus.otel.sdk.disabled": "true",
            "nessie.server.authentication.enabled": "true",
            "quarkus.oidc.tenant-enabled": "true",
            "quarkus.oidc.public-key": self._key,
            "nessie.version.store.type": "ROCKSDB",
            "nessie.version.store.persist.rocks.database-path": str(self.folder / "commits"),
            "nessie.catalog.default-warehouse": WAREHOUSE,
            f"nessie.catalog.warehouses.{WAREHOUSE}.location": f"s3://{store.properties['bucket']}/nessie/",
            f"{s3}.endpoint": store.uri,
            f"{s3}.region": store.properties["region"],
            f"{s3}.path-style-access": "true",
            # Clients have keys of their own, and not all can ask for a signature.
            f"{s3}.request-signing-enabled": "false",
            f"{s3}.access-key": "urn:nessie-secret:quarkus:lakebench.s3",
            "lakebench.s3.name": store.user,
            "lakebench.s3.secret": store.password,
        }

    def local_endpoint(self, ports: Mapping[str, int]) -> Endpoint:
        """The Iceberg REST address, and Nessie's own."""
        base = f"http://{HOST}:{ports['http']}"
        properties = {"api": f"{base}/api/v2", "warehouse": WAREHOUSE, "expired-token": self._expired}
        uri, port = f"{base}/iceberg", ports["http"]
        endpoint = Endpoint(self.name, self.runtime, uri, HOST, port, self.version, properties=properties)
        return dataclasses.replace(endpoint, password=self.password)

    @staticmethod
    def catalog(endpoint: Endpoint) -> Catalog:
        """Nessie at its branch ``main``."""
        warehouse, token = endpoint.properties["warehouse"], bearer_token(endpoint.password)
        return Catalog(CatalogKind.REST, endpoint.uri, warehouse, "main", authentication=token)

    def external_endpoint(self) -> Endpoint:
        """The user's Nessie: ``uri`` ends in ``/iceberg``; ``api`` and ``warehouse`` have the usual values."""
        endpoint = super().external_endpoint()
        api = endpoint.uri.removesuffix("/iceberg") + "/api/v2"
        return dataclasses.replace(endpoint, properties={"api": api, "warehouse": WAREHOUSE, **endpoint.properties})

    def check(self, endpoint: Endpoint) -> None:
        """Both APIs answer, and the catalog's own check of its warehouse and store passes."""
        token = bearer(endpoint.password)
        http(f"{endpoint.properties['api']}/config", headers=token)
        http(f"{endpoint.uri}/v1/config?warehouse={endpoint.properties['warehouse']}", headers=token, timeout=20)


def _key_and_tokens() -> tuple[str, str, str]:
    """A new public key (DER in base64) and two tokens that it verifies: good for a year, and expired a year ago."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    public = key.public_key().public_bytes(serialization.Encoding.DER, form)
    now = int(time.time())

    def token(issued: int) -> str:
        claims = {"sub": "lakebench", "iat": issued, "exp": issued + _YEAR_S}
        signed = b".".join(_encoded(json.dumps(part).encode()) for part in ({"alg": "RS256", "typ": "JWT"}, claims))
        signature = key.sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return (signed + b"." + _encoded(signature)).decode()

    return base64.b64encode(public).decode(), token(now), token(now - 2 * _YEAR_S)


def _encoded(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")
