"""Phase 8 as a user runs it, PostgreSQL that asks PostgreSQL; and a row of the other end changed behind its back."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lakebench.model import Record
from lakebench.outcomes import Outcome
from lakebench.results import record_schema, records

pytestmark = pytest.mark.integration

# The pair that every machine has, and the same two servers the other way round, where the rows of the other end differ.
PROGRAM = """
from lakebench import cli
from lakebench.phases.citus_fdw import ends, phase, tables

PLAIN, DAMAGED = phase.PAIRS[0], ends.Pair(ends.REMOTE, ends.POSTGRES)
FEW = {"whole-plain", "region", "amount", "nulls", "6", "select", "committed"}
make = tables._remote

def damaged(link, end):
    make(link, end)
    if link.pair == DAMAGED:
        link.execute(end, "UPDATE orders SET amount = -amount - 1 WHERE id IN (105, 260)")

def few(blocks):
    def chosen(pair, *more):
        return (one for one in blocks(pair, *more) if pair == PLAIN or one.cases[0].coordinates.test in FEW)
    return chosen

tables._remote = damaged
phase.PAIRS = (PLAIN, DAMAGED)
for module in (phase.answers, phase.latency, phase.writes):
    module.blocks = few(module.blocks)
cli.main()
"""
CHANGED = ("pushdown-whole-plain", "filter-amount", "answer-nulls", "prepared-6", "latency-select")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phase8")
    command = [sys.executable, "-c", PROGRAM, "run", "phase8", "--profile", "quick", "--engines", "postgres"]
    completed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, check=False)
    assert completed.returncode == 4, completed.stderr + completed.stdout
    (made,) = (folder / "runs").iterdir()
    return made


@pytest.fixture(scope="module")
def cases(run: Path) -> dict[str, Record]:
    return _of(run, "postgres→postgres-remote")


def _of(run: Path, pair: str) -> dict[str, Record]:
    return {one.case.rpartition("/")[2]: one for one in records.read(run).cases if one.column == pair}


def test_the_run_keeps_to_its_schema_and_has_a_report(run: Path) -> None:
    assert record_schema.check(run / records.FILE) > 0
    assert "What a death leaves" in (run / "report.md").read_text()


def test_every_answer_is_that_of_the_heap_table(cases: dict[str, Record]) -> None:
    checks = {"pushdown", "filter", "answer", "prepared"}
    asked = {name: case for name, case in cases.items() if case.coordinates.check in checks}
    assert len(asked) > 30
    assert {case.outcome for case in asked.values()} == {Outcome.PASS}
    assert asked["pushdown-whole-plain"].evidence["aggregate_pushed"] is True
    assert "not_pushed" in asked["answer-left-join"].evidence
    assert "$1" in asked["prepared-6"].evidence["plan"]


def test_each_execution_is_timed_and_the_versions_are_of_both_ends(cases: dict[str, Record]) -> None:
    for name in ("select", "insert", "update", "delete"):
        case = cases[f"latency-{name}"]
        assert [one.kind for one in case.samples].count("cold") == 5
        assert [one.kind for one in case.samples].count("warm") == 5
        assert {"postgres postgresql", "postgres-remote postgresql"} <= set(case.versions)


def test_what_is_left_when_the_other_end_dies(cases: dict[str, Record]) -> None:
    for name in ("death-session-before-commit", "death-server-before-commit"):
        assert cases[name].outcome is Outcome.PASS, cases[name].reason
        assert cases[name].evidence["rows"] == {"postgres": 0, "postgres-remote": 0}
    lost = cases["death-session-after-commit"]
    assert lost.outcome is Outcome.WRONG
    assert lost.evidence["rows"] == {"postgres": 0, "postgres-remote": 1}
    assert lost.evidence["after_a_retry"] == {"postgres": 1, "postgres-remote": 2}
    assert "known" in lost.evidence


def test_a_row_that_was_changed_at_the_other_end_is_seen(run: Path) -> None:
    changed = _of(run, "postgres-remote→postgres")
    wrong = {name for name, case in changed.items() if case.outcome is Outcome.WRONG}
    assert wrong == set(CHANGED)
    assert not changed["latency-select"].samples
    assert "FROM orders" in str(changed["answer-nulls"].evidence["sql"])
    assert changed["write-committed"].outcome is Outcome.PASS
    assert changed["filter-region"].outcome is Outcome.PASS
