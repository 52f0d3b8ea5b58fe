"""Compares two runs, or the base and the candidate of a run that was made with ``--against``.

A case that passed and now fails is a regression. So is a query that is slower by more than 10 % and by more than
50 ms, where the interval does not hold 1 and the difference exceeds the noise floor. A case that ran on the first
side only is gone, which is as bad. Cases that cannot be compared are listed with the reason.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from lakebench.errors import UsageError
from lakebench.model import Coordinates, Record, Sample
from lakebench.outcomes import ExitCode, Outcome
from lakebench.results import cell_changes, differences, statistics
from lakebench.results.baseline import Covers
from lakebench.results.cell_changes import CellChange
from lakebench.results.differences import BASE_OF, shown
from lakebench.results.records import Dataset, Run
from lakebench.results.statistics import Ratio

THRESHOLD = 1.10
"""A slowdown by more than this ratio is a regression."""
LEAST_S = 0.050
"""A regression is slower by more than this, in seconds."""
LEAST_FLOOR = 0.01
REGRESSION = "regression"
WARM, COLD = "warm", "cold"
_NS = 1e9


@dataclass(frozen=True)
class Row:
    """One query of one engine on both sides; ``base`` and ``other`` are its samples in ns, pairs where interleaved."""

    case: str
    engine: str
    group: str
    query: str
    kind: str
    base: tuple[int, ...]
    other: tuple[int, ...]
    ratio: Ratio

    @property
    def base_s(self) -> float:
        """The base's median in seconds."""
        return statistics.median(self.base) / _NS

    @property
    def other_s(self) -> float:
        """The median of the other side in seconds."""
        return statistics.median(self.other) / _NS

    @property
    def regression(self) -> bool:
        """Whether it is slower by more than 10 % and 50 ms, and the difference is shown."""
        return self.ratio.differs and self.ratio.ratio > THRESHOLD and self.other_s - self.base_s > LEAST_S

    @property
    def verdict(self) -> str:
        """``regression``, or that of the ratio: ``slower``, ``faster``, ``no difference shown``, ``n too small``."""
        return REGRESSION if self.regression else self.ratio.verdict


@dataclass(frozen=True)
class Mean:
    """The geometric mean of the ratios over the queries that passed on both sides; an empty name means all of them."""

    engine: str
    group: str
    queries: int
    ratio: Ratio


@dataclass(frozen=True)
class Floor:
    """The relative noise floor of an engine, estimated from ``cases`` cases; ``how`` describes the estimate."""

    value: float
    cases: int
    how: str


@dataclass(frozen=True)
class Times:
    """The times of queries that passed on both sides: ``rows`` are warm, and so are the ``means`` over them."""

    rows: tuple[Row, ...]
    cold: tuple[Row, ...]
    means: tuple[Mean, ...]
    floors: Mapping[str, Floor]


@dataclass(frozen=True)
class OneSided:
    """A case that passed on one side only."""

    case: str
    base: Outcome
    other: Outcome
    reason: str


@dataclass(frozen=True)
class Missed:
    """A case that ran in the base only, though the other side should have it; ``reason`` says why it did not run."""

    case: str
    engine: str
    base: Outcome
    reason: str


@dataclass(frozen=True)
class Left:
    """A case that cannot be compared: ``why`` is the kind of reason, ``detail`` the reason in its record."""

    case: str
    why: str
    detail: str = ""


@dataclass(frozen=True)
class Comparison:
    """The comparison of two sides; ``base`` and ``run`` are the same run where the sides were ``interleaved``."""

    base: Run
    run: Run
    interleaved: bool
    rows: tuple[Row, ...]
    cold: tuple[Row, ...]
    means: tuple[Mean, ...]
    floors: Mapping[str, Floor]
    broken: tuple[OneSided, ...]
    mended: tuple[OneSided, ...]
    gone: tuple[Missed, ...]
    left: tuple[Left, ...]
    differences: tuple[tuple[str, str, str], ...]
    cells: tuple[CellChange, ...] = ()
    """The cells of the interop matrix that differ; those that broke or are gone are in ``broken`` and ``gone`` too."""

    @property
    def regressions(self) -> tuple[Row, ...]:
        """The queries with a regression."""
        return tuple(row for row in (*self.rows, *self.cold) if row.regression)

    @property
    def worse(self) -> bool:
        """Whether anything is a regression, or gone, or a cell fails worse than before."""
        return bool(self.regressions or self.broken or self.gone or any(one.change.bad for one in self.cells))

    @property
    def code(self) -> ExitCode:
        """1 where anything is worse, and 3 where nothing ran."""
        if not any(record.outcome.ran for record in self.run.cases):
            return ExitCode.NOTHING_RAN
        return ExitCode.WORSE if self.worse else ExitCode.OK

    def counted(self, verdict: str) -> int:
        """How many warm rows have ``verdict``."""
        return sum(row.verdict == verdict for row in self.rows)


def undecided(base_ns: Sequence[int], other_ns: Sequence[int]) -> bool:
    """Whether more pairs are worth taking: the ratio's interval holds the threshold, in either direction.

    The rule does not ask whether the interval holds 1. Repeated tests until it does not would show differences where
    there are none: in up to 6.6 % of A/A comparisons, simulated with the noise that
    :mod:`lakebench.results.statistics` names and with tests at 10, 15, 20, 25 and 30 pairs. This rule has at most
    4.7 %. It finds a true slowdown of 10 % in at least 97.6 % of comparisons, after 28 pairs on average; A/A
    comparisons end after 10 to 13. Below five pairs there is no interval, and the result is undecided.

    Raises:
        ValueError: the two are not of one length, or empty.
    """
    interval = statistics.paired_ratio(base_ns, other_ns).interval
    return interval is None or THRESHOLD in interval or 1 / THRESHOLD in interval


def interleaved(run: Run) -> bool:
    """Whether ``run`` was made with ``--against``, so that it has a base of its own."""
    return any(BASE_OF in record.evidence for record in run.cases)


def within(run: Run, noise: Run | None = None) -> Comparison:
    """The candidate of ``run`` against its base; samples of one turn are pairs.

    Raises:
        UsageError: the run has no base, or ``noise`` is no A/A run.
    """
    if not interleaved(run):
        raise UsageError(
            f"{run.header.run} has no base of its own, so it needs another run to compare with: "
            f"lakebench compare BASE {run.header.run}; or interleave both: lakebench run … --against BASE"
        )
    by_case = {record.case: record for record in run.cases}
    bases = {str(one.evidence[BASE_OF]): one for one in run.cases if BASE_OF in one.evidence}
    pairs = [(bases.get(case), one) for case, one in by_case.items() if BASE_OF not in one.evidence]
    alone = [(one, None) for case, one in bases.items() if case not in by_case]
    return _compared(run, run, [*pairs, *alone], differences.of_one_run(run, pairs), noise, _all)


def _all(_phase: str, _case: Coordinates) -> bool:
    return True


def between(base: Run, run: Run, noise: Run | None = None, covers: Covers = _all) -> Comparison:
    """``run`` against ``base``, case by case; they ran at different times, so samples are not paired.

    ``covers`` says whether ``run`` should have a case.

    Raises:
        UsageError: they have other data or another workload, or no case in common; or ``noise`` is no A/A run.
    """
    _must_fit(base, run)
    before, after = ({record.case: record for record in one.cases} for one in (base, run))
    if after and not before.keys() & after.keys():
        raise UsageError(f"{base.header.run} and {run.header.run} have no case in common, so nothing can be compared")
    pairs = [(before.get(case), after.get(case)) for case in dict.fromkeys((*before, *after))]
    return _compared(base, run, pairs, differences.of_runs(base, run), noise, covers)


def _must_fit(base: Run, run: Run) -> None:
    """Check that both runs have the same data and the same workload.

    Raises:
        UsageError: they have not; the message says what differs.
    """
    if base.path.resolve() == run.path.resolve():
        raise UsageError(f"{run.header.run} cannot be compared with itself: name two runs")
    for name in sorted({one.dataset for one in base.datasets} & {one.dataset for one in run.datasets}):
        for what in ("scale_factor", "content_hash", "workload_hash"):
            ours, theirs = (sorted({shown(getattr(one, what)) for one in _named(side, name)}) for side in (base, run))
            if ours != theirs:
                raise UsageError(
                    f"results cannot be mixed: the {what.replace('_', ' ')} of {name} is {', '.join(ours)} in "
                    f"{base.header.run} and {', '.join(theirs)} in {run.header.run}; run one of them again"
                )


def _named(run: Run, dataset: str) -> list[Dataset]:
    return [one for one in run.datasets if one.dataset == dataset]


def _compared(
    base: Run,
    run: Run,
    pairs: Sequence[tuple[Record | None, Record | None]],
    differences: Iterable[tuple[str, str, str]],
    noise: Run | None,
    covers: Covers,
) -> Comparison:
    paired = base is run
    both = [(one, other) for one, other in pairs if one and other and _passed(one) and _passed(other)]
    timed = times(both, paired=paired, measured=_measured_floors(noise) if noise else {})
    changes = [
        OneSided(other.case, one.outcome, other.outcome, other.reason or one.reason)
        for one, other in pairs
        if one and other and _ran(one) and _ran(other) and _passed(one) != _passed(other)
    ]
    missed = tuple(_gone(pairs, covers))
    cells = () if paired else cell_changes.between(base, run, {one.case for one in missed})
    compared_cases = {one.case for one in (*timed.rows, *timed.cold)}
    compared_cases |= {one.case for one in missed} | {one.case for one in cells}
    return Comparison(
        base,
        run,
        paired,
        timed.rows,
        timed.cold,
        timed.means,
        timed.floors,
        tuple(one for one in changes if one.base is Outcome.PASS),
        tuple(one for one in changes if one.other is Outcome.PASS),
        missed,
        tuple(one for one in _left(pairs, compared_cases, paired=paired) if one.case not in compared_cases),
        tuple(differences),
        cells,
    )


def times(both: Sequence[tuple[Record, Record]], *, paired: bool, measured: Mapping[str, Floor] | None = None) -> Times:
    """The times of ``both`` sides of queries that passed; ``measured`` noise floors replace those of the base alone."""
    floors = _floors(both) | dict(measured or {})
    rows = tuple(row for one, other in both if (row := _row(one, other, WARM, floors, paired=paired)))
    cold = tuple(row for one, other in both if (row := _row(one, other, COLD, floors, paired=paired)))
    named = {engine: floors[engine] for engine in dict.fromkeys(row.engine for row in rows)}
    return Times(rows, cold, tuple(_means(rows, floors, paired=paired)), named)


def _passed(record: Record) -> bool:
    return record.outcome is Outcome.PASS


def _ran(record: Record) -> bool:
    return record.outcome.ran


def _row(base: Record, other: Record, kind: str, floors: Mapping[str, Floor], *, paired: bool) -> Row | None:
    """The query of two records that passed; ``None`` where one side has no samples of ``kind``."""
    ours, theirs = (turns(record, kind) for record in (base, other))
    if paired:
        common = [turn for turn in ours if turn in theirs]
        ours, theirs = ({turn: side[turn] for turn in common} for side in (ours, theirs))
    if not ours or not theirs:
        return None
    samples = tuple(ours.values()), tuple(theirs.values())
    floor = floors[other.engine].value if other.engine in floors else LEAST_FLOOR
    compare = statistics.paired_ratio if paired else statistics.independent_ratio
    ratio = compare(*samples, floor=floor)
    return Row(other.case, other.engine, other.group, other.row or other.case, kind, *samples, ratio)


def turns(record: Record, kind: str) -> dict[tuple[int, int], int]:
    """Round and turn within it → ns of each sample of ``kind``, in their order of execution."""
    made: dict[tuple[int, int], int] = {}
    for sample in _of_kind(record, kind):
        turn = sum(number == sample.round for number, _ in made)
        made[sample.round, turn] = sample.ns
    return made


def _of_kind(record: Record, kind: str) -> list[Sample]:
    return sorted((one for one in record.samples if one.kind == kind), key=lambda one: one.position)


def _means(rows: Sequence[Row], floors: Mapping[str, Floor], *, paired: bool) -> Iterator[Mean]:
    """The mean of each engine in each group, of each engine over its groups, and of all engines."""
    engines = list(dict.fromkeys(row.engine for row in rows))
    for engine in engines:
        rows_of_engine = [row for row in rows if row.engine == engine]
        groups = list(dict.fromkeys(row.group for row in rows_of_engine))
        for group in groups:
            yield _mean(engine, group, [row for row in rows_of_engine if row.group == group], floors, paired=paired)
        if len(groups) > 1:
            yield _mean(engine, "", rows_of_engine, floors, paired=paired)
    if len(engines) > 1:
        yield _mean("", "", rows, floors, paired=paired)


def _mean(engine: str, group: str, rows: Sequence[Row], floors: Mapping[str, Floor], *, paired: bool) -> Mean:
    floor = max(floors[row.engine].value for row in rows)
    seed = zlib.crc32(f"{engine}/{group}".encode())
    samples = [(row.base, row.other) for row in rows]
    ratio = statistics.geometric_ratio(samples, paired=paired, floor=floor, seed=seed)
    return Mean(engine, group, len(rows), ratio)


def _floors(both: Sequence[tuple[Record, Record]]) -> dict[str, Floor]:
    """The noise floor of each engine from the base alone: its odd warm samples against its even ones."""
    changes: dict[str, list[float]] = {}
    for base, other in both:
        samples = [one.ns for one in _of_kind(base, WARM)]
        values_of_engine = changes.setdefault(other.engine, [])
        if len(samples) >= 2 * statistics.MIN_HALF:
            values_of_engine.append(abs(statistics.median(samples[::2]) / statistics.median(samples[1::2]) - 1))
    return {
        engine: Floor(
            max(LEAST_FLOOR, statistics.median(values) if values else 0),
            len(values),
            "the base's odd warm samples against its even ones: the median over the queries of how far the ratio of "
            "their medians lies from 1, at least 1 %"
            if values
            else f"1 %, the least: no query of the base has {2 * statistics.MIN_HALF} warm samples",
        )
        for engine, values in changes.items()
    }


def _measured_floors(noise: Run) -> dict[str, Floor]:
    """The noise floor of each engine from the A/A run ``noise``.

    Raises:
        UsageError: the run has no base of its own, or other versions on the two sides.
    """
    if not interleaved(noise):
        raise UsageError(
            f"{noise.header.run} is no A/A run: make one with lakebench run … --against, both sides the same"
        )
    by_case = {record.case: record for record in noise.cases}
    changes: dict[str, list[float]] = {}
    for base in noise.cases:
        other = by_case.get(str(base.evidence.get(BASE_OF)))
        if other is None or not _passed(base) or not _passed(other):
            continue
        if (base.engine, base.versions) != (other.engine, other.versions):
            raise UsageError(f"{noise.header.run} is no A/A run: {base.case} and {other.case} are not of one version")
        if row := _row(base, other, WARM, {}, paired=True):
            changes.setdefault(other.engine, []).append(abs(row.ratio.ratio - 1))
    how = f"the A/A run {noise.header.run}: the median over its queries of how far the ratio lies from 1, at least 1 %"
    return {
        engine: Floor(max(LEAST_FLOOR, statistics.median(values)), len(values), how)
        for engine, values in changes.items()
    }


def _gone(pairs: Sequence[tuple[Record | None, Record | None]], covers: Covers) -> Iterator[Missed]:
    """The cases that ran in the base and did not run on the other side, though they should have."""
    ran = {other.engine for _, other in pairs if other and _ran(other)}
    for one, other in pairs:
        if one and _ran(one) and (covers(one.phase, one.coordinates) if other is None else not _ran(other)):
            reason = other.reason if other else "no case is called so"
            yield Missed(one.case, one.coordinates.first_absent(ran) or one.engine, one.outcome, reason)


def _left(pairs: Sequence[tuple[Record | None, Record | None]], compared: set[str], *, paired: bool) -> Iterator[Left]:
    """The cases that are in no row and in no change."""
    sides = ("the base", "the candidate") if paired else ("BASE", "RUN")
    for one, other in pairs:
        if one is None or other is None:
            here = other or one
            yield Left(here.case if here else "", f"only in {sides[1 if one is None else 0]}")
        elif absent := [(one, side) for one, side in zip((one, other), sides, strict=True) if not _ran(one)]:
            last = absent[-1][0]
            yield Left(other.case, f"{last.outcome} in {' and '.join(side for _, side in absent)}", last.reason)
        elif not _passed(one) and not _passed(other):
            yield Left(other.case, "failed in both", f"{one.outcome.value}, {other.outcome.value}: {other.reason}")
        elif _passed(one) and _passed(other) and other.case not in compared:
            yield Left(other.case, _untimed(one, other, sides))


def _untimed(one: Record, other: Record, sides: tuple[str, str]) -> str:
    without = [side for record, side in zip((one, other), sides, strict=True) if not record.samples]
    if len(without) == 1:
        return f"passed in both, no samples in {without[0]}"
    return "passed in both, not timed" if without else "passed in both, no turn in common"
