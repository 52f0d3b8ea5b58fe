from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from lakebench import accepted
from lakebench.accepted import Acceptance, Baseline, Entry
from lakebench.errors import UsageError
from lakebench.model import ExitCode, Outcome, Record
from lakebench.records import EngineFacts, Header, Run

KNOWN = "phase4/nessie/old-snapshot/trino→spark"  # claims.toml of the phases accepts REFUSED
CASE = Record(case="interop/append/duckdb→trino", phase="interop", title="", engine="trino", outcome=Outcome.PASS)
BY = Acceptance(1, "20261120T090000Z-interop-0001", "2026-11-20", "first look", {"duckdb": "duckdb 1.5.5"})
FAILURES = (Outcome.REFUSED, Outcome.OUT_OF_MEMORY, Outcome.TIMEOUT, Outcome.CRASH, Outcome.WRONG)
NOTHING = Baseline()


def _had(outcome: Outcome, case: str = CASE.case, verdict: str = "") -> Baseline:
    return Baseline({case: Entry(outcome, verdict, BY)})


def _now(outcome: Outcome) -> list[Record]:
    return [replace(CASE, outcome=outcome, reason="so it is"), replace(CASE, case="interop/append/duckdb")]


def _run(cases: list[Record], name: str = "20261121T101500Z-interop-a1b2") -> Run:
    versions = {"duckdb": "1.5.5", "extension iceberg": "6561bfc"}
    return Run(
        path=Path("records.jsonl"),
        header=Header(run=name, phases=("interop",), command="lakebench run interop", started="2026-11-21"),
        engines=(EngineFacts("duckdb", versions), EngineFacts("trino", {"trino": "476"}), EngineFacts("pg_duckdb")),
        cases=tuple(cases),
    )


def _everything(_: str) -> bool:
    return True


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ([Outcome.PASS, Outcome.UNAVAILABLE], ExitCode.OK),
        ([Outcome.PASS, Outcome.REFUSED], ExitCode.WORSE),
        ([Outcome.PASS, Outcome.TIMEOUT, Outcome.CRASH], ExitCode.WORSE),
        ([Outcome.REFUSED, Outcome.WRONG, Outcome.PASS], ExitCode.WRONG_ANSWER),
        ([Outcome.UNAVAILABLE, Outcome.UNAVAILABLE], ExitCode.NOTHING_RAN),
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
        (Outcome.PASS, Outcome.UNAVAILABLE, ExitCode.OK),
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
    assert bool(changed.wrong_not_accepted) is (code is ExitCode.WRONG_ANSWER)


def test_a_failure_that_claims_accept_is_not_worse() -> None:
    known = replace(CASE, case=KNOWN, outcome=Outcome.REFUSED)
    for baseline in (NOTHING, _had(Outcome.PASS, KNOWN)):
        assert accepted.exit_code([CASE, known], baseline) is ExitCode.OK
        assert not accepted.changes([CASE, known], baseline, _everything).worse
    assert accepted.exit_code([replace(known, outcome=Outcome.CRASH)], NOTHING) is ExitCode.WORSE


def test_what_did_not_run_is_gone_with_the_reason_and_what_runs_now_is_new() -> None:
    gone = accepted.changes([replace(CASE, outcome=Outcome.UNAVAILABLE, reason="no Java")], _had(Outcome.PASS), bool)
    assert gone.lines()["gone"] == (f"{CASE.case}: PASS → UNAVAILABLE (no Java)",)
    assert not gone.new
    new = accepted.changes([CASE], _had(Outcome.UNAVAILABLE), _everything)
    assert [one.case for one in new.new] == [CASE.case]
    assert not new.gone
    assert not accepted.changes([replace(CASE, outcome=Outcome.UNAVAILABLE)], NOTHING, _everything).new


def test_a_run_of_a_part_does_not_miss_what_it_was_not_to_cover() -> None:
    other = "interop/merge/spark→trino"
    baseline = Baseline({**_had(Outcome.PASS).entries, **_had(Outcome.PASS, other).entries})
    assert not accepted.changes([CASE], baseline, lambda case: case.startswith("interop/append/")).gone
    assert [one.case for one in accepted.changes([CASE], baseline, _everything).gone] == [other]


@pytest.mark.parametrize(("case", "baseline"), [(KNOWN, NOTHING), (CASE.case, _had(Outcome.WRONG))])
def test_a_failure_that_is_accepted_and_passes_is_stale(case: str, baseline: Baseline) -> None:
    found = accepted.stale([CASE, replace(CASE, case=case)], baseline)
    assert {one.case for one in found} == {case}
    assert "passes now" in str(found[0])
    assert accepted.stale([replace(CASE, case=case, outcome=Outcome.REFUSED)], baseline) == []


def test_another_verdict_of_the_same_outcome_is_told_and_does_not_count() -> None:
    judged = replace(CASE, evidence={"verdict": "better than claimed"})
    changed = accepted.changes([judged], _had(Outcome.PASS, verdict="as claimed"), _everything)
    assert changed.verdicts == {CASE.case: ("as claimed", "better than claimed")}
    assert not any(changed.lines().values())


def test_an_accepted_failure_says_who_accepted_it() -> None:
    told = accepted.known(CASE.case, Outcome.WRONG, _had(Outcome.WRONG))
    assert told == {"reason": "first look", "versions": "duckdb duckdb 1.5.5", "link": ""}
    assert accepted.known(CASE.case, Outcome.CRASH, _had(Outcome.WRONG)) is None
    by_glob = accepted.known(KNOWN, Outcome.REFUSED, NOTHING)
    assert by_glob is not None
    assert by_glob["link"].startswith("https://")


def test_what_is_accepted_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / accepted.FILE
    cases = [replace(CASE, outcome=Outcome.WRONG, evidence={"verdict": "broken claim"}), *_now(Outcome.PASS)[1:]]
    counts = accepted.accept(_run(cases), "  seen and\nreported ", file)
    assert (counts.cases, counts.new, counts.changed, counts.same) == (2, 2, 0, 0)
    assert counts.outcomes[Outcome.WRONG] == 1
    baseline = accepted.load(file, tmp_path / "none")
    entry = baseline.of(CASE.case)
    assert entry is not None
    assert (entry.outcome, entry.verdict, entry.by.reason) == (Outcome.WRONG, "broken claim", "seen and reported")
    assert entry.by.versions == {"duckdb": "duckdb 1.5.5, extension iceberg 6561bfc", "trino": "trino 476"}
    assert accepted.exit_code(cases, baseline) is ExitCode.OK


def test_a_diff_shows_what_changed_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / accepted.FILE
    accepted.accept(_run(_now(Outcome.PASS)), "first", file)
    before = file.read_text().splitlines()
    counts = accepted.accept(_run(_now(Outcome.REFUSED), "20261122T101500Z-interop-b2c3"), "second", file)
    after = file.read_text().splitlines()
    assert (counts.new, counts.changed, counts.same) == (0, 1, 1)
    assert set(before) - set(after) == {
        next(line for line in before if line.startswith('"1": ')),  # it ends with a comma now
        next(line for line in before if line.startswith(f'"{CASE.case}"')),
    }
    assert [line for line in after if CASE.case in line] == [f'"{CASE.case}": ["REFUSED", "", 2]']
    cases = [line for line in after if line.startswith('"interop')]
    assert cases == sorted(cases)


def test_an_acceptance_that_nothing_refers_to_any_more_goes(tmp_path: Path) -> None:
    file = tmp_path / accepted.FILE
    accepted.accept(_run([CASE]), "first", file)
    accepted.accept(_run([replace(CASE, outcome=Outcome.CRASH)]), "second", file)
    assert [one["reason"] for one in json.loads(file.read_text())["acceptances"].values()] == ["second"]


def test_the_users_file_wins_over_the_shipped_one(tmp_path: Path) -> None:
    own, shipped = tmp_path / "own.json", tmp_path / "shipped.json"
    accepted.accept(_run(_now(Outcome.PASS)), "shipped", shipped)
    accepted.accept(_run([replace(CASE, outcome=Outcome.REFUSED)]), "ours", own)
    baseline = accepted.load(own, shipped)
    told: Mapping[str, str] = {case: entry.by.reason for case, entry in baseline.entries.items()}
    assert told == {CASE.case: "ours", "interop/append/duckdb": "shipped"}


def test_what_ships_is_sound() -> None:
    accepted.load(Path("there is no such file"))


@pytest.mark.parametrize(
    ("old", "new", "line", "why"),
    [
        ('"cases": {', '"cases": {{', 6, "Expecting"),
        ('["PASS", "", 1]', '["FINE", "", 1]', 7, "'FINE' is no outcome"),
        ('["PASS", "", 1]', '["PASS", "", 7]', 7, "there is no acceptance 7"),
        ('["PASS", "", 1]', '["PASS"]', 7, "it is not [outcome, verdict, number of an acceptance]"),
        ('"reason"', '"season"', 4, "it is not an acceptance"),
        ('"acceptances"', '"exceptions"', 1, "it has no acceptances and cases"),
    ],
)
def test_a_damaged_file_is_told_with_its_line(tmp_path: Path, old: str, new: str, line: int, why: str) -> None:
    file = tmp_path / accepted.FILE
    accepted.accept(_run([CASE]), "first", file)
    file.write_text(file.read_text().replace(old, new), encoding="utf-8")
    with pytest.raises(UsageError) as error:
        accepted.load(file, tmp_path / "none")
    assert f"{file} line {line} is damaged" in str(error.value)
    assert why in str(error.value)
    assert "restore the file from version control" in str(error.value)


def test_a_file_of_a_newer_harness_is_told(tmp_path: Path) -> None:
    file = tmp_path / accepted.FILE
    accepted.accept(_run([CASE]), "first", file)
    file.write_text(file.read_text().replace('"schema": 1', '"schema": 2'), encoding="utf-8")
    with pytest.raises(UsageError, match="upgrade lakebench-harness"):
        accepted.load(file, tmp_path / "none")


@pytest.mark.parametrize(("cases", "reason"), [([CASE], " \n"), ([], "seen")])
def test_nothing_is_accepted_without_a_reason_or_a_case(tmp_path: Path, cases: list[Record], reason: str) -> None:
    with pytest.raises(UsageError):
        accepted.accept(_run(cases), reason, tmp_path / accepted.FILE)
    assert not list(tmp_path.iterdir())


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be written"):
        accepted.accept(_run([CASE]), "seen", tmp_path / "nowhere" / accepted.FILE)


def test_a_run_on_another_catalog_is_not_accepted(tmp_path: Path) -> None:
    header = Header("r", ("interop",), "c", "2026-11-21T00:00:00+00:00", {"selection": {"catalog": "nessie"}})
    with pytest.raises(UsageError, match="ran on the catalog nessie"):
        accepted.accept(Run(tmp_path, header), "why not", tmp_path / accepted.FILE)
