"""Phase 7 in the report: which kinds of query live, the shapes of joins by layout, and a role with few rights."""

from __future__ import annotations

from collections.abc import Sequence

from lakebench.model import Record
from lakebench.reports.content import DASH, Cell, Part, Section, Table, cells, label, mark
from lakebench.results.records import Run

_SHOWN = 160
_KINDS = (
    "Each kind was asked in a session of its own. After a crash PostgreSQL ended all sessions and started again: the "
    "signal and the line are those of its log."
)
_JOINS = (
    "Each shape was asked as a simple statement and prepared (first and sixth execution, then with another value), and "
    "compared with plain PostgreSQL. In the last column of Citus alone the same server loads the other library too."
)
_RIGHTS = "The role is refused where plain PostgreSQL refuses it, and gets the same answer elsewhere."


def sections(run: Run) -> list[Section]:
    """The three tables."""
    asked = [case for case in run.cases if case.outcome.ran and case.coordinates.check in _TABLES]
    parts = [part for check, table in _TABLES.items() for part in table(_of(asked, check))]
    return [Section("Citus beside another extension", "citus-beside", tuple(parts))] if parts else []


def _of(cases: Sequence[Record], check: str) -> list[Record]:
    return [case for case in cases if case.coordinates.check == check]


def _kinds(cases: Sequence[Record]) -> list[Part]:
    head = ("query", "servers", "outcome", "signal", "other sessions", "the server says")
    rows = tuple(map(_kind, cases))
    return [Table("Which kinds of query live", head, rows, (_KINDS,))] if rows else []


def _kind(case: Record) -> tuple[Cell, ...]:
    evidence, log = case.evidence, case.evidence.get("log")
    line = str(log[0]) if isinstance(log, list) and log else case.reason
    outcome = Cell(label(case.outcome), mark(case.outcome))
    more = (evidence.get("signal", DASH), evidence.get("other_sessions", DASH), line[:_SHOWN] or DASH)
    return (*cells(case.row, case.column), outcome, *cells(*map(str, more)))


def _joins(cases: Sequence[Record]) -> list[Part]:
    return [one for name in _services(cases) for one in _joins_of([case for case in cases if _service(case) == name])]


def _joins_of(cases: Sequence[Record]) -> list[Part]:
    columns = list(dict.fromkeys(case.column for case in cases))
    by_place = {(case.row, case.column): case for case in cases}
    rows = tuple(
        (Cell(row), *(_outcome(by_place.get((row, column))) for column in columns))
        for row in dict.fromkeys(case.row for case in cases)
    )
    return [Table(cases[0].group, ("shape", *columns), rows, (_JOINS,))] if rows else []


def _outcome(case: Record | None) -> Cell:
    return Cell(DASH) if case is None else Cell(label(case.outcome), mark(case.outcome))


def _service(case: Record) -> str:
    return str(case.coordinates.more.get("services"))


def _services(cases: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(map(_service, cases)))


def _rights(cases: Sequence[Record]) -> list[Part]:
    rows = tuple((*cells(case.row, case.column), _outcome(case), *cells(_said(case))) for case in cases)
    return (
        [Table("A role with few rights", ("asked", "servers", "outcome", "answer"), rows, (_RIGHTS,))] if rows else []
    )


def _said(case: Record) -> str:
    answer = case.evidence.get("answer")
    return str(answer)[:_SHOWN] if answer else case.reason[:_SHOWN] or DASH


_TABLES = {"kind": _kinds, "join": _joins, "right": _rights}
