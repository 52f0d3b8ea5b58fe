"""One small table for each type, its rows written by hand: edge values, nulls at each depth, and no rows at all."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakebench.datasets import table_files

if TYPE_CHECKING:
    import pyarrow as pa

_UTC = dt.datetime(2026, 3, 29, 2, 30, 0, 123456, dt.UTC)
_AT = _UTC.replace(tzinfo=None)  # an hour that summer time skips
_BEFORE = dt.datetime(1969, 12, 31, 23, 59, 59, 999999, dt.UTC).replace(tzinfo=None)


@dataclass(frozen=True)
class FileKind:
    """A type with its values; null is one of them. ``type`` makes it in a process that has Arrow."""

    name: str
    type: Callable[[], pa.DataType]
    values: Sequence[Any]

    def table(self) -> pa.Table:
        """``id``, and the values in the column ``v``."""
        import pyarrow as pa

        values = [*self.values, None] if self.values else []
        return pa.table({"id": pa.array(range(len(values)), pa.int64()), "v": pa.array(values, self.type())})


def _of(text: str) -> Callable[[], pa.DataType]:
    def make() -> pa.DataType:
        import pyarrow as pa

        kind: pa.DataType = eval(text, {"__builtins__": {}}, vars(pa))  # noqa: S307 - a text of ours, in this module
        return kind

    return make


_STRUCT = 'struct([field("a", int32()), field("b", struct([field("c", string())]))])'
KINDS: Mapping[str, FileKind] = {
    one.name: one
    for one in (
        FileKind("bool", _of("bool_()"), (True, False)),
        FileKind("int8", _of("int8()"), (-128, 127)),
        FileKind("int64", _of("int64()"), (-(2**63), 2**63 - 1, 0)),
        FileKind("uint64", _of("uint64()"), (0, 2**64 - 1)),
        FileKind("float", _of("float32()"), (0.5, math.nan, -math.inf, -0.0)),
        FileKind("double", _of("float64()"), (0.1, math.nan, math.inf, -0.0, 5e-324)),
        FileKind("decimal-5-2", _of("decimal128(5, 2)"), (Decimal("-999.99"), Decimal("0.01"))),
        FileKind("decimal-38-10", _of("decimal128(38, 10)"), (Decimal("1234567890123456789012345678.0123456789"),)),
        FileKind("string", _of("string()"), ("", "é\u0000 東京", "x" * 300)),
        FileKind("binary", _of("binary()"), (b"", b"\x00\xff")),
        FileKind("date", _of("date32()"), (dt.date(1, 1, 1), dt.date(1969, 12, 31), dt.date(9999, 12, 31))),
        FileKind("time", _of('time64("us")'), (dt.time(0), dt.time(23, 59, 59, 999999))),
        FileKind("timestamp", _of('timestamp("us")'), (_AT, _BEFORE)),
        FileKind("timestamp-ns", _of('timestamp("ns")'), (1, -1, 1_700_000_000_123_456_789)),
        FileKind("timestamptz", _of('timestamp("us", "UTC")'), (_UTC,)),
        FileKind("timestamptz-offset", _of('timestamp("us", "+00:00")'), (_UTC,)),
        FileKind("timestamptz-zone", _of('timestamp("us", "America/New_York")'), (_UTC,)),
        FileKind("list", _of("list_(int32())"), ([1, None, 2], [], [None])),
        FileKind("list-of-lists", _of("list_(list_(string()))"), ([["a"], None, []], [])),
        FileKind(
            "struct", _of(_STRUCT), ({"a": 1, "b": {"c": "x"}}, {"a": None, "b": None}, {"a": 2, "b": {"c": None}})
        ),
        FileKind("list-of-structs", _of(f"list_({_STRUCT})"), ([{"a": 1, "b": None}, None], [])),
        FileKind("map", _of("map_(string(), int32())"), ([("a", 1), ("b", None)], [])),
        FileKind("fixed-size-list", _of("list_(float32(), 2)"), ([0.5, 1.5], [None, 2.5])),
        FileKind("no-rows", _of("int64()"), ()),
    )
}


def write_kind(name: str, into: Path) -> None:
    """Write the table of the kind ``name`` as an Arrow IPC file."""
    table_files.write(KINDS[name].table(), into)


_ODD_ROWS = 100_000
_ODD = {
    "all_null": lambda _: None,
    "all_nan": lambda _: math.nan,
    "some_nan": lambda at: math.nan if at % 3 == 0 else float(at),
    "some_null": lambda at: None if at % 2 else at,
    "overflowing": lambda at: 2**63 - 1 - at % 5,
    "lowest": lambda _: -(2**63),
    "text": lambda at: None if at % 7 == 0 else f"t{at % 1000}",
    "price": lambda at: Decimal(at).scaleb(-2),
}
"""Column → its value at a position: what aggregates that do not look at rows get wrong."""
ODD_COLUMNS = tuple(_ODD)


def write_odd(into: Path, *, empty: bool) -> None:
    """Write a table of ``id`` and the odd columns as an Arrow IPC file, or the same without rows."""
    import pyarrow as pa

    types = (
        pa.int64(),
        pa.float64(),
        pa.float64(),
        pa.int64(),
        pa.int64(),
        pa.int64(),
        pa.string(),
        pa.decimal128(12, 2),
    )
    rows = range(0 if empty else _ODD_ROWS)
    columns = {"id": pa.array(rows, pa.int64())}
    columns |= {name: pa.array(map(_ODD[name], rows), kind) for name, kind in zip(_ODD, types, strict=True)}
    table_files.write(pa.table(columns), into)
