"""Every writer, every reader, every feature: a page of its own, and what stands of it in the other reports."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lakebench.outcomes import Outcome
from lakebench.phases.interop.report_squares import (
    BETTER,
    BROKEN,
    LETTERS,
    VERDICTS,
    WORST_FIRST,
    Finding,
    Square,
    counted,
    findings,
    is_wrong,
    squares,
)
from lakebench.reports import document, html, matrix
from lakebench.reports.alerts import alerts
from lakebench.reports.content import (
    DASH,
    MISLED,
    NOT_WRITTEN,
    STATES,
    Cell,
    Paragraph,
    Part,
    Section,
    Table,
    cells,
    mark,
)
from lakebench.results.records import ChangedCase, FeatureFacts, Run

PAGE = "interop.html"
_CHANGES = {
    "gone": "ran when it was accepted, and did not run now",
    "worse": "worse than accepted",
    "new": "new, not accepted yet",
    "better": "better than accepted: accept it",
}
_LARGEST = 2**53
"""From here on a browser's numbers are not exact."""
_TEXT = 4000
"""Characters of one text that the page holds: a feature's values may be megabytes long."""
_ITEMS = 200
"""Items of one list that the page holds."""
_SHOWN_BY_POSITION = frozenset({"side", "feature", "writer", "reader", "verdict"})
"""Evidence that the position of a cell on the page shows already."""


def verdict(run: Run) -> tuple[str, str]:
    """The matrix in one sentence, and ``good``, ``fair`` (a claim is broken) or ``bad``.

    It is bad where a wrong answer is not accepted, an outcome is worse than the accepted one, or the run is incomplete.
    """
    every, findings_ = squares(run), findings(run)
    counts = Counter(one.state for one in every)
    judged = [one for one in every if one.judged]
    text = (
        f"{_silent(one for one in every if is_wrong(one))}, {_broken(one for one in every if one.verdict == BROKEN)}: "
        f"{sum(one.passed for one in judged):,} of {counted(len(judged), 'judged cell')} passed"
    )
    if misled := counts[MISLED]:
        text += f"; {counted(misled, 'read')} of wrong tables {'is' if misled == 1 else 'are'} no fault of the reader"
    if worse := len(_changed(run).get("worse", ())):
        text += f"; {counted(worse, 'outcome')} worse than accepted"
    if worse or alerts(run) or not judged or not all(one.accepted for one in findings_.wrong):
        return text, "bad"
    return text, "good" if all(one.accepted for one in findings_.broken) else "fair"


def _silent(cells_: Iterable[Square]) -> str:
    accepted = ["known" in one.record.evidence for one in cells_]
    if not accepted:
        return "no silent wrong answer"
    number = "all" if all(accepted) else sum(accepted) or "none"
    return f"{counted(len(accepted), 'silent wrong answer')} ({number} accepted)"


def _broken(cells_: Iterable[Square]) -> str:
    broken = list(cells_)
    wrong = sum(is_wrong(one) for one in broken)
    also = f" ({wrong} of them by wrong answers)" if wrong else ""
    return f"{counted(len(broken), 'broken claim')}{also}" if broken else "no broken claim"


def _changed(run: Run) -> Mapping[str, Sequence[ChangedCase]]:
    return run.end.changes if run.end else {}


# The page.


def render(run: Run) -> str:
    """``run`` as one page that asks the network for nothing."""
    text, level = verdict(run)
    every, findings_ = squares(run), findings(run)
    here = Path(__file__)
    page: str = html.template(here.with_name("report.html.j2")).render(
        style=html.style(here.with_name("report.css")),
        pages=document.pages(run),
        page=PAGE,
        title=f"lakebench interop {run.header.run}",
        subtitle=_subtitle(run),
        alerts=alerts(run),
        verdict=text,
        level=level,
        outcomes=_outcomes(every),
        verdicts=_verdicts(every),
        changes=_changes(run),
        findings=findings_,
        cells=findings_.cells,
        also=sum(one.verdict == BROKEN for one in every if is_wrong(one)),
        faults=[one for one in every if one.state == Outcome.HARNESS_FAULT.value],
        titles=_titles(run),
        index={one.record.case: number for number, one in enumerate(every)},
        letters=LETTERS,
        data=_data(run),
    )
    return page


def _subtitle(run: Run) -> str:
    every = squares(run)
    counts = (
        (_names(one.feature for one in every), "feature"),
        (_names(one.writer for one in every), "writer"),
        (_names(one.reader for one in every if one.reader), "reader"),
    )
    return f"{run.header.started} {DASH} {', '.join(counted(len(names), name) for names, name in counts)}"


def _names(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _outcomes(every: Sequence[Square]) -> list[tuple[str, str, str, int]]:
    """Letter, name, meaning and number of cells, of everything that a cell can be."""
    counts = Counter(one.state for one in every)
    return [(letter, state, meaning, counts[state]) for state, (letter, meaning) in STATES.items()]


def _verdicts(every: Sequence[Square]) -> list[tuple[str, str, str, int]]:
    counts = Counter(one.verdict for one in every)
    return [(sign, name, meaning, counts[name]) for name, (sign, meaning) in VERDICTS.items()]


def _changes(run: Run) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Kind, its title, and a line with its cell (empty where the run has none) for each change."""
    links = {one.record.case: one.link for one in squares(run)}
    return [
        (kind, title, [(str(line), links.get(line.case, "")) for line in lines])
        for kind, title in _CHANGES.items()
        if (lines := _changed(run).get(kind, ()))
    ]


def _features(run: Run) -> list[FeatureFacts]:
    """Those that have cells, by group, as the run has them; of one that it does not have there is only the name."""
    facts = {one.feature: one for one in run.features}
    named = _names(one.feature for one in squares(run))
    order = [one for one in facts if one in set(named)] + [one for one in named if one not in facts]
    features = [facts.get(one) or FeatureFacts(one, "Other features", one, 0, "", "") for one in order]
    groups = _names(one.group for one in features)
    return sorted(features, key=lambda one: groups.index(one.group))


def _titles(run: Run) -> dict[str, str]:
    return {one.feature: one.title for one in _features(run)}


def _engines(run: Run, names: Iterable[str]) -> list[str]:
    """``names`` in the order of the run's engines; others come after."""
    unique = _names(names)
    order = [one.engine for one in run.engines]
    return sorted(unique, key=lambda name: order.index(name) if name in order else len(order))


def _data(run: Run) -> str:
    """The cells as JSON that can stand inside a ``<script>``: no text in it can close the element."""
    every = squares(run)
    features = _features(run)
    writers = _engines(run, (one.writer for one in every))
    readers = _engines(run, (one.reader for one in every if one.reader))
    pool = _Pool()
    indexes = {one.feature: number for number, one in enumerate(features)}
    data = {
        "features": [_fit(vars(one)) for one in features],
        "writers": writers,
        "readers": readers,
        "versions": {
            name: text for name in _names([*writers, *readers]) if (text := matrix.version(run, name)) != DASH
        },
        "outcomes": list(STATES),
        "letters": "".join(LETTERS.values()),
        "worst": list(WORST_FIRST),
        "verdicts": {name: sign for name, (sign, _) in VERDICTS.items()},
        "cells": [_compact(one, indexes, writers, readers, pool) for one in every],
        "shapes": list(pool.shapes),
        "pool": pool.values,
    }
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


class _Pool:
    """Values that the page has once, however many cells have them."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.shapes: dict[tuple[str, ...], int] = {}
        self._indexes: dict[str, int] = {}

    def value(self, value: Any) -> int:
        """The index of ``value``."""
        fit = _fit(value)
        key = json.dumps(fit, ensure_ascii=False)
        if key not in self._indexes:
            self._indexes[key] = len(self.values)
            self.values.append(fit)
        return self._indexes[key]

    def shape(self, keys: tuple[str, ...]) -> int:
        """The index of a list of names."""
        return self.shapes.setdefault(keys, len(self.shapes))


def _fit(value: Any) -> Any:
    """``value`` cut to what a page can hold, with integers that a browser would round (snapshot ids) as text."""
    if isinstance(value, Mapping):
        return {str(key): _fit(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_fit(one) for one in value[:_ITEMS]]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) >= _LARGEST:
        return str(value)
    if isinstance(value, str) and len(value) > _TEXT:
        return f"{value[:_TEXT]}… ({len(value):,} characters, all of them in records.jsonl)"
    return value


def _compact(
    one: Square, features: Mapping[str, int], writers: Sequence[str], readers: Sequence[str], pool: _Pool
) -> list[Any]:
    """Feature, writer, reader (-1: the write), outcome, verdict, seconds, shape, and an index for each name of it."""
    record = one.record
    evidence = {"reason": record.reason, "versions": record.versions, "started": record.started[:19], **record.evidence}
    kept = {
        key: value
        for key, value in evidence.items()
        if key not in _SHOWN_BY_POSITION and value not in (None, "", [], (), {})
    }
    if kept.get("reads"):
        kept["reads"] = _without_table(kept["reads"], one)
    if kept.get("derived"):
        kept["derived"] = {**kept["derived"], "reads": _without_table(kept["derived"]["reads"], one)}
    return [
        features[one.feature],
        writers.index(one.writer),
        readers.index(one.reader) if one.reader else -1,
        list(STATES).index(one.state),
        list(VERDICTS).index(one.verdict) if one.verdict in VERDICTS else len(VERDICTS) - 1,
        round(record.seconds, 2),
        pool.shape(tuple(kept)),
        *(pool.value(value) for value in kept.values()),
    ]


def _without_table(reads: Sequence[Mapping[str, Any]], one: Square) -> list[dict[str, Any]]:
    """``reads`` with ``{table}`` for the table's name in calls, so that those of all writers are alike."""
    name = "_".join(re.sub(r"\W", "_", part) for part in (one.feature, one.writer))
    if not name.isascii():
        return [dict(read) for read in reads]
    return [
        {**read, "calls": [str(call).replace(name, "{table}") for call in read["calls"]]}
        if "calls" in read
        else {**read}
        for read in reads
    ]


# The other reports.


def overview(run: Run) -> Table:
    """One line an engine: what it wrote and read, and where that is not what it claims."""
    every = squares(run)
    rows = tuple(
        _line(run, name, [one for one in every if one.engine == name])
        for name in _engines(run, [one.engine for one in every])
    )
    head = ("engine", "version", "writes that pass", "reads that pass", "wrong", BROKEN, BETTER)
    note = (
        "A cell counts for one engine: a read for its reader, a write for its writer, or for another engine whose step "
        f"in it failed. {_legend(MISLED, NOT_WRITTEN, 'UNAVAILABLE', 'HARNESS_FAULT')} count for nobody."
    )
    return Table("Engines, in cells", head, rows, (note,), layout="figures")


def _line(run: Run, name: str, cells_: Sequence[Square]) -> tuple[Cell, ...]:
    failures = [sum(is_wrong(one) for one in cells_), sum(one.verdict == BROKEN for one in cells_)]
    return (
        Cell(name),
        Cell(matrix.version(run, name)),
        *(_passed([one for one in cells_ if one.side == side]) for side in ("write", "read")),
        *(Cell(str(number), "fail" if number else "") for number in failures),
        Cell(str(sum(one.verdict == BETTER for one in cells_))),
    )


def _passed(cells_: Sequence[Square]) -> Cell:
    judged = [one for one in cells_ if one.judged]
    if not judged:
        return Cell("UNAVAILABLE" if cells_ else DASH, "none")
    return Cell(f"{sum(one.passed for one in judged):,} of {len(judged):,}")


def sections(run: Run) -> list[Section]:
    """What the other reports say of the matrix; none where the run has no cell of it."""
    every = squares(run)
    if not every:
        return []
    where = Paragraph(
        f"Every cell, with its operations, rows, files and error, stands in {PAGE} beside this report.", PAGE
    )
    parts: tuple[Part, ...] = (where, *_faults(every), _tally(every), *_change_table(run), *_absent(every))
    return [
        Section("Interoperability", "interop", parts),
        Section("Claims against measured", "claims-measured", tuple(_claims(run))),
        Section("Features and readers", "interop-matrix", (_matrix(run),)),
    ]


def _tally(every: Sequence[Square]) -> Table:
    """Outcomes against verdicts."""
    counts = Counter((one.state, one.verdict) for one in every)
    had = [name for name in VERDICTS if any(verdict == name for _, verdict in counts)]
    rows = tuple(
        (
            Cell(f"{letter} {state}", _mark(state)),
            *cells(*(f"{counts[state, name]:,}" for name in had)),
            Cell(f"{sum(counts[state, name] for name in had):,}"),
        )
        for state, letter in LETTERS.items()
        if any(one == state for one, _ in counts)
    )
    return Table("Cells by outcome and verdict", ("outcome", *had, "all"), rows, layout="figures")


def _mark(state: str) -> str:
    """The colour of a state: what is no engine's fault has none."""
    return "none" if state in {MISLED, NOT_WRITTEN} else mark(Outcome(state))


def _faults(every: Sequence[Square]) -> list[Table]:
    """The cells that met an error of ours, apart from what engines did."""
    rows = tuple(
        (Cell(one.record.case, link=f"{PAGE}{one.link}"), Cell(one.record.reason))
        for one in every
        if one.state == Outcome.HARNESS_FAULT.value
    )
    return [Table("Faults of lakebench itself, please report them", ("cell", "what"), rows)] if rows else []


def _change_table(run: Run) -> list[Table]:
    rows = tuple(
        (Cell(title), Cell(line, "fail" if kind == "worse" else "", f"{PAGE}{link}" if link else ""))
        for kind, title, lines in _changes(run)
        for line, link in lines
    )
    return [Table("What changed against the accepted outcomes", ("change", "cell"), rows)] if rows else []


def _absent(every: Sequence[Square]) -> list[Table]:
    """Why cells did not run, one line a reason; what one engine did not write, no other could read."""
    counts: Counter[tuple[str, str]] = Counter()
    for one in every:
        if one.state == NOT_WRITTEN:
            counts[one.writer, "not written, so that nobody could read it"] += 1
        elif one.state == Outcome.UNAVAILABLE.value:
            counts[one.record.engine, one.record.reason] += 1
    rows = tuple(cells(engine, number, reason) for (engine, reason), number in counts.items())
    return [Table("What did not run here", ("engine", "cells", "reason"), rows)] if rows else []


def _claims(run: Run) -> list[Part]:
    disagreements, titles = findings(run), _titles(run)
    made = (
        ("Silent wrong answers", disagreements.wrong, "fail"),
        (
            "Broken claims, besides wrong answers" if disagreements.wrong else "Broken claims",
            disagreements.broken,
            "fail",
        ),
        ("Better than claimed", disagreements.better, "pass"),
    )
    tables = [_claim_table(caption, lines, colour, titles) for caption, lines, colour in made if lines]
    return [*tables] if tables else [Paragraph("Every outcome is as claimed, or nobody claims anything.")]


def _claim_table(caption: str, lines: Sequence[Finding], colour: str, titles: Mapping[str, str]) -> Table:
    rows = tuple(
        (
            Cell(f"{one.first.engine} {one.version}".rstrip()),
            Cell(one.first.side),
            Cell(titles[one.first.feature]),
            Cell(one.claim),
            Cell(one.source or DASH),
            Cell(one.measured, colour, f"{PAGE}{one.first.link}"),
            Cell("yes" if one.accepted else "no"),
        )
        for one in lines
    )
    return Table(caption, ("engine", "side", "feature", "claim", "source", "measured", "accepted"), rows)


def _matrix(run: Run) -> Table:
    """One line a feature: how many writers wrote it, and of how many of these each reader read it."""
    every = squares(run)
    readers = _engines(run, (one.reader for one in every if one.reader))
    where: dict[tuple[str, str], list[Square]] = {}
    for one in every:
        where.setdefault((one.feature, one.reader), []).append(one)
    rows = tuple(
        (
            Cell(one.title),
            Cell(f"v{one.format_version}"),
            *(_share(where.get((one.feature, name), [])) for name in ("", *readers)),
        )
        for one in _features(run)
    )
    notes = (
        f"k/n: of n judged cells k passed, and the letter is that of the worst: {_legend(*STATES)}.",
        f"{VERDICTS[BROKEN][0]} is a broken claim.",
    )
    return Table(
        "Features and readers",
        ("feature", "format", "written", *(matrix.heading(run, name) for name in readers)),
        rows,
        notes,
        layout="matrix",
    )


def _legend(*states: str) -> str:
    return ", ".join(f"{LETTERS[state]} {state}" for state in states)


def _share(cells_: Sequence[Square]) -> Cell:
    judged = [one for one in cells_ if one.judged]
    if not judged:
        states = [state for state in WORST_FIRST if any(one.state == state for one in cells_)]
        return Cell(LETTERS[states[0]] if states else DASH, "none")
    worst = min(judged, key=lambda one: WORST_FIRST.index(one.state))
    broken = VERDICTS[BROKEN][0] if any(one.verdict == BROKEN for one in judged) else ""
    text = f"{LETTERS[worst.state]}{broken} {sum(one.passed for one in judged)}/{len(judged)}"
    return Cell(text, _mark(worst.state), "" if worst.passed else f"{PAGE}{worst.link}")
