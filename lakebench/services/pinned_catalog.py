"""A REST catalog that knows tables by their metadata as it was at one moment, and lets nobody change anything.

Engines read a table by it that no catalog knows, and one that somebody else commits to while it is checked.
"""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from lakebench.http import HOST
from lakebench.model import Catalog, CatalogKind

NAMESPACE = "lakebench"
_SECRET_BYTES = 24
_OK, _NO_CONTENT, _FORBIDDEN, _MISSING = 200, 204, 403, 404
_ENDPOINTS = (
    "GET /v1/{prefix}/namespaces",
    "GET /v1/{prefix}/namespaces/{namespace}",
    "HEAD /v1/{prefix}/namespaces/{namespace}",
    "GET /v1/{prefix}/namespaces/{namespace}/tables",
    "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}",
    "HEAD /v1/{prefix}/namespaces/{namespace}/tables/{table}",
)
_ABSENT = {
    "namespaces": "NoSuchNamespaceException",
    "tables": "NoSuchTableException",
    "views": "NoSuchViewException",
}
"""Part of a path → the type of the error where there is nothing behind it."""

Json = Mapping[str, Any]


@contextmanager
def pinned_catalog(tables: Mapping[str, tuple[str, Json]]) -> Iterator[Catalog]:
    """Serve ``tables`` (name → location of the metadata file, its content) on 127.0.0.1 while the block runs.

    The paths begin with a secret, so that no other account of this machine reads them. Every request that would change
    something is refused (Iceberg REST catalog OpenAPI, 403).
    """
    secret = secrets.token_hex(_SECRET_BYTES)
    server = ThreadingHTTPServer((HOST, 0), _handler(tables, secret))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, name="pinned-catalog", daemon=True)
    thread.start()
    try:
        yield Catalog(CatalogKind.REST, f"http://{HOST}:{server.server_port}/{secret}", "", stage_tables=False)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def answer(tables: Mapping[str, tuple[str, Json]], method: str, parts: list[str]) -> tuple[int, Json | None]:
    """Status and body of a request; ``parts`` are those of the path behind ``v1``, decoded."""
    if method == "POST" and parts[-1:] == ["metrics"]:
        return _NO_CONTENT, None
    if method not in {"GET", "HEAD"}:
        return _error(_FORBIDDEN, "ForbiddenException", "lakebench check lets nobody change a table")
    found = _documents(tables).get(tuple(parts))
    if found is not None:
        return _OK, found
    kind = next((_ABSENT[one] for one in reversed(parts) if one in _ABSENT), "NotFoundException")
    return _error(_MISSING, kind, "there is no such thing")


def _documents(tables: Mapping[str, tuple[str, Json]]) -> dict[tuple[str, ...], Json]:
    """Path → answer, of everything that there is."""
    inside = ("namespaces", NAMESPACE)
    return {
        ("config",): {"defaults": {}, "overrides": {}, "endpoints": list(_ENDPOINTS)},
        ("namespaces",): {"namespaces": [[NAMESPACE]]},
        inside: {"namespace": [NAMESPACE], "properties": {}},
        (*inside, "views"): {"identifiers": []},
        (*inside, "tables"): {"identifiers": [{"namespace": [NAMESPACE], "name": name} for name in tables]},
        **{
            (*inside, "tables", name): {"metadata-location": location, "metadata": metadata, "config": {}}
            for name, (location, metadata) in tables.items()
        },
    }


def _error(status: int, kind: str, message: str) -> tuple[int, Json]:
    return status, {"error": {"message": message, "type": kind, "code": status}}


def _handler(tables: Mapping[str, tuple[str, Json]], secret: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body: Json | None
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            first, version, *parts = [unquote(one) for one in urlsplit(self.path).path.split("/")[1:]] + [""] * 2
            if not secrets.compare_digest(first.encode(), secret.encode()) or version != "v1":
                status, body = _error(_MISSING, "NotFoundException", "there is no such thing")
            else:
                status, body = answer(tables, self.command, [one for one in parts if one])
            data = b"" if body is None else json.dumps(body).encode()
            self.send_response(_NO_CONTENT if self.command == "HEAD" and status == _OK else status)
            if status != _NO_CONTENT and self.command != "HEAD":
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815 - names of the standard library

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - likewise
            """Write no log: the path has the secret."""

    return Handler
