from __future__ import annotations

from dataclasses import replace

import pytest

from lakebench import claims
from lakebench.model import ExitCode, Outcome, Record

KNOWN = "phase4/nessie/old-snapshot/trino→spark"
CASE = Record(case="phase4/q01/duckdb", phase="phase4", title="", engine="duckdb", outcome=Outcome.PASS)


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
def test_exit_codes(outcomes: list[Outcome], code: ExitCode) -> None:
    assert claims.exit_code(replace(CASE, outcome=outcome) for outcome in outcomes) is code


def test_a_known_failure_is_accepted_and_another_kind_of_it_is_not() -> None:
    known = replace(CASE, case=KNOWN, outcome=Outcome.REFUSED)
    assert claims.is_accepted(known)
    assert claims.exit_code([CASE, known]) is ExitCode.OK
    assert not claims.is_accepted(replace(known, outcome=Outcome.CRASH))
    assert claims.exit_code([CASE, replace(known, outcome=Outcome.WRONG)]) is ExitCode.WRONG_ANSWER


def test_a_known_failure_that_passes_is_reported() -> None:
    assert [case.case for case, _ in claims.stale([CASE, replace(CASE, case=KNOWN)])] == [KNOWN]
    assert claims.stale([replace(CASE, case=KNOWN, outcome=Outcome.REFUSED)]) == []


def test_every_accepted_outcome_says_why_and_where() -> None:
    assert claims.accepted()
    for one in claims.accepted():
        assert one.reason
        assert one.versions
        assert one.outcome not in {Outcome.PASS, Outcome.UNAVAILABLE}
