"""What a stack must avoid: the features that its engines do not all write and read right, together.

What is not known is a kind of its own, and never counts as fine.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lakebench.model import EngineRef
from lakebench.outcomes import Outcome
from lakebench.results.matrix_cells import Known, MatrixCell


class Advice(enum.StrEnum):
    """What is to be said of a feature, the gravest first."""

    WRONG = "silently wrong"
    REFUSED = "a reader fails"
    NOT_WRITTEN = "the writer cannot"
    UNKNOWN = "not known"
    FINE = "fine"

    @property
    def avoid(self) -> bool:
        """Whether a stack must avoid the feature."""
        return self in {Advice.WRONG, Advice.REFUSED, Advice.NOT_WRITTEN}


_GRAVEST = tuple(Advice)


@dataclass(frozen=True)
class StackStep:
    """One engine's part: ``writer`` writes the feature, or ``reader`` reads the table of ``writer``.

    ``cell`` is ``None`` where no source has it. ``outcome`` is ``None`` where nothing is known of it. ``reason`` says
    why, where a source says it.
    """

    writer: EngineRef
    reader: EngineRef | None
    advice: Advice
    outcome: Outcome | None
    reason: str
    cell: MatrixCell | None


@dataclass(frozen=True)
class FeatureAdvice:
    """A feature and each engine's part in it, the writers before the readers."""

    feature: str
    steps: tuple[StackStep, ...]

    @property
    def advice(self) -> Advice:
        """The gravest of the steps."""
        return min((one.advice for one in self.steps), key=_GRAVEST.index, default=Advice.UNKNOWN)


@dataclass(frozen=True)
class Stack:
    """The answer for all features; ``unmeasured`` are the pairs that no source has a cell of (``None``: the writes)."""

    writers: tuple[EngineRef, ...]
    readers: tuple[EngineRef, ...]
    features: tuple[FeatureAdvice, ...]
    unmeasured: tuple[tuple[EngineRef, EngineRef | None], ...] = field(default=())

    @property
    def counts(self) -> dict[Advice, int]:
        """How many features have each advice, the gravest first."""
        counted = Counter(one.advice for one in self.features)
        return {kind: counted[kind] for kind in Advice}

    @property
    def avoid(self) -> int:
        """How many features the stack must avoid."""
        return sum(number for kind, number in self.counts.items() if kind.avoid)


def stack(
    known: Known,
    writers: Sequence[EngineRef],
    readers: Sequence[EngineRef],
    features: Sequence[str],
    no_way: Mapping[tuple[str, str], str] | None = None,
) -> Stack:
    """What to avoid if ``writers`` write and ``readers`` read, each at its version, of ``features`` (ids).

    ``no_way`` has (feature, name of a writer) → why the engine has no way to write it, where that is known without a
    run: then a writing that did not run counts as one that the writer cannot do.
    """
    answers = tuple(
        FeatureAdvice(feature, tuple(_steps(known, feature, writers, readers, no_way or {}))) for feature in features
    )
    measured = {(writer, reader) for _, writer, reader in known}
    pairs = [(writer, reader) for writer in writers for reader in (None, *readers)]
    return Stack(tuple(writers), tuple(readers), answers, tuple(one for one in pairs if one not in measured))


def _steps(
    known: Known,
    feature: str,
    writers: Sequence[EngineRef],
    readers: Sequence[EngineRef],
    no_way: Mapping[tuple[str, str], str],
) -> Iterator[StackStep]:
    writes = [_write(known.get((feature, one, None)), one, no_way.get((feature, one.name), "")) for one in writers]
    yield from writes
    for write in writes:
        if write.advice is Advice.NOT_WRITTEN:
            continue  # there is no table to read
        for reader in readers:
            yield _read(known.get((feature, write.writer, reader)), write, reader)


def _write(cell: MatrixCell | None, writer: EngineRef, no_way: str) -> StackStep:
    if cell is not None and cell.outcome.ran:
        kinds = {Outcome.PASS: Advice.FINE, Outcome.WRONG: Advice.WRONG}
        advice = kinds.get(cell.outcome, Advice.NOT_WRITTEN)
        return StackStep(writer, None, advice, cell.outcome, cell.reason, cell)
    if no_way:
        return StackStep(writer, None, Advice.NOT_WRITTEN, None, no_way, cell)
    return StackStep(writer, None, Advice.UNKNOWN, None, cell.reason if cell else "", cell)


def _read(cell: MatrixCell | None, write: StackStep, reader: EngineRef) -> StackStep:
    if cell is None or not cell.outcome.ran:
        return StackStep(write.writer, reader, Advice.UNKNOWN, None, cell.reason if cell else "", cell)
    kinds = {Outcome.PASS: Advice.FINE, Outcome.WRONG: Advice.WRONG}
    return StackStep(write.writer, reader, kinds.get(cell.outcome, Advice.REFUSED), cell.outcome, cell.reason, cell)
