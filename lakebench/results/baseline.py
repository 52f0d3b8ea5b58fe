"""The baseline: what is accepted of each case, since somebody looked at it.

Files of one form: those that ship with the package, one a phase, and the user's own beside ``lakebench.toml``, which
wins case by case.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lakebench import phases
from lakebench.errors import UsageError
from lakebench.inputs import files as local_files
from lakebench.inputs import untrusted
from lakebench.model import Outcome, Record
from lakebench.provisioning.cache_paths import run_name
from lakebench.results import needs
from lakebench.results.records import Run

FILE = "lakebench-accepted.json"
SHIPPED = Path(__file__).parents[1] / "baselines"
_LARGEST = 256 * 2**20  # bytes; every cell of the matrix takes one
SCHEMA = 2
_FIRST_SCHEMA = 1
_ENTRY, _NEEDS = 4, 5
_ACCEPTABLE = tuple(one for one in Outcome if one is not Outcome.HARNESS_FAULT)


@dataclass(frozen=True)
class Acceptance:
    """Somebody accepted ``run`` on ``date``, for ``reason``; ``versions`` are engine → its components, in a line.

    Cases refer to it by ``number``, which it keeps. ``run`` are several, by comma, where they were accepted together.
    """

    number: int
    run: str
    date: str
    reason: str
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Entry:
    """What is accepted of a case: any of ``outcomes``, each with its verdict (empty where nothing is claimed).

    There are several where a race decides. ``engine`` is whose case it is; ``needs`` are those of :mod:`.needs`.
    """

    engine: str
    outcomes: Mapping[Outcome, str]
    by: Acceptance
    needs: frozenset[str] = frozenset()

    def says(self, other: Entry) -> bool:
        """Whether ``other`` accepts nothing else, whoever accepted it."""
        return other.outcomes.items() <= self.outcomes.items()


Key = tuple[str, frozenset[str]]
"""The id of a case, and what it needs: one case may have several entries."""
Entries = dict[Key, Entry]


@dataclass(frozen=True)
class Baseline:
    """Case id → what is accepted of it."""

    entries: Mapping[str, Entry] = field(default_factory=dict)

    def of(self, case: str) -> Entry | None:
        """What is accepted of the case with this id."""
        return self.entries.get(case)


@dataclass(frozen=True)
class Counts:
    """What accepting did to the files.

    Cases by outcome; how many were not there before, or are other now; ``gone`` entries whose cases did not come to
    be, and are taken back; ``faults`` are cases that met an error of ours, which nobody can accept.
    """

    outcomes: Mapping[Outcome, int]
    cases: int
    new: int
    changed: int
    gone: int
    faults: int


def load(settings: Mapping[str, Any], own: Path = Path(FILE), shipped: Path = SHIPPED) -> Baseline:
    """What is accepted here of the phases of a run whose header has ``settings``.

    What is ``shipped`` counts, and what ``own`` says instead; of several entries of one case that which needs most of
    what the settings name.

    Raises:
        UsageError: one of the files is damaged.
    """
    files = [shipped / f"{name}.json" for name in settings.get("phases", ())] if shipped.is_dir() else []
    found: Entries = {}
    for file in (*files, own):
        found |= _read(file)
    given = needs.named(settings)
    fitting = [(case, entry) for (case, wanted), entry in found.items() if wanted <= given]
    return Baseline(dict(sorted(fitting, key=lambda one: len(one[1].needs))))


def accept(
    runs: Sequence[Run],
    reason: str,
    path: Path = Path(FILE),
    shipped: Path = SHIPPED,
    *,
    interrupted: bool = False,
) -> Counts:
    """Write the outcomes of ``runs`` as accepted into the file at ``path``, or into one file a phase in that folder.

    Of a case that several runs have, each outcome is accepted. What a run was to cover and has no record of is accepted
    no more; the rest of the file stays. ``interrupted`` takes runs that did not end, and then nothing is taken back.

    Raises:
        UsageError: no reason is given, a run has no finished case or did not end, an engine has several versions, or a
            file is damaged or cannot be written.
    """
    _check(runs, reason, interrupted=interrupted)
    by = Acceptance(
        number=0,
        run=", ".join(one.header.run for one in runs),
        date=dt.datetime.now(dt.UTC).date().isoformat(),
        reason=" ".join(reason.split()),
        versions=_versions(runs),
    )
    now = _entries(runs, by)
    lost = _lost(runs) if not interrupted else lambda _: False
    counted: Counter[str] = Counter()
    for file, part in _files(path, now):
        counted += _merge(file, part, lost, {} if path.is_dir() else _shipped(part, shipped))
    outcomes = Counter(outcome for one in now.values() for outcome in one.outcomes)
    faults = sum(case.outcome is Outcome.HARNESS_FAULT for run in runs for case in run.cases)
    return Counts(outcomes, len(now), counted["new"], counted["changed"], counted["gone"], faults)


def concerned(case: str, versions: Mapping[str, str]) -> dict[str, str]:
    """Those of ``versions`` whose engine the case's id names."""
    names = phases.engines_of(case)
    return {engine: told for engine, told in versions.items() if engine in names}


def verdict(case: Record) -> str:
    """The outcome of ``case`` held against what its engine claims; empty where nothing is claimed."""
    return str(case.evidence.get("verdict") or "")


def _check(runs: Sequence[Run], reason: str, *, interrupted: bool) -> None:
    if not reason.strip():
        raise UsageError('an acceptance needs a reason: --reason "why these outcomes are as they are to be"')
    for run in runs:
        if run.running is not None and not interrupted:
            raise UsageError(
                f"{run.header.run} is still running in process {run.running}: wait for its end; with --interrupted "
                "what is finished so far is accepted"
            )
        if not run.complete and not interrupted:
            raise UsageError(
                f"{run.header.run} was interrupted, so nobody knows what became of its other cases: lakebench run "
                f"--resume {run_name(run.path.parent)} goes on; with --interrupted what is finished is accepted"
            )
        if not any(case.outcome in _ACCEPTABLE for case in run.cases):
            raise UsageError(f"{run.header.run} has no finished case: nothing can be accepted of it")


def _versions(runs: Sequence[Run]) -> dict[str, str]:
    """Engine → its components.

    Raises:
        UsageError: two runs have not the same: then it is no race that made their outcomes differ.
    """
    found: dict[str, str] = {}
    for run in runs:
        for one in run.engines:
            told = ", ".join(f"{name} {version}" for name, version in one.versions.items())
            if told and found.setdefault(one.engine, told) != told:
                raise UsageError(
                    f"{one.engine} is {found[one.engine]} in one run and {told} in another: accept them one by one"
                )
    return found


def _entries(runs: Sequence[Run], by: Acceptance) -> Entries:
    """What became of each case, in one run or in several."""
    found: Entries = {}
    for run in runs:
        for case in run.cases:
            if case.outcome in _ACCEPTABLE:
                key = case.case, needs.of(case.case, case.phase, run.header.settings)
                before = found[key].outcomes if key in found else {}
                found[key] = Entry(case.engine, {**before, case.outcome: verdict(case)}, by, key[1])
    return found


def _lost(runs: Sequence[Run]) -> Callable[[Key], bool]:
    """Whether one of ``runs`` was to have a case, by its id and needs, that none of them has."""
    known = {case.case for run in runs for case in run.cases}
    scopes = [
        (needs.named(run.header.settings), phases.covers(run.header.phases, scope))
        for run in runs
        if (scope := phases.Scope.of(run.header.settings))
    ]
    return lambda key: key[0] not in known and any(key[1] <= given and covers(key[0]) for given, covers in scopes)


def _files(path: Path, now: Entries) -> list[tuple[Path, Entries]]:
    if not path.is_dir():
        return [(path, now)]
    parts: dict[str, Entries] = {}
    for (case, wanted), entry in now.items():
        parts.setdefault(case.partition("/")[0], {})[case, wanted] = entry
    return [(path / f"{phase}.json", part) for phase, part in parts.items()]


def _shipped(now: Entries, folder: Path) -> Entries:
    """What ships of the phases of ``now``."""
    found: Entries = {}
    for phase in {case.partition("/")[0] for case, _ in now}:
        found |= _read(folder / f"{phase}.json")
    return found


def _merge(path: Path, now: Entries, lost: Callable[[Key], bool], shipped: Entries) -> Counter[str]:
    """Write ``now`` into the file at ``path``; what changed there.

    A lost case has no entry any more; where one ships, the file says that it does not run.
    """
    before = _read(path)
    number = max((one.by.number for one in before.values()), default=0) + 1
    fresh = {key: replace(entry, by=replace(entry.by, number=number)) for key, entry in now.items()}
    kept = {key: before[key] for key, entry in fresh.items() if key in before and _same(key[0], before[key], entry)}
    gone = {key for key in before if lost(key)}
    denied = {key: _denied(entry, fresh) for key, entry in shipped.items() if lost(key)}
    entries = {key: entry for key, entry in before.items() if key not in gone} | denied | fresh | kept
    _write(path, entries)
    new = sum(key not in before for key in fresh)
    changed = sum(key in before and not before[key].says(one) for key, one in fresh.items())
    return Counter(new=new, changed=changed, gone=len(gone | denied.keys()))


def _denied(entry: Entry, fresh: Entries) -> Entry:
    return replace(entry, outcomes={Outcome.UNAVAILABLE: ""}, by=next(iter(fresh.values())).by)


def _same(case: str, before: Entry, now: Entry) -> bool:
    """Whether ``now`` is no news: then the line of the case stays as it is, and with it who accepted it when."""
    return before.says(now) and concerned(case, before.by.versions) == concerned(case, now.by.versions)


# The file.


def _write(path: Path, entries: Entries) -> None:
    """Write the file whole, sorted, one line a case: what changed is what a diff shows."""
    numbered = {entry.by.number: entry.by for entry in entries.values()}
    acceptances = [
        f'"{number}": {_text({key: value for key, value in vars(by).items() if key != "number"})}'
        for number, by in sorted(numbered.items())
    ]
    order = sorted((case, sorted(wanted), entry) for (case, wanted), entry in entries.items())
    cases = [_line(case, wanted, entry) for case, wanted, entry in order]
    text = (
        f'{{\n"schema": {SCHEMA},\n"acceptances": {{\n' + ",\n".join(acceptances) + "\n},\n"
        '"cases": [\n' + ",\n".join(cases) + "\n]\n}\n"
    )
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        raise UsageError(f"{path} cannot be written: {error.strerror}") from None


def _line(case: str, wanted: Sequence[str], entry: Entry) -> str:
    told = {outcome.value: entry.outcomes[outcome] for outcome in Outcome if outcome in entry.outcomes}
    return _text([case, entry.engine, told, entry.by.number, *([wanted] if wanted else [])])


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


Damaged = Callable[[str, str], UsageError]


def _read(path: Path) -> Entries:
    """The entries of the file at ``path``; none where there is no file."""
    if not os.path.lexists(path):
        return {}
    try:
        text = local_files.text(path, _LARGEST)
        told = untrusted.plain(json.loads(text))
    except FileNotFoundError:
        raise UsageError(f"{path} is a link to nothing: remove it, or put the file there") from None
    except json.JSONDecodeError as error:
        raise _damaged(path, error.lineno, error.msg) from None
    except RecursionError:
        raise _damaged(path, 1, "it is nested too deep") from None
    except untrusted.NotBelieved as error:
        raise _damaged(path, 1, str(error)) from None
    damaged = functools.partial(_damaged_at, path, text)
    if not isinstance(told, dict) or not isinstance(told.get("acceptances"), dict) or "cases" not in told:
        raise damaged("", "it has no acceptances and cases")
    by = {number: _acceptance(number, one, damaged) for number, one in told["acceptances"].items()}
    return dict(_parsed(path, told, by, damaged))


def _parsed(
    path: Path, told: Mapping[str, Any], by: Mapping[str, Acceptance], damaged: Damaged
) -> Iterable[tuple[Key, Entry]]:
    schema, cases = told.get("schema"), told["cases"]
    if schema == SCHEMA and isinstance(cases, list):
        return [_entry(one, by, damaged) for one in cases]
    if schema == _FIRST_SCHEMA and isinstance(cases, dict):
        return [_earlier(case, one, by, damaged) for case, one in cases.items()]
    if schema in {SCHEMA, _FIRST_SCHEMA}:
        raise damaged("", "it has no acceptances and cases")
    raise UsageError(f"{path} has schema {schema} and this lakebench reads up to {SCHEMA}: upgrade lakebench-harness")


def _acceptance(number: str, told: Any, damaged: Damaged) -> Acceptance:
    from pydantic import TypeAdapter

    try:
        return TypeAdapter(Acceptance).validate_python({**told, "number": int(number)})
    except (TypeError, ValueError):
        raise damaged(f'"{number}"', "it is not an acceptance") from None


def _entry(told: Any, by: Mapping[str, Acceptance], damaged: Damaged) -> tuple[Key, Entry]:
    case = told[0] if isinstance(told, list) and told and isinstance(told[0], str) else ""
    line = f"[{_text(case)}"
    if not case or len(told) not in {_ENTRY, _NEEDS} or not isinstance(told[2], dict) or not told[2]:
        raise damaged(line, "it is not [case, engine, {outcome: verdict}, number of an acceptance]")
    outcomes = {_outcome(name, line, damaged): str(said) for name, said in told[2].items()}
    if str(told[3]) not in by:
        raise damaged(line, f"there is no acceptance {told[3]!r}")
    wanted = frozenset(map(str, told[4])) if len(told) == _NEEDS and isinstance(told[4], list) else frozenset()
    return (case, wanted), Entry(str(told[1]), outcomes, by[str(told[3])], wanted)


def _earlier(case: str, told: Any, by: Mapping[str, Acceptance], damaged: Damaged) -> tuple[Key, Entry]:
    """The entry of a file of the first schema: ``[outcome, verdict, number]``."""
    line = f"{_text(case)}:"
    if not isinstance(told, list) or len(told) != 3 or str(told[2]) not in by:  # noqa: PLR2004 - its three parts
        raise damaged(line, "it is not [outcome, verdict, number of an acceptance]")
    wanted = needs.of_earlier(case)
    outcomes = {_outcome(told[0], line, damaged): str(told[1])}
    return (case, wanted), Entry(phases.engines_of(case)[-1], outcomes, by[str(told[2])], wanted)


def _outcome(name: object, line: str, damaged: Damaged) -> Outcome:
    if not isinstance(name, str) or name not in _ACCEPTABLE:
        raise damaged(line, f"{name!r} is no outcome that can be accepted")
    return Outcome(str(name))


def _damaged_at(path: Path, text: str, start: str, why: str) -> UsageError:
    """The error that names the line which begins with ``start``."""
    lines = (number for number, line in enumerate(text.splitlines(), 1) if start and line.lstrip().startswith(start))
    return _damaged(path, next(lines, 1), why)


def _damaged(path: Path, line: int, why: str) -> UsageError:
    return UsageError(
        f"{path} line {line} is damaged ({why}): correct the line, restore the file from version control, or move it "
        'away and write it again with lakebench accept RUN --reason "…"'
    )
