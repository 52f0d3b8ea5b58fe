"""What a run or a shipped baseline says of a case, in one type."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lakebench.model import Coordinates, Record
from lakebench.outcomes import FROM_BEST, Outcome
from lakebench.reports import content
from lakebench.reports.content import MISLED, NOT_WRITTEN, state_of
from lakebench.results import baseline, claims
from lakebench.results.baseline import Acceptance, Entry
from lakebench.results.records import Run

STATES = content.STATES | {Outcome.UNAVAILABLE.value: ("U", "did not run")}
"""What a case can be → its letter, and what it means, for people who are not where it ran."""
UNKNOWN = "unknown"


@dataclass(frozen=True, order=True)
class EngineVersion:
    """An engine at one version of its own; ``name`` has no version in it.

    ``components`` are all versions that it reported, its own first, such as ``duckdb 1.5.5, extension avro f9d5902``.
    """

    name: str
    version: str
    components: str = field(default="", compare=False)

    def __str__(self) -> str:
        """``duckdb@1.5.5``."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True)
class Source:
    """Where observations come from: a run, or an acceptance in a shipped baseline; ``date`` is ISO 8601."""

    id: str
    date: str
    accepted: bool
    reason: str = ""


@dataclass(frozen=True)
class Observation:
    """The ``state`` (a key of :data:`STATES`) of a case in one source, with the versions of those who took part.

    ``engine`` is whose outcome it is; of a write another engine, where its step failed. ``known`` is the thread or the
    reason of a failure that is accepted. ``outcome`` is what happened, without whose fault it is.
    """

    case: str
    phase: str
    coordinates: Coordinates
    engine: EngineVersion
    outcome: Outcome
    state: str
    verdict: str
    source: Source
    versions: Mapping[str, EngineVersion] = field(hash=False)
    reason: str = ""
    known: str = ""

    @property
    def participants(self) -> list[EngineVersion]:
        """The engines that take part, the writer before the reader."""
        return [self.version_of(name) for name in self.coordinates.participants]

    def version_of(self, name: str) -> EngineVersion:
        """The engine that the case calls ``name``."""
        return self.versions.get(name) or asked_for(name)


def of_run(run: Run) -> Iterator[Observation]:
    """Every case of ``run``."""
    source = Source(run.header.run, run.header.started, accepted=False)
    versions = {one.engine: _version(one.engine, one.versions) for one in run.engines}
    for record in run.cases:
        own = {**versions, **_reported(record, versions)}
        yield Observation(
            record.case,
            record.phase,
            record.coordinates,
            own.get(_whose(record)) or asked_for(_whose(record)),
            record.outcome,
            state_of(record),
            baseline.verdict(record),
            source,
            own,
            record.reason,
            _known(record),
        )


def _whose(record: Record) -> str:
    """The engine of the outcome; of a write the one whose step failed, if a step of another engine did."""
    is_write = record.coordinates.writer is not None and record.coordinates.reader is None
    return str(record.evidence.get("fault") or record.engine) if is_write else record.engine


def _reported(record: Record, versions: Mapping[str, EngineVersion]) -> dict[str, EngineVersion]:
    """The version in the record itself, for a run that has no facts about its engine."""
    if record.engine in versions or not record.versions:
        return {}
    return {record.engine: _version(record.engine, record.versions)}


def _version(name: str, reported: Mapping[str, str]) -> EngineVersion:
    return EngineVersion(_name(name), next(iter(reported.values()), UNKNOWN), components(reported))


def components(reported: Mapping[str, str]) -> str:
    """What an engine reported, in one line, as in a baseline: ``duckdb 1.5.5, extension avro f9d5902``."""
    return ", ".join(f"{part} {version}" for part, version in reported.items())


def _name(reference: str) -> str:
    return reference.partition("@")[0]


def asked_for(reference: str) -> EngineVersion:
    """The engine that ``duckdb`` or ``duckdb@1.4.4`` names, where no source has the version that it reported."""
    name, _, version = reference.partition("@")
    return EngineVersion(name, version or UNKNOWN)


def _known(record: Record) -> str:
    known = record.evidence.get("known")
    return str(known.get("link") or known.get("reason") or "") if isinstance(known, Mapping) else ""


def of_baselines(files: Iterable[Path]) -> Iterator[Observation]:
    """Every accepted outcome in ``files``; a case with several accepted outcomes has one observation for each.

    Raises:
        UsageError: one of the files is damaged.
    """
    for file in files:
        entries = baseline.read(file)
        written = {_table(one.coordinates) for one in entries.values() if _is_written(one)}
        for (case, _), entry in entries.items():
            yield from _accepted(case, entry, entry.coordinates.reader is None or _table(entry.coordinates) in written)


def _table(case: Coordinates) -> tuple[str | None, ...]:
    return case.feature, case.writer, case.catalog


def _is_written(entry: Entry) -> bool:
    return entry.coordinates.reader is None and bool({Outcome.PASS, Outcome.WRONG} & entry.outcomes.keys())


def _accepted(case: str, entry: Entry, written: bool) -> Iterator[Observation]:
    versions = {name: EngineVersion(_name(name), _first(text), text) for name, text in entry.by.versions.items()}
    engine = versions.get(entry.engine) or asked_for(entry.engine)
    # The worst comes last, because the last one counts.
    for outcome, verdict in sorted(entry.outcomes.items(), key=lambda one: _gravity(one[0])):
        state = _accepted_state(entry, outcome, verdict, written)
        listed = claims.accepted_as(case, outcome) if outcome.is_failure else None
        known = (listed.link or listed.reason) if listed else ""
        about = entry.coordinates
        by = _source(entry.by)
        yield Observation(case, entry.phase, about, engine, outcome, state, verdict, by, versions, known=known)


def _gravity(outcome: Outcome) -> int:
    return FROM_BEST.index(outcome) if outcome.ran else -1


def _accepted_state(entry: Entry, outcome: Outcome, verdict: str, written: bool) -> str:
    """The state; a read that failed and has no verdict was misled, because every failure of its own is judged."""
    if entry.phase != "interop" or entry.coordinates.reader is None:
        return outcome.value
    if outcome is Outcome.UNAVAILABLE and not written:
        return NOT_WRITTEN
    return MISLED if outcome.is_failure and not verdict else outcome.value


def _source(by: Acceptance) -> Source:
    return Source(by.run, by.date, accepted=True, reason=by.reason)


def _first(components: str) -> str:
    """The version of the first of ``components``, such as ``duckdb 1.5.5, extension avro f9d5902``."""
    return components.partition(",")[0].rpartition(" ")[2] or UNKNOWN
