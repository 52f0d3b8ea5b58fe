"""The command as a user starts it, and waiting for what follows from it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Collection
from pathlib import Path

from uv import find_uv_bin

from lakebench.config import ServiceSettings, Settings
from lakebench.paths import cache_dir

GONE_S = 10.0
QUICK_JAVA = (
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
    "-XX:+UnlockDiagnosticVMOptions",  # the next one needs it, before it
    "-XX:-BytecodeVerificationRemote",
)
"""Of servers that are asked for correctness only: they start with half of the CPU time."""
BRIDGES = ("hive-bridge", "glue-bridge")
JAVA_SERVERS = ("trino", "spark", "object-store", "nessie", "rest-catalog", "hive", *BRIDGES)
QUICK = Settings(services={name: ServiceSettings(java_options=QUICK_JAVA) for name in JAVA_SERVERS})
"""The same, for servers that a test starts itself."""


def lakebench(*argv: str, cwd: Path, timeout_s: float = 900, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command, run to its end in ``cwd``, with ``variables`` beside those of this process."""
    return subprocess.run(
        [sys.executable, "-m", "lakebench", *argv],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
        env={**os.environ, **variables},
    )


def quick_servers(folder: Path, more: str = "") -> None:
    """Let commands in ``folder`` start their servers with :data:`QUICK_JAVA`; ``more`` is TOML for the same file."""
    tables = (f"[services.{name}]\njava_options = {list(QUICK_JAVA)}\n" for name in JAVA_SERVERS)
    (folder / "lakebench.toml").write_text("".join(tables) + more, encoding="utf-8")


def link_cache(cache: Path, without: Collection[str] = ()) -> None:
    """Put what the user's cache has into the folder ``cache``, but what is of one command, and ``without``."""
    for one in cache_dir().glob("*"):
        if one.name not in {"up", "locks", *without}:
            (cache / one.name).symlink_to(one)


def installed(project: Path, folder: Path) -> dict[str, str]:
    """The environment in which ``project`` is installed into ``folder``, as ``pip install --target`` does."""
    options = ["--quiet", "--offline", "--no-deps", "--target", str(folder)]
    subprocess.run([find_uv_bin(), "pip", "install", *options, str(project)], check=True)
    return {**os.environ, "PYTHONPATH": str(folder)}


def eventually(condition: Callable[[], bool], within_s: float = GONE_S) -> bool:
    """Whether ``condition`` becomes true within ``within_s`` seconds."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()
