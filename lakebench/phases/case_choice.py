"""Cases of one or more runs that bear on a statement, chosen by their coordinates."""

from __future__ import annotations

import dataclasses
import enum
import fnmatch
import functools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lakebench.model import Coordinates, Record
from lakebench.outcomes import Outcome
from lakebench.results.records import Run

_FIELDS = frozenset(one.name for one in dataclasses.fields(Coordinates)) - {"more"}
_OF_ENGINES = frozenset({"engine", "engines", "writer", "reader", "participants"})


class Grade(enum.StrEnum):
    """What the outcomes of several cases come to."""

    PASSES = "passes"
    LIMITED = "limited"
    FAILS = "fails"
    COULD_NOT_RUN = "could not run here"
    NOT_IN_RUN = "not in this run"


@dataclass(frozen=True)
class RunCase:
    """A finished case, and the run that it is of: empty for the run that is reported."""

    record: Record
    run: str = ""

    @property
    def name(self) -> str:
        """The case for people, with its run where that is another one."""
        return f"{self.record.case} in {self.run}" if self.run else self.record.case


@dataclass(frozen=True)
class CasesOfRuns:
    """The finished cases of one or more runs, and the ``servers`` that these started: service → version."""

    cases: tuple[RunCase, ...]
    servers: Mapping[str, str]

    @functools.cached_property
    def by_phase(self) -> Mapping[str, Sequence[RunCase]]:
        """The cases of each phase."""
        phases: dict[str, list[RunCase]] = {}
        for one in self.cases:
            phases.setdefault(one.record.phase, []).append(one)
        return phases

    @classmethod
    def of(cls, run: Run, earlier: Sequence[Run] = ()) -> CasesOfRuns:
        """Each case of ``run`` and ``earlier`` once: of the first run in which it ran, else of the first with it."""
        first: dict[tuple[str, Coordinates], RunCase] = {}
        for number, one in enumerate((run, *earlier)):
            for record in one.cases:
                had = first.get(key := (record.case, record.coordinates))
                if had is None or (record.outcome.ran and not had.record.outcome.ran):
                    first[key] = RunCase(record, one.header.run if number else "")
        servers = {one.service: one.version for each in reversed((run, *earlier)) for one in each.services}
        return cls(tuple(first.values()), servers)


@dataclass(frozen=True)
class CasesOf:
    """The cases of ``phase`` that have, for each name in ``where``, a coordinate that fits one of its patterns.

    A name is a field of :class:`~lakebench.model.Coordinates`, one of its ``more``, or ``participants``; ``*`` in a
    pattern is any text. Engines are compared without their versions; of several engines each has to fit. The base of a
    comparison bears on nothing.
    """

    phase: str
    where: Mapping[str, tuple[str, ...]]

    def has(self, record: Record) -> bool:
        """Whether ``record`` is one of them."""
        about = record.coordinates
        return (
            record.phase == self.phase
            and not about.base
            and all(_fits(_values(about, name), patterns) for name, patterns in self.where.items())
        )

    def __str__(self) -> str:
        """In words."""
        where = ", ".join(f"{name} {' or '.join(patterns)}" for name, patterns in self.where.items())
        return f"{self.phase}: {where}" if where else self.phase


def cases_of(phase: str, **where: str | tuple[str, ...]) -> CasesOf:
    """The cases of ``phase`` with these coordinates, each one value or several."""
    return CasesOf(phase, {name: (one,) if isinstance(one, str) else one for name, one in where.items()})


def _values(about: Coordinates, name: str) -> tuple[str, ...]:
    value = getattr(about, name) if name == "participants" or name in _FIELDS else about.more.get(name)
    values = value if isinstance(value, tuple) else () if value is None else (value,)
    return tuple(str(one).partition("@")[0] if name in _OF_ENGINES else str(one) for one in values)


def _fits(values: Sequence[str], patterns: Sequence[str]) -> bool:
    return bool(values) and all(
        one in patterns or any("*" in pattern and fnmatch.fnmatchcase(one, pattern) for pattern in patterns)
        for one in values
    )


@dataclass(frozen=True)
class CaseQuestion:
    """One thing that is asked (``title``): ``choices`` are the cases that ask it, ``cases`` those that runs have."""

    title: str
    choices: tuple[CasesOf, ...]
    cases: tuple[RunCase, ...] = ()

    def of(self, runs: CasesOfRuns) -> CaseQuestion:
        """The same with those cases of ``runs`` that ask it."""
        found = {
            id(one): one
            for choice in self.choices
            for one in runs.by_phase.get(choice.phase, ())
            if choice.has(one.record)
        }
        return dataclasses.replace(self, cases=tuple(found.values()))

    @property
    def passed(self) -> tuple[RunCase, ...]:
        """The cases that passed."""
        return tuple(one for one in self.cases if one.record.outcome is Outcome.PASS)

    @property
    def failed(self) -> tuple[RunCase, ...]:
        """The cases that failed."""
        return tuple(one for one in self.cases if one.record.outcome.is_failure)

    @property
    def grade(self) -> Grade:
        """What its cases come to."""
        if self.passed or self.failed:
            return Grade.LIMITED if self.passed and self.failed else Grade.FAILS if self.failed else Grade.PASSES
        return Grade.COULD_NOT_RUN if self.cases else Grade.NOT_IN_RUN

    @property
    def ran(self) -> bool:
        """Whether one of its cases ran."""
        return bool(self.passed or self.failed)


def asked(title: str, *choices: CasesOf) -> CaseQuestion:
    """What ``choices`` ask, without cases yet."""
    return CaseQuestion(title, choices)


def grade_of(all_asked: Iterable[CaseQuestion]) -> Grade:
    """What several questions come to: all pass, all fail, or some."""
    every = list(all_asked)
    grades = {one.grade for one in every if one.ran}
    if grades:
        return grades.pop() if len(grades) == 1 else Grade.LIMITED
    return Grade.COULD_NOT_RUN if any(one.cases for one in every) else Grade.NOT_IN_RUN
