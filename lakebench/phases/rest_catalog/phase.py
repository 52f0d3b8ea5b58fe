"""Phase 11: any Iceberg REST catalog: whether it does what the specification says, and who gets at what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from lakebench.config import Settings
from lakebench.execution.cases import Block
from lakebench.execution.context import RunContext
from lakebench.execution.request import Scope
from lakebench.model import Coordinates, Record, Selection
from lakebench.phases.base import Phase
from lakebench.phases.options import Option, some_of
from lakebench.phases.rest_catalog import load
from lakebench.phases.rest_catalog.cases import PHASE
from lakebench.phases.rest_catalog.field_reports import judge_field_reports
from lakebench.phases.rest_catalog.load import TABLES
from lakebench.phases.rest_catalog.parts import PARTS, CheckPart
from lakebench.phases.rest_catalog.targets import read_names, target
from lakebench.results.records import FieldReport

_CATALOG = Option(
    "catalog",
    "REST catalogs to check, separated by commas: names, or an address. Default: all that can run here.",
    metavar="NAMES|URI",
    read=read_names,
)
_CHECKS = Option(
    "checks",
    f"What is checked, separated by commas: {', '.join(PARTS)}. Default: all but {load.PART}.",
    metavar="PARTS",
    default=",".join(name for name in PARTS if name != load.PART),
    read=some_of("part", PARTS),
)


class RestCatalogs(Phase):
    """Whether REST catalogs do what the OpenAPI document says, and whether they keep from each what is not his."""

    name: ClassVar[str] = PHASE
    subject: ClassVar[str] = "rest_catalog"
    title: ClassVar[str] = "Any Iceberg REST catalog, checked against the specification"
    field_reports: ClassVar[tuple[str, ...]] = ("C34", "C35", "C36", "C37", "C38", "C39", "C40")
    options: ClassVar[tuple[Option, ...]] = (_CATALOG, _CHECKS, TABLES)

    def services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:  # noqa: ARG002
        """None: where one catalog does not start, the others are checked all the same."""
        return ()

    def optional_services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:
        """The catalogs that were chosen, with their stores, and what the parts need."""
        parts, targets = self._parts(selection), [target(name, settings) for name in self._names(selection)]
        wanted = [service for one in targets for service in one.services]
        if any(part.short_keys for part in parts):
            wanted += [short for one in targets if (short := one.short_keys(settings))]
        return tuple(dict.fromkeys([*wanted, *(service for part in parts for service in part.services)]))

    def engines(self, selection: Selection) -> tuple[str, ...]:
        """Those that the parts ask: the protocol's checks ask none, nor does a catalog that is only an address."""
        if all("://" in name for name in self._names(selection)):
            return ()
        return tuple(dict.fromkeys(engine for part in self._parts(selection) for engine in part.engines))

    def ready(self, context: RunContext) -> None:
        """The checker, which reads the store."""
        context.checker.start()

    def plan(self, context: RunContext) -> Iterator[Block]:
        """Catalog by catalog, part by part."""
        selection = context.request.selection
        for name in self._names(selection):
            for part in self._parts(selection):
                yield from part.blocks(context, target(name, context.request.settings))

    def covers(self, case: Coordinates, scope: Scope) -> bool:
        """Whether catalog and part are among those that were chosen, and the engines among those that are asked."""
        return (
            case.catalog in self._names(scope.selection)
            and case.check in self.option(scope.selection, _CHECKS.name)
            and super().covers(case, scope)
            and PARTS[str(case.check)].covers(case, scope.registered)
        )

    def judge_field_reports(self, cases: Sequence[Record], scale_factor: str) -> Iterator[FieldReport]:  # noqa: ARG002
        """Field reports C34 to C40."""
        yield from judge_field_reports(cases)

    def _names(self, selection: Selection) -> tuple[str, ...]:
        names = self.option(selection, _CATALOG.name)
        return tuple(names)

    def _parts(self, selection: Selection) -> tuple[CheckPart, ...]:
        return tuple(PARTS[name] for name in self.option(selection, _CHECKS.name) if name in PARTS)
