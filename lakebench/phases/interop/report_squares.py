"""The cells of the interop matrix: the outcome of each, the engine that it counts for, and what contradicts claims."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from lakebench.model import Record
from lakebench.outcomes import FROM_BEST, Outcome
from lakebench.reports.content import DASH, MISLED, NOT_WRITTEN, STATES, state_of
from lakebench.results.records import Run

LETTERS = {state: letter for state, (letter, _) in STATES.items()}
WORST_FIRST = (*(one.value for one in reversed(FROM_BEST)), "HARNESS_FAULT", MISLED, NOT_WRITTEN, "UNAVAILABLE")
BROKEN = "broken claim"
BETTER = "better than claimed"
UNJUDGED = "not judged"
VERDICTS = {
    BROKEN: ("!", "claimed, and does not work"),
    BETTER: ("+", "works, and is not claimed"),
    "as claimed": ("=", "works, or fails, as claimed"),
    "unknown": ("?", "no document speaks of it"),
    UNJUDGED: (DASH, "nothing to hold against a claim"),
}
"""Verdict → its mark in a cell, and what it means."""
_REASON = 220
"""Characters of a reason in a line of the claims; the cell has all of it."""


@dataclass(frozen=True)
class Square:
    """One cell: ``writer`` wrote the feature's table, and ``reader`` read it; empty for the writing itself."""

    feature: str
    writer: str
    reader: str
    record: Record

    @property
    def side(self) -> str:
        """``read`` or ``write``."""
        return "read" if self.reader else "write"

    @property
    def engine(self) -> str:
        """The engine of the outcome: the reader or the writer; of a write another engine, where its step failed."""
        return self.reader or str(self.record.evidence.get("fault") or self.writer)

    @property
    def counterpart(self) -> str:
        """What identifies the cell beside its engine and feature: whose table it read, or wrote to."""
        if self.reader:
            return self.writer
        return "the write" if self.engine == self.writer else f"its step on the table of {self.writer}"

    @property
    def state(self) -> str:
        """One of :data:`STATES`."""
        return state_of(self.record)

    @property
    def verdict(self) -> str:
        """The outcome held against what the engine claims."""
        return str(self.record.evidence.get("verdict") or UNJUDGED)

    @property
    def judged(self) -> bool:
        """Whether it says something of its engine: it passed, or failed by that engine's own fault."""
        return self.record.outcome.ran and self.state != MISLED

    @property
    def passed(self) -> bool:
        """Whether it passed."""
        return self.record.outcome is Outcome.PASS

    @property
    def link(self) -> str:
        """The part of an address that opens it on the page."""
        return f"#cell={quote(self.record.case, safe='')}"


@dataclass(frozen=True)
class Finding:
    """What an engine claims of a feature, and the cells that say otherwise; ``of`` counts those that were judged."""

    squares: tuple[Square, ...]
    of: int

    @property
    def first(self) -> Square:
        """The cell that stands for all."""
        return self.squares[0]

    @property
    def version(self) -> str:
        """The engine's own version."""
        first = self.first
        return next(iter(first.record.versions.values()), "") if first.engine == first.record.engine else ""

    @property
    def claim(self) -> str:
        """What is claimed, in a line."""
        claim = self.first.record.evidence.get("claim")
        if not claim:
            return "none"
        return f"{claim['support']}, since {claim['since']}" if claim.get("since") else str(claim["support"])

    @property
    def source(self) -> str:
        """Where it is claimed, and when that was read."""
        claim = self.first.record.evidence.get("claim") or {}
        return ", read ".join(str(claim[key]) for key in ("source", "date") if claim.get(key))

    @property
    def measured(self) -> str:
        """The outcomes, and in how many cells."""
        counts = Counter(one.state for one in self.squares)
        states = ", ".join(f"{counts[state]} {state}" for state in WORST_FIRST if counts[state])
        return f"{states} of {counted(self.of, 'cell')}"

    @property
    def reason(self) -> str:
        """The beginning of what the first cell says of it."""
        text = " ".join(self.first.record.reason.split())
        return text if len(text) <= _REASON else f"{text[:_REASON]}…"

    @property
    def accepted(self) -> bool:
        """Whether all of it is accepted."""
        return all("known" in one.record.evidence for one in self.squares)


@dataclass(frozen=True)
class Findings:
    """The cells of a run that say something else than the claims, gravest first.

    ``broken`` are claims that are broken by another failure than a wrong answer.
    """

    wrong: tuple[Finding, ...]
    broken: tuple[Finding, ...]
    better: tuple[Finding, ...]

    @property
    def cells(self) -> dict[str, int]:
        """How many cells each of them is about."""
        return {kind: sum(len(one.squares) for one in findings) for kind, findings in vars(self).items()}


def squares(run: Run) -> list[Square]:
    """The cells of the matrix, in the order of the run."""
    cells = (_square(record) for record in run.cases)
    return [one for one in cells if one]


def _square(record: Record) -> Square | None:
    case = record.coordinates
    if record.phase != "interop" or not (case.feature and case.writer):
        return None
    return Square(case.feature, case.writer, case.reader or "", record)


def findings(run: Run) -> Findings:
    """What the claims and the run disagree about: one line for an engine, a feature and a side."""
    every = squares(run)
    judged = Counter(_subject(one) for one in every if one.judged)
    wrong = [one for one in every if is_wrong(one)]
    broken = [one for one in every if one.verdict == BROKEN and not is_wrong(one)]
    better = [one for one in every if one.verdict == BETTER]
    return Findings(*(_findings(each, judged) for each in (wrong, broken, better)))


def is_wrong(one: Square) -> bool:
    """Whether it is a silent wrong answer of its own engine's."""
    return one.state == Outcome.WRONG.value


def _subject(one: Square) -> tuple[str, ...]:
    return one.engine, one.feature, one.side


def _findings(cells: Iterable[Square], judged: Mapping[tuple[str, ...], int]) -> tuple[Finding, ...]:
    lines: dict[tuple[str, ...], list[Square]] = {}
    for one in sorted(cells, key=lambda one: WORST_FIRST.index(one.state)):
        lines.setdefault(_subject(one), []).append(one)
    made = [Finding(tuple(group), judged[subject]) for subject, group in lines.items()]
    grave = {state: rank for rank, state in enumerate(WORST_FIRST)}
    return tuple(sorted(made, key=lambda one: (one.accepted, grave[one.first.state], -len(one.squares))))


def counted(number: int, name: str) -> str:
    """``1 cell`` or ``2 cells``."""
    return f"{number:,} {name}" if number == 1 else f"{number:,} {name}s"
