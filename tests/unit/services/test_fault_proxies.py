"""The proxies pass everything on, and do to a request what its fault says, as both ends see it."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from lakebench.services.fault_proxies import HOLD, LOSE, REFUSE, Fault, HttpProxy, PostgresProxy

WRITE = b"INSERT INTO public.ducklake_snapshot VALUES (1);"


class Server(BaseHTTPRequestHandler):
    """Keeps its requests, and answers each with its body."""

    protocol_version = "HTTP/1.1"
    requests: list[tuple[str, str, bytes, str]]

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.requests.append((self.command, self.path, body, self.headers["Host"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_POST = answer  # noqa: N815 - http.server's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - likewise
        """Nothing."""


@pytest.fixture
def server() -> Iterator[tuple[int, list[tuple[str, str, bytes, str]]]]:
    requests: list[tuple[str, str, bytes, str]] = []
    fake = ThreadingHTTPServer(("127.0.0.1", 0), type("_Server", (Server,), {"requests": requests}))
    thread = threading.Thread(target=fake.serve_forever)
    thread.start()
    yield fake.server_address[1], requests
    fake.shutdown()
    fake.server_close()
    thread.join()


def ask(port: int, method: str, path: str = "/x", body: bytes | None = None, **more: object) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request(method, path, body=body, **more)  # type: ignore[arg-type]
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_everything_is_passed_on_with_the_host_that_the_client_signed(server: tuple[int, list[object]]) -> None:
    port, requests = server
    with HttpProxy("127.0.0.1", port) as proxy:
        assert ask(proxy.port, "PUT", "/a?b=c", b"rows") == (200, b"rows")
        assert ask(proxy.port, "HEAD") == (200, b"")
        assert ask(proxy.port, "PUT", "/d", iter([b"in ", b"parts"]), encode_chunked=True) == (200, b"in parts")  # type: ignore[arg-type]
        host = f"127.0.0.1:{proxy.port}"
    assert requests[0] == ("PUT", "/a?b=c", b"rows", host)
    assert requests[2] == ("PUT", "/d", b"in parts", host)
    assert proxy.answers == {"PUT 200": 2, "HEAD 200": 1}


def test_a_refused_request_never_reaches_the_server(server: tuple[int, list[object]]) -> None:
    port, requests = server
    fault = Fault(REFUSE, lambda method, _: method == "POST", skip=1, times=1)
    with HttpProxy("127.0.0.1", port, fault) as proxy:
        statuses = [ask(proxy.port, method, body=b"1")[0] for method in ("POST", "PUT", "POST", "POST")]
    assert statuses == [200, 200, 503, 200]
    assert len(requests) == 3
    assert len(fault.fired) == 1


def test_a_fault_waits_for_requests_that_were_carried_out(server: tuple[int, list[object]]) -> None:
    port, requests = server
    fault = Fault(REFUSE, lambda method, _: method == "POST", skip=1)
    fault.passed("PUT", "/x")
    assert not fault.takes("POST", "/x")  # nothing that matches was carried out yet
    with HttpProxy("127.0.0.1", port, fault) as proxy:
        assert [ask(proxy.port, "POST", body=b"1")[0] for _ in range(3)] == [200, 503, 200]
    assert len(requests) == 2


def test_a_lost_answer_was_given(server: tuple[int, list[object]]) -> None:
    port, requests = server
    with (
        HttpProxy("127.0.0.1", port, Fault(LOSE)) as proxy,
        pytest.raises((ConnectionError, http.client.HTTPException)),
    ):
        ask(proxy.port, "POST", body=b"1")
    assert len(requests) == 1


def test_a_held_request_does_not_reach_the_server(server: tuple[int, list[object]]) -> None:
    port, requests = server
    fault = Fault(HOLD)
    failed: list[BaseException] = []

    def send(to: int) -> None:
        try:
            ask(to, "POST", body=b"1")
        except (ConnectionError, http.client.HTTPException) as error:
            failed.append(error)

    with HttpProxy("127.0.0.1", port, fault) as proxy:
        thread = threading.Thread(target=send, args=(proxy.port,))
        thread.start()
        assert fault.held.wait(20)
        assert not requests
        fault.release()
        thread.join(20)
    assert failed
    assert not requests


@pytest.fixture
def database() -> Iterator[tuple[int, list[bytes]]]:
    """A server that keeps what it receives and answers each with ``ok``."""
    listener, received = socket.create_server(("127.0.0.1", 0)), []

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            while data := connection.recv(1000):
                received.append(data)
                connection.sendall(b"ok")

    thread = threading.Thread(target=serve)
    thread.start()
    yield listener.getsockname()[1], received
    thread.join(20)
    listener.close()


def exchange(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    try:
        return client.recv(1000)
    except ConnectionError:
        return b""


@pytest.mark.parametrize(("kind", "reaches"), [(LOSE, True), (REFUSE, False)])
def test_the_commit_of_a_snapshot_is_lost_or_refused(
    database: tuple[int, list[bytes]], kind: str, reaches: bool
) -> None:
    port, received = database
    with (
        PostgresProxy("127.0.0.1", port, Fault(kind)) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as client,
    ):
        assert exchange(client, b"COMMIT") == b"ok"  # of a transaction that only read
        assert exchange(client, WRITE) == b"ok"
        assert exchange(client, b"COMMIT") == b""
    assert (b"COMMIT" in received[2:]) is reaches


def test_without_a_fault_a_commit_is_answered(database: tuple[int, list[bytes]]) -> None:
    port, _ = database
    with (
        PostgresProxy("127.0.0.1", port) as proxy,
        socket.create_connection(("127.0.0.1", proxy.port), timeout=20) as client,
    ):
        assert [exchange(client, data) for data in (WRITE, b"COMMIT")] == [b"ok", b"ok"]
