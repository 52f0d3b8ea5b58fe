"""Each lie is caught on every query that it applies to, and nothing honest is called a lie."""

from __future__ import annotations

import datetime as dt
import functools
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import strategies
from hypothesis import assume, given
from hypothesis import strategies as st

from lakebench.datasets import answer_files, answers, table_files, tpch
from lakebench.datasets.answers import agreement, compare, content_hash, same_rows
from lakebench.datasets.rules import FLOAT_RELATIVE, Rules
from lakebench.datasets.tpch.queries import ANSWERED
from lakebench.iceberg.values import arrow_table

CASES = [(scale, query) for scale in ANSWERED for query in tpch.queries(scale)]
IDS = [f"sf{scale}-{query.name}" for scale, query in CASES]


@functools.cache
def reference(scale: Decimal, number: int) -> pa.Table:
    """The reference answer, as far as a lie about one row needs it: the longest has 18,000 rows."""
    return pq.read_table(tpch.reference(scale, number)["postgresql"]).slice(0, 100)


def answer(scale: Decimal, query: tpch.Query) -> pa.Table:
    return reference(scale, query.number)


def with_column(table: pa.Table, position: int, values: Sequence[Any], kind: pa.DataType | None = None) -> pa.Table:
    field = table.field(position)
    return table.set_column(position, field.name, pa.array(values, kind or field.type))


def changed(table: pa.Table, position: int, change: Callable[[Any], Any], kind: pa.DataType | None = None) -> pa.Table:
    """The first value that is not null, changed."""
    values = table.column(position).to_pylist()
    row = next((n for n, value in enumerate(values) if value is not None), None)
    if row is None:
        return None
    values[row] = change(values[row])
    return with_column(table, position, values, kind)


def numeric(table: pa.Table) -> list[int]:
    return [n for n, field in enumerate(table.schema) if pa.types.is_decimal(field.type)]


@pytest.mark.parametrize(("scale", "query"), CASES, ids=IDS)
class TestEveryQuery:
    def test_both_sources_agree(self, scale: Decimal, query: tpch.Query) -> None:
        first, second = (pq.read_table(path) for path in tpch.reference(scale, query.number).values())
        assert compare(first, second, query.rules) is None
        assert compare(second, first, query.rules) is None

    def test_floats_are_taken_for_decimals(self, scale: Decimal, query: tpch.Query) -> None:
        wanted = table = answer(scale, query)
        for n in numeric(table):
            values = [None if value is None else float(value) for value in table.column(n).to_pylist()]
            table = with_column(table, n, values, pa.float64())
        assert compare(table, wanted, query.rules) is None

    def test_dropped_row(self, scale: Decimal, query: tpch.Query) -> None:
        table = answer(scale, query)
        diff = compare(table.slice(1), table, query.rules)
        assert diff is not None
        assert (diff.kind, diff.missing) == ("rows", 1)

    def test_duplicated_row(self, scale: Decimal, query: tpch.Query) -> None:
        table = answer(scale, query)
        diff = compare(pa.concat_tables([table.slice(0, 1), table]), table, query.rules)
        assert diff is not None
        assert (diff.kind, diff.unexpected) == ("rows", 1)

    def test_a_row_instead_of_another(self, scale: Decimal, query: tpch.Query) -> None:
        table = answer(scale, query)
        if table.num_rows > 1:
            diff = compare(pa.concat_tables([table.slice(0, 1), table.slice(0, 1), table.slice(2)]), table, query.rules)
            assert diff is not None
            assert diff.kind == "values"

    def test_swapped_columns(self, scale: Decimal, query: tpch.Query) -> None:
        table = answer(scale, query)
        for n in range(table.num_columns - 1):
            order = list(range(table.num_columns))
            order[n], order[n + 1] = order[n + 1], order[n]
            swapped = table.select(order)
            assert compare(swapped, table, query.rules) is not None
            if table.column(n).to_pylist() != table.column(n + 1).to_pylist():
                assert compare(swapped.rename_columns(table.column_names), table, query.rules) is not None

    def test_missing_column(self, scale: Decimal, query: tpch.Query) -> None:
        table = answer(scale, query)
        diff = compare(table.select(range(table.num_columns - 1)), table, query.rules)
        assert diff is not None
        assert diff.kind == "columns"

    def test_null_for_a_value(self, scale: Decimal, query: tpch.Query) -> None:
        table = answer(scale, query)
        for n in range(table.num_columns):
            lie = changed(table, n, lambda _: None)
            if lie is not None:
                assert compare(lie, table, query.rules) is not None, table.column_names[n]

    def test_nan_for_a_value(self, scale: Decimal, query: tpch.Query) -> None:
        table = answer(scale, query)
        for n in numeric(table):
            floats = [None if value is None else float(value) for value in table.column(n).to_pylist()]
            lie = changed(with_column(table, n, floats, pa.float64()), n, lambda _: float("nan"))
            if lie is not None:
                assert compare(lie, table, query.rules) is not None, table.column_names[n]

    def test_off_by_one_in_the_last_digit(self, scale: Decimal, query: tpch.Query) -> None:
        table = answer(scale, query)
        for n, field in enumerate(table.schema):
            if query.rules.kind(n) != "exact" or not (
                pa.types.is_decimal(field.type) or pa.types.is_integer(field.type)
            ):
                continue
            unit = Decimal(1).scaleb(-field.type.scale) if pa.types.is_decimal(field.type) else 1
            lie = changed(table, n, lambda value, unit=unit: value + unit)
            diff = compare(lie, table, query.rules)
            assert diff is not None, field.name
            assert diff.kind == "values"

    def test_off_by_one_cent(self, scale: Decimal, query: tpch.Query) -> None:
        table = answer(scale, query)
        for n in numeric(table):
            lie = changed(table, n, lambda value: value + Decimal("0.01"))
            if lie is not None:
                assert compare(lie, table, query.rules) is not None, table.column_names[n]

    def test_rounded_decimal(self, scale: Decimal, query: tpch.Query) -> None:
        table = answer(scale, query)
        for n in numeric(table):
            for digits in (0, 1, 2):
                unit = Decimal(1).scaleb(-digits)
                values = table.column(n).to_pylist()
                lie = with_column(table, n, [None if value is None else value.quantize(unit) for value in values])
                if lie.column(n).to_pylist() != values:
                    assert compare(lie, table, query.rules) is not None, (table.column_names[n], digits)

    def test_text_with_a_blank_more(self, scale: Decimal, query: tpch.Query) -> None:
        table = answer(scale, query)
        for n, field in enumerate(table.schema):
            if pa.types.is_string(field.type):
                assert compare(changed(table, n, lambda text: f"{text} "), table, query.rules) is not None

    def test_date_off_by_a_day(self, scale: Decimal, query: tpch.Query) -> None:
        table = answer(scale, query)
        for n, field in enumerate(table.schema):
            if pa.types.is_date(field.type):
                lie = changed(table, n, lambda day: day + dt.timedelta(days=1))
                assert compare(lie, table, query.rules) is not None

    def test_wrong_order(self, scale: Decimal, query: tpch.Query) -> None:
        table = answer(scale, query)
        backwards = table.take(list(reversed(range(table.num_rows))))
        diff = compare(backwards, table, query.rules)
        if table.num_rows > 1:
            assert diff is not None
            assert diff.kind == "order"
        else:
            assert diff is None


class TestRules:
    @pytest.mark.parametrize(
        ("rule", "scale", "text", "same"),
        [
            ("average", 2, "25.58", True),
            ("average", 2, "25.57", False),
            ("average", 6, "25.575154", True),
            ("average", 6, "25.575155", True),
            ("average", 6, "25.575160", False),
            ("average", 1, "25.6", False),
            ("ratio", 4, "25.5752", True),
            ("ratio", 4, "25.5751", False),
            ("ratio", 2, "25.58", False),
            ("exact", 2, "25.58", False),
        ],
    )
    def test_an_engines_own_scale(self, rule: str, scale: int, text: str, *, same: bool) -> None:
        wanted = pa.table({"x": pa.array([Decimal("25.57515461145469")], pa.decimal128(38, 20))})
        got = pa.table({"x": pa.array([Decimal(text)], pa.decimal128(38, scale))})
        rules = {"average": Rules(average=(0,)), "ratio": Rules(ratio=(0,)), "exact": Rules()}[rule]
        assert (compare(got, wanted, rules) is None) is same

    def test_at_least_as_tight_as_the_specification(self) -> None:
        """Clause 2.1.3.5: an average or ratio within 1 % of the validation output, a sum within 100 dollars."""
        assert FLOAT_RELATIVE.compare(Decimal("0.01")) < 0
        for scale, query in CASES:
            table = answer(scale, query)
            for rule, cap in (("average", Decimal("0.005")), ("ratio", Decimal("0.00005"))):
                for n in getattr(query.rules, rule):
                    values = [value for value in table.column(n).to_pylist() if value]
                    # The discount of some 0.05 is the one value where half a cent is more than 1 %; there the clause
                    # rounds both to cents, which is what half a cent means.
                    assert all(cap <= value / 100 for value in values) or table.column_names[n] == "avg_disc"

    def test_ties_in_any_order(self) -> None:
        wanted = pa.table({"key": [1, 1, 2], "name": ["a", "b", "c"]})
        assert compare(wanted.take([1, 0, 2]), wanted, Rules(order=(0,))) is None
        assert compare(wanted.take([2, 0, 1]), wanted, Rules(order=(0,))) is not None

    def test_names_may_differ_in_case_but_not_in_order(self) -> None:
        wanted = pa.table({"a": [1], "b": [1]})
        assert compare(wanted.rename_columns(["A", "_col1"]), wanted, Rules()) is None
        diff = compare(wanted.rename_columns(["B", "A"]), wanted, Rules())
        assert diff is not None
        assert diff.kind == "columns"

    def test_numbers_of_any_type(self) -> None:
        wanted = pa.table({"n": pa.array([5], pa.int64())})
        for kind in (pa.int8(), pa.uint32(), pa.decimal128(38, 0), pa.float64()):
            assert compare(pa.table({"n": pa.array([5], kind)}), wanted, Rules()) is None
        assert compare(pa.table({"n": [True]}), pa.table({"n": [1]}), Rules()) is not None
        assert compare(pa.table({"n": ["5"]}), wanted, Rules()) is not None
        assert compare(pa.table({"n": [5.00000000001]}), wanted, Rules()) is not None

    def test_a_timestamp_is_not_a_date(self) -> None:
        wanted = pa.table({"d": [dt.date(2020, 1, 1)]})
        assert compare(pa.table({"d": pa.array([dt.datetime(2020, 1, 1)], pa.timestamp("us"))}), wanted, Rules())  # noqa: DTZ001 - no zone on purpose

    def test_infinity_is_not_near(self) -> None:
        inf, one = pa.table({"n": [float("inf")]}), pa.table({"n": [1.0]})
        assert compare(inf, one, Rules()) is not None
        assert compare(inf, inf, Rules()) is None

    def test_empty_answers(self) -> None:
        empty = pa.table({"n": pa.array([], pa.int64())})
        assert compare(empty, empty, Rules(order=(0,))) is None
        assert compare(empty, pa.table({"n": [1]}), Rules(order=(0,))) is not None


def test_a_diff_is_small_and_readable() -> None:
    wanted = pa.table({"n": list(range(5000)), "text": ["x" * 10_000] * 5000})
    diff = compare(wanted.set_column(1, "text", pa.array(["y" * 10_000] * 5000)), wanted, Rules())
    assert diff is not None
    assert len(json.dumps(diff.to_json())) < 20_000
    assert diff.message == "5000 of 5000 rows differ in text"
    assert (len(diff.expected), len(diff.actual)) == (10, 10)
    assert diff.text().splitlines()[0] == diff.message


def test_many_rows_too_many_are_not_searched() -> None:
    diff = compare(pa.table({"n": pa.array(range(1_000_002))}), pa.table({"n": [1]}), Rules())
    assert diff is not None
    assert (diff.kind, diff.unexpected) == ("rows", -1)


class TestAgreement:
    ONE = pa.table({"n": [1]})
    TWO = pa.table({"n": [2]})
    THREE = pa.table({"n": [3]})

    def test_majority(self) -> None:
        agreed = agreement({"a": self.ONE, "b": self.TWO, "c": self.ONE}, Rules())
        assert agreed.groups == (("a", "c"), ("b",))
        assert agreed.verified == ("a", "c")
        assert list(agreed.diffs) == ["b"]

    @pytest.mark.parametrize(
        "tables", [{}, {"a": ONE}, {"a": ONE, "b": TWO}, {"a": ONE, "b": TWO, "c": ONE, "d": TWO, "e": THREE}]
    )
    def test_no_majority(self, tables: dict[str, pa.Table]) -> None:
        assert agreement(tables, Rules()).verified == ()


class TestSameRows:
    @staticmethod
    def one(value: Any, kind: pa.DataType) -> pa.Table:
        return pa.table({"x": pa.array([value], kind)})

    NESTED = pa.struct({"l": pa.list_(pa.float64()), "m": pa.map_(pa.string(), pa.decimal128(9, 2))})

    @pytest.mark.parametrize(
        ("value", "kind", "other"),
        [
            (True, pa.bool_(), False),
            (1, pa.int32(), 2),
            (1.5, pa.float32(), 1.25),
            (float("nan"), pa.float64(), 0.0),
            (0.0, pa.float64(), -0.0),
            (Decimal("1.10"), pa.decimal128(9, 2), Decimal("1.11")),
            (dt.date(1969, 12, 31), pa.date32(), dt.date(1970, 1, 1)),
            (dt.time(1, 2, 3, 4), pa.time64("us"), dt.time(1, 2, 3, 5)),
            (1, pa.timestamp("us"), 2),
            (1, pa.timestamp("ns", tz="UTC"), 2),
            ("ä", pa.string(), "a"),
            (b"\x00", pa.binary(), b""),
            (b"0123456789abcdef", pa.binary(16), b"0123456789abcdeF"),
            ({"l": [float("nan"), None], "m": [("a", Decimal(1))]}, NESTED, {"l": [], "m": [("a", Decimal(1))]}),
            ({"l": None, "m": None}, NESTED, None),
            ([[1], []], pa.list_(pa.list_(pa.int32())), [[1]]),
            ([], pa.list_(pa.int32()), None),
        ],
    )
    def test_every_type(self, value: Any, kind: pa.DataType, other: Any) -> None:
        table = self.one(value, kind)
        assert same_rows(table, table) == answers.Sameness(None)
        assert content_hash(table)
        for lie in (other, None):
            assert same_rows(self.one(lie, kind), table).diff is not None
            assert same_rows(table, self.one(lie, kind)).diff is not None

    def test_type_differences_are_named(self) -> None:
        sameness = same_rows(self.one(1, pa.int64()), self.one(1, pa.int32()))
        assert sameness == answers.Sameness(None, ("x: int64 instead of int32",))
        assert content_hash(self.one(1, pa.int64())) == content_hash(self.one(Decimal(1), pa.decimal128(9, 2)))

    @pytest.mark.parametrize("value", [0, 1, -1, 10, -1200, 10**18, 123456789])
    def test_a_whole_number_has_one_hash_in_every_type(self, value: int) -> None:
        whole = content_hash(self.one(value, pa.int64()))
        assert whole == content_hash(self.one(Decimal(value), pa.decimal128(38, 4)))
        assert whole == content_hash(self.one(float(value), pa.float64()))
        assert whole != content_hash(self.one(value + 1, pa.int64()))

    def test_an_instant_is_the_same_in_any_zone_and_unit(self) -> None:
        assert (
            same_rows(self.one(1_000, pa.timestamp("us", "UTC")), self.one(1, pa.timestamp("ms", "+02:00"))).diff
            is None
        )
        assert same_rows(self.one(1, pa.timestamp("us")), self.one(1, pa.timestamp("us", "UTC"))).diff is not None

    def test_a_map_has_no_order(self) -> None:
        kind = pa.map_(pa.string(), pa.int32())
        assert same_rows(self.one([("a", 1), ("b", 2)], kind), self.one([("b", 2), ("a", 1)], kind)).diff is None

    def test_a_uuid_may_be_text(self) -> None:
        text = "12345678-1234-5678-1234-567812345678"
        wanted = self.one(bytes.fromhex(text.replace("-", "")), pa.uuid())
        assert same_rows(self.one(text, pa.string()), wanted).diff is None
        assert same_rows(self.one(text.replace("8", "9"), pa.string()), wanted).diff is not None
        assert same_rows(self.one("no uuid", pa.string()), wanted).diff is not None

    def test_sliced_and_chunked(self) -> None:
        kind = pa.struct({"a": pa.list_(pa.int32()), "d": pa.date32()})
        values = [{"a": [n], "d": dt.date(2020, 1, n + 1)} if n % 3 else None for n in range(9)]
        whole = pa.table({"x": pa.array(values, kind)})
        parts = pa.concat_tables([whole.slice(5), whole.slice(0, 5)])
        assert same_rows(parts, whole).diff is None

    def test_any_order_but_not_any_count(self) -> None:
        wanted = pa.table({"x": [1, 1, 2]})
        assert same_rows(wanted.take([2, 0, 1]), wanted).diff is None
        assert same_rows(pa.table({"x": [1, 2, 2]}), wanted).diff is not None


TABLES = strategies.fields(strategies.types(), 3).flatmap(
    lambda some: strategies.rows(some).map(lambda rows: arrow_table(some, rows))
)


class TestAnyTable:
    @given(table=TABLES, data=st.data())
    def test_the_order_of_rows_does_not_count(self, table: pa.Table, data: st.DataObject) -> None:
        order = data.draw(st.permutations(range(table.num_rows)))
        other = table.take(pa.array(order, pa.int64()))
        assert same_rows(other, table).diff is None
        assert content_hash(other) == content_hash(table)

    @given(table=TABLES, data=st.data())
    def test_a_missing_row_or_one_instead_of_another_is_a_difference(
        self, table: pa.Table, data: st.DataObject
    ) -> None:
        assume(table.num_rows)
        gone, kept = (data.draw(st.integers(0, table.num_rows - 1)) for _ in range(2))
        left = pa.concat_tables([table.slice(0, gone), table.slice(gone + 1)])
        few = same_rows(left, table).diff
        assert few is not None
        assert few.kind == "rows"
        assert same_rows(table, left).diff is not None
        rows = answers.rows(table)
        another = same_rows(pa.concat_tables([left, table.slice(kept, 1)]), table).diff
        assert (another is None) == (rows[gone] == rows[kept])

    @given(table=TABLES)
    def test_a_majority_is_right_and_an_engine_that_lacks_a_row_is_not(self, table: pa.Table) -> None:
        assume(table.num_rows)
        agreed = agreement({"a": table, "b": table.slice(1), "c": table}, Rules())
        assert (agreed.verified, list(agreed.diffs)) == (("a", "c"), ["b"])


class TestAnswersInFiles:
    @staticmethod
    def write(path: Path, table: pa.Table) -> Path:
        table_files.write(table, path)
        return path

    def test_a_right_and_a_wrong_answer(self, tmp_path: Path) -> None:
        (query,) = [one for one in tpch.queries(Decimal(1)) if one.number == 1]
        table, expected = answer(Decimal(1), query), tpch.reference(Decimal(1), 1)
        rules = Rules(order=(0, 1), average=(6, 7, 8))
        right = answer_files.compare(self.write(tmp_path / "a", table), expected, rules)
        assert (right.ok, right.rows, len(right.sha256)) == (True, 4, 64)
        assert right.sources == ("postgresql", "duckdb")
        wrong = answer_files.compare(self.write(tmp_path / "b", table.slice(1)), expected, rules)
        assert wrong.ok is False
        assert wrong.message == "3 rows instead of 4 (against postgresql)"

    @pytest.mark.parametrize("damage", [b"", b"ARROW1\0\0nonsense", b"nonsense", None])
    def test_a_damaged_answer_is_a_diff(self, tmp_path: Path, damage: bytes | None) -> None:
        path = tmp_path / "a.arrow"
        good = self.write(tmp_path / "good", pa.table({"n": list(range(1000))}))
        path.write_bytes(good.read_bytes()[:700] if damage is None else damage)
        checked = answer_files.compare_rows(path, good)
        assert checked.ok is False
        assert checked.diff is not None
        assert checked.diff["kind"] == "unreadable"

    def test_text_that_is_not_utf8_is_unreadable(self, tmp_path: Path) -> None:
        bad = pa.Array.from_buffers(
            pa.string(), 1, [None, pa.array([0, 2], pa.int32()).buffers()[1], pa.py_buffer(b"\xff\xff")]
        )
        path = self.write(tmp_path / "a", pa.table({"x": bad}))
        diff = answer_files.compare_rows(path, path).diff
        assert diff is not None
        assert diff["kind"] == "unreadable"

    def test_a_damaged_reference_is_an_error(self, tmp_path: Path) -> None:
        good = self.write(tmp_path / "good", pa.table({"n": [1]}))
        with pytest.raises(table_files.Unreadable, match="cannot be read"):
            answer_files.compare_rows(good, tmp_path / "none")
