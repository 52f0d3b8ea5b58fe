"""Operations and conditions as calls of Polars' Python API (Polars' documentation: sink_iceberg, delete_iceberg)."""

from __future__ import annotations

import functools
import operator
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import urlsplit

from lakebench.engines import schemas
from lakebench.engines.boundary import engine_call
from lakebench.engines.inprocess import Call, PythonOperations, at_bucket, create_namespace, drop_table
from lakebench.errors import EngineUnavailable
from lakebench.iceberg import operations as ops
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field, Struct, steps
from lakebench.iceberg.values import arrow_table
from lakebench.model import Lake

if TYPE_CHECKING:
    import pyarrow as pa

_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


class PolarsOperations(PythonOperations):
    """Operations on frames: append, overwrite, delete, and the changes of the schema that a sink makes for a frame.

    A sink can create a table, but only one without partitions, order and properties, and with a first snapshot. So
    tables are created by PyIceberg's catalog, which a sink takes them from. There is no call for anything else.
    """

    operations: ClassVar[frozenset[type[ops.Operation]]] = frozenset(
        {ops.Create, ops.Append, ops.Overwrite, ops.Delete, ops.AddColumn, ops.ChangeType, ops.Concurrent}
    )

    _catalog: Any
    _lake: Lake

    def operate(self, operation: ops.Operation, tell: Callable[[str], None]) -> list[bool] | None:
        """Carry out ``operation``; that these calls are unstable is no failure."""
        with warnings.catch_warnings(action="ignore"):
            return super().operate(operation, tell)

    def do_create(self, operation: ops.Create, _table: Any, call: Call) -> None:
        """``create_table`` of PyIceberg's catalog."""
        identifier = (self._lake.namespace, operation.table)
        create_namespace(self._catalog, identifier[0])
        drop_table(self._catalog, identifier)
        create = self._catalog.create_table
        call("pyiceberg_catalog.create_table", create, identifier, **schemas.create_arguments(operation))

    def do_append(self, operation: ops.Append, table: Any, call: Call) -> None:
        """``sink_iceberg`` in the mode append.

        Raises:
            EngineUnavailable: a branch is named.
        """
        if operation.branch:
            raise EngineUnavailable("Polars has no way to append to a branch")
        self._sink(_rows(operation), table, call, mode="append")

    def do_overwrite(self, operation: ops.Overwrite, table: Any, call: Call) -> None:
        """``sink_iceberg`` in the mode overwrite, of partitions where that is asked for."""
        some = {"partition_overwrite": "dynamic"} if operation.dynamic else {}
        self._sink(_rows(operation), table, call, mode="overwrite", **some)

    def do_delete(self, operation: ops.Delete, table: Any, call: Call) -> None:
        """``delete_iceberg`` by an expression."""
        from polars import delete_iceberg

        conditions = [expression(operation.fields, one) for one in operation.where]
        predicate = functools.reduce(lambda left, right: engine_call(operator.and_, left, right), conditions)
        call("polars.delete_iceberg", delete_iceberg, table, predicate)

    def do_add_column(self, operation: ops.AddColumn, table: Any, call: Call) -> None:
        """``sink_iceberg`` of no rows that have the column.

        Raises:
            EngineUnavailable: a frame cannot say what kind of column, or where.
        """
        column = operation.column
        if operation.first or operation.after:
            raise EngineUnavailable("Polars has no way to add a column but as the last")
        if column.required or column.doc or column.default is not None:
            raise EngineUnavailable("Polars has no way to add a column that is required, or has a comment or a default")
        self._merge_schema(operation.fields, operation.parent, column, table, call)

    def do_change_type(self, operation: ops.ChangeType, table: Any, call: Call) -> None:
        """``sink_iceberg`` of no rows that have the column with the other type."""
        parent, _, name = operation.path.rpartition(".")
        self._merge_schema(operation.fields, parent, Field(name, operation.type), table, call)

    def _merge_schema(self, fields: tuple[Field, ...], parent: str, column: Field, table: Any, call: Call) -> None:
        while parent:
            if not isinstance(schemas.type_of(fields, parent), Struct):
                raise EngineUnavailable("Polars has no way to change the columns in lists and maps one by one")
            parent, _, name = parent.rpartition(".")
            column = Field(name, Struct((column,)))
        self._sink(arrow_table((column,), ()), table, call, mode="append", schema_mode="merge")

    def _sink(self, rows: pa.Table, table: Any, call: Call, **how: str) -> None:
        from polars import from_arrow

        frame = engine_call(engine_call(from_arrow, rows).lazy)
        sink = functools.partial(frame.sink_iceberg, storage_options=sink_storage(table))
        call(f"polars.from_arrow({_described(rows)}).lazy().sink_iceberg", sink, table, **how)


def sink_storage(table: Any) -> dict[str, str]:
    """The store of ``table`` of PyIceberg, with the keys that the catalog vends; a sink asks the table for none."""
    properties = {key: value for key, value in table.io.properties.items() if key.startswith("s3.")}
    return properties | s3_endpoint(properties, table.location())


def s3_endpoint(properties: Mapping[str, str], address: str) -> dict[str, str]:
    """Where Polars finds the store of ``address``, as it hands PyIceberg's ``properties`` to Rust's object_store."""
    if "s3.endpoint" not in properties:
        return {}
    path_style = properties.get("s3.force-virtual-addressing") != "true"
    return {"s3.endpoint": at_bucket(properties["s3.endpoint"], urlsplit(address).netloc, path_style=path_style)}


def _rows(operation: ops.Append | ops.Overwrite) -> pa.Table:
    return arrow_table(operation.fields, operation.rows)


def _described(rows: pa.Table) -> str:
    """Rows by their number; where there are none, what counts is their type."""
    return f"<{rows.num_rows} rows>" if rows.num_rows else f"<no rows of {', '.join(map(str, rows.schema))}>"


def expression(fields: tuple[Field, ...], condition: Condition) -> Any:
    """``condition`` as a Polars expression."""
    from polars import lit

    column = _column(condition.column, fields)
    if condition.test in {"is-null", "not-null"}:
        return engine_call(column.is_null if condition.test == "is-null" else column.is_not_null)
    of = schemas.type_of(fields, condition.column)
    # Polars has UUIDs as their bytes.
    value = functools.partial(schemas.storage_value if of == "uuid" else schemas.python_value, of)
    if condition.test == "in":
        return engine_call(column.is_in, [value(one) for one in condition.value])
    return engine_call(_COMPARISONS[condition.test], column, engine_call(lit, value(condition.value)))


def _column(path: str, fields: tuple[Field, ...] = ()) -> Any:
    """The column at ``path`` of ``fields``: one whose own name has dots is no path."""
    from polars import col

    name, *inner = steps(fields, path)
    return functools.reduce(lambda outer, part: engine_call(outer.struct.field, part), inner, engine_call(col, name))


def summaries(asked: Iterable[tuple[str, str]]) -> list[Any]:
    """The aggregates ``asked`` for (:attr:`lakebench.iceberg.scan.Scan.summary`) as Polars expressions."""
    return [engine_call(_summary(function, path).alias, f"s{at}") for at, (function, path) in enumerate(asked)]


def _summary(function: str, path: str) -> Any:
    column = _column(path)
    if function == "length":
        return engine_call(engine_call(column.list.len).sum)
    return engine_call(getattr(column, function))
