"""``lakebench accept``: writes the outcomes of runs into a baseline."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Any

from lakebench import engines, phases
from lakebench.config import Settings
from lakebench.errors import UsageError
from lakebench.execution.request import Scope, selection_of
from lakebench.model import Coordinates, Record, Selection
from lakebench.outcomes import Outcome
from lakebench.paths import run_name
from lakebench.phases.base import Phase
from lakebench.results import baseline, needs
from lakebench.results.baseline import ACCEPTABLE, Acceptance, Entries, Entry, failed_reads, verdict
from lakebench.results.records import Run

Lost = Callable[[str, Entry], bool]
"""Whether an accepted case, by its id, was to come to be and did not."""


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


def accept(
    runs: Sequence[Run],
    reason: str,
    shipped: Mapping[str, Path],
    path: Path | None = None,
    *,
    interrupted: bool = False,
) -> Counts:
    """Write the outcomes of ``runs`` as accepted into the file at ``path``, or else into the ``shipped``, by phase.

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
    lost = _lost(runs) if not interrupted else lambda *_: False
    counted: Counter[str] = Counter()
    if path is None:
        for phase, part in _by_phase(now).items():
            counted += _merge(shipped[phase], part, lost, {})
    else:
        counted += _merge(path, now, lost, _shipped(now, shipped))
    outcomes = Counter(outcome for one in now.values() for outcome in one.outcomes)
    faults = sum(case.outcome is Outcome.HARNESS_FAULT for run in runs for case in run.cases)
    return Counts(outcomes, len(now), counted["new"], counted["changed"], counted["gone"], faults)


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
        if not any(case.outcome in ACCEPTABLE for case in run.cases):
            raise UsageError(f"{run.header.run} has no finished case: nothing can be accepted of it")


def _versions(runs: Sequence[Run]) -> dict[str, str]:
    """Engine → its components.

    Raises:
        UsageError: two runs have not the same: then it is no race that made their outcomes differ.
    """
    by_engine: dict[str, str] = {}
    for run in runs:
        for one in run.engines:
            versions = ", ".join(f"{name} {version}" for name, version in one.versions.items())
            if versions and by_engine.setdefault(one.engine, versions) != versions:
                raise UsageError(
                    f"{one.engine} is {by_engine[one.engine]} in one run and {versions} in another: "
                    "accept them one by one"
                )
    return by_engine


def _entries(runs: Sequence[Run], by: Acceptance) -> Entries:
    """The outcomes of each case, in one run or in several."""
    entries: Entries = {}
    for run in runs:
        for case in run.cases:
            if case.outcome in ACCEPTABLE:
                key = case.case, _needs(case, run.header.settings)
                before = entries.get(key)
                outcomes = {**(before.outcomes if before else {}), case.outcome: verdict(case)}
                reads = _either(before.reads if before else None, failed_reads(case))
                entries[key] = Entry(case.phase, case.engine, outcomes, by, case.coordinates, key[1], reads)
    return entries


def _either(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    return other if one is None else one | (other or frozenset())


def _lost(runs: Sequence[Run]) -> Lost:
    """Whether one of ``runs`` was to have a case that none of them has."""
    present = {case.case for run in runs for case in run.cases}
    scopes = [
        (needs.named(run.header.settings), phases.covers(run.header.phases, scope))
        for run in runs
        if (scope := Scope.of(run.header.settings))
    ]
    return lambda case, entry: (
        case not in present
        and any(entry.needs <= named and covers(entry.phase, entry.coordinates) for named, covers in scopes)
    )


def _by_phase(now: Entries) -> dict[str, Entries]:
    parts: dict[str, Entries] = {}
    for key, entry in now.items():
        parts.setdefault(entry.phase, {})[key] = entry
    return parts


def _shipped(now: Entries, files: Mapping[str, Path]) -> Entries:
    """What ships of the phases of ``now``."""
    entries: Entries = {}
    for phase in _by_phase(now).keys() & files.keys():
        entries |= baseline.read(files[phase])
    return entries


def _merge(path: Path, now: Entries, lost: Lost, shipped: Entries) -> Counter[str]:
    """Write ``now`` into the file at ``path``; what changed there.

    A lost case has no entry any more; where one ships, the file says that it does not run.
    """
    before = baseline.read(path)
    number = max((one.by.number for one in before.values()), default=0) + 1
    fresh = {key: replace(entry, by=replace(entry.by, number=number)) for key, entry in now.items()}
    kept = {key: before[key] for key, entry in fresh.items() if key in before and _same(before[key], entry)}
    gone = {key for key, entry in before.items() if lost(key[0], entry)}
    denied = {key: _denied(entry, fresh) for key, entry in shipped.items() if lost(key[0], entry)}
    entries = {key: entry for key, entry in before.items() if key not in gone} | denied | fresh | kept
    baseline.write(path, entries)
    new = sum(key not in before for key in fresh)
    changed = sum(key in before and not before[key].says(one) for key, one in fresh.items())
    return Counter(new=new, changed=changed, gone=len(gone | denied.keys()))


def _denied(entry: Entry, fresh: Entries) -> Entry:
    return replace(entry, outcomes={Outcome.UNAVAILABLE: ""}, by=next(iter(fresh.values())).by)


def _same(before: Entry, now: Entry) -> bool:
    """Whether ``now`` is no news: then the line of the case stays as it is, and with it who accepted it when."""
    return before.says(now) and before.versions == now.versions


def _needs(case: Record, settings: Mapping[str, Any]) -> frozenset[str]:
    """What ``case`` needs, of what the ``settings`` of its run name."""
    return needs.named(settings) & frozenset(_needed(case, settings))


def _needed(case: Record, settings: Mapping[str, Any]) -> Iterator[str]:
    phase = phases.find(case.phase)
    selection = settings.get("selection", {})
    if any(option.field == "catalog" for option in phase.options):
        yield f"catalog={selection.get('catalog') or Selection().catalog}"
    if phase.data and selection.get("data"):
        yield f"data={PurePath(selection['data']).name}"
    yield from case.coordinates.participants
    yield f"storage.{case.coordinates.storage}.uri"
    external = needs.external(settings)
    for service in _services(case.coordinates, phase, settings):
        if service in external:
            yield f"services.{service}.uri"
        else:
            yield from (needs.pg_config_of(service), needs.home_of(service))


def _services(case: Coordinates, phase: Phase, settings: Mapping[str, Any]) -> Iterator[str]:
    """Those that every case of the phase stands on, and those of the case's engines."""
    fields = {"storage": settings.get("storages", {}), "catalog": settings.get("catalogs", {})}
    run_settings = Settings.model_validate(fields)
    yield from phase.services(selection_of(settings), run_settings)
    for name in case.participants:
        engine = engines.engines().get(name.partition("@")[0])
        if engine is not None:
            yield from ([engine.service] if engine.service else [])
            yield from engine.needs
    yield from str(case.more.get("services", "")).split()
