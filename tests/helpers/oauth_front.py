"""An OAuth 2.0 server and, behind it, another REST catalog: whoever has no token of its is answered 401."""

from __future__ import annotations

import base64
import contextlib
import http.client
import http.server
import json
import secrets
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from lakebench.http import HOST
from lakebench.model import OAuth2

_TOKENS = "/token"
_CATALOG = "/catalog"
_OURS = {"connection", "transfer-encoding", "content-length", "server", "date"}


class Front(http.server.ThreadingHTTPServer):
    """The server in front of the catalog at ``behind``; it knows one client.

    ``passed`` and ``refused`` are the requests for the catalog, with and without a token of its own.
    """

    daemon_threads = True

    def __init__(self, behind: str) -> None:
        super().__init__((HOST, 0), _Handler)
        self.behind = urlsplit(behind)
        self.secret, self.token = secrets.token_hex(16), secrets.token_hex(16)
        self.passed, self.refused, self.logins = 0, 0, 0

    @property
    def uri(self) -> str:
        """The address of the catalog."""
        return f"http://{HOST}:{self.server_port}{_CATALOG}"

    @property
    def login(self) -> OAuth2:
        """How its one client logs in."""
        return OAuth2(f"http://{HOST}:{self.server_port}{_TOKENS}", "client", self.secret, "PRINCIPAL_ROLE:ALL")


@contextlib.contextmanager
def oauth_front(behind: str) -> Iterator[Front]:
    """A :class:`Front` that serves."""
    with Front(behind) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Front
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve()

    def do_POST(self) -> None:
        self._serve()

    def do_HEAD(self) -> None:
        self._serve()

    def do_DELETE(self) -> None:
        self._serve()

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == _TOKENS:
            self._log_in(parse_qs(body.decode()))
        elif self.headers.get("Authorization") != f"Bearer {self.server.token}":
            self.server.refused += 1
            self._answer(401, {"error": {"message": "no token", "type": "NotAuthorizedException", "code": 401}})
        else:
            self.server.passed += 1
            self._pass_on(body)

    def _log_in(self, form: dict[str, list[str]]) -> None:
        """Give the token where client, secret, grant and scope are right (RFC 6749, sections 2.3.1 and 4.4)."""
        kind, _, basic = self.headers.get("Authorization", "").partition(" ")
        if kind == "Basic":
            client, _, secret = base64.b64decode(basic).decode().partition(":")
        else:
            client, secret = form.get("client_id", [""])[0], form.get("client_secret", [""])[0]
        given = (unquote(client), unquote(secret), form.get("grant_type"), form.get("scope"))
        login = self.server.login
        if given != (login.client_id, login.client_secret, ["client_credentials"], [login.scope]):
            self._answer(401, {"error": "invalid_client"})
            return
        self.server.logins += 1
        self._answer(200, {"access_token": self.server.token, "token_type": "bearer", "expires_in": 3600})

    def _pass_on(self, body: bytes) -> None:
        """Ask the catalog the same, without the token, and answer what it says."""
        behind = self.server.behind
        headers = {key: value for key, value in self.headers.items() if key.lower() not in {"host", "authorization"}}
        connection = http.client.HTTPConnection(behind.hostname or HOST, behind.port, timeout=60)
        try:
            connection.request(self.command, behind.path + self.path.removeprefix(_CATALOG), body, headers)
            answer = connection.getresponse()
            self._send(answer.status, dict(answer.getheaders()), answer.read())
        finally:
            connection.close()

    def _answer(self, status: int, body: Any) -> None:
        self._send(status, {"Content-Type": "application/json"}, json.dumps(body).encode())

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for key, value in headers.items():
            if key.lower() not in _OURS:
                self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body)

    def log_message(self, *_: Any) -> None: ...
