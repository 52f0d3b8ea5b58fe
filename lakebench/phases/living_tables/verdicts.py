"""When a table must be compacted, by whom, and what it costs not to: from the records of its life alone."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakebench.model import Record
from lakebench.outcomes import Outcome
from lakebench.phases.living_tables.observations import READS

SLOW = 1.5
"""A table is slow where its median reader takes so many times as long as on the table when it was fresh."""
COMPACT = "compact"
MEASURES = ("ms", "cpu_ms", "requests", "store_bytes")

Look = Mapping[str, Any]


@dataclass(frozen=True)
class Round:
    """What one reader needs for every query once: the sum of each query's median; ``None`` where it is not known."""

    ms: float
    cpu_ms: float | None
    requests: float | None
    store_bytes: float | None

    def less(self, other: Round) -> Round:
        """What this takes more than ``other``."""
        return Round(*(_minus(getattr(self, one), getattr(other, one)) for one in MEASURES))  # type: ignore[arg-type]


def _minus(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def round_of(look: Look) -> Round:
    """The round of a look."""
    return Round(*(_sum(look, one) for one in MEASURES))  # type: ignore[arg-type]


def _sum(look: Look, measure: str) -> float | None:
    """Of each query the median of the executions that have it: the store is asked about one of them alone."""
    values = [[one[measure] for one in samples if one[measure] is not None] for samples in look["answers"].values()]
    return sum(map(statistics.median, values)) if all(values) else None


def looks(cases: Sequence[Record]) -> dict[str, Sequence[Look]]:
    """Reader → its looks, in order; of readers whose answers were all right."""
    reading = [one for one in cases if one.coordinates.check == READS and one.outcome is Outcome.PASS]
    return {one.engine: one.evidence["looks"] for one in reading}


@dataclass(frozen=True)
class Compaction:
    """A compaction that was right, and what readers gain by it.

    ``age`` are the commits since the table was fresh: new, or compacted last. ``ratios`` are times before it divided by
    those after it, and ``saved`` what a round needs less, by reader.
    """

    case: Record
    age: int
    ratios: Mapping[str, float]
    saved: Mapping[str, Round]

    @property
    def engine(self) -> str:
        """Who did it."""
        return self.case.engine

    @property
    def cpu_s(self) -> float | None:
        """Its CPU time in seconds."""
        cpu_ms = self.case.evidence.get("cpu_ms")
        return None if cpu_ms is None else cpu_ms / 1000

    def saves(self, measure: str) -> float | None:
        """What a round needs less in the mean of the readers."""
        values = [getattr(one, measure) for one in self.saved.values()]
        return statistics.fmean(values) if values and None not in values else None

    @property
    def pays_after(self) -> float | None:
        """The rounds whose saved CPU time is that of the compaction; ``None`` where it saves none."""
        saved = self.saves("cpu_ms")
        return self.cpu_s * 1000 / saved if self.cpu_s is not None and saved and saved > 0 else None


def compactions(cases: Sequence[Record]) -> list[Compaction]:
    """The compactions of a life that were right and that somebody read after, in their order."""
    by_reader = looks(cases)
    made = []
    fresh = 0
    done = [one for one in cases if one.coordinates.check == COMPACT and one.outcome is Outcome.PASS]
    for case in sorted(done, key=lambda one: _commits(by_reader, one.engine)):
        pairs = {reader: pair for reader, some in by_reader.items() if (pair := _around(some, case.engine))}
        if not pairs:
            continue
        ratios = {reader: round_of(before).ms / round_of(after).ms for reader, (before, after) in pairs.items()}
        saved = {reader: round_of(before).less(round_of(after)) for reader, (before, after) in pairs.items()}
        at = next(iter(pairs.values()))[0]["commits"]
        made.append(Compaction(case, at - fresh, ratios, saved))
        fresh = at
    return made


def _commits(by_reader: Mapping[str, Sequence[Look]], maintainer: str) -> int:
    """After how many commits it was."""
    pairs = (_around(some, maintainer) for some in by_reader.values())
    return next((pair[0]["commits"] for pair in pairs if pair), 0)


def _around(some: Sequence[Look], maintainer: str) -> tuple[Look, Look] | None:
    """The looks before and after the compaction by ``maintainer``."""
    for before, after in itertools.pairwise(some):
        if after["moment"] == "compacted" and after.get("maintainer") == maintainer:
            return before, after
    return None


def slowdowns(cases: Sequence[Record]) -> list[tuple[int, float]]:
    """Commits since the table was fresh → how many times as long the median reader takes, in the order of the life."""
    by_reader = looks(cases)
    found: dict[tuple[int, int], list[float]] = {}
    for some in by_reader.values():
        fresh, began, period = some[0], 0, 0
        for look in some:
            if look["moment"] == "compacted":
                fresh, began, period = look, look["commits"], period + 1
            elif look["moment"] == "commits" and look["commits"] > began:
                ratio = round_of(look).ms / round_of(fresh).ms
                found.setdefault((period, look["commits"] - began), []).append(ratio)
    return [(age, statistics.median(ratios)) for (_, age), ratios in sorted(found.items())]


def slow_after(cases: Sequence[Record]) -> int | None:
    """The least number of commits after which the table is slow (:data:`SLOW`); ``None`` where it never was."""
    return min((age for age, ratio in slowdowns(cases) if ratio >= SLOW), default=None)


def cheapest(made: Sequence[Compaction]) -> Compaction | None:
    """The compaction with the least CPU time for each commit since the table was fresh."""
    known = [one for one in made if one.cpu_s is not None and one.age]
    cost: Callable[[Compaction], float] = lambda one: (one.cpu_s or 0) / one.age  # noqa: E731 - a key
    return min(known, key=cost, default=None)
