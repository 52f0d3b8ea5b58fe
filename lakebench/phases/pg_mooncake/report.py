"""Phase 10 in the report: heap against column, query by query; what writes cost; how fresh a mirror is; who reads."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from lakebench.model import Record
from lakebench.outcomes import Outcome
from lakebench.phases.pg_mooncake.field_reports import mean_ratio, median_s, of_side, ratios, times_of, with_interval
from lakebench.phases.pg_mooncake.sides import COLUMNAR, COLUMNSTORE, HEAP, MIRROR, SIDES, Side
from lakebench.reports import plots
from lakebench.reports.content import DASH, Cell, Part, Plot, Section, Table, cells, label, mark
from lakebench.results import statistics
from lakebench.results.records import Run

_BY_COLUMN = (COLUMNAR, COLUMNSTORE, MIRROR)
_TIMES = (
    "Milliseconds, warm, the median; each answer was verified. A ratio is the time of the same server's heap table "
    "divided by that of its table by column: above 1 the table by column is faster. In parentheses the 95 % interval."
)
_SIZES = "hits as each server keeps it: heap by COPY, tables by column from the heap table of their server."
_WROTE = (
    "By column: what the DELETE of one row of a million wrote to the write-ahead log and to data files. Heap: the same "
    "statement on a heap table of that server."
)
_FRESH = "The mirror is read at once after the commit. The delay is how long it took until a read had the new rows."
_READ = (
    "Each engine read all rows and aggregates alone from the files, without PostgreSQL, and both against a heap table."
)


def sections(run: Run) -> list[Section]:
    """The tables, and a plot of the ratios."""
    cases = run.cases
    parts = [*_queries(cases), *_sizes(cases), *_million(cases), *_mirror(cases), *_readers(cases)]
    return [Section("Tables by column", "tables-by-column", tuple(parts))] if parts else []


def _queries(cases: Sequence[Record]) -> list[Part]:
    timed = {side.name: {one.coordinates.query: one for one in of_side(cases, "clickbench", side)} for side in SIDES}
    sides = [side for side in SIDES if timed[side.name]]
    if not sides:
        return []
    times = {side.name: times_of(cases, side) for side in _BY_COLUMN}
    compared = [side for side in _BY_COLUMN if times[side.name]]
    by_query = {side.name: ratios(times[side.name]) for side in compared}
    head = ("query", *(f"{side.title} ms" for side in sides), *(f"heap / {side.storage}" for side in compared))
    queries = list(dict.fromkeys(query for side in sides for query in timed[side.name]))
    rows = [
        (
            Cell(str(query).upper()),
            *(_milliseconds(timed[side.name].get(query)) for side in sides),
            *(_ratio(by_query[side.name].get(str(query))) for side in compared),
        )
        for query in queries
    ]
    means = (
        Cell("geometric mean"),
        *[Cell("")] * len(sides),
        *(Cell(with_interval(mean)) for one in compared if (mean := mean_ratio(times[one.name]))),
    )
    return [
        Table(
            "ClickBench's queries, heap and by column",
            head,
            (*rows, *([means] if compared else [])),
            (_TIMES,),
            "figures",
        ),
        *_plot(cases, sides),
    ]


def _milliseconds(case: Record | None) -> Cell:
    if case is None:
        return Cell(DASH)
    seconds = median_s(case)
    if seconds is None:
        return Cell(label(case.outcome), mark(case.outcome))
    return Cell(f"{seconds * 1000:.1f}")


def _ratio(ratio: float | None) -> Cell:
    return Cell(DASH if ratio is None else f"{ratio:.2f}")


def _plot(cases: Sequence[Record], sides: Sequence[Side]) -> list[Part]:
    """The warm medians of all queries, a strip for each kind of table."""
    strips = [one for side in sides if (one := _strip(cases, side))]
    if not strips:
        return []
    alt = "; ".join(f"{one.name}: median of the queries {one.median * 1000:.1f} ms" for one in strips)
    return [Plot("Warm medians of the queries", alt, partial(plots.strips, strips))]


def _strip(cases: Sequence[Record], side: Side) -> plots.Strip | None:
    seconds = [one for case in of_side(cases, "clickbench", side) if (one := median_s(case)) is not None]
    if not seconds:
        return None
    return plots.Strip(side.title, tuple(seconds), statistics.median(seconds), None)


def _sizes(cases: Sequence[Record]) -> list[Part]:
    rows = [_size(side, one) for side in SIDES for one in of_side(cases, "size", side)]
    head = ("table", "outcome", "rows", "load s", "bytes", "files")
    return [Table("The table hits", head, tuple(rows), (_SIZES,), "figures")] if rows else []


def _size(side: Side, case: Record) -> tuple[Cell, ...]:
    figures = (_number(case.evidence.get(name)) for name in ("rows", "load_s", "bytes", "files"))
    return (Cell(side.title), Cell(label(case.outcome), mark(case.outcome)), *cells(*figures))


def _number(value: Any) -> str:
    return DASH if value is None else f"{value:,}"


def _million(cases: Sequence[Record]) -> list[Part]:
    rows = [_deleted(side, one) for side in _BY_COLUMN for one in of_side(cases, "million", side)]
    head = ("table", "outcome", "WAL bytes", "files written", "rows in them", "bytes in them", "heap: WAL bytes")
    return [Table("One row of a million deleted", head, tuple(rows), (_WROTE,), "figures")] if rows else []


def _deleted(side: Side, case: Record) -> tuple[Cell, ...]:
    by_column = case.evidence.get("by_column", {})
    names = ("wal_bytes", "files_written", "rows_written", "bytes_written")
    heap = case.evidence.get(HEAP, {}).get("wal_bytes")
    outcome = Cell(label(case.outcome), mark(case.outcome))
    return (Cell(side.title), outcome, *cells(*(_number(by_column.get(name)) for name in names), _number(heap)))


def _mirror(cases: Sequence[Record]) -> list[Part]:
    fresh = of_side(cases, "fresh", MIRROR)
    rows = tuple(
        (Cell(one.row), Cell(label(one.outcome), mark(one.outcome)), *cells(_number(one.evidence.get("delay_s"))))
        for one in fresh
    )
    head = ("rows inserted", "first read", "delay s")
    parts: list[Part] = [Table("How fresh the mirror is", head, rows, (_FRESH,), "figures")] if rows else []
    return [*parts, *_source(of_side(cases, "source", MIRROR))]


def _source(cases: Sequence[Record]) -> list[Part]:
    """What the mirror does to its source table."""
    head = ("", "replica identity", "WAL bytes of an UPDATE of all rows", "slot lag in bytes")
    rows = [
        (Cell(title), *cells(cost["replica_identity"], _number(cost["wal_bytes"]), str(dict(cost["slot_lag_bytes"]))))
        for case in cases
        if case.outcome is Outcome.PASS
        for title, cost in (("without a mirror", case.evidence["before"]), ("with it", case.evidence["with_mirror"]))
    ]
    return [Table("What the mirror costs its source", head, tuple(rows), (), "figures")] if rows else []


def _readers(cases: Sequence[Record]) -> list[Part]:
    read = [one for one in cases if one.coordinates.check == "read" and (one.outcome.ran or one.reason)]
    names = list(dict.fromkeys(one.column for one in read))
    by_place = {(one.row, one.column): one for one in read}
    rows = tuple(
        (Cell(row), *(_outcome(by_place.get((row, name))) for name in names))
        for row in dict.fromkeys(one.row for one in read)
    )
    ran = any(one.outcome.ran for one in read)
    return [Table("Who else reads its files", ("table", *names), rows, (_READ,))] if ran else []


def _outcome(case: Record | None) -> Cell:
    return Cell(DASH) if case is None else Cell(label(case.outcome), mark(case.outcome))
