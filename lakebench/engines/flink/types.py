"""Flink's types and values, as its SQL gateway sends them in JSON, as Arrow's."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any

from lakebench.engines.inprocess import arrow_column
from lakebench.errors import Refused

if TYPE_CHECKING:
    import pyarrow as pa

    from lakebench.engines.flink.gateway import AnswerColumn

_MICRO = 6
_DIGITS = 40  # more than a decimal has
_NANOS = 10**9
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TIMESTAMPS = frozenset({"TIMESTAMP_WITHOUT_TIME_ZONE", "TIMESTAMP_WITH_LOCAL_TIME_ZONE"})


def schema(columns: Sequence[AnswerColumn]) -> pa.Schema:
    """The Arrow schema of an answer.

    Raises:
        Refused: a column has a type that this module does not keep.
    """
    import pyarrow as pa

    return pa.schema([pa.field(one.name, arrow_type(one.type)) for one in columns])


def arrow_type(of: Mapping[str, Any]) -> pa.DataType:
    """The Arrow type of a logical type.

    Raises:
        Refused: there is none here.
    """
    import pyarrow as pa

    kind = of["type"]
    if kind == "DECIMAL":
        return pa.decimal128(of["precision"], of["scale"])
    if kind in _TIMESTAMPS:
        unit = "us" if of["precision"] <= _MICRO else "ns"
        return pa.timestamp(unit, "UTC" if kind.endswith("LOCAL_TIME_ZONE") else None)
    if kind == "ARRAY":
        return pa.list_(arrow_type(of["elementType"]))
    if kind == "MAP":
        return pa.map_(arrow_type(of["keyType"]), arrow_type(of["valueType"]))
    if kind == "ROW":
        return pa.struct([pa.field(one["name"], arrow_type(one["fieldType"])) for one in of["fields"]])
    plain = {
        "BOOLEAN": pa.bool_, "TINYINT": pa.int8, "SMALLINT": pa.int16, "INTEGER": pa.int32, "BIGINT": pa.int64,
        "FLOAT": pa.float32, "DOUBLE": pa.float64, "CHAR": pa.string, "VARCHAR": pa.string, "BINARY": pa.binary,
        "VARBINARY": pa.binary, "DATE": pa.date32, "TIME_WITHOUT_TIME_ZONE": lambda: pa.time64("us"), "NULL": pa.null,
    }  # fmt: skip
    if kind not in plain:
        raise Refused(f"the answer has a column of Flink's type {kind}, which is not kept as Arrow here")
    made: pa.DataType = plain[kind]()
    return made


def batch(rows: Sequence[Sequence[Any]], columns: Sequence[AnswerColumn], of: pa.Schema) -> pa.RecordBatch:
    """``rows`` as one record batch of schema ``of``."""
    import pyarrow as pa

    values = [[_value(row[at], one.type) for row in rows] for at, one in enumerate(columns)]
    arrays = [arrow_column(listed, field.type) for listed, field in zip(values, of, strict=True)]
    return pa.record_batch(arrays, schema=of)


def _value(value: Any, of: Mapping[str, Any]) -> Any:
    """A value of the JSON as Arrow takes it."""
    read = _READ.get(of["type"])
    return value if value is None or read is None else read(value, of)


def _array(value: Sequence[Any], of: Mapping[str, Any]) -> list[Any]:
    return [_value(one, of["elementType"]) for one in value]


def _map(value: Mapping[str, Any], of: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    return [(_key(name, of["keyType"]), _value(one, of["valueType"])) for name, one in value.items()]


def _row(value: Mapping[str, Any], of: Mapping[str, Any]) -> dict[str, Any]:
    return {one["name"]: _value(value.get(one["name"]), one["fieldType"]) for one in of["fields"]}


def _decimal(value: Any, of: Mapping[str, Any]) -> Decimal:
    with localcontext(prec=_DIGITS):
        return Decimal(value).quantize(Decimal(1).scaleb(-of["scale"]))


def _key(text: str, of: Mapping[str, Any]) -> Any:
    return int(text) if of["type"] in {"TINYINT", "SMALLINT", "INTEGER", "BIGINT"} else _value(text, of)


def _timestamp(text: str, of: Mapping[str, Any]) -> int:
    """Micro- or nanoseconds since 1970 of ``2024-01-01T01:02:03.456``."""
    whole, _, fraction = text.rstrip("Z").replace(" ", "T").partition(".")
    seconds = (datetime.fromisoformat(whole).replace(tzinfo=UTC) - _EPOCH) // timedelta(seconds=1)
    nanoseconds = seconds * _NANOS + int(f"{fraction:0<9}"[:9])
    return nanoseconds if of["precision"] > _MICRO else nanoseconds // 1000


def _time(text: str, _of: Mapping[str, Any]) -> int:
    """Microseconds since midnight of ``22:31:08.123`` or ``22:31``."""
    hour, minute, second, *_ = [*text.split(":"), "0"]
    return (int(hour) * 60 + int(minute)) * 60 * 10**6 + int(Decimal(second) * 10**6)


_READ: Mapping[str, Callable[[Any, Mapping[str, Any]], Any]] = {
    "FLOAT": lambda value, _: float(value),
    "DOUBLE": lambda value, _: float(value),
    "BINARY": lambda value, _: base64.b64decode(value),
    "VARBINARY": lambda value, _: base64.b64decode(value),
    "DATE": lambda value, _: date.fromisoformat(value),
    "TIME_WITHOUT_TIME_ZONE": _time,
    "DECIMAL": _decimal,
    "ARRAY": _array,
    "MAP": _map,
    "ROW": _row,
    **dict.fromkeys(_TIMESTAMPS, _timestamp),
}
