"""Compares a run with the baseline: known failures, better and worse outcomes, new cases, and cases that are gone.

``[[accepted]]`` in ``claims.toml`` accepts cases by glob, with a link; it takes precedence over the baseline.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lakebench.model import Coordinates, Record
from lakebench.outcomes import FROM_BEST, ExitCode, Outcome
from lakebench.results import claims
from lakebench.results.baseline import Baseline, Covers, Entry, verdict
from lakebench.results.records import ONE_OF, ChangedCase, Gone, by_engine

_BLIND = frozenset({Outcome.TIMEOUT, Outcome.CRASH})
"""Outcomes that do not show what is wrong: a change from one to the other counts as worse in both directions."""


@dataclass(frozen=True)
class Change:
    """A case whose outcome is not accepted: ``before`` is empty for a new case, ``now`` is ``None`` for a gone one."""

    case: str
    engine: str
    coordinates: Coordinates
    before: tuple[Outcome, ...]
    now: Outcome | None
    reason: str = ""

    def line(self) -> ChangedCase:
        """The change in the form of the last line of the records."""
        sides = (" or ".join(one.value for one in self.before), self.now.value if self.now else "")
        reason = " ".join(self.reason.split())
        return ChangedCase(self.case, f"{' → '.join(one for one in sides if one)}{f' ({reason})' if reason else ''}")


@dataclass(frozen=True)
class Changes:
    """The differences between a run and the baseline.

    ``verdicts`` has cases with the same outcome and another verdict, because a claim was edited: case → before, now.
    """

    better: tuple[Change, ...] = ()
    worse: tuple[Change, ...] = ()
    new: tuple[Change, ...] = ()
    gone: tuple[Change, ...] = ()
    verdicts: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def lines(self) -> dict[str, tuple[ChangedCase, ...]]:
        """``better``, ``worse``, ``new`` and ``gone`` → the cases, in the form of the last line of the records."""
        kinds = {"better": self.better, "worse": self.worse, "new": self.new, "gone": self.gone}
        return {kind: tuple(one.line() for one in changes) for kind, changes in kinds.items()}


@dataclass(frozen=True)
class Stale:
    """A case that passes although a failure is accepted; ``where`` names the file or run of the acceptance."""

    case: str
    outcome: Outcome
    where: str
    reason: str

    def __str__(self) -> str:
        """In one line."""
        return f"{self.case} passes now; {self.where} accepts {self.outcome}: {self.reason}"


def known_failure(case: Record, baseline: Baseline) -> dict[str, str] | None:
    """Why the outcome of ``case`` is a known failure (``reason``, ``versions``, ``link``); ``None`` where it is not."""
    if by_glob := claims.accepted_as(case.case, case.outcome):
        return {"reason": by_glob.reason, "versions": by_glob.versions, "link": by_glob.link}
    entry = baseline.held_against(case)
    if entry is None or not entry.accepts(case):
        return None
    components = ", ".join(f"{engine} {versions}" for engine, versions in entry.versions.items())
    return {"reason": entry.by.reason, "versions": components, "link": ""}


def with_acceptance(case: Record, baseline: Baseline) -> Record:
    """``case`` with evidence of its acceptance: why a failure is known, and the outcomes where several are accepted."""
    evidence = dict(case.evidence)
    if case.outcome is not Outcome.PASS and (acceptance := known_failure(case, baseline)):
        evidence["known"] = acceptance
    if (entry := baseline.held_against(case)) and len(entry.outcomes) > 1:
        evidence[ONE_OF] = [one.value for one in Outcome if one in entry.outcomes]
    return replace(case, evidence=evidence)


def is_accepted(case: Record, baseline: Baseline) -> bool:
    """Whether ``case`` passed, did not run, or failed no worse than the accepted failure; false for a fault of ours."""
    if not case.outcome.is_failure:
        return case.outcome is not Outcome.HARNESS_FAULT
    if claims.accepted_as(case.case, case.outcome):
        return True
    entry = _ran(baseline.held_against(case))
    return entry is not None and not _is_worse(entry, case)


def stale(cases: Iterable[Record], baseline: Baseline) -> list[Stale]:
    """Acceptances of failures whose case passes."""
    acceptances = []
    for case in [case.case for case in cases if case.outcome is Outcome.PASS]:
        if by_glob := claims.accepted_for(case):
            acceptances.append(Stale(case, by_glob.outcome, claims.FILE, by_glob.reason))
        elif (entry := _ran(baseline.of(case))) and Outcome.PASS not in entry.outcomes:
            acceptances.append(Stale(case, _outcomes(entry)[0], f"{entry.by.run} of {entry.by.date}", entry.by.reason))
    return acceptances


def exit_code(cases: Iterable[Record], baseline: Baseline, gone: Sequence[Gone] = ()) -> ExitCode:
    """The exit code of a run: the first of 5, 4, 3, 1 and 0 that applies."""
    every = list(cases)
    unexpected = [case for case in every if not is_accepted(case, baseline)]
    if any(case.outcome is Outcome.HARNESS_FAULT for case in every):
        return ExitCode.HARNESS_FAULT
    if any(case.outcome is Outcome.WRONG for case in unexpected):
        return ExitCode.WRONG_ANSWER
    if not any(case.outcome.ran for case in every):
        return ExitCode.NOTHING_RAN
    return ExitCode.WORSE if unexpected or gone else ExitCode.OK


# What a run changes.


def changes(cases: Iterable[Record], baseline: Baseline, covers: Covers) -> Changes:
    """The differences between ``cases`` and ``baseline``; ``covers`` says whether the run should have an accepted case.

    A case that ran on one side only is neither better nor worse: it is gone (with the reason) if it ran before, and
    new if it runs now. A fault of ours is neither. A failure that ``claims.toml`` accepts is not worse.
    """
    every = {case.case: case for case in cases}
    ran = [case for case in every.values() if case.outcome.ran]
    both = [(case, entry) for case in ran if (entry := _ran(baseline.held_against(case)))]
    differ = [(case, entry) for case, entry in both if not entry.accepts(case)]
    return Changes(
        better=tuple(_change(case, entry) for case, entry in differ if not _is_worse(entry, case)),
        worse=tuple(
            _change(case, entry)
            for case, entry in differ
            if _is_worse(entry, case) and not claims.accepted_as(case.case, case.outcome)
        ),
        new=tuple(_change(case, None) for case in ran if _ran(baseline.held_against(case)) is None),
        gone=tuple(_gone(every, baseline, covers)),
        verdicts={
            case.case: (entry.outcomes[case.outcome], verdict(case))
            for case, entry in both
            if case.outcome in entry.outcomes and verdict(case) != entry.outcomes[case.outcome]
        },
    )


def _ran(entry: Entry | None) -> Entry | None:
    """``entry`` where it accepts an outcome that ran."""
    return entry if entry is not None and any(one.ran for one in entry.outcomes) else None


def _outcomes(entry: Entry | None) -> tuple[Outcome, ...]:
    return tuple(one for one in Outcome if entry is not None and one in entry.outcomes)


def _change(case: Record, entry: Entry | None) -> Change:
    return Change(case.case, case.engine, case.coordinates, _outcomes(entry), case.outcome, case.reason)


def _gone(every: Mapping[str, Record], baseline: Baseline, covers: Covers) -> Iterable[Change]:
    for case, entry in sorted(baseline.entries.items()):
        record = every.get(case)
        if Outcome.UNAVAILABLE in entry.outcomes:
            continue
        if record is None and covers(entry.phase, entry.coordinates):
            reason = "no case of this run is called so"
            yield Change(case, entry.engine, entry.coordinates, _outcomes(entry), None, reason)
        elif record is not None and record.outcome is Outcome.UNAVAILABLE:
            yield _change(record, entry)


def _is_worse(entry: Entry, case: Record) -> bool:
    """Whether the outcome of ``case`` is not accepted, and worse than one of the accepted outcomes.

    From best to worst: passed, refused in the engine's own words, out of memory, timed out, crashed, wrong. A crash
    that becomes a timeout is worse as well: neither shows what is wrong, and what was known of the crash is lost.
    An accepted outcome is worse where another read failed than those that were accepted.
    """
    now = case.outcome
    if now in entry.outcomes:
        return not entry.accepts(case)
    before = [one for one in entry.outcomes if one.ran]
    return any((one in _BLIND and now in _BLIND) or FROM_BEST.index(now) > FROM_BEST.index(one) for one in before)


# What is gone, for the first line of the summary.


def gone(
    changed: Sequence[Change], cases: Iterable[Record], asked: Sequence[str], services: Mapping[str, str]
) -> tuple[Gone, ...]:
    """Everything that should have run and did not: ``services`` (with the reason), ``asked`` engines, cases.

    ``changed`` are the accepted cases that are gone.
    """
    every = list(cases)
    ran = {case.engine for case in every if case.outcome.ran}
    absent = [Gone("engine", name, _why(name, every)) for name in asked if name not in ran]
    lost = by_engine((one.coordinates.first_absent(ran) or one.engine, one.reason) for one in changed)
    return (*(Gone("service", *one) for one in services.items()), *absent, *lost)


def _why(engine: str, cases: Sequence[Record]) -> str:
    cases_of_engine = [case for case in cases if case.engine == engine]
    return next((case.reason for case in cases_of_engine if case.reason), "no case of this run asks it")
