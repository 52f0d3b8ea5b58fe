"""Distance: a proxy before a server that passes everything on, half a round trip later.

It only delays. Bandwidth, loss and jitter of a real network are not there.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time
from dataclasses import replace
from typing import Self
from urllib.parse import urlsplit

from lakebench.errors import EngineUnavailable
from lakebench.http import HOST
from lakebench.model import Lake, TableFormat
from lakebench.services.fault_proxies import at_port, end_connection

_CHUNK = 1 << 16
_TIMEOUT_S = 60.0
_TLS = "https"


class DelayProxy:
    """A proxy before the TCP server at ``host:port`` that makes it ``round_trip_ms`` away; used as a context manager.

    What one side sends, the other has half a round trip later, however much it is. The first bytes of a client have to
    wait for a round trip more, as those of TCP wait for its handshake (RFC 9293, section 3.5). Threads sleep more
    exactly than an event loop waits: a round trip is 0.3 to 0.7 ms longer than asked for.
    """

    def __init__(self, host: str, port: int, round_trip_ms: float) -> None:
        self._target, self._one_way_s = (host, port), round_trip_ms / 2000
        self._server = socket.create_server((HOST, 0))
        self._open: set[socket.socket] = set()
        self._ended = False
        self._changing = threading.Lock()
        self.port = int(self._server.getsockname()[1])

    def __enter__(self) -> Self:
        """Listen."""
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening, and end what is connected."""
        with self._changing:
            self._ended = True
            there = [self._server, *self._open]
        for one in there:
            end_connection(one)

    def _keep(self, one: socket.socket) -> None:
        """Have ``one`` ended with the proxy, which may have ended already."""
        with self._changing:
            self._open.add(one)
            ended = self._ended
        if ended:
            end_connection(one)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                self._keep(client)
                threading.Thread(target=self._connected, args=(client, time.monotonic()), daemon=True).start()

    def _connected(self, client: socket.socket, opened: float) -> None:
        try:
            server = socket.create_connection(self._target, timeout=_TIMEOUT_S)
        except OSError:  # a client that would have been refused sees its connection end
            end_connection(client)
            return
        server.settimeout(None)
        self._keep(server)
        both = {client, server}
        for one in both:
            with contextlib.suppress(OSError):  # it may have ended already
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ways = [
            _OneWay(client, server, self._one_way_s, opened + 3 * self._one_way_s),
            _OneWay(server, client, self._one_way_s, opened),
        ]
        for way in ways:
            way.start()
        for way in ways:
            way.join()
        with self._changing:
            self._open -= both
        for one in both:
            end_connection(one)


class _OneWay:
    """Passes on what ``source`` sends until it ends, each part ``delay_s`` after it came, and none before a time."""

    def __init__(self, source: socket.socket, sink: socket.socket, delay_s: float, not_before: float) -> None:
        self._source, self._sink, self._delay_s, self._not_before = source, sink, delay_s, not_before
        self._parts: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        self._threads = [threading.Thread(target=one, daemon=True) for one in (self._receive, self._send)]

    def start(self) -> None:
        """Begin."""
        for one in self._threads:
            one.start()

    def join(self) -> None:
        """Wait until all is passed on."""
        for one in self._threads:
            one.join()

    def _receive(self) -> None:
        data = b"-"
        while data:
            try:
                data = self._source.recv(_CHUNK)
            except OSError:
                data = b""
            self._parts.put((max(time.monotonic() + self._delay_s, self._not_before), data))

    def _send(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                due, data = self._parts.get()
                time.sleep(max(due - time.monotonic(), 0))
                if not data:
                    self._sink.shutdown(socket.SHUT_WR)
                    return
                self._sink.sendall(data)


class Distances:
    """The proxies of a run, one for each server and round trip; they listen until :meth:`end`."""

    def __init__(self) -> None:
        self._proxies: dict[tuple[str, int, int], DelayProxy] = {}
        self._stack = contextlib.ExitStack()
        self._making = threading.Lock()

    def lake(self, lake: Lake, catalog_ms: int) -> Lake:
        """``lake`` with a catalog that is a round trip of ``catalog_ms`` away, in engines under a name of its own.

        Raises:
            EngineUnavailable: the catalog has no server, or one whose certificate names another host than the proxy's.
        """
        if not catalog_ms:
            return lake
        jdbc = "jdbc:" if lake.catalog.uri.startswith("jdbc:") else ""
        parts = urlsplit(lake.catalog.uri.removeprefix(jdbc))
        if parts.hostname is None or parts.port is None or parts.scheme == _TLS:
            raise EngineUnavailable(f"nothing can be put before the catalog {lake.catalog.uri}: it is no plain server")
        port = self._port(parts.hostname, parts.port, catalog_ms)
        uri = f"{jdbc}{at_port(lake.catalog.uri.removeprefix(jdbc), port)}"
        # A DuckLake is known to its own functions by its name.
        name = f"{lake.name}_{catalog_ms}_ms" if lake.format is TableFormat.ICEBERG else lake.name
        return replace(lake, name=name, catalog=replace(lake.catalog, uri=uri))

    def _port(self, host: str, port: int, round_trip_ms: int) -> int:
        with self._making:
            if (host, port, round_trip_ms) not in self._proxies:
                proxy = DelayProxy(host, port, round_trip_ms)
                self._proxies[host, port, round_trip_ms] = self._stack.enter_context(proxy)
            return self._proxies[host, port, round_trip_ms].port

    def end(self) -> None:
        """End all proxies."""
        self._stack.close()
