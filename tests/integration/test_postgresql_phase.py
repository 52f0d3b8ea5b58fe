"""Phase 2 as a user runs it: what is right, and tables that are damaged behind its back, which must be seen."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from started import quick_servers

from lakebench.model import Record
from lakebench.outcomes import Outcome
from lakebench.results import record_schema, records
from lakebench.results.records import Run

pytestmark = pytest.mark.integration

# The small tables are damaged as soon as they are made; one filter is of a form that cannot be pushed down.
PROGRAM = """
import dataclasses
from lakebench import cli
from lakebench.datasets.postgresql import KINDS, TRAPS
from lakebench.phases.jdbc import checks, phase

make, boolean = checks._make, next(one for one in KINDS if one.name == "boolean")

def damaged(context):
    make(context)
    checks._at_server(
        context.services,
        context.client,
        f"DELETE FROM {TRAPS.name} WHERE id = 7",
        f"UPDATE {boolean.table} SET v = NOT v WHERE id = (SELECT min(id) FROM {boolean.table} WHERE v IS NOT NULL)",
        "ALTER TABLE bad_duckdb DROP CONSTRAINT bad_duckdb_id_check",
    )

checks._make = damaged
pushes = dict(checks._PUSHES)
pushes["filter"] = dataclasses.replace(pushes["filter"], sql=pushes["filter"].sql.replace("o_orderkey = 7", "hash(o_orderkey) = hash(7)"))
checks._PUSHES = pushes
phase._ASKED = ("q06", "q14")
cli.main()
"""  # noqa: E501 - a program


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    folder = tmp_path_factory.mktemp("phase2")
    quick_servers(folder)
    asked = ["run", "phase2", "--engines", "duckdb,postgres", "--profile", "quick"]
    completed = subprocess.run(
        [sys.executable, "-c", PROGRAM, *asked],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        env={**os.environ},
    )
    assert completed.returncode == 4, completed.stderr + completed.stdout
    (made,) = (folder / "runs").iterdir()
    assert record_schema.check(made / records.FILE) > 0
    run: Run = records.read(made)
    return {case.case.removeprefix("phase2/"): case for case in run.cases}


@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
def test_what_is_not_damaged_is_right(engine: str, cases: dict[str, Record]) -> None:
    for name in ("read-customer", "type-date", "type-uuid", "type-integer-matrix"):
        assert cases[f"{name}/{engine}"].outcome is Outcome.PASS, cases[f"{name}/{engine}"].reason
    queries = [case for case in cases.values() if case.group.startswith("TPC-H") and case.engine == engine]
    assert {case.row for case in queries} == {"Q06", "Q14"}
    assert all(case.outcome is Outcome.PASS and case.samples for case in queries)


@pytest.mark.parametrize("name", ["read-whole", "type-boolean", "append", "overwrite"])
@pytest.mark.parametrize("engine", ["duckdb", "postgres"])
def test_damage_is_seen(name: str, engine: str, cases: dict[str, Record]) -> None:
    case = cases[f"{name}/{engine}"]
    assert case.outcome is Outcome.WRONG
    assert "rows" in case.reason


def test_a_write_that_should_fail_and_does_not_is_wrong(cases: dict[str, Record]) -> None:
    assert cases["all-or-nothing/duckdb"].outcome is Outcome.WRONG
    assert "the write was accepted" in cases["all-or-nothing/duckdb"].reason
    assert cases["all-or-nothing/postgres"].outcome is Outcome.PASS


def test_the_log_of_postgresql_tells_what_it_was_asked_for(cases: dict[str, Record]) -> None:
    assert cases["pushed-filter-text/duckdb"].evidence["pushed_down"] is True
    assert cases["pushed-aggregate/duckdb"].evidence["pushed_down"] is False
    hidden = cases["pushed-filter/duckdb"]
    assert hidden.outcome is Outcome.PASS
    assert hidden.evidence["pushed_down"] is False
    assert hidden.evidence["sent"]


def test_nodes_behind_one_table_show_what_they_compute(cases: dict[str, Record]) -> None:
    plans = {name: case for name, case in cases.items() if name.startswith("nodes-partitions-")}
    assert plans["nodes-partitions-on-by-node/postgres"].evidence["pushed"] == ["count", "avg"]
    assert not plans["nodes-partitions-off-by-node/postgres"].evidence["pushed"]
    assert all(case.outcome is Outcome.PASS for case in plans.values())
    spider = [case for name, case in cases.items() if name.startswith("nodes-pgspider-")]
    assert {case.outcome for case in spider} == {Outcome.UNAVAILABLE}
    assert all("pgspider_ext" in case.reason for case in spider)
