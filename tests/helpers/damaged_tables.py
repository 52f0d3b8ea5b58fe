"""Tables of the reference writer, and what can be wrong with their files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow.fs import S3FileSystem

from lakebench.datasets.interop import features
from lakebench.execution.context import RunContext
from lakebench.iceberg.files import file_system
from lakebench.model import EngineRef
from lakebench.phases.interop.table_lakes import lake_of
from lakebench.phases.interop.written import Written, _WriteProgress

WRITER = EngineRef("reference")
BY_ID = {one.id: one for one in features.FEATURES}


@dataclass
class Table:
    """A table of the reference writer, and its files in the store; paths begin with the bucket."""

    written: Written
    made: Any
    store: S3FileSystem

    def files(self, content: str) -> list[str]:
        return [one["path"].removeprefix("s3://") for one in self.made.inspected.files if one["content"] == content]

    def manifests(self) -> list[str]:
        (current,) = (
            one
            for one in self.made.metadata["snapshots"]
            if one["snapshot-id"] == self.made.metadata["current-snapshot-id"]
        )
        with self.store.open_input_file(current["manifest-list"].removeprefix("s3://")) as source:
            return [one["manifest_path"].removeprefix("s3://") for one in fastavro.reader(source)]

    def read(self, path: str) -> bytes:
        with self.store.open_input_file(path) as source:
            return bytes(source.read())

    def write(self, path: str, data: bytes) -> None:
        with self.store.open_output_stream(path) as sink:
            sink.write(data)


def make(context: RunContext, feature: str, name: str, readers: tuple[EngineRef, ...] = ()) -> Table:
    written = Written(replace(BY_ID[feature], id=f"{feature}-{name}"), WRITER, readers)
    made = written._make(context, _WriteProgress(WRITER))
    store = lake_of(context.request, context.services, WRITER).store
    return Table(written, made, file_system(store))


def remove_delete_file(table: Table) -> None:
    (path, *_) = table.files("position deletes")
    table.store.delete_file(path)


def remove_deletion_vector(table: Table) -> None:
    (path, *_) = table.files("deletion vector")
    table.store.delete_file(path)


def remove_data_file(table: Table) -> None:
    table.store.delete_file(table.files("data")[0])


def remove_manifest(table: Table) -> None:
    table.store.delete_file(table.manifests()[0])


def flip_byte(table: Table) -> None:
    """In the middle of the first column's only data page."""
    path = table.files("data")[0]
    data = bytearray(table.read(path))
    column = pq.ParquetFile(pa.BufferReader(bytes(data))).metadata.row_group(0).column(0)
    start = min(one for one in (column.dictionary_page_offset, column.data_page_offset) if one)
    data[start + column.total_compressed_size // 2] ^= 0xFF
    table.write(path, bytes(data))


def change_value(table: Table) -> None:
    """A file that is whole in itself, with one other value."""
    path = table.files("data")[0]
    rows = pq.read_table(pa.BufferReader(table.read(path)))
    column = rows.schema.get_field_index("v")
    values = [*rows.column(column).to_pylist()]
    values[0] += 1
    changed = rows.set_column(column, rows.schema.field(column), pa.array(values, rows.schema.field(column).type))
    sink = pa.BufferOutputStream()
    pq.write_table(changed, sink)
    table.write(path, sink.getvalue().to_pybytes())


DAMAGES: list[tuple[str, Callable[[Table], None]]] = [
    ("position-deletes", remove_delete_file),
    ("deletion-vectors", remove_deletion_vector),
    ("append", remove_data_file),
    ("append", remove_manifest),
    ("append", flip_byte),
    ("append", change_value),
]
