"""The oracle: a feature's program in plain Python, by no engine under test.

Rows are kept by field id, as files are: a name that is dropped and added again is another column, a renamed one is the
same, and a column that a row was written without is its *initial-default* (Iceberg specification, *Column Projection*).
"""

from __future__ import annotations

import math
import operator
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from lakebench.datasets.interop.schema import Schema, SchemaColumn, column_at, created, evolved, fields_of
from lakebench.errors import HarnessFault
from lakebench.iceberg import values
from lakebench.iceberg.operations import (
    AddColumn,
    Append,
    ChangeType,
    Compact,
    ComputeStatistics,
    Concurrent,
    Create,
    CreateRef,
    CreateView,
    Delete,
    DropColumn,
    DropRef,
    EqualityDelete,
    ExpireSnapshots,
    MakeOptional,
    Mark,
    Merge,
    MoveColumn,
    Operation,
    Overwrite,
    Read,
    RemoveOrphans,
    RenameColumn,
    RewriteManifests,
    Rollback,
    Row,
    SetDoc,
    SetOrder,
    SetPartition,
    SetProperties,
    Transaction,
    Update,
    UpgradeFormat,
)
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field, ListOf, MapOf, PartitionField, Struct, Type, find, kind

if TYPE_CHECKING:
    import pyarrow as pa

COUNT = {b"lakebench": b"count"}
"""Metadata of an expected answer whose one column may have any name."""

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_INCOMPARABLE = {"struct", "list", "map", "variant", "geometry", "geography", "unknown"}
_ON_COLUMNS = (AddColumn, ChangeType, DropColumn, MakeOptional, MoveColumn, RenameColumn, SetDoc)
# What changes neither rows nor columns.
_STILL = (ComputeStatistics, ExpireSnapshots, RemoveOrphans, RewriteManifests, SetOrder, SetProperties, UpgradeFormat)


@dataclass(frozen=True)
class _Stored:
    """A row: values by field id, and the partition spec (source ids with transforms) that it was written by."""

    values: Mapping[int, Any]
    spec: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class _Snapshot:
    rows: tuple[_Stored, ...]
    schema: Schema


@dataclass(frozen=True)
class _View:
    table: str
    columns: tuple[str, ...]
    where: tuple[Condition, ...]


@dataclass
class _Table:
    """A table; ``current`` is ``None`` before the first commit. ``ever`` are the rows that any commit held."""

    schema: Schema
    spec: tuple[tuple[int, str], ...] = ()
    last_id: int = 0
    current: _Snapshot | None = None
    refs: dict[str, tuple[str, _Snapshot | None]] = field(default_factory=dict)
    marks: dict[str, _Snapshot] = field(default_factory=dict)
    ever: list[_Stored] = field(default_factory=list)

    def rows(self, branch: str = "") -> tuple[_Stored, ...]:
        snapshot = self.refs[branch][1] if branch else self.current
        return snapshot.rows if snapshot else ()

    def commit(self, rows: Iterable[_Stored], branch: str = "") -> None:
        snapshot = _Snapshot(tuple(rows), self.schema)
        before = {id(one) for one in self.rows(branch)}
        self.ever += [one for key, one in _once(snapshot.rows).items() if key not in before]
        if branch:
            self.refs[branch] = (self.refs[branch][0], snapshot)
        else:
            self.current = snapshot

    def new_id(self) -> int:
        self.last_id += 1
        return self.last_id

    def stored(self, row: Row, columns: Sequence[SchemaColumn] | None = None) -> _Stored:
        pairs = zip(self.schema if columns is None else columns, row, strict=True)
        return _Stored({one.id: _store(one, value) for one, value in pairs}, self.spec)

    def set_partition(self, partition: Iterable[PartitionField]) -> None:
        self.spec = tuple((column_at(self.schema, one.source).id, one.transform) for one in partition)


class Oracle:
    """The tables and views that a program leaves behind."""

    def __init__(self, program: Iterable[Operation], succeeded: Sequence[Sequence[bool]] = ()) -> None:
        """Run ``program``; ``succeeded`` says of each concurrent operation, in order, which of its parts count."""
        self._tables: dict[str, _Table] = {}
        self._views: dict[str, _View] = {}
        self._succeeded = iter(succeeded)
        for one in program:
            self._run(one)

    def answer(self, read: Read) -> pa.Table:
        """The rows that ``read`` asks for; of a count, one row with one integer."""
        import pyarrow as pa

        fields, rows = self._source(read)
        matching = [row for row in rows if _holds(read.where, fields, row)]
        if read.count:
            return pa.table({"count": pa.array([len(matching)], pa.int64())}).replace_schema_metadata(COUNT)
        wanted = [find(fields, name) for name in read.columns] if read.columns is not None else fields
        return values.arrow_table(wanted, [tuple(row[one.name] for one in wanted) for row in matching])

    def ever(self, table: str) -> tuple[tuple[Field, ...], list[dict[str, Any]]]:
        """The columns of ``table``, and in these every row that it ever had, of whatever branch."""
        held = self._tables[table]
        return _seen(held.schema, held.ever)

    def each_answer(self, reads: Sequence[Read]) -> pa.Table:
        """The answers to ``reads``, which all ask for the same columns, below one another; ``n`` says which."""
        import pyarrow as pa

        return pa.concat_tables(values.with_number(n, self.answer(one)) for n, one in enumerate(reads))

    def _source(self, read: Read) -> tuple[tuple[Field, ...], list[dict[str, Any]]]:
        view = self._views.get(read.view) if read.view else None
        if view is None:
            return _seen(*self._at(self._tables[read.table], read))
        table = self._tables[view.table]
        fields, rows = _seen(table.schema, table.rows())
        shown = tuple(find(fields, name) for name in view.columns)
        return shown, [row for row in rows if _holds(view.where, fields, row)]

    @staticmethod
    def _at(table: _Table, read: Read) -> tuple[Schema, tuple[_Stored, ...]]:
        """The schema and rows of the snapshot that is read; a branch is read by the table's schema, a tag is not."""
        mark = read.at or read.at_time
        if mark:
            return table.marks[mark].schema, table.marks[mark].rows
        if read.ref and read.ref != "main":
            reference, snapshot = table.refs[read.ref]
            schema = snapshot.schema if snapshot and reference == "tag" else table.schema
            return schema, table.rows(read.ref)
        return table.schema, table.rows()

    def _run(self, operation: Operation) -> None:
        if isinstance(operation, Concurrent):
            self._concurrent(operation)
        elif isinstance(operation, Transaction):
            for one in operation.operations:
                self._run(one)
        elif isinstance(operation, Create):
            table = self._tables[operation.table] = _Table(())
            table.schema = created(operation.columns, table.new_id)
            table.set_partition(operation.partition)
        elif isinstance(operation, CreateView):
            self._views[operation.name] = _View(operation.table, operation.columns, operation.where)
        elif isinstance(operation, _ON_COLUMNS):
            table = self._tables[operation.table]
            table.schema = evolved(table.schema, operation, table.new_id)
        elif not isinstance(operation, _STILL):
            _OPERATIONS[type(operation)](self._tables[operation.table], operation)

    def _concurrent(self, operation: Concurrent) -> None:
        succeeded = next(self._succeeded, None)
        if succeeded is None or len(succeeded) != len(operation.operations):
            raise HarnessFault("the oracle does not know which parts of a concurrent operation succeeded")
        for one, done in zip(operation.operations, succeeded, strict=True):
            if done:
                self._run(one)


# Values.


def _store(column: SchemaColumn, value: Any) -> Any:
    """``value`` as a file of the column's type keeps it, struct fields by id."""
    if value is None:
        return None
    if isinstance(column.type, Struct):
        return {one.id: _store(one, value.get(one.name)) for one in column.children}
    if isinstance(column.type, ListOf):
        return [_store(column.children[0], one) for one in value]
    if isinstance(column.type, MapOf):
        key, item = column.children
        return [(_store(key, one), _store(item, other)) for one, other in _pairs(value)]
    return _single(value) if column.type == "float" else value


def _pairs(value: Mapping[str, Sequence[Any]]) -> Iterator[tuple[Any, Any]]:
    return zip(value["keys"], value["values"], strict=True)


def _single(value: Any) -> Any:
    """``value`` in single precision, which it keeps when the column becomes a double."""
    return value if isinstance(value, str) else struct.unpack("<f", struct.pack("<f", value))[0]


def _load(column: SchemaColumn, value: Any) -> Any:
    """The stored ``value`` as the column shows it now."""
    if value is None:
        return None
    if isinstance(column.type, Struct):
        return {one.name: _load(one, value[one.id]) if one.id in value else one.initial for one in column.children}
    if isinstance(column.type, ListOf):
        return [_load(column.children[0], one) for one in value]
    if isinstance(column.type, MapOf):
        key, item = column.children
        return {"keys": [_load(key, one) for one, _ in value], "values": [_load(item, other) for _, other in value]}
    if kind(column.type) in {"timestamp", "timestamp_ns"} and "T" not in value:
        return f"{value}T00:00:00"  # a date that was promoted
    return value


def _seen(schema: Schema, rows: Iterable[_Stored]) -> tuple[tuple[Field, ...], list[dict[str, Any]]]:
    """Fields, and rows by their names. A row that is there many times is made once."""
    every = tuple(rows)
    shown = {key: _shown(schema, row) for key, row in _once(every).items()}
    return fields_of(schema), [shown[id(row)] for row in every]


def _once(rows: Iterable[_Stored]) -> dict[int, _Stored]:
    """``rows``, of which one may be there many times, by what tells them apart."""
    return {id(one): one for one in rows}


def _shown(schema: Schema, row: _Stored) -> dict[str, Any]:
    return {one.name: _load(one, row.values[one.id]) if one.id in row.values else one.initial for one in schema}


# Conditions.


def _holds(where: Iterable[Condition], fields: Sequence[Field], row: Mapping[str, Any]) -> bool:
    """Whether all of ``where`` hold; a condition that is unknown in SQL does not hold."""
    return all(_holds_one(one, fields, row) for one in where)


def _holds_one(condition: Condition, fields: Sequence[Field], row: Mapping[str, Any]) -> bool:
    value = _value_at(row, condition.column)
    if condition.test == "is-null":
        return value is None
    if condition.test == "not-null":
        return value is not None
    of = find(fields, condition.column).type
    if kind(of) in _INCOMPARABLE:
        raise HarnessFault(f"the oracle does not compare values of the type {kind(of)}")
    if value is None:
        return False
    left = comparable(of, value)
    if condition.test == "in":
        return any(left == comparable(of, one) for one in condition.value if one is not None)
    return condition.value is not None and _COMPARE[condition.test](left, comparable(of, condition.value))


def _value_at(row: Mapping[str, Any], path: str) -> Any:
    """The value at ``path``; a field of a null struct is null. A column's own name may have dots."""
    if path in row:
        return row[path]
    name, _, rest = path.partition(".")
    inside = row[name]
    return None if inside is None else _value_at(inside, rest)


def comparable(of: Type, value: Any) -> Any:
    """``value`` as something with the order of its type; NaN is larger than all other numbers, and equal to itself."""
    stored = values.storage(of, value)
    if isinstance(stored, float):
        return (1, 0.0) if math.isnan(stored) else (0, stored)
    return stored


# Rows.


def _append(table: _Table, operation: Append) -> None:
    added = [table.stored(row) for row in operation.rows] * operation.times
    table.commit((*table.rows(operation.branch), *added), operation.branch)


def _overwrite(table: _Table, operation: Overwrite) -> None:
    added = tuple(table.stored(row) for row in operation.rows)
    replaced = {_partition(row) for row in added} if operation.dynamic else None
    kept = (row for row in table.rows() if replaced is not None and _partition(row) not in replaced)
    table.commit((*kept, *added))


def _partition(row: _Stored) -> tuple[Any, ...]:
    """The spec and the partition values of ``row``."""
    unknown = [transform for _, transform in row.spec if transform != "identity"]
    if unknown:
        raise HarnessFault(f"the oracle does not know the partition transform {unknown[0]}")
    return (row.spec, *(_identity(row.values.get(source)) for source, _ in row.spec))


def _identity(value: Any) -> Any:
    """``value`` so that equal ones are one value: text and numbers are, true and 1 are not."""
    return (type(value).__name__, value) if isinstance(value, bool) else value


def _delete(table: _Table, operation: Delete) -> None:
    gone = {key for key, row in _once(table.rows()).items() if _matches(table, row, operation.where)}
    table.commit(row for row in table.rows() if id(row) not in gone)


def _matches(table: _Table, row: _Stored, where: Iterable[Condition]) -> bool:
    return _holds(where, fields_of(table.schema), _shown(table.schema, row))


def _update(table: _Table, operation: Update) -> None:
    table.commit(
        _updated(table, row, operation) if _matches(table, row, operation.where) else row for row in table.rows()
    )


def _updated(table: _Table, row: _Stored, operation: Update) -> _Stored:
    shown = _shown(table.schema, row)
    new = {**operation.values, **{name: _sum(shown[name], step) for name, step in operation.add.items()}}
    return table.stored(tuple({**shown, **new}[one.name] for one in table.schema))


def _sum(value: Any, step: int) -> Any:
    if value is None:
        return None
    return str(Decimal(value) + step) if isinstance(value, str) else value + step


def _merge(table: _Table, operation: Merge) -> None:
    """Null keys match nothing, as SQL says."""
    keys = [column_at(table.schema, name) for name in operation.key]
    new = [table.stored(row) for row in operation.rows]
    taken = {_key(keys, row) for row in new if None not in _key(keys, row)}
    table.commit((*(row for row in table.rows() if _key(keys, row) not in taken), *new))


def _key(columns: Sequence[SchemaColumn], row: _Stored) -> tuple[Any, ...]:
    """The values of ``columns``, hashable; what has more than one form (``1.50`` and ``1.5``) is one value."""
    shown = ((one, row.values.get(one.id, one.initial)) for one in columns)
    return tuple(None if value is None else _identity(comparable(one.type, _load(one, value))) for one, value in shown)


def _equality_delete(table: _Table, operation: EqualityDelete) -> None:
    """Null equals null. Rows of another partition or another spec stay, but an unpartitioned delete is global."""
    columns = [column_at(table.schema, name) for name in operation.columns or operation.key]
    keys = [column_at(table.schema, name) for name in operation.key]
    gone = {
        (_where(table.spec, row), _key(keys, row)) for row in (table.stored(one, columns) for one in operation.rows)
    }
    table.commit(row for row in table.rows() if (_where(table.spec, row), _key(keys, row)) not in gone)


def _where(spec: tuple[tuple[int, str], ...], row: _Stored) -> tuple[Any, ...]:
    return _partition(row) if spec else ()


def _compact(table: _Table, _: Compact) -> None:
    """Keep the rows; their files now have the current spec."""
    if table.current:
        table.commit(replace(row, spec=table.spec) for row in table.rows())


# References.


def _mark(table: _Table, operation: Mark) -> None:
    table.marks[operation.name] = table.current or _Snapshot((), table.schema)


def _create_ref(table: _Table, operation: CreateRef) -> None:
    table.refs[operation.name] = (operation.type, table.marks[operation.at] if operation.at else table.current)


def _drop_ref(table: _Table, operation: DropRef) -> None:
    del table.refs[operation.name]


def _rollback(table: _Table, operation: Rollback) -> None:
    table.current = table.marks[operation.to]


_OPERATIONS: dict[type[Operation], Callable[[_Table, Any], None]] = {
    SetPartition: lambda table, operation: table.set_partition(operation.partition),
    Append: _append,
    Overwrite: _overwrite,
    Delete: _delete,
    Update: _update,
    Merge: _merge,
    EqualityDelete: _equality_delete,
    Compact: _compact,
    Mark: _mark,
    CreateRef: _create_ref,
    DropRef: _drop_ref,
    Rollback: _rollback,
}
