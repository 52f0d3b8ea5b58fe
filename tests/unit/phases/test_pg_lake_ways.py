"""The ways between pg_lake and other engines without servers: the steps, what becomes of a case, and the verdicts."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from lakebench.errors import CaseError, Refused, ServiceUnavailable
from lakebench.model import Coordinates, Endpoint, EngineRef, Record, Runtime
from lakebench.outcomes import Outcome, ReportVerdict
from lakebench.phases.pg_lake import ways
from lakebench.phases.pg_lake.way_field_reports import REPORTS, judge_ways
from lakebench.phases.pg_lake.way_steps import CREATE, POSTGRESQL, SPARK, STEPS, WayStep
from lakebench.results import records
from lakebench.results.records import FieldReport

WAY = {way.name: way for way in ways.WAYS}


def _endpoint(name: str, uri: str = "", **properties: str) -> Endpoint:
    return Endpoint(name, Runtime.LOCAL, uri, "127.0.0.1", 1, "1", "me", "a-secret", properties)


ENDPOINTS = {
    one.service: one
    for one in (
        _endpoint("object-store", "http://127.0.0.1:1", bucket="lake", region="r"),
        _endpoint("pg_lake", database="postgres", schema="lakebench_1", location="s3://lake/pg_lake",
                  **{"extension.pg_lake": "3.5"}),
        _endpoint("pg_lake-bridge", "http://127.0.0.1:2/x", warehouse="w"),
        _endpoint("rest-catalog", "http://127.0.0.1:3/x", warehouse="w"),
    )
}  # fmt: skip


class Running:
    """The services of a run, without those that are ``gone``."""

    def __init__(self, *gone: str) -> None:
        self.gone = gone

    def endpoint(self, name: str) -> Endpoint:
        if name in self.gone:
            raise ServiceUnavailable(f"{name} is not named")
        return ENDPOINTS[name]

    __call__ = endpoint


class Client:
    """Engines that answer with ``rows``, and fail where ``fails`` says so: ``(engine, word of what is asked)``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[tuple[str, str, Any]] = []
        self.rows = {"heap": [1, 2], "table": [1, 2]}
        self.fails: dict[tuple[str, str], CaseError] = {}

    def call(self, ref: EngineRef, lake: Any, operation: str, *, session: str = "", sql: str = "") -> dict[str, Any]:
        assert operation == "execute"
        assert session == ("ways" if ref.name == "postgres" else "")
        self._note(ref, lake, sql)
        return {}

    def query(self, ref: EngineRef, lake: Any, sql: str, *, session: str = "") -> Any:
        del session
        self._note(ref, lake, sql)
        if "metadata_location" in sql:
            return SimpleNamespace(path=self._file(pa.table({"l": ["s3://lake/7.metadata.json"]})))
        return SimpleNamespace(path=self._answer("heap" if "heap_" in sql else "table"))

    def scan(self, ref: EngineRef, lake: Any, scan: Any) -> Path:
        self._note(ref, lake, f"scan {scan.table}")
        return self._answer("table")

    def _note(self, ref: EngineRef, lake: Any, text: str) -> None:
        self.asked.append((ref.name, text, lake))
        for (engine, word), error in self.fails.items():
            if engine == ref.name and word in text:
                raise error

    def _answer(self, side: str) -> Path:
        return self._file(pa.table({"id": self.rows[side]}))

    def _file(self, table: pa.Table) -> Path:
        path = self.folder / f"{len(list(self.folder.iterdir()))}.arrow"
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        return path


@pytest.fixture
def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr(ways, "create_namespace", lambda *_: None)
    return Client(tmp_path)


def _run(client: Client, way: str, *gone: str) -> dict[str, Record]:
    context: Any = SimpleNamespace(
        client=client,
        services=Running(*gone),
        checker=SimpleNamespace(call=lambda function, *given: function(*given)),
        prerequisites=SimpleNamespace(check=lambda _: None),
        history=SimpleNamespace(versions=lambda ref: {ref.name: "1"}),
    )
    block = ways.Steps(WAY[way])
    found = list(block.run(context, frozenset(one.id for one in block.cases)))
    assert [one.case for one in found] == [one.id for one in block.cases]
    return {str(one.coordinates.test): one for one in found}


def test_every_way_has_every_step_and_each_id_is_its_own() -> None:
    refs = tuple(map(EngineRef, ways.ENGINES))
    cases = [case for block in ways.blocks(refs) for case in block.cases]
    assert len({case.id for case in cases}) == len(cases) == len(ways.WAYS) * len(STEPS)
    assert all(case.engine in refs for case in cases)


def test_a_way_without_its_engine_is_not_asked() -> None:
    asked = tuple(map(EngineRef, ("pg_lake", "iceberg_scan", "trino")))
    assert [block.way.name for block in ways.blocks(asked)] == ["metadata-file", "bridge-trino"]  # type: ignore[attr-defined]


def test_the_steps_leave_the_columns_that_they_say() -> None:
    connection, kinds = duckdb.connect(), {"numeric(10,2)": "DECIMAL(10,2)", "text": "VARCHAR"}
    for step in (CREATE, *STEPS):
        for sql in step.sql("t", POSTGRESQL):
            connection.execute(sql)
        columns = connection.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 't'"
        ).fetchall()
        wanted = {name: kinds.get(kind, kind).upper() for name, kind in step.columns.items()}
        assert [name for name, _ in columns] == list(wanted)
        got = {name: kind.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ") for name, kind in columns}
        assert {name: kind.replace("DOUBLE PRECISION", "DOUBLE") for name, kind in wanted.items()} == got
    assert connection.execute("SELECT count(*), count(note) FROM t").fetchall() == [(49, 13)]


@pytest.mark.parametrize("words", [POSTGRESQL, SPARK])
def test_no_word_is_left_over(words: dict[str, str]) -> None:
    assert not [sql for step in (CREATE, *STEPS) for sql in step.sql("t", words) if "{" in sql]


@pytest.mark.parametrize("way", WAY)
def test_every_step_is_read_at_once(client: Client, way: str) -> None:
    assert {case.outcome for case in _run(client, way).values()} == {Outcome.PASS}
    reads = [text for engine, text, _ in client.asked if engine == WAY[way].reader.name]
    assert len([one for one in reads if one.startswith("scan") or "iceberg_scan('s3://lake/7" in one]) == len(STEPS)


def test_the_evidence_has_the_version_of_pg_lake_and_the_readers_stand_beside(client: Client) -> None:
    case = _run(client, "jdbc-catalog")["insert"]
    assert case.evidence["pg_lake"] == "3.5"
    assert case.versions == {"spark-jdbc": "1"}
    assert case.coordinates == Coordinates(writer="pg_lake", reader="spark-jdbc", check="way", test="insert",
                                           more={"way": "jdbc-catalog", "services": "pg_lake"})  # fmt: skip


def test_other_rows_are_wrong(client: Client) -> None:
    client.rows["table"] = [1, 3]
    case = _run(client, "metadata-file")["delete"]
    assert case.outcome is Outcome.WRONG
    assert case.evidence["diff"]["expected"]


def test_a_reader_that_refuses_is_asked_again_after_the_next_step(client: Client) -> None:
    client.fails["trino", "scan"] = Refused("not so")
    outcomes = [case.outcome for case in _run(client, "bridge-trino").values()]
    assert outcomes == [Outcome.REFUSED] * len(STEPS)


def test_after_a_step_that_the_writer_refuses_nothing_is_read(client: Client) -> None:
    client.fails["postgres", "way_bridge_trino WHERE id % 5"] = Refused("no DELETE here")
    cases = _run(client, "bridge-trino")
    assert [case.outcome for case in cases.values()][:3] == [Outcome.PASS, Outcome.PASS, Outcome.REFUSED]
    assert {case.outcome for case in list(cases.values())[3:]} == {Outcome.UNAVAILABLE}
    assert "not written: no DELETE here" in cases["drop-column"].reason


@pytest.mark.parametrize("gone", ["pg_lake", "object-store", "pg_lake-bridge"])
def test_without_a_service_its_ways_are_unavailable(client: Client, gone: str) -> None:
    assert {case.outcome for case in _run(client, "bridge-duckdb", gone).values()} == {Outcome.UNAVAILABLE}


def test_a_catalog_of_pg_lakes_own_is_not_altered(client: Client) -> None:
    _run(client, "sql-catalog")
    (lake,) = {one.catalog for name, _, one in client.asked if name == "pyiceberg"}
    assert lake.fixed_tables
    assert (lake.uri, lake.warehouse) == ("jdbc:postgresql://127.0.0.1:1/postgres", "s3://lake/pg_lake")


def _reports(*cases: Record) -> dict[str, FieldReport]:
    return {one.report: one for one in judge_ways(cases)}


def _case(way: str, step: WayStep, outcome: Outcome = Outcome.PASS, reason: str = "") -> Record:
    about = Coordinates(reader=WAY[way].reader.name, check="way", test=step.name, more={"way": way})
    return Record(f"{way}-{step.name}", "phase45", "", WAY[way].reader.name, outcome, reason,
                  versions={"trino": "476"}, evidence={"pg_lake": "3.5"}, coordinates=about)  # fmt: skip


def test_a_report_is_reproduced_where_every_step_is_read_right() -> None:
    reports = _reports(*(_case("bridge-trino", step) for step in STEPS))
    assert reports["C15"].verdict is ReportVerdict.REPRODUCED
    assert reports["C15"].detail == "pg_lake 3.5; read by trino 476"
    assert {reports[one].verdict for one in REPORTS if one != "C15"} == {ReportVerdict.COULD_NOT_RUN}


def test_one_step_that_is_read_wrong_or_not_there_is_enough_against_it() -> None:
    wrong = [_case("jdbc-catalog", step, Outcome.WRONG if step is STEPS[2] else Outcome.PASS) for step in STEPS]
    assert _reports(*wrong)["C13"].verdict is ReportVerdict.NOT_REPRODUCED
    assert _reports(*wrong)["C13"].ours["after DELETE"] == "WRONG"
    assert _reports(*wrong[:2])["C13"].verdict is ReportVerdict.NOT_REPRODUCED


def test_what_could_not_run_says_why() -> None:
    cases = [_case("foreign-table", step, Outcome.UNAVAILABLE, "pg_lake is not named") for step in STEPS]
    report = _reports(*cases)["C12"]
    assert (report.verdict, report.detail) == (ReportVerdict.COULD_NOT_RUN, "pg_lake is not named")


def _recorded(name: str) -> dict[str, FieldReport]:
    recorded = records.read(Path(__file__).parents[2] / "fixtures" / name)
    ways_of = [case for case in recorded.cases if case.coordinates.check == "way"]
    assert {case.case for case in ways_of} <= {case.id for way in ways.WAYS for case in ways.Steps(way).cases}
    return _reports(*ways_of)


def test_the_field_reports_of_the_recorded_run() -> None:
    """Its bridge answered as Apache's adapter does: a question about a view with an error."""
    reports = _recorded("pg_lake-ways")
    assert {name: one.verdict for name, one in reports.items()} == {
        "C12": ReportVerdict.REPRODUCED,
        "C13": ReportVerdict.REPRODUCED,
        "C14": ReportVerdict.REPRODUCED,
        "C15": ReportVerdict.NOT_REPRODUCED,
    }
    assert set(reports["C15"].ours.values()) == {"REFUSED"}


def test_behind_a_bridge_without_views_trino_reads_every_step() -> None:
    report = _recorded("pg_lake-ways-without-views")["C15"]
    assert report.verdict is ReportVerdict.REPRODUCED
    assert report.detail.startswith("pg_lake 3.5; read by trino 476")
