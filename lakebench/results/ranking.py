"""Engines ranked by their times over the queries that all of them got right, and whether the samples show the order."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lakebench.results import statistics
from lakebench.results.statistics import Ratio

Samples = Mapping[str, Sequence[float]]
"""Query → the samples in seconds of an engine that got it right."""


@dataclass(frozen=True)
class Ranked:
    """An engine, and the geometric mean in seconds of its medians; ``ratio`` is that to the least, which has none."""

    engine: str
    mean_s: float
    ratio: Ratio | None


@dataclass(frozen=True)
class Ranking:
    """The engines with a right answer over the number of ``queries`` that all of them got right, the least mean first.

    There are no engines where no query was answered right by all.
    """

    queries: int
    engines: tuple[Ranked, ...]

    @property
    def not_apart(self) -> tuple[Ranked, ...]:
        """The engines that the samples do not show to be slower than the first."""
        return tuple(one for one in self.engines if one.ratio and not one.ratio.differs)

    @property
    def shown(self) -> bool:
        """Whether the samples show that the first is faster than each other engine."""
        return len(self.engines) > 1 and not self.not_apart

    @property
    def verdict(self) -> str:
        """In words: who is the fastest, or why that is not shown."""
        if not self.engines:
            return "No query was answered right by all engines with a right answer, so there is no ranking."
        first = self.engines[0]
        several = f"geometric mean {first.mean_s:.3g} s over {self.queries} queries"
        over = several if self.queries > 1 else f"{first.mean_s:.3g} s over 1 query"
        if len(self.engines) == 1:
            return f"{first.engine} alone has times: {over}."
        over = f"{over} that all {len(self.engines)} engines got right"
        if self.shown:
            return f"{first.engine} is the fastest: {over}."
        return f"No engine is shown to be the fastest. {first.engine} has the least time ({over}), but {self._why()}."

    def _why(self) -> str:
        few = [one.engine for one in self.not_apart if one.ratio and one.ratio.interval is None]
        alike = [one.engine for one in self.not_apart if one.engine not in few]
        reasons = []
        if alike:
            reasons.append(f"its difference from {self._names(alike)} is within the noise of the samples")
        if few:
            least = statistics.MIN_INTERVAL
            reasons.append(f"fewer than {least} samples of a query do not tell it from {self._names(few)}")
        return ", and ".join(reasons)

    def _names(self, engines: Sequence[str]) -> str:
        others = len(self.engines) - 1
        return "any other" if len(engines) == others > 1 else ", ".join(engines)


def rank(right: Mapping[str, Samples]) -> Ranking:
    """The ranking of the engines in ``right`` that have a right answer.

    An engine's interval covers the noise of the samples alone, as they are not paired: noise that both engines met at
    the same time makes it too wide, never too narrow.
    """
    answered = {engine: had for engine, had in right.items() if had}
    common = sorted(set.intersection(*map(set, answered.values()))) if answered else []
    if not common:
        return Ranking(0, ())
    medians = {engine: [statistics.median(had[query]) for query in common] for engine, had in answered.items()}
    means = {engine: statistics.geometric_mean(values) for engine, values in medians.items()}
    first, *others = sorted(means, key=lambda engine: means[engine])
    ratios = {engine: _ratio(first, engine, answered, common) for engine in others}
    return Ranking(len(common), tuple(Ranked(one, means[one], ratios.get(one)) for one in (first, *others)))


def _ratio(first: str, engine: str, answered: Mapping[str, Samples], common: Sequence[str]) -> Ratio:
    pairs = [(answered[first][query], answered[engine][query]) for query in common]
    return statistics.geometric_ratio(pairs, paired=False, seed=zlib.crc32(f"{first}/{engine}".encode()))
