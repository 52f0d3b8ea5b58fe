from __future__ import annotations

from dataclasses import replace

import pytest

from lakebench.model import Record
from lakebench.outcomes import ExitCode, Outcome
from lakebench.results import accepted, schema1
from lakebench.results.baseline import Acceptance, Baseline, Entry
from lakebench.results.records import ChangedCase, Gone

KNOWN = "phase4/nessie/old-snapshot/trino→spark"  # claims.toml of the phases accepts REFUSED
CASE = Record(case="interop/append/duckdb→trino", phase="interop", title="", engine="trino", outcome=Outcome.PASS,
              coordinates=schema1.coordinates("interop/append/duckdb→trino"))  # fmt: skip
BY = Acceptance(1, "20261120T090000Z-interop-0001", "2026-11-20", "first look", {"duckdb": "duckdb 1.5.5"})
FAILURES = (Outcome.REFUSED, Outcome.OUT_OF_MEMORY, Outcome.TIMEOUT, Outcome.CRASH, Outcome.WRONG)
NOTHING = Baseline()


def _had(*outcomes: Outcome, case: str = CASE.case, verdict: str = "") -> Baseline:
    return Baseline({case: _entry(case, "trino", *outcomes, verdict=verdict)})


def _entry(case: str, engine: str, *outcomes: Outcome, verdict: str = "") -> Entry:
    verdicts = dict.fromkeys(outcomes, verdict)
    return Entry(schema1.phase_of(case), engine, verdicts, BY, schema1.coordinates(case))


def _named(case: str, **more: object) -> Record:
    return replace(CASE, case=case, coordinates=schema1.coordinates(case), **more)  # type: ignore[arg-type]


def _now(outcome: Outcome) -> list[Record]:
    return [replace(CASE, outcome=outcome, reason="so it is"), _named("interop/append/duckdb")]


def _everything(*_: object) -> bool:
    return True


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ([Outcome.PASS, Outcome.UNAVAILABLE], ExitCode.OK),
        ([Outcome.PASS, Outcome.REFUSED], ExitCode.WORSE),
        ([Outcome.PASS, Outcome.TIMEOUT, Outcome.CRASH], ExitCode.WORSE),
        ([Outcome.REFUSED, Outcome.WRONG, Outcome.PASS], ExitCode.WRONG_ANSWER),
        ([Outcome.UNAVAILABLE, Outcome.UNAVAILABLE], ExitCode.NOTHING_RAN),
        ([], ExitCode.NOTHING_RAN),
        ([Outcome.PASS, Outcome.WRONG, Outcome.HARNESS_FAULT], ExitCode.HARNESS_FAULT),
        ([Outcome.UNAVAILABLE, Outcome.HARNESS_FAULT], ExitCode.HARNESS_FAULT),
    ],
)
def test_without_a_baseline_every_failure_counts(outcomes: list[Outcome], code: ExitCode) -> None:
    cases = [replace(CASE, outcome=outcome) for outcome in outcomes]
    assert accepted.exit_code(cases, NOTHING) is code


@pytest.mark.parametrize(
    ("before", "now", "code"),
    [
        (Outcome.PASS, Outcome.REFUSED, ExitCode.WORSE),
        (Outcome.PASS, Outcome.WRONG, ExitCode.WRONG_ANSWER),
        (Outcome.CRASH, Outcome.WRONG, ExitCode.WRONG_ANSWER),
        (Outcome.REFUSED, Outcome.TIMEOUT, ExitCode.WORSE),
        (Outcome.REFUSED, Outcome.OUT_OF_MEMORY, ExitCode.WORSE),
        (Outcome.CRASH, Outcome.TIMEOUT, ExitCode.WORSE),
        (Outcome.TIMEOUT, Outcome.CRASH, ExitCode.WORSE),
        (Outcome.CRASH, Outcome.REFUSED, ExitCode.OK),
        (Outcome.WRONG, Outcome.CRASH, ExitCode.OK),
        (Outcome.WRONG, Outcome.WRONG, ExitCode.OK),
        (Outcome.WRONG, Outcome.PASS, ExitCode.OK),
        (Outcome.UNAVAILABLE, Outcome.REFUSED, ExitCode.WORSE),
        (Outcome.UNAVAILABLE, Outcome.PASS, ExitCode.OK),
    ],
)
def test_what_is_worse_than_accepted_counts(before: Outcome, now: Outcome, code: ExitCode) -> None:
    cases = _now(now)
    assert accepted.exit_code(cases, _had(before)) is code
    changed = accepted.changes(cases, _had(before), _everything)
    ran = Outcome.UNAVAILABLE not in {before, now}
    assert bool(changed.worse) is (ran and code is not ExitCode.OK)
    assert bool(changed.better) is (ran and before is not now and code is ExitCode.OK)


def test_a_failure_that_claims_accept_is_not_worse() -> None:
    known = replace(CASE, case=KNOWN, outcome=Outcome.REFUSED)
    for baseline in (NOTHING, _had(Outcome.PASS, case=KNOWN)):
        assert accepted.exit_code([CASE, known], baseline) is ExitCode.OK
        assert not accepted.changes([CASE, known], baseline, _everything).worse
    assert accepted.exit_code([replace(known, outcome=Outcome.CRASH)], NOTHING) is ExitCode.WORSE


def test_what_did_not_run_is_gone_with_the_reason_and_what_runs_now_is_new() -> None:
    gone = accepted.changes(
        [replace(CASE, outcome=Outcome.UNAVAILABLE, reason="no Java")], _had(Outcome.PASS), _everything
    )
    assert gone.lines()["gone"] == (ChangedCase(CASE.case, "PASS → UNAVAILABLE (no Java)"),)
    assert not gone.new
    new = accepted.changes([CASE], _had(Outcome.UNAVAILABLE), _everything)
    assert [one.case for one in new.new] == [CASE.case]
    assert not new.gone
    assert not accepted.changes([replace(CASE, outcome=Outcome.UNAVAILABLE)], NOTHING, _everything).new


def test_a_run_of_a_part_does_not_miss_what_it_was_not_to_cover() -> None:
    other = "interop/merge/spark→trino"
    baseline = Baseline({**_had(Outcome.PASS).entries, **_had(Outcome.PASS, case=other).entries})
    assert not accepted.changes([CASE], baseline, lambda _, about: about.feature == "append").gone
    assert [one.case for one in accepted.changes([CASE], baseline, _everything).gone] == [other]


@pytest.mark.parametrize(("case", "baseline"), [(KNOWN, NOTHING), (CASE.case, _had(Outcome.WRONG))])
def test_a_failure_that_is_accepted_and_passes_is_stale(case: str, baseline: Baseline) -> None:
    stale = accepted.stale([CASE, replace(CASE, case=case)], baseline)
    assert {one.case for one in stale} == {case}
    assert "passes now" in str(stale[0])
    assert accepted.stale([replace(CASE, case=case, outcome=Outcome.REFUSED)], baseline) == []


def test_another_verdict_of_the_same_outcome_is_told_and_does_not_count() -> None:
    judged = replace(CASE, evidence={"verdict": "better than claimed"})
    changed = accepted.changes([judged], _had(Outcome.PASS, verdict="as claimed"), _everything)
    assert changed.verdicts == {CASE.case: ("as claimed", "better than claimed")}
    assert not any(changed.lines().values())


def test_an_accepted_failure_says_who_accepted_it() -> None:
    acceptance = accepted.known_failure(replace(CASE, outcome=Outcome.WRONG), _had(Outcome.WRONG))
    assert acceptance == {"reason": "first look", "versions": "duckdb duckdb 1.5.5", "link": ""}
    assert accepted.known_failure(replace(CASE, outcome=Outcome.CRASH), _had(Outcome.WRONG)) is None
    by_glob = accepted.known_failure(_named(KNOWN, outcome=Outcome.REFUSED), NOTHING)
    assert by_glob is not None
    assert by_glob["link"].startswith("https://")


@pytest.mark.parametrize("accepted_then", [Outcome.PASS, Outcome.WRONG])
def test_an_error_of_ours_is_neither_accepted_nor_a_change_of_an_engine(accepted_then: Outcome) -> None:
    faults = [replace(CASE, outcome=Outcome.HARNESS_FAULT, reason="KeyError"), *_now(Outcome.PASS)[1:]]
    baseline = _had(accepted_then)
    changed = accepted.changes(faults, baseline, lambda _, about: about == CASE.coordinates)
    assert not accepted.is_accepted(faults[0], baseline)
    assert not any((changed.better, changed.worse, changed.gone))
    assert [one.case for one in changed.new] == ["interop/append/duckdb"]
    assert accepted.exit_code(faults, baseline) is ExitCode.HARNESS_FAULT


def test_what_is_gone_fails_the_run_and_is_counted_by_engine() -> None:
    names = [f"interop/append{number}/duckdb→trino" for number in range(24)]
    baseline = Baseline({name: _entry(name, "trino", Outcome.PASS) for name in names})
    cases = [_named(name, outcome=Outcome.UNAVAILABLE, reason="no Java") for name in names[:20]]
    cases.append(_named("interop/append/duckdb", engine="duckdb"))
    changed = accepted.changes(cases, baseline, _everything)
    gone = accepted.gone(changed.gone, cases, (), {})
    assert gone == (Gone("cases", "trino", "no Java", 24),)
    assert accepted.exit_code(cases, baseline, gone) is ExitCode.WORSE
    wrong = [*cases, _named("interop/merge/duckdb", outcome=Outcome.WRONG)]
    assert accepted.exit_code(wrong, baseline, gone) is ExitCode.WRONG_ANSWER
    assert accepted.exit_code(cases[:20], baseline, gone) is ExitCode.NOTHING_RAN


def test_an_engine_or_a_service_that_was_asked_for_and_did_not_run_is_gone() -> None:
    cases = [CASE, _named("interop/append/spark", engine="spark", outcome=Outcome.UNAVAILABLE, reason="no")]
    missing = accepted.gone((), cases, ("trino", "spark", "daft"), {"nessie": "refused"})
    assert missing == (
        Gone("service", "nessie", "refused"),
        Gone("engine", "spark", "no"),
        Gone("engine", "daft", "no case of this run asks it"),
    )
    assert accepted.exit_code(cases, NOTHING, missing) is ExitCode.WORSE


@pytest.mark.parametrize(
    ("now", "code"),
    [
        (Outcome.PASS, ExitCode.OK),
        (Outcome.CRASH, ExitCode.OK),
        (Outcome.TIMEOUT, ExitCode.WORSE),
        (Outcome.REFUSED, ExitCode.WORSE),
        (Outcome.WRONG, ExitCode.WRONG_ANSWER),
    ],
)
def test_of_a_race_any_accepted_outcome_is_fine_and_no_other_between_them(now: Outcome, code: ExitCode) -> None:
    race = _had(Outcome.PASS, Outcome.CRASH)
    changed = accepted.changes(_now(now), race, _everything)
    assert accepted.exit_code(_now(now), race) is code
    assert bool(changed.worse) is (code is not ExitCode.OK)
    assert not changed.better
    assert accepted.stale(_now(now), race) == []
    evidence = accepted.with_acceptance(_now(now)[0], race).evidence
    assert evidence["accepted_outcomes"] == ["PASS", "CRASH"]
    assert ("known" in evidence) is (now is Outcome.CRASH)


@pytest.mark.parametrize(
    ("of_plain", "of_version", "now", "code"),
    [
        (Outcome.WRONG, None, Outcome.WRONG, ExitCode.OK),
        (Outcome.PASS, None, Outcome.REFUSED, ExitCode.WORSE),
        (Outcome.REFUSED, None, Outcome.WRONG, ExitCode.WRONG_ANSWER),
        (Outcome.WRONG, Outcome.PASS, Outcome.WRONG, ExitCode.WRONG_ANSWER),
    ],
)
def test_a_version_is_held_against_what_is_accepted_of_it_or_else_of_the_engine(
    of_plain: Outcome, of_version: Outcome | None, now: Outcome, code: ExitCode
) -> None:
    newer = "interop/append/duckdb@1.5.6→trino"
    entries = {CASE.case: _entry(CASE.case, "trino", of_plain)}
    entries |= {newer: _entry(newer, "trino", of_version)} if of_version else {}
    case = _named(newer, outcome=now)
    assert accepted.exit_code([case], Baseline(entries)) is code
    assert ("known" in accepted.with_acceptance(case, Baseline(entries)).evidence) is (code is ExitCode.OK)
    assert not accepted.changes([case], Baseline(entries), _everything).new
    assert accepted.stale([replace(case, outcome=Outcome.PASS)], Baseline(entries)) == []


def test_a_race_may_end_in_not_running_where_that_was_accepted_too() -> None:
    race = _had(Outcome.PASS, Outcome.UNAVAILABLE)
    assert not accepted.changes(_now(Outcome.UNAVAILABLE), race, _everything).gone
    assert accepted.changes(_now(Outcome.UNAVAILABLE), _had(Outcome.PASS), _everything).gone


def test_what_an_engine_that_did_not_run_was_to_write_is_its_own_loss() -> None:
    names = ("interop/append/spark", "interop/append/spark→duckdb", "interop/append/spark→trino")
    cases = [
        CASE,
        _named("interop/append/duckdb", engine="duckdb"),
        *(_named(name, engine=name[-5:].strip("→"), outcome=Outcome.UNAVAILABLE, reason="no Java") for name in names),
    ]
    baseline = Baseline({name: _entry(name, name[-5:].strip("→"), Outcome.PASS) for name in names})
    changed = accepted.changes(cases, baseline, _everything)
    assert accepted.gone(changed.gone, cases, (), {}) == (Gone("cases", "spark", "no Java", 3),)
