"""Phase 4.5 in the report: what differs from a heap table, what transactions leave, and how long Q1 takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lakebench.model import Record
from lakebench.outcomes import Outcome
from lakebench.phases.pg_lake.latency import SIDES
from lakebench.reports import statement_times
from lakebench.reports.content import DASH, Cell, Paragraph, Part, Section, Table, cells, label, mark, size
from lakebench.results.records import Run

_THEIRS_MS = "10 to 12"
_TWINS = ("told", "statement", "expression", "layout")
_SILENT = (
    "The same statement on an Iceberg table and on a heap table of the same server: no error, and another answer, or "
    "an answer where PostgreSQL has an error. Each case shows its first difference; its evidence has all of them. Most "
    "come from what pg_lake has DuckDB compute."
)
_REFUSED = "These end in an error, and nothing is changed: a heap table takes them."
_TYPES = (
    "Each table has values at the limits of its type, and NULL. “FAIL REFUSED” under values means that some of them "
    "are not stored; the other questions are about those that are."
)
_FILES = (
    "Objects of one table, counted in the store itself. VACUUM had no retention here, but for the row that says so. "
    "Beside the table lies one whose name begins alike; it lost nothing unless the outcome says so."
)
_TIMES = (
    "Warm is the same session again, cold a new one; the server and its caches stay. Each answer was compared with "
    "that of the heap table, outside the clock. “Theirs” is the figure of field report C11, from a machine of its own."
)


def sections(run: Run) -> list[Section]:
    """One section, where pg_lake ran."""
    ran = [case for case in run.cases if case.outcome.ran]
    made = (_silent, _refused, _types, _transactions, _objects, _memory, _times, _plot)
    parts = tuple(part for make in made for part in make(ran))
    return [Section("Iceberg tables inside PostgreSQL", "pg-lake", parts)] if parts else []


def _of(cases: Sequence[Record], *checks: str) -> list[Record]:
    return [case for case in cases if case.coordinates.check in checks]


def _outcome(case: Record) -> Cell:
    return Cell(label(case.outcome), mark(case.outcome))


def _table(caption: str, head: tuple[str, ...], rows: Iterable[tuple[Cell, ...]], note: str) -> list[Part]:
    """The table, where it has rows."""
    kept = tuple(rows)
    return [Table(caption, head, kept, (note,))] if kept else []


# What differs from a heap table.


def _first(case: Record) -> dict[str, Any]:
    """The difference that decides the outcome: an answer before a refusal."""
    differences: list[dict[str, Any]] = list(case.evidence.get("differences", ()))
    answers = [one for one in differences if one["sql"] in case.reason]
    return (answers or differences or [{"sql": case.row, "heap": [], "pg_lake": [case.reason]}])[0]


def _answer(lines: Sequence[str]) -> str:
    """The rows of an answer, or the error."""
    return "; ".join(lines[1:] or lines) or DASH


def _silent(cases: Sequence[Record]) -> list[Part]:
    wrong = [case for case in _of(cases, *_TWINS, "type") if case.outcome is Outcome.WRONG]
    head = ("what", "statement", "heap table", "pg_lake")
    return _table("Silently different from a heap table", head, map(_different, wrong), _SILENT)


def _different(case: Record) -> tuple[Cell, ...]:
    first = _first(case)
    what = case.row if case.column == "pg_lake" else f"{case.row}: {case.column}"
    return cells(what, first["sql"], _answer(first["heap"]), _answer(first["pg_lake"]))


def _refused(cases: Sequence[Record]) -> list[Part]:
    refused = [case for case in _of(cases, *_TWINS, "type") if case.outcome is Outcome.REFUSED]
    return _table("Refused", ("what", "error"), map(_error, refused), _REFUSED)


def _error(case: Record) -> tuple[Cell, ...]:
    what = case.row if case.column == "pg_lake" else f"{case.row}: {case.column}"
    said = case.reason if "differences" not in case.evidence else _answer(_first(case)["pg_lake"])
    return cells(what, said)


def _types(cases: Sequence[Record]) -> list[Part]:
    asked = _of(cases, "type")
    questions = list(dict.fromkeys(case.column for case in asked))
    by_place = {(case.row, case.column): case for case in asked}
    rows = (
        (Cell(kind), *(_place(by_place.get((kind, one))) for one in questions))
        for kind in dict.fromkeys(case.row for case in asked)
    )
    return _table("Values at the limits of each type", ("type", *questions), rows, _TYPES)


def _place(case: Record | None) -> Cell:
    return Cell(DASH) if case is None else _outcome(case)


# Transactions and files.


def _transactions(cases: Sequence[Record]) -> list[Part]:
    head = ("transaction", "outcome", "snapshots made", "files after ROLLBACK", "after VACUUM", "what was said")
    note = "Files of the transaction in the store, counted there. A death is one between the write and the COMMIT."
    return _table("Transactions", head, map(_transaction, _of(cases, "transaction", "death")), note)


def _transaction(case: Record) -> tuple[Cell, ...]:
    evidence = case.evidence
    left = (_number(evidence.get(name)) for name in ("files_after_rollback", "files_after_vacuum"))
    said = evidence.get("said") or case.reason or DASH
    texts = (evidence.get("snapshots_made", DASH), *left, said if isinstance(said, str) else "; ".join(said))
    return (Cell(case.row), _outcome(case), *cells(*texts))


def _number(files: Any) -> str:
    return DASH if files is None else str(len(files))


def _objects(cases: Sequence[Record]) -> list[Part]:
    head = ("what", "outcome", "objects", "bytes", "reason")
    return _table("Objects in the store", head, map(_stages, _of(cases, "objects")), _FILES)


def _stages(case: Record) -> tuple[Cell, ...]:
    counts, sizes = (case.evidence.get(name) or {} for name in ("objects", "bytes"))
    shown = (" → ".join(f"{stage} {count}" for stage, count in counts.items()) or DASH,
             " → ".join(size(count) for count in sizes.values()) or DASH)  # fmt: skip
    return (Cell(case.row), _outcome(case), *cells(*shown, case.reason or DASH))


def _memory(cases: Sequence[Record]) -> list[Part]:
    return [Paragraph(_bystander(case)) for case in _of(cases, "memory")]


def _bystander(case: Record) -> str:
    evidence = case.evidence
    meanwhile = evidence.get("right_answers_meanwhile", 0)
    said = "; ".join(evidence.get("bystander", ()))
    return (
        f"While one session passed the memory limit, another counted rows: {meanwhile} right answers, then: {said}. "
        f"Outcome: {label(case.outcome)}. {case.reason}"
    ).strip()


# Q1.


def _times(cases: Sequence[Record]) -> list[Part]:
    head = ("Q1 on 60,175 rows", "outcome", "cold ms", "95 % interval", "warm ms", "95 % interval", "n", "theirs ms")
    rows = tuple(map(_time, _of(cases, "latency")))
    return [Table("Latency of Q1", head, rows, (_TIMES,), "figures")] if rows else []


def _time(case: Record) -> tuple[Cell, ...]:
    theirs = _THEIRS_MS if case.coordinates.test == "lake" else DASH
    return (Cell(case.row), _outcome(case), *statement_times.milliseconds(case), Cell(theirs))


def _plot(cases: Sequence[Record]) -> list[Part]:
    """Cold and warm executions of both tables."""
    sides = {"pg_lake" if case.row == SIDES["lake"] else "heap": case for case in _of(cases, "latency")}
    return [*statement_times.plot("Q1 on 60,175 rows", sides)]
