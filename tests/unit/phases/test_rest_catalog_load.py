"""The load of phase 11: loops against a catalog in memory, their figures, and how the report shows them."""

from __future__ import annotations

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, cast

import pytest
from wrong_catalog import WrongCatalog, wrong_catalog

from lakebench.config import Settings
from lakebench.errors import CaseError, Refused, UsageError, WrongAnswer
from lakebench.execution.cases import Case
from lakebench.execution.context import RunContext
from lakebench.execution.protocol import PROFILES
from lakebench.model import Record
from lakebench.outcomes import Outcome, ReportVerdict
from lakebench.phases import find
from lakebench.phases.options import Asked
from lakebench.phases.rest_catalog import load, load_client, load_growth, report_load
from lakebench.phases.rest_catalog.load_client import LoadRequest, Measured, closed, distribution, opened
from lakebench.phases.rest_catalog.load_tables import figures, judge, served
from lakebench.phases.rest_catalog.targets import CheckedCatalog, ReachableCatalog, target
from lakebench.reports.content import Plot, Table

SERVICE_S = 0.02


class Server(BaseHTTPRequestHandler):
    """Serves one request at a time, each in :data:`SERVICE_S`; some paths fail, and one answers something else."""

    protocol_version = "HTTP/1.1"
    turn = threading.Lock()

    def do_GET(self) -> None:
        with self.turn:
            time.sleep(SERVICE_S)
        status = 503 if self.path == "/down" else 200
        body = b"other" if self.path == "/other" else b"right"
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - http.server's name
        """Nothing."""


@pytest.fixture
def ask() -> Iterator[Callable[[str], LoadRequest]]:
    fake = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    fake.daemon_threads = True
    thread = threading.Thread(target=fake.serve_forever, args=(0.05,))
    thread.start()
    yield lambda path: LoadRequest("GET", f"http://127.0.0.1:{fake.server_address[1]}{path}", expect="right")
    fake.shutdown()
    fake.server_close()
    thread.join()


def test_a_closed_loop_sends_no_more_than_it_may_and_one_at_the_least(ask: Callable[[str], LoadRequest]) -> None:
    measured = closed(None, [ask("/")], 2, 30, 6)
    assert (measured.requests, measured.right, measured.errors) == (6, 6, {})
    assert measured.latency_ms["p50"] >= SERVICE_S * 1000
    assert measured.answer_bytes == len("right")
    assert closed(None, [ask("/a"), ask("/b"), ask("/c")], 1, 30, 3).last == (0, 1, 2)  # in turns
    assert closed(None, [ask("/")], 3, 0.1, 100).requests < 100
    assert closed(None, [ask("/")], 3, 0, 100).requests == 3


def test_latencies_of_an_open_loop_count_from_the_time_a_request_was_to_be_sent_at(
    ask: Callable[[str], LoadRequest],
) -> None:
    measured = opened(None, [ask("/")], rate=500, seconds=0.04)
    assert (measured.requests, measured.right) == (20, 20)
    waited_ms = (20 * SERVICE_S - 0.04) * 1000  # the last one waits for all the others
    assert measured.latency_ms["max"] >= waited_ms * 0.9
    assert measured.latency_ms["p50"] >= waited_ms / 3


def test_what_a_slow_catalog_leaves_waiting_too_long_is_not_sent(
    ask: Callable[[str], LoadRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(load_client, "_BEHIND_S", 5 * SERVICE_S)
    monkeypatch.setattr(load_client, "_OPEN_CLIENTS", 1)
    found = opened(None, [ask("/")], rate=1000, seconds=0.05)
    assert found.requests == 50
    assert found.right + found.errors[load_client.BEHIND] == 50
    assert 1 <= found.right < 20
    assert found.seconds < 20 * SERVICE_S


def test_what_fails_and_what_is_wrong_has_no_latency(ask: Callable[[str], LoadRequest]) -> None:
    measured = closed(None, [ask("/down"), ask("/other"), ask("/")], 1, 30, 6)
    assert (measured.requests, measured.right, measured.wrong, measured.errors) == (6, 2, 2, {"503": 2})
    assert measured.last == (-1, -1, 5)
    with pytest.raises(WrongAnswer, match="2 of 6"):
        judge(measured, {})
    with pytest.raises(Refused, match="2 times 503"):
        judge(dataclasses.replace(measured, wrong=0), {})
    nobody = closed(None, [LoadRequest("GET", "http://127.0.0.1:1/x")], 1, 30, 1)
    assert list(nobody.errors) == ["NewConnectionError"]
    assert nobody.latency_ms == {}


def test_percentiles_are_of_the_nearest_rank() -> None:
    assert distribution([float(one) for one in range(1, 101)]) == {"p50": 50, "p95": 95, "p99": 99, "max": 100}
    assert distribution([2.0]) == {"p50": 2, "p95": 2, "p99": 2, "max": 2}
    assert distribution([]) == {}


def test_figures_of_a_loop() -> None:
    kept = figures(Measured(10, 2.0, 0.005, {"p50": 3.0}, 100.0, {"503": 2}))
    assert (kept["right"], kept["per_s"], kept["p50_ms"], kept["client_cpu_ms"]) == (8, 4.0, 3.0, 0.5)
    assert kept["errors"] == {"503": 2}


@dataclasses.dataclass(frozen=True)
class InMemory(CheckedCatalog):
    """The catalog of a test as one that is checked."""

    server: WrongCatalog | None = None

    def reached(self, *_: Any) -> ReachableCatalog:
        assert self.server
        return ReachableCatalog(self.server.catalog, None)


class Prepared:
    """What is made once."""

    def __init__(self) -> None:
        self.made: dict[str, Any] = {}

    def once(self, key: str, make: Callable[[], Any]) -> Any:
        if key not in self.made:
            self.made[key] = make()
        return self.made[key]


def context() -> RunContext:
    selection = SimpleNamespace(options={"phase11": {"load-tables": 10}})
    request = SimpleNamespace(settings=Settings(), profile=PROFILES["quick"], selection=selection)
    checker = SimpleNamespace(call=lambda function, *arguments: function(*arguments))
    services = SimpleNamespace(processes=lambda _: [])
    made = SimpleNamespace(request=request, checker=checker, services=services, prepared=Prepared())
    return cast("RunContext", made)


def outcomes(server: WrongCatalog, *names: str) -> dict[str, Outcome]:
    asked, at = context(), InMemory("memory", "", (), "", server)
    found = {}
    for test, _, _, run in load.tests():
        if test in names:
            try:
                evidence = run(asked, at)
                found[test] = Outcome.PASS
                assert evidence.keys() <= {"load", "growth"}
            except CaseError as error:
                found[test] = error.outcome
    return found


def test_loops_and_growth_on_a_catalog_that_does_what_it_should() -> None:
    names = ("updateTable-closed-32", "listTables-open-25", "growth-tables")
    with wrong_catalog() as server:
        assert outcomes(server, *names) == dict.fromkeys(names, Outcome.PASS)


def test_commits_that_were_acknowledged_and_are_not_there_are_found() -> None:
    with wrong_catalog() as server:
        asked, at = context(), InMemory("memory", "", (), "", server)
        tables = served(asked, at)
        lost = Measured(1, 1, 1, {}, 0, last=(99, *[-1] * (len(tables.tables) - 1)))
        with pytest.raises(WrongAnswer, match="the commit 99"):
            load.none_lost(tables, lost)


def test_growth_stops_when_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load_growth, "_LONGEST_S", 0.0)
    with wrong_catalog() as server:
        assert outcomes(server, "growth-tables") == {"growth-tables": Outcome.UNAVAILABLE}


@pytest.mark.parametrize("text", ["9", "10001", "many", "-1"])
def test_the_number_of_tables_has_limits(text: str) -> None:
    assert load.TABLES.read("10000", Asked()) == 10_000
    with pytest.raises(UsageError):
        load.TABLES.read(text, Asked())


def record(test: str, evidence: dict[str, Any], catalog: str = "rest") -> Record:
    planned = load.blocks(cast("RunContext", None), target("rest", Settings()))
    (case,) = (case for block in planned for case in block.cases if case.coordinates.test == test)
    return _record(case, evidence, catalog)


def _record(case: Case, evidence: dict[str, Any], catalog: str) -> Record:
    about = dataclasses.replace(case.coordinates, catalog=catalog)
    return Record(case.id, case.phase, case.title, catalog, Outcome.PASS, "", evidence, row=case.row, column=catalog,
                  group=case.group, coordinates=about)  # fmt: skip


def loop(**more: Any) -> dict[str, Any]:
    return {"load": {"operation": "loadTable", "loop": "closed", "requests": 9, "p50_ms": 1.0, "p99_ms": 2.0} | more}


def test_the_report_has_curves_of_the_loops_and_of_growth() -> None:
    points = [{"size": size, "loadTable": {"p50_ms": size / 10, "p95_ms": 1}} for size in (10, 100)]
    cases = [
        record("loadTable-closed-1", loop(clients=1, per_s=100.0)),
        record("loadTable-closed-8", loop(clients=8, per_s=300.0)),
        record("loadTable-open-25", loop(loop="open", rate=25)),
        record("growth-tables", {"growth": {"by": "tables", "points": points}}),
    ]
    (section,) = report_load.section(cases)
    throughput, growth, table = section.parts
    assert isinstance(throughput, Plot)
    assert throughput.alt == "loadTable, rest: 100 at 1, 300 at 8"
    assert isinstance(growth, Plot)
    assert growth.alt == "loadTable, rest: 1 at 10, 10 at 100"
    assert growth.draw().startswith("<svg")
    assert isinstance(table, Table)
    assert [row[1].text for row in table.rows] == ["1 at once, closed", "8 at once, closed", "25 a second"]
    assert report_load.section([]) == []


@pytest.mark.parametrize(
    ("rate", "verdict"),
    [
        (400.0, ReportVerdict.REPRODUCED),
        (200.0, ReportVerdict.DIRECTION_ONLY),
        (50.0, ReportVerdict.NOT_REPRODUCED),
    ],
)
def test_the_rate_of_the_field_report(rate: float, verdict: ReportVerdict) -> None:
    case = record("loadTable-closed-32", loop(clients=32, per_s=rate), catalog="duckicelake")
    reports = {one.report: one for one in find("phase11").judge_field_reports([case], "1")}
    assert reports["C39"].verdict is verdict
    assert reports["C39"].ours["rate"] == f"{rate:g} requests/s"
