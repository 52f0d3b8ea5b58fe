"""The cost of storage and table format for each engine: pairs of the same query within one run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from lakebench.datasets.storage_probe import in_words
from lakebench.model import Record, Sample, TableFormat
from lakebench.reports.content import DASH, TIMES, Cell, Part, Table
from lakebench.results import statistics
from lakebench.results.comparison import COLD, WARM
from lakebench.results.placement import Asked, StorageFormat, ratio, storage_format_of, verified
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
    phases = [
        one for one in dict.fromkeys(case.phase for case in run.cases) if any(map(storage_format_of, _cases(run, one)))
    ]
    return [
        part
        for phase in phases
        for part in _parts(verified(_cases(run, phase)), f"{phase}: " if len(phases) > 1 else "", _probes(run))
    ]


def _probes(run: Run) -> dict[str, str]:
    """Storage → what it gives without an engine, in words."""
    return {str(one.storage): in_words(one.storage_probe) for one in run.datasets if one.storage and one.storage_probe}


def _cases(run: Run, phase: str) -> list[Record]:
    return [case for case in run.cases if case.phase == phase]


def _parts(answers: Mapping[StorageFormat, Asked], phase: str, probes: Mapping[str, str]) -> Iterator[Part]:
    """The tables of one phase; their captions begin with ``phase``. ``probes`` stand beside the ratios of storages."""
    for storage in dict.fromkeys(table.storage for table in answers):
        tables = [table for table in answers if table.storage == storage]
        caption = f"{phase}What Iceberg costs on {storage}: Iceberg divided by"
        yield from _table(caption, answers, tables, StorageFormat(storage, "iceberg"))
    for form in dict.fromkeys(table.format for table in answers):
        tables = [table for table in answers if table.format == form]
        yield from _storages(f"{phase}What storage costs, tables in {form}", answers, tables, probes)


def _table(
    caption: str, answers: Mapping[StorageFormat, Asked], storage_formats: list[StorageFormat], top: StorageFormat
) -> list[Part]:
    """``top`` divided by each of the other ``storage_formats``, warm; a row for each engine."""
    others = [one for one in storage_formats if one != top]
    if top not in answers or not others:
        return []
    engines = list(dict.fromkeys(engine for engine, _ in answers[top]))
    rows = tuple(
        (Cell(engine), *(Cell(_ratio(answers[other], answers[top], engine, WARM)) for other in others))
        for engine in engines
    )
    notes = (_MEAN, *(note for form, note in _FORMATS.items() if any(one.format == form for one in others)))
    return [Table(caption, ("engine", *(one.format for one in others)), rows, notes, "figures")]


def _storages(
    caption: str,
    answers: Mapping[StorageFormat, Asked],
    storage_formats: list[StorageFormat],
    probes: Mapping[str, str],
) -> list[Part]:
    """The other storages divided by the first, cold and warm, with the requests that explain the ratios."""
    first, *others = storage_formats
    if not others:
        return []
    rows = []
    for other in others:
        for engine in dict.fromkeys(engine for engine, _ in answers[other]):
            cold, warm = (_ratio(answers[first], answers[other], engine, kind) for kind in (COLD, WARM))
            asked = [_requests(answers[other], engine, kind) for kind in (COLD, WARM)]
            rows.append((Cell(f"{engine} on {other.storage}"), Cell(cold), Cell(warm), *map(Cell, asked)))
    head = ("engine and storage", f"cold, divided by {first.storage}", f"warm, divided by {first.storage}",
            "cold: requests a query", "warm: requests a query")  # fmt: skip
    means = "Geometric means over the queries that both got right; requests are means over these queries."
    probed = "; ".join(f"{name}: {words}" for name, words in probes.items())
    notes = (means, *([f"The storages themselves, without an engine: {probed}."] if probed else []))
    return [Table(caption, head, tuple(rows), notes, "figures")]


def _ratio(base: Asked, other: Asked, engine: str, kind: str) -> str:
    """``other`` divided by ``base`` over the engine's queries, in words."""
    measured = ratio(base, other, engine, kind)
    if measured is None:
        return DASH
    mean, queries = measured
    bounds = mean.interval
    limits = "" if bounds is None else f" ({bounds.low:.2f} {DASH} {bounds.high:.2f})"
    none = f", {statistics.NO_DIFFERENCE}" if bounds is not None and not mean.differs else ""
    return f"{TIMES} {mean.ratio:.2f}{limits}{none}, {queries} queries"


def _requests(records: Asked, engine: str, kind: str) -> str:
    requests = [dict(one.requests or {}) for one in _samples(records, engine, kind) if one.requests is not None]
    if not requests:
        return "not had"
    names = sorted({name for one in requests for name in one})
    means = (f"{name} {sum(one.get(name, 0) for one in requests) / len(requests):.3g}" for name in names)
    return ", ".join(means) or "none"


def _samples(records: Asked, engine: str, kind: str) -> Iterator[Sample]:
    for (name, _), record in records.items():
        if name == engine:
            yield from (one for one in record.samples if one.kind == kind)
