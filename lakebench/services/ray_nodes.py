"""A Ray cluster on this machine: a head without CPUs, and worker nodes; a program of its own.

It runs in Ray's environment, where lakebench is not, and prints ``ready`` when every node has joined. Ray itself calls
several nodes on one machine a mini-cluster (its documentation, *Tips for testing Ray programs*).
"""

from __future__ import annotations

import contextlib
import inspect
import json
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

_HELPERS = ("metrics_agent_port", "metrics_export_port", "runtime_env_agent_port")


def main(settings: dict[str, Any]) -> None:
    """Start the nodes, and wait for the end."""
    from ray.cluster_utils import Cluster

    _be_patient(settings["node_s"])
    folder = Path(settings["folder"]) / "ray"  # where Ray keeps the address, too, by RAY_TMPDIR
    folder.mkdir(mode=0o700, exist_ok=True)
    common = {
        "node_ip_address": settings["host"],
        "object_store_memory": settings["object_store"],
        "include_log_monitor": False,
    }
    head = {"num_cpus": 0, "gcs_server_port": settings["port"], "temp_dir": str(folder), "no_monitor": True}
    ports = _ports(settings["host"], settings["workers"] + 1)
    cluster = Cluster(initialize_head=True, head_node_args={**common, **head, **ports[0], "include_dashboard": False})
    for of_node in ports[1:]:
        cluster.add_node(wait=False, **common, **of_node, num_cpus=1, memory=settings["memory"])
    cluster.wait_for_nodes(timeout=settings["node_s"])
    print("ready", flush=True)  # noqa: T201 - what its parent waits for
    signal.pause()


def _ports(host: str, nodes: int) -> list[dict[str, int]]:
    """Free ports for the helpers of each node: of a port that it is not told, a node waits 15 s, then ends itself."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(nodes * len(_HELPERS))]
        for one in sockets:
            one.bind((host, 0))
        free = [int(one.getsockname()[1]) for one in sockets]
    return [dict(zip(_HELPERS, free[at::nodes], strict=True)) for at in range(nodes)]


def _be_patient(node_s: float) -> None:
    """Have a node wait for its helpers longer than Ray's 15 and 30 s, which these may need on a busy machine."""
    from ray._private import services
    from ray._raylet import DASHBOARD_AGENT_LISTEN_PORT_NAME, persist_port

    ask, start = services.get_node, services.start_raylet

    def get_node(*where: Any) -> Any:
        until = time.monotonic() + node_s
        while True:
            try:
                return ask(*where)
            except RuntimeError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)

    def start_raylet(*given: Any, **named: Any) -> Any:
        values = inspect.signature(start).bind(*given, **named).arguments
        # What the helper itself writes later: it serves no HTTP, as Ray was installed without its dashboard.
        persist_port(values["session_dir"], values["node_id"], DASHBOARD_AGENT_LISTEN_PORT_NAME, -1)
        return start(*given, **named)

    services.get_node, services.start_raylet = get_node, start_raylet


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    main(json.loads(sys.argv[1]))
