"""The rows of a table straight from the specification, for tables of a size that Python reads in seconds.

The decoders are those of the reference writer, which share nothing with any engine. Runs in the checker process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakebench.datasets import table_files
from lakebench.engines.digests import TableDigest
from lakebench.engines.reference import arrow
from lakebench.engines.reference.rows import Live
from lakebench.engines.reference.store import Store
from lakebench.engines.reference.table import OpenTable
from lakebench.iceberg.types import Field
from lakebench.model import ObjectStore

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 200_000
"""Tables with more rows than this are not read here: the majority of the engines decides."""
FILE, POSITION = "lakebench file", "lakebench position"


def digest(
    metadata: Mapping[str, Any],
    store: ObjectStore | None,
    fields: Sequence[Field],
    ref: str = "main",
    wanted: Sequence[int] = (),
    limit: int = 0,
    into: Path | None = None,
) -> dict[str, Any]:
    """The digest of the rows at branch or tag ``ref``; rows of the buckets ``wanted`` go to ``into`` with their places.

    Raises:
        Refused: the store does not give a file.
    """
    made = TableDigest(fields, wanted, limit)
    for location, positions, rows in _files(metadata, store, [one.name for one in fields], ref):
        for batch in rows.to_batches():
            made.add(batch, {FILE: [location] * len(positions), POSITION: positions})
    if into is not None and made.kept:
        import pyarrow as pa

        table_files.write(pa.Table.from_batches(made.kept), into)
    return made.to_json()


def _files(
    metadata: Mapping[str, Any], store: ObjectStore | None, names: Sequence[str], ref: str
) -> Iterator[tuple[str, list[int], pa.Table]]:
    """The location of each data file, the positions of its live rows, and these rows."""
    table = OpenTable(Store(store), dict(metadata))
    live = Live(table, ref)
    columns = [one for name in names for one in table.schema["fields"] if one["name"] == name]
    for entry in live.data:
        rows = live.rows(entry)
        yield entry.file.path, list(rows), arrow.table(columns, list(rows.values()), None).combine_chunks()
