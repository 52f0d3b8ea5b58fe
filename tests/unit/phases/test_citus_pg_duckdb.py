"""Phase 7 without servers: its plan, the statements that it makes, what a crash is, its verdict and its report."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from run_requests import request

from lakebench.config import ServiceSettings, Settings
from lakebench.errors import EngineCrash, EngineUnavailable, Refused, WrongAnswer
from lakebench.execution.cases import Case
from lakebench.model import Coordinates, Endpoint, EngineRef, ObjectStore, Record, Runtime, Selection
from lakebench.outcomes import Outcome, ReportVerdict
from lakebench.phases import find
from lakebench.phases.citus_pg_duckdb import joins, kinds, rights, server, tables
from lakebench.phases.citus_pg_duckdb.report import sections
from lakebench.phases.citus_pg_duckdb.server import COMBINATIONS, PG_DUCKDB, PG_LAKE, Both, Server
from lakebench.reports.content import Section, Table
from lakebench.results import claims, records
from lakebench.results.records import FieldReport
from lakebench.services import lakes
from lakebench.services.server_crashes import ServerCrash


def _planned(engine: str) -> list[Case]:
    context: Any = SimpleNamespace(request=request(EngineRef(engine)))
    return [case for block in find("citus_pg_duckdb").plan(context) for case in block.cases]


def _case(check: str, test: str, outcome: Outcome = Outcome.PASS, **given: Any) -> Record:
    about = Coordinates(engine="postgres", check=check, test=test, more={"services": PG_DUCKDB.service})
    made = Record(f"phase7/{PG_DUCKDB.service}/{check}-{test}", "phase7", "", "postgres", outcome, coordinates=about,
                  row=test, column="Citus with pg_duckdb", group=check)  # fmt: skip
    return replace(made, **given)


CREATED = _case("create", "citus-then-pg_duckdb")
CRASHED = _case("kind", "forced-heap", Outcome.CRASH, reason="closed", versions={"citus_pg_duckdb citus": "14.0-1"},
                evidence={"signal": 11, "log": ["by signal 11"], "other_sessions": "ended"})  # fmt: skip


def _report(*cases: Record) -> FieldReport:
    (report,) = find("phase7").judge_field_reports(cases, "1")
    return report


def _sections(*cases: Record) -> list[Section]:
    run: Any = SimpleNamespace(cases=cases)
    return sections(run)


def test_both_combinations_are_asked_and_the_ids_are_unique() -> None:
    cases = _planned("postgres")
    assert len({case.id for case in cases}) == len(cases)
    by_service = {case.coordinates.more["services"] for case in cases}
    assert by_service == {one.service for one in COMBINATIONS}
    shapes = {case.coordinates.test for case in cases if case.coordinates.check == "join"}
    assert len(shapes) >= 20
    for count in ("1", "4", "32"):
        named = [case for case in cases if case.coordinates.more.get("shards") == count]
        assert {case.coordinates.test for case in named} == shapes


def test_without_its_client_the_phase_has_no_cases() -> None:
    assert not _planned("duckdb")


def test_services_of_files_are_started_where_a_combination_is_named() -> None:
    phase, selection = find("phase7"), Selection()
    named = Settings(services={PG_DUCKDB.service: ServiceSettings(pg_config=Path("x"))})
    assert phase.optional_services(selection, Settings()) == (PG_DUCKDB.service,)
    assert set(phase.optional_services(selection, named)) == {PG_DUCKDB.service, "object-store", "rest-catalog"}
    lake = Settings(services={PG_LAKE.service: ServiceSettings(pg_config=Path("x"))})
    assert PG_LAKE.service in phase.optional_services(selection, lake)


@pytest.mark.parametrize("name", joins.SHAPES)
def test_a_shape_has_its_parameter_simple_and_prepared(name: str) -> None:
    shape = joins.SHAPES[name]
    fake: Any = None
    steps = list(joins._ShapeAsked(fake, "", "", shape).steps())
    assert steps[0].sql != shape.sql
    assert "{" not in steps[0].sql
    assert "$1" in steps[1].before[0]
    executed = [sql for step in steps for sql in (*step.before, step.sql) if sql == "EXECUTE shape(10)"]
    assert len(executed) == 6
    assert steps[-1].sql == "EXECUTE shape(60)"


def test_tables_are_spread_by_their_layout() -> None:
    statements = list(tables.shards(32).statements())
    assert "SELECT create_distributed_table('orders', 'id', shard_count := 32, colocate_with := 'none')" in statements
    plain = list(tables.HEAPS.statements())
    assert set(plain) < set(statements)
    assert not [sql for sql in plain if sql.startswith("SELECT create_")]
    iceberg = [sql for layout, _ in joins.layouts(PG_LAKE) for sql in layout.statements() if "USING iceberg" in sql]
    assert iceberg == ["CREATE TABLE notes (customer integer, note text) USING iceberg"]


@pytest.mark.parametrize("combination", COMBINATIONS, ids=lambda one: one.service)
def test_kinds_name_nothing_else_than_what_is_filled_in(combination: server.Combination) -> None:
    for kind in kinds.of(combination).values():
        named = set(re.findall(r"\{\w+\}", "\n".join((*kind.before, kind.sql))))
        assert named <= {"{file}", "{iceberg}", "{out}", "{schema}"}
        assert "{" not in kind.plain


class Session:
    """A worker whose server process dies of the statement ``deadly``."""

    def __init__(self, deadly: str) -> None:
        self.deadly, self.asked = deadly, list[str]()

    def call(self, operation: str, *, sql: str, **_: Any) -> dict[str, Any]:
        del operation
        self.asked.append(sql)
        if sql == self.deadly:
            raise EngineCrash("the connection is closed", at="now")
        return {}


def _server(session: Session, runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> tuple[Server, list[str]]:
    closed: list[str] = []
    properties = {"database": "postgres", "schema": "lakebench_ab"}
    endpoint = Endpoint("citus_pg_duckdb", runtime, "", "h", 1, "", "u", "p", properties)
    crash = ServerCrash(11, ("by signal 11",), "postgresql")
    watch = SimpleNamespace(recover=lambda _: crash)
    monkeypatch.setattr(server, "CrashWatch", lambda *_: watch)
    monkeypatch.setattr(lakes, "postgresql_lake", lambda _, schema, database, service: (service, database, schema))
    workers = SimpleNamespace(open=lambda *_: session, disconnect=lambda _, name: closed.append(name))
    context: Any = SimpleNamespace(services=SimpleNamespace(endpoint=lambda _: endpoint), workers=workers)
    return Server(context, "citus_pg_duckdb"), closed


def test_a_crash_has_the_signal_and_the_next_statement_a_new_session(monkeypatch: pytest.MonkeyPatch) -> None:
    session = Session("SELECT 2")
    asked, closed = _server(session, Runtime.LOCAL, monkeypatch)
    with pytest.raises(EngineCrash) as caught:
        asked.execute("d", "s", "SELECT 1", "SELECT 2", "SELECT 3")
    assert caught.value.details == {
        "at": "now",
        "signal": 11,
        "log": ["by signal 11"],
        "started_again_by": "postgresql",
    }
    assert session.asked == ["SELECT 1", "SELECT 2"]
    assert closed == ["both citus_pg_duckdb"]


def test_a_server_of_the_users_gets_schemas_of_the_run_and_no_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, _ = _server(Session(""), Runtime.EXTERNAL, monkeypatch)
    assert asked.schema("layout_4") == "lakebench_ab_layout_4"
    with pytest.raises(EngineUnavailable, match="a server of yours"):
        asked.require_ours()
    both = Both(asked.context, PG_DUCKDB)
    assert both.database() == ""


def test_the_key_of_the_store_is_quoted() -> None:
    sql = tables.secret(ObjectStore("https://s3.example:9", "b", "k'1", "s", "eu", path_style=False))
    assert "key_id := 'k''1'" in sql
    assert "endpoint := 's3.example:9', use_ssl := 'true'" in sql


def test_a_role_gets_what_plain_postgresql_gives_it() -> None:
    assert rights.judged("refused: no", "refused: not so", {"sql": "s"}) == {"sql": "s"}
    assert rights.judged([["1"]], [["1"]], {}) == {}
    with pytest.raises(Refused, match="permission denied"):
        rights.judged([["1"]], "refused: permission denied", {})
    others: list[rights.Answer] = ["refused: no", [["2"]]]
    for expected in others:
        with pytest.raises(WrongAnswer):
            rights.judged(expected, [["1"]], {})


def test_a_crash_of_the_creation_is_theirs_and_one_of_a_query_the_direction() -> None:
    crashed = replace(CREATED, outcome=Outcome.CRASH)
    assert _report(crashed, CRASHED).verdict is ReportVerdict.REPRODUCED
    later = _report(CREATED, CRASHED)
    assert later.verdict is ReportVerdict.DIRECTION_ONLY
    assert "signal 11" in later.detail
    assert "citus 14.0-1" in later.detail
    assert _report(CREATED, _case("kind", "heap")).verdict is ReportVerdict.OUT_OF_DATE


def test_without_a_server_the_reason_is_told() -> None:
    missing = replace(CREATED, outcome=Outcome.UNAVAILABLE, reason="no PostgreSQL with citus is named")
    report = _report(missing)
    assert report.verdict is ReportVerdict.COULD_NOT_RUN
    assert report.detail == "no PostgreSQL with citus is named"
    assert not _sections(missing)


def test_the_report_shows_signal_shapes_and_rights() -> None:
    join = _case("join", "left-union", Outcome.REFUSED, column="4 shards")
    right = _case("right", "view", Outcome.REFUSED, evidence={"answer": "refused: permission denied"})
    (section,) = _sections(CREATED, CRASHED, join, replace(join, column="1 shard", outcome=Outcome.PASS), right)
    tables_of = [part for part in section.parts if isinstance(part, Table)]
    texts = [[[cell.text for cell in row] for row in table.rows] for table in tables_of]
    assert texts[0] == [["forced-heap", "Citus with pg_duckdb", "FAIL CRASH", "11", "ended", "by signal 11"]]
    assert tables_of[1].head == ("shape", "4 shards", "1 shard")
    assert texts[1] == [["left-union", "FAIL REFUSED", "PASS"]]
    assert texts[2][0][-1] == "refused: permission denied"


@pytest.fixture(scope="module")
def recorded() -> records.Run:
    """A run on real servers, without most layouts of the joins."""
    (run,) = (Path(__file__).parents[2] / "fixtures" / "phase7").iterdir()
    return records.read(run)


def test_of_the_recorded_run_queries_crash_and_not_the_creation(recorded: records.Run) -> None:
    report = _report(*recorded.cases)
    assert report.verdict is ReportVerdict.DIRECTION_ONLY
    assert report.ours["citus, then pg_duckdb"] == report.ours["pg_duckdb, then citus"] == "PASS"
    assert report.ours["kinds of query"] == "16 CRASH, 14 PASS, 1 REFUSED, 1 WRONG"
    assert "signal 11" in report.detail
    (kept,) = recorded.field_reports
    assert (kept.verdict, kept.ours) == (report.verdict, report.ours)


def test_each_recorded_crash_has_its_signal_its_lines_and_what_it_ended(recorded: records.Run) -> None:
    crashes = [case.evidence for case in recorded.cases if case.outcome is Outcome.CRASH]
    assert len(crashes) == 16
    for evidence in crashes:
        assert (evidence["signal"], evidence["other_sessions"], evidence["rows_after"]) == (11, "ended", "1000")
        assert "was terminated by signal 11" in evidence["log"][0]
        assert evidence["known"]["link"] == "https://github.com/duckdb/pg_duckdb/issues/444"


def test_the_recorded_run_shows_which_shapes_pg_duckdb_refuses_to_citus(recorded: records.Run) -> None:
    (section,) = _sections(*recorded.cases)
    joined = next(part for part in section.parts if isinstance(part, Table) and part.head[0] == "shape")
    by_column = list(zip(*[[cell.text for cell in row] for row in joined.rows], strict=True))
    refused = {head: texts.count("FAIL REFUSED") for head, texts in zip(joined.head[1:], by_column[1:], strict=True)}
    assert refused == {"4 shards, both created": 13, "4 shards, Citus alone created": 2}


def test_beside_pg_lake_nothing_crashes_and_what_is_refused_is_known() -> None:
    (run,) = (Path(__file__).parents[2] / "fixtures" / "phase7-pg_lake").iterdir()
    beside = [case for case in records.read(run).cases if case.coordinates.more["services"] == PG_LAKE.service]
    asked = [case for case in beside if case.coordinates.check == "kind"]
    assert {case.coordinates.test for case in asked} == set(kinds.of(PG_LAKE))
    assert {case.outcome for case in beside} == {Outcome.PASS, Outcome.REFUSED}
    refused = [case for case in asked if case.outcome is Outcome.REFUSED]
    assert {case.coordinates.test: case.reason.partition('"')[0].strip() for case in refused} == {
        "if-not-exists": "location",
        "if-not-exists-alone": "location",
        "spread-iceberg": "foreign tables cannot be distributed HINT: Can add foreign table",
        "reference-iceberg": "foreign tables cannot be distributed HINT: Can add foreign table",
    }
    assert all(claims.accepted_as(case.case, case.outcome) for case in refused)
