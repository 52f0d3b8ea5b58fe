"""Ray: a cluster of several nodes on this machine, or one of the user's."""

from __future__ import annotations

import dataclasses
import json
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from lakebench import engines
from lakebench.engines.ray import ENVIRONMENT, RAY, variables
from lakebench.errors import ServiceUnavailable, UsageError
from lakebench.http import HOST
from lakebench.model import Endpoint, EngineRef, Runtime
from lakebench.provisioning import environments
from lakebench.services.base import Command, Context, Service

WORKERS = "workers"
_USUAL_WORKERS = 2
_PORT = 6379
_NODES = Path(__file__).with_name("ray_nodes.py")
_SOCKET_PATH = 107  # bytes that Linux has for the path of a socket
_SOCKET_NAME = len("/ray/session_2026-01-01_00-00-00_000000_0000000/sockets/plasma_store.00")
_LOG = 20_000  # characters
_OBJECT_STORE_SHARE = 4  # of a node's memory, one part of this many is for objects


class RayService(Service):
    """A head without CPUs, and worker nodes with one each, all on 127.0.0.1 and behind one token.

    Endpoint: ``uri`` is the address as ``ray.init`` takes it, ``password`` the token. The property ``workers`` of the
    settings is the number of worker nodes. ``memory`` is that of each.
    """

    name = "ray"
    title = "Ray"
    version = RAY
    memory = 2 * 2**30
    start_s = 240  # each node is several processes of Python
    stop_s = 10
    ports = ("gcs",)

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.password = secrets.token_hex(32)
        self.hide(self.password)

    @property
    def workers(self) -> int:
        """The number of worker nodes.

        Raises:
            UsageError: the setting is no number, or none of a cluster.
        """
        text = self.context.settings.properties.get(WORKERS, str(_USUAL_WORKERS))
        if not (text.isdecimal() and 1 <= int(text) <= 64):  # noqa: PLR2004 - as said in the message
            raise UsageError(f"{self.settings_table}.properties.workers = '{text}': write a number from 1 to 64")
        return int(text)

    def prepare(self) -> None:
        """Get Ray's environment; it has the packages that tasks need, too."""
        if self.runtime is Runtime.COMPOSE:
            raise ServiceUnavailable("Ray has no compose file: use runtime local, or external with a uri")
        if (length := len(str(self.folder)) + _SOCKET_NAME) > _SOCKET_PATH:
            raise ServiceUnavailable(
                f"Ray's sockets would have paths of {length} bytes, and {_SOCKET_PATH} are possible: set TMPDIR to a "
                "shorter folder"
            )
        of_ray = next(one for one in engines.engines().values() if one.environment == ENVIRONMENT)
        self._python = environments.python_for(of_ray, EngineRef(of_ray.name), self.context.progress)

    def command(self, ports: Mapping[str, int]) -> Command:
        """The nodes as one program; the token is in its environment, which only its owner can read."""
        settings = {
            "host": HOST,
            "port": ports["gcs"],
            "folder": str(self.folder),
            "workers": self.workers,
            "memory": self.limit,
            "object_store": self.limit // _OBJECT_STORE_SHARE,
            "node_s": self.start_s,
        }
        environment = variables(self.password, str(self.folder), local=True)
        return Command([str(self._python), "-P", str(_NODES), json.dumps(settings)], environment)

    def local_endpoint(self, ports: Mapping[str, int]) -> Endpoint:
        """The address of the head."""
        port, tuned = ports["gcs"], {"setting.workers": str(self.workers), "setting.memory": f"{self.limit}"}
        endpoint = Endpoint(self.name, self.runtime, f"{HOST}:{port}", HOST, port, self.version, properties=tuned)
        return dataclasses.replace(endpoint, password=self.password)

    def external_endpoint(self) -> Endpoint:
        """The user's cluster: ``uri`` is ``tcp://host:port`` of its head, or ``ray://…``; ``password`` its token.

        Ray itself knows the first without a scheme.

        Raises:
            UsageError: ``uri`` is another one.
        """
        uri = self.context.settings.uri
        address = urlsplit(uri)
        if address.scheme not in {"tcp", "ray"} or not address.hostname or not address.port:
            raise UsageError(f"{self.settings_table}.uri: write tcp://host:port of the head, or ray://host:port")
        endpoint = super().external_endpoint()
        ours = uri.removeprefix("tcp://")
        return dataclasses.replace(endpoint, uri=ours, host=address.hostname, port=address.port)

    def check(self, endpoint: Endpoint) -> None:
        """The head takes connections; of our own cluster, every node has joined.

        Raises:
            OSError: not yet.
        """
        with socket.create_connection((endpoint.host, endpoint.port), timeout=5):
            pass
        if endpoint.runtime is not Runtime.EXTERNAL and "ready" not in self.log_tail(_LOG).splitlines():
            raise OSError("not all of its nodes have joined")

    def nodes(self) -> list[int]:
        """The process of each node that is ours, the head's first: the one that starts workers."""
        return nodes_among(self.processes())


def nodes_among(pids: list[int]) -> list[int]:
    """Those of ``pids`` that are raylets, the oldest first."""
    started = {}
    for pid in pids:
        try:
            process = psutil.Process(pid)
            if process.name() == "raylet":
                started[pid] = process.create_time()
        except psutil.Error:
            continue
    return sorted(started, key=lambda pid: started[pid])
