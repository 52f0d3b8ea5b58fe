"""What storage and table format cost each engine: the same queries at two places of one run, pair by pair."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lakebench.model import Record, Sample, TableFormat
from lakebench.reports.content import DASH, TIMES, Cell, Part, Table
from lakebench.results import statistics
from lakebench.results.comparison import COLD, WARM
from lakebench.results.placement import Asked, StorageFormat, place_of, ratio, verified
from lakebench.results.records import Run

_MEAN = "Geometric mean over the queries that both got right, of warm medians paired by round, with a 95 % interval."
_FORMATS = {
    TableFormat.PARQUET: "Plain Parquet is the very data files of the Iceberg tables.",
    TableFormat.DUCKDB: "DuckDB's own tables hold the same rows.",
    TableFormat.POSTGRESQL: "PostgreSQL's tables hold the same rows.",
    TableFormat.DUCKLAKE: (
        "DuckLake has its catalog in PostgreSQL, and data files that the engine wrote itself, with its own codec and "
        "file sizes: the ratio holds these too. Rows of small inserts may lie in the catalog (inlined data)."
    ),
}


def parts(run: Run) -> list[Part]:
    """Phase by phase: formats against Iceberg on each storage, then storages against the first, format by format."""
    phases = [one for one in dict.fromkeys(case.phase for case in run.cases) if any(map(place_of, _cases(run, one)))]
    return [
        part
        for phase in phases
        for part in _parts(verified(_cases(run, phase)), f"{phase}: " if len(phases) > 1 else "")
    ]


def _cases(run: Run, phase: str) -> list[Record]:
    return [case for case in run.cases if case.phase == phase]


def _parts(known: Mapping[StorageFormat, Asked], phase: str) -> Iterator[Part]:
    """The tables of one phase; ``phase`` is what their captions begin with."""
    for storage in dict.fromkeys(place.storage for place in known):
        own = [place for place in known if place.storage == storage]
        caption = f"{phase}What Iceberg costs on {storage}: Iceberg divided by"
        yield from _table(caption, known, own, StorageFormat(storage, "iceberg"))
    for form in dict.fromkeys(place.format for place in known):
        own = [place for place in known if place.format == form]
        yield from _storages(f"{phase}What storage costs, tables in {form}", known, own)


def _table(
    caption: str, known: Mapping[StorageFormat, Asked], places: list[StorageFormat], top: StorageFormat
) -> list[Part]:
    """``top`` divided by each of the other ``places``, warm, an engine a row."""
    others = [one for one in places if one != top]
    if top not in known or not others:
        return []
    engines = list(dict.fromkeys(engine for engine, _ in known[top]))
    rows = tuple(
        (Cell(engine), *(Cell(_ratio(known[other], known[top], engine, WARM)) for other in others))
        for engine in engines
    )
    notes = (_MEAN, *(said for form, said in _FORMATS.items() if any(one.format == form for one in others)))
    return [Table(caption, ("engine", *(one.format for one in others)), rows, notes, "figures")]


def _storages(caption: str, known: Mapping[StorageFormat, Asked], places: list[StorageFormat]) -> list[Part]:
    """Each of the other storages divided by the first, cold and warm, with the requests that explain it."""
    first, *others = places
    if not others:
        return []
    rows = []
    for other in others:
        for engine in dict.fromkeys(engine for engine, _ in known[other]):
            cold, warm = (_ratio(known[first], known[other], engine, kind) for kind in (COLD, WARM))
            asked = [_requests(known[other], engine, kind) for kind in (COLD, WARM)]
            rows.append((Cell(f"{engine} on {other.storage}"), Cell(cold), Cell(warm), *map(Cell, asked)))
    head = ("engine and storage", f"cold, divided by {first.storage}", f"warm, divided by {first.storage}",
            "cold: requests a query", "warm: requests a query")  # fmt: skip
    notes = ("Geometric means over the queries that both got right; requests are means over these queries.",)
    return [Table(caption, head, tuple(rows), notes, "figures")]


def _ratio(base: Asked, other: Asked, engine: str, kind: str) -> str:
    """``other`` divided by ``base`` over the engine's queries, in words."""
    found = ratio(base, other, engine, kind)
    if found is None:
        return DASH
    told, queries = found
    bounds = told.interval
    said = "" if bounds is None else f" ({bounds.low:.2f} {DASH} {bounds.high:.2f})"
    none = f", {statistics.NO_DIFFERENCE}" if bounds is not None and not told.differs else ""
    return f"{TIMES} {told.ratio:.2f}{said}{none}, {queries} queries"


def _requests(records: Asked, engine: str, kind: str) -> str:
    told = [dict(one.requests or {}) for one in _samples(records, engine, kind) if one.requests is not None]
    if not told:
        return "not had"
    names = sorted({name for one in told for name in one})
    means = (f"{name} {sum(one.get(name, 0) for one in told) / len(told):.3g}" for name in names)
    return ", ".join(means) or "none"


def _samples(records: Asked, engine: str, kind: str) -> Iterator[Sample]:
    for (name, _), record in records.items():
        if name == engine:
            yield from (one for one in record.samples if one.kind == kind)
