"""The rows by which two readers differ, from those that each of them gave of the differing buckets.

Runs in the checker process.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakebench.datasets import table_files
from lakebench.processes.digests import HASH
from lakebench.table_check.reference_reader import FILE, POSITION

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN = 5
_CHARACTERS = 400


@dataclass(frozen=True)
class RowsApart:
    """Expected rows that the other ``lacks``, its ``extra`` ones, in words, and the ``files`` of the former."""

    lacking: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    files: dict[str, int] | None = None


def apart(expected: Path, other: Path) -> RowsApart:
    """How the rows in two Arrow IPC files differ; a file that is not there has none. The first few are shown."""
    right, left = _read(expected), _read(other)
    lacking, extra = _minus(right, left), _minus(left, right)
    files = Counter(str(row[FILE]) for row in lacking if FILE in row)
    return RowsApart(_shown(lacking), _shown(extra), dict(files.most_common(SHOWN)))


def _read(path: Path) -> list[dict[str, Any]]:
    return _rows(table_files.read(path)) if path.exists() else []


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    """The rows as dictionaries; a column whose values Python cannot hold is shown as text."""
    import pyarrow as pa

    columns = {}
    for name, column in zip(table.column_names, table.columns, strict=True):
        try:
            columns[name] = column.to_pylist()
        except (ValueError, OverflowError, pa.ArrowException):
            columns[name] = column.cast(pa.string()).to_pylist()
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _minus(rows: list[dict[str, Any]], others: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of ``rows`` that are more often there than among ``others``."""
    left = Counter(row[HASH] for row in others)
    more = []
    for row in rows:
        if left[row[HASH]]:
            left[row[HASH]] -= 1
        else:
            more.append(row)
    return more


def _shown(rows: list[dict[str, Any]]) -> tuple[str, ...]:
    texts = []
    for row in rows[:SHOWN]:
        where = f", at {row[POSITION]} of {row[FILE].rpartition('/')[2]}" if FILE in row else ""
        values = {name: value for name, value in row.items() if name not in {HASH, FILE, POSITION}}
        text = ", ".join(f"{name} = {value!r}" for name, value in values.items())
        texts.append(f"{text if len(text) <= _CHARACTERS else text[:_CHARACTERS] + '…'}{where}")
    more = len(rows) - SHOWN
    return (*texts, *([f"and {more} more"] if more > 0 else []))
