"""Accepted outcomes: what became of each case the last time somebody looked, and what a run changes of it.

Two files of one form: the baseline that ships with the package, and the user's own beside ``lakebench.toml``, which
wins case by case. ``[[accepted]]`` in ``claims.toml`` accepts by glob, and tells of failures with a link.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lakebench import claims
from lakebench.errors import UsageError
from lakebench.model import ExitCode, Outcome, Record, Selection
from lakebench.records import Run

FILE = "lakebench-accepted.json"
SHIPPED = Path(__file__).with_name("accepted.json")
SCHEMA = 1
_FROM_BEST = (
    Outcome.PASS,
    Outcome.REFUSED,
    Outcome.OUT_OF_MEMORY,
    Outcome.TIMEOUT,
    Outcome.CRASH,
    Outcome.WRONG,
)
_BLIND = frozenset({Outcome.TIMEOUT, Outcome.CRASH})
"""Outcomes that do not tell what is the matter: one in the place of the other is worse, whichever way."""
_ENTRY = 3


@dataclass(frozen=True)
class Acceptance:
    """Somebody accepted ``run`` on ``date``, for ``reason``; ``versions`` are engine → its components, in a line.

    Cases refer to it by ``number``, which it keeps.
    """

    number: int
    run: str
    date: str
    reason: str
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """What is accepted of a case."""

    outcome: Outcome
    verdict: str
    by: Acceptance

    def says(self, other: Entry) -> bool:
        """Whether ``other`` says the same, whoever accepted it."""
        return (self.outcome, self.verdict) == (other.outcome, other.verdict)


@dataclass(frozen=True)
class Baseline:
    """Case id → what is accepted of it."""

    entries: Mapping[str, Entry] = field(default_factory=dict)

    def of(self, case: str) -> Entry | None:
        """What is accepted of the case with this id."""
        return self.entries.get(case)


@dataclass(frozen=True)
class Counts:
    """What accepting a run did to the file: cases by outcome, and how many were not there before, or are other now."""

    outcomes: Mapping[Outcome, int]
    new: int
    changed: int
    same: int

    @property
    def cases(self) -> int:
        """How many cases were accepted."""
        return sum(self.outcomes.values())


@dataclass(frozen=True)
class Change:
    """A case that is not what was accepted: ``before`` is ``None`` for a new one, ``now`` for one that is gone."""

    case: str
    before: Outcome | None
    now: Outcome | None
    reason: str = ""

    def __str__(self) -> str:
        """In one line."""
        told = " → ".join(outcome.value for outcome in (self.before, self.now) if outcome is not None)
        reason = " ".join(self.reason.split())
        return f"{self.case}: {told}{' (' if reason else ''}{reason}{')' if reason else ''}"


@dataclass(frozen=True)
class Changes:
    """What a run changes of what is accepted.

    ``wrong_not_accepted`` are wrong answers that nothing accepts; each of them stands under ``worse`` or ``new`` too.
    ``verdicts`` are cases with the same outcome and another verdict, because a claim was changed: case → before, now.
    """

    better: tuple[Change, ...] = ()
    worse: tuple[Change, ...] = ()
    new: tuple[Change, ...] = ()
    gone: tuple[Change, ...] = ()
    wrong_not_accepted: tuple[Change, ...] = ()
    verdicts: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def lines(self) -> dict[str, tuple[str, ...]]:
        """``better``, ``worse``, ``new`` and ``gone`` → a line a case, as the last line of the records has them."""
        kinds = {"better": self.better, "worse": self.worse, "new": self.new, "gone": self.gone}
        return {kind: tuple(str(one) for one in found) for kind, found in kinds.items()}


@dataclass(frozen=True)
class Stale:
    """A case that passes although a failure is accepted: ``where`` the acceptance stands that is to be taken back."""

    case: str
    outcome: Outcome
    where: str
    reason: str

    def __str__(self) -> str:
        """In one line."""
        return f"{self.case} passes now; {self.where} accepts {self.outcome}: {self.reason}"


# What is accepted.


def load(own: Path = Path(FILE), shipped: Path = SHIPPED) -> Baseline:
    """What is accepted here: ``shipped``, and what ``own`` says instead.

    Raises:
        UsageError: one of the files is damaged.
    """
    return Baseline({**_read(shipped), **_read(own)})


def known(case: str, outcome: Outcome, baseline: Baseline) -> dict[str, str] | None:
    """Why the failure ``outcome`` of ``case`` is no news (``reason``, ``versions``, ``link``), or ``None`` if it is."""
    if by_glob := claims.accepted_as(case, outcome):
        return {"reason": by_glob.reason, "versions": by_glob.versions, "link": by_glob.link}
    entry = baseline.of(case)
    if entry is None or entry.outcome is not outcome:
        return None
    told = ", ".join(f"{engine} {versions}" for engine, versions in _concerned(case, entry.by.versions).items())
    return {"reason": entry.by.reason, "versions": told, "link": ""}


def is_accepted(case: Record, baseline: Baseline) -> bool:
    """Whether ``case`` passed, did not run here, or failed no worse than it is known to."""
    if case.outcome is Outcome.HARNESS_FAULT:  # it says nothing of the case
        return False
    if case.outcome in {Outcome.PASS, Outcome.UNAVAILABLE} or claims.accepted_as(case.case, case.outcome):
        return True
    entry = baseline.of(case.case)
    return entry is not None and entry.outcome is not Outcome.UNAVAILABLE and not _is_worse(entry.outcome, case.outcome)


def stale(cases: Iterable[Record], baseline: Baseline) -> list[Stale]:
    """Acceptances of failures whose case passes."""
    passed = [case.case for case in cases if case.outcome is Outcome.PASS]
    found = []
    for case in passed:
        if by_glob := claims.accepted_for(case):
            found.append(Stale(case, by_glob.outcome, claims.FILE, by_glob.reason))
        elif (entry := baseline.of(case)) and entry.outcome not in {Outcome.PASS, Outcome.UNAVAILABLE}:
            found.append(Stale(case, entry.outcome, f"{entry.by.run} of {entry.by.date}", entry.by.reason))
    return found


def exit_code(cases: Iterable[Record], baseline: Baseline) -> ExitCode:
    """What the outcomes of a run make of its exit code."""
    told = list(cases)
    if any(case.outcome is Outcome.HARNESS_FAULT for case in told):
        return ExitCode.HARNESS_FAULT
    unexpected = [case for case in told if not is_accepted(case, baseline)]
    if any(case.outcome is Outcome.WRONG for case in unexpected):
        return ExitCode.WRONG_ANSWER
    if unexpected:
        return ExitCode.WORSE
    if all(case.outcome is Outcome.UNAVAILABLE for case in told):
        return ExitCode.NOTHING_RAN
    return ExitCode.OK


# What a run changes.


def changes(cases: Iterable[Record], baseline: Baseline, scope: Callable[[str], bool]) -> Changes:
    """What ``cases`` change of ``baseline``; ``scope`` says of an accepted case whether the run was to cover it.

    A case that did not run on one of the sides is neither better nor worse: it is gone where it ran before, with the
    reason, and new where it runs now. A failure that ``claims.toml`` accepts is not worse.
    """
    told = {case.case: case for case in cases}
    ran = [case for case in told.values() if case.outcome.ran]
    both = [(case, entry) for case in ran if (entry := _ran(baseline.of(case.case)))]
    differ = [(case, entry) for case, entry in both if case.outcome is not entry.outcome]
    return Changes(
        better=tuple(_change(case, entry) for case, entry in differ if not _is_worse(entry.outcome, case.outcome)),
        worse=tuple(
            _change(case, entry)
            for case, entry in differ
            if _is_worse(entry.outcome, case.outcome) and not claims.accepted_as(case.case, case.outcome)
        ),
        new=tuple(_change(case, None) for case in ran if _ran(baseline.of(case.case)) is None),
        gone=tuple(_gone(told, baseline, scope)),
        wrong_not_accepted=tuple(
            _change(case, _ran(baseline.of(case.case)))
            for case in ran
            if case.outcome is Outcome.WRONG and not is_accepted(case, baseline)
        ),
        verdicts={
            case.case: (entry.verdict, _verdict(case))
            for case, entry in both
            if case.outcome is entry.outcome and _verdict(case) != entry.verdict
        },
    )


def _ran(entry: Entry | None) -> Entry | None:
    return entry if entry is not None and entry.outcome is not Outcome.UNAVAILABLE else None


def _change(case: Record, entry: Entry | None) -> Change:
    return Change(case.case, entry.outcome if entry else None, case.outcome, case.reason)


def _gone(told: Mapping[str, Record], baseline: Baseline, scope: Callable[[str], bool]) -> Iterable[Change]:
    for case, entry in sorted(baseline.entries.items()):
        record = told.get(case)
        if entry.outcome is Outcome.UNAVAILABLE:
            continue
        if record is None and scope(case):
            yield Change(case, entry.outcome, None, "no case of this run is called so")
        elif record is not None and not record.outcome.ran:
            yield Change(case, entry.outcome, record.outcome, record.reason)


def _is_worse(before: Outcome, now: Outcome) -> bool:
    """Whether ``now`` is worse than ``before``; both ran.

    From best to worst: passed, refused in the engine's own words, out of memory, timed out, crashed, wrong. A crash
    that becomes a timeout is worse as well: neither tells what is the matter, and what was known of it is lost.
    """
    if before in _BLIND and now in _BLIND:
        return before is not now
    return _FROM_BEST.index(now) > _FROM_BEST.index(before)


# The file.


def accept(run: Run, reason: str, path: Path = Path(FILE)) -> Counts:
    """Write the outcomes of ``run`` into the file at ``path`` as accepted; cases that it has no record of stay.

    Raises:
        UsageError: no reason is given, the run has no cases or is of another catalog than the usual one, or the file
            is damaged or cannot be written.
    """
    if not reason.strip():
        raise UsageError('an acceptance needs a reason: --reason "why these outcomes are as they are to be"')
    catalog = run.header.settings.get("selection", {}).get("catalog", Selection().catalog)
    if catalog != Selection().catalog:
        raise UsageError(
            f"{run.header.run} ran on the catalog {catalog}: accepted outcomes are those of {Selection().catalog}"
        )
    if not run.cases:
        raise UsageError(f"{run.header.run} has no finished case: nothing can be accepted of it")
    before = _read(path)
    versions = {
        one.engine: ", ".join(f"{name} {version}" for name, version in one.versions.items()) for one in run.engines
    }
    by = Acceptance(
        number=max((one.by.number for one in before.values()), default=0) + 1,
        run=run.header.run,
        date=dt.datetime.now(dt.UTC).date().isoformat(),
        reason=" ".join(reason.split()),
        versions={engine: told for engine, told in versions.items() if told},
    )
    told = [case for case in run.cases if case.outcome is not Outcome.HARNESS_FAULT]
    now = {case.case: Entry(case.outcome, _verdict(case), by) for case in told}
    kept = {case: before[case] for case, entry in now.items() if case in before and _same(case, before[case], entry)}
    _write(path, {**before, **now, **kept})
    new = sum(case not in before for case in now)
    changed = sum((was := before.get(case)) is not None and not was.says(one) for case, one in now.items())
    return Counts(Counter(one.outcome for one in now.values()), new, changed, len(now) - new - changed)


def _same(case: str, before: Entry, now: Entry) -> bool:
    """Whether ``now`` is no news: then the line of the case stays as it is, and with it who accepted it when."""
    return before.says(now) and _concerned(case, before.by.versions) == _concerned(case, now.by.versions)


def _verdict(case: Record) -> str:
    return str(case.evidence.get("verdict") or "")


def _concerned(case: str, versions: Mapping[str, str]) -> dict[str, str]:
    """Those of ``versions`` whose engine the case's id names."""
    parts = case.replace("→", "/").split("/")
    return {engine: told for engine, told in versions.items() if engine in parts}


def _write(path: Path, entries: Mapping[str, Entry]) -> None:
    """Write the file whole, sorted, one line a case: what changed is what a diff shows."""
    numbered = {entry.by.number: entry.by for entry in entries.values()}
    acceptances = [
        f'"{number}": {_text({key: value for key, value in vars(by).items() if key != "number"})}'
        for number, by in sorted(numbered.items())
    ]
    cases = [
        f"{_text(case)}: {_text([one.outcome.value, one.verdict, one.by.number])}"
        for case, one in sorted(entries.items())
    ]
    text = (
        f'{{\n"schema": {SCHEMA},\n"acceptances": {{\n' + ",\n".join(acceptances) + "\n},\n"
        '"cases": {\n' + ",\n".join(cases) + "\n}\n}\n"
    )
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _read(path: Path) -> dict[str, Entry]:
    """The entries of the file at ``path``; none where there is no file."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read: {error}") from None
    try:
        told = json.loads(text)
    except json.JSONDecodeError as error:
        raise _damaged(path, error.lineno, error.msg) from None
    damaged = functools.partial(_damaged_at, path, text)
    if not isinstance(told, dict) or not all(isinstance(told.get(key), dict) for key in ("acceptances", "cases")):
        raise damaged("", "it has no acceptances and cases")
    if told.get("schema") != SCHEMA:
        raise UsageError(
            f"{path} has schema {told.get('schema')} and this lakebench reads {SCHEMA}: upgrade lakebench-harness"
        )
    by = {number: _acceptance(number, one, damaged) for number, one in told["acceptances"].items()}
    return {case: _entry(case, one, by, damaged) for case, one in told["cases"].items()}


def _acceptance(number: str, told: Any, damaged: Callable[[str, str], UsageError]) -> Acceptance:
    try:
        return Acceptance(number=int(number), **told)
    except (TypeError, ValueError):
        raise damaged(number, "it is not an acceptance") from None


def _entry(case: str, told: Any, by: Mapping[str, Acceptance], damaged: Callable[[str, str], UsageError]) -> Entry:
    if not isinstance(told, list) or len(told) != _ENTRY:
        raise damaged(case, "it is not [outcome, verdict, number of an acceptance]")
    outcome, verdict, number = told
    if outcome not in Outcome.__members__.values():
        raise damaged(case, f"{outcome!r} is no outcome")
    if str(number) not in by:
        raise damaged(case, f"there is no acceptance {number!r}")
    return Entry(Outcome(outcome), str(verdict), by[str(number)])


def _damaged_at(path: Path, text: str, key: str, why: str) -> UsageError:
    """The error that names the line which begins with ``key``."""
    start = f"{_text(key)}:"
    lines = (number for number, line in enumerate(text.splitlines(), 1) if line.lstrip().startswith(start))
    return _damaged(path, next(lines, 1), why)


def _damaged(path: Path, line: int, why: str) -> UsageError:
    return UsageError(
        f"{path} line {line} is damaged ({why}): correct the line, restore the file from version control, or move it "
        'away and write it again with lakebench accept RUN --reason "…"'
    )
