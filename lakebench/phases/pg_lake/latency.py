"""Field report C11: TPC-H's Q1 on 60,000 rows of an Iceberg table, and of its heap twin."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from lakebench.datasets.interop import store as uploads
from lakebench.datasets.tpch import data
from lakebench.datasets.tpch.queries import queries, sql_for
from lakebench.engines import find
from lakebench.errors import CaseError, WrongAnswer
from lakebench.execution.cases import Block, Case, failure, now, record
from lakebench.execution.context import RunContext
from lakebench.execution.protocol import Protocol
from lakebench.model import Record, Sample
from lakebench.phases.pg_lake.case import case_of
from lakebench.phases.pg_lake.server import TwinServer
from lakebench.phases.pg_lake.session import Reply, Session
from lakebench.processes import resources

GROUP = "Q1 on 60,000 rows"
SCALE = Decimal("0.01")
SIDES = {"lake": "an Iceberg table of pg_lake", "heap": "a heap table of the same server"}
_SCHEMA = "q1"
_COLD = 5  # with fewer there is no interval
_COLUMNS = (
    "l_orderkey bigint, l_partkey bigint, l_suppkey bigint, l_linenumber bigint, l_quantity numeric(15, 2), "
    "l_extendedprice numeric(15, 2), l_discount numeric(15, 2), l_tax numeric(15, 2), l_returnflag text, "
    "l_linestatus text, l_shipdate date, l_commitdate date, l_receiptdate date, l_shipinstruct text, "
    "l_shipmode text, l_comment text"
)


def q1() -> str:
    """Q1 with the default parameters, in PostgreSQL's words."""
    return sql_for(queries(SCALE)[0], find("postgres"))


def blocks(protocol: Protocol) -> Iterator[Block]:
    """The measurement of each side."""
    cold = replace(protocol, cold=max(protocol.cold, _COLD) if protocol.samples > 1 else 0)
    for side, title in SIDES.items():
        yield TimedQ1(case_of("latency", side, GROUP, title, "Q1"), side, cold)


@dataclass(frozen=True)
class TimedQ1(Block):
    """Q1 of one ``side``, executed by ``protocol``; each answer is held against that of the heap table."""

    case: Case
    side: str
    protocol: Protocol

    @property
    def cases(self) -> tuple[Case, ...]:
        """The one case."""
        return (self.case,)

    def run(self, context: RunContext, todo: frozenset[str]) -> Iterator[Record]:
        """Take the samples; one wrong answer ends them."""
        if self.case.id not in todo:
            return
        began, samples = now(), list[Sample]()
        evidence: dict[str, Any] = {"sql": q1()}
        try:
            server = TwinServer(context)
            server.opened()
            expected = context.prepared.once("pg_lake/q1", lambda: _load(server))
            evidence |= {"rows": [list(row) for row in expected.rows], "checked_against": [SIDES["heap"]]}
            self._take(server, expected, samples)
            yield record(context.history, self.case, began, evidence, tuple(samples))
        except CaseError as error:
            yield failure(context.prerequisites, context.history, self.case, began, error, evidence)

    def _take(self, server: TwinServer, expected: Reply, samples: list[Sample]) -> None:
        began, protocol = time.perf_counter_ns(), self.protocol
        for position in range(protocol.cold):
            cache = f"new session, the server's own caches kept, {resources.drop_page_cache()}"
            with self._session(server) as session:
                samples.append(_sample(session, expected, "cold", position, began, cache))
        with self._session(server) as session:
            for number in range(protocol.warm_ups + protocol.samples):
                kind = "warm-up" if number < protocol.warm_ups else "warm"
                samples.append(_sample(session, expected, kind, len(samples), began))

    def _session(self, server: TwinServer) -> Any:
        return server.session(f"{_SCHEMA}_{self.side}")


def _sample(session: Session, expected: Reply, kind: Any, position: int, began: int, cache: str = "") -> Sample:
    """One execution, drained as text by the client; its answer is compared outside the clock.

    Raises:
        WrongAnswer: it has another answer.
    """
    offset, sql = time.perf_counter_ns(), q1()
    reply = session.run(sql)
    ns = time.perf_counter_ns() - offset
    if reply.refused or not _same(reply, expected):
        raise WrongAnswer("Q1 has another answer than on the heap table", answer=reply.shown(), heap=expected.shown())
    size = sum(len(one or "") for row in reply.rows for one in row)
    return Sample(kind, ns, offset - began, position, position, len(reply.rows), size, cache=cache)


def _same(reply: Reply, expected: Reply) -> bool:
    """Averages may differ in the digits that PostgreSQL's numeric has beyond a double's."""
    pairs = zip(reply.rows, expected.rows, strict=False)
    return len(reply.rows) == len(expected.rows) and all(
        one == other or _close(one, other) for left, right in pairs for one, other in zip(left, right, strict=True)
    )


def _close(one: str | None, other: str | None) -> bool:
    try:
        return one is not None and other is not None and abs(float(one) - float(other)) <= 1e-9 * abs(float(other))
    except ValueError:
        return False


def _load(server: TwinServer) -> Reply:
    """Put ``lineitem`` into both tables from one Parquet file in the store; the answer of the heap table."""
    context = server.context
    files = data.generate(SCALE, context.progress).tables["lineitem"].files
    folder = f"{server.endpoint.properties['location']}/{server.schema(_SCHEMA)}"
    addresses = context.checker.call(uploads.upload, files, server.store, folder)
    with server.session(f"{_SCHEMA}_heap") as heap, server.session(f"{_SCHEMA}_lake") as lake:
        heap.must(f"CREATE TABLE lineitem ({_COLUMNS})")
        heap.must(*(f"COPY lineitem FROM '{one}'" for one in addresses), "ANALYZE lineitem")
        lake.must(f"CREATE TABLE lineitem ({_COLUMNS}) USING iceberg")
        lake.must(*(f"COPY lineitem FROM '{one}'" for one in addresses))
        return heap.must(q1())
