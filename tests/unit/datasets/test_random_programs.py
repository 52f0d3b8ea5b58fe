"""Random programs: each is valid, depends on its seed and number alone, and can be written as a feature."""

from __future__ import annotations

from pathlib import Path

import pytest

from lakebench import engines
from lakebench.datasets.interop import feature_files
from lakebench.datasets.interop.feature import Feature
from lakebench.datasets.interop.feature_text import text_of
from lakebench.datasets.interop.oracle import Oracle
from lakebench.datasets.interop.random_programs import Program, program, reads_of
from lakebench.iceberg.operations import Create, Mark, Update
from lakebench.iceberg.scan import Condition

WRITERS = {name: engines.find(name).operations for name in ("duckdb", "pyiceberg", "reference")}  # type: ignore[attr-defined]
PROGRAMS = [program(WRITERS, 1, number) for number in range(25)]


def test_programs_have_steps_of_several_engines() -> None:
    hands = {step.by for one in PROGRAMS for step in one}
    assert hands - {""} == set(WRITERS)
    assert len({type(step) for one in PROGRAMS for step in one}) > 12


def test_program_n_depends_on_seed_and_n_alone() -> None:
    assert program(WRITERS, 1, 20) == PROGRAMS[20]
    assert program(WRITERS, 2, 20) != PROGRAMS[20]


@pytest.mark.parametrize("one", PROGRAMS)
def test_the_oracle_answers_after_each_step(one: Program) -> None:
    assert isinstance(one[0], Create)
    for end in range(1, len(one) + 1):
        oracle = Oracle(one[:end])
        assert [oracle.answer(read).num_columns for read in reads_of(one[:end])][1] == 1
    for step in one:
        assert isinstance(step, Mark) or type(step) in WRITERS[step.by]


@pytest.mark.parametrize("one", PROGRAMS)
def test_a_key_is_there_once(one: Program) -> None:
    keys = [row["id"] for row in Oracle(one).answer(reads_of(one)[0]).to_pylist()]
    assert len(keys) == len(set(keys))


def feature(steps: Program) -> Feature:
    return Feature("fuzz-1", feature_files.GROUP, "a title", steps, "fuzz-1", "a source", reads_of(steps))


def test_a_program_is_a_feature_in_a_file(tmp_path: Path) -> None:
    written = 0
    for number, one in enumerate(PROGRAMS):
        if any(isinstance(step, Update) and None in step.values.values() for step in one):
            continue
        file = tmp_path / f"{number}.toml"
        file.write_text(text_of(feature(one)), encoding="utf-8")
        assert feature_files.load(file) == (feature(one),)
        written += 1
    assert written > 15


def test_an_update_to_null_has_no_text() -> None:
    update = Update(where=(Condition("id", "=", 1),), values={"v": None})
    with pytest.raises(ValueError, match="no null"):
        text_of(feature((PROGRAMS[0][0], update)))
