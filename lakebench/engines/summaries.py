"""Aggregates of record batches by Arrow's kernels: of libraries that do not compute, and of rows that were fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from lakebench.engines.boundary import engine_call
from lakebench.errors import Refused

if TYPE_CHECKING:
    import pyarrow as pa


def summarised(batches: Iterable[pa.RecordBatch], asked: Sequence[tuple[str, str]]) -> pa.Table:
    """The one row that ``asked`` (:attr:`lakebench.iceberg.scan.Scan.summary`) is of ``batches``, one after another."""
    import pyarrow as pa

    totals: list[Any] = [None] * len(asked)
    for batch in batches:
        for at, (function, path) in enumerate(asked):
            totals[at] = _merged(function, totals[at], _FUNCTIONS[function](_column(batch, path)))
    return pa.table({f"s{at}": [total] for at, total in enumerate(totals)})


def _column(batch: pa.RecordBatch, path: str) -> Any:
    """The column at ``path``; a field of a struct is null where the struct is."""
    import pyarrow.compute as pc

    name, *inner = path.split(".")
    column = batch.column(name)
    return pc.struct_field(column, inner) if inner else column


def _count(column: Any) -> int:
    return len(column) - int(column.null_count)


def _sum(column: Any) -> Any:
    import pyarrow.compute as pc

    return pc.sum(column).as_py()


def _length(column: Any) -> Any:
    import pyarrow.compute as pc

    return _sum(pc.list_value_length(column))


def _max(column: Any) -> Any:
    """The greatest value; Arrow's kernel knows no string views."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string_view(column.type):
        column = engine_call(column.cast, pa.string())
    return pc.max(column).as_py()


_FUNCTIONS: Mapping[str, Callable[[Any], Any]] = {"count": _count, "sum": _sum, "max": _max, "length": _length}


def _merged(function: str, one: Any, other: Any) -> Any:
    if one is None or other is None:
        return other if one is None else one
    merged = max(one, other) if function == "max" else one + other
    if isinstance(merged, Decimal) and not merged.is_finite():
        raise Refused("the sum is no number")
    return merged
