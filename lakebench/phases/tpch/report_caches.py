"""Phase 3 in the report: sessions with an engine's own caches and without, step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

from lakebench.datasets.storage_probe import in_words
from lakebench.model import Record
from lakebench.outcomes import Outcome
from lakebench.phases.tpch.caches import OFF, ON, STEPS, Session, median_of, milliseconds, sessions
from lakebench.reports import plots
from lakebench.reports.content import DASH, TIMES, Cell, Part, Plot, Section, Table, label, mark, size
from lakebench.results.records import Run

_NOTE = (
    "Milliseconds by the engine's own clock, with requests to the object store and bytes that it put out, where it is "
    "ours: medians of {rounds} sessions of each kind, which took turns. A session begins with a new process, of a "
    "server with a new session and catalog, and the machine's page cache dropped. Every answer is checked."
)
_TITLES = {one.name: one.title for one in STEPS}


def sections(run: Run) -> list[Section]:
    """A plot and a table for each storage."""
    return [Section("Caches of the engines", "caches", tuple(_parts(run)))]


def _parts(run: Run) -> Iterator[Part]:
    for storage, of_storage in sessions(run.cases).items():
        timed = run.header.settings.get("profile") != "quick"
        if timed and (values := _ratios(of_storage)):
            names = list(_TITLES.values())
            draw = partial(plots.bars, names, values, "times the first run with caches off")
            alt = "; ".join(f"{who}: {', '.join(map(_ratio, of))}" for who, of in values.items())
            yield Plot(f"Steps of a session on {storage}, by the first run of a session without caches", alt, draw)
        head = ("engine, its caches", *_TITLES.values())
        rows = tuple(
            (Cell(f"{engine}, {caches}"), *(_cell(of.get(step), timed=timed) for step in _TITLES))
            for (engine, caches), of in of_storage.items()
        )
        yield Table(f"Sessions on {storage}", head, rows, tuple(_notes(of_storage)), "figures")


def _notes(of_storage: Mapping[tuple[str, str], Session]) -> Iterator[str]:
    records = [one for of in of_storage.values() for one in of.values()]
    rounds = max((len(one.evidence.get("executions", ())) for one in records), default=0)
    yield _NOTE.format(rounds=rounds)
    probed = next((one.evidence["storage"] for one in records if one.evidence.get("storage")), None)
    if probed:
        yield f"The storage itself, without an engine: {in_words(probed)}."
    for engine in dict.fromkeys(name for name, _ in of_storage):
        about = next(iter(of_storage.get((engine, ON), {}).values()), None)
        if about and "caches" in about.evidence:
            kept = "; ".join(f"{name} ({what.rpartition(':')[0]})" for name, what in about.evidence["caches"].items())
            yield f"{engine}: {kept}. Expired: {about.evidence['expiry']}."


def _cell(record: Record | None, *, timed: bool) -> Cell:
    if record is None:
        return Cell(DASH)
    if record.outcome is not Outcome.PASS:
        return Cell(label(record.outcome), mark(record.outcome))
    ms, requests, sent = (median_of(record, one) for one in ("ms", "requests", "store_bytes"))
    said = [] if ms is None or not timed else [f"{ms:.0f} ms"]
    said += [] if requests is None else [f"{requests:.0f} requests"]
    said += [] if sent is None else [size(sent)]
    return Cell(", ".join(said) or "right")


def _ratios(of_storage: Mapping[tuple[str, str], Session]) -> dict[str, list[float | None]]:
    """Engine and caches → each step's time by that of the engine's first run without caches."""
    values: dict[str, list[float | None]] = {}
    for (engine, caches), of in of_storage.items():
        first = milliseconds(of_storage.get((engine, OFF), {}).get(STEPS[0].name))
        steps = [milliseconds(of.get(one)) for one in _TITLES]
        if first and any(steps):
            values[f"{engine}, {caches}"] = [None if one is None else one / first for one in steps]
    return values


def _ratio(value: float | None) -> str:
    return DASH if value is None else f"{TIMES} {value:.2f}"
