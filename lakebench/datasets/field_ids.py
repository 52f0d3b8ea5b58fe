"""Parquet files whose columns have the field ids of an Iceberg table.

An Iceberg reader finds columns by field id (Iceberg specification, *Column Projection*); a generator's files have none.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lakebench.iceberg.files import file_system
from lakebench.model import ObjectStore

if TYPE_CHECKING:
    import pyarrow as pa

_FIELD_ID = b"PARQUET:field_id"


def store(file: Path, ids: Mapping[str, int], to: ObjectStore | None, address: str) -> str:
    """Write ``file`` to ``address`` in the store ``to``, or on the file system, each column with its id of ``ids``.

    Rows, row groups and codec are those of ``file``. Arrow's own schema is left out, as an engine leaves it out: by it
    readers would take types of Arrow that Iceberg has not, such as views of strings.

    Returns:
        The codec of the file's columns.

    Raises:
        KeyError: a column has no id in ``ids``.
    """
    import pyarrow.parquet as pq

    system, path = file_system(to), address.partition("://")[2]
    if to is None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    source = pq.ParquetFile(file)
    codec = str(source.metadata.row_group(0).column(0).compression).lower()
    schema = _with_ids(source.schema_arrow, ids)
    with (
        system.open_output_stream(path) as target,
        pq.ParquetWriter(target, schema, compression=codec, store_schema=False) as writer,
    ):
        for group in range(source.num_row_groups):
            writer.write_table(source.read_row_group(group).cast(schema), row_group_size=2**30)
    return codec


def _with_ids(schema: pa.Schema, ids: Mapping[str, int]) -> pa.Schema:
    import pyarrow as pa

    plain = {pa.string_view(): pa.string(), pa.binary_view(): pa.binary()}
    fields = (one.with_type(plain.get(one.type, one.type)) for one in schema)
    return pa.schema([one.with_metadata({_FIELD_ID: str(ids[one.name])}) for one in fields])
