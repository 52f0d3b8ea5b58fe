"""Manifest lists and manifests, read with fastavro (Iceberg specification, *Manifests* and *Manifest Lists*)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lakebench.iceberg import avro
from lakebench.iceberg.damage import Damaged, StrictObject, whole

EXISTING, ADDED, DELETED = 0, 1, 2
DATA, POSITION_DELETES, EQUALITY_DELETES = 0, 1, 2
_V1 = 1
_V1_NAMES = {f"{one}_data_files_count": f"{one}_files_count" for one in ("added", "existing", "deleted")}

# Field ids of the manifest's columns that every reader needs: an Avro file is read by them, not by its names.
_IDS = {"status": 0, "snapshot_id": 1, "data_file": 2}
_FILE_IDS = {"file_path": 100, "file_format": 101, "partition": 102, "record_count": 103, "file_size_in_bytes": 104}


@dataclass(frozen=True)
class ManifestEntry:
    """An entry with what it inherits from its manifest; ``None`` where there is nothing to inherit.

    ``file`` is the ``data_file`` as written, with its maps turned into dictionaries.
    """

    status: int
    snapshot_id: int | None
    sequence_number: int | None
    file_sequence_number: int | None
    first_row_id: int | None
    spec_id: int
    file: Mapping[str, Any]

    @property
    def live(self) -> bool:
        """Whether the file is part of the snapshot."""
        return self.status != DELETED

    @property
    def path(self) -> str:
        """Where the file lies."""
        return str(self.file["file_path"])

    @property
    def content(self) -> int:
        """Data, position deletes or equality deletes."""
        return int(self.file.get("content") or DATA)

    @property
    def format(self) -> str:
        """``parquet``, ``orc``, ``avro`` or ``puffin``."""
        return str(self.file["file_format"]).lower()

    @property
    def records(self) -> int:
        """``record_count``."""
        return int(self.file["record_count"])

    @property
    def partition(self) -> tuple[Any, ...]:
        """The spec and the partition values, comparable."""
        return (self.spec_id, *(repr(value) for value in (self.file.get("partition") or {}).values()))


@dataclass(frozen=True)
class Manifest:
    """A manifest: its line in the manifest list, and its entries.

    ``without_ids`` are columns whose Avro field lacks the id that the specification gives it.
    """

    listed: Mapping[str, Any]
    version: int
    entries: tuple[ManifestEntry, ...]
    size: int
    without_ids: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """Where the manifest lies."""
        return str(self.listed["manifest_path"])

    @property
    def holds_deletes(self) -> bool:
        """Whether its entries are delete files."""
        return bool(self.listed.get("content"))

    def count(self, status: str) -> int | None:
        """The number of files that the manifest list gives: ``added``, ``existing`` or ``deleted``."""
        files: int | None = self.listed.get(f"{status}_files_count")
        return files


def manifest_list(data: bytes) -> list[dict[str, Any]]:
    """The lines of the manifest list ``data``, by the names of versions 2 and 3.

    Raises:
        Damaged: this is no manifest list.
    """
    lines = avro.read(data)[0]
    return [StrictObject({_V1_NAMES.get(name, name): value for name, value in one.items()}) for one in lines]


def manifest(listed: Mapping[str, Any], data: bytes) -> Manifest:
    """The manifest ``data``, whose line in the manifest list is ``listed``.

    Raises:
        Damaged: this is no manifest.
    """
    records, headers, schema = avro.read(data)
    version = whole(headers.get("format-version", _V1), "format-version")
    spec_id = whole(headers.get("partition-spec-id", listed.get("partition_spec_id", 0)), "partition-spec-id")
    entries = []
    row_id = listed.get("first_row_id")
    for record in records:
        file = _file(record["data_file"])
        first_row_id = file.get("first_row_id")
        if first_row_id is None and row_id is not None and record["status"] != DELETED and not listed.get("content"):
            first_row_id, row_id = row_id, row_id + file["record_count"]
        entries.append(
            ManifestEntry(
                record["status"],
                record.get("snapshot_id") if record.get("snapshot_id") is not None else listed.get("added_snapshot_id"),
                _sequence_number("sequence_number", record, listed, version),
                _sequence_number("file_sequence_number", record, listed, version),
                first_row_id,
                spec_id,
                file,
            )
        )
    return Manifest(listed, version, tuple(entries), len(data), tuple(_without_ids(schema)))


def _file(data_file: Any) -> StrictObject:
    """The ``data_file`` of an entry, with what every reader needs of it."""
    if not isinstance(data_file, StrictObject):
        raise Damaged("an entry has no data_file")
    for name in ("record_count", "file_size_in_bytes"):
        whole(data_file[name], name)
    if not all(isinstance(data_file[name], str) for name in ("file_path", "file_format")):
        raise Damaged("an entry has no path, or no format")
    return StrictObject({key: _mapping(value) for key, value in data_file.items()})


def _sequence_number(name: str, entry: Mapping[str, Any], listed: Mapping[str, Any], version: int) -> int | None:
    """A version 1 file has the number 0; an added one has its manifest's unless it has its own."""
    if version == _V1:
        return 0
    number: int | None = entry.get(name)
    return listed.get("sequence_number") if number is None and entry["status"] == ADDED else number


def _mapping(value: Any) -> Any:
    """A map with integer keys is an array of pairs in Avro."""
    if isinstance(value, list) and value and isinstance(value[0], dict) and value[0].keys() == {"key", "value"}:
        return {one["key"]: one["value"] for one in value}
    return value


def _without_ids(schema: Mapping[str, Any]) -> list[str]:
    fields = {one["name"]: one for one in schema.get("fields", ())}
    inner = fields.get("data_file", {}).get("type", {})
    inside = {one["name"]: one for one in inner.get("fields", ())} if isinstance(inner, dict) else {}
    return [
        name
        for ids, columns in ((_IDS, fields), (_FILE_IDS, inside))
        for name, number in ids.items()
        if columns.get(name, {}).get("field-id") != number
    ]
