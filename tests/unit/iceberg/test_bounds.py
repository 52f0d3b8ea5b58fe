"""Bounds and partition values become values that a filter can be made of."""

from __future__ import annotations

import struct
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from lakebench.iceberg import values
from lakebench.iceberg.bounds import bound_value, number_value, partition_start


@pytest.mark.parametrize(
    ("bound", "of", "value"),
    [
        ((-7).to_bytes(4, "little", signed=True), "int", -7),
        ((5).to_bytes(4, "little", signed=True), "long", 5),  # written before the column was promoted
        (b"\xff\xff\xff\xff", "date", "1969-12-31"),
        ((1_500_000).to_bytes(8, "little"), "time", "00:00:01.500000"),
        ((-1).to_bytes(8, "little", signed=True), "timestamp", "1969-12-31T23:59:59.999999"),
        ((0).to_bytes(8, "little"), "timestamptz", "1970-01-01T00:00:00+00:00"),
        ((1).to_bytes(8, "little"), "timestamp_ns", "1970-01-01T00:00:00.000000001"),
        (b"\xfe\xd4", "decimal(9,2)", "-3.00"),
        (struct.pack("<d", 5.5), "double", 5.5),
        (struct.pack("<f", 1.5), "double", 1.5),
        (struct.pack("<d", float("nan")), "double", None),
        (struct.pack("<d", -0.0), "double", None),
        ("東".encode(), "string", "東"),
        ("東".encode()[:2], "string", None),
        (b"\x01" * 16, "uuid", None),
        (b"", "string", None),
        ((2**62).to_bytes(8, "little"), "timestamp", None),  # beyond the year 9999
    ],
)
def test_the_value_of_a_bound(bound: bytes, of: str, value: Any) -> None:
    assert bound_value(bound, of) == value


@pytest.mark.parametrize("of", ["date", "time", "timestamp", "timestamptz", "timestamp_ns", "timestamptz_ns", "long"])
@pytest.mark.parametrize("number", [0, 1, 18_000, 86_399_999_999])
def test_a_value_is_stored_as_the_number_that_it_came_from(of: str, number: int) -> None:
    number = min(number, 2_000_000) if of == "date" else number
    assert values.storage(of, number_value(number, of)) == number


def test_decimals_keep_their_scale() -> None:
    assert Decimal(str(bound_value(b"\x01", "decimal(38,10)"))) == Decimal("0.0000000001")


@pytest.mark.parametrize(
    ("transform", "value", "of", "start"),
    [
        ("day", -1, "timestamp", "1969-12-31T00:00:00"),
        ("day", date(1969, 12, 31), "timestamptz", "1969-12-31T00:00:00+00:00"),
        ("month", -1, "date", "1969-12-01"),
        ("year", 50, "timestamp_ns", "2020-01-01T00:00:00"),
        ("hour", -25, "timestamp", "1969-12-30T23:00:00"),
        ("bucket[4]", 3, "long", None),
        ("identity", 3, "long", None),
        ("year", 10**6, "date", None),
        ("day", None, "date", None),
    ],
)
def test_the_start_of_a_partition(transform: str, value: Any, of: str, start: str | None) -> None:
    assert partition_start(transform, value, of) == start
