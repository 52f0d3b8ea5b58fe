"""Cells of a comparison of lakes: what a report says of one lake, the cases that ask it, and what they come to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lakebench.phases.case_choice import CaseQuestion, CasesOfRuns, Grade, RunCase, grade_of

SEVERAL = 2
"""How many engines are several."""


_OURS = "reference"  # an engine of lakebench's own


@dataclass(frozen=True)
class FilledCell:
    """A cell that is filled in: ``theirs`` and ``ours`` in words, and what ``ours`` rests on.

    ``agrees`` is ``None`` where too few cases ran, or where the report does not have the lake.
    """

    theirs: str
    ours: str
    agrees: bool | None
    asked: tuple[CaseQuestion, ...] = ()

    @property
    def known(self) -> bool:
        """Whether a case of it ran."""
        return any(one.ran for one in self.asked)


@dataclass(frozen=True)
class LakeCell(ABC):
    """A criterion for one lake: ``theirs`` is what the report says, empty for a lake that it does not have."""

    theirs: str
    asks: tuple[CaseQuestion, ...]

    def answer(self, runs: CasesOfRuns) -> FilledCell:
        """What the cases of ``runs`` say."""
        rest = tuple(one.of(runs) for one in self.asks)
        if not any(one.ran for one in rest):
            return FilledCell(self.theirs, str(grade_of(rest)), None, rest)
        ours, same = self.judged(rest, runs.servers)
        return FilledCell(self.theirs, ours, same if self.theirs else None, rest)

    @abstractmethod
    def judged(self, rest: Sequence[CaseQuestion], servers: Mapping[str, str]) -> tuple[str, bool | None]:
        """What the cases of ``rest`` come to, some of which ran, and whether they agree; ``None`` leaves it open."""


@dataclass(frozen=True)
class Works(LakeCell):
    """Whether something works; ``grade`` is theirs."""

    grade: Grade | None = None

    def judged(self, rest: Sequence[CaseQuestion], servers: Mapping[str, str]) -> tuple[str, bool | None]:  # noqa: ARG002
        """All pass, some or none. Where a question is open, only a failure that theirs does not have says something."""
        grade, ran = grade_of(rest), sum(one.ran for one in rest)
        if ran == len(rest):
            return str(grade), grade is self.grade
        differs = grade is not Grade.PASSES and self.grade is Grade.PASSES
        return f"{grade} in {ran} of {len(rest)} questions; the others did not run", False if differs else None


@dataclass(frozen=True)
class Servers(LakeCell):
    """How many servers the lake needs beside its PostgreSQL, ``own``: from ``low`` to ``high`` by theirs."""

    low: int = 0
    high: int = 0
    own: str = ""

    def judged(self, rest: Sequence[CaseQuestion], servers: Mapping[str, str]) -> tuple[str, bool | None]:
        """By the services that the cases name and their runs have started."""
        names = dict.fromkeys(name for one in rest for case in one.cases for name in _services(case))
        started = [f"{name} {servers[name]}" for name in names if name in servers and name != self.own]
        return f"{len(started)}: {', '.join(started) or 'none'}", self.low <= len(started) <= self.high


@dataclass(frozen=True)
class SeparateServer(LakeCell):
    """Whether the catalog is the server ``named``."""

    named: str = ""

    def judged(self, rest: Sequence[CaseQuestion], servers: Mapping[str, str]) -> tuple[str, bool | None]:  # noqa: ARG002
        """By the services that the runs have started."""
        version = servers.get(self.named)
        return f"a separate service: {self.named} {version}" if version else "no such server", version is not None


@dataclass(frozen=True)
class Readers(LakeCell):
    """Whether one engine alone or ``several`` read the lake's tables right."""

    several: bool = False

    def judged(self, rest: Sequence[CaseQuestion], servers: Mapping[str, str]) -> tuple[str, bool | None]:  # noqa: ARG002
        """By the engines of the cases that pass; one that passes alone says nothing where no other was asked."""
        passed = sorted({_reader(case) for one in rest for case in one.passed} - {_OURS})
        asked = {_reader(case) for one in rest for case in (*one.passed, *one.failed)} - {_OURS}
        ours = f"{len(passed)} of the engines asked: {', '.join(passed)}" if passed else "no engine"
        several = len(passed) >= SEVERAL
        return ours, several is self.several if several or len(asked) >= SEVERAL else None


def _services(case: RunCase) -> list[str]:
    return str(case.record.coordinates.more.get("services", "")).split()


def _reader(case: RunCase) -> str:
    """The engine that reads, without its version."""
    about = case.record.coordinates
    return str(about.reader or about.engine).partition("@")[0]
