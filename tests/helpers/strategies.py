"""Hypothesis strategies: Iceberg types, and values of them as :mod:`lakebench.iceberg.types` writes them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from lakebench.iceberg.types import Field, ListOf, MapOf, Struct, Type

_TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
_MOMENTS = st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31))  # noqa: DTZ001 - Iceberg's timestamp has none
PRIMITIVES: dict[str, SearchStrategy[Any]] = {
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "decimal(9,2)": st.decimals(Decimal("-9999999.99"), Decimal("9999999.99"), places=2).map(str),
    "decimal(38,10)": st.integers(-(10**38) + 1, 10**38 - 1).map(lambda one: f"{one}e-10"),
    "date": st.dates().map(dt.date.isoformat),
    "time": st.times().map(lambda one: one.isoformat("microseconds")),
    "timestamp": _MOMENTS.map(lambda one: one.isoformat(timespec="microseconds")),
    "timestamptz": _MOMENTS.map(lambda one: f"{one.isoformat(timespec='microseconds')}+00:00"),
    "string": _TEXT,
    "uuid": st.uuids().map(str),
    "fixed[3]": st.binary(min_size=3, max_size=3).map(bytes.hex),
    "binary": st.binary(max_size=6).map(bytes.hex),
}


def types() -> SearchStrategy[Type]:
    """Primitive and nested types; keys of a map are primitive."""
    primitive = st.sampled_from(sorted(PRIMITIVES))
    return st.recursive(
        primitive,
        lambda inner: st.one_of(
            st.builds(ListOf, inner),
            st.builds(MapOf, primitive, inner),
            fields(inner, 3).map(Struct),
        ),
        max_leaves=4,
    )


def fields(of: SearchStrategy[Type], most: int) -> SearchStrategy[tuple[Field, ...]]:
    """Up to ``most`` fields with names of their own: words, and such as no file format takes as they are."""
    names = st.lists(st.sampled_from(["a", "b b", "1c", "ü", "d.e", "f-g"]), min_size=1, max_size=most, unique=True)
    return names.flatmap(lambda chosen: st.tuples(*(st.builds(Field, st.just(name), of) for name in chosen)))


def values(of: Type) -> SearchStrategy[Any]:
    """Values of ``of``, with nulls, also inside."""
    return st.none() | _there(of)


def _there(of: Type) -> SearchStrategy[Any]:
    if isinstance(of, str):
        return PRIMITIVES[of]
    if isinstance(of, Struct):
        return st.fixed_dictionaries({one.name: values(one.type) for one in of.fields})
    if isinstance(of, ListOf):
        return st.lists(values(of.element), max_size=3)
    pairs = st.lists(st.tuples(_there(of.key), values(of.value)), max_size=3, unique_by=lambda pair: str(pair[0]))
    return pairs.map(lambda entries: {"keys": [key for key, _ in entries], "values": [value for _, value in entries]})


def rows(columns: tuple[Field, ...], most: int = 4) -> SearchStrategy[list[tuple[Any, ...]]]:
    """Rows of a table with ``columns``."""
    return st.lists(st.tuples(*(values(one.type) for one in columns)), max_size=most)
