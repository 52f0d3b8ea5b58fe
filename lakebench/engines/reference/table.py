"""A table as it was loaded, and the snapshots that a commit adds to it."""

from __future__ import annotations

import copy
import json
import random
import time
import uuid
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

from lakebench.engines.reference import files, manifests, puffin, transforms
from lakebench.engines.reference.files import DATA, EQUALITY_DELETES, POSITION_DELETES, File
from lakebench.engines.reference.manifests import ADDED, DELETED, EXISTING, Commit, FileEntry, ListedManifest
from lakebench.engines.reference.schema import (
    FILE_PATH,
    LAST_UPDATED,
    LINEAGE,
    POSITION,
    POSITION_DELETE,
    ROW_ID,
    Json,
    by_id,
    current,
    path_to,
)
from lakebench.engines.reference.store import Store
from lakebench.engines.reference.values import Row, at, sortable
from lakebench.errors import Refused

MAIN = "main"
_MAPPING = "schema.name-mapping.default"
_V2, _V3 = 2, 3


class OpenTable:
    """A table's metadata, moved on by each change that is recorded; ``updates`` and ``requirements`` are its commit.

    ``written`` are the objects that it has written so far, of no use to anybody where the commit fails.
    """

    def __init__(self, store: Store, metadata: Json) -> None:
        self.store = store
        self.metadata = copy.deepcopy(metadata)
        self.updates: list[Json] = []
        self.requirements: list[Json] = [{"type": "assert-table-uuid", "uuid": metadata["table-uuid"]}]
        self.written: list[str] = []
        self._manifests = 0

    # What it is

    @property
    def version(self) -> int:
        """The format version."""
        return int(self.metadata["format-version"])

    @property
    def properties(self) -> dict[str, str]:
        """The table's properties."""
        properties: dict[str, str] = self.metadata.get("properties", {})
        return properties

    @property
    def schema(self) -> Json:
        """The current schema."""
        return current(self.metadata)

    @property
    def mapping(self) -> list[Json]:
        """The name mapping; empty where the table has none."""
        mapping: list[Json] = json.loads(self.properties.get(_MAPPING, "[]"))
        return mapping

    @property
    def spec(self) -> Json:
        """The partition spec that new files get."""
        return self.spec_of(self.metadata["default-spec-id"])

    def spec_of(self, spec_id: int) -> Json:
        """A partition spec by its id."""
        spec: Json = next(one for one in self.metadata["partition-specs"] if one["spec-id"] == spec_id)
        return spec

    @property
    def order(self) -> Json:
        """The default sort order."""
        order: Json = next(
            one for one in self.metadata["sort-orders"] if one["order-id"] == self.metadata["default-sort-order-id"]
        )
        return order

    def mode(self, what: str) -> str:
        """How ``delete``, ``update`` or ``merge`` is done: by rewriting files in version 1, which has no other way."""
        if self.version < _V2:
            return "copy-on-write"
        return self.properties.get(f"write.{what}.mode", "merge-on-read")

    def snapshot(self, snapshot_id: int | None) -> Json | None:
        """A snapshot by its id."""
        return next((one for one in self.metadata.get("snapshots", ()) if one["snapshot-id"] == snapshot_id), None)

    def head(self, branch: str = MAIN) -> Json | None:
        """The newest snapshot of a branch, ``None`` where main has none yet.

        Raises:
            Refused: there is no such branch.
        """
        refs = self.metadata.get("refs", {})
        if branch in refs:
            return self.snapshot(refs[branch]["snapshot-id"])
        if branch != MAIN:
            raise Refused(f"the table has no branch {branch}")
        return self.snapshot(self.metadata.get("current-snapshot-id"))

    def manifests(self, snapshot: Json | None) -> list[ListedManifest]:
        """The manifests of a snapshot."""
        return [] if snapshot is None else manifests.read_list(self.store.read(snapshot["manifest-list"]))

    def entries(self, manifest: ListedManifest) -> list[FileEntry]:
        """The entries of a manifest."""
        return manifests.read(self.store.read(manifest.path), manifest)

    def live(self, branch: str = MAIN) -> list[FileEntry]:
        """Every live file of a branch, data and deletes."""
        entries = (one for manifest in self.manifests(self.head(branch)) for one in self.entries(manifest))
        return [one for one in entries if one.status != DELETED]

    # Changes

    def change(self, action: str, **fields: Any) -> None:
        """Record an update that needs no snapshot."""
        self.updates.append({"action": action, **fields})

    def require(self, kind: str, **fields: Any) -> None:
        """Record what must still be true when the commit arrives."""
        self.requirements.append({"type": kind, **fields})

    def put(self, folder: str, name: str, data: bytes) -> str:
        """Write an object below the table's location; its address."""
        odd = self.properties.get("lakebench.folder", "")
        address = "/".join(filter(None, (self.metadata["location"].rstrip("/"), odd, folder, name)))
        self.written.append(address)
        self.store.write(address, data)
        return address

    def data_files(self, rows: Iterable[Row], spec: Json | None = None) -> list[File]:
        """One new data file for each partition that ``rows`` fall into, sorted by the table's order."""
        columns = list(self.schema["fields"])
        grouped: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
        for row in rows:
            grouped[self.partition_of(row, spec or self.spec)].append(row)
        return [
            self._written(
                self.properties.get("write.format.default", "parquet").lower(),
                [*columns, *_lineage(some)],
                self._sorted(some),
                File("", "", 0, 0, (spec or self.spec)["spec-id"], partition, sort_order_id=self.order["order-id"]),
            )
            for partition, some in grouped.items()
        ]

    def partition_of(self, row: Row, spec: Json) -> tuple[Any, ...]:
        """The partition that ``row`` belongs to."""
        columns = by_id(self.schema)
        return tuple(
            transforms.apply(one["transform"], columns[one["source-id"]]["type"], at(row, self._way(one)))
            if one["source-id"] in columns
            else None
            for one in spec["fields"]
        )

    def _way(self, field: Json) -> list[int]:
        return path_to(self.schema, field["source-id"])

    def _sorted(self, rows: list[Row]) -> list[Row]:
        columns = by_id(self.schema)
        for field in reversed(self.order["fields"]):
            source, way = columns[field["source-id"]]["type"], self._way(field)
            keyed = [(transforms.apply(field["transform"], source, at(row, way)), row) for row in rows]
            present = [pair for pair in keyed if pair[0] is not None]
            present.sort(key=lambda pair: sortable(pair[0]), reverse=field["direction"] == "desc")
            nulls = [pair for pair in keyed if pair[0] is None]
            together = [*nulls, *present] if field["null-order"] == "nulls-first" else [*present, *nulls]
            rows = [row for _, row in together]
        return rows

    def _written(self, of_format: str, columns: Sequence[Json], rows: Sequence[Row], file: File) -> File:
        data = files.encode(of_format, columns, rows, self.properties)
        path = self.put("data", f"{uuid.uuid4()}.{of_format}", data)
        whole = file.content == POSITION_DELETES  # equal bounds say which data file the deletes are of
        metrics = files.metrics(columns, rows, whole=whole)
        return replace(file, path=path, format=of_format, records=len(rows), size=len(data), metrics=metrics)

    def equality_deletes(self, columns: Sequence[Json], key: Sequence[int], rows: Iterable[Row]) -> list[File]:
        """A file of equality deletes for each partition that ``rows`` fall into."""
        grouped: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
        for row in rows:
            grouped[self.partition_of(row, self.spec)].append(row)
        return [
            self._written(
                self._delete_format,
                columns,
                some,
                File(
                    "", "", 0, 0, self.spec["spec-id"], partition, EQUALITY_DELETES, equality_ids=tuple(key),
                    sort_order_id=0,
                ),
            )
            for partition, some in grouped.items()
        ]  # fmt: skip

    def position_deletes(self, positions: Sequence[tuple[FileEntry, Collection[int]]]) -> list[File]:
        """Files of deletes by position: a vector each in one Puffin file from version 3 on, else one a partition."""
        if self.version >= _V3:
            return self._vectors(positions)
        grouped: dict[tuple[int, tuple[Any, ...]], list[Row]] = defaultdict(list)
        for entry, some in positions:
            group = entry.file.spec_id, entry.file.partition
            grouped[group].extend({FILE_PATH: entry.file.path, POSITION: one} for one in some)
        return [
            self._written(
                self._delete_format,
                POSITION_DELETE,
                sorted(rows, key=lambda row: (row[FILE_PATH], row[POSITION])),
                File("", "", 0, 0, spec_id, partition, POSITION_DELETES),
            )
            for (spec_id, partition), rows in grouped.items()
        ]

    def _vectors(self, positions: Sequence[tuple[FileEntry, Collection[int]]]) -> list[File]:
        if not positions:
            return []
        named = [self._named_in_puffin(entry.file.path) for entry, _ in positions]
        data, places = puffin.write({name: some for name, (_, some) in zip(named, positions, strict=True)})
        path = self.put("data", f"{uuid.uuid4()}.puffin", data)
        return [
            File(
                path, "puffin", len(some), len(data), entry.file.spec_id, entry.file.partition, POSITION_DELETES,
                referenced=entry.file.path, offset=places[name][0], length=places[name][1],
            )
            for name, (entry, some) in zip(named, positions, strict=True)
        ]  # fmt: skip

    def _named_in_puffin(self, path: str) -> str:
        """How a Puffin file names a data file: by where it was before a copy, which rewrites metadata alone."""
        before = self.properties.get("lakebench.copied-from")
        return path.replace(self.metadata["location"].rstrip("/"), before) if before else path

    @property
    def _delete_format(self) -> str:
        return self.properties.get("write.delete.format.default", "parquet").lower()

    # Snapshots

    def commit_files(
        self,
        operation: str,
        added: Iterable[File],
        removed: Collection[tuple[str, int | None]] = (),
        *,
        branch: str = MAIN,
        rewritten: bool = False,
    ) -> None:
        """Record a snapshot of ``operation`` with files added and removed (by their keys).

        With ``rewritten`` all manifests are rewritten.
        """
        parent = self.head(branch)
        commit = self._next(parent)
        kept, entries = self._kept(parent, commit, frozenset(removed), rewritten=rewritten)
        entries += [FileEntry(one, ADDED, commit.snapshot_id) for one in added]
        listed = [*self._new_manifests(commit, entries), *kept]
        self._record(operation, commit, listed, entries, branch)

    def _next(self, parent: Json | None) -> Commit:
        sequence = int(self.metadata.get("last-sequence-number", 0)) + 1 if self.version >= _V2 else 0
        parent_id = None if parent is None else parent["snapshot-id"]
        return Commit(self.version, random.getrandbits(62), parent_id, sequence)

    def _kept(
        self, parent: Json | None, commit: Commit, removed: frozenset[tuple[str, int | None]], *, rewritten: bool
    ) -> tuple[list[ListedManifest], list[FileEntry]]:
        """The manifests that stay as they are, and the entries of the others."""
        kept, entries = [], []
        for manifest in self.manifests(parent):
            current_entries = self.entries(manifest)
            if not rewritten and not any(entry.file.key in removed for entry in current_entries):
                if manifest.live:
                    kept.append(manifest)
                continue
            for entry in current_entries:
                if entry.status == DELETED:
                    continue
                gone = entry.file.key in removed
                snapshot_id = commit.snapshot_id if gone else entry.snapshot_id
                entries.append(replace(entry, status=DELETED if gone else EXISTING, snapshot_id=snapshot_id))
        return kept, entries

    def _new_manifests(self, commit: Commit, entries: list[FileEntry]) -> list[ListedManifest]:
        """A manifest for each kind of files and partition spec, or for each file where the table's property says so."""
        per_file = self.properties.get("lakebench.manifest-per-file") == "true"

        def group(entry: FileEntry) -> tuple[bool, int, tuple[str, int | None] | None]:
            return entry.file.content != DATA, entry.file.spec_id, entry.file.key if per_file else None

        written = []
        for _, some in groupby(sorted(entries, key=lambda one: (group(one)[:2], -one.status)), key=group):
            together = list(some)
            spec = self.spec_of(together[0].file.spec_id)
            data, manifest = manifests.write(commit, together, self.schema, spec)
            path = self.put("metadata", f"{uuid.uuid4()}-m{self._manifests}.avro", data)
            self._manifests += 1
            written.append(ListedManifest({**manifest.line, "manifest_path": path}))
        return written

    def _record(
        self,
        operation: str,
        commit: Commit,
        listed: Sequence[ListedManifest],
        entries: Sequence[FileEntry],
        branch: str,
    ) -> None:
        start = int(self.metadata.get("next-row-id", 0))
        data, next_row_id = manifests.write_list(commit, listed, start)
        path = self.put("metadata", f"snap-{commit.snapshot_id}-1-{uuid.uuid4()}.avro", data)
        parent = self.snapshot(commit.parent_id)
        snapshot: Json = {
            "snapshot-id": commit.snapshot_id,
            # Time travel cannot distinguish two snapshots of one millisecond.
            "timestamp-ms": max(int(time.time() * 1000), parent["timestamp-ms"] + 1 if parent else 0),
            "manifest-list": path,
            "summary": {"operation": operation, **_summary(entries, parent)},
            "schema-id": self.schema["schema-id"],
        }
        if commit.parent_id is not None:
            snapshot["parent-snapshot-id"] = commit.parent_id
        if self.version >= _V2:
            snapshot["sequence-number"] = commit.sequence
        if self.version >= _V3:
            snapshot |= {"first-row-id": start, "added-rows": next_row_id - start}
        self._apply(snapshot, branch, next_row_id)

    def _apply(self, snapshot: Json, branch: str, next_row_id: int) -> None:
        """Record the snapshot and the move of its branch, here and in the commit."""
        if not any(one.get("ref") == branch for one in self.requirements):
            self.require("assert-ref-snapshot-id", ref=branch, **{"snapshot-id": snapshot.get("parent-snapshot-id")})
        ref = {"type": "branch", "snapshot-id": snapshot["snapshot-id"]}
        self.change("add-snapshot", snapshot=snapshot)
        self.change("set-snapshot-ref", **{"ref-name": branch, **ref})
        self.metadata.setdefault("snapshots", []).append(snapshot)
        self.metadata.setdefault("refs", {})[branch] = ref
        self.metadata |= {"last-sequence-number": snapshot.get("sequence-number", 0), "next-row-id": next_row_id}


def _lineage(rows: Iterable[Row]) -> list[Json]:
    """The columns of row lineage, where rows bring their own."""
    return list(LINEAGE) if any(ROW_ID in row or LAST_UPDATED in row for row in rows) else []


_FILES = {DATA: "data-files", POSITION_DELETES: "position-delete-files", EQUALITY_DELETES: "equality-delete-files"}
_RECORDS = {DATA: "records", POSITION_DELETES: "position-deletes", EQUALITY_DELETES: "equality-deletes"}
_TOTALS = ("data-files", "delete-files", "records", "files-size", *list(_RECORDS.values())[1:])


def _summary(entries: Sequence[FileEntry], parent: Json | None) -> dict[str, str]:
    """The optional fields of a snapshot's summary (Iceberg specification, Appendix F).

    A total that the parent's summary lacks, as another engine's may, is left out.
    """
    before = {f"total-{name}": "0" for name in _TOTALS} if parent is None else parent.get("summary", {})
    totals = {name: int(before[f"total-{name}"]) for name in _TOTALS if f"total-{name}" in before}
    counts: dict[str, int] = defaultdict(int)
    for entry in entries:
        if entry.status == EXISTING:
            continue
        for name, count in _numbers(entry.file).items():
            gone = "deleted" if name in {"data-files", "records"} else "removed"
            counts[f"{'added' if entry.status == ADDED else gone}-{name}"] += count
            if name in totals:
                totals[name] += count if entry.status == ADDED else -count
    counts.update({f"total-{name}": total for name, total in totals.items()})
    return {name: str(count) for name, count in counts.items()}


def _numbers(file: File) -> dict[str, int]:
    counts = {_RECORDS[file.content]: file.records, "files-size": file.length or file.size}
    if file.content == DATA:
        return {"data-files": 1, **counts}
    return {"delete-files": 1, "dvs" if file.format == "puffin" else _FILES[file.content]: 1, **counts}
