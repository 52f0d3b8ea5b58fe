"""The lakes of phase 5: TPC-H as Parquet, Iceberg and one DuckLake; and small tables with deleted rows."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from lakebench import engines
from lakebench.datasets.ducklake import expected, inspector
from lakebench.datasets.interop import inspector as iceberg_inspector
from lakebench.datasets.workload import Workload
from lakebench.engines import CanExecute, CanLoad
from lakebench.errors import CaseError, EngineUnavailable
from lakebench.execution.context import RunContext
from lakebench.model import CatalogKind, EngineRef, Lake, TableFormat
from lakebench.phases.table_loading import LoadResult, facts_of, snapshot, write
from lakebench.results.records import Dataset, TableFacts
from lakebench.services import lakes

STORAGE = "s3"
NAMESPACE = "distributed"
SALES, DELETED = "sales", "sales_deleted"
"""Two small tables with the same rows; of the second some are deleted."""
COLUMNS: Mapping[str, str] = {"id": "int64", "region": "string", "amount": "int64"}
_FILES, _ROWS_OF_A_FILE = 4, 250
_REGIONS = ("north", "south", "east", "west", None)
GONE = 10
"""Of each so many rows the fourth is deleted."""
Row = tuple[int, str | None, int]


def rows(*, deleted: bool = False) -> list[Row]:
    """The rows of a small table by value; with ``deleted`` those that are left."""
    every = [(n, _REGIONS[n % len(_REGIONS)], n * 7 % 1000) for n in range(_FILES * _ROWS_OF_A_FILE)]
    return [row for row in every if not (deleted and row[0] % GONE == 3)]  # noqa: PLR2004 - the fourth, see GONE


def iceberg(context: RunContext) -> Lake:
    """The small tables in Iceberg: the storage's catalog, and a namespace of this phase."""
    lake = lakes.storage_lake(context.services, context.request.settings, STORAGE)
    return replace(lake, name=f"{NAMESPACE}_{lake.name}", namespace=NAMESPACE)


def ducklake(context: RunContext, name: str) -> Lake:
    """A DuckLake with its catalog in PostgreSQL and its files on the storage.

    No rows lie in its catalog: who reads files could not see them.
    """

    def make() -> Lake:
        store = lakes.storage_lake(context.services, context.request.settings, STORAGE).store
        postgres = context.services.endpoint("postgres")
        schema = f"lakebench_{secrets.token_hex(4)}"
        options = {"DATA_INLINING_ROW_LIMIT": "0"}
        return lakes.ducklake(CatalogKind.POSTGRES, schema, Path(), store, postgres, options)

    return context.prepared.once(f"distributed/ducklake/{name}", make)


@dataclass(frozen=True)
class TpchInDuckLake:
    """TPC-H in a DuckLake, and how the load went."""

    lake: Lake
    written: LoadResult

    def require(self, tables: frozenset[str]) -> None:
        """Nothing, where ``tables`` are there.

        Raises:
            EngineUnavailable: one was not loaded.
        """
        for table in sorted(self.written.failed.keys() & tables):
            raise EngineUnavailable(f"not loaded by {self.written.writer}: {self.written.failed[table]}")

    def facts(self, workload: Workload) -> Dataset:
        """What the records keep of it."""
        tables = tuple(TableFacts(name, one.rows) for name, one in workload.tables.items())
        left = tuple(one for one in tables if one.name not in self.written.failed)
        return replace(facts_of(workload, self.written, left, STORAGE), format=TableFormat.DUCKLAKE)


def tpch_in_ducklake(context: RunContext, workload: Workload) -> TpchInDuckLake:
    """The tables of ``workload`` in a DuckLake, written once a run by an engine that opens one."""

    def make() -> TpchInDuckLake:
        lake = ducklake(context, "tpch")
        return TpchInDuckLake(lake, write(context, lake, workload, _writer(context)))

    return context.prepared.once("distributed/ducklake/tpch/loaded", make)


def _writer(context: RunContext) -> EngineRef:
    """The first engine of the run that writes a DuckLake.

    Raises:
        EngineUnavailable: there is none.
    """
    for ref in context.request.able(CanExecute, CanLoad):
        if TableFormat.DUCKLAKE in engines.find(ref.name).formats:
            return ref
    raise EngineUnavailable("no engine of this run writes a DuckLake: add duckdb to --engines")


def small(context: RunContext, form: TableFormat) -> Lake:
    """The lake of the small tables in ``form``, made once a run; of plain Parquet only that without deletes.

    Raises:
        EngineUnavailable: they could not be made, which says nothing of who was to read them.
    """
    try:
        return context.prepared.once(f"distributed/small/{form}", partial(_small, context, form))
    except CaseError as error:
        raise EngineUnavailable(f"there was nothing to read: {error}") from error


def _small(context: RunContext, form: TableFormat) -> Lake:
    if form is TableFormat.PARQUET:
        lake = small(context, TableFormat.ICEBERG)
        return replace(lake, name="files", format=form, files={SALES: data_files(context, lake, SALES)})
    lake = iceberg(context) if form is TableFormat.ICEBERG else ducklake(context, "small")
    for table in (SALES, DELETED):
        _fill(context, lake, table)
    context.client.call(_writer(context), lake, "execute", sql=f"DELETE FROM {DELETED} WHERE id % {GONE} = 3")
    return lake


def _fill(context: RunContext, lake: Lake, table: str) -> None:
    """``table`` with a data file for each commit."""
    writer = _writer(context)
    for number in range(_FILES):
        batch = context.files.new(f"{table}-{number}")
        some = rows()[number * _ROWS_OF_A_FILE : (number + 1) * _ROWS_OF_A_FILE]
        context.checker.call(expected.write, COLUMNS, some, batch)
        if number == 0:
            context.client.call(writer, lake, "drop", table=table)
            context.client.call(writer, lake, "create", table=table, rows=str(batch))
        context.client.call(writer, lake, "append", table=table, rows=str(batch))


def data_files(context: RunContext, lake: Lake, table: str) -> tuple[str, ...]:
    """The data files of ``table`` that its catalog lists, without their deletes."""
    if lake.format is TableFormat.DUCKLAKE:
        return tuple(context.checker.call(inspector.files, lake, table)[0])
    metadata: Any = snapshot(lake, table).metadata
    return tuple(context.checker.call(iceberg_inspector.data_files, metadata, lake.store))


def reached(context: RunContext, ref: EngineRef, lake: Lake, tables: frozenset[str]) -> Lake:
    """``lake`` as ``ref`` reaches it: itself, or where it has no connector the files that the catalog lists."""
    if lake.format in engines.find(ref.name).formats:
        return lake
    files = {
        table: context.prepared.once(
            f"distributed/files/{lake.options.get('METADATA_SCHEMA', lake.name)}/{table}",
            partial(data_files, context, lake, table),
        )
        for table in sorted(tables)
    }
    return replace(lake, name="files", format=TableFormat.PARQUET, files=files, options={})
