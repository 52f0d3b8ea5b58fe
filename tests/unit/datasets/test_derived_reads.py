"""The reads that follow from a feature's rows: what they ask, what they leave out, and that all can be answered."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from lakebench.datasets import table_files
from lakebench.datasets.interop import derived_reads, features
from lakebench.datasets.interop.derived_reads import derived
from lakebench.datasets.interop.feature import Feature
from lakebench.datasets.interop.oracle import Oracle
from lakebench.datasets.interop.same import compare_each, compare_part
from lakebench.iceberg.operations import (
    Append,
    ChangeType,
    Concurrent,
    Create,
    Delete,
    DropColumn,
    Operation,
    Read,
    RenameColumn,
)
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field, PartitionField

COLUMNS = (Field("id", "int"), Field("v", "double"))


def filters(*program: Operation) -> set[str]:
    return {one.name for one in derived(program).filters}


@pytest.mark.parametrize("feature", features.FEATURES, ids=[one.id for one in features.FEATURES])
def test_the_oracle_answers_each_of_every_feature(feature: Feature) -> None:
    parts = [[True] * len(one.operations) for one in feature.program if isinstance(one, Concurrent)]
    oracle, reads = Oracle(feature.program, parts), feature.derived
    assert reads.filters
    assert len({one.name for one in reads.filters}) == len(reads.filters) <= derived_reads.MANY
    for one in (*reads.filters, *reads.shapes):
        oracle.answer(one)


@pytest.mark.parametrize("feature", features.FEATURES, ids=[one.id for one in features.FEATURES])
def test_few_and_some_are_the_first_of_many(feature: Feature) -> None:
    many, some, few = feature.derived, feature.derived.some(), feature.derived.few()
    assert few.filters == some.filters[: derived_reads.FEW] == many.filters[: derived_reads.FEW]
    assert some.filters == many.filters[: derived_reads.SOME]
    assert some.shapes == many.shapes[: len(some.shapes)]


def test_every_comparison_with_every_value_where_these_are_few() -> None:
    asked = filters(Create(columns=COLUMNS), Append(rows=((1, 5.0), (2, None))))
    wanted = {"v is-null", "v not-null", *(f"v {test} 5.0" for test in ("=", "!=", "<", "<=", ">", ">="))}
    assert wanted | {"v in [5.0]"} <= asked


def test_each_value_of_a_partition_is_asked_for_first() -> None:
    days = [f"19{60 + n}-01-01" for n in range(3)]
    program = (
        Create(columns=(Field("id", "int"), Field("d", "date")), partition=(PartitionField("d", "month"),)),
        Append(rows=tuple(enumerate(days))),
    )
    some = {one.name for one in derived(program).some().filters}
    assert {f'd = "{day}"' for day in days} <= some


def test_rows_that_are_gone_are_asked_for_by_the_columns_of_now() -> None:
    asked = filters(
        Create(columns=(Field("id", "int"), Field("v", "int"), Field("w", "int"))),
        Append(rows=((1, 7, 70), (2, 8, 80))),
        Delete(where=(Condition("v", "=", 7),)),
        RenameColumn(path="v", name="now"),
        ChangeType(path="now", type="long"),
        DropColumn(path="w"),
    )
    assert "now = 7" in asked
    assert not any(one.startswith(("v ", "w ")) for one in asked)


def test_nothing_compares_with_a_nan_or_a_zero_with_a_sign_or_orders_a_nan() -> None:
    asked = filters(Create(columns=COLUMNS), Append(rows=((1, "NaN"), (2, 5.0), (3, "-0.0"), (4, 0.0), (5, None))))
    assert "v != 5.0" in asked
    assert not any(text in one for one in asked for text in ("NaN", "0.0 ", "-0.0", "v >", "v >="))


def test_no_order_of_uuids_and_truth_values() -> None:
    asked = filters(Create(columns=(Field("id", "int"), Field("b", "boolean"))), Append(rows=((1, True), (2, False))))
    assert {"b = true", "b = false", "b != true"} <= asked
    assert not any(one.startswith("b ") and one.split()[1] in {"<", "<=", ">", ">="} for one in asked)


def test_no_value_that_is_too_long_for_a_statement() -> None:
    asked = filters(
        Create(columns=(Field("id", "int"), Field("s", "string"))), Append(rows=((1, "x" * 5000), (2, "y")))
    )
    assert 's = "y"' in asked
    assert max(map(len, asked)) < 1000


READS = tuple(Read(f"v {n}", columns=("id",), where=(Condition("v", "=", n),)) for n in (1, 2, 3))


@pytest.fixture
def expected(tmp_path: Path) -> Path:
    program = (Create(columns=(Field("id", "int"), Field("v", "int"))), Append(rows=((10, 1), (11, 1), (20, 2))))
    table_files.write(Oracle(program).each_answer(READS), tmp_path / "expected")
    return tmp_path / "expected"


def actual(folder: Path, *rows: tuple[int, int]) -> Path:
    table = pa.table(
        {"N": pa.array([n for n, _ in rows], pa.int32()), "ID": pa.array([i for _, i in rows], pa.int64())}
    )
    table_files.write(table, folder / "actual")
    return folder / "actual"


def test_the_answers_of_a_batch_are_told_apart(expected: Path, tmp_path: Path) -> None:
    right = compare_each(actual(tmp_path, (1, 20), (0, 11), (0, 10)), expected, 3)
    assert [one.ok for one in right] == [True] * 3
    wrong = compare_each(actual(tmp_path, (0, 11), (0, 10), (2, 20)), expected, 3)
    assert [one.message for one in wrong] == ["", "0 rows instead of 1", "1 rows instead of 0"]


def test_a_batch_without_its_numbers_is_wrong_throughout(expected: Path, tmp_path: Path) -> None:
    table_files.write(pa.table({"id": [10, 11, 20]}), tmp_path / "actual")
    assert not any(one.ok for one in compare_each(tmp_path / "actual", expected, 3))


def test_one_answer_alone(expected: Path, tmp_path: Path) -> None:
    table_files.write(pa.table({"id": [11, 10]}), tmp_path / "alone")
    assert compare_part(tmp_path / "alone", expected, 0).ok
    assert compare_part(tmp_path / "alone", expected, 1).message == "2 rows instead of 1"
