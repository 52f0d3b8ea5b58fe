"""Flink's statements and types, without Flink."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from lakebench.engines.flink import types
from lakebench.engines.flink.gateway import AnswerColumn, reason
from lakebench.engines.flink.statements import BATCH, STREAMING, FlinkOperations, FlinkSql
from lakebench.errors import EngineUnavailable, Refused
from lakebench.iceberg import operations as ops
from lakebench.iceberg.types import Field, ListOf, MapOf, PartitionField, SortField, Struct, Type

FIELDS = (Field("id", "long"), Field("p", "string"), Field("b", "binary"))
SQL = FlinkSql()


class Recorded(FlinkOperations):
    """Its statements, none of which is run."""

    def __init__(self, folder: Path = Path("/nowhere")) -> None:
        self.folder = folder

    def _execute(self, sql: str) -> None: ...

    def _namespace(self) -> str:
        return "`lake`.`ns`"

    def _target(self, table: str) -> str:
        return f"`lake`.`ns`.`{table}`"

    def _scratch(self) -> Path:
        return self.folder

    def _rows(self, sql: str) -> list[Sequence[object]]:
        assert sql.endswith("FROM `lake`.`ns`.`t` WHERE `id` = CAST('3' AS BIGINT) AND `p` = CAST('b' AS STRING)")
        return [[3, "b", "AP8="]]


@pytest.mark.parametrize(
    ("of", "value", "literal"),
    [
        ("timestamptz", "1970-01-01T00:00:01+00:00", "CAST('1970-01-01 00:00:01' AS TIMESTAMP_LTZ(6))"),
        ("binary", "00ff", "CAST(X'00ff' AS BYTES)"),
        ("uuid", "00112233-4455-6677-8899-aabbccddeeff", "CAST(X'00112233445566778899aabbccddeeff' AS BINARY(16))"),
        (ListOf("int"), [1], "CAST(ARRAY[CAST('1' AS INT)] AS ARRAY<INT>)"),
        (ListOf("int"), [], "CAST(ARRAY_REMOVE(ARRAY[CAST(NULL AS INT)], CAST(NULL AS INT)) AS ARRAY<INT>)"),
        (
            MapOf("string", "int"),
            {"keys": ["k"], "values": [None]},
            ("CAST(MAP_FROM_ARRAYS(CAST(ARRAY[CAST('k' AS STRING)] AS ARRAY<STRING>), "
            "CAST(ARRAY[CAST(NULL AS INT)] AS ARRAY<INT>)) AS MAP<STRING, INT>)"),
        ),
        (Struct((Field("a", "int"),)), {"a": 1}, "CAST(ROW(CAST('1' AS INT)) AS ROW<`a` INT>)"),
    ],
)  # fmt: skip
def test_literals(of: Type, value: object, literal: str) -> None:
    assert SQL.literal(of, value) == literal


def test_a_table_is_partitioned_by_columns() -> None:
    create = ops.Create(columns=FIELDS, partition=(PartitionField("p"),), properties={"write.format.default": "orc"})
    *_, told = Recorded().statements(create)
    assert told == (
        "CREATE TABLE `lake`.`ns`.`t` (`id` BIGINT, `p` STRING, `b` BYTES) PARTITIONED BY (`p`) "
        "WITH ('format-version' = '2', 'write.format.default' = 'orc')"
    )


def test_a_key_is_the_primary_key() -> None:
    create = ops.Create(columns=FIELDS, partition=(PartitionField("p"),), key=("id",))
    *_, told = Recorded().statements(create)
    assert "(`id` BIGINT NOT NULL, `p` STRING, `b` BYTES, PRIMARY KEY (`id`) NOT ENFORCED)" in told
    assert "'write.distribution-mode' = 'none'" in told


@pytest.mark.parametrize(
    "operation",
    [
        ops.Create(columns=FIELDS, partition=(PartitionField("id", "bucket[4]"),)),
        ops.Create(columns=FIELDS, order=(SortField("id"),)),
        ops.AddColumn(column=Field("x", "int"), parent="s", fields=FIELDS),
        ops.ChangeType(path="s.x", type="long", fields=FIELDS),
    ],
)
def test_what_has_no_statement_is_unavailable(operation: ops.Operation) -> None:
    with pytest.raises(EngineUnavailable):
        list(Recorded().statements(operation))


def test_equality_deletes_by_key_are_an_upsert(tmp_path: Path) -> None:
    delete = ops.EqualityDelete(key=("id",), rows=((3,),), fields=FIELDS)
    _, _, insert, _, _ = Recorded(tmp_path).statements(delete)
    assert "`t` /*+ OPTIONS('upsert-enabled' = 'true') */ SELECT" in insert
    (file,) = tmp_path.iterdir()
    assert json.loads(file.read_text()) == {"before": {"id": 3, "p": None, "b": None}, "after": None, "op": "d"}


def test_equality_deletes_of_partitions_have_the_whole_row(tmp_path: Path) -> None:
    delete = ops.EqualityDelete(key=("id",), rows=((3, "b"),), columns=("id", "p"), fields=FIELDS)
    streaming, source, insert, dropped, batch = Recorded(tmp_path).statements(delete)
    assert (streaming, batch) == (STREAMING, BATCH)
    assert "(`id` BIGINT, `p` STRING, `b` BYTES) WITH ('connector' = 'filesystem'" in source
    assert "'format' = 'debezium-json'" in source
    assert insert == "INSERT INTO `lake`.`ns`.`t` SELECT * FROM default_catalog.default_database.deletes"
    assert dropped.startswith("DROP TEMPORARY TABLE")
    (file,) = tmp_path.iterdir()
    assert json.loads(file.read_text()) == {"before": {"id": 3, "p": "b", "b": "AP8="}, "after": None, "op": "d"}


def test_a_merge_is_an_upsert() -> None:
    told = list(Recorded().statements(ops.Merge(rows=((1, "a", "00"),), fields=FIELDS)))
    assert any("/*+ OPTIONS('upsert-enabled' = 'true') */ VALUES" in one for one in told)
    assert (told[0], told[-1]) == (STREAMING, BATCH)


def column(name: str, kind: str, **more: object) -> AnswerColumn:
    return AnswerColumn(name, {"type": kind, "nullable": True, **more})


def test_answers_keep_their_types() -> None:
    columns = (
        column("d", "DECIMAL", precision=9, scale=2),
        column("f", "DOUBLE"),
        column("ts", "TIMESTAMP_WITHOUT_TIME_ZONE", precision=6),
        column("tz", "TIMESTAMP_WITH_LOCAL_TIME_ZONE", precision=9),
        column("t", "TIME_WITHOUT_TIME_ZONE"),
        column("b", "VARBINARY"),
        column("l", "ARRAY", elementType={"type": "INTEGER"}),
        column("m", "MAP", keyType={"type": "INTEGER"}, valueType={"type": "DATE"}),
        column("s", "ROW", fields=[{"name": "a", "fieldType": {"type": "VARCHAR"}}]),
    )
    row = [
        Decimal("1.5"), "NaN", "1969-12-31T23:59:59.999999", "1970-01-01T00:00:00.000000001Z", "12:34:56.789",
        "AP8=", [1, None], {"7": "2024-01-01"}, {"a": "x"},
    ]  # fmt: skip
    batch = types.batch([row, [None] * len(row)], columns, types.schema(columns))
    first, second = batch.to_pylist()
    assert str(first.pop("f")) == "nan"
    assert first.pop("tz").value == 1
    assert first == {
        "d": Decimal("1.50"),
        "ts": dt.datetime(1969, 12, 31, 23, 59, 59, 999999),  # noqa: DTZ001 - a timestamp without a zone
        "t": dt.time(12, 34, 56, 789000),
        "b": bytes.fromhex("00ff"),
        "l": [1, None],
        "m": [(7, dt.date(2024, 1, 1))],
        "s": {"a": "x"},
    }
    assert set(second.values()) == {None}
    assert batch.schema.field("ts").type == pa.timestamp("us")


def test_a_type_that_is_not_kept_is_refused() -> None:
    with pytest.raises(Refused, match="RAW"):
        types.schema([column("x", "RAW")])


def test_an_error_is_told_by_its_innermost_cause() -> None:
    body = json.dumps({"errors": ["Internal error.", "a.B: outer\n\tat x\nCaused by: c.D: the cause\n\tat y"]})
    assert reason(body) == "c.D: the cause"
    assert reason("no JSON") == "no JSON"
