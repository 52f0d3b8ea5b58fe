"""The answers for a stack and for an upgrade, as content of a report, as JSON values and as rows of a CSV file."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from lakebench.model import EngineRef
from lakebench.reports import compare
from lakebench.reports.alerts import counted
from lakebench.reports.content import DASH, Cell, Document, Section, Table, cells
from lakebench.results.cell_changes import ChangeKind
from lakebench.results.matrix_cells import MatrixCell
from lakebench.results.stack import Advice, FeatureAdvice, Stack, StackStep
from lakebench.results.upgrade import CellSide, Upgrade, UpgradePair

_REASON = 160
"""Characters of a reason in a table; JSON and CSV have all of it."""
_MEANINGS = {
    Advice.WRONG: "an answer without an error, and not the right one",
    Advice.REFUSED: "an error, a crash, or no answer in time",
    Advice.NOT_WRITTEN: "refused, or there is no way to ask for it",
    Advice.UNKNOWN: "no source has an outcome of all the engines",
    Advice.FINE: "written and read right by all of them",
}


# A stack.


def stack_document(answer: Stack, titles: Mapping[str, str], today: dt.date, notes: Sequence[str] = ()) -> Document:
    """What a stack must avoid; ``titles`` are those of features, ``notes`` say how to measure what is missing."""
    avoided = [one for one in answer.features if one.advice.avoid]
    unknown = [one for one in answer.features if one.advice is Advice.UNKNOWN]
    used = [step.cell for one in answer.features for step in one.steps if step.cell]
    sections = (
        Section("To avoid", "avoid", tuple(_advice_tables("To avoid", answer, avoided, titles))),
        Section("Not known", "unknown", tuple(_advice_tables("Not known", answer, unknown, titles))),
        Section("Where this comes from", "sources", (_sources(used, today),)),
    )
    return Document(
        title="What this stack must avoid",
        subtitle=f"{names(answer.writers)} {_s('write', answer.writers)}; {names(answer.readers)} "
        f"{_s('read', answer.readers)}",
        verdict=stack_verdict(answer),
        good=not avoided and not unknown,
        alerts=tuple(notes),
        overview=_counts(answer),
        first=None,
        sections=tuple(one for one in sections if one.parts),
    )


def stack_verdict(answer: Stack) -> str:
    """The answer in one sentence."""
    counts = answer.counts
    kinds = "; ".join(f"{counts[kind]} {kind}" for kind in Advice if kind.avoid and counts[kind])
    unknown = f", {counts[Advice.UNKNOWN]} are not known" if counts[Advice.UNKNOWN] else ""
    return (
        f"AVOID {answer.avoid} of {counted(len(answer.features), 'feature')}{f' ({kinds})' if kinds else ''}{unknown}"
    )


def names(refs: Iterable[EngineRef]) -> str:
    """``spark 4.1.4, duckdb 1.5.5``."""
    return ", ".join(f"{one.name} {one.version or '(no version known)'}" for one in refs)


def _s(verb: str, refs: Sequence[EngineRef]) -> str:
    return f"{verb}s" if len(refs) == 1 else verb


def _counts(answer: Stack) -> Table:
    marks = {Advice.FINE: "pass", Advice.UNKNOWN: "none"}
    rows = tuple(
        (Cell(kind, marks.get(kind, "fail" if number else "")), Cell(str(number)), Cell(_MEANINGS[kind]))
        for kind, number in answer.counts.items()
    )
    return Table("Features", ("advice", "features", "what it means"), rows)


def _advice_tables(
    caption: str, answer: Stack, features: Sequence[FeatureAdvice], titles: Mapping[str, str]
) -> Iterator[Table]:
    """A line for each feature: the outcome of each engine, and what the gravest one says."""
    if not features:
        return
    places: list[tuple[EngineRef, EngineRef | None]] = [(one, None) for one in answer.writers]
    places += [(writer, reader) for writer in answer.writers for reader in answer.readers]
    several = len(answer.writers) > 1
    head = ("feature", "advice", *(_place(*one, several=several) for one in places), "why")
    order = list(Advice)
    rows = tuple(
        (
            Cell(one.feature),
            _advised(one.advice),
            *_outcomes(one, places),
            Cell(_why(one) or titles.get(one.feature, "")),
        )
        for one in sorted(features, key=lambda one: order.index(one.advice))
    )
    yield Table(caption, head, rows)


def _place(writer: EngineRef, reader: EngineRef | None, *, several: bool) -> str:
    if reader is None:
        return f"{writer.name} writes"
    return f"{reader.name} reads" + (f" {writer.name}'s" if several else "")


def _advised(advice: Advice) -> Cell:
    return Cell(advice, "fail" if advice.avoid else "none")


def _outcomes(one: FeatureAdvice, places: Iterable[tuple[EngineRef, EngineRef | None]]) -> Iterator[Cell]:
    steps = {(step.writer, step.reader): step for step in one.steps}
    for place in places:
        step = steps.get(place)
        if step is None:
            yield Cell(DASH, "none")
        elif step.outcome is None:
            yield Cell("no way" if step.advice.avoid else step.advice, "fail" if step.advice.avoid else "none")
        else:
            misled = " (the table is)" if step.cell and step.cell.misled else ""
            yield Cell(f"{step.outcome}{misled}", "pass" if step.advice is Advice.FINE else "fail")


def _why(one: FeatureAdvice) -> str:
    gravest = [step for step in one.steps if step.advice is one.advice]
    return next((_short(step.reason) for step in gravest if step.reason), "")


def _short(reason: str) -> str:
    text = " ".join(reason.split())
    return text if len(text) <= _REASON else f"{text[:_REASON]}…"


def stack_json(answer: Stack, titles: Mapping[str, str], notes: Sequence[str] = ()) -> dict[str, Any]:
    """The answer as JSON values."""
    return {
        "writers": [vars(one) for one in answer.writers],
        "readers": [vars(one) for one in answer.readers],
        "verdict": stack_verdict(answer),
        "counts": {kind.value: number for kind, number in answer.counts.items()},
        "notes": list(notes),
        "features": [
            {
                "feature": one.feature,
                "title": titles.get(one.feature, ""),
                "advice": one.advice.value,
                "steps": [_step(step) for step in one.steps],
            }
            for one in answer.features
        ],
    }


def _step(step: StackStep) -> dict[str, Any]:
    return {
        "writer": vars(step.writer),
        "reader": vars(step.reader) if step.reader else None,
        "advice": step.advice.value,
        "outcome": step.outcome.value if step.outcome else None,
        "reason": step.reason,
        "misled": bool(step.cell and step.cell.misled),
        **_cell(step.cell),
    }


def _cell(cell: MatrixCell | None) -> dict[str, Any]:
    if cell is None:
        return {"link": "", "case": None, "run": None, "date": None}
    return {"link": cell.link, "case": cell.case, "run": cell.origin.run, "date": cell.origin.date}


def stack_rows(answer: Stack, titles: Mapping[str, str]) -> list[tuple[str, ...]]:
    """A header, and a line for each engine's part in a feature."""
    head = ("feature", "title", "feature's advice", "writer", "reader", "advice", "outcome", "reason", "run", "date")
    return [
        head,
        *(
            (
                one.feature, titles.get(one.feature, ""), one.advice, str(step.writer), str(step.reader or ""),
                step.advice, step.outcome or "", " ".join(step.reason.split()), *_origin(step.cell),
            )
            for one in answer.features
            for step in one.steps
        ),
    ]  # fmt: skip


def _origin(cell: MatrixCell | None) -> tuple[str, str]:
    return (cell.origin.run, cell.origin.date) if cell else ("", "")


# Where an answer comes from.


def _sources(used: Iterable[MatrixCell], today: dt.date) -> Table:
    """A line for each run: how old it is, how many cells of the answer are its own, and the versions in them."""
    by_run: dict[tuple[str, str, bool], list[MatrixCell]] = {}
    for cell in used:
        by_run.setdefault((cell.origin.run, cell.origin.date, cell.origin.accepted), []).append(cell)
    rows = tuple(
        cells(run, date[:10], _age(date, today), "accepted" if accepted else "a run", len(of_run), _versions(of_run))
        for (run, date, accepted), of_run in sorted(by_run.items(), key=lambda one: one[0][1], reverse=True)
    )
    return Table("Where this comes from", ("run", "date", "age", "kind", "cells", "versions"), rows)


def _age(date: str, today: dt.date) -> str:
    try:
        days = (today - dt.date.fromisoformat(date[:10])).days
    except ValueError:
        return "unknown"
    return counted(max(0, days), "day")


def _versions(of_run: Iterable[MatrixCell]) -> str:
    return ", ".join(sorted({names([ref]) for cell in of_run for ref in (cell.writer, cell.reader) if ref}))


# An upgrade.


def upgrade_document(answer: Upgrade, titles: Mapping[str, str], today: dt.date, notes: Sequence[str] = ()) -> Document:
    """What an upgrade changes, as :func:`stack_document`."""
    used = [cell for one in (*answer.changed, *answer.unknown) for cell in (one.before, one.now) if cell]
    times = answer.times
    sections = (
        Section("What changes", "changes", tuple(_changes(answer.changed, titles))),
        Section(
            "Times", "times", (*compare.ratio_tables(times.rows), compare.means_table(times.means)) if times else ()
        ),
        Section("Not known", "unknown", (_unknown(answer),) if answer.unknown else ()),
        Section("Where this comes from", "sources", (_sources(used, today),) if used else ()),
    )
    bad = any(number for kind, number in answer.counts.items() if kind.bad)
    return Document(
        title=f"From {answer.before.name} {answer.before.version} to {answer.now.version}",
        subtitle=_old_tables(answer),
        verdict=upgrade_verdict(answer),
        good=not bad and not answer.unknown and bool(answer.changed or answer.same),
        alerts=tuple(notes),
        overview=_change_counts(answer),
        first=None,
        sections=tuple(one for one in sections if one.parts),
    )


def upgrade_verdict(answer: Upgrade) -> str:
    """The answer in one sentence."""
    counts = answer.counts
    always = (ChangeKind.BROKEN, ChangeKind.NEW, ChangeKind.MENDED)
    kinds = ", ".join(f"{counts[kind]} {kind}" for kind in ChangeKind if counts[kind] or kind in always)
    times = answer.times
    speed = f"; times: {compare.summed(times.means[-1].ratio)}" if times and times.means else ""
    return (
        f"{answer.before.name} {answer.before.version} → {answer.now.version}: {kinds}; {answer.same} the same; "
        f"{len(answer.unknown)} not known{speed}"
    )


def _old_tables(answer: Upgrade) -> str:
    if answer.old_tables:
        return "With the reads by the new version of tables that the old one wrote"
    return "Whether the new version reads the tables that the old one wrote is not known"


def _change_counts(answer: Upgrade) -> Table:
    rows = [(kind, "fail" if kind.bad and number else "", number) for kind, number in answer.counts.items()]
    lines = tuple((Cell(kind, mark), Cell(str(number))) for kind, mark, number in rows)
    return Table(
        "Cells of the matrix",
        ("change", "cells"),
        (*lines, cells("the same", answer.same), cells("not known", len(answer.unknown))),
    )


def _changes(changed: Sequence[UpgradePair], titles: Mapping[str, str]) -> Iterator[Table]:
    """A table for each kind of change; the cells of a feature that differ in the other engine alone are one line."""
    for kind in ChangeKind:
        lines: dict[tuple[str, ...], list[UpgradePair]] = {}
        for one in changed:
            if one.change is kind:
                key = (one.feature, one.place.side, *_sides(one))
                lines.setdefault(key, []).append(one)
        rows = tuple(
            (*cells(key[0], _what(pairs), *key[2:]), Cell(_reason(pairs) or titles.get(key[0], "")))
            for key, pairs in lines.items()
        )
        if rows:
            yield Table(kind.capitalize(), ("feature", "what", "before", "now", "why"), rows)


def _sides(one: UpgradePair) -> tuple[str, str]:
    return tuple(cell.outcome.value if cell else "" for cell in (one.before, one.now))  # type: ignore[return-value]


def _what(pairs: Sequence[UpgradePair]) -> str:
    others = ", ".join(f"{one.place.counterpart}{_other_version(one)}" for one in pairs if one.place.counterpart)
    return f"{pairs[0].place.side} {others}".rstrip()


def _other_version(one: UpgradePair) -> str:
    """The other engine's versions, where they are not the same on both sides: then it may be the cause."""
    found = [_counterpart(cell, one.place.side) for cell in (one.before, one.now) if cell]
    versions = list(dict.fromkeys(ref.version or "?" for ref in found if ref))
    return f" ({' → '.join(versions)})" if len(versions) > 1 else ""


def _counterpart(cell: MatrixCell, side: CellSide) -> EngineRef | None:
    return cell.reader if side is CellSide.READ_BY else cell.writer


def _reason(pairs: Sequence[UpgradePair]) -> str:
    sides = [one.now if one.change and one.change is not ChangeKind.MENDED else one.before for one in pairs]
    return next((_short(cell.reason) for cell in sides if cell and cell.reason), "")


def _unknown(answer: Upgrade) -> Table:
    """How many cells are not known, and which side lacks them."""
    groups = Counter((one.place.side, one.place.counterpart, _lacking(one, answer)) for one in answer.unknown)
    rows = tuple(cells(f"{side} {other}".rstrip(), number, why) for (side, other, why), number in groups.items())
    return Table("Not known", ("what", "cells", "why"), rows)


def _lacking(one: UpgradePair, answer: Upgrade) -> str:
    sides = {answer.before.version or "": one.before, answer.now.version or "": one.now}
    absent = [version for version, cell in sides.items() if cell is None]
    return f"no source has {' and '.join(absent)}" if absent else "did not run at either version"


def upgrade_json(answer: Upgrade, titles: Mapping[str, str], notes: Sequence[str] = ()) -> dict[str, Any]:
    """The answer as JSON values; times are in seconds, ratios are the new version's divided by the old one's."""
    times = answer.times
    return {
        "engine": answer.before.name,
        "before": answer.before.version,
        "now": answer.now.version,
        "verdict": upgrade_verdict(answer),
        "counts": {kind.value: number for kind, number in answer.counts.items()},
        "same": answer.same,
        "old_tables": answer.old_tables,
        "notes": list(notes),
        "changed": [_pair(one, titles) for one in answer.changed],
        "unknown": [_pair(one, titles) for one in answer.unknown],
        "times": [compare.row_json(row) for row in (*times.rows, *times.cold)] if times else [],
    }


def _pair(one: UpgradePair, titles: Mapping[str, str]) -> dict[str, Any]:
    return {
        "change": one.change.value if one.change else None,
        "feature": one.feature,
        "title": titles.get(one.feature, ""),
        "what": one.place.side.value,
        "counterpart": one.place.counterpart,
        "before": _side(one.before),
        "now": _side(one.now),
    }


def _side(cell: MatrixCell | None) -> dict[str, Any] | None:
    if cell is None:
        return None
    other = {"writer": vars(cell.writer), "reader": vars(cell.reader) if cell.reader else None}
    return {"outcome": cell.outcome.value, "reason": cell.reason, **other, **_cell(cell)}


def upgrade_rows(answer: Upgrade, titles: Mapping[str, str]) -> list[tuple[str, ...]]:
    """A header, and a line for each cell that changed or is not known."""
    head = ("change", "feature", "title", "what", "counterpart", "before", "now", "reason", "run before", "run now")
    return [
        head,
        *(
            (
                one.change or "not known", one.feature, titles.get(one.feature, ""), one.place.side,
                one.place.counterpart, *_sides(one), _reason([one]), _origin(one.before)[0], _origin(one.now)[0],
            )
            for one in (*answer.changed, *answer.unknown)
        ),
    ]  # fmt: skip
