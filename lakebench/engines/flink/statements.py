"""Operations as Flink's SQL (Flink's documentation, *SQL*; Iceberg's, *Flink*)."""

from __future__ import annotations

import base64
import json
import uuid
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from lakebench.engines.sql import SqlDialect, SqlOperations
from lakebench.errors import EngineUnavailable
from lakebench.iceberg import operations as ops
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field, ListOf, MapOf, PartitionField, Struct, Type, find, kind

STREAMING, BATCH = "SET 'execution.runtime-mode' = 'streaming'", "SET 'execution.runtime-mode' = 'batch'"
_DELETES = "default_catalog.default_database.deletes"
"""A table of the session's own."""


class FlinkSql(SqlDialect):
    """Flink's SQL. A UUID is 16 bytes."""

    types: ClassVar[Mapping[str, str]] = {
        "boolean": "BOOLEAN",
        "int": "INT",
        "long": "BIGINT",
        "float": "FLOAT",
        "double": "DOUBLE",
        "decimal": "DECIMAL({0}, {1})",
        "date": "DATE",
        "time": "TIME",
        "timestamp": "TIMESTAMP(6)",
        "timestamptz": "TIMESTAMP_LTZ(6)",
        "timestamp_ns": "TIMESTAMP(9)",
        "timestamptz_ns": "TIMESTAMP_LTZ(9)",
        "string": "STRING",
        "fixed": "BINARY({0})",
        "binary": "BYTES",
        "variant": "VARIANT",
    }
    values: ClassVar[Mapping[str, str]] = {"uuid": "fixed[16]"}

    def name(self, identifier: str) -> str:
        """``identifier`` in backquotes."""
        return "`" + identifier.replace("`", "``") + "`"

    def struct_type(self, of: Struct) -> str:
        """A row."""
        return f"ROW<{self.required_fields(of)}>"

    def list_type(self, of: ListOf) -> str:
        """An array."""
        return f"ARRAY<{self.type_name(of.element)}{' NOT NULL' if of.required else ''}>"

    def map_type(self, of: MapOf) -> str:
        """A map."""
        return f"MAP<{self.type_name(of.key)}, {self.type_name(of.value)}{' NOT NULL' if of.required else ''}>"

    def primitive(self, of: str, value: Any) -> str:
        """A value; a UUID as its bytes."""
        return self.bytes(of, value.replace("-", "")) if of == "uuid" else super().primitive(of, value)

    def timestamp(self, value: str) -> str:
        """The text without its zone, which is the session's."""
        return super().timestamp(value).removesuffix("+00:00")

    def list(self, of: ListOf, values: Sequence[str]) -> str:
        """An array of elements; an empty one has no constructor."""
        null = f"CAST(NULL AS {self.value_type(of.element)})"
        return (
            super().list(of, values)
            if values
            else f"CAST(ARRAY_REMOVE(ARRAY[{null}], {null}) AS {self.value_type(of)})"
        )

    def map(self, of: MapOf, keys: Sequence[str], values: Sequence[str]) -> str:
        """A map of keys and values."""
        arrays = self.list(ListOf(of.key), keys), self.list(ListOf(of.value), values)
        return f"CAST(MAP_FROM_ARRAYS({', '.join(arrays)}) AS {self.value_type(of)})"

    def rows(self, fields: Sequence[Field], rows: Sequence[ops.Row]) -> str:
        """Rows as a query; that of none needs a table."""
        if not rows:
            return f"SELECT * FROM (VALUES ({self._row(fields, (None,) * len(fields))})) WHERE false"
        return super().rows(fields, rows)

    def summary(self, function: str, path: str) -> str:
        """As elsewhere; the length of a text by ``CHAR_LENGTH``."""
        return f"SUM(CHAR_LENGTH({self.path(path)}))" if function == "length" else f"{function}({self.path(path)})"

    def options(self, options: Mapping[str, str]) -> str:
        """Keys and values as WITH, SET and hints have them."""
        return ", ".join(f"{self.text(key)} = {self.text(value)}" for key, value in options.items())

    def hint(self, options: Mapping[str, str]) -> str:
        """A hint with a space before it; empty where there is no option."""
        return f" /*+ OPTIONS({self.options(options)}) */" if options else ""


class FlinkOperations(SqlOperations):
    """Operations in Flink's SQL.

    Rows are deleted by their keys as a stream does it: by records of the kind *delete* in a file of Debezium's JSON.
    They are merged by an upsert. For both the table has the keys as PRIMARY KEY, which are Iceberg's identifier fields,
    and required: without these Iceberg's sink appends the deleted rows. There is no statement for branches and tags, to
    sort, to roll back, to compact or to expire snapshots (those are of Iceberg's Java API), and PARTITIONED BY takes
    columns alone. Iceberg's sink refuses UPDATE and DELETE.
    """

    sql: ClassVar[FlinkSql] = FlinkSql()
    operations: ClassVar[frozenset[type[ops.Operation]]] = frozenset(
        {
            ops.Create, ops.Append, ops.Overwrite, ops.Delete, ops.Update, ops.Merge, ops.EqualityDelete,
            ops.AddColumn, ops.DropColumn, ops.RenameColumn, ops.MoveColumn, ops.ChangeType, ops.MakeOptional,
            ops.SetDoc, ops.SetProperties, ops.UpgradeFormat, ops.CreateView, ops.Concurrent,
        }
    )  # fmt: skip

    @abstractmethod
    def _namespace(self) -> str:
        """The namespace as statements name it, in quotes."""

    @abstractmethod
    def _scratch(self) -> Path:
        """A folder that Flink can read."""

    @abstractmethod
    def _rows(self, sql: str) -> list[Sequence[Any]]:
        """The rows that ``sql`` answers, values as the gateway's JSON has them."""

    def sql_create(self, operation: ops.Create) -> Iterator[str]:
        """CREATE TABLE; a table of that name is replaced.

        Raises:
            EngineUnavailable: a sort order, or a partition field that is no column.
        """
        target, sql = self._target(operation.table), self.sql
        if operation.order:
            raise EngineUnavailable("Flink has no way to ask for a sort order of the table")
        fields = [replace(one, required=one.required or one.name in operation.key) for one in operation.columns]
        columns = list(map(sql.column, fields))
        if operation.key:
            columns.append(f"PRIMARY KEY ({sql.names(operation.key)}) NOT ENFORCED")
        partition = (
            f" PARTITIONED BY ({sql.names(map(_column_of, operation.partition))})" if operation.partition else ""
        )
        # By hash, the default, every partition field would have to be of the key.
        spread = {"write.distribution-mode": "none"} if operation.key and operation.partition else {}
        properties = {"format-version": str(operation.format_version), **spread, **operation.properties}
        yield f"CREATE DATABASE IF NOT EXISTS {self._namespace()}"
        yield f"DROP TABLE IF EXISTS {target}"
        yield f"CREATE TABLE {target} ({', '.join(columns)}){partition} WITH ({sql.options(properties)})"

    def sql_append(self, operation: ops.Append) -> Iterator[str]:
        """INSERT INTO, with a hint for the branch."""
        hint = self.sql.hint({"branch": operation.branch} if operation.branch else {})
        yield self._insert("INSERT INTO", self._target(operation.table) + hint, operation.fields, operation.rows)

    def _insert(self, verb: str, target: str, fields: Sequence[Field], rows: Sequence[ops.Row]) -> str:
        """The names of columns stand between the table and its rows, and a hint after the table."""
        return f"{verb} {target} {self.sql.rows(fields, rows)}"

    def sql_overwrite(self, operation: ops.Overwrite) -> Iterator[str]:
        """INSERT OVERWRITE, which replaces the partitions that rows fall into."""
        yield self._insert("INSERT OVERWRITE", self._target(operation.table), operation.fields, operation.rows)

    def sql_merge(self, operation: ops.Merge) -> Iterator[str]:
        """An upsert, by a stream."""
        target = f"{self._target(operation.table)}{self.sql.hint({'upsert-enabled': 'true'})}"
        yield STREAMING
        yield self._insert("INSERT INTO", target, operation.fields, operation.rows)
        yield BATCH

    def sql_equality_delete(self, operation: ops.EqualityDelete) -> Iterator[str]:
        """A stream of deletes: by key alone where Iceberg's sink can (an upsert), else of the whole rows.

        The sink writes every column of a row that a stream deletes into the delete file, whose bounds must be right:
        readers leave out a delete file by those of any column (https://github.com/apache/iceberg/pull/1318). For an
        upsert the key has to have the columns that the table is partitioned by.
        """
        fields, columns = operation.fields, operation.columns or operation.key
        by_key = set(columns) <= set(operation.key)
        gone = [dict(zip(columns, row, strict=True)) for row in operation.rows]
        whole = [{} if by_key else self._row_of(operation, one) for one in gone]
        file = self._scratch() / f"deletes-{uuid.uuid4().hex}"
        lines = (_delete(fields, of_table, known) for of_table, known in zip(whole, gone, strict=True))
        file.write_text("".join(lines), encoding="utf-8")
        target = f"{self._target(operation.table)}{self.sql.hint({'upsert-enabled': 'true'} if by_key else {})}"
        source = {"connector": "filesystem", "path": file.as_uri(), "format": "debezium-json"}
        listed = ", ".join(f"{self.sql.name(one.name)} {self.sql.type_name(one.type)}" for one in fields)
        yield STREAMING
        yield f"CREATE TEMPORARY TABLE {_DELETES} ({listed}) WITH ({self.sql.options(source)})"
        yield f"INSERT INTO {target} SELECT * FROM {_DELETES}"
        yield f"DROP TEMPORARY TABLE {_DELETES}"
        yield BATCH

    def _row_of(self, operation: ops.EqualityDelete, known: Mapping[str, Any]) -> dict[str, Any]:
        """The row of the table of which some values are known, as the gateway's JSON has it; empty where none is."""
        where = [Condition(name, "is-null" if value is None else "=", value) for name, value in known.items()]
        names = [one.name for one in operation.fields]
        select = f"SELECT {self.sql.names(names)} FROM {self._target(operation.table)}"
        found = self._rows(f"{select}{self.sql.where(operation.fields, where)}")
        return dict(zip(names, found[0], strict=True)) if found else {}

    def sql_add_column(self, operation: ops.AddColumn) -> Iterator[str]:
        """ALTER TABLE … ADD.

        Raises:
            EngineUnavailable: a field of a struct.
        """
        if operation.parent:
            raise EngineUnavailable("Flink has no way to add a field to a struct")
        position = self._position(first=operation.first, after=operation.after)
        yield self._alter(operation, f"ADD {self.sql.column(operation.column)}{position}")

    def sql_drop_column(self, operation: ops.DropColumn) -> Iterator[str]:
        """ALTER TABLE … DROP."""
        yield self._alter(operation, f"DROP {self.sql.path(operation.path)}")

    def sql_rename_column(self, operation: ops.RenameColumn) -> Iterator[str]:
        """ALTER TABLE … RENAME."""
        yield self._alter(operation, f"RENAME {self.sql.path(operation.path)} TO {self.sql.name(operation.name)}")

    def sql_move_column(self, operation: ops.MoveColumn) -> Iterator[str]:
        """ALTER TABLE … MODIFY, at another position."""
        column = find(operation.fields, operation.path)
        yield self._modify(operation, column) + self._position(first=operation.first, after=operation.after)

    def sql_change_type(self, operation: ops.ChangeType) -> Iterator[str]:
        """ALTER TABLE … MODIFY, to another type."""
        yield self._modify(operation, replace(_top(operation.fields, operation.path), type=operation.type))

    def sql_make_optional(self, operation: ops.MakeOptional) -> Iterator[str]:
        """ALTER TABLE … MODIFY, without NOT NULL."""
        yield self._modify(operation, replace(_top(operation.fields, operation.path), required=False))

    def sql_set_doc(self, operation: ops.SetDoc) -> Iterator[str]:
        """ALTER TABLE … MODIFY, with a comment."""
        yield self._modify(operation, replace(_top(operation.fields, operation.path), doc=operation.doc))

    def sql_set_properties(self, operation: ops.SetProperties) -> Iterator[str]:
        """ALTER TABLE … SET."""
        yield self._alter(operation, f"SET ({self.sql.options(operation.properties)})")

    def sql_upgrade_format(self, operation: ops.UpgradeFormat) -> Iterator[str]:
        """ALTER TABLE … SET."""
        yield self._alter(operation, f"SET ({self.sql.options({'format-version': str(operation.format_version)})})")

    def _modify(self, operation: ops.Operation, column: Field) -> str:
        return self._alter(operation, f"MODIFY {self.sql.column(column)}")


def _top(fields: Sequence[Field], path: str) -> Field:
    """The column at ``path``.

    Raises:
        EngineUnavailable: it is a field inside another.
    """
    if "." in path:
        raise EngineUnavailable("Flink has no way to change a field of a struct, a list or a map")
    return find(fields, path)


def _column_of(field: PartitionField) -> str:
    if field.transform != "identity":
        raise EngineUnavailable(f"Flink's SQL has no way to ask for the partition transform {field.transform}")
    return field.source


def _delete(fields: Sequence[Field], of_table: Mapping[str, Any], known: Mapping[str, Any]) -> str:
    """A line that says that a row is gone, with the ``known`` values and those ``of_table``."""
    given = {one.name: _json(one.type, known[one.name]) for one in fields if one.name in known}
    before = {one.name: of_table.get(one.name) for one in fields} | given
    return json.dumps({"before": before, "after": None, "op": "d"}, default=str) + "\n"


def _json(of: Type, value: Any) -> Any:
    """A value as Flink's JSON format reads it."""
    bare = kind(of)
    if value is not None and bare in {"binary", "fixed"}:
        return base64.b64encode(bytes.fromhex(value)).decode()
    return value
