"""Which programs of the matrix a DuckLake's tables are made by."""

from __future__ import annotations

from lakebench.datasets.ducklake.rows import PREFIX, row_features
from lakebench.datasets.interop.features import FEATURES
from lakebench.iceberg.operations import Create, EqualityDelete

BY_ID = {one.id: one for one in row_features()}


def test_each_kind_of_feature_is_among_them() -> None:
    ids = {"type-decimal-38", "partition-evolution", "update-moves-partition", "name-of-column-dot", "zone-day"}
    assert {f"{PREFIX}{one}" for one in ids} <= BY_ID.keys()
    assert sum(one.startswith(f"{PREFIX}combined-") for one in BY_ID) > 20


def test_what_a_ducklake_has_not_is_left_out() -> None:
    steps = [step for one in BY_ID.values() for step in one.program]
    assert not [one for one in steps if isinstance(one, EqualityDelete)]
    partitions = {field.transform for one in steps if isinstance(one, Create) for field in one.partition}
    assert "identity" in partitions
    assert not [one for one in partitions if one.startswith(("truncate", "void"))]
    assert f"{PREFIX}type-fixed" not in BY_ID
    assert f"{PREFIX}deletion-vectors" not in BY_ID


def test_only_reads_of_the_table_as_it_is_are_asked() -> None:
    reads = [read for one in BY_ID.values() for read in one.all_reads]
    assert not [one for one in reads if one.metadata or one.ref or one.at or one.at_time or one.view]


def test_rows_are_asked_the_reads_that_follow_from_them() -> None:
    origin = {one.id: one for one in FEATURES}
    assert all(one.derived == origin[name.removeprefix(PREFIX)].derived for name, one in BY_ID.items())
    assert len(BY_ID[f"{PREFIX}partition-evolution"].derived.filters) > 10
