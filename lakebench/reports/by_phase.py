"""What a phase says in the report: the module ``report`` in its folder.

It has a function ``sections``; where it is a whole :class:`Page`, the cases of the phase stand there alone.
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
    """The name of the page's file, beside the report."""

    def sections(self, run: Run) -> Iterable[Section]:
        """What the report says of the page: its first sections."""

    def render(self, run: Run) -> str:
        """The page, as HTML."""

    def verdict(self, run: Run) -> tuple[str, str]:
        """The phase's cases in one sentence, and ``good``, or how bad they are."""

    def overview(self, run: Run) -> Table:
        """The table of the first screen, where no other phase has cases."""


def sections(run: Run) -> list[Section]:
    """The sections of each phase that has cases in ``run``, made from these; a phase not known here has none."""
    return [
        section
        for name, module in _modules(run).items()
        for section in module.sections(replace(run, cases=tuple(one for one in run.cases if one.phase == name)))
    ]


def pages(run: Run) -> list[Page]:
    """The pages of those phases that have cases in ``run``."""
    return [module for module in _modules(run).values() if isinstance(module, Page)]


def others(run: Run) -> Run:
    """``run`` without the cases that stand on pages of their own."""
    apart = {name for name, module in _modules(run).items() if isinstance(module, Page)}
    return replace(run, cases=tuple(one for one in run.cases if one.phase not in apart))


def _modules(run: Run) -> dict[str, ModuleType]:
    """Phase → its module ``report``, of those that have cases in ``run`` and such a module."""
    registered = phases.phases()
    names = (name for name in dict.fromkeys(case.phase for case in run.cases) if name in registered)
    folders = {name: type(registered[name]).__module__.rpartition(".")[0] for name in names}
    return {
        name: importlib.import_module(f"{folder}.report")
        for name, folder in folders.items()
        if folder and importlib.util.find_spec(f"{folder}.report") is not None
    }
