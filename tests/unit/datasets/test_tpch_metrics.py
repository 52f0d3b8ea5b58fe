from __future__ import annotations

from decimal import Decimal

import pytest

from lakebench.datasets.tpch.metrics import power, qphh, raised, throughput
from lakebench.errors import HarnessFault

ONE = Decimal(1)


def test_power_is_the_inverse_of_a_geometric_mean() -> None:
    # 24 intervals whose product is 2**24: the mean is 2 s, so 1800 queries an hour.
    queries = [1.0] * 10 + [4.0] * 12
    assert power(queries, (1.0, 1.0), ONE) == pytest.approx(1800)
    assert power(queries, (1.0, 1.0), Decimal(100)) == pytest.approx(180_000)
    assert power([1.0] * 22, (2.0**23, 2.0), ONE) == pytest.approx(1800)


def test_a_query_below_a_thousandth_of_the_longest_is_raised_to_it() -> None:
    queries = [0.001] * 21 + [10.0]
    assert raised(queries) == pytest.approx((0.01,) * 21 + (10.0,))
    # (10**-2)**21 * 10 * 10**-3 * 10**-4 is (10**-2)**24: refresh functions are not raised.
    assert power(queries, (1e-3, 1e-4), ONE) == pytest.approx(360_000)


def test_at_a_thousandth_nothing_is_raised() -> None:
    assert raised([0.5, 500.0]) == (0.5, 500.0)


def test_throughput() -> None:
    # 2 streams of 22 queries in 100 s are 1584 queries an hour.
    assert throughput(2, 100.0, ONE) == pytest.approx(1584)
    assert throughput(3, 1000.0, Decimal(10)) == pytest.approx(2376)
    assert throughput(2, 100.0, Decimal("0.01")) == pytest.approx(15.84)


def test_qphh() -> None:
    assert qphh(400.0, 900.0) == pytest.approx(600)


@pytest.mark.parametrize(
    ("queries", "refreshes"),
    [
        ([1.0] * 21, (1.0, 1.0)),
        ([1.0] * 22, (1.0,)),
        ([1.0] * 21 + [0.0], (1.0, 1.0)),
        ([1.0] * 22, (1.0, float("nan"))),
    ],
)
def test_an_interval_is_missing(queries: list[float], refreshes: tuple[float, ...]) -> None:
    with pytest.raises(HarnessFault, match="numbers above 0"):
        power(queries, refreshes, ONE)


def test_no_throughput_in_no_time() -> None:
    with pytest.raises(HarnessFault, match="numbers above 0"):
        throughput(2, 0.0, ONE)
