"""Phase 3: TPC-H on local disk and on object storage, and what the table format costs each engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, ClassVar

from lakebench import engines
from lakebench.config import Settings
from lakebench.datasets import tpch
from lakebench.datasets.workload import Workload
from lakebench.execution.cases import Block
from lakebench.execution.context import RunContext
from lakebench.model import TESTS, Record, Selection, TableFormat
from lakebench.phases.options import Option, some_of
from lakebench.phases.query_workloads.base import GROWTH, Queries
from lakebench.phases.table_loading import Loaded, loader, tpch_data
from lakebench.phases.tpch import caches, cluster_data
from lakebench.phases.tpch.cluster_data import GENERATE_ON, ClusterData
from lakebench.phases.tpch.field_reports import judge_field_reports
from lakebench.phases.tpch.power_throughput import performance_tests
from lakebench.provisioning.disk_space import Need
from lakebench.results.records import Dataset, FieldReport
from lakebench.services import lakes

if TYPE_CHECKING:
    from lakebench.execution.request import Request


_TESTS = Option(
    "tests",
    "queries (the 22, by the profile), power and throughput (the tests of TPC-H: each engine loads tables of its own, "
    "RF1 and RF2 write to them), caches (sessions of each engine with its own caches on and off).",
    metavar="NAMES",
    default="queries",
    read=some_of("test", TESTS),
    field="tests",
)


class Tpch(Queries):
    """How fast each engine answers the 22 queries, cold and warm, by storage and table format."""

    name: ClassVar[str] = "phase3"
    subject: ClassVar[str] = "tpch"
    title: ClassVar[str] = "TPC-H by engine, storage and table format: 22 queries, power and throughput tests"
    registers: ClassVar[bool] = True
    field_reports: ClassVar[tuple[str, ...]] = ("C6", "C7")
    options: ClassVar[tuple[Option, ...]] = (*Queries.options, _TESTS, GENERATE_ON)

    def workload(self, context: RunContext) -> Workload:
        """TPC-H at the run's scale factor, made on this machine or on the first storage."""
        if self._on(context.request.selection):
            return tpch.workload(self._made(context, self._storages(context.request, context.prepared)[0]).data)
        return tpch.workload(tpch_data(context))

    def services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:
        """Those of the queries, and the cluster that makes the data."""
        on = self._on(selection)
        engine = engines.find(engines.parse(on).name) if on else None
        cluster = (engine.service, *engine.needs) if engine else ()
        return tuple(dict.fromkeys([*super().services(selection, settings), *(one for one in cluster if one)]))

    def ready(self, context: RunContext) -> None:
        """The data, where no service is needed to make it, and the checker."""
        if self._on(context.request.selection):
            context.checker.start()
        else:
            super().ready(context)

    def _on(self, selection: Selection) -> str:
        """The engine whose workers make the data; empty: this machine makes it."""
        return str(self.option(selection, GENERATE_ON.name))

    def _made(self, context: RunContext, storage: str) -> ClusterData:
        lake = lakes.storage_lake(context.services, context.request.settings, storage)
        on = self._on(context.request.selection)
        return context.prepared.once(f"made/{storage}", lambda: cluster_data.make(context, lake, on))

    def _loaded(self, context: RunContext, storage: str) -> Loaded:
        on = self._on(context.request.selection)
        if not on:
            return super()._loaded(context, storage)
        lake, workload = lakes.storage_lake(context.services, context.request.settings, storage), self.prepared(context)
        made = self._made(context, storage)
        return context.prepared.once(
            f"committed/{storage}", lambda: cluster_data.commit(context, lake, made, workload, storage, on)
        )

    def plan(self, context: RunContext) -> Iterator[Block]:
        """The queries, caches, then the tests of the specification, as the user asked for them."""
        if "queries" in context.request.selection.tests:
            yield from super().plan(context)
        if caches.TEST in context.request.selection.tests:
            for storage in context.request.selection.storages:
                loaded, probed = self._loaded(context, storage), self.probed(context, storage)
                yield from (
                    caches.Caches(self.name, ref, storage, loaded, probed) for ref in caches.cachers(context.request)
                )
        yield from performance_tests(context.request, self.name)

    def load(self, context: RunContext) -> None:
        """What the queries are asked of; the tests load tables of their own."""
        if "queries" in context.request.selection.tests:
            super().load(context)
        elif caches.TEST in context.request.selection.tests:
            for storage in context.request.selection.storages:
                self._loaded(context, storage)
            context.workers.retire(loader(context.request.writer))

    def facts(self, context: RunContext) -> Iterator[Dataset]:
        """What the queries are asked of."""
        if "queries" in context.request.selection.tests:
            yield from super().facts(context)
        elif caches.TEST in context.request.selection.tests:
            yield from (self.dataset(context, storage) for storage in context.request.selection.storages)

    def data_bytes(self, request: Request) -> int:
        """By the scale factor."""
        return tpch.bytes_of(request.profile.scale_factor)

    def growth(self, request: Request, form: TableFormat) -> float:
        """The generator's own files are the tables where a cluster makes them."""
        return 1.0 if self._on(request.selection) and form is TableFormat.ICEBERG else super().growth(request, form)

    def disk_space(self, request: Request) -> Sequence[Need]:
        """The generator's files, the tables for the queries, and for the tests one engine's at a time."""
        if on := self._on(request.selection):
            cluster_data.require_possible(request, on)
            return super().disk_space(request)
        folder, size = tpch.to_make(request.profile.scale_factor)
        made = [Need("the generator's files", folder, size)] if size else []
        shared = {"queries", caches.TEST} & set(request.selection.tests)
        tables = super().disk_space(request) if shared else ()
        tested = {"power", "throughput"} & set(request.selection.tests)
        table_bytes = int(self.data_bytes(request) * GROWTH[TableFormat.ICEBERG])
        return [
            *made,
            *tables,
            *([Need("tables of the tests", request.settings.output, table_bytes)] if tested else []),
        ]

    def judge_field_reports(self, cases: Sequence[Record], scale_factor: str) -> Iterator[FieldReport]:
        """Field reports C6 and C7, where queries ran."""
        yield from judge_field_reports(cases, scale_factor)
