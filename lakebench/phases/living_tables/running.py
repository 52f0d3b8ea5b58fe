"""A life carried out: commits by the writers in turn, looks at the table and by its readers, and maintenance."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from lakebench.datasets import answer_files
from lakebench.datasets.living import life as program
from lakebench.datasets.living import oracle
from lakebench.datasets.living.life import FIELDS, KEY, RECENT, TABLE, WATCHED
from lakebench.datasets.rules import Rules
from lakebench.errors import CaseError
from lakebench.execution.cases import same
from lakebench.execution.context import RunContext
from lakebench.iceberg.operations import Operation, to_json
from lakebench.iceberg.scan import Condition, Scan
from lakebench.model import EngineRef
from lakebench.phases import call_costs
from lakebench.phases.living_tables.lives import Life
from lakebench.phases.living_tables.maintaining import Maintenance
from lakebench.phases.living_tables.observations import EXPIRED, READS, TAG, WRITES, Ended, Observations
from lakebench.phases.living_tables.tables import STORE, LivingTable, table_of
from lakebench.phases.table_loading import tpch_data

_TAG = "kept"
_ORACLE = "the commits of the life"
_SHOWN = 300


@dataclass
class Pin:
    """A snapshot that readers stay with: after how many commits, and whether a tag holds it or it has expired."""

    snapshot_id: int
    commits: int
    tagged: bool
    expired: bool = False

    @property
    def check(self) -> str:
        """The kind of check that reading it belongs to."""
        return TAG if self.tagged else EXPIRED


@dataclass
class LifeRun:
    """The state of a life: the commits that were ``done``, as JSON, and what was observed."""

    context: RunContext
    life: Life
    seen: Observations
    done: list[dict[str, Any]] = field(default_factory=list)
    snapshots: list[tuple[int, EngineRef]] = field(default_factory=list)
    pins: list[Pin] = field(default_factory=list)
    _turn: int = 0
    _maintained: int = 0  # commits whose snapshots may have expired

    def run(self) -> None:
        """From the first row to the last look; what an engine does wrong is in the observations."""
        self.table: LivingTable = table_of(self.context, self.life)
        try:
            self._live()
        except Ended as end:
            self.seen.why = self.seen.why or str(end)
        else:
            self._finish()
        finally:
            self.table.end()

    def _live(self) -> None:
        data = tpch_data(self.context)
        self.base: Sequence[Path] = data.tables[TABLE].files
        self.scale = data.scale_factor
        try:
            self.loader = self.table.create(self.life.loaders, self.base)
        except CaseError as error:
            raise Ended(f"no engine could fill the table: {error}") from error
        commits = program.commits(self.scale, self.life.commits, self.context.request.seed)
        title = f"the life of {self.life.title}"
        with self.context.progress.count(title, self.life.commits) as done:
            self.look("commits")
            if self.table.hold(_TAG):
                self._pin(tagged=True)
            first = 0
            for number, last in enumerate(self.life.periods):
                for at, operation in enumerate(commits[first:last], first + 1):
                    self._commit(operation)
                    done(at)
                    if at == (first + last + 1) // 2:
                        self._pin(tagged=False)
                    if at == last or at % self.life.every == 0:
                        self.look("commits")
                self._maintain(number)
                first = last

    # Writers

    def _commit(self, operation: Operation) -> None:
        """By the writer whose turn it is; where it fails, by the next one, and the failed one has no turn any more.

        Raises:
            Ended: nobody is left.
        """
        for _ in self.life.writers:
            able = [ref for ref in self.life.writers if not self.seen.has_failed((WRITES, ref))]
            if not able:
                break
            ref = able[self._turn % len(able)]
            self._turn += 1
            if self._committed(ref, operation):
                return
        raise Ended("no writer is left")

    def _committed(self, ref: EngineRef, operation: Operation) -> bool:
        before = self.table.snapshot()
        try:
            commit = partial(self.table.operate, ref, operation)
            cost = call_costs.change_cost(self.context, ref, self.table.lake, commit, STORE)
        except CaseError as error:
            self.seen.fail((WRITES, ref), _at(error, len(self.done) + 1))
            if self.table.snapshot() == before:
                return False
            cost = None  # the engine failed, and the commit is there
        self.done.append(to_json(operation))
        self.snapshots.append((self.table.snapshot(), ref))
        values = {} if cost is None else cost.to_json()
        about = {"commit": len(self.done), "operation": type(operation).__name__}
        self.seen.add((WRITES, ref), "commits", {**about, **values})
        return True

    # Readers

    def look(self, moment: str, maintainer: EngineRef | None = None) -> None:
        """Check the rows by the table's own files; then ask every reader, and note what it costs.

        Raises:
            Ended: the table is wrong.
        """
        if wrong := self.table.wrong_rows(self.base, self.done):
            raise self._blame(wrong)
        expected = self._expected(len(self.done), tuple(self._queries))
        about: dict[str, Any] = {"commits": len(self.done), "moment": moment, **self.table.facts()}
        about |= {"maintainer": str(maintainer)} if maintainer else {}
        order = self.context.request.shuffled(self.life.readers, where=f"{self.life.id}/{len(self.done)}/{moment}")
        for ref in order:
            if not self.seen.has_failed((READS, ref)):
                self._ask(ref, about, expected)

    @property
    def _queries(self) -> dict[str, str]:
        return program.queries(self.scale)

    def _ask(self, ref: EngineRef, about: Mapping[str, Any], expected: Mapping[str, Path]) -> None:
        """Every query by one reader; only where all answers are right the look has times."""
        answers: dict[str, Any] = {}
        first = "looks" not in self.seen.evidence((READS, ref))
        for name, sql in self._queries.items():
            try:
                taken = [
                    self._execute(ref, sql, expected[name], at_store=number == first)
                    for number in range(self.life.samples + first)
                ]
            except CaseError as error:
                end = _at(error, about["commits"])
                end.details["sql"] = sql
                self.seen.fail((READS, ref), end)
                return
            answers[name] = [one.to_json() for one in taken[first:]]
        self.seen.evidence((READS, ref))["sql"] = self._queries
        self.seen.add((READS, ref), "looks", {**about, "answers": answers})

    def _execute(self, ref: EngineRef, sql: str, expected: Path, *, at_store: bool) -> call_costs.Cost:
        """One execution, its answer checked.

        Raises:
            CaseError: it failed, or the answer is wrong.
        """
        into, lake = self.context.files.new(f"{ref}-look"), self.table.lake
        query = partial(self.context.client.call, ref, lake, "query", sql=sql, into=str(into))
        cost = call_costs.query_cost(self.context, ref, lake, query, store=STORE if at_store else "")
        same(self.context.checker.call(answer_files.compare, into, {_ORACLE: expected}, Rules()))
        into.unlink()
        return cost

    def _expected(self, commits: int, names: tuple[str, ...]) -> dict[str, Path]:
        """The right answers after so many commits, as files."""
        into = {name: self.context.files.new(f"expected-{name}") for name in names}
        least = program.first_looked_up(self.scale)
        self.context.checker.call(oracle.write_answers, self.base, self.done[:commits], least, into)
        return into

    # Blame

    def _blame(self, wrong: str) -> Ended:
        """The writer of the first commit whose snapshot is wrong; the table cannot be trusted any more."""
        for number, (snapshot_id, ref) in enumerate(self.snapshots, 1):
            if number > self._maintained and self.table.wrong_rows(self.base, self.done[:number], snapshot_id):
                return self.seen.end((WRITES, ref), f"after commit {number}: {wrong}")
        return self.seen.end((WRITES, self.loader), f"after {len(self.done)} commits: {wrong}")

    # Pinned readers

    def _pin(self, *, tagged: bool) -> None:
        """Let readers stay with the current snapshot."""
        self.pins.append(Pin(self.table.snapshot(), len(self.done), tagged))
        self.read_pins()

    def read_pins(self) -> None:
        """Every reader at every pinned snapshot: right, or after its expiry refused; never anything else."""
        for pin in self.pins:
            expected = self._expected(pin.commits, ("recent",))["recent"]
            for ref in self.life.readers:
                if not self.seen.has_failed((pin.check, ref)):
                    self._read_pin(ref, pin, expected)
        self.pins = [pin for pin in self.pins if not pin.expired]

    def _read_pin(self, ref: EngineRef, pin: Pin, expected: Path) -> None:
        part = (pin.check, ref)
        said = {"pinned": pin.commits, "read": len(self.done), "expired": pin.expired}
        scan = dataclasses.replace(self.scan(RECENT), snapshot_id=pin.snapshot_id)
        try:
            answer = self.context.client.scan(ref, self.table.lake, scan)
        except CaseError as error:
            self.seen.add(part, "reads", {**said, "answer": f"{error.outcome}: {str(error)[:_SHOWN]}"})
            if not pin.expired or error.outcome.value != "REFUSED":
                self.seen.fail(part, error)
            return
        try:
            same(self.context.checker.call(answer_files.compare, answer, {_ORACLE: expected}, Rules()))
        except CaseError as error:
            self.seen.fail(part, error)
            return
        self.seen.add(part, "reads", {**said, "answer": "right"})

    def scan(self, columns: tuple[str, ...]) -> Scan:
        """The newest orders."""
        least = program.first_looked_up(self.scale)
        return Scan(TABLE, columns, where=(Condition(KEY, ">=", least),), fields=FIELDS)

    # Maintenance

    def _maintain(self, number: int) -> None:
        """The turn of the maintainer of this period, a look after its compaction, and one after all."""
        if not self.life.maintainers:
            return
        ref = self.life.maintainers[number]
        wrong = partial(self.table.wrong_rows, self.base, self.done)
        for step in self.life.steps(ref):
            expected = self._expected(len(self.done), ("watched",))["watched"]
            made = Maintenance(self.context, self.life, self.table, self.seen, ref, step)
            made.run(self.scan(WATCHED), expected, wrong)
            self._after(made, ref)

    def _after(self, made: Maintenance, ref: EngineRef) -> None:
        if made.expires:
            self._maintained = len(self.done)
            for pin in self.pins:
                pin.expired = pin.expired or not pin.tagged
            self.read_pins()
        if made.compacts:
            self.look("compacted", ref)
        if made.step is self.life.steps(ref)[-1] and not made.compacts:
            self.look("maintained", ref)

    def _finish(self) -> None:
        """All parts that were not ended before are through."""
        self.seen.finished.update(self._parts())

    def _parts(self) -> Iterator[tuple[str, EngineRef]]:
        for ref in self.life.writers:
            yield WRITES, ref
        for ref in self.life.readers:
            yield from ((check, ref) for check in (READS, TAG, EXPIRED))


def _at(error: CaseError, commit: int) -> CaseError:
    """``error`` with the number of the commit in its message."""
    made = type(error)(f"at commit {commit}: {error}")
    made.details.update(error.details)
    return made


def lived(context: RunContext, life: Life) -> Observations:
    """What ``life`` came to."""
    seen = Observations()
    LifeRun(context, life, seen).run()
    return seen
