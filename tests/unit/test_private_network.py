"""The ways into and out of a network of one's own, and who is let in."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from lakebench import private_network


def test_a_connection_goes_through_a_folder_and_ends_with_its_other_end(tmp_path: Path) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    address = server.getsockname()
    private_network.serve(private_network.listen_here(tmp_path / "store"), private_network.to_address(*address))
    inside = private_network.listen_at("127.0.0.1", 0)
    private_network.serve(inside, private_network.to_path(tmp_path / "store"))
    with socket.create_connection(inside.getsockname(), timeout=5) as client:
        accepted, _ = server.accept()
        with accepted:
            client.sendall(b"x" * 100_000)
            client.shutdown(socket.SHUT_WR)
            received = b""
            while data := accepted.recv(65536):
                received += data
            accepted.sendall(b"answer")
        assert len(received) == 100_000
        assert client.recv(100) == b"answer"
        assert client.recv(100) == b""
    inside.close()
    server.close()


def test_an_address_that_nobody_serves_closes_the_connection(tmp_path: Path) -> None:
    listener = private_network.listen_at("127.0.0.1", 0)
    private_network.serve(listener, private_network.to_path(tmp_path / "nobody"))
    with socket.create_connection(listener.getsockname(), timeout=5) as client:
        assert client.recv(10) == b""
    listener.close()


def test_a_connection_is_the_account_s_that_opened_it() -> None:
    for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::ffff:127.0.0.1")):
        with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(family) as client:
            client.connect((host, server.getsockname()[1]))
            accepted, _ = server.accept()
            with accepted:
                assert private_network.opened_by(accepted) == os.geteuid()


def test_who_is_not_admitted_reaches_nobody(tmp_path: Path) -> None:
    reached: list[None] = []
    listener = private_network.listen_at("127.0.0.1", 0)

    def connect() -> socket.socket:
        reached.append(None)
        return private_network.to_path(tmp_path / "nobody")()

    private_network.serve(listener, connect, lambda _: False)
    with socket.create_connection(listener.getsockname(), timeout=5) as client:
        assert client.recv(10) == b""
    assert reached == []
    listener.close()
