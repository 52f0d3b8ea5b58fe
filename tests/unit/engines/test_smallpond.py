"""Smallpond without Smallpond: the SQL that it is given, and what its errors say."""

from __future__ import annotations

import pytest

from lakebench.engines.smallpond import engine, session
from lakebench.model import ObjectStore

STORE = ObjectStore("http://127.0.0.1:1", "bucket", "key", "it's secret")


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
