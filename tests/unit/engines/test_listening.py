from __future__ import annotations

import operator
from typing import Any

import pyarrow as pa
import pytest

from lakebench.engines.boundary import engine_call
from lakebench.engines.listening import listening
from lakebench.errors import Refused


class Expression:
    """As an engine has them: it says what it is."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


class Broken(Expression):
    def __str__(self) -> str:
        raise ValueError("no text")


class Cursor:
    def execute(self, sql: str, *_: object) -> Any:
        if "nonsense" in sql:
            raise ValueError("no")
        return self

    def fetchmany(self, _rows: int) -> list[Any]:
        return []


def read_table(*_: object, **__: object) -> None:
    pass


def test_a_statement_is_heard_as_it_was_sent_and_fetching_is_not() -> None:
    cursor = Cursor()
    with listening() as heard:
        engine_call(cursor.execute, "SELECT a FROM t WHERE a > 1")
        engine_call(cursor.fetchmany, 10)
        list(engine_call.rows([1, 2]))
    assert heard == ["SELECT a FROM t WHERE a > 1"]


def test_a_call_is_heard_with_its_conditions_and_without_its_options() -> None:
    table = pa.table({"a": [1]})
    with listening() as heard:
        engine_call(read_table, table, ("a", None), where=Expression("a > 1"), storage_options={"secret": "k"})
        engine_call(read_table, Broken(""))
        engine_call(operator.gt, 2, 1)
        engine_call(operator.gt, 2, 1)
    assert heard == [
        "read_table(<Table>, ('a', None), where=a > 1, storage_options=<dict>)",
        "read_table(<Broken>)",
        "gt(2, 1)",
    ]


def test_what_was_refused_is_heard_too() -> None:
    with listening() as heard, pytest.raises(Refused):
        engine_call(Cursor().execute, "SELECT nonsense")
    assert heard == ["SELECT nonsense"]


def test_it_is_bounded_and_ends_with_its_block() -> None:
    with listening() as heard:
        for number in range(100):
            engine_call(Cursor().execute, f"SELECT {number}")
        assert len(heard) == 20
    with listening() as long:
        engine_call(Cursor().execute, "SELECT " + "x" * 10_000)
    assert [len(one) for one in long] == [2001]
    engine_call(Cursor().execute, "SELECT 1")
    assert len(heard) == 20


class Anything:
    """As Polars' ``col``: whatever attribute is asked for is a column of that name, and comparisons are expressions."""

    __hash__ = None  # type: ignore[assignment]

    def __getattribute__(self, name: str) -> Any:
        if name == "__class__":
            return Anything
        return Expression(name)

    def __eq__(self, other: object) -> Any:
        raise TypeError("the truth of an expression is ambiguous")

    def __call__(self, name: str) -> Expression:
        return Expression(name)


def test_an_object_that_is_called_as_a_function_is_named_by_its_class() -> None:
    with listening() as heard:
        assert str(engine_call(Anything(), "v")) == "v"
    assert heard == ["Anything('v')"]


def test_real_engines_are_heard() -> None:
    import duckdb
    import polars as pl

    with listening() as heard, duckdb.connect() as connection:
        engine_call(engine_call(connection.execute, "SELECT 1 AS v").fetchall)
        frame = engine_call(pl.LazyFrame, {"v": [1]})
        engine_call(frame.filter, engine_call(operator.ge, engine_call(pl.col, "v"), 30))
    assert heard[0] == "SELECT 1 AS v"
    assert [one for one in heard if "filter" in one] == ['LazyFrame.filter([(col("v")) >= (dyn int: 30)])']
