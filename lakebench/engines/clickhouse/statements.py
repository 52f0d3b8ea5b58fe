"""Operations as ClickHouse's SQL (ClickHouse's documentation: Iceberg table engine, *iceberg* table function)."""

from __future__ import annotations

import re
import uuid
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from lakebench.engines.sql import SqlDialect, SqlOperations
from lakebench.errors import EngineUnavailable
from lakebench.iceberg import operations as ops
from lakebench.iceberg.types import Field, ListOf, MapOf, PartitionField, SortField, Struct, Type, find, kind

_TRANSFORM = re.compile(r"(\w+)\[(\d+)\]")
_TRANSFORMS = {
    "year": "toYearNumSinceEpoch",
    "month": "toMonthNumSinceEpoch",
    "day": "toRelativeDayNum",
    "hour": "toRelativeHourNum",
    "bucket": "icebergBucket",
    "truncate": "icebergTruncate",
}
_FORMAT = "write.format.default"
_MODE = re.compile(r"write\.(delete|update|merge)\.mode")
_MICROSECONDS = (3_600_000_000, 60_000_000, 1_000_000)  # of an hour, a minute, a second
_NOT_NULLABLE = frozenset({"list", "map", "geometry", "geography"})


class ClickHouseSql(SqlDialect):
    """ClickHouse's SQL. Text and bytes are both ``String``; a time is a number of microseconds."""

    types: ClassVar[Mapping[str, str]] = {
        "boolean": "Bool",
        "int": "Int32",
        "long": "Int64",
        "float": "Float32",
        "double": "Float64",
        "decimal": "Decimal({0}, {1})",
        "date": "Date32",
        "time": "Time64(6)",
        "timestamp": "DateTime64(6)",
        "timestamptz": "DateTime64(6, 'UTC')",
        "timestamp_ns": "DateTime64(9)",
        "timestamptz_ns": "DateTime64(9, 'UTC')",
        "string": "String",
        "uuid": "UUID",
        "fixed": "FixedString({0})",
        "binary": "String",
        "variant": "JSON",
        "geometry": "Geometry",
        "geography": "Geometry",
        "unknown": "Nothing",
    }
    values: ClassVar[Mapping[str, str]] = {"time": "long"}

    def name(self, identifier: str) -> str:
        """``identifier`` in backquotes."""
        return "`" + identifier.replace("\\", "\\\\").replace("`", "\\`") + "`"

    def text(self, value: str) -> str:
        """``value`` as a string."""
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"

    def nullable(self, of: Type, *, required: bool = False) -> str:
        """The type of a column or element; nulls have to be asked for, and some types cannot be: arrays and maps."""
        plain = self.type_name(of)
        return plain if required or kind(of) in _NOT_NULLABLE else f"Nullable({plain})"

    def value_type(self, of: Type) -> str:
        """The type of a value, which may be null."""
        return self.nullable(self.values.get(of, of) if isinstance(of, str) else of)

    def struct_type(self, of: Struct) -> str:
        """A named tuple."""
        fields = (f"{self.name(one.name)} {self.nullable(one.type, required=one.required)}" for one in of.fields)
        return f"Tuple({', '.join(fields)})"

    def list_type(self, of: ListOf) -> str:
        """An array."""
        return f"Array({self.nullable(of.element, required=of.required)})"

    def map_type(self, of: MapOf) -> str:
        """A map, whose keys are never null."""
        return f"Map({self.type_name(of.key)}, {self.nullable(of.value, required=of.required)})"

    def column(self, field: Field) -> str:
        """A column; there is no NOT NULL."""
        default = "" if field.default is None else f" DEFAULT {self.literal(field.type, field.default)}"
        comment = f" COMMENT {self.text(field.doc)}" if field.doc else ""
        return f"{self.name(field.name)} {self.nullable(field.type, required=field.required)}{default}{comment}"

    def primitive(self, of: str, value: Any) -> str:
        """A value; a time in microseconds."""
        if of == "time":
            return f"CAST({_microseconds(value)} AS {self.value_type(of)})"
        return super().primitive(of, value)

    def timestamp(self, value: str) -> str:
        """The text without its zone, which is the type's."""
        return super().timestamp(value).removesuffix("+00:00")

    def bytes(self, of: str, value: str) -> str:
        """Bytes in hex."""
        return f"CAST(unhex('{value}') AS {self.value_type(of)})"

    def geo(self, of: str, value: str) -> str:  # noqa: ARG002 - both are a Geometry
        """WKB in hex as a geometry."""
        return f"readWKB(unhex('{value}'))"

    def variant(self, value: Any) -> str:
        """A JSON value as ClickHouse's JSON, which holds objects only."""
        import json

        return f"CAST({self.text(json.dumps(value, ensure_ascii=False))} AS {self.types['variant']})"

    def struct(self, of: Struct, values: Sequence[str]) -> str:
        """A tuple of field values."""
        return f"CAST(tuple({', '.join(values)}) AS {self.value_type(of)})"

    def list(self, of: ListOf, values: Sequence[str]) -> str:
        """An array of elements."""
        return f"CAST([{', '.join(values)}] AS {self.value_type(of)})"

    def map(self, of: MapOf, keys: Sequence[str], values: Sequence[str]) -> str:
        """A map of keys, which must not be of a type with nulls, and values, one after the other."""
        entries = ", ".join(f"assumeNotNull({key}), {value}" for key, value in zip(keys, values, strict=True))
        return f"CAST(map({entries}) AS {self.value_type(of)})"

    def shown(self, expression: str, of: Type) -> str:
        """``expression`` as it is read; lists and maps by ClickHouse's functions."""
        if self.is_changed(of) and isinstance(of, ListOf):
            return f"arrayMap(x -> {self.shown('x', of.element)}, {expression})"
        if self.is_changed(of) and isinstance(of, MapOf):
            return f"mapApply((k, v) -> (k, {self.shown('v', of.value)}), {expression})"
        return super().shown(expression, of)

    def shown_struct(self, expression: str, of: Struct) -> str:
        """A tuple rebuilt from its fields as they are shown."""
        parts = ", ".join(self.shown(f"{expression}.{self.name(one.name)}", one.type) for one in of.fields)
        return f"tuple({parts})"

    def shown_primitive(self, expression: str, of: str) -> str:
        """A variant as JSON text; a geometry as WKB."""
        return f"toJSONString({expression})" if of == "variant" else f"wkb({expression})"

    def summary(self, function: str, path: str) -> str:
        """As elsewhere; the length of a text by ``length``."""
        return f"sum(length({self.path(path)}))" if function == "length" else f"{function}({self.path(path)})"

    def transformed(self, field: PartitionField | SortField) -> str:
        """A field of PARTITION BY and ORDER BY."""
        source = self.path(field.source)
        if field.transform == "identity":
            return source
        match = _TRANSFORM.fullmatch(field.transform)
        name, *width = match.groups() if match else (field.transform,)
        return f"{_TRANSFORMS.get(name, name)}({', '.join([*width, source])})"

    def order(self, fields: Sequence[SortField]) -> str:
        """What follows ORDER BY."""
        parts = (f"{self.transformed(one)}{' DESC' if one.direction == 'desc' else ''}" for one in fields)
        return f"({', '.join(parts)})"


class ClickHouseOperations(SqlOperations):
    """Operations on tables of a ``DataLakeCatalog`` database.

    There is no statement to overwrite, to merge, for branches and tags, for a partition spec that changes, to roll
    back, for statistics, for equality deletes or for several tables at once. Comments and table properties have a
    syntax, which the Iceberg engine refuses.
    """

    sql: ClassVar[ClickHouseSql] = ClickHouseSql()
    operations: ClassVar[frozenset[type[ops.Operation]]] = frozenset(
        {
            ops.Create, ops.Append, ops.Delete, ops.Update,
            ops.AddColumn, ops.DropColumn, ops.RenameColumn, ops.MoveColumn, ops.ChangeType, ops.MakeOptional,
            ops.SetDoc, ops.SetOrder, ops.SetProperties, ops.UpgradeFormat,
            ops.Compact, ops.RewriteManifests, ops.ExpireSnapshots, ops.CreateView, ops.Concurrent,
        }
    )  # fmt: skip

    @abstractmethod
    def _engine(self, folder: str, form: str) -> str:
        """The ENGINE clause of a new table whose files lie in ``folder`` of the lake's namespace."""

    def sql_create(self, operation: ops.Create) -> Iterator[str]:
        """CREATE TABLE; a table of that name is replaced.

        Raises:
            EngineUnavailable: a table property has no setting of ClickHouse's.
        """
        form = _file_format(operation.properties)
        clauses = [self._engine(new_folder(operation.table), form)]
        if operation.partition:
            clauses.append(f"PARTITION BY ({', '.join(map(self.sql.transformed, operation.partition))})")
        if operation.order:
            clauses.append(f"ORDER BY {self.sql.order(operation.order)}")
        clauses.append(f"SETTINGS iceberg_format_version = {operation.format_version}")
        columns, target = ", ".join(map(self.sql.column, operation.columns)), self._target(operation.table)
        yield f"DROP TABLE IF EXISTS {target}"
        yield f"CREATE TABLE {target} ({columns}) {' '.join(clauses)}"

    def sql_delete(self, operation: ops.Delete) -> Iterator[str]:
        """ALTER TABLE … DELETE, which needs a condition."""
        where = self.sql.where(operation.fields, operation.where) or " WHERE true"
        yield self._alter(operation, f"DELETE{where}")

    def sql_update(self, operation: ops.Update) -> Iterator[str]:
        """ALTER TABLE … UPDATE."""
        (statement,) = super().sql_update(operation)
        _, _, change = statement.partition(" SET ")
        yield self._alter(operation, f"UPDATE {change}{'' if operation.where else ' WHERE true'}")

    def sql_add_column(self, operation: ops.AddColumn) -> Iterator[str]:
        """ADD COLUMN.

        Raises:
            EngineUnavailable: a field of a struct, for which a name with a dot makes a column of the table.
        """
        if operation.parent:
            raise EngineUnavailable("ClickHouse has no way to add a field to a struct")
        yield from super().sql_add_column(operation)

    def sql_change_type(self, operation: ops.ChangeType) -> Iterator[str]:
        """MODIFY COLUMN."""
        yield self._modify(operation, operation.path, operation.type)

    def sql_make_optional(self, operation: ops.MakeOptional) -> Iterator[str]:
        """MODIFY COLUMN to the same type with nulls."""
        of = find(operation.fields, operation.path).type
        yield self._alter(operation, f"MODIFY COLUMN {self.sql.path(operation.path)} {self.sql.nullable(of)}")

    def sql_move_column(self, operation: ops.MoveColumn) -> Iterator[str]:
        """MODIFY COLUMN to the type it has, at another position."""
        position = self._position(first=operation.first, after=operation.after)
        yield self._modify(operation, operation.path, find(operation.fields, operation.path).type) + position

    def sql_set_doc(self, operation: ops.SetDoc) -> Iterator[str]:
        """COMMENT COLUMN."""
        yield self._alter(operation, f"COMMENT COLUMN {self.sql.path(operation.path)} {self.sql.text(operation.doc)}")

    def sql_set_order(self, operation: ops.SetOrder) -> Iterator[str]:
        """MODIFY ORDER BY."""
        yield self._alter(operation, f"MODIFY ORDER BY {self.sql.order(operation.order)}")

    def sql_set_properties(self, operation: ops.SetProperties) -> Iterator[str]:
        """MODIFY SETTING."""
        pairs = (f"{self.sql.name(key)} = {self.sql.text(value)}" for key, value in operation.properties.items())
        yield self._alter(operation, f"MODIFY SETTING {', '.join(pairs)}")

    def sql_upgrade_format(self, operation: ops.UpgradeFormat) -> Iterator[str]:
        """MODIFY SETTING, as at the creation of a table."""
        yield self._alter(operation, f"MODIFY SETTING iceberg_format_version = {operation.format_version}")

    def sql_compact(self, operation: ops.Compact) -> Iterator[str]:
        """OPTIMIZE TABLE."""
        yield f"OPTIMIZE TABLE {self._target(operation.table)}"

    def sql_rewrite_manifests(self, operation: ops.RewriteManifests) -> Iterator[str]:
        """OPTIMIZE TABLE … MANIFEST, which leaves fewer than 100 alone by default."""
        at_least = "SETTINGS iceberg_manifest_min_count_to_compact = 1"
        yield f"OPTIMIZE TABLE {self._target(operation.table)} MANIFEST {at_least}"

    def sql_expire_snapshots(self, operation: ops.ExpireSnapshots) -> Iterator[str]:
        """EXECUTE expire_snapshots of whatever age."""
        yield self._alter(operation, "EXECUTE expire_snapshots(retention_period = '0s', retain_last = 1)")

    def sql_create_view(self, operation: ops.CreateView) -> Iterator[str]:
        """CREATE VIEW in the catalog's database."""
        where = self.sql.where(operation.fields, operation.where)
        query = f"SELECT {self.sql.names(operation.columns)} FROM {self._target(operation.table)}{where}"
        yield f"CREATE VIEW {self._target(operation.name)} AS {query}"

    def _modify(self, operation: ops.Operation, path: str, of: Type) -> str:
        """MODIFY COLUMN; what was required stays so."""
        required = find(operation.fields, path).required
        return self._alter(operation, f"MODIFY COLUMN {self.sql.path(path)} {self.sql.nullable(of, required=required)}")


def new_folder(table: str) -> str:
    """A folder that no table ever had: what a refused or a dropped one left there stands in the way of another."""
    return f"{table}-{uuid.uuid4().hex}"


def _file_format(properties: Mapping[str, str]) -> str:
    """The format of the files that ``properties`` ask for.

    Raises:
        EngineUnavailable: they ask for what no setting of a table says.
    """
    for key, value in properties.items():
        # Rows are always deleted and updated by position deletes.
        if key != _FORMAT and not (_MODE.fullmatch(key) and value == "merge-on-read"):
            raise EngineUnavailable(f"ClickHouse has no way to make a table with {key} = {value}")
    form = properties.get(_FORMAT, "parquet")
    return {"parquet": "Parquet", "orc": "ORC", "avro": "Avro"}.get(form, form)


def _microseconds(text: str) -> int:
    """Microseconds since midnight of ``22:31:08.123456``."""
    hour, minute, second = text.split(":")
    whole, _, fraction = second.partition(".")
    parts = zip((int(hour), int(minute), int(whole)), _MICROSECONDS, strict=True)
    return sum(count * width for count, width in parts) + int(f"{fraction:0<6}"[:6])
