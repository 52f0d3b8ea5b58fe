"""Phase 9: what its cases say of the field reports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lakebench.model import Record
from lakebench.outcomes import ReportVerdict
from lakebench.phases.field_reports import of_all, of_ratio, of_times
from lakebench.results.records import FieldReport

_FEW = 3  # writers at once in C28 and C29
_LOCKED = "Conflicting lock is held"
_C29_MS = {"duckdb": 440.0, "ducklake pooled": 280.0}
_C30_SLOWER = (1.05, 1.10)
_Appends = Mapping[tuple[str, str | int | None], Record]
"""Store and number of writers → the appends by DuckDB."""


def judge_field_reports(cases: Sequence[Record]) -> Iterator[FieldReport]:
    """C28, C29 and C30."""
    inserts = [case for case in cases if case.coordinates.test == "insert" and case.engine == "duckdb"]
    about = ((case.coordinates.more, case) for case in inserts)
    appends = {(str(more.get("store")), more.get("writers")): case for more, case in about}
    yield _lock_errors(appends)
    yield _pooled(appends)
    yield _one_writer(appends)


def _concurrency(appends: _Appends, store: str, writers: int) -> Mapping[str, Any]:
    """The evidence of the appends by DuckDB on ``store``, empty where they did not run, or did not pass."""
    record = appends.get((store, writers))
    evidence: Mapping[str, Any] = record.evidence.get("concurrency", {}) if record else {}
    return evidence


def _lock_errors(appends: _Appends) -> FieldReport:
    file, lake = _concurrency(appends, "duckdb-file_kept", _FEW), _concurrency(appends, "ducklake-postgres_kept", _FEW)
    locked = sum(count for text, count in file.get("errors", {}).items() if _LOCKED in text)
    also = sum(count for text, count in lake.get("errors", {}).items() if _LOCKED in text)
    ours = {"duckdb file": f"{locked} lock errors", "ducklake": f"{also} lock errors"} if file and lake else {}
    verdict = ReportVerdict.REPRODUCED if locked and not also else ReportVerdict.NOT_REPRODUCED
    return FieldReport(
        report="C28",
        statement=f'Several processes on one DuckDB file: "{_LOCKED}"; on DuckLake with a PostgreSQL catalog: no lock '
        "error",
        theirs={"duckdb file": _LOCKED, "ducklake": "no lock error"},
        ours=ours,
        verdict=verdict if ours else ReportVerdict.COULD_NOT_RUN,
    )


def _pooled(appends: _Appends) -> FieldReport:
    """C29 by the time for each row that was written, as not all shapes write all rows in the time they have."""
    stores = ("duckdb-file_task", "ducklake-postgres_kept", "ducklake-postgres_task")
    each = {one: _per_row(_concurrency(appends, one, _FEW)) for one in stores}
    ours = {one: f"{value:.0f} ms a row" for one, value in each.items() if value is not None}
    file, kept = each[stores[0]], each[stores[1]]
    verdict = ReportVerdict.COULD_NOT_RUN
    if file is not None and kept is not None:
        verdict = of_times(_C29_MS, dict(zip(_C29_MS, (file, kept), strict=True)))
    return FieldReport(
        report="C29",
        statement="100 rows by 3 workers: DuckDB without pooling 44 s (440 ms an operation), DuckLake pooled 28 s "
        "(280 ms): 37 % faster",
        theirs={name: f"{ms:g} ms an operation" for name, ms in _C29_MS.items()},
        ours=ours,
        verdict=verdict,
        detail="Ours is the wall time of all writers by the rows that they wrote. The report compares two shapes: "
        "DuckDB opens its file for each row, DuckLake keeps its connection.",
    )


def _per_row(concurrency: Mapping[str, Any]) -> float | None:
    return 1000 / concurrency["operations_per_s"] if concurrency.get("operations_per_s") else None


def _one_writer(appends: _Appends) -> FieldReport:
    """C30 in both shapes: a connection a task, and a kept one."""
    pairs = {
        "a connection a task": ("duckdb-file_task", "ducklake-postgres_task"),
        "a kept one": ("duckdb-file_kept", "ducklake-postgres_kept"),
    }
    ratios: dict[str, float] = {}
    far: dict[str, str] = {}
    for shape, (file, lake) in pairs.items():
        theirs = _concurrency(appends, file, 1).get("median_ms")
        for store, writers in appends:
            ours = _concurrency(appends, store, 1).get("median_ms") if writers == 1 else None
            if not (ours and theirs and store.startswith(lake)):
                continue
            if store == lake:
                ratios[shape] = ours / theirs
            elif store.startswith(f"{lake}_catalog_"):
                away = store.removeprefix(f"{lake}_catalog_").replace("_", " ")
                far[f"{shape}, catalog {away}"] = f"{ours / theirs:.2f} times, {ours:.0f} ms a commit"
    return FieldReport(
        report="C30",
        statement="One worker: DuckLake is 5 to 10 % slower than DuckDB",
        theirs={"one worker": "5 to 10 % slower"},
        ours={shape: f"{ratio:.2f} times" for shape, ratio in ratios.items()} | far,
        verdict=of_all(of_ratio(_C30_SLOWER, one) for one in ratios.values()),
        detail="In both shapes: a verdict holds where it holds in each." if ratios else "",
    )
