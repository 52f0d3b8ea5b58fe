from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from lakebench.datasets.answers import same_rows
from lakebench.engines.spark.engine import Spark
from lakebench.engines.trino.engine import Trino
from lakebench.errors import Refused
from lakebench.iceberg import operations as ops
from lakebench.iceberg.scan import Condition, Scan
from lakebench.iceberg.types import Field, ListOf, MapOf, PartitionField, SortField, Struct
from lakebench.model import EngineSettings
from lakebench.processes.worker import drain
from lakebench.services import Services, lakes

pytestmark = pytest.mark.integration

ENGINES = (Trino, Spark)
FIELDS = (
    Field("id", "long", required=True),
    Field("f", "double"),
    Field("d", "decimal(38,10)"),
    Field("s", "string"),
    Field("y", "binary"),
    Field("ts", "timestamp"),
    Field("tz", "timestamptz"),
    Field("st", Struct((Field("a", "int"), Field("l", ListOf("string"))))),
    Field("m", MapOf("date", "float")),
)
ROW = (
    1,
    "-0.0",
    "-9999999999999999999999999999.9999999999",
    "o'n \\ \n ü",
    "00ff",
    "0001-01-01T00:00:00",
    "9999-12-31T23:59:59.999999+00:00",
    {"a": 1, "l": ["x", None]},
    {"keys": ["2020-02-29"], "values": ["NaN"]},
)
NULLS = (2, *([None] * 8))
SMALL = (Field("id", "int"), Field("p", "string"))


@pytest.fixture(scope="module")
def engines(lakebench_services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[type[Any], Any]]:
    """Both engines over one lake."""
    services = lakebench_services
    services.start(["rest-catalog", "trino", "spark"])
    assert services.failures() == {}
    lake = dataclasses.replace(lakes.rest_lake(services), namespace="operations_server")
    folder = str(tmp_path_factory.mktemp("worker"))
    made = {one: one(EngineSettings(2, 4 * 2**30, folder, services.endpoint(str(one.service)))) for one in ENGINES}
    for one in made.values():
        one.open(lake)
    yield made
    for one in made.values():
        one.close()


@pytest.fixture(params=ENGINES, ids=lambda one: one.name)
def writer(request: pytest.FixtureRequest, engines: dict[type[Any], Any]) -> Any:
    return engines[request.param]


def done(engine: Any, *operations: ops.Operation) -> list[bool] | None:
    """Each operation carried out by ``engine``, which tells what it does; what the last gives back."""
    statements: list[str] = []
    answer = None
    for one in operations:
        answer = engine.operate(one, statements.append)
    assert statements
    return answer


def table(engine: Any, scan: Scan) -> pa.Table:
    batches, schema = drain(engine.scan(scan))
    return pa.Table.from_batches(batches, schema)


def column(engine: Any, scan: Scan) -> list[Any]:
    return sorted(table(engine, scan).column(0).to_pylist(), key=repr)


def test_both_read_the_same_values(writer: Any, engines: dict[type[Any], Any]) -> None:
    create = ops.Create(table="values", columns=FIELDS, partition=(PartitionField("id", "bucket[4]"),))
    done(writer, create)
    scan = Scan("values", fields=FIELDS)
    for engine in engines.values():
        assert table(engine, scan).num_rows == 0
        assert table(engine, scan).column_names == [one.name for one in FIELDS]
    done(writer, ops.Append(table="values", fields=FIELDS, rows=(ROW, NULLS)))
    one, other = (table(engine, scan) for engine in engines.values())
    assert one.num_rows == 2
    assert same_rows(one, other).diff is None
    for field, value in list(zip(FIELDS, ROW, strict=True))[:7]:
        filtered = dataclasses.replace(scan, columns=("id",), where=(Condition(field.name, "=", value),))
        for engine in engines.values():
            assert column(engine, filtered) == [1], field


def test_rows_change(writer: Any) -> None:
    rows = tuple((n, f"p{n % 2}") for n in range(6))
    done(
        writer,
        ops.Create(table="rows", columns=SMALL, partition=(PartitionField("p"),), order=(SortField("id", "desc"),)),
        ops.Append(table="rows", fields=SMALL, rows=rows),
        ops.Delete(table="rows", fields=SMALL, where=(Condition("id", "in", (0, 1)),)),
        ops.Update(table="rows", fields=SMALL, where=(Condition("p", "=", "p0"),), values={"p": "q"}, add={"id": 100}),
        ops.Merge(table="rows", fields=SMALL, rows=((3, "merged"), (7, None))),
        ops.SetPartition(
            table="rows",
            fields=SMALL,
            partition=(PartitionField("id", "truncate[10]"),),
            before=(PartitionField("p"),),
        ),
        ops.Append(table="rows", fields=SMALL, rows=((8, "last"),)),
    )
    scan = Scan("rows", fields=SMALL)
    expected = [(3, "merged"), (5, "p1"), (7, None), (8, "last"), (102, "q"), (104, "q")]
    assert sorted(tuple(row.values()) for row in table(writer, scan).to_pylist()) == expected
    assert column(writer, dataclasses.replace(scan, count=True, where=(Condition("p", "is-null"),))) == [1]
    done(writer, ops.Compact(table="rows"), ops.ExpireSnapshots(table="rows"))
    assert sorted(tuple(row.values()) for row in table(writer, scan).to_pylist()) == expected
    assert len(column(writer, Scan("rows", columns=("snapshot_id",), metadata="snapshots"))) == 1


def test_columns_change(writer: Any) -> None:
    fields = (Field("id", "int", required=True), Field("st", Struct((Field("a", "int"),))))
    done(
        writer,
        ops.Create(table="columns", columns=fields),
        ops.Append(table="columns", fields=fields, rows=((1, {"a": 2}),)),
        ops.AddColumn(table="columns", column=Field("b", "string"), parent="st"),
        ops.AddColumn(table="columns", column=Field("first", "int"), first=True),
        ops.RenameColumn(table="columns", path="st.a", name="c"),
        ops.ChangeType(table="columns", path="st.c", type="long"),
        ops.MakeOptional(table="columns", path="id"),
        ops.SetDoc(table="columns", path="id", doc="it's"),
        ops.DropColumn(table="columns", path="first"),
    )
    rows = table(writer, Scan("columns"))
    assert rows.to_pylist() == [{"id": 1, "st": {"c": 2, "b": None}}]
    assert rows.schema.field("st").type.field("c").type == pa.int64()


def test_concurrent_updates_of_one_row(writer: Any) -> None:
    done(writer, ops.Create(table="both", columns=SMALL), ops.Append(table="both", fields=SMALL, rows=((1, "a"),)))
    where = (Condition("id", ">", 0),)
    parts = tuple(ops.Update(table="both", fields=SMALL, where=where, add={"id": more}) for more in (10, 100))
    succeeded = done(writer, ops.Concurrent(table="both", operations=parts))
    assert succeeded is not None
    added = sum(more for more, ok in zip((10, 100), succeeded, strict=True) if ok)
    assert any(succeeded)
    assert column(writer, Scan("both", columns=("id",), fields=SMALL)) == [1 + added]


def test_a_refusal_is_the_engines(writer: Any) -> None:
    with pytest.raises(Refused, match=r"(?i)fixed|mismatched"):
        done(writer, ops.Create(table="refused", columns=(Field("v", "fixed[4]"),)))


def test_spark_branches_variants_and_lineage(engines: dict[type[Any], Any]) -> None:
    spark, fields = engines[Spark], (Field("id", "int"), Field("v", "variant"), Field("g", "geometry"))
    point = "0101000000000000000000f03f0000000000000040"
    done(
        spark,
        ops.Create(table="v3", columns=fields, format_version=3),
        ops.Append(table="v3", fields=fields, rows=((1, {"a": [1, None]}, point),)),
        ops.CreateRef(table="v3", name="b", type="branch"),
        ops.Append(table="v3", fields=fields, rows=((2, None, None),), branch="b"),
    )
    columns = ("id", "v", "g", "_row_id")
    assert table(spark, Scan("v3", columns=columns, fields=fields)).to_pylist() == [
        {"id": 1, "v": '{"a":[1,null]}', "g": bytes.fromhex(point), "_row_id": 0}
    ]
    assert column(spark, Scan("v3", columns=("id",), ref="b", fields=fields)) == [1, 2]
