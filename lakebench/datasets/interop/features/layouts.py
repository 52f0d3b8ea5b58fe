"""Physical layouts that others write: pages, row groups, units of time, codecs, many rows. The rows are the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from lakebench.datasets.interop.feature import Feature, Proof
from lakebench.datasets.interop.features import types
from lakebench.iceberg.operations import Append, Create, Delete, Operation, Row
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field, PartitionField

_GROUP = "Physical layout"
_PARQUET = "Parquet format; Iceberg specification, Appendix A: Parquet"
_COLUMNS = (Field("id", "int"), Field("v", "string"), Field("x", "double"))
_TIMES = (Field("id", "int"), Field("at", "timestamp"), Field("zoned", "timestamptz"))
_MOR = {"write.delete.mode": "merge-on-read"}


def _rows(number: int) -> tuple[Row, ...]:
    """Rows in no order, each fifth without values."""
    return tuple((n * 7919 % number, None if n % 5 == 0 else f"value {n % 97}", n / 4) for n in range(number))


def _shaped(
    name: str,
    title: str,
    properties: Mapping[str, str],
    *then: Operation,
    rows: int = 600,
    times: int = 1,
    proof: tuple[Proof, ...] = (),
    topic: str = "v2-tables",
) -> Feature:
    """A table of the reference's, whose files have a shape that its own properties ask for."""
    create = Create(columns=_COLUMNS, properties={**_MOR, **properties})
    program = (create, Append(rows=_rows(rows), times=times), *then)
    return Feature(f"layout-{name}", _GROUP, title, program, topic, _PARQUET, proof=proof, by_reference=True)


def _timed(title: str, unit: str) -> Feature:
    times = ("1960-02-29T10:15:00.123", "1969-12-31T23:59:59.999", "1970-01-01T00:00:00", "2024-02-29T12:30:00.001")
    rows: tuple[Row, ...] = (*((n, one, f"{one}+00:00") for n, one in enumerate(times)), (99, None, None))
    properties = {"lakebench.timestamps": unit}
    program = (Create(columns=_TIMES, properties=properties), Append(rows=rows))
    return Feature(
        f"layout-timestamps-{unit}", _GROUP, title, program, "type-timestamp", _PARQUET, by_reference=True
    )  # fmt: skip


def _codec(name: str) -> Feature:
    return Feature(
        f"layout-codec-{name}",
        _GROUP,
        f"Parquet data files {'that are not compressed' if name == 'uncompressed' else f'compressed by {name}'}",
        (Create(columns=_COLUMNS, properties={"write.parquet.compression-codec": name}), Append(rows=_rows(40))),
        "compression-codec",
        "Iceberg documentation, Configuration: write.parquet.compression-codec",
        proof=(Proof("codecs", "contains", name),),
    )


_APART = ("boolean", "long", "double", "decimal-18", "date", "time", "timestamptz", "string", "uuid", "binary")


def _values_apart() -> Iterator[Feature]:
    """Types whose values lie in a file each beside a null or a NaN: both bounds of the file are that value."""
    of = {one.id.removeprefix("type-"): one for one in types.ALL}
    for name in _APART:
        beside = "NaN" if name == "double" else None
        program = tuple(_apart(one, beside) for one in of[name].program)
        title = f"{of[name].title}, each in a file of its own beside a {beside or 'null'}"
        yield Feature(f"layout-apart-{name}", _GROUP, title, program, "partition-transforms", of[name].source)


def _apart(operation: Operation, beside: str | None) -> Operation:
    if isinstance(operation, Create):
        return replace(operation, partition=(PartitionField("id"),))
    if isinstance(operation, Append):
        return replace(operation, rows=tuple(row for n, value in operation.rows for row in ((n, value), (n, beside))))
    return operation


_SOME = Delete(where=(Condition("id", "in", (0, 7, 150, 599)),))

ALL = (
    _shaped(
        "row-groups", "six row groups, and rows deleted in some", {"lakebench.row-groups": "6"}, _SOME,
        proof=(Proof("row-groups", "=", 6),),
    ),
    _shaped("pages", "many data pages of version 1 in a column", {"lakebench.page-rows": "50"}, _SOME),
    _shaped(
        "pages-v2", "many data pages of version 2 in a column",
        {"lakebench.page-rows": "50", "lakebench.page-version": "2.0"}, _SOME,
    ),
    _timed("timestamps as INT96, as Hive and Impala write them", "int96"),
    _timed("timestamps in milliseconds", "ms"),
    _timed("timestamps in nanoseconds", "ns"),
    _shaped(
        "location-odd", "files in a folder with a blank, a plus, a percent sign and a letter beyond ASCII",
        {"lakebench.folder": "a b+c%20=ü"}, _SOME,
    ),
    _shaped(
        "many-rows", "200,000 rows in ten row groups, and rows deleted in each", {"lakebench.row-groups": "10"}, _SOME,
        rows=400, times=500, proof=(Proof("row-groups", "=", 10),),
    ),
    Feature(
        "layout-copied-vectors",
        _GROUP,
        "a table copied to another address, whose Puffin files name the data files by the old one",
        (
            Create(columns=_COLUMNS, properties={**_MOR, "lakebench.copied-from": "s3://before/t"}, format_version=3),
            Append(rows=_rows(40)),
            Delete(where=(Condition("id", "in", (0, 7, 39)),)),
        ),
        "deletion-vectors",
        "Iceberg specification, Manifests: referenced_data_file; https://github.com/duckdb/duckdb-iceberg/issues/1382",
        by_reference=True,
    ),
    *_values_apart(),
    *(_codec(name) for name in ("uncompressed", "lz4", "brotli")),
    Feature(
        "layout-gzip-metadata",
        _GROUP,
        "metadata files compressed by gzip",
        (
            Create(columns=_COLUMNS, properties={"write.metadata.compression-codec": "gzip"}),
            Append(rows=_rows(12)),
            Append(rows=_rows(3)),
        ),
        "v2-tables",
        "Iceberg specification, Appendix: table metadata, gzip; write.metadata.compression-codec",
    ),
)  # fmt: skip
