"""What is timed in phase 6: writes once, and scans of each format by each engine, in turns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from lakebench.datasets.file_formats import large
from lakebench.datasets.rules import RULES_TEXT, Rules
from lakebench.engines import CanScan
from lakebench.execution.cases import Block, Case, Check, Evidence, same
from lakebench.execution.context import RunContext
from lakebench.execution.measurement import MeasuredEngine, Measurement
from lakebench.execution.protocol import PROFILES, Profile, Protocol
from lakebench.execution.request import Request
from lakebench.iceberg.scan import Condition, Scan
from lakebench.model import Coordinates, EngineRef, Record, TableFormat
from lakebench.phases.vortex.layouts import FEW, LANCE, LOCAL, MEASURED, REMOTE, VORTEX, WRITTEN, FileLayout
from lakebench.phases.vortex.questions import COLD, QUESTIONS, FormatQuestion
from lakebench.phases.vortex.tables import (
    LINEITEM,
    STORE,
    WIDE,
    file_lake,
    large_lake,
    session_of,
    source,
    written,
)

SAMPLES = 5
"""Samples of each scan, where the user names no number: the least that has an interval."""
LIMIT_S = 10.0
"""Seconds of one scan, where the user names no limit: at SF 1 the slowest takes half of it."""
READ_BACK = 200_000
"""Rows of each file that are read back and compared value by value."""
_READERS = {
    TableFormat.PARQUET: "pyarrow",
    TableFormat.VORTEX: "vortex",
    TableFormat.LANCE: "lance",
    TableFormat.DUCKDB: "duckdb",
}
_WITNESS = "DuckDB over the source file"
WITHOUT_POSITIONS = ("polars", "datafusion")
"""Engines that have no way to ask a file for rows by their positions."""
_OF_FRAGMENTS = ("duckdb", LANCE)
"""DuckDB has the ``_rowid`` of Lance, which is a position in a fragment: where there are several, none in the table."""
ASKED = {"datafusion": ("key-1", "key-100")}
"""Engine that is asked a few questions only: DataFusion reads no Vortex, and Lance is a reference."""
_TOO_SLOW = {(REMOTE, "duckdb", VORTEX.id, "key-10000")}
"""Storage, engine, layout and question that are not asked: what they take on local files says it."""


def writes(request: Request) -> Iterator[Block]:
    """Each table in each layout: written, and read back by the library of its format."""
    for table in (LINEITEM, WIDE):
        for layout in WRITTEN:
            reader = EngineRef(_READERS[layout.format])
            if layout.writer in request.refs and reader in request.refs:
                case = _write_case(layout, table, reader)
                yield Check(case, partial(_read_back, layout=layout, table=table, reader=reader))


def _write_case(layout: FileLayout, table: str, reader: EngineRef) -> Case:
    return Case(
        id=f"phase6/{LOCAL}/{layout.id}/write-{table}/{layout.writer}",
        phase="phase6",
        title=f"{layout.title}: {table} written by {layout.writer}, read back by {reader}",
        engine=layout.writer,
        group="Written, and read back value by value",
        row=layout.title,
        column=table,
        coordinates=Coordinates(
            writer=str(layout.writer),
            reader=str(reader),
            storage=LOCAL,
            format=layout.format,
            check="write",
            more={"layout": layout.id, "table": table},
        ),
    )


def _read_back(context: RunContext, layout: FileLayout, table: str, reader: EngineRef) -> Evidence:
    """Size and seconds of the file, and the comparison of its first rows with the source."""
    file, made = written(context, layout, table), source(context, table)
    facts = {
        "settings": layout.settings,
        "rows": made.rows,
        "files": file.files,
        "bytes": file.bytes,
        "seconds": round(file.ns / 1e9, 3),
    }
    where = (Condition("id", "<", READ_BACK),)
    scan = Scan(table, where=where)
    into, rows = context.files.new(f"read-back-{layout.id}"), min(READ_BACK, made.rows)
    session = session_of(LOCAL, layout)
    lake = file_lake(layout, table, str(file.path))
    context.client.call(reader, lake, "scan", session=session, scan=scan.to_json(), into=str(into))
    checked = context.checker.call(large.same_as_source, into, made.path, rows, "id")
    into.unlink(missing_ok=True)
    return {**facts, **same(checked)}


def scans(request: Request) -> Iterator[Block]:
    """Each question on every storage, by every engine on each of its layouts."""
    for storage in (LOCAL, REMOTE):
        for question in QUESTIONS.values():
            entries = tuple(_entries(request, storage, question))
            if entries and (question.remote or storage == LOCAL):
                yield QuestionBlock(storage, question, entries)


def protocol(profile: Profile, question: str) -> Protocol:
    """A few samples and a short time limit, unless the user says how many and how long.

    Where times are for information only, as a profile without a cold execution says, there are two. The first
    execution is either cold or a warm-up.
    """
    given, usual = profile.protocol, PROFILES[profile.name].protocol
    if given.limit_s == usual.limit_s:
        given = replace(given, limit_s=min(given.limit_s, LIMIT_S))
    few = min(given.samples, SAMPLES if given.cold else 2)
    cold = given.cold if question in COLD else 0
    given = replace(given, cold=cold, warm_ups=0 if cold else max(given.warm_ups, given.cold))
    return given if "repeat" in profile.chosen else replace(given, samples=few, block=few)


@dataclass(frozen=True)
class QuestionBlock(Block):
    """One question on one storage; how many rows its table has, and so what exactly is asked, is known when it runs."""

    storage: str
    question: FormatQuestion
    entries: tuple[MeasuredEngine, ...]

    @property
    def cases(self) -> tuple[Case, ...]:
        """A case an engine and layout."""
        return tuple(one.case for one in self.entries)

    def run(self, context: RunContext, todo: frozenset[str]) -> Iterator[Record]:
        """Measure it; each answer is held against the one of DuckDB over the source."""
        rows = source(context, self.question.table).rows
        scan, text = self.question.scan(rows), self.question.text(rows)
        measurement = Measurement(
            name=f"{self.storage}/{self.question.name}",
            entries=tuple(replace(one, scan=scan, sql=text) for one in self.entries),
            protocol=protocol(context.request.profile, self.question.name),
            references={_WITNESS: _expected(context, self.question, rows)},
            rules=Rules(),
            tolerance=f"exact: {RULES_TEXT['exact']}",
            restart=False,
        )
        yield from measurement.run(context, todo)


def _expected(context: RunContext, question: FormatQuestion, rows: int) -> Path:
    def answer() -> Path:
        into = context.files.new(f"expected-{question.name}")
        view = {question.table: f"SELECT * FROM read_parquet('{source(context, question.table).path}')"}
        context.witness.answer(question.expected_sql(rows), view, into, context.request.profile.protocol.limit_s)
        return into

    return context.prepared.once(f"formats/expected/{question.name}", answer)


def _entries(request: Request, storage: str, question: FormatQuestion) -> Iterator[MeasuredEngine]:
    for ref in request.able(CanScan):
        layouts = FEW if question.slow else MEASURED[storage]
        for layout in layouts.get(ref.name, ()) if ref.version is None else ():
            if _asks(storage, question, ref, layout):
                yield _entry(storage, question, ref, layout)


def _asks(storage: str, question: FormatQuestion, ref: EngineRef, layout: FileLayout) -> bool:
    if question.kind == "position" and (ref.name in WITHOUT_POSITIONS or (ref.name, layout) == _OF_FRAGMENTS):
        return False
    if ref.name in ASKED and question.name not in ASKED[ref.name]:
        return False
    return (storage, ref.name, layout.id, question.name) not in _TOO_SLOW


def _entry(storage: str, question: FormatQuestion, ref: EngineRef, layout: FileLayout) -> MeasuredEngine:
    case = Case(
        id=f"phase6/{storage}/{layout.id}/{question.name}/{ref}",
        phase="phase6",
        title=f"{question.title}: {ref} on {layout.title}, {storage}",
        engine=ref,
        group=f"{layout.title}, {storage}",
        row=question.name,
        column=str(ref),
        coordinates=Coordinates(
            engine=ref.name,
            storage=storage,
            format=layout.format,
            query=question.name,
            more={"layout": layout.id},
        ),
    )
    return MeasuredEngine(
        case,
        partial(large_lake, storage=storage, layout=layout, table=question.table),
        sql="",
        session=session_of(storage, layout),
        store=STORE if storage == REMOTE else "",
    )
