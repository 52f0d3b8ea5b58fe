"""Rows by several engines: one engine changes a table step by step, and the others read it after each step.

The readers keep their connection from step to step, so that what they remember of files and metadata that a compaction
or an expiry replaces is put to the test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial

from lakebench.errors import CaseError, EngineUnavailable
from lakebench.execution.cases import Check, Evidence
from lakebench.execution.context import RunContext
from lakebench.iceberg.operations import Compact, Delete, ExpireSnapshots, Merge, Operation, Update
from lakebench.iceberg.scan import Condition, Scan
from lakebench.model import EngineRef
from lakebench.phases.rest_catalog.data_tables import (
    BASE,
    Engines,
    Row,
    append,
    check,
    create,
    lake,
    metadata,
    operate,
    operations_of,
    readers,
    rest,
    rows,
    table_name,
    writers,
)
from lakebench.phases.rest_catalog.data_tables import read as read_rows
from lakebench.phases.rest_catalog.sandbox import current_snapshot
from lakebench.phases.rest_catalog.targets import CheckedCatalog

SUBJECT = "Rows by several engines"
_MORE = rows(100, 20)
_GONE, _CHANGED, _ADDED = 5, 110, 1000
INSERTED = (*BASE, *_MORE)
_DELETED = tuple(row for row in INSERTED if row[0] >= _GONE)
UPDATED = tuple((key, value + _ADDED if key >= _CHANGED else value) for key, value in _DELETED)


@dataclass(frozen=True)
class _Step:
    """A step: its ``operations`` are alternatives, of which the first that an engine can be asked for is carried out.

    ``rows`` are those after it. ``old`` says that the rows are those of the snapshot after the insert.
    """

    title: str
    rows: tuple[Row, ...]
    operations: tuple[Callable[[str], Operation], ...] = ()
    kinds: tuple[type[Operation], ...] = ()
    old: bool = False

    def operation(self, ref: EngineRef, table: str) -> Operation | None:
        """What ``ref`` is asked for; ``None`` where it does nothing."""
        pairs = zip(self.operations, self.kinds, strict=True)
        return next((make(table) for make, kind in pairs if kind in operations_of(ref)), None)


def _update(table: str) -> Operation:
    return Update(table=table, where=(Condition("id", ">=", _CHANGED),), add={"value": _ADDED})


def _merge(table: str) -> Operation:
    """The same by an upsert, which an engine without UPDATE has."""
    return Merge(table=table, rows=tuple(row for row in UPDATED if row[0] >= _CHANGED))


def _delete(table: str) -> Operation:
    return Delete(table=table, where=(Condition("id", "<", _GONE),))


STEPS = {
    "rows-insert": _Step("after an insert", INSERTED),
    "rows-delete": _Step("after a delete that is merged on read", _DELETED, (_delete,), (Delete,)),
    "rows-update": _Step("after an update", UPDATED, (_update, _merge), (Update, Merge)),
    "rows-compact": _Step("after a compaction", UPDATED, (lambda table: Compact(table=table),), (Compact,)),
    "rows-time-travel": _Step("at the snapshot of the insert", INSERTED, old=True),
    "rows-expire": _Step(
        "after the expiry of old snapshots",
        UPDATED,
        (lambda table: ExpireSnapshots(table=table),),
        (ExpireSnapshots,),
    ),
}
"""Test → step, in the order in which they are taken."""


@dataclass
class _WrittenTable:
    """The table of one writer: ``statements`` are those of each step, ``first`` is the snapshot of the insert."""

    name: str
    first: int | None
    statements: dict[str, list[str]] = field(default_factory=dict)


def blocks(refs: Sequence[EngineRef], target: CheckedCatalog) -> Iterator[Check]:
    """For each writer and step a case a reader; a step that a writer cannot be asked for has none."""
    for writer in writers(refs):
        for test, step in STEPS.items():
            if not step.kinds or step.operation(writer, ""):
                for reader in readers(refs):
                    run = partial(_reads, target=target, writer=writer, reader=reader, test=test)
                    who = Engines(writer=writer, reader=reader)
                    yield check(target, test, SUBJECT, f"The same rows {step.title}", who, run)


def _reads(context: RunContext, target: CheckedCatalog, writer: EngineRef, reader: EngineRef, test: str) -> Evidence:
    try:
        table = _after(context, target, writer, test)
    except CaseError as error:
        if reader == writer:
            raise
        raise EngineUnavailable(f"there was nothing to read, because {writer} could not write: {error}") from error
    step = STEPS[test]
    scan = Scan(table.name, snapshot_id=table.first) if step.old else Scan(table.name)
    evidence = read_rows(context, reader, lake(context, target), scan, step.rows)
    return {**evidence, "steps": table.statements.get(test, [])}


def _after(context: RunContext, target: CheckedCatalog, writer: EngineRef, test: str) -> _WrittenTable:
    """The table of ``writer`` after the step ``test`` and all before it that it can be asked for.

    Raises:
        CaseError: the step failed, or one before it.
    """
    key = f"rest_catalog/rows/{target.name}/{writer}"
    table = context.prepared.once(key, partial(_insert, context, target, writer))
    for name, step in STEPS.items():
        if operation := step.operation(writer, table.name):
            take = partial(_take, context, target, writer, table, name, operation)
            if _changes_rows(name) or name == test:
                context.prepared.once(f"{key}/{name}", take)
        if name == test:
            break
    return table


def _changes_rows(test: str) -> bool:
    """Whether the rows of later steps need this one: a compaction that fails does not keep others from reading."""
    return test in {"rows-delete", "rows-update"}


def _insert(context: RunContext, target: CheckedCatalog, writer: EngineRef) -> _WrittenTable:
    """A table in two commits."""
    at, name = lake(context, target), table_name("rows", writer)
    create(context, writer, at, name)
    statements = operate(context, writer, at, append(name, _MORE))
    return _WrittenTable(name, current_snapshot(metadata(rest(context, target), name)), {"rows-insert": statements})


def _take(
    context: RunContext,
    target: CheckedCatalog,
    writer: EngineRef,
    table: _WrittenTable,
    test: str,
    operation: Operation,
) -> None:
    table.statements[test] = operate(context, writer, lake(context, target), operation)
