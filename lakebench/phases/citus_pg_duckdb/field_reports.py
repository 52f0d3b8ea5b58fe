"""Phase 7: what its cases say of field report C23."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from lakebench.model import Record
from lakebench.outcomes import Outcome, ReportVerdict
from lakebench.phases.citus_pg_duckdb.server import PG_DUCKDB
from lakebench.results.records import FieldReport

_THEIRS = "citus-then-pg_duckdb"


def judge_field_reports(cases: Sequence[Record]) -> Iterator[FieldReport]:
    """C23: theirs crashes when pg_duckdb is created after Citus; a crash of a later query is the direction alone."""
    both = [case for case in cases if case.coordinates.more.get("services") == PG_DUCKDB.service]
    created = {str(case.coordinates.test): case for case in both if case.coordinates.check == "create"}
    asked = [case for case in both if case.coordinates.check in {"kind", "join", "right"} and case.outcome.ran]
    first = created.get(_THEIRS)
    why = next((case.reason for case in both if case.reason), "not asked")
    ran = first is not None and first.outcome.ran
    yield FieldReport(
        report="C23",
        statement="Citus and pg_duckdb in one server: it crashes",
        theirs={"CREATE EXTENSION pg_duckdb after citus": "crash"},
        ours=_ours(created, asked) if ran else {"servers": "not had"},
        verdict=_verdict(first, asked) if first is not None and ran else ReportVerdict.COULD_NOT_RUN,
        detail=_detail(asked) if ran else why,
    )


def _verdict(first: Record, asked: Sequence[Record]) -> ReportVerdict:
    if first.outcome is Outcome.CRASH:
        return ReportVerdict.REPRODUCED
    if any(case.outcome is Outcome.CRASH for case in asked):
        return ReportVerdict.DIRECTION_ONLY
    return ReportVerdict.OUT_OF_DATE


def _ours(created: dict[str, Record], asked: Sequence[Record]) -> dict[str, float | str]:
    counted = Counter((str(case.coordinates.check), case.outcome.value) for case in asked)
    kinds = ", ".join(f"{number} {outcome}" for (check, outcome), number in sorted(counted.items()) if check == "kind")
    orders: dict[str, float | str] = {case.row: case.outcome.value for case in created.values()}
    return {**orders, "kinds of query": kinds or "not asked"}


def _detail(asked: Sequence[Record]) -> str:
    crashed = [case for case in asked if case.outcome is Outcome.CRASH]
    if not crashed:
        return "nothing crashed"
    signals = sorted({str(case.evidence.get("signal", "unknown")) for case in crashed})
    versions = ", ".join(f"{name.partition(' ')[2]} {one}" for name, one in crashed[0].versions.items())
    return (
        f"It is queries that crash, not the creation: {len(crashed)} of {len(asked)}, by signal {', '.join(signals)}, "
        f"with {versions or 'versions that the server did not tell'}. Among them: "
        f"{', '.join(case.row for case in crashed[:4])}"
    )
