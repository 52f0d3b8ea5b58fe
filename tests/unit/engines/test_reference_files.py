"""Whatever the reference writer puts into a file or a deletion vector is read again, also by other libraries."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from pyroaring import BitMap64

from lakebench.engines.reference import avro, files, puffin, schema, values
from lakebench.iceberg import avro as decoder
from lakebench.iceberg import puffin as vectors_of
from lakebench.iceberg.types import Field

TABLES = strategies.fields(strategies.types(), 3).flatmap(lambda some: st.tuples(st.just(some), strategies.rows(some)))
# Single positions, and ranges: an array holds 4,096 positions, more are a bitset, or runs.
POSITIONS = st.sets(st.integers(0, 2**40)) | st.builds(
    lambda start, size, step: set(range(start, start + size * step, step)),
    st.integers(0, 2**33),
    st.sampled_from([1, 5, 4096, 4097]),
    st.integers(1, 3),
)


def _written(fields: tuple[Field, ...], rows: list[tuple[Any, ...]]) -> tuple[list[schema.Json], list[values.Row]]:
    """The columns with their ids, and the rows as the writer has them."""
    columns = schema.fields_json(fields, itertools.count(1))
    stored = [
        {one["id"]: values.inside(one["type"], value) for one, value in zip(columns, row, strict=True)} for row in rows
    ]
    return columns, stored


@pytest.mark.parametrize("of_format", ["avro", "parquet"])
@given(table=TABLES)
def test_a_file_gives_back_what_was_written(
    of_format: str, table: tuple[tuple[Field, ...], list[tuple[Any, ...]]]
) -> None:
    columns, rows = _written(*table)
    assert files.decode(of_format, files.encode(of_format, columns, rows, {}), columns, []) == rows


@given(
    rows=st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.text(max_size=9) | st.none(), st.binary(max_size=9))),
    codec=st.sampled_from(["null", "deflate"]),
)
def test_the_inspector_reads_the_writers_avro(rows: list[tuple[int, str | None, bytes]], codec: str) -> None:
    fields = [{"id": n, "name": name, "required": name != "s", "type": of} for n, (name, of) in enumerate(COLUMNS)]
    records = [dict(zip("nsb", row, strict=True)) for row in rows]
    data = avro.write(avro.Schema("r", fields).json, records, {"content": "data"}, codec)
    decoded, metadata, _ = decoder.read(data)
    assert [dict(one) for one in decoded] == records
    assert metadata["content"] == "data"


COLUMNS = (("n", "long"), ("s", "string"), ("b", "binary"))


@given(vectors=st.dictionaries(st.sampled_from(["s3://a", "s3://b", "s3://c"]), POSITIONS, min_size=1))
def test_a_puffin_file_is_read_by_all(vectors: dict[str, set[int]]) -> None:
    data, locations = puffin.write(vectors)
    assert [(one.offset, one.length) for one in vectors_of.blobs(data)] == list(locations.values())
    for path, (offset, length) in locations.items():
        blob = data[offset : offset + length]
        assert vectors_of.positions(blob) == sorted(vectors[path])
        assert set(BitMap64.deserialize(blob[8:-4])) == vectors[path]
