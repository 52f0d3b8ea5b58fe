"""The answer to a scan with several filters, of an engine that takes one of them at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from lakebench.errors import Refused
from lakebench.iceberg.values import with_number

if TYPE_CHECKING:
    import pyarrow as pa

Drained = tuple[list[Any], Any]
"""The batches of one answer, and their schema."""


def numbered(answers: Iterable[Any], drain: Callable[[Any], Drained]) -> pa.Table:
    """The rows of ``answers``, each drained before the next is asked for, with their number in a first column.

    Raises:
        Refused: two answers have columns of different types, so that they are no one table.
    """
    import pyarrow as pa

    tables = [with_number(n, _drained(*drain(one))) for n, one in enumerate(answers)]
    try:
        return pa.concat_tables(tables)
    except pa.ArrowInvalid as error:
        raise Refused(f"the answers to two filters have different types: {error}") from error


def _drained(batches: list[Any], schema: Any) -> pa.Table:
    import pyarrow as pa

    return pa.Table.from_batches(batches, schema).replace_schema_metadata(None)
