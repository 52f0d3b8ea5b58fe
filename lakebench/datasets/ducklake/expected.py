"""Expected rows, which features write by hand as JSON values, as an Arrow table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakebench.datasets import table_files

if TYPE_CHECKING:
    import pyarrow as pa


def table(columns: Mapping[str, str], rows: Sequence[Sequence[Any]]) -> pa.Table:
    """The table with these ``columns`` (name → type as text) and ``rows``."""
    import pyarrow as pa

    kinds = {name: kind(text) for name, text in columns.items()}
    values = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    arrays = [_array(list(one), of) for one, of in zip(values, kinds.values(), strict=True)]
    return pa.table(arrays, schema=pa.schema(list(kinds.items())))


def write(columns: Mapping[str, str], rows: Sequence[Sequence[Any]], into: Path) -> None:
    """Write :func:`table` as an Arrow IPC file."""
    table_files.write(table(columns, rows), into)


def kind(text: str) -> pa.DataType:
    """The Arrow type that ``text`` names as Arrow prints it, with ``utc`` for a timestamp in UTC.

    ``list<int32>``, ``struct<a: int32, b: string>``, ``map<string, int32>``, ``decimal128(5, 2)`` …

    Raises:
        ValueError: there is no such type.
    """
    import pyarrow as pa

    name, bracket, inside = text.strip().partition("<")
    inside = inside.removesuffix(">")
    if bracket and name == "list":
        return pa.list_(kind(inside))
    if bracket and name == "map":
        return pa.map_(*map(kind, _parts(inside)))
    if bracket and name == "struct":
        fields = (one.partition(":") for one in _parts(inside))
        return pa.struct([(field.strip(), kind(of)) for field, _, of in fields])
    if name.startswith("decimal128("):
        return pa.decimal128(*map(int, name.removeprefix("decimal128(").removesuffix(")").split(",")))
    return pa.timestamp("us", "UTC") if name == "utc" else pa.type_for_alias(name)


def _parts(text: str) -> list[str]:
    """``text`` at its commas, but for those inside brackets."""
    parts, depth = [""], 0
    for one in text:
        depth += (one in "<(") - (one in ">)")
        if one == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += one
    return parts


def _array(values: list[Any], of: pa.DataType) -> pa.Array:
    """Values of JSON: text is what Arrow or Python reads as the type, or the hexadecimal digits of bytes."""
    import pyarrow as pa

    if pa.types.is_timestamp(of) or pa.types.is_date(of) or pa.types.is_decimal(of):
        return pa.array(values, pa.string()).cast(of)
    return pa.array([_value(one, of) for one in values], of)


def _value(value: Any, of: pa.DataType) -> Any:
    """One value as Arrow takes it."""
    import pyarrow as pa

    if isinstance(value, str) and not pa.types.is_string(of):
        return bytes.fromhex(value) if pa.types.is_binary(of) else time.fromisoformat(value)
    if isinstance(value, list) and pa.types.is_map(of):
        return [(_value(key, of.key_type), _value(one, of.item_type)) for key, one in value]
    if isinstance(value, list):
        return [_value(one, of.value_type) for one in value]
    if isinstance(value, dict):
        return {field.name: _value(value[field.name], field.type) for field in of}
    return value
