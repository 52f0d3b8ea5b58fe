"""The command as a user starts it, and waiting for what follows from it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

GONE_S = 10.0


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


def eventually(condition: Callable[[], bool], within_s: float = GONE_S) -> bool:
    """Whether ``condition`` becomes true within ``within_s`` seconds."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()
