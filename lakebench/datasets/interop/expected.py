"""The expected answer to each read of a feature, as files: by the oracle, and for metadata tables by the inspector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lakebench.datasets import table_files
from lakebench.datasets.interop.inspector import metadata_rows
from lakebench.datasets.interop.metadata import Json
from lakebench.datasets.interop.oracle import Oracle
from lakebench.iceberg.operations import Read, from_json
from lakebench.model import ObjectStore


def write(
    program: Sequence[Mapping[str, Any]],
    reads: Sequence[Read],
    succeeded: Sequence[Sequence[bool]],
    metadata: Json,
    store: ObjectStore | None,
    into: Sequence[Path],
    filters: Sequence[Read] = (),
    filtered: Path | None = None,
) -> None:
    """Write the expected answer to each of ``reads`` after ``program``, operations as JSON, as Arrow IPC files.

    Names are those of the program. ``succeeded`` says of each concurrent operation, in order, which of its parts count.
    The rows of a metadata table come from the table's ``metadata`` JSON and the manifests in ``store``. The answers to
    ``filters`` go to the one file ``filtered``, each with its number.
    """
    oracle = Oracle([from_json(one) for one in program], succeeded)
    for read, path in zip(reads, into, strict=True):
        rows = metadata_rows(metadata, store, read) if read.metadata else oracle.answer(read)
        table_files.write(rows, path)
    if filtered is not None and filters:
        table_files.write(oracle.each_answer(filters), filtered)
