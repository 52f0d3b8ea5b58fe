"""Phase 10: what its cases say of field reports C32 and C33, which are about pg_mooncake 0.1."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lakebench.model import Record
from lakebench.outcomes import Outcome, ReportVerdict
from lakebench.phases.pg_mooncake.sides import COLUMNAR, COLUMNSTORE, HEAP, Side
from lakebench.results import statistics
from lakebench.results.records import FieldReport

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
    """C33 by the ratio of heap to columnstore, query by query on one server."""
    ratios = ratios_to_heap(cases, COLUMNSTORE)
    beside = ratios_to_heap(cases, COLUMNAR)
    return FieldReport(
        report="C33",
        statement="Columnstore with DuckDB execution is far faster than heap on analytics (ClickBench)",
        theirs={"heap / columnstore": "far faster; no figure", "tables of Citus": "no vectorised execution"},
        ours={
            **_mean_of("heap / columnstore", ratios),
            **_mean_of("heap / citus_columnar", beside),
        }
        or {"ratios": "not had"},
        verdict=_of_mean(ratios),
        detail=" ".join(one for one in ("" if ratios else _why(cases), _ABSENT) if one),
    )


def _of_mean(ratios: Mapping[str, float]) -> ReportVerdict:
    if not ratios:
        return ReportVerdict.COULD_NOT_RUN
    mean = statistics.geometric_mean(list(ratios.values()))
    if mean >= FAR_FASTER:
        return ReportVerdict.REPRODUCED
    return ReportVerdict.DIRECTION_ONLY if mean > 1 else ReportVerdict.NOT_REPRODUCED


def _mean_of(name: str, ratios: Mapping[str, float]) -> dict[str, str]:
    if not ratios:
        return {}
    low, high = min(ratios.values()), max(ratios.values())
    return {
        name: f"{statistics.geometric_mean(list(ratios.values())):.2f} ({low:.2f} to {high:.2f}, {len(ratios)} queries)"
    }


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


def ratios_to_heap(cases: Sequence[Record], side: Side) -> dict[str, float]:
    """Query → warm median of the heap table, divided by that of ``side``, where both are right; of one server."""
    heap = Side(side.ref, HEAP, "")
    theirs, own = (
        {one.coordinates.query: median_s(one) for one in of_side(cases, "clickbench", which)} for which in (heap, side)
    )
    pairs = {str(query): (theirs.get(query), seconds) for query, seconds in own.items()}
    return {query: base / seconds for query, (base, seconds) in pairs.items() if base and seconds}


def median_s(case: Record) -> float | None:
    """The warm median in seconds; none where no answer was right."""
    samples = [one.ns / 1e9 for one in case.samples if one.kind == "warm"]
    return statistics.median(samples) if samples else None
