"""Variants in their binary form (Apache Parquet, Variant Binary Encoding), unshredded."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from lakebench.engines.reference.schema import Json, children, kind
from lakebench.errors import Refused

_NULL, _TRUE, _FALSE, _DOUBLE, _STRING = 0, 1, 2, 7, 16
_INTEGERS = ((3, 1), (4, 2), (5, 4), (6, 8))
_SHORT = 64
_MANY = 256
_SORTED = 0x10
_SCHEMA_VERSION = b"\x13\x01\x00"
_LOGICAL_TYPE = b"\x0c\x20" + _SCHEMA_VERSION + b"\x00"  # LogicalType: field 16, VARIANT, of specification version 1
_TAIL = 8


def encode(value: Any) -> dict[str, bytes]:
    """The ``metadata`` and ``value`` of a JSON value."""
    names = sorted(set(_names(value)))
    texts = [name.encode() for name in names]
    size = _size(max(len(names), sum(map(len, texts))))
    offsets = b"".join(_number(one, size) for one in _offsets(texts))
    metadata = bytes([1 | _SORTED | (size - 1) << 6]) + _number(len(names), size) + offsets + b"".join(texts)
    return {"metadata": metadata, "value": _value(value, {name: n for n, name in enumerate(names)})}


def _names(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        yield from value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _names(inner)


def _value(value: Any, ids: dict[str, int]) -> bytes:
    if isinstance(value, dict):
        return _object(value, ids)
    if isinstance(value, list):
        return _array([_value(one, ids) for one in value])
    if isinstance(value, str):
        text = value.encode()
        short = len(text) < _SHORT
        return (bytes([1 | len(text) << 2]) if short else _primitive(_STRING, struct.pack("<I", len(text)))) + text
    if value is None or isinstance(value, bool):
        return _primitive(_NULL if value is None else _TRUE if value else _FALSE)
    if isinstance(value, int):
        kind, size = next(one for one in _INTEGERS if -(1 << 8 * one[1] - 1) <= value < 1 << 8 * one[1] - 1)
        return _primitive(kind, value.to_bytes(size, "little", signed=True))
    return _primitive(_DOUBLE, struct.pack("<d", value))


def _primitive(kind: int, data: bytes = b"") -> bytes:
    return bytes([kind << 2]) + data


def _object(value: dict[str, Any], ids: dict[str, int]) -> bytes:
    parts = {name: _value(value[name], ids) for name in sorted(value)}
    data = b"".join(parts.values())
    id_size, size = _size(max((ids[name] for name in parts), default=0)), _size(len(data))
    large = len(parts) >= _MANY
    header = 2 | (size - 1 | (id_size - 1) << 2 | large << 4) << 2
    listed = b"".join(_number(ids[name], id_size) for name in parts)
    offsets = b"".join(_number(one, size) for one in _offsets(parts.values()))
    return bytes([header]) + _number(len(parts), 4 if large else 1) + listed + offsets + data


def _array(parts: list[bytes]) -> bytes:
    data = b"".join(parts)
    size, large = _size(len(data)), len(parts) >= _MANY
    offsets = b"".join(_number(one, size) for one in _offsets(parts))
    return bytes([3 | (size - 1 | large << 2) << 2]) + _number(len(parts), 4 if large else 1) + offsets + data


def _offsets(parts: Iterable[bytes]) -> list[int]:
    offsets = [0]
    for part in parts:
        offsets.append(offsets[-1] + len(part))
    return offsets


def _size(largest: int) -> int:
    return max(1, (largest.bit_length() + 7) // 8)


def _number(value: int, size: int) -> bytes:
    return value.to_bytes(size, "little")


def annotated(data: bytes, columns: Sequence[Json]) -> bytes:
    """A Parquet file whose variant groups have the logical type VARIANT, which PyArrow has no way to write.

    The footer is Thrift in its compact protocol: a group's element ends with its name, its number of children and,
    where it has one, its field id; the logical type is the field that follows.

    Raises:
        Refused: a group is not in the footer.
    """
    length = int.from_bytes(data[-_TAIL:-4], "little")
    body, footer = data[: -_TAIL - length], data[-_TAIL - length : -_TAIL]
    for column in _variants(columns):
        name = column["name"].encode()
        element = b"\x18" + _varint(len(name)) + name + b"\x15\x04"
        with_id = element + b"\x45" + _varint(2 * column["id"])
        group, mark = (with_id, b"\x1c") if with_id + b"\x00" in footer else (element, b"\x5c")
        if group + b"\x00" not in footer:
            raise Refused(f"the Parquet footer has no group {column['name']}")
        footer = footer.replace(group + b"\x00", group + mark + _LOGICAL_TYPE + b"\x00", 1)
    return body + footer + len(footer).to_bytes(4, "little") + data[-4:]


def _variants(columns: Iterable[Json]) -> Iterator[Json]:
    for column in columns:
        if kind(column["type"]) == "variant":
            yield column
        yield from _variants(children(column["type"]))


def _varint(number: int) -> bytes:
    low, high = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(high) if high else bytes([low])
