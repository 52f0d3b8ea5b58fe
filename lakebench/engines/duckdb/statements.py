"""Operations as DuckDB's SQL (DuckDB's documentation: Iceberg extension, *Writing to Iceberg*)."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, ClassVar

from lakebench.engines.sql import SqlDialect, SqlOperations
from lakebench.errors import CommitConflict
from lakebench.iceberg import operations as ops
from lakebench.iceberg.types import ListOf, MapOf, PartitionField, SortField, Struct, Type, parameters
from lakebench.model import Lake, TableFormat

_TRANSFORM = re.compile(r"(\w+)\[(\d+)\]")

_DEFAULT_VERSION = 2


class DuckDBSql(SqlDialect):
    """DuckDB's SQL. It has no name for ``fixed``, whose values are BLOBs, nor for ``timestamptz_ns``."""

    types: ClassVar[Mapping[str, str]] = {
        "boolean": "BOOLEAN",
        "int": "INTEGER",
        "long": "BIGINT",
        "float": "FLOAT",
        "double": "DOUBLE",
        "decimal": "DECIMAL({0}, {1})",
        "date": "DATE",
        "time": "TIME",
        "timestamp": "TIMESTAMP",
        "timestamptz": "TIMESTAMP WITH TIME ZONE",
        "timestamp_ns": "TIMESTAMP_NS",
        "string": "VARCHAR",
        "uuid": "UUID",
        "binary": "BLOB",
        "variant": "VARIANT",
        "unknown": '"NULL"',
    }
    values: ClassVar[Mapping[str, str]] = {"fixed": "binary"}
    changed: ClassVar[Mapping[str, str]] = {**SqlDialect.changed, "uuid": "binary"}

    def type_name(self, of: Type) -> str:
        """DuckDB's name of the type; a geometry has its coordinate reference system in it."""
        if isinstance(of, str) and of.startswith("geometry"):
            return f"GEOMETRY({self.text(parameters(of)[0] if parameters(of) else 'OGC:CRS84')})"
        return super().type_name(of)

    def struct_type(self, of: Struct) -> str:
        """The type of a struct; DuckDB's parser refuses NOT NULL in it."""
        return f"STRUCT({self.required_fields(of)})"

    def list_type(self, of: ListOf) -> str:
        """The type of a list."""
        return f"{self.type_name(of.element)}[]"

    def bytes(self, of: str, value: str) -> str:  # noqa: ARG002 - fixed and binary are both BLOBs
        """Bytes in hex."""
        return f"unhex('{value}')"

    def geo(self, of: str, value: str) -> str:
        """WKB in hex as a geometry."""
        return f"CAST(ST_GeomFromWKB(unhex('{value}')) AS {self.value_type(of)})"

    def variant(self, value: Any) -> str:
        """A JSON value as a variant."""
        return f"CAST(CAST({self.text(json.dumps(value, ensure_ascii=False))} AS JSON) AS VARIANT)"

    def shown(self, expression: str, of: Type) -> str:
        """``expression`` as it is read; lists and maps by DuckDB's functions."""
        each = f"each_{expression.count('each_')}"  # a name that no column has, nor a lambda around this one
        if self.is_changed(of) and isinstance(of, ListOf):
            return f"list_transform({expression}, lambda {each}: {self.shown(each, of.element)})"
        if self.is_changed(of) and isinstance(of, MapOf):
            values = f"list_transform(map_values({expression}), lambda {each}: {self.shown(each, of.value)})"
            return f"CASE WHEN {expression} IS NOT NULL THEN MAP(map_keys({expression}), {values}) END"
        return super().shown(expression, of)

    def shown_primitive(self, expression: str, of: str) -> str:
        """A variant as JSON text, where a null would be text too; a geometry as WKB; a UUID as bytes."""
        if of == "variant":
            return f"CASE WHEN {expression} IS NOT NULL THEN CAST(CAST({expression} AS JSON) AS VARCHAR) END"
        if of == "uuid":
            return f"unhex(replace(CAST({expression} AS VARCHAR), '-', ''))"
        return f"ST_AsWKB({expression})"

    def partition(self, fields: Sequence[PartitionField]) -> str:
        """What follows PARTITIONED BY."""
        return f"({', '.join(map(self._transformed, fields))})"

    def order(self, fields: Sequence[SortField]) -> str:
        """What follows SORTED BY."""
        return f"({', '.join(f'{self._transformed(one)} {_direction(one)}' for one in fields)})"

    def _transformed(self, field: PartitionField | SortField) -> str:
        source = self.path(field.source)
        if field.transform == "identity":
            return source
        match = _TRANSFORM.fullmatch(field.transform)
        return f"{match[1]}({match[2]}, {source})" if match else f"{field.transform}({source})"

    def properties(self, properties: Mapping[str, str], between: str) -> str:
        """Keys and values, joined by commas."""
        return ", ".join(f"{self.text(key)}{between}{self.text(value)}" for key, value in properties.items())


def _direction(field: SortField) -> str:
    return f"{field.direction.upper()} {field.nulls.replace('-', ' ').upper()}"


class DuckDBOperations(SqlOperations):
    """Operations on tables of an attached catalog.

    Compaction and rollback are procedures of versions after 1.5, which others do not know by name. Comments and views
    have a syntax, which the extension refuses. There is none for branches, for a column's position, or to overwrite.
    """

    sql: ClassVar[DuckDBSql] = DuckDBSql()
    operations: ClassVar[frozenset[type[ops.Operation]]] = frozenset(
        {
            ops.Create, ops.Append, ops.Delete, ops.Update, ops.Merge,
            ops.AddColumn, ops.DropColumn, ops.RenameColumn, ops.ChangeType, ops.MakeOptional, ops.SetDoc,
            ops.SetPartition, ops.SetOrder, ops.SetProperties, ops.UpgradeFormat,
            ops.Rollback, ops.Compact, ops.CreateView, ops.Transaction, ops.Concurrent,
        }
    )  # fmt: skip

    _lake: Lake

    @abstractmethod
    def _namespace(self) -> Iterator[str]:
        """The statements that make the namespace, where it may not be there yet."""

    @property
    def _in_ducklake(self) -> bool:
        return self._lake.format is TableFormat.DUCKLAKE

    @abstractmethod
    def _another(self) -> contextlib.AbstractContextManager[DuckDBOperations]:
        """A connection of its own to the same database."""

    def operate(self, operation: ops.Operation, tell: Callable[[str], None]) -> list[bool] | None:
        """Carry out ``operation``; a transaction that fails is rolled back."""
        if not isinstance(operation, ops.Transaction):
            return super().operate(operation, tell)
        with self._another() as session:
            return SqlOperations.operate(session, operation, tell)

    def sql_create(self, operation: ops.Create) -> Iterator[str]:
        """CREATE TABLE, its sort order and comments by statements of their own, as CREATE TABLE refuses these."""
        target, sql = self._target(operation.table), self.sql
        yield from self._namespace()
        yield f"DROP TABLE IF EXISTS {target}"
        columns = ", ".join(sql.column(dataclasses.replace(one, doc="")) for one in operation.columns)
        if self._in_ducklake:  # which has neither a format version nor Iceberg's properties
            yield f"CREATE TABLE {target} ({columns})"
            if operation.partition:
                yield self._alter(operation, f"SET PARTITIONED BY {sql.partition(operation.partition)}")
            return
        partition = f" PARTITIONED BY {sql.partition(operation.partition)}" if operation.partition else ""
        # Version 2 is DuckDB's own, and WITH is not known before 1.5.
        version = (
            {} if operation.format_version == _DEFAULT_VERSION else {"format-version": str(operation.format_version)}
        )
        properties = {**version, **operation.properties}
        options = f" WITH ({sql.properties(properties, ' = ')})" if properties else ""
        yield f"CREATE TABLE {target} ({columns}){partition}{options}"
        if operation.order:
            yield self._alter(operation, f"SET SORTED BY {sql.order(operation.order)}")
        for column in operation.columns:
            if column.doc:
                yield from self.sql_set_doc(ops.SetDoc(table=operation.table, path=column.name, doc=column.doc))

    def sql_change_type(self, operation: ops.ChangeType) -> Iterator[str]:
        """ALTER TABLE … ALTER COLUMN … TYPE."""
        yield self._alter_column(operation, operation.path, f"TYPE {self.sql.type_name(operation.type)}")

    def sql_set_partition(self, operation: ops.SetPartition) -> Iterator[str]:
        """ALTER TABLE … SET or RESET PARTITIONED BY."""
        fields = operation.partition
        change = f"SET PARTITIONED BY {self.sql.partition(fields)}" if fields else "RESET PARTITIONED BY"
        yield self._alter(operation, change)

    def sql_set_order(self, operation: ops.SetOrder) -> Iterator[str]:
        """ALTER TABLE … SET or RESET SORTED BY."""
        fields = operation.order
        yield self._alter(operation, f"SET SORTED BY {self.sql.order(fields)}" if fields else "RESET SORTED BY")

    def sql_set_properties(self, operation: ops.SetProperties) -> Iterator[str]:
        """CALL set_iceberg_table_properties."""
        entries = self.sql.properties(operation.properties, ": ")
        yield f"CALL set_iceberg_table_properties({self._target(operation.table)}, MAP {{{entries}}})"

    def sql_upgrade_format(self, operation: ops.UpgradeFormat) -> Iterator[str]:
        """ALTER TABLE … SET ('format-version' = …)."""
        yield self._alter(operation, f"SET ('format-version' = {operation.format_version})")

    def sql_rollback(self, operation: ops.Rollback) -> Iterator[str]:
        """CALL iceberg_rollback_to_snapshot."""
        target = self.sql.text(self._target(operation.table))
        yield f"CALL iceberg_rollback_to_snapshot({target}, {operation.snapshot_id})"

    def sql_compact(self, operation: ops.Compact) -> Iterator[str]:
        """CALL iceberg_rewrite_data_files."""
        yield f"CALL iceberg_rewrite_data_files({self.sql.text(self._target(operation.table))})"

    def sql_create_view(self, operation: ops.CreateView) -> Iterator[str]:
        """CREATE VIEW over the table by its full name."""
        where = self.sql.where(operation.fields, operation.where)
        query = f"SELECT {self.sql.names(operation.columns)} FROM {self._target(operation.table)}{where}"
        yield f"CREATE OR REPLACE VIEW {self._target(operation.name)} AS {query}"

    def sql_transaction(self, operation: ops.Transaction) -> Iterator[str]:
        """BEGIN, the statements of its parts, COMMIT."""
        yield "BEGIN TRANSACTION"
        for part in operation.operations:
            yield from self.statements(part)
        yield "COMMIT"

    def _concurrently(self, operation: ops.Concurrent, tell: Callable[[str], None]) -> list[bool]:
        """A connection for each part: every one begins and changes before the first commits."""
        with contextlib.ExitStack() as stack:
            sessions = [stack.enter_context(self._another()) for _ in operation.operations]
            steps = [("BEGIN TRANSACTION", *self.statements(part)) for part in operation.operations]
            began = [_succeeds(session, step, tell) for session, step in zip(sessions, steps, strict=True)]
            return [_succeeds(session, ["COMMIT"], tell) and ok for session, ok in zip(sessions, began, strict=True)]

    def run_statements(self, statements: Iterable[str], tell: Callable[[str], None]) -> None:
        """Report and run each of ``statements``."""
        for statement in statements:
            tell(statement)
            self._execute(statement)


def _succeeds(session: DuckDBOperations, statements: Iterable[str], tell: Callable[[str], None]) -> bool:
    try:
        session.run_statements(statements, tell)
    except CommitConflict:
        return False
    return True
