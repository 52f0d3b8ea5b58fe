"""Trino's types and values as Arrow's, and back."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lakebench.errors import Refused

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBERS = re.compile(r"\((\d+)(?:,\s*(\d+))?\)")
_FLOATS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_MICRO = 6
_FRACTIONS = {0: "s", 3: "ms", 6: "us", 9: "ns"}


def schema(description: Sequence[Any]) -> pa.Schema:
    """The Arrow schema of a result, from its DB-API description.

    Raises:
        Refused: a column has a type that this module does not keep.
    """
    import pyarrow as pa

    return pa.schema([pa.field(column[0], arrow_type(column[1])) for column in description or ()])


def arrow_type(name: str) -> pa.DataType:
    """The Arrow type of the Trino type ``name``, such as ``decimal(15,2)``.

    Raises:
        Refused: there is none here.
    """
    import pyarrow as pa

    kind = _NUMBERS.sub("", name)
    numbers = _parameters(name)
    plain: dict[str, Callable[[], pa.DataType]] = {
        "boolean": pa.bool_,
        "tinyint": pa.int8,
        "smallint": pa.int16,
        "integer": pa.int32,
        "bigint": pa.int64,
        "real": pa.float32,
        "double": pa.float64,
        "varchar": pa.string,
        "char": pa.string,
        "uuid": pa.string,
        "json": pa.string,
        "varbinary": pa.binary,
        "date": pa.date32,
        "decimal": lambda: pa.decimal128(*numbers),
        "timestamp": lambda: pa.timestamp(_unit(numbers)),
        "timestamp with time zone": lambda: pa.timestamp(_unit(numbers), "UTC"),
        "time": lambda: pa.time64("ns" if (numbers or [3])[0] > _MICRO else "us"),
    }
    if kind not in plain:
        raise Refused(f"the answer has a column of Trino's type {name}, which is not kept as Arrow here")
    return plain[kind]()


def _parameters(name: str) -> list[int]:
    found = _NUMBERS.search(name)
    return [int(one) for one in found.groups() if one is not None] if found else []


def _unit(numbers: Sequence[int]) -> str:
    """The coarsest Arrow unit that holds a precision; Trino's default is 3."""
    precision = numbers[0] if numbers else 3
    return next((unit for digits, unit in _FRACTIONS.items() if digits >= precision), "ns")


def batch(rows: Sequence[Sequence[Any]], of: pa.Schema) -> pa.RecordBatch:
    """``rows`` as the server sends them (numbers, and text for the rest) as one record batch of schema ``of``."""
    import pyarrow as pa

    columns = zip(*rows, strict=True) if rows else [()] * len(of)
    return pa.record_batch([_column(values, field.type) for values, field in zip(columns, of, strict=True)], schema=of)


def _column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_floating(kind):  # NaN and Infinity come as text
        return pa.array([None if value is None else float(value) for value in values], kind)
    if pa.types.is_binary(kind):
        return pa.array([None if value is None else base64.b64decode(value) for value in values], kind)
    if pa.types.is_decimal(kind) or pa.types.is_temporal(kind):
        texts = pa.array(values, pa.string())
        if pa.types.is_timestamp(kind) and kind.tz:
            texts = pc.replace_substring(texts, " UTC", "Z")
        return pc.cast(texts, kind)
    return pa.array(values, kind)


def columns(of: pa.Schema) -> str:
    """The column list of a CREATE TABLE."""
    return ", ".join(f'"{one.name}" {sql_type(one.type)}{"" if one.nullable else " NOT NULL"}' for one in of)


def sql_type(kind: pa.DataType) -> str:
    """The Trino type to create a column of Arrow type ``kind`` with.

    Raises:
        Refused: there is none in an Iceberg table.
    """
    import pyarrow as pa

    if pa.types.is_decimal(kind):
        return f"DECIMAL({kind.precision}, {kind.scale})"
    if pa.types.is_timestamp(kind):
        return "TIMESTAMP(6) WITH TIME ZONE" if kind.tz else "TIMESTAMP(6)"
    tests: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
        (pa.types.is_boolean, "BOOLEAN"),
        (pa.types.is_int64, "BIGINT"),
        (pa.types.is_integer, "INTEGER"),
        (pa.types.is_float32, "REAL"),
        (pa.types.is_float64, "DOUBLE"),
        (pa.types.is_date, "DATE"),
        (pa.types.is_time, "TIME(6)"),
        (_is_text, "VARCHAR"),
        (_is_bytes, "VARBINARY"),
    )
    for test, name in tests:
        if test(kind):
            return name
    raise Refused(f"Trino has no type for Arrow's {kind} in an Iceberg table")


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _is_bytes(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def values(rows: pa.Table) -> str:
    """The rows of a VALUES list."""
    literals = [_literals(column) for column in rows.columns]
    return ", ".join(f"({', '.join(row)})" for row in zip(*literals, strict=True))


def _literals(column: pa.ChunkedArray) -> list[str]:
    """A column's values as SQL literals, each of the column's type."""
    kind = sql_type(column.type)
    return ["NULL" if value is None else f"CAST({_literal(value)} AS {kind})" for value in column.to_pylist()]


def _literal(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return str(value)
    if isinstance(value, bytes):
        return f"X'{value.hex()}'"
    return text(_FLOATS.get(str(value), str(value)) if isinstance(value, float) else str(value))


def text(value: str) -> str:
    """``value`` as an SQL string."""
    return "'" + value.replace("'", "''") + "'"
