"""The oracle, the values it answers with, and how a reader's answer is compared with its own."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from lakebench.datasets.interop import expected as written
from lakebench.datasets.interop import wkb
from lakebench.datasets.interop.features import FEATURES
from lakebench.datasets.interop.oracle import Oracle
from lakebench.datasets.interop.same import compare, same_read
from lakebench.errors import HarnessFault
from lakebench.iceberg.operations import (
    AddColumn,
    Append,
    ChangeType,
    Compact,
    Concurrent,
    Create,
    CreateRef,
    CreateView,
    Delete,
    DropColumn,
    EqualityDelete,
    Mark,
    Merge,
    MoveColumn,
    Operation,
    Overwrite,
    Read,
    RenameColumn,
    Rollback,
    SetPartition,
    Update,
    from_json,
    to_json,
    with_all_rows,
)
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field, ListOf, MapOf, PartitionField, Struct
from lakebench.iceberg.values import arrow_table, arrow_type, instant
from lakebench.model import ObjectStore

PLAIN = (Field("id", "int"), Field("p", "string"), Field("v", "long"))
CREATE = Create(columns=PLAIN)
ROWS = Append(rows=((1, "a", 10), (2, "b", 20), (3, None, None)))
ALL = Read("all rows")
UUID = "f79c3e09-677c-4bbd-a479-3f349cb785e7"


def rows(*program: Operation, read: Read = ALL, succeeded: tuple[tuple[bool, ...], ...] = ()) -> list[tuple[Any, ...]]:
    table = Oracle(program, succeeded).answer(read)
    return [tuple(row.values()) for row in table.to_pylist()]


def test_rows_that_are_appended_many_times_are_there_as_often() -> None:
    twice = Append(rows=ROWS.rows, times=2)
    gone = Delete(where=(Condition("id", "=", 2),))
    assert sorted(rows(CREATE, twice, gone), key=str) == sorted([(1, "a", 10), (3, None, None)] * 2, key=str)
    assert rows(CREATE, twice) == rows(CREATE, with_all_rows(twice))
    assert with_all_rows(twice).rows == ROWS.rows * 2  # type: ignore[attr-defined]
    assert with_all_rows(from_json(to_json(twice))) == with_all_rows(twice)


@pytest.mark.parametrize(
    ("kind", "value", "stored"),
    [
        ("date", "0001-01-01", -719162),
        ("date", "9999-12-31", 2932896),
        ("time", "23:59:59.999999", 86399999999),
        ("timestamp", "0001-01-01T00:00:00", -62135596800000000),
        ("timestamp", "9999-12-31T23:59:59.999999", 253402300799999999),
        ("timestamptz", "2024-01-01T01:00:00+01:00", 1704067200000000),
        ("timestamp_ns", "1969-12-31T23:59:59.999999999", -1),
        ("timestamptz_ns", "1970-01-01T00:00:00.000000001+00:00", 1),
    ],
)
def test_dates_and_times_are_whole_numbers(kind: str, value: str, stored: int) -> None:
    column = arrow_table((Field("v", kind),), ((value,), (None,))).column("v").combine_chunks()
    whole = pa.int32() if kind == "date" else pa.int64()
    assert column.view(whole).to_pylist() == [stored, None]


def test_other_values_at_their_edges() -> None:
    kinds = ("double", "decimal(38,10)", "uuid", "fixed[2]", "binary", "geometry", "unknown", "boolean")
    fields = tuple(Field(f"v{n}", one) for n, one in enumerate(kinds))
    big = "9999999999999999999999999999.9999999999"
    table = arrow_table(fields, (("-Infinity", big, UUID, "00ff", "", "0101", None, True), (None,) * 8))
    table.validate(full=True)
    (first, second) = table.to_pylist()
    assert [*first.values()][:2] == [float("-inf"), Decimal(big)]
    assert [str(first["v2"]), *[*first.values()][3:]] == [UUID, b"\x00\xff", b"", b"\x01\x01", None, True]
    assert set(second.values()) == {None}


def test_a_variant_is_canonical_json_and_says_so() -> None:
    table = arrow_table((Field("v", "variant"),), (({"b": 1, "a": [None]},), (None,)))
    assert table.column("v").to_pylist() == ['{"a":[null],"b":1}', None]
    assert table.schema.field("v").metadata == {b"lakebench": b"json"}


def test_uuids_stand_inside_nested_types() -> None:
    of = Struct((Field("l", ListOf("uuid")), Field("m", MapOf("uuid", "time"))))
    value = {"l": [UUID, None], "m": {"keys": [UUID], "values": [None]}}
    table = arrow_table((Field("s", of),), ((value,), (None,)))
    table.validate(full=True)
    assert table.schema.field("s").type == arrow_type(of)
    assert str(table.to_pylist()[0]["s"]["l"][0]) == UUID


@pytest.mark.parametrize("text", ["2024-01-01", "2024-01-01T00:00", "2024-01-01T00:00:00.1234567"])
def test_what_is_no_timestamp_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        instant(text, 6)


def test_every_feature_has_an_answer_for_every_read() -> None:
    for feature in FEATURES:
        succeeded = [[True] * len(one.operations) for one in feature.program if isinstance(one, Concurrent)]
        for read in feature.all_reads:
            if not read.metadata:
                Oracle(feature.program, succeeded).answer(read).validate(full=True)


def test_a_name_dropped_and_added_again_is_another_column() -> None:
    again = (DropColumn(path="v"), AddColumn(column=Field("v", "long")), Append(rows=((4, "d", 40),)))
    assert rows(CREATE, ROWS, *again) == [(1, "a", None), (2, "b", None), (3, None, None), (4, "d", 40)]


def test_a_renamed_column_keeps_its_values_and_a_new_one_of_the_old_name_has_none() -> None:
    program = (CREATE, ROWS, RenameColumn(path="p", name="q"), AddColumn(column=Field("p", "string"), first=True))
    assert rows(*program)[0] == (None, 1, "a", 10)
    assert rows(*program, MoveColumn(path="v", after="p"))[0] == (None, 10, 1, "a")


def test_nested_fields_change_by_id_too() -> None:
    columns = (Field("l", ListOf(Struct((Field("x", "int"), Field("y", "int"))))),)
    program = (
        Create(columns=columns),
        Append(rows=(([{"x": 1, "y": 2}, None],), (None,), ([],))),
        RenameColumn(path="l.element.x", name="z"),
        DropColumn(path="l.element.y"),
        AddColumn(parent="l.element", column=Field("y", "int")),
    )
    assert rows(*program) == [([{"z": 1, "y": None}, None],), (None,), ([],)]


def test_an_initial_default_is_read_where_rows_lack_the_column_alone() -> None:
    added = AddColumn(column=Field("c", "int", default=7))
    got = rows(
        Create(columns=(Field("id", "int"),), format_version=3), Append(rows=((1,),)), added, Append(rows=((2, None),))
    )
    assert got == [(1, 7), (2, None)]


def test_a_promoted_float_keeps_single_precision() -> None:
    columns = (Field("v", "float"),)
    got = rows(Create(columns=columns), Append(rows=((0.1,),)), ChangeType(path="v", type="double"))
    assert got == [(0.10000000149011612,)]


def test_an_old_snapshot_and_a_tag_have_their_own_schema_and_a_branch_the_tables() -> None:
    program = (
        CREATE,
        ROWS,
        Mark(name="m"),
        CreateRef(name="tag", type="tag"),
        CreateRef(name="branch", type="branch"),
        DropColumn(path="p"),
        Append(rows=((4, 40),)),
        Append(rows=((9, 90),), branch="branch"),
    )
    assert rows(*program, read=Read("", at="m")) == rows(CREATE, ROWS)
    assert rows(*program, read=Read("", at_time="m")) == rows(CREATE, ROWS)
    assert rows(*program, read=Read("", ref="tag")) == rows(CREATE, ROWS)
    assert rows(*program, read=Read("", ref="branch")) == [(1, 10), (2, 20), (3, None), (9, 90)]
    assert rows(*program) == [(1, 10), (2, 20), (3, None), (4, 40)]


def test_a_rollback_takes_later_rows_away() -> None:
    later = Append(rows=((4, "d", 40),))
    program = (CREATE, ROWS, Mark(name="m"), later, Rollback(to="m"), Append(rows=((5, "e", 50),)))
    assert [row[0] for row in rows(*program)] == [1, 2, 3, 5]


def test_a_dynamic_overwrite_replaces_its_partitions() -> None:
    create = Create(columns=PLAIN, partition=(PartitionField("p"),))
    assert rows(create, ROWS, Overwrite(rows=((9, None, 9),), dynamic=True)) == [
        (1, "a", 10),
        (2, "b", 20),
        (9, None, 9),
    ]
    assert rows(create, ROWS, Overwrite(rows=((9, "a", 9),))) == [(9, "a", 9)]
    by_bucket = Create(columns=PLAIN, partition=(PartitionField("p", "bucket[4]"),))
    with pytest.raises(HarnessFault, match="bucket"):
        rows(by_bucket, ROWS, Overwrite(rows=((9, "a", 9),), dynamic=True))


def test_merge_and_update() -> None:
    null = Append(rows=((None, "n", 1),))
    assert rows(CREATE, null, ROWS, Merge(rows=((2, "m", 0), (None, "o", 2)))) == [
        (None, "n", 1), (1, "a", 10), (3, None, None), (2, "m", 0), (None, "o", 2),
    ]  # fmt: skip
    changed = Update(where=(Condition("id", ">=", 2),), values={"p": "new"}, add={"v": 5})
    assert rows(CREATE, ROWS, changed) == [(1, "a", 10), (2, "new", 25), (3, "new", None)]


def test_equality_deletes_reach_older_rows_of_the_same_partition() -> None:
    delete = EqualityDelete(key=("id",), rows=((1, "a"),), columns=("id", "p"))
    more = Append(rows=((1, "b", 11),))
    create = Create(columns=PLAIN, partition=(PartitionField("p"),))
    kept = [(2, "b", 20), (3, None, None), (1, "b", 11)]
    assert rows(create, ROWS, more, delete) == kept
    assert rows(create, ROWS, more, delete, Append(rows=((1, "a", 12),)))[-1] == (1, "a", 12)
    everywhere = EqualityDelete(key=("id",), rows=((1,),), columns=("id",))
    assert rows(CREATE, ROWS, more, everywhere) == kept[:2]
    null = EqualityDelete(key=("p",), rows=((None,),), columns=("p",))
    assert [row[0] for row in rows(CREATE, ROWS, null)] == [1, 2]


def test_equality_deletes_do_not_reach_another_spec_until_compaction() -> None:
    create = Create(columns=PLAIN, partition=(PartitionField("p"),))
    evolved = (create, ROWS, SetPartition(partition=(PartitionField("v"),)))
    delete = EqualityDelete(key=("id",), rows=((1, 10),), columns=("id", "v"))
    assert len(rows(*evolved, delete)) == 3
    assert len(rows(*evolved, Compact(), delete)) == 2


def test_of_concurrent_operations_those_that_succeeded_count() -> None:
    both = Concurrent(operations=tuple(Update(where=(Condition("id", "=", 1),), add={"v": n}) for n in (1, 1000)))
    assert rows(CREATE, ROWS, both, succeeded=((True, False),))[0] == (1, "a", 11)
    assert rows(CREATE, ROWS, both, both, succeeded=((True, True), (False, True)))[0] == (1, "a", 2011)
    with pytest.raises(HarnessFault, match="does not know which parts"):
        rows(CREATE, ROWS, both)


def test_views_projections_and_counts() -> None:
    view = CreateView(name="w", columns=("v", "id"), where=(Condition("v", ">", 10),))
    assert rows(CREATE, ROWS, view, read=Read("", view="w")) == [(20, 2)]
    assert rows(CREATE, ROWS, view, read=Read("", view="w", count=True)) == [(1,)]
    assert rows(CREATE, ROWS, read=Read("", columns=("v", "p"), where=(Condition("id", "=", 1),))) == [(10, "a")]


@pytest.mark.parametrize(
    ("condition", "ids"),
    [
        (Condition("v", "!=", 10), [2]),
        (Condition("v", "is-null"), [3]),
        (Condition("v", "not-null"), [1, 2]),
        (Condition("p", "in", ("b", None)), [2]),
        (Condition("v", "<=", 20), [1, 2]),
        (Condition("v", "=", None), []),
    ],
)
def test_conditions_hold_as_sql_says(condition: Condition, ids: list[int]) -> None:
    assert [row[0] for row in rows(CREATE, ROWS, read=Read("", where=(condition,)))] == ids


def test_nan_is_larger_than_all_numbers_and_minus_zero_is_zero() -> None:
    create = Create(columns=(Field("v", "double"),))
    data = Append(rows=(("NaN",), ("Infinity",), ("-0.0",), (None,)))
    assert str(rows(create, data, read=Read("", where=(Condition("v", ">", 0.0),)))) == "[(nan,), (inf,)]"
    assert rows(create, data, read=Read("", where=(Condition("v", "=", 0.0),))) == [(-0.0,)]


def test_a_delete_takes_what_its_condition_holds_for() -> None:
    nested = (Field("id", "int"), Field("s", Struct((Field("x", "int"),))))
    data = Append(rows=((1, {"x": 1}), (2, {"x": None}), (3, None)))
    assert [row[0] for row in rows(Create(columns=nested), data, Delete(where=(Condition("s.x", "is-null"),)))] == [1]


# The comparison.


def table(fields: tuple[Field, ...], *arguments: tuple[Any, ...]) -> pa.Table:
    return arrow_table(fields, arguments)


def test_names_and_their_order_count_but_not_their_case() -> None:
    wanted = table((Field("id", "int"), Field("A", "int")), (1, 2))
    assert same_read(pa.table({"ID": [1], "a": [2]}), wanted).diff is None
    for wrong in (pa.table({"a": [2], "id": [1]}), pa.table({"id": [1], "b": [2]}), pa.table({"id": [1]})):
        diff = same_read(wrong, wanted).diff
        assert diff is not None
        assert diff.kind == "columns"


def test_a_counts_column_may_have_any_name() -> None:
    wanted = Oracle((CREATE, ROWS)).answer(Read("", count=True))
    assert same_read(pa.table({"count_star()": pa.array([3], pa.int32())}), wanted).diff is None
    assert same_read(pa.table({"count_star()": [4]}), wanted).diff is not None


def test_variants_are_compared_as_json() -> None:
    wanted = table((Field("v", "variant"),), ({"a": 1, "b": [True, 2.5]},), (None,), (None,))
    assert same_read(pa.table({"v": ['{"b": [true, 2.50], "a": 1.0}', None, None]}), wanted).diff is None
    for wrong in ('{"a": 1, "b": [1, 2.5]}', '{"a": 1}', "{a=1}", "null"):
        assert same_read(pa.table({"v": [wrong, None, None]}), wanted).diff is not None
    assert same_read(pa.table({"v": ['{"a": 1, "b": [true, 2.5]}', "null", None]}), wanted).diff is not None


def test_uuids_may_be_text_or_bytes_at_any_depth() -> None:
    wanted = table((Field("u", "uuid"), Field("l", ListOf("uuid"))), (UUID, [UUID, None]))
    raw = bytes.fromhex(UUID.replace("-", ""))
    for value in (UUID.upper(), raw):
        assert same_read(pa.table({"u": [value], "l": [[value, None]]}), wanted).diff is None
    assert same_read(pa.table({"u": ["no uuid"], "l": [[raw, None]]}), wanted).diff is not None


def test_a_time_that_lost_its_type_is_named() -> None:
    wanted = table((Field("t", "time"),), ("00:00:01",))
    assert same_read(pa.table({"t": pa.array([1000], pa.time32("ms"))}), wanted).diff is None
    diff = same_read(pa.table({"t": [1_000_000]}), wanted).diff
    assert diff is not None
    assert diff.message.endswith("t: int64 instead of time64[us]")
    assert diff.expected == (("00:00:01",),)


def test_other_arrow_types_of_the_same_values_are_the_same() -> None:
    fields = (Field("i", "int"), Field("s", "string"), Field("b", "fixed[2]"), Field("l", ListOf("string")))
    wanted = table(fields, (1, "x", "00ff", ["y"]))
    actual = pa.table(
        {
            "i": pa.array([1], pa.int64()),
            "s": pa.array(["x"]).dictionary_encode(),
            "b": pa.array([b"\x00\xff"], pa.large_binary()),
            "l": pa.array([["y"]], pa.large_list(pa.string_view())),
        }
    )
    same = same_read(actual, wanted)
    assert same.diff is None
    assert len(same.type_differences) == 4
    assert same_read(actual.set_column(2, "b", pa.array([b"\x00\xff"], pa.binary_view())), wanted).diff is None


def test_struct_names_may_be_folded_and_nulls_count_at_each_level() -> None:
    of = Struct((Field("Name", "int"), Field("m", MapOf("string", "int"))))
    wanted = table((Field("s", of),), ({"Name": None, "m": {"keys": ["k"], "values": [None]}},))
    entries = pa.map_(pa.string(), pa.int64())
    kind = pa.struct([("name", pa.int64()), ("m", entries)])
    assert same_read(pa.table({"s": pa.array([{"name": None, "m": [("k", None)]}], kind)}), wanted).diff is None
    assert same_read(pa.table({"s": pa.array([None], kind)}), wanted).diff is not None
    assert same_read(pa.table({"s": pa.array([{"name": None, "m": None}], kind)}), wanted).diff is not None


def test_a_date_beyond_pythons_years_differs_and_nothing_breaks() -> None:
    wanted = table((Field("d", "date"),), ("9999-12-31",))
    diff = same_read(pa.table({"d": pa.array([2_932_897], pa.date32())}), wanted).diff
    assert diff is not None
    assert diff.expected == (("9999-12-31",),)


LITTLE = bytes.fromhex("0101000000000000000000f03f0000000000000040")
BIG = bytes.fromhex("00000000013ff00000000000004000000000000000")


def test_geometries_are_the_same_in_any_byte_order() -> None:
    wanted = table((Field("g", "geometry"),), (LITTLE.hex(),), (None,))
    assert same_read(pa.table({"g": [BIG, None]}), wanted).diff is None
    assert same_read(pa.table({"g": [BIG[:-1] + b"\x01", None]}), wanted).diff is not None


def test_well_known_binary_has_one_form() -> None:
    with_srid = LITTLE[:1] + b"\x01\x00\x00\x20\xe6\x10\x00\x00" + LITTLE[5:]
    assert wkb.normal(BIG) == wkb.normal(with_srid) == LITTLE
    point_z = bytes.fromhex("01e9030000") + bytes(24)
    assert wkb.normal(bytes.fromhex("0101000080") + bytes(24)) == wkb.normal(point_z) == point_z
    polygon = bytes.fromhex("01030000000100000001000000") + bytes(16)
    assert wkb.normal(bytes.fromhex("000000000300000001" + "00000001") + bytes(16)) == polygon
    collection = bytes.fromhex("010700000002000000") + LITTLE + polygon
    assert wkb.normal(bytes.fromhex("000000000700000002") + BIG + polygon) == collection
    for odd in (b"", b"text", LITTLE + b"\x00", LITTLE[:-1], bytes.fromhex("0163000000")):
        assert wkb.normal(odd) == odd


def test_what_is_expected_is_written_and_compared(tmp_path: Path) -> None:
    path, store = tmp_path / "expected", ObjectStore("", "", "", "")
    written.write([to_json(CREATE), to_json(ROWS)], [ALL], [], {}, store, [path])
    checked = compare(path, path)
    assert (checked.ok, checked.rows) == (True, 3)
    unreadable = compare(tmp_path / "none", path).diff
    assert unreadable is not None
    assert unreadable["kind"] == "unreadable"
