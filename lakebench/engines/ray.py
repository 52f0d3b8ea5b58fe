"""What the engines on Ray share: the packages of their common environment, and how a driver connects."""

from __future__ import annotations

import os
import re
import sys
from typing import Any

from lakebench.engines.boundary import engine_call
from lakebench.errors import EngineUnavailable, Refused
from lakebench.http import HOST
from lakebench.model import Endpoint

RAY = "2.60.0"
"""The version of our own cluster; a driver must have that of its cluster, and the same minor version of Python."""
ENVIRONMENT = f"ray-{RAY}"
_DUCKDB = "1.5.5"
_EXTENSIONS = ("httpfs", "ducklake", "postgres-scanner")
DAFT = "0.7.26"
_GENERATOR = "tpchgen-cli==4.0.0"  # with it the cluster makes data of its own (CanDistribute)
PACKAGES: tuple[str, ...] = (
    f"duckdb=={_DUCKDB}",
    *(f"duckdb-extension-{name}=={_DUCKDB}" for name in _EXTENSIONS),
    "pyiceberg[pyarrow]==0.12.0",
    _GENERATOR,
)
"""What the tasks of every engine on Ray need beside Ray and Daft, in the versions that are installed here."""
_LOCAL = {
    # Without it Ray takes another address of this machine for 127.0.0.1, and listens on all of them.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # A node ends itself where its helpers, each a process of Python, have not started in time.
    "RAY_agent_register_timeout_ms": "240000",
    "RAY_worker_register_timeout_seconds": "240",
    # A node that was killed refuses connections at once: five of them say that it is dead, not 3 seconds apart.
    "RAY_health_check_period_ms": "1000",
}
_OF_CLUSTER = re.compile(r"cluster was started with: Ray: (\S+)")
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_DEDUP_LOGS": "0",
}


def variables(token: str, temporary: str, *, local: bool) -> dict[str, str]:
    """The variables of a process of Ray: its token, nothing sent home, and files of its own in ``temporary``."""
    login = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token} if token else {}
    return {**_QUIET, **login, **(_LOCAL if local else {}), "RAY_TMPDIR": temporary}


def connect(server: Endpoint | None, folder: str) -> Any:
    """The module ``ray``, connected as a driver to the cluster ``server``.

    Raises:
        EngineUnavailable: no cluster is there, it does not answer, or has another version of Ray or Python.
    """
    if server is None:
        raise EngineUnavailable("there is no Ray cluster to connect to")
    os.environ.update(variables(server.password, folder, local=server.host == HOST))
    import ray

    if engine_call(ray.is_initialized):
        return ray
    node = {"_node_ip_address": HOST} if server.host == HOST and "://" not in server.uri else {}
    try:
        engine_call(ray.init, address=server.uri, log_to_driver=False, logging_level="ERROR", **node)
    except Refused as error:
        raise EngineUnavailable(_why(server, error)) from error
    return ray


def _why(server: Endpoint, error: Exception) -> str:
    """One line: what is wrong with the cluster, and what to do."""
    text = " ".join(str(error).split())
    if "ersion mismatch" in text:
        python = ".".join(map(str, sys.version_info[:3]))
        version = of[1] if (of := _OF_CLUSTER.search(text)) else "VERSION"
        return (
            f"the Ray cluster at {server.uri} has another version of Ray or Python than this driver (Python {python}): "
            f"name the engine with the cluster's, as ray_duckdb@{version} ({text[-300:]})"
        )
    return f"the Ray cluster at {server.uri} cannot be used: {text[-300:]}"


def cpus(ray: Any) -> int:
    """How many tasks of one CPU the cluster runs at once, at least one."""
    return max(1, int(engine_call(ray.cluster_resources).get("CPU", 1)))
