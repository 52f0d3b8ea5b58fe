"""The reference writer's arithmetic, against values from the specifications."""

from __future__ import annotations

import io
import itertools
import struct
import uuid
from decimal import Decimal
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyiceberg.table.deletion_vector import deletion_vectors_from_puffin_file
from pyiceberg.table.puffin import PuffinFile

from lakebench.engines.reference import files, puffin, schema, transforms, values, variant, view
from lakebench.engines.reference.table import _summary
from lakebench.errors import Refused
from lakebench.iceberg import puffin as decoder
from lakebench.iceberg.operations import CreateView
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field, ListOf, Struct

HASHES = (  # Iceberg specification, Appendix B: 32-bit Hash Requirements
    ("int", 34, 2017239379),
    ("long", 34, 2017239379),
    ("decimal(9,2)", "14.20", -500754589),
    ("date", "2017-11-16", -653330422),
    ("time", "22:31:08", -662762989),
    ("timestamp", "2017-11-16T22:31:08", -2047944441),
    ("timestamptz", "2017-11-16T22:31:08.000001+00:00", -1207196810),
    ("timestamp_ns", "2017-11-16T22:31:08", -2047944441),
    ("timestamptz_ns", "2017-11-16T22:31:08.000001001+00:00", -1207196810),
    ("string", "iceberg", 1210000089),
    ("uuid", "f79c3e09-677c-4bbd-a479-3f349cb785e7", 1488055340),
    ("fixed[4]", "00010203", -188683207),
    ("binary", "00010203", -188683207),
)
TRANSFORMS = (
    ("truncate[10]", "int", 1, 0),
    ("truncate[10]", "int", -1, -10),
    ("truncate[50]", "decimal(9,2)", "10.65", Decimal("10.50")),
    ("truncate[50]", "decimal(38,0)", "-99999999999999999999999999999999999999", Decimal(-(10**38))),
    ("truncate[3]", "string", "🦆iceberg", "🦆ic"),
    ("truncate[3]", "binary", "0001020304", b"\0\1\2"),
    ("year", "date", "1969-12-31", -1),
    ("month", "timestamp", "1969-12-31T23:59:59.999999", -1),
    ("day", "timestamptz_ns", "1969-12-31T23:59:59.999999999+00:00", -1),
    ("hour", "timestamp", "2017-11-16T14:31:08", 419678),
    ("void", "int", 5, None),
    ("identity", "string", "a", "a"),
)
BOUNDS: tuple[tuple[str, Any, bytes], ...] = (  # Appendix D: Binary single-value serialization
    ("boolean", True, b"\x01"),
    ("int", 34, b"\x22\0\0\0"),
    ("long", -2, b"\xfe" + 7 * b"\xff"),
    ("float", -0.0, b"\0\0\0\x80"),
    ("decimal(9,2)", "1.28", b"\x00\x80"),
    ("decimal(9,2)", "-1.28", b"\x80"),
    ("timestamp_ns", "1970-01-01T00:00:00.000000001", b"\x01" + 7 * b"\0"),
    ("string", "é", b"\xc3\xa9"),
    ("uuid", "f79c3e09-677c-4bbd-a479-3f349cb785e7", uuid.UUID("f79c3e09-677c-4bbd-a479-3f349cb785e7").bytes),
)


@pytest.mark.parametrize(("of", "value", "expected"), HASHES)
def test_a_buckets_hash_is_the_specifications(of: str, value: Any, expected: int) -> None:
    (signed,) = struct.unpack(
        "<i", struct.pack("<I", transforms.murmur3(transforms.hashed(of, values.inside(of, value))))
    )
    assert signed == expected


@pytest.mark.parametrize(("transform", "of", "value", "expected"), TRANSFORMS)
def test_transforms(transform: str, of: str, value: Any, expected: Any) -> None:
    assert transforms.apply(transform, of, values.inside(of, value)) == expected


@pytest.mark.parametrize(("of", "value", "expected"), BOUNDS)
def test_single_values_in_binary(of: str, value: Any, expected: bytes) -> None:
    assert values.binary(of, values.inside(of, value)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("short", "short"),
        ("a" * 20, "a" * 15 + "b"),
        ("\U0010ffff" * 20, None),
        ("a" + "\U0010ffff" * 20, "b"),
        ("\ud7ff" * 17, "\ud7ff" * 15 + "\ue000"),
        (b"\xff" * 17, None),
    ],
)
def test_a_shortened_upper_bound_is_above(value: Any, expected: Any) -> None:
    assert values.upper(value) == expected


def test_bounds_leave_nan_out_and_order_zeros() -> None:
    column = {"id": 1, "name": "v", "required": False, "type": "double"}
    metrics = files.metrics([column], [{1: one} for one in (0.0, -0.0, float("nan"), None)])
    assert (metrics.lower[1], metrics.upper[1]) == (struct.pack("<d", -0.0), struct.pack("<d", 0.0))
    assert (metrics.values[1], metrics.nulls[1], metrics.nans[1]) == (4, 1, 1)


@pytest.mark.parametrize("positions", [[0], [1, 2, 65536, 2**32 + 5], list(range(0, 20000, 2)), list(range(5000))])
def test_a_deletion_vector_is_read_by_another(positions: list[int]) -> None:
    data, locations = puffin.write({"s3://a": positions, "s3://b": [7]})
    vectors = deletion_vectors_from_puffin_file(PuffinFile(data))
    assert {one.referenced_data_file: one.to_vector().to_pylist() for one in vectors} == {
        "s3://a": positions,
        "s3://b": [7],
    }
    start, length = locations["s3://a"]
    assert decoder.positions(data[start : start + length]) == positions


@pytest.mark.parametrize(
    ("json_value", "metadata", "value"),
    [
        (None, "110000", "00"),
        (True, "110000", "04"),
        (-1, "110000", "0cff"),
        (300, "110000", "102c01"),
        ("hi", "110000", "096869"),
        (2.5, "110000", "1c0000000000000440"),
        ([1, None], "110000", "0302000203" + "0c01" + "00"),
        ({"b": 1, "a": True}, "11020001026162", "02020001" + "000103" + "04" + "0c01"),
    ],
)
def test_variants_in_binary(json_value: Any, metadata: str, value: str) -> None:
    encoded = variant.encode(json_value)
    assert (encoded["metadata"].hex(), encoded["value"].hex()) == (metadata, value)


@pytest.mark.parametrize("ids", ["", "none"])
def test_a_variant_has_its_logical_type_in_parquet(ids: str) -> None:
    column = {"id": 200, "name": "v" * 200, "required": False, "type": "variant"}
    data = files.encode("parquet", [column], [{200: variant.encode({"a": 1})}], {"lakebench.field-ids": ids})
    assert "(Variant(1))" in str(pq.ParquetFile(io.BytesIO(data)).schema)


@pytest.mark.parametrize("of_format", ["parquet", "avro", "orc"])
def test_a_file_gives_back_what_was_written(of_format: str) -> None:
    fields = (Field("i d", "int"), Field("s", Struct((Field("x", ListOf("decimal(9,2)")), Field("y", "date")))))
    columns = schema.fields_json(fields, itertools.count(1))
    rows = [{1: 1, 2: {3: [Decimal("1.25"), None], 4: -1}}, {1: None, 2: None}, {1: 2, 2: {3: None, 4: None}}]
    data = files.encode(of_format, columns, rows, {})
    assert files.decode(of_format, data, columns, []) == rows


def test_a_column_that_a_file_lacks_has_its_default() -> None:
    old = {"id": 1, "name": "a", "required": False, "type": "int"}
    new = {"id": 2, "name": "b", "required": False, "type": "date", "initial-default": "1970-01-02"}
    data = files.encode("parquet", [old], [{1: 5}], {})
    assert files.decode("parquet", data, [old, new], []) == [{1: 5, 2: 1}]


def test_an_unknown_format_is_refused() -> None:
    with pytest.raises(Refused, match="vortex"):
        files.encode("vortex", [], [], {})


def test_a_name_mapping_keeps_old_names() -> None:
    fields = (Field("a", "int"), Field("s", Struct((Field("x", "int"),))))
    before = {"type": "struct", "fields": schema.fields_json(fields, itertools.count(1))}
    after = schema.with_attributes(before, "s.x", name="z")
    assert schema.name_mapping(after, schema.name_mapping(before)) == [
        {"field-id": 1, "names": ["a"]},
        {"field-id": 2, "names": ["s"], "fields": [{"field-id": 3, "names": ["x", "z"]}]},
    ]


def test_schema_changes_inside_lists() -> None:
    (column,) = schema.fields_json((Field("l", ListOf("int", required=True)),), itertools.count(1))
    before = {"type": "struct", "fields": [column]}
    after = schema.with_attributes(before, "l.element", type="long", required=False)
    assert after["fields"][0]["type"] == {
        "type": "list",
        "element-id": 2,
        "element": "long",
        "element-required": False,
    }
    with pytest.raises(Refused, match="no column"):
        schema.without(before, "missing")


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        (Condition("v", "=", 1.5), [False, True, False, False]),
        (Condition("v", "!=", 1.5), [True, False, True, False]),
        (Condition("v", "=", "NaN"), [True, False, False, False]),
        (Condition("v", ">", 1.5), [True, False, False, False]),
        (Condition("v", "in", (1.5, 0.0)), [False, True, True, False]),
        (Condition("v", "is-null"), [False, False, False, True]),
        (Condition("v", "not-null"), [True, True, True, False]),
    ],
)
def test_conditions(condition: Condition, expected: list[bool]) -> None:
    of = {"type": "struct", "fields": [{"id": 1, "name": "v", "required": False, "type": "double"}]}
    test = values.holds(of, (condition,))
    assert [test({1: one}) for one in (float("nan"), 1.5, -0.0, None)] == expected


def test_a_views_sql() -> None:
    operation = CreateView(
        table="t",
        name="v",
        fields=(Field("a b", "int"), Field("at", "timestamp"), Field("s", "string")),
        columns=("a b",),
        where=(
            Condition("at", ">", "2024-01-01T00:00:00"),
            Condition("s", "in", ("it's", "x")),
            Condition("a b", "is-null"),
        ),
    )
    assert view.sql(operation, '"') == (
        """SELECT "a b" FROM "t" WHERE "at" > TIMESTAMP '2024-01-01 00:00:00' AND "s" IN ('it''s', 'x') """
        """AND "a b" IS NULL"""
    )


def test_a_total_that_another_engine_left_out_is_not_made_up() -> None:
    summary = {"operation": "delete", "total-records": "10"}
    assert _summary((), {"summary": summary}) == {"total-records": "10"}
    assert _summary((), {"summary": {"operation": "delete"}}) == {}
    assert set(_summary((), None).values()) == {"0"}
