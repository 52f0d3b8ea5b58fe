"""Times of verified answers, by engine and query, and ratios between two versions of an engine."""

from __future__ import annotations

import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lakebench.model import Record, Sample
from lakebench.reports.content import ratio_to_least
from lakebench.reports.site.observations import EngineVersion, of_run
from lakebench.results import statistics
from lakebench.results.history import machine_of
from lakebench.results.ranking import rank
from lakebench.results.records import Run

_NS = 1e9
_KINDS = ("warm", "cold")
_HASH = 8
_NAMES = (
    "group", "engine", "version", "query", "outcome", "warm", "low", "high", "n", "cold", "unstable", "cached", "run",
)  # fmt: skip


@dataclass(frozen=True)
class TimedQuery:
    """A query case of ``run``, with the engine and its version; ``group`` is what it may be compared with."""

    record: Record
    engine: EngineVersion
    group: str
    run: str

    @property
    def query(self) -> str:
        """The name of the query."""
        return self.record.row or self.record.coordinates.query or ""

    def seconds(self, kind: str) -> list[float]:
        """The samples of one kind, in seconds."""
        return [one.ns / _NS for one in self.record.samples if one.kind == kind]


def timed(runs: Iterable[Run]) -> list[TimedQuery]:
    """The query cases of each group that has a time, from the newest run that has the case."""
    found = {(one.group, one.engine, one.query): one for run in runs for one in queries(run)}
    groups = {one.group for one in found.values() if one.record.samples}
    return [one for one in found.values() if one.group in groups]


def queries(run: Run) -> Iterator[TimedQuery]:
    """The query cases of one run."""
    versions = {one.case: one.engine for one in of_run(run)}
    for record in run.cases:
        if record.coordinates.query and not record.coordinates.base:
            yield TimedQuery(record, versions[record.case], _group(run, record), run.header.run)


def engines(runs: Iterable[Run]) -> list[EngineVersion]:
    """The engines that have times, at their versions."""
    return list(dict.fromkeys(one.engine for one in timed(runs)))


def _group(run: Run, record: Record) -> str:
    """The caption of the matrix, the data, and the machine of the run: no time is compared across these."""
    return f"{record.phase}: {record.group or 'queries'}{_data(run, record)}, on {machine_of(run)}"


def _data(run: Run, record: Record) -> str:
    """What a caption does not say of the data: the scale factor, or of other data the beginning of their hash."""
    if sizes := sorted({one.scale_factor for one in run.datasets if one.dataset == "tpch"}):
        return "" if "SF" in record.group else f", SF {' and '.join(sizes)}"
    hashes = sorted({(one.content_hash or "")[:_HASH] for one in run.datasets} - {""})
    return f", data {' and '.join(hashes)}" if hashes else ""


def table(runs: Sequence[Run]) -> dict[str, list[Any]]:
    """Seconds by group, engine and query, in columns; a case that failed has an outcome and no seconds."""
    rows = [_row(one) for one in timed(runs)]
    return {name: [row[number] for row in rows] for number, name in enumerate(_NAMES)}


def _row(one: TimedQuery) -> tuple[Any, ...]:
    warm, cold = (one.seconds(kind) for kind in _KINDS)
    summary = statistics.summarise(warm) if warm else None
    interval = summary.interval if summary else None
    return (
        one.group,
        one.engine.name,
        one.engine.version,
        one.query,
        one.record.outcome.value,
        _rounded(summary.median if summary else None),
        _rounded(interval.low if interval else None),
        _rounded(interval.high if interval else None),
        len(warm),
        _rounded(statistics.median(cold) if cold else None),
        bool(summary and summary.unstable),
        _from_memory([sample for sample in one.record.samples if sample.kind == "warm"]),
        one.run,
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")


def _from_memory(warm: Sequence[Sample]) -> bool:
    """Whether the store was asked for nothing, so that the engine answered from its own memory."""
    return bool(warm) and all(one.requests is not None and not sum(one.requests.values()) for one in warm)


def rankings(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """The ranking of each group by its warm times, by those of them that are stable, and by its cold times."""
    every = timed(runs)
    return [
        _ranking(group, kind, [one for one in every if one.group == group])
        for group in dict.fromkeys(one.group for one in every)
        for kind in ("warm", "stable", "cold")
    ]


def _ranking(group: str, kind: str, own: Sequence[TimedQuery]) -> dict[str, Any]:
    right: dict[str, dict[str, list[float]]] = defaultdict(dict)
    for one in own:
        samples = one.seconds("cold" if kind == "cold" else "warm")
        if samples and not (kind == "stable" and statistics.spread(samples) > statistics.UNSTABLE):
            right[f"{one.engine.name} {one.engine.version}"][one.query] = samples
    made = rank(right)
    rows = [[one.engine, _rounded(one.mean_s), ratio_to_least(one.ratio)] for one in made.engines]
    return {"group": group, "kind": kind, "verdict": made.verdict, "shown": made.shown, "engines": rows}


def ratios(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """The newer over the older version of each engine that has times at two: the geometric mean over common queries."""
    sides: dict[tuple[str, str], dict[str, dict[str, list[float]]]] = defaultdict(lambda: defaultdict(dict))
    for one in timed(runs):
        if warm := one.seconds("warm"):
            sides[one.group, one.engine.name][one.engine.version][one.query] = warm
    return [
        _ratio(group, engine, base, other, versions[base], versions[other])
        for (group, engine), versions in sides.items()
        for base in versions
        for other in versions
        if base != other and versions[base].keys() & versions[other].keys()
    ]


def _ratio(
    group: str, engine: str, base: str, other: str, ours: dict[str, list[float]], theirs: dict[str, list[float]]
) -> dict[str, Any]:
    common = [query for query in ours if query in theirs]
    seed = zlib.crc32(f"{group}/{engine}".encode())
    ratio = statistics.geometric_ratio([(ours[one], theirs[one]) for one in common], paired=False, seed=seed)
    interval = ratio.interval
    return {
        "group": group,
        "engine": engine,
        "from": base,
        "to": other,
        "queries": len(common),
        "ratio": _rounded(ratio.ratio),
        "low": _rounded(interval.low if interval else None),
        "high": _rounded(interval.high if interval else None),
        "verdict": ratio.verdict,
    }
