"""The contents of a table's files: Parquet footers, numbers of rows, position deletes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakebench.datasets.interop.store import Files
from lakebench.iceberg import avro
from lakebench.iceberg.damage import Damaged, parsed

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_FIELD_ID = b"PARQUET:field_id"
_DELETES = ("file_path", "pos")


@dataclass(frozen=True)
class Bounds:
    """The smallest and largest value of a column chunk in Parquet's physical type; times are in ``unit``."""

    path: str
    physical: str
    low: Any
    high: Any
    unit: str = ""


@dataclass(frozen=True)
class Footer:
    """A data or delete file from outside. ``field_ids`` has the path of each leaf, with its id or ``None``."""

    rows: int
    size: int
    types: dict[str, str]
    field_ids: dict[str, int | None]
    codecs: frozenset[str]
    row_groups: int
    bloom_filters: bool
    bounds: tuple[Bounds, ...] = ()


def footer(files: Files, location: str, form: str) -> Footer:
    """The footer of the file at ``location`` of the format ``form``.

    Raises:
        FileNotFoundError: it is not there.
        Damaged: it is damaged.
        ServiceUnavailable: the store does not answer.
    """
    with files.open(location) as file:
        size = file.size()
        if form == "parquet":
            return _parquet(file, size)
        rows = _orc_rows(file) if form == "orc" else len(avro.read(file.read())[0])
    return Footer(rows, size, {}, {}, frozenset(), 0, bloom_filters=False)


def _parquet(file: pa.NativeFile, size: int) -> Footer:
    import pyarrow as pa
    import pyarrow.parquet as pq

    read = parsed(lambda: pq.read_metadata(file), pa.ArrowException, OSError)
    leaves = [read.schema.column(n) for n in range(read.num_columns)]
    chunks = [read.row_group(n).column(m) for n in range(read.num_row_groups) for m in range(read.num_columns)]
    units = {one.path: json.loads(one.logical_type.to_json()).get("timeUnit", "") for one in leaves}
    return Footer(
        rows=read.num_rows,
        size=size,
        types={one.path: f"{one.logical_type.type}/{one.physical_type}".lower() for one in leaves},
        field_ids=_field_ids(read),
        codecs=frozenset(one.compression.lower() for one in chunks),
        row_groups=read.num_row_groups,
        bloom_filters=any(one.bloom_filter_offset is not None for one in chunks),
        bounds=tuple(bounds for one in chunks if (bounds := _bounds(one, units))),
    )


def _bounds(chunk: pq.ColumnChunkMetaData, units: Mapping[str, str]) -> Bounds | None:
    statistics = chunk.statistics if chunk.is_stats_set else None
    if statistics is None or not statistics.has_min_max:
        return None
    path = chunk.path_in_schema
    return Bounds(path, chunk.physical_type, statistics.min_raw, statistics.max_raw, units.get(path, ""))


def _field_ids(read: pq.FileMetaData) -> dict[str, int | None]:
    """Leaves in the file's order; Arrow's schema has the ids, Parquet's the paths."""
    numbers = [one for field in read.schema.to_arrow_schema() for one in _leaf_ids(field)]
    paths = [read.schema.column(n).path for n in range(read.num_columns)]
    return dict(zip(paths, numbers, strict=True)) if len(paths) == len(numbers) else dict.fromkeys(paths)


def _leaf_ids(field: pa.Field) -> Iterator[int | None]:
    import pyarrow as pa

    of = field.type
    if isinstance(of, pa.BaseExtensionType):
        of = of.storage_type
    if pa.types.is_map(of):
        children = [of.key_field, of.item_field]
    elif pa.types.is_nested(of):
        children = [of.field(n) for n in range(of.num_fields)]
    else:
        number = (field.metadata or {}).get(_FIELD_ID)
        yield None if number is None else int(number)
        return
    for child in children:
        yield from _leaf_ids(child)


def _orc_rows(file: pa.NativeFile) -> int:
    import pyarrow as pa
    from pyarrow import orc

    return int(parsed(lambda: orc.ORCFile(file), pa.ArrowException, OSError).nrows)


def position_deletes(files: Files, location: str, form: str) -> list[tuple[str, int]]:
    """The data files and positions in a file of position deletes.

    Raises:
        FileNotFoundError: it is not there.
        Damaged: it is damaged, or has not the columns of position deletes.
        ServiceUnavailable: the store does not answer.
    """
    with files.open(location) as file:
        if form == "avro":
            return [(one["file_path"], one["pos"]) for one in avro.read(file.read())[0]]
        table = _columns(file, form)
    if lacking := [name for name in _DELETES if name not in table.column_names]:
        raise Damaged(f"it lacks a column of position deletes: {lacking[0]}")
    return list(zip(*(table[name].to_pylist() for name in _DELETES), strict=True))


def _columns(file: pa.NativeFile, form: str) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import orc

    read = orc.ORCFile if form == "orc" else pq.ParquetFile
    kinds = (pa.ArrowException, OSError)
    opened = parsed(lambda: read(file), *kinds)
    return parsed(lambda: opened.read(columns=list(_DELETES)), *kinds)
