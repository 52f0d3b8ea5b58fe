"""Field report C27: which lake for whom, line by line, with the cases that support or contradict the recommendation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lakebench.outcomes import ReportVerdict
from lakebench.phases.case_choice import CaseQuestion, CasesOfRuns, asked, cases_of
from lakebench.phases.lake_criteria import PHASE
from lakebench.results.records import FieldReport

REPORT = "C27"
_SPARK_AND_TRINO = ("spark", "trino")


@dataclass(frozen=True)
class Recommendation:
    """A line of the report: a ``scenario``, what they recommend for it, and what that has to be good for."""

    scenario: str
    theirs: str
    asked: tuple[CaseQuestion, ...]

    @property
    def supported(self) -> int:
        """The number of cases that passed."""
        return sum(len(one.passed) for one in self.asked)

    @property
    def contradicted(self) -> int:
        """The number of cases that failed."""
        return sum(len(one.failed) for one in self.asked)

    @property
    def ours(self) -> str:
        """What the cases say."""
        if not self.supported and not self.contradicted:
            return "no evidence"
        return f"cases that support it: {self.supported}, that contradict it: {self.contradicted}"

    @property
    def agrees(self) -> bool | None:
        """Whether all cases support it; ``None`` where something that it has to be good for was not asked."""
        if self.contradicted:
            return False
        return True if all(one.ran for one in self.asked) else None


_CITUS_ASKS_PG_LAKE = {"local": "citus", "remote": "pg_lake"}
RECOMMENDATIONS = (
    Recommendation(
        "PostgreSQL-centred, small to medium",
        "pg_lake + Iceberg",
        (
            asked(
                "transactions",
                cases_of(PHASE, check="acid", catalog="pg_lake"),
                cases_of(PHASE, check=("transaction", "death")),
            ),
            asked(
                "statements, schema evolution",
                cases_of(PHASE, check="evolution", catalog="pg_lake"),
                cases_of(PHASE, check="told", engine="pg_lake"),
            ),
            asked(
                "answers as those of a heap table",
                cases_of(PHASE, check=("type", "expression", "statement", "layout"), engine="pg_lake"),
            ),
            asked("files and memory", cases_of(PHASE, check=("objects", "memory"), engine="pg_lake")),
            asked(
                "other engines read it",
                cases_of(PHASE, writer="pg_lake", reader="*"),
                cases_of("interop", writer="pg_lake", reader="*"),
            ),
            asked(
                "it reads what others wrote",
                cases_of(PHASE, writer="*", reader="pg_lake"),
                cases_of("interop", writer="*", reader="pg_lake"),
            ),
        ),
    ),
    Recommendation(
        "heavy Spark and Trino",
        "Iceberg + Nessie + Spark/Trino",
        (
            asked("right answers", cases_of("phase4", engine=_SPARK_AND_TRINO)),
            asked("each reads what others wrote", cases_of("phase4", check="append", reader=_SPARK_AND_TRINO)),
            asked("branches and tags", cases_of("phase4", check="reference", reader=_SPARK_AND_TRINO)),
            asked("several writers at once", cases_of("phase9", catalog="nessie", engines=_SPARK_AND_TRINO)),
            asked(
                "features of Iceberg",
                cases_of("interop", catalog="nessie", writer=_SPARK_AND_TRINO, participants=_SPARK_AND_TRINO),
            ),
        ),
    ),
    Recommendation(
        "simple analytics, under 1 TB, one engine",
        "DuckDB + PostgreSQL catalog",
        (
            asked("features of DuckLake", cases_of("phase1", engine="duckdb", catalog="postgres", feature="*")),
            asked("right answers of TPC-H", cases_of("phase3", engine="duckdb", format="ducklake", query="*")),
            asked("several writers at once", cases_of("phase9", catalog="postgres", format="ducklake")),
            asked("transactions", cases_of(PHASE, check="acid", catalog="postgres")),
        ),
    ),
    Recommendation(
        "distributed DuckDB",
        "Ray + DuckDB, or Daft",
        (
            asked(
                "Daft's answers of TPC-H, on one machine",
                cases_of("phase4", engine="daft"),
                cases_of("phase3", engine="daft"),
            ),
            asked("Daft reads what others wrote", cases_of("phase4", check="append", reader="daft")),
            asked("Ray + DuckDB or Daft on several machines"),
        ),
    ),
    Recommendation(
        "existing Citus warehouse",
        "Citus + pg_lake + postgres_fdw",
        (
            asked(
                "answers, pushed down or not",
                cases_of("phase8", check=("pushdown", "filter", "answer", "prepared"), **_CITUS_ASKS_PG_LAKE),
            ),
            asked("values that are special", cases_of("phase8", check=("special", "collation"), **_CITUS_ASKS_PG_LAKE)),
            asked("writes", cases_of("phase8", check=("write", "latency"), **_CITUS_ASKS_PG_LAKE)),
            asked("the other end dies", cases_of("phase8", check="death", **_CITUS_ASKS_PG_LAKE)),
            asked(
                "their last picture: a row written through Citus, read by other engines",
                cases_of("phase8", check="scenario", **_CITUS_ASKS_PG_LAKE),
            ),
        ),
    ),
    Recommendation(
        "DuckDB only",
        "DuckLake alone",
        (
            asked(
                "features, without a server",
                cases_of("phase1", engine="duckdb", catalog=("duckdb", "sqlite"), feature="*"),
            ),
            asked("several writers at once", cases_of("phase9", format="ducklake", catalog=("duckdb", "sqlite"))),
        ),
    ),
)


def recommended(runs: CasesOfRuns) -> tuple[Recommendation, ...]:
    """Each line with the cases of ``runs``; none where no case that ran bears on one."""
    lines = tuple(replace(one, asked=tuple(each.of(runs) for each in one.asked)) for one in RECOMMENDATIONS)
    return lines if any(one.supported or one.contradicted for one in lines) else ()


def judged(lines: Sequence[Recommendation]) -> Iterator[FieldReport]:
    """C27, where there are ``lines``."""
    if not lines:
        return
    open_ = [one.scenario for one in lines if one.agrees is None]
    against = [one.scenario for one in lines if one.agrees is False]
    yield FieldReport(
        report=REPORT,
        statement="The recommendation for each of six scenarios",
        theirs={one.scenario: one.theirs for one in lines},
        ours={one.scenario: one.ours for one in lines},
        verdict=_verdict(lines),
        detail=f"In part or not asked: {', '.join(open_) or 'none'}. With cases against it: "
        f"{', '.join(against) or 'none'}",
    )


def _verdict(lines: Sequence[Recommendation]) -> ReportVerdict:
    """As they say where all cases support each line; its direction where more support than contradict it."""
    if any(one.contradicted > one.supported for one in lines):
        return ReportVerdict.NOT_REPRODUCED
    if any(not each.ran for one in lines for each in one.asked):
        return ReportVerdict.COULD_NOT_RUN
    return ReportVerdict.DIRECTION_ONLY if any(one.contradicted for one in lines) else ReportVerdict.REPRODUCED
