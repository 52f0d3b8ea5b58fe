"""Recorded runs on real servers with pg_duckdb and PGSpider hold the verdicts on C2, C5, C8 and C9."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakebench.outcomes import Outcome, ReportVerdict
from lakebench.phases import find
from lakebench.results import claims, records
from lakebench.results.records import FieldReport

FIXTURES = Path(__file__).parents[2] / "fixtures"


def recorded(phase: str) -> tuple[records.Run, dict[str, FieldReport]]:
    """The recorded run of ``phase``, and what is said of it now."""
    (folder,) = (FIXTURES / phase).iterdir()
    run = records.read(folder)
    size = next((dataset.scale_factor for dataset in run.datasets), "")
    return run, {report.report: report for report in find(phase).judge_field_reports(run.cases, size)}


def test_pg_duckdb_attaches_no_ducklake_and_its_error_is_not_theirs() -> None:
    run, reports = recorded("phase1")
    assert (reports["C2"].verdict, reports["C2"].ours) == (ReportVerdict.DIRECTION_ONLY, {"pg_duckdb": "10 REFUSED"})
    assert "libpq is incorrectly linked to backend functions" in reports["C2"].detail
    asked = [case for case in run.cases if case.engine == "pg_duckdb"]
    assert all(claims.accepted_as(case.case, case.outcome) for case in asked)
    assert "password='***'" in asked[0].reason


def test_pg_duckdb_answers_all_queries_of_tpch_in_object_storage() -> None:
    run, reports = recorded("phase3")
    asked = [case for case in run.cases if case.engine == "pg_duckdb"]
    assert [case.outcome for case in asked] == [Outcome.PASS] * 22
    assert all(case.evidence["checked_against"] and case.samples for case in asked)
    assert reports["C6"].ours == {"pg_duckdb on s3": "22 of 22 right"}


def test_pgspider_appends_and_its_nodes_compute() -> None:
    run, reports = recorded("phase2")
    assert reports["C5"].verdict is ReportVerdict.NOT_REPRODUCED
    assert reports["C5"].ours["plans that append (UNION ALL)"] == "18 of 18"
    assert reports["C5"].ours["partitionwise off: nodes compute"] == "nothing"
    asked = [case for case in run.cases if case.coordinates.more.get("shape") == "pgspider"]
    assert [case.outcome for case in asked] == [Outcome.PASS] * 20


def test_three_engines_answer_one_snapshot_alike_and_in_the_order_of_the_report() -> None:
    run, reports = recorded("phase4")
    assert {case.engine for case in run.cases if case.outcome is Outcome.PASS} >= {"pg_duckdb", "trino", "spark-jdbc"}
    assert (reports["C8"].verdict, reports["C9"].verdict) == (ReportVerdict.DIRECTION_ONLY, ReportVerdict.REPRODUCED)
    assert reports["C8"].ours["trino"] == "2.23 s (2.01 to 2.68)"
    assert reports["C8"].ours["spark-jdbc, cold, with its start"] == "52.63 s"
    assert "trino over pg_duckdb: theirs 6.4 times, ours 3.6 times (3.0 to 4.3)" in reports["C8"].detail


@pytest.mark.parametrize(("phase", "named"), [("phase1", {"C2"}), ("phase2", {"C5"}), ("phase4", {"C8", "C9"})])
def test_a_recorded_run_said_the_same(phase: str, named: set[str]) -> None:
    run, reports = recorded(phase)
    said = {report.report: (report.verdict, report.ours) for report in run.field_reports if report.report in named}
    assert said == {name: (reports[name].verdict, reports[name].ours) for name in named}
