"""Operations as Spark SQL with Iceberg's extensions (Iceberg documentation: Spark DDL, Writes, Procedures)."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from lakebench.engines.sql import SqlDialect, SqlOperations
from lakebench.iceberg import operations as ops
from lakebench.iceberg.types import ListOf, MapOf, PartitionField, SortField, Struct, Type, kind, parameters

if TYPE_CHECKING:
    from lakebench.model import Lake

_TRANSFORM = re.compile(r"(\w+)\[(\d+)\]")
_SRID = re.compile(r"\d+$")
_DEFAULT_SRID = "4326"  # how Spark numbers OGC:CRS84, Iceberg's default
_COMPACTION = {
    "rewrite-all": "true",  # however large the files are
    "remove-dangling-deletes": "true",
}
_NEVER_TOO_YOUNG = "TIMESTAMP '9999-01-01 00:00:00'"


class SparkSql(SqlDialect):
    """Spark's SQL.

    It has no name for ``time``, ``uuid``, ``fixed`` and nanoseconds. It sees what others wrote as UUID or fixed as text
    and bytes.
    """

    types: ClassVar[Mapping[str, str]] = {
        "boolean": "BOOLEAN",
        "int": "INT",
        "long": "BIGINT",
        "float": "FLOAT",
        "double": "DOUBLE",
        "decimal": "DECIMAL({0}, {1})",
        "date": "DATE",
        "timestamp": "TIMESTAMP_NTZ",
        "timestamptz": "TIMESTAMP",
        "string": "STRING",
        "binary": "BINARY",
        "variant": "VARIANT",
        "unknown": "VOID",
    }
    values: ClassVar[Mapping[str, str]] = {"uuid": "string", "fixed": "binary"}

    def name(self, identifier: str) -> str:
        """``identifier`` in backticks."""
        return "`" + identifier.replace("`", "``") + "`"

    def text(self, value: str) -> str:
        """``value`` as a string, in which a backslash escapes."""
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"

    def type_name(self, of: Type) -> str:
        """The engine's name of the type; geometries by the number of their reference system."""
        if kind(of) in {"geometry", "geography"}:
            return f"{kind(of).upper()}({_srid(of)})"
        return super().type_name(of)

    def struct_type(self, of: Struct) -> str:
        """``STRUCT<…>``, with NOT NULL and comments."""
        parts = ", ".join(
            f"{self.name(one.name)}: {self.type_name(one.type)}"
            f"{' NOT NULL' if one.required else ''}{f' COMMENT {self.text(one.doc)}' if one.doc else ''}"
            for one in of.fields
        )
        return f"STRUCT<{parts}>"

    def list_type(self, of: ListOf) -> str:
        """``ARRAY<…>``."""
        return f"ARRAY<{self.type_name(of.element)}>"

    def map_type(self, of: MapOf) -> str:
        """``MAP<…>``."""
        return f"MAP<{self.type_name(of.key)}, {self.type_name(of.value)}>"

    def struct(self, of: Struct, values: Sequence[str]) -> str:
        """``named_struct``."""
        parts = (f"{self.text(one.name)}, {value}" for one, value in zip(of.fields, values, strict=True))
        return f"named_struct({', '.join(parts)})"

    def list(self, of: ListOf, values: Sequence[str]) -> str:
        """``array``, cast where it is empty and has no type."""
        return f"array({', '.join(values)})" if values else f"CAST(array() AS {self.value_type(of)})"

    def map(self, of: MapOf, keys: Sequence[str], values: Sequence[str]) -> str:
        """``map``, cast where it is empty and has no type."""
        pairs = ", ".join(f"{key}, {value}" for key, value in zip(keys, values, strict=True))
        return f"map({pairs})" if pairs else f"CAST(map() AS {self.value_type(of)})"

    def geo(self, of: str, value: str) -> str:
        """WKB as a geometry or geography in its reference system."""
        if kind(of) == "geography":
            return f"st_geogfromwkb(X'{value}')"
        return f"st_setsrid(st_geomfromwkb(X'{value}'), {_srid(of)})"

    def shown_struct(self, expression: str, of: Struct) -> str:
        """A struct rebuilt from its fields as they are shown."""
        parts = (
            f"{self.text(one.name)}, {self.shown(f'{expression}.{self.name(one.name)}', one.type)}" for one in of.fields
        )
        return f"IF({expression} IS NULL, NULL, named_struct({', '.join(parts)}))"

    def transform(self, field: PartitionField | SortField) -> str:
        """A partition or sort field's transform of its source."""
        source = self.path(field.source)
        if field.transform == "identity":
            return source
        match = _TRANSFORM.fullmatch(field.transform)
        if match:
            return f"{match[1]}({match[2]}, {source})"
        plural = "s" if field.transform in {"year", "month", "day", "hour"} else ""
        return f"{field.transform}{plural}({source})"

    def sort(self, field: SortField) -> str:
        """A field of WRITE ORDERED BY."""
        return f"{self.transform(field)} {field.direction.upper()} {field.nulls.replace('-', ' ').upper()}"

    def properties(self, properties: Mapping[str, str]) -> str:
        """The list of TBLPROPERTIES."""
        return ", ".join(f"{self.text(key)} = {self.text(value)}" for key, value in properties.items())


class SparkOperations(SqlOperations):
    """Operations in Spark's SQL. There is no statement for equality deletes or transactions of several statements."""

    sql = SparkSql()
    operations = frozenset(
        {
            ops.Create, ops.Append, ops.Overwrite, ops.Delete, ops.Update, ops.Merge,
            ops.AddColumn, ops.DropColumn, ops.RenameColumn, ops.MoveColumn, ops.ChangeType, ops.MakeOptional,
            ops.SetDoc, ops.SetPartition, ops.SetOrder, ops.SetProperties, ops.UpgradeFormat,
            ops.CreateRef, ops.DropRef, ops.Rollback,
            ops.Compact, ops.RewriteManifests, ops.ExpireSnapshots, ops.RemoveOrphans, ops.ComputeStatistics,
            ops.CreateView, ops.Concurrent,
        }
    )  # fmt: skip

    @property
    @abstractmethod
    def _opened(self) -> Lake:
        """The lake that is open."""

    @property
    @abstractmethod
    def _namespace(self) -> str:
        """Catalog and namespace, in quotes."""

    def sql_create(self, operation: ops.Create) -> Iterator[str]:
        """CREATE TABLE and WRITE ORDERED BY; a table of that name is replaced."""
        sql, table = self.sql, self._target(operation.table)
        yield f"CREATE NAMESPACE IF NOT EXISTS {self._namespace}"
        yield f"DROP TABLE IF EXISTS {table}"
        columns = ", ".join(map(sql.column, operation.columns))
        parts = ", ".join(map(sql.transform, operation.partition))
        properties = sql.properties({"format-version": str(operation.format_version), **operation.properties})
        yield (
            f"CREATE TABLE {table} ({columns}) USING iceberg{f' PARTITIONED BY ({parts})' if parts else ''} "
            f"TBLPROPERTIES ({properties})"
        )
        if operation.order:
            yield self._order(operation, operation.order)

    def sql_append(self, operation: ops.Append) -> Iterator[str]:
        """INSERT INTO the table, or its branch."""
        target = self._target(operation.table)
        if operation.branch:
            target = f"{target}.{self.sql.name(f'branch_{operation.branch}')}"
        yield self._insert("INSERT INTO", target, operation.fields, operation.rows)

    def sql_overwrite(self, operation: ops.Overwrite) -> Iterator[str]:
        """INSERT OVERWRITE, whose reach is a setting of the session."""
        yield f"SET spark.sql.sources.partitionOverwriteMode = {'DYNAMIC' if operation.dynamic else 'STATIC'}"
        yield self._insert("INSERT OVERWRITE", self._target(operation.table), operation.fields, operation.rows)

    def sql_move_column(self, operation: ops.MoveColumn) -> Iterator[str]:
        """ALTER COLUMN … FIRST or AFTER."""
        position = self._position(first=operation.first, after=operation.after)
        yield self._alter_column(operation, operation.path, position.strip())

    def sql_change_type(self, operation: ops.ChangeType) -> Iterator[str]:
        """ALTER COLUMN … TYPE."""
        yield self._alter_column(operation, operation.path, f"TYPE {self.sql.type_name(operation.type)}")

    def sql_set_doc(self, operation: ops.SetDoc) -> Iterator[str]:
        """ALTER COLUMN … COMMENT."""
        yield self._alter_column(operation, operation.path, f"COMMENT {self.sql.text(operation.doc)}")

    def sql_set_partition(self, operation: ops.SetPartition) -> Iterator[str]:
        """DROP PARTITION FIELD for each that goes, ADD PARTITION FIELD for each that comes."""
        for field in operation.before:
            if field not in operation.partition:
                yield self._alter(operation, f"DROP PARTITION FIELD {self.sql.transform(field)}")
        for field in operation.partition:
            if field not in operation.before:
                yield self._alter(operation, f"ADD PARTITION FIELD {self.sql.transform(field)}")

    def sql_set_order(self, operation: ops.SetOrder) -> Iterator[str]:
        """WRITE ORDERED BY, or WRITE UNORDERED."""
        yield self._order(operation, operation.order)

    def _order(self, operation: ops.Operation, order: Sequence[SortField]) -> str:
        listed = ", ".join(map(self.sql.sort, order))
        return self._alter(operation, f"WRITE ORDERED BY {listed}" if listed else "WRITE UNORDERED")

    def sql_set_properties(self, operation: ops.SetProperties) -> Iterator[str]:
        """SET TBLPROPERTIES."""
        yield self._alter(operation, f"SET TBLPROPERTIES ({self.sql.properties(operation.properties)})")

    def sql_upgrade_format(self, operation: ops.UpgradeFormat) -> Iterator[str]:
        """The property ``format-version``."""
        properties = self.sql.properties({"format-version": str(operation.format_version)})
        yield self._alter(operation, f"SET TBLPROPERTIES ({properties})")

    def sql_create_ref(self, operation: ops.CreateRef) -> Iterator[str]:
        """CREATE BRANCH or TAG."""
        at = "" if operation.snapshot_id is None else f" AS OF VERSION {operation.snapshot_id}"
        yield self._alter(operation, f"CREATE {operation.type.upper()} {self.sql.name(operation.name)}{at}")

    def sql_drop_ref(self, operation: ops.DropRef) -> Iterator[str]:
        """DROP BRANCH or TAG."""
        yield self._alter(operation, f"DROP {operation.type.upper()} {self.sql.name(operation.name)}")

    def sql_rollback(self, operation: ops.Rollback) -> Iterator[str]:
        """CALL rollback_to_snapshot."""
        yield self._call(operation, "rollback_to_snapshot", f"snapshot_id => {operation.snapshot_id}")

    def sql_compact(self, operation: ops.Compact) -> Iterator[str]:
        """CALL rewrite_data_files."""
        options = ", ".join(self.sql.text(one) for pair in _COMPACTION.items() for one in pair)
        yield self._call(operation, "rewrite_data_files", f"options => map({options})")

    def sql_rewrite_manifests(self, operation: ops.RewriteManifests) -> Iterator[str]:
        """CALL rewrite_manifests."""
        yield self._call(operation, "rewrite_manifests")

    def sql_expire_snapshots(self, operation: ops.ExpireSnapshots) -> Iterator[str]:
        """CALL expire_snapshots."""
        yield self._call(operation, "expire_snapshots", f"older_than => {_NEVER_TOO_YOUNG}", "retain_last => 1")

    def sql_remove_orphans(self, operation: ops.RemoveOrphans) -> Iterator[str]:
        """CALL remove_orphan_files; it lists by Iceberg's own client of the store, as Hadoop has none here."""
        yield self._call(operation, "remove_orphan_files", "prefix_listing => true")

    def sql_compute_statistics(self, operation: ops.ComputeStatistics) -> Iterator[str]:
        """CALL compute_table_stats."""
        yield self._call(operation, "compute_table_stats")

    def _call(self, operation: ops.Operation, procedure: str, *arguments: str) -> str:
        lake = self._opened
        named = self.sql.text(f"{self.sql.name(lake.namespace)}.{self.sql.name(operation.table)}")
        listed = ", ".join((f"table => {named}", *arguments))
        return f"CALL {self.sql.name(lake.name)}.system.{procedure}({listed})"


def _srid(of: Type) -> str:
    """The number of a geometry's reference system: ``3857`` of ``srid:3857``."""
    match = _SRID.search(next(iter(parameters(of)), ""))
    return match[0] if match and "CRS" not in str(of) else _DEFAULT_SRID
