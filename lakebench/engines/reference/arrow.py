"""Arrow types and tables with field ids, for Parquet and ORC (Iceberg specification, Appendix A)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lakebench.engines.reference.schema import Json, children, kind, numbers
from lakebench.engines.reference.values import Row, missing

if TYPE_CHECKING:
    import pyarrow as pa

PARQUET_ID = "PARQUET:field_id"
ORC_ID = "iceberg.id"
_DAY = {"timestamp": 86_400_000_000, "timestamptz": 86_400_000_000}
_DAY |= {f"{name}_ns": 1000 * unit for name, unit in _DAY.items()}


@functools.cache
def _geometries() -> Callable[[str], Any]:
    """The extension type that becomes Parquet's GEOMETRY and GEOGRAPHY, by the name of Iceberg's type.

    It is not registered, so that readers in this process get plain bytes.
    """
    import pyarrow as pa

    class Wkb(pa.ExtensionType):  # type: ignore[misc]
        def __init__(self, metadata: bytes) -> None:
            self._metadata = metadata
            super().__init__(pa.binary(), "geoarrow.wkb")

        def __arrow_ext_serialize__(self) -> bytes:
            return self._metadata

        @classmethod
        def __arrow_ext_deserialize__(cls, _storage: pa.DataType, serialized: bytes) -> Wkb:
            return cls(serialized)

    return lambda name: Wkb(b'{"edges": "spherical"}' if name == "geography" else b"{}")


def data_type(of: Any, ids: str | None, *, built: bool = False) -> pa.DataType:
    """The Arrow type; ``ids`` is the attribute that has field ids, ``None`` for none.

    ``built`` is the type that Python's values are put into, which is then cast: it has no extension types.
    """
    import pyarrow as pa

    name = kind(of)
    below = fields(children(of), ids, built=built)
    if name == "struct":
        return pa.struct(below)
    if name in {"list", "map"}:
        return (pa.list_ if name == "list" else pa.map_)(*below)
    if name in {"decimal", "fixed"}:
        return (pa.decimal128 if name == "decimal" else pa.binary)(*numbers(of))
    if name in {"geometry", "geography"} and not built:
        return _geometries()(name)
    return pa.uuid() if name == "uuid" and not built else _primitive(name)


def _primitive(name: str) -> pa.DataType:
    import pyarrow as pa

    return {
        "boolean": pa.bool_(), "int": pa.int32(), "long": pa.int64(), "float": pa.float32(), "double": pa.float64(),
        "date": pa.date32(), "time": pa.time64("us"), "string": pa.string(), "binary": pa.binary(),
        "timestamp": pa.timestamp("us"), "timestamptz": pa.timestamp("us", "UTC"),
        "timestamp_ns": pa.timestamp("ns"), "timestamptz_ns": pa.timestamp("ns", "UTC"),
        "uuid": pa.binary(16), "geometry": pa.binary(), "geography": pa.binary(),
        "variant": pa.struct([pa.field(one, pa.binary(), nullable=False) for one in ("metadata", "value")]),
    }[name]  # fmt: skip


def fields(columns: Iterable[Json], ids: str | None, *, built: bool = False) -> list[pa.Field]:
    """Arrow fields; columns of the type unknown are not stored."""
    import pyarrow as pa

    return [
        pa.field(
            one["name"],
            data_type(one["type"], ids, built=built),
            nullable=not one["required"],
            metadata={ids: str(one["id"])} if ids else None,
        )
        for one in columns
        if one["type"] != "unknown"
    ]


def table(columns: Sequence[Json], rows: Sequence[Row], ids: str | None) -> pa.Table:
    """``rows`` as an Arrow table."""
    import pyarrow as pa

    stored = [one for one in columns if one["type"] != "unknown"]
    arrays = [
        pa.array([_named(one["type"], row.get(one["id"])) for row in rows], data_type(one["type"], None, built=True))
        for one in stored
    ]
    schema = pa.schema(fields(stored, ids))
    converted = [array.cast(field.type) for array, field in zip(arrays, schema, strict=True)]
    return pa.Table.from_arrays(converted, schema=schema)


def _named(of: Any, value: Any) -> Any:
    """A value with its structs by name."""
    name = kind(of)
    if value is None:
        return None
    if name == "struct":
        return {one["name"]: _named(one["type"], value.get(one["id"])) for one in children(of)}
    if name == "list":
        return [_named(of["element"], one) for one in value]
    return [(_named(of["key"], key), _named(of["value"], one)) for key, one in value] if name == "map" else value


def rows(stored: pa.Table, columns: Sequence[Json], mapping: Sequence[Json]) -> list[Row]:
    """The rows of a file by field id, with the types and defaults of ``columns``."""
    plain = [array.cast(_plain(array.type)).to_pylist() for array in stored.columns]
    names = [field.name for field in stored.schema]
    take = _struct(list(stored.schema), columns, mapping)
    records = (dict(zip(names, values, strict=True)) for values in zip(*plain, strict=True))
    return [take(one) for one in (records if plain else [{}] * stored.num_rows)]


def _plain(of: pa.DataType) -> pa.DataType:
    """The type with times as integers."""
    import pyarrow as pa

    if pa.types.is_struct(of):
        return pa.struct([one.with_type(_plain(one.type)) for one in of])
    if pa.types.is_map(of):
        return pa.map_(of.key_field.with_type(_plain(of.key_type)), of.item_field.with_type(_plain(of.item_type)))
    if pa.types.is_list(of) or pa.types.is_large_list(of):
        return pa.list_(of.value_field.with_type(_plain(of.value_type)))
    if pa.types.is_date32(of):
        return pa.int32()
    return pa.int64() if pa.types.is_temporal(of) else of


def _ids(columns: Sequence[pa.Field], mapping: Sequence[Json]) -> dict[int, pa.Field]:
    """The fields of a file by id: their own, or else those that the table's name mapping gives their names."""
    by_id: dict[int, pa.Field] = {}
    by_name = {name: one["field-id"] for one in mapping for name in one["names"]}
    for field in columns:
        attributes: Mapping[bytes, bytes] = field.metadata or {}
        number = attributes.get(PARQUET_ID.encode(), attributes.get(ORC_ID.encode()))
        field_id = int(number) if number is not None else by_name.get(field.name)
        if field_id is not None:
            by_id[field_id] = field
    return by_id


def _below(mapping: Sequence[Json], number: int) -> Sequence[Json]:
    return next((one.get("fields", ()) for one in mapping if one.get("field-id") == number), ())


def _struct(stored: Sequence[pa.Field], columns: Sequence[Json], mapping: Sequence[Json]) -> Callable[[Any], Row]:
    there = _ids(stored, mapping)
    takes = {
        one["id"]: (there[one["id"]].name, _value(there[one["id"]].type, one["type"], _below(mapping, one["id"])))
        for one in columns
        if one["id"] in there
    }
    absent = {one["id"]: missing(one) for one in columns if one["id"] not in there}
    return lambda value: {**absent, **{number: take(value[name]) for number, (name, take) in takes.items()}}


def _value(stored: pa.DataType, of: Any, mapping: Sequence[Json]) -> Callable[[Any], Any]:
    """What turns a file's value into one of the type ``of``."""
    take = _taking(stored, of, mapping)
    return lambda value: None if value is None else take(value)


def _taking(stored: pa.DataType, of: Any, mapping: Sequence[Json]) -> Callable[[Any], Any]:
    import pyarrow as pa

    name = kind(of)
    if name == "struct":
        return _struct(list(stored), children(of), mapping)
    if name == "list":
        (element,) = children(of)
        inner = _value(stored.value_type, element["type"], _below(mapping, element["id"]))
        return lambda value: [inner(one) for one in value]
    if name == "map":
        key, item = children(of)
        first = _value(stored.key_type, key["type"], _below(mapping, key["id"]))
        second = _value(stored.item_type, item["type"], _below(mapping, item["id"]))
        return lambda value: [(first(one), second(other)) for one, other in value]
    if name in _DAY and pa.types.is_date32(stored):  # promoted from date
        return lambda value: value * _DAY[name]
    return lambda value: value
