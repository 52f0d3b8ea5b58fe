from __future__ import annotations

import json
import subprocess
import sys

import pytest

from lakebench.datasets.interop import features
from lakebench.datasets.interop.feature import Feature
from lakebench.datasets.interop.program import in_words, planned, proof_in_words, read_in_words, readable
from lakebench.errors import UsageError
from lakebench.iceberg.operations import (
    OPERATIONS,
    AddColumn,
    Append,
    Concurrent,
    Create,
    DropColumn,
    Mark,
    MoveColumn,
    Operation,
    RenameColumn,
    Transaction,
    Update,
    from_json,
    to_json,
)
from lakebench.iceberg.scan import Condition, Scan
from lakebench.iceberg.types import Field, ListOf, MapOf, Struct, find, kind, parameters

BY_ID = {one.id: one for one in features.FEATURES}
ids = pytest.mark.parametrize("feature", features.FEATURES, ids=list(BY_ID))


def parts(feature: Feature) -> list[Operation]:
    operations: list[Operation] = []
    for one in feature.program:
        operations += one.operations if isinstance(one, Concurrent | Transaction) else (one,)
    return operations


def test_there_are_enough_features_of_every_version() -> None:
    assert len(BY_ID) == len(features.FEATURES) >= 60
    assert {one.format_version for one in features.FEATURES} == {1, 2, 3}


def test_every_operation_is_used_by_a_feature() -> None:
    used = {type(one).__name__ for feature in features.FEATURES for one in (*feature.program, *parts(feature))}
    assert used | {"RemoveOrphans"} == set(OPERATIONS), "orphans are of the tables that live (phase 12)"


@ids
def test_a_program_goes_through_json(feature: Feature) -> None:
    for one in planned(feature, lambda table: table).operations:
        document = json.loads(json.dumps(to_json(one)))
        again = from_json(document)
        assert type(again) is type(one)
        assert again.fields == one.fields
        assert json.loads(json.dumps(to_json(again))) == document


@ids
def test_rows_have_as_many_values_as_the_table_has_columns(feature: Feature) -> None:
    for one in planned(feature, lambda table: table).operations:
        for part in one.operations if isinstance(one, Concurrent | Transaction) else (one,):
            if isinstance(part, Append):
                assert {len(row) for row in part.rows} <= {len(part.fields)}, part


@ids
def test_reads_ask_for_columns_that_are_there(feature: Feature) -> None:
    plan = planned(feature, lambda table: table)
    marks = {one.name for one in feature.program if isinstance(one, Mark)}
    for read in feature.all_reads:
        names = {field.name for field in readable(feature, read, plan)}
        if not read.metadata:
            assert {*(read.columns or ()), *(one.column for one in read.where)} <= names
        assert {read.at, read.at_time} <= {*marks, ""}


@ids
def test_every_feature_says_what_it_is_in_words(feature: Feature) -> None:
    words = [in_words(one) for one in feature.program] + [read_in_words(one) for one in feature.all_reads]
    words += [proof_in_words(one) for one in feature.proof]
    assert all(words)
    assert feature.title
    assert feature.source
    assert feature.claim


def test_the_words_of_an_operation() -> None:
    append = Append(rows=((1, "ü"),), fields=(Field("id", "int"),))
    assert in_words(append) == 'Append t: rows [[1, "ü"]]'
    update = Update(where=(Condition("id", "=", 3),), add={"v": 1}, by="another")
    assert in_words(update) == 'Update t: where (id = 3); add {"v": 1} (by another engine)'
    nested = Create(columns=(Field("s", Struct((Field("x", MapOf("string", ListOf("int"))),))),))
    assert in_words(nested) == "Create t: columns (s struct<x map<string, list<int>>>); format_version 2"


def test_planning_follows_the_schema() -> None:
    nested = Struct((Field("x", "int"), Field("y", "string")))
    program = (
        Create(columns=(Field("id", "int"), Field("l", ListOf(nested)))),
        Mark(name="then"),
        RenameColumn(path="l.element.x", name="z"),
        DropColumn(path="l.element.y"),
        AddColumn(column=Field("c", "long"), first=True),
        MoveColumn(path="id", after="l"),
        Append(rows=()),
    )
    feature = Feature("f", "g", "t", program, "append", "s")
    plan = planned(feature, lambda table: f"{table}_x")
    assert [one.name for one in plan.operations[-1].fields] == ["c", "l", "id"]
    assert find(plan.operations[-1].fields, "l.element.z").type == "int"
    with pytest.raises(KeyError):
        find(plan.operations[-1].fields, "l.element.y")
    assert [one.name for one in plan.marked["then"]] == ["id", "l"]
    assert {one.table for one in plan.operations} == {"t_x"}


def test_types_tell_their_kind_and_parameters() -> None:
    assert (kind("decimal(9,2)"), parameters("decimal(9, 2)")) == ("decimal", ("9", "2"))
    assert (kind("fixed[4]"), parameters("fixed[4]")) == ("fixed", ("4",))
    assert (kind(ListOf("int")), kind("timestamptz_ns"), parameters("int")) == ("list", "timestamptz_ns", ())


def test_a_scan_goes_through_json() -> None:
    scan = Scan("t", ("a",), ref="b", where=(Condition("a", "in", (1, 2)),), count=True, fields=(Field("a", "int"),))
    assert Scan.from_json(json.loads(json.dumps(scan.to_json()))) == scan
    filters = ((Condition("a", "in", (1, 2)),), (Condition("a", "is-null"), Condition("a", "=", 1)))
    batch = Scan("t", ("a",), filters=filters)
    assert Scan.from_json(json.loads(json.dumps(batch.to_json()))) == batch
    assert batch.by_filter == tuple(Scan("t", ("a",), where=one) for one in filters)


def test_features_are_chosen_by_globs_in_their_order() -> None:
    assert [one.id for one in features.chosen(("tag", "branch"))] == ["branch", "tag"]
    assert {one.id for one in features.chosen(("deletion-vector*",))} == {
        "deletion-vectors",
        "deletion-vector-replaced",
        "deletion-vector-beside-another",
    }
    assert features.chosen(()) == features.FEATURES


def test_an_unknown_feature_has_the_nearest_names() -> None:
    with pytest.raises(UsageError, match="did you mean row-lineage"):
        features.chosen(("row-linage",))


def test_features_need_the_standard_library_only() -> None:
    heavy = {"pyarrow", "duckdb", "pyiceberg", "fastavro", "pydantic", "numpy"}
    modules = "lakebench.datasets.interop.program, lakebench.datasets.interop.features"
    code = f"import sys, {modules}; print(sorted({heavy} & set(sys.modules)))"
    assert (
        subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.strip() == "[]"
    )
