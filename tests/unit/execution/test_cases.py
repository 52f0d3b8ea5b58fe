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
from lakebench.execution.measurement import MeasuredEngine, Measurement
from lakebench.execution.past import Past
from lakebench.execution.protocol import Protocol
from lakebench.model import EngineRef, Record
from lakebench.outcomes import Outcome
from lakebench.results.accepted import Baseline

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
        said = self._script[min(self.calls, len(self._script) - 1)]
        self.calls += 1
        if isinstance(said, Exception):
            raise said
        Path(into).write_text(said)
        return {"ns": 1000 + self.calls, "offset_ns": 2**62, "rows": 1, "bytes": 8, "cpu_ns": 5}


class Bench:
    """What a measurement asks of the bench; ``told`` are the cold starts and who lost its seat."""

    def __init__(self, folder: Path, **scripts: list[Any]) -> None:
        self.folder, self.past, self.checker, self.baseline = folder, Past(), Checker(), Baseline()
        self.remotes = {name: Remote(script) for name, script in scripts.items()}
        self.told: list[str] = []
        self.unseated: list[str] = []
        self.counters = itertools.chain([{"Get": 3}, {"Get": 5}], itertools.repeat({}))
        self.sent = itertools.chain([100, 160], itertools.repeat(None))
        self._numbers = itertools.count()

    def file(self, _: str) -> Path:
        return self.folder / f"{next(self._numbers)}"

    def shuffled(self, things: tuple[Any, ...], *, where: str) -> list[Any]:
        return list(things) if where.endswith(("0", "2")) else list(things)[::-1]

    def ended(self, error: Exception, _ref: EngineRef, _seat: str) -> Exception:
        return error

    def must_stand(self, error: Exception) -> None:
        """It does."""

    def versions(self, ref: EngineRef) -> dict[str, str]:
        return {ref.name: "1"}

    def seated(self, ref: EngineRef, _seat: str) -> bool:
        return self.unseated.pop() != ref.name if self.unseated else True

    def remote(self, ref: EngineRef, _lake: Any, _seat: str) -> Remote:
        return self.remotes[ref.name]

    def fresh(self, ref: EngineRef) -> None:
        self.told.append(f"fresh {ref}")

    def retire(self, ref: EngineRef, _seat: str) -> None:
        self.told.append(f"retire {ref}")

    def server_processes(self, _: EngineRef) -> list[int]:
        return []

    def store_counters(self, _: str) -> dict[str, int]:
        return next(self.counters)

    def store_bytes(self, _: str) -> int | None:
        return next(self.sent)


@pytest.fixture(autouse=True)
def _no_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurement.resources, "drop_page_cache", lambda: "page cache kept")
    monkeypatch.setattr(measurement.resources, "reset_peak", lambda _: None)


def run(bench: Bench, protocol: Protocol = PROTOCOL, **given: Any) -> dict[str, Record]:
    reference = bench.folder / "reference"
    reference.write_text(RIGHT)
    entries = tuple(
        MeasuredEngine(
            Case(f"p/q/{name}", "p", "q", EngineRef(name), "g", "q", name), lambda _: SimpleNamespace(), f"ask {name}"
        )
        for name in bench.remotes
    )
    block = Measurement("q", entries, protocol, {"theirs": reference}, Rules(), "exact", **given)
    return {one.engine: one for one in block.run(bench, frozenset(one.id for one in block.cases))}  # type: ignore[arg-type]


def test_each_kind_of_sample_stands_in_its_place(tmp_path: Path) -> None:
    bench = Bench(tmp_path, duckdb=[RIGHT], trino=[RIGHT])
    for one in run(bench).values():
        assert one.outcome is Outcome.PASS
        assert [sample.kind for sample in one.samples] == ORDER
        assert [sample.position for sample in one.samples] == list(range(len(ORDER)))
        assert [sample.round for sample in one.samples] == [0, 1, 1, 1, 2]
        assert {sample.cache for sample in one.samples if sample.kind != "cold"} == {""}
        assert one.samples[0].cache == "new process, page cache kept"
        assert one.evidence["sql"] == f"ask {one.engine}"
        assert (one.evidence["tolerance"], one.evidence["checked_against"]) == ("exact", ["theirs"])
    assert sorted(bench.told) == ["fresh duckdb", "fresh trino"]


def test_what_the_store_saw_is_of_the_sample_alone(tmp_path: Path) -> None:
    (one,) = run(Bench(tmp_path, duckdb=[RIGHT])).values()
    assert (one.samples[0].requests, one.samples[0].store_bytes) == ({"Get": 2}, 60)
    assert (one.samples[1].requests, one.samples[1].store_bytes) == ({}, None)
    assert one.samples[0].cpu_ns == 5


def test_a_wrong_answer_has_no_time_and_is_not_asked_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, duckdb=[RIGHT], trino=["wrong"])
    found = run(bench)
    assert (found["trino"].outcome, found["trino"].samples) == (Outcome.WRONG, ())
    assert found["trino"].evidence["diff"]["text"] == "another row\n  expected: right\n  actual: wrong"
    assert bench.remotes["trino"].calls == 1
    assert len(found["duckdb"].samples) == len(ORDER)


@pytest.mark.parametrize(
    ("late", "outcome"),
    [("wrong", Outcome.WRONG), (EngineCrash("died"), Outcome.CRASH), (Refused("no"), Outcome.REFUSED)],
)
def test_what_fails_later_loses_its_times_and_others_go_on(tmp_path: Path, late: Any, outcome: Outcome) -> None:
    bench = Bench(tmp_path, duckdb=[RIGHT, RIGHT, late], trino=[RIGHT])
    found = run(bench)
    assert (found["duckdb"].outcome, found["duckdb"].samples) == (outcome, ())
    assert bench.remotes["duckdb"].calls == 3
    assert len(found["trino"].samples) == len(ORDER)


def test_who_had_to_make_room_warms_up_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path, duckdb=[RIGHT])
    bench.unseated = ["nobody", "duckdb"]
    (one,) = run(bench).values()
    assert [sample.kind for sample in one.samples] == ["cold", "warm-up", "warm-up", "warm", "warm", "warm"]


def test_without_restart_a_server_stays(tmp_path: Path) -> None:
    bench = Bench(tmp_path, duckdb=[RIGHT], trino=[RIGHT])
    found = run(bench, restart=False)
    assert found["trino"].samples[0].cache.startswith("new session and catalog, the server kept, ")
    assert found["duckdb"].samples[0].cache.startswith("new process, ")
    assert sorted(bench.told) == ["retire duckdb", "retire trino"]


def test_a_protocol_once_is_one_sample_without_a_cold_one(tmp_path: Path) -> None:
    (one,) = run(Bench(tmp_path, duckdb=[RIGHT]), PROTOCOL.once()).values()
    assert [sample.kind for sample in one.samples] == ["warm"]
