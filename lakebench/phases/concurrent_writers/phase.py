"""Phase 9: several writers at once on one table, and whether every acknowledged commit is there, once."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from lakebench import engines
from lakebench.config import Settings
from lakebench.datasets.concurrency.workloads import WORKLOADS
from lakebench.engines import CanOperate, CanScan
from lakebench.execution.cases import Block, Case, Check, SideBySide
from lakebench.execution.context import Bench
from lakebench.execution.request import Scope
from lakebench.iceberg.operations import AddColumn, Append, Create, Merge
from lakebench.model import CatalogKind, EngineRef, Record, Selection, TableFormat
from lakebench.phases.base import Phase
from lakebench.phases.concurrent_writers.writing import FAULTS, MANY, STORE, SharedStore, WriterGroup, able, run
from lakebench.phases.field_reports import Said, of_all, of_ratio, of_times
from lakebench.processes.concurrent_tasks import Retry, Shape
from lakebench.results.coordinates import engines_of
from lakebench.results.records import Claim

_FEW = 3  # writers of the cells that are no appends
_LOCKED = "Conflicting lock is held"
_C29_MS = {"duckdb": 440.0, "ducklake pooled": 280.0}
_C30_SLOWER = (1.05, 1.10)
_LOCK = Retry("Conflicting lock", attempts=6, wait_s=0.5)  # as the tool behind the claims waits for the file
_APPENDS = "Appends by writers at once"
_CHANGES = f"Changes by {_FEW} writers at once"
_MIXED = "Different engines at once on one Iceberg table"
_FAULTS = "Faults while others write and read"
_TASK = Shape(kept=False)
_CREATE = "CREATE TABLE IF NOT EXISTS t (id BIGINT, writer INTEGER, value BIGINT)"
_POSTGRES = SharedStore("ducklake-postgres kept", TableFormat.DUCKLAKE, CatalogKind.POSTGRES)
_NESSIE = SharedStore("iceberg-nessie kept", TableFormat.ICEBERG, "nessie")
_REST = SharedStore("iceberg-rest kept", TableFormat.ICEBERG, "rest")
_STORES = (
    SharedStore("duckdb-file kept", TableFormat.DUCKDB, shared=False),
    SharedStore("duckdb-file task", TableFormat.DUCKDB, shape=Shape(kept=False, retry=_LOCK), shared=False),
    _POSTGRES,
    replace(_POSTGRES, name="ducklake-postgres task", shape=_TASK),
    SharedStore("ducklake-sqlite kept", TableFormat.DUCKLAKE, CatalogKind.SQLITE),
    SharedStore("ducklake-duckdb kept", TableFormat.DUCKLAKE, CatalogKind.DUCKDB, shared=False),
    _NESSIE,
)
_INLINING = "DATA_INLINING_ROW_LIMIT"
_RETRIES = "ducklake_max_retry_count"
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
    claims: ClassVar[tuple[str, ...]] = ("C28", "C29", "C30")

    def services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:  # noqa: ARG002
        """An object store, two Iceberg catalogs, and PostgreSQL for a DuckLake."""
        return ("object-store", "nessie", "rest-catalog", "postgres")

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

    def ready(self, bench: Bench) -> None:
        """The checker."""
        bench.checker.start()

    def plan(self, bench: Bench) -> Iterator[Block]:
        """Appends by store and number of writers, settings, other changes, engines together, faults."""
        refs = bench.able(CanOperate, CanScan)
        for ref in refs:
            yield from (_check(cell, _group(cell)) for cell in _own_cells(bench.profile.name, ref))
        yield from (_check(cell, _MIXED) for cell in _mixed_cells(refs))
        # Nothing is timed here, and much is waiting: for a client's next try, for a server's next start.
        yield SideBySide(tuple(tuple(_check(cell, _FAULTS) for cell in _fault_cells(ref)) for ref in refs))

    def covers(self, case: str, scope: Scope) -> bool:
        """Whether all engines of the case are asked, with as many writers; those together are the run's."""
        asked = engines_of(case)
        if not scope.asks(asked):
            return False
        ids = _ids(scope.known, scope.profile)
        return case in ids or (len(asked) == 1 and case not in _ids(scope.known, "standard"))

    def reproduced(self, cases: Sequence[Record], scale_factor: str) -> Iterator[Claim]:  # noqa: ARG002
        """Claims C28 to C30."""
        known = {case.case: case for case in cases}
        yield _lock_errors(known)
        yield _pooled(known)
        yield _one_writer(known)


@functools.cache
def _ids(refs: tuple[EngineRef, ...], profile: str) -> frozenset[str]:
    """The cases of a run of ``refs`` with this profile."""
    asked = tuple(ref for ref in refs if issubclass(engines.find(ref.name), CanOperate | CanScan))
    own = [cell for ref in asked for cell in (*_own_cells(profile, ref), *_fault_cells(ref))]
    return frozenset(cell.id for cell in (*own, *_mixed_cells(asked)))


def _mixed_cells(refs: tuple[EngineRef, ...]) -> Iterator[WriterGroup]:
    """What different engines do at once."""
    for name in ("groups", "update-own"):
        together = able(refs, WORKLOADS[name], TableFormat.ICEBERG)
        if len(together) > 1:
            yield WriterGroup(together, _NESSIE, WORKLOADS[name], len(together))


def _own_cells(profile: str, ref: EngineRef) -> Iterator[WriterGroup]:
    """What one engine does alone; one that is a server, whose writers are sessions of it, is asked little."""
    engine = engines.find(ref.name)
    if engine.service:
        yield from (
            WriterGroup((ref,), _NESSIE, WORKLOADS[name], _FEW) for name in ("insert", "update-one", "update-own")
        )
        return
    numbers = (1, _FEW) if profile == "quick" else (1, _FEW, MANY, 16)
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


def _fault_cells(ref: EngineRef) -> Iterator[WriterGroup]:
    """Each fault on each kind of lake; without inlining, so that a DuckLake has data files before it commits.

    Nessie tells its clients where the store is, so a store that refuses is behind the other catalog, which does not;
    by one writer, as that catalog loses commits of two.
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
    )
    return Check(case, partial(run, cell=cell))


# What the cases say of the field reports C28 to C30


def _told(known: Mapping[str, Record], store: str, writers: int) -> Mapping[str, Any]:
    """The evidence of the appends by DuckDB on ``store``, empty where they did not run, or did not pass."""
    record = known.get(f"phase9/insert/{store}/{writers}/duckdb")
    found: Mapping[str, Any] = record.evidence.get("concurrency", {}) if record else {}
    return found


def _lock_errors(known: Mapping[str, Record]) -> Claim:
    file, lake = _told(known, "duckdb-file_kept", _FEW), _told(known, "ducklake-postgres_kept", _FEW)
    locked = sum(count for text, count in file.get("errors", {}).items() if _LOCKED in text)
    also = sum(count for text, count in lake.get("errors", {}).items() if _LOCKED in text)
    ours = {"duckdb file": f"{locked} lock errors", "ducklake": f"{also} lock errors"} if file and lake else {}
    verdict = Said.REPRODUCED if locked and not also else Said.NOT_REPRODUCED
    return Claim(
        claim="C28",
        statement=f'Several processes on one DuckDB file: "{_LOCKED}"; on DuckLake with a PostgreSQL catalog: no lock '
        "error",
        theirs={"duckdb file": _LOCKED, "ducklake": "no lock error"},
        ours=ours,
        verdict=verdict if ours else Said.COULD_NOT_RUN,
    )


def _pooled(known: Mapping[str, Record]) -> Claim:
    """C29 by the time for each row that was written, as not all shapes write all rows in the time they have."""
    stores = ("duckdb-file_task", "ducklake-postgres_kept", "ducklake-postgres_task")
    each = {one: _per_row(_told(known, one, _FEW)) for one in stores}
    ours = {one: f"{value:.0f} ms a row" for one, value in each.items() if value is not None}
    file, kept = each[stores[0]], each[stores[1]]
    verdict = Said.COULD_NOT_RUN
    if file is not None and kept is not None:
        verdict = of_times(_C29_MS, dict(zip(_C29_MS, (file, kept), strict=True)))
    return Claim(
        claim="C29",
        statement="100 rows by 3 workers: DuckDB without pooling 44 s (440 ms an operation), DuckLake pooled 28 s "
        "(280 ms): 37 % faster",
        theirs={name: f"{ms:g} ms an operation" for name, ms in _C29_MS.items()},
        ours=ours,
        verdict=verdict,
        detail="Ours is the wall time of all writers by the rows that they wrote. The report compares two shapes: "
        "DuckDB opens its file for each row, DuckLake keeps its connection.",
    )


def _per_row(told: Mapping[str, Any]) -> float | None:
    return 1000 / told["operations_per_s"] if told.get("operations_per_s") else None


def _one_writer(known: Mapping[str, Record]) -> Claim:
    """C30 in both shapes: a connection a task, and a kept one."""
    pairs = {
        "a connection a task": ("duckdb-file_task", "ducklake-postgres_task"),
        "a kept one": ("duckdb-file_kept", "ducklake-postgres_kept"),
    }
    ratios: dict[str, float] = {}
    for shape, (file, lake) in pairs.items():
        ours, theirs = _told(known, lake, 1).get("median_ms"), _told(known, file, 1).get("median_ms")
        if ours and theirs:
            ratios[shape] = ours / theirs
    return Claim(
        claim="C30",
        statement="One worker: DuckLake is 5 to 10 % slower than DuckDB",
        theirs={"one worker": "5 to 10 % slower"},
        ours={shape: f"{ratio:.2f} times" for shape, ratio in ratios.items()},
        verdict=of_all(of_ratio(_C30_SLOWER, one) for one in ratios.values()),
        detail="In both shapes: a verdict holds where it holds in each." if ratios else "",
    )
