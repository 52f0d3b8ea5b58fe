"""The one tree of errors. Each says what happened and what to do, in one line."""

from __future__ import annotations

from lakebench.model import Outcome


class LakebenchError(Exception):
    """Root of the tree: a message for people, and the outcome that a case gets when it is raised.

    ``details`` holds what evidence needs beyond the message (a diff, a signal, a limit); JSON values only.
    """

    outcome: Outcome = Outcome.CRASH

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.details = details


class UsageError(LakebenchError):
    """The user's arguments, settings or files cannot be used. Exit code 2."""

    outcome = Outcome.UNAVAILABLE


class EngineUnavailable(LakebenchError):
    """The engine cannot run here; the message says why and what to do."""

    outcome = Outcome.UNAVAILABLE


class ServiceUnavailable(LakebenchError):
    """A service cannot run here, or does not answer; the message says why and what to do."""

    outcome = Outcome.UNAVAILABLE


class Refused(LakebenchError):
    """The engine said no, in its own words."""

    outcome = Outcome.REFUSED


class CommitConflict(Refused):
    """The catalog or the engine refused a commit because another one came first."""


class WrongAnswer(LakebenchError):
    """An answer, and not the right one; ``details['diff']`` shows expected against actual."""

    outcome = Outcome.WRONG


class EngineCrash(LakebenchError):
    """The engine's process, or its server, died; ``details`` has the signal or exit code."""

    outcome = Outcome.CRASH


class Timeout(LakebenchError):
    """No answer within the limit, which ``details['limit_s']`` tells."""

    outcome = Outcome.TIMEOUT


class OutOfMemory(LakebenchError):
    """The engine passed its memory limit (``details['limit_bytes']``), or said that it ran out."""

    outcome = Outcome.OUT_OF_MEMORY


class HarnessFault(LakebenchError):
    """An error of ours, which says nothing of an engine: the case is run again by ``--resume``. Exit code 5."""

    outcome = Outcome.HARNESS_FAULT


class ServiceLost(ServiceUnavailable):
    """A service that the whole run stands on died: the run ends, and keeps what it has."""


def from_outcome(outcome: Outcome, message: str) -> LakebenchError:
    """The error whose case has ``outcome``."""
    kinds = (Refused, WrongAnswer, EngineCrash, Timeout, OutOfMemory, EngineUnavailable, HarnessFault)
    return next(kind for kind in kinds if kind.outcome is outcome)(message)
