"""Writers at once on real stores: what is acknowledged is there, faults do what they say, and what is lost is seen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from run_requests import request
from started import QUICK

from lakebench.datasets.concurrency.workloads import WORKLOADS
from lakebench.errors import WrongAnswer
from lakebench.execution.context import RunContext, run_context
from lakebench.execution.engine_client import EngineClient
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
def context() -> Iterator[RunContext]:
    settings, names = QUICK, ("object-store", "rest-catalog", "postgres")
    with Guard("writers") as guard:
        services = Services(settings, guard, Quiet())
        services.start(names)
        with run_context(request(DUCKDB, PYICEBERG), guard, services, Quiet(), names) as made:
            yield made


def concurrency(
    context: RunContext, store: SharedStore, workload: str, *refs: EngineRef, writers: int = 2, fault: str = ""
) -> Any:
    return run(context, WriterGroup(refs or (DUCKDB,), store, WORKLOADS[workload], writers, fault))["concurrency"]


def test_a_file_that_one_process_holds_is_locked_for_the_other(context: RunContext) -> None:
    counts = concurrency(context, FILE, "insert")
    assert counts["succeeded"] == counts["final_rows"] == 50
    assert sum(count for text, count in counts["errors"].items() if "Conflicting lock" in text) == 50


def test_a_commit_to_a_catalog_that_is_far_takes_its_round_trips_and_loses_nothing(context: RunContext) -> None:
    near, far = (concurrency(context, store, "insert", writers=1) for store in (LAKE, LAKE.away(20)))
    assert far["succeeded"] == far["final_rows"] > 0
    assert far["median_ms"] >= near["median_ms"] + 2 * 20  # its statements and its COMMIT


def test_a_file_that_is_opened_for_each_task_is_waited_for(context: RunContext) -> None:
    shape = Shape(kept=False, retry=Retry("Conflicting lock", attempts=6, wait_s=0.05))
    counts = concurrency(context, replace(FILE, name="duckdb-file task", shape=shape), "insert")
    # A slow machine begins fewer tasks; if one writer held the file, no more than half of them would succeed.
    assert counts["succeeded"] == counts["final_rows"] > counts["asked"] / 2


def test_every_row_of_a_ducklake_is_there_and_readers_saw_whole_commits(context: RunContext) -> None:
    counts = concurrency(context, LAKE, "groups", writers=3)
    assert counts["succeeded"] * 3 == counts["final_rows"]
    assert counts["succeeded"] == counts["asked"]
    assert counts["reads"] > 0
    assert counts["data_files"] == 0  # small rows are inlined in the catalog
    assert counts["snapshots"] > counts["succeeded"]
    assert not any("lock" in text for text in counts["errors"])


@pytest.mark.parametrize("workload", ["update-one", "move", "add-column"])
def test_other_changes_of_a_ducklake_are_explained(context: RunContext, workload: str) -> None:
    assert concurrency(context, LAKE, workload)["succeeded"] > 0


def test_first_commits_to_an_iceberg_table_are_all_there(context: RunContext) -> None:
    # By PyIceberg, whose commits are of one table: the multi-table commits of this catalog lose some.
    counts = concurrency(context, ICEBERG, "first-commit", PYICEBERG, writers=2)
    assert counts["final_rows"] == 3 * counts["succeeded"] > 0


def test_a_killed_writer_leaves_nothing_of_its_commit(context: RunContext) -> None:
    counts = concurrency(context, FILES, "groups", fault="killed")
    assert (counts["unknown"], counts["unknown_landed"], counts["fault_fired"]) == (1, 0, 1)
    assert counts["final_rows"] == 3 * counts["succeeded"]


def test_a_writer_learns_of_a_refused_commit_and_goes_on(context: RunContext) -> None:
    counts = concurrency(context, FILES, "groups", fault="catalog-refuses")
    assert counts["failed"] == counts["fault_fired"] == 2
    assert counts["final_rows"] == 3 * counts["succeeded"]


def test_a_store_that_refuses_is_asked_again(context: RunContext) -> None:
    counts = concurrency(context, FILES, "groups", fault="store-refuses")
    assert counts["answers"]["PUT 503"] == 1
    assert counts["final_rows"] == 3 * counts["succeeded"]


def test_rows_that_somebody_removes_are_missed(context: RunContext, monkeypatch: pytest.MonkeyPatch) -> None:
    read = writing._read

    def remove_and_read(client: EngineClient, cell: WriterGroup, reader: EngineRef, lake: Any) -> Any:
        sql = "DELETE FROM t WHERE writer = 2 AND value = 0"
        client.call(reader, lake, "execute", sql=sql, session=cell.session(writing._FINAL))
        return read(client, cell, reader, lake)

    monkeypatch.setattr(writing, "_read", remove_and_read)
    with pytest.raises(WrongAnswer, match="lost: task"):
        concurrency(context, replace(LAKE, name="ducklake-postgres damaged"), "groups")
