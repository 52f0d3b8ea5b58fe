"""What an engine's own caches are worth: the same steps in one session with them and without, on each storage."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from lakebench import engines
from lakebench.datasets import answer_files
from lakebench.datasets.rules import Rules
from lakebench.datasets.sql_rules import translated
from lakebench.datasets.tpch import states
from lakebench.datasets.tpch.queries import DIALECT
from lakebench.engines import CanCache, CanQuery
from lakebench.errors import CaseError, EngineUnavailable
from lakebench.execution.cases import Block, Case, failure, now, record, same
from lakebench.execution.context import RunContext
from lakebench.execution.request import Request
from lakebench.model import CACHES, CatalogKind, Coordinates, EngineRef, Lake, Record, TableFormat
from lakebench.outcomes import Outcome
from lakebench.phases.call_costs import query_cost
from lakebench.phases.query_workloads.base import Target, store_service
from lakebench.phases.table_loading import Loaded, tpch_data
from lakebench.processes import resources
from lakebench.results import statistics
from lakebench.services import lakes

TEST = "caches"
ON, OFF = "on", "off"
_ROUNDS = 5
_WITNESS = "DuckDB over the generator's files"
_EXACT = Rules()
_BY_DATE = (
    "SELECT count(*) AS n, sum(l_extendedprice * l_discount) AS revenue FROM lineitem "
    "WHERE l_shipdate >= DATE '{year}-01-01' AND l_shipdate < DATE '{year}-07-01'"
)


@dataclass(frozen=True)
class SessionStep:
    """A query of a session; before an ``expired`` one, what the caches hold expires."""

    name: str
    title: str
    sql: str
    table: str = "lineitem"
    expired: bool = False


STEPS = (
    SessionStep("first", "first run, new session", _BY_DATE.format(year=1994)),
    SessionStep("again", "the same again", _BY_DATE.format(year=1994)),
    SessionStep("other-dates", "another filter on the same columns", _BY_DATE.format(year=1996)),
    SessionStep(
        "other-columns",
        "a filter on other columns",
        "SELECT count(*) AS n, sum(l_tax) AS tax FROM lineitem WHERE l_quantity < 5",
    ),
    SessionStep(
        "other-table", "another table", "SELECT count(*) AS n, sum(o_totalprice) AS price FROM orders", table="orders"
    ),
    SessionStep("expired", "the first again, caches expired", _BY_DATE.format(year=1994), expired=True),
)
"""The steps of a session, in this order."""


@dataclass
class _Ran:
    """What the rounds of a session gave, step by step; ``error`` is the failure that ended them, in the step ``at``."""

    figures: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    evidence: dict[str, dict[str, Any]] = field(default_factory=dict)
    error: CaseError | None = None
    at: str = ""


@dataclass(frozen=True)
class Caches(Block):
    """The steps by one engine on one storage, in sessions with its caches and in sessions without, in turns."""

    phase: str
    ref: EngineRef
    storage: str
    loaded: Loaded
    probed: Mapping[str, Any]

    @property
    def cases(self) -> tuple[Case, ...]:
        """A case a step, with caches and without."""
        return tuple(self._case(step, caches) for caches in (ON, OFF) for step in STEPS)

    def run(self, context: RunContext, todo: frozenset[str]) -> Iterator[Record]:
        """All rounds; then the record of each case."""
        if not todo:
            return
        began, ran = now(), {ON: _Ran(), OFF: _Ran()}
        for number in range(_rounds(context.request)):
            order = context.request.shuffled((ON, OFF), where=f"{TEST}/{self.storage}/{self.ref}/{number}")
            for caches in order:
                if ran[caches].error is None:
                    self._session(context, caches, ran[caches])
        for caches in (ON, OFF):
            for step in STEPS:
                case = self._case(step, caches)
                if case.id in todo:
                    yield self._record(context, case, began, ran[caches], step)

    def _record(
        self, context: RunContext, case: Case, began: tuple[str, float], ran: _Ran, step: SessionStep
    ) -> Record:
        about = {"sql": self._sql(step), **self._about(case)}
        if ran.error is not None:
            failed = EngineUnavailable(f"the session ended before this, in the step {ran.at}: {ran.error}")
            error = ran.error if ran.at == step.name else failed
            return failure(context.prerequisites, context.history, case, began, error, about)
        evidence = {**about, **ran.evidence[step.name], "executions": ran.figures[step.name]}
        return record(context.history, case, began, evidence)

    def _about(self, case: Case) -> dict[str, Any]:
        engine: Any = engines.find(self.ref.name)
        caches = {name: f"{what}: {case.coordinates.more['caches']}" for name, what in engine.caches.items()}
        return {"caches": caches, "expiry": engine.expiry, "storage": dict(self.probed)}

    def _session(self, context: RunContext, caches: str, ran: _Ran) -> None:
        """One session from its start to its last step; its figures count where every step was right."""
        session = f"{TEST}-{self.storage}-{caches}"
        context.workers.retire(self.ref, session)
        figures: dict[str, dict[str, Any]] = {}
        ran.at = STEPS[0].name
        try:
            lake = self._lake(context, caches)
            context.workers.open(self.ref, lake, session)
            dropped = resources.drop_page_cache()
            for step in STEPS:
                ran.at = step.name
                figures[step.name] = self._step(context, step, lake, session, ran)
        except CaseError as error:
            ran.error = error
            return
        finally:
            context.workers.retire(self.ref, session)
        figures["first"]["before"] = dropped
        for name, one in figures.items():
            ran.figures.setdefault(name, []).append(one)

    def _step(self, context: RunContext, step: SessionStep, lake: Lake, session: str, ran: _Ran) -> dict[str, Any]:
        """One execution, its answer checked.

        Raises:
            CaseError: it failed, or the answer is wrong.
        """
        if step.expired and lake.options[CACHES] == ON:
            context.client.call(self.ref, lake, "expire_caches", session=session)
        into, expected = context.files.new(f"{TEST}-{step.name}"), self._expected(context, step)
        query = partial(
            context.client.call, self.ref, lake, "query", session=session, sql=self._sql(step), into=str(into)
        )
        store = store_service(context.request, Target(self.storage, TableFormat.ICEBERG))
        cost = query_cost(context, self.ref, lake, query, store=store, session=session)
        compared = same(context.checker.call(answer_files.compare, into, {_WITNESS: expected}, _EXACT))
        ran.evidence[step.name] = {**compared, "checked_against": [_WITNESS]}
        return cost.to_json()

    def _sql(self, step: SessionStep) -> str:
        return translated(step.sql, DIALECT, engines.find(self.ref.name).dialect)

    def _lake(self, context: RunContext, caches: str) -> Lake:
        self.loaded.require({step.table for step in STEPS})
        lake = lakes.storage_lake(context.services, context.request.settings, self.storage)
        return replace(lake, name=f"{lake.name}_caches_{caches}", options={**lake.options, CACHES: caches})

    def _expected(self, context: RunContext, step: SessionStep) -> Path:
        return context.prepared.once(f"{TEST}/{step.sql}", lambda: self._witnessed(context, step))

    def _witnessed(self, context: RunContext, step: SessionStep) -> Path:
        into, limit_s = context.files.new(f"witness-{step.name}"), context.request.profile.protocol.limit_s
        files = {step.table: tpch_data(context).tables[step.table].files}
        context.witness.answer(translated(step.sql, DIALECT, "duckdb"), states.views(files, {}, {}), into, limit_s)
        return into

    def _case(self, step: SessionStep, caches: str) -> Case:
        return Case(
            id=f"{self.phase}/{self.storage}/{TEST}-{caches}/{step.name}/{self.ref}",
            phase=self.phase,
            title=f"{self.ref} on {self.storage}, its caches {caches}: {step.title}",
            engine=self.ref,
            group=f"Sessions of one engine on {self.storage}, its caches {caches}",
            row=step.title,
            column=str(self.ref),
            coordinates=Coordinates(
                engine=self.ref.name,
                version=self.ref.version,
                storage=self.storage,
                test=TEST,
                check=step.name,
                more={"caches": caches},
            ),
        )


def cachers(request: Request) -> list[EngineRef]:
    """The engines of the run that have caches of their own, and answer queries on Iceberg."""
    able = [(ref, engines.find(ref.name)) for ref in request.able(CanQuery, CanCache)]
    return [
        ref
        for ref, engine in able
        if CatalogKind.REST in engine.catalogs and TableFormat.ICEBERG in engine.formats and engine.variant_of is None
    ]


Session = Mapping[str, Record]
"""Step → its record, of one engine on one storage, with its caches or without."""


def sessions(cases: Sequence[Record]) -> dict[str, dict[tuple[str, str], dict[str, Record]]]:
    """Storage → engine and ``on`` or ``off`` → step → its record."""
    found: dict[str, dict[tuple[str, str], dict[str, Record]]] = {}
    for one in cases:
        about = one.coordinates
        if about.test == TEST:
            key = one.engine, str(about.more.get("caches"))
            found.setdefault(str(about.storage), {}).setdefault(key, {})[str(about.check)] = one
    return found


def milliseconds(record: Record | None) -> float | None:
    """The median of the executions of a step that passed."""
    if record is None or record.outcome is not Outcome.PASS:
        return None
    return median_of(record, "ms")


def median_of(record: Record, name: str) -> float | None:
    """The median of a figure of its executions, ``None`` where it has none."""
    had = [one[name] for one in record.evidence.get("executions", ()) if one.get(name) is not None]
    return statistics.median(had) if had else None


def _rounds(request: Request) -> int:
    """How many sessions of each kind."""
    if "repeat" in request.profile.chosen:
        return request.profile.protocol.samples
    return 1 if request.profile.correctness_alone else _ROUNDS
