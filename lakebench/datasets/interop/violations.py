"""What a table has although the specification forbids it, one sentence each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

from lakebench.datasets.interop import metadata as iceberg
from lakebench.datasets.interop import pruning
from lakebench.datasets.interop.footers import Footer, position_deletes
from lakebench.datasets.interop.table import StoredTable
from lakebench.iceberg import puffin
from lakebench.iceberg.damage import Damaged
from lakebench.iceberg.manifests import ADDED, DATA, DELETED, EXISTING, Manifest, ManifestEntry

_SEQUENCES = 2
_LINEAGE = 3
_STATUSES = {"added": ADDED, "existing": EXISTING, "deleted": DELETED}


def violations_of(table: StoredTable) -> list[str]:
    """What is wrong with the table's metadata, and with the files of its current snapshot."""
    checks = (
        _schemas,
        _references,
        _manifests,
        _entries,
        pruning.violations,
        _totals,
        _lineage,
        _vectors,
        _positions,
        _statistics,
    )
    violations = [sentence for check in checks for sentence in _until_damaged(table, check)]
    return list(dict.fromkeys([*table.problems, *violations]))


def _until_damaged(table: StoredTable, check: Callable[[StoredTable], Iterator[str]]) -> Iterator[str]:
    """What ``check`` finds, up to the first part that cannot be read."""
    try:
        yield from check(table)
    except Damaged as error:
        yield f"the metadata, or a manifest, cannot be read: {error}"


def _schemas(table: StoredTable) -> Iterator[str]:
    metadata = table.metadata
    if iceberg.current_schema(metadata) is None:
        yield f"the current schema {metadata.get('current-schema-id')} is not among the schemas"
    last = metadata.get("last-column-id", 0)
    for schema in iceberg.schemas(metadata):
        ids = Counter(one.id for one in iceberg.columns(schema))
        name = f"schema {schema.get('schema-id', 0)}"
        yield from (f"{name} has the field id {one} {n} times" for one, n in ids.items() if n > 1)
        if max(ids, default=0) > last:
            yield f"{name} has the field id {max(ids)}, above last-column-id {last}"
    for key, number, default in (
        ("partition-specs", "spec-id", "default-spec-id"),
        ("sort-orders", "order-id", "default-sort-order-id"),
    ):
        numbers = {one[number] for one in metadata.get(key) or ()}
        if numbers and metadata.get(default) not in numbers:
            yield f"{default} {metadata.get(default)} is not among the {key}"
    for one in (*iceberg.default_spec(metadata), *iceberg.default_order(metadata)):
        if one["transform"] != "void" and "#" in iceberg.name_of(one, table.names):
            yield f"the {one['transform']} of {iceberg.name_of(one, table.names)} has a source that no schema has"


def _references(table: StoredTable) -> Iterator[str]:
    metadata = table.metadata
    ids = {one["snapshot-id"] for one in iceberg.snapshots(metadata)}
    current = metadata.get("current-snapshot-id")
    if current not in {None, -1} and current not in ids:
        yield f"the current snapshot {current} is not among the snapshots"
    for name, one in iceberg.references(metadata).items():
        if one["snapshot-id"] not in ids:
            yield f"the {one['type']} {name} is at snapshot {one['snapshot-id']}, which is not there"
    main = (metadata.get("refs") or {}).get("main")
    if main and main["snapshot-id"] != current:
        yield f"main is at snapshot {main['snapshot-id']}, but the current snapshot is {current}"
    if metadata["format-version"] >= _SEQUENCES:
        yield from _sequence(table)


def _sequence(table: StoredTable) -> Iterator[str]:
    """Sequence numbers of snapshots grow along the chain of parents."""
    numbers = {one["snapshot-id"]: one.get("sequence-number", 0) for one in iceberg.snapshots(table.metadata)}
    last = table.metadata.get("last-sequence-number", 0)
    for one in iceberg.snapshots(table.metadata):
        sequence, parent = numbers[one["snapshot-id"]], one.get("parent-snapshot-id")
        if sequence > last:
            yield f"snapshot {one['snapshot-id']} has the sequence number {sequence}, above last-sequence-number {last}"
        if parent in numbers and numbers[parent] >= sequence > 0:
            yield f"snapshot {one['snapshot-id']} has the sequence number {sequence}, its parent {numbers[parent]}"


def _manifests(table: StoredTable) -> Iterator[str]:
    for one in table.manifests:
        name = f"the manifest {table.short(one.path)}"
        if one.without_ids:
            yield f"{name} lacks the field ids of {', '.join(one.without_ids)}"
        length = one.listed.get("manifest_length")
        if length is not None and length != one.size:
            yield f"{name} has {one.size} bytes, but its manifest_length is {length}"
        yield from _counts(one, name)
        if any((entry.content != DATA) != one.holds_deletes for entry in one.entries if entry.live):
            yield f"{name} has data files and delete files in one, or says the wrong content"


def _counts(manifest: Manifest, name: str) -> Iterator[str]:
    for word, status in _STATUSES.items():
        listed, actual = manifest.count(word), sum(one.status == status for one in manifest.entries)
        if listed is not None and listed >= 0 and listed != actual:
            yield f"{name} has {actual} {word} files, but the manifest list says {listed}"


def _entries(table: StoredTable) -> Iterator[str]:
    current = (table.snapshot or {}).get("sequence-number", 0)
    numbered = table.metadata["format-version"] >= _SEQUENCES
    twice = Counter(one.path for one in table.live if one.format != "puffin")
    yield from (f"the file {table.short(path)} is live {n} times" for path, n in twice.items() if n > 1)
    for one in table.live:
        name = f"the file {table.short(one.path)}"
        if numbered and one.sequence_number is None:
            yield f"{name} has no sequence number, and none to inherit"
        elif numbered and (one.sequence_number or 0) > current:
            yield f"{name} has the sequence number {one.sequence_number}, above its snapshot's {current}"
        footer = table.footers.get(one.path)
        if footer:
            yield from _outside(one, footer, name)
    yield from table.problems  # reading footers may have found more


def _outside(entry: ManifestEntry, footer: Footer, name: str) -> Iterator[str]:
    size = entry.file["file_size_in_bytes"]
    if size != footer.size:
        yield f"{name} has {footer.size} bytes, but its file_size_in_bytes is {size}"
    if entry.records != footer.rows:
        yield f"{name} has {footer.rows} rows, but its record_count is {entry.records}"


def _totals(table: StoredTable) -> Iterator[str]:
    """The totals that readers answer count(*) from; the others are optional, and no reader uses them."""
    summary = (table.snapshot or {}).get("summary") or {}
    totals = {
        "total-records": sum(one.records for one in table.data),
        "total-data-files": len(table.data),
    }
    if table.problems:
        return
    for name, number in totals.items():
        if name in summary and int(summary[name]) != number:
            yield f"the snapshot's summary says {name} {summary[name]}, but it has {number}"


def _lineage(table: StoredTable) -> Iterator[str]:
    metadata, snapshot = table.metadata, table.snapshot
    if metadata["format-version"] < _LINEAGE:
        return
    if metadata.get("next-row-id") is None:
        yield "the metadata has no next-row-id"
    numbered = {one["snapshot-id"]: one.get("first-row-id") is not None for one in iceberg.snapshots(metadata)}
    for one in iceberg.snapshots(metadata):
        # One from before an upgrade has none.
        if numbered.get(one.get("parent-snapshot-id", -1)) and not numbered[one["snapshot-id"]]:
            yield f"snapshot {one['snapshot-id']} has no first-row-id, though its parent has one"
    if snapshot is None or not numbered.get(snapshot["snapshot-id"]):
        return
    for manifest in table.manifests:
        if not manifest.holds_deletes and manifest.listed.get("first_row_id") is None:
            yield f"the manifest {table.short(manifest.path)} has no first_row_id"
    yield from _row_ids(table)


def remarks_of(table: StoredTable) -> list[str]:
    """Deviations from the specification that no reader looks at."""
    return [
        f"the manifest of deletes {table.short(one.path)} has the first_row_id {first} instead of null"
        for one in table.manifests
        if one.holds_deletes and (first := one.listed.get("first_row_id")) is not None
    ]


def _row_ids(table: StoredTable) -> Iterator[str]:
    """Each row has an id of its own below next-row-id."""
    following = table.metadata.get("next-row-id") or 0
    end = 0
    for one in sorted(
        (one for one in table.data if one.first_row_id is not None), key=lambda one: one.first_row_id or 0
    ):
        first = one.first_row_id or 0
        if first + one.records > following:
            yield f"the file {table.short(one.path)} has row ids from {first}, beyond next-row-id {following}"
        if first < end:
            yield f"the file {table.short(one.path)} has row ids from {first}, which another file has too"
        end = max(end, first + one.records)


def _vectors(table: StoredTable) -> Iterator[str]:
    if table.vectors and table.metadata["format-version"] < _LINEAGE:
        yield "a table below version 3 has deletion vectors"
    targets = Counter(one.file.get("referenced_data_file") for one in table.vectors)
    rows = {one.path: one.records for one in table.data}
    for path, n in targets.items():
        if n > 1:
            yield f"the data file {table.short(str(path))} has {n} deletion vectors"
    for one in table.vectors:
        name = f"the deletes of the vector in {table.short(one.path)}"
        absent = [
            key
            for key in ("referenced_data_file", "content_offset", "content_size_in_bytes")
            if one.file.get(key) is None
        ]
        if absent:
            yield f"{name} have no {' and no '.join(absent)}"
        elif one.path in table.puffins:
            yield from _beyond(table, one, {one.file["referenced_data_file"]}, name)
            yield from _vector(table, one, rows.get(one.file["referenced_data_file"]), name)


def _vector(table: StoredTable, entry: ManifestEntry, rows: int | None, name: str) -> Iterator[str]:
    offset, size = entry.file["content_offset"], entry.file["content_size_in_bytes"]
    data = table.puffins[entry.path]
    if entry.file["file_size_in_bytes"] != len(data):
        yield f"{name}: the file has {len(data)} bytes, but file_size_in_bytes is {entry.file['file_size_in_bytes']}"
    blobs = table.blobs(entry.path) or []
    if blobs and (offset, size, "deletion-vector-v1") not in {(one.offset, one.length, one.type) for one in blobs}:
        yield f"{name}: its footer has no deletion-vector-v1 blob at {offset} of {size} bytes"
    try:
        positions = puffin.positions(data[offset : offset + size])
    except Damaged as error:
        yield f"{name} at {offset}: {error}"
        return
    if len(positions) != entry.records:
        yield f"{name} at {offset} have {len(positions)} positions, but record_count is {entry.records}"
    if rows is not None and any(one >= rows for one in positions):
        yield f"{name} at {offset} have the position {max(positions)} of a file of {rows} rows"


def _positions(table: StoredTable) -> Iterator[str]:
    rows = {one.path: one.records for one in table.data}
    for one in table.position_deletes:
        if one.path not in table.footers:
            continue
        name = f"the position deletes {table.short(one.path)}"
        if table.metadata["format-version"] >= _LINEAGE and _added_in_v3(table, one):
            yield f"{name} were added to a version 3 table, which takes deletion vectors alone"
        try:
            deleted = position_deletes(table.files, one.path, one.format)
        except Damaged as error:
            yield f"{name} cannot be read: {error}"
            continue
        yield from _beyond(table, one, {path for path, _ in deleted}, name)
        for path, position in deleted:
            if path in rows and not 0 <= position < rows[path]:
                yield f"{name} have the position {position} of a file of {rows[path]} rows"
            elif path not in rows and path not in _paths_of_all_snapshots(table):
                yield f"{name} point to {table.short(path)}, which no snapshot has"


def _beyond(table: StoredTable, deletes: ManifestEntry, paths: set[str], name: str) -> Iterator[str]:
    """Deletes reach older files of the same partition alone (Iceberg specification, *Scan Planning*)."""
    for one in table.data:
        if one.path not in paths:
            continue
        if not _same_partition(deletes, one):
            what = f"{_in_words(deletes)}, but the data file {table.short(one.path)} is of {_in_words(one)}"
            yield f"{name} are of {what}: they do not apply to it"
        if (deletes.sequence_number or 0) < (one.sequence_number or 0):
            yield f"{name} are older than the data file {table.short(one.path)}: they do not apply to it"


def _same_partition(one: ManifestEntry, other: ManifestEntry) -> bool:
    """Whether the spec and the values of its fields are the same; a value beyond the spec is reported elsewhere."""
    left, right = one.file.get("partition") or {}, other.file.get("partition") or {}
    return one.spec_id == other.spec_id and all(repr(left[key]) == repr(right[key]) for key in left.keys() & right)


def _in_words(entry: ManifestEntry) -> str:
    """The partition of ``entry``."""
    values = ", ".join(f"{name} = {value!r}" for name, value in (entry.file.get("partition") or {}).items())
    return f"spec {entry.spec_id} ({values})"


def _added_in_v3(table: StoredTable, entry: ManifestEntry) -> bool:
    """Whether the snapshot that added the file was committed in version 3, where it has a first-row-id."""
    return any(
        one["snapshot-id"] == entry.snapshot_id and one.get("first-row-id") is not None
        for one in iceberg.snapshots(table.metadata)
    )


def _paths_of_all_snapshots(table: StoredTable) -> set[str]:
    """The paths of the data files of all snapshots; position deletes may outlive the file that they are for."""
    paths = {
        entry.path
        for snapshot in iceberg.snapshots(table.metadata)
        for manifest in table.manifests_of(snapshot)
        for entry in manifest.entries
    }
    expired = not any(one.get("parent-snapshot-id") is None for one in iceberg.snapshots(table.metadata))
    return _Everything() if expired else paths


class _Everything(set[str]):
    """Contains every path: where snapshots have expired, the earlier files are unknown."""

    def __contains__(self, _: object) -> bool:
        return True


def _statistics(table: StoredTable) -> Iterator[str]:
    ids = {one["snapshot-id"] for one in iceberg.snapshots(table.metadata)}
    for one in table.statistics:
        name = f"the statistics {table.short(one['statistics-path'])}"
        if one["snapshot-id"] not in ids:
            yield f"{name} are of snapshot {one['snapshot-id']}, which is not there"
        blobs = table.blobs(one["statistics-path"])
        listed = [(blob["type"], tuple(blob["fields"])) for blob in one["blob-metadata"]]
        if blobs is not None and sorted(listed) != sorted((blob.type, blob.fields) for blob in blobs):
            yield f"{name} have other blobs than the metadata says"
    yield from table.problems
