"""The inspector against tables made here by hand, whole and damaged."""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebench.datasets.interop import footers, inspector, pruning
from lakebench.datasets.interop.feature import Proof
from lakebench.datasets.interop.inspector import facts_of, holds, missing
from lakebench.datasets.interop.metadata import Column, type_text
from lakebench.datasets.interop.store import Files
from lakebench.datasets.interop.table import StoredTable
from lakebench.datasets.interop.violations import remarks_of, violations_of
from lakebench.errors import ServiceUnavailable, WrongAnswer
from lakebench.iceberg import avro, manifests, puffin
from lakebench.iceberg.damage import Damaged
from lakebench.iceberg.operations import Read
from lakebench.model import ObjectStore

STORE = ObjectStore("http://127.0.0.1:1", "b", "k", "s")
SNAPSHOT = 11


class LocalFiles(Files):
    """Files of this machine instead of a store's."""

    def __init__(self) -> None:
        pass

    def open(self, location: str) -> pa.NativeFile:
        return pa.OSFile(location, "rb")


def _field(name: str, number: int, kind: Any, *, optional: bool = False) -> dict[str, Any]:
    null: dict[str, Any] = {"default": None} if optional else {}
    return {"name": name, "field-id": number, "type": ["null", kind] if optional else kind, **null}


def _map(key: str, value: str, name: str) -> dict[str, Any]:
    fields = [{"name": "key", "type": key}, {"name": "value", "type": value}]
    return {"type": "array", "logicalType": "map", "items": {"type": "record", "name": name, "fields": fields}}


_PARTITION = {"type": "record", "name": "r102", "fields": [_field("p", 1000, "string", optional=True)]}
_DATA_FILE = {
    "type": "record",
    "name": "r2",
    "fields": [
        _field("content", 134, "int"),
        _field("file_path", 100, "string"),
        _field("file_format", 101, "string"),
        _field("partition", 102, _PARTITION),
        _field("record_count", 103, "long"),
        _field("file_size_in_bytes", 104, "long"),
        _field("lower_bounds", 125, _map("int", "bytes", "low"), optional=True),
        _field("upper_bounds", 128, _map("int", "bytes", "high"), optional=True),
        _field("sort_order_id", 140, "int", optional=True),
        _field("referenced_data_file", 143, "string", optional=True),
        _field("content_offset", 144, "long", optional=True),
        _field("content_size_in_bytes", 145, "long", optional=True),
    ],
}
_ENTRY = {
    "type": "record",
    "name": "manifest_entry",
    "fields": [
        _field("status", 0, "int"),
        _field("snapshot_id", 1, "long", optional=True),
        _field("sequence_number", 3, "long", optional=True),
        _field("data_file", 2, _DATA_FILE),
    ],
}
_SUMMARY = {
    "type": "record",
    "name": "r508",
    "fields": [
        _field("contains_null", 509, "boolean"),
        _field("lower_bound", 510, "bytes", optional=True),
        _field("upper_bound", 511, "bytes", optional=True),
    ],
}
_LISTED = {
    "type": "record",
    "name": "manifest_file",
    "fields": [
        _field("manifest_path", 500, "string"),
        _field("manifest_length", 501, "long"),
        _field("partition_spec_id", 502, "int"),
        _field("content", 517, "int"),
        _field("sequence_number", 515, "long"),
        _field("added_snapshot_id", 503, "long"),
        _field("added_files_count", 504, "int"),
        _field("partitions", 507, {"type": "array", "items": _SUMMARY}, optional=True),
        _field("first_row_id", 520, "long", optional=True),
    ],
}


def _container(schema: dict[str, Any], records: list[dict[str, Any]], **metadata: str) -> bytes:
    into = io.BytesIO()
    fastavro.writer(into, schema, records, metadata=metadata)
    return into.getvalue()


def _id(name: str, kind: pa.DataType, number: int) -> pa.Field:
    return pa.field(name, kind, metadata={"PARQUET:field_id": str(number)})


def _parquet(path: Path, rows: list[dict[str, Any]], fields: list[pa.Field]) -> int:
    pq.write_table(pa.Table.from_pylist(rows, schema=pa.schema(fields)), path, compression="zstd")
    return path.stat().st_size


DATA_FIELDS = [_id("id", pa.int32(), 1), _id("p", pa.string(), 2)]
DELETE_FIELDS = [_id("file_path", pa.string(), 2147483546), _id("pos", pa.int64(), 2147483545)]
ROWS = [{"id": 1, "p": "a"}, {"id": 5, "p": "a"}]


def bitmap(positions: list[int]) -> bytes:
    """Roaring with one array container."""
    header = struct.pack("<QIIIHHI", 1, 0, 12346, 1, 0, len(positions) - 1, 16)
    return header + struct.pack(f"<{len(positions)}H", *positions)


def vector(body: bytes) -> bytes:
    whole = b"\xd1\xd3\x39\x64" + body
    return struct.pack(">I", len(whole)) + whole + struct.pack(">I", zlib.crc32(whole))


def puffin_file(blob: bytes, kind: str = "deletion-vector-v1") -> bytes:
    blob_metadata = {
        "type": kind,
        "offset": 4,
        "length": len(blob),
        "fields": [1],
        "snapshot-id": -1,
        "sequence-number": -1,
    }
    payload = json.dumps({"blobs": [blob_metadata]}).encode()
    return b"PFA1" + blob + b"PFA1" + payload + struct.pack("<i4s4s", len(payload), bytes(4), b"PFA1")


class Made:
    """A partitioned table of one data file, with one file of position deletes or a deletion vector."""

    def __init__(self, folder: Path, *, version: int = 2) -> None:
        self.folder = folder
        self.version = version
        self.data = self._file("data.parquet", "parquet", 0, _parquet(folder / "data.parquet", ROWS, DATA_FIELDS), 2)
        self.data["lower_bounds"] = [{"key": 1, "value": struct.pack("<i", 1)}, {"key": 2, "value": b"a"}]
        self.data["upper_bounds"] = [{"key": 1, "value": struct.pack("<i", 5)}, {"key": 2, "value": b"a"}]
        self.summary = {"contains_null": False, "lower_bound": b"a", "upper_bound": b"a"}
        self.deletes = self._vector() if version == 3 else self._positions(str(folder / "data.parquet"), 1)
        self.sequence = {"data": 1, "deletes": 2}
        self.first_row_id: dict[str, int | None] = {"data": 0 if version == 3 else None, "deletes": None}
        self.data_spec = 0
        self.extra: dict[str, Any] = {"next-row-id": 2} if version == 3 else {}

    def _file(self, name: str, form: str, content: int, size: int, records: int) -> dict[str, Any]:
        return {
            "content": content,
            "file_path": str(self.folder / name),
            "file_format": form.upper(),
            "partition": {"p": "a"},
            "record_count": records,
            "file_size_in_bytes": size,
        }

    def _positions(self, path: str, position: int) -> dict[str, Any]:
        rows = [{"file_path": path, "pos": position}]
        return self._file(
            "deletes.parquet", "parquet", 1, _parquet(self.folder / "deletes.parquet", rows, DELETE_FIELDS), 1
        )

    def _vector(self, body: bytes | None = None) -> dict[str, Any]:
        blob = vector(bitmap([1]) if body is None else body)
        data = puffin_file(blob)
        (self.folder / "deletes.puffin").write_bytes(data)
        return {
            **self._file("deletes.puffin", "puffin", 1, len(data), 1),
            "referenced_data_file": str(self.folder / "data.parquet"),
            "content_offset": 4,
            "content_size_in_bytes": len(blob),
        }

    def table(self) -> StoredTable:
        """Write manifests and metadata in their present state."""
        lines = []
        for name, file in (("data", self.data), ("deletes", self.deletes)):
            path = self.folder / f"{name}.avro"
            spec = self.data_spec if name == "data" else 0
            headers = {"format-version": str(self.version), "partition-spec-id": str(spec)}
            path.write_bytes(_container(_ENTRY, [{"status": 1, "data_file": file}], **headers))
            lines.append(
                {
                    "manifest_path": str(path),
                    "manifest_length": path.stat().st_size,
                    "partition_spec_id": spec,
                    "content": int(name == "deletes"),
                    "sequence_number": self.sequence[name],
                    "added_snapshot_id": SNAPSHOT,
                    "added_files_count": 1,
                    "partitions": [self.summary],
                    "first_row_id": self.first_row_id[name],
                }
            )
        (self.folder / "list.avro").write_bytes(_container(_LISTED, lines))
        return StoredTable({**self._metadata(), **self.extra}, LocalFiles())

    def _metadata(self) -> dict[str, Any]:
        columns = [
            {"id": 1, "name": "id", "required": True, "type": "int", "doc": "the key"},
            {"id": 2, "name": "p", "required": False, "type": "string"},
        ]
        snapshot = {
            "snapshot-id": SNAPSHOT,
            "sequence-number": 2,
            "summary": {"operation": "delete", "total-records": "2", "total-data-files": "1"},
            "manifest-list": str(self.folder / "list.avro"),
            **({"first-row-id": 0} if self.version == 3 else {}),
        }
        field = {"source-id": 2, "field-id": 1000, "name": "p", "transform": "identity"}
        order = {"source-id": 1, "transform": "identity", "direction": "desc", "null-order": "nulls-last"}
        return {
            "format-version": self.version,
            "location": str(self.folder),
            "last-column-id": 2,
            "last-sequence-number": 2,
            "schemas": [{"schema-id": 0, "fields": columns}],
            "current-schema-id": 0,
            "partition-specs": [{"spec-id": 0, "fields": [field]}, {"spec-id": 1, "fields": [field]}],
            "default-spec-id": 0,
            "sort-orders": [{"order-id": 1, "fields": [order]}],
            "default-sort-order-id": 1,
            "snapshots": [snapshot],
            "current-snapshot-id": SNAPSHOT,
            "refs": {"main": {"snapshot-id": SNAPSHOT, "type": "branch"}},
            "snapshot-log": [{"snapshot-id": SNAPSHOT}, {"snapshot-id": 7}],
        }


def test_facts_of_a_table_with_position_deletes(tmp_path: Path) -> None:
    table = Made(tmp_path).table()
    facts = facts_of(table)
    assert violations_of(table) == []
    assert json.loads(json.dumps(facts)) == facts
    wanted = {
        "format-version": 2,
        "column-types": {"id": "int", "p": "string"},
        "required-columns": ["id"],
        "docs": {"id": "the key"},
        "partition-transforms": ["identity(p)"],
        "sort-order": ["id desc nulls-last"],
        "specs": 2,
        "refs": {"main": "branch"},
        "operations": ["delete"],
        "data-files": 1,
        "rows": 2,
        "position-delete-files": 1,
        "deletion-vectors": 0,
        "delete-spec-ids": [0],
        "partitions": 1,
        "bounds": True,
        "first-row-ids": False,
        "file-formats": ["parquet"],
        "codecs": ["zstd"],
        "parquet-field-ids": True,
        "parquet-types": {"id": "none/int32", "p": "string/byte_array"},
        "bloom-filters": False,
        "summary-total-records": 2,
    }
    assert {name: facts[name] for name in wanted} == wanted


def test_facts_of_a_table_with_a_deletion_vector(tmp_path: Path) -> None:
    table = Made(tmp_path, version=3).table()
    facts = facts_of(table)
    assert violations_of(table) == []
    assert (facts["deletion-vectors"], facts["puffin-files"], facts["dvs-in-one-puffin"]) == (1, 1, 1)
    assert (facts["position-delete-files"], facts["first-row-ids"], facts["next-row-id"]) == (0, True, 2)


def _change(**metadata: Any) -> Callable[[Made], None]:
    """Change the manifest's entry of the data file."""
    return lambda made: made.data.update(metadata)


def _no_delete_file(made: Made) -> None:
    (made.folder / "deletes.parquet").unlink()


def _no_data_file(made: Made) -> None:
    (made.folder / "data.parquet").unlink()


def _cut_data_file(made: Made) -> None:
    path = made.folder / "data.parquet"
    path.write_bytes(path.read_bytes()[:-3])


def _bound(made: Made) -> None:
    made.data["upper_bounds"][0]["value"] = struct.pack("<i", 4)


def _no_summary(made: Made) -> None:
    made.summary["lower_bound"] = None


def _narrow_summary(made: Made) -> None:
    made.summary["upper_bound"] = b"Z"


def _misplaced(made: Made) -> None:
    made.data["partition"] = {"p": "b"}
    made.summary["upper_bound"] = b"b"


def _other_spec(made: Made) -> None:
    made.data_spec = 1


def _unknown_spec(made: Made) -> None:
    made.data_spec = 9


def _too_old(made: Made) -> None:
    made.sequence = {"data": 2, "deletes": 1}


def _too_new(made: Made) -> None:
    made.sequence["data"] = 3


def _beyond(made: Made) -> None:
    made.deletes = made._positions(str(made.folder / "data.parquet"), 2)


def _nowhere(made: Made) -> None:
    made.deletes = made._positions("nowhere", 0)


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (_no_delete_file, "the file deletes.parquet is not in the store"),
        (_no_data_file, "the file data.parquet is not in the store"),
        (_cut_data_file, "the parquet file data.parquet cannot be read"),
        (_change(record_count=3), "has 2 rows, but its record_count is 3"),
        (_change(file_size_in_bytes=1), "but its file_size_in_bytes is 1"),
        (_change(content=1), "has data files and delete files in one"),
        (_change(content=1), "the position deletes data.parquet cannot be read: it lacks a column"),
        (_bound, "has the upper bound 4 of id, which excludes the value 5 in it"),
        (_no_summary, "has no lower bound, as if all were null, but there is 'a'"),
        (_narrow_summary, "has the upper bound b'Z', which excludes 'a'"),
        (_change(partition={"p": None}), "has a null in partition field 1"),
        (_misplaced, "of the partition p = 'b' has values from b'a' to b'a'"),
        (_other_spec, "are of spec 0 (p = 'a'), but the data file data.parquet is of spec 1 (p = 'a')"),
        (_unknown_spec, "is of the partition spec 9, which is not there"),
        (_too_old, "are older than the data file data.parquet"),
        (_too_new, "has the sequence number 3, above its snapshot's 2"),
        (_beyond, "have the position 2 of a file of 2 rows"),
        (_nowhere, "point to nowhere, which no snapshot has"),
    ],
)
def test_damage_of_files_and_manifests_is_seen(tmp_path: Path, damage: Callable[[Made], None], sentence: str) -> None:
    made = Made(tmp_path)
    damage(made)
    table = made.table()
    facts_of(table)
    assert sentence in " / ".join(violations_of(table))


@pytest.mark.parametrize(
    ("metadata", "sentence"),
    [
        ({"current-schema-id": 4}, "the current schema 4 is not among the schemas"),
        ({"last-column-id": 1}, "has the field id 2, above last-column-id 1"),
        ({"default-spec-id": 5}, "default-spec-id 5 is not among the partition-specs"),
        ({"current-snapshot-id": 5, "refs": {}}, "the current snapshot 5 is not among the snapshots"),
        ({"refs": {"t": {"snapshot-id": 3, "type": "tag"}}}, "the tag t is at snapshot 3, which is not there"),
        ({"refs": {"main": {"snapshot-id": 3, "type": "branch"}}}, "main is at snapshot 3, but the current"),
        ({"last-sequence-number": 1}, "has the sequence number 2, above last-sequence-number 1"),
    ],
)
def test_broken_metadata_is_seen(tmp_path: Path, metadata: dict[str, Any], sentence: str) -> None:
    made = Made(tmp_path)
    made.extra = metadata
    table = made.table()
    facts_of(table)
    assert sentence in " / ".join(violations_of(table))


def _no_reference(made: Made) -> None:
    made.deletes["referenced_data_file"] = None


def _two_positions(made: Made) -> None:
    made.deletes = made._vector(bitmap([0, 1]))


def _far_position(made: Made) -> None:
    made.deletes = made._vector(bitmap([7]))


def _flipped(made: Made) -> None:
    path = made.folder / "deletes.puffin"
    data = bytearray(path.read_bytes())
    data[4 + 8 + 20] ^= 1
    path.write_bytes(data)


def _wrong_offset(made: Made) -> None:
    made.deletes["content_offset"] = 5


def _row_ids(made: Made) -> None:
    made.extra["next-row-id"] = 1


def _no_row_id(made: Made) -> None:
    made.first_row_id["data"] = None


def _row_id_of_deletes(made: Made) -> None:
    made.first_row_id["deletes"] = 2


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (_no_reference, "have no referenced_data_file"),
        (_two_positions, "have 2 positions, but record_count is 1"),
        (_far_position, "have the position 7 of a file of 2 rows"),
        (_flipped, "a deletion vector with a wrong checksum"),
        (_wrong_offset, "its footer has no deletion-vector-v1 blob at 5"),
        (_row_ids, "has row ids from 0, beyond next-row-id 1"),
        (_no_row_id, "the manifest data.avro has no first_row_id"),
    ],
)
def test_damage_of_version_3_is_seen(tmp_path: Path, damage: Callable[[Made], None], sentence: str) -> None:
    made = Made(tmp_path, version=3)
    damage(made)
    assert sentence in " / ".join(violations_of(made.table()))


def test_what_no_reader_looks_at_is_a_remark(tmp_path: Path) -> None:
    made = Made(tmp_path, version=3)
    assert remarks_of(made.table()) == []
    _row_id_of_deletes(made)
    assert violations_of(made.table()) == []
    assert remarks_of(made.table()) == ["the manifest of deletes deletes.avro has the first_row_id 2 instead of null"]


def test_a_missing_or_damaged_manifest_is_reported_and_the_rest_is_read(tmp_path: Path) -> None:
    table = Made(tmp_path).table()
    (tmp_path / "deletes.avro").unlink()
    (tmp_path / "data.avro").write_bytes((tmp_path / "data.avro").read_bytes()[:-20])
    facts = facts_of(table)
    assert (facts["manifests"], facts["rows"]) == (0, 0)
    violations = violations_of(table)
    assert "the manifest deletes.avro is not in the store" in violations
    assert any(one.startswith("the manifest data.avro cannot be read") for one in violations)


@pytest.mark.parametrize(
    ("where", "name"),
    [(manifests, "_without_ids"), (footers, "_field_ids"), (avro, "_opened"), (manifests, "_mapping")],
)
@pytest.mark.parametrize("error", [KeyError, TypeError, ValueError, IndexError, OSError])
def test_an_error_of_our_parser_is_no_violation_of_the_writers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: Any, name: str, error: type[Exception]
) -> None:
    def fail(*_: Any) -> None:
        raise error("planted")

    table = Made(tmp_path).table()
    monkeypatch.setattr(where, name, fail)
    with pytest.raises(error, match="planted"):
        violations_of(table)


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("record_count", None, "its record_count is None, not a whole number"),
        ("file_path", None, "an entry has no path, or no format"),
    ],
)
def test_a_file_without_what_every_reader_needs_is_the_writers(
    tmp_path: Path, key: str, value: Any, sentence: str
) -> None:
    made = Made(tmp_path)
    (tmp_path / "data.avro").unlink(missing_ok=True)
    table = made.table()
    records, headers, schema = avro.read((tmp_path / "data.avro").read_bytes())
    fields = {one["name"]: one for one in schema["fields"]}["data_file"]["type"]["fields"]
    for one in fields:
        one["type"] = ["null", one["type"]] if one["name"] == key else one["type"]
    for one in records:
        one["data_file"][key] = value
    with (tmp_path / "data.avro").open("wb") as sink:
        fastavro.writer(sink, schema, records, metadata={k: v for k, v in headers.items() if "avro." not in k})
    violations = violations_of(table)
    assert f"the manifest data.avro cannot be read: {sentence}" in violations


def test_metadata_that_lack_what_they_must_have_are_the_writers(tmp_path: Path) -> None:
    table = Made(tmp_path).table()
    without = {key: value for key, value in table.metadata.items() if key != "format-version"}
    other = StoredTable(without, LocalFiles())
    assert "the metadata, or a manifest, cannot be read: it lacks format-version" in violations_of(other)
    with pytest.raises(WrongAnswer, match="it lacks format-version"):
        facts_of(other)


def test_a_store_that_does_not_answer_is_no_violation_of_the_writers(tmp_path: Path) -> None:
    made = Made(tmp_path)
    snapshot = {"snapshot-id": SNAPSHOT, "sequence-number": 2, "manifest-list": "s3://b/list.avro"}
    made.extra = {"snapshots": [snapshot]}
    with pytest.raises(ServiceUnavailable, match="cannot be read"):
        violations_of(StoredTable(made.table().metadata, Files(STORE)))


def test_a_location_that_is_none_is_the_writers(tmp_path: Path) -> None:
    violations = violations_of(StoredTable(Made(tmp_path).table().metadata, Files(STORE)))
    assert any("list.avro cannot be read: " in one and "is no location" in one for one in violations)


def test_a_table_without_a_snapshot_has_facts(tmp_path: Path) -> None:
    made = Made(tmp_path)
    made.extra = {"current-snapshot-id": -1, "snapshots": [], "refs": {}}
    table = made.table()
    facts = facts_of(table)
    assert (facts["snapshots"], facts["rows"], facts["refs"]) == (0, 0, {})
    assert violations_of(table) == []


def test_statistics_are_what_their_file_has(tmp_path: Path) -> None:
    (tmp_path / "s.puffin").write_bytes(puffin_file(b"sketch", "apache-datasketches-theta-v1"))
    made = Made(tmp_path)
    for fields, wrong in (([1], 0), ([2], 1)):
        blob = {"type": "apache-datasketches-theta-v1", "fields": fields}
        statistics = {"snapshot-id": SNAPSHOT, "statistics-path": str(tmp_path / "s.puffin"), "blob-metadata": [blob]}
        made.extra = {"statistics": [statistics]}
        table = made.table()
        assert facts_of(table)["statistics"] == ["apache-datasketches-theta-v1"]
        assert len(violations_of(table)) == wrong


@pytest.mark.parametrize(
    ("blob", "message"),
    [
        (b"\x00", "cut"),
        (vector(bitmap([1]))[:-5], "cut|says that it has"),
        (vector(struct.pack("<Q", 1)), "cut"),
        (vector(struct.pack("<QII", 1, 0, 99)), "begins with 99"),
        (vector(bitmap([1])) + b"\x00", "says that it has"),
        (b"\x00\x00\x00\x04abcd" + bytes(4), "magic"),
    ],
)
def test_a_damaged_vector_is_reported(blob: bytes, message: str) -> None:
    with pytest.raises(Damaged, match=message):
        puffin.positions(blob)


@pytest.mark.parametrize("data", [b"", b"PAR1" * 9, b"PFA1" + bytes(30), puffin_file(b"x")[:-1]])
def test_what_is_no_puffin_file_is_reported(data: bytes) -> None:
    with pytest.raises(Damaged, match="Puffin"):
        puffin.blobs(data)


@pytest.mark.parametrize("codec", ["zstandard", "snappy"])
def test_avro_of_codecs_that_fastavro_lacks(codec: str) -> None:
    schema = {"type": "record", "name": "r", "fields": [{"name": "s", "type": "string"}]}
    records = [{"s": "x" * n} for n in range(300)]
    plain = io.BytesIO()
    fastavro.writer(plain, schema, records, sync_interval=500)
    source = avro._Source(plain.getvalue())
    parts = [source.take(4), avro._header({**dict(source.pairs()), "avro.codec": codec.encode()}), source.take(16)]
    while not source.ended:
        count, block = source.long(), source.text()
        pressed = pa.compress(block, codec="zstd" if codec == "zstandard" else codec, asbytes=True)
        pressed += struct.pack(">I", zlib.crc32(block)) if codec == "snappy" else b""
        parts += [avro._long(count), avro._long(len(pressed)), pressed, source.take(16)]
    assert avro.read(b"".join(parts))[0] == records
    for cut in (3, 30, -1):
        with pytest.raises(Damaged):
            avro.read(b"".join(parts)[:cut])


@pytest.mark.parametrize(
    ("proof", "holding"),
    [
        (Proof("n", "=", 2), True),
        (Proof("n", ">=", 3), False),
        (Proof("list", "contains", "a"), True),
        (Proof("list", "contains", ["a", "c"]), False),
        (Proof("dict", "contains", "k"), True),
        (Proof("dict", "contains", ["k"]), True),
        (Proof("dict", "contains", {"k": 1}), True),
        (Proof("dict", "contains", {"k": 2}), False),
        (Proof("list", "contains", {"k": 1}), False),
        (Proof("none", ">=", 0), False),
        (Proof("unheard of", "=", None), False),
    ],
)
def test_proofs(proof: Proof, holding: bool) -> None:
    facts = {"n": 2, "list": ["a", "b"], "dict": {"k": 1}, "none": None}
    assert holds(proof, facts) is holding
    assert bool(missing([proof], facts)) is not holding


def test_a_missing_proof_says_what_was_found() -> None:
    assert missing([Proof("rows", "=", 3)], {"rows": 2}) == ["rows = 3: found 2"]


def test_types_have_one_text() -> None:
    types = ["decimal(9, 2)", "geometry(OGC:CRS84)", "geography(OGC:CRS84, spherical)", {"type": "list"}, "fixed[4]"]
    assert [type_text(one) for one in types] == ["decimal(9,2)", "geometry", "geography", "list", "fixed[4]"]


def test_metadata_tables_are_what_the_metadata_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspector, "Files", lambda _: LocalFiles())
    metadata = Made(tmp_path).table().metadata

    def rows(name: str, *columns: str) -> list[tuple[Any, ...]]:
        table = inspector.metadata_rows(metadata, STORE, Read("", metadata=name, columns=columns or None))
        return [tuple(row.values()) for row in table.to_pylist()]

    assert rows("snapshots") == [(SNAPSHOT, None, "delete")]
    assert rows("refs") == [("main", "BRANCH", SNAPSHOT)]
    assert rows("history") == [(SNAPSHOT, True), (7, False)]
    assert rows("files", "content", "record_count") == [(0, 2), (1, 1)]


def test_an_inspection_goes_through_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspector, "Files", lambda _: LocalFiles())
    inspected = inspector.inspect(Made(tmp_path).table().metadata, STORE, [Proof("rows", "=", 3)])
    assert json.loads(json.dumps(inspected.facts)) == inspected.facts
    assert inspected.missing == ("rows = 3: found 2",)
    assert [(one["content"], one["records"]) for one in inspected.files] == [("data", 2), ("position deletes", 1)]


@pytest.mark.parametrize(
    ("of", "unit", "is_compared"),
    [
        ("timestamp", "us", True),
        ("timestamp", "ns", False),
        ("timestamp", "ms", False),
        ("timestamp_ns", "ns", True),
        ("timestamp_ns", "us", False),
    ],
)
def test_bounds_are_compared_with_values_in_their_own_unit(
    tmp_path: Path, of: str, unit: str, is_compared: bool
) -> None:
    table = pa.table({"at": pa.array([1, 2], pa.timestamp(unit))})
    pq.write_table(table, tmp_path / "t.parquet")
    (bounds,) = footers.footer(Files(None), f"file://{tmp_path}/t.parquet", "parquet").bounds
    assert pruning._has_unit_of(Column("at", 1, of, required=False, definition={}), bounds) is is_compared
