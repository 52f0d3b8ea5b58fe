"""The columns of a table that somebody else made, as lakebench's types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lakebench.datasets.interop import metadata as iceberg
from lakebench.iceberg.types import Field, ListOf, MapOf, Struct, Type

if TYPE_CHECKING:
    import pyarrow as pa


def fields_of(schema: Mapping[str, Any]) -> tuple[Field, ...]:
    """The columns of an Iceberg schema (its JSON, *Schemas and Data Types*)."""
    return tuple(_field(one) for one in schema["fields"])


def _field(one: Mapping[str, Any]) -> Field:
    return Field(one["name"], _type(one["type"]), bool(one.get("required")))


def _type(of: Any) -> Type:
    if not isinstance(of, Mapping):
        return iceberg.type_text(of)
    if of["type"] == "struct":
        return Struct(fields_of(of))
    if of["type"] == "list":
        return ListOf(_type(of["element"]), bool(of.get("element-required")))
    return MapOf(_type(of["key"]), _type(of["value"]), bool(of.get("value-required")))


def shared(now: Sequence[Mapping[str, Any]], then: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The names of the columns that two schemas have in common, with the same id, name and type."""
    earlier = {(one["id"], one["name"], str(one["type"])) for one in then}
    return tuple(one["name"] for one in now if (one["id"], one["name"], str(one["type"])) in earlier)


def fields_of_arrow(schema: pa.Schema) -> tuple[Field, ...]:
    """The columns of plain Parquet files, each as the Iceberg type that holds its values."""
    return tuple(Field(one.name, _of_arrow(one.type)) for one in schema)


def _of_arrow(of: pa.DataType) -> Type:
    import pyarrow as pa

    if pa.types.is_struct(of):
        return Struct(tuple(Field(one.name, _of_arrow(one.type)) for one in of))
    if pa.types.is_map(of):
        return MapOf(_of_arrow(of.key_type), _of_arrow(of.item_type))
    if pa.types.is_list(of) or pa.types.is_large_list(of):
        return ListOf(_of_arrow(of.value_type))
    if pa.types.is_decimal(of):
        return f"decimal({of.precision},{of.scale})"
    if pa.types.is_timestamp(of):
        return f"timestamp{'tz' if of.tz else ''}{'_ns' if of.unit == 'ns' else ''}"
    kinds = (
        (pa.types.is_boolean, "boolean"),
        (pa.types.is_integer, "long"),
        (pa.types.is_floating, "double"),
        (pa.types.is_date, "date"),
        (pa.types.is_time, "time"),
        (pa.types.is_string, "string"),
        (pa.types.is_large_string, "string"),
        (pa.types.is_string_view, "string"),
        (pa.types.is_binary, "binary"),
        (pa.types.is_large_binary, "binary"),
        (pa.types.is_fixed_size_binary, "binary"),
    )
    # What Iceberg has no type for is counted, and its values are not compared.
    return next((kind for test, kind in kinds if test(of)), "unknown")
