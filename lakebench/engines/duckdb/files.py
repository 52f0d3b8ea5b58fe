"""DuckDB on plain files: what it reads and writes each format by (its documentation, and those of the extensions)."""

from __future__ import annotations

from collections.abc import Sequence

from lakebench.engines.duckdb.statements import DuckDBSql
from lakebench.engines.inprocess import local_path, object_store_options
from lakebench.iceberg.scan import Scan
from lakebench.model import Lake, TableFormat

_EXTENSIONS = {TableFormat.DELTA: ("delta",), TableFormat.VORTEX: ("vortex",), TableFormat.LANCE: ("lance",)}
MORE = "extensions"
"""The option of a lake of files that names more extensions, separated by commas."""
_POSITIONS = {
    TableFormat.PARQUET: "file_row_number",
    TableFormat.VORTEX: "file_row_number",
    TableFormat.LANCE: "_rowid",
    TableFormat.DUCKDB: "rowid",
}
_SQL = DuckDBSql()


def extensions(lake: Lake) -> tuple[str, ...]:
    """The extensions of the format, beside those of its storage, and more that the lake's options name."""
    return (*_EXTENSIONS.get(lake.format, ()), *filter(None, lake.options.get(MORE, "").split(",")))


def environment(lake: Lake) -> dict[str, str]:
    """What the process's environment has to say of the store: these extensions take no secret of DuckDB's for it."""
    if lake.store is None or lake.format not in {TableFormat.VORTEX, TableFormat.LANCE}:
        return {}
    return {key.upper(): value for key, value in object_store_options(lake.store).items()}


def source(form: TableFormat, addresses: Sequence[str], *, positions: bool = False) -> str:
    """What follows FROM to read ``addresses`` as one table, with the column of ``positions`` where they are wanted."""
    paths = [_SQL.text(local_path(one)) for one in addresses]
    if form is TableFormat.LANCE:  # the folder's name is the table's, and there is no function for it
        return paths[0]
    if form is TableFormat.DELTA:
        (folder,) = paths
        return f"delta_scan({folder})"
    if form is TableFormat.VORTEX:
        return f"read_vortex([{', '.join(paths)}])"
    return f"read_parquet([{', '.join(paths)}]{', file_row_number = true' if positions else ''})"


def at_positions(lake: Lake, scan: Scan, table: str) -> str:
    """The SELECT of the rows at the positions of ``scan``; ``table`` is the name of one of DuckDB's own."""
    read = source(lake.format, lake.files[scan.table], positions=True) if lake.format.is_files else table
    columns = "*" if scan.columns is None else _SQL.names(scan.columns)
    return f"SELECT {columns} FROM {read} WHERE {_POSITIONS[lake.format]} IN ({', '.join(map(str, scan.positions))})"


def copy(lake: Lake, table: str, select: str) -> str:
    """The COPY that writes the rows of ``select`` to the file of ``table``, by the lake's options."""
    options = "".join(f", {key} {value}" for key, value in lake.options.items())
    (address,) = lake.files[table]
    return f"COPY ({select}) TO {_SQL.text(local_path(address))} (FORMAT {lake.format}{options})"
