"""Failures that are known: accepted cells of the matrix whose features need no more than the program has."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lakebench import phases
from lakebench.datasets.interop.features import FEATURES
from lakebench.iceberg.operations import Append, Create, Mark, Operation, SetPartition
from lakebench.iceberg.types import find, kind
from lakebench.outcomes import Outcome
from lakebench.phases.interop.fuzz.failures import Failure, name_of
from lakebench.results import baseline, matrix_cells

_PLAIN = (Append, Create, Mark)
_USUAL_VERSION = 2
_USUAL_PROPERTIES = frozenset(f"write.{what}.mode" for what in ("delete", "update", "merge"))


@dataclass(frozen=True)
class _KnownCell:
    """A failure that somebody accepted: its case, the engine and side that failed, and what its feature needs."""

    case: str
    engine: str
    is_read: bool
    outcome: Outcome
    needs: frozenset[str]


class KnownFailures:
    """The failures that are accepted on ``catalog``, by engine, operations and outcome."""

    def __init__(self, catalog: str) -> None:
        (shipped,) = phases.baselines([matrix_cells.PHASE]).values()
        entries = baseline.read(shipped) | baseline.read(Path(baseline.FILE))
        needs = {one.id: needs_of(one.program) for one in FEATURES if not one.by_reference}
        self._cells = [
            _KnownCell(one.case, _named(one.case), one.reader is not None, one.outcome, needs[one.feature])
            for one in matrix_cells.of_baseline(entries, catalog)
            if one.outcome.is_failure and not one.misled and one.feature in needs
        ]

    def like(self, failure: Failure, program: Iterable[Operation]) -> str:
        """The accepted cell that ``failure`` of ``program`` is like, empty where there is none.

        It is of the same engine, outcome and side, and what its feature does the program does as well. A refused step
        is like a refusal of a feature with that operation. What another version of the engine does is not known of it.
        """
        program = tuple(program)
        has = needs_of(program) | set(_partitions(one for one in program if isinstance(one, Create)))
        of, names = (failure.side == "read", failure.outcome), {failure.engine, failure.engine.partition("@")[0]}
        for cell in self._cells:
            if cell.engine in names and (cell.is_read, cell.outcome) == of and (
                cell.needs <= has or (is_refused_step(failure) and failure.operation in cell.needs)
            ):
                return cell.case
        return ""


def _named(case: str) -> str:
    """The engine that a cell is about, as its run names it: without a version it is the installed one."""
    return case.rpartition("/")[2].rpartition("→")[2]


def is_refused_step(failure: Failure) -> bool:
    """Whether the engine said no to its step."""
    return failure.side == "write" and failure.outcome is Outcome.REFUSED


def needs_of(program: Iterable[Operation]) -> frozenset[str]:
    """What ``program`` does beside creating and appending; of one that does no more, the types of its columns.

    Where the partition spec is changed, that is what matters, and not the transforms.
    """
    steps = [part for one in program for part in (one, *getattr(one, "operations", ()))]
    created = [one for one in steps if isinstance(one, Create)]
    needs = {name_of(one) for one in steps if not isinstance(one, _PLAIN)}
    if SetPartition.__name__ not in needs:
        needs.update(_partitions(created))
    needs |= {
        f"property {key}" for one in steps for key in getattr(one, "properties", {}) if key not in _USUAL_PROPERTIES
    }
    needs |= {f"format version {one.format_version}" for one in created if one.format_version != _USUAL_VERSION}
    return frozenset(needs or {f"type {kind(one.type)}" for create in created for one in create.columns})


def _partitions(created: Iterable[Create]) -> Iterator[str]:
    """The transforms of the tables, and the types of the columns that they are of."""
    for one in created:
        for field in one.partition:
            yield f"partition by {kind(field.transform)}"
            yield f"partition of {_type(one, field.source)}"


def _type(create: Create, path: str) -> str:
    return kind(find(create.columns, path).type)
