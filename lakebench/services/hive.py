"""Hive's metastore, spoken to by Thrift, and the REST catalog bridge over it."""

from __future__ import annotations

import dataclasses
import socket
from collections.abc import Mapping
from typing import ClassVar
from xml.sax.saxutils import escape

from lakebench.errors import ServiceUnavailable
from lakebench.http import HOST
from lakebench.iceberg import catalog_properties
from lakebench.model import Catalog, CatalogKind, Endpoint, Runtime
from lakebench.provisioning import artifacts
from lakebench.services.base import Command
from lakebench.services.catalog import CatalogService, with_warehouse
from lakebench.services.java import JavaService
from lakebench.services.own_database import OwnDatabase
from lakebench.services.private import PrivateService
from lakebench.services.quoting import class_path, java_arguments
from lakebench.services.rest_catalog import RestCatalogService
from lakebench.services.spark import installed_spark

_METASTORE = "org.apache.hadoop.hive.metastore"
_SCHEMA_S = 120
_ANSWER_S = 5
# A call of getName without arguments: Thrift's binary protocol, fb303's interface.
_CALL = b"\x80\x01\x00\x01\x00\x00\x00\x07getName\x00\x00\x00\x00\x00"
_REPLY = b"\x80\x01\x00\x02"


class HiveService(OwnDatabase, PrivateService, JavaService, CatalogService):
    """Hive's standalone metastore, its tables in a database of its own in ``postgres``.

    It asks nobody who he is, so it runs where nobody else reaches it.
    Endpoint: ``uri`` is the Thrift address; property ``warehouse``.
    """

    name = "hive"
    choice = "hive"
    observer = "hive-bridge"
    title = "Hive's metastore"
    version = "4.0.0"
    needs = ("object-store", "postgres")
    memory = 512 * 2**20
    ports = ("thrift",)
    offered = ("thrift",)
    start_s = 90

    def prepare(self) -> None:
        """Get the server, a driver and a Java."""
        self.require_private_network()
        self._home = artifacts.hive_home(self.context.progress)
        self._jars = artifacts.ensure("hive", self.context.progress)[1:]
        self.java = self.find_java(17, 21)
        self._store, self._postgres = (self._of_this_machine(one) for one in self.needs)
        self.hide(self._store.password)
        self.hide(self._postgres.password)

    def _of_this_machine(self, need: str) -> Endpoint:
        endpoint = self.context.endpoint(need)
        if endpoint.host in {HOST, "localhost"}:
            return endpoint
        raise ServiceUnavailable(
            f"{self.title} runs in a network of its own, from which it does not reach {need} at {endpoint.host}: name "
            f"a metastore of yours with runtime external under [{self.settings_table}], or start {need} here"
        )

    def _make_tables(self) -> None:
        """The tables of a metastore by Hive's own schema tool, in a process that ends.

        Raises:
            ServiceUnavailable: it fails.
        """
        tool = f"{_METASTORE}.tools.schematool.MetastoreSchemaTool"
        options = ["-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-cp", self._classpath(), tool]
        self._configure(0)
        file = self.private("schema.args", java_arguments([*options, "-dbType", "postgres", "-initSchema"]))
        command = Command([str(self.java), f"@{file}"], self._environment())
        self.run_once(command, _SCHEMA_S, "its schema tool did not make its tables")

    def _classpath(self) -> str:
        return class_path([self.folder, f"{self._home}/lib/*", *self._jars])

    def _environment(self) -> dict[str, str]:
        return {"METASTORE_HOME": str(self._home), "METASTORE_CONF_DIR": str(self.folder)}

    def command(self, ports: Mapping[str, int]) -> Command:
        """Java in a network of its own, from which it reaches the store and the database."""
        self.make_database(self._make_tables)
        self._configure(ports["thrift"])
        command = dataclasses.replace(super().command(ports), env=self._environment())
        return self.in_private_network(command, ports, (self._store.port, self._postgres.port))

    def arguments(self, ports: Mapping[str, int]) -> list[str]:  # noqa: ARG002 - they are in the configuration
        """The server finds its configuration in its folder."""
        quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
        return [*quick, "-cp", self._classpath(), f"{_METASTORE}.HiveMetaStore"]

    def _configure(self, port: int) -> None:
        properties = "".join(
            f"<property><name>{key}</name><value>{escape(value)}</value></property>\n"
            for key, value in self._properties(port).items()
        )
        self.private("metastore-site.xml", f'<?xml version="1.0"?>\n<configuration>\n{properties}</configuration>\n')
        self.private("log4j2.properties", _LOGGING)

    def _properties(self, port: int) -> dict[str, str]:
        store, postgres, jdo = self._store, self._postgres, "javax.jdo.option.Connection"
        return {
            "metastore.thrift.bind.host": HOST,
            "metastore.thrift.port": str(port),
            f"{jdo}URL": f"jdbc:postgresql://{HOST}:{postgres.port}/{self.database}",
            f"{jdo}DriverName": "org.postgresql.Driver",
            f"{jdo}UserName": postgres.user,
            f"{jdo}Password": postgres.password,
            "metastore.warehouse.dir": self._warehouse(),
            "metastore.warehouse.external.dir": f"{self._warehouse()}-external",  # Hive refuses the same for both
            "metastore.expression.proxy": f"{_METASTORE}.DefaultPartitionExpressionProxy",
            "metastore.task.threads.always": f"{_METASTORE}.events.EventCleanerTask",
            "metastore.housekeeping.threads.on": "false",
            "fs.s3.impl": "org.apache.hadoop.fs.s3a.S3AFileSystem",
            "fs.s3a.endpoint": store.uri,
            "fs.s3a.endpoint.region": store.properties["region"],
            "fs.s3a.path.style.access": "true",
            "fs.s3a.access.key": store.user,
            "fs.s3a.secret.key": store.password,
        }

    def _warehouse(self) -> str:
        return f"s3://{self._store.properties['bucket']}/hive"

    def local_endpoint(self, ports: Mapping[str, int]) -> Endpoint:
        """The Thrift address."""
        port, properties = ports["thrift"], {"warehouse": self._warehouse()}
        uri = f"thrift://{HOST}:{port}"
        return Endpoint(self.name, self.runtime, uri, HOST, port, self.version, properties=properties)

    def external_endpoint(self) -> Endpoint:
        """The user's metastore: ``uri`` is ``thrift://host:port``; ``warehouse`` is empty where none is given."""
        return with_warehouse(super().external_endpoint())

    @staticmethod
    def catalog(endpoint: Endpoint) -> Catalog:
        """The metastore; it asks for no login."""
        return Catalog(CatalogKind.HIVE, endpoint.uri, endpoint.properties["warehouse"])

    def check(self, endpoint: Endpoint) -> None:
        """It answers a call."""
        with socket.create_connection((endpoint.host, endpoint.port), timeout=_ANSWER_S) as connection:
            connection.sendall(_CALL)
            if not connection.recv(len(_REPLY)).startswith(_REPLY):
                raise OSError("it does not answer a call of Thrift yet")


_LOGGING = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d %p %c{1}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
"""


class HiveBridge(RestCatalogService):
    """The reference catalog's servlet over Hive's metastore: its tables for engines that speak REST only."""

    name = "hive-bridge"
    choice: ClassVar[str] = "hive-bridge"
    title = "the REST catalog bridge to Hive's metastore"
    needs: ClassVar[tuple[str, ...]] = ("object-store", "hive")

    def prepare(self) -> None:
        """Get Iceberg's catalog, and find the client of Hive that PySpark brings."""
        super().prepare()
        if self.runtime is Runtime.COMPOSE:
            raise ServiceUnavailable(f"{self.title} has no compose file: use runtime local, or external with a uri")
        spark = sorted(jar for pattern in _CLIENT for jar in (installed_spark() / "jars").glob(pattern))
        self._classpath = [*self._classpath, *artifacts.ensure("hive-bridge", self.context.progress), *spark]

    def _behind(self, bucket: str) -> dict[str, str]:
        properties = catalog_properties.java(HiveService.catalog(self.context.endpoint("hive")))
        del properties["type"]
        hive = {"catalog-impl": "org.apache.iceberg.hive.HiveCatalog"}
        return {"warehouse": f"s3://{bucket}/hive", **properties, **hive}


_CLIENT = tuple(f"{one}-*.jar" for one in ("hive", "libthrift", "libfb303", "commons-lang", "guava", "failureaccess"))
