"""What each read of a feature has to give, as files: by the oracle, and of metadata tables by the inspector."""

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
    store: ObjectStore,
    into: Sequence[Path],
) -> None:
    """Write what each of ``reads`` has to give after ``program``, operations as JSON, as Arrow IPC files.

    Names are those of the program. ``succeeded`` says of each concurrent operation, in order, which of its parts count.
    A metadata table is what the table's ``metadata`` JSON and the manifests in ``store`` say.
    """
    oracle = Oracle([from_json(one) for one in program], succeeded)
    for read, path in zip(reads, into, strict=True):
        rows = metadata_rows(metadata, store, read) if read.metadata else oracle.answer(read)
        table_files.write(rows, path)
