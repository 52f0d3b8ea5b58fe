"""Answers that take another way than a scan: aggregates, counts and LIMIT, held against rows without statistics."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from lakebench import engines
from lakebench.datasets import answer_files
from lakebench.datasets.answer_files import Checked
from lakebench.datasets.file_formats.kinds import ODD_COLUMNS
from lakebench.datasets.rules import Rules
from lakebench.engines import CanQuery
from lakebench.errors import Refused, WrongAnswer
from lakebench.execution.cases import Block, Case, Check, Evidence, diff_evidence
from lakebench.execution.context import RunContext
from lakebench.execution.request import Request
from lakebench.model import Coordinates, EngineRef, Lake
from lakebench.phases.vortex.layouts import BARE, INDEXED, LANCE_DUCKDB, VORTEX, FileLayout
from lakebench.phases.vortex.tables import odd_lake

_LAYOUTS = (INDEXED, VORTEX, LANCE_DUCKDB)
_SHOWN = 10
_BARE = "the same rows in Parquet without statistics"
_FUNCTIONS = ("count", "min", "max", "sum", "avg")
FILTERS = {
    "alone": "",
    "by key": " WHERE id >= 70000",
    "no row": " WHERE id < 0",
    "null": " WHERE {c} IS NULL",
    "not null": " WHERE {c} IS NOT NULL",
}
"""What stands after the table: the same aggregates are asked after each."""


def blocks(request: Request) -> Iterator[Block]:
    """Each odd column by each engine that computes, with rows and without."""
    for layout in _LAYOUTS:
        for ref in request.able(CanQuery):
            if not _able(layout, ref):
                continue
            for empty in (False, True):
                for column in ODD_COLUMNS:
                    yield Check(_case(layout, ref, column, empty), partial(_same, layout, ref, column, empty))


def _able(layout: FileLayout, ref: EngineRef) -> bool:
    """Whether ``ref`` reads the format, Parquet, and not Parquet alone; DataFusion refuses all of Vortex."""
    formats = set(engines.find(ref.name).formats)
    refuses = ref.name == "datafusion" and layout is VORTEX
    return (
        {layout.format, BARE.format} <= formats and bool({VORTEX.format, LANCE_DUCKDB.format} & formats) and not refuses
    )


def _case(layout: FileLayout, ref: EngineRef, column: str, empty: bool) -> Case:
    rows = "no rows" if empty else "100,000 rows"
    return Case(
        id=f"phase6/shortcuts/{layout.id}/{column}{'-empty' if empty else ''}/{ref}",
        phase="phase6",
        title=f"Aggregates of {column}, {rows}: {ref} on {layout.title}",
        engine=ref,
        group=f"Aggregates in {layout.title}",
        row=f"{column}, {rows}",
        column=str(ref),
        coordinates=Coordinates(
            engine=ref.name,
            version=ref.version,
            format=layout.format,
            check="shortcut",
            test=column,
            more={"layout": layout.id, "rows": "none" if empty else "some"},
        ),
    )


def _statements(column: str, *, empty: bool = False) -> Iterator[str]:
    """Each aggregate alone; then all together, the number of rows, and rows under a LIMIT after each filter.

    A table without rows is asked without a filter.
    """
    name = f'"{column}"'
    functions = [one for one in _FUNCTIONS if column != "text" or one not in {"sum", "avg"}]
    asked = [f"{function}({name}) AS {function}_" for function in functions]
    for listed in (*asked, f"count(DISTINCT {name}) AS d"):
        yield f"SELECT {listed} FROM t"
    for where in [text.format(c=name) for text in FILTERS.values()][: 1 if empty else None]:
        yield f"SELECT {', '.join(asked)} FROM t{where}"
        yield f"SELECT count(*) AS n FROM t{where}"
        yield f"SELECT count(*) AS n FROM (SELECT {name} FROM t{where} LIMIT 3) AS few"


def _same(layout: FileLayout, ref: EngineRef, column: str, empty: bool, context: RunContext) -> Evidence:
    """Ask the same of both files; an answer that differs is wrong, as the rows are the same.

    Raises:
        WrongAnswer: one differs; the evidence has all of these.
        Refused: the format refuses what Parquet without statistics answers.
    """
    expected = context.prepared.once(
        f"formats/odd/{ref}/{column}/{empty}", lambda: _answers(context, ref, BARE, column, empty=empty)
    )
    found = _answers(context, ref, layout, column, empty=empty)
    # What the engine refuses of the other file, too, says nothing of the format.
    refused = {sql: said for sql, said in found.items() if isinstance(said, str) and isinstance(expected[sql], Path)}
    both = {
        sql: (one, other)
        for sql, one in found.items()
        if isinstance(one, Path) and isinstance(other := expected[sql], Path)
    }
    actual, wanted = [one for one, _ in both.values()], [other for _, other in both.values()]
    checked = context.checker.call(compare_each, actual, wanted)
    wrong = [{"sql": sql, "diff": diff_evidence(one.diff)} for sql, one in zip(both, checked, strict=True) if one.diff]
    evidence: dict[str, Any] = {"statements": len(found), "equal": len(both) - len(wrong)}
    if wrong:
        message = f"{len(wrong)} of {len(found)} answers differ, the first: {wrong[0]['sql']}"
        raise WrongAnswer(message, **evidence, wrong=wrong[:_SHOWN], diff=wrong[0]["diff"])
    if refused:
        first = next(iter(refused.values()))
        raise Refused(first, **evidence, refused=dict(list(refused.items())[:_SHOWN]))
    return {**evidence, "checked_against": [f"{_BARE}, by the same engine"]}


def _answers(
    context: RunContext, ref: EngineRef, layout: FileLayout, column: str, *, empty: bool
) -> dict[str, Path | str]:
    """The file of each statement's answer, or what the engine says instead.

    Raises:
        EngineUnavailable: the table could not be written, which says nothing of who reads it.
    """
    lake = odd_lake(context, layout, empty=empty)
    return {sql: _answer(context, ref, lake, f"shortcuts/{layout.id}", sql) for sql in _statements(column, empty=empty)}


def _answer(context: RunContext, ref: EngineRef, lake: Lake, session: str, sql: str) -> Path | str:
    try:
        return context.client.query(ref, lake, sql, session=session).path
    except Refused as error:
        return str(error)


def compare_each(actual: list[Path], expected: list[Path]) -> list[Checked]:
    """Each of ``actual`` compared with its own of ``expected``: for the checker process."""
    pairs = zip(actual, expected, strict=True)
    return [answer_files.compare(one, {_BARE: other}, Rules()) for one, other in pairs]
