"""Cells of the interop matrix by feature, writer and reader, each engine at the version that ran, from several sources.

A run names an engine ``duckdb`` or ``duckdb@1.4.4``; here both are an :class:`~lakebench.model.EngineRef` with the
version that the engine reported. So cells of different runs, and of a baseline, can be put side by side.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

from packaging.version import InvalidVersion, Version

from lakebench.model import Coordinates, EngineRef
from lakebench.outcomes import FROM_BEST, Outcome
from lakebench.results import claims
from lakebench.results.baseline import DERIVED, Entries, Entry
from lakebench.results.records import Run

PHASE = "interop"


@dataclass(frozen=True)
class Origin:
    """The run that an outcome comes from; ``date`` is ISO 8601. ``accepted`` says that a baseline has it."""

    run: str
    date: str
    accepted: bool = False


@dataclass(frozen=True)
class MatrixCell:
    """``writer`` wrote the table of ``feature``, and ``reader`` read it; ``None`` for the writing itself.

    ``outcome`` is the worst where several are accepted. ``misled`` says that a read failed because the table is wrong.
    ``by_filters`` says that it read all rows right, and failed at reads that follow from them. ``reason`` is empty
    where the source has none; ``link`` leads to a thread about a known failure.
    """

    case: str
    feature: str
    writer: EngineRef
    reader: EngineRef | None
    outcome: Outcome
    origin: Origin
    reason: str = ""
    link: str = ""
    misled: bool = False
    by_filters: bool = False

    @property
    def subject(self) -> EngineRef:
        """The engine that did what the cell is about: the reader, or the writer."""
        return self.reader or self.writer

    @property
    def address(self) -> str:
        """The part of an address that opens it on the page of its run."""
        return address(self.case)


Key = tuple[str, EngineRef, EngineRef | None]
"""Feature, writer and reader (``None``: the writing)."""
Known = Mapping[Key, MatrixCell]


def address(case: str) -> str:
    """The part of an address that opens the cell with this id on the page of its run."""
    return f"#cell={quote(case, safe='')}"


def of_run(run: Run) -> Iterator[MatrixCell]:
    """The cells of ``run``."""
    reported = {one.engine: next(iter(one.versions.values()), "") for one in run.engines}
    origin = Origin(run.header.run, run.header.started)
    for record in run.cases:
        if named := _engines(record.phase, record.coordinates):
            writer, reader = (_at(name, reported) if name else None for name in named)
            known = record.evidence.get("known") or {}
            yield MatrixCell(
                record.case,
                record.coordinates.feature or "",
                writer or EngineRef(""),
                reader,
                record.outcome,
                origin,
                record.reason,
                str(known.get("link", "")),
                record.outcome.is_failure and {"reader", "fault"} <= record.evidence.keys(),
            )


def of_baseline(entries: Entries, catalog: str) -> Iterator[MatrixCell]:
    """The accepted cells of a baseline on ``catalog``; each acceptance names the versions."""
    for (case, _), entry in entries.items():
        named = _engines(entry.phase, entry.coordinates)
        if named and entry.coordinates.catalog == catalog:
            reported = {name: text.partition(",")[0].rpartition(" ")[2] for name, text in entry.by.versions.items()}
            writer, reader = (_at(name, reported) if name else None for name in named)
            yield _accepted(case, entry, writer or EngineRef(""), reader)


def _accepted(case: str, entry: Entry, writer: EngineRef, reader: EngineRef | None) -> MatrixCell:
    outcome = max(entry.outcomes, key=lambda one: FROM_BEST.index(one) if one.ran else -1)
    listed = claims.accepted_as(case, outcome) if outcome.is_failure else None
    return MatrixCell(
        case,
        entry.coordinates.feature or "",
        writer,
        reader,
        outcome,
        Origin(entry.by.run, entry.by.date, accepted=True),
        listed.reason if listed else "",
        listed.link if listed else "",
        # Every cell that ran has a verdict, but for a read of a wrong table.
        reader is not None and outcome.is_failure and not entry.outcomes[outcome],
        by_filters=bool(entry.reads) and all(one.startswith(DERIVED) for one in entry.reads or ()),
    )


def _engines(phase: str, case: Coordinates) -> tuple[str, str | None] | None:
    return (case.writer, case.reader) if phase == PHASE and case.feature and case.writer else None


def _at(name: str, reported: Mapping[str, str]) -> EngineRef:
    """The engine that a run calls ``name``, with the version that it reported, or else the one that was asked for."""
    engine, _, asked = name.partition("@")
    return EngineRef(engine, reported.get(name) or asked or None)


def merged(*sources: Iterable[MatrixCell]) -> dict[Key, MatrixCell]:
    """The cells of all sources; one of a later source replaces an earlier one, unless only the earlier one ran."""
    cells: dict[Key, MatrixCell] = {}
    for cell in (one for source in sources for one in source):
        key = (cell.feature, cell.writer, cell.reader)
        if key not in cells or cell.outcome.ran or not cells[key].outcome.ran:
            cells[key] = cell
    return cells


def versions(known: Known, engine: str) -> list[str]:
    """The versions of ``engine`` in ``known``, the newest first."""
    refs = {ref for _, writer, reader in known for ref in (writer, reader) if ref is not None and ref.name == engine}
    return sorted({ref.version for ref in refs if ref.version}, key=by_number, reverse=True)


def by_number(text: str) -> tuple[bool, Version, str]:
    """What versions are ordered by (PEP 440); those in another form come first."""
    try:
        return True, Version(text), text
    except InvalidVersion:
        return False, Version("0"), text


def resolved(known: Known, ref: EngineRef) -> EngineRef:
    """``ref`` with the newest version in ``known`` where it names none; without a version where there is none."""
    return ref if ref.version else EngineRef(ref.name, next(iter(versions(known, ref.name)), None))
