"""Engines by what their right answers cost, by the prices of the user's settings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median_low

from lakebench.model import Sample
from lakebench.prices import Price, Prices, price_of
from lakebench.reports.content import DASH, Cell, Table

_HEAD = ("engine", "price", "CPU", "requests", "moved", "ratio to the least")
_NOTE = (
    "The price of one execution of each query that every engine here got right and of which all that has a price was "
    "measured: of each the execution with the median price. Machines that wait, memory and what is kept are not "
    "in it; what it costs to keep a dataset stands with it."
)
Priced = Mapping[str, Price]
"""Query → the price of an execution."""


def of_run(settings: Mapping[str, object]) -> Prices | None:
    """The prices in a run's header; ``None`` where there are none."""
    return Prices.model_validate(settings["prices"]) if settings.get("prices") else None


def table(group: str, right: Mapping[str, Mapping[str, Sequence[Sample]]], fastest: str, prices: Prices) -> Table:
    """Engines of ``group``, the cheapest first; ``right`` has for each the samples of the queries that it got right.

    ``fastest`` is the verdict of their ranking by time.
    """
    priced = {engine: _priced(samples, prices) for engine, samples in right.items()}
    with_prices = {engine: had for engine, had in priced.items() if had}
    common = set.intersection(*map(set, with_prices.values())) if with_prices else set[str]()
    if not common:
        return Table(f"{group}: price", _HEAD, (), ("No query was answered right and measured for all engines.",))
    sums = {engine: _sum(had[query] for query in sorted(common)) for engine, had in with_prices.items()}
    order = sorted(sums, key=lambda engine: sums[engine].total)
    least = sums[order[0]].total
    rows = tuple(_row(engine, sums[engine], least) for engine in order)
    rows += tuple((Cell(engine), *[Cell(DASH)] * (len(_HEAD) - 1)) for engine in right if engine not in sums)
    cheapest = " ".join(order[0].split())
    verdict = f"The cheapest that is right: {cheapest}, {_amount(least)} {prices.currency}. {fastest}"
    caption = f"{group}: price in {prices.currency} of {len(common)} queries, one execution each"
    return Table(caption, _HEAD, rows, (verdict, _NOTE), "figures")


def _priced(samples: Mapping[str, Sequence[Sample]], prices: Prices) -> Priced:
    """The execution with the median price of each query that has prices for all of its executions."""
    made: dict[str, Price] = {}
    for query, taken in samples.items():
        known = [one for one in (price_of(sample, prices) for sample in taken) if one is not None]
        if known and len(known) == len(taken):
            middle = median_low([one.total for one in known])
            made[query] = next(one for one in known if one.total == middle)
    return made


def _sum(several: Iterable[Price]) -> Price:
    each = list(several)
    return Price(sum(one.cpu for one in each), sum(one.requests for one in each), sum(one.moved for one in each))


def _row(engine: str, price: Price, least: float) -> tuple[Cell, ...]:
    ratio = f"{price.total / least:.2f}" if least else DASH
    amounts = (price.total, price.cpu, price.requests, price.moved)
    return (Cell(engine), *(Cell(_amount(one)) for one in amounts), Cell(ratio))


def _amount(value: float) -> str:
    return f"{value:.3g}" if value else "0"
