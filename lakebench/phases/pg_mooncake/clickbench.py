"""ClickBench's queries on the table ``hits`` of each side: the heap tables of a server beside those by column."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from lakebench import engines
from lakebench.datasets import clickbench
from lakebench.datasets.clickbench.queries import queries, question
from lakebench.datasets.workload import Question, Workload, write_schema
from lakebench.execution.cases import Check, Evidence
from lakebench.execution.context import RunContext
from lakebench.execution.measurement import MeasuredEngine, Measurement
from lakebench.execution.protocol import Profile, Protocol
from lakebench.model import Lake
from lakebench.phases.pg_mooncake import files
from lakebench.phases.pg_mooncake.sides import (
    HEAP,
    LONG_S,
    PHASE,
    ColumnarServer,
    ColumnarTwins,
    Side,
    at,
    case_of,
    of_storage,
    same_number,
)
from lakebench.phases.query_workloads.base import witnessed
from lakebench.phases.table_loading import tolerance

GROUP, LOADED = "ClickBench's queries", "The table hits, loaded"
HITS = "hits"
_ROWS = 100_000
_SAMPLES = 5


def workload(context: RunContext) -> Workload:
    """ClickBench's table and queries, once a run: the sample that ``lakebench run clickbench --profile quick`` has."""
    return context.prepared.once(f"{PHASE}/workload", lambda: clickbench.workload(context.progress, None, _ROWS))


def blocks(context: RunContext, sides: tuple[Side, ...]) -> Iterator[Check | Measurement]:
    """The table loaded on each side, then each query on all of them in turns."""
    for side in sides:
        yield Check(case_of(side, "size", HITS, LOADED, f"hits, {_ROWS:,} rows"), partial(_load_case, side))
    for asked in map(question, queries(_ROWS // 1000)):
        yield Measurement(
            name=asked.name,
            entries=tuple(_entry(side, asked) for side in sides),
            protocol=protocol(context.request.profile),
            references={},
            rules=asked.rules,
            tolerance=tolerance(asked),
            witnesses=partial(_witness, asked),
            restart=False,
        )


def protocol(profile: Profile) -> Protocol:
    """That of the run, warm and with few samples unless the user says how many: there are many queries and sides."""
    asked = profile.protocol
    samples = asked.samples if "repeat" in profile.chosen else min(asked.samples, _SAMPLES)
    return replace(asked, cold=0, samples=samples)


def _witness(asked: Question, context: RunContext) -> Mapping[str, Path]:
    made = partial(witnessed, context, workload(context), asked)
    return context.prepared.once(f"{PHASE}/witness/{asked.name}", made)


def _entry(side: Side, asked: Question) -> MeasuredEngine:
    case = case_of(side, "clickbench", asked.name, f"{GROUP}, {side.storage}", asked.name.upper(), query=asked.name)
    sql = asked.sql(engines.find(side.ref.name))
    return MeasuredEngine(case, partial(_lake, side=side), sql, session=f"{PHASE} {side.storage}", store="")


@dataclass(frozen=True)
class LoadedHits:
    """The table on a side: how long it took in seconds, and its size in bytes and files where that can be had."""

    seconds: float
    rows: int
    bytes: int | None
    files: int | None = None


def _lake(context: RunContext, *, side: Side) -> Lake:
    """The side's schema with the table in it.

    Raises:
        CaseError: the table could not be loaded.
    """
    loaded(context, side)
    server = ColumnarServer(context, side.ref)
    return of_storage(server.lake(), server.schema(side.storage))


def loaded(context: RunContext, side: Side) -> LoadedHits:
    """The table ``hits`` of ``side``, loaded once a run: heap by COPY, the others from their server's heap table.

    Raises:
        CaseError: the server is not there, or refuses.
    """
    return context.prepared.once(f"{PHASE}/{HITS}/{side.name}", lambda: _load(context, side))


def _load(context: RunContext, side: Side) -> LoadedHits:
    twins = at(side, context, HITS)
    twins.server.ready()
    if side.storage == HEAP:
        seconds = _copied(context, twins)
    else:
        loaded(context, replace(side, storage=HEAP))
        seconds = _filled(twins)
    rows = twins.server.number(f"SELECT count(*) AS n FROM {twins.table}")
    listed = files.of_table(twins) if side.storage == "columnstore" else None
    if listed is not None:
        return LoadedHits(seconds, rows, listed.active_bytes, len(listed.active))
    size = None if side.follows else twins.server.number(f"SELECT pg_total_relation_size('{twins.table}') AS n")
    return LoadedHits(seconds, rows, size)


def _copied(context: RunContext, twins: ColumnarTwins) -> float:
    """Seconds of COPY, a transaction for each of the sample's files."""
    table = workload(context).tables[HITS]
    schema = context.files.new("schema-hits")
    context.checker.call(write_schema, table.files[0], schema)
    call = partial(context.client.call, twins.side.ref, twins.server.lake(), limit_s=LONG_S, session=PHASE)
    call("create", table=HITS, rows=str(schema))
    began = time.monotonic()
    call("load", table=HITS, files=[str(one) for one in table.files])
    seconds = time.monotonic() - began
    twins.server.execute(f"ANALYZE {twins.table}")
    return round(seconds, 3)


def _filled(twins: ColumnarTwins) -> float:
    """Seconds of the statements that make the table by column from the heap table."""
    began = time.monotonic()
    for statement in twins.side.filled:
        twins.server.execute(statement.format(table=twins.table, source=twins.twin))
    return round(time.monotonic() - began, 3)


def _load_case(side: Side, context: RunContext) -> Evidence:
    """All rows are there; the evidence is the time and the size."""
    made = loaded(context, side)
    same_number(made.rows, _ROWS, "rows of hits")
    return {"load_s": made.seconds, "rows": made.rows, "bytes": made.bytes, "files": made.files}
