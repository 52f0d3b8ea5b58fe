"""Damage is seen: whatever is wrong with a table's files, no reader's cell passes."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import fastavro
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.fs import S3FileSystem
from run_requests import request

from lakebench.datasets.interop import features
from lakebench.errors import LakebenchError
from lakebench.execution.context import RunContext, run_context
from lakebench.iceberg.files import file_system
from lakebench.model import EngineRef
from lakebench.outcomes import Outcome
from lakebench.phases.interop.table_lakes import lake_of
from lakebench.phases.interop.written import Written, _WriteProgress
from lakebench.processes.guard import Guard
from lakebench.progress import Quiet
from lakebench.services import Services

pytestmark = pytest.mark.integration

WRITER = EngineRef("reference")
READERS = tuple(
    EngineRef(name)
    for name in ("duckdb", "iceberg_scan", "pyiceberg", "daft", "polars", "datafusion", "trino", "spark")
)
FAILED = {Outcome.WRONG, Outcome.REFUSED, Outcome.CRASH}
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


@pytest.fixture(scope="module")
def context(lakebench_services: Services) -> Iterator[RunContext]:
    foundation = ("object-store", "rest-catalog")
    lakebench_services.start([*foundation, "trino", "spark"])
    with (
        Guard("damage") as guard,
        run_context(request(WRITER, *READERS), guard, lakebench_services, Quiet(), foundation) as made,
    ):
        yield made


def make(context: RunContext, feature: str, name: str) -> Table:
    written = Written(replace(BY_ID[feature], id=f"{feature}-{name}"), WRITER, READERS)
    made = written._make(context, _WriteProgress(WRITER))
    store = lake_of(context.request, context.services, WRITER).store
    return Table(written, made, file_system(store))


@pytest.fixture(scope="module")
def whole(context: RunContext) -> Callable[[str], dict[str, tuple[Outcome, str]]]:
    """Feature → what each reader makes of its table when nothing is wrong with it; asked once."""
    return functools.cache(lambda feature: outcomes(context, make(context, feature, "whole")))


def outcomes(context: RunContext, table: Table) -> dict[str, tuple[Outcome, str]]:
    outcomes_by_reader = {}
    for reader in READERS:
        error: LakebenchError | None = table.written._read(context, reader, table.made)[1]
        outcomes_by_reader[str(reader)] = (error.outcome, str(error)) if error else (Outcome.PASS, "")
    return outcomes_by_reader


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


@pytest.mark.parametrize(("feature", "damage"), DAMAGES, ids=[damage.__name__ for _, damage in DAMAGES])
def test_no_cell_passes_on_a_damaged_table(
    context: RunContext,
    whole: Callable[[str], dict[str, tuple[Outcome, str]]],
    feature: str,
    damage: Callable[[Table], None],
) -> None:
    assert sum(outcome is Outcome.PASS for outcome, _ in whole(feature).values()) >= 3, whole(feature)
    table = make(context, feature, damage.__name__)
    damage(table)
    damaged = outcomes(context, table)
    assert not {reader: outcome for reader, outcome in damaged.items() if outcome[0] not in FAILED}
