from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pytest

from lakebench.datasets.rules import Rules
from lakebench.errors import WrongAnswer
from lakebench.execution import measurement
from lakebench.execution.cases import Case
from lakebench.execution.measurement import MeasuredEngine, Measurement, schedule
from lakebench.execution.protocol import PROFILES, Meter, Protocol
from lakebench.model import Catalog, CatalogKind, Coordinates, EngineRef, Lake

LAKE = Lake("lake", None, Catalog(CatalogKind.REST, "http://127.0.0.1:9", "warehouse"))


def test_the_first_round_is_one_execution_that_verifies() -> None:
    for profile in PROFILES.values():
        assert len(schedule(profile.protocol)[0]) == 1


def test_standard_is_one_cold_one_warm_up_and_ten_samples_in_blocks_of_five() -> None:
    assert schedule(PROFILES["standard"].protocol) == [["cold"], ["warm-up", *["warm"] * 5], ["warm"] * 5]


def test_quick_is_one_warm_up_and_five_samples() -> None:
    assert schedule(PROFILES["quick"].protocol) == [["warm-up"], ["warm"] * 5]


def test_once_is_one_sample() -> None:
    assert schedule(PROFILES["standard"].protocol.once()) == [["warm"]]


def test_an_odd_number_of_samples_is_all_taken() -> None:
    rounds = schedule(Protocol(cold=2, warm_ups=2, samples=7, block=5, limit_s=1))
    kinds = [kind for one in rounds for kind in one]
    assert (kinds.count("cold"), kinds.count("warm-up"), kinds.count("warm")) == (2, 2, 7)


def test_the_time_of_a_server_that_lost_a_process_is_not_known() -> None:
    """Its own time goes with the process, and a difference would be too small, or below 0."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        meter = Meter(os.getpid(), [other.pid])
        meter.start()
        cpu_ns = meter.stop(1)[0]
        assert cpu_ns is not None
        assert cpu_ns > 0
        other.kill()
        other.wait()
        assert meter.stop(1)[0] is None


@pytest.mark.parametrize(
    ("before", "after", "requests"),
    [
        ({}, {"GetObject": 3}, {"GetObject": 3}),
        ({"GetObject": 3, "HeadObject": 1}, {"GetObject": 5, "HeadObject": 1}, {"GetObject": 2}),
        ({"GetObject": 3}, {"GetObject": 1, "HeadObject": 4}, {}),
        ({"GetObject": 3}, {}, {}),
    ],
)
def test_requests_of_a_store_that_was_started_anew_are_not_known(
    before: dict[str, int], after: dict[str, int], requests: dict[str, int]
) -> None:
    assert measurement._requests(before, after) == requests


def _vote_of(name: str) -> str:
    case = SimpleNamespace(engine=EngineRef(name))
    return measurement._family(SimpleNamespace(entry=SimpleNamespace(case=case)))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["duckdb", "iceberg_scan", "pyiceberg", "ray_duckdb", "smallpond", "pg_duckdb"])
def test_all_that_duckdb_computes_is_one_vote(name: str) -> None:
    assert _vote_of(name) == "duckdb"


def test_engines_that_compute_by_themselves_have_a_vote_each() -> None:
    names = ("daft", "daft-ray", "polars", "datafusion", "trino", "spark")
    assert [_vote_of(one) for one in names] == ["daft", "daft", "polars", "datafusion", "trino", "pyspark"]


class _Answering:
    """What a check asks of a run: an engine that answers with ``n``, and a checker in this process."""

    def __init__(self, folder: Path, n: int) -> None:
        self.folder, self.n = folder, n
        self.client = self.checker = self.files = self

    def new(self, _: str) -> Path:
        return self.folder / "answer"

    def call(self, first: Any, *rest: Any, **arguments: Any) -> Any:
        if callable(first):
            return first(*rest)
        assert rest[1:] == ("query",)
        assert arguments["sql"] == "SELECT 1 AS n"
        return _write(Path(arguments["into"]), self.n)


def _write(path: Path, n: int) -> None:
    with pa.ipc.new_stream(path, pa.schema([("n", pa.int64())])) as writer:
        writer.write_table(pa.table({"n": pa.array([n], pa.int64())}))


def _asked_once(folder: Path, n: int) -> dict[str, Any]:
    _write(folder / "reference", 1)
    case = Case("q/duckdb", "phase5", "", EngineRef("duckdb"), "", "", "", Coordinates())
    entry = MeasuredEngine(case, lambda _: LAKE, "SELECT 1 AS n")
    measured = Measurement("q", (entry,), Protocol(0, 0, 1, 1, 1), {"hand": folder / "reference"}, Rules(), "exact")
    (check,) = measurement.asked_once(measured)
    assert check.cases == (case,)
    return dict(check.test(_Answering(folder, n)))  # type: ignore[arg-type]


def test_an_engine_that_is_asked_once_is_held_against_the_references(tmp_path: Path) -> None:
    evidence = _asked_once(tmp_path, 1)
    assert evidence["checked_against"] == ["hand"]
    assert (evidence["sql"], evidence["tolerance"]) == ("SELECT 1 AS n", "exact")


def test_an_engine_that_is_asked_once_and_is_wrong_has_the_query_in_its_details(tmp_path: Path) -> None:
    with pytest.raises(WrongAnswer) as error:
        _asked_once(tmp_path, 2)
    assert error.value.details["sql"] == "SELECT 1 AS n"
    assert error.value.details["diff"]
