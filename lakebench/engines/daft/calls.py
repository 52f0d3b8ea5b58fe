"""Operations and conditions as calls of Daft's Python API (Daft's documentation: Iceberg)."""

from __future__ import annotations

import functools
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

from lakebench.engines import schemas
from lakebench.engines.boundary import engine_call
from lakebench.engines.inprocess import Call, PythonOperations, create_namespace, drop_table
from lakebench.errors import EngineUnavailable
from lakebench.iceberg import operations as ops
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field, PartitionField, kind, parameters, steps
from lakebench.iceberg.values import arrow_schema, arrow_table
from lakebench.model import Lake

_TRANSFORM = re.compile(r"(\w+)\[(\d+)\]")
_NO_ARROW_TYPE = frozenset({"variant", "geometry", "geography"})
_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


class DaftOperations(PythonOperations):
    """Operations on dataframes and Daft's catalog: create, append, overwrite. There is no call for anything else."""

    operations: ClassVar[frozenset[type[ops.Operation]]] = frozenset(
        {ops.Create, ops.Append, ops.Overwrite, ops.Concurrent}
    )

    _catalog: Any
    _lake: Lake

    def do_create(self, operation: ops.Create, _table: Any, call: Call) -> None:
        """``Catalog.create_table`` with a schema, properties and partition fields.

        Raises:
            EngineUnavailable: the table has something that these cannot express.
        """
        for feature in _inexpressible(operation):
            raise EngineUnavailable(f"Daft has no way to create a table with {feature}")
        from daft import Schema
        from daft.catalog import Catalog, Identifier

        schema = engine_call(Schema.from_pyarrow_schema, arrow_schema(operation.columns))
        version = {} if operation.format_version == 2 else {"format-version": str(operation.format_version)}  # noqa: PLR2004 - its default
        fields = [_partition_field(schema, one) for one in operation.partition]
        create_namespace(self._catalog, self._lake.namespace)
        drop_table(self._catalog, (self._lake.namespace, operation.table))
        call(
            "catalog.create_table",
            engine_call(Catalog.from_iceberg, self._catalog).create_table,
            engine_call(Identifier, self._lake.namespace, operation.table),
            schema,
            properties={**version, **operation.properties},
            partition_fields=fields,
        )

    def do_append(self, operation: ops.Append, table: Any, call: Call) -> None:
        """``write_iceberg`` in the mode append.

        Raises:
            EngineUnavailable: a branch is named.
        """
        if operation.branch:
            raise EngineUnavailable("Daft has no way to append to a branch")
        _write(operation, table, "append", call)

    def do_overwrite(self, operation: ops.Overwrite, table: Any, call: Call) -> None:
        """``write_iceberg`` in the mode overwrite.

        Raises:
            EngineUnavailable: only some partitions are to be overwritten.
        """
        if operation.dynamic:
            raise EngineUnavailable("Daft has no way to overwrite just the partitions that rows fall into")
        _write(operation, table, "overwrite", call)


def _write(operation: ops.Append | ops.Overwrite, table: Any, mode: str, call: Call) -> None:
    from daft import from_arrow

    rows = arrow_table(operation.fields, operation.rows)
    write = engine_call(from_arrow, rows).write_iceberg
    call(f"daft.from_arrow(<{rows.num_rows} rows>).write_iceberg", write, table, mode=mode)


def _inexpressible(operation: ops.Create) -> Iterator[str]:
    """What a schema of Daft's, properties and partition fields cannot express."""
    if operation.order:
        yield "a sort order"
    for column in operation.columns:
        if kind(column.type) in _NO_ARROW_TYPE:
            yield f"a column of the type {column.type}"
    for name, left_out in {"required": "required columns", "doc": "comments", "default": "default values"}.items():
        if any(getattr(column, name) not in {False, "", None} for column in operation.columns):
            yield left_out


def _partition_field(schema: Any, field: PartitionField) -> Any:
    from daft.io.partitioning import PartitionField as Partition
    from daft.io.partitioning import PartitionTransform

    match = _TRANSFORM.fullmatch(field.transform)
    name = f"iceberg_{match[1]}" if match else field.transform
    make = getattr(PartitionTransform, name, None)
    if make is None:
        raise EngineUnavailable(f"Daft has no partition transform {field.transform}")
    source = engine_call(schema.__getitem__, field.source)
    transform = engine_call(make, int(match[2])) if match else engine_call(make)
    return engine_call(Partition.create, source, source, transform)


def filtered(frame: Any, fields: tuple[Field, ...], conditions: tuple[Condition, ...]) -> Any:
    """The lazy ``frame`` with each of ``conditions`` as a filter."""
    for condition in conditions:
        frame = engine_call(frame.where, _expression(fields, condition))
    return frame


def _expression(fields: tuple[Field, ...], condition: Condition) -> Any:
    from daft import DataType, col, lit

    name, *inner = steps(fields, condition.column)
    column = functools.reduce(lambda outer, part: engine_call(outer.__getitem__, part), inner, engine_call(col, name))
    if condition.test in {"is-null", "not-null"}:
        return engine_call(column.is_null if condition.test == "is-null" else column.not_null)
    of = schemas.type_of(fields, condition.column)
    value: Callable[[Any], Any] = functools.partial(schemas.python_value, of)
    if isinstance(of, str) and kind(of) in {"fixed", "uuid"}:
        # Bytes compare with bytes of the same length only, and a UUID with nothing.
        length = engine_call(DataType.fixed_size_binary, int(parameters(of)[0]) if parameters(of) else 16)
        column = engine_call(column.cast, length)
        value = lambda item: engine_call(engine_call(lit, schemas.storage_value(of, item)).cast, length)  # noqa: E731
    if condition.test == "in":
        return engine_call(column.is_in, [value(one) for one in condition.value])
    return engine_call(_COMPARISONS[condition.test], column, value(condition.value))
