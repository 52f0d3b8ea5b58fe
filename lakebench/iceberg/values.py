"""The values of :mod:`lakebench.iceberg.types` as Arrow.

A value becomes what Iceberg keeps of it: days, microseconds or nanoseconds since 1970, bytes, an unscaled decimal.
Python's own dates and times are left out, as they have no nanoseconds.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from lakebench.iceberg.scan import NUMBER
from lakebench.iceberg.types import Field, ListOf, MapOf, Struct, Type, kind, parameters

if TYPE_CHECKING:
    import pyarrow as pa

JSON = {b"lakebench": b"json"}
"""Metadata of an Arrow field whose text is the JSON of a variant."""
WKB = {b"lakebench": b"wkb"}
"""Metadata of an Arrow field whose bytes are a geometry or a geography as WKB."""

_EPOCH = date(1970, 1, 1).toordinal()
_DAY_S = 24 * 60 * 60
_MICRO = 6
_NANO = 9
_UNITS = {_MICRO: 10**6, _NANO: 10**9}
_TIMESTAMP = re.compile(r"^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d(?:\.\d+)?)(Z|[+-]\d\d:\d\d)?$")
_TIME = re.compile(r"^\d\d:\d\d:\d\d(\.\d{1,9})?$")


def with_number(n: int, rows: pa.Table) -> pa.Table:
    """``rows`` with ``n``, which of several filters they fit, in a first column (see :attr:`Scan.filters`)."""
    import pyarrow as pa

    return rows.add_column(0, pa.field(NUMBER, pa.int64()), pa.array([n] * rows.num_rows, pa.int64()))


def arrow_type(of: Type) -> pa.DataType:
    """The Arrow type that holds every value of ``of``: the one that PyIceberg maps it to."""
    import pyarrow as pa

    return _typed(of, pa.uuid())


def _typed(of: Type, for_uuid: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    if isinstance(of, Struct):
        return pa.struct([_field(one, for_uuid) for one in of.fields])
    if isinstance(of, ListOf):
        return pa.list_(_field(Field("element", of.element, of.required), for_uuid))
    if isinstance(of, MapOf):
        value = Field("value", of.value, of.required)
        return pa.map_(_field(Field("key", of.key, required=True), for_uuid), _field(value, for_uuid))
    return for_uuid if of == "uuid" else _primitive(of)


def _primitive(of: str) -> pa.DataType:
    import pyarrow as pa

    name = kind(of)
    if name == "decimal":
        precision, scale = map(int, parameters(of))
        return pa.decimal128(precision, scale)
    if name == "fixed":
        return pa.binary(int(parameters(of)[0]))
    return {
        "unknown": pa.null(),
        "boolean": pa.bool_(),
        "int": pa.int32(),
        "long": pa.int64(),
        "float": pa.float32(),
        "double": pa.float64(),
        "date": pa.date32(),
        "time": pa.time64("us"),
        "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us", tz="UTC"),
        "timestamp_ns": pa.timestamp("ns"),
        "timestamptz_ns": pa.timestamp("ns", tz="UTC"),
        "string": pa.string(),
        "binary": pa.binary(),
        "variant": pa.string(),
        "geometry": pa.binary(),
        "geography": pa.binary(),
    }[name]


def arrow_field(field: Field) -> pa.Field:
    """The Arrow field of ``field``; one of variants or geometries says so in its metadata."""
    import pyarrow as pa

    return _field(field, pa.uuid())


def _field(field: Field, for_uuid: pa.DataType) -> pa.Field:
    import pyarrow as pa

    metadata = {"variant": JSON, "geometry": WKB, "geography": WKB}.get(kind(field.type))
    return pa.field(field.name, _typed(field.type, for_uuid), nullable=not field.required, metadata=metadata)


def arrow_schema(fields: Iterable[Field]) -> pa.Schema:
    """The Arrow schema of ``fields``."""
    import pyarrow as pa

    return pa.schema([arrow_field(one) for one in fields])


def arrow_table(fields: Sequence[Field], rows: Sequence[Sequence[Any]]) -> pa.Table:
    """``rows`` of values in the order of ``fields`` as an Arrow table."""
    import pyarrow as pa

    columns = [arrow_array(one.type, [row[n] for row in rows]) for n, one in enumerate(fields)]
    return pa.Table.from_arrays(columns, schema=arrow_schema(fields))


def arrow_array(of: Type, values: Sequence[Any]) -> pa.Array:
    """``values`` of the type ``of`` as one Arrow array."""
    import pyarrow as pa

    # Arrow makes no UUIDs inside other types from Python values, but turns bytes into them.
    plain = pa.array([storage(of, one) for one in values], _typed(of, pa.binary(16)))
    return plain.cast(arrow_type(of))


def storage(of: Type, value: Any) -> Any:
    """``value`` of the type ``of`` as the Python value that Arrow takes: whole numbers for dates and times."""
    if value is None:
        return None
    if isinstance(of, Struct):
        return {one.name: storage(one.type, value.get(one.name)) for one in of.fields}
    if isinstance(of, ListOf):
        return [storage(of.element, one) for one in value]
    if isinstance(of, MapOf):
        pairs = zip(value["keys"], value["values"], strict=True)
        return [(storage(of.key, key), storage(of.value, one)) for key, one in pairs]
    change = _STORED.get(kind(of))
    return value if change is None else change(value)


def canonical(value: Any) -> str:
    """The JSON text of a variant that is the same for equal values."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def days(text: str) -> int:
    """Days since 1970 of ``2017-11-16``, by the proleptic Gregorian calendar."""
    return date.fromisoformat(text).toordinal() - _EPOCH


def clock(text: str, digits: int) -> int:
    """``22:31:08.123456`` since midnight, in units of ``digits`` decimal places of a second.

    Raises:
        ValueError: this is no time, or one that these digits cannot hold.
    """
    whole, _, fraction = text.partition(".")
    if not _TIME.match(text) or fraction[digits:].strip("0"):
        raise ValueError(f"'{text}' is not a time of day with {digits} decimal places")
    return _seconds(whole) * _UNITS[digits] + int(fraction[:digits].ljust(digits, "0"))


def _seconds(text: str) -> int:
    hours, minutes, seconds = map(int, text.split(":"))
    return (hours * 60 + minutes) * 60 + seconds


def instant(text: str, digits: int) -> int:
    """``2017-11-16T22:31:08.123456`` since 1970, in units of ``digits`` decimal places of a second; zones apply.

    Raises:
        ValueError: this is no timestamp, or one that these digits cannot hold.
    """
    match = _TIMESTAMP.match(text)
    if not match:
        raise ValueError(f"'{text}' is not a timestamp")
    zone = match[3] or "Z"
    offset = 0 if zone == "Z" else int(f"{zone[0]}1") * _seconds(f"{zone[1:]}:00")
    return (days(match[1]) * _DAY_S - offset) * _UNITS[digits] + clock(match[2], digits)


_STORED: dict[str, Callable[[Any], Any]] = {
    "float": float,
    "double": float,
    "decimal": Decimal,
    "date": days,
    "time": lambda text: clock(text, _MICRO),
    "timestamp": lambda text: instant(text, _MICRO),
    "timestamptz": lambda text: instant(text, _MICRO),
    "timestamp_ns": lambda text: instant(text, _NANO),
    "timestamptz_ns": lambda text: instant(text, _NANO),
    "uuid": lambda text: uuid.UUID(text).bytes,
    "fixed": bytes.fromhex,
    "binary": bytes.fromhex,
    "geometry": bytes.fromhex,
    "geography": bytes.fromhex,
    "variant": canonical,
}
