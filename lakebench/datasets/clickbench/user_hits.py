"""The user's own ``hits`` in Parquet, such as ClickBench publishes it, turned into the table's types once.

The published files have times as seconds and days as numbers, both since 1970, strings as bytes, integers of 16 bits
and mixed-case names. Iceberg keeps a column's type, and there is no view between the engines and the table: so such
files are converted into the cache. Files that already have our types are used in place.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lakebench.datasets import cache
from lakebench.datasets.clickbench import hits
from lakebench.datasets.workload import TableData
from lakebench.errors import UsageError
from lakebench.inputs import files as local_files
from lakebench.paths import cache_dir
from lakebench.progress import Progress

if TYPE_CHECKING:
    import pyarrow as pa

VERSION = 1
"""Raised whenever other files come out of the same ones."""
_PART_ROWS = 1_048_576
_BATCH_ROWS = 65_536
_GROWTH = 1.5  # bytes of what is written for each of what is read, at most


def table(path: Path, progress: Progress) -> tuple[TableData, str]:
    """``hits`` from the Parquet file, or the folder of them, at ``path``, and its content hash.

    Columns are found by their names, whatever the case; what ``hits`` does not have is left out.

    Raises:
        UsageError: no Parquet there, columns are missing or cannot be converted, or the cache cannot be used.
    """
    files = _files(path)
    for file in files:
        _check(file)
    hashes = _hashes(files, progress)
    if all(_schema(file).equals(hits.schema(), check_metadata=False) for file in files):
        return _as_it_is(files), hashes
    folder = cache_dir() / "datasets" / "clickbench" / f"own-{VERSION}-{hashes[:16]}"
    need = int(_GROWTH * sum(file.stat().st_size for file in files))

    def make(into: Path) -> list[Path]:
        return _convert(files, into, progress)

    return cache.table(folder, hits.TABLE, need, make, progress)


def _files(path: Path) -> list[Path]:
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path] if os.path.lexists(path) else []
    if not files:
        raise UsageError(f"{path}: no Parquet there: name a Parquet file of hits, or a folder of *.parquet")
    return files


def _schema(file: Path) -> pa.Schema:
    with local_files.parquet(file) as opened:
        return opened.schema_arrow


def _check(file: Path) -> None:
    names = {name.lower() for name in _schema(file).names}
    missing = [name for name in hits.COLUMNS if name not in names]
    if missing:
        raise UsageError(f"{file}: columns of ClickBench's hits are missing ({len(missing)}): {', '.join(missing)}")


def _hashes(files: Sequence[Path], progress: Progress) -> str:
    """One hash over all files' names and bytes."""
    lines = []
    with progress.count("hashing your Parquet", len(files)) as done:
        for number, file in enumerate(files, 1):
            lines.append(f"{file.name} {cache.sha256(file)}\n")
            done(number)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def _as_it_is(files: Sequence[Path]) -> TableData:
    rows = []
    for file in files:
        with local_files.parquet(file) as opened:
            rows.append(opened.metadata.num_rows)
    return TableData(hits.TABLE, tuple(files), sum(rows), sum(file.stat().st_size for file in files), tuple(rows))


def _convert(files: Sequence[Path], into: Path, progress: Progress) -> list[Path]:
    """Write parts of bounded size with our types."""
    import pyarrow.parquet as pq

    parts: list[Path] = []
    total, written = _as_it_is(files).rows, 0
    batches = _batches(files)
    with progress.count("converting your Parquet for Iceberg, once", total) as done:
        while first := next(batches, None):
            parts.append(into / f"{hits.TABLE}.{len(parts) + 1}.parquet")
            with pq.ParquetWriter(parts[-1], hits.schema(), compression="zstd") as writer:
                for batch in itertools.chain([first], itertools.islice(batches, _PART_ROWS // _BATCH_ROWS - 1)):
                    writer.write_table(batch)
                    written += batch.num_rows
                    done(written)
    return parts


def _batches(files: Sequence[Path]) -> Iterator[pa.Table]:
    import pyarrow as pa

    for file in files:
        with local_files.parquet(file) as opened:
            names = {name.lower(): name for name in opened.schema_arrow.names}
            for batch in opened.iter_batches(_BATCH_ROWS, columns=[names[name] for name in hits.COLUMNS]):
                some = pa.Table.from_batches([batch])
                columns = [_column(file, some, names[field.name], field) for field in hits.schema()]
                yield pa.table(columns, schema=hits.schema())


def _column(file: Path, some: pa.Table, name: str, field: pa.Field) -> pa.ChunkedArray:
    """One column in our type: whole numbers are seconds or days since 1970 where ours are times or days."""
    import pyarrow as pa

    column = some.column(name)
    try:
        if pa.types.is_integer(column.type) and pa.types.is_timestamp(field.type):
            return column.cast(pa.timestamp("s")).cast(field.type)
        if pa.types.is_integer(column.type) and pa.types.is_date(field.type):
            return column.cast(pa.int32()).cast(field.type)
        return column.cast(field.type)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise UsageError(
            f"{file}: its column {name} ({column.type}) is not {field.type}: {str(error).splitlines()[0]}"
        ) from None
