"""Latencies and their uncertainty. Only a case that passed has samples, so only a verified answer has a time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from lakebench.model import Record, Sample
from lakebench.reports import costs, plots, ranking
from lakebench.reports.content import (
    DASH,
    TIMES,
    Cell,
    Part,
    Plot,
    Table,
    group_of,
    label,
    mark,
    memory,
    ordered,
    ratio_to_least,
    seconds,
    show,
    size,
)
from lakebench.reports.matrix import anchors, engine_order, group_anchors, heading
from lakebench.results import statistics
from lakebench.results.comparison import turns
from lakebench.results.placement import storage_format_of
from lakebench.results.ranking import Ranking, rank
from lakebench.results.records import Run

_NS = 1e9
_NONE = Cell(DASH)
_ASKED = (
    "“Asked of the store” is what a warm execution fetched, in requests and bytes with headers: who made none answered "
    "from memory that the engine keeps, and its time is held against others that fetched the data anew."
)
_APART = 3  # a group with more repeated queries has one table for all
_HEAT = ((1.25, "heat0"), (2.0, "heat1"), (5.0, "heat2"), (20.0, "heat3"))


@dataclass(frozen=True)
class Timed:
    """One query on one engine: ``warm`` and ``cold`` are statistics in seconds, ``None`` without such samples."""

    record: Record
    warm: statistics.Summary | None
    cold: statistics.Summary | None

    @property
    def best(self) -> statistics.Summary | None:
        """The warm statistics if there are any, else the cold ones."""
        return self.warm or self.cold


@dataclass(frozen=True)
class QueryRow:
    """One query on all engines of a group."""

    group: str
    query: str
    engines: tuple[Timed, ...]

    @property
    def name(self) -> str:
        """The name of the group in captions."""
        return f"{self.query} ({self.group})"

    @property
    def repeated(self) -> bool:
        """Whether any engine ran the query more than once."""
        return any(one.best is not None and one.best.n > 1 for one in self.engines)


def of_kind(record: Record, kind: str) -> list[Sample]:
    """The samples of one kind, in their order of execution."""
    return sorted((one for one in record.samples if one.kind == kind), key=lambda one: one.position)


def times(samples: Sequence[Sample]) -> list[float]:
    """The samples in seconds."""
    return [one.ns / _NS for one in samples]


def questions(run: Run) -> list[QueryRow]:
    """All queries with a time, by group."""
    timed_groups = {group_of(record) for record in run.cases if record.samples}
    order = {engine: number for number, engine in enumerate(engine_order(run))}
    found = []
    for group in group_anchors(run):
        if group not in timed_groups:
            continue
        own = [record for record in run.cases if group_of(record) == group]
        for query in ordered(record.row for record in own):
            asked = sorted((one for one in own if one.row == query), key=lambda one: order[one.engine])
            found.append(QueryRow(group, query, tuple(_timed(one) for one in asked)))
    return found


def _timed(record: Record) -> Timed:
    return Timed(record, _summary(of_kind(record, "warm")), _summary(of_kind(record, "cold")))


def _summary(samples: Sequence[Sample]) -> statistics.Summary | None:
    return statistics.summarise(times(samples)) if samples else None


def parts(run: Run) -> list[Part]:
    """All of the latency section."""
    asked = questions(run)
    links = anchors(run)
    wide = grids(asked)
    made: list[Part] = []
    for question in asked:
        if question.repeated and question.group not in wide:
            made += [_table(question, links), *_lone(plot(question)), _resources(question, links)]
    for group in dict.fromkeys(one.group for one in asked if not one.repeated or one.group in wide):
        single = [one for one in asked if one.group == group and (group in wide or not one.repeated)]
        anchor = group_anchors(run)[group] if group in gridded(run) else ""
        made += [_ranking(run, single), *_costs(run, single)]
        made += [_grid(run, single, "warm", anchor), *_lone(_queries_plot(single))]
        if group in wide:
            made += [*([_grid(run, single, "cold")] if _has_cold(single) else []), _details(single, links)]
    return made


def gridded(run: Run) -> frozenset[str]:
    """Groups of query phases whose table of seconds has all their cases, failures included."""
    asked = questions(run)
    apart = {one.group for one in asked if one.repeated} - grids(asked)
    of_queries = {group_of(record) for record in run.cases if storage_format_of(record)}
    return frozenset(one.group for one in asked if one.group in of_queries) - apart


def grids(asked: Sequence[QueryRow]) -> frozenset[str]:
    """The groups with too many repeated queries for a table each: they get one table for all."""
    counts = Counter(one.group for one in asked if one.repeated)
    return frozenset(group for group, count in counts.items() if count > _APART)


def _has_cold(single: Sequence[QueryRow]) -> bool:
    return any(one.cold and one.warm for question in single for one in question.engines)


def _lone(part: Plot | None) -> list[Plot]:
    return [] if part is None else [part]


def first(run: Run) -> Table | Plot | None:
    """For the first screen: the ranking of the first group of queries, else the plot of the first repeated query."""
    asked = questions(run)
    groups = {one.group: [each for each in asked if each.group == one.group] for one in asked}
    rankings = [_ranking(run, group) for group in groups.values() if len(group) > 1]
    ranked = next((one for one in rankings if any(cell.share for row in one.rows for cell in row)), None)
    return ranked or next((made for one in asked if one.repeated and (made := plot(one))), None)


def _table(question: QueryRow, links: dict[str, str]) -> Table:
    base = least(question)
    head = (
        "engine",
        "median s",
        "95 % interval",
        "min s",
        "MAD s",
        "p90, p95, p99 s",
        "n",
        "ratio to the least",
        "asked of the store",
        "cold s",
        "marks",
    )
    rows = tuple(
        (_engine(one, links), *(_warm_cells(one, base) if one.best else _failed_cells(one, len(head) - 1)))
        for one in question.engines
    )
    return Table(f"Latency of {question.name}, warm", head, rows, _table_notes(question, base), "figures")


def _table_notes(question: QueryRow, base: Timed | None) -> tuple[str, ...]:
    notes = [("Warm is the same session again. "
             "The clock stands around the engine's own call, up to the last row fetched as Arrow.")]  # fmt: skip
    caches = {sample.cache for one in question.engines for sample in of_kind(one.record, "cold")}
    if caches:
        cache_names = "; ".join(sorted(cache or "what was dropped is not recorded" for cache in caches))
        notes.append(f"Cold is: {cache_names}.")
    else:
        notes.append("Cold was not measured in this protocol.")
    if base:
        notes.append(
            f"“Ratio to the least” divides by {base.record.engine}'s median, paired by round, with a 95 % interval. "
            "A noise floor is not had here: lakebench run phase3 --against measures one."
        )
    if any(_asked(one) is not None for one in question.engines):
        notes.append(_ASKED)
    return tuple(notes)


def _engine(one: Timed, links: dict[str, str]) -> Cell:
    return Cell(one.record.engine, link=f"#{links[one.record.case]}")


def _failed_cells(one: Timed, width: int) -> list[Cell]:
    outcome = label(one.record.outcome) if one.record.outcome.mark != "PASS" else "PASS, not timed"
    return [Cell(outcome, mark(one.record.outcome)), *[_NONE] * (width - 2), Cell(one.record.reason)]


def _warm_cells(one: Timed, base: Timed | None) -> list[Cell]:
    warm = one.best
    if warm is None:  # the caller checks that there are samples
        return []
    return [
        Cell(seconds(warm.median)),
        Cell(interval(warm.interval, warm.n)),
        Cell(seconds(warm.minimum)),
        Cell(seconds(warm.mad) if warm.n > 1 else DASH),
        Cell(_tail(warm)),
        Cell(str(warm.n)),
        Cell(_against(one, base)),
        Cell(asked_of_store(one)),
        Cell(_cold(one)),
        Cell(_marks(one, warm)),
    ]


def _tail(warm: statistics.Summary) -> str:
    quantiles = [f"{name} {seconds(value)}" for name, value in warm.quantiles.items() if value is not None]
    return ", ".join(quantiles) or statistics.TOO_SMALL


def interval(bounds: statistics.Interval | None, n: int) -> str:
    """The bounds of the interval in seconds, or why there is none."""
    if bounds is not None:
        return f"{seconds(bounds.low)} {DASH} {seconds(bounds.high)}"
    return "one run, no interval" if n == 1 else statistics.TOO_SMALL


def _cold(one: Timed) -> str:
    if one.cold is None:
        return "not measured"
    return f"{seconds(one.cold.median)} (n {one.cold.n})"


def _marks(one: Timed, warm: statistics.Summary) -> str:
    marks = [] if one.warm else ["cold only"]
    if warm.unstable:
        marks.append(f"unstable (spread {warm.spread:.0%})")
    if warm.drift is None:
        marks.append(f"drift: {statistics.TOO_SMALL}")
    elif warm.drifting:
        marks.append(f"drifts (second half {TIMES} {warm.drift.ratio:.2f})")
    if warm.outliers:
        marks.append(f"{len(warm.outliers)} outlier{'s' * (len(warm.outliers) > 1)}, kept")
    if warmups := len(of_kind(one.record, "warm-up")):
        marks.append(f"{warmups} warm-up apart")
    return ", ".join(marks) or "stable"


def least(question: QueryRow) -> Timed | None:
    """The engine with the lowest warm median."""
    warm = [(one.warm.median, number, one) for number, one in enumerate(question.engines) if one.warm]
    return min(warm)[2] if warm else None


def _against(one: Timed, base: Timed | None) -> str:
    if base is None or one.warm is None:
        return DASH
    if one is base:
        return ratio_to_least(None)
    ratio = _paired(base.record, one.record)
    return "no common round" if ratio is None else ratio_to_least(ratio)


def asked_of_store(one: Timed) -> str:
    """Median requests and bytes received of a warm execution; of a cold one where there is no warm one."""
    asked = _asked(one)
    if asked is None:
        return "not had"
    taken = of_kind(one.record, "warm") or of_kind(one.record, "cold")
    sent = [sample.store_bytes for sample in taken if sample.store_bytes is not None]
    received = f", {size(statistics.median(sent))}" if sent and asked else ""
    return f"{asked:g} request{'s' * (asked != 1)}{received}"


def _asked(one: Timed) -> float | None:
    """The median number of requests, all operations together; ``None`` where they were not counted."""
    taken = of_kind(one.record, "warm") or of_kind(one.record, "cold")
    had = [sum(sample.requests.values()) for sample in taken if sample.requests is not None]
    return statistics.median(had) if had else None


def requests_a_query(engine: str, single: Sequence[QueryRow]) -> str:
    """The mean number of requests of one execution, over the queries for which ``engine`` has times."""
    timed = [one for question in single for one in question.engines if one.record.engine == engine and one.best]
    had = [asked for one in timed if (asked := _asked(one)) is not None]
    return f"{sum(had) / len(had):.3g}" if had else "not had"


def _paired(base: Record, other: Record) -> statistics.Ratio | None:
    """Warm samples of the same turn of the same round, compared with each other."""
    ours, theirs = turns(base, "warm"), turns(other, "warm")
    common = [turn for turn in ours if turn in theirs]
    if not common:
        return None
    return statistics.paired_ratio([ours[turn] for turn in common], [theirs[turn] for turn in common])


def _resources(question: QueryRow, links: dict[str, str]) -> Table:
    head = ("engine", "rows", "bytes", "CPU s", "peak memory", "store requests", "cold: store requests")
    rows = tuple((_engine(one, links), *_used(one)) for one in question.engines if one.best)
    notes = (
        (
            "Medians over the warm samples; CPU and memory are of the engine's whole process tree, server included. "
            "Plan and scan times apart are not had: not every engine tells them. Bytes are what the store put out, "
            "headers included, of all requests together."
        ),
    )
    return Table(f"Resources of {question.name}, per query", head, rows, notes, "figures")


def _used(one: Timed) -> list[Cell]:
    warm = of_kind(one.record, "warm") or of_kind(one.record, "cold")
    return [
        Cell(_middle([sample.rows for sample in warm], lambda value: f"{value:.0f}")),
        Cell(_middle([sample.bytes for sample in warm], size)),
        Cell(_middle([None if s.cpu_ns is None else s.cpu_ns / _NS for s in warm], seconds)),
        Cell(_middle([sample.peak_bytes for sample in warm], memory)),
        Cell(_requests(warm)),
        Cell(_requests(of_kind(one.record, "cold"))),
    ]


def _middle(values: Sequence[float | None], text: Callable[[float], str]) -> str:
    had = [value for value in values if value is not None]
    return text(statistics.median(had)) if had else "not had"


def _requests(samples: Sequence[Sample]) -> str:
    """The requests of the median sample, by operation."""
    had = [dict(one.requests) for one in samples if one.requests is not None]
    if not had:
        return "not had" if samples else DASH
    operations = sorted({name for one in had for name in one})
    middle = {name: f"{statistics.median([one.get(name, 0) for one in had]):g}" for name in operations}
    sent = [one.store_bytes for one in samples if one.store_bytes is not None]
    received = f"; {size(statistics.median(sent))}" if sent and middle else ""
    return f"{show('requests', middle)}{received}"


def _grid(run: Run, single: Sequence[QueryRow], kind: str, anchor: str = "") -> Table:
    """A table of queries by engines with medians of the samples of ``kind``, in seconds."""
    engines, links = _engines(single), anchors(run)
    rows = []
    for question in single:
        by_engine = {one.record.engine: one for one in question.engines}
        least = min((had.median for one in question.engines if (had := _chosen(one, kind))), default=0.0)
        row = [_grid_cell(by_engine.get(engine), least, links, kind) for engine in engines]
        rows.append((Cell(question.query), *row))
    runs = [had.n for question in single for one in question.engines if (had := _chosen(one, kind))]
    if max(runs, default=1) == 1:
        caption, note = "seconds, one run each", "One run each, no interval: for information."
    else:
        caption, note = f"{kind} medians, seconds", f"Medians of {min(runs)} to {max(runs)} {kind} samples."
    if kind == "cold":
        caches = {sample.cache for one in single for timed in one.engines for sample in of_kind(timed.record, "cold")}
        caption, note = f"cold, {caption}", f"{note} Cold is: {'; '.join(sorted(caches))}."
    note = f"{note} A shade marks slower than the least of the row by over 1.25, 2, 5 and 20 times."
    notes = (f"{note} A failed answer has no time.",)
    head = ("", *(heading(run, engine) for engine in engines))
    return Table(f"{single[0].group}: {caption}", head, tuple(rows), notes, "figures", anchor)


def _chosen(one: Timed, kind: str) -> statistics.Summary | None:
    return one.cold if kind == "cold" else one.best


def _details(single: Sequence[QueryRow], links: dict[str, str]) -> Table:
    """The statistics and the resources of every query on every engine."""
    head = ("query and engine", "median s", "95 % interval", "min s", "MAD s", "p90, p95, p99 s", "n", "cold s",
            "CPU s", "peak memory", "store requests", "cold: store requests", "marks")  # fmt: skip
    rows = []
    for question in single:
        for one in question.engines:
            name = Cell(f"{question.query} {one.record.engine}", link=f"#{links[one.record.case]}")
            figures, used = (_warm_cells(one, None), _used(one)) if one.best else (_failed_cells(one, 10), [])
            if used:
                figures = [*figures[:6], figures[8], *used[2:], figures[9]]
                rows.append((name, *figures))
            else:
                rows.append((name, figures[0], *[_NONE] * (len(head) - 3), figures[-1]))
    notes = ("CPU and memory are of the engine's whole process tree, server included; medians over the samples.",)
    return Table(f"{single[0].group}: statistics and resources", head, tuple(rows), notes, "figures")


def _engines(single: Sequence[QueryRow]) -> list[str]:
    return list(dict.fromkeys(one.record.engine for question in single for one in question.engines))


def _grid_cell(one: Timed | None, least: float, links: dict[str, str], kind: str) -> Cell:
    if one is None:
        return _NONE
    link, had = f"#{links[one.record.case]}", _chosen(one, kind)
    if had is None:
        return Cell(label(one.record.outcome), mark(one.record.outcome), link)
    ratio = had.median / least if least else 1.0
    heat = next((name for limit, name in _HEAT if ratio <= limit), "heat4")
    return Cell(seconds(had.median), heat, link)


def _ranking(run: Run, single: Sequence[QueryRow]) -> Table:
    engines = _engines(single)
    return ranking.table(
        single[0].group,
        {heading(run, engine): _right(single, engine) for engine in engines},
        {heading(run, engine): requests_a_query(engine, single) for engine in engines},
        len(single),
    )


def _costs(run: Run, single: Sequence[QueryRow]) -> list[Table]:
    """What the right answers cost, where the settings of the run have prices."""
    prices = costs.of_run(run.header.settings)
    if prices is None:
        return []
    right = {heading(run, engine): _right_samples(single, engine) for engine in _engines(single)}
    return [costs.table(single[0].group, right, _ranked(run, single).verdict, prices)]


def rankings(run: Run) -> dict[str, Ranking]:
    """The ranking of each group of queries that has times of several engines."""
    asked = questions(run)
    groups = {one.group: [each for each in asked if each.group == one.group] for one in asked}
    made = {group: _ranked(run, single) for group, single in groups.items()}
    return {group: one for group, one in made.items() if len(one.engines) > 1}


def _ranked(run: Run, single: Sequence[QueryRow]) -> Ranking:
    return rank({" ".join(heading(run, one).split()): _right(single, one) for one in _engines(single)})


def _right(single: Sequence[QueryRow], engine: str) -> dict[str, list[float]]:
    """Query → samples in seconds, of the queries that ``engine`` got right: the warm ones if there are any."""
    return {query: times(samples) for query, samples in _right_samples(single, engine).items()}


def _right_samples(single: Sequence[QueryRow], engine: str) -> dict[str, list[Sample]]:
    return {
        question.query: of_kind(one.record, "warm") or of_kind(one.record, "cold")
        for question in single
        for one in question.engines
        if one.record.engine == engine and one.best and one.best.median > 0
    }


def plot(question: QueryRow) -> Plot | None:
    """Medians, intervals and all samples of one query; ``None`` where nothing has a time."""
    rows = [_strip(one) for one in question.engines]
    if not any(one.samples for one in rows):
        return None
    texts = [f"{one.name} {seconds(one.median)} s" if one.samples else f"{one.name} {one.note}" for one in rows]
    return Plot(
        f"Latency of {question.name}: samples, median, 95 % interval",
        "; ".join(texts),
        partial(plots.strips, rows),
    )


def _strip(one: Timed) -> plots.Strip:
    warm = one.best
    if warm is None:
        return plots.Strip(one.record.engine, note=label(one.record.outcome))
    samples = times(of_kind(one.record, "warm") or of_kind(one.record, "cold"))
    bounds = (warm.interval.low, warm.interval.high) if warm.interval else None
    note = "unstable" if warm.unstable else ""
    asked = _asked(one)
    name = one.record.engine if asked is None else f"{one.record.engine} ({asked:g} requests)"
    return plots.Strip(name, tuple(samples), warm.median, bounds, note)


def _queries_plot(single: Sequence[QueryRow]) -> Plot | None:
    values = {
        engine: tuple(
            next((one.best.median for one in question.engines if one.record.engine == engine and one.best), None)
            for question in single
        )
        for engine in _engines(single)
    }
    had = {engine: points for engine, points in values.items() if any(one is not None for one in points)}
    if not had:
        return None
    return Plot(
        f"{single[0].group}: seconds by query and engine",
        f"{len(single)} queries on {', '.join(had)}; the table above has every number",
        partial(plots.dots, [one.query for one in single], had),
    )
