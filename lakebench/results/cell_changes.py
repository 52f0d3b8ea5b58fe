"""What became of a case, or of a cell of the interop matrix, that ran before: broken, worse, gone, new, mended."""

from __future__ import annotations

import enum
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from lakebench.outcomes import FROM_BEST, Outcome
from lakebench.results import matrix_cells
from lakebench.results.records import Run


class ChangeKind(enum.StrEnum):
    """How a case that ran before differs from the same case now, the gravest first."""

    BROKEN = "broken"
    WORSE = "worse"
    GONE = "gone"
    NEW = "new"
    MENDED = "mended"
    LESSER = "less bad"

    @property
    def bad(self) -> bool:
        """Whether it speaks against the change."""
        return self in {ChangeKind.BROKEN, ChangeKind.WORSE, ChangeKind.GONE}


def change(before: Outcome, now: Outcome) -> ChangeKind | None:
    """What became of a case; ``None`` where it is the same, or ran neither before nor now.

    ``broken`` passed and fails; ``mended`` is the reverse. One that fails otherwise is worse or lesser, by the order of
    :data:`~lakebench.outcomes.FROM_BEST`. ``gone`` ran before only, ``new`` runs now only, whatever the outcome.
    """
    if not before.ran or not now.ran:
        return ChangeKind.NEW if now.ran else ChangeKind.GONE if before.ran else None
    if before is now:
        return None
    if Outcome.PASS in {before, now}:
        return ChangeKind.BROKEN if before is Outcome.PASS else ChangeKind.MENDED
    return ChangeKind.WORSE if FROM_BEST.index(now) > FROM_BEST.index(before) else ChangeKind.LESSER


@dataclass(frozen=True)
class CellChange:
    """A cell that differs between two runs; a side is ``None`` where that run does not have the case."""

    case: str
    change: ChangeKind
    before: Outcome | None
    now: Outcome | None
    reason: str

    @property
    def address(self) -> str:
        """The part of an address that opens it on the page of its run."""
        return matrix_cells.address(self.case)


def between(base: Run, run: Run, gone: Collection[str]) -> tuple[CellChange, ...]:
    """The cells of the matrix that differ from ``base`` to ``run``, the gravest first.

    ``gone`` are the cases that ran in ``base`` and should have run in ``run``; what it was not to run is no change.
    """
    grave = tuple(ChangeKind)
    return tuple(sorted(_between(base, run, gone), key=lambda one: (grave.index(one.change), -_rank(one.now))))


def _rank(outcome: Outcome | None) -> int:
    return FROM_BEST.index(outcome) if outcome is not None and outcome.ran else -1


def _between(base: Run, run: Run, gone: Collection[str]) -> Iterator[CellChange]:
    before, now = ({one.case: one for one in matrix_cells.of_run(each)} for each in (base, run))
    for case in dict.fromkeys((*before, *now)):
        one, other = before.get(case), now.get(case)
        kind = change(one.outcome if one else Outcome.UNAVAILABLE, other.outcome if other else Outcome.UNAVAILABLE)
        if kind is None or (kind is ChangeKind.GONE and case not in gone):
            continue
        reason = (other.reason if other else "no case is called so") or (one.reason if one else "")
        yield CellChange(case, kind, one.outcome if one else None, other.outcome if other else None, reason)
