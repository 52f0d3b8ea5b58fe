"""The proxy that only delays: everything arrives, in order and whole, and a round trip takes at least what it says."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lakebench.errors import EngineUnavailable
from lakebench.model import Catalog, CatalogKind, Lake
from lakebench.services.distance import DelayProxy, Distances

AWAY_MS = 40


class Echo(BaseHTTPRequestHandler):
    """Answers with the body that it got."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - likewise
        """Nothing."""


@pytest.fixture
def server() -> Iterator[int]:
    fake = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    fake.daemon_threads = True
    thread = threading.Thread(target=fake.serve_forever)
    thread.start()
    yield fake.server_address[1]
    fake.shutdown()
    fake.server_close()
    thread.join()


def echoed(connection: http.client.HTTPConnection, body: bytes) -> tuple[bytes, float]:
    began = time.monotonic()
    connection.request("POST", "/", body)
    answer = connection.getresponse().read()
    return answer, (time.monotonic() - began) * 1e3


def test_a_request_takes_a_round_trip_and_the_first_of_a_connection_two(server: int) -> None:
    with DelayProxy("127.0.0.1", server, AWAY_MS) as proxy:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port)
        (first, first_ms), (second, second_ms) = echoed(connection, b"one"), echoed(connection, b"two")
        connection.close()
    assert (first, second) == (b"one", b"two")
    assert first_ms >= 2 * AWAY_MS
    assert second_ms >= AWAY_MS
    assert second_ms < first_ms


def test_much_arrives_whole_and_is_not_delayed_part_by_part(server: int) -> None:
    body = os.urandom(8 * 2**20)  # 128 parts of the proxy's: one after the other they would take five seconds
    with DelayProxy("127.0.0.1", server, AWAY_MS) as proxy:
        connection = http.client.HTTPConnection("127.0.0.1", proxy.port)
        answer, took_ms = echoed(connection, body)
        connection.close()
    assert hashlib.sha256(answer).digest() == hashlib.sha256(body).digest()
    assert 2 * AWAY_MS <= took_ms < 128 * AWAY_MS


def test_the_end_of_a_server_is_the_end_of_the_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with DelayProxy("127.0.0.1", port, AWAY_MS) as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as client:
        client.settimeout(10)
        assert client.recv(1) == b""


def test_its_end_ends_what_is_connected(server: int) -> None:
    with DelayProxy("127.0.0.1", server, AWAY_MS) as proxy:
        client = socket.create_connection(("127.0.0.1", proxy.port))
        client.settimeout(10)
    with client, contextlib.suppress(ConnectionResetError):
        assert client.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", proxy.port))


def test_a_lake_has_one_proxy_a_distance_and_none_at_no_distance(server: int) -> None:
    lake = Lake("l", None, Catalog(CatalogKind.REST, f"http://127.0.0.1:{server}/iceberg", "w"))
    distances = Distances()
    try:
        assert distances.lake(lake, 0) is lake
        far, again, farther = (distances.lake(lake, one) for one in (AWAY_MS, AWAY_MS, 2 * AWAY_MS))
        assert far == again
        assert {far.name, farther.name}.isdisjoint({lake.name})
        assert len({lake.catalog.uri, far.catalog.uri, farther.catalog.uri}) == 3
        assert far.catalog.uri.endswith("/iceberg")
        uri = f"jdbc:postgresql://127.0.0.1:{server}/db"
        postgresql = distances.lake(replace(lake, catalog=replace(lake.catalog, uri=uri)), AWAY_MS)
        assert re.fullmatch(r"jdbc:postgresql://127\.0\.0\.1:\d+/db", postgresql.catalog.uri)
        assert postgresql.catalog.uri != uri
        with pytest.raises(EngineUnavailable, match="no plain server"):
            distances.lake(Lake("l", None, Catalog(CatalogKind.DUCKDB, "x.ducklake", "w")), AWAY_MS)
    finally:
        distances.end()
