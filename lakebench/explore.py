"""``lakebench up`` and ``down``: a lake to explore by hand, kept by a process of its own until it is told to end."""

from __future__ import annotations

import dataclasses
import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from lakebench import config
from lakebench.errors import LakebenchError, ServiceUnavailable, UsageError
from lakebench.guard import Guard
from lakebench.model import Endpoint, Lake, Runtime
from lakebench.paths import cache_dir, with_source
from lakebench.progress import Progress, Quiet
from lakebench.services import Services, lakes, with_needs

_ENDS_WITHIN_S = 30.0
_LOOK_S = 0.2


def _folder() -> Path:
    return cache_dir() / "up"


def _state() -> Path:
    return _folder() / "state.json"


def up(names: Sequence[str], progress: Progress) -> dict[str, Endpoint]:
    """Start ``names`` and what they need in the background; return when they are ready.

    Raises:
        UsageError: an unknown service, or a lake is up already.
        ServiceUnavailable: one of them did not start; the others are ended again.
    """
    wanted = with_needs(names, config.load())
    if running() is not None:
        raise UsageError("a lake is up already: lakebench down ends it")
    _folder().mkdir(parents=True, exist_ok=True)
    _folder().chmod(0o700)  # the log may hold what a server told
    _state().unlink(missing_ok=True)
    with (_folder() / "log").open("wb") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-P", "-m", "lakebench.explore", *wanted],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=with_source(),
        )
    with progress.step(f"starting {', '.join(wanted)}"):
        return _wait(keeper)


def _wait(keeper: subprocess.Popen[bytes]) -> dict[str, Endpoint]:
    try:
        while not _state().exists():
            if keeper.poll() is not None:
                raise ServiceUnavailable(f"the lake did not start; {_folder() / 'log'} tells why")
            time.sleep(_LOOK_S)
    except KeyboardInterrupt:
        keeper.terminate()
        keeper.wait()
        raise
    told = json.loads(_state().read_text(encoding="utf-8"))
    if "error" in told:
        keeper.wait()
        _state().unlink()
        raise ServiceUnavailable(told["error"])
    return _endpoints(told)


def running() -> dict[str, Endpoint] | None:
    """The endpoints of the lake that is up; ``None`` where none is."""
    try:
        told = json.loads(_state().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return _endpoints(told) if "endpoints" in told and _keeper(told) else None


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
    """End the lake that is up; whether there was one.

    Raises:
        ServiceUnavailable: it does not end.
    """
    if running() is None:
        _state().unlink(missing_ok=True)
        return False
    keeper = _keeper(json.loads(_state().read_text(encoding="utf-8")))
    if keeper is not None:
        keeper.terminate()
        try:
            keeper.wait(_ENDS_WITHIN_S)
        except psutil.TimeoutExpired:
            raise ServiceUnavailable(f"the lake's keeper, process {keeper.pid}, does not end: kill it") from None
    _state().unlink(missing_ok=True)
    return True


def _keeper(told: Mapping[str, Any]) -> psutil.Process | None:
    """The process that keeps the lake, by its number and its start."""
    try:
        process = psutil.Process(told["pid"])
    except (psutil.Error, KeyError):
        return None
    return process if process.create_time() == told["started"] else None


def _endpoints(told: Mapping[str, Any]) -> dict[str, Endpoint]:
    return {name: Endpoint(**{**one, "runtime": Runtime(one["runtime"])}) for name, one in told["endpoints"].items()}


def keep(names: Sequence[str]) -> None:
    """Start ``names``, tell where they are, and wait to be told to end."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with Guard("up") as guard:
            services = Services(config.load(), guard, Quiet())
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
    me = psutil.Process()
    part = _state().with_suffix(".part")
    part.touch(mode=0o600)
    part.write_text(json.dumps({"pid": me.pid, "started": me.create_time(), **what}), encoding="utf-8")
    part.replace(_state())


if __name__ == "__main__":
    keep(sys.argv[1:])
