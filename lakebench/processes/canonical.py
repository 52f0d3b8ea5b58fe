"""Columns in the form of their Iceberg type, whatever Arrow type a reader chose for them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lakebench.iceberg.types import ListOf, MapOf, Struct, Type, kind, parameters

if TYPE_CHECKING:
    import pyarrow as pa

ONLY_COUNTED = frozenset({"variant", "geometry", "geography", "unknown"})
"""Types whose values readers show in several forms: their nulls are counted, and their values not compared."""
_WIDE = {
    "boolean": "bool",
    "int": "int64",
    "long": "int64",
    "float": "float64",
    "double": "float64",
    "string": "large_string",
    "binary": "large_binary",
    "fixed": "large_binary",
    "uuid": "large_binary",
}
"""Iceberg's type → the Arrow type that has the values of all Arrow types that readers choose for it."""


def without_views(batch: pa.RecordBatch) -> pa.RecordBatch:
    """``batch`` with texts and bytes as Arrow's kernels take them: they filter no views."""
    import pyarrow as pa

    if not any("_view" in str(one.type) for one in batch.schema):
        return batch
    schema = pa.schema([one.with_type(_without_views(one.type)) for one in batch.schema])
    return batch.cast(schema)


def _without_views(of: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    if pa.types.is_string_view(of) or pa.types.is_binary_view(of):
        return pa.large_string() if pa.types.is_string_view(of) else pa.large_binary()
    if pa.types.is_struct(of):
        return pa.struct([one.with_type(_without_views(one.type)) for one in of])
    if pa.types.is_map(of):
        parts = [one.with_type(_without_views(one.type)) for one in (of.key_field, of.item_field)]
        return pa.map_(*parts)
    if pa.types.is_list(of) or pa.types.is_large_list(of):
        make = pa.list_ if pa.types.is_list(of) else pa.large_list
        return make(of.value_field.with_type(_without_views(of.value_type)))
    return of


def canonical(column: pa.Array, of: Type) -> pa.Array:
    """``column`` in the Arrow type of Iceberg's ``of``; as it is where its values have no place there."""
    import pyarrow as pa

    if isinstance(column.type, pa.BaseExtensionType):
        column = column.storage
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if isinstance(of, Struct | ListOf | MapOf) or kind(of) in ONLY_COUNTED:
        return column
    if kind(of) == "uuid" and not pa.types.is_fixed_size_binary(column.type):
        column = _uuid_bytes(column)
    try:
        return _cast(column, kind(of), parameters(of))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return column


def _cast(column: pa.Array, of: str, given: Sequence[str]) -> pa.Array:
    """The column in the widest type of its kind; times become numbers of their unit since 1970 or midnight.

    What is no number, date or time stays as it is where there should be one: a text "1" in place of 1 differs.
    """
    import pyarrow as pa

    if of not in _WIDE:
        is_timestamp, is_time = pa.types.is_timestamp(column.type), pa.types.is_time(column.type)
        if of.startswith("timestamp") and is_timestamp:
            column = column.cast(pa.timestamp("ns" if of.endswith("_ns") else "us", column.type.tz)).cast(pa.int64())
        elif of == "date" and (is_timestamp or pa.types.is_date(column.type)):
            column = column.cast(pa.date32()).cast(pa.int32()).cast(pa.int64())
        elif of == "time" and is_time:
            column = column.cast(pa.time64("us")).cast(pa.int64())
        elif of == "decimal" and pa.types.is_decimal(column.type):
            column = column.cast(pa.decimal128(38, int(given[1])))
        return column
    wide = pa.type_for_alias(_WIDE[of])
    if is_number(wide) and not is_number(column.type):
        return column
    if pa.types.is_fixed_size_binary(column.type):
        column = column.cast(pa.binary())
    return column.cast(wide)


def is_number(of: pa.DataType) -> bool:
    """Whether an Arrow type is one of whole or floating-point numbers."""
    import pyarrow as pa

    return bool(pa.types.is_integer(of) or pa.types.is_floating(of))


def _uuid_bytes(column: pa.Array) -> pa.Array:
    """UUIDs that are shown as text, as their bytes; text that is none stays as it is."""
    import pyarrow as pa

    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        return column
    try:
        return pa.array([None if one is None else uuid.UUID(one).bytes for one in column.to_pylist()], pa.binary())
    except ValueError:
        return column
