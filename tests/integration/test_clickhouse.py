"""ClickHouse in an environment of its own, over a real catalog: it writes, and what it wrote is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from started import lakebench

from lakebench.outcomes import Outcome
from lakebench.results import records

pytestmark = pytest.mark.integration

FEATURES = "position-deletes,time-travel,metadata-files,type-time"
KNOWN = {"interop/type-time/pyiceberg→clickhouse": Outcome.WRONG}  # docs/findings/clickhouse-time-seconds.md


def test_it_writes_and_reads_iceberg_tables(tmp_path: Path, lake_up: dict[str, str]) -> None:
    options = ("--features", FEATURES, "--writers", "pyiceberg,clickhouse", "--readers", "clickhouse,duckdb")
    lakebench("run", "interop", "--use-up", *options, "--output", "runs", cwd=tmp_path, **lake_up)
    (run,) = (tmp_path / "runs").iterdir()
    outcomes = {one.case: one.outcome for one in records.read(run).cases}
    ran = {case: outcome for case, outcome in outcomes.items() if outcome is not Outcome.UNAVAILABLE}
    assert {case: ran[case] for case in KNOWN} == KNOWN
    assert ran["interop/position-deletes/clickhouse"] is Outcome.PASS
    assert ran["interop/position-deletes/clickhouse→duckdb"] is Outcome.PASS
    assert ran["interop/time-travel/clickhouse→clickhouse"] is Outcome.PASS
    assert ran["interop/metadata-files/pyiceberg→clickhouse"] is Outcome.PASS
