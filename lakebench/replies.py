"""What a worker replies: the one place where the parent reads it, and believes nothing that was not promised."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lakebench.errors import CaseEnd, HarnessFault, of_kind

_SHOWN = 200
_TIMES: Mapping[str, type] = {"ns": int, "cpu_ns": int}
_ANSWER: Mapping[str, type] = {**_TIMES, "offset_ns": int, "rows": int, "bytes": int}
_PROMISED: Mapping[str, Mapping[str, type]] = {
    "open": {"versions": dict, "settings": dict},
    "query": _ANSWER,
    "scan": _ANSWER,
    "scans": {"replies": list},
    "names": {"package": str, "names": int, "found": list},
    "operate": {"statements": list, "succeeded": list, "ns": int},
    "enter": {"refused": str},
    **dict.fromkeys(("execute", "create", "drop", "append", "register"), _TIMES),
    "load": {**_TIMES, "peak_bytes": int},
}
_ERROR: Mapping[str, type] = {"kind": str, "message": str, "details": dict, "traceback": str}


def parsed(operation: str, line: bytes) -> dict[str, Any]:
    """The reply in ``line``, as it was promised for ``operation``: what it gives, or ``error``.

    Raises:
        HarnessFault: it is no such reply.
    """
    try:
        reply = json.loads(line)
    except ValueError:
        raise _no_reply(operation, line) from None
    return checked(operation, reply)


def checked(operation: str, reply: Any) -> dict[str, Any]:
    """``reply``, where it is what was promised for ``operation``.

    Raises:
        HarnessFault: it is not.
    """
    if not isinstance(reply, dict) or not isinstance(reply.get("ok"), bool):
        raise _no_reply(operation, reply)
    told, promised = (reply, _PROMISED.get(operation, {})) if reply["ok"] else (reply.get("error"), _ERROR)
    if not isinstance(told, dict) or not all(isinstance(told.get(key), kind) for key, kind in promised.items()):
        raise _no_reply(operation, reply)
    for one in reply["replies"] if reply["ok"] and operation == "scans" else ():
        checked("scan", one)
    return reply


def error_from(error: Mapping[str, Any]) -> CaseEnd:
    """The error that a worker told; one of a kind that ends no case is a fault of ours."""
    kind = of_kind(error["kind"])
    return kind(error["message"], **{**error["details"], "traceback": error["traceback"]})


def _no_reply(operation: str, said: Any) -> HarnessFault:
    shown = said.decode("utf-8", "replace") if isinstance(said, bytes) else json.dumps(said)
    return HarnessFault(f"the worker's reply to {operation} is not what was promised: {shown[:_SHOWN]}")
