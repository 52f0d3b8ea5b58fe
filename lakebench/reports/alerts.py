"""The first lines of a report: a run that did not end, faults of lakebench, and what is gone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from lakebench.outcomes import Outcome
from lakebench.results.records import Gone, Run

_REASON = 200
"""Length of a reason in the first line, in characters; the case has the whole reason."""


def alerts(run: Run) -> tuple[str, ...]:
    """One line for each alert, the most important first; none where the run is whole."""
    return tuple(line for line in (_interrupted(run), _faults(run), _gone(run)) if line)


def _interrupted(run: Run) -> str:
    if run.complete:
        return ""
    if run.running is not None:
        return f"STILL RUNNING in process {run.running}: this is what is finished so far"
    why = f" ({_short(run.end.reason)})" if run.end and run.end.reason else ""
    return f"INTERRUPTED{why}: lakebench run --resume {run.header.run} goes on"


def _faults(run: Run) -> str:
    faults = [record for record in run.cases if record.outcome is Outcome.HARNESS_FAULT]
    if not faults:
        return ""
    more = f" and {len(faults) - 1} more" if len(faults) > 1 else ""
    file = next((f", please report it with {one.evidence['file']}" for one in faults if one.evidence.get("file")), "")
    where = f"{counted(len(faults), 'case')}, which says nothing of an engine: {faults[0].case}{more}"
    return f"FAULT OF LAKEBENCH in {where}{file}"


def _gone(run: Run) -> str:
    if run.end is None:
        return ""
    if run.end.gone:
        return gone(run.end.gone)
    lines = run.end.changes.get("gone", ())  # older records have nothing else
    return f"GONE: {counted(len(lines), 'case')} that ran before did not run" if lines else ""


def gone(absences: Sequence[Gone]) -> str:
    """One line about what should have run and did not: services, engines, cases by engine; each reason once."""
    first = {one.reason: one for one in reversed(absences)}
    shown = [one if first[one.reason] is one else replace(one, reason="") for one in absences]
    asked = [_asked(one) for one in shown if one.what != "cases"]
    cases = [one for one in shown if one.what == "cases"]
    number = counted(sum(one.cases for one in cases), "case")
    lost = [f"{number} that ran before did not run: {cases_of(cases)}"] if cases else []
    return f"GONE: {'; '.join([*asked, *lost])}"


def _asked(one: Gone) -> str:
    texts = {"service": f"the service {one.name}, which was asked for, did not come up"}
    return f"{texts.get(one.what, f'{one.name}, which was asked for, did not run')}{_because(one)}"


def cases_of(absences: Iterable[Gone]) -> str:
    """A text such as ``24 of trino (no Java), 16 of spark (no Python)``."""
    return ", ".join(f"{one.cases} of {one.name}{_because(one)}" for one in absences)


def _because(one: Gone) -> str:
    return f" ({_short(one.reason)})" if one.reason else ""


def counted(number: int, name: str) -> str:
    """``1 case`` or ``2 cases``."""
    return f"{number:,} {name}" if number == 1 else f"{number:,} {name}s"


def _short(reason: str) -> str:
    text = " ".join(reason.split())
    return text if len(text) <= _REASON else f"{text[:_REASON]}…"
