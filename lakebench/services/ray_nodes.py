"""A Ray cluster on this machine: a head without CPUs, and worker nodes; a program of its own.

It runs in Ray's environment, where lakebench is not, and prints ``ready`` when every node has joined. Ray itself calls
several nodes on one machine a mini-cluster (its documentation, *Tips for testing Ray programs*).
"""

from __future__ import annotations

import json
import signal
import sys
import time
from typing import Any


def main(settings: dict[str, Any]) -> None:
    """Start the nodes, and wait for the end."""
    from ray.cluster_utils import Cluster

    _be_patient(settings["node_s"])
    common = {
        "node_ip_address": settings["host"],
        "object_store_memory": settings["object_store"],
        "include_log_monitor": False,
    }
    head = {"num_cpus": 0, "gcs_server_port": settings["port"], "temp_dir": settings["folder"], "no_monitor": True}
    cluster = Cluster(initialize_head=True, head_node_args={**common, **head, "include_dashboard": False})
    for _ in range(settings["workers"]):
        cluster.add_node(wait=False, **common, num_cpus=1, memory=settings["memory"])
    cluster.wait_for_nodes(timeout=settings["node_s"])
    print("ready", flush=True)  # noqa: T201 - what its parent waits for
    signal.pause()


def _be_patient(node_s: float) -> None:
    """Have Ray wait for a node longer than its 30 s, which a busy machine may need for the node's own processes."""
    from ray._private import services

    ask = services.get_node

    def patient(*where: Any) -> Any:
        until = time.monotonic() + node_s
        while True:
            try:
                return ask(*where)
            except RuntimeError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)

    services.get_node = patient


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    main(json.loads(sys.argv[1]))
