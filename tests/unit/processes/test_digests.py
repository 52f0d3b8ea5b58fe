"""The digest of a table: the same for the same rows in any order and any Arrow type, another for other rows."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from lakebench.errors import WrongAnswer
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field, ListOf, MapOf, Struct, Type
from lakebench.processes.conditions import holding
from lakebench.processes.digests import HASH, FilteredRows, TableDigest, digest_of, with_parts

FIELDS = (
    Field("id", "long"),
    Field("name", "string"),
    Field("amount", "double"),
    Field("day", "date"),
    Field("at", "timestamptz"),
    Field("price", "decimal(9,2)"),
    Field("tags", ListOf("string")),
    Field("place", Struct((Field("x", "int"), Field("y", "string")))),
    Field("notes", MapOf("string", "int")),
)
NOON = dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC)
ROWS: list[dict[str, Any]] = [
    {
        "id": 1,
        "name": "one",
        "amount": 1.5,
        "day": dt.date(1969, 12, 31),
        "at": NOON,
        "price": Decimal("1.50"),
        "tags": ["a", "b"],
        "place": {"x": 1, "y": "z"},
        "notes": [("k", 1), ("l", 2)],
    },
    {
        "id": 2,
        "name": "",
        "amount": float("nan"),
        "day": None,
        "at": NOON,
        "price": None,
        "tags": [],
        "place": None,
        "notes": [],
    },
    dict.fromkeys(one.name for one in FIELDS),
]
SCHEMA = pa.schema(
    {
        "id": pa.int64(),
        "name": pa.string(),
        "amount": pa.float64(),
        "day": pa.date32(),
        "at": pa.timestamp("us", "UTC"),
        "price": pa.decimal128(9, 2),
        "tags": pa.list_(pa.string()),
        "place": pa.struct({"x": pa.int32(), "y": pa.string()}),
        "notes": pa.map_(pa.string(), pa.int32()),
    }
)
TABLE = pa.Table.from_pylist(ROWS, SCHEMA)


def digest(table: pa.Table, *, fields: tuple[Field, ...] = FIELDS, rows: int = 1000) -> dict[str, Any]:
    made = digest_of(table.to_batches(max_chunksize=rows), fields).to_json()
    for one in made["columns"].values():
        del one["shown_as"]
    return made


def of(value: Any, kind: Type, shown: pa.DataType) -> str:
    text: str = digest(pa.table({"c": pa.array([value], shown)}), fields=(Field("c", kind),))["hash"]
    return text


def test_order_and_batches_do_not_count() -> None:
    assert digest(TABLE) == digest(TABLE.take([2, 0, 1]), rows=1) == digest(TABLE.slice(0), rows=2)


def test_a_slice_is_its_own_rows() -> None:
    assert digest(TABLE.slice(1, 1)) == digest(TABLE.take([1]))


def test_how_often_a_row_is_there_counts() -> None:
    assert digest(TABLE)["hash"] != digest(pa.concat_tables([TABLE, TABLE, TABLE]))["hash"]
    assert digest(TABLE.take([0, 0]))["hash"] != digest(TABLE.take([1, 1]))["hash"]


@pytest.mark.parametrize("name", [one.name for one in FIELDS])
def test_a_value_that_differs_shows_in_its_column_alone(name: str) -> None:
    changed = TABLE.take([0, 1, 0]).to_pylist()
    changed[2][name] = None
    before, now = (
        digest(TABLE.take([0, 1, 0])),
        digest(pa.Table.from_pylist(changed, SCHEMA)),
    )
    assert before["hash"] != now["hash"]
    assert [one for one in before["columns"] if before["columns"][one] != now["columns"][one]] == [name]


def test_values_that_change_places_between_rows_differ() -> None:
    names = TABLE["name"].take([1, 0, 2])
    assert digest(TABLE)["hash"] != digest(TABLE.set_column(1, "name", names))["hash"]


@pytest.mark.parametrize(
    ("value", "kind", "types"),
    [
        (7, "long", (pa.int64(), pa.int32(), pa.uint16())),
        ("東京", "string", (pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string()))),
        (b"ab", "fixed[2]", (pa.binary(), pa.large_binary(), pa.binary(2))),
        (dt.date(2026, 11, 30), "date", (pa.date32(), pa.date64())),
        (NOON, "timestamptz", (pa.timestamp("us", "UTC"), pa.timestamp("ns", "UTC"), pa.timestamp("ms", "Etc/UTC"))),
        (Decimal("1.50"), "decimal(9,2)", (pa.decimal128(9, 2), pa.decimal128(38, 2), pa.decimal256(50, 2))),
        (1.5, "double", (pa.float64(), pa.float32())),
        (["a"], ListOf("string"), (pa.list_(pa.string()), pa.large_list(pa.large_string()))),
    ],
)
def test_the_arrow_type_that_a_reader_chose_does_not_count(value: Any, kind: Type, types: tuple[Any, ...]) -> None:
    assert len({of(value, kind, one) for one in types}) == 1


def test_a_uuid_is_its_text_or_its_bytes() -> None:
    one = uuid.uuid4()
    shown = {
        of(str(one), "uuid", pa.string()),
        of(one.bytes, "uuid", pa.binary(16)),
        of(one.bytes, "uuid", pa.binary()),
    }
    assert len(shown) == 1


@pytest.mark.parametrize(
    ("one", "other", "kind", "shown"),
    [
        (0.0, -0.0, "double", pa.float64()),
        (None, float("nan"), "double", pa.float64()),
        (None, "", "string", pa.string()),
        (None, 0, "long", pa.int64()),
        (None, False, "boolean", pa.bool_()),
        (True, False, "boolean", pa.bool_()),
        (None, 10**17, "timestamp_ns", pa.timestamp("s")),  # has no place in nanoseconds, nor in Python
        (10**17, 10**17 + 1, "timestamp_ns", pa.timestamp("s")),
        (10**6, 10**6 + 1, "long", pa.date32()),
        (None, [], ListOf("long"), pa.list_(pa.int64())),
        ([1, 2], [2, 1], ListOf("long"), pa.list_(pa.int64())),
        ([None], [], ListOf("long"), pa.list_(pa.int64())),
        (["ab", "c"], ["a", "bc"], ListOf("string"), pa.list_(pa.string())),
        ([("a", 1)], [("a", None)], MapOf("string", "int"), pa.map_(pa.string(), pa.int32())),
    ],
)
def test_values_that_are_not_the_same(one: Any, other: Any, kind: Type, shown: pa.DataType) -> None:
    assert of(one, kind, shown) != of(other, kind, shown)


def test_a_map_has_no_order() -> None:
    kind, shown = MapOf("string", "int"), pa.map_(pa.string(), pa.int32())
    assert of([("a", 1), ("b", 2)], kind, shown) == of([("b", 2), ("a", 1)], kind, shown)


def test_a_number_as_text_differs() -> None:
    assert of("7", "long", pa.string()) != of(7, "long", pa.int64())


def test_the_numbers_of_a_column() -> None:
    column = digest(TABLE)["columns"]["amount"]
    assert (column["values"], column["nulls"], column["nans"]) == (2, 1, 1)
    assert (column["min"], column["max"]) == ("1.5", "1.5")
    assert digest(TABLE)["columns"]["id"]["sum"] == "3"
    assert digest(TABLE)["columns"]["price"]["sum"] == "1.50"


def test_no_rows() -> None:
    made = digest(TABLE.slice(0, 0))
    assert made["rows"] == 0
    assert made["columns"]["id"]["min"] is None


def test_another_number_of_columns_is_a_wrong_answer() -> None:
    with pytest.raises(WrongAnswer, match="8 columns"):
        digest(TABLE.drop_columns(["day"]))


def test_rows_of_differing_buckets_are_kept() -> None:
    one, other = (TableDigest(FIELDS) for _ in range(2))
    for batch in TABLE.to_batches():
        one.add(batch)
    for batch in TABLE.slice(1).to_batches():
        other.add(batch)
    pairs = enumerate(zip(one.to_json()["buckets"], other.to_json()["buckets"], strict=True))
    differing = [at for at, (left, right) in pairs if left != right]
    assert len(differing) == 1
    (kept,) = digest_of(TABLE.to_batches(), FIELDS, differing, 10).kept
    assert kept.num_rows == 1
    assert kept["id"].to_pylist() == [1]
    assert HASH in kept.schema.names


def test_a_part_is_what_the_same_rows_alone_come_to() -> None:
    whole, (some, names) = with_parts(
        TABLE.to_batches(max_chunksize=1),
        FIELDS,
        [FilteredRows(Condition("id", ">=", 2)), FilteredRows(Condition("id", "=", 1), ("name",))],
    )
    assert whole.to_json() == digest_of(TABLE.to_batches(), FIELDS).to_json()
    assert some.to_json() == digest_of(TABLE.slice(1, 1).to_batches(), FIELDS).to_json()
    alone = TABLE.slice(0, 1).select(["name"])
    assert names.to_json() == digest_of(alone.to_batches(), (Field("name", "string"),)).to_json()


def test_rows_of_a_part_are_kept_with_their_places() -> None:
    made = TableDigest(FIELDS, range(4096), 10, FilteredRows(Condition("id", "is-null"), ("id",)))
    made.add(TABLE.to_batches()[0], {"place": [10, 11, 12]})
    (kept,) = made.kept
    assert kept.select(["id", "place"]).to_pylist() == [{"id": None, "place": 12}]


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        (Condition("amount", "!=", 5.0), [1, 2]),  # NaN is unequal to 5, null is not
        (Condition("amount", "<=", 5.0), [1]),
        (Condition("day", "<", "1970-01-01"), [1]),
        (Condition("at", "=", "2026-11-30T12:00:00+00:00"), [1, 2]),
        (Condition("price", ">", "1.49"), [1]),
        (Condition("name", "=", "one"), [1]),
        (Condition("name", "not-null"), [1, 2]),
    ],
)
def test_conditions_as_sql_has_them(where: Condition, wanted: list[int]) -> None:
    (batch,) = TABLE.to_batches()
    assert batch.filter(holding(batch, FIELDS, where))["id"].to_pylist() == wanted


def test_a_column_in_another_type_holds_nothing() -> None:
    batch = pa.record_batch({"id": pa.array(["1"])})
    assert holding(batch, (Field("id", "long"),), Condition("id", "=", 1)).to_pylist() == [False]


@pytest.mark.parametrize("nested", [False, True])
def test_views_are_filtered_and_kept(nested: bool) -> None:
    shown = pa.struct({"x": pa.list_(pa.string_view()), "y": pa.binary_view()}) if nested else pa.string_view()
    value = {"x": ["a"], "y": b"b"} if nested else "a"
    batch = pa.record_batch({"id": [1, 2], "text": pa.array([value, value], shown)})
    kind: Type = Struct((Field("x", ListOf("string")), Field("y", "binary"))) if nested else "string"
    made = TableDigest(
        (Field("id", "long"), Field("text", kind)), range(4096), 9, FilteredRows(Condition("id", "=", 2))
    )
    made.add(batch)
    assert [one.to_pylist()[0]["text"] for one in made.kept] == [value]
    assert "view" in made.to_json()["columns"]["text"]["shown_as"]
