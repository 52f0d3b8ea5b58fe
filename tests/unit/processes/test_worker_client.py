"""The parent's end of a worker: the other end is a script that answers, waits, dies or writes nonsense."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lakebench.engines.duckdb.engine import DuckDB
from lakebench.errors import EngineCrash, HarnessFault, OutOfMemory, Refused, Timeout
from lakebench.model import Catalog, CatalogKind, EngineRef, EngineSettings, Lake
from lakebench.processes import worker_client
from lakebench.processes.guard import Guard
from lakebench.processes.worker_client import Remote

SCRIPT = """#!{python} -ISu
import json, os, sys, time
replies = os.fdopen(int(sys.argv[3]), "wb", 0)
reply = lambda **fields: replies.write(json.dumps({{"ok": True, **fields}}).encode() + b"\\n")
for line in sys.stdin:
    request = json.loads(line)
    print(request["op"])
    if request["op"] == "query":
        {query}
    reply(versions={{"engine": "1"}}, settings={{"threads": "2"}})
"""
LAKE = Lake("lake", None, Catalog(CatalogKind.REST, "http://127.0.0.1:9", "w"))
SETTINGS = EngineSettings(1, 2**30, "/nowhere")
Made = Callable[..., Remote]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """Makes the client of a worker that runs the Python ``query`` for each query."""
    with Guard("client") as guard:

        def make(query: str = "pass") -> Remote:
            script = tmp_path / "python"
            script.write_text(SCRIPT.format(python=sys.executable, query=query))
            script.chmod(0o700)
            remote = Remote(guard, DuckDB, EngineRef("mine"), script, tmp_path / "worker", 2**40)
            remote.make(SETTINGS)
            return remote

        yield make


def operations(remote: Remote) -> list[str]:
    return remote.log_tail().split()


def test_an_adapter_is_made_once_and_a_lake_opened_once(made: Made) -> None:
    remote = made()
    remote.make(SETTINGS)
    for _ in range(2):
        remote.open(LAKE, 30)
    assert (remote.versions, remote.settings) == ({"engine": "1"}, {"threads": "2"})
    remote.close(30)
    remote.open(LAKE, 30)
    assert operations(remote) == ["preload", "make", "open", "close", "open"]
    assert remote.alive


def test_passing_the_time_limit_ends_the_process_and_says_what_raises_it(made: Made) -> None:
    remote = made("time.sleep(60)")
    with pytest.raises(Timeout) as raised:
        remote.call("query", limit_s=0.2, raised_by="--time-limit", table="t")
    assert str(raised.value) == "mine gave no answer to query of t within 0.2 s: --time-limit raises the limit"
    assert raised.value.details["limit_s"] == 0.2
    assert "query" in str(raised.value.details["log"])
    assert not remote.alive


def test_passing_the_memory_limit_ends_the_process_and_names_the_setting(made: Made) -> None:
    remote = made("time.sleep(60)")
    remote._limit_bytes = 2**20
    with pytest.raises(OutOfMemory, match=r"^the process of mine held .* at query, .*\[engines\.mine\] memory"):
        remote.call("query", limit_s=30)
    assert not remote.alive


def test_a_process_over_its_limit_is_seen_where_all_its_answers_are_quick(
    made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    remote = made()
    monkeypatch.setattr(worker_client, "_LOOK_S", 30.0)
    monkeypatch.setattr(remote, "_limit_bytes", 1)
    with pytest.raises(OutOfMemory, match="at open"):
        remote.open(LAKE, 30)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("os._exit(7)", "the engine's process died with exit code 7"),
        ("os.kill(os.getpid(), 9)", "the engine's process died by SIGKILL"),
        ("replies.write(b'{\"ok\": tr'); os._exit(0)", "the engine's process died with exit code 0"),
    ],
)
def test_a_process_that_dies_at_a_query_is_a_crash_of_the_engine(made: Made, query: str, message: str) -> None:
    remote = made(query)
    with pytest.raises(EngineCrash) as raised:
        remote.call("query", limit_s=30)
    assert str(raised.value) == message
    assert not remote.alive


def test_a_refusal_that_the_worker_reports_is_raised_here_and_the_worker_goes_on(made: Made) -> None:
    error = '{"kind": "Refused", "message": "no", "details": {"a": 1}, "traceback": ""}'
    remote = made(f"reply(ok=False, error={error}); continue")
    remote.open(LAKE, 30)
    with pytest.raises(Refused, match=r"^no$") as raised:
        remote.call("query", limit_s=30)
    assert raised.value.details["a"] == 1
    assert remote.lake == LAKE
    remote.close(30)


def test_a_line_that_was_not_promised_is_a_fault_of_ours(made: Made) -> None:
    remote = made("replies.write(b'nonsense\\n'); continue")
    with pytest.raises(HarnessFault):
        remote.call("query", limit_s=30)


def test_another_environment_does_not_see_the_packages_of_this_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/mine")
    same = worker_client._environment(tmp_path / "worker", tmp_path, Path(sys.executable))
    other = worker_client._environment(tmp_path / "worker", tmp_path, tmp_path / "python")
    assert same["PYTHONPATH"].split(os.pathsep) == [str(tmp_path / "source"), "/mine"]
    assert other["PYTHONPATH"] == str(tmp_path / "source")
    assert (tmp_path / "source" / "lakebench" / "engines").is_dir()
    assert other["TMPDIR"] == str(tmp_path / "worker")


def test_a_workers_libraries_accept_the_authorities_that_this_process_accepts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/etc/another.pem")
    monkeypatch.setenv("SSL_CERT_FILE", "/mine/ca.pem")
    made = worker_client._environment(tmp_path / "worker", tmp_path, Path(sys.executable))
    assert made["REQUESTS_CA_BUNDLE"] == made["SSL_CERT_FILE"] == "/mine/ca.pem"
