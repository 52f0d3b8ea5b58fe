"""Phase 8: one PostgreSQL server asks another through postgres_fdw; Citus and pg_lake both ways, and plain servers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from lakebench.config import Settings
from lakebench.execution.cases import Block
from lakebench.execution.context import RunContext
from lakebench.model import Record, Runtime, Selection
from lakebench.phases.base import Phase
from lakebench.phases.citus_fdw import answers, latency, scenario, writes
from lakebench.phases.citus_fdw.ends import CITUS, CLIENT, PAIRS, PG_LAKE, POSTGRES, REMOTE
from lakebench.phases.citus_fdw.field_reports import judge_field_reports
from lakebench.results.records import FieldReport

_READERS = ("duckdb", "iceberg_scan", "daft")


class CitusFdw(Phase):
    """What a foreign table answers, what it pushes down, what a write through it costs, and what a death leaves."""

    name: ClassVar[str] = "phase8"
    subject: ClassVar[str] = "citus_fdw"
    title: ClassVar[str] = "Citus, pg_lake and PostgreSQL ask each other through postgres_fdw: pushdown, writes, deaths"
    field_reports: ClassVar[tuple[str, ...]] = ("C24", "C25", "C26")

    def services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:  # noqa: ARG002
        """The server that every machine has."""
        return (POSTGRES.service,)

    def optional_services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:  # noqa: ARG002
        """The other ends; pg_lake where the settings say how it is had, as it takes an object store with it."""
        named = settings.runtime is not Runtime.LOCAL or PG_LAKE.service in settings.services
        return (REMOTE.service, CITUS.service, *([PG_LAKE.service, scenario.CATALOG] if named else []))

    def engines(self, selection: Selection) -> tuple[str, ...]:  # noqa: ARG002
        """The client that speaks to every end, and the readers of the field reports' last picture."""
        return (CLIENT.name, *_READERS)

    def ready(self, context: RunContext) -> None:
        """The checker."""
        context.checker.start()

    def plan(self, context: RunContext) -> Iterator[Block]:
        """Pair by pair: answers, latencies, writes, and last the deaths of the other end."""
        if CLIENT not in context.request.refs:
            return
        for pair in PAIRS:
            yield from answers.blocks(pair)
            yield from latency.blocks(pair, context.request.profile.protocol)
            if pair == scenario.PAIR:
                yield from scenario.blocks(context.request)
            yield from writes.blocks(pair)

    def judge_field_reports(self, cases: Sequence[Record], scale_factor: str) -> Iterator[FieldReport]:  # noqa: ARG002
        """Field reports C24 to C26."""
        yield from judge_field_reports(cases)
