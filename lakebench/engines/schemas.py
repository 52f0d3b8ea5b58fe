"""Neutral fields, partitions, orders and conditions as PyIceberg's objects, for the engines that PyIceberg serves.

PyIceberg is imported inside functions only; it refuses types and columns that it does not have itself.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from lakebench.engines.boundary import engine_call
from lakebench.errors import EngineUnavailable
from lakebench.iceberg.operations import Create
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field, ListOf, MapOf, PartitionField, SortField, Struct, Type, find, kind
from lakebench.iceberg.values import arrow_array, storage

_FIRST_PARTITION_ID = 1000
_NANOSECONDS = frozenset({"timestamp_ns", "timestamptz_ns"})


def create_arguments(operation: Create) -> dict[str, Any]:
    """The arguments of ``create_table`` of a PyIceberg catalog beside the identifier."""
    columns = schema(operation.columns)
    return {
        "schema": columns,
        "partition_spec": partition_spec(columns, operation.partition),
        "sort_order": sort_order(columns, operation.order),
        "properties": {"format-version": str(operation.format_version), **operation.properties},
    }


def schema(fields: Sequence[Field]) -> Any:
    """A ``Schema``; its ids are new, and the catalog gives others."""
    from pyiceberg.schema import Schema

    ids = itertools.count(1)
    return engine_call(Schema, *(_field(one, ids) for one in fields))


def typed(of: Type) -> Any:
    """An ``IcebergType``."""
    return _type(of, itertools.count(1))


def _field(field: Field, ids: Iterator[int]) -> Any:
    from pyiceberg.types import NestedField

    return engine_call(
        NestedField,
        next(ids),
        field.name,
        _type(field.type, ids),
        required=field.required,
        doc=field.doc or None,
        write_default=None if field.default is None else python_value(field.type, field.default),
    )


def _type(of: Type, ids: Iterator[int]) -> Any:
    from pyiceberg.types import ListType, MapType, NestedField, StructType

    if isinstance(of, Struct):
        return engine_call(StructType, *(_field(one, ids) for one in of.fields))
    if isinstance(of, ListOf):
        return engine_call(ListType, next(ids), _type(of.element, ids), element_required=of.required)
    if isinstance(of, MapOf):
        key, value = (next(ids), _type(of.key, ids)), (next(ids), _type(of.value, ids))
        return engine_call(MapType, *key, *value, value_required=of.required)
    return engine_call(NestedField, 0, "of", of).field_type  # it reads a type's name


def partition_spec(columns: Any, fields: Sequence[PartitionField]) -> Any:
    """A ``PartitionSpec`` on ``columns``, a ``Schema``."""
    from pyiceberg.partitioning import PartitionField as Partition
    from pyiceberg.partitioning import PartitionSpec

    spec_fields = [
        engine_call(Partition, field_id(columns, one.source), _FIRST_PARTITION_ID + n, one.transform, name(one))
        for n, one in enumerate(fields)
    ]
    return engine_call(PartitionSpec, *spec_fields)


def field_id(columns: Any, path: str) -> int:
    """The id of the column at ``path`` of ``columns``, a ``Schema``."""
    number: int = engine_call(columns.find_field, path).field_id
    return number


def name(field: PartitionField) -> str:
    """The name that Iceberg's Java library gives a partition field."""
    bare = field.transform.partition("[")[0]
    suffix = {"identity": "", "truncate": "_trunc", "void": "_null"}.get(bare, f"_{bare}")
    return f"{field.source}{suffix}"


def sort_order(columns: Any, fields: Sequence[SortField]) -> Any:
    """A ``SortOrder`` on ``columns``, a ``Schema``."""
    from pyiceberg.table.sorting import UNSORTED_SORT_ORDER, NullOrder, SortDirection, SortOrder
    from pyiceberg.table.sorting import SortField as Sort

    if not fields:
        return UNSORTED_SORT_ORDER
    sort_fields = [
        engine_call(
            Sort,
            field_id(columns, one.source),
            transform(one.transform),
            engine_call(SortDirection, one.direction),
            engine_call(NullOrder, one.nulls),
        )
        for one in fields
    ]
    return engine_call(SortOrder, *sort_fields)


def transform(text: str) -> Any:
    """A ``Transform``."""
    from pyiceberg.transforms import parse_transform

    return engine_call(parse_transform, text)


def expression(fields: Sequence[Field], conditions: Sequence[Condition]) -> Any:
    """A ``BooleanExpression``: what all of ``conditions`` hold for."""
    from pyiceberg.expressions import AlwaysTrue, And

    terms = [_condition(fields, one) for one in conditions] or [engine_call(AlwaysTrue)]
    return functools.reduce(lambda left, right: engine_call(And, left, right), terms)


def _condition(fields: Sequence[Field], condition: Condition) -> Any:
    from pyiceberg import expressions

    if condition.test in {"is-null", "not-null"}:
        return engine_call(expressions.IsNull if condition.test == "is-null" else expressions.NotNull, condition.column)
    of = type_of(fields, condition.column)
    if condition.test == "in":
        return engine_call(expressions.In, condition.column, [_literal(of, one) for one in condition.value])
    comparison = {
        "=": expressions.EqualTo,
        "!=": expressions.NotEqualTo,
        "<": expressions.LessThan,
        "<=": expressions.LessThanOrEqual,
        ">": expressions.GreaterThan,
        ">=": expressions.GreaterThanOrEqual,
    }[condition.test]
    return engine_call(comparison, condition.column, _literal(of, condition.value))


def _literal(of: Type | None, value: Any) -> Any:
    """What PyIceberg makes a literal of: it reads text as the column's type, except bytes and floating point."""
    if isinstance(of, str) and kind(of) in {"float", "double", "fixed", "binary"}:
        return python_value(of, value)
    return value


def type_of(fields: Sequence[Field], path: str) -> Type | None:
    """The type of the column at ``path``, ``None`` where ``fields`` do not have it."""
    try:
        return find(fields, path).type
    except KeyError:
        return None


def python_value(of: Type | None, value: Any) -> Any:
    """``value`` as Python has it: a date, a Decimal, bytes; as it is where its type is not known.

    Raises:
        EngineUnavailable: it has nanoseconds, and the environment has no pandas, whose type they need.
    """
    if of is None:
        return value
    if of in _NANOSECONDS and importlib.util.find_spec("pandas") is None:
        raise EngineUnavailable("Python's own types have no nanoseconds, and there is no pandas in this environment")
    return arrow_array(of, [value])[0].as_py()


def storage_value(of: Type | None, value: Any) -> Any:
    """``value`` as Arrow stores it: the bytes of a UUID, whole numbers for dates and times."""
    return value if of is None else storage(of, value)
