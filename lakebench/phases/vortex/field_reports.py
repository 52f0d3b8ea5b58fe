"""Phase 6: what its cases say of the field reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from lakebench.model import Record
from lakebench.outcomes import Outcome, ReportVerdict
from lakebench.phases.field_reports import of_all, of_any, of_ratio
from lakebench.phases.vortex.layouts import PLAIN, VORTEX
from lakebench.phases.vortex.questions import QUESTIONS
from lakebench.phases.vortex.ratios import FormatRatio, of_kind, ratios
from lakebench.phases.vortex.tables import LINEITEM
from lakebench.results.records import FieldReport

_ACCESS, _SCAN = 100.0, (10.0, 20.0)


def judge_field_reports(cases: Sequence[Record]) -> Iterator[FieldReport]:
    """C20, C21 and C22. Theirs is the file that DuckDB's COPY writes, against the Parquet file that it writes."""
    found = [one for one in ratios(cases) if one.layout is VORTEX and one.base is PLAIN]
    yield _random_access(of_kind(found, "key", "position"))
    yield _full_scan(cases, [one for one in found if one.question == "full"])
    yield _readers(cases)


def _random_access(found: Sequence[FormatRatio]) -> FieldReport:
    slower = [_name(one) for one in found if one.times_faster < 1]
    return FieldReport(
        report="C20",
        statement="Random access 100 times faster than Parquet",
        theirs={"times faster": _ACCESS},
        ours={_name(one): _times(one) for one in found} or {"times faster": "not had: no verified pair of times"},
        verdict=of_any(of_ratio(_ACCESS, one.times_faster) for one in found),
        detail=f"Slower than Parquet: {'; '.join(slower)}. " if slower else "",
    )


def _full_scan(cases: Sequence[Record], found: Sequence[FormatRatio]) -> FieldReport:
    sizes = {layout.id: _bytes(cases, layout.id) for layout in (PLAIN, VORTEX)}
    ours: dict[str, float | str] = {_name(one): _times(one) for one in found}
    plain, vortex = sizes[PLAIN.id], sizes[VORTEX.id]
    verdicts = [of_any(of_ratio(_SCAN, one.times_faster) for one in found)]
    if plain and vortex:
        ours["bytes of Vortex, Parquet being 1"] = f"{vortex / plain:.2f}"
        verdicts.append(ReportVerdict.REPRODUCED if vortex < plain else ReportVerdict.NOT_REPRODUCED)
    else:
        verdicts.append(ReportVerdict.COULD_NOT_RUN)
    return FieldReport(
        report="C21",
        statement="Full scan 10 to 20 times faster than Parquet; better compression",
        theirs={"times faster": "10 to 20", "compression": "better"},
        ours=ours or {"times faster": "not had: no verified pair of times"},
        verdict=of_all(verdicts),
        detail="Both files are written by DuckDB's COPY with its defaults. ",
    )


def _name(one: FormatRatio) -> str:
    return f"{one.engine}, {QUESTIONS[one.question].title}"


def _times(one: FormatRatio) -> str:
    bounds = one.interval
    interval = f" ({1 / bounds[1]:.3g} to {1 / bounds[0]:.3g})" if bounds else ""
    return f"{one.times_faster:.3g}{interval}"


def _bytes(cases: Sequence[Record], layout: str) -> int:
    """The size of lineitem in ``layout``; 0 where it was not written, or not right."""
    for case in cases:
        more = case.coordinates.more
        is_file = case.coordinates.check == "write" and (more.get("layout"), more.get("table")) == (layout, LINEITEM)
        if is_file and case.outcome is Outcome.PASS:
            return int(case.evidence["bytes"])
    return 0


def _readers(cases: Sequence[Record]) -> FieldReport:
    read = {name: _reads(cases, name) for name in ("duckdb", "polars")}
    asked = [case for case in cases if case.coordinates.check == "server" and case.outcome.ran]
    servers = [case for case in asked if case.coordinates.format == VORTEX.format]
    ours: dict[str, float | str] = {name: _counted(records) for name, records in read.items()}
    ours |= dict.fromkeys(("trino", "spark"), "not asked: name it with --engines")
    for server in dict.fromkeys(str(case.coordinates.engine) for case in servers):
        ours[server] = "; ".join(_said(case) for case in servers if case.coordinates.engine == server)
    works = all(any(one.outcome is Outcome.PASS for one in records) for records in read.values())
    refused = all(case.outcome is Outcome.REFUSED for case in servers)
    verdict = ReportVerdict.REPRODUCED if works and refused else ReportVerdict.NOT_REPRODUCED
    complete = all(read.values()) and {case.coordinates.engine for case in servers} == {"trino", "spark"}
    return FieldReport(
        report="C22",
        statement="DuckDB and Polars read Vortex; Trino and Spark do not",
        theirs={"DuckDB": "reads", "Polars": "reads", "Trino": "does not", "Spark": "does not"},
        ours=ours,
        verdict=verdict if complete or (verdict is ReportVerdict.NOT_REPRODUCED and any(read.values())) else _PARTLY,
        detail="" if complete else "The half about servers was not asked in this run. ",
    )


_PARTLY = ReportVerdict.COULD_NOT_RUN


def _said(case: Record) -> str:
    """What a server said when it was asked for Vortex in one of its ways."""
    return f"as a {case.coordinates.more['way']}: {case.outcome}{case.reason and ': '}{case.reason[:150]}"


def _reads(cases: Sequence[Record], engine: str) -> list[Record]:
    """The reads of types in Vortex by ``engine``, those that ran."""
    return [
        case
        for case in cases
        if case.coordinates.check == "read-type"
        and case.coordinates.format == VORTEX.format
        and case.coordinates.reader == engine
        and case.outcome.ran
    ]


def _counted(records: Sequence[Record]) -> str:
    counts = Counter(one.outcome.value for one in records)
    return ", ".join(f"{count} {outcome}" for outcome, count in sorted(counts.items())) or "not asked"
