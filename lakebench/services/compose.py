"""Services in containers: ``compose/<name>.yaml``, driven by testcontainers' ``DockerCompose``.

Containers use the host's network and bind to 127.0.0.1 themselves, so an endpoint means the same inside and outside.
They are no children of ours: a small watcher that holds one end of a pipe takes them down when we close the other end,
or die.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lakebench.errors import ServiceUnavailable
from lakebench.services.base import Command, Service
from lakebench.services.quoting import compose_variables

FOLDER = Path(__file__).parent.parent / "compose"
_DOWN_S = 60
_ANSWER_S = 20
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
        self._watcher: subprocess.Popen[bytes] | None = None

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
    def require() -> None:
        """Check that a Docker engine answers and knows ``docker compose``.

        Raises:
            ServiceUnavailable: it does not.
        """
        code, output = _docker("version", "--format", "{{.Server.Version}}")
        if code != 0:
            raise ServiceUnavailable(f"no Docker engine answers ({output}): start Docker, or use --runtime local")
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
            ["/bin/sh", "-c", 'cat >/dev/null; exec docker compose -p "$0" down --volumes --timeout 2', self._project],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            start_new_session=True,
        )
        try:
            self._compose.start()
        except (OSError, subprocess.CalledProcessError) as error:
            stderr = error.stderr.decode("utf-8", "replace") if isinstance(error, subprocess.CalledProcessError) else ""
            why = self._service.redact(" ".join((stderr or str(error)).split()))[-500:]
            log = self._service.log_tail()[-500:]
            self.stop()
            message = f"{self._service.title} did not start in a container: {why}; its log: {' '.join(log.split())}"
            raise ServiceUnavailable(message) from error

    def stop(self) -> None:
        """Take them down, and wait for it."""
        watcher, self._watcher = self._watcher, None
        if watcher and watcher.poll() is not None:  # somebody has killed it
            _docker("compose", "-p", self._project, "down", "--volumes", "--timeout", "2")
        elif watcher and watcher.stdin:
            watcher.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                watcher.wait(_DOWN_S)

    def processes(self) -> list[int]:
        """The main processes of the running containers, as this machine numbers them."""
        _, ids = _docker("ps", "--quiet", "--filter", f"label=com.docker.compose.project={self._project}")
        if not ids.split():
            return []
        code, pids = _docker("inspect", "--format", "{{.State.Pid}}", *ids.split())
        return [int(one) for one in pids.split()] if code == 0 else []

    def write_log(self, file: Path) -> None:
        """Write the output of the containers so far to ``file``."""
        with contextlib.suppress(subprocess.CalledProcessError):
            file.write_text("".join(self._compose.get_logs()), encoding="utf-8")
