"""Smallpond without Smallpond: the way out of its network, the SQL that it is given, and what its errors say."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from lakebench.engines.smallpond import engine, relay, session
from lakebench.model import ObjectStore

STORE = ObjectStore("http://127.0.0.1:1", "bucket", "key", "it's secret")


def test_a_connection_goes_through_a_folder_and_ends_with_its_other_end(tmp_path: Path) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    address = server.getsockname()
    relay.serve(relay.listen_here(tmp_path / "store"), relay.to_address(*address))
    inside = relay.listen_at("127.0.0.1", 0)
    relay.serve(inside, relay.to_path(tmp_path / "store"))
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
    listener = relay.listen_at("127.0.0.1", 0)
    relay.serve(listener, relay.to_path(tmp_path / "nobody"))
    with socket.create_connection(listener.getsockname(), timeout=5) as client:
        assert client.recv(10) == b""
    listener.close()


@pytest.mark.parametrize(
    ("sql", "by_place"),
    [
        ("SELECT 1 FROM a, b", "WITH a AS (SELECT * FROM {0}), b AS (SELECT * FROM {1}) SELECT 1 FROM a, b"),
        ("WITH c AS (FROM a) FROM c", "WITH a AS (SELECT * FROM {0}), b AS (SELECT * FROM {1}), c AS (FROM a) FROM c"),
    ],
)
def test_tables_are_named_by_their_place(sql: str, by_place: str) -> None:
    assert session._by_place(sql, ["a", "b"]) == by_place


def test_an_error_has_the_words_of_its_causes() -> None:
    error = RuntimeError("failed to run query: SELECT 1")
    error.__cause__ = OSError("HTTP 403\n\nwhile it read s3://bucket/key")
    assert session._words(error) == (
        "RuntimeError: failed to run query: SELECT 1; caused by OSError: HTTP 403 | while it read s3://bucket/key"
    )


def test_a_traceback_that_ray_passes_on_leaves_room_for_what_was_said() -> None:
    places = '  File "a.py", line 1\n    raise one\n  File "b.py", line 2\n'
    error = OSError(f"ray::Task()\n{places}OSError: AWS Error ACCESS_DENIED")
    assert session._words(error) == "OSError: ray::Task() | OSError: AWS Error ACCESS_DENIED"


def test_the_variables_have_what_aws_and_duckdb_read() -> None:
    given = engine._of_store(STORE)
    assert given["AWS_ENDPOINT_URL"] == STORE.endpoint
    assert given["DUCKDB_S3_ENDPOINT"] == "127.0.0.1:1"
    assert given["DUCKDB_S3_USE_SSL"] == "false"
