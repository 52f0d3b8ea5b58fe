"""Engines by their time over the queries that every one of them got right, as bars."""

from __future__ import annotations

from collections.abc import Mapping

from lakebench.reports.content import DASH, Cell, Table, ratio_to_least, seconds
from lakebench.results.ranking import Ranking, Samples, rank

_NOTES = (
    "The ratio of geometric means of medians is the geometric mean of the ratios; its interval is one of 95 %.",
    "An engine with few or no requests answered from memory that it keeps; others fetched the data anew.",
)


def table(group: str, right: Mapping[str, Samples], requests: Mapping[str, str], queries: int) -> Table:
    """Engines of ``group`` by the geometric mean over the queries that all with a right answer got right.

    ``right`` has for each engine the samples in seconds of the queries that it got right, of the number of ``queries``;
    ``requests`` those of one query at the store. An engine without a right answer comes last, and has no mean.
    """
    made = rank(right)
    place = {one.engine: number for number, one in enumerate(made.engines)}
    order = sorted(right, key=lambda engine: (place.get(engine, len(right)), -len(right[engine])))
    rows = tuple(
        (Cell(engine), *_bar(made, engine), _share(len(right[engine]), queries), _asked(right, requests, engine))
        for engine in order
    )
    compared = sum(map(bool, right.values()))
    caption = f"{group}: over the {made.queries} queries that all {compared} engines with an answer got right"
    head = ("engine", "geometric mean s", "ratio to the least", "answered right", "requests of the store a query")
    return Table(caption, head, rows, (" ".join(made.verdict.split()), *_NOTES), "ranking")


def _bar(made: Ranking, engine: str) -> tuple[Cell, Cell]:
    """The mean as a bar, and its ratio to the least."""
    own = next((one for one in made.engines if one.engine == engine), None)
    if own is None:
        return Cell(DASH), Cell(DASH)
    bar = Cell(seconds(own.mean_s), share=own.mean_s / made.engines[-1].mean_s)
    return bar, Cell(ratio_to_least(own.ratio))


def _share(right: int, queries: int) -> Cell:
    return Cell(f"{right} of {queries}", "" if right == queries else "fail" if right else "none")


def _asked(right: Mapping[str, Samples], requests: Mapping[str, str], engine: str) -> Cell:
    return Cell(requests[engine] if right[engine] else DASH)
