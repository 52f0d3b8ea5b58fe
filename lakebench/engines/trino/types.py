"""Trino's types and values as Arrow's, and back."""

from __future__ import annotations

import base64
import itertools
import re
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lakebench.errors import Refused

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBERS = re.compile(r"\((\d+)(?:,\s*(\d+))?\)")
_NAMED = re.compile(r'\s*(?:"((?:[^"]|"")*)"|(\S+)) (.+)', re.DOTALL)
_TEMPORAL = re.compile(r"([+-]?\d+)-(\d\d)-(\d\d)(?: (.+?))?(?: UTC)?")
_FLOATS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_MICRO = 6
_FRACTIONS = {0: "s", 3: "ms", 6: "us", 9: "ns"}
_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY_S = 86_400
_ERA_DAYS = 146_097  # days of 400 years of the Gregorian calendar
_EPOCH = 719_468  # days from 0000-03-01 to 1970-01-01


def schema(description: Sequence[Any]) -> pa.Schema:
    """The Arrow schema of a result, from its DB-API description.

    Raises:
        Refused: a column has a type that this module does not keep.
    """
    import pyarrow as pa

    return pa.schema([pa.field(column[0], arrow_type(column[1])) for column in description or ()])


def arrow_type(name: str) -> pa.DataType:
    """The Arrow type of the Trino type ``name``, such as ``decimal(15,2)`` or ``row(a integer, b array(date))``.

    Raises:
        Refused: there is none here.
    """
    import pyarrow as pa

    kind, _, inside = name.partition("(")
    if kind in {"array", "map", "row"}:
        parts = list(_split(inside.removesuffix(")")))
        if kind == "row":
            return pa.struct([_row_field(part) for part in parts])
        types = [arrow_type(part.strip()) for part in parts]
        return pa.list_(types[0]) if kind == "array" else pa.map_(types[0], types[1])
    primitive = _primitive(name)
    if primitive is None:
        raise Refused(f"the answer has a column of Trino's type {name}, which is not kept as Arrow here")
    return primitive


def _primitive(name: str) -> pa.DataType | None:
    """The Arrow type of a Trino type that is not nested; ``None`` where there is none."""
    import pyarrow as pa

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
        "uuid": lambda: pa.binary(16),
        "json": pa.string,
        "varbinary": pa.binary,
        "date": pa.date32,
        "decimal": lambda: pa.decimal128(*numbers),
        "timestamp": lambda: pa.timestamp(_unit(numbers)),
        "timestamp with time zone": lambda: pa.timestamp(_unit(numbers), "UTC"),
        "time": lambda: pa.time64("ns" if (numbers or [3])[0] > _MICRO else "us"),
        "unknown": pa.null,
    }
    make = plain.get(_NUMBERS.sub("", name, count=1))
    return make() if make else None


def _split(parts: str) -> Iterator[str]:
    """The parts between the commas that are in no brackets and no quotes."""
    depth, quoted, part = 0, False, ""
    for character in parts:
        quoted ^= character == '"'
        depth += 0 if quoted else (character == "(") - (character == ")")
        if character == "," and not depth and not quoted:
            yield part
            part = ""
        else:
            part += character
    yield part


def _row_field(part: str) -> pa.Field:
    """A field of a row: a name, which may be in quotes, and a type; or a type alone."""
    import pyarrow as pa

    if _primitive(part.strip()) is not None:
        return pa.field("", arrow_type(part.strip()))
    match = _NAMED.fullmatch(part)
    if not match:
        return pa.field("", arrow_type(part.strip()))
    quoted, plain, kind = match.groups()
    return pa.field(plain if quoted is None else quoted.replace('""', '"'), arrow_type(kind))


def _parameters(name: str) -> list[int]:
    match = _NUMBERS.search(name)
    return [int(one) for one in match.groups() if one is not None] if match else []


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

    if pa.types.is_nested(kind):
        return _nested(values, kind)
    if pa.types.is_floating(kind):  # NaN and Infinity come as text
        return pa.array([None if value is None else float(value) for value in values], kind)
    if pa.types.is_fixed_size_binary(kind) and not pa.types.is_decimal(kind):
        return pa.array([None if value is None else uuid.UUID(value).bytes for value in values], kind)
    if pa.types.is_binary(kind):
        return pa.array([None if value is None else base64.b64decode(value) for value in values], kind)
    if pa.types.is_decimal(kind) or pa.types.is_temporal(kind):
        return _parsed(values, kind)
    return pa.array(values, kind)


def _parsed(values: Sequence[str | None], kind: pa.DataType) -> pa.Array:
    """Decimals, dates, times and timestamps from their texts; what Arrow does not parse, this does."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_time(kind):
        units = [None if value is None else _time(value, _UNITS[kind.unit]) for value in values]
        return pa.array(units, pa.int64()).cast(kind)
    texts = pa.array(values, pa.string())
    if pa.types.is_timestamp(kind) and kind.tz:
        texts = pc.replace_substring(texts, " UTC", "Z")
    try:
        return pc.cast(texts, kind)
    except pa.ArrowInvalid:
        if not pa.types.is_temporal(kind):
            raise
    units = [None if value is None else _since_1970(value, kind) for value in values]
    return pa.array(units, pa.int32() if pa.types.is_date(kind) else pa.int64()).cast(kind)


def _since_1970(text: str, kind: pa.DataType) -> int:
    """Days of a date, or units of a timestamp, of any year."""
    import pyarrow as pa

    match = _TEMPORAL.fullmatch(text)
    if not match:
        raise Refused(f"Trino's {kind} {text!r} is not understood")
    days = _days(*(int(one) for one in match.groups()[:3]))
    if pa.types.is_date(kind):
        return days
    per_second = _UNITS[kind.unit]
    return days * _DAY_S * per_second + _time(match[4], per_second)


def _days(year: int, month: int, day: int) -> int:
    """Days since 1970-01-01 in the proleptic Gregorian calendar; a year is taken to begin in March."""
    year -= month < 3  # noqa: PLR2004 - March
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    era, of_era = divmod(year, 400)
    return era * _ERA_DAYS + of_era * 365 + of_era // 4 - of_era // 100 + of_year - _EPOCH


def _time(text: str, per_second: int) -> int:
    """Units since midnight of ``22:31:08.123456``."""
    hour, minute, second = text.split(":")
    whole, _, fraction = second.partition(".")
    seconds = (int(hour) * 60 + int(minute)) * 60 + int(whole)
    return seconds * per_second + int(f"{fraction:0<9}"[:9]) * per_second // 10**9


def _nested(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Rows, which come as lists, arrays, which do too, and maps, which come as objects with text for keys."""
    import pyarrow as pa

    nulls = pa.array([value is None for value in values], pa.bool_())
    if pa.types.is_struct(kind):
        parts = [
            _column([None if value is None else value[n] for value in values], field.type)
            for n, field in enumerate(kind)
        ]
        return pa.StructArray.from_arrays(parts, fields=list(kind), mask=nulls)
    offsets = pa.array([0, *itertools.accumulate(len(value or ()) for value in values)], pa.int32())
    items = [one for value in values for one in value or ()]
    if pa.types.is_map(kind):
        shown = _column([one for value in values for one in (value or {}).values()], kind.item_type)
        return pa.MapArray.from_arrays(offsets, _keys(items, kind.key_type), shown, kind, mask=nulls)
    return pa.ListArray.from_arrays(offsets, _column(items, kind.value_type), kind, mask=nulls)


def _keys(texts: Sequence[str], kind: pa.DataType) -> pa.Array:
    """Keys of maps.

    Raises:
        Refused: they are nested, and their text is not JSON.
    """
    import pyarrow as pa

    if pa.types.is_nested(kind):
        raise Refused(f"Trino's protocol has no form for a map's keys of type {kind}")
    if pa.types.is_boolean(kind):
        return pa.array([text == "true" for text in texts], kind)
    return _column([int(text) for text in texts] if pa.types.is_integer(kind) else texts, kind)


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
