"""Conditions of a scan, computed over the Arrow batches that a reader gave, in whatever types it gave them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lakebench.iceberg import values
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field, Type
from lakebench.processes.canonical import canonical

if TYPE_CHECKING:
    import pyarrow as pa

_COMPARE = {
    "=": "equal",
    "!=": "not_equal",
    "<": "less",
    "<=": "less_equal",
    ">": "greater",
    ">=": "greater_equal",
}


def holding(batch: pa.RecordBatch, fields: Sequence[Field], where: Condition) -> pa.BooleanArray:
    """Whether ``where`` holds for each row of ``batch``, whose columns are ``fields`` in their order.

    NaN compares as IEEE 754 says: it is unequal to everything, and neither less nor greater.
    """
    import pyarrow.compute as pc

    at, one = next((at, one) for at, one in enumerate(fields) if one.name == where.column)
    column = batch.column(at)
    if where.test in {"is-null", "not-null"}:
        return pc.is_null(column) if where.test == "is-null" else pc.is_valid(column)
    return pc.fill_null(_compared(column, one.type, where), fill_value=False)


def _compared(column: pa.Array, of: Type, where: Condition) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    left = canonical(column, of)
    right = canonical(values.arrow_array(of, [where.value]), of)
    if left.type != right.type:  # such as a text in place of a number, which is no row that can be right
        return pa.array([False] * len(column), pa.bool_())
    return pc.call_function(_COMPARE[where.test], [left, right[0]])
