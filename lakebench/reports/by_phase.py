"""The part of a phase in the report: the module ``report`` in the phase's folder.

It has a function ``sections``; if it is a whole :class:`Page`, only that page has the cases of the phase.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Iterable
from dataclasses import replace
from types import ModuleType
from typing import Protocol, runtime_checkable

from lakebench import phases
from lakebench.reports.content import Section, Table
from lakebench.results.records import Run


@runtime_checkable
class Page(Protocol):
    """The module ``report`` of a phase whose cases have a page of their own. Each ``run`` is the whole run."""

    PAGE: str
    """The name of the page's file, which lies beside the report."""

    def sections(self, run: Run) -> Iterable[Section]:
        """The sections of the report that lead to the page."""

    def render(self, run: Run) -> str:
        """The page, as HTML."""

    def verdict(self, run: Run) -> tuple[str, str]:
        """The phase's cases in one sentence, and ``good`` or another mark of the verdict."""

    def overview(self, run: Run) -> Table:
        """The table of the first screen, for a run of this phase alone."""


def sections(run: Run) -> list[Section]:
    """The sections of each phase that has cases in ``run``; none for phases that are not installed."""
    return [
        section
        for name, module in _modules(run).items()
        for section in module.sections(replace(run, cases=tuple(one for one in run.cases if one.phase == name)))
    ]


def pages(run: Run) -> list[Page]:
    """The pages of the phases that have cases in ``run``."""
    return [module for module in _modules(run).values() if isinstance(module, Page)]


def page_of(run: Run, phase: str) -> str:
    """The path of the page that has the cases of ``phase``; empty where it is not written."""
    module = _modules(run).get(phase)
    path = run.path.parent / module.PAGE if isinstance(module, Page) else None
    return str(path) if path and path.exists() else ""


def others(run: Run) -> Run:
    """``run`` without the cases that have a page of their own."""
    apart = {name for name, module in _modules(run).items() if isinstance(module, Page)}
    return replace(run, cases=tuple(one for one in run.cases if one.phase not in apart))


def _modules(run: Run) -> dict[str, ModuleType]:
    """Phase → its module ``report``, for the phases that have both cases in ``run`` and this module."""
    registered = phases.phases()
    names = (name for name in dict.fromkeys(case.phase for case in run.cases) if name in registered)
    folders = {name: type(registered[name]).__module__.rpartition(".")[0] for name in names}
    return {
        name: importlib.import_module(f"{folder}.report")
        for name, folder in folders.items()
        if folder and importlib.util.find_spec(f"{folder}.report") is not None
    }
