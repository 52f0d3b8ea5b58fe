"""Data and delete files: what a manifest says of one, and how each format is written and read."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lakebench.engines.reference import arrow, avro, variant
from lakebench.engines.reference.schema import Json, kind
from lakebench.engines.reference.values import BOUNDED, Row, at, binary, lower, missing, sortable, upper
from lakebench.errors import Refused
from lakebench.iceberg.damage import parsed

if TYPE_CHECKING:
    import pyarrow as pa

DATA, POSITION_DELETES, EQUALITY_DELETES = 0, 1, 2
_BLOOM = "write.parquet.bloom-filter-enabled.column."
_AVRO_CODECS = {"gzip": "deflate", "zstd": "zstandard", "uncompressed": "null"}
_AVRO_CODEC = "write.avro.compression-codec"


@dataclass(frozen=True)
class Metrics:
    """What is known of columns, by field id; bounds are binary."""

    values: Mapping[int, int] = field(default_factory=dict)
    nulls: Mapping[int, int] = field(default_factory=dict)
    nans: Mapping[int, int] = field(default_factory=dict)
    lower: Mapping[int, bytes] = field(default_factory=dict)
    upper: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class File:
    """A data or delete file as a manifest knows it (Iceberg specification, ``data_file``).

    ``partition`` are its values in the order of its spec's fields. A deletion vector has ``referenced``, the data
    file that it belongs to, and its position in the Puffin file.
    """

    path: str
    format: str
    records: int
    size: int
    spec_id: int = 0
    partition: tuple[Any, ...] = ()
    content: int = DATA
    metrics: Metrics = field(default_factory=Metrics)
    equality_ids: tuple[int, ...] = ()
    sort_order_id: int | None = None
    first_row_id: int | None = None
    referenced: str | None = None
    offset: int | None = None
    length: int | None = None

    @property
    def key(self) -> tuple[str, int | None]:
        """What distinguishes it from all others: several vectors may share a file."""
        return self.path, self.offset


def metrics(columns: Iterable[Json], rows: Sequence[Row], *, whole: bool = False) -> Metrics:
    """Counts and bounds of columns, those inside structs too; ``whole`` bounds are not shortened."""
    measured: dict[str, dict[int, Any]] = {name: {} for name in Metrics.__dataclass_fields__}
    for ids, column in _leaves(columns, ()):
        values = [at(row, ids) for row in rows]
        _measure(measured, column, values, whole=whole)
    return Metrics(**measured)


def _leaves(columns: Iterable[Json], above: tuple[int, ...]) -> Iterable[tuple[list[int], Json]]:
    for column in columns:
        ids = (*above, column["id"])
        if kind(column["type"]) == "struct":
            yield from _leaves(column["type"]["fields"], ids)
        elif kind(column["type"]) not in {"list", "map", "unknown"}:
            yield list(ids), column


def _measure(measured: dict[str, dict[int, Any]], column: Json, values: Sequence[Any], *, whole: bool) -> None:
    number, of = column["id"], column["type"]
    present = [one for one in values if one is not None]
    measured["values"][number] = len(values)
    measured["nulls"][number] = len(values) - len(present)
    if of in {"float", "double"}:
        measured["nans"][number] = sum(map(math.isnan, present))
        present = [one for one in present if not math.isnan(one)]
    if kind(of) not in BOUNDED or not present:
        return
    least, most = min(present, key=sortable), max(present, key=sortable)
    bounds = {"lower": least if whole else lower(least), "upper": most if whole else upper(most)}
    for name, bound in bounds.items():
        if bound is not None:
            measured[name][number] = binary(of, bound)


def encode(of_format: str, columns: Sequence[Json], rows: Sequence[Row], properties: Mapping[str, str]) -> bytes:
    """A file of ``rows`` in ``of_format``, as the table's ``properties`` say.

    Raises:
        Refused: there is no such format.
    """
    if of_format == "avro":
        schema = avro.Schema("table", columns).json
        metadata = {"iceberg.schema": json.dumps({"type": "struct", "fields": list(columns)})}
        codec = properties.get(_AVRO_CODEC, "gzip")
        struct = {"type": "struct", "fields": list(columns)}
        return avro.write(schema, [avro.outside(struct, row) for row in rows], metadata, _AVRO_CODECS.get(codec, codec))
    if of_format == "orc":
        return _orc(columns, rows, properties)
    if of_format == "parquet":
        return _parquet(columns, rows, properties)
    raise Refused(f"no file format is called {of_format}")


def _ids(properties: Mapping[str, str], attribute: str) -> str | None:
    return None if properties.get("lakebench.field-ids") == "none" else attribute


def _parquet(columns: Sequence[Json], rows: Sequence[Row], properties: Mapping[str, str]) -> bytes:
    import pyarrow.parquet as pq

    table = arrow.table(columns, rows, _ids(properties, arrow.PARQUET_ID))
    codec = properties.get("write.parquet.compression-codec", "zstd")
    groups = int(properties.get("lakebench.row-groups", "1"))
    page_rows = int(properties.get("lakebench.page-rows", "20000"))
    unit = properties.get("lakebench.timestamps")
    if unit == "ns":
        table = _in_nanoseconds(table)
    blooms = [
        key.removeprefix(_BLOOM) for key, value in properties.items() if key.startswith(_BLOOM) and value == "true"
    ]
    target = io.BytesIO()
    pq.write_table(
        table,
        target,
        row_group_size=max(1, -(-len(rows) // groups)),
        compression="none" if codec == "uncompressed" else codec,
        store_schema=False,  # a reader finds the types in Parquet's own schema alone
        store_decimal_as_integer=True,
        data_page_version=properties.get("lakebench.page-version", "1.0"),
        max_rows_per_page=page_rows,
        write_batch_size=min(page_rows, 1024),
        use_deprecated_int96_timestamps=unit == "int96",
        coerce_timestamps="ms" if unit == "ms" else None,
        bloom_filter_options={one: {"ndv": max(1, len(rows)), "fpp": 0.01} for one in blooms} or None,
    )
    return variant.annotated(target.getvalue(), columns)


def _in_nanoseconds(table: pa.Table) -> pa.Table:
    import pyarrow as pa

    fields = [
        one.with_type(pa.timestamp("ns", one.type.tz)) if pa.types.is_timestamp(one.type) else one
        for one in table.schema
    ]
    return table.cast(pa.schema(fields, table.schema.metadata))


def _orc(columns: Sequence[Json], rows: Sequence[Row], properties: Mapping[str, str]) -> bytes:
    import pyarrow.orc as po

    target = io.BytesIO()
    codec = properties.get("write.orc.compression-codec", "zlib")
    po.write_table(arrow.table(columns, rows, _ids(properties, arrow.ORC_ID)), target, compression=codec)
    return target.getvalue()


def decode(of_format: str, data: bytes, columns: Sequence[Json], mapping: Sequence[Json]) -> list[Row]:
    """The rows of a file by field id, with the types and defaults of ``columns``.

    Raises:
        Refused: there is no such format.
        Damaged: the file is not what the format says.
    """
    if of_format == "avro":
        absent = {one["id"]: missing(one) for one in columns}
        return [{**absent, **row} for row in avro.read(data)]
    if of_format not in {"orc", "parquet"}:
        raise Refused(f"no file format is called {of_format}")
    import pyarrow as pa

    return arrow.rows(parsed(lambda: _stored(of_format, data), pa.ArrowException, OSError), columns, mapping)


def _stored(of_format: str, data: bytes) -> pa.Table:
    import pyarrow as pa
    import pyarrow.orc as po
    import pyarrow.parquet as pq

    file = pa.BufferReader(data)
    return po.ORCFile(file).read() if of_format == "orc" else pq.read_table(file, arrow_extensions_enabled=False)
