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

# Of the pairs, the one that every machine has.
PLAIN = """
from lakebench import cli
from lakebench.phases.citus_fdw import answers, phase, tables

phase.PAIRS = phase.PAIRS[:1]
{more}
cli.main()
"""
DAMAGED = """
make = tables._remote

def damaged(link, end):
    make(link, end)
    link.execute(end, "UPDATE orders SET amount = -amount - 1 WHERE id IN (105, 260)")

tables._remote = damaged
answers.COLUMNS = answers.COLUMNS[:2]
phase.latency.STATEMENTS = {"select": phase.latency.STATEMENTS["select"]}
phase.writes._DEATHS = {}
"""


def _run(folder: Path, more: str, code: int) -> dict[str, Record]:
    program = PLAIN.replace("{more}", more)
    command = [sys.executable, "-c", program, "run", "phase8", "--profile", "quick"]
    completed = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=900, check=False)
    assert completed.returncode == code, completed.stderr + completed.stdout
    (made,) = (folder / "runs").iterdir()
    assert record_schema.check(made / records.FILE) > 0
    assert "What a death leaves" in (made / "report.md").read_text() or more
    return {case.case.removeprefix("phase8/postgres→postgres-remote/"): case for case in records.read(made).cases}


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Record]:
    return _run(tmp_path_factory.mktemp("phase8"), "", 0)


def test_every_answer_is_that_of_the_heap_table(cases: dict[str, Record]) -> None:
    asked = {name: case for name, case in cases.items() if case.coordinates.check in {"pushdown", "filter", "answer"}}
    assert len(asked) > 30
    assert {case.outcome for case in asked.values()} == {Outcome.PASS}
    assert asked["pushdown-whole-plain"].evidence["aggregate_pushed"] is True
    assert "not_pushed" in asked["answer-left-join"].evidence


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


def test_a_row_that_was_changed_at_the_other_end_is_seen(tmp_path: Path) -> None:
    cases = _run(tmp_path, DAMAGED, 4)
    for name in ("pushdown-whole-plain", "filter-amount", "answer-nulls", "latency-select"):
        assert cases[name].outcome is Outcome.WRONG, name
        assert not cases[name].samples
    assert cases["write-committed"].outcome is Outcome.PASS
