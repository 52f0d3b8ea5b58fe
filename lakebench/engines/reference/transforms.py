"""Partition transforms (Iceberg specification, Partition Transforms and Appendix B), on values as they are inside."""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

from lakebench.engines.reference.schema import kind, numbers
from lakebench.engines.reference.values import EPOCH_DAY, EXACT, two_complement, unscaled
from lakebench.errors import Refused

_DAY_UNITS = {"date": 1, "timestamp": 86_400_000_000, "timestamptz": 86_400_000_000}
_DAY_UNITS |= {f"{name}_ns": 1000 * _DAY_UNITS[name] for name in ("timestamp", "timestamptz")}
_MASK = 0xFFFFFFFF
_SHORT_NAMES = {"truncate": "trunc", "void": "null"}


def result_type(transform: str, source: Any) -> Any:
    """The type of what ``transform`` makes of ``source``."""
    name = kind(transform)
    if name in {"identity", "truncate", "void"}:
        return source
    return "date" if name == "day" else "int"


def field_name(transform: str, source: str) -> str:
    """The name of a partition field, as Iceberg's own library gives it."""
    name = kind(transform)
    return source if name == "identity" else f"{source}_{_SHORT_NAMES.get(name, name)}"


def apply(transform: str, source: Any, value: Any) -> Any:
    """What ``transform`` makes of one value of the type ``source``."""
    name = kind(transform)
    if value is None or name == "void":
        return None
    if name == "identity":
        return value
    if name == "bucket":
        return (murmur3(hashed(source, value)) & 0x7FFFFFFF) % numbers(transform)[0]
    if name == "truncate":
        return _truncated(value, numbers(transform)[0])
    return _in_time(name, source, value)


def _truncated(value: Any, width: int) -> Any:
    if isinstance(value, str | bytes):
        return value[:width]
    if isinstance(value, Decimal):
        number = unscaled(value)
        return Decimal(number - number % width).scaleb(int(value.as_tuple().exponent), EXACT)
    return value - value % width


def _in_time(name: str, source: Any, value: int) -> int:
    unit = _DAY_UNITS[kind(source)]
    days = value // unit
    if name == "day":
        return days
    if name == "hour":
        return value // (unit // 24)
    day = date.fromordinal(days + EPOCH_DAY)
    units: dict[str, Callable[[], int]] = {
        "year": lambda: day.year - 1970,
        "month": lambda: (day.year - 1970) * 12 + day.month - 1,
    }
    if name not in units:
        raise Refused(f"unknown transform {name}")
    return units[name]()


def hashed(source: Any, value: Any) -> bytes:
    """The bytes that a bucket's hash is of: those of nanoseconds are in microseconds, so that types can be promoted."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, Decimal):
        return two_complement(unscaled(value))
    if isinstance(value, bytes):
        return value
    return struct.pack("<q", value // 1000 if kind(source).endswith("_ns") else value)


def murmur3(data: bytes) -> int:
    """Murmur3, 32 bits, x86, seed 0; unsigned."""
    state = 0
    whole = len(data) // 4 * 4
    for n in range(0, whole, 4):
        state ^= _mixed(int.from_bytes(data[n : n + 4], "little"))
        state = (_rotated(state, 13) * 5 + 0xE6546B64) & _MASK
    state ^= _mixed(int.from_bytes(data[whole:], "little"))
    state ^= len(data)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        state = ((state ^ state >> shift) * factor) & _MASK
    return state ^ state >> 16


def _mixed(block: int) -> int:
    return _rotated(block * 0xCC9E2D51 & _MASK, 15) * 0x1B873593 & _MASK


def _rotated(value: int, by: int) -> int:
    return (value << by | value >> 32 - by) & _MASK
