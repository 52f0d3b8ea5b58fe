"""Phase 5: Ray + DuckDB, Daft and others that spread a query, on Parquet, Iceberg and DuckLake in object storage."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from lakebench import engines
from lakebench.config import Settings
from lakebench.datasets import tpch
from lakebench.datasets.workload import Question, Workload
from lakebench.engines import CanQuery
from lakebench.errors import CaseError, HarnessFault
from lakebench.execution.cases import Block, side_by_server
from lakebench.execution.context import RunContext
from lakebench.execution.measurement import MeasuredEngine, Measurement, answers_first
from lakebench.execution.prepared import PreparedData
from lakebench.execution.protocol import QUICK, Profile, Protocol
from lakebench.execution.request import Request, Scope
from lakebench.model import Coordinates, EngineRef, Lake, Record, Selection, TableFormat
from lakebench.phases.base import Phase
from lakebench.phases.distributed import deletes, layouts, rubric, set_up, ways, work, writes
from lakebench.phases.distributed.field_reports import judge_field_reports
from lakebench.phases.distributed.lake_tables import STORAGE, reached, small, tpch_in_ducklake
from lakebench.phases.options import Option
from lakebench.phases.query_workloads.base import GROWTH, Contender, Queries, Target
from lakebench.phases.table_loading import not_loaded, tpch_data
from lakebench.provisioning.disk_space import Need
from lakebench.results.records import Dataset, FieldReport
from lakebench.services import lakes

_REFERENCES = ("duckdb", "daft")
_FORMATS = (TableFormat.PARQUET, TableFormat.ICEBERG, TableFormat.DUCKLAKE)
_SAMPLES = 3


class DistributedQueries(Queries):
    """What spreading a query over workers costs and gains, whether its answers are right, and what a death leaves."""

    name: ClassVar[str] = "phase5"
    subject: ClassVar[str] = "distributed"
    title: ClassVar[str] = "Ray + DuckDB, Daft and others that spread a query: answers, deletes, deaths, errors"
    keeps: ClassVar[bool] = False
    field_reports: ClassVar[tuple[str, ...]] = ("C17", "C18", "C19")
    options: ClassVar[tuple[Option, ...]] = ()  # one storage and three formats are what it is about

    def services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:  # noqa: ARG002
        """The storage with its catalog, and PostgreSQL for the catalog of DuckLake."""
        return (*lakes.storage_services(settings, STORAGE), "postgres")

    def engines(self, selection: Selection) -> tuple[str, ...]:  # noqa: ARG002
        """Every engine that spreads a query, and two references; Spark is asked where it is named."""
        return (*_REFERENCES, *(name for name, one in engines.engines().items() if one.distributed))

    def workload(self, context: RunContext) -> Workload:
        """The tables of TPC-H, and the work."""
        return work.workload(tpch.workload(tpch_data(context)))

    def load(self, context: RunContext) -> None:
        """The tables in Iceberg, whose files are the plain Parquet, and in a DuckLake; and the small ones."""
        super().load(context)
        # The small tables now, too: the engines that make them are asked side by side with others later.
        makers: list[Callable[[], object]] = [
            partial(tpch_in_ducklake, context, self.prepared(context)),
            *(partial(small, context, form) for form in _FORMATS),
            *(partial(layouts.made, context, layout) for layout in layouts.LAYOUTS),
        ]
        for make in makers:
            with contextlib.suppress(CaseError, HarnessFault):  # each of its cases says why
                make()

    def facts(self, context: RunContext) -> Iterator[Dataset]:
        """The tables in Iceberg, and in the DuckLake where they are there."""
        yield from super().facts(context)
        with contextlib.suppress(CaseError):
            yield tpch_in_ducklake(context, self.prepared(context)).facts(self.prepared(context))

    def plan(self, context: RunContext) -> Iterator[Block]:
        """The work and writes; beside them what is not timed, each cluster and engine for itself; last, who is faster.

        Of ``quick`` the work is not timed either, where there are reference answers.
        """
        request = context.request
        yield from not_loaded(self.name, self._loaded(context, STORAGE))
        yield from answers_first(self._work(context), request.profile)
        yield from writes.blocks(request)
        lines = list(rubric.blocks(request, partial(self._work_lake, tables=work.question(work.LONG).tables)))
        of_times = [one for one in lines if one.case.coordinates.test == rubric.OF_TIMES]
        yield side_by_server(
            [
                *deletes.blocks(request),
                *layouts.blocks(request),
                *ways.blocks(request),
                *set_up.blocks(request),
                *(one for one in lines if one not in of_times),
            ]
        )
        yield from of_times

    def _work(self, context: RunContext) -> list[Measurement]:
        contenders, protocol = self.contenders(context.request, context.prepared), _protocol(context.request.profile)
        asked = [self._measurement(context, one, contenders) for one in self.prepared(context).questions]
        return [replace(one, protocol=protocol) for one in asked]

    def data_bytes(self, request: Request) -> int:
        """By the scale factor."""
        return tpch.bytes_of(request.profile.scale_factor)

    def disk_space(self, request: Request) -> Sequence[Need]:
        """The generator's files, and the tables in both formats."""
        folder, size = tpch.to_make(request.profile.scale_factor)
        made = [Need("the generator's files", folder, size)] if size else []
        tables = self.data_bytes(request) * (GROWTH[TableFormat.ICEBERG] + GROWTH[TableFormat.DUCKLAKE])
        ours = request.settings.storage(STORAGE).ours
        return [*made, *([Need(f"tables on {STORAGE}", request.settings.output, int(tables))] if ours else [])]

    def judge_field_reports(self, cases: Sequence[Record], scale_factor: str) -> Iterator[FieldReport]:  # noqa: ARG002
        """Field reports C17 to C19."""
        yield from judge_field_reports(cases)

    def lake(self, context: RunContext, one: Contender, tables: frozenset[str]) -> Lake:
        """The lake of a contender; of a DuckLake that it has no connector to, the files that the catalog lists."""
        if one.target.format is not TableFormat.DUCKLAKE:
            return super().lake(context, one, tables)
        made = tpch_in_ducklake(context, self.prepared(context))
        made.require(tables)
        return reached(context, one.ref, made.lake, tables)

    def _entry(self, context: RunContext, question: Question, one: Contender) -> MeasuredEngine:
        """An engine that spreads a query has one driver for all formats: each has workers of its own in the cluster."""
        entry = super()._entry(context, question, one)
        return replace(entry, session="") if engines.find(one.ref.name).distributed else entry

    def covers(self, case: Coordinates, scope: Scope) -> bool:
        """Whether the engines are asked; ``quick`` asks for no time, no memory and no lines of set-up."""
        line = rubric.is_asked(case.test or "", scope.profile) if case.check == rubric.CHECK else True
        program = case.check != set_up.CHECK or scope.profile != QUICK
        return Phase.covers(self, case, scope) and line and program

    def _work_lake(self, context: RunContext, ref: EngineRef, tables: frozenset[str]) -> Lake:
        return self.lake(context, Contender(ref, Target(STORAGE, TableFormat.PARQUET)), tables)

    def _contenders(self, request: Request) -> list[Contender]:
        return [
            Contender(ref, Target(STORAGE, form))
            for form in _FORMATS
            for ref in request.able(CanQuery)
            if deletes.way_to(ref, form)
        ]

    def _storages(self, request: Request, prepared: PreparedData) -> list[str]:  # noqa: ARG002
        return [STORAGE]

    def _loaded_own(self, context: RunContext) -> list[Any]:  # noqa: ARG002 - no engine has tables of its own here
        return []


def _protocol(profile: Profile) -> Protocol:
    """No cold execution and few samples, unless the user says how many: a cluster is not started for each query."""
    protocol = profile.protocol
    if "repeat" in profile.chosen:
        return protocol
    if profile.correctness_alone:
        return protocol.once()
    return replace(protocol, cold=0, samples=min(protocol.samples, _SAMPLES), block=min(protocol.block, _SAMPLES))
