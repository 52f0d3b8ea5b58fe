"""What the adapters of SQL engines share: a dialect that writes names, types, values and SELECTs, and operations.

Standard library only. The texts are what most engines accept; an adapter's dialect overrides what its engine
writes differently, method by method.
"""

from __future__ import annotations

import contextlib
import re
import threading
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar

from lakebench.engines import CanOperate
from lakebench.errors import CommitConflict, EngineUnavailable
from lakebench.iceberg import operations as ops
from lakebench.iceberg.scan import NUMBER, Condition, Scan
from lakebench.iceberg.types import Field, ListOf, MapOf, Struct, Type, find, kind, parameters

_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])")
_COMPARISONS = {"=": "=", "!=": "<>", "<": "<", "<=": "<=", ">": ">", ">=": ">="}
_TIMESTAMPS = frozenset({"timestamp", "timestamptz", "timestamp_ns", "timestamptz_ns"})
_BYTES = frozenset({"binary", "fixed"})
_GEO = frozenset({"geometry", "geography"})


class SqlDialect:
    """How an engine's SQL is written.

    ``types`` maps the bare name of a primitive type to the engine's, where ``{0}`` and ``{1}`` are the parameters of
    Iceberg's. A type that it lacks is written as Iceberg calls it, for the engine to refuse. ``values`` maps it to the
    Iceberg type that its values have in this SQL, where that is another (text for a UUID, say). ``changed``
    maps a type that is not read as it is to the type that its values become.
    """

    types: ClassVar[Mapping[str, str]] = {}
    values: ClassVar[Mapping[str, str]] = {}
    changed: ClassVar[Mapping[str, str]] = {"variant": "string", "geometry": "binary", "geography": "binary"}

    def name(self, identifier: str) -> str:
        """``identifier`` in quotes."""
        return '"' + identifier.replace('"', '""') + '"'

    def names(self, identifiers: Iterable[str]) -> str:
        """Identifiers in quotes, joined by commas."""
        return ", ".join(map(self.name, identifiers))

    def path(self, path: str) -> str:
        """The column at ``path``, each part in quotes."""
        return ".".join(map(self.name, path.split(".")))

    def column_of(self, fields: Sequence[Field], path: str) -> str:
        """The column at ``path`` of ``fields``: one whose own name has dots is no path."""
        return self.name(path) if any(one.name == path for one in fields) else self.path(path)

    def text(self, value: str) -> str:
        """``value`` as a string."""
        return "'" + value.replace("'", "''") + "'"

    # Types

    def type_name(self, of: Type) -> str:
        """The engine's name of the type."""
        if isinstance(of, Struct):
            return self.struct_type(of)
        if isinstance(of, ListOf):
            return self.list_type(of)
        if isinstance(of, MapOf):
            return self.map_type(of)
        pattern = self.types.get(kind(of))
        return of if pattern is None else pattern.format(*parameters(of))

    def struct_type(self, of: Struct) -> str:
        """The name of a struct's type."""
        return f"ROW({', '.join(f'{self.name(one.name)} {self.type_name(one.type)}' for one in of.fields)})"

    def required_fields(self, of: Struct) -> str:
        """The fields of a struct's type, with NOT NULL where one is required."""
        fields = (
            f"{self.name(one.name)} {self.type_name(one.type)}{' NOT NULL' if one.required else ''}"
            for one in of.fields
        )
        return ", ".join(fields)

    def list_type(self, of: ListOf) -> str:
        """The name of a list's type."""
        return f"ARRAY({self.type_name(of.element)})"

    def map_type(self, of: MapOf) -> str:
        """The name of a map's type."""
        return f"MAP({self.type_name(of.key)}, {self.type_name(of.value)})"

    def value_type(self, of: Type) -> str:
        """The name of the type that values of ``of`` have in this SQL."""
        return self.type_name(_replaced(of, self.values))

    def column(self, field: Field) -> str:
        """A column as CREATE TABLE and ADD COLUMN have it."""
        return " ".join(
            (
                self.name(field.name),
                self.type_name(field.type),
                *(["NOT NULL"] if field.required else []),
                *([] if field.default is None else [f"DEFAULT {self.literal(field.type, field.default)}"]),
                *([f"COMMENT {self.text(field.doc)}"] if field.doc else []),
            )
        )

    # Values

    def literal(self, of: Type, value: Any) -> str:
        """``value`` (JSON, see :mod:`lakebench.iceberg.types`) as an expression of exactly the type ``of``."""
        if value is None:
            return f"CAST(NULL AS {self.value_type(of)})"
        if isinstance(of, Struct):
            return self.struct(of, [self.literal(one.type, value.get(one.name)) for one in of.fields])
        if isinstance(of, ListOf):
            return self.list(of, [self.literal(of.element, one) for one in value])
        if isinstance(of, MapOf):
            keys = [self.literal(of.key, one) for one in value["keys"]]
            return self.map(of, keys, [self.literal(of.value, one) for one in value["values"]])
        return self.primitive(of, value)

    def primitive(self, of: str, value: Any) -> str:
        """A value, not null, of a primitive type."""
        bare = kind(of)
        if bare == "boolean":
            return str(value).lower()
        if bare in _BYTES:
            return self.bytes(of, value)
        if bare in _GEO:
            return self.geo(of, value)
        if bare == "variant":
            return self.variant(value)
        if bare in _TIMESTAMPS:
            value = self.timestamp(value)
        return f"CAST({self.text(_number(value))} AS {self.value_type(of)})"

    def timestamp(self, value: str) -> str:
        """The text that a timestamp is cast from."""
        return value.replace("T", " ")

    def bytes(self, of: str, value: str) -> str:
        """Bytes in hex as an expression of the type ``of``, which is binary or fixed."""
        return f"CAST(X'{value}' AS {self.value_type(of)})"

    def geo(self, of: str, value: str) -> str:
        """WKB in hex as an expression of the type ``of``, which is a geometry or a geography."""
        return f"CAST(ST_GeomFromWKB(X'{value}') AS {self.value_type(of)})"

    def variant(self, value: Any) -> str:
        """A JSON value as a variant."""
        return f"CAST(parse_json({self.text(_json(value))}) AS {self.value_type('variant')})"

    def struct(self, of: Struct, values: Sequence[str]) -> str:
        """A struct of field values, which are expressions already."""
        return f"CAST(ROW({', '.join(values)}) AS {self.value_type(of)})"

    def list(self, of: ListOf, values: Sequence[str]) -> str:
        """A list of elements, which are expressions already."""
        return f"CAST(ARRAY[{', '.join(values)}] AS {self.value_type(of)})"

    def map(self, of: MapOf, keys: Sequence[str], values: Sequence[str]) -> str:
        """A map of keys and values, which are expressions already."""
        return f"CAST(MAP(ARRAY[{', '.join(keys)}], ARRAY[{', '.join(values)}]) AS {self.value_type(of)})"

    def rows(self, fields: Sequence[Field], rows: Sequence[ops.Row]) -> str:
        """Rows as a query: VALUES, or a SELECT of none."""
        if not rows:
            return f"SELECT {self._row(fields, (None,) * len(fields))} WHERE false"
        return "VALUES " + ", ".join(f"({self._row(fields, row)})" for row in rows)

    def _row(self, fields: Sequence[Field], row: ops.Row) -> str:
        return ", ".join(self.literal(field.type, value) for field, value in zip(fields, row, strict=True))

    # Conditions and SELECTs

    def condition(self, fields: Sequence[Field], condition: Condition) -> str:
        """One condition; a column that ``fields`` do not have compares with a plain value."""
        column = self.column_of(fields, condition.column)
        if condition.test in {"is-null", "not-null"}:
            return f"{column} IS {'NOT ' if condition.test == 'not-null' else ''}NULL"
        of = _type_of(fields, condition.column)
        if condition.test == "in":
            return f"{column} IN ({', '.join(self._value(of, one) for one in condition.value)})"
        return f"{column} {_COMPARISONS[condition.test]} {self._value(of, condition.value)}"

    def _value(self, of: Type | None, value: Any) -> str:
        if of is not None:
            return self.literal(of, value)
        return self.text(value) if isinstance(value, str) else str(value).lower()

    def where(self, fields: Sequence[Field], conditions: Sequence[Condition]) -> str:
        """A WHERE clause with a space before it; empty where there is no condition."""
        joined = " AND ".join(self.condition(fields, one) for one in conditions)
        return f" WHERE {joined}" if joined else ""

    def select(self, scan: Scan, source: str) -> str:
        """The SELECT that ``scan`` asks for, from ``source``, which has the table and its time travel.

        Several filters are a SELECT each, with UNION ALL: each has a scan of its own, which the filter prunes.
        """
        if scan.filters:
            return " UNION ALL ".join(self._numbered(n, one, source) for n, one in enumerate(scan.by_filter))
        listed = "count(*) AS n" if scan.count else self.summaries(scan) or self._select_list(scan)
        return f"SELECT {listed} FROM {source}{self.where(scan.fields, scan.where)}"

    def _numbered(self, n: int, scan: Scan, source: str) -> str:
        selected = f"{n} AS {self.name(NUMBER)}, {self._select_list(scan)}"
        return f"SELECT {selected} FROM {source}{self.where(scan.fields, scan.where)}"

    def summaries(self, scan: Scan) -> str:
        """The aggregates that ``scan`` asks for; empty where it asks for none."""
        pairs = enumerate(scan.summary)
        return ", ".join(f"{self.summary(function, path)} AS s{at}" for at, (function, path) in pairs)

    def summary(self, function: str, path: str) -> str:
        """One of :data:`lakebench.iceberg.scan.SUMMARIES` of the column at ``path``."""
        return f"sum(len({self.path(path)}))" if function == "length" else f"{function}({self.path(path)})"

    def _select_list(self, scan: Scan) -> str:
        if scan.metadata or not scan.fields:
            return "*" if scan.columns is None else self.names(scan.columns)
        types = {one.name: one.type for one in scan.fields}
        columns = types if scan.columns is None else scan.columns
        return ", ".join(self._selected(one, types.get(one)) for one in columns)

    def _selected(self, column: str, of: Type | None) -> str:
        name = self.name(column)
        expression = self.reserved(column) if of is None else self.shown(name, of)
        return name if expression == name else f"{expression} AS {name}"

    def reserved(self, column: str) -> str:
        """A column that is none of the table's own, such as ``_row_id``."""
        return self.name(column)

    def shown(self, expression: str, of: Type) -> str:
        """``expression`` as it is read: variants become JSON text and geometries WKB, at whatever depth."""
        if not self.is_changed(of):
            return expression
        if isinstance(of, Struct):
            return self.shown_struct(expression, of)
        if isinstance(of, ListOf):
            return f"transform({expression}, x -> {self.shown('x', of.element)})"
        if isinstance(of, MapOf):
            return f"transform_values({expression}, (k, v) -> {self.shown('v', of.value)})"
        return self.shown_primitive(expression, of)

    def shown_struct(self, expression: str, of: Struct) -> str:
        """A struct rebuilt from its fields as they are shown."""
        parts = ", ".join(self.shown(f"{expression}.{self.name(one.name)}", one.type) for one in of.fields)
        shown = self.value_type(_replaced(of, self.changed))
        return f"CASE WHEN {expression} IS NOT NULL THEN CAST(ROW({parts}) AS {shown}) END"

    def shown_primitive(self, expression: str, of: str) -> str:
        """A value of a primitive type that is not read as it is."""
        return f"to_json({expression})" if of == "variant" else f"ST_AsBinary({expression})"

    def is_changed(self, of: Type) -> bool:
        """Whether ``of`` is, or holds, a type that is not read as it is."""
        if isinstance(of, Struct):
            return any(self.is_changed(one.type) for one in of.fields)
        if isinstance(of, ListOf):
            return self.is_changed(of.element)
        if isinstance(of, MapOf):
            return self.is_changed(of.value)
        return kind(of) in self.changed


class SqlOperations(CanOperate):
    """Operations as SQL statements.

    Each of ``operations`` is carried out by the method called ``sql_`` and its name, as in ``sql_add_column``, which
    yields statements. They are run one by one as they are yielded, so it may query the engine between two of them. The
    base has the methods for statements that most engines share.
    """

    sql: ClassVar[SqlDialect]

    @abstractmethod
    def _execute(self, sql: str) -> None:
        """Run one statement to its end.

        Raises:
            CommitConflict: another commit came first.
            Refused: the engine's own error, in its own words.
        """

    @abstractmethod
    def _target(self, table: str) -> str:
        """The table as statements name it, in quotes."""

    def _another(self) -> contextlib.AbstractContextManager[SqlOperations]:
        """Another session with the same lake, for the duration of the block."""
        raise NotImplementedError

    def operate(self, operation: ops.Operation, tell: Callable[[str], None]) -> list[bool] | None:
        """Carry out ``operation``; see :meth:`lakebench.engines.CanOperate.operate`."""
        if isinstance(operation, ops.Concurrent):
            return self._concurrently(operation, tell)
        for statement in self.statements(operation):
            tell(statement)
            self._execute(statement)
        return None

    def statements(self, operation: ops.Operation) -> Iterable[str]:
        """The statements that carry out ``operation``."""
        method = f"sql_{_WORD.sub('_', type(operation).__name__).lower()}"
        texts: Iterable[str] = getattr(self, method)(operation)
        return texts

    def _concurrently(self, operation: ops.Concurrent, tell: Callable[[str], None]) -> list[bool]:
        """A thread and a session for each part; all statements are reported, then all parts start at once."""
        parts = [list(self.statements(one)) for one in operation.operations]
        for statement in (one for part in parts for one in part):
            tell(statement)
        start = threading.Barrier(len(parts))
        with contextlib.ExitStack() as stack, ThreadPoolExecutor(len(parts)) as pool:
            sessions = [stack.enter_context(self._another()) for _ in parts]
            return list(pool.map(lambda session, part: session.attempt(part, start), sessions, parts))

    def attempt(self, statements: Sequence[str], start: threading.Barrier) -> bool:
        """Run statements as soon as all others are at ``start``; whether no other commit came first."""
        start.wait()
        try:
            for statement in statements:
                self._execute(statement)
        except CommitConflict:
            return False
        return True

    # Rows

    def sql_append(self, operation: ops.Append) -> Iterator[str]:
        """INSERT INTO.

        Raises:
            EngineUnavailable: a branch is named, for which most engines have no statement.
        """
        if operation.branch:
            raise EngineUnavailable("its SQL has no way to append to a branch")
        yield self._insert("INSERT INTO", self._target(operation.table), operation.fields, operation.rows)

    def _insert(self, verb: str, target: str, fields: Sequence[Field], rows: Sequence[ops.Row]) -> str:
        names = self.sql.names(one.name for one in fields)
        return f"{verb} {target} ({names}) {self.sql.rows(fields, rows)}"

    def sql_delete(self, operation: ops.Delete) -> Iterator[str]:
        """DELETE."""
        yield f"DELETE FROM {self._target(operation.table)}{self.sql.where(operation.fields, operation.where)}"

    def sql_update(self, operation: ops.Update) -> Iterator[str]:
        """UPDATE."""
        sql, fields = self.sql, operation.fields
        settings = [
            f"{sql.path(key)} = {sql.literal(find(fields, key).type, to)}" for key, to in operation.values.items()
        ]
        for key, more in operation.add.items():
            settings.append(f"{sql.path(key)} = {sql.path(key)} + {sql.literal(find(fields, key).type, more)}")
        yield f"UPDATE {self._target(operation.table)} SET {', '.join(settings)}{sql.where(fields, operation.where)}"

    def sql_merge(self, operation: ops.Merge) -> Iterator[str]:
        """MERGE INTO, from a list of rows."""
        sql, names = self.sql, [one.name for one in operation.fields]
        same = " AND ".join(f"t.{sql.name(one)} = s.{sql.name(one)}" for one in operation.key)
        updates = ", ".join(f"{sql.name(one)} = s.{sql.name(one)}" for one in names if one not in operation.key)
        rows = f"SELECT * FROM ({sql.rows(operation.fields, operation.rows)}) AS v ({sql.names(names)})"
        yield (
            f"MERGE INTO {self._target(operation.table)} AS t USING ({rows}) AS s ON {same}"
            f"{f' WHEN MATCHED THEN UPDATE SET {updates}' if updates else ''} WHEN NOT MATCHED THEN "
            f"INSERT ({sql.names(names)}) VALUES ({', '.join(f's.{sql.name(one)}' for one in names)})"
        )

    # The schema

    def sql_add_column(self, operation: ops.AddColumn) -> Iterator[str]:
        """ALTER TABLE … ADD COLUMN, with its position."""
        above = f"{self.sql.path(operation.parent)}." if operation.parent else ""
        position = self._position(first=operation.first, after=operation.after)
        yield self._alter(operation, f"ADD COLUMN {above}{self.sql.column(operation.column)}{position}")

    def sql_drop_column(self, operation: ops.DropColumn) -> Iterator[str]:
        """ALTER TABLE … DROP COLUMN."""
        yield self._alter(operation, f"DROP COLUMN {self.sql.path(operation.path)}")

    def sql_rename_column(self, operation: ops.RenameColumn) -> Iterator[str]:
        """ALTER TABLE … RENAME COLUMN."""
        yield self._alter(
            operation, f"RENAME COLUMN {self.sql.path(operation.path)} TO {self.sql.name(operation.name)}"
        )

    def sql_change_type(self, operation: ops.ChangeType) -> Iterator[str]:
        """ALTER TABLE … ALTER COLUMN … SET DATA TYPE."""
        yield self._alter_column(operation, operation.path, f"SET DATA TYPE {self.sql.type_name(operation.type)}")

    def sql_make_optional(self, operation: ops.MakeOptional) -> Iterator[str]:
        """ALTER TABLE … ALTER COLUMN … DROP NOT NULL."""
        yield self._alter_column(operation, operation.path, "DROP NOT NULL")

    def sql_set_doc(self, operation: ops.SetDoc) -> Iterator[str]:
        """COMMENT ON COLUMN."""
        column = f"{self._target(operation.table)}.{self.sql.path(operation.path)}"
        yield f"COMMENT ON COLUMN {column} IS {self.sql.text(operation.doc)}"

    def sql_create_view(self, operation: ops.CreateView) -> Iterator[str]:
        """CREATE VIEW, which replaces a view of that name."""
        where = self.sql.where(operation.fields, operation.where)
        # The table by its name alone: a reader of the view finds it in the view's own namespace.
        query = f"SELECT {self.sql.names(operation.columns)} FROM {self.sql.name(operation.table)}{where}"
        yield f"DROP VIEW IF EXISTS {self._target(operation.name)}"
        yield f"CREATE VIEW {self._target(operation.name)} AS {query}"

    def _alter(self, operation: ops.Operation, change: str) -> str:
        return f"ALTER TABLE {self._target(operation.table)} {change}"

    def _alter_column(self, operation: ops.Operation, path: str, change: str) -> str:
        return self._alter(operation, f"ALTER COLUMN {self.sql.path(path)} {change}")

    def _position(self, *, first: bool, after: str) -> str:
        """Where a column goes, with a space before it; empty for the end."""
        return " FIRST" if first else f" AFTER {self.sql.name(after)}" if after else ""


def _replaced(of: Type, by: Mapping[str, str]) -> Type:
    """``of`` with primitive types replaced, and without what a value does not have: comments and NOT NULL."""
    if isinstance(of, Struct):
        return Struct(tuple(Field(one.name, _replaced(one.type, by)) for one in of.fields))
    if isinstance(of, ListOf):
        return ListOf(_replaced(of.element, by))
    if isinstance(of, MapOf):
        return MapOf(_replaced(of.key, by), _replaced(of.value, by))
    return by.get(kind(of), of)


def _type_of(fields: Sequence[Field], path: str) -> Type | None:
    try:
        return find(fields, path).type
    except KeyError:
        return None


def _number(value: Any) -> str:
    return value if isinstance(value, str) else repr(value)


def _json(value: Any) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)
