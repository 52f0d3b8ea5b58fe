"""Failures that are known: accepted cells of the matrix whose features need no more than the program has."""

from __future__ import annotations

from collections.abc import Iterable
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
_NEWEST_VERSION = 3
_USUAL_PROPERTIES = frozenset(f"write.{what}.mode" for what in ("delete", "update", "merge"))


@dataclass(frozen=True)
class _Cell:
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
            _Cell(one.case, one.subject.name, one.reader is not None, one.outcome, needs[one.feature])
            for one in matrix_cells.of_baseline(entries, catalog)
            if one.outcome.is_failure and not one.misled and one.feature in needs
        ]

    def like(self, failure: Failure, program: Iterable[Operation]) -> str:
        """The accepted cell that ``failure`` of ``program`` is like, empty where there is none.

        It is of the same engine, outcome and side, and what its feature does the program does as well. A refusal at a
        step is like a refusal of a feature with that operation.
        """
        engine, has = failure.engine.partition("@")[0], needs_of(program)
        for cell in self._cells:
            if (cell.engine, cell.is_read, cell.outcome) == (engine, failure.side == "read", failure.outcome) and (
                failure.operation in cell.needs if is_refused_step(failure) else cell.needs <= has
            ):
                return cell.case
        return ""


def is_refused_step(failure: Failure) -> bool:
    """Whether the engine said no to its step."""
    return failure.side == "write" and failure.outcome is Outcome.REFUSED


def needs_of(program: Iterable[Operation]) -> frozenset[str]:
    """What ``program`` does beside creating and appending; of one that does no more, the types of its columns."""
    steps = [part for one in program for part in (one, *getattr(one, "operations", ()))]
    needs = {name_of(one) for one in steps if not isinstance(one, _PLAIN)}
    created = [one for one in steps if isinstance(one, Create)]
    columns = [one for create in created for one in create.columns]
    for one in steps:
        if isinstance(one, Create | SetPartition):
            needs |= {f"partition by {kind(field.transform)}" for field in one.partition}
        if isinstance(one, Create):
            needs |= {f"partition of {_type(one, field.source)}" for field in one.partition}
        needs |= {f"property {key}" for key in getattr(one, "properties", {}) if key not in _USUAL_PROPERTIES}
    if any(one.format_version >= _NEWEST_VERSION for one in created):
        needs.add("format version 3")
    types = {f"type {kind(one.type)}" for one in columns}
    return frozenset(needs or types)


def _type(create: Create, path: str) -> str:
    return kind(find(create.columns, path).type)
