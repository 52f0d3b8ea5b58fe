"""Manifests and manifest lists (Iceberg specification, *Manifests* and *Manifest Lists*), of versions 1, 2 and 3."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakebench.engines.reference import avro
from lakebench.engines.reference.files import DATA, File, Metrics
from lakebench.engines.reference.schema import Json, by_id
from lakebench.engines.reference.transforms import result_type
from lakebench.engines.reference.values import binary, sortable
from lakebench.iceberg import manifests
from lakebench.iceberg.manifests import ManifestEntry

EXISTING, ADDED, DELETED = 0, 1, 2
_STATUSES = {"added": ADDED, "existing": EXISTING, "deleted": DELETED}
_COUNTS = tuple(f"{name}_{what}_count" for what in ("files", "rows") for name in _STATUSES)
# What newer versions require, and a line of an older one does not have.
_REQUIRED = ("content", "sequence_number", "min_sequence_number", *_COUNTS)
_V2, _V3 = 2, 3
_BLOCK = 64 * 2**20


@dataclass(frozen=True)
class FileEntry:
    """A file in a manifest; ``sequence`` is that of its data, inherited where the manifest has none."""

    file: File
    status: int = ADDED
    snapshot_id: int | None = None
    sequence: int | None = None
    file_sequence: int | None = None


@dataclass(frozen=True)
class ListedManifest:
    """A manifest by its line in a manifest list, with the names of the specification."""

    line: Mapping[str, Any]

    @property
    def path(self) -> str:
        """Where it lies."""
        return str(self.line["manifest_path"])

    @property
    def content(self) -> int:
        """0 for data, 1 for deletes."""
        return self._number("content")

    @property
    def rows(self) -> int:
        """Rows of its live files."""
        return self._number("added_rows_count") + self._number("existing_rows_count")

    @property
    def live(self) -> bool:
        """Whether it has a live file; where its line does not say, it may."""
        if self.line.get("added_files_count") is None:
            return True
        return bool(self._number("added_files_count") + self._number("existing_files_count"))

    def _number(self, name: str) -> int:
        return int(self.line.get(name) or 0)


def _field(number: int, name: str, of: Any, *, required: bool = False) -> Json:
    return {"id": number, "name": name, "required": required, "type": of}


def _list(number: int, element: Any) -> Json:
    return {"type": "list", "element-id": number, "element": element, "element-required": True}


def _map(key: int, value: int, of: str) -> Json:
    map_type = {"type": "map", "key-id": key, "key": "int", "value-id": value, "value": of}
    return {**map_type, "value-required": True}


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
        *(_field(504 + n, f"{name}_files_count", "int", required=v2) for n, name in enumerate(_STATUSES)),
        *(_field(512 + n, f"{name}_rows_count", "long", required=v2) for n, name in enumerate(_STATUSES)),
        _field(507, "partitions", _list(508, summary)),
        *([_field(520, "first_row_id", "long")] if version >= _V3 else []),
    ]


def _data_file(file: File, partition: Json) -> Json:
    """The ``data_file`` of an entry, as a record of Avro."""
    values = zip(partition["fields"], file.partition, strict=True)
    metrics = file.metrics
    return {
        "content": file.content,
        "file_path": file.path,
        "file_format": file.format.upper(),
        "partition": {avro.compatible(one["name"]): value for one, value in values},
        "record_count": file.records,
        "file_size_in_bytes": file.size,
        "block_size_in_bytes": _BLOCK,
        "value_counts": _pairs(metrics.values),
        "null_value_counts": _pairs(metrics.nulls),
        "nan_value_counts": _pairs(metrics.nans),
        "lower_bounds": _pairs(metrics.lower),
        "upper_bounds": _pairs(metrics.upper),
        "equality_ids": list(file.equality_ids) or None,
        "sort_order_id": file.sort_order_id,
        "first_row_id": file.first_row_id,
        "referenced_data_file": file.referenced,
        "content_offset": file.offset,
        "content_size_in_bytes": file.length,
    }


def _pairs(mapping: Mapping[int, Any]) -> list[Json] | None:
    """A map with integer keys, which is an array of pairs in Avro."""
    return [{"key": key, "value": value} for key, value in sorted(mapping.items())] or None


def _read_file(entry: ManifestEntry) -> File:
    data_file = entry.file
    counts = (data_file.get(f"{name}value_counts") or {} for name in ("", "null_", "nan_"))
    bounds = (data_file.get(f"{name}_bounds") or {} for name in ("lower", "upper"))
    return File(
        path=entry.path,
        format=entry.format,
        records=entry.records,
        size=data_file["file_size_in_bytes"],
        spec_id=entry.spec_id,
        partition=tuple(avro.plain(value) for value in data_file["partition"].values()),
        content=entry.content,
        metrics=Metrics(*counts, *bounds),
        equality_ids=tuple(data_file.get("equality_ids") or ()),
        sort_order_id=data_file.get("sort_order_id"),
        first_row_id=entry.first_row_id,
        referenced=data_file.get("referenced_data_file"),
        offset=data_file.get("content_offset"),
        length=data_file.get("content_size_in_bytes"),
    )


@dataclass(frozen=True)
class Commit:
    """What all manifests of one new snapshot share."""

    version: int
    snapshot_id: int
    parent_id: int | None
    sequence: int


def write(commit: Commit, entries: Sequence[FileEntry], schema: Json, spec: Json) -> tuple[bytes, ListedManifest]:
    """A manifest of files of one kind and spec, and its line for the list, without its address."""
    content = int(entries[0].file.content != DATA)
    partition = partition_type(spec, schema)
    records = [
        {
            "status": one.status,
            "snapshot_id": one.snapshot_id,
            "sequence_number": one.sequence,
            "file_sequence_number": one.file_sequence,
            "data_file": _data_file(one.file, partition),
        }
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
    data = avro.write(avro.Schema("manifest_entry", _entry_fields(commit.version, partition)).json, records, metadata)
    location = {"manifest_length": len(data), "partition_spec_id": spec["spec-id"]}
    return data, ListedManifest({**_line(commit, entries, partition, content), **location})


def _line(commit: Commit, entries: Sequence[FileEntry], partition: Json, content: int) -> Json:
    live = [commit.sequence if one.sequence is None else one.sequence for one in entries if one.status != DELETED]
    line: Json = {
        "content": content,
        "sequence_number": commit.sequence,
        "min_sequence_number": min(live, default=commit.sequence),
        "added_snapshot_id": commit.snapshot_id,
        "partitions": [
            _summary(one, [each.file.partition[n] for each in entries]) for n, one in enumerate(partition["fields"])
        ],
    }
    for name, status in _STATUSES.items():
        some = [one for one in entries if one.status == status]
        line[f"{name}_files_count"] = len(some)
        line[f"{name}_rows_count"] = sum(one.file.records for one in some)
    return line


def _summary(field: Json, values: Sequence[Any]) -> Json:
    present = [one for one in values if one is not None]
    numbers = [one for one in present if one == one]  # noqa: PLR0124 - NaN is not itself
    bounds = [binary(field["type"], pick(numbers, key=sortable)) if numbers else None for pick in (min, max)]
    return {
        "contains_null": len(present) < len(values),
        "contains_nan": len(numbers) < len(present),
        "lower_bound": bounds[0],
        "upper_bound": bounds[1],
    }


def write_list(commit: Commit, listed: Sequence[ListedManifest], next_row_id: int) -> tuple[bytes, int]:
    """A manifest list, and the table's next row id: manifests of data that have no row ids yet get some."""
    lines = []
    for manifest in listed:
        line = {**manifest.line, **{name: manifest.line.get(name) or 0 for name in _REQUIRED}}
        if commit.version >= _V3 and not manifest.content and line.get("first_row_id") is None:
            line["first_row_id"] = next_row_id
            next_row_id += manifest.rows
        lines.append(line)
    metadata = {
        "snapshot-id": str(commit.snapshot_id),
        "parent-snapshot-id": str(commit.parent_id).lower() if commit.parent_id is not None else "null",
        "sequence-number": str(commit.sequence),
        "format-version": str(commit.version),
    }
    return avro.write(avro.Schema("manifest_file", _list_fields(commit.version)).json, lines, metadata), next_row_id


def read_list(data: bytes) -> list[ListedManifest]:
    """The lines of a manifest list."""
    return [ListedManifest(one) for one in manifests.manifest_list(data)]


def read(data: bytes, listed: ListedManifest) -> list[FileEntry]:
    """The entries of a manifest, with what they inherit."""
    return [
        FileEntry(
            _read_file(one),
            one.status,
            one.snapshot_id,
            _inherited(one.sequence_number, listed),
            _inherited(one.file_sequence_number, listed),
        )
        for one in manifests.manifest(listed.line, data).entries
    ]


def _inherited(number: int | None, listed: ListedManifest) -> int:
    return int(listed.line.get("sequence_number") or 0) if number is None else number
