"""The data checks of phase 11: which cases there are, what a proxy does with commits, and what a verdict needs."""

from __future__ import annotations

import contextlib
import gzip
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import requests

from lakebench.config import Settings
from lakebench.errors import CaseError, CommitConflict, EngineCrash, EngineUnavailable, Refused, WrongAnswer
from lakebench.execution.cases import Check
from lakebench.execution.request import Scope
from lakebench.model import Catalog, CatalogKind, EngineRef, Lake, Selection
from lakebench.phases import covers, find
from lakebench.phases.rest_catalog import (
    catalog_proxies,
    data,
    data_commits,
    data_ducklake,
    data_faults,
    data_identity,
    data_states,
    data_v3,
)
from lakebench.phases.rest_catalog.catalog_proxies import (
    CommitLog,
    Interrupted,
    SeenCommit,
    Together,
    by_proxy,
    is_commit,
)
from lakebench.phases.rest_catalog.data import ENGINES
from lakebench.phases.rest_catalog.targets import target
from lakebench.services.fault_proxies import LOSE, REPLACE

REST = target("rest", Settings())
FOUR = tuple(map(EngineRef, ENGINES))
COMMIT = "/c/v1/namespaces/n/tables/t"
MOVE = {"action": "set-snapshot-ref", "ref-name": "main", "snapshot-id": 7}


def checks(*refs: EngineRef) -> list[Check]:
    return [
        *data_states.blocks(refs, REST),
        *data_v3.blocks(refs, REST),
        *data_identity.blocks(refs, REST, vends=True),
        *data_commits.blocks(refs, REST),
        *data_faults.blocks(refs, REST),
    ]


def test_each_case_is_one_of_its_own_and_a_run_of_its_engines_is_to_have_it() -> None:
    cases = [one.case for one in checks(*FOUR)]
    assert len({case.id for case in cases}) == len(cases)
    assert len({case.coordinates for case in cases}) == len(cases)
    assert {case.coordinates.more["level"] for case in cases} == {"data"}  # none is held against the catalog alone
    asked = Selection(options={"phase11": {"checks": ("data",)}})
    all_four = covers(["phase11"], Scope(FOUR, asked, "quick"))
    assert all(all_four("phase11", case.coordinates) for case in cases)
    two = covers(["phase11"], Scope(FOUR[:2], asked, "quick"))
    every = {one.case.id: one.case.coordinates for one in (*checks(*FOUR), *checks(*FOUR[:2]))}
    assert {name for name, about in every.items() if two("phase11", about)} == {
        one.case.id for one in checks(*FOUR[:2])
    }
    assert not all_four("phase11", every["phase11/rest/race-together/pyiceberg+duckdb"])


def test_a_step_has_cases_where_its_engine_can_be_asked_for_it() -> None:
    ids = {one.case.id for one in checks(*FOUR)}
    assert "phase11/rest/rows-update/pyiceberg→trino" in ids  # by an upsert
    assert "phase11/rest/rows-compact/pyiceberg→trino" not in ids
    assert "phase11/rest/rows-expire/spark→duckdb" in ids
    assert "phase11/rest/race-together/pyiceberg+duckdb+spark+trino" in ids


def test_the_rows_of_each_step_follow_from_those_before() -> None:
    ids = {name: [key for key, _ in step.rows] for name, step in data_states.STEPS.items()}
    assert ids["rows-delete"] == [one for one in ids["rows-insert"] if one >= 5]
    assert ids["rows-update"] == ids["rows-compact"] == ids["rows-expire"] == ids["rows-delete"]
    before, after = dict(data_states.STEPS["rows-delete"].rows), dict(data_states.UPDATED)
    assert {key for key in after if after[key] != before[key]} == set(range(110, 120))


class Server(BaseHTTPRequestHandler):
    """A catalog that accepts every commit and answers with its snapshot, compressed."""

    protocol_version = "HTTP/1.1"
    asked: list[str]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        self.asked.append(self.path)
        answer = gzip.compress(json.dumps({"metadata": {"current-snapshot-id": body.get("says", 7)}}).encode())
        self.send_response(200)
        self.send_header("Content-Encoding", "gzip")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - likewise
        """Nothing."""


@pytest.fixture
def server() -> Iterator[tuple[Lake, list[str]]]:
    asked: list[str] = []
    fake = ThreadingHTTPServer(("127.0.0.1", 0), type("_Server", (Server,), {"asked": asked}))
    thread = threading.Thread(target=fake.serve_forever)
    thread.start()
    uri = f"http://127.0.0.1:{fake.server_address[1]}/c"
    yield Lake("rest", None, Catalog(CatalogKind.REST, uri, "lake")), asked
    fake.shutdown()
    fake.server_close()
    thread.join()


def commit(lake: Lake, **body: Any) -> requests.Response:
    address = lake.catalog.uri.removesuffix("/c") + COMMIT
    return requests.post(address, json={"updates": [MOVE]} | body, timeout=20)


def test_a_proxy_keeps_the_snapshot_that_was_committed_and_the_one_that_was_answered(
    server: tuple[Lake, list[str]],
) -> None:
    lake, asked = server
    log = CommitLog()
    with by_proxy(lake, "here", log=log) as by_way:
        assert by_way.name == "rest_here"
        commit(by_way)
        commit(by_way, says=6)
        changes = [{"updates": [MOVE]}, {"updates": [MOVE | {"snapshot-id": 9}]}]
        commit(by_way, updates=None, **{"table-changes": changes})
    assert log.commits == [SeenCommit(7, 200, 7), SeenCommit(7, 200, 6), SeenCommit(9, 200, 7)]
    assert asked == [COMMIT] * 3
    assert is_commit("POST", "/v1/transactions/commit")
    assert not is_commit("POST", "/v1/namespaces/n/tables")
    assert not is_commit("GET", COMMIT)


def test_commits_reach_the_catalog_together_or_not_at_all_early(server: tuple[Lake, list[str]]) -> None:
    lake, asked = server
    log = Together(number=3)
    with by_proxy(lake, "race", log=log) as by_way, ThreadPoolExecutor(3) as pool:
        first = [pool.submit(commit, by_way) for _ in range(2)]
        with pytest.raises(TimeoutError):
            first[0].result(0.3)
        assert asked == []
        pool.submit(commit, by_way).result(20)
        commit(by_way)  # a later one waits for nobody
    assert log.first == [200, 200, 200]
    assert len(log.commits) == 4


def test_commits_that_do_not_come_in_time_say_nothing_of_a_race(
    server: tuple[Lake, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog_proxies, "_WAIT_S", 0.05)
    log = Together(number=2)
    with by_proxy(server[0], "race", log=log) as by_way:
        commit(by_way)
        commit(by_way)
    assert log.first == [200, 200]
    with pytest.raises(EngineUnavailable, match="come together"):
        data_commits.one_winner(log)


def test_something_happens_once_while_a_commit_is_on_the_way(server: tuple[Lake, list[str]]) -> None:
    lake, asked = server
    seen: list[int] = []
    log = Interrupted(meanwhile=lambda: seen.append(len(asked)))
    with by_proxy(lake, "x", log=log) as by_way:
        commit(by_way)
        commit(by_way)
    assert seen == [0]
    assert log.happened
    assert log.failed is None

    def declined() -> None:
        raise REFUSED

    log = Interrupted(meanwhile=declined)
    with by_proxy(lake, "x", log=log) as by_way:
        assert commit(by_way).status_code == 200
    assert log.failed is REFUSED


def test_a_commit_that_was_carried_out_is_answered_with_503(server: tuple[Lake, list[str]]) -> None:
    lake, asked = server
    planned = data_faults.FAULTS["answer-503"]
    fault = planned.fault()
    with by_proxy(lake, "x", fault) as by_way:
        assert [commit(by_way).status_code for _ in range(2)] == [503, 200]
    assert len(asked) == 2
    stored = {name: one.kind in {LOSE, REPLACE} for name, one in data_faults.FAULTS.items()}
    assert stored == {name: one.stored for name, one in data_faults.FAULTS.items()}


def test_no_proxy_looks_into_tls() -> None:
    lake = Lake("x", None, Catalog(CatalogKind.REST, "https://host/c", ""))
    with pytest.raises(EngineUnavailable, match="https"), by_proxy(lake, "x"):
        pass


CONFLICT, CRASH, REFUSED = CommitConflict("409"), EngineCrash("gone"), Refused("the connection ended")


@pytest.mark.parametrize(
    ("told", "there", "stored", "right"),
    [
        (None, True, True, True),
        (None, True, False, True),  # it was sent again
        (None, False, True, False),
        (REFUSED, True, True, True),  # it does not say that the append failed
        (CRASH, True, True, True),
        (CONFLICT, True, True, False),
        (REFUSED, False, True, False),
        (CONFLICT, False, False, True),
        (REFUSED, False, False, True),
    ],
)
def test_what_a_writer_was_told_is_what_is_there(
    told: CaseError | None, there: bool, stored: bool, right: bool
) -> None:
    if right:
        data_faults.judge(told, there=there, stored=stored)
    else:
        with pytest.raises(WrongAnswer):
            data_faults.judge(told, there=there, stored=stored)


@pytest.mark.parametrize(
    ("seen", "right"),
    [([None, None, 1, 1, 2, 3], True), ([1, 3, 3], True), ([], True), ([1, 2, 1], False), ([1, 9], False)],
)
def test_the_current_snapshot_never_goes_back(seen: list[int | None], right: bool) -> None:
    if right:
        data_commits.never_back(seen, [None, 1, 2, 3])
    else:
        with pytest.raises(WrongAnswer):
            data_commits.never_back(seen, [None, 1, 2, 3])


@pytest.mark.parametrize(
    ("statuses", "error"),
    [([409, 200, 409], None), ([204, 409, 409], None), ([200, 200, 409], WrongAnswer), ([200, 500, 409], WrongAnswer),
     ([409, 409, 409], WrongAnswer), ([200, 409], EngineUnavailable)],
)  # fmt: skip
def test_one_of_the_commits_on_one_snapshot_wins(statuses: list[int], error: type[CaseError] | None) -> None:
    log = Together(number=3, first=statuses)
    log.met = True
    if error is None:
        data_commits.one_winner(log)
    else:
        with pytest.raises(error):
            data_commits.one_winner(log)


def test_keys_expire_when_the_last_of_them_does() -> None:
    key = "s3.session-token-expires-at-ms"
    said = {"config": {key: "1000"}, "storage-credentials": [{"prefix": "s3://b", "config": {key: "5000"}}]}
    assert data_identity.expires_at(said) == 5.0
    with pytest.raises(EngineUnavailable):
        data_identity.expires_at({"config": {}})


def test_a_catalog_over_a_ducklake_has_its_tables_by_both_names() -> None:
    ids = {one.case.id for one in data_ducklake.blocks(FOUR, target("duckicelake", Settings()))}
    assert {f"phase11/duckicelake/head-ducklake/{ref}" for ref in FOUR} < ids
    assert "phase11/duckicelake/rows-ducklake/spark→duckdb" in ids
    assert {"rows-from-ducklake/duckdb→trino", "rows-from-ducklake-inlined/duckdb→trino"} <= {
        one.removeprefix("phase11/duckicelake/") for one in ids
    }
    assert not list(data_ducklake.blocks(FOUR[:1], target("duckicelake", Settings())))  # nobody opens a DuckLake
    assert not list(data_ducklake.blocks(FOUR, REST))


@pytest.mark.parametrize(
    ("version", "row_id", "vectors", "position_deletes", "says"),
    [
        (3, 20, 1, 0, ""),
        (3, 20, 0, 0, ""),  # the data file was written again
        (2, 20, 1, 0, "it has 2"),
        (3, 0, 1, 0, "next-row-id"),
        (3, 20, 0, 1, "vectors are due"),
    ],
)
def test_a_table_of_version_3_has_row_ids_and_deletion_vectors(
    version: int, row_id: int, vectors: int, position_deletes: int, says: str
) -> None:
    table = {"format-version": version, "next-row-id": row_id}
    found = {"deletion vectors": vectors, "position deletes": position_deletes}
    with pytest.raises(WrongAnswer, match=says) if says else contextlib.nullcontext():
        data_v3.judge(table, found)


def test_a_catalog_that_is_only_an_address_has_one_case_that_says_what_is_missing() -> None:
    address = "http://127.0.0.1:1/catalog"
    (case,) = data.blocks(None, target(address, Settings()))  # type: ignore[arg-type]
    assert isinstance(case, Check)
    with pytest.raises(EngineUnavailable, match=r"\[catalog\.NAME\]"):
        case.test(None)  # type: ignore[arg-type]
    selection = Selection(options={"phase11": {"catalog": (address,)}})
    assert find("phase11").engines(selection) == ()
