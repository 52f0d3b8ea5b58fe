"""Whose fault a wrong table and a wrong reading are."""

from __future__ import annotations

import pytest

from lakebench.errors import CaseEnd, EngineCrash, EngineUnavailable, HarnessFault, Refused, WrongAnswer
from lakebench.model import EngineRef
from lakebench.outcomes import Outcome
from lakebench.phases.interop.blame import Judgement, Readings, judge, ours

DUCKDB, TRINO, SPARK, POLARS = map(EngineRef, ("duckdb", "trino", "spark", "polars"))
SCAN, OLD = EngineRef("iceberg_scan"), EngineRef("duckdb", "1.4.4")
PASS, WRONG, REFUSED, CRASH = Outcome.PASS, Outcome.WRONG, Outcome.REFUSED, Outcome.CRASH
ALL_RIGHT = dict.fromkeys((DUCKDB, TRINO, SPARK, POLARS), PASS)


def judged(
    table: dict[EngineRef, Outcome],
    reference: dict[EngineRef, Outcome] = ALL_RIGHT,
    violations: tuple[str, ...] = (),
    refusing: frozenset[EngineRef] = frozenset(),
) -> Judgement:
    return judge(DUCKDB, Readings(table, reference, refusing), violations)


def outcome(error: CaseEnd | None) -> Outcome:
    return error.outcome if error else PASS


def test_a_table_that_everybody_reads_right_stands() -> None:
    assert judged(ALL_RIGHT) == Judgement()


def test_half_of_those_that_read_the_reference_right_show_that_a_table_is_wrong() -> None:
    judgement = judged({DUCKDB: PASS, TRINO: PASS, SPARK: WRONG, POLARS: WRONG})
    assert str(judgement.error) == "read wrong by polars, spark, which read the reference's table right"
    assert judgement.misled == {SPARK, POLARS}
    assert judged({DUCKDB: PASS, TRINO: PASS, SPARK: PASS, POLARS: WRONG}) == Judgement()


def test_who_reads_the_reference_wrong_is_no_judge_and_yet_misled_by_a_wrong_table() -> None:
    readings = {**ALL_RIGHT, POLARS: WRONG}
    assert judged({TRINO: PASS, POLARS: WRONG}, readings) == Judgement()
    assert judged({TRINO: WRONG, POLARS: WRONG}, readings).misled == {TRINO, POLARS}


def test_who_did_not_run_has_no_say() -> None:
    table = {TRINO: Outcome.UNAVAILABLE, SPARK: Outcome.HARNESS_FAULT, POLARS: WRONG}
    assert outcome(judged(table).error) is WRONG
    assert judged(table).misled == {POLARS}


def test_a_table_against_the_specification_is_the_writers_fault_and_who_refuses_it_does_right() -> None:
    judgement = judged({TRINO: PASS, SPARK: REFUSED, POLARS: WRONG}, violations=("a", "b", "c", "d"))
    assert str(judgement.error) == "the table breaks the specification: a; b; c"
    assert judgement.misled == {SPARK, POLARS}


def test_who_crashes_at_a_wrong_table_has_a_fault_of_its_own() -> None:
    assert judged({TRINO: PASS, SPARK: CRASH}, violations=("a",)).misled == set()


def test_who_refuses_the_feature_anywhere_is_not_excused_by_a_wrong_table() -> None:
    assert judged({SPARK: REFUSED}, {SPARK: REFUSED}, violations=("a",)).misled == set()


def test_without_the_reference_there_are_no_judges() -> None:
    assert judged({DUCKDB: PASS, TRINO: WRONG, SPARK: WRONG}, {}) == Judgement()


@pytest.mark.parametrize("own", [WRONG, REFUSED, CRASH])
def test_a_reading_of_its_own_table_that_fails_is_the_readers_where_another_engine_reads_it_right(own: Outcome) -> None:
    assert judged({DUCKDB: own, TRINO: PASS}, {TRINO: PASS}) == Judgement()
    assert judged({DUCKDB: own, TRINO: PASS}, {}) == Judgement()


def test_it_is_the_readers_where_it_fails_on_the_references_table_too() -> None:
    assert judged({DUCKDB: CRASH, TRINO: REFUSED}, {DUCKDB: CRASH, TRINO: REFUSED}) == Judgement()


def test_it_is_the_writes_where_nobody_else_can_tell() -> None:
    judgement = judged({DUCKDB: CRASH, TRINO: REFUSED}, {DUCKDB: PASS, TRINO: REFUSED})
    assert outcome(judgement.error) is CRASH
    assert "does not read its own table back right, and nobody else reads it right" in str(judgement.error)
    assert judgement.misled == set()


def test_an_error_of_ours_in_its_own_reading_leaves_it_open_where_nobody_else_tells() -> None:
    fault = Outcome.HARNESS_FAULT
    assert outcome(judged({DUCKDB: fault, TRINO: REFUSED}, {}).error) is fault
    assert judged({DUCKDB: fault, TRINO: PASS}, {}) == Judgement()


def test_another_way_into_the_same_engine_is_no_other_engine() -> None:
    assert outcome(judged({DUCKDB: WRONG, SCAN: PASS, OLD: PASS}, {}).error) is WRONG


def test_who_says_that_it_does_not_read_the_feature_may_refuse_its_own_table() -> None:
    assert judged({DUCKDB: REFUSED}, {}, refusing=frozenset({DUCKDB})) == Judgement()


def test_what_the_reference_does_wrong_is_a_fault_of_ours() -> None:
    reference = EngineRef("reference")
    for error in (WrongAnswer("x", diff="d"), EngineCrash("x")):
        made = ours(reference, error)
        assert isinstance(made, HarnessFault)
        assert str(made) == "the reference writer: x"
        assert made.details == error.details
        assert ours(DUCKDB, error) is error
    for other in (Refused("the catalog takes no such thing"), EngineUnavailable("no second engine")):
        assert ours(reference, other) is other
