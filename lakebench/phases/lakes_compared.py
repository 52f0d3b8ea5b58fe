"""Field report C16: DuckLake, Iceberg + Nessie, pg_lake, and Iceberg with a JDBC catalog, criterion by criterion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lakebench.outcomes import ReportVerdict
from lakebench.phases.case_choice import CasesOfRuns, Grade
from lakebench.phases.lake_cells import SEVERAL, FilledCell
from lakebench.phases.lake_criteria import CRITERIA, DUCKLAKE, ENGINES, FULL_ACID, LAKES, PG_LAKE, POSTGRES, THEIRS
from lakebench.results.records import FieldReport

REPORT = "C16"
ALL_FOUR = "all four of PostgreSQL as catalog, full ACID, Iceberg, several engines"
FilledCells = Mapping[str, Mapping[str, FilledCell]]
"""Criterion → lake → what the cases say."""


def compared(runs: CasesOfRuns) -> FilledCells:
    """Each cell by the cases of ``runs``; nothing where none that ran bears on a cell."""
    answers = {
        criterion: {lake: cell.answer(runs) for lake, cell in row.items()} for criterion, row in CRITERIA.items()
    }
    if not any(one.known for row in answers.values() for one in row.values()):
        return {}
    return {**answers, ALL_FOUR: {lake: _all_four(answers, lake) for lake in LAKES}}


def judged(answers: FilledCells) -> Iterator[FieldReport]:
    """C16, where there are ``answers``."""
    if not answers:
        return
    every = [(criterion, lake, row[lake]) for criterion, row in answers.items() for lake in THEIRS]
    differ = [f"{lake}, {criterion}: {one.ours}" for criterion, lake, one in every if one.agrees is False]
    open_ = sum(one.agrees is None for _, _, one in every)
    yield FieldReport(
        report=REPORT,
        statement="The comparison of DuckLake, Iceberg with Nessie, and pg_lake by criterion: PostgreSQL as catalog, "
        "pg_duckdb, Trino, Spark, DuckDB, full ACID, schema evolution, external services, ecosystem standard",
        theirs={lake: "; ".join(f"{name} {row[lake].theirs}" for name, row in answers.items()) for lake in THEIRS},
        ours={lake: _counted([row[lake] for row in answers.values()]) for lake in THEIRS},
        verdict=ReportVerdict.NOT_REPRODUCED
        if differ
        else ReportVerdict.COULD_NOT_RUN
        if open_
        else ReportVerdict.REPRODUCED,
        detail=f"{open_} of {len(every)} cells are open. Not as theirs: {'; '.join(differ) or 'none'}",
    )


def _counted(answers: Sequence[FilledCell]) -> str:
    same, other = (sum(one.agrees is each for one in answers) for each in (True, False))
    return f"{same} as theirs, {other} not, {len(answers) - same - other} open"


def _all_four(answers: FilledCells, lake: str) -> FilledCell:
    """Whether ``lake`` has all four, which by the report pg_lake alone has."""
    has = _four(answers, lake)
    missing = [name for name, one in has.items() if one is False]
    unknown = [name for name, one in has.items() if one is None]
    theirs = "" if lake not in THEIRS else "all four" if lake == PG_LAKE else "not all four"
    if unknown and not missing:
        return FilledCell(theirs, f"open: {', '.join(unknown)}", None)
    ours = f"without {', '.join(missing)}" if missing else "all four"
    return FilledCell(theirs, ours, (not missing) is (lake == PG_LAKE) if theirs else None)


def _four(answers: FilledCells, lake: str) -> dict[str, bool | None]:
    """Each of the four; ``None`` where it is open."""
    of_engines = [_passes(answers[name][lake]) for name in ENGINES]
    several = None if None in of_engines else False
    return {
        POSTGRES: _passes(answers[POSTGRES][lake]),
        FULL_ACID: _passes(answers[FULL_ACID][lake]),
        "Iceberg": lake != DUCKLAKE,
        "several engines": True if of_engines.count(True) >= SEVERAL else several,
    }


def _passes(answer: FilledCell) -> bool | None:
    """Whether all that was asked passed; ``None`` where that is open."""
    if answer.ours == Grade.PASSES:
        return True
    failed = any(one.grade in {Grade.LIMITED, Grade.FAILS} for one in answer.asked)
    return False if failed or (answer.known and all(one.ran for one in answer.asked)) else None
