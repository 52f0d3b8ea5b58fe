"""The oracle and the reference writer know nothing of each other: what one expects is what the other has written."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import DrawFn, SearchStrategy
from own_catalog import OwnReference

from lakebench.datasets.interop.feature import Feature
from lakebench.datasets.interop.features import combined, layouts, names, zones
from lakebench.datasets.interop.oracle import Oracle
from lakebench.datasets.interop.program import planned
from lakebench.datasets.interop.same import same_read
from lakebench.iceberg import operations as ops
from lakebench.iceberg.operations import Operation
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field, PartitionField

FIELDS = (Field("id", "int"), Field("v", "long"), Field("p", "string"))
IDS = st.integers(0, 6)
VALUES: dict[str, SearchStrategy[Any]] = {
    "int": st.none() | st.integers(-3, 3),
    "long": st.none() | st.integers(-3, 3),
    "string": st.none() | st.sampled_from(["", "a", "b"]),
}
WHERE = st.one_of(
    st.builds(Condition, st.just("id"), st.just("in"), st.lists(IDS, min_size=1, max_size=3).map(tuple)),
    st.builds(Condition, st.just("id"), st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), IDS),
    st.builds(Condition, st.just("p"), st.sampled_from(["is-null", "not-null"])),
    st.builds(Condition, st.just("p"), st.sampled_from(["=", "!=", "<"]), st.sampled_from(["", "a", "b"])),
).map(lambda one: (one,))
PARTITIONS = st.sampled_from(
    [(), (PartitionField("p"),), (PartitionField("id", "bucket[3]"),), (PartitionField("id", "truncate[2]"),)]
)


@st.composite
def rows(draw: DrawFn, columns: tuple[Field, ...]) -> tuple[tuple[Any, ...], ...]:
    """Rows whose ids are their keys."""
    keys = draw(st.lists(IDS, min_size=1, max_size=5, unique=True))
    return tuple((key, *(draw(VALUES[str(one.type)]) for one in columns[1:])) for key in keys)


@st.composite
def programs(draw: DrawFn) -> tuple[Operation, ...]:
    """A table with some rows, and up to four changes of rows, columns and partitions."""
    columns = FIELDS
    version, modes = draw(st.sampled_from([1, 2, 3])), draw(st.sampled_from(["merge-on-read", "copy-on-write"]))
    properties = {f"write.{what}.mode": modes for what in ("delete", "update", "merge")}
    program: list[Operation] = [
        ops.Create(columns=columns, format_version=version, properties=properties, partition=draw(PARTITIONS)),
        ops.Append(rows=draw(rows(columns))),
    ]
    for number in range(draw(st.integers(1, 4))):
        one = draw(st.sampled_from(["append", "overwrite", "delete", "update", "merge", "add", "rename", "split"]))
        if one == "append":
            program.append(ops.Append(rows=draw(rows(columns))))
        elif one == "overwrite":
            program.append(ops.Overwrite(rows=draw(rows(columns))))
        elif one == "delete":
            program.append(ops.Delete(where=draw(WHERE)))
        elif one == "update":
            program.append(ops.Update(where=draw(WHERE), values={"p": draw(VALUES["string"])}, add={"id": 7}))
        elif one == "merge":
            program.append(ops.Merge(rows=draw(rows(columns))))
        elif one == "add":
            new = Field(f"n{number}", draw(st.sampled_from(["int", "string"])))
            program.append(ops.AddColumn(column=new))
            columns = (*columns, new)
        elif one == "rename":
            last = columns[-1] if len(columns) > len(FIELDS) else columns[1]
            program.append(ops.RenameColumn(path=last.name, name=f"r{number}"))
            columns = tuple(replace(c, name=f"r{number}") if c == last else c for c in columns)
        else:
            program.append(ops.SetPartition(partition=draw(PARTITIONS)))
    return tuple(program)


@pytest.fixture(scope="module")
def folder() -> Path:
    return Path(tempfile.mkdtemp())


def read_by_pyiceberg(feature: Feature) -> bool:
    """PyIceberg reads no equality deletes, and not the vectors of a copied table."""
    has_equality = any(isinstance(one, ops.EqualityDelete) for one in feature.program)
    return not has_equality and feature.id != "layout-copied-vectors"


GENERATED = [*combined.ALL, *layouts.ALL, *names.ALL, *zones.ALL]


@pytest.mark.parametrize("feature", list(filter(read_by_pyiceberg, GENERATED)), ids=lambda one: one.id)
def test_the_writer_makes_what_features_combine(feature: Feature, tmp_path: Path) -> None:
    writer = OwnReference(tmp_path)
    for one in planned(feature, lambda table: table).operations:
        writer.operate(ops.with_all_rows(one), lambda _: None)
    sameness = same_read(writer.read("t"), Oracle(feature.program).answer(ops.Read("all rows")))
    assert sameness.diff is None, sameness.diff.text()


@given(program=programs())
@settings(max_examples=40)
def test_what_the_writer_makes_is_what_the_oracle_expects(program: tuple[Operation, ...], folder: Path) -> None:
    writer = OwnReference(folder)
    for one in planned(Feature("f", "g", "t", program, "c", "s"), lambda table: table).operations:
        writer.operate(one, lambda _: None)
    sameness = same_read(writer.read("t"), Oracle(program).answer(ops.Read("all rows")))
    assert sameness.diff is None, sameness.diff.text()
