"""AWS Glue's catalog, emulated by MiniStack, and the REST catalog bridge over it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import ClassVar

from lakebench.http import HOST, http
from lakebench.model import Catalog, CatalogKind, Endpoint
from lakebench.provisioning import environments
from lakebench.services.base import Command
from lakebench.services.catalog import CatalogService, with_warehouse
from lakebench.services.private import PrivateService
from lakebench.services.rest_catalog import RestCatalogService


class GlueService(PrivateService, CatalogService):
    """An emulator of Glue's interface: what it says of AWS's own Glue is a hint, and no proof.

    It verifies no signature, so it runs where nobody else reaches it.
    Endpoint: ``uri`` is its address, which stands for that of Glue in a region; property ``warehouse``.
    """

    name = "glue"
    choice = "glue"
    observer = "glue-bridge"
    title = "Glue (emulated by MiniStack)"
    version = "1.5.33"
    needs = ("object-store",)
    memory = 256 * 2**20
    ports = ("http",)
    offered = ("http",)
    start_s = 60

    def prepare(self) -> None:
        """Get the emulator."""
        self.require_private_network()
        self._python = environments.locked_environment("glue", self.context.progress)

    def command(self, ports: Mapping[str, int]) -> Command:
        """Its settings are variables; nothing but Glue's interface is switched on."""
        environment = {
            "BIND_HOST": HOST,
            "MINISTACK_HOST": HOST,
            "GATEWAY_PORT": str(ports["http"]),
            "SERVICES": "glue",
            "STATE_DIR": str(self.folder / "state"),
            "PERSIST_STATE": "1",
            "IOT_MTLS_ENABLED": "0",
            "DOCKER_HOST": f"unix://{self.folder}/no-docker",  # else it looks for the machine's
        }
        return self.in_private_network(Command([str(self._python), "-I", "-m", "ministack"], environment), ports)

    def local_endpoint(self, ports: Mapping[str, int]) -> Endpoint:
        """The address of the emulator."""
        port, bucket = ports["http"], self.context.endpoint("object-store").properties["bucket"]
        properties = {"warehouse": f"s3://{bucket}/glue", "setting.emulated": f"by MiniStack {self.version}"}
        uri = f"http://{HOST}:{port}"
        return Endpoint(self.name, self.runtime, uri, HOST, port, self.version, properties=properties)

    def external_endpoint(self) -> Endpoint:
        """An emulator of the user's; AWS's own Glue is a catalog under ``[catalog.NAME]``."""
        return with_warehouse(super().external_endpoint())

    @staticmethod
    def catalog(endpoint: Endpoint) -> Catalog:
        """Glue without authentication: the emulator takes whatever keys its clients insist on."""
        return Catalog(CatalogKind.GLUE, endpoint.uri, endpoint.properties["warehouse"])

    def check(self, endpoint: Endpoint) -> None:
        """It answers a request of Glue's."""
        headers = {"X-Amz-Target": "AWSGlue.GetDatabases", "Content-Type": "application/x-amz-json-1.1"}
        json.loads(http(endpoint.uri, method="POST", body=b"{}", headers=headers))["DatabaseList"]


class GlueBridge(RestCatalogService):
    """The reference catalog's servlet over the emulated Glue: its tables for engines that speak REST only."""

    name = "glue-bridge"
    choice: ClassVar[str] = "glue-bridge"
    title = "the REST catalog bridge to the emulated Glue"
    needs: ClassVar[tuple[str, ...]] = ("object-store", "glue")

    def _behind(self, bucket: str) -> dict[str, str]:
        glue = self.context.endpoint("glue")
        warehouse = glue.properties["warehouse"] or f"s3://{bucket}/glue"
        implementation = "org.apache.iceberg.aws.glue.GlueCatalog"
        return {"catalog-impl": implementation, "glue.endpoint": glue.uri, "warehouse": warehouse}

    def arguments(self, ports: Mapping[str, int]) -> list[str]:
        """With keys, which the client takes from here alone; the emulator takes any."""
        store = self.context.endpoint("object-store")
        keys = [f"-Daws.accessKeyId={store.user}", f"-Daws.secretAccessKey={store.password}"]
        return [*keys, *super().arguments(ports)]
