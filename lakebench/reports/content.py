"""The parts of a report, for every output format. All text here is raw: each renderer escapes it."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from lakebench.model import Record
from lakebench.outcomes import FROM_BEST, Outcome
from lakebench.results import statistics
from lakebench.results.records import Run

DASH = "\N{EN DASH}"
TIMES = "\N{MULTIPLICATION SIGN}"


@dataclass(frozen=True)
class Cell:
    """One cell: ``mark`` is ``pass``, ``fail``, ``none`` or ``heat0`` to ``heat4``; ``link`` an anchor.

    With a ``share`` (0 to 1) it is a bar of this part of the cell's width.
    """

    text: str
    mark: str = ""
    link: str = ""
    share: float | None = None


@dataclass(frozen=True)
class Table:
    """A table whose first column names its rows. In a heading, the version of an engine is on a line of its own."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()
    layout: str = ""
    """``figures`` aligns to the right, ``matrix`` centres, ``ranking`` has bars, empty to the left."""
    anchor: str = ""


@dataclass(frozen=True)
class Paragraph:
    """Running text, which leads to ``link`` where there is one."""

    text: str
    link: str = ""


@dataclass(frozen=True)
class Plot:
    """A plot: ``draw`` makes the SVG; ``alt`` describes it for those who cannot see it."""

    title: str
    alt: str
    draw: Callable[[], str]


@dataclass(frozen=True)
class Verbatim:
    """Preformatted text: SQL, an error, a log, a diff."""

    title: str
    text: str
    language: str = ""


@dataclass(frozen=True)
class Evidence:
    """Why a case has its outcome; ``summary`` is its line when it is closed, ``known`` an accepted failure."""

    anchor: str
    summary: str
    outcome: Outcome
    parts: tuple[Table | Verbatim, ...]
    known: bool = False


Part = Table | Paragraph | Plot | Evidence


@dataclass(frozen=True)
class Section:
    """A heading and the parts below it."""

    title: str
    anchor: str
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Document:
    """A whole report: the first screen, then the sections. ``alerts`` stand before the verdict.

    ``first`` stands beside the overview: who is fastest, or a plot. ``pages`` are name and address of each page of the
    run, this one first.
    """

    title: str
    subtitle: str
    verdict: str
    good: bool
    alerts: tuple[str, ...]
    overview: Table
    first: Table | Plot | None
    sections: tuple[Section, ...]
    pages: tuple[tuple[str, str], ...] = ()


def anchor(kind: str, name: str) -> str:
    """The place of ``name`` on a page: the same in every run, whatever else a run has."""
    safe = re.sub(r"[^\w.@+/=-]+", "-", name, flags=re.ASCII)
    return f"{kind}-{safe}" if safe == name else f"{kind}-{safe}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def cells(*texts: object) -> tuple[Cell, ...]:
    """Plain cells."""
    return tuple(Cell(str(one)) for one in texts)


def mark(outcome: Outcome) -> str:
    """The :class:`Cell` mark of ``outcome``."""
    return {"PASS": "pass", "FAIL": "fail"}.get(outcome.mark, "none")


def label(outcome: Outcome) -> str:
    """``PASS``, ``FAIL WRONG`` …, ``UNAVAILABLE``."""
    return f"FAIL {outcome.value}" if outcome.mark == "FAIL" else outcome.value


def failed(record: Record) -> bool:
    """Whether the case ran and failed."""
    return record.outcome.mark == "FAIL"


def is_misled(record: Record) -> bool:
    """Whether the case is a read that failed because the writer made a wrong table."""
    return failed(record) and {"reader", "fault"} <= record.evidence.keys()


MISLED = "MISLED"
NOT_WRITTEN = "NOT WRITTEN"
STATES = {
    Outcome.PASS.value: ("P", "checked, and right"),
    Outcome.WRONG.value: ("W", "no error, and not the right rows"),
    Outcome.REFUSED.value: ("R", "the engine said no"),
    Outcome.CRASH.value: ("C", "process or server died"),
    Outcome.TIMEOUT.value: ("T", "no answer in time"),
    Outcome.OUT_OF_MEMORY.value: ("M", "passed its memory limit"),
    MISLED: ("L", "a read that failed because the table is wrong: the fault is with the write"),
    NOT_WRITTEN: ("N", "no table, so nothing to read"),
    Outcome.UNAVAILABLE.value: ("U", "did not run here"),
    Outcome.HARNESS_FAULT.value: ("H", "an error of lakebench itself"),
}
"""What a case can be → its letter, and what it means. Each is one of them, and counts for one engine."""
_NOT_WRITTEN = "not written:"


def state_of(record: Record) -> str:
    """The one of :data:`STATES` that the case is."""
    if is_misled(record):
        return MISLED
    if record.outcome is Outcome.UNAVAILABLE and record.reason.startswith(_NOT_WRITTEN):
        return NOT_WRITTEN
    return record.outcome.value


def worst_first(run: Run) -> list[Record]:
    """The cases that failed, and those that met an error of ours: first what nobody accepts, the gravest before all.

    What is better than accepted comes after that, and then what is known.
    """
    better = {one.case for one in (run.end.changes.get("better", ()) if run.end else ())}

    def gravity(record: Record) -> tuple[bool, bool, int]:
        grave = FROM_BEST.index(record.outcome) if record.outcome.ran else len(FROM_BEST)
        return "known" in record.evidence, record.case in better, -grave

    failures = [one for one in run.cases if failed(one) or one.outcome is Outcome.HARNESS_FAULT]
    return sorted(failures, key=gravity)


def not_had(reason: str) -> str:
    """The text for a missing fact."""
    return f"not had: {reason}"


def facts(caption: str, values: Mapping[str, Any], missing: Mapping[str, str] | None = None, anchor: str = "") -> Table:
    """A table of two columns; a value of ``None`` shows the reason in ``missing``."""
    reasons = missing or {}
    rows = tuple(
        cells(name, not_had(reasons.get(name, "the run did not record it")) if value is None else show(name, value))
        for name, value in values.items()
    )
    return Table(caption, ("fact", "value"), rows, anchor=anchor)


def show(name: str, value: Any) -> str:
    """``value`` for people, in bytes where ``name`` ends in ``bytes``."""
    if isinstance(value, Mapping):
        return (
            ", ".join(f"{str(key).removesuffix('_bytes')} {show(str(key), one)}" for key, one in value.items())
            or "none"
        )
    if isinstance(value, list | tuple):
        return ", ".join(show(name, one) for one in value) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "unknown"
    if isinstance(value, int) and name.endswith("bytes"):
        return memory(value) if "memory" in name else size(value)
    return str(value)


def size(count: float) -> str:
    """Bytes in the decimal unit that fits."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:  # noqa: PLR2004 - the step from a unit to the next
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def memory(count: float) -> str:
    """Bytes of memory in the binary unit that fits."""
    return f"{count / 2**30:.3g} GiB" if count >= 2**30 else f"{count / 2**20:.3g} MiB"


def seconds(value: float) -> str:
    """Seconds with three significant digits."""
    if value >= 100:  # noqa: PLR2004 - three digits stand before the point
        return f"{value:.0f}"
    return f"{value:.2f}" if value >= 10 else f"{value:.3f}"  # noqa: PLR2004 - likewise


def ratio_to_least(ratio: statistics.Ratio | None) -> str:
    """A ratio to the least time with its interval, and whether it shows a difference; ``None`` is the least itself."""
    if ratio is None:
        return f"{TIMES} 1"
    if ratio.interval is None:
        return f"{TIMES} {ratio.ratio:.2f} ({statistics.TOO_SMALL})"
    text = f"{TIMES} {ratio.ratio:.2f} ({ratio.interval.low:.2f} {DASH} {ratio.interval.high:.2f})"
    return text if ratio.differs else f"{text}, {statistics.NO_DIFFERENCE}"


def ordered(names: Iterable[str]) -> list[str]:
    """Names without repeats: sorted by number if all are a word and a number (Q1 … Q22), else in their order."""
    unique = list(dict.fromkeys(names))
    numbered = [re.fullmatch(r"(\D*)(\d+)", one) for one in unique]
    if all(numbered):
        return sorted(unique, key=lambda one: int(re.sub(r"\D", "", one)))
    return unique


def group_of(record: Record) -> str:
    """The matrix that has the case."""
    return record.group or "Other cases"
