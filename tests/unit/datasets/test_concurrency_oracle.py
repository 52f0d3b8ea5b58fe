"""The oracle of concurrent writers: what can be explained passes, and each kind of damage is an anomaly."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from lakebench.datasets.concurrency import history
from lakebench.datasets.concurrency.oracle import Attempt, Final, Seen, explain
from lakebench.datasets.concurrency.workloads import WORKLOADS, key, tasks

COLUMNS = ("id", "writer", "value")


def attempt(writer: int, task: int, state: str = "done", began: int = 0, ended: int = 10) -> Attempt:
    return Attempt(writer, task, began, ended, state, message="no")


def row(writer: int, task: int, more: int = 0) -> tuple[int, int, int]:
    return key(writer, task) + more, writer, task


def kinds(workload: str, attempts: list[Attempt], rows: list[tuple[int, int, int]], *seen: Seen) -> set[str]:
    return set(explain(workload, attempts, seen, Final(tuple(rows), COLUMNS)).anomalies)


def test_what_was_acknowledged_and_is_there_once_is_explained() -> None:
    attempts = [attempt(1, 0), attempt(2, 0), attempt(1, 1, "refused")]
    rows = [row(1, 0), row(2, 0)]
    reads = (Seen("r", 0, 1, ()), Seen("r", 11, 12, tuple(rows)))
    assert kinds("insert", attempts, rows, *reads) == set()


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        ([], "lost"),
        ([row(1, 0), row(1, 0)], "doubled"),
        ([row(1, 0), row(1, 1)], "not committed"),
        ([row(1, 0), row(7, 0)], "not committed"),
    ],
)
def test_damage_to_inserts_is_an_anomaly(rows: list[tuple[int, int, int]], kind: str) -> None:
    assert kind in kinds("insert", [attempt(1, 0), attempt(1, 1, "refused")], rows)


@pytest.mark.parametrize("landed", [True, False])
def test_an_unknown_commit_may_be_there_or_not(landed: bool) -> None:
    assert kinds("insert", [attempt(1, 0, "unknown")], [row(1, 0)] if landed else []) == set()


def test_half_a_commit_is_an_anomaly_in_the_final_rows_and_in_a_read() -> None:
    whole = [row(1, 0, number) for number in range(3)]
    assert kinds("groups", [attempt(1, 0)], whole) == set()
    assert kinds("groups", [attempt(1, 0)], whole[:2]) == {"half a commit"}
    assert kinds("groups", [attempt(1, 0)], whole, Seen("r", 5, 6, tuple(whole[:1]))) == {"half a commit"}


def test_reads_are_one_chain() -> None:
    attempts, both = [attempt(1, 0), attempt(2, 0)], [row(1, 0), row(2, 0)]
    one, other = Seen("a", 5, 6, (row(1, 0),)), Seen("b", 5, 6, (row(2, 0),))
    assert "no serial order" in kinds("insert", attempts, both, one, other)
    assert "back in time" in kinds("insert", attempts, both, one, Seen("a", 7, 8, ()))
    assert "taken back" in kinds("insert", [attempt(1, 0, "unknown")], [], one)
    assert "from the future" in kinds("insert", [attempt(1, 0, began=9)], [row(1, 0)], one)


@pytest.mark.parametrize(("value", "kind"), [(2, None), (1, "lost"), (3, "doubled")])
def test_a_counter_counts_what_was_acknowledged(value: int, kind: str | None) -> None:
    attempts = [attempt(1, 0), attempt(2, 0), attempt(2, 1, "refused")]
    assert kinds("update-one", attempts, [(0, 0, value)]) == ({kind} if kind else set())


@pytest.mark.parametrize(("values", "kind"), [((1, 1), None), ((0, 1), "lost"), ((2, 1), "doubled")])
def test_each_writer_has_a_counter_of_its_own(values: tuple[int, int], kind: str | None) -> None:
    rows = [(1, 1, values[0]), (2, 2, values[1])]
    assert kinds("update-own", [attempt(1, 0), attempt(2, 0)], rows) == ({kind} if kind else set())


def test_a_moved_row_is_there_once_at_any_time() -> None:
    attempts = [attempt(1, 0)]
    assert kinds("move", attempts, [row(1, 1)]) == set()
    assert kinds("move", attempts, [row(1, 0)]) == {"lost"}
    assert kinds("move", attempts, [row(1, 0), row(1, 1)]) >= {"half a commit"}
    assert kinds("move", attempts, [row(1, 1)], Seen("r", 1, 2, ())) == {"half a commit"}


def test_columns_that_were_acknowledged_are_there() -> None:
    def anomalies_of(*names: str) -> set[str]:
        attempts = [attempt(1, 0), attempt(1, 1, "refused")]
        return set(explain("add-column", attempts, (), Final((), (*COLUMNS, *names))).anomalies)

    assert anomalies_of("c_1_0") == set()
    assert anomalies_of() == {"lost"}
    assert anomalies_of("c_1_0", "c_1_1") == {"not committed"}


def test_a_read_that_misses_an_acknowledged_commit_is_behind_and_no_anomaly() -> None:
    explained = explain("insert", [attempt(1, 0)], [Seen("r", 20, 21, ())], Final((row(1, 0),), COLUMNS))
    assert (explained.behind, dict(explained.anomalies)) == (1, {})


def test_a_task_without_an_end_is_unknown_and_half_a_line_is_left_out(tmp_path: Path) -> None:
    log = tmp_path / "writer.jsonl"
    lines = [
        {"task": 0, "began": 1},
        {"task": 0, "ended": 2_000_001, "state": "done", "tries": 1},
        {"task": 1, "began": 3},
    ]
    log.write_text("".join(json.dumps(one) + "\n" for one in lines) + '{"task": 1, "en')
    numbers = [key(0, 0), key(1, 0), key(1, 1)]
    final = pa.table({"id": numbers, "writer": [0, 1, 1], "value": [0, 0, 1]})
    summary = history.summary_of("insert", {1: log}, {}, final)
    assert (summary["succeeded"], summary["unknown"], summary["final_rows"], summary["anomalies"]) == (1, 1, 2, {})
    assert summary["median_ms"] == 2.0
    assert summary["p95_ms"] == "n too small (1)"


def test_every_workload_has_tasks_of_its_own() -> None:
    for one in WORKLOADS.values():
        assert len(tasks(one, 1, 10)) == min(10, one.most or 10)


def test_the_row_that_was_there_before_all_is_looked_for_too(tmp_path: Path) -> None:
    none = pa.table(
        {"id": pa.array([], pa.int64()), "writer": pa.array([], pa.int32()), "value": pa.array([], pa.int64())}
    )
    assert set(history.summary_of("insert", {1: tmp_path / "none"}, {}, none)["anomalies"]) == {"lost"}


@pytest.mark.parametrize(("at", "state"), [(5, "unknown"), (50, "failed")])
def test_a_refusal_is_unknown_where_the_answer_was_lost_in_it(tmp_path: Path, at: int, state: str) -> None:
    log = tmp_path / "writer.jsonl"
    end = {"task": 0, "ended": 10, "state": "refused", "tries": 1, "kind": "Refused", "message": "gone"}
    log.write_text(f"{json.dumps({'task': 0, 'began': 1})}\n{json.dumps(end)}\n")
    final = pa.table({"id": [key(0, 0), key(0, 0) + 1, key(0, 0) + 2], "writer": [0, 0, 0], "value": [0, 0, 0]})
    summary = history.summary_of("groups", {1: log}, {}, final, [at])
    assert summary[state] == 1
    assert summary["anomalies"] == {}
