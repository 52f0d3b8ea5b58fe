"""Operations as the SQL of pg_lake, which is PostgreSQL's (pg_lake's docs/iceberg-tables.md)."""

from __future__ import annotations

import dataclasses
import hashlib
import re
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from lakebench.engines.sql import SqlDialect, SqlOperations
from lakebench.errors import EngineUnavailable
from lakebench.iceberg import operations as ops
from lakebench.iceberg.types import Field, ListOf, MapOf, PartitionField, Struct, Type, children, find

_TRANSFORM = re.compile(r"(\w+)\[(\d+)\]")
_LONGEST_NAME = 63  # bytes of a PostgreSQL identifier
_VERSION = 2
_THRESHOLD = "pg_lake_table.copy_on_write_threshold"
# Percent of a file's rows from which on a delete rewrites the file.
_MODES = {"merge-on-read": 100, "copy-on-write": 0}
_MODE = re.compile(r"write\.(delete|update|merge)\.mode")


@dataclass(frozen=True)
class MapNames:
    """What PostgreSQL calls a map's type, and the type of one of its entries."""

    map: str
    entry: str


class PgLakeSql(SqlDialect):
    """PostgreSQL's SQL in the schema ``schema``, where the types of structs are.

    It has no name for ``fixed``, whose values are bytea. A struct is a type of its own, named by what it has; a map is
    one of pg_map, which names it.
    """

    types: ClassVar[Mapping[str, str]] = {
        "boolean": "boolean",
        "int": "integer",
        "long": "bigint",
        "float": "real",
        "double": "double precision",
        "decimal": "numeric({0}, {1})",
        "date": "date",
        "time": "time",
        "timestamp": "timestamp",
        "timestamptz": "timestamptz",
        "string": "text",
        "uuid": "uuid",
        "binary": "bytea",
    }
    values: ClassVar[Mapping[str, str]] = {"fixed": "binary"}
    changed: ClassVar[Mapping[str, str]] = {}

    def __init__(self, schema: str = "public") -> None:
        self.schema = schema
        self._maps: dict[tuple[str, str], MapNames] = {}

    def qualified(self, name: str) -> str:
        """``name`` in the schema, in quotes."""
        return f"{self.name(self.schema)}.{self.name(name)}"

    def path(self, path: str) -> str:
        """The column at ``path``: fields of a struct after it in brackets."""
        first, *inner = path.split(".")
        return f"({self.name(first)}).{'.'.join(map(self.name, inner))}" if inner else self.name(first)

    def struct_type(self, of: Struct) -> str:
        """The type of a struct, which has to be made."""
        content = repr([(one.name, self.type_name(one.type)) for one in of.fields])
        return self.qualified(f"struct_{hashlib.sha256(content.encode()).hexdigest()[:12]}")

    def list_type(self, of: ListOf) -> str:
        """The type of a list."""
        return f"{self.type_name(of.element)}[]"

    def map_type(self, of: MapOf) -> str:
        """The type of a map, which has to be made."""
        return self._map_names(of).map

    def _map_names(self, of: MapOf) -> MapNames:
        return self._maps[self.type_name(of.key), self.type_name(of.value)]

    def note_map(self, of: MapOf, names: tuple[str, str]) -> None:
        """Remember what the query of :meth:`create_map` answered."""
        self._maps[self.type_name(of.key), self.type_name(of.value)] = MapNames(*names)

    def made_types(self, of: Type) -> Iterator[Struct | MapOf]:
        """The types within ``of`` that have to be made, the innermost first."""
        for one in children(of):
            yield from self.made_types(one.type)
        if isinstance(of, Struct | MapOf):
            yield of

    def create_struct(self, of: Struct) -> str:
        """The statement that makes the type of a struct where it is not there."""
        fields = ", ".join(f"{self.name(one.name)} {self.type_name(one.type)}" for one in of.fields)
        make = f"CREATE TYPE {self.struct_type(of)} AS ({fields})"
        return f"DO $$ BEGIN {make}; EXCEPTION WHEN duplicate_object THEN NULL; END $$"

    def create_map(self, of: MapOf) -> str:
        """The query that makes the type of a map where it is not there, and says what it is called."""
        key, value = (self.text(self.type_name(one)) for one in (of.key, of.value))
        return (
            "SELECT d.oid::regtype::text, b.typelem::regtype::text FROM pg_type d JOIN pg_type b "
            f"ON b.oid = d.typbasetype WHERE d.oid = map_type.create({key}::regtype, {value}::regtype)"
        )

    def bytes(self, of: str, value: str) -> str:
        """Bytes in hex."""
        return f"CAST('\\x{value}' AS {self.value_type(of)})"

    def map(self, of: MapOf, keys: Sequence[str], values: Sequence[str]) -> str:
        """An array of entries, cast to the map's type."""
        names = self._map_names(of)
        entries = ", ".join(
            f"CAST(ROW({key}, {value}) AS {names.entry})" for key, value in zip(keys, values, strict=True)
        )
        return f"CAST(CAST(ARRAY[{entries}] AS {names.entry}[]) AS {names.map})"

    def shown(self, expression: str, of: Type) -> str:
        """A nested value as JSON."""
        return expression if isinstance(of, str) else f"to_jsonb({expression})"

    def partition(self, fields: Iterable[PartitionField]) -> str:
        """The option ``partition_by``."""
        return self.text(", ".join(map(self._transformed, fields)))

    def _transformed(self, field: PartitionField) -> str:
        source = self.name(field.source)
        if field.transform == "identity":
            return source
        match = _TRANSFORM.fullmatch(field.transform)
        return f"{match[1]}({match[2]}, {source})" if match else f"{field.transform}({source})"


class PgLakeOperations(SqlOperations):
    """Operations in pg_lake's SQL.

    MERGE is PostgreSQL's, which pg_lake refuses. There is no statement to overwrite, for branches and tags, for a sort
    order, for the format version, for manifests or for statistics; VACUUM compacts and expires.
    """

    sql: PgLakeSql = PgLakeSql()  # type: ignore[misc]
    _mode = ""
    operations = frozenset(
        {
            ops.Create, ops.Append, ops.Delete, ops.Update, ops.Merge,
            ops.AddColumn, ops.DropColumn, ops.RenameColumn, ops.ChangeType, ops.MakeOptional, ops.SetDoc,
            ops.SetPartition, ops.SetProperties, ops.Compact, ops.ExpireSnapshots,
            ops.Transaction, ops.Concurrent,
        }
    )  # fmt: skip

    @abstractmethod
    def _make_map(self, of: MapOf) -> None:
        """Make the type of a map where it is not there, and note its names in :attr:`sql`."""

    def _target(self, table: str) -> str:
        return self.sql.qualified(local_name(table))

    def sql_create(self, operation: ops.Create) -> Iterator[str]:
        """The types that it needs and CREATE TABLE; a table of that name is replaced.

        Raises:
            EngineUnavailable: a sort order is asked for.
        """
        if operation.order:
            raise EngineUnavailable("pg_lake has no way to ask for a sort order")
        target, sql = self._target(operation.table), self.sql
        yield f"DROP TABLE IF EXISTS {target}"
        yield from self._set_mode(operation.properties)
        yield from self._make_types(*(one.type for one in operation.columns))
        columns = ", ".join(sql.column(dataclasses.replace(one, doc="")) for one in operation.columns)
        yield f"CREATE TABLE {target} ({columns}) USING iceberg WITH ({self._options(operation)})"
        for column in operation.columns:
            if column.doc:
                yield from self.sql_set_doc(ops.SetDoc(table=operation.table, path=column.name, doc=column.doc))

    def _options(self, operation: ops.Create) -> str:
        """The table's options; what pg_lake has no option for is for it to refuse."""
        version = {} if operation.format_version == _VERSION else {"format_version": str(operation.format_version)}
        others = {key: value for key, value in operation.properties.items() if not _MODE.fullmatch(key)}
        # Its own vacuum would commit between two steps, and the run's catalog would know nothing of it.
        options = {"autovacuum_enabled": "false", **version, **others}
        texts = {key: self.sql.text(value) for key, value in options.items()}
        if operation.partition:
            texts["partition_by"] = self.sql.partition(operation.partition)
        return ", ".join(f"{self.sql.name(key)} = {text}" for key, text in texts.items())

    def _set_mode(self, properties: Mapping[str, str]) -> Iterator[str]:
        """How deletes are written: for pg_lake the session's setting, for Iceberg a property of the table."""
        mode = next((value for key, value in properties.items() if _MODE.fullmatch(key)), "")
        if mode:
            yield f"SET {_THRESHOLD} = {_MODES[mode]}"
        elif self._mode:
            yield f"RESET {_THRESHOLD}"
        self._mode = mode

    def _make_types(self, *types: Type) -> Iterator[str]:
        for one in dict.fromkeys(made for of in types for made in self.sql.made_types(of)):
            if isinstance(one, MapOf):
                yield self.sql.create_map(one)
                self._make_map(one)
            else:
                yield self.sql.create_struct(one)

    def sql_add_column(self, operation: ops.AddColumn) -> Iterator[str]:
        """ADD COLUMN, or ADD ATTRIBUTE to the type of a struct."""
        yield from self._make_types(operation.column.type)
        position = self._position(first=operation.first, after=operation.after)
        column = f"{self.sql.column(operation.column)}{position}"
        if not operation.parent:
            yield self._alter(operation, f"ADD COLUMN {column}")
            return
        yield f"{self._alter_type(operation.fields, operation.parent)} ADD ATTRIBUTE {column}"

    def sql_drop_column(self, operation: ops.DropColumn) -> Iterator[str]:
        """DROP COLUMN, or DROP ATTRIBUTE from the type of a struct."""
        parent, _, name = operation.path.rpartition(".")
        if not parent:
            yield from super().sql_drop_column(operation)
            return
        yield f"{self._alter_type(operation.fields, parent)} DROP ATTRIBUTE {self.sql.name(name)}"

    def sql_rename_column(self, operation: ops.RenameColumn) -> Iterator[str]:
        """RENAME COLUMN, or RENAME ATTRIBUTE of the type of a struct."""
        parent, _, name = operation.path.rpartition(".")
        if not parent:
            yield from super().sql_rename_column(operation)
            return
        names = f"{self.sql.name(name)} TO {self.sql.name(operation.name)}"
        yield f"{self._alter_type(operation.fields, parent)} RENAME ATTRIBUTE {names}"

    def sql_change_type(self, operation: ops.ChangeType) -> Iterator[str]:
        """SET DATA TYPE, or ALTER ATTRIBUTE of the type of a struct."""
        parent, _, name = operation.path.rpartition(".")
        if not parent:
            yield from super().sql_change_type(operation)
            return
        change = f"ALTER ATTRIBUTE {self.sql.name(name)} TYPE {self.sql.type_name(operation.type)}"
        yield f"{self._alter_type(operation.fields, parent)} {change}"

    def _alter_type(self, fields: Sequence[Field], path: str) -> str:
        return f"ALTER TYPE {self.sql.type_name(find(fields, path).type)}"

    def sql_set_partition(self, operation: ops.SetPartition) -> Iterator[str]:
        """The option ``partition_by``."""
        if not operation.partition:
            yield self._alter(operation, "OPTIONS (DROP partition_by)")
            return
        verb = "SET" if operation.before else "ADD"
        yield self._alter(operation, f"OPTIONS ({verb} partition_by {self.sql.partition(operation.partition)})")

    def sql_set_properties(self, operation: ops.SetProperties) -> Iterator[str]:
        """Options; what pg_lake has no option for is for it to refuse."""
        options = ", ".join(
            f"ADD {self.sql.name(key)} {self.sql.text(value)}" for key, value in operation.properties.items()
        )
        yield self._alter(operation, f"OPTIONS ({options})")

    def sql_compact(self, operation: ops.Compact) -> Iterator[str]:
        """VACUUM of however few files."""
        yield "SET pg_lake_table.vacuum_compact_min_input_files = 1"
        yield f"VACUUM {self._target(operation.table)}"
        yield "RESET pg_lake_table.vacuum_compact_min_input_files"

    def sql_expire_snapshots(self, operation: ops.ExpireSnapshots) -> Iterator[str]:
        """VACUUM of snapshots of whatever age."""
        yield self._alter(operation, "OPTIONS (ADD max_snapshot_age '0')")
        yield f"VACUUM {self._target(operation.table)}"
        yield self._alter(operation, "OPTIONS (DROP max_snapshot_age)")

    def sql_transaction(self, operation: ops.Transaction) -> Iterator[str]:
        """BEGIN, the statements of its parts, COMMIT."""
        yield "BEGIN"
        for part in operation.operations:
            yield from self.statements(part)
        yield "COMMIT"


def tables_of(operation: ops.Operation) -> tuple[str, ...]:
    """The tables that ``operation`` changes."""
    parts = operation.operations if isinstance(operation, ops.Concurrent | ops.Transaction) else (operation,)
    return tuple(dict.fromkeys(one.table for one in parts))


def local_name(table: str) -> str:
    """The name of ``table`` in PostgreSQL, which cuts off what is longer than an identifier may be."""
    if len(table.encode()) <= _LONGEST_NAME:
        return table
    mark = hashlib.sha256(table.encode()).hexdigest()[:12]
    return f"{table.encode()[: _LONGEST_NAME - len(mark) - 1].decode(errors='ignore')}_{mark}"
