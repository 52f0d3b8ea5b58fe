"""Each local catalog: a table is made, written and read through it, and it leaves nothing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pyarrow as pa
import pytest
from started import QUICK

from lakebench.engines.duckdb.engine import DuckDB
from lakebench.engines.inprocess import pyiceberg_catalog
from lakebench.engines.polars.engine import Polars
from lakebench.iceberg.catalogs import table_metadata
from lakebench.model import EngineSettings
from lakebench.processes.guard import Guard
from lakebench.progress import Quiet
from lakebench.services import SERVICES, Services
from lakebench.services.lakes import CATALOGS
from lakebench.services.private import PrivateService

pytestmark = pytest.mark.integration

LOCAL = ("seaweedfs", "hive", "glue")
"""The choices that a table is made in."""
PRIVATE = [name for name, one in SERVICES.items() if issubclass(one, PrivateService)]
ROWS = pa.table({"a": [1, 2, 3]})


@pytest.fixture(scope="module")
def running() -> Iterator[Services]:
    """All of them; nothing of them is there after the tests."""
    with Guard("catalogs") as guard:
        services = Services(QUICK, guard, Quiet())
        services.start(
            list(dict.fromkeys([*(name for choice in LOCAL for name in CATALOGS[choice].services), *PRIVATE]))
        )
        assert services.failures() == {}
        pids = [pid for name in services.names() for pid in services.processes(name)]
        yield services
        services.stop()
        assert not any(psutil.pid_exists(pid) for pid in pids)
        assert not [one for one in Path("/tmp").glob("*.sock") if _ports(services) & set(one.stem.split("-"))]  # noqa: S108 - where they are made


def _ports(services: Services) -> set[str]:
    return {str(port) for name in services.names() for port in services._running[name].service._ports.values()}


@pytest.mark.parametrize("choice", LOCAL)
def test_a_table_is_written_and_read_through_the_catalog(running: Services, choice: str, tmp_path: Path) -> None:
    lake, observed = CATALOGS[choice].lake(running), CATALOGS[choice].observer(running)
    catalog = pyiceberg_catalog(lake)
    catalog.create_namespace_if_not_exists(lake.namespace)
    catalog.create_table(f"{lake.namespace}.t", ROWS.schema).append(ROWS)
    assert catalog.load_table(f"{lake.namespace}.t").scan().count() == ROWS.num_rows
    assert table_metadata(observed.catalog, lake.namespace, "t")["metadata"]["current-snapshot-id"] > 0
    duckdb = DuckDB(EngineSettings(2, 2**30, str(tmp_path)))
    duckdb.open(observed)
    assert [batch.to_pylist() for batch in duckdb.query("SELECT sum(a) AS n FROM t")] == [[{"n": 6}]]
    duckdb.close()


def test_polars_reads_and_writes_by_the_keys_that_the_catalog_vends(running: Services, tmp_path: Path) -> None:
    lake = CATALOGS["seaweedfs"].lake(running)
    assert not lake.objects.access_key
    polars = Polars(EngineSettings(2, 2**30, str(tmp_path)))
    polars.open(lake)
    catalog = pyiceberg_catalog(lake)
    catalog.create_namespace_if_not_exists(lake.namespace)
    catalog.create_table(f"{lake.namespace}.vended", ROWS.schema)
    polars.append("vended", ROWS)
    assert [batch.to_pylist() for batch in polars.query("SELECT sum(a) AS n FROM vended")] == [[{"n": 6}]]
    polars.close()


# Ends at once where the connection is closed, and waits for a byte where it is let in.
CONNECT = 'exec 3<>"/dev/tcp/127.0.0.1/$0"; printf x >&3; head -c 1 <&3'


@pytest.mark.parametrize("name", PRIVATE)
def test_a_server_without_authentication_lets_in_its_own_account_alone(running: Services, name: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root becomes another account")
    command = ["/bin/bash", "-c", CONNECT, str(running.endpoint(name).port)]
    with pytest.raises(subprocess.TimeoutExpired):
        subprocess.run(command, capture_output=True, check=False, timeout=0.5)
    other = subprocess.run(command, user="nobody", group="nogroup", capture_output=True, check=False, timeout=5)
    assert other.stdout == b""
    assert b"Connection refused" not in other.stderr


def test_a_server_without_authentication_reaches_and_opens_nothing_else(running: Services) -> None:
    for name in PRIVATE:
        service = running._running[name].service
        assert isinstance(service, PrivateService)
        offered = {service._ports[one] for one in service.offered}
        listening = {
            one.laddr.port
            for pid in running.processes(name)
            for one in psutil.Process(pid).net_connections("tcp")
            if one.status == psutil.CONN_LISTEN
        }
        assert listening == offered
