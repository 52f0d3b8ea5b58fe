"""Phases: questions put to the engines. Each yields blocks of cases; a number or a subject names it.

They are found by the entry points of the group ``lakebench.phases``, so that another project may have its own.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Iterable
from importlib.metadata import entry_points
from pathlib import Path

from lakebench.errors import unknown
from lakebench.execution.request import Scope
from lakebench.model import Coordinates
from lakebench.phases.base import NOT_LOADED, Phase
from lakebench.results.baseline import Covers

GROUP = "lakebench.phases"
BASELINE = "baseline.json"


@functools.cache
def phases() -> dict[str, Phase]:
    """Every phase by its name: those with a number in the order of the numbers, then the others."""
    made = [one.load()() for one in entry_points(group=GROUP)]
    return {phase.name: phase for phase in sorted(made, key=_order)}


def _order(phase: Phase) -> tuple[bool, float, str]:
    number = phase.name.removeprefix("phase")
    return (False, float(number), "") if number != phase.name else (True, 0, phase.name)


def covers(names: Iterable[str], scope: Scope) -> Covers:
    """Whether a run of the phases ``names`` with this ``scope`` is to have a case, by its phase and coordinates."""
    wanted = {one.name: one for one in map(find, names)}

    def covered(name: str, case: Coordinates) -> bool:
        phase = wanted.get(name)
        always = bool(case.participants or case.catalog) and case.check != NOT_LOADED
        return phase is not None and always and phase.covers(case, scope)

    return covered


def baselines(names: Iterable[str]) -> dict[str, Path]:
    """Phase → the file of what is accepted of its defaults, beside its module; not every phase has one.

    Raises:
        UsageError: there is no phase of one of ``names``.
    """
    return {name: Path(inspect.getfile(type(find(name)))).with_name(BASELINE) for name in names}


def find(text: str) -> Phase:
    """The phase called ``text``, by number or subject.

    Raises:
        UsageError: there is none; the message has the nearest names.
    """
    named = {name: phase for phase in phases().values() for name in (phase.name, phase.subject)}
    if text in named:
        return named[text]
    raise unknown("phase", text, named)
