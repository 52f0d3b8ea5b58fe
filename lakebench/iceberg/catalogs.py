"""Small clients of catalogs for the parent's own requests, over HTTP or by PostgreSQL's driver."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from lakebench.errors import CommitConflict, Refused, ServiceUnavailable
from lakebench.http import HttpError, http
from lakebench.iceberg.login import login_headers
from lakebench.model import Authentication, Catalog, Lake, bearer_token

_CONFLICT = 409
_MISSING = 404
_LIMIT_S = 30
_PURGE_LIMIT_S = 600
_DUCKLAKE_FILES = """
    SELECT table_name, count(*), sum(file_size_bytes)
    FROM {0}.ducklake_data_file JOIN {0}.ducklake_table AS a_table USING (table_id)
    WHERE ducklake_data_file.end_snapshot IS NULL AND a_table.end_snapshot IS NULL
    GROUP BY table_name
"""


def table_metadata(catalog: Catalog, namespace: str, table: str) -> dict[str, Any]:
    """The answer to *loadTable* (Iceberg REST catalog OpenAPI): ``metadata-location``, ``metadata``, ``config``.

    Raises:
        Refused: the catalog says no (no such table, among others).
        ServiceUnavailable: it does not answer.
    """
    return ask(_table_address(catalog, namespace, table), authentication=catalog.authentication)


def table_names(catalog: Catalog, namespace: str) -> list[str]:
    """The tables of ``namespace`` by name (*listTables*), over all pages.

    Raises:
        Refused: the catalog says no (no such namespace, among others).
        ServiceUnavailable: it does not answer.
    """
    return sorted(one["name"] for one in _listed(catalog, "identifiers", "namespaces", namespace, "tables"))


def namespace_names(catalog: Catalog) -> list[str]:
    """The namespaces of one level (*listNamespaces*), over all pages.

    Raises:
        Refused: the catalog says no.
        ServiceUnavailable: it does not answer.
    """
    return sorted(levels[0] for levels in _listed(catalog, "namespaces", "namespaces") if len(levels) == 1)


def _listed(catalog: Catalog, key: str, *path: str) -> list[Any]:
    """What all pages of a list have under ``key``."""
    items: list[Any] = []
    token: str | None = ""
    while token is not None:
        query = f"?{urlencode({'pageToken': token})}" if token else ""
        page = ask(f"{_address(catalog, *path)}{query}", authentication=catalog.authentication)
        items += page.get(key) or ()
        token = page.get("next-page-token") or None
    return items


def roll_back(catalog: Catalog, namespace: str, table: str, snapshot_id: int) -> None:
    """Make ``snapshot_id`` the table's current snapshot again (*updateTable* with *set-snapshot-ref*).

    Raises:
        Refused: the catalog says no.
        ServiceUnavailable: it does not answer.
    """
    main = {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": snapshot_id}
    body = {"requirements": [], "updates": [main]}
    ask(_table_address(catalog, namespace, table), "POST", body, authentication=catalog.authentication)


def drop(catalog: Catalog, namespace: str, table: str) -> None:
    """Drop the table and delete its files (*dropTable*).

    Raises:
        Refused: the catalog says no (no such table, among others).
        ServiceUnavailable: it does not answer.
    """
    address = f"{_table_address(catalog, namespace, table)}?purgeRequested=true"
    ask(address, "DELETE", timeout=_PURGE_LIMIT_S, authentication=catalog.authentication)


def create_namespace(catalog: Catalog, namespace: str) -> None:
    """Make ``namespace`` where it does not exist (*createNamespace*).

    Raises:
        Refused: the catalog says no.
        ServiceUnavailable: it does not answer.
    """
    with contextlib.suppress(CommitConflict):
        ask(_address(catalog, "namespaces"), "POST", {"namespace": [namespace]}, authentication=catalog.authentication)


def drop_namespace(catalog: Catalog, namespace: str) -> None:
    """Drop the empty ``namespace`` (*dropNamespace*).

    Raises:
        Refused: the catalog says no.
        ServiceUnavailable: it does not answer.
    """
    ask(_address(catalog, "namespaces", namespace), "DELETE", authentication=catalog.authentication)


def drop_with_tables(catalog: Catalog, namespace: str) -> None:
    """Drop ``namespace`` with its views and tables, whose files are deleted.

    Raises:
        Refused: the catalog says no.
        ServiceUnavailable: it does not answer.
    """
    for name in table_names(catalog, namespace):
        drop(catalog, namespace, name)
    for name in _view_names(catalog, namespace):
        ask(_address(catalog, "namespaces", namespace, "views", name), "DELETE", authentication=catalog.authentication)
    drop_namespace(catalog, namespace)


def _view_names(catalog: Catalog, namespace: str) -> list[str]:
    """The views of ``namespace`` (*listViews*); none where the catalog knows no views."""
    with contextlib.suppress(Refused):
        return [one["name"] for one in _listed(catalog, "identifiers", "namespaces", namespace, "views")]
    return []


def register(catalog: Catalog, namespace: str, table: str, metadata_location: str) -> None:
    """Make the catalog know a table by its metadata file (*registerTable*).

    Raises:
        CommitConflict: it has a table of that name.
        Refused: it says no.
        ServiceUnavailable: it does not answer.
    """
    body = {"name": table, "metadata-location": metadata_location}
    address = _address(catalog, "namespaces", namespace, "register")
    ask(address, "POST", body, authentication=catalog.authentication)


def unregister(catalog: Catalog, namespace: str, table: str) -> None:
    """Make the catalog forget a table, where it knows it, whose files stay (*dropTable* without a purge).

    Raises:
        Refused: the catalog says no.
        ServiceUnavailable: it does not answer.
    """
    address = f"{_table_address(catalog, namespace, table)}?purgeRequested=false"
    try:
        ask(address, "DELETE", authentication=catalog.authentication)
    except Refused as error:
        if error.details.get("status") != _MISSING:
            raise


def ducklake_files(lake: Lake) -> dict[str, tuple[int, int]]:
    """Table → number and bytes of its data files, of a DuckLake with its catalog in PostgreSQL, as of now.

    A table whose rows are all in the catalog itself (inlined data) has none, and is not named. Source: DuckLake's
    specification, *ducklake_data_file* and *ducklake_table*.

    Raises:
        ServiceUnavailable: the server does not answer, or has no such catalog.
    """
    import psycopg
    from psycopg.sql import SQL, Identifier

    catalog, schema = lake.catalog, lake.options["METADATA_SCHEMA"]
    try:
        with psycopg.connect(catalog.uri, user=catalog.user, password=catalog.password) as connection:
            rows = connection.execute(SQL(_DUCKLAKE_FILES).format(Identifier(schema))).fetchall()
    except psycopg.Error as error:
        raise ServiceUnavailable(f"the catalog of the DuckLake {schema} does not answer: {error}") from error
    return {table: (number, int(size)) for table, number, size in rows}


def _table_address(catalog: Catalog, namespace: str, table: str) -> str:
    return _address(catalog, "namespaces", namespace, "tables", table)


def _address(catalog: Catalog, *path: str) -> str:
    base, prefix = rest_base(catalog)
    return "/".join([base, "v1", *prefix, *(quote(one, safe="") for one in path)])


def rest_base(catalog: Catalog) -> tuple[str, list[str]]:
    """The address and path prefix by *getConfig*: ours win over its defaults, its overrides win over ours."""
    config = rest_config(catalog, catalog.rest_uri)
    ours = {"prefix": catalog.prefix} if catalog.prefix else {}
    merged: Mapping[str, str] = config.get("defaults", {}) | ours | config.get("overrides", {})
    prefix = merged.get("prefix")
    # The prefix is a path, given unencoded; Nessie's has a "|".
    return merged.get("uri", catalog.rest_uri).rstrip("/"), [quote(prefix, safe="/%")] if prefix else []


def rest_config(catalog: Catalog, uri: str) -> dict[str, Any]:
    """The answer to *getConfig* at ``uri``, which is the catalog's or that of one of its references.

    Raises:
        Refused: the catalog says no.
        ServiceUnavailable: it does not answer.
    """
    query = urlencode({"warehouse": catalog.warehouse})
    return ask(f"{uri}/v1/config?{query}", authentication=catalog.authentication)


@dataclass(frozen=True)
class NessieReference:
    """A branch or tag of Nessie at one commit; ``kind`` is ``BRANCH`` or ``TAG``, ``hash`` in hex."""

    kind: str
    name: str
    hash: str

    @property
    def path(self) -> str:
        """Name and expected commit, as the API's paths hold them."""
        return quote(f"{self.name}@{self.hash}", safe="")


class NessieClient:
    """Nessie's own API, version 2 (its OpenAPI document).

    ``api`` is the endpoint's property of that name, ``token`` its password.

    Every method raises :class:`~lakebench.errors.Refused` where Nessie says no, and
    :class:`~lakebench.errors.ServiceUnavailable` where it does not answer.
    """

    def __init__(self, api: str, token: str = "") -> None:
        self._trees, self._authentication = f"{api.rstrip('/')}/trees", bearer_token(token)

    def get_reference(self, name: str) -> NessieReference:
        """The branch or tag ``name`` as it is now."""
        return _reference(self._ask(f"/{quote(name, safe='')}"))

    def create_branch(self, name: str, at: NessieReference) -> NessieReference:
        """Make branch ``name`` at the commit of ``at``."""
        return self._create("BRANCH", name, at)

    def create_tag(self, name: str, at: NessieReference) -> NessieReference:
        """Make tag ``name`` at the commit of ``at``."""
        return self._create("TAG", name, at)

    def merge(self, source: NessieReference, into: NessieReference) -> NessieReference:
        """Merge ``source`` into the branch ``into``; the branch with its new commit.

        Raises:
            CommitConflict: both changed the same table, which the message names.
        """
        body = {"fromRefName": source.name, "fromHash": source.hash}
        answer = self._ask(f"/{into.path}/history/merge", "POST", body)
        return NessieReference(into.kind, into.name, answer["resultantTargetHash"])

    def _create(self, kind: str, name: str, at: NessieReference) -> NessieReference:
        query = urlencode({"name": name, "type": kind})
        return _reference(self._ask(f"?{query}", "POST", {"type": at.kind, "name": at.name, "hash": at.hash}))

    def _ask(self, path: str, method: str = "GET", body: Any = None) -> dict[str, Any]:
        return ask(f"{self._trees}{path}", method, body, authentication=self._authentication)


def _reference(answer: Mapping[str, Any]) -> NessieReference:
    reference = answer["reference"]
    return NessieReference(reference["type"], reference["name"], reference["hash"])


def ask(
    url: str,
    method: str = "GET",
    body: Any = None,
    timeout: float = _LIMIT_S,
    authentication: Authentication | None = None,
) -> dict[str, Any]:
    """A catalog's answer to one request; an error's ``details`` have its ``status``.

    Raises:
        CommitConflict: another commit came first.
        Refused: the catalog says no.
        ServiceUnavailable: it does not answer.
    """
    data = None if body is None else json.dumps(body).encode()
    headers = login_headers(authentication, method, url, data or b"")
    if data is not None:
        headers["Content-Type"] = "application/json"
    try:
        answer = http(url, method=method, body=data, timeout=timeout, headers=headers)
    except HttpError as error:
        kind = CommitConflict if error.status == _CONFLICT else Refused
        raise kind(f"the catalog answers {error.status}: {_words(error.body)}", status=error.status) from error
    except OSError as error:
        # Not the path, which may be a secret.
        raise ServiceUnavailable(f"the catalog at {'/'.join(url.split('/')[:3])} does not answer: {error}") from error
    try:
        parsed: dict[str, Any] = json.loads(answer) if answer else {}
    except ValueError as error:
        raise ServiceUnavailable(f"the catalog at {'/'.join(url.split('/')[:3])} answers no JSON: {error}") from error
    return parsed


def _words(body: str) -> str:
    """The message in an error's body, REST catalog's or Nessie's, in one line."""
    try:
        content = json.loads(body)
        inner = content.get("error", content) if isinstance(content, dict) else content
        message = inner.get("message", body) if isinstance(inner, dict) else str(inner)
    except ValueError:
        message = body
    return " ".join(str(message).split())[:300]
