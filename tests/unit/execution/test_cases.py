"""A measurement takes samples only of right answers, each kind in its place, and tells of each engine."""

from __future__ import annotations

import itertools
import os
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lakebench.datasets import answer_files
from lakebench.datasets.answer_files import Checked
from lakebench.datasets.rules import Rules
from lakebench.errors import EngineCrash, Refused
from lakebench.execution import measurement
from lakebench.execution.cases import Case
from lakebench.execution.history import RunHistory
from lakebench.execution.measurement import MeasuredEngine, Measurement
from lakebench.execution.protocol import Protocol
from lakebench.model import Coordinates, EngineRef, Record
from lakebench.outcomes import Outcome

PROTOCOL = Protocol(cold=1, warm_ups=1, samples=3, block=2, limit_s=5.0)
ORDER = ["cold", "warm-up", "warm", "warm", "warm"]
RIGHT = "right"


class Checker:
    """A one-line file is right where it says what the reference says."""

    def call(self, function: Any, actual: Path, expected: Mapping[str, Path], _: Rules) -> Checked:
        assert function is answer_files.compare
        (source, path), *_rest = expected.items()
        if actual.read_text() == path.read_text():
            return Checked(ok=True, rows=1, sha256="ab", sources=(source,))
        diff = {"message": "another row", "expected": [["right"]], "actual": [["wrong"]]}
        return Checked(ok=False, rows=1, sources=(source,), diff=diff)


class Remote:
    """A worker that gives one answer of its script after the other; an exception is raised."""

    def __init__(self, script: list[Any]) -> None:
        self.process, self._script, self.calls = SimpleNamespace(pid=os.getpid()), script, 0

    def call(self, _operation: str, *, into: str, **_: Any) -> dict[str, Any]:
        reply = self._script[min(self.calls, len(self._script) - 1)]
        self.calls += 1
        if isinstance(reply, Exception):
            raise reply
        Path(into).write_text(reply)
        return {"ns": 1000 + self.calls, "offset_ns": 2**62, "rows": 1, "bytes": 8, "cpu_ns": 5}


class Fakes:
    """The objects of a run that a measurement asks, all in one; ``cold_starts`` and ``lost`` (workers) are lists."""

    def __init__(self, folder: Path, **scripts: list[Any]) -> None:
        self.folder, self.history, self.checker = folder, RunHistory(), Checker()
        self.request = self.workers = self.client = self.files = self.prerequisites = self.services = self
        self.remotes = {name: Remote(script) for name, script in scripts.items()}
        self.cold_starts: list[str] = []
        self.lost: list[str] = []
        self._numbers = itertools.count()

    def new(self, _: str) -> Path:
        return self.folder / f"{next(self._numbers)}"

    def shuffled(self, things: tuple[Any, ...], *, where: str) -> list[Any]:
        return list(things) if where.endswith(("0", "2")) else list(things)[::-1]

    def case_end(self, error: Exception, _ref: EngineRef, _session: str) -> Exception:
        return error

    def check(self, error: Exception) -> None:
        """It came of nothing else."""

    def is_open(self, ref: EngineRef, _session: str) -> bool:
        return self.lost.pop() != ref.name if self.lost else True

    def open(self, ref: EngineRef, _lake: Any, _session: str) -> Remote:
        return self.remotes[ref.name]

    def processes(self, _: str) -> list[int]:
        return []

    def launched_s(self, server: str) -> float:
        return {"trino": 2.5}[server]

    def restart(self, ref: EngineRef) -> None:
        self.cold_starts.append(f"restart {ref}")

    def retire(self, ref: EngineRef, _session: str) -> None:
        self.cold_starts.append(f"retire {ref}")


@pytest.fixture(autouse=True)
def _no_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurement.resources, "drop_page_cache", lambda: "page cache kept")
    monkeypatch.setattr(measurement.resources, "reset_peak", lambda _: None)
    counted = itertools.chain([{"Get": 3}, {"Get": 5}], itertools.repeat({}))
    sent = itertools.chain([100, 160], itertools.repeat(None))
    monkeypatch.setattr(measurement, "_store_counters", lambda *_: next(counted))
    monkeypatch.setattr(measurement, "_store_bytes", lambda *_: next(sent))


def run(fakes: Fakes, protocol: Protocol = PROTOCOL, **options: Any) -> dict[str, Record]:
    reference = fakes.folder / "reference"
    reference.write_text(RIGHT)
    entries = tuple(
        MeasuredEngine(
            Case(f"p/q/{name}", "p", "q", EngineRef(name), "g", "q", name, Coordinates(engine=name)),
            lambda _: SimpleNamespace(),
            f"ask {name}",
        )
        for name in fakes.remotes
    )
    block = Measurement("q", entries, protocol, {"theirs": reference}, Rules(), "exact", **options)
    return {one.engine: one for one in block.run(fakes, frozenset(one.id for one in block.cases))}  # type: ignore[arg-type]


def test_each_kind_of_sample_stands_in_its_place(tmp_path: Path) -> None:
    fakes = Fakes(tmp_path, duckdb=[RIGHT], trino=[RIGHT])
    for one in run(fakes).values():
        assert one.outcome is Outcome.PASS
        assert [sample.kind for sample in one.samples] == ORDER
        assert [sample.position for sample in one.samples] == list(range(len(ORDER)))
        assert [sample.round for sample in one.samples] == [0, 1, 1, 1, 2]
        assert {sample.cache for sample in one.samples if sample.kind != "cold"} == {""}
        assert one.samples[0].cache == "new process, page cache kept"
        assert (one.evidence["start_s"] >= 2.5) is (one.engine == "trino")
        assert one.evidence["sql"] == f"ask {one.engine}"
        assert (one.evidence["tolerance"], one.evidence["checked_against"]) == ("exact", ["theirs"])
    assert sorted(fakes.cold_starts) == ["restart duckdb", "restart trino"]


def test_what_the_store_saw_is_of_the_sample_alone(tmp_path: Path) -> None:
    (one,) = run(Fakes(tmp_path, duckdb=[RIGHT])).values()
    assert (one.samples[0].requests, one.samples[0].store_bytes) == ({"Get": 2}, 60)
    assert (one.samples[1].requests, one.samples[1].store_bytes) == ({}, None)
    assert one.samples[0].cpu_ns == 5


def test_a_wrong_answer_has_no_time_and_is_not_asked_again(tmp_path: Path) -> None:
    fakes = Fakes(tmp_path, duckdb=[RIGHT], trino=["wrong"])
    records = run(fakes)
    assert (records["trino"].outcome, records["trino"].samples) == (Outcome.WRONG, ())
    assert records["trino"].evidence["diff"]["text"] == "another row\n  expected: right\n  actual: wrong"
    assert fakes.remotes["trino"].calls == 1
    assert len(records["duckdb"].samples) == len(ORDER)


@pytest.mark.parametrize(
    ("late", "outcome"),
    [("wrong", Outcome.WRONG), (EngineCrash("died"), Outcome.CRASH), (Refused("no"), Outcome.REFUSED)],
)
def test_what_fails_later_loses_its_times_and_others_go_on(tmp_path: Path, late: Any, outcome: Outcome) -> None:
    fakes = Fakes(tmp_path, duckdb=[RIGHT, RIGHT, late], trino=[RIGHT])
    records = run(fakes)
    assert (records["duckdb"].outcome, records["duckdb"].samples) == (outcome, ())
    assert fakes.remotes["duckdb"].calls == 3
    assert len(records["trino"].samples) == len(ORDER)


def test_an_engine_whose_worker_was_ended_warms_up_again(tmp_path: Path) -> None:
    fakes = Fakes(tmp_path, duckdb=[RIGHT])
    fakes.lost = ["nobody", "duckdb"]
    (one,) = run(fakes).values()
    assert [sample.kind for sample in one.samples] == ["cold", "warm-up", "warm-up", "warm", "warm", "warm"]


def test_without_restart_a_server_stays(tmp_path: Path) -> None:
    fakes = Fakes(tmp_path, duckdb=[RIGHT], trino=[RIGHT])
    records = run(fakes, restart=False)
    assert records["trino"].samples[0].cache.startswith("new session and catalog, the server kept, ")
    assert records["duckdb"].samples[0].cache.startswith("new process, ")
    assert sorted(fakes.cold_starts) == ["retire duckdb", "retire trino"]


def test_a_protocol_once_is_one_sample_without_a_cold_one(tmp_path: Path) -> None:
    (one,) = run(Fakes(tmp_path, duckdb=[RIGHT]), PROTOCOL.once()).values()
    assert [sample.kind for sample in one.samples] == ["warm"]
