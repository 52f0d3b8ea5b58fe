"""Runs for the site: the interop run made by hand, the same again a week later with changes, and one with times."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import fixture_interop

from lakebench.model import Record
from lakebench.outcomes import Outcome
from lakebench.results import records

TIMED = Path(__file__).parents[1] / "fixtures" / "phase3" / "20261129T225346Z-phase3-8a83"
LATER = "20261128-120000-interop"
NEW = "1.6.0"
BROKEN = "interop/create-append/duckdb→trino"
MENDED = "interop/decimal-38/duckdb→polars"


def folders(below: Path) -> list[Path]:
    """The folders of all three runs."""
    first = fixture_interop.write(below)
    return [first, _later(below, records.read(first)), TIMED]


def _later(below: Path, run: records.Run) -> Path:
    """DuckDB is a version newer; one cell that it wrote is broken, one is mended, and Trino did not run."""
    gone = records.Gone("engine", "trino", "no Java here")
    end = replace(run.end, changes={}, gone=(gone,)) if run.end else records.End("complete", 1.0, 1, gone=(gone,))
    header = replace(run.header, run=LATER, started="2026-11-28T12:00:00+00:00")
    engines = [_newer(one) for one in run.engines]
    with records.Writer(below / LATER / records.FILE) as writer:
        for line in (header, *engines, *run.features, *map(_changed, run.cases), end):
            writer.write(line)
    return below / LATER


def _newer(engine: records.EngineFacts) -> records.EngineFacts:
    return replace(engine, versions={"duckdb": NEW}) if engine.engine == "duckdb" else engine


def _changed(case: Record) -> Record:
    versions = {"duckdb": NEW} if case.engine == "duckdb" else dict(case.versions)
    if case.case == BROKEN:
        evidence = {**case.evidence, "verdict": "broken claim"}
        return replace(case, outcome=Outcome.WRONG, reason="all rows: 1 row too few", evidence=evidence)
    if case.case == MENDED:
        return replace(case, outcome=Outcome.PASS, reason="", evidence={**case.evidence, "verdict": "as claimed"})
    return replace(case, versions=versions)
