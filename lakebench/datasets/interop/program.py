"""A feature's program made ready for an engine: final table names, the columns at each step, and its words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lakebench.datasets.interop.feature import Feature, Proof
from lakebench.iceberg.operations import (
    AddColumn,
    Append,
    ChangeType,
    Concurrent,
    Create,
    CreateView,
    DropColumn,
    EqualityDelete,
    MakeOptional,
    Mark,
    Merge,
    MoveColumn,
    Operation,
    Overwrite,
    Read,
    RenameColumn,
    SetDoc,
    SetPartition,
    Transaction,
    UpgradeFormat,
)
from lakebench.iceberg.types import Field, ListOf, MapOf, PartitionField, Struct, Type
from lakebench.model import Condition

_SHOWN = 300
_ROW_OPERATIONS = Append | Overwrite | Merge | EqualityDelete


@dataclass(frozen=True)
class Planned:
    """A program with final names. ``fields`` are the columns of each table at its end, and ``marked`` at each mark."""

    operations: tuple[Operation, ...]
    fields: Mapping[str, tuple[Field, ...]]
    marked: Mapping[str, tuple[Field, ...]]
    views: Mapping[str, tuple[Field, ...]]
    format_version: int


@dataclass
class _Tables:
    fields: dict[str, tuple[Field, ...]] = field(default_factory=dict)
    marked: dict[str, tuple[Field, ...]] = field(default_factory=dict)
    views: dict[str, tuple[Field, ...]] = field(default_factory=dict)
    partition: dict[str, tuple[PartitionField, ...]] = field(default_factory=dict)


def planned(feature: Feature, name: Callable[[str], str]) -> Planned:
    """The program of ``feature`` with its tables called ``name(table)``."""
    tables = _Tables()
    version = feature.format_version
    operations = []
    for one in feature.program:
        operations.append(_ready(one, tables, name))
        version = one.format_version if isinstance(one, UpgradeFormat) else version
    return Planned(tuple(operations), tables.fields, tables.marked, tables.views, version)


def _ready(operation: Operation, tables: _Tables, name: Callable[[str], str]) -> Operation:
    """``operation`` with final names and the fields before it; ``tables`` move on."""
    before = tables.fields.get(operation.table, ())
    if isinstance(operation, Concurrent | Transaction):
        parts = tuple(_ready(one, tables, name) for one in operation.operations)
        return replace(operation, table=name(operation.table), fields=before, operations=parts)
    if isinstance(operation, Mark):
        tables.marked[operation.name] = before
    elif isinstance(operation, CreateView):
        tables.views[operation.name] = tuple(one for one in before if one.name in operation.columns)
        operation = replace(operation, name=name(operation.name))
    elif isinstance(operation, SetPartition):
        operation = replace(operation, before=tables.partition[operation.table])
    if isinstance(operation, Create | SetPartition):
        tables.partition[operation.table] = operation.partition
    tables.fields[operation.table] = _after(operation, before)
    return replace(operation, table=name(operation.table), fields=before)


def _after(operation: Operation, before: tuple[Field, ...]) -> tuple[Field, ...]:
    """The columns after ``operation``."""
    if isinstance(operation, Create):
        return operation.columns
    if isinstance(operation, AddColumn):
        return _inside(before, operation.parent, lambda found: _added(found, operation))
    if isinstance(operation, MoveColumn):
        return _siblings(before, operation.path, lambda found, last: _moved(found, last, operation))
    if isinstance(operation, DropColumn):
        return _siblings(before, operation.path, lambda found, last: tuple(one for one in found if one.name != last))
    changes: dict[type[Operation], Callable[[Any, Field], Field]] = {
        RenameColumn: lambda told, one: replace(one, name=told.name),
        ChangeType: lambda told, one: replace(one, type=told.type),
        MakeOptional: lambda _, one: replace(one, required=False),
        SetDoc: lambda told, one: replace(one, doc=told.doc),
    }
    change = changes.get(type(operation))
    if change is None:
        return before
    path: str = getattr(operation, "path")  # noqa: B009 - the four above have it, which their union cannot say
    return _siblings(
        before, path, lambda found, last: tuple(change(operation, one) if one.name == last else one for one in found)
    )


def _siblings(
    fields: tuple[Field, ...], path: str, change: Callable[[tuple[Field, ...], str], tuple[Field, ...]]
) -> tuple[Field, ...]:
    """``fields`` with the fields beside the one at ``path`` changed."""
    parent, _, last = path.rpartition(".")
    return _inside(fields, parent, lambda found: change(found, last))


def _inside(
    fields: tuple[Field, ...], parent: str, change: Callable[[tuple[Field, ...]], tuple[Field, ...]]
) -> tuple[Field, ...]:
    """``fields`` with those below ``parent`` changed."""
    if not parent:
        return change(fields)
    name, _, rest = parent.partition(".")
    return tuple(replace(one, type=_within(one.type, rest, change)) if one.name == name else one for one in fields)


def _within(of: Type, rest: str, change: Callable[[tuple[Field, ...]], tuple[Field, ...]]) -> Type:
    if isinstance(of, Struct):
        return Struct(_inside(of.fields, rest, change))
    if isinstance(of, ListOf):
        (element,) = _inside((Field("element", of.element, of.required),), rest, change)
        return ListOf(element.type, element.required)
    if isinstance(of, MapOf):
        key, value = _inside((Field("key", of.key, required=True), Field("value", of.value, of.required)), rest, change)
        return MapOf(key.type, value.type, value.required)
    raise KeyError(f"{of} has no fields")


def _added(found: tuple[Field, ...], operation: AddColumn) -> tuple[Field, ...]:
    return _placed(found, operation.column, first=operation.first, after=operation.after)


def _moved(found: tuple[Field, ...], last: str, operation: MoveColumn) -> tuple[Field, ...]:
    (moved,) = (one for one in found if one.name == last)
    rest = tuple(one for one in found if one.name != last)
    return _placed(rest, moved, first=operation.first, after=operation.after)


def _placed(found: tuple[Field, ...], one: Field, *, first: bool, after: str) -> tuple[Field, ...]:
    names = [each.name for each in found]
    at = 0 if first else names.index(after) + 1 if after else len(found)
    return (*found[:at], one, *found[at:])


def readable(feature: Feature, read: Read, plan: Planned) -> tuple[Field, ...]:
    """The columns that ``read`` may ask for: those of its snapshot, its view or its table's end."""
    if read.view:
        return plan.views[read.view]
    mark = read.at or read.at_time
    if not mark and read.ref:
        mark = next(
            (one.at for one in feature.program if getattr(one, "name", "") == read.ref and hasattr(one, "at")), ""
        )
    return plan.marked[mark] if mark else plan.fields[read.table]


def in_words(operation: Operation) -> str:
    """One line that says what ``operation`` does, without any engine's syntax."""
    words = {
        one: _told(value)
        for one, value in vars(operation).items()
        if one not in {"fields", "table", "by", "rows"} and value not in ("", (), None, False, {})
    }
    rows = getattr(operation, "rows", ())
    if isinstance(operation, _ROW_OPERATIONS):
        words["rows"] = json.dumps(rows, ensure_ascii=False)
    parts = "; ".join(f"{key} {value}" for key, value in words.items())
    text = (
        f"{type(operation).__name__} {operation.table}: {parts}"
        if parts
        else f"{type(operation).__name__} {operation.table}"
    )
    text = f"{text} (by another engine)" if operation.by else text
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def read_in_words(read: Read) -> str:
    """One line that says what is read."""
    if read.metadata:
        return f"{read.name}: {', '.join(read.columns or ())} of the metadata table {read.metadata}"
    what = "count(*)" if read.count else ", ".join(read.columns) if read.columns else "all columns"
    where = f" where {_told(read.where)}" if read.where else ""
    at = [
        f" at {key} {value}"
        for key, value in (("snapshot", read.at), ("time of", read.at_time), ("ref", read.ref))
        if value
    ]
    return f"{read.name}: {what} of {read.view or read.table}{where}{''.join(at)}"


def proof_in_words(proof: Proof) -> str:
    """One line that says what the inspector must find."""
    return f"{proof.fact} {proof.test} {json.dumps(proof.value, ensure_ascii=False)}"


def _told(value: Any) -> str:
    """A part of an operation for people."""
    if isinstance(value, Operation):
        return in_words(value)
    if isinstance(value, Field):
        default = f" default {json.dumps(value.default)}" if value.default is not None else ""
        return f"{value.name} {_type(value.type)}{' required' if value.required else ''}{default}"
    if isinstance(value, Condition):
        shown = "" if value.value is None else f" {json.dumps(value.value, ensure_ascii=False)}"
        return f"{value.column} {value.test}{shown}"
    if hasattr(value, "source"):
        order = f" {value.direction} {value.nulls}" if hasattr(value, "direction") else ""
        return f"{value.transform}({value.source}){order}"
    if isinstance(value, tuple):
        return _joined(value)
    return json.dumps(dict(value), ensure_ascii=False) if isinstance(value, Mapping) else str(value)


def _joined(values: Iterable[Any]) -> str:
    return f"({', '.join(_told(one) for one in values)})"


def _type(of: Type) -> str:
    if isinstance(of, Struct):
        return f"struct<{', '.join(_told(one) for one in of.fields)}>"
    if isinstance(of, ListOf):
        return f"list<{_type(of.element)}>"
    return f"map<{_type(of.key)}, {_type(of.value)}>" if isinstance(of, MapOf) else of
