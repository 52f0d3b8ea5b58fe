"""Phase 4.5: Iceberg tables inside PostgreSQL, by pg_lake, against heap tables of the same server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from lakebench.config import Settings
from lakebench.execution.cases import Block
from lakebench.execution.context import RunContext
from lakebench.execution.request import Request, Scope
from lakebench.model import Coordinates, Record, Runtime, Selection
from lakebench.phases.base import Phase
from lakebench.phases.options import Option
from lakebench.phases.pg_lake import (
    acid,
    collations,
    expressions,
    four_lakes,
    latency,
    layouts,
    memory,
    objects,
    statements,
    told,
    transactions,
    values,
    ways,
)
from lakebench.phases.pg_lake.field_reports import judge_field_reports
from lakebench.phases.pg_lake.four_lakes import LakeKind
from lakebench.phases.pg_lake.server import CLIENT, SERVICE
from lakebench.phases.pg_lake.way_field_reports import REPORTS, judge_ways
from lakebench.results.records import FieldReport


class PgLakePhase(Phase):
    """What Iceberg tables of PostgreSQL do: what the reports say, what a heap table does, and what they leave."""

    name: ClassVar[str] = "phase45"
    subject: ClassVar[str] = "pg_lake"
    title: ClassVar[str] = "pg_lake: Iceberg tables inside PostgreSQL against heap tables; transactions, files, deaths"
    field_reports: ClassVar[tuple[str, ...]] = ("C10", "C11", *REPORTS)
    options: ClassVar[tuple[Option, ...]] = (four_lakes.OPTION,)

    def services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:  # noqa: ARG002
        """None that ends the run when it is gone: the server is killed on purpose."""
        return ()

    def optional_services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:
        """The server where the settings say how it is had, with what the ways go through; those of other lakes."""
        named = settings.runtime is not Runtime.LOCAL or SERVICE in settings.services
        others = [name for kind in self._lakes(selection) if kind.name != SERVICE for name in kind.servers]
        return tuple(dict.fromkeys((*([SERVICE, *ways.SERVICES] if named else []), *others)))

    def engines(self, selection: Selection) -> tuple[str, ...]:
        """pg_lake, and the engines that read its tables; where other lakes are asked too, every engine of the ways."""
        alone = all(kind.name == SERVICE for kind in self._lakes(selection))
        return tuple(dict.fromkeys((CLIENT.name, *(ways.EMBEDDED if alone else ways.ENGINES))))

    def _lakes(self, selection: Selection) -> tuple[LakeKind, ...]:
        return four_lakes.asked_of(self.option(selection, four_lakes.OPTION.name))

    def covers(self, case: Coordinates, scope: Scope) -> bool:
        """Of the questions to several lakes those to the lakes that are asked."""
        asked = {kind.catalog for kind in self._lakes(scope.selection)}
        return super().covers(case, scope) and (case.check not in acid.GROUPS or case.catalog in asked)

    def ready(self, context: RunContext) -> None:
        """The checker."""
        context.checker.start()

    def plan(self, context: RunContext) -> Iterator[Block]:
        """What VACUUM has to look at comes while there are few tables, and what ends the server comes last."""
        asked = CLIENT in context.request.refs
        if asked:
            yield from self._twins(context.request)
        yield from acid.blocks(context.request.refs, self._lakes(context.request.selection))
        if asked:
            yield from transactions.deaths()
            yield from memory.blocks()

    @staticmethod
    def _twins(request: Request) -> Iterator[Block]:
        """What pg_lake's tables are asked, with heap tables beside them, while the server lives."""
        yield from told.blocks()
        yield from latency.blocks(request.profile.protocol)
        yield from ways.blocks(request.refs)
        yield from transactions.blocks()
        yield from objects.blocks()
        yield from statements.blocks()
        yield from expressions.blocks()
        yield from values.blocks()
        yield from collations.blocks()
        yield from layouts.blocks()

    def judge_field_reports(self, cases: Sequence[Record], scale_factor: str) -> Iterator[FieldReport]:  # noqa: ARG002
        """Field reports C10 to C15."""
        yield from judge_field_reports(cases)
        yield from judge_ways(cases)
