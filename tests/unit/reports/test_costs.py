"""Prices: of an execution, of a table of engines, and in the settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from lakebench.config import load
from lakebench.errors import UsageError
from lakebench.model import Sample
from lakebench.prices import Prices, price_of
from lakebench.reports.content import Table
from lakebench.reports.costs import of_run, table
from lakebench.reports.identity import parts
from lakebench.reports.latency import times
from lakebench.results.ranking import rank
from lakebench.results.records import Dataset, Header, Run, TableFacts

PRICES = Prices.model_validate({"cpu-hour": 3.6, "gb-moved": 0.5, "requests": {"GetObject": 1, "*": 10}})


def sample(cpu_s: float | None, gets: int, *, lists: int = 0, gb: float | None = 0.0, seconds: float = 1.0) -> Sample:
    return Sample(
        kind="warm",
        ns=int(seconds * 1e9),
        offset_ns=0,
        position=0,
        round=0,
        rows=1,
        bytes=8,
        cpu_ns=None if cpu_s is None else int(cpu_s * 1e9),
        requests={"GetObject": gets, "ListObjectsV2": lists},
        store_bytes=None if gb is None else int(gb * 1e9),
    )


def test_a_price_has_three_parts() -> None:
    price = price_of(sample(2, 3, lists=4, gb=6), PRICES)
    assert price is not None
    assert (price.cpu, price.requests, price.moved) == pytest.approx((2 * 0.001, 0.003 + 0.04, 3.0))
    assert price.total == pytest.approx(3.045)


def test_what_was_not_measured_has_no_price() -> None:
    assert price_of(sample(None, 1), PRICES) is None
    assert price_of(sample(1, 1, gb=None), PRICES) is None
    only_requests = Prices(requests={"*": 1})
    price = price_of(sample(None, 1, gb=None), only_requests)
    assert price is not None
    assert price.total == pytest.approx(0.001)


def test_keeping_a_dataset_has_a_price_a_month() -> None:
    tables = (TableFacts("orders", 1, bytes=3 * 10**9), TableFacts("lineitem", 1, bytes=9 * 10**9))
    settings = {"prices": {"currency": "EUR", "gb-month": 0.02}}
    for tables_there, kept in ((tables, ["0.24 EUR a month"]), ((replace(tables[0], bytes=None), tables[1]), [])):
        run = Run(
            Path(), Header("r", (), "", "", settings=settings), datasets=(Dataset("tpch", "1", tables=tables_there),)
        )
        cells = [cell.text for part in parts(run) if isinstance(part, Table) for row in part.rows for cell in row]
        assert [one.partition(" (")[0] for one in cells if "a month" in one] == kept
    run = Run(Path(), Header("r", (), "", ""), datasets=(Dataset("tpch", "1", tables=tables),))
    assert not any("a month" in str(part) for part in parts(run))


def test_the_cheapest_and_the_fastest_are_told_apart() -> None:
    right = {
        "cheap": {"q1": [sample(1, 1, seconds=2)], "q2": [sample(1, 1, seconds=2)]},
        "fast": {"q1": [sample(9, 1), sample(8, 1), sample(7, 1)], "q2": [sample(8, 1)]},
        "unmeasured": {"q1": [sample(None, 1)]},
    }
    seconds = {engine: {query: times(taken) for query, taken in had.items()} for engine, had in right.items()}
    made = table("TPC-H", right, rank(seconds).verdict, PRICES)
    assert [row[0].text for row in made.rows] == ["cheap", "fast", "unmeasured"]
    assert [row[-1].text for row in made.rows[:2]] == ["1.00", f"{(0.016 + 0.002) / (0.002 + 0.002):.2f}"]
    assert made.notes[0].startswith("The cheapest that is right: cheap, 0.004 USD. ")
    assert "fast has the least time" in made.notes[0]


def test_without_a_common_query_there_is_no_price() -> None:
    made = table("TPC-H", {"a": {"q1": [sample(1, 1)]}, "b": {"q2": [sample(1, 1)]}}, "", PRICES)
    assert made.rows == ()


def test_prices_of_the_settings_are_in_the_records(tmp_path: Path) -> None:
    file = tmp_path / "lakebench.toml"
    file.write_text('[prices]\ncurrency = "EUR"\ncpu-hour = 0.04\nrequests = { "*" = 0.0004 }\n')
    prices = load(file).prices
    assert prices is not None
    assert of_run({"prices": prices.model_dump(by_alias=True)}) == prices
    assert of_run({}) is None
    file.write_text("[prices]\ncpu-hour = -1\n")
    with pytest.raises(UsageError, match="prices"):
        load(file)
