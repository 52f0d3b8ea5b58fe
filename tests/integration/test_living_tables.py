"""Tables that live on real stores: maintenance by those that have it, and engines whose maintenance is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from run_requests import request
from started import QUICK, lakebench, quick_servers

from lakebench import engines, phases
from lakebench.config import Settings
from lakebench.execution.cases import records
from lakebench.execution.context import run_context
from lakebench.execution.protocol import PROFILES
from lakebench.model import EngineRef, Record, Selection
from lakebench.outcomes import Outcome
from lakebench.processes.guard import Guard
from lakebench.progress import Quiet
from lakebench.results.records import Run, read
from lakebench.services import Services

pytestmark = pytest.mark.integration

LIARS = Path(__file__).parent.parent / "liar"
SERVICES = ("object-store", "rest-catalog")
SMALL = replace(PROFILES["quick"], scale_factor=Decimal("0.001"))
SETTINGS = Settings(services=QUICK.services)
Cases = dict[tuple[str, str], Record]


def by_check(cases: Iterable[Record], life: str) -> Cases:
    return {(str(one.coordinates.check), one.engine): one for one in cases if one.coordinates.test == life}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A life of an Iceberg table, and one of a DuckLake, by the command."""
    folder = tmp_path_factory.mktemp("living")
    quick_servers(folder)
    chosen = ("--engines", "duckdb,pyiceberg,reference", "--features", "v2-merge-on-read,ducklake")
    size = ("--profile", "quick", "--sf", "0.001", "--commits", "9", "--seed", "1")
    done = lakebench("run", "phase12", *chosen, *size, "--json", cwd=folder)
    assert done.returncode in {0, 1}, done.stderr  # what is accepted is of longer lives
    return read(folder / json.loads(done.stdout)["folder"])


def test_a_life_of_honest_engines_is_right(run: Run) -> None:
    cases = by_check(run.cases, "v2-merge-on-read")
    failed = {key: one.reason for key, one in cases.items() if one.outcome is not Outcome.PASS}
    assert list(failed) == [("compact", "duckdb")], failed  # which has no compaction before 1.6
    looks = cases["reads", "duckdb"].evidence["looks"]
    assert [look["commits"] for look in looks] == [0, 3, 3, 3, 6, 6, 9, 9]
    assert {look["moment"] for look in looks} == {"commits", "compacted", "maintained"}
    assert all(sample["requests"] > 0 for look in looks for some in look["answers"].values() for sample in some)
    compacted = cases["compact", "reference"].evidence
    assert compacted["before"]["delete_files"] > compacted["after"]["delete_files"] == 0
    assert compacted["meanwhile"]["right"] > 0
    assert cases["expire-snapshots", "reference"].evidence["freed_objects"] > 0
    assert cases["remove-orphans", "reference"].evidence["orphans_removed"] == 3


def test_pinned_readers_are_right_until_their_snapshot_expires(run: Run) -> None:
    cases = by_check(run.cases, "v2-merge-on-read")
    reads = cases["pinned-expired", "duckdb"].evidence["reads"]
    assert {one["answer"] for one in reads if not one["expired"]} == {"right"}
    assert any(one["expired"] for one in reads)
    held = cases["pinned-tag", "pyiceberg"].evidence["reads"]
    assert {one["answer"] for one in held} == {"right"}
    assert held[-1]["read"] == 9


def test_a_ducklake_lives_too(run: Run) -> None:
    cases = by_check(run.cases, "ducklake")
    assert {key: one.reason for key, one in cases.items() if one.outcome is not Outcome.PASS} == {}
    assert {check for check, _ in cases} == {
        "writes", "compact", "expire-snapshots", "remove-orphans", "reads", "pinned-expired",
    }  # fmt: skip


def test_the_report_says_when_to_compact_and_by_whom(run: Run) -> None:
    text = (run.path.parent / "report.md").read_text(encoding="utf-8")
    assert "When to compact, by whom, and what it costs not to" in text
    assert re.search(r"v2-merge-on-read: .* Cheapest by reference: \S+ CPU seconds after 3 commits", text)


@pytest.fixture(scope="module")
def services() -> Iterator[Services]:
    with Guard("living") as guard:
        made = Services(SETTINGS, guard, Quiet())
        made.start(SERVICES)
        assert made.failures() == {}
        yield made


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
    selection = Selection(
        features=("v2-merge-on-read",), writers=(liar,), options={"phase12": {"commits": 8}}, readers=("duckdb",)
    )
    refs = (EngineRef("duckdb"), EngineRef(liar))
    asked = request(*refs, phases=("phase12",), profile=SMALL, settings=SETTINGS, selection=selection)
    try:
        with Guard("life") as guard, run_context(asked, guard, services, Quiet(), SERVICES) as context:
            (block,) = phases.find("phase12").plan(context)
            made = list(records(block, context, frozenset(one.id for one in block.cases)))
    finally:
        monkeypatch.undo()
        engines.engines.cache_clear()
    cases = by_check(made, "v2-merge-on-read")
    assert [key for key, one in cases.items() if one.outcome is Outcome.WRONG] == [(check, liar)]
    assert re.search(words, cases[check, liar].reason), cases[check, liar].reason
    assert cases["reads", "duckdb"].outcome is Outcome.UNAVAILABLE  # the table is to blame, and no reader
