"""Phase 6 in the report: files and their settings, ratios to Parquet, requests, types, and answers that differ."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from lakebench.model import Record
from lakebench.outcomes import Outcome
from lakebench.phases.vortex.layouts import INDEXED, LAYOUTS, LOCAL, PLAIN, REMOTE
from lakebench.phases.vortex.questions import QUESTIONS
from lakebench.phases.vortex.ratios import FormatRatio, ratios
from lakebench.reports import plots
from lakebench.reports.content import DASH, Cell, Part, Plot, Section, Table, cells, label, mark, size
from lakebench.reports.latency import interval, of_kind
from lakebench.results import statistics
from lakebench.results.records import Run

_FILES = (
    "Every writer reads the same file, in the order of its rows. Seconds are of one write, and have no interval. The "
    "first 300,000 rows are read back by the library of the format and compared with the source, types and nulls too."
)
_RATIOS = (
    "Time on the format divided by the time on Parquet: below 1 the format is faster. Medians of warm executions in "
    "turns, with the 95 % interval. An engine is held against itself on Parquet, a library that reads one format "
    "against PyArrow. Only answers that were verified have a time."
)
_REQUESTS = "What one execution asked of the object store, by the store's own counters, and the bytes that it put out."


def sections(run: Run) -> list[Section]:
    """The tables and plots."""
    parts = [*_files(run.cases), *_ratio_parts(run.cases), *_request_parts(run.cases), *_readers(run.cases)]
    return [Section("File formats", "file-formats", tuple(parts))] if parts else []


def _files(cases: Sequence[Record]) -> list[Part]:
    asked = [case for case in cases if case.coordinates.check == "write" and case.outcome.ran]
    head = (
        "layout",
        "table",
        "outcome",
        "settings of the writer",
        "bytes",
        "Parquet by DuckDB being 1",
        "write s",
        "files",
    )
    plain = {case.column: int(case.evidence.get("bytes", 0)) for case in asked if case.row == PLAIN.title}
    rows = tuple(_file(case, plain.get(case.column, 0)) for case in asked)
    return [Table("Files", head, rows, (_FILES,), "figures")] if rows else []


def _file(case: Record, plain: int) -> tuple[Cell, ...]:
    facts = case.evidence
    outcome = Cell(label(case.outcome), mark(case.outcome))
    if case.outcome is not Outcome.PASS:
        return (Cell(case.row), Cell(case.column), outcome, *[Cell(DASH)] * 5)
    share = f"{facts['bytes'] / plain:.2f}" if plain else DASH
    figures = cells(facts["settings"], size(facts["bytes"]), share, facts["seconds"], facts["files"])
    return (Cell(case.row), Cell(case.column), outcome, *figures)


def _ratio_parts(cases: Sequence[Record]) -> list[Part]:
    made: list[Part] = []
    for storage, name in ((LOCAL, "local disk"), (REMOTE, "object storage")):
        found = list(ratios(cases, storage))
        if found:
            rows = tuple(map(_ratio_row, found))
            head = ("question", "engine and format", "against", "ratio", "95 % interval", "n")
            made.append(Table(f"Against Parquet, {name}", head, rows, (_RATIOS,), "figures"))
        made += _plots(found, name)
    return made


def _ratio_row(one: FormatRatio) -> tuple[Cell, ...]:
    bounds = one.interval
    shown = f"{bounds[0]:.3g} to {bounds[1]:.3g}" if bounds else DASH
    return cells(QUESTIONS[one.question].title, one.who, one.against, f"{one.ratio.ratio:.3g}", shown, one.ratio.n)


def _plots(found: Sequence[FormatRatio], name: str) -> Iterator[Plot]:
    """One plot for each format by each engine, against the best Parquet."""
    best = [one for one in found if one.base is INDEXED]
    for who in dict.fromkeys(one.who for one in best):
        own = [one for one in best if one.who == who]
        lines = [
            plots.RatioLine(QUESTIONS[one.question].title, one.ratio.ratio, one.interval, one.ratio.differs)
            for one in own
        ]
        alt = "; ".join(f"{one.name}: {one.ratio:.3g}" for one in lines)
        yield Plot(f"{who} against {INDEXED.title}, {name}", alt, partial(plots.ratios, lines, 1.0))


def _request_parts(cases: Sequence[Record]) -> list[Part]:
    asked = [case for case in cases if case.coordinates.storage == REMOTE and case.coordinates.query and case.samples]
    head = ("question", "engine", "layout", "state", "requests", "bytes", "median s", "95 % interval")
    rows = tuple(row for case in asked for kind in ("cold", "warm") if (row := _requests(case, kind)))
    tables = [Table("Requests on object storage", head, rows, (_REQUESTS,), "figures")] if rows else []
    return [*tables, *_request_plots(asked)]


def _requests(case: Record, kind: str) -> tuple[Cell, ...] | None:
    samples = of_kind(case, kind)
    if not samples:
        return None
    last = samples[-1]
    asked = ", ".join(f"{count} {operation}" for operation, count in sorted((last.requests or {}).items())) or "none"
    put_out = DASH if last.store_bytes is None else size(last.store_bytes)
    summary = statistics.summarise([one.ns / 1e9 for one in samples])
    layout = LAYOUTS[str(case.coordinates.more["layout"])].title
    times = (f"{summary.median:.3f}", interval(summary.interval, summary.n))
    return cells(QUESTIONS[case.row].title, case.engine, layout, kind, asked, put_out, *times)


def _request_plots(asked: Sequence[Record]) -> Iterator[Plot]:
    """Requests of a warm execution by the rows that are asked for by their key: one line for each engine and layout."""
    series: dict[str, list[tuple[float, float]]] = {}
    for case in asked:
        samples = of_kind(case, "cold") or of_kind(case, "warm")
        if case.row.startswith("key-") and samples and samples[-1].requests:
            name = f"{case.engine}, {LAYOUTS[str(case.coordinates.more['layout'])].title}"
            count = sum(samples[-1].requests.values())
            series.setdefault(name, []).append((float(case.row.removeprefix("key-")), float(count)))
    drawn = {name: sorted(points) for name, points in series.items() if len(points) > 1}
    if drawn:
        alt = "; ".join(
            f"{name}: {', '.join(f'{y:g} for {x:g} rows' for x, y in points)}" for name, points in drawn.items()
        )
        draw = partial(plots.lines, drawn, "rows by key", "requests, logarithmic", log=True, points=True)
        yield Plot("Requests by the number of rows that are asked for", alt, draw)


def _readers(cases: Sequence[Record]) -> list[Part]:
    """The matrix of readers and formats: how many types each reads right, and what servers say."""
    reads = [case for case in cases if case.coordinates.check in {"write-type", "read-type"}]
    layouts = list(dict.fromkeys(str(case.coordinates.more["layout"]) for case in reads))
    columns = list(dict.fromkeys(case.column for case in reads))
    rows = tuple((Cell(LAYOUTS[one].title), *(_types(reads, one, column) for column in columns)) for one in layouts)
    note = "Types of which all rows were right, of those that were written. Each type is a case of its own."
    asked = [case for case in cases if case.coordinates.check == "server" and case.outcome.ran]
    said = tuple((Cell(case.column), Cell(case.row), Cell(label(case.outcome), mark(case.outcome)),
                  Cell(case.reason[:200] or "accepted")) for case in asked)  # fmt: skip
    tables = [Table("Readers and formats", ("layout", *columns), rows, (note,), "matrix")] if rows else []
    return [*tables, *([Table("Servers", ("server", "format", "outcome", "it says"), said)] if said else [])]


def _types(reads: Sequence[Record], layout: str, column: str) -> Cell:
    own = [case for case in reads if case.coordinates.more["layout"] == layout and case.column == column]
    ran = [case for case in own if case.outcome.ran]
    if not ran:
        return Cell(DASH)
    right = sum(case.outcome is Outcome.PASS for case in ran)
    return Cell(f"{right} of {len(ran)}", "pass" if right == len(ran) else "fail")
