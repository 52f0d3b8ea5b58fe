"""Tables that live on real stores: maintenance by those that have it, and engines whose maintenance is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from run_requests import request
from started import QUICK

from lakebench import engines, phases
from lakebench.config import Settings
from lakebench.execution.cases import records
from lakebench.execution.context import RunContext, run_context
from lakebench.execution.protocol import PROFILES
from lakebench.model import EngineRef, Record, Selection
from lakebench.outcomes import Outcome
from lakebench.phases.living_tables.report import sections
from lakebench.processes.guard import Guard
from lakebench.progress import Quiet
from lakebench.reports.content import Table
from lakebench.results.records import Header, Run
from lakebench.services import Services

pytestmark = pytest.mark.integration

LIARS = Path(__file__).parent.parent / "liar"
SERVICES = ("object-store", "rest-catalog", "postgres")
SMALL = replace(PROFILES["quick"], scale_factor=Decimal("0.001"))
SETTINGS = Settings(services=QUICK.services)
Cases = dict[tuple[str, str], Record]


@pytest.fixture(scope="module")
def services() -> Iterator[Services]:
    with Guard("living") as guard:
        made = Services(SETTINGS, guard, Quiet())
        made.start(SERVICES)
        assert made.failures() == {}
        yield made


def lived(context: RunContext) -> Cases:
    """What the one life of a run comes to, by kind of check and engine."""
    (block,) = phases.find("phase12").plan(context)
    todo = frozenset(one.id for one in block.cases)
    return {(str(one.coordinates.check), one.engine): one for one in records(block, context, todo)}


def life(services: Services, kind: str, *names: str, commits: int, writers: tuple[str, ...] = ()) -> Cases:
    selection = Selection(features=(kind,), writers=writers, options={"phase12": {"commits": commits}})
    refs = tuple(map(EngineRef, names))
    asked = request(*refs, phases=("phase12",), profile=SMALL, settings=SETTINGS, selection=selection)
    with Guard("life") as guard, run_context(asked, guard, services, Quiet(), SERVICES) as context:
        return lived(context)


def test_a_life_of_honest_engines_is_right_and_its_report_says_what_to_do(services: Services) -> None:
    cases = life(services, "v2-merge-on-read", "duckdb", "pyiceberg", "reference", commits=9)
    failed = {key: f"{one.outcome}: {one.reason}" for key, one in cases.items() if one.outcome is not Outcome.PASS}
    assert list(failed) == [("compact", "duckdb")]  # which has no compaction before 1.6
    looks = cases["reads", "duckdb"].evidence["looks"]
    assert [look["commits"] for look in looks] == sorted(look["commits"] for look in looks)
    assert {look["moment"] for look in looks} == {"commits", "compacted", "maintained"}
    assert all(sample["requests"] > 0 for look in looks for some in look["answers"].values() for sample in some)
    compacted = cases["compact", "reference"].evidence
    assert compacted["before"]["delete_files"] > compacted["after"]["delete_files"] == 0
    assert compacted["meanwhile"]["right"] > 0
    assert cases["expire-snapshots", "reference"].evidence["freed_objects"] > 0
    assert cases["remove-orphans", "reference"].evidence["orphans_removed"] == 3
    reads = cases["pinned-expired", "duckdb"].evidence["reads"]
    assert {one["answer"] for one in reads if not one["expired"]} == {"right"}
    assert cases["pinned-tag", "pyiceberg"].evidence["reads"][-1]["read"] == 9
    run = Run(Path(), Header("r", ("phase12",), "", ""), cases=tuple(cases.values()))
    (glance,) = [part for part in sections(run)[0].parts if isinstance(part, Table)]
    assert glance.rows[0][4].text == "reference"


def test_a_ducklake_lives_too(services: Services) -> None:
    cases = life(services, "ducklake", "duckdb", commits=4)
    assert {key: one.reason for key, one in cases.items() if one.outcome is not Outcome.PASS} == {}
    assert {check for check, _ in cases} == {
        "writes", "compact", "expire-snapshots", "remove-orphans", "reads", "pinned-expired",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("liar", "check", "words"),
    [
        ("liar-resurrects", "compact", r"other rows than before: it has 1 order .* which commit \d deleted"),
        ("liar-expires-tagged", "expire-snapshots", "which the tag kept holds, is not in the metadata any more"),
        ("liar-removes-referenced", "remove-orphans", "which a snapshot refers to, is not in the store"),
    ],
)
def test_a_maintenance_that_is_wrong_is_seen(
    services: Services, monkeypatch: pytest.MonkeyPatch, liar: str, check: str, words: str
) -> None:
    monkeypatch.syspath_prepend(str(LIARS))
    monkeypatch.setenv("PYTHONPATH", str(LIARS))
    engines.engines.cache_clear()
    try:
        cases = life(services, "v2-merge-on-read", "duckdb", liar, commits=4, writers=(liar,))
    finally:
        monkeypatch.undo()
        engines.engines.cache_clear()
    wrong = {key for key, one in cases.items() if one.outcome is Outcome.WRONG}
    assert wrong == {(check, liar)}
    assert re.search(words, cases[check, liar].reason), cases[check, liar].reason
    assert cases["reads", "duckdb"].outcome is Outcome.UNAVAILABLE  # the table is to blame, and no reader
