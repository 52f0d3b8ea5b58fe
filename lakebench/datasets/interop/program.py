"""A feature's program made ready for an engine: final table names, the columns at each step, and in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from lakebench.datasets.interop.feature import Feature, Proof
from lakebench.datasets.interop.schema import Schema, created, evolved, fields_of
from lakebench.iceberg.operations import (
    Append,
    Concurrent,
    Create,
    CreateView,
    EqualityDelete,
    Mark,
    Merge,
    Operation,
    Overwrite,
    Read,
    SetPartition,
    Transaction,
    UpgradeFormat,
)
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field, ListOf, MapOf, PartitionField, Struct, Type

_SHOWN = 300
_UNSAID: tuple[Any, ...] = ("", (), None, False, {})
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
    schemas: dict[str, Schema] = field(default_factory=dict)
    marked: dict[str, tuple[Field, ...]] = field(default_factory=dict)
    views: dict[str, tuple[Field, ...]] = field(default_factory=dict)
    partition: dict[str, tuple[PartitionField, ...]] = field(default_factory=dict)


def planned(feature: Feature, name: Callable[[str], str]) -> Planned:
    """The program of ``feature`` with its tables called ``name(table)``."""
    tables = _Tables()
    version = feature.format_version
    operations = []
    for one in feature.program:
        keyed = replace(one, key=_key(feature.program, one.table)) if isinstance(one, Create) else one
        operations.append(_ready(keyed, tables, name))
        version = one.format_version if isinstance(one, UpgradeFormat) else version
    fields = {table: fields_of(schema) for table, schema in tables.schemas.items()}
    return Planned(tuple(operations), fields, tables.marked, tables.views, version)


def _key(program: Iterable[Operation], table: str) -> tuple[str, ...]:
    """The columns by which the first step that deletes or replaces rows of ``table`` by a key does so."""
    steps = (one for one in program if one.table == table)
    return next((one.key for one in steps if isinstance(one, EqualityDelete | Merge)), ())


def _ready(operation: Operation, tables: _Tables, name: Callable[[str], str]) -> Operation:
    """``operation`` with final names and the fields before it; ``tables`` move on."""
    schema = tables.schemas.get(operation.table, ())
    before = fields_of(schema)
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
    tables.schemas[operation.table] = (
        created(operation.columns, _no_id) if isinstance(operation, Create) else evolved(schema, operation, _no_id)
    )
    return replace(operation, table=name(operation.table), fields=before)


def _no_id() -> int:
    """Columns are identified by their names here."""
    return 0


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
        one: _value_in_words(value)
        for one, value in vars(operation).items()
        if one not in {"fields", "table", "by", "rows"} and value not in _UNSAID and (one, value) != ("times", 1)
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
    where = f" where {_value_in_words(read.where)}" if read.where else ""
    at = [
        f" at {key} {value}"
        for key, value in (("snapshot", read.at), ("time of", read.at_time), ("ref", read.ref))
        if value
    ]
    return f"{read.name}: {what} of {read.view or read.table}{where}{''.join(at)}"


def proof_in_words(proof: Proof) -> str:
    """One line that says what the inspector must find."""
    return f"{proof.fact} {proof.test} {json.dumps(proof.value, ensure_ascii=False)}"


def _value_in_words(value: Any) -> str:
    """A part of an operation in words."""
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
    return f"({', '.join(_value_in_words(one) for one in values)})"


def _type(of: Type) -> str:
    if isinstance(of, Struct):
        return f"struct<{', '.join(_value_in_words(one) for one in of.fields)}>"
    if isinstance(of, ListOf):
        return f"list<{_type(of.element)}>"
    return f"map<{_type(of.key)}, {_type(of.value)}>" if isinstance(of, MapOf) else of
