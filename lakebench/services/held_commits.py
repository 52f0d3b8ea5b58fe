"""Commits of PostgreSQL that are held: before they are on its disk, by a lock; or after, before anybody is told."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import Any

from lakebench.engines.postgresql import calls, connect, fetched, login
from lakebench.errors import EngineUnavailable
from lakebench.model import Endpoint, Runtime

_WAIT_S = 30.0
_LOOK_S = 0.05
_RELOAD_S = 0.5
_NOBODY = "lakebench_nobody"
_STANDBYS = "ALTER SYSTEM SET synchronous_standby_names"
LOCK, STANDBY = "Lock", "SyncRep"
ASK = "SET synchronous_commit = on"


@contextlib.contextmanager
def row_locked(endpoint: Endpoint, row: str) -> Iterator[None]:
    """Hold who changes ``row`` (a table and what follows it in a SELECT) of the database; readers are not held."""
    with _session(endpoint) as connection:
        _run(connection, "BEGIN", f"SELECT 1 FROM {row} FOR UPDATE")
        try:
            yield
        finally:
            _run(connection, "ROLLBACK")


@contextlib.contextmanager
def answers_held(endpoint: Endpoint, *, asked: bool = False) -> Iterator[None]:
    """Hold the answer to each COMMIT, which is on the disk by then: it waits for a standby that does not exist.

    With ``asked`` only those of sessions that :data:`ASK` for it: others may have to go on for theirs to come so far.

    Raises:
        EngineUnavailable: the server is the user's, whose settings stay as they are.
    """
    if endpoint.runtime is Runtime.EXTERNAL:
        raise EngineUnavailable("the server is yours: its settings stay as they are, and no answer of it is lost")
    with _session(endpoint) as connection:
        _run(connection, "SET synchronous_commit = local")  # it waits for no standby itself
        try:
            usual = "ALTER SYSTEM SET synchronous_commit = local"
            _reload(connection, *([usual] if asked else []), f"{_STANDBYS} = '{_NOBODY}'")
            yield
        finally:
            _reload(connection, f"{_STANDBYS} = ''", "ALTER SYSTEM RESET synchronous_commit")


def _reload(connection: Any, *settings: str) -> None:
    """Change settings of the server. A COMMIT obeys once the checkpointer has seen them, as after a checkpoint."""
    _run(connection, *settings, "SELECT pg_reload_conf()", f"SELECT pg_sleep({_RELOAD_S})", "CHECKPOINT")


def end_held(endpoint: Endpoint, held_by: str) -> None:
    """End the session of a client that is held by :data:`LOCK` or :data:`STANDBY`: it is told nothing of its commit.

    Raises:
        EngineUnavailable: none is.
    """
    with _session(endpoint) as connection:
        for pid in _held(connection, held_by):
            fetched(connection, f"SELECT pg_terminate_backend({pid}, 10000)")


def wait_held(endpoint: Endpoint, held_by: str) -> None:
    """Wait until a client is held.

    Raises:
        EngineUnavailable: none is.
    """
    with _session(endpoint) as connection:
        _held(connection, held_by)


def _held(connection: Any, held_by: str) -> list[int]:
    """The processes of the clients that are held."""
    waiting = "wait_event" if held_by == STANDBY else "wait_event_type"
    sql = (
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname = current_database() "
        f"AND {waiting} = '{held_by}'"
    )
    until = time.monotonic() + _WAIT_S
    while time.monotonic() < until:
        if rows := fetched(connection, sql)[1]:
            return [int(pid) for (pid,) in rows]
        time.sleep(_LOOK_S)
    raise EngineUnavailable("no commit came that could be held")


@contextlib.contextmanager
def _session(endpoint: Endpoint) -> Iterator[Any]:
    connection = connect(login(endpoint))
    try:
        yield connection
    finally:
        calls(connection)(connection.close)


def _run(connection: Any, *statements: str) -> None:
    for sql in statements:
        calls(connection)(connection.execute, sql)
