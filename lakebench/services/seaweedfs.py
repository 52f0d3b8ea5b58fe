"""SeaweedFS: an object store that is an Iceberg REST catalog too, with OAuth 2.0 and vended credentials."""

from __future__ import annotations

import base64
import dataclasses
import json
import secrets
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from urllib.parse import urlencode

from lakebench.errors import LakebenchError
from lakebench.http import HOST, http
from lakebench.iceberg.login import login_headers
from lakebench.model import Catalog, CatalogKind, Delegation, Endpoint, OAuth2, ObjectStore
from lakebench.provisioning import environments
from lakebench.services.base import Command, Context
from lakebench.services.catalog import CatalogService
from lakebench.services.private import PrivateService

BUCKET = "lake"
OBJECTS = "objects"
REGION = "us-east-1"
VENDED = "arn:aws:iam::000000000000:role/Vended"
"""The role by which the catalog gives keys for a table."""
ASSUMED = "arn:aws:iam::000000000000:role/Assumed"
"""The role by which who has the store's keys gives others keys for a part of :data:`OBJECTS`."""
_SIGNING_BYTES = 32
_SESSIONS = {"maxSessionLength": "12h", "issuer": "lakebench"}
_PARTS = ("master", "volume", "filer", "s3", "admin")
_SOCKETS = ("master-grpc", "volume-grpc", "filer", "filer-grpc", "s3", "s3-grpc", "admin-grpc")


class SeaweedFSService(PrivateService, CatalogService):
    """One program (``weed mini``) with the catalog, the S3 gateway, and the servers behind them.

    The catalog and the S3 gateway ask for credentials; the servers behind them do not, so all run where nobody else
    reaches them. The catalog gives a token for the store's keys (OAuth 2.0's client credentials), and keys of the store
    that are good for one table and ``key_lifetime``.
    Endpoint: ``uri`` is the Iceberg REST address, ``user`` and ``password`` are the keys; properties ``s3`` (the
    address of the store), ``bucket`` (that of the tables, which takes no other files), ``objects`` (a bucket of any
    files), ``region`` and ``warehouse``.
    """

    name = "seaweedfs"
    choice = "seaweedfs"
    short_keys = "seaweedfs-short-keys"
    title = "SeaweedFS"
    version = "4.48"
    memory = 512 * 2**20
    ports = ("iceberg", *_PARTS, *(f"{part}_grpc" for part in _PARTS))
    offered = ("iceberg", "s3")
    start_s = 60
    key_lifetime: ClassVar[str] = "1h"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._signing_key = base64.b64encode(secrets.token_bytes(_SIGNING_BYTES)).decode()
        self.hide(self._signing_key)

    def prepare(self) -> None:
        """Get the program, and make the folder of the data."""
        self.require_private_network()
        python = environments.locked_environment("seaweedfs", self.context.progress)
        self._weed = python.with_name("weed")
        self._data = self.kept() / "data"
        self._data.mkdir(mode=0o700, exist_ok=True)

    def command(self, ports: Mapping[str, int]) -> Command:
        """All settings are options, but for the keys and rights, which are in a file."""
        config = self.private("s3.json", json.dumps(self._rights()))
        options = {
            "dir": str(self._data),
            "ip": HOST,
            "ip.bind": HOST,
            "tableBucket": BUCKET,
            "bucket": OBJECTS,
            "admin.ui": "false",
            "webdav": "false",
            "master.telemetry": "false",
            **{f"{part}.port": str(ports[part]) for part in _PARTS},
            **{f"{part}.port.grpc": str(ports[f"{part}_grpc"]) for part in _PARTS},
            "s3.port.iceberg": str(ports["iceberg"]),
            "s3.port.lance": "0",
            "s3.config": str(config),
            "s3.iam.config": str(config),
            "s3.iceberg.credentialRole": VENDED,
            "s3.iceberg.credentialDurationSeconds": "0",  # as long as tokenDuration, which may be below 900 s
            "s3.externalUrl": f"http://{HOST}:{ports['s3']}",
        }
        argv = [str(self._weed), "mini", *(f"-{key}={value}" for key, value in options.items())]
        limit = {"GOMEMLIMIT": f"{self.limit}"}
        return self.in_private_network(Command(argv, limit, leaves=_sockets(ports)), ports)

    def _rights(self) -> dict[str, Any]:
        """The one who may do everything, and the roles of those who get keys for less."""
        keys = {"accessKey": self.user, "secretKey": self.password}
        everything = ["Admin", "Read", "Write", "List", "Tagging"]
        by_catalog = {"Principal": {"Federated": "iceberg-catalog"}, "Action": ["sts:AssumeRoleWithCredentials"]}
        by_client = {"Principal": {"AWS": "*"}, "Action": ["sts:AssumeRole"]}
        return {
            "identities": [{"name": "lakebench", "credentials": [keys], "actions": everything}],
            "sts": {**_SESSIONS, "tokenDuration": self.key_lifetime, "signingKey": self._signing_key},
            "policies": [_policy(VENDED, BUCKET), _policy(ASSUMED, OBJECTS)],
            "roles": [_role(VENDED, by_catalog), _role(ASSUMED, by_client)],
        }

    def local_endpoint(self, ports: Mapping[str, int]) -> Endpoint:
        """The REST address, and the store's."""
        s3, uri = f"http://{HOST}:{ports['s3']}", f"http://{HOST}:{ports['iceberg']}"
        properties = {"s3": s3, "bucket": BUCKET, "objects": OBJECTS, "region": REGION, "warehouse": f"s3://{BUCKET}"}
        endpoint = Endpoint(self.name, self.runtime, uri, HOST, ports["iceberg"], self.version, properties=properties)
        return dataclasses.replace(endpoint, user=self.user, password=self.password)

    def external_endpoint(self) -> Endpoint:
        """The user's: ``uri`` is the REST address, ``properties.s3`` the store's."""
        endpoint = super().external_endpoint()
        ours = {"s3": "", "bucket": BUCKET, "objects": OBJECTS, "region": REGION}
        properties = {**ours, **endpoint.properties}
        return dataclasses.replace(endpoint, properties={"warehouse": f"s3://{properties['bucket']}", **properties})

    @staticmethod
    def catalog(endpoint: Endpoint) -> Catalog:
        """The REST catalog: a token for the keys, and keys for each table."""
        login = OAuth2(f"{endpoint.uri}/v1/oauth/tokens", endpoint.user, endpoint.password)
        warehouse, vended = endpoint.properties["warehouse"], Delegation.VENDED_CREDENTIALS
        return Catalog(CatalogKind.REST, endpoint.uri, warehouse, authentication=login, delegation=vended)

    @classmethod
    def store(cls, look: Callable[[str], Endpoint]) -> ObjectStore:
        """Its own S3 gateway."""
        endpoint = look(cls.name)
        properties = endpoint.properties
        return ObjectStore(
            properties["s3"], properties["bucket"], endpoint.user, endpoint.password, properties["region"]
        )

    def check(self, endpoint: Endpoint) -> None:
        """The catalog knows its warehouse, gives a token, and lists what it holds."""
        query = urlencode({"warehouse": endpoint.properties["warehouse"]})
        answer = json.loads(http(f"{endpoint.uri}/v1/config?{query}", timeout=20))
        namespaces = f"{endpoint.uri}/v1/{answer['overrides']['prefix']}/namespaces"
        try:
            headers = login_headers(self.catalog(endpoint).authentication, "GET", namespaces)
        except LakebenchError as error:
            raise OSError(str(error)) from error
        http(namespaces, headers=headers, timeout=20)


class ShortKeysService(SeaweedFSService):
    """SeaweedFS whose catalog gives keys that end soon; for checks of what happens then."""

    name = "seaweedfs-short-keys"
    choice = ""
    short_keys = ""
    title = "SeaweedFS with short-lived keys"
    key_lifetime: ClassVar[str] = "20s"


def _allowed(statement: Mapping[str, Any]) -> dict[str, Any]:
    """A document of AWS's kind with one statement."""
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement}]}


def _policy(role: str, bucket: str) -> dict[str, Any]:
    resources = [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]
    return {"name": _named(role), "document": _allowed({"Action": ["s3:*"], "Resource": resources})}


def _role(role: str, trust: Mapping[str, Any]) -> dict[str, Any]:
    name = _named(role)
    return {"roleName": name, "roleArn": role, "trustPolicy": _allowed(trust), "attachedPolicies": [name]}


def _named(role: str) -> str:
    return role.rpartition("/")[2]


def _sockets(ports: Mapping[str, int]) -> list[str]:
    """The sockets by which its parts reach each other, which it makes there whatever TMPDIR says."""
    return [f"/tmp/seaweedfs-{one}-{ports[one.replace('-', '_')]}.sock" for one in _SOCKETS]  # noqa: S108 - as said
