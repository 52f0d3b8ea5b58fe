"""pg_lake in the matrix without a server; and the base tests, on what ``LAKEBENCH_PG_CONFIG_PG_LAKE`` names."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from started import lakebench

from lakebench.config import ServiceSettings, Settings
from lakebench.engines.pg_lake.engine import PgLakeEngine
from lakebench.outcomes import ExitCode, Outcome
from lakebench.processes.guard import Guard
from lakebench.progress import Quiet
from lakebench.results.records import read
from lakebench.services import Services
from lakebench.testing import OperateTests, ScanTests

NAME = "LAKEBENCH_PG_CONFIG_PG_LAKE"
pytestmark = [pytest.mark.integration, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def lakebench_services() -> Iterator[Services]:
    if NAME not in os.environ:
        pytest.skip(f"no PostgreSQL with pg_lake: name its pg_config with {NAME}")
    folder = os.environ.get(f"{NAME}_EXTENSIONS", "")
    named = ServiceSettings(
        pg_config=Path(os.environ[NAME]), properties={"pgduck.extensions_dir": folder} if folder else {}
    )
    with Guard("pg-lake") as guard:
        services = Services(Settings(services={"pg_lake": named}), guard, Quiet())
        yield services
        services.stop()


class TestPgLake(ScanTests, OperateTests):
    engine, holder, travels = PgLakeEngine, "_connection", False


def test_without_a_server_all_of_it_is_unavailable(tmp_path: Path, lake_up: dict[str, str]) -> None:
    named = ["--writers", "reference,pg_lake", "--readers", "pyiceberg,pg_lake"]
    done = lakebench("run", "interop", "--use-up", "--features", "append", *named, "--json", cwd=tmp_path, **lake_up)
    assert done.returncode == ExitCode.WORSE, done.stderr
    cases = read(tmp_path / json.loads(done.stdout)["folder"]).cases
    outcomes = {case.case.removeprefix("interop/append/"): case.outcome for case in cases}
    assert outcomes == {
        "reference": Outcome.PASS,
        "reference→pyiceberg": Outcome.PASS,
        "reference→pg_lake": Outcome.UNAVAILABLE,
        "pg_lake": Outcome.UNAVAILABLE,
        "pg_lake→pyiceberg": Outcome.UNAVAILABLE,
        "pg_lake→pg_lake": Outcome.UNAVAILABLE,
    }
    (written,) = (case for case in cases if case.case == "interop/append/pg_lake")
    assert "pg_config" in written.reason
    assert "\n" not in written.reason
