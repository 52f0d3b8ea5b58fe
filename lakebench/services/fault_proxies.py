"""Faults on the way to a server: a proxy refuses a request, loses or replaces its answer, or holds it for good.

:class:`HttpProxy` is for a REST catalog or an object store, :class:`PostgresProxy` for PostgreSQL. Each
listens on 127.0.0.1, passes everything on, and does one :class:`Fault` to the requests that it names. Times are
nanoseconds of the monotonic clock.
"""

from __future__ import annotations

import contextlib
import http
import http.client
import re
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Protocol, Self
from urllib.parse import urlsplit, urlunsplit

from lakebench.http import HOST

_TIMEOUT_S = 60.0
_CHUNK = 1 << 16
_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "expect", "content-length"})
_OURS = re.compile(rb"insert\s+into\s[^;]{0,80}ducklake_snapshot\b", re.IGNORECASE)
_COMMIT = re.compile(rb"\bCOMMIT\b", re.IGNORECASE)
# The form of the Iceberg REST catalog's errors (OpenAPI, IcebergErrorResponse).
_REFUSAL = '{"error": {"message": "made by lakebench", "type": "ServiceUnavailableException", "code": 503}}'
REFUSE, LOSE, REPLACE, HOLD = "refuse", "lose", "replace", "hold"


@dataclass
class Fault:
    """What happens to ``times`` requests that fit ``matches`` (method, path), after the server carried out ``skip``.

    ``refuse``: answered with ``status`` and ``body``, or disconnected where there is no HTTP, and never passed on.
    ``lose``: passed on and carried out with success; then the connection ends without the answer. ``replace``: carried
    out likewise, and answered with ``status`` and ``body``. ``hold``: not passed on, and kept until :meth:`release`;
    then the connection ends. ``fired`` are the times at which it happened.
    """

    kind: str
    matches: Callable[[str, str], bool] = lambda _method, _path: True
    skip: int = 0
    times: int = 1
    status: int = 503
    body: str = _REFUSAL
    fired: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Make what threads share."""
        self._lock = threading.Lock()
        self._done = 0
        self._released = threading.Event()
        self.held = threading.Event()

    def takes(self, method: str, path: str) -> bool:
        """Whether it happens to this request."""
        if not self.matches(method, path):
            return False
        with self._lock:
            if self._done < self.skip or len(self.fired) >= self.times:
                return False
            self.fired.append(time.monotonic_ns())
            return True

    def passed(self, method: str, path: str) -> None:
        """Count a request that the server carried out and whose sender gets the answer."""
        if self.matches(method, path):
            with self._lock:
                self._done += 1

    def wait(self) -> None:
        """Hold until :meth:`release`."""
        self.held.set()
        self._released.wait(_TIMEOUT_S)

    def release(self) -> None:
        """Let the held request go: its sender gets no answer."""
        self._released.set()


@dataclass(frozen=True)
class Passed:
    """A request that the server answered; ``body`` and ``answer`` are as they were sent."""

    method: str
    path: str
    body: bytes = field(repr=False)
    status: int
    headers: list[tuple[str, str]] = field(repr=False)
    answer: bytes = field(repr=False)


class Watcher(Protocol):
    """Looks at what passes, in the thread of the connection."""

    def before(self, method: str, path: str) -> None:
        """Called before a request is passed on, which waits for it."""

    def after(self, passed: Passed) -> None:
        """Called with the server's answer, before the client has it."""


class HttpProxy:
    """A proxy before the HTTP server at ``host:port``; used as a context manager.

    ``answers`` counts the answers to clients by method and status.
    """

    def __init__(self, host: str, port: int, fault: Fault | None = None, watcher: Watcher | None = None) -> None:
        self.answers: Counter[str] = Counter()
        members = {"target": (host, port), "fault": fault, "watcher": watcher, "answers": self.answers}
        handler = type("_Handler", (_Handler,), members)
        self._server = ThreadingHTTPServer((HOST, 0), handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])

    def __enter__(self) -> Self:
        """Listen."""
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Passes one connection's requests on."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # headers and body leave together
    target: ClassVar[tuple[str, int]]
    fault: ClassVar[Fault | None]
    watcher: ClassVar[Watcher | None]
    answers: ClassVar[Counter[str]]

    def _pass(self) -> None:
        body = self._body()
        fault = self.fault
        if fault and fault.kind == HOLD and fault.takes(self.command, self.path):
            fault.wait()
            self._end()
        elif fault and fault.kind == REFUSE and fault.takes(self.command, self.path):
            self._say(fault)
        else:
            status, headers, data = self._watched(body)
            done = status < http.HTTPStatus.MULTIPLE_CHOICES
            if fault and fault.kind in {LOSE, REPLACE} and done and fault.takes(self.command, self.path):
                self._end() if fault.kind == LOSE else self._say(fault)
            else:
                if fault and done:
                    fault.passed(self.command, self.path)
                self._answer(status, headers, data)

    def _watched(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """The server's answer, which the watcher has seen."""
        if self.watcher:
            self.watcher.before(self.command, self.path)
        status, headers, data = self._forward(body)
        if self.watcher:
            self.watcher.after(Passed(self.command, self.path, body, status, headers, data))
        return status, headers, data

    def _say(self, fault: Fault) -> None:
        """Answer as the fault says."""
        kind = "application/xml" if fault.body.startswith("<") else "application/json"
        self._answer(fault.status, [("Content-Type", kind)], fault.body.encode())

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _pass  # noqa: N815 - http.server's names

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return b"".join(iter(self._chunk, b""))
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _chunk(self) -> bytes:
        data = self.rfile.read(int(self.rfile.readline().partition(b";")[0], 16))
        self.rfile.readline()
        return data

    def _forward(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        """The server's answer. The Host header stays the client's: it is part of what a signature signs."""
        server = http.client.HTTPConnection(*self.target, timeout=_TIMEOUT_S)
        try:
            server.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for key, value in self.headers.items():
                if key.lower() not in _HOP:
                    server.putheader(key, value)
            if body or self.command in {"POST", "PUT"}:
                server.putheader("Content-Length", str(len(body)))
            server.endheaders(body)
            answer = server.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            server.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], data: bytes) -> None:
        self.answers[f"{self.command} {status}"] += 1
        self.send_response_only(status)
        length = str(len(data))
        for key, value in headers:
            if key.lower() == "content-length" and self.command == "HEAD":
                length = value
            elif key.lower() not in _HOP:
                self.send_header(key, value)
        self.send_header("Content-Length", length)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _end(self) -> None:
        """End the connection without an answer."""
        self.answers[f"{self.command} no answer"] += 1
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's name
        """Nothing: requests are counted."""


class PostgresProxy:
    """A proxy before PostgreSQL that knows the COMMIT of a transaction which wrote a DuckLake's snapshot.

    A fault's method is ``COMMIT`` and its path empty. Used as a context manager.
    """

    def __init__(self, host: str, port: int, fault: Fault | None = None) -> None:
        self._target, self._fault = (host, port), fault
        self._server = socket.create_server((HOST, 0))
        self._open: set[socket.socket] = set()
        self.port = int(self._server.getsockname()[1])

    def __enter__(self) -> Self:
        """Listen."""
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening, and end what is connected."""
        for sock in (self._server, *list(self._open)):
            end_connection(sock)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                server = socket.create_connection(self._target, timeout=_TIMEOUT_S)
                server.settimeout(None)
                self._open |= {client, server}
                pair = _Pair(client, server, self._fault)
                threading.Thread(target=pair.from_client, daemon=True).start()
                threading.Thread(target=pair.from_server, daemon=True).start()


class _Pair:
    """One connection of a client and the server's end of it."""

    def __init__(self, client: socket.socket, server: socket.socket, fault: Fault | None) -> None:
        self._client, self._server, self._fault = client, server, fault
        self._wrote = False
        self._lost = threading.Event()

    def from_client(self) -> None:
        """Pass on what the client sends, until the client or a fault ends the connection."""
        with contextlib.suppress(OSError):
            while data := self._client.recv(_CHUNK):
                fault = self._fault if self._fault and self._commits(data) else None
                taken = fault if fault and fault.takes("COMMIT", "") else None
                if taken and taken.kind == HOLD:
                    taken.wait()
                    break
                if taken and taken.kind == REFUSE:
                    break
                if taken:
                    self._lost.set()
                elif fault:
                    fault.passed("COMMIT", "")
                self._server.sendall(data)
        end_connection(self._server)
        end_connection(self._client)

    def _commits(self, data: bytes) -> bool:
        """Whether ``data`` has the COMMIT of a transaction that wrote a snapshot."""
        self._wrote = self._wrote or bool(_OURS.search(data))
        if not (self._wrote and _COMMIT.search(data)):
            return False
        self._wrote = False
        return True

    def from_server(self) -> None:
        """Pass on what the server sends; instead of the answer to a lost COMMIT the connection ends."""
        with contextlib.suppress(OSError):
            while data := self._server.recv(_CHUNK):
                if self._lost.is_set():
                    break
                self._client.sendall(data)
        end_connection(self._client)
        end_connection(self._server)


def at_port(address: str, port: int) -> str:
    """``address`` with a proxy that listens here at ``port`` in place of the server's host and port."""
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=f"{HOST}:{port}"))


def end_connection(sock: socket.socket) -> None:
    """End ``sock`` for both sides, whoever still reads from it."""
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)
    sock.close()
