"""Phases: questions put to the engines. Each yields blocks of cases; a number or a subject names it."""

from __future__ import annotations

import difflib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from lakebench.errors import UsageError

if TYPE_CHECKING:
    from lakebench.bench import Bench
    from lakebench.cases import Block
    from lakebench.config import Settings
    from lakebench.harness import Request
    from lakebench.model import Record, Selection
    from lakebench.records import Claim, Dataset, FeatureFacts
    from lakebench.room import Need


class Phase(ABC):
    """A question put to the engines.

    ``name`` has the number and ``subject`` the word, and either names the phase; ``loads`` says whether it needs a
    dataset that one engine writes for all, ``keeps`` whether a run that was killed goes on with what it had loaded,
    ``data`` what a path behind its name is, and ``needs_data`` that there has to be one. ``claims`` are the ids of the
    field reports' claims that it reproduces.
    """

    name: ClassVar[str]
    subject: ClassVar[str]
    title: ClassVar[str]
    loads: ClassVar[bool] = False
    keeps: ClassVar[bool] = False
    data: ClassVar[str] = ""
    needs_data: ClassVar[bool] = False
    claims: ClassVar[tuple[str, ...]] = ()

    @abstractmethod
    def services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:
        """The services that every case of it stands on."""

    @abstractmethod
    def engines(self, selection: Selection) -> tuple[str, ...]:
        """The engines that it asks where the user names none."""

    def features(self) -> tuple[str, ...]:
        """The ids of what ``--features`` chooses from; nothing where the phase has no features."""
        return ()

    def ready(self, bench: Bench) -> None:  # noqa: B027 - most have nothing to do
        """Make what needs no service, while the services start."""

    @abstractmethod
    def plan(self, bench: Bench) -> Iterator[Block]:
        """The blocks of this phase in the order they run. Planning asks engines for abilities and starts none."""

    @abstractmethod
    def facts(self, bench: Bench) -> Iterator[Dataset | FeatureFacts]:
        """What the report says of datasets and features: lines of the records. Prepares them."""

    def room(self, request: Request) -> Sequence[Need]:  # noqa: ARG002
        """What a run writes, where it can tell before it starts."""
        return ()

    def covers(self, case: str, refs: frozenset[str], selection: Selection) -> bool:  # noqa: ARG002
        """Whether a run of the engines ``refs`` is to have the case with this id, where it still exists."""
        return case.rpartition("/")[2].partition("→")[0] in refs

    def reproduced(self, cases: Sequence[Record], scale_factor: str) -> Iterator[Claim]:  # noqa: ARG002
        """What the finished cases say of the claims: ``claim`` lines of the records."""
        return iter(())


def phases() -> dict[str, Phase]:
    """Every phase by its name, in the order of the numbers."""
    from lakebench.phases.clickbench import ClickBench
    from lakebench.phases.concurrent import Concurrent
    from lakebench.phases.ducklake import DuckLake
    from lakebench.phases.interop import Interop
    from lakebench.phases.jdbc import Jdbc
    from lakebench.phases.nessie import Nessie
    from lakebench.phases.tpch import Tpch
    from lakebench.phases.workload import Own

    return {
        phase.name: phase
        for phase in (DuckLake(), Jdbc(), Tpch(), Nessie(), Concurrent(), Interop(), ClickBench(), Own())
    }


def find(text: str) -> Phase:
    """The phase called ``text``, by number or subject.

    Raises:
        UsageError: there is none; the message has the nearest names.
    """
    known = {name: phase for phase in phases().values() for name in (phase.name, phase.subject)}
    if text in known:
        return known[text]
    near = difflib.get_close_matches(text, known, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}? " if near else ""
    raise UsageError(f"unknown phase '{text}': {hint}valid names are {', '.join(known)}")
