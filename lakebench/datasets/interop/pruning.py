"""Bounds, partition values and their summaries, by which readers prune; rows are lost silently where they are wrong."""

from __future__ import annotations

import datetime as dt
import math
import struct
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from lakebench.datasets.interop import metadata as iceberg
from lakebench.datasets.interop.footers import Bounds, Footer
from lakebench.datasets.interop.table import StoredTable
from lakebench.iceberg.manifests import DATA, Manifest, ManifestEntry

# Writers cut longer values in Parquet's statistics, which then are no values of the file.
_EXACT_BYTES = 64
_NUMBERS = {"INT32", "INT64", "FLOAT", "DOUBLE", "BOOLEAN"}
_WHOLE = {"int", "long", "date", "time", "timestamp", "timestamptz", "timestamp_ns", "timestamptz_ns"}
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def violations(table: StoredTable) -> Iterator[str]:
    """Bounds, partition values and summaries that exclude rows of the files they are for."""
    for manifest in table.manifests:
        yield from _summaries(manifest, f"the manifest {table.short(manifest.path)}")
    for one in table.live:
        name = f"the file {table.short(one.path)}"
        fields = iceberg.spec(table.metadata, one.spec_id)
        values = one.file.get("partition") or {}
        if fields is None:
            yield f"{name} is of the partition spec {one.spec_id}, which is not there"
        elif len(fields) != len(values):
            yield f"{name} has {len(values)} partition values, but spec {one.spec_id} has {len(fields)} fields"
        elif one.path in table.footers and one.content == DATA:
            yield from _misplaced(table, one, table.footers[one.path], name)
        if one.path in table.footers:
            yield from _excluded(table, one, table.footers[one.path], name)


def _misplaced(table: StoredTable, entry: ManifestEntry, footer: Footer, name: str) -> Iterator[str]:
    """Values of an identity partition's source column that differ from the partition's value."""
    fields = iceberg.spec(table.metadata, entry.spec_id) or ()
    for field, value in zip(fields, (entry.file.get("partition") or {}).values(), strict=True):
        column = table.names.get(field.get("source-id", -1))
        if field["transform"] != "identity" or column is None or not isinstance(value, bool | int | str):
            continue
        wanted = value.encode() if isinstance(value, str) else value
        for one in footer.bounds:
            if _column(table, footer, one) == column and _is_exact(one) and not one.low == one.high == wanted:
                yield f"{name} of the partition {column.path} = {value!r} has values from {one.low!r} to {one.high!r}"


def _excluded(table: StoredTable, entry: ManifestEntry, footer: Footer, name: str) -> Iterator[str]:
    """Bounds that exclude a value of the file."""
    lower, upper = entry.file.get("lower_bounds") or {}, entry.file.get("upper_bounds") or {}
    for one in footer.bounds:
        column = _column(table, footer, one)
        if column is None or not _is_exact(one) or not _has_unit_of(column, one):
            continue
        for word, bounds, value in (("lower", lower, one.low), ("upper", upper, one.high)):
            bound = _decoded(bounds.get(column.id), column.type, one.physical)
            if _is_beyond(bound, _physical(value, column.type), is_low=word == "lower"):
                excluded = f"which excludes the value {value!r} in it"
                yield f"{name} has the {word} bound {bound!r} of {column.path}, {excluded}"


def _column(table: StoredTable, footer: Footer, one: Bounds) -> iceberg.Column | None:
    """The column of a chunk, by field id, or by name where the file has no ids."""
    number = footer.field_ids.get(one.path)
    if number is None:
        number = next((column.id for column in table.names.values() if column.path == one.path), None)
    return None if number is None else table.names.get(number)


def _has_unit_of(column: iceberg.Column, one: Bounds) -> bool:
    """Whether the file keeps times in the unit of the column's type, in which the bounds of the manifest are."""
    return one.unit in {"", "nanoseconds" if column.type.endswith("_ns") else "microseconds"}


def _is_exact(one: Bounds) -> bool:
    """Whether a chunk's statistics are values of the chunk."""
    if one.physical in _NUMBERS:
        return not any(isinstance(value, float) and math.isnan(value) for value in (one.low, one.high))
    if one.physical != "BYTE_ARRAY":
        return one.physical == "FIXED_LEN_BYTE_ARRAY"
    return all(isinstance(value, bytes) and len(value) < _EXACT_BYTES for value in (one.low, one.high))


def _is_beyond(bound: Any, value: Any, *, is_low: bool) -> bool:
    if bound is None or type(bound) is not type(value):
        return False
    return bool(bound > value if is_low else bound < value)


def _physical(value: Any, of: str) -> Any:
    """A value of Parquet's statistics as :func:`_decoded` shows a bound."""
    if of.startswith("decimal") and isinstance(value, bytes):
        return int.from_bytes(value, "big", signed=True)
    return value


def _decoded(bound: bytes | None, of: str, physical: str) -> Any:
    """A bound (Iceberg specification, *Binary single-value serialization*); ``None`` where it is not compared.

    The length shows the type before a promotion. UUIDs are not compared: Java orders them by signed halves.
    """
    if not bound:
        return None
    name = of.partition("(")[0].partition("[")[0]
    if name in _WHOLE:
        # A file that keeps other units than the bound is not compared.
        same = len(bound) == {"INT32": 4, "INT64": 8}.get(physical)
        return int.from_bytes(bound, "little", signed=True) if same else None
    if name in {"float", "double"}:
        return _floating(bound)
    if name == "decimal":
        return int.from_bytes(bound, "big", signed=True)
    if name == "boolean":
        return bool(bound[0])
    return bound if name in {"string", "binary", "fixed"} else None


def _floating(bound: bytes) -> float | None:
    form = {4: "<f", 8: "<d"}.get(len(bound))
    value: float = struct.unpack(form, bound)[0] if form else math.nan
    return None if math.isnan(value) else value


def _summaries(manifest: Manifest, name: str) -> Iterator[str]:
    """Partition summaries (Iceberg specification, *field_summary*) that exclude partitions of the manifest."""
    summaries = manifest.listed.get("partitions") or ()
    rows = [list((one.file.get("partition") or {}).values()) for one in manifest.entries if one.live]
    for n, summary in enumerate(summaries):
        values = [row[n] for row in rows if n < len(row)]
        if None in values and not summary["contains_null"]:
            yield f"{name} has a null in partition field {n + 1}, but its summary says that it contains none"
        yield from _limits(summary, [one for one in map(_plain, values) if one is not None], f"{name}: field {n + 1}")


def _limits(summary: Mapping[str, Any], values: list[Any], name: str) -> Iterator[str]:
    if not values:
        return
    for word, value in (("lower", min(values)), ("upper", max(values))):
        bound = summary[f"{word}_bound"]
        decoded = None if bound is None else _like(value, bound)
        if bound is None:
            yield f"{name} of its partitions has no {word} bound, as if all were null, but there is {value!r}"
        elif decoded is None or _is_beyond(decoded, value, is_low=word == "lower"):
            yield f"{name} of its partitions has the {word} bound {bound!r}, which excludes {value!r}"


def _plain(value: Any) -> Any:
    """A partition value as something with an order; ``None`` for null, NaN, and what is not compared."""
    if isinstance(value, float) and math.isnan(value):
        return None
    if isinstance(value, dt.datetime):
        value = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
        return (value - _EPOCH) // _MICROSECOND
    if isinstance(value, dt.date):
        return value.toordinal() - _EPOCH.toordinal()
    return value if isinstance(value, bool | int | float | str | bytes | Decimal) else None


def _like(value: Any, bound: bytes) -> Any:
    """``bound`` as a value of the type of ``value``; ``None`` where it cannot be one."""
    if isinstance(value, bool):
        return bool(bound[0]) if len(bound) == 1 else None
    if isinstance(value, int):
        return int.from_bytes(bound, "little", signed=True) if len(bound) in {4, 8} else None
    if isinstance(value, float):
        return _floating(bound)
    if isinstance(value, str):
        return bound.decode(errors="surrogateescape")
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        return Decimal(int.from_bytes(bound, "big", signed=True)).scaleb(int(exponent))
    return bound
