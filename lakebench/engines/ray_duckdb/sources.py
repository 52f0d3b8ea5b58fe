"""Where the rows of a table are: the files of its plan, and what DuckDB is told to read of them.

A row that a delete file names is no row: each file comes with its deletes, and is read without them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakebench.engines.boundary import engine_call
from lakebench.engines.ducklake import attach_ducklake
from lakebench.engines.inprocess import local_path
from lakebench.engines.ray_duckdb.tasks import Task, connected
from lakebench.engines.sql import SqlDialect
from lakebench.errors import Refused
from lakebench.model import Lake

_ROW = "file_row_number"
_SQL = SqlDialect()


@dataclass(frozen=True)
class DataFile:
    """A Parquet file of a table; ``deletes`` are Parquet files of positions, ``positions`` are of deletion vectors."""

    address: str
    bytes: int
    deletes: tuple[str, ...] = ()
    positions: tuple[int, ...] = ()


@dataclass(frozen=True)
class PlannedTable:
    """The files of one table; ``columns`` name each column by its field id, where names have changed."""

    files: tuple[DataFile, ...]
    columns: Mapping[int, tuple[str, str]] | None = None
    empty: str = ""

    def parts(self, most: int) -> list[PlannedTable]:
        """The table in at most ``most`` parts of about the same size, none of them empty."""
        groups: list[list[DataFile]] = [[] for _ in range(max(1, min(most, len(self.files))))]
        for file in sorted(self.files, key=lambda one: -one.bytes):
            min(groups, key=lambda group: sum(one.bytes for one in group)).append(file)
        return [PlannedTable(tuple(group), self.columns, self.empty) for group in groups]

    def source(self) -> str:
        """What follows FROM to read all rows of it that are not deleted."""
        plain = [one for one in self.files if not (one.deletes or one.positions)]
        reads = [f"SELECT * FROM {self._read(plain)}"] if plain else []
        reads += [self._without_deletes(one) for one in self.files if one.deletes or one.positions]
        return f"({' UNION ALL BY NAME '.join(reads) or self.empty})"

    def _read(self, files: Iterable[DataFile], more: str = "") -> str:
        addresses = ", ".join(_SQL.text(one.address) for one in files)
        return f"read_parquet([{addresses}]{more}{self._schema()})"

    def _schema(self) -> str:
        if self.columns is None:
            return ""
        columns = ", ".join(
            f"{number}: {{name: {_SQL.text(name)}, type: {_SQL.text(kind)}, default_value: NULL}}"
            for number, (name, kind) in self.columns.items()
        )
        return f", schema = MAP {{{columns}}}"

    def _without_deletes(self, file: DataFile) -> str:
        deleted = f"SELECT unnest({list(file.positions)}::BIGINT[]) AS pos"
        if file.deletes:
            listed = ", ".join(map(_SQL.text, file.deletes))
            deleted += (
                f" UNION ALL SELECT pos FROM read_parquet([{listed}]) WHERE file_path = {_SQL.text(file.address)}"
            )
        rows = self._read([file], f", {_ROW} = true")
        return f"SELECT * EXCLUDE ({_ROW}) FROM {rows} AS t ANTI JOIN ({deleted}) AS d ON t.{_ROW} = d.pos"


def of_iceberg(catalog: Any, namespace: str, table: str, snapshot_id: int | None = None) -> PlannedTable:
    """The plan of PyIceberg: data files and their deletes as of the snapshot.

    Raises:
        Refused: it has equality deletes, of which PyIceberg makes no plan.
    """
    loaded = engine_call(catalog.load_table, (namespace, table))
    planned: list[Any] = engine_call(list, engine_call(engine_call(loaded.scan, snapshot_id=snapshot_id).plan_files))
    vectors: dict[str, dict[str, tuple[int, ...]]] = {}
    files = tuple(_planned(loaded.io, one, vectors) for one in planned)
    return PlannedTable(files, _columns(loaded), f"SELECT {_nothing(loaded)} WHERE false")


def _planned(io: Any, task: Any, vectors: dict[str, dict[str, tuple[int, ...]]]) -> DataFile:
    path = task.file.file_path
    parquet = [one.file_path for one in task.delete_files if "PARQUET" in str(one.file_format)]
    puffins = [one for one in task.delete_files if "PUFFIN" in str(one.file_format)]
    if len(parquet) + len(puffins) != len(task.delete_files):
        raise Refused(f"{path} has deletes in a format that is neither Parquet nor Puffin")
    positions = tuple(at for one in puffins for at in _vectors(io, one, vectors).get(path, ()))
    return DataFile(path, task.file.file_size_in_bytes, tuple(sorted(parquet)), positions)


def _vectors(io: Any, file: Any, known: dict[str, dict[str, tuple[int, ...]]]) -> Mapping[str, tuple[int, ...]]:
    """The deletion vectors of a Puffin file, by data file; PyIceberg reads them."""
    from pyiceberg.io.pyarrow import _read_deletes

    if file.file_path not in known:
        read = engine_call(_read_deletes, io, file)
        known[file.file_path] = {path: tuple(vector.to_pylist()) for path, vector in read.items()}
    return known[file.file_path]


def _columns(table: Any) -> Mapping[int, tuple[str, str]] | None:
    """Field id → name and type, where the table had other columns before; nested ones have no such mapping.

    Raises:
        Refused: a column of a table that has changed is nested.
    """
    if len(engine_call(table.schemas)) == 1:
        return None
    fields = table.schema().fields
    if nested := [one.name for one in fields if not one.field_type.is_primitive]:
        raise Refused(f"the table's columns have changed, and the nested {', '.join(nested)} cannot be mapped by id")
    return {one.field_id: (one.name, _sql_type(str(one.field_type))) for one in fields}


_TYPES = {"int": "INTEGER", "long": "BIGINT", "string": "VARCHAR", "binary": "BLOB", "timestamptz": "TIMESTAMPTZ"}


def _sql_type(of: str) -> str:
    return _TYPES.get(of, "BLOB" if of.startswith("fixed") else of.upper())


def _nothing(table: Any) -> str:
    """The columns of a table without files, as a SELECT list."""
    fields = table.schema().fields
    kinds = [(one.name, _sql_type(str(one.field_type)) if one.field_type.is_primitive else "JSON") for one in fields]
    return ", ".join(f"CAST(NULL AS {kind}) AS {_SQL.name(name)}" for name, kind in kinds)


def of_files(addresses: Sequence[str]) -> PlannedTable:
    """Plain Parquet files, each of the same unknown size."""
    return PlannedTable(tuple(DataFile(local_path(one), 1) for one in addresses))


def of_ducklake(planner: Any, lake: Lake, table: str) -> PlannedTable:
    """The live files of a DuckLake's table and their deletes, as the connection ``planner`` lists them."""
    listed = (
        f"SELECT data_file, data_file_size_bytes, delete_file FROM "
        f"ducklake_list_files({_SQL.text(lake.name)}, {_SQL.text(table)}, schema => {_SQL.text(lake.namespace)})"
    )
    rows = engine_call(engine_call(planner.execute, listed).fetchall)
    return PlannedTable(tuple(DataFile(path, size or 0, (deletes,) if deletes else ()) for path, size, deletes in rows))


def attached(lake: Lake, setup: Sequence[str], extensions: tuple[str, ...]) -> Any:
    """A DuckDB of the driver with a DuckLake attached, which plans its tables."""
    *statements, _ = attach_ducklake(lake)
    return engine_call(connected, Task("", extensions=extensions, setup=(*setup, *statements)))
