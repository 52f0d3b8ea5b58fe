"""Phase 12: whose lives a run has, and what the report answers: when to compact, by whom, what it costs not to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lakebench import phases
from lakebench.errors import Refused, UsageError, WrongAnswer
from lakebench.execution.protocol import PROFILES
from lakebench.execution.request import Scope
from lakebench.iceberg.operations import Compact, ExpireSnapshots, RemoveOrphans, RewriteManifests
from lakebench.model import Coordinates, EngineRef, Record, Selection
from lakebench.outcomes import Outcome
from lakebench.phases.living_tables.lives import KINDS, Life, lives, name_of
from lakebench.phases.living_tables.observations import GROUP, Observations
from lakebench.phases.living_tables.phase import Living
from lakebench.phases.living_tables.report import sections
from lakebench.phases.living_tables.tables import namespace_of
from lakebench.phases.living_tables.verdicts import cheapest, compactions, slow_after, slowdowns
from lakebench.phases.options import Asked
from lakebench.reports.content import Paragraph, Plot, Table
from lakebench.results.records import Header, Run

LIFE = "v2-merge-on-read"


def lives_of(*names: str, **chosen: Any) -> dict[str, Life]:
    refs = tuple(map(EngineRef, names))
    return {one.kind.id: one for one in lives(refs, Selection(**chosen), PROFILES["quick"], 12)}


# Lives


def test_writers_take_turns_and_those_with_most_maintenance_come_first() -> None:
    life = lives_of("duckdb", "polars", "pyiceberg", "spark", "trino")[LIFE]
    assert [ref.name for ref in life.writers] == ["duckdb", "pyiceberg", "spark", "trino"]
    assert [ref.name for ref in life.maintainers] == ["spark", "trino", "duckdb", "pyiceberg"]
    assert "polars" in [ref.name for ref in life.readers]
    assert life.periods == [3, 6, 9, 12]
    assert life.steps(EngineRef("spark")) == (Compact, ExpireSnapshots, RemoveOrphans, RewriteManifests)
    assert life.steps(EngineRef("pyiceberg")) == (ExpireSnapshots,)


def test_a_ducklake_and_its_iceberg_twin_have_the_same_writer() -> None:
    made = lives_of("duckdb", "pyiceberg", "spark")
    assert made["ducklake"].writers == made["v2-one-writer"].writers == (EngineRef("duckdb"),)
    assert made["ducklake"].steps(EngineRef("duckdb")) == (Compact, ExpireSnapshots, RemoveOrphans)


def test_lives_writers_and_readers_are_chosen() -> None:
    made = lives_of("duckdb", "pyiceberg", features=("v3-*",), writers=("duckdb",), readers=("pyiceberg",))
    (life,) = made.values()
    assert life.kind.id == "v3-merge-on-read"
    assert (life.writers, life.readers) == ((EngineRef("duckdb"),), (EngineRef("pyiceberg"),))
    assert lives_of("polars") == {}  # nobody writes


def test_a_life_at_a_distance_is_one_of_its_own_in_a_namespace_of_its_own() -> None:
    refs = (EngineRef("duckdb"), EngineRef("pyiceberg"))
    chosen = Selection(features=(LIFE,))
    near, far = (next(lives(refs, chosen, PROFILES["quick"], 12, catalog_ms)) for catalog_ms in (0, 50))
    assert (near.id, far.id) == (LIFE, f"{LIFE}/catalog-50ms")
    assert namespace_of(near) != namespace_of(far)
    cases = {one.coordinates for one in Living(near).cases} & {one.coordinates for one in Living(far).cases}
    assert not cases
    phase = phases.find("phase12")
    about = Living(far).cases[0].coordinates
    asked = {latencies: replace(chosen, options={"phase12": {"catalog-latency": list(latencies)}})
             for latencies in ((0,), (0, 50))}  # fmt: skip
    covered = {key: phase.covers(about, Scope(refs, one, "quick")) for key, one in asked.items()}
    assert covered == {(0,): False, (0, 50): True}


def test_a_run_covers_what_it_plans() -> None:
    phase = phases.find("phase12")
    case_ = Coordinates(engine="polars", test=LIFE, check="reads", format="iceberg")
    scope = Scope((EngineRef("duckdb"), EngineRef("polars")), Selection(), "quick")
    assert phase.covers(case_, scope)
    assert not phase.covers(case_, replace(scope, refs=(EngineRef("polars"),)))  # nobody writes
    assert not phase.covers(case_, replace(scope, selection=Selection(features=("ducklake",))))
    assert not phase.covers(case_, replace(scope, selection=Selection(readers=("duckdb",))))


def test_the_number_of_commits_is_an_option() -> None:
    phase = phases.find("living_tables")
    (option,) = [one for one in phase.options if one.name == "commits"]
    assert option.read("", Asked()) == 0
    assert option.read("300", Asked()) == 300
    with pytest.raises(UsageError, match="from 1 on"):
        option.read("0", Asked())


def test_steps_have_names() -> None:
    assert name_of(ExpireSnapshots) == "expire-snapshots"
    assert phases.find("phase12").features({}) == tuple(one.id for one in KINDS)


def test_a_case_that_fails_keeps_its_evidence_and_one_after_the_end_says_why() -> None:
    seen = Observations()
    compact, reads = ("compact", EngineRef("spark")), ("reads", EngineRef("duckdb"))
    seen.add(reads, "looks", {"commits": 0})
    seen.fail(compact, Refused("no"))
    with pytest.raises(Refused, match="no"):
        seen.result(compact)
    seen.end(("remove-orphans", EngineRef("spark")), "a file is gone")
    with pytest.raises(WrongAnswer, match="a file is gone"):
        seen.result(("remove-orphans", EngineRef("spark")))
    with pytest.raises(Exception, match=r"not done to the end: .*remove-orphans by spark: a file is gone") as raised:
        seen.result(reads)
    assert raised.value.details == {"looks": [{"commits": 0}]}  # type: ignore[attr-defined]


# The report


def look(commits: int, ms: float, moment: str = "commits", cpu_ms: float | None = None, **more: Any) -> dict[str, Any]:
    sample = {"ms": ms / 2, "cpu_ms": (ms if cpu_ms is None else cpu_ms) / 2, "requests": 10, "store_bytes": 1000}
    facts = {"data_files": 1 + commits, "delete_files": commits, "snapshots": 1 + commits, "metadata_bytes": 500}
    return {"commits": commits, "moment": moment, **facts, "answers": {"totals": [sample], "recent": [sample]}, **more}


def case(check: str, engine: str, outcome: Outcome = Outcome.PASS, life: str = LIFE, **evidence: Any) -> Record:
    return Record(
        f"phase12/{life}/{check}/{engine}", "phase12", "", engine, outcome, evidence=evidence, group=f"{GROUP}{life}",
        coordinates=Coordinates(engine=engine, test=life, check=check),
    )  # fmt: skip


def reads(engine: str, *times: float, outcome: Outcome = Outcome.PASS, life: str = LIFE) -> Record:
    first, half, slow, after = times
    looks = [
        look(0, first),
        look(10, half),
        look(20, slow),
        look(20, after, "compacted", maintainer="spark"),
        look(30, after * 1.2),
    ]
    return case("reads", engine, outcome, life, looks=looks)


def compacted(engine: str = "spark", cpu_ms: float = 4000.0, outcome: Outcome = Outcome.PASS) -> Record:
    facts = [
        {"data_files": 21, "delete_files": 20, "snapshots": 21},
        {"data_files": 1, "delete_files": 0, "snapshots": 22},
    ]
    return case(
        "compact", engine, outcome, before=facts[0], after=facts[1], ms=2000.0, cpu_ms=cpu_ms, requests=50,
        store_bytes=9000, made_objects=3, made_bytes=4000, freed_objects=0, freed_bytes=0,
        meanwhile={"reader": "duckdb", "right": 5, "wrong": 0, "failed": 1},
    )  # fmt: skip


CASES = (reads("duckdb", 100, 140, 200, 100), reads("polars", 100, 160, 400, 100), compacted())


def parts(*cases: Record) -> list[Any]:
    found = sections(Run(Path(), Header("r", ("phase12",), "", ""), cases=cases))
    return [part for one in found for part in one.parts]


def test_slow_is_what_the_median_reader_meets() -> None:
    assert slowdowns(CASES) == [(10, 1.5), (20, 3.0), (10, pytest.approx(1.2))]
    assert slow_after(CASES) == 10
    assert slow_after([reads("duckdb", 100, 110, 120, 100)]) is None


def test_a_compaction_pays_after_the_rounds_whose_saving_is_its_cost() -> None:
    (made,) = compactions(CASES)
    assert (made.engine, made.age, made.ratios) == ("spark", 20, {"duckdb": 2.0, "polars": 4.0})
    assert made.saves("cpu_ms") == 200  # (100 + 300) / 2
    assert made.pays_after == 20
    assert cheapest([made]) is made


def test_a_reader_or_a_compaction_that_was_wrong_has_no_say() -> None:
    wrong = reads("trino", 1, 90, 900, 1, outcome=Outcome.WRONG)
    assert slowdowns((*CASES, wrong)) == slowdowns(CASES)
    assert compactions((*CASES[:2], compacted(outcome=Outcome.WRONG))) == []


def test_a_compaction_that_saves_no_cpu_time_never_pays() -> None:
    (made,) = compactions((reads("duckdb", 100, 100, 100, 120), compacted()))
    assert made.pays_after is None


def test_the_first_section_answers_at_a_glance() -> None:
    sentence, glance, *_ = parts(*CASES)
    assert isinstance(sentence, Paragraph)
    assert "compact it within 10 commits" in sentence.text
    assert "Cheapest by spark: 4 CPU seconds after 20 commits, which 20 rounds pay back" in sentence.text
    assert isinstance(glance, Table)
    assert [one.text for one in glance.rows[0]] == [
        LIFE, "30", "3.00", "10 commits", "spark", "4", "4.0 kB", "200", "200", "0", "0 B", "20 rounds",
    ]  # fmt: skip


def test_a_life_that_nobody_compacts_says_so() -> None:
    sentence, glance, *_ = parts(*CASES[:2])
    assert "Nobody here compacted it" in sentence.text
    assert len(glance.rows[0]) == len(glance.head)


def captions(found: Sequence[Any]) -> list[str]:
    return [
        part.caption if isinstance(part, Table) else part.title for part in found if not isinstance(part, Paragraph)
    ]


def test_each_life_has_its_plots_and_tables() -> None:
    commits = [{"commit": 1, "operation": "Merge", "ms": 5.0, "cpu_ms": 4.0, "requests": 9}]
    pinned = [{"answer": "right", "expired": False}, {"answer": "REFUSED: no snapshot", "expired": True}]
    found = parts(
        *CASES,
        case("writes", "duckdb", commits=commits),
        case("remove-orphans", "trino", Outcome.REFUSED),
        case("pinned-expired", "duckdb", reads=pinned),
    )
    assert captions(found) == [
        "At a glance",
        "Time of a round, over commits",
        "Requests of a round, over commits",
        "Bytes of a round, over commits",
        "Files, snapshots and metadata, over commits",
        "Maintenance: what each step costs and frees",
        "Writers",
        "Readers",
        "Readers that stay with an old snapshot",
    ]
    for part in found:
        if isinstance(part, Plot):
            assert part.draw().startswith("<svg")
        if isinstance(part, Table):
            assert all(len(row) == len(part.head) for row in part.rows), part.caption
    (steps,) = [part for part in found if isinstance(part, Table) and part.caption.startswith("Maintenance")]
    assert [one.text for one in steps.rows[0]][-3:] == ["21+20 to 1+0", "21 to 22", "duckdb: 5 right, 1 failed"]


def test_lives_stand_beside_each_other_for_a_reader_of_all() -> None:
    other = [reads(one, 100, 100, 110, 100, life="ducklake") for one in ("duckdb",)]
    found = parts(*CASES, *other)
    assert "A round by duckdb in each life, over commits" in captions(found)
    assert "A round by polars in each life, over commits" not in captions(found)


def test_without_a_case_that_ran_there_is_nothing() -> None:
    assert parts() == []
    assert parts(case("reads", "duckdb", Outcome.UNAVAILABLE)) == []
