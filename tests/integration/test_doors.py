"""Two users on one machine: what ours starts, the other does not read, write or command."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from started import QUICK, lakebench

from lakebench.config import Settings
from lakebench.engines.trino.engine import Trino
from lakebench.errors import Refused
from lakebench.iceberg import catalogs
from lakebench.model import BearerToken, EngineSettings, Lake
from lakebench.processes.guard import Guard
from lakebench.progress import Quiet
from lakebench.services import Services, lakes

pytestmark = pytest.mark.integration

STARTED = ("object-store", "rest-catalog@local", "nessie", "trino", "spark", "postgres")
ROWS = pa.table({"a": pa.array(range(5), pa.int64())})
# What anybody may ask, by service and path: versions and numbers of requests, no rows and no names (docs/services.md).
OPEN = {
    "trino": {"GET /", "GET /?list-type=2", "GET /v1/info", "GET /v1/status", "GET /v1/query"},
    "object-store": {"GET /metrics"},
    "nessie": {"GET /q/health", "GET /q/metrics"},
}
REFUSED = {400, 401, 403, 404, 405, 501}


@dataclass
class Attack:
    """The services, what the other user got, and where the files are that he was after."""

    services: Services
    ports: dict[int, str]
    folders: tuple[Path, ...]
    replies: list[dict[str, Any]]


def listening(services: Services) -> dict[int, str]:
    """Port → service, as the processes have them."""
    ports: dict[int, str] = {}
    for name in STARTED:
        for pid in services.processes(name):
            with contextlib.suppress(psutil.Error):
                for one in psutil.Process(pid).net_connections("tcp"):
                    if one.status == psutil.CONN_LISTEN:
                        assert one.laddr.ip in {"127.0.0.1", "::ffff:127.0.0.1"}
                        ports[one.laddr.port] = name
    return ports


@pytest.fixture(scope="module")
def attack() -> Iterator[Attack]:
    """A lake with a table, looked at by ``nobody``."""
    if os.geteuid() != 0:
        pytest.skip("only root becomes another account")
    run = Path(tempfile.mkdtemp(prefix="doors-"))
    run.chmod(0o755)
    try:
        with Guard("doors") as guard:
            services = Services(QUICK, guard, Quiet(), run / "lake")
            services.start(STARTED)
            assert services.failures() == {}
            make_table(services)
            ports = listening(services)
            folders = (run, guard.folder)
            yield Attack(services, ports, folders, attacked(folders, ports))
            services.stop()
    finally:
        shutil.rmtree(run)


def make_table(services: Services) -> None:
    """The table that the other user is after, on the file system and behind Nessie."""
    from lakebench.engines.pyiceberg.engine import PyIceberg

    for lake in (lakes.storage_lake(services, Settings(), "local"), lakes.nessie_lake(services)):
        engine = PyIceberg(EngineSettings(1, 2**30, tempfile.gettempdir()))
        engine.open(lake)
        engine.create("kept", ROWS.schema)
        engine.append("kept", ROWS)
        engine.close()


def attacked(folders: tuple[Path, ...], ports: dict[int, str]) -> list[dict[str, Any]]:
    script = Path(__file__).parents[1] / "helpers" / "attacker.py"
    command = [sys.executable, str(script), ":".join(map(str, folders)), *map(str, ports)]
    output = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300).stdout
    replies = [json.loads(line) for line in output.splitlines()]
    assert replies.pop() == {"done": True}
    return replies


def test_every_server_was_tried(attack: Attack) -> None:
    assert set(attack.ports.values()) == set(STARTED)
    assert {attack.ports[one["port"]] for one in attack.replies if "port" in one} == set(STARTED)
    texts = " ".join(str(one["said"]) for one in attack.replies if one.get("tried", "").startswith("Spark Connect"))
    assert "UNAUTHENTICATED" in texts
    assert any("password authentication failed" in str(one["said"]) for one in attack.replies)
    assert any("Access Denied" in str(one["said"]) for one in attack.replies)


def test_nobody_else_is_answered(attack: Attack) -> None:
    answered: dict[str, set[str]] = {}
    for one in attack.replies:
        if "port" in one and one["status"] not in {0, *REFUSED}:
            answered.setdefault(attack.ports[one["port"]], set()).add(one["tried"])
    assert answered == OPEN


def test_what_anybody_may_ask_shows_no_statement_and_no_name_of_ours(attack: Attack) -> None:
    queries = [one["said"] for one in attack.replies if one.get("tried") == "GET /v1/query"]
    ours = [one for text in queries if text.startswith("[") for one in json.loads(text)]
    assert [one for one in ours if one["session"]["user"] not in {"nobody", "lakebench", "root", "admin"}] == []


def test_nothing_was_written_and_what_was_there_is_there(attack: Attack) -> None:
    for folder in attack.folders:
        assert [path for path in folder.rglob("*evil*") if "queries" not in path.parts] == []
    for lake in (lakes.storage_lake(attack.services, Settings(), "local"), lakes.nessie_lake(attack.services)):
        response = catalogs.table_metadata(lake.catalog, lake.namespace, "kept")
        assert response["metadata"]["current-snapshot-id"] > 0


def test_no_file_of_ours_is_read(attack: Attack) -> None:
    run, guard = map(str, attack.folders)
    read = [(one["file"], one["said"]) for one in attack.replies if "file" in one]
    assert read == [(run, [])], "the run's folder may be seen, and nothing in it; the guard's not even that"
    assert guard not in str(read)


def test_nobody_gets_a_secret(attack: Attack) -> None:
    replies = json.dumps(attack.replies)
    secrets = set(attack.services.secrets())
    assert len(secrets) >= len(STARTED)
    assert [one for one in secrets if one in replies] == []
    for name in STARTED:
        tail = attack.services.log_tail(name, 1_000_000)
        assert [one for one in secrets if one in tail] == []


def trino(services: Services, lake: Lake, folder: Path) -> Trino:
    engine = Trino(EngineSettings(1, 2**30, str(folder), services.endpoint("trino")))
    engine.open(lake)
    return engine


def test_trino_works_where_the_tables_are_and_nowhere_else(attack: Attack, tmp_path: Path) -> None:
    lake = lakes.storage_lake(attack.services, Settings(), "local")
    engine = trino(attack.services, lake, tmp_path)
    pq.write_table(ROWS, tmp_path / "rows.parquet")
    engine.create("mine", ROWS.schema)
    engine.append("mine", ROWS)
    engine.load("mine", [str(tmp_path / "rows.parquet")])
    assert engine._rows("SELECT count(*), sum(a) FROM mine") == [[10, 20]]
    with pytest.raises(Refused, match="outside of the root"):
        engine._rows(f"CREATE TABLE up (a bigint) WITH (location = 'file:///../../../{tmp_path}/out')")
    engine._rows(f"CREATE TABLE out (a bigint) WITH (location = 'file://{tmp_path}/out')")
    engine._rows("INSERT INTO out VALUES 1")
    assert list((tmp_path / "out").rglob("*.parquet")) == [], "what Trino writes there lies in a folder of its own"
    engine.drop("mine")
    engine.close()


def test_trino_reads_through_nessies_token(attack: Attack, tmp_path: Path) -> None:
    engine = trino(attack.services, lakes.nessie_lake(attack.services), tmp_path)
    assert engine._rows("SELECT count(*) FROM kept") == [[5]]
    engine.close()


@pytest.mark.parametrize("token", ["", "guessed", "a.b.c"])
def test_nessie_refuses_another_token(attack: Attack, token: str) -> None:
    nessie = lakes.nessie_lake(attack.services).catalog
    with pytest.raises(Refused, match="401"):
        catalogs.table_metadata(replace(nessie, authentication=BearerToken(token)), "lakebench", "kept")


def test_an_address_with_a_secret_stays_out_of_records_and_messages(tmp_path: Path) -> None:
    secret = "a-secret-of-the-address"  # noqa: S105 - what must not be told
    service = '[services.{}]\nruntime = "external"\nuri = "http://127.0.0.1:1/{}"\npassword = "{}"\n'
    settings = "".join(service.format(name, secret, secret) for name in ("rest-catalog", "object-store"))
    (tmp_path / "lakebench.toml").write_text(settings)
    done = lakebench("run", "interop", "--engines", "reference", "--features", "v2-*", cwd=tmp_path)
    assert done.returncode == 3
    assert "does not answer" in done.stdout + done.stderr
    assert secret not in done.stdout + done.stderr
    written = [one for one in (tmp_path / "runs").rglob("*") if one.is_file()]
    assert len(written) >= 2
    assert [one for one in written if secret in one.read_text("utf-8", "replace")] == []


def test_a_strangers_pg_config_is_not_run(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root makes a file somebody else's")
    program, mark = tmp_path / "pg_config", tmp_path / "was-run"
    program.write_text(f"#!/bin/sh\ntouch {mark}\necho /usr/bin\n")
    program.chmod(0o755)
    settings = tmp_path / "lakebench.toml"
    settings.write_text(f'pg_config = "{program}"\n')
    assert up_postgres(tmp_path).returncode == 3, "there is no PostgreSQL where it says"
    assert mark.exists(), "of one's own file it is run"
    mark.unlink()
    os.chown(settings, 65534, 65534)
    done = up_postgres(tmp_path)
    assert done.returncode == 2
    assert "somebody else could have written it" in done.stderr
    assert not mark.exists()


def up_postgres(folder: Path) -> subprocess.CompletedProcess[str]:
    return lakebench("up", "postgres", cwd=folder, LAKEBENCH_CACHE=str(folder / "cache"))
