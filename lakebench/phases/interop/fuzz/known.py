"""Failures that are known: accepted cells of the matrix whose features need no more than the program has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lakebench import phases
from lakebench.datasets.interop.features import FEATURES
from lakebench.iceberg.operations import AddColumn, Append, Create, Mark, Operation, RenameColumn, SetPartition
from lakebench.iceberg.types import find, kind
from lakebench.outcomes import Outcome
from lakebench.phases.interop.fuzz.failures import Failure, name_of
from lakebench.results import baseline, matrix_cells

_PLAIN = (Append, Create, Mark)
_USUAL_VERSION = 2
_USUAL_PROPERTIES = frozenset(f"write.{what}.mode" for what in ("delete", "update", "merge"))


_PLAIN_NAME = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True)
class FoundFailure:
    """A failure with a finding: its name, and what is in its smallest program."""

    name: tuple[str, ...]
    needs: frozenset[str]

    def explains(self, failure: Failure, program: Iterable[Operation]) -> bool:
        """Whether ``failure`` is of the same engine, outcome and words, and ``program`` does what the finding needs.

        A wrong answer has no words, so it is explained by another one of the same side only.
        """
        engine, side, _, outcome, kind = self.name
        same = (failure.engine, failure.outcome.value) == (engine, outcome)
        alike = failure.side == side if failure.outcome is Outcome.WRONG else failure.kind == kind
        return same and alike and self.needs <= what_is_in(program)


@dataclass(frozen=True)
class _KnownCell:
    """A failure that somebody accepted: its case, the engine and side that failed, and what its feature needs."""

    case: str
    engine: str
    is_read: bool
    outcome: Outcome
    needs: frozenset[str]
    by_filters: bool


class KnownFailures:
    """The failures that are accepted on ``catalog``, by engine, operations and outcome."""

    def __init__(self, catalog: str) -> None:
        (shipped,) = phases.baselines([matrix_cells.PHASE]).values()
        entries = baseline.read(shipped) | baseline.read(Path(baseline.FILE))
        needs = {one.id: needs_of(one.program) for one in FEATURES if not one.by_reference}
        self._cells = [
            _KnownCell(
                one.case, _named(one.case), one.reader is not None, one.outcome, needs[one.feature], one.by_filters
            )
            for one in matrix_cells.of_baseline(entries, catalog)
            if one.outcome.is_failure and not one.misled and one.feature in needs
        ]

    def like(self, failure: Failure, program: Iterable[Operation]) -> str:
        """The accepted cell that ``failure`` of ``program`` is like, empty where there is none.

        It is of the same engine, outcome and side, and what its feature does the program does as well. A refused step
        is like a refusal of a feature with that operation. What another version of the engine does is not known of it,
        and a cell that failed at filters alone explains no failure at another read.
        """
        program = tuple(program)
        has = needs_of(program) | set(_partitions(_created(program)))
        of, names = (failure.side == "read", failure.outcome), {failure.engine, failure.engine.partition("@")[0]}
        is_filter = failure.read is not None and bool(failure.read.where)
        for cell in self._cells:
            if (
                cell.engine in names
                and (cell.is_read, cell.outcome) == of
                and (is_filter or not cell.by_filters)
                and (cell.needs <= has or (is_refused_step(failure) and failure.operation in cell.needs))
            ):
                return cell.case
        return ""


def _named(case: str) -> str:
    """The engine that a cell is about, as its run names it: without a version it is the installed one."""
    return case.rpartition("/")[2].rpartition("→")[2]


def is_refused_step(failure: Failure) -> bool:
    """Whether the engine said no to its step."""
    return failure.side == "write" and failure.outcome is Outcome.REFUSED


def what_is_in(program: Iterable[Operation]) -> frozenset[str]:
    """What ``program`` does, with the types of its columns and the names that have to be quoted."""
    program = tuple(program)
    created = _created(program)
    return needs_of(program) | set(_partitions(created)) | _types(created) | set(_quoted_names(program))


def _created(program: Iterable[Operation]) -> list[Create]:
    return [one for one in program if isinstance(one, Create)]


def _quoted_names(program: Iterable[Operation]) -> Iterator[str]:
    """Names of columns that are no plain words, and whether they are of a partition."""
    for one in program:
        columns = one.columns if isinstance(one, Create) else [one.column] if isinstance(one, AddColumn) else []
        names = [one.name] if isinstance(one, RenameColumn) else [column.name for column in columns]
        yield from (f"column {name}" for name in names if not _PLAIN_NAME.fullmatch(name))
        sources = [field.source for field in one.partition] if isinstance(one, Create | SetPartition) else []
        yield from (f"partition of {name}" for name in sources if not _PLAIN_NAME.fullmatch(name))


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
    return frozenset(needs or _types(created))


def _types(created: Iterable[Create]) -> set[str]:
    return {f"type {kind(one.type)}" for create in created for one in create.columns}


def _partitions(created: Iterable[Create]) -> Iterator[str]:
    """The transforms of the tables, and the types of the columns that they are of."""
    for one in created:
        for field in one.partition:
            yield f"partition by {kind(field.transform)}"
            yield f"partition of {_type(one, field.source)}"


def _type(create: Create, path: str) -> str:
    return kind(find(create.columns, path).type)
