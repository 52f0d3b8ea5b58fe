"""The parent's end of a worker, whose other end is a script here that answers, waits, dies or says nonsense."""

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
say = lambda **told: replies.write(json.dumps({{"ok": True, **told}}).encode() + b"\\n")
for line in sys.stdin:
    asked = json.loads(line)
    print(asked["op"])
    if asked["op"] == "query":
        {query}
    say(versions={{"engine": "1"}}, settings={{"threads": "2"}})
"""
LAKE = Lake("lake", None, Catalog(CatalogKind.REST, "http://127.0.0.1:9", "w"))
SETTINGS = EngineSettings(1, 2**30, "/nowhere")
Made = Callable[..., Remote]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Made]:
    """Makes the client of a worker that carries out ``query`` when it is asked one."""
    with Guard("client") as guard:

        def make(query: str = "pass") -> Remote:
            script = tmp_path / "python"
            script.write_text(SCRIPT.format(python=sys.executable, query=query))
            script.chmod(0o700)
            remote = Remote(guard, DuckDB, EngineRef("mine"), script, tmp_path / "worker", 2**40)
            remote.make(SETTINGS)
            return remote

        yield make


def asked(remote: Remote) -> list[str]:
    return remote.log_tail().split()


def test_an_adapter_is_made_once_and_a_lake_opened_once(made: Made) -> None:
    remote = made()
    remote.make(SETTINGS)
    for _ in range(2):
        remote.open(LAKE, 30)
    assert (remote.versions, remote.settings) == ({"engine": "1"}, {"threads": "2"})
    remote.close(30)
    remote.open(LAKE, 30)
    assert asked(remote) == ["preload", "make", "open", "close", "open"]
    assert remote.alive


def test_a_limit_that_is_passed_ends_the_process_and_says_what_raises_it(made: Made) -> None:
    remote = made("time.sleep(60)")
    with pytest.raises(Timeout) as raised:
        remote.call("query", limit_s=0.2, raised_by="--time-limit", table="t")
    assert str(raised.value) == "mine gave no answer to query of t within 0.2 s: --time-limit raises the limit"
    assert raised.value.details["limit_s"] == 0.2
    assert "query" in str(raised.value.details["log"])
    assert not remote.alive


def test_memory_that_is_passed_ends_the_process_and_names_the_setting(made: Made) -> None:
    remote = made("time.sleep(60)")
    remote._limit_bytes = 2**20
    with pytest.raises(OutOfMemory, match=r"^the process of mine held .* at query, .*\[engines\.mine\] memory"):
        remote.call("query", limit_s=30)
    assert not remote.alive


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("os._exit(7)", "the engine's process died with exit code 7"),
        ("os.kill(os.getpid(), 9)", "the engine's process died by SIGKILL"),
        ("replies.write(b'{\"ok\": tr'); os._exit(0)", "the engine's process died with exit code 0"),
    ],
)
def test_a_process_that_dies_of_a_question_is_a_crash_of_the_engine(made: Made, query: str, said: str) -> None:
    remote = made(query)
    with pytest.raises(EngineCrash) as raised:
        remote.call("query", limit_s=30)
    assert str(raised.value) == said
    assert not remote.alive


def test_what_the_worker_says_was_refused_is_raised_here_and_it_goes_on(made: Made) -> None:
    error = '{"kind": "Refused", "message": "no", "details": {"a": 1}, "traceback": ""}'
    remote = made(f"say(ok=False, error={error}); continue")
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
    own = worker_client._environment(tmp_path / "worker", tmp_path, Path(sys.executable))
    other = worker_client._environment(tmp_path / "worker", tmp_path, tmp_path / "python")
    assert own["PYTHONPATH"].split(os.pathsep) == [str(tmp_path / "source"), "/mine"]
    assert other["PYTHONPATH"] == str(tmp_path / "source")
    assert (tmp_path / "source" / "lakebench" / "engines").is_dir()
    assert other["TMPDIR"] == str(tmp_path / "worker")
