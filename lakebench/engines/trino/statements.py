"""Operations as Trino's SQL (Trino's documentation: Iceberg connector)."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from lakebench.engines.sql import SqlDialect, SqlOperations
from lakebench.errors import EngineUnavailable
from lakebench.iceberg import operations as ops
from lakebench.iceberg.types import PartitionField, SortField

if TYPE_CHECKING:
    from lakebench.model import Lake

_TRANSFORM = re.compile(r"(\w+)\[(\d+)\]")
_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_CODEC = "write.parquet.compression-codec"
_BLOOM = "write.parquet.bloom-filter-enabled.column."
_PROPERTIES = {
    "write.format.default": "format",
    "write.data.path": "data_location",
    "write.object-storage.enabled": "object_store_layout_enabled",
    "commit.retry.num-retries": "max_commit_retry",
    "write.orc.bloom.filter.fpp": "orc_bloom_filter_fpp",
}
_UNQUOTED = {"object_store_layout_enabled", "max_commit_retry", "orc_bloom_filter_fpp"}
_LONG = 10_000  # characters: the server takes no statement of a million
_WIDEST_PATTERN = 64


class TrinoSql(SqlDialect):
    """Trino's SQL. It has no name for ``fixed``, whose values are VARBINARY."""

    types: ClassVar[Mapping[str, str]] = {
        "boolean": "BOOLEAN",
        "int": "INTEGER",
        "long": "BIGINT",
        "float": "REAL",
        "double": "DOUBLE",
        "decimal": "DECIMAL({0}, {1})",
        "date": "DATE",
        "time": "TIME(6)",
        "timestamp": "TIMESTAMP(6)",
        "timestamptz": "TIMESTAMP(6) WITH TIME ZONE",
        "timestamp_ns": "TIMESTAMP(9)",
        "timestamptz_ns": "TIMESTAMP(9) WITH TIME ZONE",
        "string": "VARCHAR",
        "uuid": "UUID",
        "binary": "VARBINARY",
        "geometry": "GEOMETRY",
        "geography": "SPHERICALGEOGRAPHY",
        "variant": "VARIANT",
        "unknown": "UNKNOWN",
    }
    values: ClassVar[Mapping[str, str]] = {"fixed": "binary"}

    def text(self, value: str) -> str:
        """``value`` as a string; a long one that repeats itself is written as its pattern."""
        plain = super().text
        if len(value) < _LONG:
            return plain(value)
        patterns = (value[:width] for width in range(1, _WIDEST_PATTERN))
        pattern = next((one for one in patterns if (one * (len(value) // len(one) + 1))[: len(value)] == value), None)
        return plain(value) if pattern is None else f"rpad('', {len(value)}, {plain(pattern)})"

    def partition(self, field: PartitionField) -> str:
        """A field of the table property ``partitioning``."""
        return self.text(self._transformed(field))

    def sort(self, field: SortField) -> str:
        """A field of the table property ``sorted_by``."""
        order = f"{field.direction.upper()} {field.nulls.replace('-', ' ').upper()}"
        return self.text(f"{self._transformed(field)} {order}")

    def _transformed(self, field: PartitionField | SortField) -> str:
        source = field.source if _PLAIN_NAME.fullmatch(field.source) else self.name(field.source)
        if field.transform == "identity":
            return source
        match = _TRANSFORM.fullmatch(field.transform)
        return f"{match[1]}({source}, {match[2]})" if match else f"{field.transform}({source})"

    def array(self, parts: Sequence[str]) -> str:
        """An array of expressions."""
        return f"ARRAY[{', '.join(parts)}]"

    def properties(self, properties: Mapping[str, str]) -> dict[str, str]:
        """Iceberg's table properties as those of the connector, written as SQL.

        What the connector has no property for goes into ``extra_properties``.
        """
        written, extra, blooms = {}, {}, []
        for key, value in properties.items():
            name = _PROPERTIES.get(key)
            if name:
                written[name] = value if name in _UNQUOTED else self.text(value)
            elif key.startswith(_BLOOM):
                blooms.extend([key.removeprefix(_BLOOM)] if value == "true" else [])
            elif key == "write.orc.bloom.filter.columns":
                written["orc_bloom_filter_columns"] = self.array([self.text(one.strip()) for one in value.split(",")])
            else:
                extra[key] = value
        if blooms:
            written["parquet_bloom_filter_columns"] = self.array(list(map(self.text, blooms)))
        if extra:
            keys, values = (self.array(list(map(self.text, some))) for some in (extra, extra.values()))
            written["extra_properties"] = f"MAP({keys}, {values})"
        return written


class TrinoOperations(SqlOperations):
    """Operations in Trino's SQL.

    There is no statement to overwrite, to move a column, for equality deletes or for several tables at once.
    """

    sql = TrinoSql()
    _has_codec = False
    operations = frozenset(
        {
            ops.Create, ops.Append, ops.Delete, ops.Update, ops.Merge,
            ops.AddColumn, ops.DropColumn, ops.RenameColumn, ops.ChangeType, ops.MakeOptional, ops.SetDoc,
            ops.SetPartition, ops.SetOrder, ops.SetProperties, ops.UpgradeFormat,
            ops.CreateRef, ops.DropRef, ops.Rollback,
            ops.Compact, ops.RewriteManifests, ops.ExpireSnapshots, ops.RemoveOrphans, ops.ComputeStatistics,
            ops.CreateView, ops.Concurrent,
        }
    )  # fmt: skip

    @property
    @abstractmethod
    def _opened(self) -> Lake:
        """The lake that is open."""

    def sql_create(self, operation: ops.Create) -> Iterator[str]:
        """CREATE TABLE; a table of that name is replaced."""
        sql, lake, table = self.sql, self._opened, self._target(operation.table)
        yield f"CREATE SCHEMA IF NOT EXISTS {sql.name(lake.name)}.{sql.name(lake.namespace)}"
        yield f"DROP TABLE IF EXISTS {table}"
        yield from self._codec(operation.properties.get(_CODEC))
        # CREATE TABLE, unlike SET PROPERTIES, does not take the codec as an extra property.
        table_properties = {key: value for key, value in operation.properties.items() if key != _CODEC}
        properties = {"format_version": str(operation.format_version), **sql.properties(table_properties)}
        if operation.partition:
            properties["partitioning"] = sql.array(list(map(sql.partition, operation.partition)))
        if operation.order:
            properties["sorted_by"] = sql.array(list(map(sql.sort, operation.order)))
        columns = ", ".join(map(sql.column, operation.columns))
        yield f"CREATE TABLE {table} ({columns}) WITH ({_settings(properties)})"

    def sql_append(self, operation: ops.Append) -> Iterator[str]:
        """INSERT INTO the table, or its branch in the words of newer versions."""
        target = self._target(operation.table)
        if operation.branch:
            target = f"{target} @ {self.sql.name(operation.branch)}"
        yield self._insert("INSERT INTO", target, operation.fields, operation.rows)

    def sql_make_optional(self, operation: ops.MakeOptional) -> Iterator[str]:
        """ALTER COLUMN … DROP NOT NULL, which takes the quotes for a part of the name: plain names go without."""
        parts = operation.path.split(".")
        path = ".".join(one if _PLAIN_NAME.fullmatch(one) else self.sql.name(one) for one in parts)
        yield self._alter(operation, f"ALTER COLUMN {path} DROP NOT NULL")

    def sql_set_partition(self, operation: ops.SetPartition) -> Iterator[str]:
        """The table property ``partitioning``."""
        parts = self.sql.array(list(map(self.sql.partition, operation.partition)))
        yield self._set(operation, {"partitioning": parts})

    def sql_set_order(self, operation: ops.SetOrder) -> Iterator[str]:
        """The table property ``sorted_by``."""
        yield self._set(operation, {"sorted_by": self.sql.array(list(map(self.sql.sort, operation.order)))})

    def sql_set_properties(self, operation: ops.SetProperties) -> Iterator[str]:
        """SET PROPERTIES, and the session's codec, as the table's is only kept."""
        if _CODEC in operation.properties:
            yield from self._codec(operation.properties[_CODEC])
        yield self._set(operation, self.sql.properties(operation.properties))

    def _codec(self, codec: str | None) -> Iterator[str]:
        """The codec that the session writes with, which is no property of a table."""
        setting = f"{self.sql.name(self._opened.name)}.compression_codec"
        if codec is not None:
            written = "NONE" if codec == "uncompressed" else codec.upper()
            yield f"SET SESSION {setting} = {self.sql.text(written)}"
        elif self._has_codec:
            yield f"RESET SESSION {setting}"
        self._has_codec = codec is not None

    def sql_upgrade_format(self, operation: ops.UpgradeFormat) -> Iterator[str]:
        """The table property ``format_version``."""
        yield self._set(operation, {"format_version": str(operation.format_version)})

    def sql_create_ref(self, operation: ops.CreateRef) -> Iterator[str]:
        """CREATE BRANCH in the words of newer versions.

        Raises:
            EngineUnavailable: no version has words for a tag, or for a branch at an older snapshot.
        """
        if operation.type != "branch" or operation.snapshot_id is not None:
            raise EngineUnavailable("trino has no way to ask for a tag, or for a branch at a snapshot")
        yield f"CREATE BRANCH {self.sql.name(operation.name)} IN TABLE {self._target(operation.table)}"

    def sql_drop_ref(self, operation: ops.DropRef) -> Iterator[str]:
        """DROP BRANCH in the words of newer versions.

        Raises:
            EngineUnavailable: no version has words for a tag.
        """
        if operation.type != "branch":
            raise EngineUnavailable("trino has no way to ask for a tag")
        yield f"DROP BRANCH {self.sql.name(operation.name)} IN TABLE {self._target(operation.table)}"

    def sql_rollback(self, operation: ops.Rollback) -> Iterator[str]:
        """EXECUTE rollback_to_snapshot."""
        yield self._alter(operation, f"EXECUTE rollback_to_snapshot({operation.snapshot_id})")

    def sql_compact(self, operation: ops.Compact) -> Iterator[str]:
        """EXECUTE optimize."""
        yield self._alter(operation, "EXECUTE optimize")

    def sql_rewrite_manifests(self, operation: ops.RewriteManifests) -> Iterator[str]:
        """EXECUTE optimize_manifests."""
        yield self._alter(operation, "EXECUTE optimize_manifests")

    def sql_expire_snapshots(self, operation: ops.ExpireSnapshots) -> Iterator[str]:
        """EXECUTE expire_snapshots."""
        yield self._alter(operation, "EXECUTE expire_snapshots(retention_threshold => '0s')")

    def sql_remove_orphans(self, operation: ops.RemoveOrphans) -> Iterator[str]:
        """EXECUTE remove_orphan_files, of those older than the connector's least retention."""
        yield self._alter(operation, "EXECUTE remove_orphan_files(retention_threshold => '7d')")

    def sql_compute_statistics(self, operation: ops.ComputeStatistics) -> Iterator[str]:
        """ANALYZE."""
        yield f"ANALYZE {self._target(operation.table)}"

    def _set(self, operation: ops.Operation, properties: Mapping[str, str]) -> str:
        return self._alter(operation, f"SET PROPERTIES {_settings(properties)}")


def _settings(properties: Mapping[str, str]) -> str:
    return ", ".join(f"{key} = {value}" for key, value in properties.items())
