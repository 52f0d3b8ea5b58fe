"""The one tree of errors. Each says what happened and what to do, in one line."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable
from typing import TypeAlias

from lakebench.outcomes import Outcome


class LakebenchError(Exception):
    """Root of the tree: a message for people.

    ``details`` holds what evidence needs beyond the message (a diff, a signal, a limit); JSON values only. Below it are
    three kinds: what becomes of a case (:class:`CaseError`), a fault of ours, which blames nobody
    (:class:`HarnessFault`), and what ends a run, all the others.
    """

    def __init__(self, message: str, /, **details: object) -> None:
        super().__init__(message)
        self.details = details


class UsageError(LakebenchError):
    """The user's arguments, settings, files or disk cannot be used: a run stops, and can be resumed. Exit code 2."""


class CaseError(LakebenchError):
    """What an engine, a server or this machine did to a case: the case's record has the ``outcome``."""

    outcome: Outcome


class EngineUnavailable(CaseError):
    """The engine cannot run here; the message says why and what to do."""

    outcome = Outcome.UNAVAILABLE


class ServiceUnavailable(CaseError):
    """A service cannot run here, or does not answer; the message says why and what to do."""

    outcome = Outcome.UNAVAILABLE


class Refused(CaseError):
    """The engine said no, in its own words."""

    outcome = Outcome.REFUSED


class CommitConflict(Refused):
    """The catalog or the engine refused a commit because another one came first."""


class WrongAnswer(CaseError):
    """An answer, and not the right one; ``details['diff']`` shows expected against actual."""

    outcome = Outcome.WRONG


class EngineCrash(CaseError):
    """The engine's process, or its server, died; ``details`` has the signal or exit code."""

    outcome = Outcome.CRASH


class Timeout(CaseError):
    """No answer within the limit, which ``details['limit_s']`` tells."""

    outcome = Outcome.TIMEOUT


class OutOfMemory(CaseError):
    """The engine passed its memory limit (``details['limit_bytes']``), or said that it ran out."""

    outcome = Outcome.OUT_OF_MEMORY


class HarnessFault(LakebenchError):
    """An error of ours, which says nothing of an engine: the case is run again by ``--resume``. Exit code 5."""

    outcome = Outcome.HARNESS_FAULT


CaseEnd: TypeAlias = CaseError | HarnessFault
"""What a case ends by that did not pass."""


class ServiceLost(LakebenchError):
    """A service that the whole run stands on died: the run ends, and keeps what it has.

    Exit code 1, or 3 where nothing ran.
    """


class CheckerLost(LakebenchError):
    """The checker died, and died again of the same question: the run ends, and keeps what it has. Exit code 5."""


_OUTCOMES = (Refused, WrongAnswer, EngineCrash, Timeout, OutOfMemory, EngineUnavailable)


def from_outcome(outcome: Outcome, message: str) -> CaseError:
    """The error whose case has ``outcome``."""
    return next(kind for kind in _OUTCOMES if kind.outcome is outcome)(message)


_KINDS: dict[str, type[CaseEnd]] = {
    kind.__name__: kind for kind in (HarnessFault, CommitConflict, ServiceUnavailable, *_OUTCOMES)
}


def kind_of(error: Exception) -> str:
    """The name by which another process of ours knows what kind ``error`` is of; of none of ours: a fault."""
    return next((kind.__name__ for kind in type(error).__mro__ if kind.__name__ in _KINDS), HarnessFault.__name__)


def of_kind(name: str) -> type[CaseEnd]:
    """The class that another process of ours names; what is none that ends a case is a fault of ours."""
    return _KINDS.get(name, HarnessFault)


def is_full_disk(error: OSError) -> bool:
    """Whether ``error`` says that a file system, or the share of it that the user has, is full."""
    return error.errno in {errno.ENOSPC, errno.EDQUOT}


def suggest(name: str, known: Iterable[str], most: int = 1) -> str:
    """``did you mean NEAR? `` for a message about an unknown ``name``, empty where none of ``known`` is near it."""
    near = difflib.get_close_matches(name, list(known), n=most, cutoff=0.4)
    return f"did you mean {' or '.join(near)}? " if near else ""


def unknown(what: str, name: str, known: Iterable[str]) -> UsageError:
    """The error that no ``what`` is called ``name``, with the nearest of the ``known`` names and all of them."""
    names = list(known)
    return UsageError(f"unknown {what} '{name}': {suggest(name, names)}valid names are {', '.join(names)}")
