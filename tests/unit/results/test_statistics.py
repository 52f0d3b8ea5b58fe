from __future__ import annotations

import random
import statistics as reference

import pytest

from lakebench.results import statistics

STEADY = [1.00, 1.01, 0.99, 1.02, 0.98, 1.00, 1.01, 0.99, 1.00, 1.01]


def _normal(n: int, mean: float = 1.0, sigma: float = 0.05, seed: int = 3) -> list[float]:
    dice = random.Random(seed)  # noqa: S311 - not for secrets
    return [dice.gauss(mean, sigma) for _ in range(n)]


@pytest.mark.parametrize("n", [1, 2, 5, 10, 101])
def test_median_and_mad_agree_with_the_standard_library(n: int) -> None:
    samples = _normal(n)
    middle = reference.median(samples)
    assert statistics.median(samples) == pytest.approx(middle)
    assert statistics.mad(samples) == pytest.approx(reference.median(abs(one - middle) for one in samples))


def test_the_interval_covers_the_true_median_as_often_as_it_says() -> None:
    intervals = [statistics.median_interval(_normal(25, seed=seed)) for seed in range(200)]
    covered = sum(one is not None and 1.0 in one for one in intervals)
    assert 0.90 <= covered / len(intervals) <= 0.99


def test_the_interval_is_the_same_each_time_and_holds_the_median() -> None:
    first, second = statistics.median_interval(STEADY), statistics.median_interval(STEADY)
    assert first == second
    assert first is not None
    assert statistics.median(STEADY) in first
    assert min(STEADY) <= first.low < first.high <= max(STEADY)


def test_few_samples_have_no_interval() -> None:
    assert statistics.median_interval(STEADY[:4]) is None
    assert statistics.median_interval(STEADY[:5]) is not None
    assert statistics.summarise([2.0]).interval is None


@pytest.mark.parametrize(("n", "had"), [(19, set()), (20, {"p90"}), (40, {"p90", "p95"}), (200, {"p90", "p95", "p99"})])
def test_quantiles_need_their_n(n: int, had: set[str]) -> None:
    quantiles = statistics.summarise(_normal(n)).quantiles
    assert {name for name, value in quantiles.items() if value is not None} == had


def test_quantiles_interpolate() -> None:
    samples = [float(one) for one in range(1, 22)]
    assert statistics.summarise(samples).quantiles["p90"] == pytest.approx(19.0)
    assert statistics.summarise(samples).quantiles["p90"] == pytest.approx(
        reference.quantiles(samples, n=10, method="inclusive")[-1]
    )


def test_outliers_are_flagged_and_kept() -> None:
    samples = [*STEADY, 3.0]
    summary = statistics.summarise(samples)
    assert summary.outliers == (10,)
    assert summary.n == 11
    assert not summary.unstable


def test_outliers_where_most_samples_are_equal() -> None:
    assert statistics.outliers([1.0] * 10 + [2.0]) == (10,)
    assert statistics.outliers([1.0] * 10) == ()


def test_a_wide_spread_is_unstable() -> None:
    assert statistics.summarise(_normal(30, sigma=0.3)).unstable
    assert not statistics.summarise(STEADY).unstable


def test_drift_is_seen_and_not_invented() -> None:
    assert statistics.summarise([*_normal(10, 1.0, 0.01), *_normal(10, 1.3, 0.01)]).drifting
    assert not statistics.summarise(_normal(20, 1.0, 0.01)).drifting
    assert statistics.summarise(STEADY[:9]).drift is None


def test_a_paired_ratio_sees_through_shared_noise() -> None:
    noise = _normal(12, 1.0, 0.3)
    other = [one * 1.2 for one in noise]
    ratio = statistics.paired_ratio(noise, other)
    assert ratio.ratio == pytest.approx(1.2)
    assert ratio.verdict == "slower"
    assert statistics.paired_ratio(other, noise).verdict == "faster"


def test_no_difference_is_said() -> None:
    base = _normal(12, seed=1)
    assert statistics.paired_ratio(base, _normal(12, seed=2)).verdict == statistics.NO_DIFFERENCE
    assert statistics.paired_ratio(base, [one * 1.02 for one in base], floor=0.03).verdict == statistics.NO_DIFFERENCE
    assert statistics.paired_ratio(base, [one * 1.05 for one in base], floor=0.03).verdict == "slower"
    assert statistics.paired_ratio(base[:4], base[:4]).verdict == statistics.TOO_SMALL


def test_pairs_must_match() -> None:
    with pytest.raises(ValueError, match="paired"):
        statistics.paired_ratio([1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="no samples"):
        statistics.paired_ratio([], [])


def test_geometric_mean() -> None:
    assert statistics.geometric_mean([1, 10, 100]) == pytest.approx(10)
    for values in ([], [1.0, 0.0]):
        with pytest.raises(ValueError, match="positive"):
            statistics.geometric_mean(values)
