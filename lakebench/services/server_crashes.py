"""What became of a PostgreSQL server that lost a connection: its log says which process died, by which signal."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from lakebench.errors import ServiceUnavailable
from lakebench.model import Runtime
from lakebench.services import Services

_DIED = re.compile(r"\((?:PID|pid) \d+\) (?:was terminated by signal (\d+)|exited with exit code \d+)")
_READY = "database system is ready to accept connections"
_LINES = 8
_LINE = 500
_TAIL = 1000
_READ = 20_000
_NOTICE_S = 3.0  # the postmaster writes of a dead child at once
_LOOK_S = 0.05


@dataclass(frozen=True)
class ServerCrash:
    """A crash: ``signal`` where one is known, the ``lines`` of the log without secrets, and who started it again.

    ``by`` is ``postgresql`` where it did so itself, ``lakebench`` where nothing of it was left.
    """

    signal: int | None
    lines: tuple[str, ...]
    by: str

    def evidence(self) -> dict[str, object]:
        """What a record keeps of it."""
        return {"signal": self.signal, "log": list(self.lines), "started_again_by": self.by}


def last_crash(services: Services, name: str) -> ServerCrash | None:
    """The last crash of a server process since ``name`` was last started; ``None`` where its log knows of none."""
    deadline = time.monotonic() + _NOTICE_S
    while True:
        text = services.log_tail(name, _READ)
        crashes = list(_DIED.finditer(text))
        if crashes:
            return ServerCrash(_signal(crashes[-1]), _lines(text, crashes[-1].start()), "postgresql")
        if time.monotonic() > deadline:
            return None
        time.sleep(_LOOK_S)


class CrashWatch:
    """Looks at the log of the PostgreSQL service ``name`` from the moment at which it is made, and of each crash.

    The log of a server of the user's is not ours: of it there is no signal and no line.
    """

    def __init__(self, services: Services, name: str) -> None:
        self._services, self._name = services, name
        self._seen = self._size()

    def recover(self, limit_s: float = 60.0) -> ServerCrash | None:
        """Wait until the server is there again after a lost connection; start it where it is gone.

        Returns:
            The crash; ``None`` where the server runs and its log knows of none: then only the session was ended.

        Raises:
            ServiceUnavailable: it does not come back.
        """
        deadline = time.monotonic() + limit_s
        notice = time.monotonic() + _NOTICE_S
        while True:
            text = self._news()
            died = _DIED.search(text)
            if self._services.died(self._name) or time.monotonic() > deadline:
                return self._started_again(text)
            if died and _READY in text[died.end() :]:
                self._seen = self._size()
                return ServerCrash(_signal(died), _lines(text, died.start()), "postgresql")
            if died is None and time.monotonic() > notice and self._services.alive(self._name):
                return None
            time.sleep(_LOOK_S)

    def _started_again(self, text: str) -> ServerCrash:
        code = self._services.exit_code(self._name)
        died = _DIED.search(text)
        if self._services.endpoint(self._name).runtime is Runtime.EXTERNAL:
            raise ServiceUnavailable(f"{self._name}, a server of yours, does not come back: start it")
        self._services.restart(self._name)
        self._seen = self._size()
        signal = -code if code is not None and code < 0 else _signal(died)
        return ServerCrash(signal, _lines(text, died.start() if died else max(0, len(text) - _TAIL)), "lakebench")

    def _size(self) -> int:
        log = self._services.log(self._name)
        return log.stat().st_size if log.exists() else 0

    def _news(self) -> str:
        """What was written since, without secrets."""
        self._services.log_tail(self._name)  # it fetches the log of a container
        log = self._services.log(self._name)
        if not log.exists():
            return ""
        with log.open("rb") as file:
            file.seek(self._seen)
            return self._services.redact(self._name, file.read().decode("utf-8", "replace"))


def _signal(died: re.Match[str] | None) -> int | None:
    return int(died[1]) if died and died[1] else None


def _lines(text: str, begin: int) -> tuple[str, ...]:
    """The lines from the one that has ``begin`` on."""
    lines = [line[:_LINE] for line in text[text.rfind("\n", 0, begin) + 1 :].splitlines() if line.strip()]
    return tuple(lines[:_LINES])
