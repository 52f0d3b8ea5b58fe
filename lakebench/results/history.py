"""A folder of runs as a history: how outcomes and times of each case went, where they step, and which versions changed.

A step in times is found from left to right: a run's samples are compared with all those since the last step. It is a
step if the medians are more than 10 % and 5 ms apart, with an interval that does not hold 1, and if the next run shows
the same; a single run that differs is an outlier. The newest run has no next one: its step is not confirmed yet. An
interval has the noise within the runs only, which is why a second run has to agree.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lakebench.model import Record
from lakebench.outcomes import Outcome
from lakebench.results import statistics
from lakebench.results.cell_changes import ChangeKind, change
from lakebench.results.comparison import COLD, THRESHOLD, WARM
from lakebench.results.records import Run
from lakebench.results.statistics import Ratio

LEAST_NS = 5e6
"""A step is larger than this: below it, a clock and a scheduler are measured."""
MOST_SAMPLES = 200
"""Of the samples since the last step the newest count."""


@dataclass(frozen=True)
class Point:
    """One case in one run: its median (``None`` without samples), its samples in ns, and the versions of all parts.

    The samples are the warm ones, or cold ones where there are no warm ones.
    """

    run: str
    date: str
    machine: str
    outcome: Outcome
    samples: tuple[int, ...]
    versions: Mapping[str, str]
    reason: str = ""

    @property
    def median_s(self) -> float | None:
        """The median in seconds."""
        return statistics.median(self.samples) / 1e9 if self.samples else None


@dataclass(frozen=True)
class Series:
    """One case on the same data, in the order of time."""

    case: str
    engine: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class OutcomeStep:
    """An outcome that differs from the one before; ``versions`` are those that changed: part, before, now."""

    series: Series
    before: Point
    now: Point
    change: ChangeKind
    versions: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class TimeStep:
    """Times that step at the run ``now``: ``ratio`` of its samples to those since the last step."""

    series: Series
    before: Point
    now: Point
    ratio: Ratio
    confirmed: bool
    versions: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True)
class History:
    """All series of the runs, and where they step, the newest first."""

    runs: tuple[Run, ...]
    series: tuple[Series, ...]
    outcomes: tuple[OutcomeStep, ...]
    times: tuple[TimeStep, ...]


def history(runs: Iterable[Run]) -> History:
    """The history in ``runs``, in any order."""
    ordered = tuple(sorted(runs, key=lambda run: (run.header.started, run.header.run)))
    series = tuple(_series(ordered))
    outcomes = [step for one in series for step in _outcome_steps(one)]
    times = [step for one in series for step in _time_steps(one)]
    return History(
        ordered,
        series,
        tuple(sorted(outcomes, key=lambda step: step.now.date, reverse=True)),
        tuple(sorted(times, key=lambda step: step.now.date, reverse=True)),
    )


def _series(runs: Sequence[Run]) -> Iterator[Series]:
    points: dict[tuple[str, object], list[Point]] = {}
    engines: dict[str, str] = {}
    for run in runs:
        data = tuple(sorted((one.dataset, one.scale_factor, one.content_hash or "") for one in run.datasets))
        for record in run.cases:
            engines[record.case] = record.engine
            points.setdefault((record.case, data), []).append(_point(run, record))
    for (case, _), values in points.items():
        yield Series(case, engines[case], tuple(values))


def _point(run: Run, record: Record) -> Point:
    warm, cold = (tuple(one.ns for one in record.samples if one.kind == kind) for kind in (WARM, COLD))
    header, versions = run.header, _versions(run, record)
    return Point(header.run, header.started, machine_of(run), record.outcome, warm or cold, versions, record.reason)


def machine_of(run: Run) -> str:
    """What times are compared on: the processor's model and its cores."""
    return f"{run.header.machine.get('cpu_model')}, {run.header.machine.get('cores')} cores"


def _versions(run: Run, record: Record) -> dict[str, str]:
    """Part → version, of all that takes part in a case: its engines, the services, lakebench."""
    names = {record.engine, *record.coordinates.participants}
    found = {
        f"{one.engine.partition('@')[0]}: {part}": version
        for one in run.engines
        if one.engine in names
        for part, version in one.versions.items()
    }
    found |= {f"service {one.service}": one.version for one in run.services}
    return found | {f"lakebench {what}": value for what, value in run.header.harness.items() if what != "lock"}


def changed_versions(before: Point, now: Point) -> tuple[tuple[str, str, str], ...]:
    """The parts whose version is another one: part, before, now."""
    parts = dict.fromkeys((*before.versions, *now.versions))
    sides = ((part, before.versions.get(part, "none"), now.versions.get(part, "none")) for part in parts)
    return tuple(one for one in sides if one[1] != one[2])


def _outcome_steps(series: Series) -> Iterator[OutcomeStep]:
    """Each change of outcome between two runs that ran the case."""
    ran = [one for one in series.points if one.outcome.ran]
    for before, now in itertools.pairwise(ran):
        if kind := change(before.outcome, now.outcome):
            yield OutcomeStep(series, before, now, kind, changed_versions(before, now))


def _time_steps(series: Series) -> Iterator[TimeStep]:
    """The steps on each machine."""
    for machine in dict.fromkeys(one.machine for one in series.points):
        yield from _steps(series, [one for one in series.points if one.samples and one.machine == machine])


def _steps(series: Series, timed: Sequence[Point]) -> Iterator[TimeStep]:
    since = list(timed[:1])
    for number, point in enumerate(timed[1:], 1):
        ratio = _stepped(since, point)
        after = timed[number + 1] if number + 1 < len(timed) else None
        again = _stepped(since, after) if ratio and after else None
        if ratio is None:
            since.append(point)
        elif after is None or (again is not None and (again.ratio > 1) == (ratio.ratio > 1)):
            yield TimeStep(series, since[-1], point, ratio, after is not None, changed_versions(since[-1], point))
            since = [point]


def _stepped(since: Sequence[Point], point: Point) -> Ratio | None:
    """The ratio of the times of ``point`` to those ``since`` the last step, where they are a step apart."""
    base = [ns for one in since for ns in one.samples][-MOST_SAMPLES:]
    before, now = statistics.median(base), statistics.median(point.samples)
    if not 1 / THRESHOLD <= now / before <= THRESHOLD and abs(now - before) > LEAST_NS:
        ratio = statistics.independent_ratio(base, point.samples)
        return ratio if ratio.differs else None
    return None
