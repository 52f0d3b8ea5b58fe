"""Writers at once on real stores: what is acknowledged is there, faults do what they say, and what is lost is seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from lakebench.config import Settings
from lakebench.datasets.concurrency.workloads import WORKLOADS
from lakebench.errors import WrongAnswer
from lakebench.execution.context import Bench
from lakebench.execution.protocol import PROFILES
from lakebench.model import CatalogKind, EngineRef, TableFormat
from lakebench.phases.concurrent_writers import writing
from lakebench.phases.concurrent_writers.writing import SharedStore, WriterGroup, run
from lakebench.processes.concurrent_tasks import Retry, Shape
from lakebench.processes.guard import Guard
from lakebench.progress import Quiet
from lakebench.services import Services

pytestmark = pytest.mark.integration

DUCKDB, PYICEBERG = EngineRef("duckdb"), EngineRef("pyiceberg")
FILE = SharedStore("duckdb-file kept", TableFormat.DUCKDB, shared=False)
LAKE = SharedStore("ducklake-postgres kept", TableFormat.DUCKLAKE, CatalogKind.POSTGRES)
FILES = replace(LAKE, name="ducklake-postgres kept, no inlining", options={"DATA_INLINING_ROW_LIMIT": "0"})
ICEBERG = SharedStore("iceberg-rest kept", TableFormat.ICEBERG, "rest")


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    settings, names = Settings(), ("object-store", "rest-catalog", "postgres")
    with Guard("writers") as guard:
        services = Services(settings, guard, Quiet())
        services.start(names)
        with Bench(
            settings,
            guard,
            services,
            Quiet(),
            refs=(DUCKDB, PYICEBERG),
            writer="",
            profile=PROFILES["quick"],
            seed=1,
            foundation=names,
        ) as made:
            yield made


def told(bench: Bench, store: SharedStore, workload: str, *refs: EngineRef, writers: int = 2, fault: str = "") -> Any:
    return run(bench, WriterGroup(refs or (DUCKDB,), store, WORKLOADS[workload], writers, fault))["concurrency"]


def test_a_file_that_one_process_holds_is_locked_for_the_other(bench: Bench) -> None:
    found = told(bench, FILE, "insert")
    assert found["succeeded"] == found["final_rows"] == 50
    assert sum(count for text, count in found["errors"].items() if "Conflicting lock" in text) == 50


def test_a_file_that_is_opened_for_each_task_is_waited_for(bench: Bench) -> None:
    shape = Shape(kept=False, retry=Retry("Conflicting lock", attempts=6, wait_s=0.05))
    found = told(bench, replace(FILE, name="duckdb-file task", shape=shape), "insert")
    assert found["succeeded"] == found["final_rows"] > 50


def test_every_row_of_a_ducklake_is_there_and_readers_saw_whole_commits(bench: Bench) -> None:
    found = told(bench, LAKE, "groups", writers=3)
    assert found["succeeded"] * 3 == found["final_rows"]
    assert found["succeeded"] == found["asked"]
    assert found["reads"] > 0
    assert found["data_files"] == 0  # small rows are inlined in the catalog
    assert found["snapshots"] > found["succeeded"]
    assert not any("lock" in text for text in found["errors"])


@pytest.mark.parametrize("workload", ["update-one", "move", "add-column"])
def test_other_changes_of_a_ducklake_are_explained(bench: Bench, workload: str) -> None:
    assert told(bench, LAKE, workload)["succeeded"] > 0


def test_first_commits_to_an_iceberg_table_are_all_there(bench: Bench) -> None:
    # By PyIceberg, whose commits are of one table: the multi-table commits of this catalog lose some.
    found = told(bench, ICEBERG, "first-commit", PYICEBERG, writers=2)
    assert found["final_rows"] == 3 * found["succeeded"] > 0


def test_a_killed_writer_leaves_nothing_of_its_commit(bench: Bench) -> None:
    found = told(bench, FILES, "groups", fault="killed")
    assert (found["unknown"], found["unknown_landed"], found["fault_fired"]) == (1, 0, 1)
    assert found["final_rows"] == 3 * found["succeeded"]


def test_a_writer_is_told_of_a_refused_commit_and_goes_on(bench: Bench) -> None:
    found = told(bench, FILES, "groups", fault="catalog-refuses")
    assert found["failed"] == found["fault_fired"] == 2
    assert found["final_rows"] == 3 * found["succeeded"]


def test_a_store_that_refuses_is_asked_again(bench: Bench) -> None:
    found = told(bench, FILES, "groups", fault="store-refuses")
    assert found["answers"]["PUT 503"] == 1
    assert found["final_rows"] == 3 * found["succeeded"]


def test_rows_that_somebody_removes_are_missed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    read = writing._read

    def remove_and_read(bench: Bench, cell: WriterGroup, reader: EngineRef, lake: Any, into: Any) -> None:
        sql = "DELETE FROM t WHERE writer = 2 AND value = 0"
        bench.call(reader, lake, "execute", sql=sql, seat=cell.seat(writing._FINAL))
        read(bench, cell, reader, lake, into)

    monkeypatch.setattr(writing, "_read", remove_and_read)
    with pytest.raises(WrongAnswer, match="lost: task"):
        told(bench, replace(LAKE, name="ducklake-postgres damaged"), "groups")
