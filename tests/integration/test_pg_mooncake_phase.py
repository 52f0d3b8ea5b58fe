"""Phase 10 on plain PostgreSQL that stands in for each server: tables by column are heap tables, a mirror is a view."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lakebench.model import Record
from lakebench.outcomes import Outcome
from lakebench.results import record_schema, records

pytestmark = pytest.mark.integration

# Two queries on one server, answers and writes on another, few rows, and a mirror without the last rows of its source.
STAND_INS = """
from lakebench import cli
from lakebench.engines.postgres import columnar
from lakebench.phases.pg_mooncake import answers, clickbench, mirror, sides, writes

for engine in (columnar.CitusColumnar, columnar.PgMooncake01, columnar.PgMooncake):
    engine.service = "postgres"
sides.ColumnarServer.schema = lambda server, storage="heap": f"of_{server.ref.name[:4]}_{server.ref.name[-1]}_{storage}"
sides.ColumnarServer._require_columnar = lambda server: None
asked, blocks, make = clickbench.queries, clickbench.blocks, sides.ColumnarServer._make
clickbench.queries = lambda frequent: asked(frequent)[:2]
clickbench.blocks = lambda context, all: blocks(context, tuple(one for one in all if one.ref == sides.CITUS))
answers.SIDES = writes.SIDES = (sides.COLUMNSTORE,)
mirror.ROWS, mirror._TIMES, mirror._WAIT_S = (1,), 3, 0.1
writes._MANY, writes._MANY_ROWS = 1_000, writes._MANY_ROWS.replace("1000000", "1000")

def made(server):
    make(server)
    server.execute(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_am WHERE amname = 'columnar') THEN "
        "CREATE ACCESS METHOD columnar TYPE TABLE HANDLER heap_tableam_handler; "
        "CREATE ACCESS METHOD columnstore TYPE TABLE HANDLER heap_tableam_handler; END IF; END $$",
        "CREATE SCHEMA IF NOT EXISTS mooncake",
        "CREATE OR REPLACE PROCEDURE mooncake.create_table(dst text, src text) LANGUAGE plpgsql AS "
        "$$ BEGIN EXECUTE 'CREATE VIEW ' || dst || ' AS SELECT * FROM ' || src || ' WHERE id <= 9000'; END $$",
        "CREATE OR REPLACE PROCEDURE mooncake.create_snapshot(dst text) LANGUAGE sql AS 'SELECT 1'",
        "CREATE OR REPLACE VIEW mooncake.columnstore_tables AS SELECT ''::text AS table_name, ''::text AS path",
    )

sides.ColumnarServer._make = made
mirror._FIRST = 9_001
cli.main()
"""
ENGINES = "citus_columnar,pg_mooncake-0.1,pg_mooncake"


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    folder: Path = tmp_path_factory.mktemp("phase10")
    command = [sys.executable, "-c", STAND_INS, "run", "phase10", "--profile", "quick", "--engines", ENGINES]
    completed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    assert completed.returncode == 4, completed.stderr + completed.stdout
    (made,) = (folder / "runs").iterdir()
    assert record_schema.check(made / records.FILE) > 0
    assert "ClickBench's queries, heap and by column" in (made / "report.md").read_text()
    return {case.case.removeprefix("phase10/"): case for case in records.read(made).cases}


def test_what_is_a_heap_table_passes_every_check(cases: dict[str, Record]) -> None:
    asked = {name: case for name, case in cases.items() if not name.startswith("fresh/")}
    assert len(asked) > 50
    assert {name: case.reason for name, case in asked.items() if case.outcome is not Outcome.PASS} == {}


def test_each_query_is_timed_on_both_kinds_of_table(cases: dict[str, Record]) -> None:
    for storage in ("heap", "columnar"):
        case = cases[f"clickbench/q02/citus_columnar-{storage}"]
        assert [one.kind for one in case.samples].count("warm") == 5
        assert case.evidence["checked_against"]
        assert cases[f"size/hits/citus_columnar-{storage}"].evidence["rows"] == 100_000


def test_a_mirror_that_lags_is_wrong(cases: dict[str, Record]) -> None:
    case = cases["fresh/1/pg_mooncake-mirror"]
    assert case.outcome is Outcome.WRONG
    assert "delay_s" not in case.evidence
    assert case.evidence["first_read"][0] == "1000"
    cost = cases["source/update/pg_mooncake-mirror"].evidence
    assert cost["before"]["replica_identity"] == "d"
    assert cost["with_mirror"]["wal_bytes"] > 0


def test_what_a_delete_writes_is_measured(cases: dict[str, Record]) -> None:
    evidence = cases["million/delete-one/pg_mooncake-0.1-columnstore"].evidence
    assert evidence["heap"]["wal_bytes"] > 0
