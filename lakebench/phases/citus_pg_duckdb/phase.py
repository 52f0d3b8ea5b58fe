"""Phase 7: Citus beside pg_duckdb, and beside pg_lake: what is created, what lives, and whether it is right."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from lakebench.config import Settings
from lakebench.execution.cases import Block
from lakebench.execution.context import RunContext
from lakebench.model import Record, Runtime, Selection
from lakebench.phases.base import Phase
from lakebench.phases.citus_pg_duckdb import creation, joins, kinds, rights
from lakebench.phases.citus_pg_duckdb.field_reports import judge_field_reports
from lakebench.phases.citus_pg_duckdb.server import CLIENT, COMBINATIONS, PG_DUCKDB, PG_LAKE, PLAIN
from lakebench.results.records import FieldReport

_FILES = ("object-store", "rest-catalog")


class CitusPgDuckDB(Phase):
    """Which queries end a server that Citus shares with another extension, and whether those that live are right."""

    name: ClassVar[str] = "phase7"
    subject: ClassVar[str] = "citus_pg_duckdb"
    title: ClassVar[str] = "Citus beside pg_duckdb or pg_lake in one PostgreSQL: crashes, shapes of joins, rights"
    field_reports: ClassVar[tuple[str, ...]] = ("C23",)

    def services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:  # noqa: ARG002
        """The server that answers are compared with."""
        return (PLAIN,)

    def optional_services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:  # noqa: ARG002
        """Both combinations; what only their files need, where the settings say how a combination is had."""
        named = {one.service for one in COMBINATIONS if _is_named(settings, one.service)}
        lake = (PG_LAKE.service,) if PG_LAKE.service in named else ()
        return (PG_DUCKDB.service, *lake, *(_FILES if PG_DUCKDB.service in named else ()))

    def engines(self, selection: Selection) -> tuple[str, ...]:  # noqa: ARG002
        """The client that speaks to every server."""
        return (CLIENT.name,)

    def ready(self, context: RunContext) -> None:
        """The checker."""
        context.checker.start()

    def plan(self, context: RunContext) -> Iterator[Block]:
        """Combination by combination: what is created, then what must not be disturbed by a crash, then the kinds."""
        if CLIENT not in context.request.refs:
            return
        for combination in COMBINATIONS:
            yield from creation.blocks(combination)
            yield from joins.blocks(combination)
            yield from rights.blocks(combination)
            yield from kinds.blocks(combination)

    def judge_field_reports(self, cases: Sequence[Record], scale_factor: str) -> Iterator[FieldReport]:  # noqa: ARG002
        """Field report C23."""
        yield from judge_field_reports(cases)


def _is_named(settings: Settings, service: str) -> bool:
    return settings.runtime is not Runtime.LOCAL or service in settings.services
