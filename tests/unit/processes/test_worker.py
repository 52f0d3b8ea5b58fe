"""A worker reports a fault of ours as one, and its parent accepts nothing that was not promised."""

from __future__ import annotations

import dataclasses
import errno
import io
import json
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from lakebench.datasets import table_files
from lakebench.engines import CanOperate, CanQuery, CanScan, Engine
from lakebench.engines.boundary import engine_call
from lakebench.engines.duckdb.engine import DuckDB
from lakebench.errors import EngineCrash, EngineUnavailable, HarnessFault, LakebenchError, Refused
from lakebench.iceberg import operations as ops
from lakebench.iceberg.scan import Condition, Scan
from lakebench.model import ZONE, Catalog, CatalogKind, EngineRef, EngineSettings, Lake, TableFormat
from lakebench.processes import replies
from lakebench.processes import worker as worker_module
from lakebench.processes.concurrent_tasks import Shape
from lakebench.processes.guard import Guard
from lakebench.processes.pipe import serve
from lakebench.processes.worker import Worker
from lakebench.processes.worker_client import Remote

LAKE = Lake("lake", None, Catalog(CatalogKind.REST, "http://127.0.0.1:9", "w"))
MINE = f"{__name__}:Mine"
ROWS = pa.table({"n": [1]})


class Mine(Engine, CanQuery, CanScan, CanOperate):
    """An outsider's adapter; ``does`` is what each of its methods does."""

    name: ClassVar[str] = "mine"
    distribution: ClassVar[str] = "pyarrow"
    operations: ClassVar[frozenset[type[ops.Operation]]] = frozenset({ops.Compact})
    does: ClassVar[Any] = None

    def open(self, lake: Lake) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Nothing to close."""

    def versions(self) -> dict[str, str]:
        return {"mine": "1"}

    def query(self, _sql: str) -> Any:
        return type(self).does()

    def scan(self, _scan: Scan) -> Any:
        return type(self).does()

    def operate(self, _operation: ops.Operation, tell: Any) -> None:
        tell("a statement")
        type(self).does()


def _key_error() -> Any:
    raise KeyError("planted")


def _refused() -> Any:
    raise Refused("the engine says no")


def _engines_own() -> Any:
    return engine_call(_key_error)


@pytest.fixture
def worker() -> Worker:
    engine_worker = Worker()
    settings = dataclasses.asdict(EngineSettings(1, 2**30, "/nowhere"))
    assert engine_worker.answer({"op": "make", "engine": MINE, "settings": settings}) == {"ok": True}
    return engine_worker


def _does(monkeypatch: pytest.MonkeyPatch, function: Any) -> None:
    monkeypatch.setattr(Mine, "does", staticmethod(function))


def _error_of(worker: Worker, **request: Any) -> dict[str, Any]:
    error: dict[str, Any] = worker.answer(request)["error"]
    return error


def _query(worker: Worker, into: str = "/dev/null") -> dict[str, Any]:
    return _error_of(worker, op="query", sql="SELECT 1", into=into)


def test_an_outsiders_adapter_is_named(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    _does(monkeypatch, _key_error)
    error = _query(worker)
    assert (error["kind"], error["message"]) == ("HarnessFault", f"the adapter {MINE} raised KeyError: 'planted'")
    assert "in _key_error" in error["traceback"]
    _does(monkeypatch, _engines_own)
    assert (_query(worker)["kind"], _query(worker)["message"]) == ("Refused", "KeyError: 'planted'")
    _does(monkeypatch, _refused)
    assert _query(worker)["kind"] == "Refused"


def test_what_is_no_answer_is_wrong_and_rows_that_fail_late_are_the_engines(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    _does(monkeypatch, lambda: 7)
    assert _query(worker)["kind"] == "WrongAnswer"

    def late() -> Iterator[pa.RecordBatch]:
        yield from ROWS.to_batches()
        raise ValueError("half way")

    _does(monkeypatch, lambda: pa.RecordBatchReader.from_batches(ROWS.schema, late()))
    assert _query(worker)["kind"] == "Refused"
    _does(monkeypatch, late)  # a generator of the adapter's own
    assert _query(worker)["kind"] == "HarnessFault"


@pytest.mark.parametrize("broken", ["_write", "drain"])
def test_the_workers_own_functions_are_ours(worker: Worker, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    def fails(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device", "/rows")

    _does(monkeypatch, lambda: ROWS)
    monkeypatch.setattr(worker_module, broken, fails)
    error = _query(worker)
    assert error["kind"] == "HarnessFault"
    assert "raised OSError: [Errno 28] No space left on device" in error["message"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_is_reported_and_no_refusal(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> None:
    _does(monkeypatch, lambda: ROWS)
    error = _query(worker, into="/dev/full")
    assert error["kind"] == "HarnessFault"
    assert error["message"].startswith("the worker raised OSError: ")
    assert "No space left on device" in error["message"]


def test_a_request_that_makes_no_sense_is_a_fault(worker: Worker) -> None:
    assert _error_of(worker, op="no_such_operation")["kind"] == "HarnessFault"
    assert _error_of(worker, op="query", wrong=1)["kind"] == "HarnessFault"
    assert _error_of(worker, op="open", lake={"nothing": "of a lake"})["kind"] == "HarnessFault"
    written = io.BytesIO()
    serve(io.BytesIO(b"no json\n"), written, worker.answer, worker.meaning)
    assert json.loads(written.getvalue())["error"]["kind"] == "HarnessFault"


def test_a_reply_that_json_cannot_hold_is_a_fault_and_not_the_end(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Mine, "versions", lambda _: {("a", "tuple"): "1"})
    request = {"op": "open", "lake": json.loads(json.dumps(dataclasses.asdict(LAKE)))}
    written = io.BytesIO()
    serve(io.BytesIO(json.dumps(request).encode() + b"\n"), written, worker.answer, worker.meaning)
    assert json.loads(written.getvalue())["error"]["kind"] == "HarnessFault"


def test_why_an_adapter_cannot_be_made_is_reported() -> None:
    settings = dataclasses.asdict(EngineSettings(1, 2**30, "/nowhere"))
    for engine, kind in {
        f"{__name__}:Nobody": "HarnessFault",
        "lakebench.engines.nothing:Nobody": "HarnessFault",
        "a_package_that_is_not_here:Engine": "EngineUnavailable",
    }.items():
        worker = Worker()
        assert worker.answer({"op": "preload", "engine": engine}) == {"ok": True}
        assert _error_of(worker, op="make", engine=engine, settings=settings)["kind"] == kind


def _writer(worker: Worker) -> None:
    arguments = {"lake": json.loads(json.dumps(dataclasses.asdict(LAKE))), "shape": dataclasses.asdict(Shape())}
    assert worker.answer({"op": "enter", **arguments}) == {"ok": True, "refused": ""}


def test_an_error_of_the_engine_ends_a_task_and_a_fault_ends_the_work(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _writer(worker)
    work = {"op": "work", "tasks": [ops.to_json(ops.Compact())], "start_ns": 0, "seconds": 1e9}
    _does(monkeypatch, _engines_own)
    assert worker.answer({**work, "into": str(tmp_path / "engine")}) == {"ok": True}
    *_, ended = map(json.loads, (tmp_path / "engine").read_text().splitlines())
    assert (ended["state"], ended["kind"], ended["message"]) == ("refused", "Refused", "KeyError: 'planted'")
    _writer(worker)
    _does(monkeypatch, _key_error)
    assert _error_of(worker, **work, into=str(tmp_path / "ours"))["kind"] == "HarnessFault"
    assert "ended" not in (tmp_path / "ours").read_text()


def test_a_writer_that_breaks_on_entry_is_a_fault_and_no_refusal(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = {"lake": json.loads(json.dumps(dataclasses.asdict(LAKE))), "shape": dataclasses.asdict(Shape())}
    monkeypatch.setattr(Mine, "open", lambda *_: _refused())
    assert worker.answer({"op": "enter", **arguments}) == {"ok": True, "refused": "the engine says no"}
    monkeypatch.setattr(Mine, "open", lambda *_: _key_error())
    assert _error_of(worker, op="enter", **arguments)["kind"] == "HarnessFault"


def test_a_reader_that_breaks_is_a_fault(worker: Worker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    _does(monkeypatch, _key_error)
    arguments = {"scan": Scan("t").to_json(), "into": str(tmp_path / "seen"), "stop": str(tmp_path / "stop")}
    assert _error_of(worker, op="watch", **arguments)["kind"] == "HarnessFault"
    assert (tmp_path / "seen").read_text() == ""


GOOD = {"ok": True, "ns": 1, "cpu_ns": 1, "offset_ns": 1, "rows": 1, "bytes": 1}
ERROR = {"kind": "Refused", "message": "no", "details": {}, "traceback": ""}


@pytest.mark.parametrize(
    ("operation", "line"),
    [
        ("query", b"not json"),
        ("query", b"[]"),
        ("query", b"{}"),
        ("query", b'{"ok": 1}'),
        ("query", b'{"ok": true}'),
        *(("query", json.dumps({**GOOD, "ns": odd}).encode()) for odd in ("abc", -5, 0, 2**63, 1.5, True, None)),
        *(("query", json.dumps({**GOOD, key: -1}).encode()) for key in ("cpu_ns", "offset_ns", "rows", "bytes")),
        ("query", json.dumps(GOOD).replace("1", "NaN").encode()),
        ("query", json.dumps(GOOD).replace("1", "9" * 5000).encode()),
        ("query", b"[" * 100_000),
        ("load", json.dumps({**GOOD, "peak_bytes": -1}).encode()),
        ("append", b'{"ok": true, "ns": -1, "cpu_ns": 0}'),
        ("operate", b'{"ok": true, "statements": [5], "succeeded": [], "ns": 1}'),
        ("operate", b'{"ok": true, "statements": [], "succeeded": [[1]], "ns": 1}'),
        ("open", b'{"ok": true, "versions": {"duckdb": null}, "settings": {}}'),
        ("names", b'{"ok": true, "package": "p", "names": -1, "found": []}'),
        ("enter", b'{"ok": true, "refused": null}'),
        ("query", b'{"ok": false}'),
        ("query", b'{"ok": false, "error": "no"}'),
        ("query", json.dumps({"ok": False, "error": {**ERROR, "details": None}}).encode()),
        ("open", b'{"ok": true, "versions": [], "settings": {}}'),
        ("scans", json.dumps({"ok": True, "replies": [{"ok": True}], "calls": [[]]}).encode()),
        ("scans", json.dumps({"ok": True, "replies": [GOOD]}).encode()),
        ("query", b"\xff\xfe"),
    ],
)
def test_a_reply_that_was_not_promised_is_a_fault(operation: str, line: bytes) -> None:
    with pytest.raises(HarnessFault, match=f"reply of the adapter mine:Engine to ({operation}|scan) "):
        replies.parsed(operation, line, "mine:Engine")


def test_a_reply_that_was_promised_is_taken() -> None:
    assert replies.parsed("query", json.dumps(GOOD).encode()) == GOOD
    assert replies.parsed("close", b'{"ok": true}') == {"ok": True}


def test_an_error_keeps_its_kind_and_one_that_nobody_knows_is_a_fault() -> None:
    assert type(replies.error_from(ERROR)) is Refused
    for kind in ("KeyError", "Exception", "LakebenchErrors", ""):
        error = replies.error_from({**ERROR, "kind": kind, "details": {"operation": "append"}})
        assert type(error) is HarnessFault
        assert error.details["operation"] == "append"


@pytest.mark.parametrize("details", [{"message": "x"}, {"self": 1}, {"traceback": 5}])
def test_details_of_any_name_are_details(details: dict[str, Any]) -> None:
    assert str(replies.error_from({**ERROR, "details": details})) == "no"


def _dying(tmp_path: Path, code: str) -> LakebenchError:
    """The error that the parent raises for a worker whose Python runs ``code``."""
    python = tmp_path / "python"
    (tmp_path / "sitecustomize.py").write_text("")
    python.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{code}'\n")
    python.chmod(0o755)
    with Guard("dying") as guard:
        settings = EngineSettings(1, 2**30, str(tmp_path))
        with pytest.raises(LakebenchError) as raised:  # the start of the process itself may see its end
            Remote(guard, Mine, EngineRef("mine"), python, tmp_path / "worker", 2**40).make(settings)
    return raised.value


def test_a_worker_that_is_killed_at_its_start_leaves_evidence(tmp_path: Path) -> None:
    error = _dying(tmp_path, f'import os; print("last words", flush=True); os.kill(os.getpid(), {int(signal.SIGKILL)})')
    assert type(error) is EngineCrash
    assert str(error) == "the engine's process died by SIGKILL before the engine was there"
    assert error.details["exit_code"] == -signal.SIGKILL
    assert "last words" in str(error.details["log"])


def test_a_worker_that_exits_at_its_start_says_by_which_code(tmp_path: Path) -> None:
    error = _dying(tmp_path, "import os; os._exit(3)")
    assert type(error) is EngineCrash
    assert "with exit code 3" in str(error)


def test_a_worker_whose_own_code_breaks_at_its_start_is_a_fault(tmp_path: Path) -> None:
    error = _dying(tmp_path, '{}["planted"]')
    assert type(error) is HarnessFault
    assert "KeyError" in str(error)


def test_nothing_is_asked_of_an_engine_that_was_not_made() -> None:
    assert type(replies.error_from(_error_of(Worker(), op="close"))) is EngineUnavailable


@pytest.mark.parametrize(
    ("top", "reason"),
    [
        (
            "raise RuntimeError('built for another machine')",
            "duckdb fails when it is imported (RuntimeError: built for",
        ),
        ("raise ModuleNotFoundError(\"No module named 'duckdb'\", name='duckdb')", "No module named 'duckdb': install"),
        ("raise ImportError('libduckdb.so: file too short')", "libduckdb.so: file too short: install"),
    ],
)
def test_an_engine_that_is_broken_or_not_installed_is_unavailable_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, top: str, reason: str
) -> None:
    (tmp_path / "duckdb.py").write_text(top)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    lake = Lake("lake", None, LAKE.catalog, format=TableFormat.PARQUET)
    with Guard("broken") as guard:
        remote = Remote(guard, DuckDB, EngineRef("duckdb"), Path(sys.executable), tmp_path / "worker", 2**40)
        remote.make(EngineSettings(1, 2**30, str(tmp_path)))
        with pytest.raises(EngineUnavailable) as raised:
            remote.open(lake, 60.0)
    assert reason in str(raised.value)


def test_reads_tell_what_the_engine_was_asked_and_what_one_that_failed_was(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def read() -> Any:
        engine_call(sorted, ["WHERE n = 1"])
        return ROWS

    def refuse() -> Any:
        read()
        return _refused()

    answers = iter([read, refuse])

    def answer() -> Any:
        return next(answers)()

    _does(monkeypatch, answer)
    reply = worker.scans([Scan("t").to_json()] * 2, [str(tmp_path / name) for name in "ab"])
    assert [one["ok"] for one in reply["replies"]] == [True, False]
    assert reply["calls"] == [["sorted(('WHERE n = 1'))"]] * 2


def test_filters_are_asked_one_by_one_where_the_engine_has_no_way_to_ask_for_all(
    worker: Worker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answers = iter([pa.table({"a": [7, 8]}), pa.table({"a": pa.array([], pa.int64())}), pa.table({"a": [9]})])
    _does(monkeypatch, lambda: next(answers))
    filters = tuple((Condition("a", "=", n),) for n in range(3))
    assert worker.answer({"op": "scan", "scan": Scan("t", filters=filters).to_json(), "into": str(tmp_path / "all")})[
        "ok"
    ]
    assert table_files.read(tmp_path / "all").to_pydict() == {"n": [0, 0, 2], "a": [7, 8, 9]}


def test_answers_of_two_types_are_no_one_table(worker: Worker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    answers = iter([pa.table({"a": [7]}), pa.table({"a": ["seven"]})])
    _does(monkeypatch, lambda: next(answers))
    scan = Scan("t", filters=((Condition("a", "=", 7),),) * 2).to_json()
    assert _error_of(worker, op="scan", scan=scan, into=str(tmp_path / "all"))["kind"] == "Refused"


def test_the_process_has_the_zone_of_its_lake_and_then_its_own_again(worker: Worker) -> None:
    before = time.tzname
    zoned = dataclasses.replace(LAKE, options={ZONE: "Asia/Kathmandu"})
    assert worker.answer({"op": "open", "lake": dataclasses.asdict(zoned)})["ok"]
    assert time.tzname == ("+0545", "+0545")
    assert worker.answer({"op": "open", "lake": dataclasses.asdict(LAKE)})["ok"]
    assert time.tzname == before
