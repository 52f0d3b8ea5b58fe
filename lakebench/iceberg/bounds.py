"""Bounds and partition values as values of :mod:`lakebench.iceberg.types`: what filters at their edges are made of."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

from lakebench.iceberg.types import Type, kind, parameters

_EPOCH = date(1970, 1, 1).toordinal()
_LAST = date.max.toordinal()
_MICRO, _NANO = 6, 9
_HOURS, _MONTHS = 24, 12
_UNITS = {_MICRO: 10**6, _NANO: 10**9}
_DAY_S = 24 * 60 * 60
_DIGITS = {"timestamp": _MICRO, "timestamptz": _MICRO, "timestamp_ns": _NANO, "timestamptz_ns": _NANO}


def bound_value(bound: bytes, of: Type) -> Any:
    """The value of a bound (Iceberg specification, *Binary single-value serialization*).

    ``None`` where it is of a type that filters do not compare, is NaN, infinite or zero as a floating-point number, or
    lies outside the years 1 to 9999.
    """
    read = _READ.get(kind(of))
    if not bound or read is None:
        return None
    return read(bound, of)


def _whole(bound: bytes, of: Type) -> Any:
    return number_value(int.from_bytes(bound, "little", signed=True), of)


def _floating(bound: bytes, _: Type) -> float | None:
    form = {4: "<f", 8: "<d"}.get(len(bound))
    return finite(struct.unpack(form, bound)[0]) if form else None


def finite(value: float) -> float | None:
    """``value``, where engines agree on how it compares: NaN, infinity and the two zeros are left out."""
    return value if value and math.isfinite(value) else None


def _decimal(bound: bytes, of: Type) -> str:
    scale = int(parameters(of)[1])
    return f"{Decimal(int.from_bytes(bound, 'big', signed=True)).scaleb(-scale):f}"


def _text(bound: bytes, _: Type) -> str | None:
    """A bound of text, which may be cut in the middle of nothing but whole characters."""
    try:
        return bound.decode()
    except UnicodeDecodeError:
        return None


_READ: dict[str, Callable[[bytes, Type], Any]] = {
    **dict.fromkeys(("int", "long", "date", "time", *_DIGITS), _whole),
    **dict.fromkeys(("float", "double"), _floating),
    "decimal": _decimal,
    "string": _text,
}


def number_value(number: int, of: Type) -> Any:
    """What Iceberg keeps as a whole number: itself, or days, microseconds or nanoseconds since 1970 or midnight."""
    name = kind(of)
    if name == "date":
        return _day(number)
    if name == "time":
        return _clock(number, _MICRO) if 0 <= number < _DAY_S * _UNITS[_MICRO] else None
    return instant_value(number, _DIGITS[name], name) if name in _DIGITS else number


def instant_value(number: int, digits: int, of: str) -> str | None:
    """An instant ``number`` units of ``digits`` decimal places of a second after 1970."""
    days, rest = divmod(number, _DAY_S * _UNITS[digits])
    day = _day(days)
    zone = "+00:00" if of.startswith("timestamptz") else ""
    return None if day is None else f"{day}T{_clock(rest, digits)}{zone}"


def _day(days: int) -> str | None:
    ordinal = days + _EPOCH
    return date.fromordinal(ordinal).isoformat() if 1 <= ordinal <= _LAST else None


def _clock(number: int, digits: int) -> str:
    seconds, fraction = divmod(number, _UNITS[digits])
    text = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return f"{text}.{fraction:0{digits}}" if fraction else text


def partition_start(transform: str, value: Any, of: Type) -> Any:
    """The first value of the partition ``value`` of a time transform (*Partition Transforms*); ``None`` of others."""
    if value is None or not isinstance(value, int | date):
        return None
    days = value.toordinal() - _EPOCH if isinstance(value, date) else _days(transform, value)
    if days is None or kind(of) not in {"date", *_DIGITS}:
        return None
    if kind(of) == "date":
        return _day(int(days))
    digits = _DIGITS[kind(of)]
    return instant_value(int(days * _DAY_S) * _UNITS[digits], digits, kind(of))


def _days(transform: str, value: int) -> int | float | None:
    if transform in {"year", "month"}:
        years, months = divmod(value * (_MONTHS if transform == "year" else 1), _MONTHS)
        year = 1970 + years
        return date(year, months + 1, 1).toordinal() - _EPOCH if date.min.year <= year <= date.max.year else None
    return {"day": value, "hour": value / _HOURS}.get(transform)
