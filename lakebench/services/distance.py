"""Distance: a proxy before a server that passes everything on, half a round trip later.

It only delays. Bandwidth, loss and jitter of a real network are not there.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable
from dataclasses import replace
from typing import Self
from urllib.parse import urlsplit, urlunsplit

from lakebench.errors import EngineUnavailable
from lakebench.http import HOST
from lakebench.model import Lake, TableFormat

_CHUNK = 1 << 16
_TLS = "https"


class DelayProxy:
    """A proxy before the TCP server at ``host:port`` that makes it ``round_trip_ms`` away; used as a context manager.

    What one side sends, the other has half a round trip later, however much it is. The first bytes of a client have to
    wait for a round trip more, as those of TCP wait for its handshake (RFC 9293, section 3.5).
    """

    def __init__(self, host: str, port: int, round_trip_ms: float) -> None:
        self._target, self._one_way_s = (host, port), round_trip_ms / 2000
        self._loop = asyncio.new_event_loop()
        self._open: set[asyncio.Task[None] | None] = set()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._connected, HOST, 0))
        self.port = int(self._server.sockets[0].getsockname()[1])
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        """Listen."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop listening, and end what is connected."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _end(self) -> None:
        self._server.close()
        running = [one for one in self._open if one]
        for one in running:
            one.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _connected(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self._open.add(task := asyncio.current_task())
        opened, ends = self._loop.time(), [to_client]
        try:
            with contextlib.suppress(OSError):  # a client that would have been refused sees its connection end
                server, to_server = await asyncio.open_connection(*self._target)
                ends.append(to_server)
                there = self._passed(client, to_server, opened + 3 * self._one_way_s)
                await _both(there, self._passed(server, to_client, opened))
        finally:
            for one in ends:
                one.close()
            self._open -= {task}

    async def _passed(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, not_before: float) -> None:
        """Pass on what ``source`` sends until it ends, each part half a round trip after it came."""
        parts: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def receive() -> None:
            data = b"-"
            while data:
                try:
                    data = await source.read(_CHUNK)
                except ConnectionError:
                    data = b""
                parts.put_nowait((max(self._loop.time() + self._one_way_s, not_before), data))

        async def send() -> None:
            with contextlib.suppress(ConnectionError, OSError):
                while True:
                    due, data = await parts.get()
                    await asyncio.sleep(due - self._loop.time())
                    if not data:
                        sink.write_eof()
                        return
                    sink.write(data)
                    await sink.drain()

        await _both(receive(), send())


async def _both(one: Awaitable[None], other: Awaitable[None]) -> None:
    await asyncio.gather(one, other)


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
        parts = urlsplit(lake.catalog.uri)
        if parts.hostname is None or parts.port is None or parts.scheme == _TLS:
            raise EngineUnavailable(f"nothing can be put before the catalog {lake.catalog.uri}: it is no plain server")
        port = self._port(parts.hostname, parts.port, catalog_ms)
        uri = urlunsplit(parts._replace(netloc=f"{HOST}:{port}"))
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
