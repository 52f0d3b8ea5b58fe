"""Pairwise cover: each pair that may be together is, in few combinations, the same each time."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

from lakebench.datasets.interop.features import combined
from lakebench.datasets.interop.pairwise import pairwise

FACTORS = {"a": (1, 2, 3), "b": ("x", "y", "z"), "c": (True, False), "d": (0, 5)}


def pairs(some: list[Mapping[str, Any]]) -> set[Any]:
    return {pair for one in some for pair in itertools.combinations(one.items(), 2)}


def allowed(one: Mapping[str, Any]) -> bool:
    return not (one["a"] == 1 and one["b"] == "z")


def test_each_pair_that_is_allowed_and_no_other() -> None:
    product = [dict(zip(FACTORS, values, strict=True)) for values in itertools.product(*FACTORS.values())]
    some = pairwise(FACTORS, allowed)
    assert pairs(some) == pairs([one for one in product if allowed(one)])
    assert all(map(allowed, some))
    assert len(some) <= 12


def test_the_same_for_the_same_seed_and_another_for_another() -> None:
    assert pairwise(FACTORS, allowed, 1) == pairwise(FACTORS, allowed, 1) != pairwise(FACTORS, allowed, 2)


def test_features_are_named_by_what_they_combine() -> None:
    ids = [one.id for one in combined.ALL]
    assert len(set(ids)) == len(ids) <= 45
    assert {word for one in ids for word in ("promote", "equality", "day", "nulls-apart") if f"-{word}" in one} == {
        "promote",
        "equality",
        "day",
        "nulls-apart",
    }
    assert any("-drop-equality-" in one for one in ids)
    assert any("-promote-equality-" in one for one in ids)
