"""What ``lakebench check`` found, as content of a report and as JSON values."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from lakebench.outcomes import FROM_BEST, Outcome
from lakebench.reports.alerts import counted
from lakebench.reports.content import Cell, Document, Paragraph, Part, Section, Table, cells
from lakebench.table_check.answers import AnswerDifference, TableAnswer
from lakebench.table_check.check import CheckedTable
from lakebench.table_check.findings import TableFindings
from lakebench.table_check.known import KnownFailure

_VIOLATIONS = 100
"""Violations in the report of one table; JSON has all of them."""


def document(tables: Sequence[CheckedTable], *, timed: bool) -> Document:
    """The report on all ``tables``; with the times of their scans where they are ``timed``."""
    sections = [Section(one.name, f"table-{at}", tuple(_parts(one, timed=timed))) for at, one in enumerate(tables)]
    return Document(
        title="Tables checked",
        subtitle="Nothing was written to them. What is compared is in docs/check.md of lakebench.",
        verdict=verdict(tables),
        good=all(one.code == 0 for one in tables),
        alerts=tuple(f"{one.name}: {one.error}" for one in tables if one.error),
        overview=_overview(tables),
        first=None,
        sections=tuple(sections),
    )


def verdict(tables: Sequence[CheckedTable]) -> str:
    """The result in one sentence."""
    apart = sum(bool(one.differences) for one in tables)
    broken = sum(bool(one.findings and one.findings.violations) for one in tables)
    failed = sum(bool(one.error) for one in tables)
    missed = sum(bool(one.missed) for one in tables if not one.error)
    found = [
        f"{apart} read differently" if apart else "",
        f"{broken} against the specification" if broken else "",
        f"{failed} could not be read" if failed else "",
        f"{missed} from which an engine that was named gave no rows" if missed else "",
    ]
    listed = ", ".join(one for one in found if one)
    return f"{counted(len(tables), 'table')}: {listed or 'all readers that answer agree, and no violation was found'}"


def _overview(tables: Sequence[CheckedTable]) -> Table:
    rows = []
    for one in tables:
        answered = {answer.reader for answer in one.answers if answer.digest is not None}
        violations = len(one.findings.violations) if one.findings else 0
        known = len({(each.engine, each.feature.id) for each in one.known})
        rows.append(
            (
                Cell(one.name),
                _number(violations),
                Cell(str(len(answered))),
                _number(len({answer.answer.reader for answer in one.differences})),
                _number(known),
            )
        )
    head = ("table", "violations", "readers that answered", "readers that differ", "known failures")
    return Table("Tables", head, tuple(rows))


def _number(number: int) -> Cell:
    return Cell(str(number), "fail" if number else "pass")


def _parts(one: CheckedTable, *, timed: bool) -> Iterator[Part]:
    yield Paragraph(one.location)
    if one.error:
        yield Paragraph(one.error)
    if one.findings is not None:
        yield from _found(one.findings)
    if one.answers:
        yield _answers(one, timed=timed)
    yield from (_difference(each) for each in one.differences)
    if one.known:
        yield _known(one.known)


def _found(found: TableFindings) -> Iterator[Part]:
    shown = found.violations[:_VIOLATIONS]
    rows: tuple[tuple[Cell, ...], ...]
    if shown:
        more = len(found.violations) - len(shown)
        notes = (f"and {more} more",) if more else ()
        rows = tuple((Cell(str(at + 1)), Cell(text, "fail")) for at, text in enumerate(shown))
        yield Table("Violations of the specification", ("number", "violation"), rows, notes)
    if found.features:
        rows = tuple(cells(*pair) for pair in found.features.items())
        yield Table("Features in use", ("feature", "how"), rows)
    if found.layout:
        rows = tuple(cells(name, number) for name, number in found.layout.items())
        yield Table("Layout of the current snapshot", ("what", "number"), rows, found.remarks, layout="figures")


def _answers(one: CheckedTable, *, timed: bool) -> Table:
    apart = {id(each.answer) for each in one.differences}
    whole = [each for each in one.answers if each.question.where is None]
    rows = [_answer(each, differs=id(each) in apart, timed=timed) for each in whole]
    for reader in dict.fromkeys(each.reader for each in one.answers if each.question.where is not None):
        filters = [each for each in one.answers if each.reader == reader and each.question.where is not None]
        rows.append(_filters(filters, apart, timed=timed))
    head = ("reader", "source", "read", "outcome", "rows", *(("seconds",) if timed else ()), "why")
    return Table("What each reader gives", head, tuple(rows))


def _filters(answers: Sequence[TableAnswer], apart: Collection[int], *, timed: bool) -> tuple[Cell, ...]:
    """The line for all filters that one reader was asked with: its worst outcome, and which have it."""
    outcomes = {str(one.question): Outcome.WRONG if id(one) in apart else one.outcome for one in answers}
    worst = max(outcomes.values(), key=lambda one: FROM_BEST.index(one) if one in FROM_BEST else len(FROM_BEST))
    first = next(one for one in answers if outcomes[str(one.question)] is worst)
    having = [name for name, outcome in outcomes.items() if outcome is worst]
    why = "" if worst is Outcome.PASS else f"{', '.join(having)}{': ' if first.reason else ''}{first.reason}"
    return (
        Cell(f"{first.reader} {first.version}".strip()),
        Cell(first.source),
        Cell(counted(len(answers), "filter")),
        _outcome(worst),
        Cell(""),
        *((Cell(f"{sum(one.seconds for one in answers if one.digest is not None):.2f}"),) if timed else ()),
        Cell(why),
    )


def _answer(answer: TableAnswer, *, differs: bool, timed: bool) -> tuple[Cell, ...]:
    outcome = Outcome.WRONG if differs else answer.outcome
    rows = "" if answer.digest is None else str(answer.digest["rows"])
    seconds = f"{answer.seconds:.2f}" if answer.digest is not None and answer.seconds else ""
    return (
        Cell(f"{answer.reader} {answer.version}".strip()),
        Cell(answer.source),
        Cell(str(answer.question)),
        _outcome(outcome),
        Cell(rows),
        *((Cell(seconds),) if timed else ()),
        Cell("its rows are not those of the others" if differs else answer.reason),
    )


def _outcome(outcome: Outcome) -> Cell:
    return Cell(outcome, "none" if not outcome.ran else "fail" if outcome.is_failure else "pass")


def _difference(one: AnswerDifference) -> Table:
    whose = "computed of all rows of " if one.expected.computed else ""
    against = f"{whose}{one.expected.reader} from {one.expected.source}"
    columns = ", ".join(one.columns) or "no column alone: values stand in other rows"
    rows = [
        cells("columns that differ", columns),
        *(cells(f"only {one.expected.reader} has", text) for text in one.lacking),
        *(cells(f"only {one.answer.reader} has", text) for text in one.extra),
        *(cells(f"{counted(number, 'row')} lacking in", file) for file, number in one.files.items()),
        *(cells("called", call) for call in one.answer.calls),
    ]
    caption = f"{one.answer.reader} from {one.answer.source}, {one.answer.question}: other rows than {against}"
    return Table(caption, ("what", "found"), tuple(rows), (one.note,) if one.note else ())


def _known(known: Sequence[KnownFailure]) -> Table:
    rows = tuple(
        (
            Cell(f"{one.engine.name} {one.engine.version or ''}".strip()),
            Cell(one.feature.id),
            Cell(one.feature.title),
            Cell(one.cell.outcome, "fail"),
            Cell(one.cell.case),
            Cell(one.cell.reason or one.cell.link),
        )
        for one in known
    )
    head = ("engine", "feature", "what it is", "outcome", "cell", "why")
    note = "The matrix knows that these engines fail on a feature which this table uses, whatever they said above."
    return Table("Known failures on features in use", head, rows, (note,))


def to_json(tables: Sequence[CheckedTable], *, timed: bool) -> dict[str, Any]:
    """All of it as JSON values."""
    return {"verdict": verdict(tables), "tables": [_table_json(one, timed=timed) for one in tables]}


def _table_json(one: CheckedTable, *, timed: bool) -> dict[str, Any]:
    found = one.findings
    return {
        "table": one.name,
        "location": one.location,
        "format": "iceberg" if one.is_iceberg else "parquet",
        "exit_code": int(one.code),
        "error": one.error,
        "violations": list(found.violations) if found else [],
        "features": dict(found.features) if found else {},
        "layout": dict(found.layout) if found else {},
        "remarks": list(found.remarks) if found else [],
        "answers": [_answer_json(each, timed=timed) for each in one.answers],
        "differences": [_difference_json(each) for each in one.differences],
        "known_failures": [
            {
                "engine": each.engine.name,
                "version": each.engine.version or "",
                "feature": each.feature.id,
                "outcome": each.cell.outcome.value,
                "case": each.cell.case,
                "cells": each.cells,
                "reason": each.cell.reason,
                "link": each.cell.link,
            }
            for each in one.known
        ],
    }


def _answer_json(one: TableAnswer, *, timed: bool) -> dict[str, Any]:
    digest = one.digest or {}
    return {
        "reader": one.reader,
        "version": one.version,
        "source": one.source,
        "read": str(one.question),
        "outcome": one.outcome.value,
        "reason": one.reason,
        "rows": digest.get("rows"),
        "hash": digest.get("hash"),
        "columns": digest.get("columns", {}),
        "seconds": round(one.seconds, 6) if timed and one.digest is not None else None,
    }


def _difference_json(one: AnswerDifference) -> dict[str, Any]:
    return {
        "reader": one.answer.reader,
        "source": one.answer.source,
        "read": str(one.answer.question),
        "expected": one.expected.reader,
        "columns": list(one.columns),
        "lacking": list(one.lacking),
        "extra": list(one.extra),
        "files": dict(one.files),
        "note": one.note,
    }
