"""ClickHouse's statements and types, without ClickHouse."""

from __future__ import annotations

import pyarrow as pa
import pytest

from lakebench.engines.clickhouse import catalog, kept
from lakebench.engines.clickhouse.statements import ClickHouseOperations, ClickHouseSql
from lakebench.errors import EngineUnavailable
from lakebench.iceberg import operations as ops
from lakebench.iceberg.scan import Condition, Scan
from lakebench.iceberg.types import Field, ListOf, MapOf, PartitionField, SortField, Struct, Type
from lakebench.model import BearerToken, Catalog, CatalogKind, Delegation, Lake, OAuth2, ObjectStore, SigV4

FIELDS = (Field("id", "long", required=True), Field("s", "string"))
SQL = ClickHouseSql()


class Recorded(ClickHouseOperations):
    """Its statements, none of which is run."""

    def _execute(self, sql: str) -> None: ...

    def _target(self, table: str) -> str:
        return self.sql.name(table)

    def _engine(self, folder: str, form: str) -> str:
        return f"ENGINE = Iceberg({folder.partition('-')[0]}, {form})"


def statement(operation: ops.Operation) -> str:
    *_, told = Recorded().statements(operation)
    return told


@pytest.mark.parametrize(
    ("field", "column"),
    [
        (Field("a", "int"), "`a` Nullable(Int32)"),
        (Field("a", "int", required=True), "`a` Int32"),
        (Field("a`b", "timestamptz"), "`a\\`b` Nullable(DateTime64(6, 'UTC'))"),
        (Field("a", ListOf("int")), "`a` Array(Nullable(Int32))"),
        (Field("a", MapOf("string", "long")), "`a` Map(String, Nullable(Int64))"),
        (Field("a", Struct((Field("b", "date"),))), "`a` Nullable(Tuple(`b` Nullable(Date32)))"),
    ],
)
def test_nulls_have_to_be_asked_for(field: Field, column: str) -> None:
    assert SQL.column(field) == column


@pytest.mark.parametrize(
    ("of", "value", "literal"),
    [
        ("string", "o'n\\", "CAST('o\\'n\\\\' AS Nullable(String))"),
        ("timestamptz", "1970-01-01T00:00:01+00:00", "CAST('1970-01-01 00:00:01' AS Nullable(DateTime64(6, 'UTC')))"),
        ("time", "12:34:56.789012", "CAST(45296789012 AS Nullable(Int64))"),
        ("time", "00:00:01", "CAST(1000000 AS Nullable(Int64))"),
        ("fixed[2]", "00ff", "CAST(unhex('00ff') AS Nullable(FixedString(2)))"),
        (
            MapOf("int", "int"),
            {"keys": [1], "values": [2]},
            "CAST(map(assumeNotNull(CAST('1' AS Nullable(Int32))), CAST('2' AS Nullable(Int32))) AS Map(Int32, Nullable(Int32)))",  # noqa: E501
        ),
        ("int", None, "CAST(NULL AS Nullable(Int32))"),
    ],
)
def test_literals(of: Type, value: object, literal: str) -> None:
    assert SQL.literal(of, value) == literal


def test_a_table_is_created_with_what_iceberg_has() -> None:
    create = ops.Create(
        columns=FIELDS,
        partition=(PartitionField("id", "bucket[4]"), PartitionField("s")),
        order=(SortField("id", "desc"),),
        properties={"write.format.default": "orc", "write.delete.mode": "merge-on-read"},
        format_version=3,
    )
    assert statement(create) == (
        "CREATE TABLE `t` (`id` Int64, `s` Nullable(String)) ENGINE = Iceberg(t, ORC) "
        "PARTITION BY (icebergBucket(4, `id`), `s`) ORDER BY (`id` DESC) SETTINGS iceberg_format_version = 3"
    )


@pytest.mark.parametrize("properties", [{"write.delete.mode": "copy-on-write"}, {"write.data.path": "s3://x"}])
def test_a_property_without_a_setting_is_unavailable(properties: dict[str, str]) -> None:
    with pytest.raises(EngineUnavailable, match=next(iter(properties))):
        statement(ops.Create(columns=FIELDS, properties=properties))


def test_rows_are_changed_by_alter() -> None:
    where = (Condition("id", "=", 1),)
    assert statement(ops.Delete(where=where, fields=FIELDS)) == (
        "ALTER TABLE `t` DELETE WHERE `id` = CAST('1' AS Nullable(Int64))"
    )
    assert statement(ops.Delete(where=(), fields=FIELDS)) == "ALTER TABLE `t` DELETE WHERE true"
    assert statement(ops.Update(where=where, values={"s": "x"}, fields=FIELDS)) == (
        "ALTER TABLE `t` UPDATE `s` = CAST('x' AS Nullable(String)) WHERE `id` = CAST('1' AS Nullable(Int64))"
    )


def test_what_a_column_requires_stays_so() -> None:
    assert (
        statement(ops.ChangeType(path="id", type="long", fields=FIELDS)) == "ALTER TABLE `t` MODIFY COLUMN `id` Int64"
    )
    assert statement(ops.MakeOptional(path="id", fields=FIELDS)) == "ALTER TABLE `t` MODIFY COLUMN `id` Nullable(Int64)"


def test_answers_have_the_types_of_iceberg() -> None:
    answer = pa.table(
        {
            "ts": pa.array([1], pa.timestamp("us", kept.ZONE)),
            "tz": pa.array([1], pa.timestamp("us", "UTC")),
            "b": pa.array(["x"]),
            "s": pa.array(["x"]),
            "t": pa.array([1], pa.int64()),
        }
    )
    fields = (Field("b", "binary"), Field("s", "string"), Field("t", "time"))
    assert kept.table(answer, Scan("t", fields=fields)).schema.types == [
        pa.timestamp("us"), pa.timestamp("us", "UTC"), pa.binary(), pa.string(), pa.time64("us"),
    ]  # fmt: skip
    assert kept.table(answer, None).schema.field("b").type == pa.string()


STORE = ObjectStore("http://127.0.0.1:1", "b", "k", "s")


def _lake(**more: object) -> Lake:
    return Lake("lake", STORE, Catalog(CatalogKind.REST, "http://127.0.0.1:2", "w", **more))  # type: ignore[arg-type]


def test_each_login_has_its_settings() -> None:
    assert catalog.settings(_lake()) == {
        "catalog_type": "rest", "warehouse": "w", "storage_endpoint": "http://127.0.0.1:1/b",
        "vended_credentials": "false",
    }  # fmt: skip
    assert catalog.settings(_lake(authentication=BearerToken("t")))["auth_header"] == "Authorization: Bearer t"
    oauth2 = catalog.settings(_lake(authentication=OAuth2("http://127.0.0.1:3", "i", "s")))
    assert oauth2["catalog_credential"] == "i:s"
    assert catalog.settings(_lake(delegation=Delegation.VENDED_CREDENTIALS))["vended_credentials"] == "true"


@pytest.mark.parametrize(
    "more",
    [
        {"prefix": "p"},
        {"delegation": Delegation.REMOTE_SIGNING},
        {"authentication": SigV4("r", "s", "k", "s")},
    ],
)
def test_what_has_no_setting_is_unavailable(more: dict[str, object]) -> None:
    with pytest.raises(EngineUnavailable):
        catalog.settings(_lake(**more))
