"""Services in containers of a real Docker engine: what starts, what fails, and what is left of it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker_engine import DockerEngine, another_architecture, instead
from started import QUICK_JAVA, eventually, quick_servers

from lakebench.config import ServiceSettings, Settings
from lakebench.engines.postgresql import connect, login
from lakebench.errors import ServiceUnavailable
from lakebench.model import Runtime
from lakebench.outcomes import ExitCode
from lakebench.processes.guard import Guard
from lakebench.progress import Quiet
from lakebench.services import Services

pytestmark = pytest.mark.docker

PHASE4 = ("run", "phase4", "--profile", "quick", "--repeat", "1", "--runtime", "compose", "--output", "runs")
_START_S = 300.0
PATIENT = """
import runpy
from lakebench.services import SERVICES
for one in SERVICES.values():
    one.start_s = 900.0
runpy.run_module("lakebench", run_name="__main__", alter_sys=True)
"""
"""The command, on a machine that is busy with other tests."""
_MEMORY = 768 * 2**20
IN_CONTAINERS = Settings(
    runtime=Runtime.COMPOSE,
    services={
        "object-store": ServiceSettings(java_options=QUICK_JAVA, memory=_MEMORY),
    },
)


class Started(contextlib.AbstractContextManager["Started"]):
    """A command that runs in ``folder``, and what it says; it does not outlive the ``with``."""

    def __init__(self, folder: Path, *argv: str) -> None:
        folder.mkdir(exist_ok=True)
        quick_servers(folder)
        self.folder = folder
        self.said = (folder / "said").open("w+b")
        self.process = subprocess.Popen(
            [sys.executable, "-c", PATIENT, *argv], cwd=folder, stdout=self.said, stderr=subprocess.STDOUT
        )

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(120)
        self.said.close()

    def end(self, within_s: float = 900) -> tuple[int, str]:
        """Its exit code and its output."""
        code = self.process.wait(within_s)
        self.said.seek(0)
        return code, self.said.read().decode()

    def cases(self) -> list[dict[str, object]]:
        """What its records have of cases so far."""
        lines = [line for file in self.folder.glob("runs/*/records.jsonl") for line in file.read_text().splitlines()]
        return [one for line in lines if (one := json.loads(line))["kind"] == "case"]


@pytest.fixture
def services(engine: DockerEngine) -> Iterator[Services]:
    with Guard("docker") as guard:
        made = Services(IN_CONTAINERS, guard, Quiet())
        yield made
        made.stop()
    assert engine.left() == []


def test_servers_start_log_restart_and_keep_to_their_limits(services: Services, engine: DockerEngine) -> None:
    services.start(["object-store", "postgres"])
    assert services.failures() == {}
    limits = engine.docker("inspect", "--format", "{{.HostConfig.Memory}}", *engine.docker("ps", "-q").split())
    assert str(_MEMORY + 512 * 2**20) in limits.split()
    assert "Started" in services.log_tail("object-store", 20_000)
    endpoint = services.endpoint("postgres")
    with connect(login(endpoint)) as session:
        session.execute("create table kept as select 1 as one")
    assert services.restart("postgres") == endpoint
    with connect(login(endpoint)) as session:
        assert session.execute("select one from kept").fetchall() == [(1,)]
    assert services.log("postgres").read_text().count("ready to accept connections") == 2
    os.kill(services.processes("object-store")[0], signal.SIGKILL)
    assert eventually(lambda: services.died("object-store"))
    assert services.exit_code("object-store") == -signal.SIGKILL
    assert not services.out_of_memory("object-store")


def test_an_image_of_another_architecture_is_said(services: Services, engine: DockerEngine) -> None:
    with instead(engine, "trino") as tag:
        another_architecture(engine, tag)
        services.start(["trino"])
        with pytest.raises(ServiceUnavailable, match="exec format error"):
            services.endpoint("trino")


def test_a_server_that_meets_the_limit_of_its_container(engine: DockerEngine) -> None:
    beyond = ServiceSettings(java_options=("-Xms2g", "-Xmx2g", "-XX:+AlwaysPreTouch"), memory=_MEMORY)
    with Guard("docker") as guard:
        made = Services(Settings(runtime=Runtime.COMPOSE, services={"object-store": beyond}), guard, Quiet())
        made.start(["object-store"])
        with pytest.raises(ServiceUnavailable, match=r"memory limit: raise \[services.object-store\] memory"):
            made.endpoint("object-store")
        made.stop()
    assert engine.left() == []


def test_two_runs_of_which_one_lacks_an_image(engine: DockerEngine, tmp_path: Path) -> None:
    with (
        instead(engine, "spark"),
        Started(tmp_path / "whole", *PHASE4, "--engines", "duckdb,trino") as whole,
        Started(tmp_path / "lacks", *PHASE4, "--engines", "duckdb,spark") as lacks,
    ):
        code, said = whole.end()
        assert (code, "PASS" in said) == (ExitCode.OK, True), said
        code, said = lacks.end()
    assert code == ExitCode.WORSE, said
    assert "Spark did not start in a container" in said
    assert "Command '" not in said
    assert "PASS" in {case["outcome"] for case in lacks.cases() if case["engine"] == "duckdb"}
    assert {case["outcome"] for case in lacks.cases() if case["engine"] == "spark"} == {"UNAVAILABLE"}
    assert engine.left() == []


def test_spark_in_a_container_is_as_accepted(engine: DockerEngine, tmp_path: Path) -> None:
    with Started(tmp_path, *PHASE4, "--engines", "spark") as run:
        code, said = run.end()
    assert code == ExitCode.OK, said
    assert "PASS" in {case["outcome"] for case in run.cases() if case["engine"] == "spark"}
    assert engine.left() == []


def test_ctrl_c_takes_the_containers_down(engine: DockerEngine, tmp_path: Path) -> None:
    with Started(tmp_path, *PHASE4, "--engines", "duckdb") as run:
        assert eventually(lambda: engine.docker("ps", "--quiet") != "", _START_S)
        run.process.send_signal(signal.SIGINT)
        code, said = run.end(120)
    assert code == ExitCode.INTERRUPTED, said
    assert engine.left() == []


def test_a_killed_parent_leaves_no_containers(engine: DockerEngine) -> None:
    code = textwrap.dedent("""
        import time
        from lakebench.config import Settings
        from lakebench.processes.guard import Guard
        from lakebench.model import Runtime
        from lakebench.progress import Quiet
        from lakebench.services import Services
        services = Services(Settings(runtime=Runtime.COMPOSE), Guard("composed"), Quiet())
        services.start(["postgres"])
        services.endpoint("postgres")
        print("up", flush=True)
        time.sleep(600)
    """)
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "up\n"
        assert engine.left() != []
        parent.kill()
    assert eventually(lambda: engine.left() == [], 60)


def test_a_docker_engine_that_stops_in_the_middle(engine: DockerEngine, tmp_path: Path) -> None:
    with Started(tmp_path, *PHASE4, "--engines", "duckdb") as run:
        assert eventually(lambda: bool(run.cases()), _START_S)
        engine.stop()
        try:
            code, said = run.end(300)
        finally:
            engine.start()
    assert code == ExitCode.WORSE, said
    assert "no Docker engine answers" in said
    assert "lakebench run --resume" in said
    assert "Command '" not in said
    assert "the end of its log" not in said
