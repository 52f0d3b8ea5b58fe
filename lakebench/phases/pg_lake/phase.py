"""Phase 4.5: Iceberg tables inside PostgreSQL, by pg_lake, against heap tables of the same server."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from lakebench.config import Settings
from lakebench.execution.cases import Block
from lakebench.execution.context import RunContext
from lakebench.model import Record, Runtime, Selection
from lakebench.phases.base import Phase
from lakebench.phases.pg_lake import (
    expressions,
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
from lakebench.phases.pg_lake.server import CLIENT, SERVICE
from lakebench.phases.pg_lake.way_field_reports import REPORTS, judge_ways
from lakebench.results.records import FieldReport


class PgLakePhase(Phase):
    """What Iceberg tables of PostgreSQL do: what the reports say, what a heap table does, and what they leave."""

    name: ClassVar[str] = "phase45"
    subject: ClassVar[str] = "pg_lake"
    title: ClassVar[str] = "pg_lake: Iceberg tables inside PostgreSQL against heap tables; transactions, files, deaths"
    field_reports: ClassVar[tuple[str, ...]] = ("C10", "C11", *REPORTS)

    def services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:  # noqa: ARG002
        """None that ends the run when it is gone: the server is killed on purpose."""
        return ()

    def optional_services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:  # noqa: ARG002
        """The server where the settings say how it is had, with the object store and what other engines go through."""
        named = settings.runtime is not Runtime.LOCAL or SERVICE in settings.services
        return (SERVICE, *ways.SERVICES) if named else ()

    def engines(self, selection: Selection) -> tuple[str, ...]:  # noqa: ARG002
        """pg_lake, and the engines that read its tables, or write what it reads."""
        return tuple(dict.fromkeys((CLIENT.name, *ways.ENGINES)))

    def ready(self, context: RunContext) -> None:
        """The checker."""
        context.checker.start()

    def plan(self, context: RunContext) -> Iterator[Block]:
        """What VACUUM has to look at comes while there are few tables, and what ends the server comes last."""
        if CLIENT not in context.request.refs:
            return
        yield from told.blocks()
        yield from latency.blocks(context.request.profile.protocol)
        yield from ways.blocks(context.request.refs)
        yield from transactions.blocks()
        yield from objects.blocks()
        yield from statements.blocks()
        yield from expressions.blocks()
        yield from values.blocks()
        yield from layouts.blocks()
        yield from transactions.deaths()
        yield from memory.blocks()

    def judge_field_reports(self, cases: Sequence[Record], scale_factor: str) -> Iterator[FieldReport]:  # noqa: ARG002
        """Field reports C10 to C15."""
        yield from judge_field_reports(cases)
        yield from judge_ways(cases)
