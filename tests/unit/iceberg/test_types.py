"""Columns by their paths."""

from __future__ import annotations

import pytest

from lakebench.iceberg.types import Field, ListOf, Struct, find, steps

FIELDS = (Field("a", Struct((Field("b", "int"),))), Field("a.b", "string"), Field("l", ListOf("date")))


def test_a_column_whose_own_name_has_dots_comes_before_a_path() -> None:
    assert steps(FIELDS, "a.b") == ["a.b"]
    assert find(FIELDS, "a.b").type == "string"


def test_a_path_leads_into_structs_and_lists() -> None:
    assert steps(FIELDS[:1], "a.b") == ["a", "b"]
    assert find(FIELDS[:1], "a.b").type == "int"
    assert find(FIELDS, "l.element").type == "date"
    with pytest.raises(KeyError, match="c"):
        find(FIELDS[:1], "a.c")
