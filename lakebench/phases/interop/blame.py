"""Which engine is at fault where a table of the interop matrix is wrong, or is read wrong: all readings together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lakebench import engines
from lakebench.errors import CaseEnd, HarnessFault, Refused, WrongAnswer, from_outcome
from lakebench.model import EngineRef
from lakebench.outcomes import Outcome

REFERENCE = "reference"
_SHOWN = 3  # violations in a message


@dataclass(frozen=True)
class Readings:
    """The outcome of one table at each of its readers, and of the reference's table of the same feature.

    ``refusing`` are engines that refuse to read the feature, and whose documents do not say that they read it.
    """

    table: Mapping[EngineRef, Outcome]
    reference: Mapping[EngineRef, Outcome]
    refusing: frozenset[EngineRef] = frozenset()

    @property
    def judges(self) -> dict[EngineRef, Outcome]:
        """The readers that read the reference's table right, and what they made of this one."""
        ran = {ref: outcome for ref, outcome in self.table.items() if outcome.ran}
        return {ref: outcome for ref, outcome in ran.items() if self.reference.get(ref) is Outcome.PASS}

    @property
    def misled(self) -> frozenset[EngineRef]:
        """The readers without fault if the table is wrong: they read what is there, or refuse it and read a right one.

        A reader that crashes, hangs or takes too much memory is at fault itself, whatever the table is.
        """
        wrong = {ref for ref, outcome in self.table.items() if outcome is Outcome.WRONG}
        return frozenset(wrong | {ref for ref, outcome in self.judges.items() if outcome is Outcome.REFUSED})


@dataclass(frozen=True)
class Judgement:
    """Why a write does not stand (``error``), and the readers whose failure is the write's fault."""

    error: CaseEnd | None = None
    misled: frozenset[EngineRef] = frozenset()


def judge(writer: EngineRef, readings: Readings, violations: Sequence[str]) -> Judgement:
    """Whether a write stands in which the inspector found what it looked for.

    It does not where at least half of the readers that read the reference's table right read this one wrong, where the
    table breaks the specification, or where only the writer can judge, and it does not read its own rows back.
    """
    judges = readings.judges
    wrong = sorted(str(ref) for ref, outcome in judges.items() if outcome is Outcome.WRONG)
    if wrong and 2 * len(wrong) >= len(judges):
        reason = f"read wrong by {', '.join(wrong)}, which read the reference's table right"
        return Judgement(WrongAnswer(reason), readings.misled)
    if violations:
        reason = f"the table breaks the specification: {'; '.join(violations[:_SHOWN])}"
        return Judgement(WrongAnswer(reason), readings.misled)
    return Judgement(_not_read_back(writer, readings))


def _not_read_back(writer: EngineRef, readings: Readings) -> CaseEnd | None:
    """The writer's own failure to read its table, where nothing says that this is a fault of its reading alone."""
    outcome = readings.table.get(writer, Outcome.PASS)
    if outcome in {Outcome.PASS, Outcome.UNAVAILABLE} or writer in readings.refusing:
        return None
    others = {outcome for ref, outcome in readings.table.items() if _family(ref) != _family(writer)}
    reads_no_other = readings.reference.get(writer, Outcome.PASS).is_failure
    if Outcome.PASS in others or reads_no_other:
        return None
    if outcome is Outcome.HARNESS_FAULT:
        return HarnessFault(f"whether {writer} reads its own table back is not known: see its own read")
    return from_outcome(outcome, f"{writer} does not read its own table back right, and nobody else reads it right")


def _family(ref: EngineRef) -> str:
    """The engine, whatever way into it and whichever version of it."""
    return engines.find(ref.name).distribution


def ours(culprit: EngineRef, error: CaseEnd) -> CaseEnd:
    """``error`` of a write by ``culprit``: the reference is ours, so what it does wrong is no engine's outcome.

    What it is refused stays refused: catalogs do not take everything.
    """
    if culprit.name != REFERENCE or not error.outcome.is_failure or isinstance(error, Refused):
        return error
    return HarnessFault(f"the reference writer: {error}", **error.details)
