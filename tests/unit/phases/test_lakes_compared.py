"""Field reports C16 and C27: which cases bear on them, and what recorded runs make of them."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lakebench import phases
from lakebench.datasets.ducklake.features import FEATURES
from lakebench.datasets.interop import features
from lakebench.execution.cases import Block
from lakebench.model import Coordinates, EngineRef, Record
from lakebench.outcomes import Outcome, ReportVerdict
from lakebench.phases import lakes_compared, recommendations
from lakebench.phases.case_choice import CaseQuestion, CasesOfRuns, Grade, RunCase, asked, cases_of, grade_of
from lakebench.phases.concurrent_writers.writing import FAULTS
from lakebench.phases.lake_cells import FilledCell, Readers, SeparateServer, Servers, Works
from lakebench.phases.lake_criteria import (
    CRITERIA,
    DUCKLAKE,
    FULL_ACID,
    JDBC,
    LAKES,
    NESSIE,
    PG_LAKE,
    POSTGRES,
    THEIRS,
)
from lakebench.phases.lakes_compared import ALL_FOUR
from lakebench.phases.pg_lake import acid, ways
from lakebench.phases.pg_lake.four_lakes import KINDS
from lakebench.results import baseline, records

RUNS = Path(__file__).parents[2] / "fixtures"
PHASE4, BY_DUCKDB, BY_OTHERS, PHASE45, PHASE8 = (
    records.read(RUNS / folder / name)
    for folder, name in (
        ("lakes", "20261129T193437Z-phase4-065f"),
        ("lakes", "20261129T224922Z-phase45-5447"),
        ("lakes", "20261129T210314Z-phase45-d84d"),
        ("", "pg_lake"),
        ("phase8", "20261129T200733Z-phase8-cdcf"),
    )
)
CHOICES = [
    choice
    for every in (
        *(cell.asks for row in CRITERIA.values() for cell in row.values()),
        *(one.asked for one in recommendations.RECOMMENDATIONS),
    )
    for one in every
    for choice in one.choices
]


def case(phase: str, outcome: Outcome = Outcome.PASS, name: str = "", **about: Any) -> Record:
    coordinates = Coordinates(**about)
    return Record(name or f"{phase}/{coordinates}", phase, "", "", outcome, coordinates=coordinates)


def runs(*cases: Record, **servers: str) -> CasesOfRuns:
    return CasesOfRuns(tuple(map(RunCase, cases)), servers)


# Which cases


@pytest.mark.parametrize(
    ("about", "bears"),
    [
        ({"reader": "trino", "catalog": "jdbc"}, True),
        ({"reader": "trino@476", "catalog": "jdbc"}, True),
        ({"reader": "trino", "catalog": "nessie"}, False),
        ({"reader": "spark", "catalog": "jdbc"}, False),
        ({"catalog": "jdbc"}, False),
        ({"reader": "trino", "catalog": "jdbc", "base": True}, False),
    ],
)
def test_a_case_is_chosen_by_its_coordinates(about: dict[str, Any], bears: bool) -> None:
    assert cases_of("interop", reader="trino", catalog="jdbc").has(case("interop", **about)) is bears
    assert not cases_of("phase4", reader="trino", catalog="jdbc").has(case("interop", **about))


def test_of_several_engines_each_has_to_fit() -> None:
    choice = cases_of("phase9", engines=("spark", "trino"), fault="killed")
    killed = {"fault": "killed"}
    assert choice.has(case("phase9", engines=("spark", "trino@476"), more=killed))
    assert not choice.has(case("phase9", engines=("spark", "duckdb"), more=killed))
    assert not choice.has(case("phase9", engines=("spark",), more={"writers": 3}))


def test_a_pattern_fits_any_text_but_not_nothing() -> None:
    choice = cases_of("interop", writer="*", feature="promote-*")
    assert choice.has(case("interop", writer="spark", feature="promote-int-long"))
    assert not choice.has(case("interop", writer="spark", feature="merge"))
    assert not choice.has(case("interop", feature="promote-int-long"))


def test_of_a_case_in_several_runs_the_first_that_ran_counts() -> None:
    first, second = (replace(PHASE4, header=replace(PHASE4.header, run=name)) for name in ("a", "b"))
    absent, ran = case("phase4", Outcome.UNAVAILABLE, "x", engine="trino"), case("phase4", name="x", engine="trino")
    failed = replace(ran, outcome=Outcome.WRONG)
    only = case("phase4", name="y", engine="spark")

    def named(*of_runs: tuple[Record, ...]) -> list[tuple[str, str, Outcome]]:
        with_cases = [replace(run, cases=cases) for run, cases in zip((first, second), of_runs, strict=True)]
        joined = CasesOfRuns.of(with_cases[0], with_cases[1:])
        return [(one.record.case, one.run, one.record.outcome) for one in joined.cases]

    assert named((absent,), (ran, only)) == [("x", "b", Outcome.PASS), ("y", "b", Outcome.PASS)]
    assert named((ran,), (failed,)) == [("x", "", Outcome.PASS)]
    assert named((absent,), ()) == [("x", "", Outcome.UNAVAILABLE)]


def test_each_choice_is_of_what_its_phase_has() -> None:
    valid = {
        ("phase1", "feature"): [one.id for one in FEATURES],
        ("interop", "feature"): [one.id for one in features.all_features(())],
        ("phase9", "fault"): list(FAULTS),
    }
    for choice in CHOICES:
        assert choice.phase in {*phases.phases(), "phase45"}
        for name, patterns in choice.where.items():
            ids = valid.get((choice.phase, name), ())
            assert not ids or all(fnmatch.filter(ids, pattern) for pattern in patterns), choice


@pytest.mark.parametrize("phase", ["phase1", "phase4", "phase9"])
def test_each_choice_has_cases_among_those_that_are_accepted(phase: str) -> None:
    entries = baseline.read(phases.baselines([phase])[phase]).values()
    known = [case(phase, **vars(one.coordinates)) for one in entries]
    engines = {name for one in known for name in one.coordinates.participants}
    for choice in [one for one in CHOICES if one.phase == phase]:
        asks = {engine for name in ("engine", "reader") for engine in choice.where.get(name, ())} - {"*"}
        assert any(map(choice.has, known)) or (asks and not asks & engines), choice


def test_one_command_asks_all_that_the_lakes_of_the_report_are_asked() -> None:
    names = ["phase1", "phase4", "phase9", "phase45"]
    shipped = phases.baselines(names)
    accepted = [(name, vars(one.coordinates)) for name in names for one in baseline.read(shipped[name]).values()]
    of_lakes = [("phase45", vars(one.coordinates)) for block in _questions_to_lakes() for one in block.cases]
    known = [case(name, **coordinates) for name, coordinates in (*accepted, *of_lakes)]
    every = runs(*known)
    assert [
        one.title for row in CRITERIA.values() for lake in THEIRS for one in row[lake].asks if not one.of(every).ran
    ] == []


def _questions_to_lakes() -> Iterator[Block]:
    yield from acid.blocks([EngineRef(name) for name in {kind.engine for kind in KINDS}], KINDS)
    yield from ways.blocks(tuple(map(EngineRef, ("pg_lake", *ways.ENGINES))))


# What cases come to


def test_a_grade_is_of_the_cases_that_ran() -> None:
    def grade(*outcomes: Outcome) -> Grade:
        return asked("q", cases_of("phase4")).of(runs(*(case("phase4", one) for one in outcomes))).grade

    assert grade() is Grade.NOT_IN_RUN
    assert grade(Outcome.UNAVAILABLE, Outcome.HARNESS_FAULT) is Grade.COULD_NOT_RUN
    assert grade(Outcome.PASS, Outcome.UNAVAILABLE) is Grade.PASSES
    assert grade(Outcome.WRONG, Outcome.CRASH) is Grade.FAILS
    assert grade(Outcome.PASS, Outcome.REFUSED) is Grade.LIMITED


def _question(*outcomes: Outcome) -> CaseQuestion:
    return CaseQuestion("q", (cases_of("phase4"),), tuple(RunCase(case("phase4", one)) for one in outcomes))


def test_several_questions_come_to_one_grade() -> None:
    passed, failed, absent = _question(Outcome.PASS), _question(Outcome.WRONG), _question()
    assert grade_of([passed, passed]) is Grade.PASSES
    assert grade_of([failed, failed]) is Grade.FAILS
    assert grade_of([passed, failed]) is Grade.LIMITED
    assert grade_of([passed, absent]) is Grade.PASSES
    assert grade_of([absent, absent]) is Grade.NOT_IN_RUN


CHECKED = tuple(asked(name, cases_of("phase45", test=name)) for name in ("rollback", "killed"))


@pytest.mark.parametrize(
    ("outcomes", "grade", "ours", "agrees"),
    [
        ({"rollback": Outcome.PASS, "killed": Outcome.PASS}, Grade.PASSES, "passes", True),
        ({"rollback": Outcome.PASS, "killed": Outcome.PASS}, Grade.LIMITED, "passes", False),
        ({"rollback": Outcome.PASS, "killed": Outcome.WRONG}, Grade.LIMITED, "limited", True),
        ({"rollback": Outcome.PASS}, Grade.PASSES, "passes in 1 of 2 questions; the others did not run", None),
        ({"rollback": Outcome.WRONG}, Grade.PASSES, "fails in 1 of 2 questions; the others did not run", False),
        ({"rollback": Outcome.WRONG}, Grade.LIMITED, "fails in 1 of 2 questions; the others did not run", None),
        ({"rollback": Outcome.UNAVAILABLE}, Grade.PASSES, "could not run here", None),
        ({}, Grade.FAILS, "not in this run", None),
    ],
)
def test_what_was_not_asked_leaves_a_cell_open(
    outcomes: dict[str, Outcome], grade: Grade, ours: str, agrees: bool | None
) -> None:
    answer = Works("theirs", CHECKED, grade).answer(
        runs(*(case("phase45", one, test=t) for t, one in outcomes.items()))
    )
    assert (answer.ours, answer.agrees) == (ours, agrees)


def test_a_lake_that_the_report_does_not_have_agrees_with_nothing() -> None:
    assert Works("", CHECKED).answer(
        runs(*(case("phase45", test=one) for one in ("rollback", "killed")))
    ) == FilledCell(
        "",
        "passes",
        None,
        tuple(one.of(runs(*(case("phase45", test=t) for t in ("rollback", "killed")))) for one in CHECKED),
    )


def test_servers_are_those_that_the_cases_name_and_the_runs_started() -> None:
    one = case("phase45", check="acid", more={"services": "pg_lake object-store spark"})
    asks = (asked("q", cases_of("phase45")),)
    started = runs(one, **{"pg_lake": "17.2", "object-store": "4.1", "nessie": "0.99"})
    assert Servers("1", asks, 1, 1, "pg_lake").answer(started).ours == "1: object-store 4.1"
    assert Servers("1", asks, 1, 1, "pg_lake").answer(started).agrees is True
    assert Servers("0", asks, 0, 0, "pg_lake").answer(started).agrees is False
    assert SeparateServer("a service", asks, "nessie").answer(started).agrees is True
    assert SeparateServer("a service", asks, "nessie").answer(runs(one)).agrees is False


def test_one_engine_that_reads_says_little_where_no_other_was_asked() -> None:
    asks = (asked("q", cases_of("phase4")),)
    trino, spark = (case("phase4", engine=name) for name in ("trino", "spark"))
    refused, ours = replace(spark, outcome=Outcome.REFUSED), case("phase4", reader="reference")
    alone, several = Readers("one", asks), Readers("several", asks, several=True)
    assert [cell.answer(runs(trino, ours)).agrees for cell in (alone, several)] == [None, None]
    assert [cell.answer(runs(trino, refused)).agrees for cell in (alone, several)] == [True, False]
    assert [cell.answer(runs(trino, spark)).agrees for cell in (alone, several)] == [False, True]


# C16


def test_every_criterion_has_every_lake_and_theirs_for_three() -> None:
    for row in CRITERIA.values():
        assert tuple(row) == LAKES
        assert [bool(row[lake].theirs) for lake in LAKES] == [lake in THEIRS for lake in LAKES]
        assert all(cell.asks for cell in row.values())


def test_a_run_without_evidence_has_no_comparison() -> None:
    assert lakes_compared.compared(runs(case("clickbench", engine="duckdb"))) == {}
    assert list(lakes_compared.judged({})) == []
    assert (
        recommendations.recommended(runs(case("phase45", Outcome.UNAVAILABLE, check="acid", catalog="pg_lake"))) == ()
    )


def test_a_recorded_run_fills_its_cells_and_leaves_the_others_open() -> None:
    answers = lakes_compared.compared(CasesOfRuns.of(PHASE4))
    assert answers["pg_duckdb"][NESSIE].agrees is True
    assert answers["DuckDB alone"][NESSIE].ours == "passes"
    assert answers[POSTGRES][NESSIE].ours == "a separate service: nessie 0.99.0"
    assert answers["standard"][NESSIE].ours == "2 of the engines asked: duckdb, pg_duckdb"
    assert answers["Trino"][NESSIE].ours == "not in this run"
    assert {one.ours for one in (row[PG_LAKE] for row in list(answers.values())[:-1])} == {"not in this run"}
    (report,) = lakes_compared.judged(answers)
    assert report.verdict is ReportVerdict.COULD_NOT_RUN
    assert report.ours[NESSIE] == "5 as theirs, 0 not, 5 open"


def test_a_cell_that_differs_decides_c16() -> None:
    shown = case("phase1", engine="pg_duckdb", check="read", more={"way": "attached"})
    (report,) = lakes_compared.judged(lakes_compared.compared(runs(shown)))
    assert report.verdict is ReportVerdict.NOT_REPRODUCED
    assert "DuckLake, pg_duckdb: passes" in report.detail


def _complete(answers: lakes_compared.FilledCells) -> lakes_compared.FilledCells:
    return {name: {lake: replace(one, agrees=True) for lake, one in row.items()} for name, row in answers.items()}


def test_c16_is_reproduced_where_every_cell_is_as_theirs() -> None:
    answers = _complete(lakes_compared.compared(CasesOfRuns.of(PHASE4)))
    (report,) = lakes_compared.judged(answers)
    assert report.verdict is ReportVerdict.REPRODUCED


def _acid(catalog: str, outcome: Outcome = Outcome.PASS) -> list[Record]:
    tests = ("rollback", "two-tables", "conflict", "reader", "killed", "answer-lost")
    return [case("phase45", outcome, check="acid", catalog=catalog, test=one) for one in tests]


def test_who_has_all_four_is_told_by_the_other_rows() -> None:
    made = [case("phase45", check="evolution", catalog=one, test="x") for one in ("pg_lake", "jdbc")]
    readers = [case("phase45", writer="pg_lake", reader=one) for one in ("trino", "spark")]
    answers = lakes_compared.compared(runs(*made, *readers, *_acid("pg_lake"), *_acid("jdbc", Outcome.REFUSED)))
    assert answers[ALL_FOUR][PG_LAKE].ours == "all four"
    assert answers[ALL_FOUR][PG_LAKE].agrees is True
    assert answers[ALL_FOUR][JDBC].ours == "without full ACID"
    assert answers[ALL_FOUR][DUCKLAKE].ours == "without Iceberg"
    assert answers[ALL_FOUR][NESSIE].ours.startswith("open: ")
    assert answers[FULL_ACID][PG_LAKE].ours == "passes"


def test_a_recorded_run_of_pg_lake_fills_its_cells() -> None:
    answers = lakes_compared.compared(CasesOfRuns.of(PHASE45))
    assert answers[POSTGRES][PG_LAKE].agrees is True
    acid = answers[FULL_ACID][PG_LAKE]
    assert (acid.ours, acid.agrees) == ("passes in 4 of 6 questions; the others did not run", None)
    assert [len(one.passed) for one in acid.asked] == [3, 2, 0, 1, 3, 0]
    assert answers[ALL_FOUR][PG_LAKE].ours == "open: full ACID, several engines"


def test_recorded_questions_to_four_lakes_fill_acid_evolution_and_services() -> None:
    answers = lakes_compared.compared(CasesOfRuns.of(BY_OTHERS, [BY_DUCKDB, PHASE45]))
    acid = {lake: [one.grade.value for one in answers[FULL_ACID][lake].asked] for lake in LAKES}
    assert acid == {
        DUCKLAKE: ["passes"] * 5 + ["not in this run"],
        NESSIE: ["limited"] * 3 + ["passes"] * 2 + ["not in this run"],  # Spark has no transactions
        PG_LAKE: ["passes"] * 6,
        JDBC: ["fails"] * 3 + ["passes"] * 2 + ["not in this run"],
    }
    assert (answers[FULL_ACID][PG_LAKE].ours, answers[FULL_ACID][PG_LAKE].agrees) == ("passes", True)
    assert answers[ALL_FOUR][JDBC].ours == "without full ACID"
    assert [answers["schema evolution"][lake].ours for lake in LAKES] == ["passes"] * 4
    services = answers["external services"]
    assert [services[lake].ours for lake in LAKES] == [
        "1: object-store 4.1.0",
        "2: nessie 0.99.0, object-store 4.1.0",
        "1: object-store 4.1.0",
        "1: object-store 4.1.0",
    ]
    assert [services[lake].agrees for lake in LAKES] == [True, True, True, None]


# C27


def test_the_cases_of_recorded_runs_support_or_contradict_a_line() -> None:
    lines = {one.scenario: one for one in recommendations.recommended(CasesOfRuns.of(PHASE8, [PHASE4]))}
    citus = lines["existing Citus warehouse"]
    assert (citus.supported, citus.contradicted, citus.agrees) == (25, 7, False)
    assert {one.title: len(one.failed) for one in citus.asked} == {
        "answers, pushed down or not": 2, "values that are special": 3, "writes": 1, "the other end dies": 1,
        "their last picture: a row written through Citus, read by other engines": 0,
    }  # fmt: skip
    assert lines["PostgreSQL-centred, small to medium"].ours == "no evidence"
    assert lines["heavy Spark and Trino"].ours == "no evidence"
    (report,) = recommendations.judged(list(lines.values()))
    assert report.verdict is ReportVerdict.COULD_NOT_RUN
    assert report.theirs["DuckDB only"] == "DuckLake alone"
    assert report.ours["existing Citus warehouse"] == "cases that support it: 25, that contradict it: 7"


def test_what_pg_lake_answers_otherwise_than_a_heap_table_contradicts_its_line() -> None:
    line, *_ = recommendations.recommended(CasesOfRuns.of(PHASE45))
    failed = {one.title: sorted({case.record.outcome.value for case in one.failed}) for one in line.asked}
    assert failed["answers as those of a heap table"] == ["REFUSED", "WRONG"]
    assert failed["files and memory"] == ["CRASH"]
    assert failed["statements, schema evolution"] == []
    assert line.agrees is False


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        ((Outcome.PASS,), ReportVerdict.REPRODUCED),
        ((Outcome.PASS, Outcome.PASS, Outcome.WRONG), ReportVerdict.DIRECTION_ONLY),
        ((Outcome.WRONG,), ReportVerdict.NOT_REPRODUCED),
        ((Outcome.UNAVAILABLE,), ReportVerdict.COULD_NOT_RUN),
    ],
)
def test_c27_weighs_what_supports_a_line(outcomes: tuple[Outcome, ...], verdict: ReportVerdict) -> None:
    line = recommendations.Recommendation("s", "lake", (_question(*outcomes),))
    (report,) = recommendations.judged([line])
    assert report.verdict is verdict
