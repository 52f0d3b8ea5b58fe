"""Checks of logins: none, wrong, forged, foreign and expired tokens, and OAuth 2.0's client credentials."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
from typing import Any

from lakebench.errors import EngineUnavailable, Refused, WrongAnswer
from lakebench.model import BearerToken, OAuth2
from lakebench.phases.rest_catalog.checks import Level, Subject
from lakebench.phases.rest_catalog.namespaces import listed_namespaces
from lakebench.phases.rest_catalog.openapi_document import violations
from lakebench.phases.rest_catalog.sandbox import CreatedTable, Sandbox, set_properties

LOGINS = Subject("Logins")
_TOKENS = (BearerToken, OAuth2)
_check = LOGINS.check
_PARTS = 3  # of a JSON Web Token
_NOT_YOURS = (403, 404)  # who may not see a table need not be told that it is there (RFC 9110, section 15.5.4)


@_check("auth.no_token", "listNamespaces", logins=_TOKENS)
def asks_for_a_token(catalog: Sandbox) -> None:
    """Who has no token is not let in."""
    catalog.call("listNamespaces", login=None).fails(401)


@_check("auth.no_token_write", "createNamespace", logins=_TOKENS)
def writes_nothing_without_a_token(catalog: Sandbox) -> None:
    """Who has no token makes no namespace."""
    names = (catalog.name(),)
    catalog.call("createNamespace", body={"namespace": list(names), "properties": {}}, login=None).fails(401)
    if list(names) in listed_namespaces(catalog):
        raise WrongAnswer("the request without a token was answered 401, and the namespace is there")


@_check("auth.no_token_load", "loadTable", logins=_TOKENS)
def loads_nothing_without_a_token(catalog: Sandbox) -> None:
    """Who has no token loads no table, not even with the store's keys asked for."""
    table = catalog.table()
    headers = {"X-Iceberg-Access-Delegation": "vended-credentials"}
    catalog.call("loadTable", table.namespace, table.name, headers=headers, login=None).fails(401)


@_check("auth.bad_token", "listNamespaces", logins=_TOKENS)
def declines_a_wrong_token(catalog: Sandbox) -> None:
    """A token that is none is declined."""
    catalog.call("listNamespaces", login=BearerToken(secrets.token_hex(16))).fails(401)


@_check("auth.forged_token", "listNamespaces", logins=_TOKENS)
def declines_a_forged_token(catalog: Sandbox) -> None:
    """A token with another subject, and the signature of before, is declined."""
    head, claims, signature = _parts(catalog)
    forged = _encoded({**_decoded(claims), "sub": "root"})
    catalog.call("listNamespaces", login=BearerToken(f"{head}.{forged}.{signature}")).fails(401)


@_check("auth.unsigned_token", "listNamespaces", logins=_TOKENS)
def declines_an_unsigned_token(catalog: Sandbox) -> None:
    """A token that says that it is not signed is declined."""
    _, claims, _ = _parts(catalog)
    head = _encoded({"alg": "none", "typ": "JWT"})
    catalog.call("listNamespaces", login=BearerToken(f"{head}.{claims}.")).fails(401)


@_check("auth.foreign_token", "listNamespaces", logins=_TOKENS)
def declines_a_foreign_token(catalog: Sandbox) -> None:
    """A token that another issuer signed is declined."""
    _, claims, _ = _parts(catalog)
    signed = f"{_encoded({'alg': 'HS256', 'typ': 'JWT'})}.{claims}"
    signature = hmac.new(secrets.token_bytes(32), signed.encode(), hashlib.sha256).digest()
    catalog.call("listNamespaces", login=BearerToken(f"{signed}.{_text(signature)}")).fails(401)


@_check("auth.expired_token", "listNamespaces", logins=_TOKENS)
def declines_an_expired_token(catalog: Sandbox) -> None:
    """A token of the catalog's issuer that has expired is declined."""
    if not catalog.expired:
        raise EngineUnavailable("no token of this catalog's issuer is had that has expired")
    catalog.call("listNamespaces", login=BearerToken(catalog.expired)).fails(401)


@_check("scope.own_namespace", "loadTable", Level.CAP, logins=_TOKENS)
def reads_the_namespace_of_its_scope(catalog: Sandbox) -> None:
    """Whose scope is to read one namespace loads its tables."""
    table = catalog.table()
    catalog.call("loadTable", table.namespace, table.name, login=catalog.login_for(table.namespace)).succeeds()


@_check("scope.other_read_403", "loadTable", logins=_TOKENS)
def reads_no_other_namespace(catalog: Sandbox) -> None:
    """Whose scope is one namespace neither loads nor lists the tables of another."""
    login, table = catalog.login_for(catalog.namespace(), writes=True), catalog.table()
    catalog.call("loadTable", table.namespace, table.name, login=login).fails(*_NOT_YOURS)
    catalog.call("listTables", table.namespace, login=login).fails(*_NOT_YOURS)


@_check("scope.other_write_403", "updateTable", logins=_TOKENS)
def writes_no_other_namespace(catalog: Sandbox) -> None:
    """Whose scope is one namespace commits to no table of another."""
    login, table = catalog.login_for(catalog.namespace(), writes=True), catalog.table()
    catalog.commit(table, set_properties(foreign="1"), login=login).fails(*_NOT_YOURS)
    _is_unchanged(catalog, table)


@_check("scope.read_only_403", "updateTable", logins=_TOKENS)
def writes_nothing_with_a_scope_to_read(catalog: Sandbox) -> None:
    """Whose scope is to read a namespace commits to none of its tables."""
    table = catalog.table()
    catalog.commit(table, set_properties(foreign="1"), login=catalog.login_for(table.namespace)).fails(*_NOT_YOURS)
    _is_unchanged(catalog, table)


@_check("scope.transaction_403", "commitTransaction", logins=_TOKENS)
def writes_no_other_namespace_in_a_transaction(catalog: Sandbox) -> None:
    """Whose scope is one namespace changes no table of another in a transaction, whose path names no namespace."""
    login, table = catalog.login_for(catalog.namespace(), writes=True), catalog.table()
    change = {"identifier": table.identifier, "requirements": [], "updates": [set_properties(foreign="1")]}
    catalog.call("commitTransaction", body={"table-changes": [change]}, login=login).fails(*_NOT_YOURS)
    _is_unchanged(catalog, table)


@_check("scope.rename_403", "renameTable", logins=_TOKENS)
def takes_no_table_of_another_namespace(catalog: Sandbox) -> None:
    """Whose scope is one namespace renames no table of another into it."""
    own, table = catalog.namespace(), catalog.table()
    body = {"source": table.identifier, "destination": {"namespace": list(own), "name": catalog.name()}}
    catalog.call("renameTable", body=body, login=catalog.login_for(own, writes=True)).fails(*_NOT_YOURS)
    _is_unchanged(catalog, table)


def _is_unchanged(catalog: Sandbox, table: CreatedTable) -> None:
    if "foreign" in catalog.load(table).get("properties", {}):
        raise WrongAnswer("the request was declined, and the table has the property that it sets")


def _oauth(catalog: Sandbox) -> OAuth2:
    login = catalog.catalog.authentication
    if not isinstance(login, OAuth2):
        raise EngineUnavailable("the catalog has no login by OAuth 2.0")
    return login


@_check("oauth.token", "getToken", logins=[OAuth2])
def gives_a_token(catalog: Sandbox) -> None:
    """Id and secret of a client get a token, which lets in."""
    said = catalog.client.get_token(_oauth(catalog)).succeeds().json
    catalog.call("listNamespaces", login=BearerToken(str(said["access_token"]))).succeeds()


@_check("oauth.bad_secret", "getToken", logins=[OAuth2])
def declines_a_wrong_secret(catalog: Sandbox) -> None:
    """A wrong secret gets no token, and an OAuthError."""
    answer = catalog.client.get_token(_oauth(catalog), client_secret=secrets.token_hex(8)).fails(401)
    if found := violations("getToken", 401, answer.json):
        raise WrongAnswer(f"the answer is no OAuthError: {'; '.join(found)}")


@_check("oauth.bad_client", "getToken", logins=[OAuth2])
def declines_an_unknown_client(catalog: Sandbox) -> None:
    """An unknown client gets no token."""
    catalog.client.get_token(_oauth(catalog), client_id=catalog.name()).fails(401)


@_check("oauth.bad_grant", "getToken", logins=[OAuth2])
def declines_an_unknown_grant(catalog: Sandbox) -> None:
    """A grant that does not exist gets no token."""
    catalog.client.get_token(_oauth(catalog), grant_type="no_such_grant").fails(400)


@_check("oauth.unknown_scope", "getToken", Level.CAP, logins=[OAuth2])
def declines_an_unknown_scope(catalog: Sandbox) -> None:
    """A scope that does not exist is declined, or the answer says which one the token has (RFC 6749, section 3.3)."""
    answer = catalog.client.get_token(_oauth(catalog), scope="no-such-scope")
    if answer.succeeded and answer.json.get("scope", "no-such-scope") == "no-such-scope":
        raise Refused("a scope that does not exist gets a token, and the answer does not say which scope it has")
    if not answer.succeeded:
        answer.fails(400, 401, 403)


def _parts(catalog: Sandbox) -> tuple[str, str, str]:
    """Head, claims and signature of the login's token.

    Raises:
        EngineUnavailable: it is no JSON Web Token, which only such a one can be forged from.
    """
    login = catalog.catalog.authentication
    token = login.token if isinstance(login, BearerToken) else ""
    if isinstance(login, OAuth2):
        token = str(catalog.client.get_token(login).needed().json["access_token"])
    parts = token.split(".")
    if len(parts) != _PARTS:
        raise EngineUnavailable("the token is no JSON Web Token: there is nothing in it to forge")
    return parts[0], parts[1], parts[2]


def _decoded(part: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return content


def _encoded(content: dict[str, Any]) -> str:
    return _text(json.dumps(content).encode())


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
