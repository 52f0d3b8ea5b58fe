"""Phase 8 without servers: its plan, the statements that it makes, what it reads from plans, and its verdicts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from run_requests import request

from lakebench.datasets.postgresql.twins import QUESTIONS
from lakebench.engines import parse
from lakebench.engines.postgresql import literal
from lakebench.execution.cases import Case
from lakebench.model import Coordinates, Record, Sample
from lakebench.outcomes import Outcome, ReportVerdict
from lakebench.phases import find
from lakebench.phases.citus_fdw import answers, scenario
from lakebench.phases.citus_fdw.ends import CITUS, PAIRS, PG_LAKE, POSTGRES
from lakebench.phases.citus_fdw.report import sections
from lakebench.reports.content import Section, Table
from lakebench.results import records
from lakebench.results.records import FieldReport, Run

PUSHED = """Foreign Scan
  Output: region, (sum(amount))
  Relations: Aggregate on (fdw.orders t)
  Remote SQL: SELECT region, sum(amount) FROM fdw.orders GROUP BY 1"""
FETCHED = """HashAggregate
  Output: region, sum(amount)
  ->  Foreign Scan on fdw.orders t
        Output: region, amount
        Remote SQL: SELECT region, amount FROM fdw.orders"""


def _case(check: str, test: str, pair: int = 0, outcome: Outcome = Outcome.PASS, **given: Any) -> Record:
    ends = {"local": PAIRS[pair].local.service, "remote": PAIRS[pair].remote.service}
    about = Coordinates(engine="postgres", check=check, test=test, more=ends)
    made = Record(f"phase8/{PAIRS[pair].name}/{check}-{test}", "phase8", "", "postgres", outcome, coordinates=about,
                  row=test, column=PAIRS[pair].name)  # fmt: skip
    return replace(made, **given)


def _times(*ms: float, kind: str = "warm") -> tuple[Sample, ...]:
    return tuple(
        Sample(kind, int(one * 1e6), 0, at, at, 1, 0)  # type: ignore[arg-type]
        for at, one in enumerate(ms)
    )


def _reports(*cases: Record) -> dict[str, FieldReport]:
    return {one.report: one for one in find("phase8").judge_field_reports(cases, "1")}


def _planned(*engines: str) -> list[Case]:
    context: Any = SimpleNamespace(request=request(*map(parse, engines)))
    return [case for block in find("citus_fdw").plan(context) for case in block.cases]


def _sections(*cases: Record) -> list[Section]:
    run: Any = SimpleNamespace(cases=cases)
    return sections(run)


def test_every_pair_is_asked_the_same_and_the_ids_are_unique() -> None:
    cases = _planned("postgres")
    assert len({case.id for case in cases}) == len(cases)
    by_pair = [{case.id.rpartition("/")[2] for case in cases if f"/{pair.name}/" in case.id} for pair in PAIRS]
    by_pair[PAIRS.index(scenario.PAIR)] -= {"scenario-postgres"}
    assert all(one == by_pair[0] for one in by_pair)
    assert {(pair.local, pair.remote) for pair in PAIRS} >= {(CITUS, PG_LAKE), (PG_LAKE, CITUS)}


def test_every_engine_of_the_run_that_reads_iceberg_reads_the_row_of_the_scenario() -> None:
    cases = _planned("postgres", "duckdb", "spark-jdbc", "duckdb@1.4.4", "trino")
    read = {case.coordinates.reader: case for case in cases if case.coordinates.check == "scenario"}
    assert set(read) == {"postgres", "duckdb", "duckdb@1.4.4", "trino"}
    assert {case.column for case in read.values()} == {"citus→pg_lake"}
    assert read["duckdb@1.4.4"].coordinates.participants == ("postgres", "duckdb@1.4.4")


def test_without_its_client_the_phase_has_no_cases() -> None:
    assert not _planned("duckdb")


@pytest.mark.parametrize(("plan", "pushed", "remote"), [(PUSHED, True, "GROUP BY 1"), (FETCHED, False, "amount FROM")])
def test_a_plan_says_who_aggregates(plan: str, pushed: bool, remote: str) -> None:
    evidence = answers.pushed_by(plan.splitlines())
    assert evidence["aggregate_pushed"] is pushed
    assert remote in evidence["remote"][0]


def test_a_defeated_question_asks_for_rows_alone() -> None:
    question = QUESTIONS["left-join"]
    pushed, rows, twin = answers._texts(question, "orders")
    assert "FROM own r LEFT JOIN orders o" in pushed
    assert rows.startswith("WITH fetched AS MATERIALIZED (SELECT * FROM orders) SELECT")
    assert "FROM own r LEFT JOIN fetched o" in rows
    assert "FROM regions r LEFT JOIN twin o" in twin


def test_tables_are_of_the_kind_of_their_end() -> None:
    assert POSTGRES.made("t", "id integer") == ("CREATE TABLE t (id integer)",)
    assert PG_LAKE.made("t", "id integer") == ("CREATE TABLE t (id integer) USING iceberg",)
    assert CITUS.made("t", "id integer")[1] == "SELECT create_distributed_table('t', 'id', shard_count := 4)"
    assert literal("it's") == "'it''s'"


def test_pushdown_is_reproduced_by_citus_that_asks_pg_lake_alone() -> None:
    plain = _case("pushdown", "grouped-analyzed", evidence={"aggregate_pushed": True})
    report = _reports(plain)["C24"]
    assert report.verdict is ReportVerdict.COULD_NOT_RUN
    assert "postgres→postgres-remote" in str(report.ours)
    theirs = _case("pushdown", "grouped-analyzed", 1, evidence={"aggregate_pushed": True})
    not_analyzed = _case("pushdown", "grouped-plain", 1, evidence={"aggregate_pushed": False})
    assert _reports(theirs, not_analyzed)["C24"].verdict is ReportVerdict.REPRODUCED
    fetched = replace(theirs, evidence={"aggregate_pushed": False})
    assert _reports(fetched)["C24"].verdict is ReportVerdict.NOT_REPRODUCED


def test_latencies_are_judged_by_their_ratios() -> None:
    ms = {"insert": 205.0, "update": 99.0, "delete": 70.0}
    cases = [_case("latency", name, 1, samples=_times(one)) for name, one in ms.items()]
    cases.append(_case("latency", "select", 1, samples=(*_times(102, kind="cold"), *_times(3))))
    assert _reports(*cases)["C25"].verdict is ReportVerdict.REPRODUCED
    assert _reports(*cases)["C25"].ours["select, cold"] == "102.0 ms"
    assert _reports(*cases[1:])["C25"].verdict is ReportVerdict.COULD_NOT_RUN


def test_a_reader_that_sees_something_else_contradicts_the_report() -> None:
    seen: dict[str, Any] = {"readers": {"pg_lake": [], "citus": [], "duckdb, from the metadata file": []}}
    right = _case("write", "committed", 1, evidence=seen)
    assert _reports(right)["C26"].verdict is ReportVerdict.REPRODUCED
    wrong = _case("write", "rolled-back", 1, Outcome.WRONG, evidence=seen)
    assert _reports(right, wrong)["C26"].verdict is ReportVerdict.NOT_REPRODUCED


def test_the_report_shows_where_aggregates_are_computed_and_what_a_death_leaves() -> None:
    (section,) = _sections(
        _case("pushdown", "grouped-plain", evidence={"aggregate_pushed": False}),
        _case("latency", "insert", samples=_times(1, 2, 3, 4, 5), versions={"postgres postgresql": "18.6"}),
        _case("death", "session-after-commit", outcome=Outcome.WRONG,
              evidence={"rows": {"postgres": 0, "postgres-remote": 1}, "said": "closed"}),
    )  # fmt: skip

    texts = [[cell.text for cell in row] for part in section.parts if isinstance(part, Table) for row in part.rows]
    assert ["grouped-plain", "here"] in texts
    assert any("3.0" in row for row in texts)
    assert ["postgres→postgres-remote", "postgres postgresql 18.6"] in texts
    assert any("postgres 0, postgres-remote 1" in row and "closed" in row for row in texts)


def test_a_run_in_which_no_pair_ran_has_no_section() -> None:
    assert _sections(_case("pushdown", "grouped-plain", outcome=Outcome.UNAVAILABLE)) == []


# A recorded run on real servers: Citus 14.0.1 that asks pg_lake 3.5, both on PostgreSQL 17.2.

(RECORDED,) = (Path(__file__).parents[2] / "fixtures" / "phase8").iterdir()


@pytest.fixture(scope="module")
def recorded() -> Run:
    return records.read(RECORDED)


def test_the_verdicts_of_a_recorded_run_are_those_that_it_wrote(recorded: Run) -> None:
    judged = _reports(*recorded.cases)
    assert {name: one.ours for name, one in judged.items()} == {one.report: one.ours for one in recorded.field_reports}
    assert {name: one.verdict for name, one in judged.items()} == {
        "C24": ReportVerdict.REPRODUCED,
        "C25": ReportVerdict.NOT_REPRODUCED,
        "C26": ReportVerdict.REPRODUCED,
    }


def test_a_reader_that_had_another_row_would_change_the_verdict_of_the_recorded_run(recorded: Run) -> None:
    cases = [
        replace(one, outcome=Outcome.WRONG) if one.coordinates.check == "write" and one.outcome is Outcome.PASS else one
        for one in recorded.cases
    ]
    assert _reports(*cases)["C26"].verdict is ReportVerdict.NOT_REPRODUCED


def test_the_report_of_a_recorded_run_has_every_reader_of_the_row_and_every_death(recorded: Run) -> None:
    (section,) = sections(recorded)
    tables = {part.caption: part for part in section.parts if isinstance(part, Table)}
    readers = [row[0].text for row in tables["A row written through Citus into pg_lake"].rows]
    assert readers[0] == "pg_lake itself"
    assert {"duckdb", "iceberg_scan", "daft"} <= set(readers)
    assert len(tables["What a death leaves"].rows) == 3
