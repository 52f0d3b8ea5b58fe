"""What a phase says in the report: the module ``report`` in its folder, which has a function ``sections``."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable
from dataclasses import replace

from lakebench import phases
from lakebench.phases.base import Phase
from lakebench.reports.content import Section
from lakebench.results.records import Run


def sections(run: Run) -> list[Section]:
    """The sections of each phase that has cases in ``run``, made from these; a phase not known here has none."""
    known = phases.phases()
    return [
        section
        for name in dict.fromkeys(case.phase for case in run.cases)
        if name in known
        for section in _of(known[name], replace(run, cases=tuple(one for one in run.cases if one.phase == name)))
    ]


def _of(phase: Phase, run: Run) -> Iterable[Section]:
    folder, _, _ = type(phase).__module__.rpartition(".")
    if not folder or importlib.util.find_spec(f"{folder}.report") is None:
        return ()
    found: Iterable[Section] = importlib.import_module(f"{folder}.report").sections(run)
    return found
