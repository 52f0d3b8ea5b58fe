"""What a run covers is what it plans: each phase's own plan against its ``covers``, whole and narrowed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from run_requests import request

from lakebench import engines, phases
from lakebench.config import Settings
from lakebench.execution.context import run_context
from lakebench.execution.protocol import PROFILES
from lakebench.execution.request import Scope
from lakebench.model import Coordinates, Selection
from lakebench.phases.distributed import phase as distributed
from lakebench.phases.jdbc import phase as jdbc
from lakebench.phases.nessie import phase as nessie
from lakebench.phases.query_workloads import base
from lakebench.processes.guard import Guard
from lakebench.progress import Quiet
from lakebench.results import baseline
from lakebench.services import Services

pytestmark = pytest.mark.integration

FEW = ("duckdb", "spark", "trino")
Chosen = dict[str, Any]
NARROWER: list[tuple[str, tuple[str, ...], Chosen, str]] = [
    ("phase1", FEW, {}, "quick"),
    ("phase1", (), {"features": ("merge*", "sorted")}, "quick"),
    ("phase2", ("spark",), {}, "quick"),
    ("phase3", FEW, {}, "quick"),
    ("phase3", (), {"formats": ("iceberg",)}, "quick"),
    ("phase3", (), {"tests": ("power",)}, "quick"),
    ("phase4", FEW, {}, "quick"),
    ("phase4", ("spark-jdbc", "iceberg_scan"), {}, "quick"),
    ("phase5", FEW, {}, "quick"),
    ("phase5", ("duckdb", "ray_duckdb", "smallpond"), {}, "quick"),
    ("phase6", ("duckdb", "vortex"), {}, "quick"),
    ("phase7", ("postgres",), {}, "quick"),
    ("phase45", ("pg_lake",), {}, "quick"),
    ("phase45", ("duckdb", "pg_lake"), {"options": {"phase45": {"lakes": ("ducklake",)}}}, "quick"),
    ("phase8", ("postgres",), {}, "quick"),
    ("phase9", FEW, {}, "quick"),
    ("phase9", ("duckdb",), {}, "standard"),
    ("phase10", ("citus_columnar", "duckdb"), {}, "quick"),
    ("phase11", FEW, {}, "quick"),
    ("phase11", (), {"options": {"phase11": {"catalog": ("nessie",), "checks": ("auth", "races")}}}, "quick"),
    ("phase12", FEW, {}, "quick"),
    ("phase12", (), {"features": ("v3-*", "ducklake"), "writers": ("spark",), "readers": ("polars",)}, "quick"),
    ("interop", FEW, {}, "quick"),
    ("interop", (), {"features": ("append",), "writers": ("spark",), "readers": ("duckdb", "trino")}, "quick"),
    ("clickbench", FEW, {"formats": ("parquet",)}, "quick"),
]
WIDEST: dict[str, Chosen] = {"phase45": {"options": {"phase45": {"lakes": ("ducklake", "nessie", "pg_lake", "jdbc")}}}}
"""Options with which a phase plans all that it can, for what ships."""
OPTIONAL = {
    "interop": ("clickhouse", "flink"),
    "phase3": ("clickhouse",),
    "phase12": ("clickhouse",),
}
"""Engines that run only if named, and have outcomes that ship."""


@pytest.fixture(scope="module")
def guard() -> Iterator[Guard]:
    with Guard("plans") as guard:
        yield guard


@pytest.fixture(autouse=True)
def nothing_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Which tables a run could not load is not to be planned: no service runs here."""
    for module in (nessie, base, jdbc, distributed):
        monkeypatch.setattr(module, "not_loaded", lambda *_: ())
    monkeypatch.setattr(nessie, "_tpch", lambda _: None)
    for phase in (base.Queries, jdbc.Jdbc):
        monkeypatch.setattr(phase, "_loaded", lambda *_: None)


def _planned(guard: Guard, scope: Scope, phase: str) -> dict[str, Coordinates]:
    """The ids of the cases, and what they are about."""
    (guard.folder / "results").rmdir() if (guard.folder / "results").exists() else None
    profile = replace(PROFILES[scope.profile], scale_factor=PROFILES["quick"].scale_factor)
    if phase == "clickbench":
        profile = PROFILES["quick"]
    services = Services(Settings(), guard, Quiet())
    asked = request(*scope.refs, writer="pyiceberg", profile=profile, selection=scope.selection)
    with run_context(asked, guard, services, Quiet()) as context:
        return {case.id: case.coordinates for block in phases.find(phase).plan(context) for case in block.cases}


def _scope(phase: str, names: tuple[str, ...], chosen: Chosen, profile: str) -> Scope:
    selection = Selection(**chosen)
    asked = names or phases.find(phase).engines(selection)
    return Scope(tuple(map(engines.parse, asked)), selection, profile, named=bool(names))


@pytest.mark.parametrize(("phase", "names", "chosen", "profile"), NARROWER)
def test_a_run_misses_what_it_plans_and_nothing_else(
    guard: Guard, phase: str, names: tuple[str, ...], chosen: Chosen, profile: str
) -> None:
    wide = _scope(phase, (), {}, "standard" if phase != "clickbench" else "quick")
    narrow = _scope(phase, names, chosen, profile)
    every, some = _planned(guard, wide, phase), _planned(guard, narrow, phase)
    assert every
    assert some
    assert {case for case, about in every.items() if phases.covers([phase], wide)(phase, about)} == set(every)
    covered = {case for case, about in (every | some).items() if phases.covers([phase], narrow)(phase, about)}
    assert covered == set(some)


def _with_optional(phase: str, scope: Scope) -> Scope:
    refs = (*scope.refs, *map(engines.parse, OPTIONAL.get(phase, ())))
    if phase != "interop":
        return replace(scope, refs=refs)
    parts = {
        key: tuple(str(ref) for ref in refs if issubclass(engines.find(ref.name), ability))
        for key, ability in (("writers", engines.CanOperate), ("readers", engines.CanScan))
    }
    return replace(scope, refs=refs, selection=replace(scope.selection, **parts))


@pytest.mark.parametrize("phase", sorted({*phases.phases()} - {"workload"}))
def test_what_ships_is_of_cases_that_are_planned(guard: Guard, phase: str) -> None:
    scope = _with_optional(
        phase, _scope(phase, (), WIDEST.get(phase, {}), "quick" if phase == "clickbench" else "standard")
    )
    settings = {"phases": [phase], "engines": [str(ref) for ref in scope.refs]}
    shipped = baseline.load(settings, phases.baselines([phase]).values(), guard.folder / "none")
    planned = _planned(guard, scope, phase)
    assert {case: entry.coordinates for case, entry in shipped.entries.items()}.items() <= planned.items()


def test_each_phase_asks_the_releases_that_the_nightly_names(guard: Guard) -> None:
    script = Path(__file__).parents[2] / "scripts" / "nightly_jobs.py"
    printed = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True).stdout
    jobs = [job for job in json.loads(printed.removeprefix("jobs=")) if job["versions"] == "newest"]
    assert len(jobs) > 5
    for job in jobs:
        names = job["arguments"].split()[-1].replace("@latest", "@99.9").split(",")
        # Elsewhere the command does that; workload asks as clickbench does, of data that a run has.
        chosen = {"writers": names, "readers": names} if job["phase"] == "interop" else {}
        if job["phase"] != "workload":
            planned = _planned(guard, _scope(job["phase"], tuple(names), chosen, "quick"), job["phase"])
            asked = {one for about in planned.values() for one in about.participants}
            assert {name for name in names if "@" in name} <= asked, job["phase"]
