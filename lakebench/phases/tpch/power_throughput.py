"""The load, power and throughput tests of TPC-H (clauses 4.3, 5.3 and 5.4), each engine on tables that it wrote."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
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
from lakebench.execution.context import Bench
from lakebench.iceberg.catalogs import drop
from lakebench.iceberg.operations import Delete, to_json
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field
from lakebench.model import CatalogKind, EngineRef, Lake, Record
from lakebench.outcomes import Outcome
from lakebench.phases.table_loading import snapshot, tpch_data, word, write
from lakebench.services import lakes

_NS = 1e9
_COMMITS = 4  # of a refresh pair
_BEFORE = "a test of {ref} that comes before this one did not pass, so nobody knows what its tables hold"
_GROUP = "TPC-H tests"
_AGREE = "After each refresh: who wrote (row), who read (column)"
_WITNESS = "DuckDB over the generator's files in the same state"
_KEYS = {"orders": "o_orderkey", "lineitem": "l_orderkey"}
_FIELDS = {table: (Field(key, "long"),) for table, key in _KEYS.items()}
_EXACT = Rules()
# What every engine must see alike after a refresh: one row, of sums that any missing or doubled row changes.
_SEEN = (
    "SELECT count(*) AS n, sum(o_totalprice) AS total, min(o_orderkey) AS lowest, max(o_orderkey) AS highest, "
    "(SELECT count(*) FROM lineitem) AS items, (SELECT sum(l_extendedprice) FROM lineitem) AS price, "
    "(SELECT sum(l_quantity) FROM lineitem) AS quantity FROM orders"
)


@dataclass
class RefreshState:
    """What the refreshes have made of orders and line items: files inserted, and ranges of keys deleted."""

    inserted: dict[str, list[Path]] = field(default_factory=lambda: {table: [] for table in _KEYS})
    deleted: dict[str, list[tuple[int, int]]] = field(default_factory=lambda: {table: [] for table in _KEYS})


@dataclass(frozen=True)
class RefreshStep:
    """One commit of a refresh: rows of ``file`` inserted, or those with a key in ``keys`` deleted."""

    function: str
    table: str
    file: Path | None = None
    keys: tuple[int, int] | None = None


@dataclass(frozen=True)
class Done:
    """A step or a query as it ran: nanoseconds of the parent's clock, and what the worker's clock says."""

    name: str
    began: int
    ended: int
    ns: int
    answer: Path | None = None


@dataclass(frozen=True)
class Trial(Block):
    """The tests by one engine on one storage. What is asked for runs as a whole: the tables change on the way."""

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

    def run(self, bench: Bench, todo: frozenset[str]) -> Iterator[Record]:
        """Load, refresh and query; the tables go when it is over."""
        self._drop(bench)  # what an interrupted try left has rows that its refreshes changed
        for told in self._records(bench):
            if told.case in todo:
                yield told
        self._drop(bench)

    def _drop(self, bench: Bench) -> None:
        lake = self.lake(bench)
        for table in tpch_data(bench).tables:
            with contextlib.suppress(Refused):  # it was never made
                drop(lake.catalog, lake.namespace, table)

    def lake(self, bench: Bench, seat: str = "") -> Lake:
        """The engine's own namespace; each seat has a catalog of its own name inside a server that several share."""
        lake = lakes.storage_lake(bench.services, bench.settings, self.storage)
        name = "_".join([lake.name, "tests", *([seat] if seat else [])])
        return replace(lake, name=name, namespace=f"tpch_{word(self.ref)}")

    def _records(self, bench: Bench) -> Iterator[Record]:
        state = RefreshState()
        loaded = yield from self._attempt(bench, self._case("load"), lambda: self._load(bench))
        loaded = self._both(bench, "load", loaded)
        power: float | None = None
        if "power" in self.tests:
            told = yield from self._power(bench, state, ran=loaded is not None)
            power = (self._both(bench, "power", told or None) or {}).get("power_at_size")
        if "throughput" in self.tests:
            known = loaded is not None and (power is not None or "power" not in self.tests)
            yield from self._attempt(
                bench, self._case("throughput"), lambda: self._throughput(bench, state, power), ran=known
            )

    def _both(self, bench: Bench, test: str, now: Evidence | None) -> Evidence | None:
        """The evidence of a test, ``None`` where it failed now, or in an earlier try, whose record stands."""
        past = bench.past.case(self._case(test).id)
        if past is None or now is None:
            return now
        return past.evidence if past.outcome is Outcome.PASS else None

    def _attempt(
        self, bench: Bench, case: Case, test: Callable[[], Evidence], *, ran: bool = True
    ) -> Generator[Record, None, Evidence | None]:
        """The record of one test; gives its evidence, ``None`` where it failed."""
        began = now()
        try:
            if not ran:
                raise EngineUnavailable(_BEFORE.format(ref=self.ref))
            evidence = test()
        except CaseError as error:
            yield failure(bench, case, began, error, {})
            return None
        yield record(bench, case, began, evidence)
        return evidence

    # load

    def _load(self, bench: Bench) -> Evidence:
        _must_be_able(self.ref)
        workload = tpch.workload(tpch_data(bench))
        written = write(bench, self.lake(bench), workload, self.ref, seats=("tests",)).require_all()
        facts = [snapshot(self.lake(bench), name).facts() for name in workload.tables]
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

    def _power(self, bench: Bench, state: RefreshState, *, ran: bool) -> Generator[Record, None, dict[str, Any]]:
        """RF1, the 22 queries of stream 0, RF2; and after each refresh what the readers see."""
        told: dict[str, Any] = {}
        read: set[str] = set()
        case, began = self._case("power"), now()
        try:
            if not ran:
                raise EngineUnavailable(_BEFORE.format(ref=self.ref))
            pair = self._pair(bench, 1)
            refreshes = {"RF1": self._steps(bench, state, pair[:2])}
            for one in self._agreed(bench, state, "rf1"):
                read.add(one.case)
                yield one
            asked = self._stream(bench, 0)
            answers = {one.name: self._query(bench, one, "tests") for one in asked}
            seconds = {one.name.upper(): answers[one.name].ns / _NS for one in asked}
            told["checked"] = self._verified(bench, asked, answers, state)
            refreshes["RF2"] = self._steps(bench, state, pair[2:])
            for one in self._agreed(bench, state, "rf2"):
                read.add(one.case)
                yield one
        except CaseError as error:
            yield failure(bench, case, began, error, {})
            for unread in (one for one in self.cases if "→" in one.id and one.id not in read):
                untold = EngineUnavailable(f"the power test of {self.ref} did not come to this: {error}")
                yield failure(bench, unread, now(), untold, {})
            return {}
        told |= {
            "seconds": {name: round(one, 6) for name, one in (refreshes | seconds).items()},
            "power_at_size": metrics.power(
                list(seconds.values()), list(refreshes.values()), bench.profile.scale_factor
            ),
            "checked_against": [_WITNESS],
            "stream": 0,
            "parameters_seed": bench.seed,
        }
        yield record(bench, case, began, told)
        return told

    def _agreed(self, bench: Bench, state: RefreshState, point: str) -> Iterator[Record]:
        """What each reader sees of orders and line items now."""
        into = self._testified(bench, _SEEN, frozenset(_KEYS), state, f"seen-{point}")
        for reader in self.readers:
            case, began = self._reads(point, reader), now()
            try:
                sql = translated(_SEEN, DIALECT, engines.find(reader.name).dialect)
                seen = bench.file(f"{reader}-{point}")
                bench.call(reader, self.lake(bench), "query", seat="readers", sql=sql, into=str(seen))
                found = same(bench.checker.call(answer_files.compare, seen, {_WITNESS: into}, _EXACT))
            except CaseError as error:
                yield failure(bench, case, began, error, {"sql": _SEEN})
            else:
                yield record(bench, case, began, {**found, "sql": sql})

    # throughput

    def _throughput(self, bench: Bench, state: RefreshState, power: float | None) -> Evidence:
        """Streams side by side with one refresh stream of as many pairs."""
        scale_factor = bench.profile.scale_factor
        count = stream_count(scale_factor)
        asked = {number: self._stream(bench, number) for number in range(1, count + 1)}
        pairs = [self._pair(bench, number + 1) for number in range(1, count + 1)]
        seats = {number: f"stream-{number}" for number in asked}
        taken = [(self.ref, seat) for seat in (*seats.values(), "refresh")]
        with bench.together(taken), ThreadPoolExecutor(count + 1) as pool:
            for ref, seat in taken:
                bench.remote(ref, self.lake(bench, word(seat)), seat)
            running = {number: pool.submit(self._queries, bench, asked[number], seats[number]) for number in asked}
            refreshing = pool.submit(lambda: [self._step(bench, one, "refresh") for pair in pairs for one in pair])
            try:
                ran = {number: one.result() for number, one in running.items()}
                steps = refreshing.result()
            finally:  # a stream that goes on for nobody ends with its worker
                for ref, seat in taken:
                    bench.retire(ref, seat)
        everything = [*(one for stream in ran.values() for one in stream), *steps]
        elapsed = (max(one.ended for one in everything) - min(one.began for one in everything)) / _NS
        wanted = [one for pair in pairs for one in pair]
        states = self._verify_streams(bench, state, asked, ran, wanted, steps)
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
        bench: Bench,
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
                seen[name] = self._fits(bench, state, question, one, steps, done, name)
        return seen

    def _fits(
        self,
        bench: Bench,
        state: RefreshState,
        question: Question,
        one: Done,
        steps: Sequence[RefreshStep],
        done: Sequence[Done],
        name: str,
    ) -> str:
        said = ""
        for orders, items in _possible(question, one, steps, done):
            after = _after(state, steps, orders, items)
            into = self._witnessed(bench, question, after, f"{name}-{orders}-{items}")
            checked = bench.checker.call(answer_files.compare, one.answer or into, {_WITNESS: into}, question.rules)
            if checked.diff is None:
                return f"orders after {orders} commits, lineitem after {items}"
            said = said or checked.message
        raise WrongAnswer(f"{name} fits no state that the refreshes allow while it ran: {said}")

    # pieces

    def _stream(self, bench: Bench, number: int) -> list[Question]:
        scale_factor = bench.profile.scale_factor
        return tpch.questions(scale_factor, stream_queries(scale_factor, bench.seed, number))

    def _pair(self, bench: Bench, number: int) -> list[RefreshStep]:
        """The commits of refresh pair ``number``: RF1 inserts orders, then line items; RF2 deletes the other way."""
        dataset, folder = tpch_data(bench), bench.data / "refresh" / str(number)
        pair = refresh.refresh_pair(dataset, number)
        orders, items = bench.prepare(
            f"refresh/{number}",
            lambda: bench.checker.call(
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

    def _steps(self, bench: Bench, state: RefreshState, steps: Sequence[RefreshStep]) -> float:
        """Commit ``steps``; their seconds by the worker's clock."""
        done = [self._step(bench, one, "tests") for one in steps]
        for one in steps:
            _apply(state, one)
        return sum(one.ns for one in done) / _NS

    def _step(self, bench: Bench, step: RefreshStep, seat: str) -> Done:
        lake = self.lake(bench, word(seat) if seat == "refresh" else "")
        began = time.perf_counter_ns()
        if step.file is not None:
            reply = bench.call(self.ref, lake, "load", seat=seat, table=step.table, files=[str(step.file)])
        else:
            low, high = step.keys or (0, 0)
            key = _KEYS[step.table]
            where = (Condition(key, ">=", low), Condition(key, "<=", high))
            reply = bench.call(
                self.ref,
                lake,
                "operate",
                seat=seat,
                operations=[to_json(Delete(table=step.table, fields=_FIELDS[step.table], where=where))],
            )
        return Done(step.function, began, time.perf_counter_ns(), reply["ns"])

    def _query(self, bench: Bench, question: Question, seat: str) -> Done:
        lake = self.lake(bench, word(seat) if seat.startswith("stream") else "")
        into = bench.file(f"{seat}-{question.name}")
        sql = question.sql(engines.find(self.ref.name))
        began = time.perf_counter_ns()
        reply = bench.call(self.ref, lake, "query", seat=seat, sql=sql, into=str(into))
        return Done(question.name, began, time.perf_counter_ns(), reply["ns"], into)

    def _queries(self, bench: Bench, asked: Sequence[Question], seat: str) -> list[Done]:
        return [self._query(bench, one, seat) for one in asked]

    def _verified(
        self, bench: Bench, asked: Sequence[Question], answers: Mapping[str, Done], state: RefreshState
    ) -> dict[str, str]:
        """The hash of each verified answer.

        Raises:
            WrongAnswer: one is not right.
        """
        hashes = {}
        for question in asked:
            into = self._witnessed(bench, question, state, f"power-{question.name}")
            actual = answers[question.name].answer or into
            checked = bench.checker.call(answer_files.compare, actual, {_WITNESS: into}, question.rules)
            if checked.diff is not None:
                raise WrongAnswer(f"{question.name.upper()} after RF1: {checked.message}")
            hashes[question.name.upper()] = checked.sha256
        return hashes

    def _witnessed(self, bench: Bench, question: Question, state: RefreshState, name: str) -> Path:
        return self._testified(bench, question.sql(engines.find("duckdb")), question.tables, state, name)

    def _testified(self, bench: Bench, sql: str, tables: frozenset[str], state: RefreshState, name: str) -> Path:
        """The witness's answer in ``state``.

        Raises:
            EngineUnavailable: it has none, so nothing can be verified.
        """
        into = bench.file(f"witness-{name}")
        try:
            bench.witness.answer(sql, self._views(bench, state, tables), into, bench.profile.protocol.limit_s)
        except CaseError as error:
            raise EngineUnavailable(f"cannot be verified: {error}") from error
        return into

    def _views(self, bench: Bench, state: RefreshState, tables: frozenset[str]) -> dict[str, str]:
        files = {name: table.files for name, table in tpch_data(bench).tables.items() if name in tables}
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
        )


def trials(bench: Bench, phase: str) -> Iterator[Trial]:
    """The tests that were asked for, engine by engine on each storage; all others read what one has written."""
    tests = tuple(test for test in ("power", "throughput") if test in bench.selection.tests)
    refs = [ref for ref in bench.able(CanQuery) if CatalogKind.REST in engines.find(ref.name).catalogs]
    for storage in bench.selection.storages if tests else ():
        for ref in refs:
            readers = tuple(one for one in refs if one != ref) if not _cannot(ref) else ()
            yield Trial(phase, ref, storage, tests, readers)


def _must_be_able(ref: EngineRef) -> None:
    if missing := _cannot(ref):
        raise EngineUnavailable(f"{ref} cannot take the tests: it has no way to {' and '.join(missing)}")


def _cannot(ref: EngineRef) -> list[str]:
    """What ``ref`` lacks of what the tests need."""
    engine = engines.find(ref.name)
    missing = [] if issubclass(engine, CanCreate) and issubclass(engine, CanLoad) else ["load files (RF1)"]
    deletes = issubclass(engine, CanOperate) and Delete in engine.operations
    return [*missing, *([] if deletes else ["delete rows (RF2)"])]


def _apply(state: RefreshState, step: RefreshStep) -> None:
    if step.file is not None:
        state.inserted[step.table].append(step.file)
    elif step.keys is not None:
        state.deleted[step.table].append(step.keys)


def _after(state: RefreshState, steps: Sequence[RefreshStep], orders: int, items: int) -> RefreshState:
    """``state`` after the first commits of ``steps`` on each table."""
    after = RefreshState(
        {table: list(files) for table, files in state.inserted.items()},
        {table: list(keys) for table, keys in state.deleted.items()},
    )
    for table, count in (("orders", orders), ("lineitem", items)):
        for step in [one for one in steps if one.table == table][:count]:
            _apply(after, step)
    return after


def _possible(
    question: Question, one: Done, steps: Sequence[RefreshStep], done: Sequence[Done]
) -> list[tuple[int, int]]:
    """How many commits on orders and on line items the query may have seen, by when it and they ran."""
    timed = [(step.table, ran.began, ran.ended) for step, ran in zip(steps, done, strict=True)]
    return states.candidates(timed, one.began, one.ended, question.tables)
