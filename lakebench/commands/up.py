"""``lakebench up`` and ``down``: a lake to explore by hand, kept by a process of its own until ``down`` ends it."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from lakebench import config
from lakebench.errors import LakebenchError, ServiceUnavailable, UsageError
from lakebench.execution.settings import load
from lakebench.model import Endpoint, Lake, Runtime
from lakebench.paths import cache_dir, with_source
from lakebench.processes import process_table
from lakebench.processes.guard import Guard
from lakebench.processes.reaper import end_left_behind
from lakebench.progress import Progress, Quiet
from lakebench.provisioning.artifacts import cannot_write
from lakebench.services import SERVICES, Services, lakes, with_needs
from lakebench.services.catalog import CatalogService

_ENDS_WITHIN_S = 30.0
_LOOK_S = 0.2


def _folder() -> Path:
    return cache_dir() / "up"


def _state_file() -> Path:
    return _folder() / "state.json"


@contextlib.contextmanager
def _alone() -> Iterator[int]:
    """The lock of the lake that is up: a file descriptor that the keeper gets, and holds as long as it lives.

    Raises:
        UsageError: another lake is up or is being started; or the cache cannot be written.
    """
    try:
        _folder().mkdir(parents=True, exist_ok=True)
        _folder().chmod(0o700)  # the log may contain what a server printed
        lock = (_folder() / "lock").open("w")
    except OSError as error:
        raise cannot_write(_folder(), error) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError("a lake is up already, or is being started: lakebench down ends it") from None
        yield lock.fileno()


def up(names: Sequence[str], progress: Progress) -> dict[str, Endpoint]:
    """Start ``names`` and what they need in the background; return when they are ready.

    Raises:
        UsageError: an unknown service, or a lake is up already, or is being started.
        ServiceUnavailable: one of them did not start; the others are ended again.
    """
    wanted = with_needs(names, load())
    for ended in end_left_behind():
        progress.say(ended)
    with _alone() as lock, (_folder() / "log").open("wb") as log:
        _state_file().unlink(missing_ok=True)
        keeper = subprocess.Popen(
            [sys.executable, "-P", "-m", "lakebench.commands.up", *wanted],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=with_source(),
            pass_fds=[lock],
        )
        _write_keeper(keeper.pid)
    with progress.step(f"starting {', '.join(wanted)}"):
        return _wait(keeper)


def _write_keeper(keeper: int) -> None:
    """Write which process ``down`` ends before the lake is up, unless the keeper has written it itself."""
    with contextlib.suppress(FileExistsError), _state_file().open("x", encoding="utf-8") as file:
        json.dump({"pid": keeper, "started": process_table.started(keeper)}, file)


def _wait(keeper: subprocess.Popen[bytes]) -> dict[str, Endpoint]:
    """The endpoints that the keeper writes, or its error."""
    state: Mapping[str, Any] = {}
    try:
        while not {"endpoints", "error"} & state.keys():
            ended = keeper.poll() is not None
            state = _read_state_file()
            if ended and "error" not in state:
                raise ServiceUnavailable(f"the lake did not start, or was ended; {_folder() / 'log'} has more")
            time.sleep(_LOOK_S)
    except KeyboardInterrupt:
        keeper.terminate()
        keeper.wait()
        raise
    if "error" in state:
        keeper.wait()
        _state_file().unlink(missing_ok=True)
        raise ServiceUnavailable(state["error"])
    return _endpoints(state)


def running() -> dict[str, Endpoint] | None:
    """The endpoints of the lake that is up; ``None`` where none is."""
    state = _read_state_file()
    return _endpoints(state) if "endpoints" in state and _keeper(state) else None


def _read_state_file() -> Mapping[str, Any]:
    """The state of the lake; empty where there is none."""
    try:
        state: dict[str, Any] = json.loads(_state_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return state


def lake(endpoints: Mapping[str, Endpoint]) -> Lake | None:
    """The lake of the first catalog among ``endpoints``, in the order of ``list services``; ``None`` without one."""
    catalogs = [one for name, one in SERVICES.items() if name in endpoints and issubclass(one, CatalogService)]
    return lakes.catalog_lake(endpoints.__getitem__, catalogs[0]) if catalogs else None


def settings(base: config.Settings) -> config.Settings:
    """``base`` with each service that is up instead of one that the run would start.

    Raises:
        UsageError: nothing is up.
    """
    up_now = running()
    if up_now is None:
        raise UsageError("nothing is up: lakebench up object-store rest-catalog trino spark starts what interop needs")
    external = {
        name: config.ServiceThatIsUp(
            runtime=Runtime.EXTERNAL, uri=one.uri, user=one.user, password=one.password, properties=dict(one.properties)
        )
        for name, one in up_now.items()
    }
    return base.model_copy(update={"services": {**base.services, **external}})


def down() -> bool:
    """End the lake that is up, or is being started, and what killed commands left behind; whether there was anything.

    Raises:
        ServiceUnavailable: it does not end.
    """
    left = end_left_behind()
    keeper = _keeper(_read_state_file())
    if keeper is not None:
        keeper.terminate()
        try:
            keeper.wait(_ENDS_WITHIN_S)
        except psutil.TimeoutExpired:
            raise ServiceUnavailable(f"the lake's keeper, process {keeper.pid}, does not end: kill it") from None
    with contextlib.suppress(FileNotFoundError):
        _state_file().unlink()
    return keeper is not None or bool(left)


def _keeper(state: Mapping[str, Any]) -> psutil.Process | None:
    """The process that keeps the lake, by its number and its start."""
    try:
        process = psutil.Process(state["pid"])
    except (psutil.Error, KeyError):
        return None
    return process if process_table.alive(process.pid, state["started"]) else None


def _endpoints(state: Mapping[str, Any]) -> dict[str, Endpoint]:
    return {name: Endpoint(**{**one, "runtime": Runtime(one["runtime"])}) for name, one in state["endpoints"].items()}


def keep(names: Sequence[str]) -> None:
    """Start ``names``, write their endpoints, and wait for the signal to end."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Guard("up") as guard:
            services = Services(load(), guard, Quiet())
            services.start(names)
            _write_state({"endpoints": {name: dataclasses.asdict(services.endpoint(name)) for name in names}})
            while True:
                signal.pause()
    except LakebenchError as error:
        _write_state({"error": str(error)})
    except KeyboardInterrupt:
        pass


def _write_state(state: Mapping[str, Any]) -> None:
    """Write the state at once, for its owner only: it has the credentials."""
    me = os.getpid()
    part = _state_file().with_suffix(".part")
    part.touch(mode=0o600)
    part.write_text(json.dumps({"pid": me, "started": process_table.started(me), **state}), encoding="utf-8")
    part.replace(_state_file())


if __name__ == "__main__":
    keep(sys.argv[1:])
