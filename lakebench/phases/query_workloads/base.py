"""Phases of queries: a workload on storages and in table formats, every engine in turns, every answer verified."""

from __future__ import annotations

import contextlib
import secrets
import shutil
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from lakebench import engines
from lakebench.config import Settings
from lakebench.datasets.answers import FULL
from lakebench.datasets.interop import inspector
from lakebench.datasets.sql_rules import without_limit
from lakebench.datasets.storage_probe import probe
from lakebench.datasets.tpch import states
from lakebench.datasets.workload import Question, Workload
from lakebench.engines import CanQuery
from lakebench.engines.inprocess import local_path
from lakebench.errors import CaseError, HarnessFault, UsageError
from lakebench.execution.cases import Block, Case
from lakebench.execution.context import RunContext
from lakebench.execution.measurement import MeasuredEngine, Measurement
from lakebench.execution.prepared import PreparedData
from lakebench.execution.request import Base, Request, Scope, base_of
from lakebench.execution.workers import BASE
from lakebench.iceberg.catalogs import ducklake_files
from lakebench.model import CatalogKind, Coordinates, EngineRef, Lake, Selection, TableFormat
from lakebench.phases import distance
from lakebench.phases.base import Phase
from lakebench.phases.options import Asked, Option, listed, some_of
from lakebench.phases.table_loading import Loaded, facts_of, load, loader, may_register, not_loaded, tolerance, write
from lakebench.provisioning.disk_space import Need
from lakebench.results.records import Dataset, TableFacts
from lakebench.services import Services, lakes

_WITNESS = "DuckDB over the plain files"
_FORMATS = {
    TableFormat.ICEBERG: "Iceberg",
    TableFormat.PARQUET: "plain Parquet",
    TableFormat.DUCKDB: "DuckDB's own tables",
    TableFormat.POSTGRESQL: "PostgreSQL",
    TableFormat.DUCKLAKE: "DuckLake with its catalog in PostgreSQL",
}
_WITH_CATALOG = frozenset({TableFormat.ICEBERG, TableFormat.DUCKLAKE})
_OWN = frozenset({TableFormat.DUCKDB, TableFormat.DUCKLAKE})  # each engine loads tables of its own
# Bytes on a lake for each byte of the generator's files, rounded up from the most that was measured: docs/tpch.md.
GROWTH = {
    TableFormat.ICEBERG: 0.8,
    TableFormat.PARQUET: 0.0,
    TableFormat.DUCKDB: 1.0,
    TableFormat.DUCKLAKE: 1.0,
}


@dataclass(frozen=True)
class Target:
    """Where an engine is asked: a storage and a table format, on the base's side of a comparison or not.

    ``catalog_ms`` is the round trip to the catalog; the tables are the same at every distance.
    """

    storage: str
    format: TableFormat
    base: bool = False
    catalog_ms: int = 0

    @property
    def key(self) -> str:
        """As part of a case's id, and the name of a worker's session."""
        return "/".join([*([BASE] if self.base else []), self.storage, self.format, *distance.key(self.catalog_ms)])

    @property
    def title(self) -> str:
        """For people."""
        far = distance.away(self.catalog_ms)
        return f"{self.storage}, {_FORMATS[self.format]}{far}{' (base)' if self.base else ''}"


@dataclass(frozen=True)
class Contender:
    """An engine at a target; ``against`` is the contender that it is the base of."""

    ref: EngineRef
    target: Target
    against: Contender | None = None


@dataclass(frozen=True)
class _OwnTables:
    """Tables of an engine's own, what the records keep of them, and those that it ``failed`` to load."""

    lake: Lake
    facts: Dataset
    failed: Mapping[str, CaseError]

    def lake_with(self, tables: frozenset[str]) -> Lake:
        """The lake, where it has ``tables``.

        Raises:
            LakebenchError: why the engine did not load one of them.
        """
        for table in sorted(self.failed.keys() & tables):
            raise self.failed[table]
        return self.lake


def _base(base: Base, one: Contender) -> Contender:
    """The base of ``one``."""
    target = replace(one.target, base=True, storage=base.storage or one.target.storage)
    return Contender(base.ref or one.ref, target, one)


def _named(selection: Selection, settings: Settings) -> tuple[str, ...]:
    """The storages that are asked for, and the one to compare against."""
    base = base_of(selection.against, settings)
    return tuple(dict.fromkeys([*selection.storages, *([base.storage] if base and base.storage else [])]))


def _storages_of(text: str, asked: Asked) -> tuple[str, ...]:
    for name in listed(text):
        asked.settings.storage(name)
    return listed(text) or ("local",)


def _against(text: str, asked: Asked) -> str:
    base_of(text, asked.settings)
    return text


_OPTIONS = (
    Option(
        "storage",
        "Storage profiles, separated by commas: local, s3, simulated-gcs, gcs, or your own of lakebench.toml.",
        metavar="NAMES",
        default="local",
        read=_storages_of,
        field="storages",
    ),
    Option(
        "formats",
        "iceberg; parquet (the same data files without Iceberg); duckdb (its own tables, on local storage); ducklake "
        "(its catalog in PostgreSQL).",
        metavar="NAMES",
        default="iceberg,parquet,duckdb",
        read=some_of("format", [one.value for one in GROWTH]),
        field="formats",
    ),
    Option(
        "against",
        "Compare with BASE in turns: an engine (duckdb@1.4.4), a storage (s3), or a settings file (base.toml). Exit "
        "code 1 where something got worse.",
        metavar="BASE",
        read=_against,
        field="against",
    ),
    distance.CATALOG_LATENCY,
)


class Queries(Phase):
    """A workload's queries on every engine that can be asked, storage by storage and format by format.

    ``registers`` says that files of the workload may become Iceberg tables as they are, where nobody compares times.
    """

    registers: ClassVar[bool] = False
    loads: ClassVar[bool] = True
    keeps: ClassVar[bool] = True
    options: ClassVar[tuple[Option, ...]] = _OPTIONS

    @abstractmethod
    def workload(self, context: RunContext) -> Workload:
        """The tables and queries, made or found."""

    def services(self, selection: Selection, settings: Settings) -> tuple[str, ...]:
        """Of each storage, its object store and its catalog; and the catalog of DuckLakes where they are asked for."""
        storages = _named(selection, settings)
        services = [service for one in storages for service in lakes.storage_services(settings, one)]
        return tuple(dict.fromkeys([*services, *(["postgres"] if TableFormat.DUCKLAKE in selection.formats else [])]))

    def engines(self, selection: Selection) -> tuple[str, ...]:  # noqa: ARG002
        """Every engine that answers queries and speaks to a REST catalog; of one engine's ways in, the usual one."""
        return tuple(
            name
            for name, one in engines.engines().items()
            if issubclass(one, CanQuery) and not one.optional and one.variant_of is None
        )

    def prepared(self, context: RunContext) -> Workload:
        """:meth:`workload`, once a run."""
        return context.prepared.once(f"workload/{self.name}", lambda: self.workload(context))

    def ready(self, context: RunContext) -> None:
        """The data, and the checker."""
        context.checker.start()
        self.prepared(context)

    def load(self, context: RunContext) -> None:
        """The workload on each storage by the run's writer, then by each engine that has tables of its own."""
        for storage in self._storages(context.request, context.prepared):
            self._loaded(context, storage)
        context.workers.retire(loader(context.request.writer))  # it holds much of what it wrote
        self._loaded_own(context)

    def facts(self, context: RunContext) -> Iterator[Dataset]:
        """The workload as it was loaded."""
        yield from (self.dataset(context, storage) for storage in self._storages(context.request, context.prepared))
        yield from (one.facts for one in self._loaded_own(context))

    def dataset(self, context: RunContext, storage: str) -> Dataset:
        """What the records keep of the tables on ``storage``, with what the storage gives where times are taken."""
        return replace(self._loaded(context, storage).facts, storage_probe=self.probed(context, storage))

    def probed(self, context: RunContext, storage: str) -> Mapping[str, Any]:
        """What ``storage`` gives without any engine (:mod:`lakebench.datasets.storage_probe`).

        Nothing where queries are asked once: dropping the page cache takes as long as they do.
        """
        profile, tests = context.request.profile, context.request.selection.tests
        if profile.correctness_alone or (profile.protocol.samples == 1 and tests == ("queries",)):
            return {}
        return context.prepared.once(f"probe/{storage}", lambda: self._probe(context, storage))

    def _probe(self, context: RunContext, storage: str) -> Mapping[str, Any]:
        lake = lakes.storage_lake(context.services, context.request.settings, storage)
        loaded = self._loaded(context, storage)
        largest = max(loaded.facts.tables, key=lambda one: one.bytes or 0, default=None)
        try:
            files = self.files(context, lake, loaded, largest.name) if largest else ()
            return context.checker.call(probe, files, lake.store) if files else {}
        except CaseError as error:
            return {"not_had": str(error)}

    def plan(self, context: RunContext) -> Iterator[Block]:
        """Each query on every contender."""
        for storage in self._storages(context.request, context.prepared):
            yield from not_loaded(self.name, self._loaded(context, storage))
        contenders = self.contenders(context.request, context.prepared)
        for question in self.prepared(context).questions:
            yield self._measurement(context, question, contenders)

    def disk_space(self, request: Request) -> Sequence[Need]:
        """The space of the lakes, where the size of the data is known before it is made."""
        size = self.data_bytes(request)
        formats = map(TableFormat, request.selection.formats)
        growth = sum(self.growth(request, form) * _copies(request, form) for form in formats)
        storages = {name: request.settings.storage(name) for name in _named(request.selection, request.settings)}
        return [
            Need(f"tables on {name}", one.path or request.settings.output, int(size * growth))
            for name, one in storages.items()
            if one.ours and size
        ]

    def growth(self, request: Request, form: TableFormat) -> float:
        """Bytes of tables in ``form`` for each byte of the workload's files."""
        registered = form is TableFormat.ICEBERG and self.registers and may_register(request)
        return 1.0 if registered else GROWTH[form]

    def covers(self, case: Coordinates, scope: Scope) -> bool:
        """Whether engine, storage and format are asked; what a base answers is for its comparison alone."""
        chosen = scope.selection
        queried = case.format in chosen.formats and "queries" in chosen.tests
        asked = queried if case.query else tested(case.test or "", chosen)
        asked = asked and distance.covered(case, distance.latencies(self, chosen))
        is_base = case.base or (chosen.against in case.participants and len(scope.refs) > 1)
        return asked and not is_base and case.storage in chosen.storages and super().covers(case, scope)

    def data_bytes(self, request: Request) -> int:  # noqa: ARG002
        """About how many bytes of Parquet the workload has, 0 where it is not known before it is there."""
        return 0

    def contenders(self, request: Request, prepared: PreparedData) -> list[Contender]:
        """Every engine at every target that it can be asked at, and the base of each where there is one.

        Raises:
            UsageError: an engine is the base, and not exactly one other is asked.
        """
        return prepared.once(f"contenders/{self.name}", lambda: self._contenders(request))

    def _contenders(self, request: Request) -> list[Contender]:
        selection = request.selection
        base = base_of(selection.against, request.settings)
        refs = [ref for ref in request.able(CanQuery) if CatalogKind.REST in engines.find(ref.name).catalogs]
        if base and base.ref:
            refs = [ref for ref in refs if ref != base.ref] or [base.ref]
            if len(refs) != 1:
                raise UsageError(
                    f"--against {selection.against} compares one engine with it: name it with --engines, one of "
                    f"{', '.join(str(ref) for ref in refs)}"
                )
        contenders = [
            Contender(ref, Target(storage, TableFormat(form), catalog_ms=catalog_ms))
            for storage in selection.storages
            for form in selection.formats
            for catalog_ms in distance.latencies(self, selection)
            if not catalog_ms or TableFormat(form) in _WITH_CATALOG
            for ref in refs
            if TableFormat(form) in engines.find(ref.name).formats and _possible(request, storage, TableFormat(form))
        ]
        return [*contenders, *(_base(base, one) for one in contenders)] if base else contenders

    def _storages(self, request: Request, prepared: PreparedData) -> list[str]:
        return list(dict.fromkeys(one.target.storage for one in self.contenders(request, prepared)))

    def _loaded_own(self, context: RunContext) -> list[_OwnTables]:
        """The tables of each engine that loads its own; where it could not, each of its cases says why."""
        tables = []
        for one in self.contenders(context.request, context.prepared):
            if one.target.format in _OWN:
                with contextlib.suppress(CaseError, HarnessFault):
                    tables.append(self._own(context, one))
        return tables

    def _loaded(self, context: RunContext, storage: str) -> Loaded:
        lake = lakes.storage_lake(context.services, context.request.settings, storage)
        registered = self.registers and may_register(context.request)
        return load(context, lake, self.prepared(context), storage=storage, registered=registered)

    def _measurement(self, context: RunContext, question: Question, contenders: Sequence[Contender]) -> Measurement:
        return Measurement(
            name=question.name,
            entries=tuple(self._entry(context, question, one) for one in contenders),
            protocol=context.request.profile.protocol,
            references=question.references,
            rules=question.rules,
            tolerance=tolerance(question),
            evidence=partial(self._evidence, question),
            witnesses=partial(self._witnesses, question),
            restart=False,
        )

    def _entry(self, context: RunContext, question: Question, one: Contender) -> MeasuredEngine:
        case = Case(
            id=self.case_id(question, one),
            phase=self.name,
            title=f"{question.name} by {one.ref} on {one.target.title}",
            engine=one.ref,
            group=f"{self.prepared(context).title} on {one.target.title}",
            row=question.name.upper() if question.name[1:].isdigit() else question.name,
            column=str(one.ref),
            coordinates=Coordinates(
                engine=one.ref.name,
                version=one.ref.version,
                storage=one.target.storage,
                format=one.target.format,
                query=question.name,
                base=one.target.base,
                more=distance.coordinate(one.target.catalog_ms),
            ),
        )
        return MeasuredEngine(
            case,
            partial(self.lake, one=one, tables=question.tables),
            question.sql(engines.find(one.ref.name)),
            session=one.target.key,
            store=store_service(context.request, one.target),
            against=self.case_id(question, one.against) if one.against else "",
        )

    def case_id(self, question: Question, one: Contender) -> str:
        """Such as ``phase3/local/iceberg/q01/duckdb``."""
        return f"{self.name}/{one.target.key}/{question.name}/{one.ref}"

    def lake(self, context: RunContext, one: Contender, tables: frozenset[str]) -> Lake:
        """The lake of a contender with ``tables`` loaded; of plain Parquet it has no others.

        Raises:
            LakebenchError: one of them is not there.
        """
        target = one.target
        if target.format in _OWN:
            return context.distances.lake(self._own(context, one).lake_with(tables), target.catalog_ms)
        loaded = self._loaded(context, target.storage)
        lake = lakes.storage_lake(context.services, context.request.settings, target.storage)
        lake = replace(lake, name="_".join([lake.name, target.format, *([BASE] if target.base else [])]))
        if target.format is TableFormat.PARQUET:
            files = {table: self._prepared_files(context, lake, loaded, table) for table in sorted(tables)}
            return replace(lake, format=target.format, files=files)
        loaded.require(tables)
        return context.distances.lake(lake, target.catalog_ms)

    def _prepared_files(self, context: RunContext, lake: Lake, loaded: Loaded, table: str) -> tuple[str, ...]:
        key = f"files/{self.name}/{loaded.facts.storage}/{table}"
        return context.prepared.once(key, lambda: self.files(context, lake, loaded, table))

    def files(self, context: RunContext, lake: Lake, loaded: Loaded, table: str) -> tuple[str, ...]:
        """The addresses of the Parquet files of ``table``: the data files of its recorded snapshot, without deletes."""
        loaded.require([table])
        (snapshot,) = (one for one in loaded.snapshots if one.table == table)
        return tuple(context.checker.call(inspector.data_files, snapshot.metadata, lake.store))

    def _own(self, context: RunContext, one: Contender) -> _OwnTables:
        """Tables of its own, loaded by the engine that is asked; one set, however far their catalog is."""
        one = replace(one, target=replace(one.target, catalog_ms=0))
        return context.prepared.once(
            f"own/{self.name}/{one.target.key}/{one.ref}", lambda: self._load_own(context, one)
        )

    def _load_own(self, context: RunContext, one: Contender) -> _OwnTables:
        workload, target = self.prepared(context), one.target
        lake = self._new(context.request, context.services, one)
        written = write(context, lake, workload, one.ref, sessions=(target.key,))
        tables = tuple(fact for fact in _own_facts(lake, workload) if fact.name not in written.failed)
        facts = replace(facts_of(workload, written, tables, target.storage), format=target.format)
        return _OwnTables(lake, facts, written.failed)

    def _new(self, request: Request, services: Services, one: Contender) -> Lake:
        """A lake that nothing is in yet, on the device and in the store that hold the tables of Iceberg."""
        lake = lakes.storage_lake(services, request.settings, one.target.storage)
        folder = Path(local_path(lake.catalog.warehouse)) / self.name / one.target.key / str(one.ref)
        if lake.store is None:
            shutil.rmtree(folder, ignore_errors=True)  # of a try that was killed
            folder.mkdir(mode=0o700, parents=True)
        if one.target.format is TableFormat.DUCKDB:
            database = str(folder / "tables.duckdb")
            return replace(lake, name="own", format=TableFormat.DUCKDB, store=None, database=database)
        # A name that no other run has: the server, or the bucket, may be the user's own.
        name, postgres = f"lakebench_{secrets.token_hex(4)}", services.endpoint("postgres")
        return lakes.ducklake(CatalogKind.POSTGRES, name, folder, lake.store, postgres)

    def _evidence(self, question: Question, context: RunContext) -> Mapping[str, object]:
        snapshots = {
            storage: {
                name: at for name, at in self._loaded(context, storage).snapshot_ids.items() if name in question.tables
            }
            for storage in self._storages(context.request, context.prepared)
        }
        return {"snapshots": snapshots}

    def _witnesses(self, question: Question, context: RunContext) -> Mapping[str, Path]:
        """The answer of DuckDB over the plain files, where it has one."""
        workload = self.prepared(context)
        return context.prepared.once(
            f"witness/{self.name}/{question.name}", lambda: witnessed(context, workload, question)
        )


def witnessed(context: RunContext, workload: Workload, question: Question) -> Mapping[str, Path]:
    """The answer of DuckDB over the plain files of ``workload`` by its source; nothing where it has none."""
    if not all(one.files for one in workload.tables.values()):  # made on a cluster: no file is on this machine
        return {}
    into = context.files.new(f"witness-{question.name}")
    files = {name: one.files for name, one in workload.tables.items() if name in question.tables}
    source, sql = _WITNESS, question.sql(engines.find("duckdb"))
    if question.rules.is_cut:
        source, sql = f"{FULL}{_WITNESS}", without_limit(sql)
    try:
        context.witness.answer(sql, states.views(files, {}, {}), into, context.request.profile.protocol.limit_s)
    except CaseError:  # then the engines have only each other
        return {}
    return {source: into}


def tested(what: str, chosen: Selection) -> bool:
    """Whether a test of TPC-H is asked for; tables are loaded for any, and each refresh of the power test is read."""
    needs = {"load": {"power", "throughput"}, "rf1": {"power"}, "rf2": {"power"}}
    return bool(needs.get(what, {what}) & set(chosen.tests))


def _own_facts(lake: Lake, workload: Workload) -> Iterator[TableFacts]:
    """The tables of ``workload`` on a lake of an engine's own, with their data files where a catalog has them."""
    files = ducklake_files(lake) if lake.format is TableFormat.DUCKLAKE else None
    for name, table in workload.tables.items():
        if files is None:
            yield TableFacts(name, table.rows)
        else:
            number, size = files.get(name, (0, 0))
            yield TableFacts(name, table.rows, number, size, file_format="parquet")


def _copies(request: Request, form: TableFormat) -> int:
    """How many times the tables are written in ``form``: by every engine that has tables of its own, or once."""
    return sum(form in engines.find(ref.name).formats for ref in request.refs) if form in _OWN else 1


def store_service(request: Request, target: Target) -> str:
    """The service whose requests count at ``target``; empty where nothing is asked of a store."""
    if target.format is TableFormat.DUCKDB:
        return ""
    return next(
        (one for one in lakes.storage_services(request.settings, target.storage) if one.startswith("object")), ""
    )


def _possible(request: Request, storage: str, form: TableFormat) -> bool:
    """DuckDB's own tables lie on the local file system only."""
    return form is not TableFormat.DUCKDB or request.settings.storage(storage).kind == "local"
