"""Parquet files whose columns get the field ids of an Iceberg table, while their pages stay as they are.

An Iceberg reader finds columns by field id (Iceberg specification, *Column Projection*); a generator's files have none.
Ids are part of the schema at the beginning of a file's footer (parquet.thrift, ``FileMetaData``): that is written anew,
and all else copied, whose offsets count from the beginning of the file. Arrow's own schema, which engines do not write,
is put out of sight: by it readers would take types of Arrow that Iceberg has not, such as views of strings.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from lakebench.iceberg.files import file_system
from lakebench.model import ObjectStore

_MAGIC = b"PAR1"
_PART = 2**20
_TAIL = 8  # the footer's length, and the magic
_ARROW, _OUT_OF_SIGHT = b"\x0cARROW:schema", b"\x0cARROW-schema"  # with their lengths; nobody asks for the second
_VERSION, _SCHEMA = 1, 2  # fields of FileMetaData
_NAME, _CHILDREN, _FIELD_ID = 4, 5, 9  # fields of SchemaElement


def store(file: Path, ids: Mapping[str, int], to: ObjectStore | None, address: str) -> str:
    """Copy ``file`` to ``address`` in the store ``to``, or on the file system, each column with its id of ``ids``.

    Returns:
        The codec of the file's columns.

    Raises:
        ValueError: the file is not Parquet, or a column is nested, or has no id in ``ids``.
    """
    import pyarrow.parquet as pq

    system, path = file_system(to), address.partition("://")[2]
    if to is None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    with file.open("rb") as source, system.open_output_stream(path) as target:
        copy(source, ids, target)
    return str(pq.read_metadata(file).row_group(0).column(0).compression).lower()


def copy(source: BinaryIO, ids: Mapping[str, int], target: BinaryIO) -> None:
    """Copy the Parquet file ``source`` to ``target``, each column with its field id of ``ids``.

    Raises:
        ValueError: the file is not Parquet, or a column is nested, or has no id in ``ids``.
    """
    end = source.seek(-_TAIL, 2)
    tail = source.read(_TAIL)
    if tail[4:] != _MAGIC:
        raise ValueError("this is no Parquet file")
    pages = end - int.from_bytes(tail[:4], "little")
    source.seek(pages)
    footer = _with_ids(source.read(end - pages), ids)
    source.seek(0)
    target.writelines(source.read(min(_PART, pages - at)) for at in range(0, pages, _PART))
    target.write(footer + len(footer).to_bytes(4, "little") + _MAGIC)


def _with_ids(footer: bytes, ids: Mapping[str, int]) -> bytes:
    """``footer`` with field ids; what follows its schema is not touched."""
    from thrift.protocol.TCompactProtocol import TCompactProtocol
    from thrift.Thrift import TType
    from thrift.transport.TTransport import TMemoryBuffer

    read, written = TMemoryBuffer(footer), TMemoryBuffer()
    source, target = TCompactProtocol(read), TCompactProtocol(written)
    source.readStructBegin()
    target.writeStructBegin("FileMetaData")
    while (field := source.readFieldBegin())[2] != _SCHEMA:
        if field[2] != _VERSION:
            raise ValueError("the footer of the Parquet file does not begin with its schema")
        target.writeFieldBegin(*field)
        target.writeI32(source.readI32())
        source.readFieldEnd()
        target.writeFieldEnd()
    target.writeFieldBegin(*field)
    kind, count = source.readListBegin()
    target.writeListBegin(kind, count)
    for number in range(count):
        element = _fields(source)
        if number:  # the first is the root
            element[_FIELD_ID] = (TType.I32, _id(element, ids))
        _write(element, target)
    return bytes(written.getvalue() + footer[read.cstringio_buf.tell() :].replace(_ARROW, _OUT_OF_SIGHT))


def _id(element: Mapping[int, tuple[int, Any]], ids: Mapping[str, int]) -> int:
    name = element[_NAME][1].decode()
    if _CHILDREN in element or name not in ids:
        raise ValueError(f"the column {name} is nested, or not in the table")
    return ids[name]


def _fields(source: Any) -> dict[int, tuple[int, Any]]:
    """The fields of a struct by number, each with its type; those of a struct within it likewise."""
    from thrift.Thrift import TType

    found = {}
    source.readStructBegin()
    while (field := source.readFieldBegin())[1] != TType.STOP:
        _, kind, number = field
        found[number] = kind, _fields(source) if kind == TType.STRUCT else getattr(source, f"read{_SCALARS[kind]}")()
        source.readFieldEnd()
    source.readStructEnd()
    return found


def _write(fields: Mapping[int, tuple[int, Any]], target: Any) -> None:
    from thrift.Thrift import TType

    target.writeStructBegin("")
    for number, (kind, value) in sorted(fields.items()):
        target.writeFieldBegin("", kind, number)
        if kind == TType.STRUCT:
            _write(value, target)
        else:
            getattr(target, f"write{_SCALARS[kind]}")(value)
        target.writeFieldEnd()
    target.writeFieldStop()
    target.writeStructEnd()


_SCALARS = {2: "Bool", 3: "Byte", 6: "I16", 8: "I32", 10: "I64", 11: "Binary"}
"""Thrift's numbers of types (``thrift.Thrift.TType``) → what its protocols call them."""
