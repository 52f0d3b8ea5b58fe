"""What a service is, and how one comes to be in each runtime.

A subclass says what is particular: which artifacts, which command, when it is ready, where it is reached. This module
has what is common: ports, folders, logs, deadlines, restarts and messages.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol

import psutil

from lakebench.config import ServiceSettings, Settings
from lakebench.errors import ServiceUnavailable, UsageError
from lakebench.http import HOST, HttpError
from lakebench.model import Endpoint, Runtime
from lakebench.processes import resources
from lakebench.processes.guard import Guard
from lakebench.progress import Progress

_TAIL = 1500
_TAIL_LINES = 6
_FRAME = re.compile(r"(?:^|\s)(?:at [\w.$/@]+\(.*\)|\.\.\. \d+ (?:more|common frames omitted))$")
_LOOK_S = 0.05
_NOT_LET_IN = (401, 403)
_KILLED = 128  # a container that signal N ended has the exit code 128 + N
_PORT_TRIES = 5
_TAKEN = ("address already in use", "could not bind", "failed to bind", "bindexception", "port already bound")


class Containers(Protocol):
    """The containers of one service, where its runtime is ``compose``."""

    def __init__(self, service: Service, command: Command, ports: Mapping[str, int]) -> None: ...

    @staticmethod
    def require() -> None:
        """Check that containers can be started.

        Raises:
            ServiceUnavailable: they cannot.
        """

    def start(self) -> None:
        """Start them.

        Raises:
            ServiceUnavailable: they do not start.
        """

    def stop(self) -> None:
        """Take them down, and wait for it."""

    def processes(self) -> list[int]:
        """The main processes of the running containers, as this machine numbers them."""

    @staticmethod
    def outage() -> str:
        """Why no containers can be had, in one line; empty where they can."""

    def exit_codes(self) -> list[int]:
        """What the containers that have ended did so with."""

    def out_of_memory(self) -> bool:
        """Whether one of them was ended at its memory limit."""

    def finish_log(self) -> None:
        """Wait until the log has what containers wrote that have ended."""


@dataclass(frozen=True)
class Context:
    """What a service is made with.

    ``folder`` is its own, below the guard's, with mode 0700; ``endpoint`` gives those of the services it needs;
    ``stopping`` is set when the run ends while the service still starts. ``storage`` is the name of the storage that
    this is an instance of, ``data`` the folder of what must outlive the run, ``None`` where nothing does.
    ``containers`` is what runs it where its runtime is ``compose``. ``short_lived`` says that nothing is timed: a
    server is to start with little CPU time, not to answer fast once it is warm.
    """

    settings: ServiceSettings
    all_settings: Settings
    folder: Path
    guard: Guard
    progress: Progress
    endpoint: Callable[[str], Endpoint]
    stopping: threading.Event
    containers: type[Containers]
    storage: str = ""
    data: Path | None = None
    short_lived: bool = False


@dataclass(frozen=True)
class Command:
    """How a server is started; ``user`` is another account, ``leaves`` are files elsewhere that stay after a kill."""

    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    user: str | None = None
    death_signal: signal.Signals = signal.SIGKILL
    leaves: Sequence[str] = ()


class Service(ABC):
    """One server, in any runtime.

    ``version`` is what ``local`` and ``compose`` start, ``needs`` the services that must run before it,
    ``memory`` the default limit in bytes, ``ports`` the names of the TCP ports it listens on (the first is the one
    that clients use), ``start_s`` the deadline of a start in seconds, ``stop_signal`` and ``stop_s`` how it is asked
    to end. One that ``has_home`` is a program of the user's, whose folder the settings name. The life is ``start`` →
    (``restart`` …) → ``stop``; each is called by :class:`lakebench.services.Services`.

    A subclass writes :meth:`prepare`, :meth:`command`, :meth:`local_endpoint` and :meth:`check`. With ``compose``,
    ``compose/<name>.yaml`` starts a container on the host's network with the service's folder, and what
    :meth:`mounts` names, at the same paths: the same configuration and the same command serve both runtimes.
    """

    name: ClassVar[str]
    title: str
    version: str
    needs: ClassVar[tuple[str, ...]] = ()
    memory: ClassVar[int]
    ports: ClassVar[tuple[str, ...]] = ("main",)
    start_s: ClassVar[float] = 60
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM
    stop_s: ClassVar[float] = 3
    is_postgresql: ClassVar[bool] = False
    has_home: ClassVar[bool] = False

    def __init__(self, context: Context) -> None:
        self.context = context
        if context.storage:
            self.title = f"{self.title} {self.full_name}"
        self.user = f"lake{secrets.token_hex(4)}"
        self.password = secrets.token_urlsafe(24)
        self.log = context.folder / "log"
        self._hidden = {self.password, *context.settings.secrets()}
        self._process: subprocess.Popen[bytes] | None = None
        self._composed: Containers | None = None
        self._ports: dict[str, int] = {}
        self.launched_s = 0.0
        self._log_start = 0  # where the log of the present start begins

    @abstractmethod
    def prepare(self) -> None:
        """Get what a start needs (artifacts, Java, an initialised folder). Called once, outside the deadline.

        Raises:
            ServiceUnavailable: it cannot be had; the message says why and what to do.
            UsageError: the settings or a cached file cannot be used.
        """

    @abstractmethod
    def command(self, ports: Mapping[str, int]) -> Command:
        """Write the configuration for ``ports`` and say how the server is started. Called for each start."""

    @abstractmethod
    def local_endpoint(self, ports: Mapping[str, int]) -> Endpoint:
        """Where the server on ``ports`` of 127.0.0.1 is reached."""

    @abstractmethod
    def check(self, endpoint: Endpoint) -> None:
        """Ask the server whether it is ready; return when it is.

        Raises:
            OSError: nothing answers, or "not yet" (:func:`http` raises these).
            ServiceUnavailable: it answers, and waiting does not help.
        """

    def external_endpoint(self) -> Endpoint:
        """The endpoint that ``lakebench.toml`` names, with its user, password and properties."""
        settings = self.context.settings
        uri = urllib.parse.urlsplit(settings.uri)
        port = uri.port or {"http": 80, "https": 443}.get(uri.scheme, 0)
        return Endpoint(
            self.full_name,
            Runtime.EXTERNAL,
            settings.uri.rstrip("/"),
            uri.hostname or "",
            port,
            "unknown",
            settings.user,
            settings.password,
            settings.properties,
        )

    def mounts(self) -> Path:
        """The folder that a container reads the server's files from, beside the service's own."""
        return self.folder

    # What a subclass uses.

    @property
    def full_name(self) -> str:
        """The service's name, with that of its storage where it is the instance of one."""
        return f"{self.name}@{self.context.storage}" if self.context.storage else self.name

    @property
    def settings_table(self) -> str:
        """The table of ``lakebench.toml`` that it is configured by."""
        return f"storage.{self.context.storage}" if self.context.storage else f"services.{self.name}"

    def kept(self) -> Path:
        """The folder of the server's data, made: one that outlives the run where there is one, else the service's own.

        Raises:
            UsageError: the server is in a container, which sees its own folder alone.
        """
        if self.context.data is None:
            return self.folder
        if self.runtime is Runtime.COMPOSE:
            raise UsageError(f"{self.title} keeps nothing beyond a run in a container: use --runtime local")
        for folder in (self.context.data.parent, self.context.data):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.context.data

    def data_folder(self) -> Path | None:
        """The folder of the objects that a store serves; ``None`` where it has none on this machine."""
        return None

    def keeps(self) -> list[Path]:
        """The folders that outlive the run."""
        return [self.context.data] if self.context.data else []

    @property
    def folder(self) -> Path:
        """The service's own folder, removed at the end of the run."""
        return self.context.folder

    @property
    def limit(self) -> int:
        """The memory limit in bytes: the user's, or the default."""
        return int(self.context.settings.memory or self.memory)

    def hide(self, secret: str) -> None:
        """Keep ``secret`` out of every message; ``password`` is kept out anyway."""
        if secret:
            self._hidden.add(secret)

    def secrets(self) -> tuple[str, ...]:
        """What must not be in a message or a record."""
        return tuple(self._hidden)

    def private(self, name: str, content: str | bytes) -> Path:
        """Write ``content``, text as UTF-8, into a file of the folder that only its owner reads."""
        path = self.folder / name
        path.touch(mode=0o600)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    # The life.

    @property
    def runtime(self) -> Runtime:
        """How it comes to be."""
        return self.context.settings.runtime or Runtime.LOCAL

    def start(self) -> Endpoint:
        """Start or reach the server; return when it is ready.

        Raises:
            ServiceUnavailable: it cannot run here; the message has the end of its log.
            UsageError: the settings or a cached file cannot be used.
        """
        if self.runtime is Runtime.EXTERNAL:
            return self._reach()
        if self.runtime is Runtime.COMPOSE:
            self.context.containers.require()
        with self.context.progress.step(f"{self.title}: getting the parts"):
            self.prepare()
        with self.context.progress.step(f"starting {self.title}"):
            return self._start_on_free_ports()

    def restart(self) -> Endpoint:
        """Stop the server where it still runs, and start it again: same ports, credentials and data.

        Raises:
            ServiceUnavailable: it does not come back.
        """
        if self.runtime is Runtime.EXTERNAL:
            return self._reach()
        self.stop()
        if endpoint := self._launch(self._ports):
            return endpoint
        raise ServiceUnavailable(self._failed("its port was taken by another program while it was down"))

    def stop(self) -> None:
        """End the server; nothing happens where it does not run."""
        process, self._process = self._process, None
        if process:
            self.context.guard.stop(process, self.stop_signal, self.stop_s)
        composed, self._composed = self._composed, None
        if composed:
            composed.stop()

    def alive(self) -> bool:
        """Whether its process, container or address is there."""
        if self.runtime is Runtime.EXTERNAL:
            return self._answers(self.external_endpoint())
        return bool(self._roots())

    def exit_code(self) -> int | None:
        """What its process ended with, a signal as a negative number; ``None`` where it runs, or is none of ours."""
        if self._composed:
            code = next(iter(self._composed.exit_codes()), None)
            return _KILLED - code if code is not None and code > _KILLED else code
        return self._process.poll() if self._process else None

    def outage(self) -> str:
        """Why nothing is known of its containers, in one line: Docker itself does not answer; else empty."""
        return self._composed.outage() if self._composed else ""

    def out_of_memory(self) -> bool:
        """Whether its container was ended at its memory limit."""
        return self._composed is not None and self._composed.out_of_memory()

    def limit_met(self) -> str:
        """What to do where its container was ended at its memory limit; else empty."""
        raised = f"its container met its memory limit: raise [{self.settings_table}] memory in lakebench.toml"
        return raised if self.out_of_memory() else ""

    def processes(self) -> list[int]:
        """The server's process ids, its children included; none for one that is not on this machine."""
        return resources.tree(self._roots())

    def _roots(self) -> list[int]:
        if self._composed:
            return list(self._composed.processes())
        return [self._process.pid] if self._process and self._process.poll() is None else []

    def log_tail(self, characters: int = _TAIL) -> str:
        """The end of the log since the last start, without secrets; ``""`` where there is none."""
        if self._composed:
            self._composed.finish_log()
        try:
            with self.log.open("rb") as file:
                file.seek(max(self._log_start, self.log.stat().st_size - 4 * characters))
                text = file.read().decode("utf-8", "replace")
        except OSError:
            return ""
        return self.redact(text)[-characters:].strip()

    def redact(self, text: str) -> str:
        """``text`` with every secret of the service replaced."""
        for secret in self._hidden:
            text = text.replace(secret, "***")
        return text

    def _reach(self) -> Endpoint:
        endpoint = self.external_endpoint()
        try:
            self.check(endpoint)
        except OSError as error:
            what, mend = _meaning(error, self.settings_table)
            message = f"{self.title} at {endpoint.uri} {what} ({error}): {mend}"
            raise ServiceUnavailable(self.redact(" ".join(message.split()))) from error
        return endpoint

    def _answers(self, endpoint: Endpoint) -> bool:
        try:
            self.check(endpoint)
        except (OSError, ServiceUnavailable):
            return False
        return True

    def _start_on_free_ports(self) -> Endpoint:
        for _ in range(_PORT_TRIES):
            ports = dict(zip(self.ports, free_ports(len(self.ports)), strict=True))
            if endpoint := self._launch(ports):
                return endpoint
        raise ServiceUnavailable(self._failed("every port it tried was taken by another program"))

    def _launch(self, ports: Mapping[str, int]) -> Endpoint | None:
        """Start on ``ports`` and wait; ``None`` where another program has taken one of them meanwhile."""
        began, self._ports = time.monotonic(), dict(ports)
        self._log_start = self.log.stat().st_size if self.log.exists() else 0
        command, endpoint = self.command(ports), self.local_endpoint(ports)
        if self.context.stopping.is_set():
            raise ServiceUnavailable(f"{self.title} was not started: the run is ending")
        if self.runtime is Runtime.COMPOSE:
            self._composed = self.context.containers(self, command, ports)
            self._composed.start()
        else:
            self._spawn(command)
        ready, self.launched_s = self._wait(endpoint), time.monotonic() - began
        return endpoint if ready else None

    def _spawn(self, command: Command) -> None:
        try:
            self._process = self._spawned(command)
        except OSError as error:
            program = f"{command.argv[0]} cannot be started ({error.strerror}): install it again"
            raise ServiceUnavailable(f"{self.title} did not start: {program}") from error

    def _spawned(self, command: Command) -> subprocess.Popen[bytes]:
        environment = {key: value for key, value in os.environ.items() if key in {"PATH", "LANG", "TZ"}}
        environment |= {"HOME": str(self.folder), "TMPDIR": str(self.folder), "LC_ALL": "C.UTF-8"} | dict(command.env)
        with self.log.open("ab") as log:
            return self.context.guard.spawn(
                command.argv,
                env=environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                user=command.user,
                death_signal=command.death_signal,
                umask=0o077,
                leaves=command.leaves,
            )

    def _wait(self, endpoint: Endpoint) -> bool:
        """Wait until ready; ``False`` where it ended because a port was taken."""
        deadline = time.monotonic() + self.start_s
        answer = "nothing answered"
        while self.alive():
            try:
                self.check(endpoint)
            except OSError as error:
                answer = self.redact(str(error))
            else:
                if self._listens(endpoint.port):
                    if self._process:
                        self.context.guard.remember(self._process)
                    return True
            if self.context.stopping.is_set():
                self.stop()
                raise ServiceUnavailable(f"{self.title} was interrupted while it started")
            if time.monotonic() > deadline:
                failed = self._failed(f"it was not ready after {self.start_s:.0f} s ({answer})")
                self.stop()
                raise ServiceUnavailable(failed)
            time.sleep(_LOOK_S)
        return self._ended()

    def _listens(self, port: int) -> bool:
        """Whether it is our server that has ``port``, and not another program that took it first."""
        if self._composed:
            return True
        for pid in self.processes():
            with contextlib.suppress(psutil.Error):
                connections = psutil.Process(pid).net_connections("tcp")
                if any(one.status == psutil.CONN_LISTEN and one.laddr.port == port for one in connections):
                    return True
        return False

    def _ended(self) -> bool:
        tail = self.log_tail(20_000)
        code = f"it ended at its start with exit code {self.exit_code()}"
        failed = self._failed(self.outage() or self.limit_met() or code)
        self.stop()
        if any(sign in tail.lower() for sign in _TAKEN):
            return False
        raise ServiceUnavailable(failed)

    def _failed(self, why: str) -> str:
        """One line with the last lines of the log, without the frames of Java's stack traces."""
        lines = [line.strip() for line in self.log_tail(20_000).splitlines()]
        messages = [line for line in lines if line and not _FRAME.search(line)]
        tail = " | ".join(line[:300] for line in messages[-_TAIL_LINES:])[-_TAIL:]
        return f"{self.title} did not start: {why}" + (f"; the end of its log: {tail}" if tail else "")


def _meaning(error: OSError, table: str) -> tuple[str, str]:
    """What ``error`` says of a server of the user's, and what to do; ``table`` of the settings names the server."""
    if isinstance(error, HttpError) and error.status in _NOT_LET_IN:
        return "does not let us in", f"correct user and password, or their rights, under [{table}] in lakebench.toml"
    if "certificate" in str(error):
        accept = "name its authority's certificate by SSL_CERT_FILE (PostgreSQL: PGSSLROOTCERT)"
        return "has a certificate that is not accepted", f"{accept}, or get it a valid one for the host of {table}.uri"
    if isinstance(getattr(error, "reason", error), socket.gaierror) or "resolve host" in str(error):
        return "has no address", f"correct the host in {table}.uri in lakebench.toml"
    return "does not answer", f"start it, or correct {table}.uri in lakebench.toml"


def free_ports(count: int) -> list[int]:
    """``count`` TCP ports of 127.0.0.1 that nobody listens on at this moment."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind((HOST, 0))
        return [int(one.getsockname()[1]) for one in sockets]
