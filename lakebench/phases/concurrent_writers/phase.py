"""Phase 9: several writers at once on one table, and whether every acknowledged commit is there, once."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar

from lakebench import engines
from lakebench.config import Settings
from lakebench.datasets.concurrency.workloads import WORKLOADS
from lakebench.engines import CanOperate, CanScan
from lakebench.execution.cases import Block, Case, Check, SideBySide
from lakebench.execution.context import RunContext
from lakebench.execution.request import Request, Scope
from lakebench.iceberg.operations import AddColumn, Append, Create, Merge
from lakebench.model import CatalogKind, Coordinates, EngineRef, Record, Selection, TableFormat
from lakebench.phases import distance
from lakebench.phases.base import Phase
from lakebench.phases.concurrent_writers.field_reports import judge_field_reports
from lakebench.phases.concurrent_writers.writing import (
    FAULTS,
    MANY,
    STORE,
    SharedStore,
    WriterGroup,
    able,
    namespace_of,
    run,
)
from lakebench.phases.options import Option
from lakebench.processes.concurrent_tasks import Retry, Shape
from lakebench.results.records import FieldReport

_FEW = 3  # writers of the cells that are no appends
_LOCK = Retry("Conflicting lock", attempts=6, wait_s=0.5)  # as the tool behind the field reports waits for the file
_APPENDS = "Appends by writers at once"
_CHANGES = f"Changes by {_FEW} writers at once"
_MIXED = "Different engines at once on one Iceberg table"
_FAULTS = "Faults while others write and read"
_TASK = Shape(kept=False)
_CREATE = "CREATE TABLE IF NOT EXISTS t (id BIGINT, writer INTEGER, value BIGINT)"
_POSTGRES = SharedStore("ducklake-postgres kept", TableFormat.DUCKLAKE, CatalogKind.POSTGRES)
_POSTGRES_TASK = replace(_POSTGRES, name="ducklake-postgres task", shape=_TASK)
_NESSIE = SharedStore("iceberg-nessie kept", TableFormat.ICEBERG, "nessie")
_REST = SharedStore("iceberg-rest kept", TableFormat.ICEBERG, "rest")
_STORES = (
    SharedStore("duckdb-file kept", TableFormat.DUCKDB, shared=False),
    SharedStore("duckdb-file task", TableFormat.DUCKDB, shape=Shape(kept=False, retry=_LOCK), shared=False),
    _POSTGRES,
    _POSTGRES_TASK,
    SharedStore("ducklake-sqlite kept", TableFormat.DUCKLAKE, CatalogKind.SQLITE),
    SharedStore("ducklake-duckdb kept", TableFormat.DUCKLAKE, CatalogKind.DUCKDB, shared=False),
    _NESSIE,
)
_INLINING = "DATA_INLINING_ROW_LIMIT"
_RETRIES = "ducklake_max_retry_count"
_FAR = (_POSTGRES, _POSTGRES_TASK, _NESSIE)
_VARIED = (
    replace(_POSTGRES, name="ducklake-postgres kept, no inlining", options={_INLINING: "0"}),
    replace(_POSTGRES, name="ducklake-postgres kept, retry count 0", options={_RETRIES: "0"}),
    replace(_POSTGRES, name="ducklake-postgres kept, retry count 100", options={_RETRIES: "100"}),
    replace(_POSTGRES, name="ducklake-postgres task, CREATE TABLE in it", shape=replace(_TASK, before=_CREATE)),
)


class ConcurrentWriters(Phase):
    """What several processes that write at once get: rows, errors, times; and whether the outcome can be explained."""

    name: ClassVar[str] = "phase9"
    subject: ClassVar[str] = "concurrent_writers"
    title: ClassVar[str] = (
        "Several writers at once on DuckDB's file, DuckLake and Iceberg; faults; an oracle for the rows"
    )
    field_reports: ClassVar[tuple[str, ...]] = ("C28", "C29", "C30")
    options: ClassVar[tuple[Option, ...]] = (distance.CATALOG_LATENCY,)

    def services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:  # noqa: ARG002
        """An object store, two Iceberg catalogs, and PostgreSQL for a DuckLake."""
        return ("object-store", "nessie", "rest-catalog", "postgres")

    def namespaces(self, request: Request) -> tuple[str, ...]:
        """One a case."""
        cells = _cells(
            request.able(CanOperate, CanScan), request.profile.name, distance.latencies(self, request.selection)
        )
        return tuple(namespace_of(cell) for cell in cells)

    def engines(self, selection: Selection) -> tuple[str, ...]:  # noqa: ARG002
        """Those that append, merge and change the schema; one that cannot is asked where it is named."""
        return tuple(
            name
            for name, one in engines.engines().items()
            if issubclass(one, CanOperate)
            and issubclass(one, CanScan)
            and {Append, Create, Merge, AddColumn} <= one.operations
            and one.dialect
            and one.variant_of is None
            and not one.optional
        )

    def ready(self, context: RunContext) -> None:
        """The checker."""
        context.checker.start()

    def plan(self, context: RunContext) -> Iterator[Block]:
        """Appends by store and number of writers, settings, other changes, engines together, faults.

        Appends to a catalog that is far come after those of each engine; all others are of the catalog where it is.
        """
        refs, profile = context.request.able(CanOperate, CanScan), context.request.profile.name
        latencies = distance.latencies(self, context.request.selection)
        for ref in refs:
            cells = (*_own_cells(profile, ref), *_far_cells(profile, ref, latencies))
            yield from (_check(cell, _group(cell)) for cell in cells)
        yield from (_check(cell, _MIXED) for cell in _mixed_cells(refs))
        # Nothing is timed here, and much is waiting: for a client's next try, for a server's next start.
        yield SideBySide(tuple(tuple(_check(cell, _FAULTS) for cell in _fault_cells(ref)) for ref in refs))

    def covers(self, case: Coordinates, scope: Scope) -> bool:
        """Whether all engines of the case are asked, with as many writers; those together are the run's."""
        if not super().covers(case, scope):
            return False
        latencies = distance.latencies(self, scope.selection)
        if not distance.covered(case, (0, *latencies)):
            return False
        planned, every = (_planned(scope.registered, one, latencies) for one in (scope.profile, "standard"))
        return case in planned or (len(case.participants) == 1 and case not in every)

    def judge_field_reports(self, cases: Sequence[Record], scale_factor: str) -> Iterator[FieldReport]:  # noqa: ARG002
        """Field reports C28 to C30."""
        yield from judge_field_reports(cases)


@functools.cache
def _planned(refs: tuple[EngineRef, ...], profile: str, latencies: tuple[int, ...]) -> frozenset[Coordinates]:
    """What the cases of a run of ``refs`` with this profile are about."""
    asked = tuple(ref for ref in refs if issubclass(engines.find(ref.name), CanOperate | CanScan))
    return frozenset(cell.coordinates for cell in _cells(asked, profile, latencies))


def _cells(refs: Sequence[EngineRef], profile: str, latencies: Sequence[int]) -> Iterator[WriterGroup]:
    for ref in refs:
        yield from _own_cells(profile, ref)
        yield from _far_cells(profile, ref, latencies)
        yield from _fault_cells(ref)
    yield from _mixed_cells(tuple(refs))


def _mixed_cells(refs: tuple[EngineRef, ...]) -> Iterator[WriterGroup]:
    """What different engines do at once."""
    for name in ("groups", "update-own"):
        together = able(refs, WORKLOADS[name], TableFormat.ICEBERG)
        if len(together) > 1:
            yield WriterGroup(together, _NESSIE, WORKLOADS[name], len(together))


def _own_cells(profile: str, ref: EngineRef) -> Iterator[WriterGroup]:
    """What one engine does alone; of a server, whose writers are its sessions, a few cells."""
    engine = engines.find(ref.name)
    if engine.service:
        yield from (
            WriterGroup((ref,), _NESSIE, WORKLOADS[name], _FEW) for name in ("insert", "update-one", "update-own")
        )
        return
    numbers = _numbers(profile)
    for one in _STORES:
        if one.format in engine.formats:
            yield from (WriterGroup((ref,), one, WORKLOADS["insert"], number) for number in numbers)
    for one in _VARIED:
        if one.format in engine.formats:
            yield WriterGroup((ref,), one, WORKLOADS["insert"], max(numbers[:3]))
    yield WriterGroup((ref,), _REST, WORKLOADS["insert"], _FEW)
    for one in (_POSTGRES, _NESSIE):
        for name in ("first-commit", "groups", "update-one", "update-own", "move", "add-column"):
            if able((ref,), WORKLOADS[name], one.format):
                yield WriterGroup((ref,), one, WORKLOADS[name], _FEW)


def _numbers(profile: str) -> tuple[int, ...]:
    """The numbers of writers that append."""
    return (1, _FEW) if profile == "quick" else (1, _FEW, MANY, 16)


def _far_cells(profile: str, ref: EngineRef, latencies: Sequence[int]) -> Iterator[WriterGroup]:
    """Appends to a catalog that is each of ``latencies`` away; of a server by few of its sessions."""
    engine = engines.find(ref.name)
    numbers = (_FEW,) if engine.service else _numbers(profile)
    for store in (one.away(far) for far in latencies if far for one in (_FAR if not engine.service else (_NESSIE,))):
        if store.format in engine.formats:
            yield from (WriterGroup((ref,), store, WORKLOADS["insert"], number) for number in numbers)


def _fault_cells(ref: EngineRef) -> Iterator[WriterGroup]:
    """Each fault on each kind of lake; without inlining, so that a DuckLake has data files before it commits.

    Nessie gives its clients the address of the store, so a store that refuses is behind the other catalog, which does
    not; with one writer, as that catalog loses commits of two.
    """
    for one in (_VARIED[0], _NESSIE):
        if able((ref,), WORKLOADS["groups"], one.format):
            for name, fault in FAULTS.items():
                alone = one is _NESSIE and fault.where == STORE
                yield WriterGroup((ref,), _REST if alone else one, WORKLOADS["groups"], 1 if alone else 2, name)


def _group(cell: WriterGroup) -> str:
    return _APPENDS if cell.workload.name == "insert" else _CHANGES


def _check(cell: WriterGroup, group: str) -> Check:
    columns = {_APPENDS: f"{cell.writers} {'writer' if cell.writers == 1 else 'writers'}", _FAULTS: cell.fault}
    fault = f"; {FAULTS[cell.fault].title}" if cell.fault else ""
    case = Case(
        id=cell.id,
        phase="phase9",
        title=f"{cell.writers} writers by {cell.who} on {cell.store.name}: {cell.workload.title}{fault}",
        engine=cell.refs[0],
        group=group,
        row=f"{cell.store.name} by {cell.who}",
        column=columns.get(group, cell.workload.name),
        coordinates=cell.coordinates,
    )
    return Check(case, partial(run, cell=cell))
