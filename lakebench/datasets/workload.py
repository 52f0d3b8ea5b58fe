"""A workload of a phase of queries: tables as Parquet files, and queries."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lakebench.datasets import table_files
from lakebench.datasets.rules import Rules

if TYPE_CHECKING:
    import pyarrow as pa

    from lakebench.engines import Engine


@dataclass(frozen=True)
class TableData:
    """One table: its Parquet ``files`` in order, and how many rows and bytes they hold together.

    ``file_rows`` are the rows of each file, in the same order.
    """

    name: str
    files: tuple[Path, ...]
    rows: int
    bytes: int
    file_rows: tuple[int, ...] = ()

    def schema(self) -> pa.Schema:
        """The Arrow schema to create the table with: the files' columns as plain, nullable types."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        schema = pq.read_schema(self.files[0])
        return pa.schema([pa.field(field.name, _plain(field.type)) for field in schema])


def write_schema(parquet: Path, into: Path) -> None:
    """Write an Arrow IPC file with no rows, and the schema to create the table of the file ``parquet`` with."""
    table_files.write(TableData("", (parquet,), 0, 0).schema().empty_table(), into)


def _plain(kind: pa.DataType) -> pa.DataType:
    import pyarrow as pa

    return pa.string() if pa.types.is_string_view(kind) else kind


@dataclass(frozen=True)
class Question:
    """One query of a workload.

    ``text`` is its SQL as the workload states it (the input of the workload's hash, and the query for DuckDB over the
    plain files); ``sql`` gives the same in an engine's own SQL. ``rules`` are the column rules of its answer.
    ``references`` are reference answers, source → Parquet file. ``tables`` are the tables that it names.
    """

    name: str
    text: str
    sql: Callable[[type[Engine]], str]
    rules: Rules
    tables: frozenset[str]
    references: Mapping[str, Path] = field(default_factory=dict)
    variant: Callable[[type[Engine]], bool] = lambda _: False


def variant_file(engine: type[Engine], name: str) -> Path:
    """The path of the hand-written variant of the query ``name`` for ``engine``; it need not exist."""
    module = sys.modules[engine.__module__].__file__
    return Path(module or "").parent / "sql" / f"{name}.sql"


@dataclass(frozen=True)
class Workload:
    """Tables and queries. Results of another ``content_hash`` or ``workload_hash`` are never compared.

    ``name`` is the dataset's in the records (``tpch``), ``scale_factor`` its size as text, empty where it has none.
    """

    name: str
    title: str
    tables: Mapping[str, TableData]
    questions: tuple[Question, ...]
    content_hash: str
    workload_hash: str
    seed: str
    generator: str
    scale_factor: str = ""

    @property
    def bytes(self) -> int:
        """The size of all Parquet files."""
        return sum(table.bytes for table in self.tables.values())
