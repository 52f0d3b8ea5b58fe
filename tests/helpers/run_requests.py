"""Requests of runs, as tests of what stands below the harness need them."""

from __future__ import annotations

from typing import Any

from lakebench.config import Settings
from lakebench.execution.protocol import PROFILES
from lakebench.execution.request import Request
from lakebench.model import EngineRef


def request(*refs: EngineRef, **given: Any) -> Request:
    """A request for ``refs`` by the profile ``quick``, of no phase; ``given`` are other fields of it."""
    usual = {"phases": (), "writer": "", "profile": PROFILES["quick"], "seed": 1, "settings": Settings(), "command": ""}
    return Request(refs=refs, **{**usual, **given})
