"""What each REST catalog answers to the checks of phase 11, by check."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from lakebench.model import Record
from lakebench.reports.site.observations import UNKNOWN, Observation
from lakebench.results.records import Run

PHASE = "phase11"
_NAMES = (
    "catalog", "version", "part", "check", "who", "subject", "level", "operation", "state", "reason", "title", "curl",
    "run", "date", "accepted",
)  # fmt: skip


def checks(observations: Iterable[Observation]) -> list[Observation]:
    """The checks of catalogs, each as the newest source has it."""
    newest = {one.case: one for one in observations if one.phase == PHASE and one.coordinates.catalog}
    return list(newest.values())


def table(observations: Iterable[Observation], runs: Iterable[Run]) -> dict[str, list[Any]]:
    """The checks by column; what a check shows and the request that repeats it are known of runs alone."""
    records = {(run.header.run, one.case): one for run in runs for one in run.cases if one.phase == PHASE}
    rows = [_row(one, records.get((one.source.id, one.case))) for one in checks(observations)]
    return {name: [row[number] for row in rows] for number, name in enumerate(_NAMES)}


def _row(one: Observation, record: Record | None) -> Sequence[Any]:
    case = one.coordinates
    return (
        case.catalog,
        _version(one, record),
        case.check or "",
        case.test or one.case,
        "→".join(case.participants),
        case.more.get("subject", ""),
        case.more.get("level", ""),
        case.more.get("operation", ""),
        one.state,
        one.reason,
        _title(one, record) if record else "",
        (record.evidence.get("curl") or "") if record else "",
        one.source.id,
        one.source.date,
        one.source.accepted,
    )


def _title(one: Observation, record: Record) -> str:
    """What a check shows, without the operation behind it."""
    return record.title.rpartition(" (")[0] if one.coordinates.more.get("operation") else record.title


def _version(one: Observation, record: Record | None) -> str:
    """What the catalog says that it is; empty where no source has it."""
    reported = record.versions.get(one.coordinates.catalog or "") if record else ""
    return reported or (one.engine.version if one.engine.version != UNKNOWN else "")
