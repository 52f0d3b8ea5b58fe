"""How long one statement through a foreign table takes; each execution is verified outside the clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lakebench.datasets import answer_files
from lakebench.datasets.rules import Rules
from lakebench.errors import CaseError
from lakebench.execution.cases import Block, Case, Evidence, failure, now, record, same
from lakebench.execution.context import RunContext
from lakebench.execution.protocol import Protocol
from lakebench.model import Record, Sample
from lakebench.phases.citus_fdw import iceberg
from lakebench.phases.citus_fdw.case import case_of, with_versions
from lakebench.phases.citus_fdw.ends import Link, Pair
from lakebench.phases.citus_fdw.tables import ready
from lakebench.phases.citus_fdw.writes import row, seen
from lakebench.processes import resources

GROUP = "Latencies through a foreign table"
_COLD = 5  # with fewer there is no interval
_FIRST_KEY = 10_000
_SELECT = "SELECT region, count(*) AS n, sum(amount) AS s FROM {t} WHERE ordered >= date '2025-06-01' GROUP BY region"


@dataclass(frozen=True)
class Statement:
    """A statement by the key of its row, and what shows that it was right.

    ``needs_row`` says that the row is there before it; ``query`` that it has an answer, which :attr:`verify` gets as a
    file.
    """

    title: str
    sql: Callable[[int], str]
    verify: Callable[[Link, int, Path], Evidence]
    needs_row: bool = False
    query: bool = False


def _checked_select(link: Link, _key: int, into: Path) -> Evidence:
    twin = {"a heap table with the same rows": link.answer(link.pair.local, _SELECT.format(t="twin")).path}
    return same(link.context.checker.call(answer_files.compare, into, twin, Rules()))


def _row_is(amount: str | None) -> Callable[[Link, int, Path], Evidence]:
    def checked(link: Link, key: int, _into: Path) -> Evidence:
        return {"readers": list(seen(link, key, amount))}

    return checked


STATEMENTS: Mapping[str, Statement] = {
    "select": Statement("SELECT with aggregate", lambda _: _SELECT.format(t="orders"), _checked_select, query=True),
    "insert": Statement("INSERT of one row", lambda key: f"INSERT INTO written VALUES {row(key)}", _row_is("1.25")),
    "update": Statement(
        "UPDATE of one row",
        lambda key: f"UPDATE written SET amount = 2.50 WHERE id = {key}",
        _row_is("2.50"),
        needs_row=True,
    ),
    "delete": Statement(
        "DELETE of one row", lambda key: f"DELETE FROM written WHERE id = {key}", _row_is(None), needs_row=True
    ),
}


def blocks(pair: Pair, protocol: Protocol) -> Iterator[Block]:
    """The measurement of each statement."""
    cold = replace(protocol, cold=max(protocol.cold, _COLD) if protocol.samples > 1 else 0)
    for number, (name, statement) in enumerate(STATEMENTS.items()):
        case = case_of(pair, "latency", name, GROUP, f"{statement.title}, {pair.name}")
        yield with_versions(pair, TimedStatement(case, pair, statement, cold, _FIRST_KEY * (number + 1)))


@dataclass(frozen=True)
class TimedStatement(Block):
    """One statement, executed by ``protocol`` with a row of its own each time, from ``first_key`` on."""

    case: Case
    pair: Pair
    statement: Statement
    protocol: Protocol
    first_key: int

    @property
    def cases(self) -> tuple[Case, ...]:
        """The one case."""
        return (self.case,)

    def run(self, context: RunContext, todo: frozenset[str]) -> Iterator[Record]:
        """Take the samples; one wrong execution ends them."""
        if self.case.id not in todo:
            return
        began, link, samples = now(), Link(context, self.pair), list[Sample]()
        evidence: dict[str, Any] = {"sql": self.statement.sql(self.first_key)}
        try:
            ready(link)
            evidence |= self._take(link, samples)
            yield record(context.history, self.case, began, evidence, tuple(samples))
        except CaseError as error:
            link.new_session(self.pair.local)
            yield failure(context.prerequisites, context.history, self.case, began, error, evidence)

    def _take(self, link: Link, samples: list[Sample]) -> Evidence:
        protocol, evidence = self.protocol, dict[str, Any]()
        kinds = ["cold"] * protocol.cold + ["warm-up"] * protocol.warm_ups + ["warm"] * protocol.samples
        self._prepare(link, len(kinds))
        began, before = time.perf_counter_ns(), iceberg.snapshots(link)
        for position, kind in enumerate(kinds):
            key = self.first_key + position
            cache = self._cool(link) if kind == "cold" else ""
            into = link.file("latency")
            offset = time.perf_counter_ns() - began
            reply = link.timed(self.statement.sql(key), into if self.statement.query else None)
            evidence.update(self.statement.verify(link, key, into))
            samples.append(_sample(kind, position, offset, reply, cache))
        return {**evidence, **iceberg.made(link, before, 0 if self.statement.query else len(kinds))}

    def _prepare(self, link: Link, number: int) -> None:
        """The same table for each statement: none but the rows that it needs, which the other end inserts at once."""
        rows = ", ".join(row(self.first_key + position) for position in range(number))
        insert = (f"INSERT INTO written VALUES {rows}",) if self.statement.needs_row else ()
        link.execute(link.pair.remote, "TRUNCATE written", *insert)

    def _cool(self, link: Link) -> str:
        """A new session of the local server, which connects anew; both servers keep what they have in memory."""
        link.new_session(self.pair.local)
        link.execute(self.pair.local, "SELECT 1")
        return f"new session here and so there, both servers kept, {resources.drop_page_cache()}"


def _sample(kind: Any, position: int, offset: int, reply: Mapping[str, Any], cache: str) -> Sample:
    """One execution by the clock of the worker; a write has one row, and no bytes of an answer."""
    return Sample(
        kind=kind,
        ns=reply["ns"],
        offset_ns=offset,
        position=position,
        round=position,
        rows=reply.get("rows", 1),
        bytes=reply.get("bytes", 0),
        cache=cache,
    )
