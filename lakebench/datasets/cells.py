"""The values of Arrow tables: hashable, equal exactly where the values are, and as text for people and for hashes."""

from __future__ import annotations

import math
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

Row = tuple[Any, ...]

SHOWN_CHARACTERS = 200
_NS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_EPOCH = date(1970, 1, 1).toordinal()
_INSTANTS = {"time", "timestamp", "timestamptz"}
_NAN = ("NaN",)
MINUS_ZERO = ("-0.0",)


def rows(table: pa.Table) -> list[Row]:
    """The rows as tuples of hashable values, equal exactly where the values are."""
    if not table.num_columns:
        return [()] * table.num_rows
    columns = ([cell for chunk in column.chunks for cell in _cells(chunk)] for column in table.columns)
    return list(zip(*columns, strict=True))


def _cells(array: pa.Array) -> list[Any]:
    """The values of ``array`` in a form that is hashable, and equal exactly where the values are."""
    import pyarrow as pa

    kind = array.type
    if isinstance(kind, pa.BaseExtensionType):
        return _cells(array.storage)
    if pa.types.is_dictionary(kind):
        return _cells(array.dictionary_decode())
    if pa.types.is_nested(kind):
        return _nested(array)
    if pa.types.is_temporal(kind):
        return _temporal(array)
    return [_scalar(value) for value in array.to_pylist()]


def _scalar(value: Any) -> Any:
    if isinstance(value, bool):  # Python takes True for 1
        return ("bool", value)
    if isinstance(value, float):
        return _float(value)
    return value


def _float(value: float) -> Any:
    if math.isnan(value):
        return _NAN
    return MINUS_ZERO if value == 0 and math.copysign(1, value) < 0 else value


def _temporal(array: pa.Array) -> list[Any]:
    """Dates as they are; times, durations and timestamps as nanoseconds, named by what they are."""
    import pyarrow as pa

    kind = array.type
    if pa.types.is_date(kind):
        return _dates(array)
    if pa.types.is_interval(kind):
        values: list[Any] = array.to_pylist()
        return values
    name = "timestamptz" if pa.types.is_timestamp(kind) and kind.tz else str(kind).partition("[")[0].rstrip("3264")
    whole = pa.int32() if kind.bit_width == pa.int32().bit_width else pa.int64()
    factor = _NS[kind.unit]
    return [None if value is None else (name, value * factor) for value in array.view(whole).to_pylist()]


def _dates(array: pa.Array) -> list[Any]:
    """Dates; one beyond the years that Python knows is its number of days since 1970."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_date64(array.type):
        array = pc.cast(array, pa.date32(), safe=False)
    return [None if one is None else _date(one) for one in array.view(pa.int32()).to_pylist()]


def _date(days: int) -> Any:
    try:
        return date.fromordinal(_EPOCH + days)
    except (OverflowError, ValueError):
        return ("date", days)


def _nested(array: pa.Array) -> list[Any]:
    import pyarrow as pa

    if pa.types.is_struct(array.type):
        names = [field.name for field in array.type]
        fields = [_cells(array.field(n)) for n in range(len(names))]
        return [
            tuple((name, field[n]) for name, field in zip(names, fields, strict=True)) if here else None
            for n, here in enumerate(array.is_valid().to_pylist())
        ]
    if pa.types.is_map(array.type):  # a map has no order
        return [None if not one.is_valid else _map(one.values) for one in array]
    return [None if not one.is_valid else ("list", *_cells(one.values)) for one in array]


def _map(entries: pa.Array) -> Row:
    return ("map", *sorted(zip(_cells(entries.field(0)), _cells(entries.field(1)), strict=True), key=repr))


def canonical(cell: Any) -> str:
    """A cell as text: equal numbers have equal texts, whatever their type."""
    if isinstance(cell, int):  # without its detour over a decimal, as most cells are such
        text = str(int(cell))  # int: of a truth value, too
        short = text.rstrip("0")
        return f"n{short or 0}e{len(text) - len(short) if short else 0}"
    if cell == MINUS_ZERO:
        return "n0"
    if is_number(cell):
        return f"n{_digits(Decimal(repr(cell)) if isinstance(cell, float) else Decimal(cell))}"
    if isinstance(cell, date):
        return f"d{cell.isoformat()}"
    if isinstance(cell, tuple):
        return f"({','.join(canonical(part) for part in cell)})"
    return f"{type(cell).__name__}:{cell!r}"


def _digits(number: Decimal) -> str:
    sign, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):
        return str(number)
    text = "".join(map(str, digits)).lstrip("0")
    short = text.rstrip("0")
    return f"{'-' if sign and short else ''}{short or 0}e{exponent + len(text) - len(short) if short else 0}"


def is_number(cell: Any) -> bool:
    """Whether ``cell`` is a number of any type."""
    return isinstance(cell, int | float | Decimal)


def cell_text(cell: Any) -> str:
    """A cell of :func:`rows` as people read it, no longer than :data:`SHOWN_CHARACTERS`."""
    if cell is None:
        return "NULL"
    text = _text(cell)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"


def _text(cell: Any) -> str:
    """A cell of :func:`rows` for people: an instant as one, not as nanoseconds."""
    if isinstance(cell, bytes):
        return f"0x{cell.hex()}"
    if not isinstance(cell, tuple):
        return str(cell)
    name, *rest = cell or ("",)
    if name in _INSTANTS and len(rest) == 1 and isinstance(rest[0], int):
        return _instant(name, rest[0])
    if cell in {_NAN, MINUS_ZERO} or name == "bool":
        return str(cell[-1])
    return f"({', '.join(map(_text, cell))})"


def _instant(name: str, ns: int) -> str:
    """Nanoseconds as a time of day or since 1970, beyond the years that Python knows as they are."""
    seconds, fraction = divmod(ns, 10**9)
    days, seconds = divmod(seconds, 24 * 60 * 60)
    clock = f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{fraction:09}".rstrip("0").rstrip(".")
    if name == "time":
        return clock if not days else f"{name} {ns} ns"
    day = _date(days)
    if not isinstance(day, date):
        return f"{name} {ns} ns"
    return f"{day} {clock}{' UTC' if name == 'timestamptz' else ''}"
