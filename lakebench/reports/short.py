"""``summary.md``: a run for a pull request's comment or the summary of a CI job, in less than 10 kB."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lakebench.outcomes import Outcome
from lakebench.reports import document, identity, latency
from lakebench.reports.alerts import alerts, counted
from lakebench.reports.content import label, worst_first
from lakebench.reports.markdown import escape
from lakebench.results.records import Run

NAME = "summary.md"
LIMIT = 10_000
"""The file has fewer bytes than this."""
_LINE = 300
"""Characters of a line; the report has all of it."""
_MORE = 200
"""Bytes that stay free for the lines that say how much is left out."""
_CHANGES = {"worse": "Worse than accepted", "gone": "Gone", "new": "New failures", "better": "Better than accepted"}


@dataclass(frozen=True)
class _Block:
    title: str
    lines: tuple[str, ...]


def render(run: Run, files: Sequence[str]) -> str:
    """Verdict, changes and what is missing of ``run``, with links to ``files``, which lie beside it."""
    text, good = document.verdict(run)
    first = [escape(line) for line in (*alerts(run), f"{'✅' if good else '❌'} {text}")]
    head = f"# lakebench {' '.join(run.header.phases)}\n\n" + "".join(f"**{_cut(line, 1000)}**\n\n" for line in first)
    links = ", ".join(f"[{name}]({name})" for name in files)
    others = identity.untested(run)
    tail = (
        f"{escape(others)}\n\n" if others else ""
    ) + f"Run {escape(run.header.run)}, {escape(run.header.started)}; {_versions(run)}\n\n{links}\n"
    return head + _fitted(list(_blocks(run)), LIMIT - len((head + tail).encode()) - 1) + tail


def _fitted(blocks: Sequence[_Block], room: int) -> str:
    """The blocks, with as many lines as fit in ``room`` bytes; what is left out is counted."""
    made = ""
    for number, block in enumerate(blocks):
        others = sum(_MORE for _ in blocks[number + 1 :])
        part = f"**{block.title}: {len(block.lines):,}**\n\n"
        shown = 0
        for line in block.lines:
            if len((made + part + line).encode()) + _MORE + others > room:
                break
            part += line
            shown += 1
        left = len(block.lines) - shown
        made += part + (f"- … and {left:,} more: see the report\n" if left else "") + "\n"
    return made


def _blocks(run: Run) -> Iterator[_Block]:
    """What is to be read first comes first."""
    changes = run.end.changes if run.end else {}
    passed = {one.case for one in run.cases if one.outcome is Outcome.PASS}
    told = {line.case for kind in ("worse", "new") for line in changes.get(kind, ())}
    failures = [one for one in worst_first(run) if "known" not in one.evidence and one.case not in told]
    for kind, title in _CHANGES.items():
        lines = [line for line in changes.get(kind, ()) if kind == "better" or line.case not in passed]
        if lines:
            yield _Block(title, tuple(_line(line.case, line.change) for line in lines))
    if failures:
        lines_ = tuple(_line(one.case, f"{label(one.outcome)}: {one.reason}") for one in failures)
        yield _Block("Other failures that nobody accepted", lines_)
    if absent := Counter(_absences(run)):
        missing = tuple(_line(engine, f"{counted(n, 'case')}: {why}") for (engine, why), n in absent.most_common())
        yield _Block("Reasons why cases did not run here", missing)
    if ranked := latency.rankings(run):
        yield _Block("Times of verified answers", tuple(_line(group, one.verdict) for group, one in ranked.items()))


def _absences(run: Run) -> Iterator[tuple[str, str]]:
    """The engine that is the cause, and the reason; of a read of what was not written the writer is."""
    written = {
        (one.coordinates.feature, one.coordinates.writer)
        for one in run.cases
        if not one.coordinates.reader and one.outcome in {Outcome.PASS, Outcome.WRONG}
    }
    for one in run.cases:
        case = one.coordinates
        if one.outcome is not Outcome.UNAVAILABLE:
            continue
        if case.feature and case.writer and case.reader and (case.feature, case.writer) not in written:
            yield case.writer, "not written, so that nobody could read it"
        else:
            yield one.engine, one.reason


def _line(subject: str, text: str) -> str:
    return f"- `{subject.replace('`', '')}`: {_cut(escape(text), _LINE)}\n"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most].rstrip(chr(92))}…"


def _versions(run: Run) -> str:
    versions = [f"{one.engine} {next(iter(one.versions.values()))}" for one in run.engines if one.versions]
    return _cut(escape(", ".join(versions)), 1000) or "no engine ran"
