"""Values inside the writer, and what is done with single ones: conditions, order, and their binary form.

Inside, a value is what the file formats store: dates are days, times microseconds, timestamps micro- or nanoseconds
since 1970, decimals :class:`~decimal.Decimal`; UUIDs, fixed, binary and geometries are bytes; a variant is its
``metadata`` and ``value``. A struct is a mapping by field id, a map a list of pairs: so names may change.
"""

from __future__ import annotations

import math
import operator
import struct
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Context, Decimal
from typing import Any

from lakebench.engines.reference import variant
from lakebench.engines.reference.schema import Json, children, find, kind, numbers, trail
from lakebench.iceberg.scan import Condition

Row = dict[int, Any]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_DAY = EPOCH.toordinal()
EXACT = Context(prec=100)
_MICROSECOND = timedelta(microseconds=1)
_MINUTE = 60
_NANO_DIGITS = 9
_SHOWN = 16
_LAST_CHARACTER = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)

_FORMATS = {
    "boolean": "<?", "int": "<i", "date": "<i", "long": "<q", "time": "<q", "timestamp": "<q", "timestamptz": "<q",
    "timestamp_ns": "<q", "timestamptz_ns": "<q", "float": "<f", "double": "<d",
}  # fmt: skip
_TESTS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
BOUNDED = frozenset(_FORMATS) | {"decimal", "string", "uuid", "fixed", "binary"}


def micros(moment: datetime) -> int:
    """Microseconds since 1970; a moment without a zone is taken as UTC."""
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH) // _MICROSECOND


def micros_of_day(moment: time) -> int:
    """Microseconds since midnight."""
    return ((moment.hour * _MINUTE + moment.minute) * _MINUTE + moment.second) * 1_000_000 + moment.microsecond


def _nanos(text: str) -> int:
    whole, _, fraction = text.removesuffix("Z").removesuffix("+00:00").partition(".")
    return micros(datetime.fromisoformat(whole)) * 1000 + int(fraction.ljust(_NANO_DIGITS, "0") or 0)


_PRIMITIVES: Mapping[str, Callable[[Any], Any]] = {
    "int": int,
    "long": int,
    "float": lambda value: struct.unpack("<f", struct.pack("<f", float(value)))[0],
    "double": float,
    "decimal": Decimal,
    "date": lambda value: date.fromisoformat(value).toordinal() - EPOCH_DAY,
    "time": lambda value: micros_of_day(time.fromisoformat(value)),
    "timestamp": lambda value: micros(datetime.fromisoformat(value)),
    "timestamptz": lambda value: micros(datetime.fromisoformat(value)),
    "timestamp_ns": _nanos,
    "timestamptz_ns": _nanos,
    "uuid": lambda value: uuid.UUID(value).bytes,
    "fixed": bytes.fromhex,
    "binary": bytes.fromhex,
    "geometry": bytes.fromhex,
    "geography": bytes.fromhex,
    "variant": variant.encode,
}


def inside(of: Any, value: Any) -> Any:
    """The value of :mod:`lakebench.iceberg.types` as it is here."""
    name = kind(of)
    if value is None:
        return None
    if name == "struct":
        return {one["id"]: inside(one["type"], value.get(one["name"])) for one in children(of)}
    if name == "list":
        return [inside(of["element"], one) for one in value]
    if name == "map":
        return [
            (inside(of["key"], key), inside(of["value"], one))
            for key, one in zip(value["keys"], value["values"], strict=True)
        ]
    if name == "decimal":
        return Decimal(value).quantize(Decimal(1).scaleb(-numbers(of)[1]), context=EXACT)
    return _PRIMITIVES[name](value) if name in _PRIMITIVES else value


PARTITION_VALUE = "partition-value"
"""What a field has, beside what its schema says, where its file's partition has its value."""


def missing(field: Json) -> Any:
    """What a row has in a column that its file lacks (Iceberg specification, *Column Projection*)."""
    if PARTITION_VALUE in field:
        return field[PARTITION_VALUE]
    default = field.get("initial-default")
    return None if default is None else inside(field["type"], default)


def at(row: Row | None, ids: list[int]) -> Any:
    """The value down the way ``ids``; null below a null."""
    value: Any = row
    for field_id in ids:
        if value is None:
            return None
        value = value.get(field_id)
    return value


def holds(schema: Json, conditions: tuple[Condition, ...]) -> Callable[[Row], bool]:
    """Whether all ``conditions`` hold for a row."""
    tests = [_test(schema, one) for one in conditions]
    return lambda row: all(test(row) for test in tests)


def _test(schema: Json, condition: Condition) -> Callable[[Row], bool]:
    ids, of = trail(schema, condition.column), find(schema, condition.column)["type"]
    if condition.test in {"is-null", "not-null"}:
        return lambda row: (at(row, ids) is None) is (condition.test == "is-null")
    if condition.test == "in":
        wanted = [ordered(inside(of, one)) for one in condition.value]
        return lambda row: at(row, ids) is not None and ordered(at(row, ids)) in wanted
    value, compare = ordered(inside(of, condition.value)), _TESTS[condition.test]
    return lambda row: at(row, ids) is not None and compare(ordered(at(row, ids)), value)


def ordered(value: Any) -> Any:
    """``value`` for comparisons as SQL makes them: NaN is equal to itself and above all other numbers."""
    if isinstance(value, float):
        return (math.isnan(value), 0.0 if math.isnan(value) else value)
    return value


def sortable(value: Any) -> Any:
    """``value`` in the order of bounds and sort orders: -0.0 is below 0.0."""
    return (*ordered(value), math.copysign(1, value)) if isinstance(value, float) else value


def unscaled(value: Decimal) -> int:
    """The decimal's digits as an integer."""
    sign, digits, _ = value.as_tuple()
    number = int("".join(map(str, digits)))
    return -number if sign else number


def two_complement(number: int) -> bytes:
    """The fewest bytes of two's complement, the highest first."""
    bits = number.bit_length() if number >= 0 else (number + 1).bit_length()
    return number.to_bytes(bits // 8 + 1, "big", signed=True)


def binary(of: Any, value: Any) -> bytes:
    """The value's binary form (Iceberg specification, Binary single-value serialization)."""
    name = kind(of)
    if name in _FORMATS:
        return struct.pack(_FORMATS[name], value)
    if name == "decimal":
        return two_complement(unscaled(value))
    return value.encode() if name == "string" else bytes(value)


def lower(value: Any) -> Any:
    """A lower bound that is not too long."""
    return value[:_SHOWN] if isinstance(value, str | bytes) else value


def upper(value: Any) -> Any:
    """An upper bound that is not too long; ``None`` where there is none."""
    if not isinstance(value, str | bytes) or len(value) <= _SHOWN:
        return value
    for length in range(_SHOWN, 0, -1):
        more = _next(value[:length])
        if more is not None:
            return more
    return None


def _next(value: Any) -> Any:
    """The smallest value of the same length above all that begin with ``value``."""
    if isinstance(value, bytes):
        return None if value[-1] == 0xFF else value[:-1] + bytes([value[-1] + 1])  # noqa: PLR2004 - the highest byte
    code = ord(value[-1]) + 1
    code = _SURROGATES.stop if code in _SURROGATES else code
    return None if code > _LAST_CHARACTER else value[:-1] + chr(code)
