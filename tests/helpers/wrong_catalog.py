"""A small REST catalog in memory, that does what the specification says, and one thing wrong where it is told to.

It keeps namespaces, tables and views, vends keys of a store of its own (:mod:`wrong_store`), and gives tokens by OAuth
2.0. Each :class:`Fault` is one lie; with none of them it passes every check of phase 11.
"""

from __future__ import annotations

import base64
import contextlib
import copy
import hashlib
import hmac
import json
import secrets
import threading
import time
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from wrong_commits import Declined, applied, checked, empty_metadata
from wrong_faults import Fault
from wrong_store import WrongStore

from lakebench.http import HOST
from lakebench.iceberg.manifests import manifest_list
from lakebench.model import BearerToken, Catalog, CatalogKind, Delegation, OAuth2
from lakebench.phases.rest_catalog.openapi_document import operations

Json = dict[str, Any]
_CLIENT, _SCOPE = "client", "PRINCIPAL_ROLE:ALL"
_PREFIX = "lake"


class State:
    """What the catalog knows; ``lock`` is held by whoever changes it."""

    def __init__(self) -> None:
        self.namespaces: dict[tuple[str, ...], dict[str, str]] = {}
        self.tables: dict[tuple[tuple[str, ...], str], Json] = {}
        self.views: dict[tuple[tuple[str, ...], str], Json] = {}
        self.dropped: dict[tuple[tuple[str, ...], str], Json] = {}
        self.answered: dict[str, tuple[int, Any]] = {}
        self.lock = threading.RLock()


class WrongCatalog(ThreadingHTTPServer):
    """The server; ``fault`` may be changed while it runs."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, store: WrongStore, fault: Fault | None = None) -> None:
        super().__init__((HOST, 0), _Handler)
        self.store, self.fault, self.state = store, fault, State()
        self.secret, self._key = secrets.token_hex(16), secrets.token_bytes(32)

    def token(self, lasts_s: float = 3600, scope: Json | None = None) -> str:
        """A JSON Web Token that the catalog signs; it has expired where it lasts less than no time."""
        claims = {"sub": _CLIENT, "exp": int(time.time() + lasts_s), "scope": scope}
        signed = ".".join(_encoded(json.dumps(one).encode()) for one in ({"alg": "HS256", "typ": "JWT"}, claims))
        return f"{signed}.{self._signature(signed)}"

    def _signature(self, signed: str) -> str:
        return _encoded(hmac.new(self._key, signed.encode(), hashlib.sha256).digest())

    def lets_in(self, token: str) -> bool:
        """Whether ``token`` is one of its own that has not expired."""
        try:
            head, claims, signature = token.split(".")
            algorithm, content = (json.loads(base64.urlsafe_b64decode(f"{one}===")) for one in (head, claims))
        except ValueError:
            return False
        unsigned = self.lies(Fault.UNSIGNED) and algorithm["alg"] == "none"
        signed = self.lies(Fault.ANY_SIGNATURE) or unsigned or signature == self._signature(f"{head}.{claims}")
        return signed and (content["exp"] > time.time() or self.lies(Fault.EXPIRED))

    def scoped_login(self, namespace: str, *, writes: bool) -> BearerToken:
        """A token for one namespace."""
        return BearerToken(self.token(scope={"namespace": namespace, "writes": writes}))

    @property
    def uri(self) -> str:
        """The catalog's address."""
        return f"http://{HOST}:{self.server_port}/catalog"

    @property
    def catalog(self) -> Catalog:
        """How the checks reach it."""
        login = OAuth2(f"{self.uri}/v1/oauth/tokens", _CLIENT, self.secret, _SCOPE)
        delegation = Delegation.VENDED_CREDENTIALS
        return Catalog(CatalogKind.REST, self.uri, "lake", authentication=login, delegation=delegation)

    def lies(self, fault: Fault) -> bool:
        """Whether it is to do this wrong."""
        return self.fault is fault


@contextlib.contextmanager
def wrong_catalog(fault: Fault | None = None) -> Iterator[WrongCatalog]:
    """A catalog and its store that serve."""
    with WrongStore() as store, WrongCatalog(store, fault) as server:
        threads = [threading.Thread(target=one.serve_forever, args=(0.05,)) for one in (store, server)]
        for one in threads:
            one.start()
        try:
            yield server
        finally:
            for one in (store, server):
                one.shutdown()
            for thread in threads:
                thread.join()


def _encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


class _Handler(BaseHTTPRequestHandler):
    server: WrongCatalog
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        address = urlsplit(self.path)
        parts = address.path.removeprefix("/catalog/v1/").split("/")
        query = {key: one[0] for key, one in parse_qs(address.query, keep_blank_values=True).items()}
        try:
            status, answer, headers = self._routed(parts, query, body)
        except Declined as error:
            status, headers = error.status, {}
            answer = {"error": {"message": str(error), "type": error.kind, "code": error.status}}
        self._send(status, answer, headers)

    do_GET = do_POST = do_HEAD = do_DELETE = _serve  # noqa: N815 - the names of the standard library

    def _routed(self, parts: list[str], query: dict[str, str], body: bytes) -> tuple[int, Any, dict[str, str]]:
        if parts == ["oauth", "tokens"]:
            return (*self._token({key: one[0] for key, one in parse_qs(body.decode()).items()}), {})
        self._log_in()
        if parts == ["config"]:
            return 200, self._config(query), {}
        parts = [unquote(one) for one in parts[1:]]
        content: Json = json.loads(body) if body else {}
        self._keep_to_scope(parts)
        with self.server.state.lock if not self._races(parts) else contextlib.nullcontext():
            answer = self._answer(parts, query, content)
        status, said, *more = answer
        return status, said, more[0] if more else {}

    def _races(self, parts: list[str]) -> bool:
        """Whether commits are made without a lock."""
        commits = len(parts) == 4 or parts[-1] == "commit"
        return self.command == "POST" and commits and self.server.lies(Fault.BOTH_WIN)

    def _log_in(self) -> None:
        given = self.headers.get("Authorization")
        if given is None and self.server.lies(Fault.OPEN_DOOR):
            return
        if not self.server.lets_in((given or "").removeprefix("Bearer ")):
            raise Declined(401, "NotAuthorizedException", "who are you?")

    @property
    def _scope(self) -> Json | None:
        """The namespace that the token is for, and whether it may be written; ``None``: all of them."""
        _, claims, *_ = (*(self.headers.get("Authorization") or "").split("."), "", "")
        scope: Json | None = json.loads(base64.urlsafe_b64decode(f"{claims}==="))["scope"] if claims else None
        return scope

    def _keep_to_scope(self, parts: list[str]) -> None:
        scope = self._scope
        if scope is None or (parts[0] != "namespaces" and self.server.lies(Fault.BODIES)):
            return
        inside = parts[:2] == ["namespaces", scope["namespace"]] or self.server.lies(Fault.ANY_NAMESPACE)
        reads = self.command in {"GET", "HEAD"} or self.server.lies(Fault.ANY_WRITES)
        if not (inside and (reads or scope["writes"])):
            raise Declined(403, "ForbiddenException", "the token has another scope")

    def _token(self, form: dict[str, str]) -> tuple[int, Json]:
        if form.get("grant_type") != "client_credentials":
            return 400, {"error": "unsupported_grant_type"}
        if (form.get("client_id"), form.get("client_secret")) != (_CLIENT, self.server.secret):
            return 401, {"error": "invalid_client"}
        if form.get("scope") != _SCOPE:
            return 400, {"error": "invalid_scope"}
        return 200, {"access_token": self.server.token(), "token_type": "bearer", "expires_in": 3600}

    def _config(self, query: dict[str, str]) -> Json:
        if query.get("warehouse") != "lake":
            raise Declined(404, "NotFoundException", "there is no such warehouse")
        endpoints = [one.endpoint for one in operations().values() if "plan" not in one.id.lower()]
        left_out = {"POST /v1/{prefix}/namespaces/{namespace}/tables/{table}/tasks"}
        return {
            "defaults": {},
            "overrides": {"prefix": _PREFIX},
            "endpoints": [one for one in endpoints if one not in left_out],
        }

    def _answer(self, parts: list[str], query: dict[str, str], body: Json) -> Any:
        method = self.command
        match parts:
            case ["namespaces"]:
                return self._namespaces(method, query, body)
            case ["transactions", "commit"]:
                return self._transaction(body)
            case ["tables" | "views" as kind, "rename"]:
                return self._rename(kind, body)
            case ["namespaces", levels, *rest]:
                return self._within(method, tuple(levels.split("\x1f")), rest, query, body)
        raise Declined(404, "NotFoundException", "there is no such path")

    # Namespaces.

    def _namespaces(self, method: str, query: dict[str, str], body: Json) -> Any:
        known = self.server.state.namespaces
        if method == "POST":
            if not body.get("namespace"):
                raise Declined(400, "BadRequestException", "a namespace has a name")
            names = tuple(body["namespace"])
            if names in known:
                raise Declined(409, "AlreadyExistsException", "it is there")
            if names[:-1]:
                self._known(names[:-1])
            known[names] = dict(body.get("properties") or {})
            return 200, {"namespace": list(names), "properties": known[names]}
        parent = tuple(query["parent"].split("\x1f")) if query.get("parent") else ()
        if parent:
            self._known(parent)
        found = [list(one) for one in known if one[:-1] == parent]
        return 200, self._page("namespaces", found, query)

    def _known(self, names: tuple[str, ...]) -> dict[str, str]:
        if names not in self.server.state.namespaces:
            kind = "NoSuchTableException" if self.server.lies(Fault.WRONG_TYPE) else "NoSuchNamespaceException"
            raise Declined(404, kind, "there is no such namespace")
        return self.server.state.namespaces[names]

    def _page(self, member: str, found: list[Any], query: dict[str, str]) -> Json:
        size = int(query.get("pageSize") or 0)
        if not size:
            return {member: found}
        start = int(query.get("pageToken") or 0)
        repeated = 1 if start and self.server.lies(Fault.PAGE_REPEATS) else 0
        shown = found[start - repeated : start - repeated + size] if repeated else found[start : start + size]
        following = start + size - repeated
        return {member: shown, **({"next-page-token": str(following)} if following < len(found) else {})}

    def _within(  # noqa: C901, PLR0911 - a path a line
        self, method: str, names: tuple[str, ...], rest: list[str], query: dict[str, str], body: Json
    ) -> Any:
        properties = self._known(names)
        match method, rest:
            case (("GET" | "HEAD"), []):
                return 200, {"namespace": list(names), "properties": properties}
            case "DELETE", []:
                return self._drop_namespace(names)
            case "POST", ["properties"]:
                return self._update_properties(properties, body)
            case "GET", ["tables" | "views" as kind]:
                known = self.server.state.tables if kind == "tables" else self.server.state.views
                found = [{"namespace": list(names), "name": name} for at, name in known if at == names]
                return 200, self._page("identifiers", found, query)
            case "POST", ["tables"]:
                return self._create_table(names, body)
            case "POST", ["register"]:
                return self._register(names, body)
            case "POST", ["views"]:
                return self._create_view(names, body)
            case _, ["tables", name]:
                return self._table(method, (names, name), query, body)
            case "GET", ["tables", name, "credentials"]:
                return 200, {"storage-credentials": [self._keys(self._stored((names, name)))]}
            case "POST", ["tables", name, "metrics"]:
                self._stored((names, name))
                return 204, None
            case _, ["views", name]:
                return self._view(method, (names, name), body)
        raise Declined(404, "NotFoundException", "there is no such path")

    def _drop_namespace(self, names: tuple[str, ...]) -> Any:
        state = self.server.state
        children = [one for one in state.namespaces if one[: len(names)] == names and one != names]
        if children or any(at == names for at, _ in (*state.tables, *state.views)):
            raise Declined(409, "NamespaceNotEmptyException", "it is not empty")
        del state.namespaces[names]
        return 204, None

    def _update_properties(self, properties: dict[str, str], body: Json) -> Any:
        removals, updates = body.get("removals") or [], body.get("updates") or {}
        if set(removals) & set(updates):
            raise Declined(422, "UnprocessableEntityException", "set and removed at once")
        gone = [one for one in removals if properties.pop(one, None) is not None]
        properties.update(updates)
        return 200, {"updated": list(updates), "removed": gone, "missing": [one for one in removals if one not in gone]}

    # Tables.

    def _stored(self, key: tuple[tuple[str, ...], str]) -> Json:
        tables = self.server.state.tables
        if key not in tables:
            if self.server.lies(Fault.MISSING_TABLE) and self.command == "GET":
                return empty_metadata({"name": key[1], "schema": {"type": "struct", "fields": []}}, "s3://lake/ghost")
            raise Declined(404, "NoSuchTableException", "there is no such table")
        return tables[key]

    def _create_table(self, names: tuple[str, ...], body: Json) -> Any:
        if "schema" not in body:
            raise Declined(400, "BadRequestException", "a table has a schema")
        key = (names, body["name"])
        state = self.server.state
        if key in state.tables and self.server.lies(Fault.OLD_SCHEMA):
            return 200, self._loaded(state.tables[key], {})
        if key in state.tables or key in state.views:
            raise Declined(409, "AlreadyExistsException", "it is there")
        given = {**body, "properties": {}} if self.server.lies(Fault.LOST_PROPERTIES) else body
        mark = hashlib.sha256("\x1f".join(names).encode()).hexdigest()[:8]
        readable = "".join(one if one.isalnum() or one in "_-" else "_" for one in body["name"])
        location = f"s3://lake/{mark}/{readable}-{hashlib.sha256(body['name'].encode()).hexdigest()[:6]}"
        metadata = empty_metadata(given, f"{location}-{secrets.token_hex(3)}")
        if key in state.dropped and self.server.lies(Fault.REUSED_UUID):
            metadata = copy.deepcopy(state.dropped[key])
        if not body.get("stage-create"):
            self._keep(key, metadata)
        return 200, self._loaded(metadata, {}, staged=bool(body.get("stage-create")))

    def _keep(self, key: tuple[tuple[str, ...], str], metadata: Json) -> None:
        """Store a table with a new metadata file."""
        file = f"{metadata['location']}/metadata/{uuid.uuid4()}.metadata.json"
        metadata["metadata-location"] = file
        kept = {name: one for name, one in metadata.items() if name != "metadata-location"}
        self.server.store.objects[file.removeprefix("s3://")] = json.dumps(kept).encode()
        self.server.state.tables[key] = metadata

    def _register(self, names: tuple[str, ...], body: Json) -> Any:
        key = (names, body["name"])
        if key in self.server.state.tables:
            raise Declined(409, "AlreadyExistsException", "it is there")
        content = self.server.store.objects.get(body["metadata-location"].removeprefix("s3://"))
        if content is None:
            raise Declined(400, "BadRequestException", "there is no such file")
        self._keep(key, json.loads(content))
        return 200, self._loaded(self.server.state.tables[key], {})

    def _table(self, method: str, key: tuple[tuple[str, ...], str], query: dict[str, str], body: Json) -> Any:
        if method == "POST":
            return self._committed(key, body)
        stored = self._stored(key)
        if method == "DELETE":
            return self._drop_table(key, stored, purge=query.get("purgeRequested") == "true")
        etag = f'"{hashlib.sha256(str(stored.get("metadata-location")).encode()).hexdigest()[:16]}"'
        if self.headers.get("If-None-Match") == etag:
            return 304, None, {"ETag": etag}
        return 200, self._loaded(stored, query), {"ETag": etag}

    def _loaded(self, stored: Json, query: dict[str, str], *, staged: bool = False) -> Json:
        metadata = {key: one for key, one in copy.deepcopy(stored).items() if key != "metadata-location"}
        if query.get("snapshots") == "refs":
            named = {one["snapshot-id"] for one in metadata["refs"].values()}
            metadata["snapshots"] = [one for one in metadata["snapshots"] if one["snapshot-id"] in named]
        said: Json = {"metadata": metadata, "config": {"size": 1} if self.server.lies(Fault.BAD_FORM) else {}}
        if not staged:
            said["metadata-location"] = stored.get("metadata-location")
        asked = self.headers.get("X-Iceberg-Access-Delegation") == "vended-credentials"
        if asked or self.server.lies(Fault.UNASKED_KEYS):
            said["storage-credentials"] = [self._keys(stored)]
        return said

    def _keys(self, stored: Json) -> Json:
        """Keys for the files of a table."""
        location = stored["location"]
        if self.server.lies(Fault.FOREIGN_KEYS):
            others = [one["location"] for one in self.server.state.tables.values() if one["location"] != location]
            location = others[-1] if others else location
        reach = "s3://lake" if self.server.lies(Fault.WIDE_KEYS) else location
        reads = bool(self._scope) and not self._scope["writes"] and not self.server.lies(Fault.ANY_WRITES)
        lasting = self.server.lies(Fault.LASTING_KEYS)
        key, secret, ends = self.server.store.keys_for(reach, lasting=lasting, reads=reads)
        config = {
            "s3.access-key-id": key,
            "s3.secret-access-key": secret,
            "s3.session-token-expires-at-ms": str(int(ends * 1000)),
            "s3.endpoint": self.server.store.owner.endpoint,
            "s3.path-style-access": "true",
            "client.region": "us-east-1",
        }
        if self.server.lies(Fault.KEY_ALONE):
            del config["s3.secret-access-key"]
        return {"prefix": location, "config": config}

    def _drop_table(self, key: tuple[tuple[str, ...], str], stored: Json, *, purge: bool) -> Any:
        state, names = self.server.state, [key]
        if self.server.lies(Fault.PATTERN) and "*" in key[1]:
            names = [one for one in state.tables if one[0] == key[0] and one[1].startswith(key[1].partition("*")[0])]
        for one in {*names, key}:
            state.dropped[one] = state.tables.pop(one)
        if purge or self.server.lies(Fault.PURGES_ALWAYS):
            begins = f"{stored['location'].removeprefix('s3://')}/"
            if self.server.lies(Fault.PURGES_PREFIX):
                begins = begins.rpartition("-")[0].rpartition("-")[0]
            for file in [one for one in self.server.store.objects if one.startswith(begins)]:
                del self.server.store.objects[file]
        return 204, None

    def _committed(self, key: tuple[tuple[str, ...], str], body: Json) -> Any:
        again = self.headers.get("Idempotency-Key")
        remembered = f"{key}/{again}"
        if again and remembered in self.server.state.answered:
            return self.server.state.answered[remembered]
        metadata = self._changed(key, body)
        self._keep(key, metadata)
        said = self._loaded(metadata, {})
        answer = 200, {"metadata": said["metadata"], "metadata-location": metadata["metadata-location"]}
        if again:
            self.server.state.answered[remembered] = answer
        return answer

    def _changed(self, key: tuple[tuple[str, ...], str], body: Json) -> Json:
        """The metadata after a commit, which is not stored yet."""
        creates = any(one.get("type") == "assert-create" for one in body["requirements"])
        before = self.server.state.tables.get(key)
        if before is None and not creates:
            raise Declined(404, "NoSuchTableException", "there is no such table")
        holds = self.server.lies(Fault.STALE_ASSERTIONS)
        checked(before, body["requirements"], lenient=holds)
        if self.server.lies(Fault.BOTH_WIN):
            time.sleep(0.2)  # long enough for those sent at once to arrive on a busy machine
        updates = body["updates"]
        if self.server.lies(Fault.FIRST_OF_A_KIND):
            updates = list({one["action"]: one for one in reversed(updates)}.values())[::-1]
        base = copy.deepcopy(before) or empty_metadata({"name": key[1], "schema": {"type": "struct", "fields": []}}, "")
        metadata = applied(base, updates, keeps_last=self.server.lies(Fault.LAST_PROPERTY))
        adds = [one["snapshot"]["manifest-list"] for one in updates if one["action"] == "add-snapshot"]
        for location in adds:
            _read_manifest_list(self.server.store, location)
        if self.server.lies(Fault.ROWS_BACK) and not adds and len(metadata["snapshots"]) > 1:
            old = metadata["snapshots"][-2]["snapshot-id"]
            metadata["refs"]["main"]["snapshot-id"] = metadata["current-snapshot-id"] = old
        return metadata

    def _transaction(self, body: Json) -> Any:
        ready: list[tuple[Any, Json]] = []
        for change in body["table-changes"]:
            key = (tuple(change["identifier"]["namespace"]), change["identifier"]["name"])
            if key not in self.server.state.tables:
                raise Declined(404, "NoSuchTableException", "there is no such table")
            metadata = self._changed(key, change)
            if self.server.lies(Fault.HALF_TRANSACTION):
                self._keep(key, metadata)
            ready.append((key, metadata))
        for key, metadata in ready:
            self._keep(key, metadata)
        return 204, None

    def _rename(self, kind: str, body: Json) -> Any:
        state = self.server.state
        known = state.tables if kind == "tables" else state.views
        source, target = ((tuple(body[one]["namespace"]), body[one]["name"]) for one in ("source", "destination"))
        if source not in known:
            missing = "NoSuchTableException" if kind == "tables" else "NoSuchViewException"
            raise Declined(404, missing, "there is no such source")
        self._known(target[0])
        if target in state.tables or target in state.views:
            raise Declined(409, "AlreadyExistsException", "it is there")
        known[target] = known.pop(source)
        return 204, None

    # Views.

    def _create_view(self, names: tuple[str, ...], body: Json) -> Any:
        key, state = (names, body["name"]), self.server.state
        if key in state.views or key in state.tables:
            raise Declined(409, "AlreadyExistsException", "it is there")
        version = body["view-version"]
        state.views[key] = {
            "view-uuid": str(uuid.uuid4()),
            "format-version": 1,
            "location": f"s3://lake/views/{secrets.token_hex(4)}",
            "current-version-id": version["version-id"],
            "versions": [version],
            "version-log": [{"version-id": version["version-id"], "timestamp-ms": version["timestamp-ms"]}],
            "schemas": [{**body["schema"], "schema-id": 0}],
            "properties": dict(body.get("properties") or {}),
        }
        return 200, self._loaded_view(key)

    def _loaded_view(self, key: tuple[tuple[str, ...], str]) -> Json:
        view = self.server.state.views[key]
        return {"metadata-location": f"{view['location']}/metadata/v.json", "metadata": view, "config": {}}

    def _view(self, method: str, key: tuple[tuple[str, ...], str], body: Json) -> Any:
        views = self.server.state.views
        if key not in views:
            raise Declined(404, "NoSuchViewException", "there is no such view")
        if method == "DELETE":
            del views[key]
            return 204, None
        if method == "POST":
            for one in body["requirements"]:
                if one["uuid"] != views[key]["view-uuid"]:
                    raise Declined(409, "CommitFailedException", "the view is another one")
            for update in body["updates"]:
                if update["action"] == "add-view-version":
                    views[key]["versions"].append(update["view-version"])
                if update["action"] == "set-current-view-version":
                    views[key]["current-version-id"] = views[key]["versions"][-1]["version-id"]
        return 200, self._loaded_view(key)

    def _send(self, status: int, answer: Any, headers: dict[str, str]) -> None:
        content = b"" if answer is None else json.dumps(answer).encode()
        self.send_response(status)
        for key, value in {**headers, "Content-Type": "application/json", "Content-Length": str(len(content))}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def _read_manifest_list(store: WrongStore, location: str) -> None:
    """Decline a snapshot whose manifest list is not there, or has files that this catalog knows nothing of."""
    content = store.objects.get(location.removeprefix("s3://"))
    if content is None or manifest_list(content):
        raise Declined(400, "BadRequestException", f"no empty manifest list is at {location}")
