"""A pool without processes, and services without servers."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from lakebench.config import Settings
from lakebench.execution.history import RunHistory
from lakebench.execution.workers import WorkerPool
from lakebench.model import EngineRef, Lake, TableFormat
from lakebench.processes.worker_client import Remote


class FakeServices:
    """Servers by name: ``dead`` are gone, ``failed`` never came; what is asked for is kept in ``restarted``."""

    def __init__(self, *dead: str, failed: tuple[str, ...] = (), log: str = "", no_docker: str = "") -> None:
        self.no_docker, self.killed = no_docker, set[str]()
        self.dead, self.failed, self.log, self.restarted = set(dead), failed, log, list[str]()

    def alive(self, name: str) -> bool:
        return name not in self.dead

    def died(self, name: str) -> bool:
        return name in self.dead

    def outage(self, _: str) -> str:
        return self.no_docker

    def out_of_memory(self, name: str) -> bool:
        return name in self.killed

    def failures(self) -> dict[str, str]:
        return dict.fromkeys(self.failed, "it did not start")

    def log_tail(self, _: str, characters: int = 0) -> str:  # noqa: ARG002
        return self.log

    def endpoint(self, _: str) -> None:
        return None

    def restart(self, name: str) -> None:
        self.restarted.append(name)
        self.dead.discard(name)


class FakeRemote:
    """A worker that does what ``answers`` does with each operation."""

    def __init__(self, ref: EngineRef, answers: Callable[[str], dict[str, Any]]) -> None:
        self.ref, self.answers, self.environment = ref, answers, ""
        self.process, self.folder = SimpleNamespace(pid=os.getpid()), Path("nowhere")
        self.lake: Lake | None = None
        self.versions = {ref.name: "1"}
        self.alive, self.made, self.opened = True, False, 0

    def make(self, _: object) -> None:
        self.made = True

    def open(self, lake: Lake, _: float) -> None:
        self.opened += self.lake != lake
        self.lake = lake

    def close(self, _: float) -> None:
        self.lake = None

    def call(self, operation: str, **_: Any) -> dict[str, Any]:
        return self.answers(operation)

    def kill(self) -> None:
        self.alive = False


class FakePool(WorkerPool):
    """Workers that answer by ``answers``, as it is when they start; ``starts`` are their sessions, in order."""

    def __init__(
        self, services: FakeServices | None = None, *, base: Settings | None = None, settings: Settings | None = None
    ) -> None:
        given: Any = services or FakeServices()
        super().__init__(settings or Settings(), base, cast("Any", None), given, cast("Any", None), RunHistory())
        self.answers: Callable[[str], dict[str, Any]] = lambda _: {}
        self.starts: list[tuple[EngineRef, str]] = []

    def _start(self, ref: EngineRef, session: str, form: TableFormat | None = None) -> Remote:  # noqa: ARG002
        self.starts.append((ref, session))
        made: Any = FakeRemote(ref, self.answers)
        return cast("Remote", made)
