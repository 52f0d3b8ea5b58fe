"""Flink: an SQL gateway that runs each job in its own process, on whose sessions the catalogs are made by SQL."""

from __future__ import annotations

import dataclasses
import ipaddress
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from lakebench.engines.flink.gateway import CERTIFICATE, Gateway
from lakebench.errors import ServiceUnavailable
from lakebench.http import HOST
from lakebench.model import Endpoint, Runtime
from lakebench.provisioning import artifacts
from lakebench.services.base import Command
from lakebench.services.java import JavaService
from lakebench.services.quoting import class_path

_MAIN = "org.apache.flink.table.gateway.SqlGateway"
_CIPHERS = "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"  # Flink's default is for keys of RSA
_VALID = timedelta(days=30)
# What Flink's own configuration has as env.java.opts.all.
_EXPORTED = ("java.base/sun.net.util", "java.rmi/sun.rmi.registry", "java.security.jgss/sun.security.krb5")
_OPENED = (
    "java.lang",
    "java.net",
    "java.io",
    "java.nio",
    "sun.nio.ch",
    "java.lang.reflect",
    "java.text",
    "java.time",
    "java.util",
    "java.util.concurrent",
    "java.util.concurrent.atomic",
    "java.util.concurrent.locks",
)


class FlinkService(JavaService):
    """An SQL gateway on 127.0.0.1, and the small cluster that it starts for each job.

    Flink knows no passwords. All of its ports speak TLS, and let in who has the key of this run alone.
    Endpoint: ``uri`` is the ``https`` address; properties ``certificate`` (the path of a PEM file with key and
    certificate) and ``setting.<name>``, the server's settings that are not its defaults.
    """

    name = "flink"
    title = "Flink"
    version = "2.1.1"
    memory = 2 * 2**30
    start_s = 120
    ports: ClassVar[tuple[str, ...]] = ("rest",)

    def prepare(self) -> None:
        """Get Flink's jars, Iceberg's runtime and a Java that Flink supports; make a key."""
        if self.runtime is Runtime.COMPOSE:
            raise ServiceUnavailable("Flink has no compose file: use runtime local, or external with a uri")
        self._jars = artifacts.ensure("flink", self.context.progress)
        self.java = self.find_java(17, 21)
        self._store, self._pem = self._key()

    def arguments(self, ports: Mapping[str, int]) -> list[str]:
        """Flink's options of Java; its settings are in a file of its own."""
        settings = "".join(f"{key}: {json.dumps(value)}\n" for key, value in self._settings(ports).items())
        self.private("config.yaml", settings)
        exported = [f"--add-exports={one}=ALL-UNNAMED" for one in _EXPORTED]
        opened = [f"--add-opens=java.base/{one}=ALL-UNNAMED" for one in _OPENED]
        logging = ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-Dorg.slf4j.simpleLogger.showDateTime=true"]
        processors = f"-XX:ActiveProcessorCount={self._threads}"
        return [processors, *exported, *opened, *logging, "-cp", class_path(self._jars), _MAIN]

    def command(self, ports: Mapping[str, int]) -> Command:
        """With the folder of its settings."""
        return dataclasses.replace(super().command(ports), env={"FLINK_CONF_DIR": str(self.folder)})

    @property
    def _threads(self) -> int:
        return self.context.all_settings.engine("flink").threads

    def _settings(self, ports: Mapping[str, int]) -> dict[str, Any]:
        store = {"keystore": str(self._store), "truststore": str(self._store)}
        passwords = dict.fromkeys(("keystore-password", "key-password", "truststore-password"), self.password)
        ssl = {
            f"security.ssl.{of}.{key}": text for of in ("rest", "internal") for key, text in (store | passwords).items()
        }
        return {
            "sql-gateway.endpoint.rest.address": HOST,
            "sql-gateway.endpoint.rest.bind-address": HOST,
            "sql-gateway.endpoint.rest.port": ports["rest"],
            "sql-gateway.endpoint.rest.bind-port": str(ports["rest"]),
            "sql-gateway.session.idle-timeout": "24 h",
            "jobmanager.bind-host": HOST,
            "taskmanager.bind-host": HOST,
            "rest.address": HOST,
            "rest.bind-address": HOST,
            "rest.bind-port": "0",
            "io.tmp.dirs": str(self.folder),
            "security.ssl.algorithms": _CIPHERS,
            "security.ssl.internal.enabled": True,
            "security.ssl.rest.enabled": True,
            "security.ssl.rest.authentication-enabled": True,
            **ssl,
            "web.submit.enable": False,
            "classloader.check-leaked-classloader": False,
            **self._tuned(),
        }

    def _tuned(self) -> dict[str, str]:
        """The settings that a report shows."""
        return {
            "execution.target": "local",
            "parallelism.default": str(self._threads),
            "taskmanager.numberOfTaskSlots": str(self._threads),
            "taskmanager.memory.managed.size": f"{self.limit // 4 // 2**20}m",
            "taskmanager.memory.network.max": "128m",
        }

    def _key(self) -> tuple[Path, Path]:
        """A key with its own certificate, as Java's key store and as PEM."""
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.serialization import pkcs12

        key, certificate = _certificate()
        secret = serialization.BestAvailableEncryption(self.password.encode())
        packed = pkcs12.serialize_key_and_certificates(b"flink", key, certificate, None, secret)
        plain = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        pem = plain + certificate.public_bytes(serialization.Encoding.PEM)
        return self.private("key.p12", packed), self.private("key.pem", pem)

    def local_endpoint(self, ports: Mapping[str, int]) -> Endpoint:
        """The gateway's address."""
        properties = {f"setting.{key}": value for key, value in self._tuned().items()}
        port, properties[CERTIFICATE] = ports["rest"], str(self._pem)
        uri = f"https://{HOST}:{port}"
        return Endpoint(self.name, self.runtime, uri, HOST, port, self.version, properties=properties)

    def check(self, endpoint: Endpoint) -> None:
        """The gateway says what it is."""
        Gateway(endpoint).info()


def _certificate() -> tuple[Any, Any]:
    """A new key, and a certificate that it signs itself, for 127.0.0.1."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lakebench")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST)), x509.DNSName("localhost")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _VALID)
        .not_valid_after(now + _VALID)
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    return key, certificate
