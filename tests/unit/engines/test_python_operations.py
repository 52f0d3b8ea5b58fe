from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from pyiceberg.exceptions import ValidationException
from pyiceberg.expressions import AlwaysTrue, And, EqualTo, In, IsNull
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER

from lakebench import engines
from lakebench.engines import CanOperate, schemas
from lakebench.engines.boundary import engine_call
from lakebench.engines.daft.calls import DaftOperations
from lakebench.engines.duckdb.engine import DuckDB, IcebergScan
from lakebench.engines.duckdb.statements import DuckDBSql
from lakebench.engines.inprocess import Call, PythonOperations
from lakebench.engines.polars.calls import PolarsOperations
from lakebench.engines.pyiceberg.calls import PyIcebergOperations
from lakebench.engines.sql import SqlOperations
from lakebench.errors import CommitConflict, EngineUnavailable, Refused
from lakebench.iceberg import operations as ops
from lakebench.iceberg.scan import Condition, Scan
from lakebench.iceberg.types import Field, ListOf, MapOf, PartitionField, SortField, Struct
from lakebench.model import Catalog, CatalogKind, EngineSettings, Lake

SETTINGS = EngineSettings(1, 2**30, "/nowhere")
OPERATING = (DuckDB, PyIcebergOperations, DaftOperations, PolarsOperations)
COLUMNS = (
    Field("id", "int", required=True, doc="the key"),
    Field("s", Struct((Field("at", "timestamptz"), Field("u", "uuid")))),
    Field("l", ListOf("fixed[4]")),
    Field("m", MapOf("string", "decimal(9,2)")),
)
SQL = DuckDBSql()


@pytest.mark.parametrize("engine", OPERATING)
def test_it_has_a_method_for_each_operation_and_for_no_other(engine: type[CanOperate]) -> None:
    prefix = "sql_" if issubclass(engine, SqlOperations) else "do_"
    methods = {name.removeprefix(prefix).replace("_", "") for name in dir(engine) if name.startswith(prefix)}
    names = {one.__name__.lower() for one in engine.operations - {ops.Concurrent}}
    assert names == methods & {name.lower() for name in ops.OPERATIONS}


def test_what_is_preloaded_reads_no_variable_that_open_sets() -> None:
    """Daft and Polars look at the environment when they are imported."""
    preloaded = {name for engine in engines.engines().values() for name in engine.preload}
    assert not {"daft", "polars"} & {name.partition(".")[0] for name in preloaded}
    of_both = sorted({*engines.find("daft").preload, *engines.find("polars").preload})
    code = f"import sys, {', '.join(of_both)}; sys.exit(bool({{'daft', 'polars'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


class Table:
    """A table that a part of a concurrent operation changes once, unless another part came first."""

    def __init__(self, log: list[str], seen: int) -> None:
        self.log, self.seen = log, seen

    def append(self, text: str) -> None:
        if self.seen != len(self.log):
            raise ValidationException("Added data files were found matching the filter for snapshots set()!")
        self.log.append(text)


class Library(PythonOperations):
    operations: ClassVar[frozenset[type[ops.Operation]]] = frozenset({ops.Append, ops.Concurrent})

    def __init__(self) -> None:
        self.log: list[str] = []

    def _table(self, table: str) -> Table:
        return engine_call(self._load, table)

    def _load(self, table: str) -> Table:
        if table == "missing":
            raise ValueError("no such table")
        return Table(self.log, len(self.log))

    def do_append(self, operation: ops.Append, table: Table, call: Call) -> None:
        call("table.append", table.append, operation.table)


class InTurn(Library):
    threads: ClassVar[bool] = False


@pytest.mark.parametrize("library", [Library, InTurn])
def test_parts_start_from_the_same_snapshot_and_a_conflict_is_no_error(library: Callable[[], Library]) -> None:
    statements: list[str] = []
    instance = library()
    parts = (ops.Append(table="a", rows=()), ops.Append(table="b", rows=()))
    assert sorted(instance.operate(ops.Concurrent(operations=parts), statements.append) or []) == [False, True]
    assert len(instance.log) == 1
    assert sorted(statements) == ["table.append('a')", "table.append('b')"]


def test_an_operation_fails_with_the_librarys_message() -> None:
    with pytest.raises(Refused, match="no such table"):
        Library().operate(ops.Append(table="missing", rows=()), print)


def test_fields_become_pyicebergs_schema() -> None:
    schema = schemas.schema(COLUMNS)
    assert schema.as_struct() == schema.__class__.model_validate_json(schema.model_dump_json()).as_struct()
    assert [one.name for one in schema.fields] == ["id", "s", "l", "m"]
    assert len(schema._lazy_id_to_field) == len({"id", "s", "s.at", "s.u", "l", "l.element", "m", "m.key", "m.value"})
    assert str(schema.find_field("m.value").field_type) == "decimal(9, 2)"
    assert schema.find_field("id").required
    assert schema.find_field("id").doc == "the key"


def test_partitions_and_orders_name_their_columns() -> None:
    schema = schemas.schema(COLUMNS)
    spec = schemas.partition_spec(schema, [PartitionField("id", "bucket[4]"), PartitionField("s.at", "day")])
    assert [(one.name, str(one.transform)) for one in spec.fields] == [("id_bucket", "bucket[4]"), ("s.at_day", "day")]
    (order,) = schemas.sort_order(schema, [SortField("id", "desc", "nulls-last")]).fields
    assert (order.source_id, str(order.direction), str(order.null_order)) == (
        schema.find_field("id").field_id,
        "DESC",
        "NULLS LAST",
    )
    assert schemas.sort_order(schema, ()) == UNSORTED_SORT_ORDER


def test_conditions_become_one_expression() -> None:
    where = [Condition("id", "in", (1, 2)), Condition("s.u", "is-null")]
    assert schemas.expression(COLUMNS, where) == And(In("id", [1, 2]), IsNull("s.u"))
    assert schemas.expression(COLUMNS, [Condition("l.element", "=", "00ff00ff")]) == EqualTo(
        "l.element", b"\x00\xff\x00\xff"
    )
    assert schemas.expression((), ()) == AlwaysTrue()


@pytest.mark.parametrize(
    ("create", "reason"),
    [
        (ops.Create(columns=(Field("id", "int"),), order=(SortField("id"),)), "a sort order"),
        (ops.Create(columns=(Field("id", "int", required=True),)), "required columns"),
        (ops.Create(columns=(Field("id", "int", doc="why"),)), "comments"),
        (ops.Create(columns=(Field("id", "int", default=1),)), "default values"),
        (ops.Create(columns=(Field("v", "variant"),)), "the type variant"),
    ],
)
def test_daft_says_what_a_table_of_its_own_cannot_have(create: ops.Create, reason: str) -> None:
    with pytest.raises(EngineUnavailable, match=reason):
        _instance(DaftOperations).do_create(create, None, _no_call)


@pytest.mark.parametrize("engine", [DaftOperations, PolarsOperations])
def test_dataframes_do_not_append_to_branches(engine: type[Any]) -> None:
    with pytest.raises(EngineUnavailable, match="branch"):
        _instance(engine).do_append(ops.Append(rows=(), branch="dev"), None, _no_call)


@pytest.mark.parametrize(
    "change",
    [
        ops.AddColumn(fields=COLUMNS, column=Field("x", "int"), first=True),
        ops.AddColumn(fields=COLUMNS, column=Field("x", "int", default=1)),
        ops.AddColumn(fields=COLUMNS, column=Field("x", "int"), parent="l.element"),
    ],
)
def test_polars_says_where_it_cannot_add_a_column(change: ops.AddColumn) -> None:
    with pytest.raises(EngineUnavailable, match="Polars has no way"):
        _instance(PolarsOperations).do_add_column(change, None, _no_call)


def _instance(engine: type[Any]) -> Any:
    return type("Made", (engine,), {"_table": lambda *_: None})()


def _no_call(*_args: Any, **_named: Any) -> None:
    raise AssertionError("nothing is called")


class Statements(DuckDB):
    """DuckDB's statements, without DuckDB; a statement that ``fails`` conflicts."""

    def __init__(self, fails: str = "") -> None:
        self.fails, self._created = fails, True
        self._lake = Lake("lake", None, Catalog(CatalogKind.REST, "http://127.0.0.1:9", "warehouse"))

    def _target(self, table: str) -> str:
        return f'"{table}"'

    def _execute(self, sql: str) -> None:
        if self.fails and self.fails in sql:
            raise CommitConflict(sql)


def statements_of(operation: ops.Operation) -> list[str]:
    return list(Statements().statements(operation))


def test_duckdb_creates_a_table() -> None:
    create = ops.Create(
        columns=COLUMNS,
        partition=(PartitionField("id", "bucket[4]"), PartitionField("id")),
        order=(SortField("id", "desc", "nulls-last"),),
        properties={"a": "it's"},
    )
    table = (
        'CREATE TABLE "t" ("id" INTEGER NOT NULL, "s" STRUCT("at" TIMESTAMP WITH TIME ZONE, "u" UUID), '
        '"l" fixed[4][], "m" MAP(VARCHAR, DECIMAL(9, 2))) PARTITIONED BY (bucket(4, "id"), "id") '
        "WITH ('a' = 'it''s')"
    )
    order, comment = (
        'ALTER TABLE "t" SET SORTED BY ("id" DESC NULLS LAST)',
        """COMMENT ON COLUMN "t"."id" IS 'the key'""",
    )
    assert statements_of(create) == ['DROP TABLE IF EXISTS "t"', table, order, comment]


@pytest.mark.parametrize(
    ("operation", "statement"),
    [
        (ops.ChangeType(path="id", type="long"), 'ALTER TABLE "t" ALTER COLUMN "id" TYPE BIGINT'),
        (ops.SetPartition(partition=()), 'ALTER TABLE "t" RESET PARTITIONED BY'),
        (ops.SetPartition(partition=(PartitionField("a", "day"),)), 'ALTER TABLE "t" SET PARTITIONED BY (day("a"))'),
        (ops.SetOrder(order=()), 'ALTER TABLE "t" RESET SORTED BY'),
        (ops.SetProperties(properties={"a": "b"}), """CALL set_iceberg_table_properties("t", MAP {'a': 'b'})"""),
        (ops.UpgradeFormat(format_version=3), """ALTER TABLE "t" SET ('format-version' = 3)"""),
        (ops.Rollback(to="x", snapshot_id=7), """CALL iceberg_rollback_to_snapshot('"t"', 7)"""),
        (ops.Compact(), """CALL iceberg_rewrite_data_files('"t"')"""),
        (
            ops.CreateView(name="v", columns=("id",), where=(Condition("id", "=", 1),)),
            'CREATE OR REPLACE VIEW "v" AS SELECT "id" FROM "t" WHERE "id" = 1',
        ),
    ],
)
def test_duckdb_writes_an_operation(operation: ops.Operation, statement: str) -> None:
    assert statements_of(operation) == [statement]


def test_duckdb_has_no_branches_to_append_to() -> None:
    with pytest.raises(EngineUnavailable, match="branch"):
        statements_of(ops.Append(rows=(), branch="dev"))


def test_duckdbs_parts_all_begin_before_the_first_commits(monkeypatch: pytest.MonkeyPatch) -> None:
    import contextlib

    sessions = iter([Statements(), Statements(fails="COMMIT")])
    monkeypatch.setattr(Statements, "_another", lambda _: contextlib.nullcontext(next(sessions)))
    statements: list[str] = []
    parts = (ops.Compact(table="a"), ops.Compact(table="b"))
    assert Statements().operate(ops.Concurrent(operations=parts), statements.append) == [True, False]
    assert [one.partition(" ")[0] for one in statements] == ["BEGIN", "CALL", "BEGIN", "CALL", "COMMIT", "COMMIT"]


def test_duckdbs_transaction_is_one() -> None:
    parts = (ops.Compact(table="a"), ops.Compact(table="b"))
    assert [one.partition(" ")[0] for one in statements_of(ops.Transaction(operations=parts))] == [
        "BEGIN",
        "CALL",
        "CALL",
        "COMMIT",
    ]


def test_duckdb_shows_what_arrow_has_no_type_for() -> None:
    fields = (Field("v", "variant"), Field("g", ListOf("geometry")), Field("m", MapOf("string", "uuid")))
    assert SQL.select(Scan("t", fields=fields), "t") == (
        'SELECT CASE WHEN "v" IS NOT NULL THEN CAST(CAST("v" AS JSON) AS VARCHAR) END AS "v", '
        'list_transform("g", lambda each_0: ST_AsWKB(each_0)) AS "g", '
        'CASE WHEN "m" IS NOT NULL THEN MAP(map_keys("m"), list_transform(map_values("m"), '
        "lambda each_0: unhex(replace(CAST(each_0 AS VARCHAR), '-', '')))) END AS \"m\" FROM t"
    )


def test_duckdb_writes_values() -> None:
    assert SQL.literal("fixed[2]", "00ff") == "unhex('00ff')"
    assert SQL.literal("variant", {"a": "é"}) == """CAST(CAST('{"a": "é"}' AS JSON) AS VARIANT)"""
    assert SQL.literal("geometry", "01") == "CAST(ST_GeomFromWKB(unhex('01')) AS GEOMETRY('OGC:CRS84'))"


@pytest.mark.parametrize("engine", [DuckDB, IcebergScan])
@pytest.mark.parametrize(
    ("scan", "what"),
    [
        (Scan("t", metadata="refs"), "a table's refs"),
        (Scan("t", ("parent_id",), metadata="snapshots"), "the parent_id of a table's snapshots"),
    ],
)
def test_duckdb_says_which_metadata_it_does_not_have(engine: Any, scan: Scan, what: str) -> None:
    with pytest.raises(EngineUnavailable, match=what):
        engine(SETTINGS).scan(scan)


@pytest.mark.parametrize("name", ["daft", "polars"])
@pytest.mark.parametrize("scan", [Scan("t", metadata="files"), Scan("t", at_ms=1)])
def test_a_dataframe_says_what_it_does_not_read(name: str, scan: Scan) -> None:
    with pytest.raises(EngineUnavailable, match="has no way to read"):
        engines.find(name)(SETTINGS).scan(scan)  # type: ignore[attr-defined] # both can scan
