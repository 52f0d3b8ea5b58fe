"""Phase 10: PostgreSQL tables by column against heap, on ClickBench and in transactions; and who reads their files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from lakebench.config import Settings
from lakebench.execution.cases import Block, Followed
from lakebench.execution.context import RunContext
from lakebench.model import EngineRef, Record, Selection
from lakebench.phases.base import Phase
from lakebench.phases.pg_mooncake import answers, clickbench, mirror, readers, writes
from lakebench.phases.pg_mooncake.field_reports import judge_field_reports
from lakebench.phases.pg_mooncake.sides import MOONCAKE, SERVERS, SIDES, ColumnarServer
from lakebench.results.records import FieldReport


class TablesByColumn(Phase):
    """How fast queries of ClickBench are on tables by column, whether these are right, and who else reads them."""

    name: ClassVar[str] = "phase10"
    subject: ClassVar[str] = "pg_mooncake"
    title: ClassVar[str] = (
        "PostgreSQL tables by column: pg_mooncake and citus_columnar against heap; who reads the files"
    )
    field_reports: ClassVar[tuple[str, ...]] = ("C32", "C33")

    def services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:  # noqa: ARG002
        """None: each engine brings its server, and none needs that of another."""
        return ()

    def engines(self, selection: Selection) -> tuple[str, ...]:  # noqa: ARG002
        """The four servers, and those that read files of theirs."""
        return (*(ref.name for ref in SERVERS), *readers.READERS)

    def ready(self, context: RunContext) -> None:
        """The checker, and the table ``hits``."""
        context.checker.start()
        clickbench.workload(context)

    def plan(self, context: RunContext) -> Iterator[Block]:
        """ClickBench, then the checks of each kind of table."""
        refs = context.request.refs
        asked = tuple(side for side in SIDES if side.ref in refs)
        blocks = [*clickbench.blocks(context, asked), *_checks(refs)]
        yield from blocks[:-1]
        yield from (Followed(one, _dropped) for one in blocks[-1:])

    def judge_field_reports(self, cases: Sequence[Record], scale_factor: str) -> Iterator[FieldReport]:  # noqa: ARG002
        """Field reports C32 and C33."""
        yield from judge_field_reports(cases)


def _checks(refs: Sequence[EngineRef]) -> Iterator[Block]:
    for side in (one for one in answers.SIDES if one.ref in refs):
        yield from answers.blocks(side)
    for side in (one for one in writes.SIDES if one.ref in refs):
        yield from writes.blocks(side)
    if MOONCAKE in refs:
        yield from mirror.blocks()
    yield from readers.blocks(refs)


def _dropped(context: RunContext) -> None:
    """Remove what the phase has made, on every server that was asked."""
    for ref in SERVERS:
        if ref in context.request.refs:
            ColumnarServer(context, ref).dropped()
