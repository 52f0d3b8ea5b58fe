"""Well-known binary in one form: what two writers say in different byte orders or dialects is the same geometry."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_LITTLE = 1
_POINT, _LINE, _POLYGON = 1, 2, 3
_COLLECTIONS = {4, 5, 6, 7}
# PostGIS's dialect says in the type's high bits what ISO says by adding thousands.
_Z, _M, _SRID = 0x80000000, 0x40000000, 0x20000000
_THOUSAND = 1000
_BOTH = 3
_FLAGS = 0x0FFFFFFF


def normal(data: bytes) -> bytes:
    """``data`` in ISO's dialect, little-endian and without an SRID, which is the column's in Iceberg.

    What is no well-known binary stays as it is.
    """
    reader = _WkbReader(data)
    try:
        normalised = b"".join(_geometry(reader))
    except (struct.error, ValueError):
        return data
    return normalised if reader.at == len(data) else data


class _WkbReader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0
        self.order = "<"

    def take(self, form: str) -> tuple[float, ...]:
        numbers = struct.unpack_from(f"{self.order}{form}", self._data, self.at)
        self.at += struct.calcsize(f"{self.order}{form}")
        return numbers

    def count(self) -> int:
        return int(self.take("I")[0])


def _geometry(reader: _WkbReader) -> Iterator[bytes]:
    reader.order = "<" if reader.take("B")[0] == _LITTLE else ">"
    code = reader.count()
    if code & _SRID:
        reader.count()
    shape, dimensions = _shape(code)
    yield struct.pack("<BI", _LITTLE, shape + _THOUSAND * dimensions)
    width = 2 + (dimensions in {1, _BOTH}) + (dimensions in {2, _BOTH})
    if shape == _POINT:
        yield _numbers(reader, width)
    elif shape == _LINE:
        yield from _points(reader, width)
    elif shape == _POLYGON or shape in _COLLECTIONS:
        parts = reader.count()
        yield struct.pack("<I", parts)
        for _ in range(parts):
            yield from _points(reader, width) if shape == _POLYGON else _geometry(reader)
    else:
        raise ValueError(f"an unknown shape {shape}")


def _shape(code: int) -> tuple[int, int]:
    """The shape, and 0 for two dimensions, 1 with Z, 2 with M, 3 with both."""
    flags = (1 if code & _Z else 0) + (2 if code & _M else 0)
    thousands, shape = divmod(code & _FLAGS, _THOUSAND)
    return shape, flags or thousands


def _points(reader: _WkbReader, width: int) -> Iterator[bytes]:
    count = reader.count()
    yield struct.pack("<I", count)
    yield _numbers(reader, count * width)


def _numbers(reader: _WkbReader, count: int) -> bytes:
    return struct.pack(f"<{count}d", *reader.take(f"{count}d"))
