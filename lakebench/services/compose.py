"""Services in containers: ``compose/<name>.yaml``, by the command that testcontainers' ``DockerCompose`` makes.

Containers use the host's network and bind to 127.0.0.1 themselves, so an endpoint means the same inside and outside.
They are no children of ours: a small watcher that holds one end of a pipe takes them down when we close the other end,
or die. What they write is followed into the service's log, which stays where the Docker engine itself ends.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from lakebench.errors import ServiceUnavailable
from lakebench.services.base import Command, Service
from lakebench.services.quoting import compose_variables

FOLDER = Path(__file__).parent.parent / "compose"
_DOWN_S = 60
_ANSWER_S = 20
_LOG_S = 2
# Where the parent died, the reaper ends an `up` that had begun, and its last container may come later. A Docker engine
# that ended keeps its containers: they are taken down once it is there again, within ten minutes.
_WATCH = """
down() { docker compose -p "$0" down --volumes --timeout 2; }
read -r ended
[ "$ended" ] || sleep 2
for _ in $(seq 120); do down && break; sleep 5; done
[ "$ended" ] || { sleep 10; down; }
"""
# Beyond the heap, a server's own threads, code and buffers.
_BESIDE_HEAP = 512 * 2**20


def _docker(*arguments: str) -> tuple[int, str]:
    """Exit code and output, or the last line of the errors, of the user's docker; 127 where there is none."""
    docker = shutil.which("docker")
    if docker is None:
        return 127, "no docker command on PATH"
    try:
        answer = subprocess.run([docker, *arguments], capture_output=True, text=True, check=False, timeout=_ANSWER_S)
    except subprocess.TimeoutExpired:
        return 124, f"nothing within {_ANSWER_S} s"
    errors = answer.stderr.strip().splitlines()
    return answer.returncode, answer.stdout if answer.returncode == 0 else (errors or ["no reason given"])[-1]


class Composed:
    """The containers of one service; see :class:`lakebench.services.base.Containers`."""

    def __init__(self, service: Service, command: Command, ports: Mapping[str, int]) -> None:
        from testcontainers.compose import DockerCompose

        self._service = service
        self._project = f"{service.context.guard.folder.name}-{service.folder.name}".lower()
        variables = service.private("compose.env", compose_variables(self._variables(command, ports)))
        self._compose: Any = DockerCompose(FOLDER, f"{service.name}.yaml", env_file=str(variables))
        self._said = service.folder / "compose.log"
        self._up: subprocess.Popen[bytes] | None = None
        self._watcher: subprocess.Popen[bytes] | None = None
        self._follower: subprocess.Popen[bytes] | None = None
        self._seen: list[psutil.Process] = []

    def _variables(self, command: Command, ports: Mapping[str, int]) -> dict[str, str]:
        """What the compose files may use."""
        service = self._service
        named = {f"LAKEBENCH_PORT_{name.upper()}": str(port) for name, port in ports.items()}
        return {
            "LAKEBENCH_PROJECT": self._project,
            "LAKEBENCH_FOLDER": str(service.folder),
            "LAKEBENCH_MOUNT": str(service.mounts()),
            "LAKEBENCH_ACCOUNT": f"{os.getuid()}:{os.getgid()}",
            "LAKEBENCH_MEMORY": str(service.limit + _BESIDE_HEAP),
            "LAKEBENCH_USER": service.user,
            "LAKEBENCH_PASSWORD": service.password,
            **named,
            **command.env,
        }

    @staticmethod
    def outage() -> str:
        """Why no Docker engine answers, in one line; empty where one does."""
        code, output = _docker("version", "--format", "{{.Server.Version}}")
        return f"no Docker engine answers ({output}): start Docker, or use --runtime local" if code else ""

    @classmethod
    def require(cls) -> None:
        """Check that a Docker engine answers and knows ``docker compose``.

        Raises:
            ServiceUnavailable: it does not.
        """
        if outage := cls.outage():
            raise ServiceUnavailable(outage)
        code, _ = _docker("compose", "version")
        if code != 0:
            raise ServiceUnavailable("docker has no compose command: install its plugin, or use --runtime local")

    def start(self) -> None:
        """Start them.

        Raises:
            ServiceUnavailable: Docker refuses.
        """
        # Not through the guard, which would kill it: it outlives us for as long as the containers take to stop.
        self._watcher = subprocess.Popen(
            ["/bin/sh", "-c", _WATCH, self._project],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        self._up = self._spawn(*self._compose.docker_compose_command(), "up", "--wait", log=self._said)
        if code := self._up.wait():
            raise ServiceUnavailable(self._failed(code))
        self._follow()

    def _failed(self, code: int) -> str:
        """Why ``up`` ended with ``code``, in one line; the containers are taken down."""
        said = self._said.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        why = self._service.limit_met() or (said[-1] if said else f"docker compose ended with exit code {code}")
        why = self._service.redact(why)[-500:]
        self._follow()
        log = " ".join(self._service.log_tail()[-500:].split())
        self.stop()
        return f"{self._service.title} did not start in a container: {why}" + (f"; its log: {log}" if log else "")

    def _spawn(self, *argv: str, log: Path) -> subprocess.Popen[bytes]:
        with log.open("ab") as output:
            return self._service.context.guard.spawn(
                argv, env=dict(os.environ), cwd=FOLDER, stdout=output, stderr=output
            )

    def _follow(self) -> None:
        """Append what the containers write to the service's log, as a server of this machine does itself."""
        logs = ("docker", "compose", "-p", self._project, "logs", "--follow", "--no-color", "--no-log-prefix")
        self._follower = self._spawn(*logs, log=self._service.log)

    def stop(self) -> None:
        """Take them down, and wait for it; not where the Docker engine does not answer."""
        up, self._up = self._up, None
        if up:
            self._service.context.guard.stop(up)
        watcher, self._watcher = self._watcher, None
        if watcher and watcher.poll() is not None:  # somebody has killed it
            _docker("compose", "-p", self._project, "down", "--volumes", "--timeout", "2")
        elif watcher and watcher.stdin:
            with watcher.stdin as pipe, contextlib.suppress(BrokenPipeError):
                pipe.write(b"ended\n")
            with contextlib.suppress(subprocess.TimeoutExpired):
                watcher.wait(0 if self.outage() else _DOWN_S)
        follower, self._follower = self._follower, None
        if follower:
            self._service.context.guard.stop(follower)

    def processes(self) -> list[int]:
        """The main processes of the running containers, as this machine numbers them."""
        # A run asks several times a second: Docker only where one of those that it told is no longer there.
        if self._seen and all(one.is_running() for one in self._seen):
            return [one.pid for one in self._seen]
        pids = [int(one) for one in self._inspect("{{.State.Pid}}")]
        self._seen = []
        for pid in pids:
            with contextlib.suppress(psutil.NoSuchProcess):  # it has just ended, or Docker has a machine of its own
                self._seen.append(psutil.Process(pid))
        return pids

    def exit_codes(self) -> list[int]:
        """What the containers that have ended did so with."""
        return [int(one) for one in self._inspect("{{.State.ExitCode}}", "--filter", "status=exited")]

    def out_of_memory(self) -> bool:
        """Whether the kernel ended one of them at its memory limit."""
        return "true" in self._inspect("{{.State.OOMKilled}}", "--filter", "status=exited")

    def _inspect(self, form: str, *filters: str) -> list[str]:
        """``form`` of each container that ``filters`` let through: without filters, of the running ones."""
        label = f"label=com.docker.compose.project={self._project}"
        code, ids = _docker("ps", "--quiet", "--filter", label, *(("--all", *filters) if filters else ()))
        if code != 0 or not ids.split():
            return []
        code, answers = _docker("inspect", "--format", form, *ids.split())
        return answers.split() if code == 0 else []

    def finish_log(self) -> None:
        """Wait until the log has what containers wrote that have ended."""
        if self._follower and not self.processes():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._follower.wait(_LOG_S)
