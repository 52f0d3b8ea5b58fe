"""A measurement that goes on after a kill: engines that have their record vote again, and are not measured again."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from lakebench.datasets import answer_files
from lakebench.datasets.answer_files import Agreed, Checked
from lakebench.datasets.rules import Rules
from lakebench.errors import EngineCrash
from lakebench.execution import measurement
from lakebench.execution.cases import Case
from lakebench.execution.history import RunHistory
from lakebench.execution.measurement import MeasuredEngine, Measurement
from lakebench.execution.protocol import Protocol
from lakebench.model import Coordinates, EngineRef, Record
from lakebench.outcomes import Outcome

NAMES = ("duckdb", "trino", "spark", "polars")
ANSWERS = {"duckdb": "right", "trino": "right", "spark": "wrong", "polars": None}


class Checker:
    """Holds one-line files against each other."""

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return {answer_files.agree: self.agree, answer_files.compare: self.compare}[function](*arguments)

    def agree(self, tables: Mapping[str, Path], _: Rules) -> Agreed:
        answers = {name: path.read_text() for name, path in tables.items()}
        ((most, votes),) = Counter(answers.values()).most_common(1)
        verified = tuple(name for name, text in answers.items() if text == most) if 2 * votes > len(answers) > 1 else ()
        diff = {"message": "other rows", "expected": [], "actual": []}
        return Agreed((), verified, {name: diff for name in answers if name not in verified}, {})

    def compare(self, actual: Path, expected: Mapping[str, Path], _: Rules) -> Checked:
        return Checked(ok=True, rows=1, sources=tuple(expected)) if actual else Checked(ok=False)


class Fakes:
    """The objects of a run that a measurement asks, all in one; ``asked`` are the engines that were asked, in order."""

    def __init__(self, folder: Path, history: RunHistory) -> None:
        self.folder, self.history, self.checker = folder, history, Checker()
        self.request = self.workers = self.client = self.files = self.prerequisites = self
        self.asked: list[str] = []
        self._numbers = itertools.count()

    def new(self, _: str) -> Path:
        return self.folder / f"{next(self._numbers)}"

    def shuffled(self, things: tuple[Any, ...], *, where: str) -> list[Any]:
        assert where
        return list(things)

    def case_end(self, error: Exception, _ref: EngineRef, _session: str) -> Exception:
        return error

    def check(self, error: Exception) -> None:
        """It came of nothing else."""

    def is_open(self, _ref: EngineRef, _session: str) -> bool:
        return True

    def call(self, ref: EngineRef, _lake: Any, operation: str, _limit_s: float, *, into: str, **_: Any) -> None:
        assert operation == "query"
        self.answer(ref, Path(into))

    def answer(self, ref: EngineRef, into: Path) -> None:
        self.asked.append(ref.name)
        text = ANSWERS[ref.name]
        if text is None:
            raise EngineCrash("died")
        into.write_text(text)


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> None:
    def sample(fakes: Fakes, run: Any, kind: str, into: Path, _limit_s: float, **_: Any) -> dict[str, Any]:
        fakes.answer(run.entry.case.engine, into)
        return {"kind": kind, "ns": 1, "offset_ns": 0, "rows": 1, "bytes": 1}

    monkeypatch.setattr(measurement, "_sample", sample)


def q1() -> Measurement:
    entries = tuple(
        MeasuredEngine(
            Case(f"p/q/{name}", "p", "q", EngineRef(name), "g", "q", name, Coordinates(engine=name)),
            lambda _: SimpleNamespace(),
            "SELECT 1",
        )
        for name in NAMES
    )
    return Measurement(
        "q", entries, Protocol(cold=0, warm_ups=0, samples=3, block=3, limit_s=1.0), {}, Rules(), "exact"
    )


def run(folder: Path, earlier: tuple[Record, ...] = ()) -> tuple[dict[str, Record], Fakes]:
    history = RunHistory()
    for one in earlier:
        history.add(one)
    fakes, block = Fakes(folder, history), q1()
    todo = frozenset(case.id for case in block.cases) - {one.case for one in earlier}
    return {one.engine: one for one in block.run(fakes, todo)}, fakes  # type: ignore[arg-type]


def comparable(record: Record) -> tuple[Outcome, str, dict[str, Any], int]:
    return record.outcome, record.reason, dict(record.evidence), len(record.samples)


def test_the_run_that_is_not_interrupted(tmp_path: Path) -> None:
    records, _ = run(tmp_path)
    assert [one.outcome for one in records.values()] == [Outcome.PASS, Outcome.PASS, Outcome.WRONG, Outcome.CRASH]
    assert records["duckdb"].evidence["checked_against"] == ["trino"]


@pytest.mark.parametrize("kept", [1, 2, 3])
def test_an_interrupted_one_comes_to_the_same(tmp_path: Path, kept: int) -> None:
    whole, _ = run(tmp_path)
    left, fakes = run(tmp_path, tuple(whole.values())[:kept])
    assert {name: comparable(one) for name, one in left.items()} == {
        name: comparable(whole[name]) for name in NAMES[kept:]
    }
    for name in NAMES[:kept]:
        assert fakes.asked.count(name) == 1
    assert fakes.asked.count("polars") == 1


def test_who_gave_no_answer_is_not_asked_again(tmp_path: Path) -> None:
    whole, _ = run(tmp_path)
    _, fakes = run(tmp_path, (whole["polars"],))
    assert "polars" not in fakes.asked


def test_a_case_that_ended_in_an_error_of_ours_is_no_vote(tmp_path: Path) -> None:
    whole, _ = run(tmp_path)
    fault = Record(
        "p/q/spark", "p", "q", "spark", Outcome.HARNESS_FAULT, "ours", coordinates=Coordinates(engine="spark")
    )
    history = RunHistory()
    history.add(fault)
    assert history.case("p/q/spark") is None
    _, fakes = run(tmp_path, (fault, whole["duckdb"]))
    assert fakes.asked.count("spark") == 0
