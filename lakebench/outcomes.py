"""What becomes of a case and of a field report, and the exit codes of the command."""

from __future__ import annotations

import enum


class Outcome(enum.StrEnum):
    """What became of a case."""

    PASS = "PASS"  # noqa: S105 - an outcome, not a password
    WRONG = "WRONG"
    REFUSED = "REFUSED"
    CRASH = "CRASH"
    TIMEOUT = "TIMEOUT"
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    UNAVAILABLE = "UNAVAILABLE"
    HARNESS_FAULT = "HARNESS_FAULT"

    @property
    def mark(self) -> str:
        """How a matrix shows it: ``PASS``, ``FAIL``, ``UNAVAILABLE`` or ``HARNESS_FAULT``."""
        return "FAIL" if self.is_failure else self.value

    @property
    def is_failure(self) -> bool:
        """Whether the engine failed; what did not run and what our own error stopped says nothing of the engine."""
        return self not in {Outcome.PASS, Outcome.UNAVAILABLE, Outcome.HARNESS_FAULT}

    @property
    def ran(self) -> bool:
        """Whether the case says something of the engine: it passed or failed."""
        return self is Outcome.PASS or self.is_failure


FROM_BEST = (
    Outcome.PASS,
    Outcome.REFUSED,
    Outcome.OUT_OF_MEMORY,
    Outcome.TIMEOUT,
    Outcome.CRASH,
    Outcome.WRONG,
)
"""What a case that ran may come to: refused in the engine's own words is the best failure, a wrong answer the worst."""


class ReportVerdict(enum.StrEnum):
    """The verdict on a field report, in ascending order of what holds."""

    COULD_NOT_RUN = "could not run here"
    NOT_REPRODUCED = "not reproduced"
    OUT_OF_DATE = "out of date"
    DIRECTION_ONLY = "direction only"
    REPRODUCED = "reproduced"


class ExitCode(enum.IntEnum):
    """The exit codes of the command; where several apply, :meth:`first` picks one."""

    OK = 0
    WORSE = 1
    USAGE = 2
    NOTHING_RAN = 3
    WRONG_ANSWER = 4
    HARNESS_FAULT = 5
    INTERRUPTED = 130

    @classmethod
    def first(cls, *codes: ExitCode) -> ExitCode:
        """The one of ``codes`` that matters most; 0 where there is none."""
        return max(codes, default=cls.OK)
