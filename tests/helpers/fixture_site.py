"""Runs for the site: the interop run made by hand, the same again a week later with changes, and nights with times."""

from __future__ import annotations

from collections.abc import Callable
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
    """The folders of the interop runs and of one with times."""
    first = fixture_interop.write(below)
    return [first, _later(below, records.read(first)), TIMED]


def nights(below: Path) -> list[Path]:
    """The run with times, and four nights: from the second on pg_duckdb is newer and slower; the last is elsewhere."""
    run = records.read(TIMED)
    return [
        TIMED,
        _night(below, run, "20261130", lambda case: case),
        _night(below, run, "20261201", _slower, _upgraded),
        _night(below, run, "20261202", _slower, _upgraded),
        _night(below, run, "20261203", _faster, machine="Another processor"),
    ]


def _night(
    below: Path,
    run: records.Run,
    day: str,
    change: Callable[[Record], Record],
    newer: Callable[[records.EngineFacts], records.EngineFacts] = lambda one: one,
    machine: str = "",
) -> Path:
    name = f"{day}T030000Z-phase3-aaaa"
    facts = {**run.header.machine, **({"cpu_model": machine} if machine else {})}
    started = f"{day[:4]}-{day[4:6]}-{day[6:]}T03:00:00+00:00"
    header = replace(run.header, run=name, started=started, machine=facts)
    with records.Writer(below / name / records.FILE) as writer:
        for line in (header, *run.datasets, *map(newer, run.engines), *map(change, run.cases), run.end):
            if line is not None:
                writer.write(line)
    return below / name


def _upgraded(engine: records.EngineFacts) -> records.EngineFacts:
    return replace(engine, versions={**engine.versions, "pg_duckdb": NEW}) if engine.engine == "pg_duckdb" else engine


def _slower(case: Record) -> Record:
    return _times(replace(case, versions={**case.versions, "pg_duckdb": NEW}), 1.5)


def _faster(case: Record) -> Record:
    return _times(case, 0.1)


def _times(case: Record, factor: float) -> Record:
    return replace(case, samples=tuple(replace(one, ns=round(one.ns * factor)) for one in case.samples))


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
