"""Phase 4.5 without servers: its plan, how answers are compared, what a recorded run says, and its verdicts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from run_requests import request

from lakebench.datasets.postgresql.edges import predicates, typed
from lakebench.errors import EngineCrash, EngineUnavailable, Refused, WrongAnswer
from lakebench.execution.cases import Case
from lakebench.model import EngineRef, Record, Sample
from lakebench.outcomes import Outcome, ReportVerdict
from lakebench.phases import find
from lakebench.phases.pg_lake import (
    collations,
    expressions,
    layouts,
    memory,
    session,
    statements,
    told,
    transactions,
    values,
)
from lakebench.phases.pg_lake.report import sections
from lakebench.phases.pg_lake.server import CLIENT
from lakebench.phases.pg_lake.session import Reply
from lakebench.phases.pg_lake.twins import Twins, difference
from lakebench.reports.content import Plot, Section, Table
from lakebench.results import records
from lakebench.results.records import FieldReport, Run

RECORDED = Path(__file__).parents[2] / "fixtures" / "pg_lake"
ONE_TWO = (("1", "a"), ("2", None))


class Side:
    """A session that answers from a list, and remembers what it was asked."""

    def __init__(self, **answers: Reply) -> None:
        self.answers, self.asked = answers, list[str]()

    def run(self, sql: str, _values: Any = None) -> Reply:
        self.asked.append(sql)
        return self.answers.get(sql.partition(" ")[0].lower(), Reply("SELECT 1", (("same",),)))


def _twins(heap: Side, lake: Side, *, states: bool = False) -> Twins:
    sides: Any = heap, lake
    return Twins(*sides, states=states)


def _planned(engine: str) -> list[Case]:
    context: Any = SimpleNamespace(request=request(EngineRef(engine)))
    return [case for block in find("phase45").plan(context) for case in block.cases]


@pytest.fixture(scope="module")
def recorded() -> Run:
    return records.read(RECORDED)


def _reports(*cases: Record) -> dict[str, FieldReport]:
    return {one.report: one for one in find("phase45").judge_field_reports(cases, "1")}


def _sections(*cases: Record) -> list[Section]:
    run: Any = SimpleNamespace(cases=cases)
    return sections(run)


def _tables(made: list[Section]) -> dict[str, Table]:
    return {part.caption: part for section in made for part in section.parts if isinstance(part, Table)}


# The plan.


def test_every_case_has_an_id_and_coordinates_of_its_own() -> None:
    cases = _planned(CLIENT.name)
    assert len({case.id for case in cases}) == len(cases)
    places = {(case.coordinates.check, case.coordinates.test) for case in cases}
    assert len(places) == len(cases)
    assert {check for check, _ in places} == {
        "told", "latency", "statement", "expression", "type", "layout", "transaction", "death", "objects", "memory",
        "acid", "evolution", "collation",
    }  # fmt: skip


def test_without_its_engine_the_phase_has_no_cases() -> None:
    assert not _planned("duckdb")


def test_each_value_of_a_type_is_compared_and_none_is_asked_for_the_order_of_json() -> None:
    for kind, limits in values.TYPES.items():
        asked = list(predicates("v", kind, limits))
        assert all(f"v <> {typed(one, kind)}" in asked for one in limits)
        assert {"v IS NULL", "v IS NOT NULL"} <= set(asked)
    names = {case.coordinates.test for case in _planned(CLIENT.name)}
    assert {"json-values", "json-text", "jsonb-order", "timetz-zone"} <= names
    assert not {"json-order", "json-filter", "text-zone"} & names


def test_types_have_names_of_their_own_in_ids() -> None:
    names = {values.name_of(kind) for kind in values.TYPES}
    assert len(names) == len(values.TYPES)
    assert {"numeric-38-10", "integer-array", "double-precision"} <= names


def test_each_edge_value_of_a_layout_is_in_a_row_and_none_overflows_when_it_is_changed() -> None:
    for column, (kind, edges) in layouts.COLUMNS.items():
        written = [layouts._value(column, row) for row in range(layouts._ROWS)]
        assert set(written) == {"NULL", *(f"'{one}'::{kind}" for one in edges)}
    changed = {layouts._value("n", row) for row in (2, 6)}
    assert not changed & {"'9223372036854775807'::bigint", "NULL"}


def test_a_partition_of_each_kind_is_asked() -> None:
    options = " ".join(one.options for one in layouts.LAYOUTS.values())
    for transform in ("truncate(10", "truncate(3", "bucket(", "day(", "hour(", "month(", "year("):
        assert transform in options


def test_a_query_for_its_memory_needs_more_than_the_limit_of_any_server() -> None:
    for limit in (2**28, 2**30, 2**36):
        text = memory.greedy(limit)
        joined = text.count("a.v") + text.count("b.v")
        assert joined * memory._BYTES * memory._ROWS**2 > 2 * limit
    assert memory.greedy(2**30).count("a.v") == 1


# How answers are compared.


@pytest.mark.parametrize(
    ("sql", "heap", "lake", "same"),
    [
        ("SELECT * FROM t", ONE_TWO, ONE_TWO[::-1], True),
        ("SELECT * FROM t ORDER BY id", ONE_TWO, ONE_TWO[::-1], False),
        ("SELECT sum(i) OVER (ORDER BY id) FROM t", ONE_TWO, ONE_TWO[::-1], True),
        ("SELECT * FROM t", ONE_TWO, ONE_TWO[:1], False),
        ("SELECT * FROM t", (("NaN",),), (("nan",),), False),
        ("SELECT * FROM t", ((None,),), (("",),), False),
    ],
)
def test_rows_are_the_same_in_any_order_unless_the_statement_orders_them(
    sql: str, heap: tuple[Any, ...], lake: tuple[Any, ...], same: bool
) -> None:
    found = difference(sql, Reply("SELECT", heap), Reply("SELECT", lake))
    assert (found is None) is same


def test_an_answer_where_postgresql_has_an_error_is_a_difference_and_two_errors_are_none() -> None:
    zero, infinite = Reply(state="22012", error="division by zero"), Reply("SELECT 1", (("Infinity",),))
    answered = difference("SELECT 1", zero, infinite)
    assert answered is not None
    assert not answered.refused
    other = Reply(state="0A000", error="Out of Range Error")
    assert difference("SELECT 1", zero, other) is None
    assert difference("SELECT 1", zero, other, states=True) is not None


def test_another_command_tag_is_a_difference() -> None:
    assert difference("INSERT", Reply("INSERT 0 0"), Reply("INSERT 0 1")) is not None


def test_zeros_at_the_end_of_a_numeric_say_nothing() -> None:
    assert [session._number(one) for one in (b"1.500", b"2.000", b"100", b"NaN", b"0.0")] == [
        "1.5", "2", "100", "NaN", "0",
    ]  # fmt: skip


def test_a_wrong_answer_outweighs_what_is_refused() -> None:
    heap = Side(select=Reply("SELECT 1", (("1",),)), merge=Reply("MERGE 1"))
    lake = Side(select=Reply("SELECT 1", (("2",),)), merge=Reply(state="0A000", error="cannot execute MERGE"))
    pair = _twins(heap, lake)
    pair.ask("MERGE INTO t")
    with pytest.raises(Refused, match="cannot execute MERGE"):
        pair.evidence()
    pair.ask("SELECT x")
    with pytest.raises(WrongAnswer, match="a heap table: 1; pg_lake: 2") as caught:
        pair.evidence()
    assert len(caught.value.details["differences"]) == 2  # type: ignore[arg-type]


def test_after_a_refused_write_nothing_more_is_asked_and_after_a_refused_query_the_rest_is() -> None:
    refused = Reply(state="0A000", error="no")
    pair = _twins(Side(), Side(insert=refused))
    pair.run(["INSERT INTO t", "SELECT 1"])
    assert pair.asked == ["INSERT INTO t"]
    other = _twins(Side(), Side(select=refused))
    other.run(["SELECT 1", "VALUES (1)"])
    assert other.asked == ["SELECT 1", "VALUES (1)"]


def test_the_heap_table_is_made_by_the_same_statement_without_its_access_method() -> None:
    heap, lake = Side(), Side()
    _twins(heap, lake).ask("CREATE TABLE k (id integer) USING iceberg")
    assert (heap.asked, lake.asked) == (
        ["CREATE TABLE k (id integer)"],
        ["CREATE TABLE k (id integer) USING iceberg"],
    )


def test_a_difference_of_many_conditions_names_the_one_that_differs() -> None:
    lake = Side()
    lake.run = lambda sql, _values=None: Reply("SELECT 1", (("other" if "= 2" in sql else "same",),))  # type: ignore[method-assign]
    pair = _twins(Side(), lake)
    values.ask_each(pair, ("v = 1", "v = 2", "v = 3"), "id")
    assert [one.sql for one in pair.differences] == ["SELECT id FROM t WHERE v = 2"]


def test_scripts_expressions_and_statements_of_the_report_are_of_the_table_that_is_made() -> None:
    for script in statements.SCRIPTS.values():
        assert script.steps
    assert all(" FROM t" in sql for queries in expressions.questions().values() for sql in queries)
    assert {one.snapshots for one in told.STATEMENTS.values()} == {0, 1, None}


# Transactions and memory.


def test_a_commit_that_was_acknowledged_and_left_nothing_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    for said, counts, wrong in (
        ("", ("3", "3", "3"), False),
        ("the connection is lost", ("2", "2", "2"), False),
        ("", ("2", "2", "2"), True),
        ("the connection is lost", ("3", "2", "3"), True),
    ):
        monkeypatch.setattr(transactions, "_made", lambda _: None)
        monkeypatch.setattr(transactions, "_commit", lambda _, said=said: said)
        monkeypatch.setattr(transactions, "_after", lambda *_, counts=counts: (counts, 0.1))
        monkeypatch.setattr(transactions, "CrashWatch", lambda *_: SimpleNamespace(recover=lambda: None))
        server: Any = _Server()
        if wrong:
            with pytest.raises(WrongAnswer, match="the death left"):
                transactions._death(server, "x", lambda *_: None)
        else:
            assert transactions._death(server, "x", lambda *_: None)["rows"] == counts


class _Server:
    """A server whose sessions accept everything."""

    context = SimpleNamespace(services=None)

    def session(self, _name: str) -> Any:
        import contextlib

        return contextlib.nullcontext(SimpleNamespace(must=lambda *_: None))


def test_a_bystander_that_fails_though_the_server_goes_on_is_a_crash() -> None:
    services = SimpleNamespace(died=lambda _: False)
    server: Any = SimpleNamespace(context=SimpleNamespace(services=services))
    bystander: Any = SimpleNamespace(wrong=[], failed=[])
    assert memory._judged(server, bystander, "out of memory", {"a": 1}) == {"a": 1}
    bystander.failed = ["could not start query engine"]
    with pytest.raises(EngineCrash, match="which needs no memory"):
        memory._judged(server, bystander, "out of memory", {})
    bystander.wrong = ["0"]
    with pytest.raises(WrongAnswer):
        memory._judged(server, bystander, "out of memory", {})


# A recorded run, with pg_lake 3.5 on PostgreSQL 17.2.


def test_the_recorded_run_is_of_cases_of_the_plan(recorded: Run) -> None:
    planned = {case.id: case.coordinates for case in _planned(CLIENT.name)}
    assert len(recorded.cases) > 290
    assert {case.case: case.coordinates for case in recorded.cases}.items() <= planned.items()


def test_the_field_reports_of_the_recorded_run(recorded: Run) -> None:
    reports = _reports(*recorded.cases)
    assert reports["C10"].verdict is ReportVerdict.REPRODUCED
    assert "pg_lake 3.5" in reports["C10"].detail
    kept = {one.report: one.verdict for one in recorded.field_reports}
    assert {name: reports[name].verdict for name in ("C10", "C11")} == {name: kept[name] for name in ("C10", "C11")}


def test_why_nothing_ran_is_said_by_cases_of_its_own_kind(recorded: Run) -> None:
    (create,) = (case for case in recorded.cases if case.case == "phase45/told/create")
    absent = replace(create, outcome=Outcome.UNAVAILABLE, reason="no pg_lake")
    other = replace(absent, coordinates=replace(absent.coordinates, check="acid"), reason="no Spark")
    made = _reports(other, absent)
    assert made["C10"].detail == "pg_lake did not run: no pg_lake"
    assert made["C11"].detail == "pg_lake did not run: not asked"


def test_one_statement_that_fails_and_a_slow_query_are_other_verdicts(recorded: Run) -> None:
    failed = [
        replace(case, outcome=Outcome.WRONG) if case.case == "phase45/told/rollback" else case
        for case in recorded.cases
    ]
    assert _reports(*failed)["C10"].verdict is ReportVerdict.NOT_REPRODUCED
    assert _reports()["C10"].verdict is ReportVerdict.COULD_NOT_RUN
    timed = {str(case.coordinates.test): case for case in recorded.cases if case.coordinates.check == "latency"}
    for lake_ms, heap_ms, verdict in (
        (11, 80, ReportVerdict.REPRODUCED),
        (60, 80, ReportVerdict.DIRECTION_ONLY),
        (90, 80, ReportVerdict.NOT_REPRODUCED),
    ):
        cases = [_taking(timed["lake"], lake_ms), _taking(timed["heap"], heap_ms)]
        assert _reports(*cases)["C11"].verdict is verdict
    wrong = replace(timed["lake"], outcome=Outcome.WRONG, samples=())
    assert _reports(wrong)["C11"].verdict is ReportVerdict.NOT_REPRODUCED


def _taking(case: Record, ms: float) -> Record:
    sample = Sample("warm", int(ms * 1e6), 0, 0, 0, 4, 100)
    return replace(case, outcome=Outcome.PASS, samples=(sample,) * 5)


def test_the_report_shows_what_differs_silently_and_what_is_refused(recorded: Run) -> None:
    made = _sections(*recorded.cases)
    tables = _tables(made)
    silent = {row[1].text: row for row in tables["Silently different from a heap table"].rows}
    division = silent["SELECT id, i / 0 AS x FROM t"]
    assert "division by zero" in division[2].text
    assert "1 | NULL" in division[3].text
    refused = {row[0].text: row[1].text for row in tables["Refused"].rows}
    assert "MERGE" in refused["MERGE"]
    assert any(isinstance(part, Plot) for section in made for part in section.parts)


def test_the_report_shows_files_by_stage_and_the_marks_of_each_type(recorded: Run) -> None:
    tables = _tables(_sections(*recorded.cases))
    dropped = {row[0].text: row for row in tables["Objects in the store"].rows}["DROP, then VACUUM"]
    assert dropped[1].text == "PASS"
    assert dropped[2].text.endswith("VACUUM 0")
    types = {row[0].text: [cell.text for cell in row[1:]] for row in tables["Values at the limits of each type"].rows}
    assert set(types) == set(values.TYPES)
    assert types["bigint"][0] == "PASS"


def test_a_run_in_which_the_server_was_not_there_has_no_section(recorded: Run) -> None:
    assert _sections(*(replace(case, outcome=Outcome.UNAVAILABLE) for case in recorded.cases)) == []


@pytest.mark.parametrize(
    ("state", "error"), [("22023", EngineUnavailable), ("42704", EngineUnavailable), ("42501", Refused)]
)
def test_a_locale_that_the_server_lacks_is_unavailable_and_another_refusal_is_not(
    monkeypatch: pytest.MonkeyPatch, state: str, error: type[Exception]
) -> None:
    asked: list[str] = []

    def run(sql: str) -> Reply:
        asked.append(sql)
        return Reply(state=state, error="the server's words")

    monkeypatch.setattr(collations, "Session", lambda *_: SimpleNamespace(run=run, close=lambda: None))
    server: Any = SimpleNamespace(endpoint=SimpleNamespace(properties={"schema": "run"}))
    with pytest.raises(error, match="the server's words"):
        collations._made(server, "en_US.UTF-8")
    (sql,) = asked
    assert sql.endswith("LOCALE_PROVIDER libc LC_COLLATE 'en_US.UTF-8' LC_CTYPE 'en_US.UTF-8'")
