"""Facts that differ between two runs, or between the two sides of one run: the fact, before, after."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lakebench.model import Record
from lakebench.results.records import EngineFacts, Run, ServiceFacts

BASE_OF = "base_of"
"""In a record's evidence: the id of the case that this one is the base of."""
_VOLATILE = frozenset({"machine load_before", "machine disk free_bytes", "settings against"})
_OF_ONE_CASE = frozenset({BASE_OF, "sql", "answer", "checked_against", "tolerance", "type_differences", "against"})
_ABSENT = "not recorded"


def of_runs(base: Run, run: Run) -> Iterator[tuple[str, str, str]]:
    """The facts that differ between the two runs."""
    ours, theirs = _facts(base), _facts(run)
    for what in dict.fromkeys((*ours, *theirs)):
        before, after = shown(ours.get(what)), shown(theirs.get(what))
        if before != after:
            yield what, before, after


def _facts(run: Run) -> dict[str, Any]:
    facts = _flat("machine", {**run.header.machine, "not_had": {}})
    facts |= _flat("settings", run.header.settings) | _flat("harness", run.header.harness)
    for dataset in run.datasets:
        what = f"{dataset.dataset} on {dataset.storage or 'its storage'} as {dataset.format}"
        facts[f"{what}, written by"] = dataset.written_by
    for engine in run.engines:
        facts |= _flat(engine.engine, _engine_facts(engine))
    for service in run.services:
        facts |= _flat(service.service, _service_facts(service))
    return {what: value for what, value in facts.items() if what not in _VOLATILE}


def _engine_facts(engine: EngineFacts) -> dict[str, Any]:
    return {"version of": engine.versions, "setting": engine.settings, "packages (lock)": engine.python_lock}


def _service_facts(service: ServiceFacts) -> dict[str, Any]:
    return {
        "version": service.version,
        "runtime": service.runtime,
        "memory_limit_bytes": service.memory_limit,
        "setting": service.settings,
    }


def _flat(name: str, value: Any) -> dict[str, Any]:
    """Path of names → value, for each value that is not a mapping."""
    if not isinstance(value, Mapping):
        return {name: value}
    return {path: one for key, inner in value.items() for path, one in _flat(f"{name} {key}", inner).items()}


def of_one_run(run: Run, pairs: Sequence[tuple[Record | None, Record | None]]) -> list[tuple[str, str, str]]:
    """The facts that differ between base and candidate of one run: in their records, and in the settings of each."""
    differences = [
        (f"{other.engine}: {what}", before, after)
        for base, other in pairs
        if base and other
        for what, before, after in _between(base, other)
    ]
    against = run.header.settings.get("against")
    settings = _flat("settings", run.header.settings)
    for what, value in _flat("settings", against).items() if isinstance(against, Mapping) else ():
        if shown(value) != shown(settings.get(what)):
            differences.append((what, shown(value), shown(settings.get(what))))
    if against and not isinstance(against, Mapping):
        differences.append(("settings", shown(against), "the run's own"))
    return list(dict.fromkeys(differences))


def _between(base: Record, other: Record) -> Iterator[tuple[str, str, str]]:
    ours, theirs = (
        {
            "engine": one.engine,
            "storage": one.coordinates.storage,
            **_flat("version of", one.versions),
            **_own_evidence(one),
        }
        for one in (base, other)
    )
    for what in dict.fromkeys((*ours, *theirs)):
        before, after = shown(ours.get(what)), shown(theirs.get(what))
        if before != after:
            yield what, before, after


def _own_evidence(record: Record) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in record.evidence.items():
        if name not in _OF_ONE_CASE:
            fields |= _flat(name.replace("_", " "), value)
    return fields


def shown(value: Any) -> str:
    """A fact as text for people."""
    if value is None:
        return _ABSENT
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
