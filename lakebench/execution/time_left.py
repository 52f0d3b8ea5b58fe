"""How much of a phase's work is done, by the seconds that its cases took in an earlier run here."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from lakebench.results.records import FILE

_RUNS = 10
"""So many of the newest runs are looked at."""
_LARGEST = 64 * 2**20  # bytes: a larger file takes longer to read than the answer is worth


def seconds_of_cases(runs: Path, phase: str, cases: Collection[str], without: Path) -> dict[str, float]:
    """Case → the seconds that it took in the newest run below ``runs`` that has most of ``cases``, ``without`` one.

    Empty where there is none. A file that cannot be read counts as none: this is an estimate.
    """
    newest = sorted(runs.glob(f"*/{FILE}"), key=lambda file: file.parent.name, reverse=True)
    for file in [one for one in newest if one.parent.resolve() != without.resolve()][:_RUNS]:
        found = {case: took for case, took in _seconds(file, phase) if case in cases}
        if 2 * len(found) > len(cases):
            return found
    return {}


def _seconds(file: Path, phase: str) -> Iterator[tuple[str, float]]:
    try:
        if file.stat().st_size > _LARGEST:
            return
        with file.open(encoding="utf-8") as lines:
            if phase not in json.loads(next(lines, "{}")).get("phases", ()):
                return
            for line in lines:
                yield from _of_case(json.loads(line), phase)
    except (OSError, ValueError, AttributeError, TypeError):
        return


def _of_case(value: Any, phase: str) -> Iterator[tuple[str, float]]:
    if value.get("kind") == "case" and value.get("phase") == phase:
        took = value.get("seconds")
        if isinstance(took, int | float) and math.isfinite(took) and took >= 0:
            yield str(value.get("case")), float(took)


class Share:
    """The share of the work that is done: each case weighs what it took earlier, an unknown one the mean of all."""

    def __init__(self, cases: Collection[str], earlier: Mapping[str, float]) -> None:
        known = [earlier[case] for case in cases if case in earlier]
        mean = sum(known) / len(known) if known else 0.0
        self._weights = {case: earlier.get(case, mean) for case in cases}
        self._all = sum(self._weights.values())
        self._done = 0.0

    def finish(self, case: str) -> None:
        """Count ``case`` as done."""
        self._done += self._weights.pop(case, 0.0)

    def done(self) -> float:
        """From 0 to 1; 0 also where nothing is known."""
        return self._done / self._all if self._all else 0.0
