"""The tables behind the pages, as JSON by column: names are in lists of their own, and columns have their indexes."""

from __future__ import annotations

import datetime as dt
import itertools
import json
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakebench import phases
from lakebench.datasets.interop.features import all_features
from lakebench.datasets.interop.program import in_words
from lakebench.engines import engines
from lakebench.outcomes import FROM_BEST, Outcome
from lakebench.reports import by_phase, short
from lakebench.reports.alerts import alerts
from lakebench.reports.site import catalogs, speed, trends
from lakebench.reports.site.answers import ADVICE, CHANGES, Answers, main_catalog, upgrade_pairs, ways_lacking
from lakebench.reports.site.observations import (
    STATES,
    EngineVersion,
    Observation,
    Source,
    components,
    of_baselines,
    of_run,
)
from lakebench.results import matrix_cells
from lakebench.results.claims import Verdict, claim_of
from lakebench.results.records import FeatureFacts, Run

SCHEMA = 1
_VERDICTS = ("", *(one.value for one in Verdict))
_REASON = 300
"""Characters of a reason; the record of the case has all of it."""
_CELL = (
    "feature", "writer", "reader", "catalog", "state", "verdict", "source", "reason", "known", "engine", "advice",
)  # fmt: skip
_CHANGES = 2000
"""Changes that the pages and the feed have, the newest first."""
_RANK = {one.value: rank for rank, one in enumerate(FROM_BEST)}
Columns = dict[str, list[Any]]


class Index:
    """The distinct values of a column, each with its index in the order of appearance."""

    def __init__(self, values: Iterable[Hashable] = ()) -> None:
        self.values: dict[Any, int] = {}
        for value in values:
            self.of(value)

    def of(self, value: Hashable) -> int:
        """The index of ``value``."""
        return self.values.setdefault(value, len(self.values))


@dataclass(frozen=True)
class StateChange:
    """The states of a case in two sources that follow each other; ``kind`` is better, worse, gone or back."""

    case: Observation
    before: str
    kind: str


@dataclass(frozen=True)
class Content:
    """All that the site shows: observations from the oldest source to the newest, runs, features, and changes."""

    observations: tuple[Observation, ...]
    runs: tuple[Run, ...]
    features: tuple[FeatureFacts, ...]
    changes: tuple[StateChange, ...]
    made: str

    @property
    def cells(self) -> list[Observation]:
        """Those of the interop matrix."""
        return [one for one in self.observations if is_cell(one)]

    @property
    def sources(self) -> list[Source]:
        """Runs and acceptances, the oldest first."""
        return list(dict.fromkeys(one.source for one in self.observations))


def is_cell(one: Observation) -> bool:
    """Whether it is a cell of the interop matrix."""
    return one.phase == "interop" and bool(one.coordinates.writer)


def collect(runs: Sequence[Run]) -> Content:
    """What the shipped baselines and ``runs`` say; an acceptance whose run is among ``runs`` is left out.

    A run that is given twice counts once.

    Raises:
        UsageError: a baseline is damaged.
    """
    given = {run.header.run: run for run in runs}
    runs = list(given.values())
    shipped = of_baselines(phases.baselines(phases.phases()).values())
    found = [one for one in shipped if not given.keys() & {name.strip() for name in one.source.id.split(",")}]
    found += [one for run in runs for one in of_run(run)]
    ordered = tuple(sorted(found, key=lambda one: (one.source.date, one.source.id)))
    made = dt.datetime.now(dt.UTC).isoformat(timespec="seconds")
    in_order = tuple(sorted(runs, key=lambda run: run.header.started))
    return Content(ordered, in_order, _features(runs, ordered), _changes(ordered), made)


def _features(runs: Sequence[Run], every: Sequence[Observation]) -> tuple[FeatureFacts, ...]:
    """Those of lakebench, of the runs, and the bare names of others."""
    facts = {
        one.id: FeatureFacts(
            one.id,
            one.group,
            one.title,
            one.format_version,
            one.source,
            one.claim,
            tuple(in_words(step) for step in one.program),
        )
        for one in all_features()
    }
    facts |= {one.feature: one for run in runs for one in run.features}
    named = dict.fromkeys(one.coordinates.feature or "" for one in every if one.phase == "interop")
    facts |= {name: FeatureFacts(name, "Other features", name, 0, "", "") for name in named if name not in facts}
    groups = list(dict.fromkeys(one.group for one in facts.values()))
    return tuple(sorted((facts[name] for name in facts if name in named), key=lambda one: groups.index(one.group)))


def _changes(ordered: Sequence[Observation]) -> tuple[StateChange, ...]:
    """What differs from the previous source that has the case, the newest first."""
    cases: dict[str, dict[Source, list[Observation]]] = defaultdict(lambda: defaultdict(list))
    for one in ordered:
        cases[one.case][one.source].append(one)
    found = []
    for sources in cases.values():
        history = list(sources.values())
        for before, after in itertools.pairwise(history):
            accepted = {one.state for one in before}
            found += [
                StateChange(one, before[0].state, _kind(before[0].state, one.state))
                for one in after
                if one.state not in accepted
            ]
    newest = sorted(found, key=lambda one: one.case.source.date, reverse=True)
    return tuple(one for one in newest if one.kind)[:_CHANGES]


def _kind(before: str, after: str) -> str:
    """The kind of change; empty where neither state says something of an engine."""
    if before in _RANK and after in _RANK:
        return "worse" if _RANK[after] > _RANK[before] else "better"
    if before in _RANK:
        return "gone"
    return "back" if after in _RANK else ""


def tables(content: Content) -> dict[str, Any]:
    """Every table, in JSON's own types."""
    sources = Index(content.sources)
    versions = Index(engine for one in content.observations for engine in (one.engine, *one.participants))
    features = Index(one.feature for one in content.features)
    answers = Answers(content.cells)
    cells = _cells(content.cells, features, versions, sources, answers)
    counts = _phases(content, versions)
    changes = _change_columns(content.changes, features, versions, sources)
    writers = {one.version_of(one.coordinates.writer or "").name for one in content.cells}
    no_way = sorted(ways_lacking(writers))
    return {
        "schema": SCHEMA,
        "made": content.made,
        "states": [[name, letter, meaning] for name, (letter, meaning) in STATES.items()],
        "verdicts": list(_VERDICTS),
        "features": [_feature(one) for one in content.features],
        "reference": [one.id for one in all_features() if one.by_reference],
        "cells": cells,
        "advice": [[one.name.lower().replace("_", "-"), one.value, one.avoid] for one in ADVICE],
        "no_way": [[features.values[feature], writer] for feature, writer in no_way if feature in features.values],
        "kinds": [[one.value, one.bad] for one in CHANGES],
        "upgrades": list(answers.upgrades(upgrade_pairs(content.cells, speed.engines(content.runs)))),
        "phases": counts,
        "changes": changes,
        "claims": _claims(content.features, versions),
        "versions": _versions(versions),
        "sources": [[one.id, one.date, one.accepted, one.reason] for one in sources.values],
        "runs": [_run(one) for one in content.runs],
        "speed": speed.table(content.runs),
        "rankings": speed.rankings(content.runs),
        "ratios": speed.ratios(content.runs),
        "history": trends.tables(content.runs, content.cells),
        "catalogs": catalogs.table(content.observations, content.runs),
        "reports": _reports(content.runs),
    }


def to_text(document: Mapping[str, Any]) -> str:
    """``document`` as JSON that can stand inside a ``<script>``: no text in it can close the element."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _feature(one: FeatureFacts) -> dict[str, Any]:
    return {
        "id": one.feature,
        "group": one.group,
        "title": one.title,
        "format": one.format_version,
        "source": one.source,
        "topic": one.topic,
        "program": list(one.program),
    }


def _cells(
    cells: Sequence[Observation], features: Index, versions: Index, sources: Index, answers: Answers
) -> dict[str, Any]:
    """The matrix by column; ``reader`` is -1 in the cell of a write, ``advice`` where another row counts."""
    reasons, names = Index([""]), Index([main_catalog(cells)])
    states, verdicts = Index(STATES), Index(_VERDICTS)
    advice = answers.advice()
    rows = []
    for number, one in enumerate(cells):
        case = one.coordinates
        reader = versions.of(one.version_of(case.reader)) if case.reader else -1
        rows.append((
            features.of(case.feature),
            versions.of(one.version_of(case.writer or "")),
            reader,
            names.of(case.catalog or ""),
            states.of(one.state),
            verdicts.of(one.verdict) if one.verdict in _VERDICTS else 0,
            sources.of(one.source),
            reasons.of(_short(one.reason)),
            reasons.of(one.known),
            versions.of(one.engine),
            advice.get(number, -1),
        ))  # fmt: skip
    return {"columns": _columns(_CELL, rows), "catalogs": list(names.values), "texts": list(reasons.values)}


def _short(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= _REASON else f"{one_line[:_REASON]}…"


def _phases(content: Content, versions: Index) -> Columns:
    """Phase, engine and state → the number of cases, by what the newest source says of each case."""
    newest = {one.case: one for one in content.observations}
    counts = Counter((one.phase, versions.of(one.engine), list(STATES).index(one.state)) for one in newest.values())
    return _columns(("phase", "engine", "state", "cases"), [(*key, number) for key, number in counts.items()])


def _columns(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> Columns:
    return {name: [row[number] for row in rows] for number, name in enumerate(names)}


def _change_columns(changes: Sequence[StateChange], features: Index, versions: Index, sources: Index) -> Columns:
    rows = []
    for change in changes:
        one = change.case
        case = one.coordinates
        rows.append((
            one.case,
            change.kind,
            change.before,
            one.state,
            sources.of(one.source),
            versions.of(one.engine),
            features.of(case.feature) if is_cell(one) else -1,
            case.writer or "",
            case.reader or "",
        ))  # fmt: skip
    return _columns(("case", "kind", "before", "after", "source", "engine", "feature", "writer", "reader"), rows)


def _claims(features: Sequence[FeatureFacts], versions: Index) -> dict[str, Any]:
    """Feature and engine → what the engine's documents say; nothing where they say nothing."""
    known = engines()
    sources = Index()
    rows = [
        (number, index, claim.support.value, claim.since, sources.of(f"{claim.source}, read {claim.date}"))
        for version, index in list(versions.values.items())
        if version.name in known
        for number, feature in enumerate(features)
        if (claim := claim_of(version.name, feature.feature, feature.topic, _reported(version)))
    ]
    columns = _columns(("feature", "engine", "support", "since", "source"), rows)
    return {"columns": columns, "sources": list(sources.values)}


def _reported(version: EngineVersion) -> dict[str, str]:
    parts = (one.strip().rpartition(" ") for one in version.components.split(","))
    return {name: own for name, _, own in parts if name} or {version.name: version.version}


def _versions(versions: Index) -> list[list[Any]]:
    """Name, version, title, components, whether a command may choose the version, and its place among all versions."""
    known = engines()
    ordered = sorted({one.version for one in versions.values}, key=matrix_cells.by_number)
    place = {version: number for number, version in enumerate(ordered)}
    return [
        [
            one.name,
            one.version,
            known[one.name].title if one.name in known else one.name,
            one.components,
            one.name in known and bool(known[one.name].requirements) and one.name != "reference",
            place[one.version],
        ]
        for one in versions.values
    ]


def _run(run: Run) -> dict[str, Any]:
    outcomes = Counter(one.outcome.value for one in run.cases)
    end = run.end
    changes = end.changes if end else {}
    return {
        "id": run.header.run,
        "started": run.header.started,
        "phases": list(run.header.phases),
        "command": run.header.command,
        "harness": dict(run.header.harness),
        "machine": {name: str(value) for name, value in run.header.machine.items()},
        "status": end.status if end else "interrupted",
        "exit": int(end.exit_code) if end else None,
        "reports": reports_of(run),
        "alerts": list(alerts(run)),
        "outcomes": {one.value: outcomes[one.value] for one in Outcome if outcomes[one.value]},
        "engines": [[one.engine, components(one.versions), one.reason] for one in run.engines],
        "changes": {kind: [[one.case, one.change] for one in lines] for kind, lines in changes.items()},
    }


def reports_of(run: Run) -> list[str]:
    """The names of the reports that were written beside the records."""
    names = ("report.html", *(page.PAGE for page in by_phase.pages(run)), "report.md", short.NAME)
    return [name for name in names if (run.path.parent / name).is_file()]


def _reports(runs: Sequence[Run]) -> list[dict[str, Any]]:
    """What the newest run says of each field report; those that no run judged have their phase alone."""
    phase_of = {report: one.name for one in phases.phases().values() for report in one.field_reports}
    nothing = {"verdict": "", "statement": "", "theirs": {}, "ours": {}, "detail": "", "run": ""}
    found: dict[str, dict[str, Any]] = {
        report: {"id": report, "phase": phase, **nothing} for report, phase in phase_of.items()
    }
    for run in runs:
        for one in run.field_reports:
            shown = {key: value for key, value in vars(one).items() if key != "report"}
            found[one.report] = {
                "id": one.report,
                "phase": phase_of.get(one.report, ""),
                **shown,
                "run": run.header.run,
            }
            found[one.report] |= {"verdict": one.verdict.value, "theirs": dict(one.theirs), "ours": dict(one.ours)}
    return [found[name] for name in sorted(found, key=lambda name: (len(name), name))]
