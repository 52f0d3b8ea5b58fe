"""The tables of phase 6 on their storages, each made once a run."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from lakebench.datasets.file_formats import kinds, large
from lakebench.datasets.file_formats.kinds import KINDS
from lakebench.errors import CaseError, EngineUnavailable, HarnessFault
from lakebench.execution.context import RunContext
from lakebench.model import Catalog, CatalogKind, EngineRef, Lake, TableFormat
from lakebench.phases.table_loading import tpch_data, word
from lakebench.phases.vortex.layouts import LOCAL, REMOTE, FileLayout
from lakebench.services.object_store import store

LINEITEM, WIDE = "lineitem", "wide"
ODD, ODD_EMPTY = "odd", "odd-empty"
"""The small tables that are none of a type: of odd columns, and the same without rows."""
STORE = "object-store"
_LIMIT_S = 1800.0


@dataclass(frozen=True)
class SourceTable:
    """A table as the Parquet file that every writer reads."""

    path: Path
    rows: int


@dataclass(frozen=True)
class WrittenFile:
    """A file that was written: where it lies on this machine, how large it is, and how long it took."""

    path: Path
    files: int
    bytes: int
    ns: int


def source(context: RunContext, table: str) -> SourceTable:
    """The source of lineitem or of the wide table."""
    return context.prepared.once(f"formats/source/{table}", lambda: _source(context, table))


def _source(context: RunContext, table: str) -> SourceTable:
    into = folder(context) / f"source-{table}.parquet"
    if table == LINEITEM:
        files = tpch_data(context).tables[LINEITEM].files
        return SourceTable(into, context.checker.call(large.make_lineitem, files, into))
    rows = max(1, source(context, LINEITEM).rows // large.WIDE_SHARE)
    return SourceTable(into, context.checker.call(large.make_wide, rows, into))


def folder(context: RunContext) -> Path:
    """The folder of the files that are on this machine."""
    found = context.files.scratch / "formats"
    found.mkdir(mode=0o700, exist_ok=True)
    return found


def file_lake(layout: FileLayout, table: str, address: str) -> Lake:
    """The one table at ``address``, for reading."""
    lake = Lake("files", None, Catalog(CatalogKind.REST, "", ""), format=layout.format)
    if layout.format is TableFormat.DUCKDB:
        return replace(lake, database=address)
    return replace(lake, files={table: (address,)})


def session_of(storage: str, layout: FileLayout) -> str:
    """The session of each engine that is asked for a table: it stays warm on the one, and then opens the other."""
    return f"{storage}/{layout.id}"


def written(context: RunContext, layout: FileLayout, table: str) -> WrittenFile:
    """The file of lineitem or of the wide table on this machine, written once a run.

    Raises:
        LakebenchError: the writer refused, or is not here.
    """
    return context.prepared.once(f"formats/{layout.id}/{table}", lambda: _write(context, layout, table))


def _write(context: RunContext, layout: FileLayout, table: str) -> WrittenFile:
    path = folder(context) / f"{table}-{layout.id}.{layout.suffix}"
    made, session = source(context, table), f"write/{layout.id}"
    lake = replace(file_lake(layout, table, str(path)), writes=True, options=dict(layout.options))
    try:
        if layout.format is TableFormat.DUCKDB:
            ns = _fill_database(context, lake, session, table, made.path)
        else:
            reply = context.client.call(
                layout.writer, lake, "load", _LIMIT_S, session=session, table=table, files=[str(made.path)]
            )
            ns = int(reply["ns"])
    finally:
        if table == WIDE or layout.format is TableFormat.DUCKDB:  # it holds the lock of a database
            context.workers.retire(layout.writer, session)
    return WrittenFile(path, *large.size(path), ns)


def _fill_database(context: RunContext, lake: Lake, session: str, table: str, path: Path) -> int:
    ns = 0
    for sql in (f"CREATE TABLE {table} AS SELECT * FROM read_parquet('{path}')", "CHECKPOINT"):
        reply = context.client.call(EngineRef("duckdb"), lake, "execute", _LIMIT_S, session=session, sql=sql)
        ns += int(reply["ns"])
    return ns


def large_lake(context: RunContext, storage: str, layout: FileLayout, table: str) -> Lake:
    """``table`` on ``storage``, written and there.

    Raises:
        EngineUnavailable: it could not be written, which says nothing of its reader.
    """
    with _for_reading(layout):
        file = written(context, layout, table)
    lake = file_lake(layout, table, str(file.path))
    return lake if storage == LOCAL else _uploaded(context, lake, file.path, table)


def _uploaded(context: RunContext, lake: Lake, path: Path, table: str) -> Lake:
    objects = store(context.services.endpoint(STORE))
    prefix = context.prepared.once("formats/prefix", lambda: f"formats-{secrets.token_hex(4)}")
    key = f"{prefix}/{path.name}"

    def upload() -> str:
        context.checker.call(large.upload, path, objects, key)
        return key

    context.prepared.once(f"formats/{REMOTE}/{path.name}", upload)
    return replace(lake, store=objects, files={table: (f"s3://{objects.bucket}/{key}",)})


def readable_file(context: RunContext, layout: FileLayout, name: str) -> str:
    """The address of a small table, for reading.

    Raises:
        EngineUnavailable: it could not be written, which says nothing of its reader.
    """
    with _for_reading(layout):
        return small_file(context, layout, name)


@contextlib.contextmanager
def _for_reading(layout: FileLayout) -> Iterator[None]:
    try:
        yield
    except CaseError as error:
        raise EngineUnavailable(f"not written by {layout.writer}: {error.outcome}: {error}") from error


def kinds_lake(context: RunContext, layout: FileLayout) -> Lake:
    """The small tables of all types that could be written, by the words of their names: one lake, so opened once."""
    files = {}
    for kind in KINDS:
        with contextlib.suppress(CaseError, HarnessFault):  # it is told by the cases of that type
            files[word(kind)] = (small_file(context, layout, kind),)
    return replace(file_lake(layout, "", ""), files=files)


def odd_lake(context: RunContext, layout: FileLayout, *, empty: bool) -> Lake:
    """The table of odd columns as ``t``, or the same without rows.

    Raises:
        EngineUnavailable: it could not be written, which says nothing of its reader.
    """
    return file_lake(layout, "t", readable_file(context, layout, ODD_EMPTY if empty else ODD))


def small_file(context: RunContext, layout: FileLayout, name: str) -> str:
    """The address of a small table, appended by the layout's writer once a run.

    Raises:
        LakebenchError: the writer refused, or is not here.
    """

    def write() -> str:
        options = {key: value for key, value in layout.options.items() if key != "bloom_filter"}
        files = {word(one): (str(_small_path(context, layout, one)),) for one in (*KINDS, ODD, ODD_EMPTY)}
        lake = replace(file_lake(layout, "", ""), files=files, writes=True, options=options)
        rows = small_rows(context, name)
        context.client.call(layout.writer, lake, "append", session="write/small", table=word(name), rows=str(rows))
        return str(_small_path(context, layout, name))

    return context.prepared.once(f"formats/{layout.id}/{name}", write)


def _small_path(context: RunContext, layout: FileLayout, name: str) -> Path:
    return folder(context) / f"{word(name)}-{layout.id}.{layout.suffix}"


def small_rows(context: RunContext, name: str) -> Path:
    """The rows of a small table as an Arrow IPC file."""

    def made() -> Path:
        into = context.files.new(f"rows-{name}")
        if name in KINDS:
            context.checker.call(kinds.write_kind, name, into)
        else:
            context.checker.call(kinds.write_odd, into, empty=name == ODD_EMPTY)
        return into

    return context.prepared.once(f"formats/rows/{name}", made)
