"""The decoders that the inspector and the reference writer share, against writers and readers of other projects."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import ManifestEntry as Theirs
from pyiceberg.manifest import read_manifest_list
from pyroaring import BitMap64

from lakebench.engines.reference import manifests as written
from lakebench.engines.reference.files import File, Metrics
from lakebench.engines.reference.manifests import ADDED, DELETED, EXISTING, Commit, FileEntry, ListedManifest
from lakebench.iceberg import manifests, puffin
from lakebench.iceberg.manifests import ManifestEntry

SCHEMA = {
    "type": "struct",
    "schema-id": 0,
    "fields": [{"id": 1, "name": "day", "required": False, "type": "date"}],
}
SPEC = {"spec-id": 3, "fields": [{"source-id": 1, "field-id": 1000, "name": "day", "transform": "identity"}]}


# Single positions, and ranges: an array holds 4,096 positions, more are a bitset, or runs.
POSITIONS = st.sets(st.integers(0, 2**40)) | st.builds(
    lambda start, size, step: set(range(start, start + size * step, step)),
    st.integers(0, 2**33),
    st.sampled_from([1, 300, 4096, 4097, 10_000]),
    st.integers(1, 3),
)


@given(positions=POSITIONS, runs=st.booleans())
def test_a_vector_by_croaring_is_read(positions: set[int], runs: bool) -> None:
    bitmap = BitMap64(positions)
    if runs:
        bitmap.run_optimize()
    body = b"\xd1\xd3\x39\x64" + bitmap.serialize()
    blob = struct.pack(">I", len(body)) + body + struct.pack(">I", zlib.crc32(body))
    assert puffin.positions(blob) == sorted(positions)


def entry(number: int, status: int, day: int | None) -> FileEntry:
    metrics = Metrics({1: number}, {1: 0}, {}, {1: struct.pack("<i", day or 0)}, {1: struct.pack("<i", day or 0)})
    file = File(f"s3://lake/{number}.parquet", "parquet", number, 100 * number, 3, (day,), metrics=metrics)
    return FileEntry(file, status, 7, 5 if status != ADDED else None, 5 if status != ADDED else None)


def at(line: ListedManifest, path: str) -> ListedManifest:
    return ListedManifest({**line.line, "manifest_path": path})


def theirs(entry: Theirs) -> tuple[Any, ...]:
    file = entry.data_file
    counts = file.record_count, file.file_size_in_bytes, file.value_counts, file.lower_bounds
    location = file.file_path, str(file.file_format.value).lower(), file.partition[0]
    return entry.status.value, entry.snapshot_id, entry.sequence_number, entry.file_sequence_number, *location, *counts


def ours(entry: ManifestEntry) -> tuple[Any, ...]:
    (day,) = entry.file["partition"].values()
    counts = entry.records, entry.file["file_size_in_bytes"], entry.file["value_counts"], entry.file["lower_bounds"]
    sequences = entry.sequence_number, entry.file_sequence_number
    days = None if day is None else day.toordinal() - 719163
    return entry.status, entry.snapshot_id, *sequences, entry.path, entry.format, days, *counts


@pytest.mark.parametrize("version", [2, 3])
def test_manifests_of_the_reference_writer_are_read_as_pyiceberg_reads_them(version: int, tmp_path: Path) -> None:
    commit = Commit(version, 9, None, 8)
    entries = [entry(1, ADDED, 20000), entry(2, EXISTING, -1), entry(3, DELETED, None)]
    data, line = written.write(commit, entries, SCHEMA, SPEC)
    (tmp_path / "m.avro").write_bytes(data)
    listed, _ = written.write_list(commit, [at(line, f"{tmp_path}/m.avro")], 40)
    (tmp_path / "list.avro").write_bytes(listed)

    files = PyArrowFileIO()
    (of_theirs,) = read_manifest_list(files.new_input(f"{tmp_path}/list.avro"))
    (of_ours,) = manifests.manifest_list(listed)
    for name in ("manifest_length", "partition_spec_id", "sequence_number", "added_files_count", "deleted_rows_count"):
        assert of_ours[name] == getattr(of_theirs, name)
    by_pyiceberg = of_theirs.fetch_manifest_entry(files, discard_deleted=False)
    read = manifests.manifest(of_ours, data)
    assert [ours(one) for one in read.entries] == [theirs(one) for one in by_pyiceberg]
    assert read.without_ids == ()
    assert [one.first_row_id for one in read.entries] == [
        40 if version == 3 else None,
        41 if version == 3 else None,
        None,
    ]


def test_what_the_reference_writer_keeps_of_a_manifest_is_what_it_wrote() -> None:
    entries = [entry(1, ADDED, 20000), entry(2, EXISTING, None)]
    data, line = written.write(Commit(2, 9, None, 8), entries, SCHEMA, SPEC)
    (kept,) = written.read_list(written.write_list(Commit(2, 9, None, 8), [at(line, "s3://lake/m.avro")], 0)[0])
    again = written.read(data, kept)
    assert [one.file for one in again] == [one.file for one in entries]
    assert [one.sequence for one in again] == [8, 5]
    assert (kept.rows, kept.live, kept.content) == (3, True, 0)
