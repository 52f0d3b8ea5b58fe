"""Phase 10: what its cases say of field reports C32 and C33, which are about pg_mooncake 0.1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lakebench.model import Record
from lakebench.outcomes import Outcome, ReportVerdict
from lakebench.phases.pg_mooncake.sides import COLUMNAR, COLUMNSTORE, HEAP, Side
from lakebench.results import statistics
from lakebench.results.records import FieldReport
from lakebench.results.statistics import Ratio

Times = Mapping[str, tuple[Sequence[float], Sequence[float]]]
"""Query → warm times in seconds of a table by column, and of the heap table of its server."""
FAR_FASTER = 10.0
"""The mean ratio from which on we call it far faster: the report has no figure of its own."""
_JOINS = ("left-join", "full-join", "union")
_TRANSACTIONAL = ("insert", "update", "delete", "committed", "rolled-back", "both-committed", "both-rolled-back")
_ABSENT = (
    "Timescale and pg_analytics, which it names beside them, could not run here: lakebench has no service of theirs."
)


def judge_field_reports(cases: Sequence[Record]) -> Iterator[FieldReport]:
    """C32 and C33."""
    yield _tables(cases)
    yield _faster(cases)


def _tables(cases: Sequence[Record]) -> FieldReport:
    """C32 by the transactional writes, the join and the readers of the columnstore table."""
    writes = {str(one.coordinates.test): one for one in of_side(cases, "write", COLUMNSTORE)}
    needed = [writes[name] for name in _TRANSACTIONAL if name in writes]
    read = [one for one in cases if one.coordinates.check == "read" and one.coordinates.writer == str(COLUMNSTORE.ref)]
    readers = [one for one in read if one.outcome.ran]
    needed += [one for one in of_side(cases, "answer", COLUMNSTORE) if one.coordinates.test in _JOINS]
    needed += readers
    verdict = ReportVerdict.COULD_NOT_RUN
    if writes:
        right = all(one.outcome is Outcome.PASS for one in needed) and bool(readers)
        some = any(one.outcome is Outcome.PASS for one in writes.values())
        wrong = ReportVerdict.DIRECTION_ONLY if some else ReportVerdict.NOT_REPRODUCED
        verdict = ReportVerdict.REPRODUCED if right else wrong
    return FieldReport(
        report="C32",
        statement="Columnstore tables in PostgreSQL with transactional INSERT, UPDATE, DELETE; metadata that other "
        "engines read without PostgreSQL",
        theirs={"one row of a million deleted": "a new file with 999,999 rows", "metadata": "Delta Lake"},
        ours=_of_tables(cases, needed) or {"columnstore tables": "not had"},
        verdict=verdict,
        detail=" ".join(one for one in (_failed(needed), "" if writes else _why(cases), _ABSENT) if one),
    )


def _of_tables(cases: Sequence[Record], needed: Sequence[Record]) -> dict[str, str]:
    ours = {}
    if needed:
        passed = sum(one.outcome is Outcome.PASS for one in needed)
        ours["writes, joins and readers that are right"] = f"{passed} of {len(needed)}"
    for one in of_side(cases, "million", COLUMNSTORE):
        by_column = one.evidence.get("by_column", {})
        if "rows_written" in by_column:
            ours["one row of a million deleted"] = (
                f"{by_column['files_written']} new files with {by_column['rows_written']:,} rows, "
                f"{by_column['bytes_written']:,} bytes; a heap table wrote {one.evidence['heap']['wal_bytes']:,} of WAL"
            )
    return ours


def _failed(cases: Sequence[Record]) -> str:
    failed = [one.case for one in cases if one.outcome is not Outcome.PASS]
    return f"Not right: {', '.join(failed)}." if failed else ""


def _why(cases: Sequence[Record]) -> str:
    """Why no columnstore table was had."""
    theirs = (one.reason for one in cases if one.coordinates.engine == str(COLUMNSTORE.ref) and one.reason)
    return f"pg_mooncake 0.1 did not run: {next(theirs, 'not asked')}."


def _faster(cases: Sequence[Record]) -> FieldReport:
    """C33 by the ratio of heap to columnstore on one server, over all queries that both have right."""
    times = {side: times_of(cases, side) for side in (COLUMNSTORE, COLUMNAR)}
    ours = {f"heap / {side.storage}": _ratio_of(one) for side, one in times.items() if one}
    return FieldReport(
        report="C33",
        statement="Columnstore with DuckDB execution is far faster than heap on analytics (ClickBench)",
        theirs={"heap / columnstore": "far faster; no figure", "tables of Citus": "no vectorised execution"},
        ours=ours or {"ratios": "not had"},
        verdict=_of_ratio(mean_ratio(times[COLUMNSTORE])),
        detail=" ".join(one for one in ("" if times[COLUMNSTORE] else _why(cases), _ABSENT) if one),
    )


def _of_ratio(ratio: Ratio | None) -> ReportVerdict:
    """Far faster where the whole interval is; faster where the whole interval says so."""
    if ratio is None:
        return ReportVerdict.COULD_NOT_RUN
    low = ratio.interval.low if ratio.interval else ratio.ratio
    if low >= FAR_FASTER:
        return ReportVerdict.REPRODUCED
    return ReportVerdict.DIRECTION_ONLY if low > 1 else ReportVerdict.NOT_REPRODUCED


def _ratio_of(times: Times) -> str:
    """The mean with its interval, and the least and the largest ratio of a query."""
    ratio, by_query = mean_ratio(times), ratios(times).values()
    mean = "" if ratio is None else with_interval(ratio)
    return f"{mean}; {len(times)} queries from {min(by_query):.2f} to {max(by_query):.2f}"


def of_side(cases: Sequence[Record], check: str, side: Side) -> list[Record]:
    """The cases of a kind of one side that ran."""
    return [
        one
        for one in cases
        if one.coordinates.check == check
        and one.coordinates.engine == str(side.ref)
        and one.coordinates.more.get("table") == side.storage
        and one.outcome.ran
    ]


def times_of(cases: Sequence[Record], side: Side) -> Times:
    """Query → the warm times of ``side`` and of the heap table of its server, where both are right."""
    heap, own = (
        {str(one.coordinates.query): _warm_s(one) for one in of_side(cases, "clickbench", which)}
        for which in (Side(side.ref, HEAP, ""), side)
    )
    return {query: (seconds, heap[query]) for query, seconds in own.items() if seconds and heap.get(query)}


def ratios(times: Times) -> dict[str, float]:
    """Query → the median of heap, divided by that of the table by column."""
    return {query: statistics.median(heap) / statistics.median(own) for query, (own, heap) in times.items()}


def mean_ratio(times: Times) -> Ratio | None:
    """The geometric mean of the ratios, with its interval; none without a query."""
    return statistics.geometric_ratio(list(times.values()), paired=False) if times else None


def with_interval(ratio: Ratio) -> str:
    """The ratio, and behind it the interval where there is one."""
    interval = ratio.interval
    return f"{ratio.ratio:.2f}" + (f" ({interval.low:.2f} to {interval.high:.2f})" if interval else "")


def median_s(case: Record) -> float | None:
    """The warm median in seconds; none where no answer was right."""
    samples = _warm_s(case)
    return statistics.median(samples) if samples else None


def _warm_s(case: Record) -> list[float]:
    return [one.ns / 1e9 for one in case.samples if one.kind == "warm"]
