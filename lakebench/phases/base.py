"""The base class of phases: a question put to the engines, which yields blocks of cases."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from lakebench.config import Settings
from lakebench.execution.cases import Block
from lakebench.execution.context import RunContext
from lakebench.execution.request import Request, Scope
from lakebench.model import NAMESPACE, Coordinates, Record, Selection
from lakebench.phases.options import Asked, Option
from lakebench.provisioning.disk_space import Need
from lakebench.results.records import Dataset, FeatureFacts, FieldReport

NOT_LOADED = "load"
"""The kind of check of a case that is there only where a table could not be loaded."""


class Phase(ABC):
    """A question put to the engines.

    ``name`` has the number and ``subject`` the word, and either names the phase; ``loads`` says whether it needs a
    dataset that one engine writes for all, ``keeps`` whether a resumed run goes on with what was loaded,
    ``data`` what a path behind its name is, and ``needs_data`` that there has to be one. ``field_reports`` are the ids
    of the field reports that it tries to reproduce, ``options`` what it adds to ``lakebench run``.
    """

    name: ClassVar[str]
    subject: ClassVar[str]
    title: ClassVar[str]
    loads: ClassVar[bool] = False
    keeps: ClassVar[bool] = False
    data: ClassVar[str] = ""
    needs_data: ClassVar[bool] = False
    field_reports: ClassVar[tuple[str, ...]] = ()
    options: ClassVar[tuple[Option, ...]] = ()
    schemas: ClassVar[tuple[str, ...]] = ()
    """The schemas that it makes in a plain PostgreSQL."""

    def takes_times(self, request: Request) -> bool:  # noqa: ARG002
        """Whether a run has times of it, so that servers have to be fast once they are warm."""
        return True

    @abstractmethod
    def services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:
        """The services that every case of it needs."""

    def namespaces(self, request: Request) -> tuple[str, ...]:  # noqa: ARG002
        """The namespaces that it writes to in a catalog of the user's."""
        return (NAMESPACE,)

    def optional_services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:  # noqa: ARG002
        """The services that some of its cases need: where one does not start, these cases are UNAVAILABLE."""
        return ()

    @abstractmethod
    def engines(self, selection: Selection) -> tuple[str, ...]:
        """The engines that it asks by default, where the user names none."""

    def features(self, options: Mapping[str, Any]) -> tuple[str, ...]:  # noqa: ARG002
        """The ids of what ``--features`` chooses from; nothing where the phase has no features.

        ``options`` are values of those options that have no field of their own in a selection.
        """
        return ()

    def option(self, selection: Selection, name: str) -> Any:
        """The value of its option ``name``, one without a field of its own in ``selection``."""
        (option,) = (one for one in self.options if one.name == name)
        values = selection.options.get(self.name, {})
        return values[name] if name in values else option.read(option.default, Asked())

    def ready(self, context: RunContext) -> None:  # noqa: B027 - most have nothing to do
        """Make what needs no service, while the services start."""

    @abstractmethod
    def plan(self, context: RunContext) -> Iterator[Block]:
        """The blocks of this phase in the order they run. Planning asks engines for abilities and starts none."""

    def load(self, context: RunContext) -> None:  # noqa: B027 - likewise
        """Load the data that its cases ask for, once the services are there; before :meth:`facts` and :meth:`plan`."""

    def facts(self, context: RunContext) -> Iterator[Dataset | FeatureFacts]:  # noqa: ARG002
        """What the report says of datasets and features: lines of the records."""
        return iter(())

    def disk_space(self, request: Request) -> Sequence[Need]:  # noqa: ARG002
        """The disk space that a run needs, as far as it is known before the run starts."""
        return ()

    def covers(self, case: Coordinates, scope: Scope) -> bool:
        """Whether a run of this ``scope`` is to have the case with these coordinates."""
        return scope.asks(case.participants)

    def judge_field_reports(self, cases: Sequence[Record], scale_factor: str) -> Iterator[FieldReport]:  # noqa: ARG002
        """What its finished cases say of the field reports: ``field_report`` lines of the records."""
        return iter(())
