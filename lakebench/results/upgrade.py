"""What an upgrade of one engine breaks, mends and brings new: its cells at two versions, and its times."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lakebench.model import EngineRef, Record
from lakebench.outcomes import FROM_BEST, Outcome
from lakebench.results import comparison
from lakebench.results.cell_changes import ChangeKind, change
from lakebench.results.comparison import Times
from lakebench.results.matrix_cells import Known, MatrixCell, by_number
from lakebench.results.records import Run


class CellSide(enum.StrEnum):
    """What an engine does in a cell."""

    WRITE = "writes"
    READ_BY = "its tables are read by"
    READ = "reads tables of"
    ITSELF = "reads its own tables"
    OLD_TABLES = "reads tables of the old version"


@dataclass(frozen=True, order=True)
class Place:
    """Where the cells of both versions stand side by side; ``counterpart`` is the engine at the other end, if any."""

    feature: str
    side: CellSide
    counterpart: str = ""


@dataclass(frozen=True)
class UpgradePair:
    """One cell at both versions; a side is ``None`` where no source has it."""

    feature: str
    place: Place
    before: MatrixCell | None
    now: MatrixCell | None

    @property
    def change(self) -> ChangeKind | None:
        """What became of the cell; ``None`` also where one side is not known."""
        return change(self.before.outcome, self.now.outcome) if self.before and self.now else None

    @property
    def known(self) -> bool:
        """Whether both sides are there, and one of them ran: then the cell is the same, or it has a :attr:`change`."""
        return bool(self.before and self.now and (self.before.outcome.ran or self.now.outcome.ran))


@dataclass(frozen=True)
class Upgrade:
    """The answer: the cells that changed, the gravest first; how many are the same; and those not known on one side.

    ``old_tables`` says whether reads by the new version of what the old one wrote are among them. ``times`` are ratios
    of the new version's times to the old one's.
    """

    before: EngineRef
    now: EngineRef
    changed: tuple[UpgradePair, ...]
    same: int
    unknown: tuple[UpgradePair, ...]
    old_tables: bool
    times: Times | None = None

    @property
    def counts(self) -> dict[ChangeKind, int]:
        """How many cells have each change, the gravest first."""
        counted = Counter(one.change for one in self.changed)
        return {kind: counted[kind] for kind in ChangeKind}


_GRAVEST = tuple(ChangeKind)
_Sides = dict[EngineRef, MatrixCell]
"""The version → its cell."""


def upgrade(known: Known, before: EngineRef, now: EngineRef, runs: Sequence[Run] = ()) -> Upgrade:
    """What changes for those who write or read with one engine, from its version ``before`` to ``now``.

    The times are those of ``runs``, query by query, where both versions have them on the same data.
    """
    old_tables = any(writer == before and reader == now for _, writer, reader in known)
    pairs = [one for one in _pairs(known, before, now) if old_tables or one.place.side is not CellSide.OLD_TABLES]
    changed = tuple(sorted((one for one in pairs if one.change), key=_gravity))
    unknown = tuple(one for one in pairs if not one.known)
    same = len(pairs) - len(changed) - len(unknown)
    return Upgrade(before, now, changed, same, unknown, old_tables, _times(before, now, runs))


def _gravity(pair: UpgradePair) -> tuple[int, int, Place]:
    outcome = pair.now.outcome if pair.now else Outcome.UNAVAILABLE
    grave = FROM_BEST.index(outcome) if outcome.ran else -1
    return _GRAVEST.index(pair.change) if pair.change else len(_GRAVEST), -grave, pair.place


def _pairs(known: Known, before: EngineRef, now: EngineRef) -> Iterator[UpgradePair]:
    """The cells of either version, side by side."""
    places: dict[Place, dict[EngineRef, _Sides]] = {}
    for cell in known.values():
        for ref, place in _places(cell, before, now):
            sides = places.setdefault(place, {}).setdefault(_counterpart(cell, ref), {})
            sides[ref] = max(cell, sides.get(ref, cell), key=lambda one: one.origin.date)
    for place, by_counterpart in places.items():
        yield UpgradePair(place.feature, place, *_sides(by_counterpart, before, now))


def _counterpart(cell: MatrixCell, ref: EngineRef) -> EngineRef:
    return cell.writer if cell.reader in {None, ref} else cell.reader or ref


def _sides(
    by_counterpart: Mapping[EngineRef, _Sides], before: EngineRef, now: EngineRef
) -> tuple[MatrixCell | None, MatrixCell | None]:
    """The cells of both versions with one version of the counterpart, the newest; else the latest cell of each."""
    both = [ref for ref, sides in by_counterpart.items() if {before, now} <= sides.keys()]
    if both:
        sides = by_counterpart[max(both, key=lambda ref: by_number(ref.version or ""))]
        return sides[before], sides[now]
    every = [(ref, cell) for sides in by_counterpart.values() for ref, cell in sides.items()]
    first, second = ([cell for ref, cell in every if ref == version] for version in (before, now))
    return _latest(first), _latest(second)


def _latest(cells: Sequence[MatrixCell]) -> MatrixCell | None:
    return max(cells, key=lambda one: one.origin.date, default=None)


def _places(cell: MatrixCell, before: EngineRef, now: EngineRef) -> Iterator[tuple[EngineRef, Place]]:
    """The version that a cell speaks of, and the place at which the cells of both versions stand side by side."""
    writer, reader, both = cell.writer, cell.reader, {before, now}
    if reader is None:
        if writer in both:
            yield writer, Place(cell.feature, CellSide.WRITE)
    elif writer.name != reader.name:
        if writer in both:
            yield writer, Place(cell.feature, CellSide.READ_BY, reader.name)
        if reader in both:
            yield reader, Place(cell.feature, CellSide.READ, writer.name)
    elif {writer, reader} <= both:
        if writer == reader:
            yield writer, Place(cell.feature, CellSide.ITSELF)
        if writer == before:
            yield reader, Place(cell.feature, CellSide.OLD_TABLES)


# Times.


def _times(before: EngineRef, now: EngineRef, runs: Sequence[Run]) -> Times | None:
    """The times of both versions; pairs only if all of them are of one run."""
    sides: dict[tuple[object, ...], dict[EngineRef, Record]] = {}
    for run in runs:
        data = frozenset((one.dataset, one.scale_factor, one.content_hash, one.workload_hash) for one in run.datasets)
        for record in run.cases:
            ref = EngineRef(record.engine.partition("@")[0], next(iter(record.versions.values()), None))
            if ref in {before, now} and record.samples:
                sides.setdefault((*_question(record), data), {})[ref] = record
    both = [(one[before], one[now]) for one in sides.values() if {before, now} <= one.keys()]
    return comparison.times(both, paired=len(runs) == 1) if both else None


def _question(record: Record) -> tuple[object, ...]:
    """What a case asks, whatever the version of the engine, and whichever side of a comparison it is."""
    case = record.coordinates
    asked = (case.query, case.test, case.check, case.storage, case.format, case.catalog, case.writer)
    return (record.phase, *asked, tuple(sorted(case.more.items())))
