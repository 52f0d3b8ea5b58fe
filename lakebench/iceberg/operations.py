"""The parts of a feature's program: neutral operations on tables, and the reads that check them.

Standard library only. ``fields`` of an operation are the table's current fields, which
:func:`lakebench.datasets.interop.program.planned` fills in, so that an adapter knows types without asking the catalog.
Rows are tuples of values in the order of ``fields``; values are those of :mod:`lakebench.iceberg.types`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lakebench.iceberg.scan import Condition, conditions_from_json
from lakebench.iceberg.types import (
    Field,
    PartitionField,
    SortField,
    Type,
    field_from_json,
    field_to_json,
    type_from_json,
    type_to_json,
)

Row = tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One step on ``table``. ``by`` is empty for the writer, ``another`` for a second engine of the run."""

    table: str = "t"
    fields: tuple[Field, ...] = ()
    by: str = ""


@dataclass(frozen=True)
class Create(Operation):
    """Create the table. ``properties`` are Iceberg's table properties (``write.delete.mode`` …).

    ``key`` are the columns by which later steps delete or replace rows, filled in as ``fields`` are: an engine whose
    tables have to know these from the start makes them the *identifier fields*.
    """

    columns: tuple[Field, ...]
    partition: tuple[PartitionField, ...] = ()
    order: tuple[SortField, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    format_version: int = 2
    key: tuple[str, ...] = ()


@dataclass(frozen=True)
class Append(Operation):
    """Append ``rows`` in one commit, to ``branch`` where one is named.

    ``times`` is for many rows: an engine gets each of them as often, and what is planned and sent has each once.
    """

    rows: tuple[Row, ...]
    branch: str = ""
    times: int = 1


@dataclass(frozen=True)
class Overwrite(Operation):
    """Replace all rows; with ``dynamic`` only those of the partitions that ``rows`` fall into."""

    rows: tuple[Row, ...]
    dynamic: bool = False


@dataclass(frozen=True)
class Delete(Operation):
    """Delete the rows that ``where`` holds for. How (``write.delete.mode``) is the table's property."""

    where: tuple[Condition, ...]


@dataclass(frozen=True)
class Update(Operation):
    """Set columns to values in the rows that ``where`` holds for; ``add`` adds to a number instead."""

    where: tuple[Condition, ...]
    values: Mapping[str, Any] = field(default_factory=dict)
    add: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Merge(Operation):
    """Upsert: a row whose ``key`` exists replaces the old one, another is inserted."""

    rows: tuple[Row, ...]
    key: tuple[str, ...] = ("id",)


@dataclass(frozen=True)
class EqualityDelete(Operation):
    """Delete by a file of equality deletes on ``key``: older rows of the same partition with these values."""

    key: tuple[str, ...]
    rows: tuple[Row, ...]
    """Values of ``key``, and of the partition's source columns where the table is partitioned, by ``columns``."""
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class AddColumn(Operation):
    """Add ``column`` below the struct at ``parent`` (empty: top level), ``first`` or ``after`` another, else last."""

    column: Field
    parent: str = ""
    first: bool = False
    after: str = ""


@dataclass(frozen=True)
class DropColumn(Operation):
    """Drop the column at ``path``."""

    path: str


@dataclass(frozen=True)
class RenameColumn(Operation):
    """Rename the column at ``path`` to ``name`` (its last part alone)."""

    path: str
    name: str


@dataclass(frozen=True)
class MoveColumn(Operation):
    """Move the column at ``path`` ``first`` or ``after`` a sibling."""

    path: str
    first: bool = False
    after: str = ""


@dataclass(frozen=True)
class ChangeType(Operation):
    """Promote the column at ``path`` (Iceberg specification, *Schema Evolution*)."""

    path: str
    type: Type


@dataclass(frozen=True)
class MakeOptional(Operation):
    """Turn the required column at ``path`` into an optional one."""

    path: str


@dataclass(frozen=True)
class SetDoc(Operation):
    """Set the comment of the column at ``path``."""

    path: str
    doc: str


@dataclass(frozen=True)
class SetPartition(Operation):
    """Replace the partition spec; rows that are there keep theirs.

    ``before`` is the spec that is replaced, filled in as ``fields`` are.
    """

    partition: tuple[PartitionField, ...]
    before: tuple[PartitionField, ...] = ()


@dataclass(frozen=True)
class SetOrder(Operation):
    """Replace the table's default sort order."""

    order: tuple[SortField, ...]


@dataclass(frozen=True)
class SetProperties(Operation):
    """Set table properties."""

    properties: Mapping[str, str]


@dataclass(frozen=True)
class UpgradeFormat(Operation):
    """Raise the table's format version."""

    format_version: int


@dataclass(frozen=True)
class CreateRef(Operation):
    """Create a ``branch`` or a ``tag`` called ``name`` at the current snapshot, or at the one marked ``at``."""

    name: str
    type: str
    at: str = ""
    snapshot_id: int | None = None


@dataclass(frozen=True)
class DropRef(Operation):
    """Drop the branch or tag called ``name``."""

    name: str
    type: str


@dataclass(frozen=True)
class Rollback(Operation):
    """Make the snapshot marked ``to`` the current one again; ``snapshot_id`` is filled in when it is known."""

    to: str
    snapshot_id: int | None = None


@dataclass(frozen=True)
class Mark(Operation):
    """Remember the current snapshot as ``name``. Done by the harness, not by an engine."""

    name: str


@dataclass(frozen=True)
class Compact(Operation):
    """Rewrite small data files, with their deletes applied, into large ones."""


@dataclass(frozen=True)
class RewriteManifests(Operation):
    """Rewrite manifests."""


@dataclass(frozen=True)
class ExpireSnapshots(Operation):
    """Expire all snapshots but the current one, and delete the files that only they needed."""


@dataclass(frozen=True)
class RemoveOrphans(Operation):
    """Delete the files below the table's location that no snapshot and no metadata refers to, where they are old."""


@dataclass(frozen=True)
class ComputeStatistics(Operation):
    """Write a Puffin file with the number of distinct values of each column."""


@dataclass(frozen=True)
class CreateView(Operation):
    """Create the view ``name``: ``columns`` of the table's rows that ``where`` holds for."""

    name: str
    columns: tuple[str, ...]
    where: tuple[Condition, ...] = ()


@dataclass(frozen=True)
class Transaction(Operation):
    """Operations on several tables in one transaction: all or nothing."""

    operations: tuple[Operation, ...]


@dataclass(frozen=True)
class Concurrent(Operation):
    """Operations that start together, each in a session of its own, from the same snapshot.

    The reply says of each whether it succeeded; an operation may fail with a conflict, but must not get lost.
    """

    operations: tuple[Operation, ...]


OPERATIONS: dict[str, type[Operation]] = {
    one.__name__: one
    for one in (
        Create, Append, Overwrite, Delete, Update, Merge, EqualityDelete,
        AddColumn, DropColumn, RenameColumn, MoveColumn, ChangeType, MakeOptional, SetDoc,
        SetPartition, SetOrder, SetProperties, UpgradeFormat,
        CreateRef, DropRef, Rollback, Mark,
        Compact, RewriteManifests, ExpireSnapshots, RemoveOrphans, ComputeStatistics,
        CreateView, Transaction, Concurrent,
    )
}  # fmt: skip


@dataclass(frozen=True)
class Read:
    """A read that checks a feature.

    ``columns`` ``None`` means all. At most one of ``at`` (a mark: that snapshot by id), ``at_time`` (a mark: that
    snapshot's time) and ``ref`` is given. ``count`` asks the engine for count(*) of the rows that ``where``
    holds for. ``metadata`` names a metadata table (``snapshots``, ``refs``, ``history``, ``files``) instead of rows.
    ``view`` reads the view of that name instead of the table.
    """

    name: str
    table: str = "t"
    columns: tuple[str, ...] | None = None
    where: tuple[Condition, ...] = ()
    count: bool = False
    at: str = ""
    at_time: str = ""
    ref: str = ""
    metadata: str = ""
    view: str = ""


def to_json(operation: Operation) -> dict[str, Any]:
    """The operation as JSON; :func:`from_json` reads it back."""
    values = {one.name: _plain(getattr(operation, one.name)) for one in dataclasses.fields(operation)}
    if isinstance(operation, ChangeType):
        values["type"] = type_to_json(operation.type)
    return {"op": type(operation).__name__, **values}


def from_json(value: Mapping[str, Any]) -> Operation:
    """The operation that :func:`to_json` wrote.

    Raises:
        KeyError: there is no such operation.
    """
    kind = OPERATIONS[value["op"]]
    readers: dict[str, Any] = {
        "fields": _fields, "columns": _fields if kind is Create else tuple, "column": field_from_json,
        "partition": _partition, "before": _partition,
        "order": lambda fields: tuple(SortField(**one) for one in fields),
        "where": conditions_from_json, "rows": lambda rows: tuple(tuple(row) for row in rows), "key": tuple,
        "operations": lambda operations: tuple(from_json(one) for one in operations),
    }  # fmt: skip
    if kind is ChangeType:
        readers["type"] = type_from_json
    return kind(**{key: readers[key](part) if key in readers else part for key, part in value.items() if key != "op"})


def with_all_rows(operation: Operation) -> Operation:
    """``operation`` with every row that it appends."""
    if isinstance(operation, Append) and operation.times != 1:
        return dataclasses.replace(operation, rows=operation.rows * operation.times, times=1)
    return operation


def _partition(value: Any) -> tuple[PartitionField, ...]:
    return tuple(PartitionField(**one) for one in value)


def _fields(value: Any) -> tuple[Field, ...]:
    return tuple(field_from_json(one) for one in value)


def _plain(value: Any) -> Any:
    if isinstance(value, Operation):
        return to_json(value)
    if isinstance(value, Field):
        return field_to_json(value)
    if isinstance(value, PartitionField | SortField | Condition):
        return dataclasses.asdict(value)
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return dict(value) if isinstance(value, Mapping) else value
