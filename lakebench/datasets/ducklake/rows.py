"""Programs of the interop matrix that a DuckLake's tables can hold: the same operations, rows and reads."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import replace

from lakebench.datasets.interop.feature import Feature
from lakebench.datasets.interop.features import FEATURES
from lakebench.iceberg import operations as ops
from lakebench.iceberg.types import Field, ListOf, MapOf, PartitionField, Struct, Type, kind

PREFIX = "rows-"
"""Before a feature's id in phase 1."""

_VERSION = 2
"""Features of later format versions are about deletion vectors and types that DuckLake has not."""
_OPERATIONS = (
    ops.Create, ops.Append, ops.Delete, ops.Update, ops.Merge,
    ops.AddColumn, ops.DropColumn, ops.RenameColumn, ops.ChangeType, ops.SetPartition,
)  # fmt: skip
_TYPES = frozenset(
    "boolean int long float double decimal date time timestamp timestamptz string uuid binary".split()  # noqa: SIM905
)
_GROUPS = frozenset(
    {
        "Types", "Schema evolution", "Partitioning and order", "Row-level changes", "Names", "Time zones", "Combined",
    }
)  # fmt: skip
"""The others are about what Iceberg has and DuckLake has not: format versions, snapshots' names, layouts."""
_TRANSFORM = re.compile(r"identity|bucket\[\d+\]|year|month|day|hour")
"""DuckLake's documentation, *Partitioning*."""


@functools.cache
def row_features() -> tuple[Feature, ...]:
    """Those whose operations, types and partitions DuckLake has; their reads are of the table as it is at the end."""
    return tuple(_of_a_ducklake(one) for one in FEATURES if _has_rows(one))


def _of_a_ducklake(feature: Feature) -> Feature:
    now = (one for one in feature.reads if not (one.metadata or one.ref or one.at or one.at_time or one.view))
    return replace(feature, id=f"{PREFIX}{feature.id}", reads=tuple(now))


def _has_rows(feature: Feature) -> bool:
    of_rows = feature.group in _GROUPS and feature.format_version == _VERSION and not feature.by_reference
    return of_rows and all(map(_possible, feature.program))


def _possible(operation: ops.Operation) -> bool:
    return (
        isinstance(operation, _OPERATIONS)
        and not operation.by
        and not getattr(operation, "branch", "")
        and not getattr(operation, "first", False)
        and not getattr(operation, "after", "")
        and all(map(_partitions, getattr(operation, "partition", ())))
        and all(one in _TYPES for of in _types_of(operation) for one in _primitives(of))
    )


def _partitions(field: PartitionField) -> bool:
    return bool(_TRANSFORM.fullmatch(field.transform)) and "." not in field.source


def _types_of(operation: ops.Operation) -> Iterator[Type]:
    columns: tuple[Field, ...] = getattr(operation, "columns", ())
    yield from (one.type for one in columns)
    if isinstance(operation, ops.AddColumn):
        yield operation.column.type
    elif isinstance(operation, ops.ChangeType):
        yield operation.type


def _primitives(of: Type) -> Iterator[str]:
    """The bare names of the primitive types in ``of``."""
    if isinstance(of, Struct):
        for one in of.fields:
            yield from _primitives(one.type)
    elif isinstance(of, ListOf):
        yield from _primitives(of.element)
    elif isinstance(of, MapOf):
        yield from (*_primitives(of.key), *_primitives(of.value))
    else:
        yield kind(of)
