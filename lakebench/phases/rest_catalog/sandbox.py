"""What one check works with: the catalog's client, and namespaces, tables and views of its own."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from lakebench.errors import EngineUnavailable, WrongAnswer
from lakebench.model import Authentication, Catalog, ObjectStore
from lakebench.phases.rest_catalog.client import CatalogClient, Login, Names
from lakebench.phases.rest_catalog.exchange import Exchange
from lakebench.phases.rest_catalog.store_access import write_manifest_list

SCHEMA: Mapping[str, Any] = {
    "type": "struct",
    "schema-id": 0,
    "fields": [
        {"id": 1, "name": "id", "required": True, "type": "int"},
        {"id": 2, "name": "data", "required": False, "type": "string"},
    ],
}
"""The schema of tables, unless a check has another."""
Json = dict[str, Any]
ScopedLogin: TypeAlias = Callable[..., Authentication | None]
"""Called with the name of a namespace and ``writes``; see :meth:`CatalogService.scoped_login`."""
_STEPS = 30
_PAGES = 200


def no_scopes(namespace: str, *, writes: bool) -> Authentication | None:  # noqa: ARG001 - a ScopedLogin
    """The logins of a catalog that gives none for one namespace."""
    return None


@dataclass(frozen=True)
class CreatedTable:
    """A table or view of a check: its identifier, and the answer that made it."""

    namespace: Names
    name: str
    made: Exchange

    @property
    def metadata(self) -> Json:
        """The metadata of that answer."""
        metadata: Json = self.made.json["metadata"]
        return metadata

    @property
    def identifier(self) -> Json:
        """The table in a body: *TableIdentifier*."""
        return {"namespace": list(self.namespace), "name": self.name}


@dataclass
class Sandbox:
    """A client for one check, and what the check makes; all its names begin with ``mark``.

    ``store`` has the tables' files, where it is one that lakebench can list; ``outside`` calls a function that reads or
    writes files, in the process that is to do it. ``expired`` is a token of the catalog's issuer that has expired,
    where one is had. ``scoped`` gives logins for one namespace. ``notes`` are what was done beside requests to the
    catalog.
    """

    catalog: Catalog
    mark: str
    store: ObjectStore | None = None
    expired: str = ""
    outside: Callable[..., Any] = lambda function, *arguments: function(*arguments)
    namespaces: list[Names] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    scoped: ScopedLogin = no_scopes

    def __post_init__(self) -> None:
        """Make the client."""
        self.client = CatalogClient(self.catalog)
        self.call = self.client.call
        self._numbers = itertools.count(1)

    def name(self) -> str:
        """A name that nothing has yet."""
        return f"{self.mark}_{next(self._numbers)}"

    def create_namespace(self, names: Names, properties: Mapping[str, str] | None = None) -> Exchange:
        """*createNamespace*."""
        self.namespaces.append(names)
        body = {"namespace": list(names), "properties": dict(properties or {})}
        return self.call("createNamespace", body=body)

    def namespace(self, properties: Mapping[str, str] | None = None) -> Names:
        """A new namespace.

        Raises:
            EngineUnavailable: the catalog does not make it.
        """
        names = (self.name(),)
        self.create_namespace(names, properties).needed()
        return names

    def create_table(self, namespace: Names, name: str, **body: Any) -> Exchange:
        """*createTable* with the usual schema; ``body`` has other members, ``_`` standing for ``-``."""
        more = {key.replace("_", "-"): value for key, value in body.items()}
        return self.call("createTable", namespace, body={"name": name, "schema": SCHEMA, "stage-create": False} | more)

    def table(self, namespace: Names = (), name: str = "", **body: Any) -> CreatedTable:
        """A new table, in a new namespace where none is given.

        Raises:
            EngineUnavailable: the catalog does not make it.
        """
        where, called = namespace or self.namespace(), name or self.name()
        return CreatedTable(where, called, self.create_table(where, called, **body).needed())

    def load(self, table: CreatedTable) -> Json:
        """The metadata of ``table`` as it is now.

        Raises:
            WrongAnswer: the catalog does not load it.
        """
        answer = self.call("loadTable", table.namespace, table.name)
        if not answer.succeeded:
            raise WrongAnswer(f"the table is there, and {answer.named} answers {answer.said}")
        metadata: Json = answer.json["metadata"]
        return metadata

    def login_for(self, namespace: Names, *, writes: bool = False) -> Authentication:
        """A login whose scope is ``namespace``, to read it or also to write.

        Raises:
            EngineUnavailable: no such login is had.
        """
        login = self.scoped(namespace[0], writes=writes)
        if login is None:
            raise EngineUnavailable("no login of this catalog is had whose scope is one namespace")
        return login

    def commit(
        self, table: CreatedTable, *updates: Json, requirements: Sequence[Json] = (), login: Login = "own"
    ) -> Exchange:
        """*updateTable*."""
        body = {"identifier": table.identifier, "requirements": list(requirements), "updates": list(updates)}
        return self.call("updateTable", table.namespace, table.name, body=body, login=login)

    def append(self, table: CreatedTable, metadata: Json, snapshot_id: int) -> Exchange:
        """A commit of one more snapshot to ``main``, on what ``metadata`` says is the current one.

        Raises:
            EngineUnavailable: it is declined, and lakebench has no keys to write the manifest list that it names.
        """
        updates = self.new_snapshot(metadata, snapshot_id)
        done = self.commit(table, *updates, requirements=[assert_main(current_snapshot(metadata))])
        if self.store is None and not done.succeeded:
            raise EngineUnavailable(
                f"the commit names a manifest list that is not there, as lakebench has no keys of the store, and the "
                f"catalog answers {done.said}: name the store under [catalog.NAME]"
            )
        return done

    def new_snapshot(self, metadata: Json, snapshot_id: int) -> list[Json]:
        """The updates that make a snapshot without files the current one of the table with ``metadata``.

        Its manifest list is written, as some catalogs read it, but where lakebench has no keys of the store.
        """
        updates = snapshot_updates(metadata, snapshot_id)
        location = str(updates[0]["snapshot"]["manifest-list"])
        if self.store is not None and location.startswith("s3://"):
            version = int(metadata.get("format-version", 2))
            said = self.outside(write_manifest_list, self.store, location, updates[0]["snapshot"], version)
            self.notes.append(f"the empty manifest list {location} → {said or 'written'}")
        return updates

    def table_with_snapshots(self, *snapshot_ids: int) -> CreatedTable:
        """A new table, to which the snapshots were added one after another.

        Raises:
            EngineUnavailable: the catalog does not do it.
        """
        table = self.table()
        metadata = table.metadata
        for one in snapshot_ids:
            metadata = self.append(table, metadata, one).needed().json["metadata"]
        return table

    def create_view(self, namespace: Names, name: str, **body: Any) -> Exchange:
        """*createView* of a view that selects a number."""
        version = view_version(1, "SELECT 1 AS id", namespace)
        more = {"schema": SCHEMA, "view-version": version, "properties": {}} | body
        return self.call("createView", namespace, body={"name": name} | more)

    def view(self, namespace: Names = ()) -> CreatedTable:
        """A new view.

        Raises:
            EngineUnavailable: the catalog does not make it.
        """
        where, called = namespace or self.namespace(), self.name()
        return CreatedTable(where, called, self.create_view(where, called).needed())

    def rename(self, operation: str, source: CreatedTable, namespace: Names, name: str) -> Exchange:
        """*renameTable* or *renameView*."""
        destination = {"namespace": list(namespace), "name": name}
        return self.call(operation, body={"source": source.identifier, "destination": destination})

    def listed(
        self, operation: str, member: str, namespace: Names = (), query: Mapping[str, str] | None = None
    ) -> list[Any]:
        """All that a listing has under ``member``, by as many pages as the catalog makes of it.

        Raises:
            Refused: the catalog declines.
            WrongAnswer: the pages have no end.
        """
        found: list[Any] = []
        token: str | None = None
        for _ in range(_PAGES):
            page = {**(query or {}), **({"pageToken": token} if token else {})}
            said = self.call(operation, namespace, query=page).succeeds().json
            found += said.get(member) or []
            token = said.get("next-page-token")
            if not token:
                return found
        raise WrongAnswer(f"{operation} still has a next page after {_PAGES}")

    def table_names(self, namespace: Names) -> list[str]:
        """The names of all tables of ``namespace``."""
        return [one["name"] for one in self.listed("listTables", "identifiers", namespace)]

    def evidence(self) -> Json:
        """What was asked and answered: each exchange in a line, the last one whole, and commands that repeat all."""
        log = [one for one in self.client.log if one.operation != "getConfig"] or self.client.log
        if not log:
            return {}
        last, steps = log[-1], [*(one.line() for one in log), *self.notes]
        shown = steps if len(steps) <= _STEPS else [*steps[:_STEPS], f"and {len(steps) - _STEPS} more"]
        return {
            "steps": shown,
            "request": last.request(),
            "response": last.response(),
            "curl": last.curl(),
            "commands": [one.curl() for one in log[:_STEPS]],
        }


def current_snapshot(metadata: Json) -> int | None:
    """The id of the current snapshot; ``None`` where there is none, which some write as -1."""
    current = metadata.get("current-snapshot-id")
    return None if current in {None, -1} else int(current)


def assert_main(snapshot_id: int | None) -> Json:
    """The requirement that ``main`` is at ``snapshot_id``, or does not exist."""
    return {"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": snapshot_id}


def snapshot_updates(metadata: Json, snapshot_id: int) -> list[Json]:
    """The updates of :meth:`Sandbox.new_snapshot`, whose manifest list is not written."""
    before = current_snapshot(metadata)
    snapshot = {
        "snapshot-id": snapshot_id,
        "sequence-number": int(metadata.get("last-sequence-number", 0)) + 1,
        "timestamp-ms": max(int(time.time() * 1000), int(metadata.get("last-updated-ms", 0))),
        "manifest-list": f"{metadata['location']}/metadata/snap-{snapshot_id}.avro",
        "summary": {"operation": "append"},
        "schema-id": metadata.get("current-schema-id", 0),
    } | ({"parent-snapshot-id": before} if before is not None else {})
    return [{"action": "add-snapshot", "snapshot": snapshot}, set_main(snapshot_id)]


def set_main(snapshot_id: int) -> Json:
    """The update that moves ``main``."""
    return {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": snapshot_id}


def set_properties(**properties: str) -> Json:
    """The update that sets properties of a table or view."""
    return {"action": "set-properties", "updates": properties}


def remove_properties(*names: str) -> Json:
    """The update that removes properties."""
    return {"action": "remove-properties", "removals": list(names)}


def view_version(number: int, sql: str, namespace: Names) -> Json:
    """A version of a view with one representation in SQL (view specification)."""
    return {
        "version-id": number,
        "timestamp-ms": int(time.time() * 1000),
        "schema-id": 0,
        "summary": {"engine-name": "lakebench"},
        "representations": [{"type": "sql", "sql": sql, "dialect": "spark"}],
        "default-namespace": list(namespace),
    }
