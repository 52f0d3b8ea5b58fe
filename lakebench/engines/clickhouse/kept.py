"""ClickHouse's Arrow as that of Iceberg's types, where ClickHouse has one type for two of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lakebench.iceberg.types import Type, kind

if TYPE_CHECKING:
    import pyarrow as pa

    from lakebench.iceberg.scan import Scan

ZONE = "Etc/UTC"
"""The session's zone, and so that of a DateTime64 without one; those with one have Iceberg's, UTC."""
_BYTES = frozenset({"binary", "fixed", "geometry", "geography"})


def table(answer: pa.Table, scan: Scan | None) -> pa.Table:
    """``answer`` with timestamps without a zone; of ``scan`` with bytes in place of text, and times of numbers."""
    types = {} if scan is None or scan.metadata or scan.count or scan.summary else {f.name: f.type for f in scan.fields}
    for at, name in enumerate(answer.column_names):
        column = _column(answer.column(at), types.get(name))
        answer = answer.set_column(at, name, column)
    return answer


def _column(column: pa.ChunkedArray, of: Type | None) -> pa.ChunkedArray:
    import pyarrow as pa

    is_type, of_arrow = pa.types, column.type
    if is_type.is_timestamp(of_arrow) and of_arrow.tz == ZONE:
        return column.cast(pa.timestamp(of_arrow.unit))
    if of is not None and kind(of) in _BYTES and is_type.is_string(of_arrow):
        return column.cast(pa.binary())
    if of == "time" and is_type.is_int64(of_arrow):
        return column.cast(pa.time64("us"))
    return column
