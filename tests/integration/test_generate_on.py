"""Phase 3 with tables that the workers of a cluster make: a Ray cluster of ours, with one worker."""

from __future__ import annotations

from pathlib import Path

import pytest
from started import lakebench, quick_servers

from lakebench.datasets import tpch
from lakebench.outcomes import Outcome
from lakebench.progress import Quiet
from lakebench.results import record_schema, records

pytestmark = pytest.mark.integration

_ONE_WORKER = '[services.ray.properties]\nworkers = "1"\n'


def test_what_a_cluster_makes_is_committed_once_and_answers_as_what_this_machine_makes(tmp_path: Path) -> None:
    quick_servers(tmp_path, _ONE_WORKER)
    asked = ["--profile", "once", "--sf", "0.01", "--engines", "duckdb", "--formats", "iceberg", "--storage", "local"]
    completed = lakebench("run", "phase3", *asked, "--generate-on", "ray", cwd=tmp_path)
    assert completed.returncode == 0, completed.stderr + completed.stdout
    (made,) = (tmp_path / "runs").iterdir()
    assert record_schema.check(made / records.FILE) > 0
    run = records.read(made)
    assert [case.outcome for case in run.cases] == [Outcome.PASS] * 22
    (data,) = run.datasets
    here = tpch.generate(tpch.scale_factor("0.01"), Quiet())
    assert (data.generated_on, data.content_hash) == ("ray_duckdb", here.content_hash)
    assert {one.name: (one.rows, one.files) for one in data.tables} == {
        name: (table.rows, 1) for name, table in here.tables.items()
    }
