"""Answers of queries that end in LIMIT: ties may differ, everything else may not."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakebench.datasets import answer_files, answers
from lakebench.datasets.answers import FULL, agreement, compare, top_n
from lakebench.datasets.rules import Rules
from lakebench.datasets.sql_rules import rules_of, tables_of, with_exact_columns, without_limit, without_semicolon
from lakebench.errors import UsageError

# A full answer, ordered by its second column: b and c tie at 7, d, e and f at 5.
FULL_ROWS = [("a", 9), ("b", 7), ("c", 7), ("d", 5), ("e", 5), ("f", 5), ("g", 1)]
TOP = Rules(order=(1,), limit=4, full_order=(1,))
PAGE = Rules(order=(1,), limit=3, offset=2, full_order=(1,))
ANY = Rules(limit=3)


def table(rows: Sequence[tuple[Any, ...]], names: str = "kn") -> pa.Table:
    columns = list(zip(*rows, strict=True)) or [()] * len(names)
    return pa.table({name: list(column) for name, column in zip(names, columns, strict=True)})


def only(letters: str) -> pa.Table:
    rows = dict(FULL_ROWS)
    return table([(letter, rows[letter]) for letter in letters])


def kind(diff: answers.Diff | None) -> str:
    return diff.kind if diff else "same"


class TestTwoAnswers:
    @pytest.mark.parametrize("letters", ["abcd", "abce", "acbf"])
    def test_ties_at_the_cut_may_be_others(self, letters: str) -> None:
        assert compare(only(letters), only("abcd"), TOP) is None

    @pytest.mark.parametrize(
        ("rows", "expected"),
        [
            ([("a", 9), ("b", 7), ("x", 7), ("d", 5)], "values"),  # not at the cut: b and c are both there
            ([("a", 9), ("b", 7), ("b", 7), ("d", 5)], "values"),
            ([("a", 9), ("b", 7), ("c", 7), ("d", 4)], "values"),  # another key at the cut
            ([("b", 7), ("a", 9), ("c", 7), ("d", 5)], "order"),
            ([("a", 9), ("b", 7), ("c", 7)], "rows"),
            ([("a", 9), ("b", 7), ("c", 7), ("d", 5), ("e", 5)], "rows"),
        ],
    )
    def test_the_rest_may_not(self, rows: list[tuple[str, int]], expected: str) -> None:
        assert kind(compare(table(rows), only("abcd"), TOP)) == expected

    def test_an_answer_that_the_limit_did_not_cut_is_compared_whole(self) -> None:
        long = dataclasses.replace(TOP, limit=50)
        assert kind(compare(table([*FULL_ROWS[:-1], ("x", 1)]), table(FULL_ROWS), long)) == "values"

    def test_an_offset_cuts_through_the_first_ties(self) -> None:
        assert compare(only("bde"), only("cef"), PAGE) is None
        middle = Rules(order=(1,), limit=5, offset=1, full_order=(1,))
        assert compare(only("cbdef"), only("bcdef"), middle) is None
        wide = Rules(order=(1,), limit=6, full_order=(1,))
        assert kind(compare(table([("x", 9), *FULL_ROWS[1:6]]), table(FULL_ROWS[:6]), wide)) == "values"

    def test_without_a_key_only_the_number_of_rows_counts(self) -> None:
        assert compare(only("abc"), only("efg"), ANY) is None
        assert kind(compare(only("ab"), only("efg"), ANY)) == "rows"
        assert "number of rows alone" in ANY.cut_text

    def test_nothing_equals_nothing(self) -> None:
        assert compare(only("").slice(0), only(""), TOP) is None

    def test_without_limit_the_rules_are_what_they_were(self) -> None:
        assert kind(compare(only("abce"), only("abcd"), Rules(order=(1,)))) == "values"
        assert repr(TOP) == repr(Rules(order=(1,)))
        assert Rules().cut_text == ""


class TestFullAnswer:
    full = table(FULL_ROWS)

    @pytest.mark.parametrize("letters", ["abcd", "abce", "acbf"])
    def test_ties_at_the_cut_may_be_any_of_them(self, letters: str) -> None:
        assert top_n(only(letters), self.full, TOP) is None

    @pytest.mark.parametrize("letters", ["bde", "cdf", "bfd"])
    def test_a_page_too(self, letters: str) -> None:
        assert top_n(only(letters), self.full, PAGE) is None

    @pytest.mark.parametrize(
        ("rows", "expected"),
        [
            ([("a", 9), ("b", 7), ("c", 7), ("x", 5)], "values"),  # ties with the cut, and is no row
            ([("a", 9), ("b", 7), ("c", 7), ("g", 1)], "order"),  # a row, and not one of the first four
            ([("a", 9), ("b", 7), ("d", 5), ("e", 5)], "order"),
            ([("b", 7), ("a", 9), ("c", 7), ("d", 5)], "order"),
            ([("a", 9), ("b", 7), ("b", 7), ("d", 5)], "values"),  # the same row twice
            ([("a", 9), ("b", 7), ("c", 7), ("d", 6)], "values"),
            ([("a", 9), ("b", 7), ("c", 7)], "rows"),
            ([*FULL_ROWS[:5]], "rows"),
        ],
    )
    def test_what_is_wrong_is_seen(self, rows: list[tuple[str, int]], expected: str) -> None:
        assert kind(top_n(table(rows), self.full, TOP)) == expected

    def test_a_page_before_or_behind_is_seen(self) -> None:
        assert kind(top_n(only("abc"), self.full, PAGE)) == "order"
        assert kind(top_n(only("def"), self.full, PAGE)) == "order"

    def test_fewer_rows_than_the_limit_are_all_rows(self) -> None:
        long = dataclasses.replace(TOP, limit=50)
        assert top_n(self.full, self.full, long) is None
        assert kind(top_n(self.full.slice(0, 6), self.full, long)) == "rows"
        assert top_n(only(""), self.full, dataclasses.replace(TOP, offset=10)) is None

    def test_any_rows_must_be_rows(self) -> None:
        assert top_n(only("gae"), self.full, ANY) is None
        assert kind(top_n(table([("g", 1), ("a", 9), ("x", 5)]), self.full, ANY)) == "values"
        assert kind(top_n(only("gg"), self.full, ANY)) == "rows"
        assert kind(top_n(only("aag"), self.full, ANY)) == "values"

    def test_a_key_that_is_not_selected_stands_last_in_the_full_answer(self) -> None:
        rules = Rules(limit=4, full_order=(-1,))
        names = pa.table({"k": ["a", "c", "b", "f"]})
        assert top_n(names, self.full, rules) is None
        assert kind(top_n(pa.table({"k": ["a", "b", "d", "c"]}), self.full, rules)) == "order"
        assert kind(top_n(pa.table({"k": ["a", "b", "c", "x"]}), self.full, rules)) == "values"
        assert kind(top_n(only("abcd"), self.full, rules)) == "columns"

    def test_floating_keys_tie_within_their_rule(self) -> None:
        rules = Rules(order=(1,), average=(1,), limit=2, full_order=(1,))
        full = table([("a", 3.0), ("b", 2.0), ("c", 2.0 - 1e-15), ("d", 1.0)])
        assert top_n(table([("a", 3.0), ("c", 2.0)]), full, rules) is None
        assert kind(top_n(table([("a", 3.0), ("d", 1.0)]), full, rules)) == "order"

    def test_long_full_answers_are_searched_for_the_rows_alone(self) -> None:
        many = 20_000
        full = pa.table(
            {"k": [f"row {n}" for n in range(many)], "n": [1] * many, "m": pa.array([2] * many, pa.int64())}
        )
        got = pa.table({"k": ["row 19999", "row 7"], "n": [1, 1], "m": pa.array([2, 2], pa.int32())})
        rules = Rules(order=(1,), limit=2, full_order=(1,))
        assert top_n(got, full, rules) is None
        assert kind(top_n(got.set_column(0, "k", pa.array(["row 19999", "row -1"])), full, rules)) == "values"


class TestAgreement:
    def test_a_full_answer_is_a_witness(self) -> None:
        tables = {
            "one": only("abcd"),
            "liar": table([("a", 9), ("b", 7), ("c", 7), ("x", 5)]),
            f"{FULL}w": table(FULL_ROWS),
        }
        agreed = agreement(tables, TOP)
        assert agreed.verified == ("one", f"{FULL}w")
        assert agreed.diffs["liar"].kind == "values"

    def test_a_wrong_witness_is_outvoted(self) -> None:
        wrong = table([("z", 9), *FULL_ROWS[1:]])
        agreed = agreement({"one": only("abcd"), "two": only("abce"), f"{FULL}w": wrong}, TOP)
        assert agreed.verified == ("one", "two")
        assert list(agreed.diffs) == [f"{FULL}w"]

    def test_in_files(self, tmp_path: Path) -> None:
        for name, one in {"good": only("abcf"), "bad": only("abcg"), "full": table(FULL_ROWS)}.items():
            pq.write_table(one, tmp_path / name)
        source = {f"{FULL}duckdb": tmp_path / "full"}
        assert answer_files.compare(tmp_path / "good", source, TOP).ok
        assert not answer_files.compare(tmp_path / "bad", source, TOP).ok
        paths = {"good": tmp_path / "good", "bad": tmp_path / "bad", f"{FULL}w": tmp_path / "full"}
        assert answer_files.agree(paths, TOP).verified == ("good", f"{FULL}w")


class TestRulesOfSql:
    @pytest.mark.parametrize(
        ("sql", "expected"),
        [
            ("SELECT a, count(*) AS c FROM t GROUP BY a ORDER BY c DESC, a LIMIT 10", ((1, 0), 10, 0, (1, 0))),
            ("SELECT a, count(*) FROM t GROUP BY a ORDER BY COUNT(*) DESC LIMIT 3 OFFSET 5", ((1,), 3, 5, (1,))),
            ("SELECT t.a, b FROM t ORDER BY 2, a FETCH FIRST 4 ROWS ONLY", ((1, 0), 4, 0, (1, 0))),
            ("SELECT a FROM t ORDER BY b, a LIMIT 1", ((), 1, 0, (-1, 0))),
            ("SELECT a, b FROM t ORDER BY a, c, b, d LIMIT 1", ((0,), 1, 0, (0, -2, 1, -1))),
            ("SELECT * FROM t ORDER BY B LIMIT 1", ((1,), 1, 0, (-1,))),
            ("SELECT a FROM t LIMIT 7", ((), 7, 0, ())),
            ("WITH x AS (SELECT a FROM t LIMIT 2) SELECT a FROM x ORDER BY a", ((0,), None, 0, (0,))),
            ("SELECT a FROM t UNION SELECT b FROM t ORDER BY a LIMIT 2", ((0,), 2, 0, (0,))),
        ],
    )
    def test_order_and_cut(self, sql: str, expected: tuple[Any, ...]) -> None:
        rules = rules_of(sql, "postgres", {"t": ["a", "b", "c", "d"]})
        assert (rules.order, rules.limit, rules.offset, rules.full_order) == expected

    def test_quotients(self) -> None:
        sql = "SELECT avg(a), sum(a), sum(a) / 2, x, y FROM (SELECT a, avg(b) AS x, b / 3 AS y FROM t) AS q"
        rules = rules_of(sql, "postgres")
        assert (rules.average, rules.ratio) == ((0, 3), (2, 4))

    def test_the_full_answer_has_the_keys(self) -> None:
        sql = without_limit("SELECT a FROM t ORDER BY b + 1 DESC, a LIMIT 3 OFFSET 2")
        assert " ".join(sql.split()) == "SELECT a, b + 1 AS order_key_1 FROM t ORDER BY b + 1 DESC, a"
        inner = without_limit("SELECT a FROM (SELECT a FROM t LIMIT 2) AS x LIMIT 1", "postgres")
        assert inner.count("LIMIT") == 1

    def test_duckdb_gives_what_the_rules_say(self) -> None:
        import duckdb

        sql = "SELECT k FROM t WHERE n < 9 ORDER BY n DESC LIMIT 3 OFFSET 1"
        rules = rules_of(sql, "duckdb")
        with duckdb.connect() as connection:
            connection.register("t", table(FULL_ROWS))
            full = connection.execute(without_limit(sql)).to_arrow_table()
            assert top_n(connection.execute(sql).to_arrow_table(), full, rules) is None
        assert full.num_columns == 2
        assert kind(top_n(pa.table({"k": ["b", "d", "g"]}), full, rules)) == "order"

    def test_tables(self) -> None:
        sql = "WITH t AS (SELECT * FROM t), u AS (SELECT 1) SELECT * FROM t, u, V WHERE EXISTS (SELECT 1 FROM w)"
        assert tables_of(sql, "postgres") == {"t", "v", "w"}
        assert tables_of("SELECT * FROM s.t", "postgres") == {"s.t"}

    @pytest.mark.parametrize(
        ("sql", "message"),
        [
            ("SELECT a FROM t\nWHERE (a = 1", "line 2"),
            ("SELECT 1; SELECT 2", "2 statements"),
            ("DROP TABLE t", "no query"),
            ("-- nothing", "0 statements"),
            ("SELECT a FROM t LIMIT 1 + 1", "LIMIT"),
        ],
    )
    def test_what_is_no_query(self, sql: str, message: str) -> None:
        with pytest.raises(UsageError, match=message):
            rules_of(sql, "postgres")

    def test_text(self) -> None:
        assert without_semicolon("SELECT ';' -- ;\n;; -- done", "postgres") == "SELECT ';' -- ;"
        columns = {"t": ["UserID", "n"]}
        assert with_exact_columns("SELECT n FROM t", "postgres", columns) == "SELECT n FROM t"
        quoted = with_exact_columns("SELECT userid, max(n) AS m FROM t GROUP BY USERID ORDER BY m", "postgres", columns)
        assert " ".join(quoted.split()) == 'SELECT "UserID", MAX(n) AS m FROM t GROUP BY "UserID" ORDER BY m'
