"""Phase 7 on a PostgreSQL with Citus and pg_duckdb: ``LAKEBENCH_PG_CONFIG_CITUS_PG_DUCKDB`` names its pg_config."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lakebench.model import Record
from lakebench.outcomes import Outcome
from lakebench.results import record_schema, records

pytestmark = pytest.mark.integration
VARIABLE = "LAKEBENCH_PG_CONFIG_CITUS_PG_DUCKDB"
SETTINGS = """
[services.citus_pg_duckdb]
pg_config = "{}"
"""
# A row of the reference table is changed behind the back of the phase.
FEW = """
from lakebench import cli
from lakebench.phases.citus_pg_duckdb import joins, kinds, phase, rights, server, tables

phase.COMBINATIONS = (server.PG_DUCKDB,)
phase._FILES = ()
kinds._WITH_DUCKDB = {name: kinds._WITH_DUCKDB[name] for name in ("heap", "broadcast", "parquet", "forced-heap")}
joins.SHAPES = {name: joins.SHAPES[name] for name in ("inner-colocated", "left-reference", "merge")}
joins._LAYOUTS = (joins._FOUR,)
rights._OF_CITUS = {"column": rights._OF_CITUS["column"]}
rights._OF_DUCKDB = {"files": rights._OF_DUCKDB["files"]}
make = tables._joined

def damaged(asked, database, layout):
    schema = make(asked, database, layout)
    if database == "citus":
        asked.execute(database, schema, "UPDATE regions SET rank = 2 WHERE title = 'N'")
    return schema

tables._joined = damaged
cli.main()
"""


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    pg_config = os.environ.get(VARIABLE)
    if pg_config is None:
        pytest.skip(f"no PostgreSQL with Citus and pg_duckdb: name its pg_config with {VARIABLE}")
    folder = tmp_path_factory.mktemp("phase7")
    (folder / "lakebench.toml").write_text(SETTINGS.format(Path(pg_config)))
    command = [sys.executable, "-c", FEW, "run", "phase7", "--profile", "quick"]
    completed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    assert completed.returncode == 4, completed.stderr + completed.stdout
    (made,) = (folder / "runs").iterdir()
    assert record_schema.check(made / records.FILE) > 0
    return {case.case.removeprefix("phase7/citus_pg_duckdb/"): case for case in records.read(made).cases}


def test_both_orders_are_created_and_what_lives_is_right(cases: dict[str, Record]) -> None:
    for name in ("create-citus-then-pg_duckdb", "create-pg_duckdb-then-citus", "kind-heap", "right-files"):
        assert cases[name].outcome is Outcome.PASS, cases[name].reason
    assert set(cases["join-merge-4-created"].evidence["answers"]) == {
        "simple", "prepared, execution 1", "prepared, execution 6", "prepared, another value"
    }  # fmt: skip


def test_a_crash_has_its_signal_and_the_server_goes_on(cases: dict[str, Record]) -> None:
    crashed = cases["kind-forced-heap"]
    assert crashed.outcome is Outcome.CRASH
    assert crashed.evidence["signal"] == 11
    assert "terminated by signal 11" in crashed.evidence["log"][0]
    assert (crashed.evidence["other_sessions"], crashed.evidence["rows_after"]) == ("ended", "1000")


def test_a_changed_row_is_seen(cases: dict[str, Record]) -> None:
    assert cases["join-left-reference-4-citus"].outcome is Outcome.WRONG
    assert cases["join-left-reference-4-created"].outcome is Outcome.PASS
    assert cases["join-inner-colocated-4-citus"].outcome is Outcome.PASS
