"""Phases: questions put to the engines. Each yields blocks of cases; a number or a subject names it."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from lakebench import engines
from lakebench.errors import UsageError, unknown
from lakebench.model import EngineRef, Selection

if TYPE_CHECKING:
    from lakebench.config import Settings
    from lakebench.execution.cases import Block
    from lakebench.execution.context import Bench
    from lakebench.execution.disk_space import Need
    from lakebench.harness import Request
    from lakebench.model import Record
    from lakebench.results.records import Claim, Dataset, FeatureFacts


NOT_LOADED = "load-"
"""How the name of a case begins that is there only where a table could not be loaded."""
_LEAST_SLASHES = 2  # phase, what is asked, who


@dataclass(frozen=True)
class Scope:
    """What a run is to cover: engines in the order of the run, and what else was chosen.

    ``named`` says whether the user named the engines. ``profile`` is the name of one.
    """

    refs: tuple[EngineRef, ...]
    selection: Selection
    profile: str
    named: bool = True

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Scope | None:
        """The scope of the run whose header has ``settings``; ``None`` where they do not tell."""
        if "engines" not in settings:
            return None
        named = (ref.partition("@") for ref in settings["engines"])
        refs = tuple(EngineRef(name, version or None) for name, _, version in named)
        return cls(refs, selection_of(settings), settings.get("profile", ""), bool(settings.get("named", True)))

    @property
    def known(self) -> tuple[EngineRef, ...]:
        """The engines that are known here; records may be of another machine."""
        return tuple(ref for ref in self.refs if ref.name in engines.engines())

    def asks(self, names: Iterable[str]) -> bool:
        """Whether all engines ``names`` are asked.

        One that is not known here any more is missed by a run that was to ask every engine.
        """
        known = {str(ref) for ref in self.refs}
        return all(name in known or (not self.named and self._lost(name)) for name in names)

    @staticmethod
    def _lost(name: str) -> bool:
        return "@" not in name and name not in engines.engines()


def selection_of(settings: Mapping[str, Any]) -> Selection:
    """What the run whose header has ``settings`` was asked for.

    Raises:
        UsageError: they are no settings of a run.
    """
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(Selection).validate_python(settings.get("selection", {}))
    except ValidationError:
        raise UsageError(
            "the first line of the records does not have the selection of a run: start a new run"
        ) from None


def engines_of(case: str) -> tuple[str, ...]:
    """The engines that the last part of a case's id names: ``trino``, ``spark→trino`` or ``duckdb+spark``."""
    return tuple(re.split(r"[→+]", case.rpartition("/")[2]))


def to_blame(case: str, engine: str, ran: Collection[str]) -> str:
    """Whose a case is that did not run: the first engine of its id of which nothing ``ran``, else ``engine``.

    What an engine did not write, no other could read.
    """
    return next((name for name in engines_of(case) if name not in ran), engine)


class Phase(ABC):
    """A question put to the engines.

    ``name`` has the number and ``subject`` the word, and either names the phase; ``loads`` says whether it needs a
    dataset that one engine writes for all, ``keeps`` whether a run that was killed goes on with what it had loaded,
    ``data`` what a path behind its name is, and ``needs_data`` that there has to be one. ``claims`` are the ids of the
    field reports' claims that it reproduces. ``chooses_catalog`` says whether ``--catalog`` is for it.
    """

    name: ClassVar[str]
    subject: ClassVar[str]
    title: ClassVar[str]
    loads: ClassVar[bool] = False
    keeps: ClassVar[bool] = False
    data: ClassVar[str] = ""
    needs_data: ClassVar[bool] = False
    claims: ClassVar[tuple[str, ...]] = ()
    chooses_catalog: ClassVar[bool] = False

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

    def load(self, bench: Bench) -> None:  # noqa: B027 - likewise
        """Load the data that its cases ask for, once the services are there; before :meth:`facts` and :meth:`plan`."""

    def facts(self, bench: Bench) -> Iterator[Dataset | FeatureFacts]:  # noqa: ARG002
        """What the report says of datasets and features: lines of the records."""
        return iter(())

    def room(self, request: Request) -> Sequence[Need]:  # noqa: ARG002
        """What a run writes, where it can tell before it starts."""
        return ()

    def covers(self, case: str, scope: Scope) -> bool:
        """Whether a run of this ``scope`` is to have the case with this id of this phase."""
        return scope.asks(engines_of(case))

    def reproduced(self, cases: Sequence[Record], scale_factor: str) -> Iterator[Claim]:  # noqa: ARG002
        """What the finished cases say of the claims: ``claim`` lines of the records."""
        return iter(())


def phases() -> dict[str, Phase]:
    """Every phase by its name, in the order of the numbers."""
    from lakebench.phases.concurrent_writers.phase import Concurrent
    from lakebench.phases.ducklake.phase import DuckLake
    from lakebench.phases.interop.phase import Interop
    from lakebench.phases.jdbc.phase import Jdbc
    from lakebench.phases.nessie.phase import Nessie
    from lakebench.phases.query_workloads.clickbench import ClickBench
    from lakebench.phases.query_workloads.own import Own
    from lakebench.phases.tpch.phase import Tpch

    return {
        phase.name: phase
        for phase in (DuckLake(), Jdbc(), Tpch(), Nessie(), Concurrent(), Interop(), ClickBench(), Own())
    }


def covers(names: Iterable[str], scope: Scope) -> Callable[[str], bool]:
    """Whether a run of the phases ``names`` with this ``scope`` is to have a case, by its id."""
    wanted = {one.name: one for one in map(find, names)}

    def told(case: str) -> bool:
        phase = wanted.get(case.partition("/")[0])
        always = case.count("/") >= _LEAST_SLASHES and f"/{NOT_LOADED}" not in case
        return phase is not None and always and phase.covers(case, scope)

    return told


def find(text: str) -> Phase:
    """The phase called ``text``, by number or subject.

    Raises:
        UsageError: there is none; the message has the nearest names.
    """
    known = {name: phase for phase in phases().values() for name in (phase.name, phase.subject)}
    if text in known:
        return known[text]
    raise unknown("phase", text, known)
