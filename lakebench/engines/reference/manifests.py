"""Manifests and manifest lists (Iceberg specification, Manifests and Manifest Lists), of versions 1, 2 and 3."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from lakebench.engines.reference import avro
from lakebench.engines.reference.files import DATA, File, Metrics
from lakebench.engines.reference.schema import Json, by_id
from lakebench.engines.reference.transforms import result_type
from lakebench.engines.reference.values import Row, binary, sortable

EXISTING, ADDED, DELETED = 0, 1, 2
_V2, _V3 = 2, 3
_BLOCK = 64 * 2**20


@dataclass(frozen=True)
class Entry:
    """A file in a manifest; ``sequence`` is that of its data, inherited where the manifest has none."""

    file: File
    status: int = ADDED
    snapshot_id: int | None = None
    sequence: int | None = None
    file_sequence: int | None = None


@dataclass(frozen=True)
class Manifest:
    """A line of a manifest list: what it says, by the field ids of the specification."""

    told: Row

    @property
    def path(self) -> str:
        """Where it lies."""
        return str(self.told[500])

    @property
    def content(self) -> int:
        """0 for data, 1 for deletes."""
        return int(self.told.get(517) or 0)

    @property
    def sequence(self) -> int:
        """The sequence number of the commit that added it."""
        return int(self.told.get(515) or 0)

    @property
    def spec_id(self) -> int:
        """The partition spec of its files."""
        return int(self.told[502])

    @property
    def rows(self) -> int:
        """Rows of its live files."""
        return int(self.told.get(512) or 0) + int(self.told.get(513) or 0)

    @property
    def live(self) -> bool:
        """Whether a file of it is live, as far as it tells."""
        return self.told.get(504) is None or bool(self.told[504] or self.told.get(505))


def _field(number: int, name: str, of: Any, *, required: bool = False) -> Json:
    return {"id": number, "name": name, "required": required, "type": of}


def _list(number: int, element: Any) -> Json:
    return {"type": "list", "element-id": number, "element": element, "element-required": True}


def _map(key: int, value: int, of: str) -> Json:
    told = {"type": "map", "key-id": key, "key": "int", "value-id": value, "value": of}
    return {**told, "value-required": True}


def _struct(*fields: Json) -> Json:
    return {"type": "struct", "fields": list(fields)}


def partition_type(spec: Json, schema: Json) -> Json:
    """The struct of a partition's values; a column that is dropped has left nulls."""
    columns = by_id(schema)
    return _struct(
        *(_field(one["field-id"], one["name"], _result(one, columns.get(one["source-id"]))) for one in spec["fields"])
    )


def _result(field: Json, source: Json | None) -> Any:
    return "int" if source is None else result_type(field["transform"], source["type"])


def _file_fields(version: int, partition: Json) -> list[Json]:
    v2, v3 = version >= _V2, version >= _V3
    return [
        *([_field(134, "content", "int", required=True)] if v2 else []),
        _field(100, "file_path", "string", required=True),
        _field(101, "file_format", "string", required=True),
        _field(102, "partition", partition, required=True),
        _field(103, "record_count", "long", required=True),
        _field(104, "file_size_in_bytes", "long", required=True),
        *([] if v2 else [_field(105, "block_size_in_bytes", "long", required=True)]),
        _field(109, "value_counts", _map(119, 120, "long")),
        _field(110, "null_value_counts", _map(121, 122, "long")),
        _field(137, "nan_value_counts", _map(138, 139, "long")),
        _field(125, "lower_bounds", _map(126, 127, "binary")),
        _field(128, "upper_bounds", _map(129, 130, "binary")),
        *([_field(135, "equality_ids", _list(136, "int"))] if v2 else []),
        _field(140, "sort_order_id", "int"),
        *([_field(142, "first_row_id", "long")] if v3 else []),
        *([_field(143, "referenced_data_file", "string")] if v2 else []),
        *([_field(144, "content_offset", "long"), _field(145, "content_size_in_bytes", "long")] if v3 else []),
    ]


def _entry_fields(version: int, partition: Json) -> list[Json]:
    sequences = [_field(3, "sequence_number", "long"), _field(4, "file_sequence_number", "long")]
    return [
        _field(0, "status", "int", required=True),
        _field(1, "snapshot_id", "long", required=version < _V2),
        *(sequences if version >= _V2 else []),
        _field(2, "data_file", _struct(*_file_fields(version, partition)), required=True),
    ]


def _list_fields(version: int) -> list[Json]:
    v2 = version >= _V2
    summary = _struct(
        _field(509, "contains_null", "boolean", required=True),
        _field(518, "contains_nan", "boolean"),
        _field(510, "lower_bound", "binary"),
        _field(511, "upper_bound", "binary"),
    )
    names = "added", "existing", "deleted"
    numbered = (
        _field(500, "manifest_path", "string", required=True),
        _field(501, "manifest_length", "long", required=True),
        _field(502, "partition_spec_id", "int", required=True),
    )
    sequences = (
        _field(517, "content", "int", required=True),
        _field(515, "sequence_number", "long", required=True),
        _field(516, "min_sequence_number", "long", required=True),
    )
    return [
        *numbered,
        *(sequences if v2 else ()),
        _field(503, "added_snapshot_id", "long", required=True),
        *(_field(504 + n, f"{name}_files_count", "int", required=v2) for n, name in enumerate(names)),
        *(_field(512 + n, f"{name}_rows_count", "long", required=v2) for n, name in enumerate(names)),
        _field(507, "partitions", _list(508, summary)),
        *([_field(520, "first_row_id", "long")] if version >= _V3 else []),
    ]


def _told(file: File, partition: Json) -> Row:
    """The file by the field ids of the specification."""
    values = zip(partition["fields"], file.partition, strict=True)
    known = file.metrics
    return {
        134: file.content, 100: file.path, 101: file.format.upper(), 102: {one["id"]: value for one, value in values},
        103: file.records, 104: file.size, 105: _BLOCK,
        109: sorted(known.values.items()) or None, 110: sorted(known.nulls.items()) or None,
        137: sorted(known.nans.items()) or None, 125: sorted(known.lower.items()) or None,
        128: sorted(known.upper.items()) or None, 135: list(file.equality_ids) or None, 140: file.sort_order_id,
        142: file.first_row_id, 143: file.referenced, 144: file.offset, 145: file.length,
    }  # fmt: skip


def _read_file(told: Row, spec_id: int) -> File:
    maps = [dict(told.get(number) or ()) for number in (109, 110, 137, 125, 128)]
    return File(
        path=told[100],
        format=told[101].lower(),
        records=told[103],
        size=told[104],
        spec_id=spec_id,
        partition=tuple(told[102].values()),
        content=told.get(134) or DATA,
        metrics=Metrics(*maps),
        equality_ids=tuple(told.get(135) or ()),
        sort_order_id=told.get(140),
        first_row_id=told.get(142),
        referenced=told.get(143),
        offset=told.get(144),
        length=told.get(145),
    )


@dataclass(frozen=True)
class Commit:
    """What all manifests of one new snapshot share."""

    version: int
    snapshot_id: int
    parent_id: int | None
    sequence: int


def write(commit: Commit, entries: Sequence[Entry], schema: Json, spec: Json) -> tuple[bytes, Manifest]:
    """A manifest of files of one kind and spec, and its line for the list, without its address."""
    content = int(entries[0].file.content != DATA)
    partition = partition_type(spec, schema)
    struct = _struct(*_entry_fields(commit.version, partition))
    records = [
        avro.outside(
            struct,
            {0: one.status, 1: one.snapshot_id, 3: one.sequence, 4: one.file_sequence, 2: _told(one.file, partition)},
        )
        for one in entries
    ]
    # What an entry leaves out is inherited, and only where it is new.
    metadata = {
        "schema": json.dumps(schema),
        "schema-id": str(schema["schema-id"]),
        "partition-spec": json.dumps(spec["fields"]),
        "partition-spec-id": str(spec["spec-id"]),
        "format-version": str(commit.version),
        "content": ("data", "deletes")[content],
    }
    data = avro.write(avro.Schema("manifest_entry", struct["fields"]).json, records, metadata)
    return data, Manifest(_line(commit, entries, partition, content) | {501: len(data), 502: spec["spec-id"]})


def _line(commit: Commit, entries: Sequence[Entry], partition: Json, content: int) -> Row:
    by_status = [[one for one in entries if one.status == status] for status in (ADDED, EXISTING, DELETED)]
    live = [commit.sequence if one.sequence is None else one.sequence for one in entries if one.status != DELETED]
    return {
        517: content, 515: commit.sequence, 516: min(live, default=commit.sequence), 503: commit.snapshot_id,
        **{504 + n: len(some) for n, some in enumerate(by_status)},
        **{512 + n: sum(one.file.records for one in some) for n, some in enumerate(by_status)},
        507: [_summary(one, [each.file.partition[n] for each in entries]) for n, one in enumerate(partition["fields"])],
        520: None,
    }  # fmt: skip


def _summary(field: Json, values: Sequence[Any]) -> Row:
    there = [one for one in values if one is not None]
    numbers = [one for one in there if one == one]  # noqa: PLR0124 - NaN is not itself
    bounds = [binary(field["type"], pick(numbers, key=sortable)) if numbers else None for pick in (min, max)]
    return {509: len(there) < len(values), 518: len(numbers) < len(there), 510: bounds[0], 511: bounds[1]}


def write_list(commit: Commit, manifests: Sequence[Manifest], next_row_id: int) -> tuple[bytes, int]:
    """A manifest list, and the table's next row id: manifests of data that have no row ids yet get some."""
    told = []
    for one in manifests:
        row = one.told
        if commit.version >= _V3 and not one.content and row.get(520) is None:
            row = {**row, 520: next_row_id}
            next_row_id += one.rows
        told.append(_complete(row))
    struct = _struct(*_list_fields(commit.version))
    metadata = {
        "snapshot-id": str(commit.snapshot_id),
        "parent-snapshot-id": str(commit.parent_id).lower() if commit.parent_id is not None else "null",
        "sequence-number": str(commit.sequence),
        "format-version": str(commit.version),
    }
    schema = avro.Schema("manifest_file", struct["fields"]).json
    return avro.write(schema, [avro.outside(struct, one) for one in told], metadata), next_row_id


def _complete(row: Row) -> Row:
    """A line of an older version with what newer ones require."""
    required = (517, 515, 516, 504, 505, 506, 512, 513, 514)
    return {**row, **{number: row.get(number) or 0 for number in required}}


def read_list(data: bytes) -> list[Manifest]:
    """The lines of a manifest list."""
    return [Manifest(one) for one in avro.read(data)[0]]


def read(data: bytes, manifest: Manifest) -> list[Entry]:
    """The entries of a manifest, with what they inherit."""
    rows, metadata = avro.read(data)
    spec_id = int(metadata.get("partition-spec-id", manifest.spec_id))
    next_row_id: int | None = manifest.told.get(520)
    entries = []
    for row in rows:
        file = _read_file(row[2], spec_id)
        if next_row_id is not None and file.content == DATA and file.first_row_id is None and row[0] != DELETED:
            file = replace(file, first_row_id=next_row_id)
            next_row_id += file.records
        entries.append(
            Entry(
                file,
                row[0],
                manifest.told[503] if row.get(1) is None else row[1],
                _inherited(row.get(3), manifest),
                _inherited(row.get(4), manifest),
            )
        )
    return entries


def _inherited(told: int | None, manifest: Manifest) -> int:
    return manifest.sequence if told is None else told
