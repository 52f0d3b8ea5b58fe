"""Phase 6 in the report: files and their settings, ratios to Parquet, requests, types, and answers that differ."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from lakebench.model import Record, Sample
from lakebench.outcomes import Outcome
from lakebench.phases.vortex.layouts import LAYOUTS, LOCAL, PLAIN, REMOTE
from lakebench.phases.vortex.questions import QUESTIONS
from lakebench.phases.vortex.ratios import FormatRatio, ratios
from lakebench.reports import plots
from lakebench.reports.content import DASH, Cell, Part, Plot, Section, Table, cells, label, mark, size
from lakebench.reports.latency import interval, of_kind
from lakebench.results import statistics
from lakebench.results.records import Run

_FILES = (
    "Every writer reads the same file, in the order of its rows. Seconds are of one write, and have no interval. The "
    "first 200,000 rows are read back by the library of the format and compared with the source, types and nulls too."
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
    head = ("layout", "table", "outcome", "bytes", "Parquet by DuckDB being 1", "write s", "files")
    plain = {case.column: int(case.evidence.get("bytes", 0)) for case in asked if case.row == PLAIN.title}
    rows = tuple(_file(case, plain.get(case.column, 0)) for case in asked)
    titles = {case.row: case.evidence["settings"] for case in asked if "settings" in case.evidence}
    settings = Table("Settings of the writers", ("layout", "settings"), tuple(cells(*one) for one in titles.items()))
    return [Table("Files", head, rows, (_FILES,), "figures"), *_size_plot(asked, plain), settings] if rows else []


def _file(case: Record, plain: int) -> tuple[Cell, ...]:
    facts = case.evidence
    outcome = Cell(label(case.outcome), mark(case.outcome))
    if case.outcome is not Outcome.PASS:
        return (Cell(case.row), Cell(case.column), outcome, *[Cell(DASH)] * 4)
    share = f"{facts['bytes'] / plain:.2f}" if plain else DASH
    return (
        Cell(case.row),
        Cell(case.column),
        outcome,
        *cells(size(facts["bytes"]), share, facts["seconds"], facts["files"]),
    )


def _size_plot(asked: Sequence[Record], plain: Mapping[str, int]) -> Iterator[Plot]:
    """Bytes of each layout, those of DuckDB's Parquet being 1."""
    right = [case for case in asked if case.outcome is Outcome.PASS and plain.get(case.column)]
    names = list(dict.fromkeys(case.row for case in right if case.row != PLAIN.title))
    tables = list(dict.fromkeys(case.column for case in right))
    share = {(case.row, case.column): case.evidence["bytes"] / plain[case.column] for case in right}
    values = {table: [share.get((name, table)) for name in names] for table in tables}
    if names:
        alt = "; ".join(f"{name}, {table}: {value:.2f}" for (name, table), value in share.items())
        axis = "bytes: 1 is Parquet by DuckDB, its defaults"
        yield Plot("Size of the files", alt, partial(plots.bars, names, values, axis))


def _ratio_parts(cases: Sequence[Record]) -> Iterator[Part]:
    """A table and a plot for each format by each engine."""
    for storage, name in ((LOCAL, "local disk"), (REMOTE, "object storage")):
        found = list(ratios(cases, storage))
        for number, who in enumerate(dict.fromkeys(one.who for one in found)):
            own = [one for one in found if one.who == who]
            yield _ratio_table(f"{who} against Parquet, {name}", own, () if number else (_RATIOS,))
            yield _ratio_plot(f"{who} against the faster Parquet, {name}", own)


def _ratio_table(caption: str, own: Sequence[FormatRatio], notes: tuple[str, ...]) -> Table:
    bases = list(dict.fromkeys(one.against for one in own))
    shown = {(one.question, one.against): _ratio_cell(one) for one in own}
    rows = tuple(
        (Cell(QUESTIONS[question].title), *(shown.get((question, base), Cell(DASH)) for base in bases))
        for question in dict.fromkeys(one.question for one in own)
    )
    return Table(caption, ("question", *bases), rows, notes)


def _ratio_cell(one: FormatRatio) -> Cell:
    bounds = one.interval
    return Cell(
        f"{one.ratio.ratio:.3g} " + (f"({bounds[0]:.3g} to {bounds[1]:.3g})" if bounds else f"(n {one.ratio.n})")
    )


def _ratio_plot(title: str, own: Sequence[FormatRatio]) -> Plot:
    """Against the Parquet that is the fastest for each question."""
    hardest: dict[str, FormatRatio] = {}
    for one in own:
        if one.ratio.ratio >= hardest.setdefault(one.question, one).ratio.ratio:
            hardest[one.question] = one
    lines = [
        plots.RatioLine(QUESTIONS[one.question].title, one.ratio.ratio, one.interval, one.ratio.differs)
        for one in hardest.values()
    ]
    alt = "; ".join(f"{one.name}: {one.ratio:.3g}" for one in lines)
    return Plot(title, alt, partial(plots.ratios, lines, 1.0))


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
    """Requests and bytes of an execution by the rows that are asked for by their key: a line an engine and layout."""
    by_key = [case for case in asked if case.row.startswith("key-")]
    yield from _by_rows(by_key, "Requests", "requests", lambda one: sum((one.requests or {}).values()))
    yield from _by_rows(by_key, "Bytes", "MiB", lambda one: (one.store_bytes or 0) / 2**20)


def _by_rows(cases: Sequence[Record], what: str, unit: str, value: Callable[[Sample], float]) -> Iterator[Plot]:
    series: dict[str, list[tuple[float, float]]] = {}
    for case in cases:
        samples = of_kind(case, "cold") or of_kind(case, "warm")
        if samples and (had := value(samples[-1])):
            name = f"{case.engine}, {LAYOUTS[str(case.coordinates.more['layout'])].title}"
            series.setdefault(name, []).append((float(case.row.removeprefix("key-")), had))
    drawn = {name: sorted(points) for name, points in series.items() if len(points) > 1}
    if drawn:
        alt = "; ".join(
            f"{name}: {', '.join(f'{y:.3g} for {x:g} rows' for x, y in points)}" for name, points in drawn.items()
        )
        axis = ("rows by key, logarithmic", f"{unit}, logarithmic")
        draw = partial(plots.lines, drawn, *axis, log=True, log_x=True, points=True)
        yield Plot(f"{what} by the number of rows that are asked for", alt, draw)


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
