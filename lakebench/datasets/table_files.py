"""Tables in files: what answers, references and expected rows travel as."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

_PARQUET = b"PAR1"
_ARROW_FILE = b"ARROW1"


class Unreadable(Exception):
    """A file is not a whole table."""


def read(path: Path) -> pa.Table:
    """The table in an Arrow IPC file or stream, or in a Parquet file; every value is looked at once.

    Raises:
        Unreadable: the file is missing, cut or damaged.
    """
    import pyarrow as pa

    try:
        table = _opened(path)
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError) as error:
        message = str(error).splitlines()[0] if str(error) else repr(error)
        raise Unreadable(f"{path} cannot be read as a table: {message}") from None
    return table


def write(table: pa.Table, into: Path) -> None:
    """Write ``table`` as an Arrow IPC file."""
    import pyarrow as pa

    with pa.OSFile(str(into), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _opened(path: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    with pa.OSFile(str(path), "rb") as source:
        start = source.read(len(_ARROW_FILE))
        source.seek(0)
        if start.startswith(_PARQUET):
            return pq.read_table(source)
        opened = pa.ipc.open_file(source) if start == _ARROW_FILE else pa.ipc.open_stream(source)
        return opened.read_all()
