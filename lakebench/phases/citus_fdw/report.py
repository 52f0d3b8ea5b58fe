"""Phase 8 in the report: what is pushed down, how long statements take, and what a death leaves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lakebench.model import Record
from lakebench.outcomes import Outcome
from lakebench.phases.citus_fdw import scenario
from lakebench.phases.citus_fdw.ends import CLIENT
from lakebench.phases.citus_fdw.latency import STATEMENTS
from lakebench.reports import statement_times
from lakebench.reports.content import DASH, Cell, Part, Section, Table, cells, label, mark
from lakebench.results.records import Run

_THEIRS_MS = {"select": 102, "insert": 205, "update": 99, "delete": 70}
_PUSHED = (
    "Read from EXPLAIN (VERBOSE): “there” is a plan with Relations: Aggregate on, “here” one whose rows are fetched "
    "and aggregated by the local server. Each answer was compared with that of a heap table, pushed down and not."
)
_TIMES = (
    "Warm is the same session again, cold a new one, in which postgres_fdw connects anew; both servers stay. Each "
    "execution was verified at both ends, outside the clock. “Theirs” are the figures of field report C25, of Citus "
    "that asks pg_lake, on a machine of their own."
)
_PSQL = "pg_lake itself"
_PICTURE = (
    "Field report C27 ends with this row: written once through Citus, then read by every engine of the run. Engines "
    "other than pg_lake find the table in a REST catalog, in which its metadata file is registered."
)
_LEFT = (
    "One transaction writes one row here and one there; the other end dies at the moment named. postgres_fdw has no "
    "two-phase commit: after its COMMIT there, nothing makes the COMMIT here succeed."
)


def sections(run: Run) -> list[Section]:
    """The tables, and a plot for each statement."""
    parts = [
        *_servers_of_pairs(run.cases),
        *_pushdown(run.cases),
        *_latencies(run.cases),
        *_scenario(run.cases),
        *_deaths(run.cases),
    ]
    return [Section("Foreign tables", "foreign-tables", tuple(parts))] if parts else []


def _of(cases: Sequence[Record], check: str) -> list[Record]:
    """The cases of a kind of the pairs that ran."""
    return [case for case in cases if case.coordinates.check == check and case.outcome.ran]


def _servers_of_pairs(cases: Sequence[Record]) -> list[Part]:
    versions = {case.column: _servers(case) for case in _of(cases, "latency")}
    rows = tuple(cells(*one) for one in versions.items())
    return [Table("Servers", ("pair", "versions"), rows)] if rows else []


def _pushdown(cases: Sequence[Record]) -> list[Part]:
    asked = _of(cases, "pushdown")
    pairs = list(dict.fromkeys(case.column for case in asked))
    by_place = {(case.row, case.column): case for case in asked}
    rows = tuple(
        (Cell(row), *(_place(by_place.get((row, pair))) for pair in pairs))
        for row in dict.fromkeys(one.row for one in asked)
    )
    return [Table("Where aggregates are computed", ("query", *pairs), rows, (_PUSHED,))] if rows else []


def _place(case: Record | None) -> Cell:
    if case is None:
        return Cell(DASH)
    if case.outcome is not Outcome.PASS:
        return Cell(label(case.outcome), mark(case.outcome))
    return Cell("there" if case.evidence.get("aggregate_pushed") else "here", mark(case.outcome))


def _latencies(cases: Sequence[Record]) -> list[Part]:
    asked = _of(cases, "latency")
    head = ("statement", "cold ms", "95 % interval", "warm ms", "95 % interval", "n", "theirs ms")
    rows = tuple(map(_times, asked))
    table = [Table("Latency of one statement", head, rows, (_TIMES,), "figures")] if rows else []
    drawn = (
        statement_times.plot(one.title, {case.column: case for case in asked if case.coordinates.test == name})
        for name, one in STATEMENTS.items()
    )
    return [*table, *(plot for some in drawn for plot in some)]


def _times(case: Record) -> tuple[Cell, ...]:
    theirs = _THEIRS_MS.get(str(case.coordinates.test), DASH)
    if not case.samples:
        failed = Cell(label(case.outcome), mark(case.outcome))
        return (Cell(case.row), failed, *[Cell(DASH)] * 4, Cell(str(theirs)))
    return (Cell(case.row), *statement_times.milliseconds(case), Cell(str(theirs)))


def _scenario(cases: Sequence[Record]) -> list[Part]:
    head = ("read by", "outcome", "row", "versions")
    rows = tuple(map(_reader, _of(cases, scenario.CHECK)))
    return [Table("A row written through Citus into pg_lake", head, rows, (_PICTURE,))] if rows else []


def _reader(case: Record) -> tuple[Cell, ...]:
    outcome = Cell(label(case.outcome), mark(case.outcome))
    rows = "; ".join(", ".join(map(str, one)) for one in case.evidence.get("rows", ()))
    return (*cells(_PSQL if case.row == CLIENT.name else case.row), outcome, *cells(rows or DASH, _servers(case)))


def _servers(case: Record) -> str:
    return ", ".join(f"{name} {version}" for name, version in case.versions.items())


def _deaths(cases: Sequence[Record]) -> list[Part]:
    head = (
        "the other end dies",
        "pair",
        "outcome",
        "rows it left",
        "after a retry",
        "next writer s",
        "the client was told",
    )
    rows = tuple(map(_death, _of(cases, "death")))
    return [Table("What a death leaves", head, rows, (_LEFT,))] if rows else []


def _death(case: Record) -> tuple[Cell, ...]:
    evidence = case.evidence
    outcome = Cell(label(case.outcome), mark(case.outcome))
    left = (_counts(evidence.get("rows")), _counts(evidence.get("after_a_retry")), evidence.get("next_writer_s", DASH))
    return (*cells(case.row, case.column), outcome, *cells(*left, evidence.get("said") or "it was committed"))


def _counts(rows: Any) -> str:
    return ", ".join(f"{name} {count}" for name, count in rows.items()) if isinstance(rows, dict) else DASH
