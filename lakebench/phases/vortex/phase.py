"""Phase 6: file formats. Parquet, Vortex, Lance and DuckDB's own: size, scans, random access, types, order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import ClassVar

from lakebench.config import Settings
from lakebench.datasets import tpch
from lakebench.execution.cases import Block
from lakebench.execution.context import RunContext
from lakebench.execution.request import Request
from lakebench.model import Record, Selection
from lakebench.phases.base import Phase
from lakebench.phases.vortex import measured, positions, readers, shortcuts
from lakebench.phases.vortex.field_reports import judge_field_reports
from lakebench.phases.vortex.tables import LINEITEM, STORE, WIDE, source
from lakebench.provisioning.disk_space import Need
from lakebench.results.records import FieldReport

_ENGINES = ("duckdb", "polars", "datafusion", "pyarrow", "vortex", "lance")
# Bytes of all files of this phase for each byte of the generator's files, measured at SF 1 and rounded up.
_GROWTH = 6.0


class FileFormats(Phase):
    """What a file format costs and saves each engine, and whether it keeps values, types, positions and order."""

    name: ClassVar[str] = "phase6"
    subject: ClassVar[str] = "vortex"
    title: ClassVar[str] = "File formats: Vortex, Lance and DuckDB's own against Parquet at its best"
    field_reports: ClassVar[tuple[str, ...]] = ("C20", "C21", "C22")

    def services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:  # noqa: ARG002
        """None: most of its cases are on local files."""
        return ()

    def optional_services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:  # noqa: ARG002
        """The object store, and a catalog for the servers that are asked where they are named."""
        return (STORE, "rest-catalog")

    def engines(self, selection: Selection) -> tuple[str, ...]:  # noqa: ARG002
        """Engines and libraries that read files in a process of their own; servers are asked where they are named."""
        return _ENGINES

    def ready(self, context: RunContext) -> None:
        """The checker."""
        context.checker.start()

    def load(self, context: RunContext) -> None:
        """The tables that every writer reads."""
        for table in (LINEITEM, WIDE):
            source(context, table)

    def plan(self, context: RunContext) -> Iterator[Block]:
        """Files and their order first, then what is timed, then what aggregates and types come to; servers last."""
        request = context.request
        yield from measured.writes(request)
        yield from positions.blocks(request)
        yield from measured.scans(request)
        yield from shortcuts.blocks(request)
        yield from readers.types(request)
        yield from readers.servers(request)

    def disk_space(self, request: Request) -> Sequence[Need]:
        """The generator's files, and the tables in each layout."""
        size = request.profile.scale_factor
        folder, made = tpch.to_make(size)
        needs = [Need("the generator's files", folder, made)] if made else []
        return [*needs, Need("files of each format", request.settings.output, int(tpch.bytes_of(size) * _GROWTH))]

    def judge_field_reports(self, cases: Sequence[Record], scale_factor: str) -> Iterator[FieldReport]:  # noqa: ARG002
        """Field reports C20 to C22."""
        yield from judge_field_reports(cases)
