"""What a process of ours replies: the parent reads it here, and accepts only what was promised."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lakebench.errors import CaseEnd, HarnessFault, of_kind

_SHOWN = 200
Count = Annotated[int, Field(ge=0, lt=2**63)]
Ns = Annotated[int, Field(gt=0, lt=2**63)]
"""Nanoseconds of an execution, which always takes some time."""


class _Reply(BaseModel):
    """``ok`` and the results of the operation; other fields are ignored."""

    model_config = ConfigDict(strict=True)
    ok: Literal[True]


class _Done(_Reply):
    ns: Ns
    cpu_ns: Count


class _Answer(_Done):
    offset_ns: Count
    rows: Count
    bytes: Count


class _Loaded(_Done):
    peak_bytes: Count


class _Opened(_Reply):
    versions: dict[str, str]
    settings: dict[str, Any]


class _Names(_Reply):
    package: str
    names: Count
    found: list[str]


class _Operated(_Reply):
    statements: list[str]
    succeeded: list[list[bool]]
    ns: Count


class _EnteredReply(_Reply):
    refused: str


class _Scans(_Reply):
    replies: list[dict[str, Any]]
    calls: list[list[str]]


class _Digest(_Reply):
    ns: Count
    digest: dict[str, Any]
    parts: list[dict[str, Any]]
    calls: list[str]


class _Error(BaseModel):
    model_config = ConfigDict(strict=True)
    kind: str
    message: str
    details: dict[str, Any]
    traceback: str


class _Failed(BaseModel):
    model_config = ConfigDict(strict=True)
    ok: Literal[False]
    error: _Error


_PROMISED: Mapping[str, type[_Reply]] = {
    "open": _Opened,
    "query": _Answer,
    "scan": _Answer,
    "scans": _Scans,
    "digest": _Digest,
    "rows_of_buckets": _Reply,
    "names": _Names,
    "operate": _Operated,
    "enter": _EnteredReply,
    **dict.fromkeys(("execute", "create", "drop", "append", "register", "add_files"), _Done),
    "load": _Loaded,
}


def parsed(operation: str, line: bytes, adapter: str = "") -> dict[str, Any]:
    """The reply of ``adapter`` in ``line``, as it was promised for ``operation``: its results, or ``error``.

    Raises:
        HarnessFault: it is no such reply; the message names the adapter.
    """
    try:
        reply = json.loads(line)
    except (ValueError, RecursionError):
        raise _no_reply(operation, adapter, "it is not JSON", line) from None
    return checked(operation, reply, adapter)


def checked(operation: str, reply: Any, adapter: str = "") -> dict[str, Any]:
    """``reply`` of ``adapter``, where it is what was promised for ``operation``.

    Raises:
        HarnessFault: it is not.
    """
    failed = isinstance(reply, dict) and reply.get("ok") is False
    promised: type[BaseModel] = _Failed if failed else _PROMISED.get(operation, _Reply)
    try:
        promised.model_validate(reply)
    except ValidationError as error:
        first = error.errors()[0]
        why = f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}".removeprefix(": ")
        raise _no_reply(operation, adapter, why, reply) from None
    valid: dict[str, Any] = reply
    for scanned in valid["replies"] if operation == "scans" and not failed else ():
        checked("scan", scanned, adapter)
    return valid


def error_from(error: Mapping[str, Any]) -> CaseEnd:
    """The error that a worker reported; one of a kind that ends no case is a fault of ours."""
    kind = of_kind(error["kind"])
    return kind(error["message"], **{**error["details"], "traceback": error["traceback"]})


def _no_reply(operation: str, adapter: str, why: str, reply: Any) -> HarnessFault:
    shown = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else json.dumps(reply)
    who = f"the adapter {adapter}" if adapter else "a process of ours"
    return HarnessFault(f"the reply of {who} to {operation} is not what was promised ({why}): {shown[:_SHOWN]}")
