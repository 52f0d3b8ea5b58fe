"""The rows of a table straight from the specification, for tables of a size that Python reads in seconds.

The decoders are those of the reference writer, which share nothing with any engine. Runs in the checker process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakebench.datasets import table_files
from lakebench.engines.reference import arrow
from lakebench.engines.reference.rows import Live
from lakebench.engines.reference.store import Store
from lakebench.engines.reference.table import OpenTable
from lakebench.iceberg.types import Field
from lakebench.model import ObjectStore
from lakebench.processes.digests import FilteredRows, TableDigest, with_parts

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 200_000
"""Tables with more rows than this are not read here: the majority of the engines decides."""
FILE, POSITION = "lakebench file", "lakebench position"


@dataclass(frozen=True)
class Wanted:
    """At most ``limit`` rows of the ``buckets`` that differ, of a ``part`` or of all, which go to the file ``into``."""

    buckets: tuple[int, ...]
    limit: int
    into: Path
    part: FilteredRows | None = None


def digests(
    metadata: Mapping[str, Any],
    store: ObjectStore | None,
    fields: Sequence[Field],
    ref: str = "main",
    parts: Sequence[FilteredRows] = (),
) -> list[dict[str, Any]]:
    """The digest of the rows at branch or tag ``ref``, and that of each of ``parts`` of them.

    Raises:
        Refused: the store does not give a file.
        Damaged: a file is not what its format says.
    """
    batches = (one for *_, rows in _files(metadata, store, [one.name for one in fields], ref) for one in rows)
    whole, found = with_parts(batches, fields, parts)
    return [whole.to_json(), *(one.to_json() for one in found)]


def keep(
    metadata: Mapping[str, Any], store: ObjectStore | None, fields: Sequence[Field], ref: str, wanted: Wanted
) -> None:
    """Put the rows that are ``wanted`` into their file, with their places; where there are none, it is not made.

    Raises:
        Refused: the store does not give a file.
        Damaged: a file is not what its format says.
    """
    import pyarrow as pa

    made = TableDigest(fields, wanted.buckets, wanted.limit, wanted.part)
    for location, positions, batches in _files(metadata, store, [one.name for one in fields], ref):
        for batch in batches:
            made.add(batch, {FILE: [location] * len(positions), POSITION: positions})
    if made.kept:
        table_files.write(pa.Table.from_batches(made.kept), wanted.into)


def _files(
    metadata: Mapping[str, Any], store: ObjectStore | None, names: Sequence[str], ref: str
) -> Iterator[tuple[str, list[int], list[pa.RecordBatch]]]:
    """The location of each data file, the positions of its live rows, and these rows in one batch, or in none."""
    import pyarrow as pa

    table = OpenTable(Store(store), dict(metadata))
    live = Live(table, ref)
    columns = [one for name in names for one in table.schema["fields"] if one["name"] == name]
    for entry in live.data:
        rows = live.rows(entry)
        made = arrow.table(columns, list(rows.values()), None)
        for at, one in enumerate(columns):
            if one["type"] == "unknown":  # is not stored
                made = made.add_column(at, one["name"], pa.nulls(len(rows)))
        yield entry.file.path, list(rows), made.combine_chunks().to_batches()
