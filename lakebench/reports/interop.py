"""Every writer, every reader, every feature: a page of its own, and what stands of it in the other reports."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote

from lakebench.model import FROM_BEST, Outcome, Record
from lakebench.records import FeatureFacts, Run
from lakebench.reports import html, matrix
from lakebench.reports.alerts import alerts
from lakebench.reports.content import DASH, Cell, Paragraph, Part, Section, Table, cells, mark

PAGE = "interop.html"
LETTERS = {
    Outcome.PASS: "P",
    Outcome.WRONG: "W",
    Outcome.REFUSED: "R",
    Outcome.CRASH: "C",
    Outcome.TIMEOUT: "T",
    Outcome.OUT_OF_MEMORY: "M",
    Outcome.UNAVAILABLE: "U",
    Outcome.HARNESS_FAULT: "H",
}
_WORST_FIRST = (
    *reversed(FROM_BEST),
    Outcome.HARNESS_FAULT,
    Outcome.UNAVAILABLE,
)
_MEANINGS = {
    Outcome.PASS: "checked, and right",
    Outcome.WRONG: "no error, and not the right rows",
    Outcome.REFUSED: "the engine said no",
    Outcome.CRASH: "process or server died",
    Outcome.TIMEOUT: "no answer in time",
    Outcome.OUT_OF_MEMORY: "passed its memory limit",
    Outcome.UNAVAILABLE: "did not run here",
    Outcome.HARNESS_FAULT: "an error of lakebench itself",
}
_BROKEN = "broken claim"
_BETTER = "better than claimed"
_UNJUDGED = "not judged"
_VERDICTS = {
    _BROKEN: ("!", "claimed, and does not work"),
    _BETTER: ("+", "works, and is not claimed"),
    "as claimed": ("=", "works, or fails, as claimed"),
    "unknown": ("?", "no document speaks of it"),
    _UNJUDGED: (DASH, "nothing to hold against a claim"),
}
"""Verdict → its mark in a cell, and what it means."""
_CHANGES = {
    "gone": "ran when it was accepted, and did not run now",
    "worse": "worse than accepted",
    "new": "new, not accepted yet",
    "better": "better than accepted: accept it",
}
_NOT_WRITTEN = "not written:"
_ARROW = "→"
_LARGEST = 2**53
"""From here on a browser's numbers are not exact."""
_TEXT = 4000
"""Characters of one text that the page holds: a feature's values may be megabytes long."""
_ITEMS = 200
"""Items of one list that the page holds."""
_REASON = 220
"""Characters of a reason in a line of the claims; the cell has all of it."""
_PLACE = frozenset({"side", "feature", "writer", "reader", "verdict"})
"""Evidence that stands in a cell's place on the page."""


@dataclass(frozen=True)
class Square:
    """One cell: ``writer`` wrote the feature's table, and ``reader`` read it; empty for the writing itself."""

    feature: str
    writer: str
    reader: str
    record: Record

    @property
    def side(self) -> str:
        """``read`` or ``write``."""
        return "read" if self.reader else "write"

    @property
    def verdict(self) -> str:
        """The outcome held against what the engine claims."""
        return str(self.record.evidence.get("verdict") or _UNJUDGED)

    @property
    def ran(self) -> bool:
        """Whether it ran here."""
        return self.record.outcome.ran

    @property
    def link(self) -> str:
        """The part of an address that opens it on the page."""
        return f"#cell={quote(self.record.case, safe='')}"


@dataclass(frozen=True)
class Finding:
    """What an engine claims of a feature, and the cells that say otherwise; ``of`` counts those that ran."""

    squares: tuple[Square, ...]
    of: int

    @property
    def first(self) -> Square:
        """The cell that stands for all."""
        return self.squares[0]

    @property
    def version(self) -> str:
        """The engine's own version."""
        return next(iter(self.first.record.versions.values()), "")

    @property
    def claim(self) -> str:
        """What is claimed, in a line."""
        told = self.first.record.evidence.get("claim")
        if not told:
            return "none"
        return f"{told['support']}, since {told['since']}" if told.get("since") else str(told["support"])

    @property
    def source(self) -> str:
        """Where it is claimed, and when that was read."""
        told = self.first.record.evidence.get("claim") or {}
        return ", read ".join(str(told[key]) for key in ("source", "date") if told.get(key))

    @property
    def measured(self) -> str:
        """The outcomes, and in how many cells."""
        counts = Counter(one.record.outcome for one in self.squares)
        told = ", ".join(f"{counts[kind]} {kind.value}" for kind in _WORST_FIRST if counts[kind])
        return f"{told} of {_count(self.of, 'cell')}"

    @property
    def reason(self) -> str:
        """The beginning of what the first cell says of it."""
        text = " ".join(self.first.record.reason.split())
        return text if len(text) <= _REASON else f"{text[:_REASON]}…"

    @property
    def known(self) -> bool:
        """Whether all of it is accepted."""
        return all("known" in one.record.evidence for one in self.squares)


@dataclass(frozen=True)
class Findings:
    """The cells of a run that say something else than the claims, gravest first."""

    wrong: tuple[Finding, ...]
    broken: tuple[Finding, ...]
    better: tuple[Finding, ...]


def squares(run: Run) -> list[Square]:
    """The cells of the matrix, in the order of the run."""
    found = (_square(record) for record in run.cases)
    return [one for one in found if one]


def _square(record: Record) -> Square | None:
    start, _, rest = record.case.partition("/")
    feature, _, pair = rest.rpartition("/")
    writer, _, reader = pair.partition(_ARROW)
    return Square(feature, writer, reader, record) if start == "interop" and feature and writer else None


def others(run: Run) -> Run:
    """``run`` without the cells of the matrix."""
    return replace(run, cases=tuple(record for record in run.cases if _square(record) is None))


def findings(run: Run) -> Findings:
    """What the claims and the run disagree about: one line for an engine, a feature and a side."""
    every = squares(run)
    ran = Counter(_subject(one) for one in every if one.ran)
    # A reader that was misled by a wrong table is no finding of its own: the writer's cell is.
    wrong = [one for one in every if one.record.outcome is Outcome.WRONG and "fault" not in one.record.evidence]
    broken = [one for one in every if one.verdict == _BROKEN and one.record.outcome is not Outcome.WRONG]
    better = [one for one in every if one.verdict == _BETTER]
    return Findings(*(_findings(each, ran) for each in (wrong, broken, better)))


def _subject(one: Square) -> tuple[str, ...]:
    """Engine, feature and side, with the version: an engine may run in two of them."""
    return one.record.engine, one.reader or one.writer, one.feature, one.side


def _findings(found: Iterable[Square], ran: Mapping[tuple[str, ...], int]) -> tuple[Finding, ...]:
    lines: dict[tuple[str, ...], list[Square]] = {}
    for one in sorted(found, key=lambda one: _WORST_FIRST.index(one.record.outcome)):
        lines.setdefault(_subject(one), []).append(one)
    made = [Finding(tuple(own), ran[subject]) for subject, own in lines.items()]
    grave = {kind: place for place, kind in enumerate(_WORST_FIRST)}
    return tuple(sorted(made, key=lambda one: (one.known, grave[one.first.record.outcome], -len(one.squares))))


def verdict(run: Run) -> tuple[str, str]:
    """The matrix in one sentence, and ``good``, ``fair`` (a claim is broken) or ``bad``.

    It is bad where a wrong answer is not accepted, an outcome is worse than the accepted one, or the run is not whole.
    """
    every, found = squares(run), findings(run)
    ran = [one for one in every if one.ran]
    passed = sum(one.record.outcome is Outcome.PASS for one in ran)
    worse = len(_changed(run).get("worse", ()))
    silent = [one for finding in found.wrong for one in finding.squares]
    also = "more broken claim" if silent else _BROKEN
    text = (
        f"{_accepted(silent, 'silent wrong answer')}, "
        f"{_broken(found.broken, also)}: {passed:,} of {_count(len(ran), 'cell')} that ran passed"
    )
    if worse:
        text += f"; {_count(worse, 'outcome')} worse than accepted"
    if worse or alerts(run) or not ran or not all(one.known for one in found.wrong):
        return text, "bad"
    return text, "good" if all(one.known for one in found.broken) else "fair"


def _accepted(found: Sequence[Square], name: str) -> str:
    known = sum("known" in one.record.evidence for one in found)
    if not found:
        return f"no {name}"
    return f"{_count(len(found), name)} ({'all' if known == len(found) else known or 'none'} accepted)"


def _broken(found: Sequence[Finding], name: str) -> str:
    if not found:
        return f"no {name}"
    return f"{_count(len(found), name)} (in {_count(sum(len(one.squares) for one in found), 'cell')})"


def _count(number: int, name: str) -> str:
    return f"{number:,} {name}" if number == 1 else f"{number:,} {name}s"


def _changed(run: Run) -> Mapping[str, Sequence[str]]:
    return run.end.changes if run.end else {}


# The page.


def render(run: Run) -> str:
    """``run`` as one page that asks the network for nothing."""
    text, level = verdict(run)
    every = squares(run)
    page: str = html.template("interop.html.j2").render(
        title=f"lakebench interop {run.header.run}",
        subtitle=_subtitle(run),
        alerts=alerts(run),
        verdict=text,
        level=level,
        outcomes=_outcomes(every),
        verdicts=_verdicts(every),
        changes=_changes(run),
        findings=findings(run),
        titles=_titles(run),
        index={one.record.case: number for number, one in enumerate(every)},
        letters=LETTERS,
        data=_data(run),
    )
    return page


def _subtitle(run: Run) -> str:
    every = squares(run)
    told = (
        (_names(one.feature for one in every), "feature"),
        (_names(one.writer for one in every), "writer"),
        (_names(one.reader for one in every if one.reader), "reader"),
    )
    return f"{run.header.started} {DASH} {', '.join(_count(len(names), name) for names, name in told)}"


def _names(names: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(names))


def _outcomes(every: Sequence[Square]) -> list[tuple[str, str, str, int]]:
    """Letter, name, meaning and number of cells, of every outcome."""
    counts = Counter(one.record.outcome for one in every)
    return [(letter, kind.value, _MEANINGS[kind], counts[kind]) for kind, letter in LETTERS.items()]


def _verdicts(every: Sequence[Square]) -> list[tuple[str, str, str, int]]:
    counts = Counter(one.verdict for one in every)
    return [(sign, name, meaning, counts[name]) for name, (sign, meaning) in _VERDICTS.items()]


def _changes(run: Run) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Kind, its title, and a line with its cell (empty where the run has none) for each change."""
    links = {one.record.case: one.link for one in squares(run)}
    return [
        (kind, title, [(line, links.get(re.split(r"[\s:,]", line, maxsplit=1)[0], "")) for line in lines])
        for kind, title in _CHANGES.items()
        if (lines := _changed(run).get(kind, ()))
    ]


def _features(run: Run) -> list[FeatureFacts]:
    """Those that have cells, by group, as the run tells them; of one that it does not tell there is only the name."""
    told = {one.feature: one for one in run.features}
    named = _names(one.feature for one in squares(run))
    order = [one for one in told if one in set(named)] + [one for one in named if one not in told]
    found = [told.get(one) or FeatureFacts(one, "Other features", one, 0, "", "") for one in order]
    groups = _names(one.group for one in found)
    return sorted(found, key=lambda one: groups.index(one.group))


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
    places = {one.feature: number for number, one in enumerate(features)}
    data = {
        "features": [_fit(vars(one)) for one in features],
        "writers": writers,
        "readers": readers,
        "outcomes": [kind.value for kind in LETTERS],
        "letters": "".join(LETTERS.values()),
        "worst": [kind.value for kind in _WORST_FIRST],
        "verdicts": {name: sign for name, (sign, _) in _VERDICTS.items()},
        "cells": [_compact(one, places, writers, readers, pool) for one in every],
        "shapes": list(pool.shapes),
        "pool": pool.values,
    }
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")


class _Pool:
    """Values that stand once on the page, however many cells have them."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self.shapes: dict[tuple[str, ...], int] = {}
        self._places: dict[str, int] = {}

    def value(self, value: Any) -> int:
        """The place of ``value``."""
        fit = _fit(value)
        key = json.dumps(fit, ensure_ascii=False)
        if key not in self._places:
            self._places[key] = len(self.values)
            self.values.append(fit)
        return self._places[key]

    def shape(self, keys: tuple[str, ...]) -> int:
        """The place of a list of names."""
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
    """Feature, writer, reader (-1: the writing), outcome, verdict, seconds, shape, and a place for each name of it."""
    record = one.record
    told = {"reason": record.reason, "versions": record.versions, "started": record.started[:19], **record.evidence}
    kept = {key: value for key, value in told.items() if key not in _PLACE and value not in (None, "", [], (), {})}
    return [
        features[one.feature],
        writers.index(one.writer),
        readers.index(one.reader) if one.reader else -1,
        list(LETTERS).index(record.outcome),
        list(_VERDICTS).index(one.verdict) if one.verdict in _VERDICTS else len(_VERDICTS) - 1,
        round(record.seconds, 2),
        pool.shape(tuple(kept)),
        *(pool.value(value) for value in kept.values()),
    ]


# The other reports.


def overview(run: Run) -> Table:
    """One line an engine: what it wrote and read, and where that is not what it claims."""
    every = squares(run)
    rows = []
    for name in _engines(run, [name for one in every for name in (one.writer, one.reader) if name]):
        own = [one for one in every if (one.reader or one.writer) == name]
        counts = [
            sum(one.record.outcome is Outcome.WRONG for one in own),
            sum(one.verdict == _BROKEN for one in own),
        ]
        rows.append(
            (
                Cell(name),
                Cell(matrix.version(run, name)),
                *(_passed([one for one in own if one.side == side]) for side in ("write", "read")),
                *(Cell(str(number), "fail" if number else "") for number in counts),
                Cell(str(sum(one.verdict == _BETTER for one in own))),
            )
        )
    head = ("engine", "version", "writes that pass", "reads that pass", "wrong", _BROKEN, _BETTER)
    return Table("Engines, in cells", head, tuple(rows), layout="figures")


def _passed(found: Sequence[Square]) -> Cell:
    ran = [one for one in found if one.ran]
    if not ran:
        return Cell("UNAVAILABLE" if found else DASH, "none")
    return Cell(f"{sum(one.record.outcome is Outcome.PASS for one in ran):,} of {len(ran):,}")


def sections(run: Run) -> list[Section]:
    """What the other reports say of the matrix; none where the run has no cell of it."""
    every = squares(run)
    if not every:
        return []
    where = Paragraph(f"Every cell, with its operations, rows, files and error, stands in {PAGE} beside this report.")
    counted: tuple[Part, ...] = (where, _tally(every), *_change_table(run), *_absent(every))
    return [
        Section("Interoperability", "interop", counted),
        Section("Claims against measured", "claims-measured", tuple(_claims(run))),
        Section("Features and readers", "interop-matrix", (_matrix(run),)),
    ]


def _tally(every: Sequence[Square]) -> Table:
    """Outcomes against verdicts."""
    counts = Counter((one.record.outcome, one.verdict) for one in every)
    had = [name for name in _VERDICTS if any(verdict == name for _, verdict in counts)]
    rows = tuple(
        (
            Cell(f"{LETTERS[kind]} {kind.value}", mark(kind)),
            *cells(*(f"{counts[kind, name]:,}" for name in had)),
            Cell(f"{sum(counts[kind, name] for name in had):,}"),
        )
        for kind in LETTERS
        if any(outcome is kind for outcome, _ in counts)
    )
    return Table("Cells by outcome and verdict", ("outcome", *had, "all"), rows, layout="figures")


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
        if not one.ran and one.record.reason.startswith(_NOT_WRITTEN):
            counts[one.writer, "not written, so that nobody could read it"] += 1
        elif not one.ran:
            counts[one.record.engine, one.record.reason] += 1
    rows = tuple(cells(engine, number, reason) for (engine, reason), number in counts.items())
    return [Table("What did not run here", ("engine", "cells", "reason"), rows)] if rows else []


def _claims(run: Run) -> list[Part]:
    found, titles = findings(run), _titles(run)
    made = (
        ("Silent wrong answers", found.wrong, "fail"),
        ("Broken claims", found.broken, "fail"),
        ("Better than claimed", found.better, "pass"),
    )
    tables = [_claim_table(caption, lines, colour, titles) for caption, lines, colour in made if lines]
    return [*tables] if tables else [Paragraph("Every outcome is as claimed, or nobody claims anything.")]


def _claim_table(caption: str, lines: Sequence[Finding], colour: str, titles: Mapping[str, str]) -> Table:
    rows = tuple(
        (
            Cell(f"{one.first.reader or one.first.writer} {one.version}".rstrip()),
            Cell(one.first.side),
            Cell(titles[one.first.feature]),
            Cell(one.claim),
            Cell(one.source or DASH),
            Cell(one.measured, colour, f"{PAGE}{one.first.link}"),
            Cell("yes" if one.known else "no"),
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
        f"k/n: of n cells that ran, k passed, and the letter is that of the worst: {_legend()}.",
        f"{_VERDICTS[_BROKEN][0]} is a broken claim.",
    )
    return Table("Features and readers", ("feature", "format", "written", *readers), rows, notes, layout="matrix")


def _legend() -> str:
    return ", ".join(f"{letter} {kind.value}" for kind, letter in LETTERS.items())


def _share(found: Sequence[Square]) -> Cell:
    ran = [one for one in found if one.ran]
    if not ran:
        return Cell(LETTERS[Outcome.UNAVAILABLE] if found else DASH, "none")
    worst = min(ran, key=lambda one: _WORST_FIRST.index(one.record.outcome))
    passed = sum(one.record.outcome is Outcome.PASS for one in ran)
    broken = _VERDICTS[_BROKEN][0] if any(one.verdict == _BROKEN for one in ran) else ""
    text = f"{LETTERS[worst.record.outcome]}{broken} {passed}/{len(ran)}"
    link = "" if worst.record.outcome is Outcome.PASS else f"{PAGE}{worst.link}"
    return Cell(text, mark(worst.record.outcome), link)
