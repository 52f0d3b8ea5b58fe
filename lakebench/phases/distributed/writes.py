"""A table that one engine writes back as Iceberg, read by the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

from lakebench.datasets.ducklake import expected
from lakebench.engines import CanAppend, CanCreate, CanQuery
from lakebench.errors import CaseError, EngineUnavailable
from lakebench.execution.cases import Block, Check, Evidence
from lakebench.execution.context import RunContext
from lakebench.execution.request import Request
from lakebench.model import Coordinates, EngineRef, TableFormat
from lakebench.phases.distributed.case import case_of
from lakebench.phases.distributed.deletes import read_rows, way_to
from lakebench.phases.distributed.lake_tables import COLUMNS, data_files, iceberg, rows
from lakebench.phases.table_loading import word

CHECK = "write"
_GROUP = "Written back as Iceberg by (row), read by (column)"


def blocks(request: Request) -> Iterator[Block]:
    """Each writer with each reader."""
    for writer in writers(request):
        for reader in readers(request):
            case = case_of(reader, CHECK, f"{writer}→{reader}", _GROUP, str(writer))
            about = Coordinates(writer=str(writer), reader=str(reader), check=CHECK)
            case = replace(case, id=f"phase5/{CHECK}/{writer}→{reader}", coordinates=about)
            title = f"{reader} reads what {writer} wrote back"
            yield Check(replace(case, title=title), partial(_reads, writer=writer, reader=reader))


def writers(request: Request) -> tuple[EngineRef, ...]:
    """The engines that create and append to tables of a REST catalog."""
    return tuple(ref for ref in request.able(CanCreate, CanAppend) if way_to(ref, TableFormat.ICEBERG))


def readers(request: Request) -> tuple[EngineRef, ...]:
    """The engines that read Iceberg by a REST catalog."""
    return tuple(ref for ref in request.able(CanQuery) if way_to(ref, TableFormat.ICEBERG))


def _reads(context: RunContext, writer: EngineRef, reader: EngineRef) -> Evidence:
    try:
        files = written(context, writer)
    except CaseError as error:
        if reader == writer:
            raise
        raise EngineUnavailable(f"there was nothing to read, because {writer} could not write: {error}") from error
    evidence = read_rows(context, reader, iceberg(context), _table(writer), deleted=False)
    return {**evidence, "data_files": len(files)}


def written(context: RunContext, writer: EngineRef) -> tuple[str, ...]:
    """The data files of the table that ``writer`` wrote, once a run.

    Raises:
        CaseError: it could not.
    """
    return context.prepared.once(f"distributed/written/{writer}", lambda: _write(context, writer))


def _write(context: RunContext, writer: EngineRef) -> tuple[str, ...]:
    lake, table, some = iceberg(context), _table(writer), _rows(context)
    context.client.call(writer, lake, "drop", table=table)
    context.client.call(writer, lake, "create", table=table, rows=str(some))
    context.client.call(writer, lake, "append", table=table, rows=str(some))
    return data_files(context, lake, table)


def _rows(context: RunContext) -> Path:
    def make() -> Path:
        path = context.files.new("rows-to-write")
        context.checker.call(expected.write, COLUMNS, rows(), path)
        return path

    return context.prepared.once("distributed/rows-to-write", make)


def _table(writer: EngineRef) -> str:
    return f"written_by_{word(writer)}"
