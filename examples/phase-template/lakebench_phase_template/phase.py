"""A phase to copy from: one engine writes a table in several commits, every other reads exactly these rows."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import ClassVar

from lakebench import engines
from lakebench.config import Settings
from lakebench.datasets import answer_files, rows
from lakebench.engines import CanScan
from lakebench.errors import UsageError
from lakebench.execution.cases import Block, Case, Check, Evidence, same
from lakebench.execution.context import RunContext
from lakebench.iceberg.scan import Scan
from lakebench.model import CatalogKind, Coordinates, EngineRef, Lake, Selection
from lakebench.phases.base import Phase
from lakebench.phases.options import Asked, Option
from lakebench.phases.table_loading import loader
from lakebench.services import lakes

_STORAGE, _TABLE = "local", "round_trip"


def _batches(text: str, _: Asked) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise UsageError(f"--batches {text}: it is a number from 1 on")
    return int(text)


class RoundTrip(Phase):
    """Whether each engine reads exactly the rows of a table that grew by several commits."""

    name: ClassVar[str] = "round-trip"
    subject: ClassVar[str] = "template"
    title: ClassVar[str] = "A table of several commits, read by every engine"
    loads: ClassVar[bool] = True
    options: ClassVar[tuple[Option, ...]] = (
        Option("batches", "Commits that the table is written in.", "N", "2", _batches),
    )

    def services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:  # noqa: ARG002
        """The catalog of tables on the local file system."""
        return lakes.storage_services(settings, _STORAGE)

    def engines(self, selection: Selection) -> tuple[str, ...]:  # noqa: ARG002
        """Every engine that reads tables of a REST catalog."""
        return tuple(
            name
            for name, one in engines.engines().items()
            if issubclass(one, CanScan) and CatalogKind.REST in one.catalogs and not one.optional
        )

    def ready(self, context: RunContext) -> None:
        """The checker, while services start."""
        context.checker.start()

    def plan(self, context: RunContext) -> Iterator[Block]:
        """A case an engine."""
        for ref in context.request.able(CanScan):
            case = Case(
                id=f"{self.name}/read/{ref}",
                phase=self.name,
                title=f"{ref} reads the table",
                engine=ref,
                group="A table of several commits",
                row="all rows",
                column=str(ref),
                coordinates=Coordinates(engine=ref.name, version=ref.version, check="read"),
            )
            yield Check(case, partial(self._reads, ref=ref))

    def _reads(self, context: RunContext, ref: EngineRef) -> Evidence:
        """The evidence that ``ref`` reads the rows that were written; raises :class:`WrongAnswer` where it does not."""
        lake = lakes.storage_lake(context.services, context.request.settings, _STORAGE)
        batches = self.option(context.request.selection, "batches")
        context.prepared.once(_TABLE, lambda: _write(context, lake, batches))
        answer = context.client.scan(ref, lake, Scan(_TABLE))
        comparison = same(context.checker.call(answer_files.compare_rows, answer, _rows(context, *range(batches))))
        return {
            **comparison,
            "commits": batches,
            "rows": comparison["answer"]["rows"],
            "checked_against": ["the rows written"],
        }


def _write(context: RunContext, lake: Lake, batches: int) -> None:
    """The table, by the run's writer, one commit a batch."""
    writer = loader(context.request.writer)
    context.client.call(writer, lake, "create", table=_TABLE, rows=str(_rows(context, 0)))
    for number in range(batches):
        context.client.call(writer, lake, "append", table=_TABLE, rows=str(_rows(context, number)))


def _rows(context: RunContext, *numbers: int) -> Path:
    """The batches of these numbers, as one Arrow IPC file that the run's seed gives."""
    path = context.files.new(f"round-trip-{'-'.join(map(str, numbers))}")
    context.checker.call(rows.write, context.request.seed, numbers, path)
    return path
