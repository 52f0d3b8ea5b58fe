"""A client of one REST catalog, that asks as its own ``/v1/config`` says, and keeps each answer as it came."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, unquote, urlsplit

from lakebench.errors import EngineCrash, ServiceUnavailable, Timeout
from lakebench.http import HOST
from lakebench.iceberg.login import login_headers
from lakebench.model import Authentication, Catalog, OAuth2
from lakebench.phases.rest_catalog.exchange import Exchange
from lakebench.phases.rest_catalog.openapi_document import operations

if TYPE_CHECKING:
    import requests

Names = Sequence[str]
"""The levels of a namespace."""

_LIMIT_S = 60.0
_CONNECTIONS = 32
_USUAL_SEPARATOR = "%1F"
DEFAULT_OPERATIONS = frozenset({
    "listNamespaces", "createNamespace", "loadNamespaceMetadata", "dropNamespace", "updateProperties", "listTables",
    "createTable", "loadTable", "updateTable", "dropTable", "registerTable", "reportMetrics", "renameTable",
    "commitTransaction",
})  # fmt: skip
"""The operations of a catalog that does not send ``endpoints`` (OpenAPI document, *getConfig*)."""
_ALWAYS = frozenset({"getConfig", "getToken"})
Login = Authentication | Literal["own"] | None
"""How a request logs in: ``own`` is as the catalog's description says, ``None`` not at all."""


@dataclass(frozen=True)
class Configuration:
    """What *getConfig* says: ``properties`` merged, and the ``endpoints``, ``None`` where it sends none."""

    properties: Mapping[str, str]
    endpoints: tuple[str, ...] | None

    @property
    def prefix(self) -> str:
        """The prefix of paths, encoded; empty where there is none."""
        return quote(self.properties.get("prefix", ""), safe="/%")

    @property
    def separator(self) -> str:
        """What separates the levels of a namespace in a path, encoded."""
        return self.properties.get("namespace-separator", _USUAL_SEPARATOR)

    def has(self, operation: str) -> bool:
        """Whether the catalog says that it has ``operation``."""
        if self.endpoints is None:
            return operation in DEFAULT_OPERATIONS | _ALWAYS
        return operation in _ALWAYS or operations()[operation].endpoint in self.endpoints


@dataclass
class CatalogClient:
    """Requests to ``catalog``; ``log`` has every exchange in order. Safe to use from several threads."""

    catalog: Catalog
    log: list[Exchange] = field(default_factory=list)

    @cached_property
    def configuration(self) -> Configuration:
        """Ours win over the catalog's defaults, its overrides win over ours.

        Raises:
            Refused: the catalog declines *getConfig*.
            ServiceUnavailable: it does not answer.
        """
        said = self.config().succeeds().json
        ours = {"prefix": self.catalog.prefix} if self.catalog.prefix else {}
        endpoints = said.get("endpoints")
        merged = {**said.get("defaults", {}), **ours, **said.get("overrides", {})}
        return Configuration(merged, None if endpoints is None else tuple(endpoints))

    def config(self, warehouse: str | None = None, login: Login = "own") -> Exchange:
        """*getConfig* for the catalog's warehouse, or for another one."""
        named = self.catalog.warehouse if warehouse is None else warehouse
        query = {"warehouse": named} if named else {}
        return self.send("getConfig", "/v1/config", query=query, login=login, base=self.catalog.rest_uri)

    def call(
        self,
        operation: str,
        namespace: Names = (),
        name: str = "",
        *,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        login: Login = "own",
    ) -> Exchange:
        """The answer to ``operation`` of the object called ``name`` in ``namespace``."""
        path = self.path(operation, namespace, name)
        return self.send(operation, path, body=body, query=query, headers=headers, login=login)

    def path(self, operation: str, namespace: Names = (), name: str = "") -> str:
        """The path of ``operation`` with prefix, namespace and name."""
        template = operations()[operation].path
        prefix = self.configuration.prefix
        template = template.replace("/{prefix}", f"/{prefix}" if prefix else "")
        levels = self.configuration.separator.join(quote(one, safe="") for one in namespace)
        named = quote(name, safe="")
        return template.replace("{namespace}", levels).replace("{table}", named).replace("{view}", named)

    def parent(self, namespace: Names) -> str:
        """``namespace`` as a value of the query parameter ``parent``, not encoded yet."""
        return unquote(self.configuration.separator).join(namespace)

    def send(
        self,
        operation: str,
        path: str,
        *,
        body: Any = None,
        form: bool = False,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        login: Login = "own",
        base: str = "",
    ) -> Exchange:
        """The answer to one request, which is sent again once where the connection ends without an answer.

        Raises:
            EngineCrash: the connection ended again.
            Timeout: no answer came.
            ServiceUnavailable: nothing listens there.
        """
        method = operations()[operation].method
        sent, data = dict(headers or {}), None
        if body is not None and not form:
            sent["Content-Type"], data = "application/json", json.dumps(body).encode()
        url = path if "://" in path else f"{base or self._base}{path}"
        answer = self._ask(method, url, query or {}, sent, body if form else data, self._login(login))
        one = Exchange(
            operation, method, path, answer.status_code, dict(answer.headers), answer.text, dict(query or {}), sent,
            body, form, login is not None and self.catalog.authentication is not None,
        )  # fmt: skip
        self.log.append(one)
        return one

    def get_token(self, login: OAuth2, **changed: str) -> Exchange:
        """*getToken* for ``login`` by client credentials, with fields of the form ``changed``."""
        form = {
            "grant_type": "client_credentials",
            "client_id": login.client_id,
            "client_secret": login.client_secret,
            "scope": login.scope,
        }
        return self.send("getToken", login.token_uri, body=form | changed, form=True, login=None)

    @property
    def _base(self) -> str:
        return self.configuration.properties.get("uri", self.catalog.rest_uri).rstrip("/")

    def _login(self, login: Login) -> Authentication | None:
        return self.catalog.authentication if isinstance(login, str) else login

    def _ask(
        self, method: str, url: str, query: Mapping[str, str], headers: Mapping[str, str], data: Any,
        login: Authentication | None,
    ) -> requests.Response:  # fmt: skip
        import requests

        prepared = requests.Request(method, url, params=query, data=data, headers=dict(headers)).prepare()
        encoded = prepared.url or url
        # requests decodes what need not be encoded, such as dots: a hostile name would be another path.
        prepared.url = url + (f"?{urlsplit(encoded).query}" if query else "")
        body = prepared.body if isinstance(prepared.body, bytes) else b""
        prepared.headers.update(login_headers(login, method, prepared.url, body))
        try:
            with contextlib.suppress(requests.ConnectionError):  # a connection that the server let go meanwhile
                return self._session.send(prepared, timeout=_LIMIT_S, allow_redirects=False)
            return self._session.send(prepared, timeout=_LIMIT_S, allow_redirects=False)
        except requests.Timeout:
            raise Timeout(f"{method} has no answer within {_LIMIT_S:g} s", limit_s=_LIMIT_S) from None
        except requests.ConnectionError as error:
            if "NewConnectionError" in repr(error):
                raise ServiceUnavailable("nothing listens at the catalog's address") from None
            raise EngineCrash(f"the connection of {method} ended twice without an answer") from None

    @cached_property
    def _session(self) -> requests.Session:
        import requests
        from requests.adapters import HTTPAdapter

        session = requests.Session()
        session.trust_env = urlsplit(self.catalog.uri).hostname not in {HOST, "localhost", "::1"}
        adapter = HTTPAdapter(pool_connections=_CONNECTIONS, pool_maxsize=_CONNECTIONS)
        session.mount("http://", adapter)
        session.mount("https://", adapter)
        return session
