"""Who is called the fastest, and who is not: by samples whose truth is known."""

from __future__ import annotations

import random

import pytest

from lakebench.results.ranking import Samples, rank

QUERIES = tuple(f"Q{number}" for number in range(1, 6))


def samples(factor: float, *, count: int = 10, seed: int = 1) -> Samples:
    """Times of each query around ``factor`` times its number of seconds, with 3 % of noise."""
    noise = random.Random(seed)  # noqa: S311 - not for secrets
    return {query: [factor * (at + 1) * noise.lognormvariate(0, 0.03) for _ in range(count)]
            for at, query in enumerate(QUERIES)}  # fmt: skip


def test_a_difference_that_the_samples_show_has_a_fastest() -> None:
    made = rank({"slow": samples(1.2, seed=2), "fast": samples(1.0), "out": {}})
    assert [one.engine for one in made.engines] == ["fast", "slow"]
    assert made.shown
    assert made.verdict.startswith("fast is the fastest: geometric mean 2.6")
    assert made.verdict.endswith("s over 5 queries that all 2 engines got right.")
    ratio = made.engines[1].ratio
    assert ratio is not None
    assert ratio.interval is not None
    assert 1.2 in ratio.interval


@pytest.mark.parametrize("seed", range(2, 7))
def test_within_the_noise_nobody_is_the_fastest(seed: int) -> None:
    made = rank({"a": samples(1.0), "b": samples(1.0, seed=seed), "c": samples(3.0, seed=9)})
    assert not made.shown
    assert [one.engine for one in made.not_apart] == [made.engines[1].engine]
    assert made.verdict.startswith("No engine is shown to be the fastest. ")
    assert f"its difference from {made.engines[1].engine} is within the noise of the samples." in made.verdict


@pytest.mark.parametrize("count", [1, 4])
def test_few_samples_show_no_fastest_however_far_apart(count: int) -> None:
    made = rank({"a": samples(1.0, count=count), "b": samples(50.0, count=count)})
    assert not made.shown
    assert made.verdict.endswith("but fewer than 5 samples of a query do not tell it from b.")
    assert rank({"a": samples(1.0, count=5), "b": samples(50.0, count=5)}).shown
    three = rank({"a": samples(1.0, count=count), "b": samples(50.0, count=count), "c": samples(2.0, count=count)})
    assert three.verdict.endswith("do not tell it from any other.")


def test_one_sample_of_one_query_takes_the_interval_away() -> None:
    one = {**samples(50.0), "Q3": [150.0]}
    made = rank({"a": samples(1.0), "b": one})
    assert [each.engine for each in made.not_apart] == ["b"]
    assert "do not tell it from b" in made.verdict


def test_without_a_common_query_or_another_engine_there_is_no_ranking() -> None:
    assert rank({"a": {"Q1": [1.0]}, "b": {"Q2": [1.0]}}).engines == ()
    assert "no ranking" in rank({}).verdict
    alone = rank({"a": samples(1.0)})
    assert not alone.shown
    assert alone.verdict.startswith("a alone has times: ")


def test_the_same_samples_give_the_same_ranking() -> None:
    right = {"a": samples(1.0), "b": samples(1.02, seed=3)}
    assert rank(right) == rank(right)
