"""Our own hot paths under pytest-benchmark: what lakebench itself spends its time on, by no server and no engine.

``make bench`` runs them. Whole inputs are an answer of 100,000 rows, a run of 100,000 cells, every shipped feature and
the samples of 22 queries; ``--part 0.01`` makes them smaller.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import fixture_interop  # type: ignore[import-not-found] # tests/helpers are on pytest's path
import pyarrow as pa
import pytest

from lakebench.datasets import answers
from lakebench.datasets.interop.features import FEATURES
from lakebench.datasets.interop.oracle import Oracle
from lakebench.datasets.rules import Rules
from lakebench.reports import document, html, markdown
from lakebench.results import records, statistics

ROWS = 100_000
WRITERS, READERS = 7, 8
CELLS_OF_A_FEATURE = WRITERS * (READERS + 1)
CELLS = 100_000
QUERIES, SAMPLES = 22, 30


class Benchmark(Protocol):
    """pytest-benchmark's fixture of that name, which calls a function as often as it has to."""

    def __call__(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What the function returned last."""

    def pedantic(self, function: Callable[..., Any], arguments: Sequence[Any], *, rounds: int) -> Any:
        """Likewise, with that many calls."""


def answer(rows: int) -> pa.Table:
    """An answer with ``rows`` rows: a whole number, a decimal, a double and a text."""
    numbers = pa.array(range(rows), pa.int64())
    texts = pa.array([f"Customer#{number:09}" for number in range(rows)])
    return pa.table({"k": numbers, "d": numbers.cast(pa.decimal128(25, 2)), "f": numbers.cast("double"), "t": texts})


def lines(part: float) -> list[records.Line]:
    """The lines of an interop run with that part of 100,000 cells."""
    made: list[records.Line] = fixture_interop.lines(max(1, round(part * CELLS / CELLS_OF_A_FEATURE)), WRITERS, READERS)
    return made


def write(file: Path, made: Sequence[records.Line]) -> None:
    """Write records, each of which is on the disk before the next one."""
    file.unlink(missing_ok=True)
    with records.Writer(file) as writer:
        for line in made:
            writer.write(line)


@pytest.fixture(scope="module")
def run(part: float, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with that part of 100,000 cells."""
    folder = tmp_path_factory.mktemp("run")
    write(folder / records.FILE, lines(part))
    return folder


def test_answers_in_any_order_are_compared(benchmark: Benchmark, part: float) -> None:
    """Two engines give one answer, one of them backwards."""
    expected = answer(round(ROWS * part))
    backwards = expected.take(list(reversed(range(expected.num_rows))))
    assert benchmark(answers.compare, backwards, expected, Rules()) is None


def test_rows_are_compared_exactly(benchmark: Benchmark, part: float) -> None:
    """What the interop matrix asks of each read."""
    expected = answer(round(ROWS * part))
    assert benchmark(answers.same_rows, expected, expected).diff is None


def test_the_oracle_answers_every_read(benchmark: Benchmark) -> None:
    """The expected rows of all reads of every shipped feature that has no concurrent writers."""
    known = [one for one in FEATURES if not any(hasattr(part, "operations") for part in one.program)]

    def all_reads() -> int:
        asked = [(Oracle(one.program), read) for one in known for read in one.all_reads if not read.metadata]
        return sum(oracle.answer(read).num_rows for oracle, read in asked)

    assert benchmark(all_reads) > len(known)


def test_records_are_written(benchmark: Benchmark, part: float, tmp_path: Path) -> None:
    """A hundredth of the cells: each line is on the disk before the next one."""
    made = lines(part / 100)
    benchmark(write, tmp_path / records.FILE, made)
    assert len(records.read(tmp_path).cases) >= CELLS_OF_A_FEATURE


def test_records_are_read(benchmark: Benchmark, run: Path, part: float) -> None:
    """All cells of a run."""
    assert len(benchmark.pedantic(records.read, [run], rounds=3).cases) >= round(CELLS * part * 0.9)


def test_a_report_is_made(benchmark: Benchmark, run: Path) -> None:
    """The report of a run as Markdown and HTML, from its records in memory."""
    read = records.read(run)

    def report() -> int:
        contents = document.build(read)
        return len(markdown.render(contents)) + len(html.render(contents))

    assert benchmark.pedantic(report, [], rounds=3) > CELLS_OF_A_FEATURE


def test_samples_become_intervals_and_ratios(benchmark: Benchmark) -> None:
    """Medians, ratios and the geometric mean of 22 queries with 30 pairs each, each with its interval."""
    dice = random.Random(1)  # noqa: S311 - not for secrets
    pairs = [tuple([dice.gauss(100, 5) for _ in range(SAMPLES)] for _ in range(2)) for _ in range(QUERIES)]

    def judged() -> float:
        for base, other in pairs:
            statistics.summarise(base)
            statistics.paired_ratio(base, other)
        return statistics.geometric_ratio([(base, other) for base, other in pairs], paired=True).ratio

    assert benchmark(judged) == pytest.approx(1, abs=0.1)
