"""Avro container files by fastavro; Arrow decompresses the codecs that fastavro has no package for."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any

from lakebench.iceberg.damage import Damaged, parsed, strict

_MAGIC = b"Obj\x01"
_SYNC_BYTES = 16
_MORE = 0x80  # a byte that another one follows
_CODEC = "avro.codec"
_OTHERS = {"zstandard", "snappy"}


def read(data: bytes) -> tuple[list[dict[str, Any]], Mapping[str, str], Mapping[str, Any]]:
    """The records of the container file ``data``, its header's metadata, and its schema as it was written.

    Raises:
        Damaged: this is no complete container file.
    """
    import fastavro

    opened = io.BytesIO(_opened(data))
    # fastavro has no error of its own for damaged bytes: it raises whatever its code runs into.
    reader = parsed(lambda: fastavro.reader(opened), Exception)
    records: list[Any] = parsed(lambda: list(reader), Exception)
    schema = reader.writer_schema
    return strict(records), reader.metadata, strict(schema) if isinstance(schema, dict) else {}


def _opened(data: bytes) -> bytes:
    """``data`` with its blocks decompressed, where fastavro has no package for their codec."""
    source = _Source(data)
    if source.take(len(_MAGIC)) != _MAGIC:
        raise Damaged("it is no Avro file")
    header = dict(source.pairs())
    codec = header.get(_CODEC, b"null").decode(errors="replace")
    if codec not in _OTHERS:
        return data
    sync = source.take(_SYNC_BYTES)
    parts = [_MAGIC, _header({**header, _CODEC: b"null"}), sync]
    while not source.ended:
        count, block = source.long(), _decompressed(codec, source.text())
        parts += [_long(count), _long(len(block)), block, source.take(_SYNC_BYTES)]
    return b"".join(parts)


def _decompressed(codec: str, block: bytes) -> bytes:
    import pyarrow as pa

    size = _length(block) if codec == "snappy" else 0
    kinds = (pa.ArrowException, OSError)
    if codec == "zstandard":
        return parsed(lambda: bytes(pa.CompressedInputStream(pa.BufferReader(block), "zstd").read()), *kinds)
    # The length is at the beginning, and a checksum at the end.
    codec_ = pa.Codec("snappy")
    return parsed(lambda: bytes(codec_.decompress(block[:-4], decompressed_size=size, asbytes=True)), *kinds)


def _length(block: bytes) -> int:
    """The base-128 number that a snappy block begins with."""
    return _Source(block).varint()


def _header(pairs: Mapping[str, bytes]) -> bytes:
    texts = [text for name, value in pairs.items() for text in (name.encode(), value)]
    return b"".join([_long(len(pairs)), *(_long(len(text)) + text for text in texts), _long(0)])


def _long(number: int) -> bytes:
    """A number that is not negative, zigzag and in base 128."""
    remaining = number << 1
    encoded = bytearray()
    while remaining >= _MORE:
        encoded.append(remaining % _MORE | _MORE)
        remaining >>= 7
    return bytes([*encoded, remaining])


class _Source:
    """Avro's primitives, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def ended(self) -> bool:
        return self._at >= len(self._data)

    def take(self, size: int) -> bytes:
        self._at += size
        if size < 0 or self._at > len(self._data):
            raise Damaged("it ends in the middle of a block")
        return self._data[self._at - size : self._at]

    def varint(self) -> int:
        number = shift = 0
        while True:
            (byte,) = self.take(1)
            number |= (byte % _MORE) << shift
            shift += 7
            if byte < _MORE:
                return number

    def long(self) -> int:
        number = self.varint()
        return number >> 1 ^ -(number & 1)

    def text(self) -> bytes:
        return self.take(self.long())

    def pairs(self) -> Iterator[tuple[str, bytes]]:
        while count := self.long():
            if count < 0:
                self.long()  # the block's size in bytes
            for _ in range(abs(count)):
                yield self.text().decode(errors="replace"), self.text()
