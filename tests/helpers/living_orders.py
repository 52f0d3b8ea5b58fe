"""Orders of the life of a table, and commits on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from lakebench.datasets.living.life import FIELDS, KEY, TABLE
from lakebench.iceberg.operations import Append, Delete, Merge, Operation, to_json
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.values import arrow_table


def row(key: int, price: str = "1.00", status: str = "O") -> tuple[Any, ...]:
    """An order."""
    return (key, 1, status, price, "1998-01-01", "5-LOW", "Clerk#000000001", 0, "a comment")


THREE = (row(1), row(2, "2.00"), row(3, "3.00"))


def generated(folder: Path) -> list[Path]:
    """The file of :data:`THREE`, as if the generator had made it."""
    path = folder / "orders.parquet"
    pq.write_table(arrow_table(FIELDS, list(THREE)), path)
    return [path]


def encoded(*operations: Operation) -> list[dict[str, Any]]:
    """A program as JSON."""
    return [to_json(one) for one in operations]


def append(*rows: tuple[Any, ...]) -> Append:
    """A commit of new orders."""
    return Append(table=TABLE, fields=FIELDS, rows=rows)


def merge(*rows: tuple[Any, ...]) -> Merge:
    """A commit that upserts orders."""
    return Merge(table=TABLE, fields=FIELDS, rows=rows, key=(KEY,))


def delete(*keys: int) -> Delete:
    """A commit that deletes orders."""
    return Delete(table=TABLE, fields=FIELDS, where=(Condition(KEY, "in", keys),))
