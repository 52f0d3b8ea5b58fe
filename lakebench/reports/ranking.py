"""Engines by their time over the queries that every one of them got right, as bars."""

from __future__ import annotations

from collections.abc import Mapping

from lakebench.reports.content import DASH, TIMES, Cell, Table, seconds
from lakebench.results import statistics

_NOTES = (
    "The ratio of geometric means of medians is the geometric mean of the ratios.",
    "An engine with few or no requests answered from memory that it keeps; others fetched the data anew.",
)


def table(group: str, right: Mapping[str, Mapping[str, float]], requests: Mapping[str, str], queries: int) -> Table:
    """Engines of ``group`` by the geometric mean over the queries that all with a right answer got right.

    ``right`` has for each engine the seconds of the queries that it got right, of the number of ``queries``;
    ``requests`` those of one query at the store. An engine without a right answer comes last, and has no mean.
    """
    means, common = _means(right)
    order = sorted(right, key=lambda engine: (means.get(engine, float("inf")), -len(right[engine])))
    rows = tuple(
        (Cell(engine), *_bar(means, engine), _share(len(right[engine]), queries), _asked(right, requests, engine))
        for engine in order
    )
    compared = sum(map(bool, right.values()))
    caption = f"{group}: over the {common} queries that all {compared} engines with an answer got right"
    head = ("engine", "geometric mean s", "ratio to the least", "answered right", "requests of the store a query")
    return Table(caption, head, rows, _NOTES, "ranking")


def _means(right: Mapping[str, Mapping[str, float]]) -> tuple[dict[str, float], int]:
    """The mean of each engine with an answer, in seconds, and over how many queries."""
    answered = {engine: had for engine, had in right.items() if had}
    common = sorted(set.intersection(*map(set, answered.values()))) if answered else []
    if not common:
        return {}, 0
    means = {engine: statistics.geometric_mean([had[query] for query in common]) for engine, had in answered.items()}
    return means, len(common)


def _bar(means: Mapping[str, float], engine: str) -> tuple[Cell, Cell]:
    """The mean as a bar, and its ratio to the least."""
    if engine not in means:
        return Cell(DASH), Cell(DASH)
    mean = means[engine]
    bar = Cell(seconds(mean), share=mean / max(means.values()))
    return bar, Cell(f"{TIMES} {mean / min(means.values()):.2f}")


def _share(right: int, queries: int) -> Cell:
    return Cell(f"{right} of {queries}", "" if right == queries else "fail" if right else "none")


def _asked(right: Mapping[str, Mapping[str, float]], requests: Mapping[str, str], engine: str) -> Cell:
    return Cell(requests[engine] if right[engine] else DASH)
