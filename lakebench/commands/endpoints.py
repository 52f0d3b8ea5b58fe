"""Tries every endpoint that the settings name: does it answer, let us in, and let us create and drop."""

from __future__ import annotations

import contextlib
import secrets
import socket
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rich.console import Console

from lakebench.commands.terminal import plain, table
from lakebench.config import Settings
from lakebench.engines.postgresql import calls
from lakebench.errors import LakebenchError, ServiceUnavailable, UsageError
from lakebench.iceberg import catalogs
from lakebench.iceberg.files import file_system
from lakebench.inputs.addresses import without_passwords
from lakebench.model import Catalog, CatalogKind, Endpoint, ObjectStore, Runtime
from lakebench.processes.guard import Guard
from lakebench.progress import Quiet
from lakebench.services import SERVICES, find
from lakebench.services.base import Context, Service
from lakebench.services.catalog import CatalogService, check_rest
from lakebench.services.compose import Composed
from lakebench.services.object_store import ObjectStoreService, store
from lakebench.services.postgres import PostgresService

_ANSWER_S = 5
_ASKED = "SELECT current_setting('server_version'), extract(epoch FROM clock_timestamp())"
_CLOCK_S = 2.0
"""Clocks that are further apart than this many seconds are told of; an HTTP date has whole seconds."""


@dataclass(frozen=True)
class Tried:
    """One endpoint: ``ok`` is whether a run could use it; ``problem`` what to do, in one line.

    ``writes`` says whether something was created and dropped: ``yes``, ``no`` or ``not tried``. ``clock_s`` is by how
    many seconds its clock is ahead of ours; ``None`` where it does not tell.
    """

    table: str
    address: str
    ok: bool
    version: str = ""
    writes: str = "not tried"
    clock_s: float | None = None
    problem: str = ""


def try_endpoints(settings: Settings) -> list[Tried]:
    """Each external service, each storage with an address and each catalog of the settings, one after another.

    What is created has a name of its own, ``lakebench_<letters>``, and is dropped at once; nothing else is touched.
    """
    names = [name for name in SERVICES if settings.service(name).runtime is Runtime.EXTERNAL]
    storages = [f"object-store@{name}" for name, one in settings.storage_tables.items() if one.uri]
    with Guard("doctor") as guard, tempfile.TemporaryDirectory() as folder:
        made = [_service(name, settings, guard, Path(folder)) for name in (*names, *storages)]
        tried = [_tried(one.settings_table, lambda one=one: _of_service(one)) for one in made]  # type: ignore[misc]
    for name, one in settings.catalogs.items():
        tried.append(_tried(f"catalog.{name}", lambda one=one: _of_catalog(one.described(), one.missing())))  # type: ignore[misc]
    return tried


def show_tried(tried: Sequence[Tried]) -> None:
    """Print the table, and a line for each endpoint that cannot be used as it is."""
    if not tried:
        Console(highlight=False, soft_wrap=True).print("lakebench.toml names no endpoint of yours")
        return
    lines = [
        (one.table, "yes" if one.ok else "no", one.version, one.writes, _seconds(one.clock_s), one.address)
        for one in tried
    ]
    table("your endpoints", [("table", "usable", "version", "creates and drops", "clock apart", "address"), *lines])
    for one in tried:
        if one.problem:
            Console(highlight=False, soft_wrap=True).print(f"[bold]{one.table}[/bold]: {plain(one.problem)}")


def _seconds(clock_s: float | None) -> str:
    return "not told" if clock_s is None else f"{clock_s:+.1f} s"


@dataclass(frozen=True)
class _Found:
    address: str
    version: str
    clock_s: float | None
    writes: str = "not tried"
    problem: str = ""


def _tried(table: str, attempt: Callable[[], _Found]) -> Tried:
    try:
        found = attempt()
    except LakebenchError as error:
        return Tried(table, "", False, problem=" ".join(str(error).split()))
    clock = ""
    if found.clock_s is not None and abs(found.clock_s) > _CLOCK_S:
        clock = f"its clock is {found.clock_s:+.0f} s from ours: set both by NTP"
    problem = "; ".join(filter(None, [found.problem, clock]))
    return Tried(table, found.address, not problem, found.version, found.writes, found.clock_s, problem)


def _service(name: str, settings: Settings, guard: Guard, folder: Path) -> Service:
    def nothing(need: str) -> Endpoint:
        raise ServiceUnavailable(f"{need} is not asked here")

    _, _, storage = name.partition("@")
    context = Context(
        settings.service(name), settings, folder, guard, Quiet(), nothing, threading.Event(), Composed, storage
    )
    return find(name)(context)


def _of_service(service: Service) -> _Found:
    endpoint = service.start()
    address = without_passwords(endpoint.uri)
    if isinstance(service, PostgresService):
        return _of_postgresql(service, endpoint, address)
    clock, version = _clock(endpoint.uri), endpoint.version
    if isinstance(service, ObjectStoreService):
        return _Found(address, version, clock, *_object_written(store(endpoint), service.settings_table))
    if isinstance(service, CatalogService):
        catalog = service.catalog(endpoint)
        if catalog.kind is CatalogKind.REST:
            return _Found(address, version, clock, *_namespace_written(catalog, service.settings_table))
    return _Found(address, version, clock)


def _of_catalog(catalog: Catalog, missing: tuple[str, ...]) -> _Found:
    if missing:
        raise UsageError(f"it lacks {', '.join(missing)}")
    address = without_passwords(catalog.uri)
    rest = catalog.kind is CatalogKind.REST
    try:
        (check_rest if rest else _connects)(catalog)
    except OSError as error:
        raise ServiceUnavailable(f"the catalog at {address}: {error}: correct its uri or its login") from error
    if not rest:
        return _Found(address, "", None)
    return _Found(address, "", _clock(catalog.uri), *_namespace_written(catalog, "the settings"))


def _connects(catalog: Catalog) -> None:
    """Connect to ``catalog``, which only engines log in to; one without a host, as Glue or a file, is not asked."""
    address = urlsplit(catalog.uri.removeprefix("jdbc:"))
    if address.hostname and address.port:
        socket.create_connection((address.hostname, address.port), timeout=_ANSWER_S).close()


def _written(create: Callable[[str], None], drop: Callable[[str], None], table: str) -> tuple[str, str]:
    """``writes`` and ``problem`` of :class:`_Found`: whether something of ours may be created and dropped again.

    What could not be dropped is named in the problem.
    """
    name = f"lakebench_{secrets.token_hex(4)}"
    may_not = "create"
    try:
        create(name)
        may_not = f"drop {name}, which stays"
        drop(name)
    except (LakebenchError, OSError) as error:
        why = " ".join(str(error).split())[:300]
        return "no", f"its account may not {may_not} ({why}): give the one of {table} these rights"
    return "yes", ""


def _object_written(target: ObjectStore, table: str) -> tuple[str, str]:
    files = file_system(target)

    def create(name: str) -> None:
        with files.open_output_stream(f"{target.bucket}/{name}") as stream:
            stream.write(b"lakebench doctor")

    return _written(create, lambda name: files.delete_file(f"{target.bucket}/{name}"), table)


def _namespace_written(catalog: Catalog, table: str) -> tuple[str, str]:
    create, drop = catalogs.create_namespace, catalogs.drop_namespace
    return _written(lambda name: create(catalog, name), lambda name: drop(catalog, name), table)


def _of_postgresql(service: PostgresService, endpoint: Endpoint, address: str) -> _Found:
    """Its version and clock, and a schema that is made and dropped."""
    with contextlib.closing(service.session(endpoint)) as session:
        before = time.time()
        version, seconds = session.execute(_ASKED).fetchone()
        clock = round(float(seconds) - (before + time.time()) / 2, 1)
        return _Found(address, version.split()[0], clock, *_schema_written(session, service.settings_table))


def _schema_written(session: Any, table: str) -> tuple[str, str]:
    execute = calls(session)
    return _written(
        lambda name: execute(session.execute, f"CREATE SCHEMA {name}"),
        lambda name: execute(session.execute, f"DROP SCHEMA {name}"),
        table,
    )


def _clock(uri: str) -> float | None:
    """By how many seconds an HTTP server's clock is ahead of ours, by an answer's date, which has whole seconds."""
    if urlsplit(uri).scheme not in {"http", "https"}:
        return None
    before = time.time()
    try:
        with urllib.request.urlopen(uri, timeout=_ANSWER_S) as answer:  # noqa: S310 - an address of the settings
            date = answer.headers.get("Date")
    except urllib.error.HTTPError as error:
        with error:
            date = error.headers.get("Date")
    except OSError:
        return None
    if not date:
        return None
    return round(parsedate_to_datetime(date).timestamp() + 0.5 - (before + time.time()) / 2, 1)
