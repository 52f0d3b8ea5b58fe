"""Position and order: pairs of position and key on the connection that wrote, and DuckLake's deletes on Vortex."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from lakebench.datasets.file_formats import large
from lakebench.errors import Refused
from lakebench.execution.cases import Block, Case, Check, Evidence, same
from lakebench.execution.context import RunContext
from lakebench.execution.request import Request
from lakebench.model import Coordinates, EngineRef, Lake, TableFormat
from lakebench.phases.vortex.layouts import LANCE_DUCKDB, PLAIN, VORTEX, FileLayout
from lakebench.phases.vortex.tables import file_lake, folder

DUCKDB = EngineRef("duckdb")
ROWS = 300_000
"""Rows of the table whose pairs are checked: more than two of DuckDB's row groups, and four of Vortex's chunks."""
_KEY = "(i * 982451653) % 1000003"
_THREADS = (1, 4)
_TIMES = 4
"""How often a file is written and read at once where the order of rows is what is asked: it is wrong now and then."""
_PAIRS = {
    TableFormat.PARQUET: "SELECT file_row_number AS p, k FROM read_parquet('{path}', file_row_number = true)",
    TableFormat.VORTEX: "SELECT file_row_number AS p, k FROM read_vortex('{path}')",
    TableFormat.LANCE: "SELECT _rowid AS p, k FROM '{path}'",
}
_ORDERS = {
    "position": "the position that the reader gives",
    "order": "the order in which rows come",
}
_DELETED = (5, 70_000, 131_072, 299_999)


def blocks(request: Request) -> Iterator[Block]:
    """Pairs for each format, with one thread and several; then the two ways of DuckLake to Vortex."""
    if DUCKDB not in request.refs:
        return
    for layout in (PLAIN, VORTEX, LANCE_DUCKDB):
        for threads in _THREADS:
            for way, title in _ORDERS.items():
                case = _case(layout, f"{way}-{threads}", f"{title}, written by {threads} threads")
                yield Check(case, partial(_pairs, layout=layout, threads=threads, way=way))
    yield Check(_case(VORTEX, "ducklake-option", "DuckLake whose data files are Vortex"), _ducklake_option)
    yield Check(_case(VORTEX, "ducklake-files", "DuckLake that a Vortex file is added to"), _ducklake_files)


def _case(layout: FileLayout, test: str, row: str) -> Case:
    return Case(
        id=f"phase6/positions/{layout.id}/{test}/{DUCKDB}",
        phase="phase6",
        title=f"{row}: {layout.title}",
        engine=DUCKDB,
        group="Position and order, on the connection that wrote",
        row=row,
        column=layout.title,
        coordinates=Coordinates(
            engine=DUCKDB.name, format=layout.format, check="position", test=test, more={"layout": layout.id}
        ),
    )


def _pairs(context: RunContext, layout: FileLayout, threads: int, way: str) -> Evidence:
    """Write, and read pairs of position and key back at once, in the same session; their order several times.

    Raises:
        WrongAnswer: of the first time that rows are at another position.
    """
    evidence: dict[str, Any] = {"times": _TIMES if way == "order" else 1}
    for time in range(evidence["times"]):
        path = folder(context) / f"pairs-{layout.id}-{way}-{threads}-{time}.{layout.suffix}"
        lake = replace(file_lake(layout, "t", str(path)), writes=True)
        copy = f"COPY (SELECT i AS id, {_KEY} AS k FROM range({ROWS}) t(i)) TO '{path}' (FORMAT {layout.format})"
        in_order = f"SELECT row_number() OVER () - 1 AS p, k FROM '{path}'"
        pairs = in_order if way == "order" else _PAIRS[layout.format].format(path=path)
        for sql in (f"SET threads = {threads}", copy):
            context.client.call(DUCKDB, lake, "execute", session=f"positions/{layout.id}", sql=sql)
        read = context.client.query(DUCKDB, lake, pairs, session=f"positions/{layout.id}")
        checked = context.checker.call(large.same_as_source, read.path, _expected(context), ROWS, "p")
        evidence |= {"sql": [copy, pairs], **same(checked)}
        context.checker.call(large.remove, path)
    return evidence


def _expected(context: RunContext) -> Path:
    def answer() -> Path:
        into = context.files.new("pairs")
        context.witness.answer(f"SELECT i AS p, {_KEY} AS k FROM range({ROWS}) t(i) ORDER BY i", {}, into, 60.0)
        return into

    return context.prepared.once("formats/pairs", answer)


def _lake(context: RunContext, name: str) -> tuple[Lake, list[str]]:
    """A session with both extensions, and the statements that attach a new DuckLake."""
    lake = replace(file_lake(VORTEX, "t", str(folder(context) / f"{name}.vortex")), writes=True)
    at = folder(context) / name
    attach = f"ATTACH 'ducklake:{at}.ducklake' AS lake (DATA_PATH '{at}', DATA_INLINING_ROW_LIMIT 0)"
    return replace(lake, options={"extensions": "ducklake"}), [attach]


def _ducklake_option(context: RunContext) -> Evidence:
    """A DuckLake that is told to write Vortex: rows are deleted, and those that are left are compared."""
    lake, statements = _lake(context, "option")
    statements += [
        "CALL lake.set_option('data_file_format', 'vortex')",
        f"CREATE TABLE lake.t AS SELECT i AS id, {_KEY} AS k FROM range({ROWS}) t(i)",
    ]
    return _deleted(context, lake, statements, "positions/ducklake-option")


def _ducklake_files(context: RunContext) -> Evidence:
    """A DuckLake that a Vortex file is added to as one of its data files; likewise."""
    lake, statements = _lake(context, "files")
    (path,) = lake.files["t"]
    statements += [
        f"COPY (SELECT i AS id, {_KEY} AS k FROM range({ROWS}) t(i)) TO '{path}' (FORMAT vortex)",
        "CREATE TABLE lake.t (id BIGINT, k BIGINT)",
        f"CALL ducklake_add_data_files('lake', 't', '{path}')",
    ]
    return _deleted(context, lake, statements, "positions/ducklake-files")


def _deleted(context: RunContext, lake: Lake, statements: list[str], session: str) -> Evidence:
    deleted = ", ".join(map(str, _DELETED))
    statements = [*statements, f"DELETE FROM lake.t WHERE id IN ({deleted})"]
    try:
        for sql in statements:
            context.client.call(DUCKDB, lake, "execute", session=session, sql=sql)
        read = context.client.query(DUCKDB, lake, "SELECT id, k FROM lake.t", session=session)
    except Refused as error:
        error.details["statements"] = statements
        raise
    finally:
        context.workers.retire(DUCKDB, session)
    into = context.files.new("left")
    left = f"SELECT i AS id, {_KEY} AS k FROM range({ROWS}) t(i) WHERE i NOT IN ({deleted}) ORDER BY i"
    context.witness.answer(left, {}, into, 60.0)
    checked = context.checker.call(large.same_as_source, read.path, into, ROWS, "id")
    return {"statements": statements, **same(checked)}
