"""Checks of the store's keys that a catalog gives: that they are whole, and do not reach what they must not."""

from __future__ import annotations

import time
from collections.abc import Mapping

from lakebench.errors import EngineUnavailable, Refused, WrongAnswer
from lakebench.model import BearerToken, OAuth2
from lakebench.phases.rest_catalog.answer_forms import check_form
from lakebench.phases.rest_catalog.checks import Level, Subject
from lakebench.phases.rest_catalog.client import Login, Names
from lakebench.phases.rest_catalog.sandbox import CreatedTable, Json, Sandbox
from lakebench.phases.rest_catalog.store_access import Action, Keys, tried

CREDENTIALS = Subject("Keys of the store")
_check = CREDENTIALS.check
_DELEGATION = {"X-Iceberg-Access-Delegation": "vended-credentials"}
_KEY, _SECRET, _TOKEN = "s3.access-key-id", "s3.secret-access-key", "s3.session-token"
_EXPIRES = "s3.session-token-expires-at-ms"
_LONGEST_WAIT_S, _GRACE_S = 150.0, 0.5


def _configured(catalog: Sandbox, table: CreatedTable, headers: Mapping[str, str], login: Login = "own") -> Json:
    """What a load gives a client for its files: *storage-credentials* go before *config* (*LoadTableResult*)."""
    said = catalog.call("loadTable", table.namespace, table.name, headers=headers, login=login).succeeds().json
    location = str(said["metadata"]["location"])
    fitting = [one for one in said.get("storage-credentials") or [] if location.startswith(one["prefix"])]
    longest: Json = max(fitting, key=lambda one: len(one["prefix"]), default={})
    return {**(said.get("config") or {}), **longest.get("config", {})}


def _keys(catalog: Sandbox, table: CreatedTable, login: Login = "own") -> tuple[Keys, Json]:
    """The keys that a load gives to who has ``login``, and all that it gives with them.

    Raises:
        EngineUnavailable: it gives none.
    """
    config = _configured(catalog, table, _DELEGATION, login)
    if not (config.get(_KEY) and config.get(_SECRET)):
        raise EngineUnavailable("the catalog gives no keys of the store")
    store = catalog.store
    keys = Keys(
        endpoint=config.get("s3.endpoint") or (store.endpoint if store else ""),
        region=config.get("client.region") or config.get("s3.region") or (store.region if store else "us-east-1"),
        access_key=config[_KEY],
        secret_key=config[_SECRET],
        session_token=config.get(_TOKEN, ""),
        path_style=config.get("s3.path-style-access", "true") == "true",
    )
    return keys, config


@_check("cred.vended_on_load", "loadTable", Level.CAP)
def gives_keys(catalog: Sandbox) -> None:
    """A load gives keys for the table's files: an id and a secret."""
    config = _configured(catalog, catalog.table(), _DELEGATION)
    had = [name for name in (_KEY, _SECRET) if config.get(name)]
    if not had:
        raise Refused("keys of the store are asked for, and the answer has none")
    if len(had) == 1:
        raise WrongAnswer(f"the answer has {had[0]} alone: no client can sign with it")


@_check("cred.prefix_covers_table", "loadTable", Level.CAP)
def gives_keys_of_this_table(catalog: Sandbox) -> None:
    """Each of the *storage-credentials* is for the table's own location, or for what holds it."""
    table = catalog.table()
    catalog.table(table.namespace)
    said = catalog.call("loadTable", table.namespace, table.name, headers=_DELEGATION).succeeds().json
    given = [one["prefix"] for one in said.get("storage-credentials") or []]
    if not given:
        raise EngineUnavailable("the catalog sends no storage-credentials")
    location = said["metadata"]["location"]
    if foreign := [one for one in given if not (location.startswith(one) or one.startswith(location))]:
        raise WrongAnswer(f"the table is at {location}, and the keys are for {foreign[0]}")


@_check("cred.endpoint_200", "loadCredentials", Level.CAP)
def gives_keys_again(catalog: Sandbox) -> None:
    """The keys of a table can be asked for again."""
    table = catalog.table()
    answer = catalog.call("loadCredentials", table.namespace, table.name, headers=_DELEGATION).succeeds()
    check_form(answer)


@_check("cred.not_leaked_without_header", "loadTable", Level.CAP)
def gives_no_keys_unasked(catalog: Sandbox) -> None:
    """Who does not ask for keys gets no secret."""
    config = _configured(catalog, catalog.table(), {})
    if config.get(_SECRET) or config.get(_TOKEN):
        raise WrongAnswer("no keys of the store are asked for, and the answer has a secret")


def _two(catalog: Sandbox) -> tuple[CreatedTable, CreatedTable]:
    """Two tables of one namespace, the name of one the beginning of the other's."""
    namespace: Names = catalog.namespace()
    return catalog.table(namespace, "foo"), catalog.table(namespace, "foobar")


def _file(table: CreatedTable) -> str:
    """The table's metadata file."""
    return str(table.made.json["metadata-location"])


@_check("cred.own_read", "loadTable", Level.CAP)
def reads_its_own(catalog: Sandbox) -> None:
    """The keys of a table read its files."""
    table = catalog.table()
    keys, _ = _keys(catalog, table)
    if said := _tried(catalog, keys, Action.READ, _file(table)):
        raise Refused(f"the keys of the table do not read its metadata file: {said}")


@_check("cred.sibling_read_403", "loadTable")
def reads_no_other(catalog: Sandbox) -> None:
    """The keys of a table do not read the files of another."""
    table, sibling = _two(catalog)
    _expect_denied(catalog, table, Action.READ, _file(sibling))


@_check("cred.sibling_write_403", "loadTable")
def writes_no_other(catalog: Sandbox) -> None:
    """The keys of a table do not write among the files of another."""
    table, sibling = _two(catalog)
    _expect_denied(catalog, table, Action.WRITE, f"{sibling.metadata['location']}/data/lakebench-check")


@_check("cred.sibling_list_403", "loadTable")
def lists_no_other(catalog: Sandbox) -> None:
    """The keys of a table do not list the files of another."""
    table, sibling = _two(catalog)
    _expect_denied(catalog, table, Action.LIST, f"{sibling.metadata['location']}/metadata")


@_check("cred.hostile_name_read_403", "loadTable")
def is_no_pattern(catalog: Sandbox) -> None:
    """The keys of a table called ``*`` do not read the files of another."""
    namespace = catalog.namespace()
    sibling = catalog.table(namespace, "foo")
    answer = catalog.create_table(namespace, "*")
    if not answer.succeeded:
        raise EngineUnavailable(f"the catalog has no table called *: {answer.said}")
    _expect_denied(catalog, CreatedTable(namespace, "*", answer), Action.READ, _file(sibling))


@_check("cred.read_scope_write_403", "loadTable", logins=(BearerToken, OAuth2))
def writes_nothing_with_a_scope_to_read(catalog: Sandbox) -> None:
    """The keys that a login gets whose scope is to read a namespace write nothing there."""
    table = catalog.table()
    keys, _ = _keys(catalog, table, catalog.login_for(table.namespace))
    where = f"{table.metadata['location']}/data/lakebench-check"
    said = _tried(catalog, keys, Action.WRITE, where)
    if not said:
        raise WrongAnswer(f"the scope is to read, and the keys write {where}")
    _expect_said_denied(said, Action.WRITE)


@_check("cred.expire", "loadTable", short_keys=True)
def keys_end(catalog: Sandbox) -> None:
    """The keys of a table read nothing once they have expired."""
    table = catalog.table()
    keys, config = _keys(catalog, table)
    expires = config.get(_EXPIRES)
    if not expires:
        raise EngineUnavailable("the catalog does not say when its keys expire")
    left = int(expires) / 1000 - time.time()
    if left > _LONGEST_WAIT_S:
        raise EngineUnavailable(f"the keys last another {left:.0f} s, and this check waits {_LONGEST_WAIT_S:.0f} s")
    time.sleep(max(0.0, left) + _GRACE_S)
    if not _tried(catalog, keys, Action.READ, _file(table)):
        raise WrongAnswer("the keys have expired, and read the table's metadata file")


def _tried(catalog: Sandbox, keys: Keys, action: Action, location: str) -> str:
    """What the store says; empty where it allows ``action``."""
    said: str = catalog.outside(tried, keys, action, location)
    catalog.notes.append(f"the keys {action} {location} → {said or 'allowed'}")
    return said


def _expect_denied(catalog: Sandbox, table: CreatedTable, action: Action, location: str) -> None:
    """Check that the keys of ``table`` may not do ``action`` at ``location``, which they would find there."""
    keys, _ = _keys(catalog, table)
    said = _tried(catalog, keys, action, location)
    if not said:
        raise WrongAnswer(f"the keys of the table {table.name} {action} {location}, which is another table's")
    _expect_said_denied(said, action)


def _expect_said_denied(said: str, action: Action) -> None:
    if "ACCESS_DENIED" not in said and "403" not in said:
        raise EngineUnavailable(f"the store does not say whether the keys may {action}: {said}")
