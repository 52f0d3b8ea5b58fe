"""``lakebench up`` and ``down``: a lake to explore by hand, kept by a process of its own until it is told to end."""

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
from lakebench.services import Services, lakes, with_needs

_ENDS_WITHIN_S = 30.0
_LOOK_S = 0.2


def _folder() -> Path:
    return cache_dir() / "up"


def _state() -> Path:
    return _folder() / "state.json"


@contextlib.contextmanager
def _alone() -> Iterator[int]:
    """The lock of the lake that is up: a file descriptor that the keeper is given, and has for as long as it lives.

    Raises:
        UsageError: another lake is up or is being started; or the cache cannot be written.
    """
    try:
        _folder().mkdir(parents=True, exist_ok=True)
        _folder().chmod(0o700)  # the log may hold what a server told
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
        _state().unlink(missing_ok=True)
        keeper = subprocess.Popen(
            [sys.executable, "-P", "-m", "lakebench.commands.up", *wanted],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=with_source(),
            pass_fds=[lock],
        )
        _tell_of(keeper.pid)
    with progress.step(f"starting {', '.join(wanted)}"):
        return _wait(keeper)


def _tell_of(keeper: int) -> None:
    """Tell down whom to end before the lake is up, unless the keeper has told that itself."""
    with contextlib.suppress(FileExistsError), _state().open("x", encoding="utf-8") as file:
        json.dump({"pid": keeper, "started": process_table.started(keeper)}, file)


def _wait(keeper: subprocess.Popen[bytes]) -> dict[str, Endpoint]:
    """The endpoints that the keeper tells, or the error."""
    told: Mapping[str, Any] = {}
    try:
        while not {"endpoints", "error"} & told.keys():
            ended = keeper.poll() is not None
            told = _read()
            if ended and "error" not in told:
                raise ServiceUnavailable(f"the lake did not start, or was ended; {_folder() / 'log'} tells more")
            time.sleep(_LOOK_S)
    except KeyboardInterrupt:
        keeper.terminate()
        keeper.wait()
        raise
    if "error" in told:
        keeper.wait()
        _state().unlink(missing_ok=True)
        raise ServiceUnavailable(told["error"])
    return _endpoints(told)


def running() -> dict[str, Endpoint] | None:
    """The endpoints of the lake that is up; ``None`` where none is."""
    told = _read()
    return _endpoints(told) if "endpoints" in told and _keeper(told) else None


def _read() -> Mapping[str, Any]:
    """What the state tells; nothing where there is none."""
    try:
        told: dict[str, Any] = json.loads(_state().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return told


def lake(endpoints: Mapping[str, Endpoint]) -> Lake | None:
    """The lake that ``endpoints`` make: Nessie's, or the reference catalog's; ``None`` where there is no catalog."""
    if "nessie" in endpoints:
        return lakes.nessie_lake(endpoints.__getitem__)
    if "rest-catalog" in endpoints:
        return lakes.rest_lake(endpoints.__getitem__)
    return None


def settings(given: config.Settings) -> config.Settings:
    """``given`` with each service that is up in the place of one of our own.

    Raises:
        UsageError: nothing is up.
    """
    up_now = running()
    if up_now is None:
        raise UsageError("nothing is up: lakebench up object-store rest-catalog trino spark starts what interop needs")
    there = {
        name: config.ServiceSettings(
            runtime=Runtime.EXTERNAL, uri=one.uri, user=one.user, password=one.password, properties=dict(one.properties)
        )
        for name, one in up_now.items()
    }
    return given.model_copy(update={"services": {**given.services, **there}})


def down() -> bool:
    """End the lake that is up, or is being started, and what killed commands left; whether there was anything.

    Raises:
        ServiceUnavailable: it does not end.
    """
    left = end_left_behind()
    keeper = _keeper(_read())
    if keeper is not None:
        keeper.terminate()
        try:
            keeper.wait(_ENDS_WITHIN_S)
        except psutil.TimeoutExpired:
            raise ServiceUnavailable(f"the lake's keeper, process {keeper.pid}, does not end: kill it") from None
    with contextlib.suppress(FileNotFoundError):
        _state().unlink()
    return keeper is not None or bool(left)


def _keeper(told: Mapping[str, Any]) -> psutil.Process | None:
    """The process that keeps the lake, by its number and its start."""
    try:
        process = psutil.Process(told["pid"])
    except (psutil.Error, KeyError):
        return None
    return process if process_table.alive(process.pid, told["started"]) else None


def _endpoints(told: Mapping[str, Any]) -> dict[str, Endpoint]:
    return {name: Endpoint(**{**one, "runtime": Runtime(one["runtime"])}) for name, one in told["endpoints"].items()}


def keep(names: Sequence[str]) -> None:
    """Start ``names``, tell where they are, and wait to be told to end."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Guard("up") as guard:
            services = Services(load(), guard, Quiet())
            services.start(names)
            _tell({"endpoints": {name: dataclasses.asdict(services.endpoint(name)) for name in names}})
            while True:
                signal.pause()
    except LakebenchError as error:
        _tell({"error": str(error)})
    except KeyboardInterrupt:
        pass


def _tell(what: Mapping[str, Any]) -> None:
    """Write the state at once, for its owner only: it has the credentials."""
    me = os.getpid()
    part = _state().with_suffix(".part")
    part.touch(mode=0o600)
    part.write_text(json.dumps({"pid": me, "started": process_table.started(me), **what}), encoding="utf-8")
    part.replace(_state())


if __name__ == "__main__":
    keep(sys.argv[1:])
