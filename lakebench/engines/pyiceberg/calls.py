"""Operations as calls of PyIceberg's Python API (PyIceberg's documentation: Python API)."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, ClassVar

from lakebench.engines import schemas
from lakebench.engines.boundary import engine_call
from lakebench.engines.inprocess import Call, PythonOperations, create_namespace, drop_table
from lakebench.engines.sql import SqlDialect
from lakebench.errors import Refused
from lakebench.iceberg import operations as ops
from lakebench.iceberg.values import arrow_table

_DIALECTS = ("spark", "trino")


class PyIcebergOperations(PythonOperations):
    """Operations on PyIceberg's tables.

    There is no call to update rows in place, to write equality deletes, to rewrite files or manifests, to compute
    statistics, or to commit to several tables at once. Concurrent parts run one after the other, on tables that were
    loaded before the first.
    """

    threads: ClassVar[bool] = False
    operations: ClassVar[frozenset[type[ops.Operation]]] = frozenset(
        {
            ops.Create, ops.Append, ops.Overwrite, ops.Delete, ops.Merge,
            ops.AddColumn, ops.DropColumn, ops.RenameColumn, ops.MoveColumn, ops.ChangeType, ops.MakeOptional,
            ops.SetDoc, ops.SetPartition, ops.SetOrder, ops.SetProperties, ops.UpgradeFormat,
            ops.CreateRef, ops.DropRef, ops.Rollback, ops.ExpireSnapshots, ops.CreateView, ops.Concurrent,
        }
    )  # fmt: skip

    _catalog: Any

    @abstractmethod
    def _identifier(self, table: str) -> tuple[str, str]:
        """The table's name with its namespace."""

    def operate(self, operation: ops.Operation, tell: Callable[[str], None]) -> list[bool] | None:
        """Carry out ``operation``; what PyIceberg warns of (it copies on write, always) is no failure."""
        with warnings.catch_warnings(action="ignore"):
            return super().operate(operation, tell)

    def do_create(self, operation: ops.Create, _table: Any, call: Call) -> None:
        """Create the table and its namespace; a table of this name is replaced."""
        identifier = self._identifier(operation.table)
        create_namespace(self._catalog, identifier[0])
        drop_table(self._catalog, identifier)
        call("catalog.create_table", self._catalog.create_table, identifier, **schemas.create_arguments(operation))

    def do_append(self, operation: ops.Append, table: Any, call: Call) -> None:
        """``append``, to a branch too."""
        branch = {"branch": operation.branch} if operation.branch else {}
        call("table.append", table.append, rows_of(operation), **branch)

    def do_overwrite(self, operation: ops.Overwrite, table: Any, call: Call) -> None:
        """``overwrite`` or ``dynamic_partition_overwrite``."""
        name = "dynamic_partition_overwrite" if operation.dynamic else "overwrite"
        call(f"table.{name}", getattr(table, name), rows_of(operation))

    def do_delete(self, operation: ops.Delete, table: Any, call: Call) -> None:
        """``delete`` by an expression."""
        call("table.delete", table.delete, schemas.expression(operation.fields, operation.where))

    def do_merge(self, operation: ops.Merge, table: Any, call: Call) -> None:
        """``upsert``."""
        call("table.upsert", table.upsert, rows_of(operation), join_cols=list(operation.key))

    def do_add_column(self, operation: ops.AddColumn, table: Any, call: Call) -> None:
        """``add_column``, and a move to its position."""
        column = operation.column
        parents = tuple(operation.parent.split(".")) if operation.parent else ()
        default = None if column.default is None else schemas.python_value(column.type, column.default)
        with engine_call.entered(table.update_schema) as update:
            call(
                "table.update_schema().add_column",
                update.add_column,
                (*parents, column.name),
                schemas.typed(column.type),
                doc=column.doc or None,
                required=column.required,
                default_value=default,
            )
            path = ".".join((*parents, column.name))
            _move(update, path, first=operation.first, after=operation.after, call=call)

    def do_drop_column(self, operation: ops.DropColumn, table: Any, call: Call) -> None:
        """``delete_column``."""
        with engine_call.entered(table.update_schema) as update:
            call("table.update_schema().delete_column", update.delete_column, operation.path)

    def do_rename_column(self, operation: ops.RenameColumn, table: Any, call: Call) -> None:
        """``rename_column``."""
        with engine_call.entered(table.update_schema) as update:
            call("table.update_schema().rename_column", update.rename_column, operation.path, operation.name)

    def do_move_column(self, operation: ops.MoveColumn, table: Any, call: Call) -> None:
        """``move_first`` or ``move_after``."""
        with engine_call.entered(table.update_schema) as update:
            _move(update, operation.path, first=operation.first, after=operation.after, call=call)

    def do_change_type(self, operation: ops.ChangeType, table: Any, call: Call) -> None:
        """``update_column`` with a type."""
        to = schemas.typed(operation.type)
        with engine_call.entered(table.update_schema) as update:
            call("table.update_schema().update_column", update.update_column, operation.path, field_type=to)

    def do_make_optional(self, operation: ops.MakeOptional, table: Any, call: Call) -> None:
        """``make_column_optional``."""
        with engine_call.entered(table.update_schema) as update:
            call("table.update_schema().make_column_optional", update.make_column_optional, operation.path)

    def do_set_doc(self, operation: ops.SetDoc, table: Any, call: Call) -> None:
        """``update_column`` with a comment."""
        with engine_call.entered(table.update_schema) as update:
            call("table.update_schema().update_column", update.update_column, operation.path, doc=operation.doc)

    def do_set_partition(self, operation: ops.SetPartition, table: Any, call: Call) -> None:
        """``remove_field`` of what goes, ``add_field`` of what comes."""
        columns = engine_call(table.schema)
        wanted = {(schemas.field_id(columns, one.source), one.transform): one for one in operation.partition}
        there = {(one.source_id, str(one.transform)): one.name for one in engine_call(table.spec).fields}
        with engine_call.entered(table.update_spec) as update:
            for key, name in there.items():
                if key not in wanted:
                    call("table.update_spec().remove_field", update.remove_field, name)
            for key, field in wanted.items():
                if key not in there:
                    to = schemas.transform(field.transform)
                    name = schemas.name(field)
                    call("table.update_spec().add_field", update.add_field, field.source, to, name)

    def do_set_order(self, operation: ops.SetOrder, table: Any, call: Call) -> None:
        """``asc`` and ``desc`` of a new order."""
        from pyiceberg.table.sorting import NullOrder

        with engine_call.entered(table.update_sort_order) as update:
            for field in operation.order:
                add = getattr(update, field.direction)
                to = schemas.transform(field.transform)
                nulls = engine_call(NullOrder, field.nulls)
                call(f"table.update_sort_order().{field.direction}", add, field.source, to, nulls)

    def do_set_properties(self, operation: ops.SetProperties, table: Any, call: Call) -> None:
        """``set_properties``."""
        with engine_call.entered(table.transaction) as transaction:
            call("table.transaction().set_properties", transaction.set_properties, dict(operation.properties))

    def do_upgrade_format(self, operation: ops.UpgradeFormat, table: Any, call: Call) -> None:
        """``upgrade_table_version``."""
        upgrade = "upgrade_table_version"
        with engine_call.entered(table.transaction) as transaction:
            call(f"table.transaction().{upgrade}", getattr(transaction, upgrade), operation.format_version)

    def do_create_ref(self, operation: ops.CreateRef, table: Any, call: Call) -> None:
        """``create_branch`` or ``create_tag``.

        Raises:
            Refused: the table has no snapshot yet.
        """
        current = engine_call(table.current_snapshot)
        if current is None:
            raise Refused("PyIceberg needs a snapshot for a branch or tag, and the table has none")
        at = operation.snapshot_id or current.snapshot_id
        self._manage(table, f"create_{operation.type}", call, at, operation.name)

    def do_drop_ref(self, operation: ops.DropRef, table: Any, call: Call) -> None:
        """``remove_branch`` or ``remove_tag``."""
        self._manage(table, f"remove_{operation.type}", call, operation.name)

    def do_rollback(self, operation: ops.Rollback, table: Any, call: Call) -> None:
        """``rollback_to_snapshot``."""
        self._manage(table, "rollback_to_snapshot", call, operation.snapshot_id)

    def do_expire_snapshots(self, _operation: ops.ExpireSnapshots, table: Any, call: Call) -> None:
        """``expire_snapshots`` of all that are older than now; PyIceberg deletes no files."""
        expire = engine_call(table.maintenance.expire_snapshots)
        older = call("table.maintenance.expire_snapshots().older_than", expire.older_than, datetime.now(UTC))
        engine_call(older.commit)

    def do_create_view(self, operation: ops.CreateView, table: Any, call: Call) -> None:
        """``create_view``, with the SQL that the engines of :data:`_DIALECTS` read."""
        from pyiceberg.view.metadata import SQLViewRepresentation, ViewVersion

        text = _UnquotedSql().query(operation)
        representations = [engine_call(SQLViewRepresentation, type="sql", sql=text, dialect=one) for one in _DIALECTS]
        version = engine_call(
            ViewVersion,
            version_id=1,
            schema_id=0,
            timestamp_ms=int(datetime.now(UTC).timestamp() * 1000),
            summary={},
            representations=representations,
            default_namespace=[self._identifier("")[0]],
        )
        identifier = self._identifier(operation.name)
        if engine_call(self._catalog.view_exists, identifier):
            engine_call(self._catalog.drop_view, identifier)
        columns = engine_call(engine_call(table.schema).select, *operation.columns)
        call("catalog.create_view", self._catalog.create_view, identifier, columns, version)

    @staticmethod
    def _manage(table: Any, method: str, call: Call, *args: Any) -> None:
        managed = engine_call(table.manage_snapshots)
        engine_call(call(f"table.manage_snapshots().{method}", getattr(managed, method), *args).commit)


def rows_of(operation: ops.Append | ops.Overwrite | ops.Merge) -> Any:
    """The operation's rows as an Arrow table."""
    return arrow_table(operation.fields, operation.rows)


def _move(update: Any, path: str, *, first: bool, after: str, call: Call) -> None:
    if first:
        call("table.update_schema().move_first", update.move_first, path)
    elif after:
        sibling = f"{path.rpartition('.')[0]}.{after}".lstrip(".")
        call("table.update_schema().move_after", update.move_after, path, sibling)


class _UnquotedSql(SqlDialect):
    """SQL that many engines read: identifiers have no quotes, as engines quote them in different ways."""

    def name(self, identifier: str) -> str:
        """``identifier`` as it is."""
        return identifier

    def query(self, operation: ops.CreateView) -> str:
        """The view's SELECT, with values whose type the column decides."""
        where = self.where((), operation.where)
        return f"SELECT {self.names(operation.columns)} FROM {operation.table}{where}"
