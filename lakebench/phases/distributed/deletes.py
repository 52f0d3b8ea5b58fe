"""Deleted rows: whether they stay away, by connector and by the files that a catalog lists."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from lakebench import engines
from lakebench.datasets import answer_files
from lakebench.datasets.ducklake import expected
from lakebench.engines import CanQuery
from lakebench.errors import EngineUnavailable, WrongAnswer
from lakebench.execution.cases import Check, Evidence, same
from lakebench.execution.context import RunContext
from lakebench.execution.request import Request
from lakebench.model import CatalogKind, EngineRef, Lake, TableFormat
from lakebench.phases.distributed.case import case_of
from lakebench.phases.distributed.lake_tables import COLUMNS, DELETED, SALES, reached, rows, small

CHECK = "deletes"
_GROUP = "Deleted rows"
_STATES = {"before": (SALES, "before a delete"), "after": (DELETED, "after a delete")}
_FORMATS = {TableFormat.ICEBERG: "Iceberg", TableFormat.DUCKLAKE: "DuckLake"}


def blocks(request: Request) -> Iterator[Check]:
    """Each table in each format by every engine that has a way to it."""
    for form, title in _FORMATS.items():
        for state, (table, when) in _STATES.items():
            for ref in request.able(CanQuery):
                way = way_to(ref, form)
                if way:
                    row = f"{title} {when}"
                    more = {"lake": form.value, "state": state, "way": way}
                    case = case_of(ref, CHECK, f"{form}-{state}", _GROUP, row, more=more)
                    yield Check(case, partial(_reads, ref=ref, form=form, table=table))


def way_to(ref: EngineRef, form: TableFormat) -> str:
    """``connector``, ``files`` (those that the catalog lists), or nothing."""
    engine = engines.find(ref.name)
    if form in engine.formats and (form is not TableFormat.ICEBERG or CatalogKind.REST in engine.catalogs):
        return "connector"
    return "files" if form is TableFormat.DUCKLAKE and TableFormat.PARQUET in engine.formats else ""


def _reads(context: RunContext, ref: EngineRef, form: TableFormat, table: str) -> Evidence:
    lake = reached(context, ref, small(context, form), frozenset([table]))
    return read_rows(context, ref, lake, table, deleted=table == DELETED)


def read_rows(context: RunContext, ref: EngineRef, lake: Lake, table: str, *, deleted: bool) -> dict[str, Any]:
    """The evidence that ``ref`` reads all rows of ``table``, and no others.

    Raises:
        WrongAnswer: it reads others; the details have how many.
    """
    sql = f"SELECT id, region, amount FROM {table}"
    answer, wanted = context.client.query(ref, lake, sql).path, context.files.new("expected")
    context.checker.call(expected.write, COLUMNS, rows(deleted=deleted), wanted)
    try:
        comparison = same(context.checker.call(answer_files.compare_rows, answer, wanted))
    except WrongAnswer as error:
        error.details["sql"] = sql
        raise
    return {"sql": sql, **comparison, "checked_against": ["rows written by hand"]}


def needs(ref: EngineRef, form: TableFormat) -> None:
    """Check that ``ref`` has a connector to ``form``.

    Raises:
        EngineUnavailable: it has none.
    """
    if way_to(ref, form) != "connector":
        raise EngineUnavailable(f"{ref} has no connector to {_FORMATS.get(form, form.value)}")
