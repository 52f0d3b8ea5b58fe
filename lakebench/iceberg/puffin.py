"""Puffin files and the deletion vectors in them, read from the bytes (Puffin specification; Roaring format).

No library reads the bitmaps: PyIceberg reads them by CRoaring, and what PyIceberg is compared with must not.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lakebench.iceberg.damage import Damaged, StrictObject, parsed, strict, whole

_MAGIC = b"PFA1"
_VECTOR_MAGIC = b"\xd1\xd3\x39\x64"
_LZ4 = 1
# From the end: payload size, flags and magic.
_TAIL = struct.Struct("<i4s4s")
_LENGTH = struct.Struct(">I")

_COOKIE_WITHOUT_RUNS = 12346
_COOKIE = 12347
_SMALL_WITH_RUNS = 4
_ARRAY_LIMIT = 4096
_BITMAP_BYTES = 8192


@dataclass(frozen=True)
class Blob:
    """A blob as the footer describes it."""

    type: str
    offset: int
    length: int
    fields: tuple[int, ...] = ()
    snapshot_id: int = -1
    sequence_number: int = -1


def blobs(data: bytes) -> list[Blob]:
    """The blobs of the Puffin file ``data``.

    Raises:
        Damaged: this is no complete Puffin file.
    """
    if len(data) < len(_MAGIC) + _TAIL.size or not data.startswith(_MAGIC):
        raise Damaged("no Puffin file: it does not begin with PFA1")
    size, flags, magic = _TAIL.unpack_from(data, len(data) - _TAIL.size)
    start = len(data) - _TAIL.size - size
    if magic != _MAGIC or size < 0 or data[start - len(_MAGIC) : start] != _MAGIC:
        raise Damaged("no whole Puffin file: it has no footer")
    payload = data[start : start + size]
    content = _lz4(payload) if flags[0] & _LZ4 else payload
    footer = strict(parsed(lambda: json.loads(content), ValueError, RecursionError))
    if not isinstance(footer, StrictObject) or not isinstance(footer["blobs"], list):
        raise Damaged("its footer is no list of blobs")
    return [_blob(one) for one in footer["blobs"]]


def _blob(entry: Any) -> Blob:
    if not isinstance(entry, StrictObject) or not isinstance(entry["fields"], list):
        raise Damaged("its footer has a blob that is none")
    offset, length = whole(entry["offset"], "offset"), whole(entry["length"], "length")
    return Blob(entry["type"], offset, length, tuple(entry["fields"]), entry["snapshot-id"], entry["sequence-number"])


def _lz4(payload: bytes) -> bytes:
    import pyarrow as pa

    with pa.CompressedInputStream(pa.BufferReader(payload), "lz4") as stream:
        return parsed(lambda: bytes(stream.read()), pa.ArrowException, OSError)


def positions(blob: bytes) -> list[int]:
    """The positions in a ``deletion-vector-v1`` blob.

    Raises:
        Damaged: its length, magic, checksum or bitmap is wrong.
    """
    if len(blob) < _LENGTH.size * 2:
        raise Damaged(f"a deletion vector that is cut: it has {len(blob)} bytes")
    (length,) = _LENGTH.unpack_from(blob)
    if _LENGTH.size * 2 + length != len(blob):
        raise Damaged(f"a deletion vector of {len(blob)} bytes says that it has {length + _LENGTH.size * 2}")
    body = blob[_LENGTH.size : _LENGTH.size + length]
    (checksum,) = _LENGTH.unpack_from(blob, _LENGTH.size + length)
    if not body.startswith(_VECTOR_MAGIC):
        raise Damaged("a deletion vector without its magic number")
    if zlib.crc32(body) != checksum:
        raise Damaged("a deletion vector with a wrong checksum")
    return list(_bitmap64(_Reader(body[len(_VECTOR_MAGIC) :])))


class _Reader:
    """Little-endian numbers, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def numbers(self, form: str) -> tuple[int, ...]:
        size = struct.calcsize(f"<{form}")
        if self._at + size > len(self._data):
            raise Damaged(f"a deletion vector that is cut: it ends before {size} more bytes")
        numbers = struct.unpack_from(f"<{form}", self._data, self._at)
        self._at += size
        return numbers


def _bitmap64(reader: _Reader) -> Iterator[int]:
    (count,) = reader.numbers("Q")
    for _ in range(count):
        (key,) = reader.numbers("I")
        for low in _bitmap32(reader):
            yield key << 32 | low


def _bitmap32(reader: _Reader) -> Iterator[int]:
    (cookie,) = reader.numbers("I")
    if cookie & 0xFFFF == _COOKIE:
        size = (cookie >> 16) + 1
        flags = reader.numbers(f"{(size + 7) // 8}B")
        runs = [bool(flags[n // 8] >> n % 8 & 1) for n in range(size)]
    elif cookie == _COOKIE_WITHOUT_RUNS:
        (size,) = reader.numbers("I")
        runs = [False] * size
    else:
        raise Damaged(f"a deletion vector whose bitmap begins with {cookie}")
    header = reader.numbers(f"{size * 2}H")
    if cookie == _COOKIE_WITHOUT_RUNS or size >= _SMALL_WITH_RUNS:
        reader.numbers(f"{size}I")  # offsets, which reading from front to back does not need
    for n, is_run in enumerate(runs):
        high = header[n * 2] << 16
        for low in _container(reader, header[n * 2 + 1] + 1, is_run=is_run):
            yield high | low


def _container(reader: _Reader, cardinality: int, *, is_run: bool) -> Iterator[int]:
    if is_run:
        (count,) = reader.numbers("H")
        bounds = reader.numbers(f"{count * 2}H")
        for start, more in zip(bounds[::2], bounds[1::2], strict=True):
            yield from range(start, start + more + 1)
    elif cardinality <= _ARRAY_LIMIT:
        yield from reader.numbers(f"{cardinality}H")
    else:
        bits = reader.numbers(f"{_BITMAP_BYTES}B")
        yield from (n * 8 + bit for n, byte in enumerate(bits) for bit in range(8) if byte >> bit & 1)
