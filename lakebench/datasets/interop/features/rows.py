"""Row-level changes: deletes of every kind, updates, merges, overwrites."""

from __future__ import annotations

from lakebench.datasets.interop.feature import Feature, Proof
from lakebench.iceberg.operations import (
    Append,
    Create,
    Delete,
    EqualityDelete,
    Merge,
    Operation,
    Overwrite,
    Read,
    Row,
    Update,
)
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field, PartitionField

_GROUP = "Row-level changes"
_V2 = "Iceberg specification, Position Delete Files"
_EQUALITY = "Iceberg specification, Equality Delete Files"
_MODES = ("write.delete.mode", "write.update.mode", "write.merge.mode")
_MOR = dict.fromkeys(_MODES, "merge-on-read")
_COW = dict.fromkeys(_MODES, "copy-on-write")
_COLUMNS = (Field("id", "int"), Field("p", "string"), Field("v", "long"))
_FIRST = Append(rows=tuple((n, "ab"[n % 2], n * 10) for n in range(1, 9)))
_SECOND = Append(rows=tuple((n, "ab"[n % 2], n * 10) for n in range(9, 13)))
_COUNT = Read("count(*) where v >= 30", count=True, where=(Condition("v", ">=", 30),))


def _feature(
    name: str,
    title: str,
    topic: str,
    *then: Operation,
    properties: dict[str, str] | None = None,
    partition: tuple[PartitionField, ...] = (),
    version: int = 2,
    source: str = _V2,
    reads: tuple[Read, ...] = (_COUNT,),
    proof: tuple[Proof, ...] = (),
) -> Feature:
    """A table of two appends, and what is done to it."""
    create = Create(columns=_COLUMNS, partition=partition, properties=properties or {}, format_version=version)
    return Feature(name, _GROUP, title, (create, _FIRST, _SECOND, *then), topic, source, reads, proof)


def _id(*numbers: int) -> tuple[Condition, ...]:
    return (Condition("id", "in", numbers),) if len(numbers) > 1 else (Condition("id", "=", numbers[0]),)


_BY_P = (PartitionField("p"),)
_POSITION = (Proof("position-delete-files", ">=", 1),)
_VECTOR = (Proof("deletion-vectors", ">=", 1), Proof("format-version", "=", 3))
_NO_DELETES = (Proof("position-delete-files", "=", 0), Proof("deletion-vectors", "=", 0))
_KEYS: tuple[Row, ...] = ((3,), (10,))

ALL = (
    _feature("append", "two appends", "append", proof=(Proof("rows", "=", 12), Proof("data-files", ">=", 2))),
    Feature(
        "many-appends",
        _GROUP,
        "twelve appends of one row each: as many manifests or a merged one",
        (Create(columns=_COLUMNS), *(Append(rows=((n, "a", n),)) for n in range(12))),
        "append",
        "Iceberg specification, Manifests",
        (_COUNT,),
        (Proof("rows", "=", 12), Proof("data-files", ">=", 12)),
    ),
    Feature(
        "empty-table",
        _GROUP,
        "a table that nothing was written to",
        (Create(columns=_COLUMNS),),
        "v2-tables",
        "iceberg-python 134: current-snapshot-id is null, -1 or missing",
        (Read("v = 1", columns=("id",), where=(Condition("v", "=", 1),)),),
        (Proof("rows", "=", 0),),
    ),
    _feature(
        "position-deletes",
        "rows deleted by position in some files",
        "position-deletes",
        Delete(where=_id(3, 10)),
        properties=_MOR,
        proof=_POSITION,
    ),
    _feature(
        "position-deletes-partitioned",
        "rows deleted by position in one partition",
        "position-deletes",
        Delete(where=(Condition("id", "=", 3), Condition("p", "=", "b"))),
        properties=_MOR,
        partition=_BY_P,
        proof=_POSITION,
    ),
    _feature(
        "count-with-few-deletes",
        "one row deleted in one of many files: no short cut may count it",
        "position-deletes",
        Delete(where=_id(7)),
        properties=_MOR,
        source="Daft _has_delete_files, Polars fast_deletion_count: count(*) from metadata ignores deletes",
        reads=(_COUNT, Read("v alone", columns=("v",))),
        proof=_POSITION,
    ),
    _feature(
        "delete-twice",
        "deletes of two commits over the same files, then an append of a deleted key",
        "position-deletes",
        Delete(where=_id(3)),
        Delete(where=_id(4)),
        Append(rows=((3, "again", 3),)),
        properties=_MOR,
        proof=_POSITION,
    ),
    _feature(
        "delete-whole-partition",
        "a delete that covers whole files",
        "update-delete",
        Delete(where=(Condition("p", "=", "a"),)),
        partition=_BY_P,
        source="Iceberg specification, Scan Planning: files are dropped from the manifests",
    ),
    _feature(
        "delete-all", "every row deleted", "update-delete", Delete(where=(Condition("id", ">", 0),)), reads=(_COUNT,)
    ),
    _feature(
        "copy-on-write-delete",
        "a delete that rewrites files",
        "copy-on-write",
        Delete(where=_id(3, 10)),
        properties=_COW,
        source="Iceberg documentation, Configuration: write.delete.mode",
        proof=_NO_DELETES,
    ),
    _feature(
        "update",
        "rows updated by merge-on-read",
        "update-delete",
        Update(where=_id(2), values={"v": 222}),
        Update(where=(Condition("v", ">=", 100),), values={"p": "big"}),
        properties=_MOR,
    ),
    _feature(
        "update-moves-partition",
        "an update that moves rows to another partition",
        "update-delete",
        Update(where=(Condition("p", "=", "a"),), values={"p": "c"}),
        properties=_MOR,
        partition=_BY_P,
        reads=(_COUNT, Read("p = c", columns=("id",), where=(Condition("p", "=", "c"),))),
    ),
    _feature(
        "copy-on-write-update",
        "an update that rewrites files",
        "copy-on-write",
        Update(where=_id(2), values={"v": 222}),
        properties=_COW,
        source="Iceberg documentation, Configuration: write.update.mode",
        proof=_NO_DELETES,
    ),
    _feature(
        "merge",
        "an upsert: one row replaced, one inserted",
        "merge",
        Merge(rows=((2, "merged", 222), (100, "new", 1000))),
        properties=_MOR,
        source="Iceberg documentation, MERGE INTO; PyIceberg upsert",
    ),
    _feature(
        "overwrite",
        "all rows replaced",
        "overwrite",
        Overwrite(rows=((100, "x", 1), (101, "y", 2))),
        source="Iceberg specification, Snapshots: operation overwrite",
    ),
    _feature(
        "dynamic-overwrite",
        "the rows of one partition replaced",
        "dynamic-overwrite",
        Overwrite(rows=((100, "a", 1),), dynamic=True),
        partition=_BY_P,
        source="Iceberg documentation, INSERT OVERWRITE with dynamic overwrite",
    ),
    _feature(
        "equality-deletes",
        "rows deleted by their key, whatever file they are in",
        "equality-deletes",
        EqualityDelete(key=("id",), rows=_KEYS, columns=("id",)),
        source=_EQUALITY,
        proof=(Proof("equality-delete-files", ">=", 1),),
    ),
    _feature(
        "equality-deletes-keep-newer",
        "an equality delete does not reach rows appended after it",
        "equality-deletes",
        EqualityDelete(key=("id",), rows=_KEYS, columns=("id",)),
        Append(rows=((3, "again", 3), (10, "again", 4))),
        source="duckdb-iceberg 491: equality deletes by sequence number",
        proof=(Proof("equality-delete-files", ">=", 1),),
    ),
    _feature(
        "equality-deletes-partitioned",
        "an equality delete in one partition leaves the same key in another alone",
        "equality-deletes",
        Append(rows=((3, "a", 333),)),
        EqualityDelete(key=("id",), rows=((3, "b"),), columns=("id", "p")),
        partition=_BY_P,
        source="duckdb-iceberg 491, StarRocks 73901: equality deletes leak between partitions",
        proof=(Proof("equality-delete-files", ">=", 1),),
    ),
    _feature(
        "equality-deletes-null-key",
        "an equality delete of a null key, and of two columns",
        "equality-deletes",
        Append(rows=((None, "a", 1), (None, None, 2), (50, None, 3))),
        EqualityDelete(key=("id", "p"), rows=((None, "a"), (50, None)), columns=("id", "p")),
        source=f"{_EQUALITY}: null equals null",
        proof=(Proof("equality-delete-files", ">=", 1),),
    ),
    _feature(
        "equality-deletes-beside-null-keys",
        "an equality delete of one key leaves rows without a key alone",
        "equality-deletes",
        Append(rows=((None, "a", 1), (None, "b", 2))),
        EqualityDelete(key=("id",), rows=_KEYS, columns=("id",)),
        source=f"{_EQUALITY}: null equals null only",
        proof=(Proof("equality-delete-files", ">=", 1),),
    ),
    _feature(
        "mixed-deletes",
        "position deletes and equality deletes on one table",
        "equality-deletes",
        Delete(where=_id(1)),
        EqualityDelete(key=("id",), rows=_KEYS, columns=("id",)),
        properties=_MOR,
        source=_EQUALITY,
        proof=(*_POSITION, Proof("equality-delete-files", ">=", 1)),
    ),
    _feature(
        "deletion-vectors",
        "rows deleted by a deletion vector",
        "deletion-vectors",
        Delete(where=_id(3)),
        properties=_MOR,
        version=3,
        source="Iceberg specification, Deletion Vectors",
        proof=_VECTOR,
    ),
    _feature(
        "several-deletion-vectors",
        "one delete over two data files: several vectors, which may share a Puffin file",
        "deletion-vectors",
        Delete(where=_id(3, 10)),
        properties=_MOR,
        version=3,
        source="StarRocks pull 76228: several deletion vectors at different offsets of one Puffin file",
        proof=(Proof("deletion-vectors", ">=", 2),),
    ),
    _feature(
        "deletion-vector-replaced",
        "a second delete on the same file: one vector a file, with both rows",
        "deletion-vectors",
        Delete(where=_id(3)),
        Delete(where=_id(5)),
        properties=_MOR,
        version=3,
        source="Iceberg specification, Deletion Vectors: at most one vector a data file",
        proof=_VECTOR,
    ),
    _feature(
        "deletion-vector-beside-another",
        "a delete on one of two files whose vectors another engine wrote into one Puffin file",
        "deletion-vectors",
        Delete(where=_id(3, 10), by="another"),
        Delete(where=_id(5)),
        properties=_MOR,
        version=3,
        source="Iceberg specification, Deletion Vectors: a vector is known by its file, offset and length",
        proof=_VECTOR,
    ),
    _feature(
        "update-v3",
        "rows of a version 3 table updated",
        "deletion-vectors",
        Update(where=_id(2), values={"v": 222}),
        properties=_MOR,
        version=3,
        source="Iceberg specification, Deletion Vectors",
        proof=(Proof("format-version", "=", 3),),
    ),
    _feature(
        "row-lineage",
        "every data file has its first row id, and the table the next one",
        "row-lineage",
        version=3,
        source="Iceberg specification, Row Lineage",
        proof=(Proof("first-row-ids", "=", True), Proof("next-row-id", ">=", 12)),
    ),
)
