"""What the arguments of ``lakebench check`` name, and the tables that are there. Everything here only reads."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lakebench.config import FILE, Settings
from lakebench.datasets.interop.store import Files
from lakebench.errors import UsageError
from lakebench.iceberg.catalogs import table_metadata, table_names
from lakebench.model import Catalog, Endpoint, Lake, ObjectStore, Runtime
from lakebench.services import lakes
from lakebench.services.object_store import store

_IN_CATALOG = re.compile(r"(?P<catalog>[a-z0-9_-]+):(?!//)(?P<namespace>.+)\.(?P<table>[^.]+)")
_NUMBER = re.compile(r"v?(\d+)")
_METADATA = (".metadata.json", ".metadata.json.gz")
_GZIP = b"\x1f\x8b"
_PARQUET = (".parquet", ".pq")


@dataclass(frozen=True)
class NamedTable:
    """One argument: ``namespace`` and ``table`` (``*``: all of them) of a ``catalog``, or the address of files."""

    text: str
    catalog: str = ""
    namespace: str = ""
    table: str = ""
    address: str = ""

    @property
    def is_in_store(self) -> bool:
        """Whether the address is one of an object store."""
        return self.address.startswith("s3://")


@dataclass(frozen=True)
class UserTable:
    """A table to check, as it is at one moment: later commits do not change what is checked.

    An Iceberg table has ``metadata`` and the location of its file; a table of plain Parquet has ``files`` instead.
    ``lake`` is the catalog that knows the table as ``known_as``, where it was named by one; lakebench itself looks at
    it by ``catalog``.
    """

    name: str
    store: ObjectStore | None
    metadata: Mapping[str, Any] | None = None
    location: str = ""
    files: tuple[str, ...] = ()
    lake: Lake | None = None
    known_as: str = ""
    catalog: Catalog | None = None

    @property
    def has_moved(self) -> bool:
        """Whether somebody has committed to the table in its catalog since it was looked at.

        Raises:
            Refused: the catalog says no.
            ServiceUnavailable: it does not answer.
        """
        if self.catalog is None or self.lake is None:
            return False
        now = table_metadata(self.catalog, self.lake.namespace, self.known_as)
        return bool(now["metadata"] != self.metadata)


def named(text: str) -> NamedTable:
    """What an argument names.

    Raises:
        UsageError: it is neither a table of a catalog, nor an address, nor a path that exists.
    """
    match = _IN_CATALOG.fullmatch(text)
    if match:
        return NamedTable(text, match["catalog"], match["namespace"], match["table"])
    if text.startswith("s3://"):
        return NamedTable(text, address=text.rstrip("/"))
    path = Path(text.removeprefix("file://")).expanduser()
    if path.exists():
        return NamedTable(text, address=f"file://{path.resolve()}")
    raise UsageError(
        f"{text} names no table: write catalog:namespace.table, or the address of a metadata.json or of a folder "
        "with one or with Parquet files (s3://, or a path that exists)"
    )


def services_of(wanted: Sequence[NamedTable], settings: Settings, storage: str) -> tuple[str, ...]:
    """The services that give access to ``wanted``; those of an object store are the user's, or what is up.

    Raises:
        UsageError: a catalog or storage is unknown, or it is one that a command would start empty.
    """
    names: dict[str, None] = {}
    for one in wanted:
        if one.catalog:
            lakes.check_catalog(settings, one.catalog)
            names.update(dict.fromkeys(lakes.catalog_choice(settings, one.catalog).services))
        elif one.is_in_store:
            names[_object_store(storage)] = None
    for name in names:
        if settings.service(name).runtime is not Runtime.EXTERNAL:
            raise UsageError(
                f"the service {name} would start empty, without your tables: name your own in {FILE}, or add --use-up "
                "for what lakebench up started"
            )
    return tuple(names)


def _object_store(storage: str) -> str:
    return f"object-store@{storage}" if storage else "object-store"


def tables(one: NamedTable, look: Callable[[str], Endpoint], settings: Settings, storage: str) -> Iterator[UserTable]:
    """The tables that ``one`` names, each as it is now.

    Raises:
        UsageError: there is nothing that can be checked.
        Refused: the catalog says no.
        ServiceUnavailable: the catalog or the store does not answer.
    """
    if one.catalog:
        yield from _of_catalog(one, look, settings)
        return
    where = store(look(_object_store(storage))) if one.is_in_store else None
    yield _at(one, where)


def _of_catalog(one: NamedTable, look: Callable[[str], Endpoint], settings: Settings) -> Iterator[UserTable]:
    chosen = lakes.catalog_choice(settings, one.catalog)
    observer, lake = chosen.observer(look), chosen.lake(look)
    names = table_names(observer.catalog, one.namespace) if one.table == "*" else [one.table]
    if not names:
        raise UsageError(f"the namespace {one.namespace} of the catalog {one.catalog} has no tables")
    for name in names:
        answer = table_metadata(observer.catalog, one.namespace, name)
        yield UserTable(
            f"{one.catalog}:{one.namespace}.{name}",
            observer.store,
            answer["metadata"],
            answer.get("metadata-location", ""),
            lake=replace(lake, namespace=one.namespace),
            known_as=name,
            catalog=observer.catalog,
        )


def _at(one: NamedTable, where: ObjectStore | None) -> UserTable:
    """The table at an address."""
    files = Files(where)
    location = one.address
    if not location.endswith(_METADATA) and not location.endswith(_PARQUET):
        listed = files.list(location)
        location = _newest(files, location, listed)
        if not location:
            return _parquet(one, where, listed)
    if location.endswith(_PARQUET):
        return UserTable(one.text, where, files=(location,))
    return UserTable(one.text, where, parsed_metadata(files.read(location), location), location)


def _newest(files: Files, folder: str, listed: Sequence[str]) -> str:
    """The newest metadata file in ``folder``, or in ``metadata`` below it; empty where there is none.

    That is what ``version-hint.text`` names, as in tables without a catalog, or else the one of the highest number.
    """
    inside = [one for one in listed if one.removeprefix(folder).lstrip("/").rpartition("/")[0] in {"", "metadata"}]
    found = [one for one in inside if one.endswith(_METADATA)]
    hint = next((one for one in inside if one.endswith("/version-hint.text")), None)
    if hint:
        version = files.read(hint).decode().strip()
        found = [one for one in found if _file_name(one).split(".")[0] in {f"v{version}", version}] or found
    return max(found, key=lambda one: (_number(_file_name(one)), one), default="")


def _file_name(location: str) -> str:
    return location.rpartition("/")[2]


def _number(name: str) -> int:
    match = _NUMBER.match(name)
    return int(match[1]) if match else -1


def _parquet(one: NamedTable, where: ObjectStore | None, listed: Sequence[str]) -> UserTable:
    found = tuple(
        sorted(name for name in listed if name.endswith(_PARQUET) and not _file_name(name).startswith((".", "_")))
    )
    if not found:
        raise UsageError(f"{one.text} has neither Iceberg metadata (*.metadata.json) nor Parquet files (*.parquet)")
    return UserTable(one.text, where, files=found)


def parsed_metadata(data: bytes, location: str) -> Mapping[str, Any]:
    """The table metadata in a file's bytes, which may be compressed with gzip (*Table Metadata and Snapshots*).

    Raises:
        UsageError: it is no JSON object.
    """
    try:
        value = json.loads(gzip.decompress(data) if data.startswith(_GZIP) else data)
    except (OSError, EOFError, ValueError) as error:
        raise UsageError(f"{location} is no table metadata: {error}") from None
    if not isinstance(value, dict) or "format-version" not in value:
        raise UsageError(f"{location} is no table metadata: it has no format-version")
    return value
