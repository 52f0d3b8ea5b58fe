"""Query cases by storage and table format, and the same queries on two of them in one run, pair by pair."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from lakebench.model import Record
from lakebench.outcomes import Outcome
from lakebench.results import statistics
from lakebench.results.comparison import turns

Asked = Mapping[tuple[str, str], Record]
"""Engine and query → the record of a verified answer, on one storage and in one format."""


@dataclass(frozen=True)
class StorageFormat:
    """A storage profile, with its distance where the catalog is far, and a table format."""

    storage: str
    format: str


def storage_format_of(record: Record) -> StorageFormat | None:
    """Storage and format of the case; ``None`` where it is not a query, or is the base of a comparison."""
    case = record.coordinates
    if case.base or not (case.query and case.storage and case.format):
        return None
    far = case.more.get("catalog_ms")
    return StorageFormat(f"{case.storage}, catalog {far} ms away" if far else case.storage, case.format)


def verified(cases: Iterable[Record]) -> dict[StorageFormat, Asked]:
    """The right answers on each storage and in each format, in the order of the records."""
    answers: dict[StorageFormat, dict[tuple[str, str], Record]] = {}
    for record in cases:
        storage_format = storage_format_of(record)
        if storage_format and record.outcome is Outcome.PASS:
            answers.setdefault(storage_format, {})[record.engine, record.coordinates.query or ""] = record
    return dict(answers)


def ratio(base: Asked, other: Asked, engine: str, kind: str) -> tuple[statistics.Ratio, int] | None:
    """``other`` over ``base``: the geometric mean over the engine's queries that both have samples of ``kind`` for.

    Samples of one round are pairs. The number of queries comes with it; ``None`` where there are none.
    """
    samples = []
    for name, query in other:
        if name != engine or (engine, query) not in base:
            continue
        ours, theirs = turns(base[engine, query], kind), turns(other[engine, query], kind)
        common = [turn for turn in ours if turn in theirs]
        if common:
            samples.append(([ours[turn] for turn in common], [theirs[turn] for turn in common]))
    return (statistics.geometric_ratio(samples, paired=True), len(samples)) if samples else None
