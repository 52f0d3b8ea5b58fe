"""The load, power and throughput tests of TPC-H (clauses 4.3, 5.3 and 5.4), each engine on tables that it wrote."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lakebench import engines
from lakebench.datasets import answer_files, tpch
from lakebench.datasets.rules import Rules
from lakebench.datasets.sql_rules import translated
from lakebench.datasets.tpch import metrics, refresh, states
from lakebench.datasets.tpch.queries import DIALECT, stream_queries
from lakebench.datasets.tpch.streams import stream_count
from lakebench.datasets.workload import Question
from lakebench.engines import CanCreate, CanLoad, CanOperate, CanQuery
from lakebench.errors import CaseError, EngineUnavailable, Refused, WrongAnswer
from lakebench.execution.cases import Block, Case, Evidence, failure, now, record, same
from lakebench.execution.context import RunContext
from lakebench.execution.history import RunHistory
from lakebench.execution.prerequisites import Prerequisites
from lakebench.execution.request import Request
from lakebench.iceberg.catalogs import drop
from lakebench.iceberg.operations import Delete, to_json
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field
from lakebench.model import CatalogKind, Coordinates, EngineRef, Lake, Record
from lakebench.outcomes import Outcome
from lakebench.phases.table_loading import snapshot, tpch_data, word, write
from lakebench.phases.tpch.refresh_state import KEYS, RefreshState, RefreshStep, apply, state_after
from lakebench.services import Services, lakes

_NS = 1e9
_COMMITS = 4  # of a refresh pair
_BEFORE = "a test of {ref} that comes before this one did not pass, so nobody knows what its tables hold"
_GROUP = "TPC-H tests"
_AGREE = "After each refresh: who wrote (row), who read (column)"
_WITNESS = "DuckDB over the generator's files in the same state"
_FIELDS = {table: (Field(key, "long"),) for table, key in KEYS.items()}
_EXACT = Rules()
# What every engine must see alike after a refresh: one row, of sums that any missing or doubled row changes.
_SEEN = (
    "SELECT count(*) AS n, sum(o_totalprice) AS total, min(o_orderkey) AS lowest, max(o_orderkey) AS highest, "
    "(SELECT count(*) FROM lineitem) AS items, (SELECT sum(l_extendedprice) FROM lineitem) AS price, "
    "(SELECT sum(l_quantity) FROM lineitem) AS quantity FROM orders"
)


@dataclass(frozen=True)
class Done:
    """A step or a query as it ran: nanoseconds by the parent's clock, and by the worker's."""

    name: str
    began: int
    ended: int
    ns: int
    answer: Path | None = None


@dataclass(frozen=True)
class PerformanceTests(Block):
    """The load, power and throughput tests by one engine on one storage. All run: each changes the tables."""

    phase: str
    ref: EngineRef
    storage: str
    tests: tuple[str, ...]
    readers: tuple[EngineRef, ...]

    @property
    def cases(self) -> tuple[Case, ...]:
        """Load, the tests, and what each reader sees after each refresh of the power test."""
        asked = [self._case(test) for test in ("load", *self.tests)]
        points = ("rf1", "rf2") if "power" in self.tests else ()
        return (*asked, *(self._reads(point, reader) for point in points for reader in self.readers))

    def run(self, context: RunContext, todo: frozenset[str]) -> Iterator[Record]:
        """Load, refresh and query; the tables go when it is over."""
        self._drop(context)  # what an interrupted try left has rows that its refreshes changed
        for one in self._records(context):
            if one.case in todo:
                yield one
        self._drop(context)

    def _drop(self, context: RunContext) -> None:
        lake = self.lake(context.request, context.services)
        for table in tpch_data(context).tables:
            with contextlib.suppress(Refused):  # it was never made
                drop(lake.catalog, lake.namespace, table)

    def lake(self, request: Request, services: Services, session: str = "") -> Lake:
        """The engine's own namespace; each session has a catalog of its own name inside a server that several share."""
        lake = lakes.storage_lake(services, request.settings, self.storage)
        name = "_".join([lake.name, "tests", *([session] if session else [])])
        return replace(lake, name=name, namespace=f"tpch_{word(self.ref)}")

    def _records(self, context: RunContext) -> Iterator[Record]:
        state = RefreshState()
        loaded = yield from self._attempt(
            context.prerequisites, context.history, self._case("load"), lambda: self._load(context)
        )
        loaded = self._both(context.history, "load", loaded)
        power: float | None = None
        if "power" in self.tests:
            evidence = yield from self._power(context, state, ran=loaded is not None)
            power = (self._both(context.history, "power", evidence or None) or {}).get("power_at_size")
        if "throughput" in self.tests:
            ran_before = loaded is not None and (power is not None or "power" not in self.tests)
            yield from self._attempt(
                context.prerequisites,
                context.history,
                self._case("throughput"),
                lambda: self._throughput(context, state, power),
                ran=ran_before,
            )

    def _both(self, history: RunHistory, test: str, now: Evidence | None) -> Evidence | None:
        """The evidence of a test, ``None`` where it failed now, or in an earlier try, whose record stands."""
        earlier = history.case(self._case(test).id)
        if earlier is None or now is None:
            return now
        return earlier.evidence if earlier.outcome is Outcome.PASS else None

    def _attempt(
        self,
        prerequisites: Prerequisites,
        history: RunHistory,
        case: Case,
        test: Callable[[], Evidence],
        *,
        ran: bool = True,
    ) -> Generator[Record, None, Evidence | None]:
        """The record of one test; gives its evidence, ``None`` where it failed."""
        began = now()
        try:
            if not ran:
                raise EngineUnavailable(_BEFORE.format(ref=self.ref))
            evidence = test()
        except CaseError as error:
            yield failure(prerequisites, history, case, began, error, {})
            return None
        yield record(history, case, began, evidence)
        return evidence

    # load

    def _load(self, context: RunContext) -> Evidence:
        _must_be_able(self.ref)
        workload = tpch.workload(tpch_data(context))
        written = write(
            context, self.lake(context.request, context.services), workload, self.ref, sessions=("tests",)
        ).require_all()
        facts = [snapshot(self.lake(context.request, context.services), name).facts() for name in workload.tables]
        wrong = [one.name for one in facts if one.rows != workload.tables[one.name].rows]
        if wrong:
            raise WrongAnswer(f"after the load {', '.join(wrong)} has other rows than were loaded")
        return {
            "load_seconds": written.seconds,
            "peak_bytes": written.peak_bytes,
            "rows": sum(one.rows for one in facts),
            "files": sum(one.files or 0 for one in facts),
            "bytes": sum(one.bytes or 0 for one in facts),
            "checked_against": ["the generator's rows, by the count of each table's snapshot"],
        }

    # power

    def _power(self, context: RunContext, state: RefreshState, *, ran: bool) -> Generator[Record, None, dict[str, Any]]:
        """RF1, the 22 queries of stream 0, RF2; and after each refresh what the readers see."""
        evidence: dict[str, Any] = {}
        read: set[str] = set()
        case, began = self._case("power"), now()
        try:
            if not ran:
                raise EngineUnavailable(_BEFORE.format(ref=self.ref))
            pair = self._pair(context, 1)
            refreshes = {"RF1": self._steps(context, state, pair[:2])}
            for one in self._agreed(context, state, "rf1"):
                read.add(one.case)
                yield one
            asked = self._stream(context.request, 0)
            answers = {one.name: self._query(context, one, "tests") for one in asked}
            seconds = {one.name.upper(): answers[one.name].ns / _NS for one in asked}
            evidence["checked"] = self._verified(context, asked, answers, state)
            refreshes["RF2"] = self._steps(context, state, pair[2:])
            for one in self._agreed(context, state, "rf2"):
                read.add(one.case)
                yield one
        except CaseError as error:
            yield failure(context.prerequisites, context.history, case, began, error, {})
            for unread in (one for one in self.cases if one.coordinates.reader and one.id not in read):
                unavailable = EngineUnavailable(f"the power test of {self.ref} did not come to this: {error}")
                yield failure(context.prerequisites, context.history, unread, now(), unavailable, {})
            return {}
        evidence |= {
            "seconds": {name: round(one, 6) for name, one in (refreshes | seconds).items()},
            "power_at_size": metrics.power(
                list(seconds.values()), list(refreshes.values()), context.request.profile.scale_factor
            ),
            "checked_against": [_WITNESS],
            "stream": 0,
            "parameters_seed": context.request.seed,
        }
        yield record(context.history, case, began, evidence)
        return evidence

    def _agreed(self, context: RunContext, state: RefreshState, point: str) -> Iterator[Record]:
        """What each reader sees of orders and line items now."""
        into = self._witness_answer(context, _SEEN, frozenset(KEYS), state, f"seen-{point}")
        for reader in self.readers:
            case, began = self._reads(point, reader), now()
            try:
                sql = translated(_SEEN, DIALECT, engines.find(reader.name).dialect)
                lake = self.lake(context.request, context.services)
                seen = context.client.query(reader, lake, sql, session="readers")
                comparison = same(context.checker.call(answer_files.compare, seen.path, {_WITNESS: into}, _EXACT))
            except CaseError as error:
                yield failure(context.prerequisites, context.history, case, began, error, {"sql": _SEEN})
            else:
                yield record(context.history, case, began, {**comparison, "sql": sql})

    # throughput

    def _throughput(self, context: RunContext, state: RefreshState, power: float | None) -> Evidence:
        """Streams side by side with one refresh stream of as many pairs."""
        scale_factor = context.request.profile.scale_factor
        count = stream_count(scale_factor)
        asked = {number: self._stream(context.request, number) for number in range(1, count + 1)}
        pairs = [self._pair(context, number + 1) for number in range(1, count + 1)]
        sessions = {number: f"stream-{number}" for number in asked}
        taken = [(self.ref, session) for session in (*sessions.values(), "refresh")]
        with context.workers.reserved(taken), ThreadPoolExecutor(count + 1) as pool:
            for ref, session in taken:
                context.workers.open(ref, self.lake(context.request, context.services, word(session)), session)
            running = {number: pool.submit(self._queries, context, asked[number], sessions[number]) for number in asked}
            refreshing = pool.submit(lambda: [self._step(context, one, "refresh") for pair in pairs for one in pair])
            try:
                ran = {number: one.result() for number, one in running.items()}
                steps = refreshing.result()
            finally:  # a stream that goes on for nobody ends with its worker
                for ref, session in taken:
                    context.workers.retire(ref, session)
        everything = [*(one for stream in ran.values() for one in stream), *steps]
        elapsed = (max(one.ended for one in everything) - min(one.began for one in everything)) / _NS
        wanted = [one for pair in pairs for one in pair]
        states = self._verify_streams(context, state, asked, ran, wanted, steps)
        value = metrics.throughput(count, elapsed, scale_factor)
        return {
            "streams": count,
            "elapsed_seconds": round(elapsed, 6),
            "throughput_at_size": value,
            **({"qphh_at_size": metrics.qphh(power, value)} if power is not None else {}),
            "stream_seconds": {
                str(number): round((stream[-1].ended - stream[0].began) / _NS, 6) for number, stream in ran.items()
            },
            "refresh_seconds": {
                f"pair {at // _COMMITS + 1}, {step.function} {step.table}": round(one.ns / _NS, 6)
                for at, (step, one) in enumerate(zip(wanted, steps, strict=True))
            },
            "seconds": {
                f"stream {number} {one.name.upper()}": round(one.ns / _NS, 6)
                for number, stream in ran.items()
                for one in stream
            },
            "checked_against": [f"{_WITNESS}, each answer in a state that the refreshes allow at its time"],
            "states_seen": states,
        }

    def _verify_streams(
        self,
        context: RunContext,
        state: RefreshState,
        asked: Mapping[int, Sequence[Question]],
        ran: Mapping[int, Sequence[Done]],
        steps: Sequence[RefreshStep],
        done: Sequence[Done],
    ) -> dict[str, str]:
        """Hold each answer against the states that it may have seen; which one it was, in words.

        Raises:
            WrongAnswer: one fits none of them.
        """
        seen: dict[str, str] = {}
        for number, questions in asked.items():
            for question, one in zip(questions, ran[number], strict=True):
                name = f"stream {number} {question.name.upper()}"
                seen[name] = self._fits(context, state, question, one, steps, done, name)
        return seen

    def _fits(
        self,
        context: RunContext,
        state: RefreshState,
        question: Question,
        one: Done,
        steps: Sequence[RefreshStep],
        done: Sequence[Done],
        name: str,
    ) -> str:
        difference = ""
        for orders, items in _possible(question, one, steps, done):
            after = state_after(state, steps, orders, items)
            into = self._witnessed(context, question, after, f"{name}-{orders}-{items}")
            checked = context.checker.call(answer_files.compare, one.answer or into, {_WITNESS: into}, question.rules)
            if checked.diff is None:
                return f"orders after {orders} commits, lineitem after {items}"
            difference = difference or checked.message
        raise WrongAnswer(f"{name} fits no state that the refreshes allow while it ran: {difference}")

    # pieces

    def _stream(self, request: Request, number: int) -> list[Question]:
        scale_factor = request.profile.scale_factor
        return tpch.questions(scale_factor, stream_queries(scale_factor, request.seed, number))

    def _pair(self, context: RunContext, number: int) -> list[RefreshStep]:
        """The commits of refresh pair ``number``: RF1 inserts orders, then line items; RF2 deletes the other way."""
        dataset, folder = tpch_data(context), context.files.kept / "refresh" / str(number)
        pair = refresh.refresh_pair(dataset, number)
        orders, items = context.prepared.once(
            f"refresh/{number}",
            lambda: context.checker.call(
                refresh.write_insert, dataset.tables["orders"].files, dataset.tables["lineitem"].files, pair, folder
            ),
        )
        keys = (pair.delete_lo, pair.delete_hi)
        return [
            RefreshStep("RF1", "orders", file=orders),
            RefreshStep("RF1", "lineitem", file=items),
            RefreshStep("RF2", "lineitem", keys=keys),
            RefreshStep("RF2", "orders", keys=keys),
        ]

    def _steps(self, context: RunContext, state: RefreshState, steps: Sequence[RefreshStep]) -> float:
        """Commit ``steps``; their seconds by the worker's clock."""
        done = [self._step(context, one, "tests") for one in steps]
        for one in steps:
            apply(state, one)
        return sum(one.ns for one in done) / _NS

    def _step(self, context: RunContext, step: RefreshStep, session: str) -> Done:
        lake = self.lake(context.request, context.services, word(session) if session == "refresh" else "")
        began = time.perf_counter_ns()
        if step.file is not None:
            reply = context.client.call(
                self.ref, lake, "load", session=session, table=step.table, files=[str(step.file)]
            )
        else:
            low, high = step.keys or (0, 0)
            key = KEYS[step.table]
            where = (Condition(key, ">=", low), Condition(key, "<=", high))
            reply = context.client.call(
                self.ref,
                lake,
                "operate",
                session=session,
                operations=[to_json(Delete(table=step.table, fields=_FIELDS[step.table], where=where))],
            )
        return Done(step.function, began, time.perf_counter_ns(), reply["ns"])

    def _query(self, context: RunContext, question: Question, session: str) -> Done:
        lake = self.lake(context.request, context.services, word(session) if session.startswith("stream") else "")
        sql = question.sql(engines.find(self.ref.name))
        began = time.perf_counter_ns()
        answer = context.client.query(self.ref, lake, sql, session=session)
        return Done(question.name, began, time.perf_counter_ns(), answer.ns, answer.path)

    def _queries(self, context: RunContext, asked: Sequence[Question], session: str) -> list[Done]:
        return [self._query(context, one, session) for one in asked]

    def _verified(
        self, context: RunContext, asked: Sequence[Question], answers: Mapping[str, Done], state: RefreshState
    ) -> dict[str, str]:
        """The hash of each verified answer.

        Raises:
            WrongAnswer: one is not right.
        """
        hashes = {}
        for question in asked:
            into = self._witnessed(context, question, state, f"power-{question.name}")
            actual = answers[question.name].answer or into
            checked = context.checker.call(answer_files.compare, actual, {_WITNESS: into}, question.rules)
            if checked.diff is not None:
                raise WrongAnswer(f"{question.name.upper()} after RF1: {checked.message}")
            hashes[question.name.upper()] = checked.sha256
        return hashes

    def _witnessed(self, context: RunContext, question: Question, state: RefreshState, name: str) -> Path:
        return self._witness_answer(context, question.sql(engines.find("duckdb")), question.tables, state, name)

    def _witness_answer(
        self, context: RunContext, sql: str, tables: frozenset[str], state: RefreshState, name: str
    ) -> Path:
        """The witness's answer in ``state``.

        Raises:
            EngineUnavailable: it has none, so nothing can be verified.
        """
        into = context.files.new(f"witness-{name}")
        try:
            context.witness.answer(
                sql, self._views(context, state, tables), into, context.request.profile.protocol.limit_s
            )
        except CaseError as error:
            raise EngineUnavailable(f"cannot be verified: {error}") from error
        return into

    def _views(self, context: RunContext, state: RefreshState, tables: frozenset[str]) -> dict[str, str]:
        files = {name: table.files for name, table in tpch_data(context).tables.items() if name in tables}
        return dict(states.views(files, state.inserted, state.deleted))

    def _case(self, test: str) -> Case:
        return Case(
            id=f"{self.phase}/{self.storage}/{test}/{self.ref}",
            phase=self.phase,
            title=f"{test} test by {self.ref} on {self.storage}",
            engine=self.ref,
            group=f"{_GROUP} on {self.storage}",
            row=test,
            column=str(self.ref),
            coordinates=Coordinates(engine=self.ref.name, version=self.ref.version, storage=self.storage, test=test),
        )

    def _reads(self, point: str, reader: EngineRef) -> Case:
        return Case(
            id=f"{self.phase}/{self.storage}/{point}/{self.ref}→{reader}",
            phase=self.phase,
            title=f"{reader} reads what {point.upper()} of {self.ref} left",
            engine=reader,
            group=f"{_AGREE}, {self.storage}",
            row=f"{self.ref}, {point.upper()}",
            column=str(reader),
            coordinates=Coordinates(writer=str(self.ref), reader=str(reader), storage=self.storage, test=point),
        )


def performance_tests(request: Request, phase: str) -> Iterator[PerformanceTests]:
    """The tests that were asked for, engine by engine on each storage; all others read what one has written."""
    tests = tuple(test for test in ("power", "throughput") if test in request.selection.tests)
    refs = [ref for ref in request.able(CanQuery) if CatalogKind.REST in engines.find(ref.name).catalogs]
    for storage in request.selection.storages if tests else ():
        for ref in refs:
            readers = tuple(one for one in refs if one != ref) if not _cannot(ref) else ()
            yield PerformanceTests(phase, ref, storage, tests, readers)


def _must_be_able(ref: EngineRef) -> None:
    if missing := _cannot(ref):
        raise EngineUnavailable(f"{ref} cannot take the tests: it has no way to {' and '.join(missing)}")


def _cannot(ref: EngineRef) -> list[str]:
    """What ``ref`` lacks of what the tests need."""
    engine = engines.find(ref.name)
    missing = [] if issubclass(engine, CanCreate) and issubclass(engine, CanLoad) else ["load files (RF1)"]
    deletes = issubclass(engine, CanOperate) and Delete in engine.operations
    return [*missing, *([] if deletes else ["delete rows (RF2)"])]


def _possible(
    question: Question, one: Done, steps: Sequence[RefreshStep], done: Sequence[Done]
) -> list[tuple[int, int]]:
    """How many commits on orders and on line items the query may have seen, by when it and they ran."""
    timed = [(step.table, ran.began, ran.ended) for step, ran in zip(steps, done, strict=True)]
    return states.candidates(timed, one.began, one.ended, question.tables)
