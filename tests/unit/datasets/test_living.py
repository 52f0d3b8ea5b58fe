"""The life of a table: the same by the same seed, and an oracle and a comparison that see what it must hold."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from living_orders import append, delete, encoded, generated, merge, row

from lakebench.datasets import table_files
from lakebench.datasets.living import oracle, seen
from lakebench.datasets.living.differences import COMPARED, difference
from lakebench.datasets.living.life import (
    FIELDS,
    TABLE,
    commits,
    first_looked_up,
    key_of,
    orders,
    queries,
)
from lakebench.errors import HarnessFault
from lakebench.iceberg.operations import Append, Compact, Delete, Merge, Operation
from lakebench.iceberg.values import arrow_table

SMALL = Decimal("0.001")


@pytest.fixture
def base(tmp_path: Path) -> list[Path]:
    return generated(tmp_path)


def held(base: Sequence[Path], *operations: Operation) -> dict[int, str]:
    rows = oracle.rows_after(base, encoded(*operations)).to_pylist()
    return {one["o_orderkey"]: str(one["o_totalprice"]) for one in rows}


def test_a_seed_gives_one_life_and_a_shorter_one_is_its_beginning() -> None:
    assert commits(SMALL, 30, 1) == commits(SMALL, 30, 1)
    assert commits(SMALL, 30, 1) != commits(SMALL, 30, 2)
    assert commits(SMALL, 10, 1) == commits(SMALL, 30, 1)[:10]


def test_a_life_changes_only_what_is_there_and_never_makes_a_key_twice() -> None:
    there = {key_of(number) for number in range(orders(SMALL))}
    kinds = set()
    for one in commits(SMALL, 200, 7):
        kinds.add(type(one))
        if isinstance(one, Delete):
            assert there >= set(one.where[0].value)
            there -= set(one.where[0].value)
        elif isinstance(one, Append | Merge):
            keys = [made[0] for made in one.rows]
            assert len(set(keys)) == len(keys)
            assert isinstance(one, Merge) or not there & set(keys)
            there |= set(keys)
    assert kinds == {Append, Merge, Delete}


def test_keys_are_those_of_the_specification() -> None:
    assert [key_of(number) for number in range(9)] == [1, 2, 3, 4, 5, 6, 7, 32, 33]
    assert key_of(orders(Decimal(1)) - 1) == 6_000_000  # clause 4.2.3: the keys of SF 1 end with SF * 6,000,000


def test_the_oracle_applies_commits_in_their_order(base: list[Path]) -> None:
    assert held(base) == {1: "1.00", 2: "2.00", 3: "3.00"}
    assert held(base, delete(2), append(row(9, "9.00"))) == {1: "1.00", 3: "3.00", 9: "9.00"}
    assert held(base, merge(row(1, "8.00"), row(7, "7.00")), delete(7)) == {1: "8.00", 2: "2.00", 3: "3.00"}
    assert held(base, delete(1), merge(row(1, "4.00"))) == {1: "4.00", 2: "2.00", 3: "3.00"}


def test_the_oracle_knows_only_commits_by_key(base: list[Path]) -> None:
    with pytest.raises(HarnessFault, match="Compact is no commit"):
        oracle.rows_after(base, encoded(Compact(table=TABLE)))


def test_answers_are_those_of_the_queries(base: list[Path], tmp_path: Path) -> None:
    into = {name: tmp_path / name for name in (*queries(SMALL), "watched")}
    oracle.write_answers(base, encoded(merge(row(2, "5.50"))), 2, into)
    read = {name: table_files.read(path).to_pylist() for name, path in into.items()}
    assert read["totals"] == [{"n": 3, "total": Decimal("9.50")}]
    assert read["groups"] == [{"o_orderpriority": "5-LOW", "n": 3, "total": Decimal("9.50")}]
    assert sorted(one["o_orderkey"] for one in read["recent"]) == [2, 3]
    assert {tuple(one) for one in read["watched"]} == {("o_orderkey", "o_custkey", "o_orderstatus")}
    assert f">= {first_looked_up(SMALL)}" in queries(SMALL)["recent"]


def compared(*rows: tuple[Any, ...]) -> pa.Table:
    return arrow_table(FIELDS, list(rows)).select(list(COMPARED))


def test_equal_rows_in_any_order_do_not_differ(base: list[Path]) -> None:
    assert difference(compared(row(3, "3.00"), row(1), row(2, "2.00")), oracle.rows_after(base, []), []) == ""


@pytest.mark.parametrize(
    ("actual", "words"),
    [
        ([row(1), row(2), row(3, "3.00")], "it has 1 order that must not be there, such as 2, which commit 1 deleted"),
        ([row(1)], "it lacks 1 order, such as 3"),
        ([row(1), row(1), row(3, "3.00")], "it has 1 order more than once, such as 1"),
        ([row(1, "1.01"), row(3, "3.00")], "it has other values in 1 order, such as 1"),
        ([row(1, status="F"), row(3, "3.00")], "it has other values in 1 order, such as 1"),
        ([], "it lacks 2 orders, such as 1"),
    ],
)
def test_a_difference_is_said_in_words(base: list[Path], actual: list[tuple[Any, ...]], words: str) -> None:
    program = encoded(delete(2))
    assert difference(compared(*actual), oracle.rows_after(base, program), program) == words


def test_a_file_without_the_columns_differs(base: list[Path]) -> None:
    assert "others" in difference(pa.table({"x": [1]}), oracle.rows_after(base, []), [])


def test_reads_meanwhile_are_right_wrong_or_failed(tmp_path: Path) -> None:
    expected, log = tmp_path / "expected", tmp_path / "log"
    table_files.write(pa.table({"k": [1, 2], "s": ["a", "b"]}), expected)
    lines: list[dict[str, Any]] = [
        {"began": 0, "ended": 2_000_000, "rows": [[2, "b"], [1, "a"]]},
        {"began": 3, "ended": 4, "rows": [[1, "a"]]},
        {"began": 5, "ended": 6, "kind": "Refused", "message": "no such file"},
    ]
    log.write_text("".join(json.dumps(one) + "\n" for one in lines) + '{"began": 7', encoding="utf-8")
    counts = seen.counted(log, expected)
    assert (counts["right"], counts["wrong"], counts["failed"]) == (1, 1, 1)
    assert counts["error"] == "Refused: no such file"
    assert counts["longest_ms"] == 2.0
    assert seen.counted(tmp_path / "absent", expected) == {"right": 0, "wrong": 0, "failed": 0}
