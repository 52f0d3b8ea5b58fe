"""Phase 3 in the report: the load, power and throughput tests of TPC-H, as their records have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lakebench.model import Record
from lakebench.outcomes import Outcome
from lakebench.phases.tpch import report_caches
from lakebench.reports.content import DASH, Cell, Part, Section, Table, label, mark, seconds, size
from lakebench.results.records import Run

_TESTS = frozenset({"load", "power", "throughput"})
_METRICS = ("power_at_size", "throughput_at_size", "qphh_at_size")
_NOTE = (
    "Derived from TPC-H, not comparable to published TPC-H results. Power@Size, Throughput@Size and QphH@Size as "
    "clauses 5.4.1 to 5.4.3 compute them, in queries per hour times the scale factor; one run each. Each engine loads "
    "tables of its own; RF1 and RF2 are commits to Iceberg. Each stream is a worker of its own with the engine's full "
    "limits."
)


def sections(run: Run) -> list[Section]:
    """A table of the metrics, and one of the intervals, for each storage."""
    return [Section("The tests of TPC-H", "tests", tuple(_parts(run))), *report_caches.sections(run)]


def _parts(run: Run) -> list[Part]:
    tests = [one for one in run.cases if one.coordinates.test in _TESTS]
    made: list[Part] = []
    for group in dict.fromkeys(one.group for one in tests):
        records = [one for one in tests if one.group == group]
        made.append(_metrics(group, records))
        if any(one.coordinates.test == "power" and one.outcome is Outcome.PASS for one in records):
            made.append(_intervals(group, records))
    return made


def _metrics(group: str, records: list[Record]) -> Table:
    by_engine: dict[str, dict[str, Record]] = {}
    for record in records:
        by_engine.setdefault(record.engine, {})[record.coordinates.test or ""] = record
    head = ("engine", "load s", "load peak", "bytes", "files", "Power@Size", "Throughput@Size", "QphH@Size", "streams")
    rows = tuple((Cell(engine), *_row(tests)) for engine, tests in by_engine.items())
    return Table(group, head, rows, (_NOTE,), "figures")


def _row(tests: Mapping[str, Record]) -> list[Cell]:
    cells = _load(tests.get("load"))
    for name, test in zip(_METRICS, ("power", "throughput", "throughput"), strict=True):
        cells.append(_metric(tests.get(test), name))
    throughput = tests.get("throughput")
    streams = throughput.evidence.get("streams") if throughput else None
    return [*cells, Cell(DASH if streams is None else str(streams))]


def _load(record: Record | None) -> list[Cell]:
    """Seconds, peak, bytes and files of a load that passed."""
    if record is None or record.outcome is not Outcome.PASS:
        first = Cell("not asked") if record is None else Cell(label(record.outcome), mark(record.outcome))
        return [first, *[Cell(DASH)] * 3]
    evidence = record.evidence
    sizes = (evidence.get("peak_bytes"), evidence.get("bytes"))
    return [
        Cell(_seconds(evidence.get("load_seconds"))),
        *(Cell(size(one) if isinstance(one, int | float) else DASH) for one in sizes),
        Cell(str(evidence.get("files", DASH))),
    ]


def _metric(record: Record | None, name: str) -> Cell:
    if record is None:
        return Cell("not asked")
    if record.outcome is not Outcome.PASS:
        return Cell(label(record.outcome), mark(record.outcome))
    value = record.evidence.get(name)
    return Cell(f"{value:,.0f}" if isinstance(value, int | float) else DASH)


def _seconds(value: Any) -> str:
    return seconds(value) if isinstance(value, int | float) else str(value)


def _intervals(group: str, records: list[Record]) -> Table:
    """Seconds of RF1, RF2 and the 22 queries of stream 0, and how long the throughput test's refreshes took."""
    passed = [one for one in records if one.coordinates.test == "power" and one.outcome is Outcome.PASS]
    power = {one.engine: times for one in passed if isinstance(times := one.evidence.get("seconds"), Mapping)}
    names = list(dict.fromkeys(name for times in power.values() for name in times))
    names.sort(key=lambda name: (not name.startswith("RF"), name))
    rows = tuple(
        (Cell(name), *(Cell(_seconds(times[name]) if name in times else DASH) for times in power.values()))
        for name in names
    )
    notes = ("One run each, by the worker's clock. The queries ran in the order of stream 0, between RF1 and RF2.",)
    return Table(f"{group}: intervals of the power test, seconds", ("", *power), rows, notes, "figures")
