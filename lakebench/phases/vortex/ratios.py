"""Times of a format against Parquet's, from records alone: medians with an interval, warm executions by round."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lakebench.model import Record
from lakebench.outcomes import Outcome
from lakebench.phases.vortex.layouts import BASES, LAYOUTS, LOCAL, FileLayout
from lakebench.phases.vortex.questions import QUESTIONS
from lakebench.results import statistics
from lakebench.results.statistics import Ratio


@dataclass(frozen=True)
class FormatRatio:
    """One question: the time on ``layout`` by ``engine``, divided by that on the Parquet ``base`` by ``reader``."""

    question: str
    storage: str
    engine: str
    layout: FileLayout
    reader: str
    base: FileLayout
    ratio: Ratio

    @property
    def who(self) -> str:
        """For people: ``duckdb on Vortex by DuckDB``."""
        return f"{self.engine} on {self.layout.title}"

    @property
    def against(self) -> str:
        """For people: what it is held against."""
        return f"{self.base.title}, read by {self.reader}" if self.reader != self.engine else self.base.title

    @property
    def times_faster(self) -> float:
        """The other way round: above 1 the format is faster."""
        return 1 / self.ratio.ratio

    @property
    def interval(self) -> tuple[float, float] | None:
        """Of the ratio."""
        bounds = self.ratio.interval
        return (bounds.low, bounds.high) if bounds else None


def ratios(cases: Sequence[Record], storage: str = LOCAL) -> Iterator[FormatRatio]:
    """Each question on each format that is no Parquet, against each base that it has."""
    timed = {_key(case): _warm(case) for case in cases if case.coordinates.query and case.outcome is Outcome.PASS}
    for (where, question, engine, layout), samples in timed.items():
        if where != storage or layout.startswith("parquet"):
            continue
        for reader, base in BASES.get(engine, ()):
            if base_samples := timed.get((where, question, reader, base.id)):
                ratio = _ratio(base_samples, samples)
                yield FormatRatio(question, where, engine, LAYOUTS[layout], reader, base, ratio)


def _key(case: Record) -> tuple[str, str, str, str]:
    at = case.coordinates
    return str(at.storage), str(at.query), str(at.engine), str(at.more["layout"])


def _warm(case: Record) -> list[int]:
    return [one.ns for one in case.samples if one.kind == "warm"]


def _ratio(base: Sequence[int], other: Sequence[int]) -> Ratio:
    measure = statistics.paired_ratio if len(base) == len(other) else statistics.independent_ratio
    return measure(base, other)


def of_kind(found: Sequence[FormatRatio], *kinds: str) -> list[FormatRatio]:
    """Those whose question is of one of ``kinds``."""
    return [one for one in found if QUESTIONS[one.question].kind in kinds]
