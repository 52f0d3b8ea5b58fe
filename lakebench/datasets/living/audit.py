"""An Iceberg table as it lies in the store: its rows by its own files, what it weighs, and whether all of it is there.

Runs in the checker process. It reads manifests, deletes and Parquet by our own decoders and PyArrow, and no engine.
"""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakebench.datasets.interop import metadata as iceberg
from lakebench.datasets.interop.footers import position_deletes
from lakebench.datasets.interop.metadata import Json
from lakebench.datasets.interop.store import Files
from lakebench.datasets.living.differences import COMPARED, SHOWN, difference
from lakebench.datasets.living.oracle import Encoded, rows_after
from lakebench.errors import HarnessFault
from lakebench.iceberg import puffin
from lakebench.iceberg.damage import Damaged, parsed
from lakebench.iceberg.manifests import DATA, EQUALITY_DELETES, Manifest, ManifestEntry, manifest, manifest_list
from lakebench.model import ObjectStore

if TYPE_CHECKING:
    import pyarrow as pa


_CACHED, _SMALL = 1024, 100_000  # files that are kept in memory, and the rows of those of them that hold data


@dataclass(frozen=True)
class AuditedTable:
    """A table as its catalog answers, and where it lies."""

    metadata: Json
    location: str
    store: ObjectStore | None


@dataclass(frozen=True)
class Stored:
    """What lies below the table's folder: address → bytes."""

    sizes: Mapping[str, int]

    @property
    def bytes(self) -> int:
        """Of all objects."""
        return sum(self.sizes.values())


def stored(folder: str, store: ObjectStore | None) -> Stored:
    """Every object below ``folder``."""
    return Stored(Files(store).sizes(folder))


def facts(table: AuditedTable) -> dict[str, int]:
    """What a reader of the current snapshot has to plan with: numbers and bytes of metadata, data and deletes."""
    listed = _listed(table, iceberg.current_snapshot(table.metadata))
    live = [one for manifest in _manifests(table, listed) for one in manifest.entries if one.live]
    data = [one for one in live if one.content == DATA]
    deletes = [one for one in live if one.content != DATA]
    return {
        "metadata_bytes": len(Files(table.store).read(table.location)),
        "snapshots": len(iceberg.snapshots(table.metadata)),
        "manifests": len(listed),
        "manifest_bytes": sum(int(one["manifest_length"]) for one in listed),
        "data_files": len(data),
        "data_bytes": sum(int(one.file["file_size_in_bytes"]) for one in data),
        "delete_files": len(deletes),
        "deleted_rows": sum(one.records for one in deletes),
        "rows_in_files": sum(one.records for one in data),
    }


def wrong_rows(table: AuditedTable, snapshot_id: int | None, base: Sequence[Path], program: Encoded) -> str:
    """How the rows of a snapshot, or of the current one, differ from those after ``program``; empty where they do not.

    A file that is missing or damaged is a difference as well.
    """
    found = iceberg.snapshots(table.metadata)
    snapshot = next((one for one in found if one["snapshot-id"] == snapshot_id), None)
    if snapshot_id is None:
        snapshot = iceberg.current_snapshot(table.metadata)
    if snapshot is None:
        return f"snapshot {snapshot_id} is not in the metadata any more"
    try:
        rows = _rows(table, snapshot)
    except FileNotFoundError as error:
        return f"a file of the table is not in the store: {str(error)[:SHOWN]}"
    except Damaged as error:
        return f"a file of the table cannot be read: {error}"
    return difference(rows, rows_after(base, program), program)


def damage(table: AuditedTable, tags: Mapping[str, int]) -> list[str]:
    """What is gone that must be there: a tag or its snapshot, or a file that a snapshot refers to; in words."""
    return [*_lost_tags(table.metadata, tags), *_missing(table)]


def _lost_tags(metadata: Json, tags: Mapping[str, int]) -> Iterator[str]:
    references = iceberg.references(metadata)
    there = {one["snapshot-id"] for one in iceberg.snapshots(metadata)}
    for name, number in tags.items():
        if number not in there:
            yield f"snapshot {number}, which the tag {name} holds, is not in the metadata any more"
        elif name not in references:
            yield f"the tag {name} is gone"
        elif references[name]["snapshot-id"] != number:
            yield f"the tag {name} is at snapshot {references[name]['snapshot-id']} instead of {number}"


def _missing(table: AuditedTable) -> Iterator[str]:
    """The files that a snapshot refers to and the store has not."""
    listed = stored(str(table.metadata["location"]), table.store).sizes
    try:
        missing = sorted(_referenced(table) - set(listed))
    except FileNotFoundError as error:
        yield f"a manifest that a snapshot refers to is not in the store: {str(error)[:SHOWN]}"
        return
    for one in missing[:3]:
        yield f"the file {_short(table, one)}, which a snapshot refers to, is not in the store"
    if len(missing) > 3:  # noqa: PLR2004 - those that are shown
        yield f"and {len(missing) - 3} more files"


def _short(table: AuditedTable, location: str) -> str:
    return location.removeprefix(str(table.metadata["location"])).lstrip("/")


def _referenced(table: AuditedTable) -> set[str]:
    """The files that the snapshots need: manifest lists, manifests, and what is live in these."""
    paths: set[str] = set()
    seen: dict[str, Json] = {}
    for snapshot in iceberg.snapshots(table.metadata):
        paths.add(snapshot["manifest-list"])
        seen.update({one["manifest_path"]: one for one in _listed(table, snapshot)})
    for one in _manifests(table, list(seen.values())):
        paths.update(entry.path for entry in one.entries if entry.live)
    return paths | seen.keys()


def _listed(table: AuditedTable, snapshot: Json | None) -> list[dict[str, Any]]:
    return manifest_list(Files(table.store).read(snapshot["manifest-list"])) if snapshot else []


def _manifests(table: AuditedTable, listed: Sequence[Json]) -> Iterator[Manifest]:
    """The manifests in a list; each is read once in a process, as what is written stays as it is."""
    known = _known(table.store)
    for one in listed:
        path = one["manifest_path"]
        if path not in known:
            known[path] = manifest(one, Files(table.store).read(path))
        yield known[path]


@functools.cache
def _known(store: ObjectStore | None) -> dict[str, Manifest]:  # noqa: ARG001 - the key
    return {}


def _rows(table: AuditedTable, snapshot: Json) -> pa.Table:
    """The live rows of ``snapshot``: the columns that :func:`difference` compares.

    Raises:
        HarnessFault: it has equality deletes.
        FileNotFoundError: a file is not there.
        Damaged: one cannot be read.
    """
    import pyarrow as pa

    live = [one for each in _manifests(table, _listed(table, snapshot)) for one in each.entries if one.live]
    if any(one.content == EQUALITY_DELETES for one in live):
        raise HarnessFault("the table has equality deletes, which the audit of a life does not apply")
    deleted = _deleted(table, [one for one in live if one.content != DATA])
    parts = [_of_file(table, one, deleted.get(one.path, ())) for one in live if one.content == DATA]
    return pa.concat_tables(parts, promote_options="permissive") if parts else pa.table({})


def _deleted(table: AuditedTable, deletes: Sequence[ManifestEntry]) -> dict[str, list[tuple[int, int]]]:
    """Data file → positions that are deleted, each with the sequence number of its delete."""
    found: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for one in deletes:
        number = one.sequence_number or 0
        if one.format == "puffin":
            start, size = int(one.file["content_offset"]), int(one.file["content_size_in_bytes"])
            vector = puffin.positions(_puffin(table.store, one.path)[start : start + size])
            found[one.file["referenced_data_file"]] += [(at, number) for at in vector]
        else:
            for path, at in _positions(table.store, one.path, one.format):
                found[path].append((at, number))
    return found


@functools.lru_cache(maxsize=_CACHED)
def _puffin(store: ObjectStore | None, location: str) -> bytes:
    return Files(store).read(location)


@functools.lru_cache(maxsize=_CACHED)
def _positions(store: ObjectStore | None, location: str, form: str) -> tuple[tuple[str, int], ...]:
    return tuple(position_deletes(Files(store), location, form))


def _of_file(table: AuditedTable, entry: ManifestEntry, deleted: Sequence[tuple[int, int]]) -> pa.Table:
    import numpy as np
    import pyarrow as pa

    read = _columns if entry.records > _SMALL else _kept_columns
    rows = read(table.store, entry.path)
    gone = [at for at, number in deleted if number >= (entry.sequence_number or 0)]
    if not gone:
        return rows
    kept = np.ones(rows.num_rows, dtype=bool)
    kept[[at for at in gone if at < rows.num_rows]] = False
    return rows.filter(pa.array(kept))


def _columns(store: ObjectStore | None, location: str) -> pa.Table:
    """The columns that are compared, of all rows of a data file.

    Raises:
        FileNotFoundError: it is not there.
        Damaged: it is no Parquet file with these columns.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with Files(store).open(location) as file:
        return parsed(lambda: pq.read_table(file, columns=list(COMPARED)), pa.ArrowException, OSError)


# What is written stays as it is; whether it is still there is looked at where the store is listed.
_kept_columns = functools.lru_cache(maxsize=_CACHED)(_columns)
