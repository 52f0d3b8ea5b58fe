"""A comparison for people: as sections of a report, on a terminal, and as JSON for programs."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from lakebench.reports import by_phase, html, identity, markdown, plots, terminal
from lakebench.reports.alerts import cases_of
from lakebench.reports.content import (
    DASH,
    TIMES,
    Cell,
    Document,
    Paragraph,
    Part,
    Plot,
    Section,
    Table,
    cells,
    ordered,
    seconds,
)
from lakebench.results import comparison, matrix_cells, statistics
from lakebench.results.cell_changes import ChangeKind
from lakebench.results.comparison import Comparison, Mean, Row
from lakebench.results.records import Run, by_engine
from lakebench.results.statistics import NO_DIFFERENCE, TOO_SMALL, Ratio

NAME = "compare"
_EXAMPLES = 5
_SHOWN = 25
_MARKS = {comparison.REGRESSION: "fail", "slower": "fail", "faster": "pass"}
_APART = (
    "Two runs, not interleaved: a slow machine that day looks like a slow engine. An interval has the noise within "
    "each run, and not what changed between the two. lakebench run … --against interleaves."
)
_TURNS = "Base and candidate took turns in one run, each in a process of its own: samples of one turn are a pair."
_RATIO = (
    "A ratio is the median time of the {other} divided by that of the {base}: 1.10 is 10 % slower. Its 95 % interval "
    "is a seeded percentile bootstrap with {resamples:,} resamples of {what}. “{none}” stands where the interval holds "
    "1, or the ratio lies under the noise floor. Each query is tested for itself at 95 %: of 22 that are the same, "
    "about one is shown as different by chance. So a single small difference means little, and a regression needs more."
)
_RULE = (
    "A regression is a case that passed and fails, or a query that is more than 10 % slower, where a difference is "
    "shown and the medians are more than 50 ms apart. A query with fewer than {least} samples a side has no interval "
    "and is never one. The geometric mean is over the queries that both got right; its interval resamples within each "
    "query."
)


def write(result: Comparison, folder: Path) -> tuple[Path, Path]:
    """Write ``compare.md`` and ``compare.html`` into ``folder``; their paths.

    Raises:
        OSError: they cannot be written.
    """
    contents = document(result, folder)
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / f"{NAME}.md", folder / f"{NAME}.html"
    made[0].write_text(markdown.render(contents), encoding="utf-8")
    made[1].write_text(html.render(contents), encoding="utf-8")
    return made


def sections(run: Run) -> list[Section]:
    """The section that compares candidate and base of a run with ``--against``; none for other runs."""
    if not comparison.interleaved(run):
        return []
    result = comparison.within(run)
    parts = [part for section in _sections(result) for part in section.parts]
    lines = (*_alerts(result), verdict(result))
    head: list[Part] = [*(Paragraph(f"{line}.") for line in lines), _overview(result), *_drawings(result)]
    return [Section("Candidate against base", "against", (*head, *parts))]


def document(result: Comparison, folder: Path) -> Document:
    """The comparison as a page that lies in ``folder``."""
    drawings = _drawings(result)
    return Document(
        title="lakebench compare",
        subtitle=_subtitle(result),
        verdict=verdict(result),
        good=not result.worse,
        alerts=_alerts(result),
        overview=_overview(result),
        first=drawings[0] if drawings else None,
        sections=(
            *([Section("Ratios, drawn", "drawn", tuple(drawings))] if len(drawings) > 1 else []),
            *_sections(result, os.path.relpath(_page(result), folder) if _page(result) else ""),
        ),
    )


def _page(result: Comparison) -> str:
    """The path of the page with the cells of RUN; empty where there is none."""
    return by_phase.page_of(result.run, matrix_cells.PHASE) if result.cells else ""


def verdict(result: Comparison) -> str:
    """The comparison in one sentence."""
    counts = ", ".join(
        f"{result.counted(one)} {one}"
        for one in (comparison.REGRESSION, "slower", "faster", NO_DIFFERENCE, TOO_SMALL)
        if result.counted(one)
    )
    compared = f"{len(result.rows)} queries compared" + (f": {counts}" if counts else "")
    cells_ = Counter(one.change for one in result.cells)
    slower = bool(result.regressions or result.broken or cells_[ChangeKind.WORSE])
    head = (
        "REGRESSION"
        if slower
        else "WORSE"
        if result.worse
        else "NO REGRESSION"
        if result.rows or result.mended or result.cells or _same(result)
        else "NOTHING COMPARED"
    )
    sentences = [compared] if result.rows or not result.cells else []
    if result.cells:
        sentences.append(f"cells: {', '.join(f'{cells_[kind]} {kind}' for kind in ChangeKind if cells_[kind])}")
    if broken := _apart(result, result.broken):
        sentences.append(f"{len(broken)} cases that passed fail")
    if mended := _apart(result, result.mended):
        sentences.append(f"{len(mended)} that failed pass")
    if result.means:
        sentences.append(f"geometric mean {summed(result.means[-1].ratio)}")
    if result.left:
        sentences.append(f"{len(result.left)} cases not compared")
    return f"{head}: {'; '.join(sentences)}"


def _apart(result: Comparison, changes: Iterable[comparison.OneSided]) -> list[comparison.OneSided]:
    """Those of ``changes`` that are no cells of the matrix, which has a table of its own."""
    in_matrix = {one.case for one in result.cells}
    return [one for one in changes if one.case not in in_matrix]


def _same(result: Comparison) -> bool:
    """Whether both runs have cells of the matrix."""
    return all(any(matrix_cells.of_run(one)) for one in (result.base, result.run))


def _alerts(result: Comparison) -> tuple[str, ...]:
    """What is gone, by engine: the first part."""
    if not result.gone:
        return ()
    ran = sum(record.outcome.ran for record in result.base.cases)
    base, other = ("the base", "the candidate") if result.interleaved else ("BASE", "RUN")
    who = cases_of(by_engine((one.engine, one.reason) for one in result.gone))
    return (f"GONE: {len(result.gone):,} of {ran:,} cases that ran in {base} did not run in {other}: {who}",)


def _subtitle(result: Comparison) -> str:
    if result.interleaved:
        who = f"Candidate against base within run {result.run.header.run}, {result.run.header.started}"
    else:
        base, run = result.base.header, result.run.header
        who = f"RUN {run.run}, {run.started}, against BASE {base.run}, {base.started}"
    return ". ".join([who, *identity.derived(result.run)])


def _sections(result: Comparison, page: str = "") -> list[Section]:
    made = [
        Section("Cells of the interop matrix", "cells", tuple(_cells(result, page))),
        Section("Gone", "gone", (_gone(result),) if result.gone else ()),
        Section("Regressions", "regressions", tuple(_regressions(result))),
        Section("Query by query", "ratios", tuple(ratio_tables(result.rows))),
        Section("Over the queries", "means", (means_table(result.means),) if result.means else ()),
        Section("Cold, for information", "cold-ratios", tuple(ratio_tables(result.cold))),
        Section("What differs between the two", "differences", (_differences(result),)),
        Section("Not compared", "left", (_left(result),) if result.left else ()),
        Section("How it was compared", "compared", (*map(Paragraph, _method(result)), _floors(result))),
    ]
    return [one for one in made if one.parts]


def _overview(result: Comparison) -> Table:
    head = (
        "engine",
        "compared",
        comparison.REGRESSION,
        "slower",
        "faster",
        NO_DIFFERENCE,
        TOO_SMALL,
        "geometric mean",
        "noise floor",
    )
    engines = dict.fromkeys(row.engine for row in result.rows)
    rows = []
    for engine in engines:
        rows_of_engine = [row for row in result.rows if row.engine == engine]
        counts = Counter(row.verdict for row in rows_of_engine)
        mean = [one for one in result.means if one.engine == engine][-1]
        rows.append(
            (
                Cell(engine),
                Cell(str(len(rows_of_engine))),
                *(Cell(str(counts[one])) for one in head[2:7]),
                _ratio_cell(mean.ratio),
                Cell(f"{result.floors[engine].value:.1%}"),
            )
        )
    return Table("Engine by engine, warm", head, tuple(rows), layout="figures")


def _cells(result: Comparison, page: str) -> list[Table]:
    """A table for each kind of change; each cell leads to its place on the ``page`` of RUN, where there is one."""
    made = []
    for kind in ChangeKind:
        rows = tuple(
            (
                Cell(one.case, "fail" if kind.bad else "", f"{page}{one.address}" if page and one.now else ""),
                *cells(one.before.value if one.before else DASH, one.now.value if one.now else DASH, one.reason),
            )
            for one in result.cells
            if one.change is kind
        )
        if rows:
            made.append(Table(f"{kind.capitalize()}: {len(rows):,}", ("cell", "was", "is", "reason"), rows))
    return made


def _regressions(result: Comparison) -> list[Part]:
    made: list[Part] = []
    if broken := _apart(result, result.broken):
        made.append(_changes("Passed, and fails", broken))
    if result.regressions:
        made.append(_table("Slower by more than 10 % and 50 ms", result.regressions, named=True))
    made = made or [Paragraph("None.")]
    mended = _apart(result, result.mended)
    return [*made, _changes("Failed, and passes", mended)] if mended else made


def _gone(result: Comparison) -> Table:
    rows = tuple(cells(one.case, one.engine, one.base.value, one.reason) for one in result.gone)
    return Table("Ran, and did not run", ("case", "engine", "was", "reason"), rows)


def _changes(caption: str, changes: Sequence[comparison.OneSided]) -> Table:
    rows = tuple(cells(one.case, one.base.value, one.other.value, one.reason) for one in changes)
    return Table(caption, ("case", "was", "is", "reason"), rows)


def ratio_tables(rows: Sequence[Row]) -> list[Part]:
    """A table for each engine and group of ``rows``."""
    return [
        _table(f"{engine}, {group}" if group else engine, engine_rows)
        for (engine, group), engine_rows in _grouped(rows).items()
    ]


def _grouped(rows: Iterable[Row]) -> dict[tuple[str, str], list[Row]]:
    """The rows by engine and group, with the queries in their order."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.engine, row.group), []).append(row)
    for group in groups.values():
        order = ordered(row.query for row in group)
        group.sort(key=lambda row: order.index(row.query))
    return groups


def _table(caption: str, rows: Sequence[Row], *, named: bool = False) -> Table:
    head = ("case" if named else "query", "base s", "this s", "ratio", "95 % interval", "n", "verdict")
    lines = tuple(
        (
            Cell(f"{row.case} ({row.kind})" if named else row.query),
            Cell(seconds(row.base_s)),
            Cell(seconds(row.other_s)),
            Cell(f"{row.ratio.ratio:.3f}"),
            Cell(_interval(row.ratio)),
            Cell(_n(row)),
            Cell(row.verdict, _MARKS.get(row.verdict, "")),
        )
        for row in rows
    )
    return Table(caption, head, lines, layout="figures")


def _n(row: Row) -> str:
    ours, theirs = len(row.base), len(row.other)
    return str(ours) if ours == theirs else f"{ours}, {theirs}"


def _interval(ratio: Ratio) -> str:
    if ratio.interval is None:
        return TOO_SMALL
    return f"{ratio.interval.low:.3f} {DASH} {ratio.interval.high:.3f}"


def _times(ratio: Ratio) -> str:
    return f"{TIMES} {ratio.ratio:.3f} ({_interval(ratio)})"


def summed(ratio: Ratio) -> str:
    """A ratio with its interval, and whether a difference is shown."""
    return f"{_times(ratio)}, {ratio.verdict}" if ratio.interval else _times(ratio)


def _ratio_cell(ratio: Ratio) -> Cell:
    return Cell(_times(ratio), _MARKS.get(ratio.verdict, ""))


def means_table(means: Sequence[Mean]) -> Table:
    """The geometric means."""
    rows = tuple(
        (
            Cell(one.engine or "all engines"),
            Cell(one.group or "all"),
            Cell(str(one.queries)),
            Cell(f"{one.ratio.ratio:.3f}"),
            Cell(_interval(one.ratio)),
            Cell(one.ratio.verdict, _MARKS.get(one.ratio.verdict, "")),
        )
        for one in means
    )
    head = ("engine", "of", "queries that both got right", "geometric mean of ratios", "95 % interval", "verdict")
    return Table("Geometric means of the warm ratios", head, rows, layout="figures")


def _differences(result: Comparison) -> Table:
    notes = (
        ("These may explain a ratio, or be what was to be compared.",)
        if result.differences
        else ("Nothing that the records tell of.",)
    )
    return Table(
        "What is not the same", ("what", "base", "this"), tuple(cells(*one) for one in result.differences), notes
    )


def _left(result: Comparison) -> Table:
    reasons: dict[str, list[comparison.Left]] = {}
    for one in result.left:
        reasons.setdefault(one.why, []).append(one)
    rows = tuple(cells(why, len(cases), _examples(cases)) for why, cases in reasons.items())
    return Table("Cases without a comparison", ("why", "cases", "which"), rows)


def _examples(cases: Sequence[comparison.Left]) -> str:
    examples = [f"{one.case} ({one.detail})" if one.detail else one.case for one in cases[:_EXAMPLES]]
    return "; ".join([*examples, *([f"and {len(cases) - _EXAMPLES} more"] if len(cases) > _EXAMPLES else [])])


def _method(result: Comparison) -> tuple[str, ...]:
    sides = {"base": "base", "other": "candidate"} if result.interleaved else {"base": "BASE", "other": "RUN"}
    what = "the pairs" if result.interleaved else "each run for itself"
    return (
        _TURNS if result.interleaved else _APART,
        _RATIO.format(**sides, what=what, resamples=statistics.RESAMPLES, none=NO_DIFFERENCE),
        _RULE.format(least=statistics.MIN_INTERVAL),
    )


def _floors(result: Comparison) -> Table:
    rows = tuple(cells(engine, f"{one.value:.1%}", one.cases, one.how) for engine, one in result.floors.items())
    return Table("Noise floors", ("engine", "floor", "queries", "how it was made"), rows)


def _drawings(result: Comparison) -> list[Plot]:
    return [_drawing(engine, group, rows) for (engine, group), rows in _grouped(result.rows).items()]


def _drawing(engine: str, group: str, rows: Sequence[Row]) -> Plot:
    lines = [
        plots.RatioLine(
            row.query,
            row.ratio.ratio,
            (row.ratio.interval.low, row.ratio.interval.high) if row.ratio.interval else None,
            row.ratio.differs,
        )
        for row in rows
    ]
    alt = "; ".join(f"{row.query} {row.ratio.ratio:.2f}, {row.verdict}" for row in rows)
    name = f"{engine}, {group}" if group else engine
    return Plot(
        f"Ratios of {name}, warm: 95 % intervals, lines at 1 and 1.10",
        alt,
        partial(plots.ratios, lines, comparison.THRESHOLD),
    )


def show(result: Comparison, console: Console, made: Sequence[Path]) -> None:
    """Print the comparison on ``console``; ``made`` are the files with the details."""
    for line in _alerts(result):
        console.print(Text(line, style="bold red"))
    if not result.interleaved:
        console.print(Text(_APART, style="yellow"))
    shown = [row for row in (*result.rows, *result.cold) if row.ratio.differs]
    tables = [_overview(result)] if result.rows else []
    tables += _cells(result, _page(result))
    if broken := _apart(result, result.broken):
        tables.append(_changes("Passed, and fails", broken))
    if shown:
        tables.append(_table("Where a difference is shown", shown, named=True))
    if result.differences:
        tables.append(_differences(result))
    for table in tables:
        console.print(terminal.grid(table, _SHOWN))
        if len(table.rows) > _SHOWN:
            console.print(Text(f"… and {len(table.rows) - _SHOWN} more: see the report"))
    for why, count in Counter(one.why for one in result.left).items():
        console.print(Text(f"not compared: {count} cases {why}", style="dim"))
    for path in made:
        console.print(Text(str(path)), soft_wrap=True)
    console.print(Text(verdict(result), style="bold red" if result.worse else "bold green"), soft_wrap=True)


def to_json(result: Comparison) -> dict[str, Any]:
    """The comparison as JSON values; times are in seconds, ratios are this divided by base."""
    return {
        "base": result.base.header.run,
        "run": result.run.header.run,
        "interleaved": result.interleaved,
        "worse": result.worse,
        "verdict": verdict(result),
        "rows": [row_json(row) for row in (*result.rows, *result.cold)],
        "means": [
            {"engine": one.engine, "group": one.group, "queries": one.queries, **_ratio_json(one.ratio)}
            for one in result.means
        ],
        "floors": {engine: asdict(one) for engine, one in result.floors.items()},
        "gone": [asdict(one) for one in result.gone],
        "broken": [asdict(one) for one in result.broken],
        "mended": [asdict(one) for one in result.mended],
        "cells": [asdict(one) for one in result.cells],
        "left": [asdict(one) for one in result.left],
        "differences": [{"what": what, "base": base, "run": run} for what, base, run in result.differences],
    }


def row_json(row: Row) -> dict[str, Any]:
    """A query on both sides as JSON values; times are in seconds."""
    return {
        "case": row.case,
        "engine": row.engine,
        "group": row.group,
        "query": row.query,
        "kind": row.kind,
        "base_s": row.base_s,
        "run_s": row.other_s,
        "samples": [len(row.base), len(row.other)],
        **_ratio_json(row.ratio),
        "verdict": row.verdict,
    }


def _ratio_json(ratio: Ratio) -> dict[str, Any]:
    interval = [ratio.interval.low, ratio.interval.high] if ratio.interval else None
    return {"ratio": ratio.ratio, "interval": interval, "floor": ratio.floor, "verdict": ratio.verdict}
