"""The evidence that reports use, and the types that it must have; reports show all other evidence as it is."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Annotated, Any, Required

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

_MORE = ConfigDict(extra="allow", strict=True)


class _Concurrency(TypedDict, total=False):
    """The result of a test of concurrent writers."""

    __pydantic_config__ = _MORE  # type: ignore[misc]
    writers: Required[Annotated[int, Field(ge=0)]]
    asked: Required[int]
    succeeded: Required[int]
    final_rows: Required[Any]
    reads: Required[int]
    reads_behind: Required[int]
    errors: Required[dict[str, int]]
    operations_per_s: Annotated[float, Field(gt=0)] | None


class _Claim(TypedDict, total=False):
    """The support claim in an engine's documents."""

    __pydantic_config__ = _MORE  # type: ignore[misc]
    support: Required[str]


class _Known(TypedDict):
    """Why the failure is known, and with which versions."""

    __pydantic_config__ = _MORE  # type: ignore[misc]
    reason: str
    versions: str
    link: str


class _Evidence(TypedDict, total=False):
    __pydantic_config__ = _MORE  # type: ignore[misc]
    concurrency: _Concurrency | None
    claim: _Claim | None
    known: _Known | None
    verdict: str | None
    base_of: str
    streams: Annotated[int, Field(ge=0)]


@functools.cache
def _adapter() -> TypeAdapter[_Evidence]:
    return TypeAdapter(_Evidence)


def fault_of(evidence: Mapping[str, Any]) -> str:
    """The first error in ``evidence``, in one line; empty where there is none."""
    try:
        _adapter().validate_python(dict(evidence))
    except ValidationError as error:
        first = error.errors()[0]
        return f"evidence.{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return ""
