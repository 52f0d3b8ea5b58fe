"""Phase 2: PostgreSQL over JDBC and by other ways in, against the same rows in Iceberg; and nodes behind one table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

from lakebench import engines
from lakebench.config import Settings
from lakebench.datasets import tpch
from lakebench.datasets.workload import Workload
from lakebench.engines import CanQuery
from lakebench.errors import EngineUnavailable
from lakebench.execution.cases import Block
from lakebench.execution.context import RunContext
from lakebench.execution.prepared import PreparedData
from lakebench.execution.protocol import Profile, Protocol
from lakebench.execution.request import Request, Scope
from lakebench.model import CatalogKind, Coordinates, EngineRef, Lake, Record, Selection, TableFormat
from lakebench.phases.base import Phase
from lakebench.phases.jdbc.checks import HEAP, SERVER, SMALL, checks
from lakebench.phases.jdbc.field_reports import judge_field_reports
from lakebench.phases.jdbc.pgspider import NODES, nodes
from lakebench.phases.options import Option
from lakebench.phases.query_workloads.base import Contender, Queries, Target
from lakebench.phases.table_loading import Loaded, facts_of, load, not_loaded, tpch_data, write
from lakebench.provisioning.disk_space import Need
from lakebench.results.records import Dataset, FieldReport, TableFacts
from lakebench.services import Services, lakes

if TYPE_CHECKING:
    from lakebench.execution.request import Request

_USUAL = Decimal("0.1")
_SAMPLES = 3
_STORAGE = "local"
_ASKED = ("q01", "q03", "q06", "q12", "q14")
_NAMESPACE = "jdbc"  # another phase of the run may have TPC-H of another size beside it
_KEYS = {
    "region": "r_regionkey",
    "nation": "n_nationkey",
    "supplier": "s_suppkey",
    "customer": "c_custkey",
    "part": "p_partkey",
    "partsupp": "ps_partkey, ps_suppkey",
    "orders": "o_orderkey",
    "lineitem": "l_orderkey, l_linenumber",
}  # TPC-H specification, clause 1.4
# Bytes in PostgreSQL for each byte of the generator's files, measured at SF 0.1 and rounded up: see docs/jdbc.md.
_GROWTH = 5.0


class Jdbc(Queries):
    """What becomes of rows on the way from and to PostgreSQL, and what that way costs against Iceberg."""

    name: ClassVar[str] = "phase2"
    subject: ClassVar[str] = "jdbc"
    title: ClassVar[str] = (
        "PostgreSQL over JDBC, in partitions, against the same rows in Iceberg; nodes behind one table"
    )
    keeps: ClassVar[bool] = False
    field_reports: ClassVar[tuple[str, ...]] = ("C4", "C5")
    schemas: ClassVar[tuple[str, ...]] = (HEAP, SMALL, NODES)
    options: ClassVar[tuple[Option, ...]] = ()  # one storage and two formats are what it is about

    def services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:  # noqa: ARG002
        """PostgreSQL, and the catalog of tables on the local file system."""
        return (*lakes.storage_services(settings, _STORAGE), "postgres")

    def engines(self, selection: Selection) -> tuple[str, ...]:  # noqa: ARG002
        """Every engine that has a way into PostgreSQL."""
        return tuple(
            name
            for name, one in engines.engines().items()
            if issubclass(one, CanQuery) and TableFormat.POSTGRESQL in one.formats
        )

    def workload(self, context: RunContext) -> Workload:
        """TPC-H, smaller than the profile says where the user names no scale factor."""
        return tpch.workload(tpch_data(context, _size(context.request.profile)))

    def load(self, context: RunContext) -> None:
        """The tables in Iceberg, and the same in PostgreSQL."""
        super().load(context)
        self._heap(context)

    def facts(self, context: RunContext) -> Iterator[Dataset]:
        """The tables in Iceberg, and the same in PostgreSQL."""
        yield from super().facts(context)
        yield self._heap(context)

    def plan(self, context: RunContext) -> Iterator[Block]:
        """Queries in both formats, then checks of rows and types, then nodes."""
        yield from not_loaded(self.name, self._loaded(context, _STORAGE))
        contenders = self.contenders(context.request, context.prepared)
        for question in self.prepared(context).questions:
            if question.name in _ASKED:
                asked = self._measurement(context, question, contenders)
                yield replace(asked, protocol=_protocol(context.request.profile))
        workload = self.prepared(context)
        yield from checks(context.request, workload)
        yield from nodes(context.request, workload)

    def data_bytes(self, request: Request) -> int:
        """By the scale factor."""
        return tpch.bytes_of(_size(request.profile))

    def disk_space(self, request: Request) -> Sequence[Need]:
        """The generator's files, and the tables in both formats."""
        folder, size = tpch.to_make(_size(request.profile))
        made = [Need("the generator's files", folder, size)] if size else []
        heap_bytes = int(self.data_bytes(request) * _GROWTH)
        return [*made, *super().disk_space(request), Need("tables in PostgreSQL", request.settings.output, heap_bytes)]

    def judge_field_reports(self, cases: Sequence[Record], scale_factor: str) -> Iterator[FieldReport]:  # noqa: ARG002
        """Field reports C4 and C5."""
        yield from judge_field_reports(cases)

    def lake(self, context: RunContext, one: Contender, tables: frozenset[str]) -> Lake:
        """The heap tables, or those of Iceberg, loaded."""
        if one.target.format is TableFormat.POSTGRESQL:
            self._heap(context)
            return lakes.postgresql_lake(context.services, HEAP)
        self._reaches(context, one.ref)
        self._loaded(context, one.target.storage).require(tables)
        return self._iceberg(context.request, context.services)

    def covers(self, case: Coordinates, scope: Scope) -> bool:
        """Whether the engine is asked."""
        return Phase.covers(self, case, scope)

    def _reaches(self, context: RunContext, ref: EngineRef) -> None:
        """Check that ``ref`` reaches PostgreSQL: Iceberg is here for comparison with it.

        Raises:
            EngineUnavailable: it does not.
        """
        self._heap(context)
        heap, session = lakes.postgresql_lake(context.services, HEAP), Target(_STORAGE, TableFormat.POSTGRESQL).key
        try:
            context.prepared.once(
                f"reaches/{self.name}/{ref}", lambda: context.workers.open(ref, heap, session).versions
            )
        except EngineUnavailable as error:
            raise EngineUnavailable(f"Iceberg is asked beside PostgreSQL, and {error}") from error

    def _contenders(self, request: Request) -> list[Contender]:
        contenders = []
        for form in (TableFormat.POSTGRESQL, TableFormat.ICEBERG):
            for ref in request.able(CanQuery):
                engine = engines.find(ref.name)
                has_catalog = form is TableFormat.POSTGRESQL or CatalogKind.REST in engine.catalogs
                if {TableFormat.POSTGRESQL, form} <= set(engine.formats) and has_catalog:
                    contenders.append(Contender(ref, Target(_STORAGE, form)))
        return contenders

    def _storages(self, request: Request, prepared: PreparedData) -> list[str]:  # noqa: ARG002
        return [_STORAGE]

    def _iceberg(self, request: Request, services: Services) -> Lake:
        lake = lakes.storage_lake(services, request.settings, _STORAGE)
        return replace(lake, name=f"{_NAMESPACE}_{lake.name}", namespace=_NAMESPACE)

    def _loaded(self, context: RunContext, storage: str) -> Loaded:
        return load(context, self._iceberg(context.request, context.services), self.prepared(context), storage=storage)

    def _heap(self, context: RunContext) -> Dataset:
        return context.prepared.once(f"heap/{self.name}", lambda: self._load_heap(context))

    def _load_heap(self, context: RunContext) -> Dataset:
        """Every table by COPY, with its primary key, and statistics."""
        workload, lake = self.prepared(context), lakes.postgresql_lake(context.services, HEAP)
        session = Target(_STORAGE, TableFormat.POSTGRESQL).key
        written = write(context, lake, workload, SERVER, sessions=(session,)).require_all()
        for table in workload.tables:
            context.client.call(
                SERVER, lake, "execute", session=session, sql=f"ALTER TABLE {table} ADD PRIMARY KEY ({_KEYS[table]})"
            )
        context.client.call(
            SERVER, lake, "execute", session=session, sql=f"VACUUM ANALYZE {', '.join(workload.tables)}"
        )
        tables = tuple(TableFacts(name, table.rows) for name, table in workload.tables.items())
        return replace(facts_of(workload, written, tables, _STORAGE), format=TableFormat.POSTGRESQL)


def _size(profile: Profile) -> Decimal:
    """The scale factor: the user's, or the profile's where that is smaller than the usual one."""
    return profile.scale_factor if "sf" in profile.chosen else min(profile.scale_factor, _USUAL)


def _protocol(profile: Profile) -> Protocol:
    """No cold execution and a few samples, unless the user says how many: rows are the verdict, times go with it."""
    protocol = profile.protocol
    if "repeat" in profile.chosen:
        return protocol
    return replace(protocol, cold=0, samples=min(protocol.samples, _SAMPLES), block=min(protocol.block, _SAMPLES))
