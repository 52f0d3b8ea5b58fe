"""The matrix: whether each case passed, and the evidence behind each cell."""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from lakebench.model import Record
from lakebench.outcomes import Outcome
from lakebench.reports.content import (
    DASH,
    Cell,
    Evidence,
    Table,
    Verbatim,
    anchor,
    cells,
    facts,
    failed,
    group_of,
    label,
    mark,
    ordered,
    show,
    worst_first,
)
from lakebench.results.records import ONE_OF, Run

_ABSENT = Cell(DASH)
_NAMES = re.compile(r"[\s,→/]+")
"""What stands between the names of engines in a heading."""
_BLOCKS = {"sql": "SQL", "error": "Error", "log": "Log, its end"}
_LINES = {
    "command": "run it again",
    "snapshot_id": "snapshot id",
    "snapshots": "snapshot ids",
    "checked_against": "compared with",
    "tolerance": "tolerance",
    "answer": "answer",
    "type_differences": "type differences",
}


def anchors(run: Run) -> dict[str, str]:
    """Case id → anchor of its evidence."""
    return {record.case: anchor("case", record.case) for record in run.cases}


def group_anchors(run: Run) -> dict[str, str]:
    """Group → anchor of its matrix, in the order of first appearance."""
    return {group: anchor("matrix", group) for group in dict.fromkeys(group_of(record) for record in run.cases)}


def engine_order(run: Run) -> list[str]:
    """Engines in the order of the run, then those that only cases name."""
    named = [one.engine for one in run.engines]
    return list(dict.fromkeys([*named, *(record.engine for record in run.cases)]))


def overview(run: Run) -> Table:
    """A line for each engine and a column for each group: how many cases passed, and the failures."""
    groups = group_anchors(run)
    rows = []
    for engine in engine_order(run):
        records = [record for record in run.cases if record.engine == engine]
        row = [
            tally([one for one in records if group_of(one) == group], f"#{place}") for group, place in groups.items()
        ]
        rows.append((Cell(engine), Cell(version(run, engine)), *row))
    head = ("engine", "version", *(group.partition(":")[0] for group in groups))
    return Table("Outcomes by engine", head, tuple(rows), layout="matrix")


def version(run: Run, engine: str) -> str:
    """The engine's own version, as it reports it."""
    versions = [one.versions for one in run.engines if one.engine == engine and one.versions]
    return next(iter(versions[0].values())) if versions else DASH


def tally(records: Sequence[Record], link: str = "") -> Cell:
    """The outcomes of ``records`` in one cell."""
    if not records:
        return _ABSENT
    counts = Counter(record.outcome for record in records)
    ran = sum(record.outcome.ran for record in records)
    if not ran:  # a fault of ours takes precedence over an unavailable case
        return Cell(max(counts, key=lambda one: one is Outcome.HARNESS_FAULT).value, "none", link)
    failures = [f"{counts[kind]} {kind.value}" for kind in Outcome if kind.mark == "FAIL" and counts[kind]]
    passed = f"{counts[Outcome.PASS]} of {ran}"
    if failures:
        return Cell(f"FAIL {', '.join(failures)}; {passed} pass", "fail", link)
    return Cell("PASS" if ran == 1 else f"PASS {passed}", "pass", link)


def matrices(run: Run, without: frozenset[str] = frozenset()) -> list[Table]:
    """A table for each group that is not in ``without``, with the rows and columns that the cases name."""
    return [_matrix(run, group, place) for group, place in group_anchors(run).items() if group not in without]


def _matrix(run: Run, group: str, place: str) -> Table:
    records = [record for record in run.cases if group_of(record) == group]
    links = anchors(run)
    where: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        where.setdefault(_row_and_column(record), []).append(record)
    columns = _columns(run, [column for _, column in where])
    rows = tuple(
        (Cell(heading(run, row)), *(_cell(where.get((row, column), []), links) for column in columns))
        for row in ordered(row for row, _ in where)
    )
    head = ("", *(heading(run, column) for column in columns))
    return Table(group, head, rows, layout="matrix", anchor=place)


def heading(run: Run, name: str) -> str:
    """``name`` with the versions of the engines that it names on a line of its own; ``duckdb@1.4.4`` has its own."""
    parts = [one for one in _NAMES.split(name) if one and not _has_version(one)]
    versions = [text for part in parts if (text := version(run, part)) != DASH]
    return f"{name}\n{' → '.join(versions)}" if versions else name


def _has_version(name: str) -> bool:
    return "@" in name


def _row_and_column(record: Record) -> tuple[str, str]:
    return record.row or record.title or record.case, record.column or record.engine


def _columns(run: Run, names: Sequence[str]) -> list[str]:
    """The columns: engines in the order of the run, others in the order of the cases."""
    unique = list(dict.fromkeys(names))
    order = engine_order(run)
    if set(unique) <= set(order):
        return [one for one in order if one in unique]
    return unique


def _cell(records: Sequence[Record], links: Mapping[str, str]) -> Cell:
    if not records:
        return _ABSENT
    worst = max(records, key=lambda record: (failed(record), not record.outcome.ran))
    more = f" ({len(records)} cases)" if len(records) > 1 else ""
    return Cell(label(worst.outcome) + more, mark(worst.outcome), f"#{links[worst.case]}")


def faults(run: Run) -> Table:
    """The cases with a fault of lakebench, with the files of the tracebacks."""
    links = anchors(run)
    rows = tuple(
        (Cell(one.case, link=f"#{links[one.case]}"), Cell(str(one.evidence.get("file", DASH))), Cell(one.reason))
        for one in run.cases
        if one.outcome is Outcome.HARNESS_FAULT
    )
    return Table("Faults of lakebench itself, please report them", ("case", "file in the run's folder", "what"), rows)


def failures(run: Run) -> Table:
    """All cases that failed, with the reason, and the acceptance where the failure is known."""
    links = anchors(run)
    rows = tuple(
        (
            Cell(one.case, link=f"#{links[one.case]}"),
            Cell(label(one.outcome), mark(one.outcome)),
            Cell(one.reason),
            Cell(_acceptance(one)),
        )
        for one in worst_first(run)
        if failed(one)
    )
    return Table("What failed, unaccepted and gravest first", ("case", "outcome", "reason", "known"), rows)


def _acceptance(record: Record) -> str:
    """The acceptance of the outcome of ``record``: versions, reason and link."""
    acceptance = record.evidence.get("known")
    if not acceptance:
        return "no"
    several = record.evidence.get(ONE_OF)
    also = f" Accepted is any of {', '.join(several)}." if several else ""
    versions = f" ({acceptance['versions']})" if acceptance["versions"] else ""
    link = f" {acceptance['link']}" if acceptance["link"] else ""
    return f"{acceptance['reason']}{versions}{link}{also}"


def unavailable(run: Run) -> Table:
    """The cases that did not run, one line for each reason."""
    reasons: dict[tuple[str, str], list[Record]] = {}
    for record in run.cases:
        if record.outcome is Outcome.UNAVAILABLE:
            reasons.setdefault((record.engine, record.reason), []).append(record)
    links = anchors(run)
    rows = tuple(
        (Cell(engine), Cell(str(len(records)), link=f"#{links[records[0].case]}"), Cell(reason))
        for (engine, reason), records in reasons.items()
    )
    return Table("What did not run here", ("engine", "cases", "reason and what to do"), rows)


def evidence(run: Run) -> list[Evidence]:
    """The evidence of all cases: failures first, the worst of them first, then the order of the run."""
    links, grave = anchors(run), worst_first(run)
    order = {record.case: number for number, record in enumerate(grave)}
    return [
        Evidence(
            links[record.case],
            f"{record.case}: {record.title}",
            record.outcome,
            _parts(run, record),
            "known" in record.evidence,
        )
        for record in sorted(run.cases, key=lambda one: order.get(one.case, len(order)))
    ]


def _parts(run: Run, record: Record) -> tuple[Table | Verbatim, ...]:
    fields = record.evidence
    parts: list[Table | Verbatim] = [_what(run, record)]
    parts += [Verbatim(title, str(fields[key]), key) for key, title in _BLOCKS.items() if fields.get(key)]
    if steps := fields.get("steps"):
        text = "\n".join(map(str, steps)) if isinstance(steps, list | tuple) else str(steps)
        parts.insert(1, Verbatim("Steps", text))
    if fields.get("diff"):
        parts.insert(1, Verbatim("Expected (-) against actual (+)", diff_text(fields["diff"]), "diff"))
    shown = {*_BLOCKS, *_LINES, "steps", "diff"}
    if other := {key: value for key, value in fields.items() if key not in shown}:
        parts.append(Verbatim("More", json.dumps(other, indent=1, ensure_ascii=False, default=str), "json"))
    if record.samples:
        parts.append(_samples(record))
    return tuple(parts)


def _what(run: Run, record: Record) -> Table:
    values: dict[str, Any] = {"outcome": label(record.outcome)}
    if record.reason:
        values["reason"] = record.reason
    values["run it again"] = run.header.command
    values |= {name: record.evidence[key] for key, name in _LINES.items() if record.evidence.get(key) is not None}
    values |= {
        "versions": dict(record.versions),
        "took": f"{record.seconds:.1f} s, started {record.started or 'unknown'}",
    }
    return facts("What was done", values)


def _samples(record: Record) -> Table:
    head = (
        "position",
        "kind",
        "round",
        "ns",
        "offset ns",
        "rows",
        "bytes",
        "CPU ns",
        "peak bytes",
        "requests",
        "cache",
    )
    rows = tuple(
        cells(
            one.position,
            one.kind,
            one.round,
            one.ns,
            one.offset_ns,
            one.rows,
            one.bytes,
            *("not had" if value is None else value for value in (one.cpu_ns, one.peak_bytes)),
            "not had" if one.requests is None else show("requests", one.requests),
            one.cache or DASH,
        )
        for one in record.samples
    )
    return Table("Every sample", head, rows, layout="figures")


def diff_text(diff: object) -> str:
    """The result of the comparison in words, then expected and actual rows as a unified diff."""
    if not isinstance(diff, Mapping):
        return str(diff)
    words = [str(diff[key]) for key in ("text",) if diff.get(key)]
    words += [f"{key}: {diff[key]}" for key in ("kind", "column") if diff.get(key)]
    lines = difflib.unified_diff(_rows(diff.get("expected")), _rows(diff.get("actual")), n=2, lineterm="")
    return "\n".join([*words, *list(lines)[2:]])


def _rows(rows: object) -> list[str]:
    if not isinstance(rows, list | tuple):
        return [] if rows is None else [str(rows)]
    return [_row(one) for one in rows]


def _row(row: object) -> str:
    values = list(row.values()) if isinstance(row, Mapping) else row
    text = " | ".join(map(str, values)) if isinstance(values, list | tuple) else str(values)
    return text.replace("\n", "\\n")
