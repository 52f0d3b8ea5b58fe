"""A table's schema while a program changes it: columns with ids (Iceberg specification, *Schema Evolution*)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from lakebench.errors import HarnessFault
from lakebench.iceberg.operations import (
    AddColumn,
    ChangeType,
    DropColumn,
    MakeOptional,
    MoveColumn,
    Operation,
    RenameColumn,
    SetDoc,
)
from lakebench.iceberg.types import Field, ListOf, MapOf, Struct, Type, children


@dataclass(frozen=True)
class SchemaColumn:
    """A field with its id; ``children`` are a struct's fields, a list's element, a map's key and value.

    ``initial`` is what rows have that were written without it.
    """

    id: int
    declared: Field
    initial: Any = None
    children: tuple[SchemaColumn, ...] = ()

    @property
    def name(self) -> str:
        """Its own name, without those above it."""
        return self.declared.name

    @property
    def type(self) -> Type:
        """Its type, that of a nested one made from ``children``."""
        below = tuple(one.field for one in self.children)
        if isinstance(self.declared.type, ListOf):
            return ListOf(below[0].type, below[0].required)
        if isinstance(self.declared.type, MapOf):
            return MapOf(below[0].type, below[1].type, below[1].required)
        return Struct(below) if isinstance(self.declared.type, Struct) else self.declared.type

    @property
    def field(self) -> Field:
        """The field as it is now."""
        return replace(self.declared, type=self.type)


Schema: TypeAlias = tuple[SchemaColumn, ...]


def created(fields: Iterable[Field], new_id: Callable[[], int]) -> Schema:
    """The schema of a new table."""
    return tuple(_column(one, new_id) for one in fields)


def fields_of(schema: Schema) -> tuple[Field, ...]:
    """The columns as they are now, without ids."""
    return tuple(one.field for one in schema)


def evolved(schema: Schema, operation: Operation, new_id: Callable[[], int]) -> Schema:
    """``schema`` after ``operation``, itself where that changes no column.

    Raises:
        HarnessFault: the operation names a column that is not there.
    """
    if isinstance(operation, AddColumn):
        added = _column(operation.column, new_id, operation.column.default)
        return _below(schema, operation.parent, lambda columns: _placed(columns, added, operation))
    if isinstance(operation, DropColumn):
        return _siblings(
            schema, operation.path, lambda columns, last: tuple(one for one in columns if one.name != last)
        )
    if isinstance(operation, MoveColumn):
        return _siblings(schema, operation.path, lambda columns, last: _moved(columns, last, operation))
    if isinstance(operation, RenameColumn | ChangeType | MakeOptional | SetDoc):
        return _siblings(schema, operation.path, lambda columns, last: _changed(columns, last, operation))
    return schema


def column_at(schema: Schema, path: str) -> SchemaColumn:
    """The column at ``path``, names joined by dots; a column's own name may have dots."""
    exact = [one for one in schema if one.name == path]
    if exact:
        return exact[0]
    name, _, rest = path.partition(".")
    (above,) = (one for one in schema if one.name == name)
    return column_at(above.children, rest)


def _column(field: Field, new_id: Callable[[], int], initial: Any = None) -> SchemaColumn:
    """``field`` with fresh ids: its own before its children's."""
    return SchemaColumn(new_id(), field, initial, tuple(_column(one, new_id) for one in children(field.type)))


def _below(schema: Schema, parent: str, change: Callable[[Schema], Schema]) -> Schema:
    """``schema`` with the columns below ``parent`` changed."""
    if not parent:
        return change(schema)
    name, _, rest = parent.partition(".")
    if name not in {one.name for one in schema}:
        raise HarnessFault(f"the program changes the column {parent}, which is not there")
    return tuple(
        replace(one, children=_below(one.children, rest, change)) if one.name == name else one for one in schema
    )


def _siblings(schema: Schema, path: str, change: Callable[[Schema, str], Schema]) -> Schema:
    """``schema`` with the column at ``path`` and those beside it changed."""
    parent, _, last = path.rpartition(".")
    return _below(schema, parent, lambda columns: change(columns, last))


def _changed(columns: Schema, last: str, operation: RenameColumn | ChangeType | MakeOptional | SetDoc) -> Schema:
    changes = _attributes(operation)
    return tuple(
        replace(one, declared=replace(one.declared, **changes)) if one.name == last else one for one in columns
    )


def _attributes(operation: RenameColumn | ChangeType | MakeOptional | SetDoc) -> dict[str, Any]:
    """The attributes of a field that ``operation`` changes."""
    if isinstance(operation, RenameColumn):
        return {"name": operation.name}
    if isinstance(operation, ChangeType):
        return {"type": operation.type}
    return {"required": False} if isinstance(operation, MakeOptional) else {"doc": operation.doc}


def _moved(columns: Schema, last: str, operation: MoveColumn) -> Schema:
    (moved,) = (one for one in columns if one.name == last)
    return _placed(tuple(one for one in columns if one is not moved), moved, operation)


def _placed(columns: Schema, one: SchemaColumn, operation: AddColumn | MoveColumn) -> Schema:
    names = [each.name for each in columns]
    at = 0 if operation.first else names.index(operation.after) + 1 if operation.after else len(columns)
    return (*columns[:at], one, *columns[at:])
