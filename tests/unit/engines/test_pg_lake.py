"""pg_lake's statements, what it answers, and the registration of its tables, without a server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pytest

from lakebench.engines.pg_lake.engine import PgLakeEngine
from lakebench.engines.pg_lake.reads import metadata_query, selected, value, with_nested
from lakebench.engines.pg_lake.statements import PgLakeSql, local_name, tables_of
from lakebench.errors import EngineUnavailable, Refused
from lakebench.iceberg import catalogs
from lakebench.iceberg import operations as ops
from lakebench.iceberg.scan import Condition, Scan
from lakebench.iceberg.types import Field, ListOf, MapOf, PartitionField, SortField, Struct
from lakebench.model import Catalog, CatalogKind, Endpoint, EngineSettings, Lake, ObjectStore, Runtime

POINT = Struct((Field("x", "int"), Field("y", "binary")))
FIELDS = (Field("id", "int", required=True), Field("p", POINT))
STORE = ObjectStore("http://127.0.0.1:1", "bucket", "key", "secret")
LAKE = Lake("lake", STORE, Catalog(CatalogKind.REST, "http://127.0.0.1:1", "w"), "ns")
MAP = MapOf("string", "int")


def server(location: str = "s3://bucket/pg_lake") -> Endpoint:
    properties = {"schema": "lakebench_1", "location": location, "database": "postgres"}
    return Endpoint("pg_lake", Runtime.LOCAL, "", "127.0.0.1", 1, "17", properties=properties)


class Fake(PgLakeEngine):
    """pg_lake without a server: each change of its table makes a new metadata file."""

    def __init__(self, location: str = "s3://bucket/pg_lake") -> None:
        super().__init__(EngineSettings(1, 2**30, "/nowhere", server(location)))
        self.executed: list[str] = []
        self.files = 0

    def _connect(self) -> None:
        return None

    def _run(self, sql: str, values: Sequence[str] | None = None) -> list[tuple[Any, ...]]:
        if "FROM iceberg_tables" in sql:
            return [(f"s3://bucket/{self.files}.metadata.json",)] if self.files and values != ("no",) else []
        if "map_type.create" in sql:
            return [("map_type.key_text_val_int", "map_type.pair_text_int")]
        self.files += sql.startswith(("CREATE TABLE", "INSERT", "DELETE"))
        self.executed.append(sql)
        return []


class Catalogs:
    """A catalog that knows tables by their metadata files."""

    def __init__(self) -> None:
        self.tables: dict[str, str] = {}
        self.asked: list[str] = []

    def table_metadata(self, _: Catalog, namespace: str, table: str) -> dict[str, Any]:
        assert namespace == "ns"
        if table not in self.tables:
            raise Refused(f"no such table {table}", status=404)
        return {"metadata-location": self.tables[table]}

    def register(self, _: Catalog, __: str, table: str, location: str) -> None:
        assert table not in self.tables
        self.tables[table] = location

    def unregister(self, _: Catalog, __: str, table: str) -> None:
        self.tables.pop(table, None)

    def create_namespace(self, _: Catalog, namespace: str) -> None:
        self.asked.append(namespace)


@pytest.fixture
def catalog(monkeypatch: pytest.MonkeyPatch) -> Catalogs:
    made = Catalogs()
    for name in ("table_metadata", "register", "unregister", "create_namespace"):
        monkeypatch.setattr(catalogs, name, getattr(made, name))
    return made


@pytest.fixture
def engine(catalog: Catalogs) -> Iterator[Fake]:
    made = Fake()
    made.open(LAKE)
    made.executed.clear()
    assert catalog.tables == {}
    yield made
    made.close()


def statements(engine: PgLakeEngine, operation: ops.Operation) -> list[str]:
    return list(engine.statements(operation))


class TestSql:
    @pytest.mark.parametrize(
        ("of", "given", "written"),
        [
            ("float", "NaN", "CAST('NaN' AS real)"),
            ("binary", "00ff", "CAST('\\x00ff' AS bytea)"),
            ("fixed[2]", "00ff", "CAST('\\x00ff' AS bytea)"),
            ("decimal(9,2)", "1.50", "CAST('1.50' AS numeric(9, 2))"),
            (ListOf("uuid"), [], "CAST(ARRAY[] AS uuid[])"),
            ("timestamptz", "2020-01-01T00:00:00+00:00", "CAST('2020-01-01 00:00:00+00:00' AS timestamptz)"),
        ],
    )
    def test_literals_have_their_type(self, of: Any, given: Any, written: str) -> None:
        assert PgLakeSql().literal(of, given) == written

    def test_a_map_is_an_array_of_entries_by_the_names_that_pg_map_gives(self) -> None:
        sql = PgLakeSql()
        sql.note_map(MAP, ("map_type.m", "map_type.e"))
        assert sql.literal(MAP, {"keys": ["k"], "values": [1]}) == (
            "CAST(CAST(ARRAY[CAST(ROW(CAST('k' AS text), CAST('1' AS integer)) AS map_type.e)] AS map_type.e[]) "
            "AS map_type.m)"
        )

    def test_equal_structs_are_one_type_and_others_another(self) -> None:
        sql = PgLakeSql("s")
        other = Struct((Field("x", "long"), Field("y", "binary")))
        assert sql.struct_type(POINT) == sql.struct_type(Struct(POINT.fields))
        assert sql.struct_type(POINT) != sql.struct_type(other)
        assert sql.struct_type(POINT).startswith('"s"."struct_')

    def test_inner_types_are_made_first(self) -> None:
        outer = Struct((Field("l", ListOf(MapOf("string", POINT))),))
        assert list(PgLakeSql().made_types(outer)) == [POINT, MapOf("string", POINT), outer]

    def test_a_field_of_a_struct_is_after_brackets(self) -> None:
        where = PgLakeSql().where(FIELDS, (Condition("p.x", "=", 1),))
        assert where == ' WHERE ("p")."x" = CAST(\'1\' AS integer)'

    def test_a_long_name_is_cut_and_stays_its_own(self) -> None:
        one, other = local_name("t" * 70 + "ü1"), local_name("t" * 70 + "ü2")
        assert one != other
        assert len(one.encode()) <= 63
        assert local_name("short") == "short"


class TestStatements:
    def test_create(self, engine: Fake) -> None:
        operation = ops.Create(
            columns=(*FIELDS, Field("m", MAP, doc="it's")),
            partition=(PartitionField("id", "bucket[4]"), PartitionField("d", "day"), PartitionField("s")),
            properties={"write.delete.mode": "merge-on-read", "write.update.mode": "merge-on-read", "x.y": "z"},
        )
        point = engine.sql.struct_type(POINT)
        drop, mode, struct, a_map, create, doc = statements(engine, operation)
        assert drop == 'DROP TABLE IF EXISTS "lakebench_1_ns"."t"'
        assert mode == "SET pg_lake_table.copy_on_write_threshold = 100"
        assert f'CREATE TYPE {point} AS ("x" integer, "y" bytea)' in struct
        assert "map_type.create('text'::regtype, 'integer'::regtype)" in a_map
        assert create == (
            f'CREATE TABLE "lakebench_1_ns"."t" ("id" integer NOT NULL, "p" {point}, "m" map_type.key_text_val_int) '
            "USING iceberg WITH (\"autovacuum_enabled\" = 'false', \"x.y\" = 'z', "
            '"partition_by" = \'bucket(4, "id"), day("d"), "s"\')'
        )
        assert doc.startswith('COMMENT ON COLUMN "lakebench_1_ns"."t"."m"')

    def test_the_mode_of_deletes_ends_with_the_table_that_asked_for_it(self, engine: Fake) -> None:
        cow = ops.Create(columns=FIELDS[:1], properties={"write.delete.mode": "copy-on-write"})
        assert "SET pg_lake_table.copy_on_write_threshold = 0" in statements(engine, cow)
        plain = ops.Create(columns=FIELDS[:1])
        assert "RESET pg_lake_table.copy_on_write_threshold" in statements(engine, plain)
        assert len(statements(engine, plain)) == 2

    def test_another_format_version_is_for_pg_lake_to_refuse(self, engine: Fake) -> None:
        *_, create = statements(engine, ops.Create(columns=FIELDS[:1], format_version=3))
        assert "\"format_version\" = '3'" in create

    def test_a_sort_order_and_a_branch_have_no_words(self, engine: Fake) -> None:
        with pytest.raises(EngineUnavailable, match="sort order"):
            statements(engine, ops.Create(columns=FIELDS, order=(SortField("id"),)))
        with pytest.raises(EngineUnavailable, match="branch"):
            statements(engine, ops.Append(fields=FIELDS, rows=(), branch="b"))

    @pytest.mark.parametrize(
        ("operation", "change"),
        [
            (ops.AddColumn(Field("z", "long"), fields=FIELDS, parent="p"), 'ADD ATTRIBUTE "z" bigint'),
            (ops.DropColumn("p.x", fields=FIELDS), 'DROP ATTRIBUTE "x"'),
            (ops.RenameColumn("p.x", "xx", fields=FIELDS), 'RENAME ATTRIBUTE "x" TO "xx"'),
            (ops.ChangeType("p.x", "long", fields=FIELDS), 'ALTER ATTRIBUTE "x" TYPE bigint'),
        ],
    )
    def test_a_field_of_a_struct_is_changed_in_its_type(
        self, engine: Fake, operation: ops.Operation, change: str
    ) -> None:
        assert statements(engine, operation) == [f"ALTER TYPE {engine.sql.struct_type(POINT)} {change}"]

    @pytest.mark.parametrize(
        ("before", "after", "option"),
        [
            ((), (PartitionField("id"),), "ADD partition_by '\"id\"'"),
            ((PartitionField("s"),), (PartitionField("id", "truncate[2]"),), "SET partition_by 'truncate(2, \"id\")'"),
            ((PartitionField("s"),), (), "DROP partition_by"),
        ],
    )
    def test_a_partition_spec_is_an_option(self, engine: Fake, before: Any, after: Any, option: str) -> None:
        (alter,) = statements(engine, ops.SetPartition(partition=after, before=before))
        assert alter == f'ALTER TABLE "lakebench_1_ns"."t" OPTIONS ({option})'

    def test_a_transaction_is_one(self, engine: Fake) -> None:
        parts = tuple(ops.Append(table=one, fields=FIELDS[:1], rows=((1,),)) for one in ("a", "b"))
        assert [one.split()[0] for one in statements(engine, ops.Transaction(operations=parts))] == [
            "BEGIN", "INSERT", "INSERT", "COMMIT",
        ]  # fmt: skip
        assert tables_of(ops.Transaction(operations=parts)) == ("a", "b")


class TestRegistration:
    append = ops.Append(fields=FIELDS[:1], rows=((1,),))

    def test_each_step_is_registered(self, engine: Fake, catalog: Catalogs) -> None:
        told: list[str] = []
        engine.operate(ops.Create(columns=FIELDS[:1]), told.append)
        assert catalog.tables == {"t": "s3://bucket/1.metadata.json"}
        engine.operate(self.append, told.append)
        assert catalog.tables == {"t": "s3://bucket/2.metadata.json"}
        assert told[-1] == "-- registered: s3://bucket/2.metadata.json"
        assert catalog.asked == ["ns", "ns"]

    def test_a_step_that_changes_nothing_is_not(self, engine: Fake, catalog: Catalogs) -> None:
        engine.operate(ops.Create(columns=FIELDS[:1]), _unheard)
        catalog.asked.clear()
        engine.operate(ops.Compact(), _unheard)
        assert catalog.asked == []

    def test_what_another_engine_changed_is_not_gone_on_with(self, engine: Fake, catalog: Catalogs) -> None:
        engine.operate(ops.Create(columns=FIELDS[:1]), _unheard)
        catalog.tables["t"] = "s3://bucket/by-another.metadata.json"
        engine.executed.clear()
        with pytest.raises(EngineUnavailable, match="another engine"):
            engine.operate(self.append, _unheard)
        assert engine.executed == []

    def test_a_new_table_replaces_what_another_registered(self, engine: Fake, catalog: Catalogs) -> None:
        catalog.tables["t"] = "s3://bucket/by-another.metadata.json"
        engine.operate(ops.Create(columns=FIELDS[:1]), _unheard)
        assert catalog.tables == {"t": "s3://bucket/1.metadata.json"}

    @pytest.mark.parametrize("location", ["s3://another/pg_lake", "s3://bucket-2/x"])
    def test_a_lake_in_another_store_is_not_opened(self, location: str) -> None:
        with pytest.raises(EngineUnavailable, match=location):
            Fake(location).open(LAKE)


class TestReads:
    def test_another_snapshot_is_refused(self, engine: Fake) -> None:
        for scan in (Scan("t", snapshot_id=1), Scan("t", ref="b"), Scan("t", at_ms=1)):
            with pytest.raises(Refused, match="current snapshot"):
                engine.scan(scan)

    def test_nested_values_come_as_json(self) -> None:
        of = Struct((Field("d", "decimal(9,2)"), Field("b", "binary"), Field("m", MAP), Field("l", ListOf("float"))))
        shown = {"d": "1.50", "b": "\\x00ff", "m": [{"key": "k", "val": None}], "l": ["NaN", 1]}
        assert value(of, shown) == {
            "d": "1.50", "b": "00ff", "m": {"keys": ["k"], "values": [None]}, "l": ["NaN", 1],
        }  # fmt: skip

    def test_a_column_of_json_becomes_what_it_says(self) -> None:
        table = pa.table({"id": [1, 2, 3], "p": ['{"x": 1, "y": "\\\\x00"}', None, '{"x": null, "y": null}']})
        fitted = with_nested(table, FIELDS)
        assert fitted["p"].to_pylist() == [{"x": 1, "y": b"\x00"}, None, {"x": None, "y": None}]
        assert fitted.column_names == ["id", "p"]

    def test_json_of_another_type_is_refused(self) -> None:
        with pytest.raises(Refused, match="struct"):
            with_nested(pa.table({"id": [1], "p": ["[1]"]}), FIELDS)

    def test_the_fields_are_those_of_the_answer(self) -> None:
        assert selected(Scan("t", fields=FIELDS)) == FIELDS
        assert selected(Scan("t", ("p", "_row_id"), fields=FIELDS)) == (FIELDS[1], None)
        assert selected(Scan("t", fields=FIELDS, count=True)) == ()
        assert selected(Scan("t")) == ()

    def test_metadata_tables_are_functions(self) -> None:
        files = metadata_query(PgLakeSql(), Scan("t", ("record_count", "content"), metadata="files"), "s3://b/it's")
        assert files.startswith('SELECT "record_count", CASE content WHEN')
        assert files.endswith("FROM lake_iceberg.files('s3://b/it''s')")
        with pytest.raises(EngineUnavailable, match="refs"):
            metadata_query(PgLakeSql(), Scan("t", metadata="refs"), "")


class TestCatalogRequests:
    @pytest.fixture
    def asked(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, Any]]:
        asked: list[tuple[str, str, Any]] = []

        def ask(url: str, method: str = "GET", body: Any = None, **_: Any) -> Mapping[str, Any]:
            asked.append((method, url.removeprefix("http://127.0.0.1:1/v1/"), body))
            if method == "DELETE" and "gone" in url:
                raise Refused("the catalog answers 404", status=404)
            if method == "DELETE" and "locked" in url:
                raise Refused("the catalog answers 403", status=403)
            return {}

        monkeypatch.setattr(catalogs, "ask", ask)
        return asked

    def test_a_table_is_registered_and_forgotten(self, asked: list[tuple[str, str, Any]]) -> None:
        catalogs.create_namespace(LAKE.catalog, "n s")
        catalogs.register(LAKE.catalog, "n s", "t", "s3://x")
        catalogs.unregister(LAKE.catalog, "n s", "t/1")
        assert [one for one in asked if one[0] != "GET"] == [
            ("POST", "namespaces", {"namespace": ["n s"]}),
            ("POST", "namespaces/n%20s/register", {"name": "t", "metadata-location": "s3://x"}),
            ("DELETE", "namespaces/n%20s/tables/t%2F1?purgeRequested=false", None),
        ]

    def test_a_table_that_is_not_there_is_forgotten_already(self, asked: list[tuple[str, str, Any]]) -> None:
        catalogs.unregister(LAKE.catalog, "ns", "gone")
        with pytest.raises(Refused, match="403"):
            catalogs.unregister(LAKE.catalog, "ns", "locked")
        assert asked


def _unheard(_: str) -> None: ...
