"""Pairwise cover: few of many combinations, in which each two values of different factors still meet."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

Combination = Mapping[str, Any]


def pairwise(
    factors: Mapping[str, Sequence[Any]], is_valid: Callable[[Combination], bool], seed: int = 1
) -> list[Combination]:
    """Combinations of one value of each of ``factors`` that have every pair which any valid combination has.

    The same for the same ``seed``: greedily the one with the most pairs that are still missing.
    """
    product = (dict(zip(factors, values, strict=True)) for values in itertools.product(*factors.values()))
    candidates = [(one, _pairs(one)) for one in product if is_valid(one)]
    Random(seed).shuffle(candidates)  # noqa: S311 - a choice, not a secret
    missing = {pair for _, pairs in candidates for pair in pairs}
    chosen: list[Combination] = []
    while missing:
        best, pairs = max(candidates, key=lambda one: len(one[1] & missing))
        missing -= pairs
        chosen.append(best)
    return chosen


def _pairs(combination: Combination) -> frozenset[Any]:
    return frozenset(itertools.combinations(combination.items(), 2))
