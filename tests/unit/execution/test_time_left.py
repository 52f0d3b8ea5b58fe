"""The share of the work that is done, by an earlier run."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from lakebench.execution.time_left import Share, seconds_of_cases
from lakebench.results import records

(RECORDED,) = (Path(__file__).parents[2] / "fixtures" / "interop-versions").iterdir()
CASES = {one.case: one.seconds for one in records.read(RECORDED).cases}


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    shutil.copytree(RECORDED, tmp_path / RECORDED.name)
    return tmp_path


def test_the_newest_run_with_most_of_the_cases_counts(runs: Path) -> None:
    here = runs / "20261201T000000Z-interop-here"
    other = runs / "20261130T235959Z-interop-less"
    other.mkdir()
    lines = (RECORDED / records.FILE).read_text().splitlines(keepends=True)
    (other / records.FILE).write_text("".join(lines[:20]))
    assert seconds_of_cases(runs, "interop", set(CASES), here) == CASES
    assert seconds_of_cases(runs, "phase4", set(CASES), here) == {}
    assert seconds_of_cases(runs, "interop", {"interop/none/here"}, here) == {}
    assert seconds_of_cases(runs, "interop", set(CASES), runs / RECORDED.name) == {}
    assert seconds_of_cases(runs / "none", "interop", set(CASES), here) == {}


@pytest.mark.parametrize("text", ["", "{", "[]\n", '{"phases": 1}\n', '{"phases": ["interop"]}\n[]\n'])
def test_a_damaged_file_is_no_earlier_run(tmp_path: Path, text: str) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / records.FILE).write_text(text)
    assert seconds_of_cases(tmp_path, "interop", {"x"}, tmp_path / "b") == {}


def test_impossible_seconds_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    cases = [{"kind": "case", "phase": "p", "case": str(one), "seconds": one} for one in (-1, float("inf"), 2, "3")]
    lines = [json.dumps(one) for one in ({"phases": ["p"]}, *cases)]
    (tmp_path / "a" / records.FILE).write_text("\n".join(lines))
    assert seconds_of_cases(tmp_path, "p", {"2"}, tmp_path / "b") == {"2": 2.0}
    assert seconds_of_cases(tmp_path, "p", {"-1"}, tmp_path / "b") == {}


def test_each_case_weighs_what_it_took_and_an_unknown_one_the_mean() -> None:
    share = Share(["short", "long", "new"], {"short": 1.0, "long": 9.0})
    assert share.done() == 0
    share.finish("long")
    assert share.done() == pytest.approx(9 / 15)
    share.finish("long")
    share.finish("new")
    share.finish("short")
    assert share.done() == 1
    unknown = Share(["a"], {})
    unknown.finish("a")
    assert unknown.done() == 0
