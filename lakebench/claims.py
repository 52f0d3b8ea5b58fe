"""Accepted outcomes: known failures, with the version they were seen at and where they are told of."""

from __future__ import annotations

import fnmatch
import functools
import inspect
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lakebench import phases
from lakebench.engines import engines
from lakebench.errors import HarnessBug
from lakebench.model import ExitCode, Outcome, Record

FILE = "claims.toml"


@dataclass(frozen=True)
class Accepted:
    """An outcome that is known: ``case`` is a glob of case ids; ``versions`` and ``link`` are where it was seen."""

    case: str
    outcome: Outcome
    reason: str
    versions: str = ""
    link: str = ""


@functools.cache
def accepted() -> tuple[Accepted, ...]:
    """Every accepted outcome: of the phases, and of every engine known here.

    Raises:
        HarnessBug: a ``claims.toml`` cannot be read.
    """
    beside = [Path(inspect.getfile(engine)).parent for engine in engines().values()]
    files = dict.fromkeys(folder / FILE for folder in (Path(phases.__file__).parent, *beside))
    return tuple(one for file in files if file.exists() for one in _read(file))


def _read(file: Path) -> tuple[Accepted, ...]:
    try:
        listed = tomllib.loads(file.read_text(encoding="utf-8")).get("accepted", [])
        return tuple(Accepted(**{**one, "outcome": Outcome(one["outcome"])}) for one in listed)
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
        raise HarnessBug(f"{file}: {error}") from None


def _of(case: str) -> Accepted | None:
    """The accepted outcome that speaks of the case with this id, whatever became of it this time."""
    return next((one for one in accepted() if fnmatch.fnmatchcase(case, one.case)), None)


def accepted_as(case: str, outcome: Outcome) -> Accepted | None:
    """The accepted outcome that ``case`` has had, where it is one."""
    expected = _of(case)
    return expected if expected is not None and expected.outcome is outcome else None


def is_accepted(case: Record) -> bool:
    """Whether ``case`` is as expected: passed, did not run here, or failed as it is known to."""
    if case.outcome in {Outcome.PASS, Outcome.UNAVAILABLE}:
        return True
    return accepted_as(case.case, case.outcome) is not None


def stale(cases: Iterable[Record]) -> list[tuple[Record, Accepted]]:
    """Cases that pass although a failure is accepted: the acceptance is to be taken back."""
    found = ((case, _of(case.case)) for case in cases if case.outcome is Outcome.PASS)
    return [(case, expected) for case, expected in found if expected is not None]


def exit_code(cases: Iterable[Record]) -> ExitCode:
    """What the outcomes of a run make of its exit code."""
    told = list(cases)
    unexpected = [case for case in told if not is_accepted(case)]
    if any(case.outcome is Outcome.WRONG for case in unexpected):
        return ExitCode.WRONG_ANSWER
    if unexpected:
        return ExitCode.WORSE
    if all(case.outcome is Outcome.UNAVAILABLE for case in told):
        return ExitCode.NOTHING_RAN
    return ExitCode.OK
