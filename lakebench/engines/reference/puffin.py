"""Deletion vectors, and the Puffin files that they lie in (Puffin specification, deletion-vector-v1)."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from lakebench.engines.reference.schema import POSITION

_MAGIC = b"PFA1"
_VECTOR_MAGIC = b"\xd1\xd3\x39\x64"
_ARRAYS = 12346  # the cookie of a roaring bitmap without run containers
_LARGEST_ARRAY = 4096
_BITSET = 8192


def write(vectors: Mapping[str, Iterable[int]]) -> tuple[bytes, dict[str, tuple[int, int]]]:
    """A Puffin file with a vector for each data file; where each lies (offset, length)."""
    data = _MAGIC
    blobs: list[dict[str, Any]] = []
    locations = {}
    for path, positions in vectors.items():
        ordered = sorted(set(positions))
        blob = encode(ordered)
        locations[path] = (len(data), len(blob))
        header = {"type": "deletion-vector-v1", "fields": [POSITION], "snapshot-id": -1, "sequence-number": -1}
        location = {"offset": len(data), "length": len(blob)}
        blobs.append(
            {**header, **location, "properties": {"referenced-data-file": path, "cardinality": str(len(ordered))}}
        )
        data += blob
    payload = json.dumps({"blobs": blobs, "properties": {"created-by": "lakebench"}}).encode()
    return data + _MAGIC + payload + struct.pack("<ii", len(payload), 0) + _MAGIC, locations


def encode(positions: Iterable[int]) -> bytes:
    """The blob of a vector: its length, magic, 64-bit roaring bitmap, and CRC-32."""
    groups = [(high, [one & 0xFFFFFFFF for one in some]) for high, some in groupby(positions, lambda one: one >> 32)]
    bitmaps = b"".join(struct.pack("<I", high) + _bitmap(some) for high, some in groups)
    body = _VECTOR_MAGIC + struct.pack("<Q", len(groups)) + bitmaps
    return struct.pack(">I", len(body)) + body + struct.pack(">I", zlib.crc32(body))


def _bitmap(positions: Iterable[int]) -> bytes:
    """A 32-bit roaring bitmap (RoaringFormatSpec) of array and bitset containers."""
    groups = [(high, [one & 0xFFFF for one in some]) for high, some in groupby(positions, lambda one: one >> 16)]
    containers = [_container(some) for _, some in groups]
    header = struct.pack("<II", _ARRAYS, len(groups))
    header += b"".join(struct.pack("<HH", high, len(some) - 1) for high, some in groups)
    offset = len(header) + 4 * len(groups)
    for container in containers:
        header += struct.pack("<I", offset)
        offset += len(container)
    return header + b"".join(containers)


def _container(values: list[int]) -> bytes:
    if len(values) <= _LARGEST_ARRAY:
        return struct.pack(f"<{len(values)}H", *values)
    bits = bytearray(_BITSET)
    for value in values:
        bits[value >> 3] |= 1 << (value & 7)
    return bytes(bits)
