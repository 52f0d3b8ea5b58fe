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
_ARRAYS, _RUNS = 12346, 12347  # cookies of a roaring bitmap without, and with run containers
_LARGEST_ARRAY = 4096
_BITSET = 8192
_FEW = 4


def write(vectors: Mapping[str, Iterable[int]]) -> tuple[bytes, dict[str, tuple[int, int]]]:
    """A Puffin file with a vector for each data file; where each lies (offset, length)."""
    data = _MAGIC
    blobs: list[dict[str, Any]] = []
    places = {}
    for path, positions in vectors.items():
        found = sorted(set(positions))
        blob = encode(found)
        places[path] = (len(data), len(blob))
        told = {"type": "deletion-vector-v1", "fields": [POSITION], "snapshot-id": -1, "sequence-number": -1}
        place = {"offset": len(data), "length": len(blob)}
        blobs.append({**told, **place, "properties": {"referenced-data-file": path, "cardinality": str(len(found))}})
        data += blob
    payload = json.dumps({"blobs": blobs, "properties": {"created-by": "lakebench"}}).encode()
    return data + _MAGIC + payload + struct.pack("<ii", len(payload), 0) + _MAGIC, places


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
    for one in containers:
        header += struct.pack("<I", offset)
        offset += len(one)
    return header + b"".join(containers)


def _container(values: list[int]) -> bytes:
    if len(values) <= _LARGEST_ARRAY:
        return struct.pack(f"<{len(values)}H", *values)
    bits = bytearray(_BITSET)
    for one in values:
        bits[one >> 3] |= 1 << (one & 7)
    return bytes(bits)


def decode(blob: bytes) -> set[int]:
    """The positions in the blob of a vector, whoever wrote it."""
    (count,) = struct.unpack_from("<Q", blob, 8)
    at = 16
    found: set[int] = set()
    for _ in range(count):
        (high,) = struct.unpack_from("<I", blob, at)
        some, at = _read_bitmap(blob, at + 4)
        found.update(high << 32 | one for one in some)
    return found


def _read_bitmap(data: bytes, at: int) -> tuple[set[int], int]:
    (cookie,) = struct.unpack_from("<I", data, at)
    runs: set[int] = set()
    if cookie & 0xFFFF == _RUNS:
        count, at = (cookie >> 16) + 1, at + 4
        flags = data[at : at + (count + 7) // 8]
        runs, at = {n for n in range(count) if flags[n >> 3] >> (n & 7) & 1}, at + len(flags)
    else:
        (count,) = struct.unpack_from("<I", data, at + 4)
        at += 8
    headers = [struct.unpack_from("<HH", data, at + 4 * n) for n in range(count)]
    at += 4 * count
    if not runs or count >= _FEW:  # a bitmap with run containers has offsets only where there are several
        at += 4 * count
    found: set[int] = set()
    for n, (high, cardinality) in enumerate(headers):
        some, at = _read_run(data, at) if n in runs else _read_container(data, at, cardinality + 1)
        found.update(high << 16 | one for one in some)
    return found, at


def _read_run(data: bytes, at: int) -> tuple[list[int], int]:
    (count,) = struct.unpack_from("<H", data, at)
    pairs = struct.iter_unpack("<HH", data[at + 2 : at + 2 + 4 * count])
    return [one for start, more in pairs for one in range(start, start + more + 1)], at + 2 + 4 * count


def _read_container(data: bytes, at: int, count: int) -> tuple[list[int], int]:
    if count <= _LARGEST_ARRAY:
        return list(struct.unpack_from(f"<{count}H", data, at)), at + 2 * count
    bits = data[at : at + _BITSET]
    return [n for n in range(8 * _BITSET) if bits[n >> 3] >> (n & 7) & 1], at + _BITSET
