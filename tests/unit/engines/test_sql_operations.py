from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

import pyarrow as pa
import pytest

from lakebench.engines.spark.statements import SparkOperations, SparkSql
from lakebench.engines.sql import SqlDialect, SqlOperations
from lakebench.engines.trino import types
from lakebench.engines.trino.statements import TrinoOperations, TrinoSql
from lakebench.errors import CommitConflict, EngineUnavailable, Refused
from lakebench.iceberg import operations as ops
from lakebench.iceberg.scan import Condition, Scan
from lakebench.iceberg.types import Field, ListOf, MapOf, PartitionField, SortField, Struct, Type
from lakebench.model import Catalog, CatalogKind, Lake, ObjectStore

FIELDS = (Field("id", "long", required=True), Field("s", "string"), Field("st", Struct((Field("a", "int"),))))
LAKE = Lake("lake", ObjectStore("http://127.0.0.1:1", "b", "k", "s"), Catalog(CatalogKind.REST, "http://x", "w"), "ns")
SPARK, TRINO = SparkSql(), TrinoSql()


class _Recorded:
    """What the base needs of an engine: it records statements, and those in ``conflicts`` fail."""

    _opened = LAKE
    _namespace = "`lake`.`ns`"

    def __init__(self) -> None:
        self.executed: list[str] = []
        self.parts: list[dict[str, str]] = []
        self.conflicts: tuple[str, ...] = ()
        self.refuses = ""

    def _execute(self, sql: str) -> None:
        if sql.startswith(self.conflicts or ("nothing",)):
            raise CommitConflict("another came first")
        if self.refuses and self.refuses in sql:
            raise Refused("no")
        self.executed.append(sql)

    def _rows(self, _sql: str) -> list[dict[str, str]]:
        return self.parts

    def _target(self, table: str) -> str:
        return self.sql.name(table)  # type: ignore[attr-defined, no-any-return]

    @contextlib.contextmanager
    def _another(self) -> Iterator[_Recorded]:
        yield self


class RecordedSpark(_Recorded, SparkOperations):  # type: ignore[misc]
    """Spark's statements without Spark."""


class RecordedTrino(_Recorded, TrinoOperations):  # type: ignore[misc]
    """Trino's statements without Trino."""


def statements_of(engine: SqlOperations, operation: ops.Operation) -> list[str]:
    statements: list[str] = []
    assert engine.operate(operation, statements.append) is None
    return statements


class TestLiterals:
    @pytest.mark.parametrize(
        ("of", "value", "spark", "trino"),
        [
            ("boolean", True, "true", "true"),
            ("int", -5, "CAST('-5' AS INT)", "CAST('-5' AS INTEGER)"),
            ("float", "NaN", "CAST('NaN' AS FLOAT)", "CAST('NaN' AS REAL)"),
            ("double", 1e300, "CAST('1e+300' AS DOUBLE)", "CAST('1e+300' AS DOUBLE)"),
            ("decimal(9,2)", "1.50", "CAST('1.50' AS DECIMAL(9, 2))", "CAST('1.50' AS DECIMAL(9, 2))"),
            ("string", "o'n\\", "CAST('o\\'n\\\\' AS STRING)", "CAST('o''n\\' AS VARCHAR)"),
            (
                "timestamp",
                "0001-01-01T00:00:00",
                "CAST('0001-01-01 00:00:00' AS TIMESTAMP_NTZ)",
                "CAST('0001-01-01 00:00:00' AS TIMESTAMP(6))",
            ),
            ("binary", "00ff", "CAST(X'00ff' AS BINARY)", "CAST(X'00ff' AS VARBINARY)"),
            ("fixed[2]", "00ff", "CAST(X'00ff' AS BINARY)", "CAST(X'00ff' AS VARBINARY)"),
            ("string", None, "CAST(NULL AS STRING)", "CAST(NULL AS VARCHAR)"),
            (ListOf("int"), [], "CAST(array() AS ARRAY<INT>)", "CAST(ARRAY[] AS ARRAY(INTEGER))"),
            (
                Struct((Field("a", "int", required=True),)),
                {"a": 1},
                "named_struct('a', CAST('1' AS INT))",
                "CAST(ROW(CAST('1' AS INTEGER)) AS ROW(\"a\" INTEGER))",
            ),
            (
                MapOf("string", "boolean"),
                {"keys": ["k"], "values": [None]},
                "map(CAST('k' AS STRING), CAST(NULL AS BOOLEAN))",
                "CAST(MAP(ARRAY[CAST('k' AS VARCHAR)], ARRAY[CAST(NULL AS BOOLEAN)]) AS MAP(VARCHAR, BOOLEAN))",
            ),
        ],
    )
    def test_have_exactly_the_type(self, of: Type, value: object, spark: str, trino: str) -> None:
        assert SPARK.literal(of, value) == spark
        assert TRINO.literal(of, value) == trino

    def test_a_type_without_a_name_is_left_to_the_engine_to_refuse(self) -> None:
        assert SPARK.type_name("uuid") == "uuid"
        assert TRINO.type_name("fixed[4]") == "fixed[4]"

    def test_values_of_such_a_type_have_another(self) -> None:
        assert SPARK.literal("uuid", "f79c3e09-677c-4bbd-a479-3f349cb785e7").endswith("AS STRING)")

    def test_variants_and_geometries(self) -> None:
        assert SPARK.literal("variant", {"a": "ü"}) == 'CAST(parse_json(\'{"a": "ü"}\') AS VARIANT)'
        assert SPARK.literal("geometry(srid:3857)", "01") == "st_setsrid(st_geomfromwkb(X'01'), 3857)"
        assert SPARK.type_name("geometry(OGC:CRS84)") == "GEOMETRY(4326)"
        assert SPARK.literal("geography", "01") == "st_geogfromwkb(X'01')"

    def test_a_long_text_that_repeats_itself_is_written_as_its_pattern(self) -> None:
        assert TRINO.text("ab'" * 10_000) == "rpad('', 30000, 'ab''')"
        assert TRINO.text("ab" * 10) == f"'{'ab' * 10}'"


class TestConditionsAndSelects:
    def test_a_condition_has_the_columns_type(self) -> None:
        where = (Condition("id", "in", (1, 2)), Condition("st.a", "!=", 3), Condition("s", "is-null"))
        assert TRINO.where(FIELDS, where) == (
            " WHERE \"id\" IN (CAST('1' AS BIGINT), CAST('2' AS BIGINT))"
            ' AND "st"."a" <> CAST(\'3\' AS INTEGER) AND "s" IS NULL'
        )

    def test_an_unknown_column_has_a_plain_value(self) -> None:
        assert SqlDialect().where((), (Condition("a", "=", "x"), Condition("b", "<", 1.5))) == (
            ' WHERE "a" = \'x\' AND "b" < 1.5'
        )

    def test_all_columns_or_some(self) -> None:
        assert TRINO.select(Scan("t"), "t") == "SELECT * FROM t"
        dotted = Scan("t", fields=(Field("a.b", "string"),), where=(Condition("a.b", "is-null"),))
        assert TRINO.select(dotted, "t") == 'SELECT "a.b" FROM t WHERE "a.b" IS NULL'
        inside = Scan("t", columns=("id",), fields=FIELDS, where=(Condition("st.a", "is-null"),))
        assert TRINO.select(inside, "t") == 'SELECT "id" FROM t WHERE "st"."a" IS NULL'
        filters = ((Condition("id", "=", 1),), (Condition("s", "is-null"),))
        batch = Scan("t", columns=("id",), filters=filters, fields=FIELDS)
        assert TRINO.select(batch, "t") == (
            'SELECT 0 AS "n", "id" FROM t WHERE "id" = CAST(\'1\' AS BIGINT) UNION ALL '
            'SELECT 1 AS "n", "id" FROM t WHERE "s" IS NULL'
        )
        assert TRINO.select(Scan("t", fields=FIELDS[:2]), "t") == 'SELECT "id", "s" FROM t'
        assert TRINO.select(Scan("t", columns=("s", "_row_id"), fields=FIELDS), "t") == 'SELECT "s", "_row_id" FROM t'

    def test_count(self) -> None:
        scan = Scan("t", count=True, fields=FIELDS, where=(Condition("s", "not-null"),))
        assert SPARK.select(scan, "t") == "SELECT count(*) AS n FROM t WHERE `s` IS NOT NULL"

    def test_a_metadata_table_has_columns_of_its_own(self) -> None:
        scan = Scan("t", metadata="refs", columns=("name",), fields=(Field("name", "variant"),))
        assert SPARK.select(scan, "t.refs") == "SELECT `name` FROM t.refs"

    def test_variants_become_json_at_any_depth(self) -> None:
        fields = (Field("v", "variant"), Field("l", ListOf(Struct((Field("v", "variant"), Field("g", "geometry"))))))
        assert SPARK.select(Scan("t", fields=fields), "t") == (
            "SELECT to_json(`v`) AS `v`, transform(`l`, x -> IF(x IS NULL, NULL, "
            "named_struct('v', to_json(x.`v`), 'g', ST_AsBinary(x.`g`)))) AS `l` FROM t"
        )


@pytest.mark.parametrize("engine", [SparkOperations, TrinoOperations])
def test_every_operation_has_a_method(engine: type[SqlOperations]) -> None:
    for operation in engine.operations - {ops.Concurrent}:
        name = "".join(f"_{one.lower()}" if one.isupper() else one for one in operation.__name__)
        assert callable(getattr(engine, f"sql{name}")), operation


class TestSpark:
    def test_create(self) -> None:
        operation = ops.Create(
            columns=(Field("id", "long", required=True, doc="it's"), Field("ts", "timestamptz")),
            partition=(PartitionField("id", "bucket[4]"), PartitionField("ts", "day")),
            order=(SortField("id", "desc", "nulls-last"),),
            properties={"write.delete.mode": "merge-on-read"},
        )
        assert statements_of(RecordedSpark(), operation) == [
            "CREATE NAMESPACE IF NOT EXISTS `lake`.`ns`",
            "DROP TABLE IF EXISTS `t`",
            (
                "CREATE TABLE `t` (`id` BIGINT NOT NULL COMMENT 'it\\'s', `ts` TIMESTAMP) USING iceberg "
                "PARTITIONED BY (bucket(4, `id`), days(`ts`)) "
                "TBLPROPERTIES ('format-version' = '2', 'write.delete.mode' = 'merge-on-read')"
            ),
            "ALTER TABLE `t` WRITE ORDERED BY `id` DESC NULLS LAST",
        ]

    def test_a_new_partition_spec_drops_and_adds_what_differs(self) -> None:
        engine = RecordedSpark()
        before = (PartitionField("id", "bucket[4]"), PartitionField("st.a", "day"), PartitionField("s"))
        after = (PartitionField("s"), PartitionField("id", "bucket[8]"))
        operation = ops.SetPartition(partition=after, before=before)
        assert statements_of(engine, operation) == [
            "ALTER TABLE `t` DROP PARTITION FIELD bucket(4, `id`)",
            "ALTER TABLE `t` DROP PARTITION FIELD days(`st`.`a`)",
            "ALTER TABLE `t` ADD PARTITION FIELD bucket(8, `id`)",
        ]

    def test_merge_names_the_rows_columns_inside(self) -> None:
        (merge,) = statements_of(RecordedSpark(), ops.Merge(fields=FIELDS[:2], rows=((1, "a"),)))
        assert (
            "USING (SELECT * FROM (VALUES (CAST('1' AS BIGINT), CAST('a' AS STRING))) AS v (`id`, `s`)) AS s" in merge
        )
        assert merge.endswith("INSERT (`id`, `s`) VALUES (s.`id`, s.`s`)")

    def test_no_rows_are_a_query_too(self) -> None:
        (insert,) = statements_of(RecordedSpark(), ops.Append(fields=FIELDS[:1], rows=()))
        assert insert == "INSERT INTO `t` (`id`) SELECT CAST(NULL AS BIGINT) WHERE false"

    def test_a_branch_is_written_by_its_name(self) -> None:
        (insert,) = statements_of(RecordedSpark(), ops.Append(fields=FIELDS[:1], rows=((1,),), branch="b-1"))
        assert insert.startswith("INSERT INTO `t`.`branch_b-1` (`id`)")

    def test_procedures_name_the_table(self) -> None:
        assert statements_of(RecordedSpark(), ops.Rollback(to="m", snapshot_id=7)) == [
            "CALL `lake`.system.rollback_to_snapshot(table => '`ns`.`t`', snapshot_id => 7)"
        ]


class TestTrino:
    def test_create(self) -> None:
        operation = ops.Create(
            columns=(Field("Id", "int"),),
            partition=(PartitionField("Id", "bucket[4]"), PartitionField("ts", "day")),
            order=(SortField("ts"),),
            properties={
                "write.format.default": "orc",
                "write.parquet.bloom-filter-enabled.column.v": "true",
                "write.delete.mode": "merge-on-read",
                "write.parquet.compression-codec": "gzip",
            },
        )
        engine = RecordedTrino()
        assert statements_of(engine, operation)[2:] == [
            "SET SESSION \"lake\".compression_codec = 'GZIP'",
            (
                'CREATE TABLE "t" ("Id" INTEGER) WITH (format_version = 2, format = \'orc\', '
                "parquet_bloom_filter_columns = ARRAY['v'], "
                "extra_properties = MAP(ARRAY['write.delete.mode'], ARRAY['merge-on-read']), "
                "partitioning = ARRAY['bucket(\"Id\", 4)', 'day(ts)'], sorted_by = ARRAY['ts ASC NULLS FIRST'])"
            ),
        ]
        assert 'RESET SESSION "lake".compression_codec' in statements_of(engine, ops.Create(columns=FIELDS))
        assert not any("SESSION" in one for one in statements_of(engine, ops.Create(columns=FIELDS)))

    def test_there_is_no_statement_for_a_tag(self) -> None:
        with pytest.raises(EngineUnavailable):
            statements_of(RecordedTrino(), ops.CreateRef(name="x", type="tag"))

    def test_not_null_is_dropped_from_a_plain_name(self) -> None:
        assert statements_of(RecordedTrino(), ops.MakeOptional(path="id")) == [
            'ALTER TABLE "t" ALTER COLUMN id DROP NOT NULL'
        ]


class TestConcurrent:
    def test_a_conflict_is_false(self) -> None:
        engine = RecordedTrino()
        engine.conflicts = ("DELETE",)
        statements: list[str] = []
        parts = (ops.Append(fields=FIELDS[:1], rows=((1,),)), ops.Delete(where=()))
        assert engine.operate(ops.Concurrent(operations=parts), statements.append) == [True, False]
        assert len(statements) == 2
        assert engine.executed == statements[:1]

    def test_another_error_is_raised(self) -> None:
        engine = RecordedTrino()
        engine.refuses = "DELETE"
        with pytest.raises(Refused, match="no"):
            engine.operate(ops.Concurrent(operations=(ops.Delete(where=()),)), lambda _: None)

    def test_all_start_together(self) -> None:
        engine = RecordedTrino()
        start = threading.Barrier(2)
        other = threading.Thread(target=engine.attempt, args=(["a"], start))
        other.start()
        assert engine.executed == []
        assert engine.attempt(["b"], start)
        other.join()
        assert sorted(engine.executed) == ["a", "b"]


class TestTrinoTypes:
    def test_nested(self) -> None:
        assert types.arrow_type('row("X y" integer, "a""b,(" varchar(3), c row(d array(decimal(3, 1))))') == pa.struct(
            [
                ("X y", pa.int32()),
                ('a"b,(', pa.string()),
                ("c", pa.struct([("d", pa.list_(pa.decimal128(3, 1)))])),
            ]
        )
        assert types.arrow_type("map(timestamp(6) with time zone, map(uuid, time(6)))") == pa.map_(
            pa.timestamp("us", "UTC"), pa.map_(pa.binary(16), pa.time64("us"))
        )

    def test_rows_without_names(self) -> None:
        kind = types.arrow_type("row(integer, timestamp(3) with time zone, array(real))")
        assert [field.type for field in kind] == [pa.int32(), pa.timestamp("ms", "UTC"), pa.list_(pa.float32())]

    def test_an_unknown_type_is_refused(self) -> None:
        with pytest.raises(Refused, match="HyperLogLog"):
            types.arrow_type("array(HyperLogLog)")

    def test_values(self) -> None:
        schema = types.schema(
            [
                ("r", "row(a real, b array(varbinary))"),
                ("m", "map(boolean, decimal(3, 1))"),
                ("k", "map(integer, time(6))"),
            ]
        )
        rows = [
            [["NaN", ["AP8=", None]], {"true": "1.5", "false": None}, {"7": "22:31:08.123456"}],
            [None, None, {}],
            [[None, None], {}, None],
        ]
        got = types.batch(rows, schema)
        assert (
            repr(got.column(0).to_pylist()) == "[{'a': nan, 'b': [b'\\x00\\xff', None]}, None, {'a': None, 'b': None}]"
        )
        assert str(got.column(1).to_pylist()) == "[[(True, Decimal('1.5')), (False, None)], None, []]"
        assert got.column(2).cast(pa.map_(pa.int32(), pa.int64())).to_pylist() == [[(7, 81068123456)], [], None]

    @pytest.mark.parametrize(
        ("kind", "text", "value"),
        [
            ("date", "0001-01-01", -719162),
            ("date", "+10000-01-01", 2932897),
            ("date", "-0001-03-01", -719834),
            ("timestamp(6)", "+10000-01-01 00:00:00.000001", 253402300800000001),
            ("timestamp(6) with time zone", "+10000-01-01 00:00:01.500000 UTC", 253402300801500000),
            ("timestamp(6) with time zone", "1970-01-01 00:00:00.000001 UTC", 1),
            ("time(9)", "00:00:01.000000002", 1000000002),
        ],
    )
    def test_texts_of_any_year(self, kind: str, text: str, value: int) -> None:
        arrow = types.arrow_type(kind)
        (column,) = types.batch([[text]], types.schema([("v", kind)])).columns
        assert column.type == arrow
        assert column.view(pa.int32() if kind == "date" else pa.int64()).to_pylist() == [value]

    def test_no_rows_keep_the_types(self) -> None:
        schema = types.schema([("r", "row(a map(varchar, array(uuid)))")])
        assert types.batch([], schema).schema == schema
