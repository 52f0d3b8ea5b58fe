"""The base tests of lakebench.testing for pg_lake, on the installation that ``LAKEBENCH_PG_CONFIG_PG_LAKE`` names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lakebench.config import ServiceSettings, Settings
from lakebench.engines.pg_lake.engine import PgLake
from lakebench.processes.guard import Guard
from lakebench.progress import Quiet
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
    engine, holder, travels = PgLake, "_connection", False
