"""The distance of the catalog as an axis: the option that phases share, and how a case names it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lakebench.errors import UsageError
from lakebench.model import Coordinates, Selection
from lakebench.phases.base import Phase
from lakebench.phases.options import Asked, Option, listed

_MOST_MS = 10_000


def _latencies(text: str, _: Asked) -> tuple[int, ...]:
    for one in listed(text):
        if not (one.isascii() and one.isdecimal() and int(one) <= _MOST_MS):
            raise UsageError(f"--catalog-latency {text}: {one} is not a whole number of ms from 0 to {_MOST_MS}")
    return tuple(dict.fromkeys(int(one) for one in listed(text))) or (0,)


CATALOG_LATENCY = Option(
    "catalog-latency",
    "Round trips to the catalog in ms, separated by commas, such as 0,5,50: the same at each distance, by a proxy that "
    "only delays.",
    metavar="MS",
    default="0",
    read=_latencies,
)
"""For each phase that can ask the same of a catalog at several distances."""


def latencies(phase: Phase, selection: Selection) -> tuple[int, ...]:
    """The round trips in ms that ``phase`` is asked for."""
    return tuple(phase.option(selection, CATALOG_LATENCY.name))


def away(catalog_ms: int) -> str:
    """``, catalog 50 ms away``, or nothing where it is not."""
    return f", catalog {catalog_ms} ms away" if catalog_ms else ""


def key(catalog_ms: int) -> tuple[str, ...]:
    """The part of a case's id that names its distance; none where there is none."""
    return (f"catalog-{catalog_ms}ms",) if catalog_ms else ()


def coordinate(catalog_ms: int) -> Mapping[str, str | int]:
    """What a case's coordinates have more."""
    return {"catalog_ms": catalog_ms} if catalog_ms else {}


def of(case: Coordinates) -> int:
    """The distance of the catalog in ms that a case is about."""
    return int(case.more.get("catalog_ms", 0))


def covered(case: Coordinates, latencies: Sequence[int]) -> bool:
    """Whether a case is at one of the distances that were asked for."""
    return of(case) in latencies
