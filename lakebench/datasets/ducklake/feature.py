"""A feature of DuckLake: steps of sessions with their expected results, and facts that the inspector must find."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from lakebench.datasets.interop.feature import Proof

DOCS = "https://ducklake.select/docs/stable/"


@dataclass(frozen=True)
class Step:
    """One statement of one session.

    ``session`` names a worker process of its own. The statement must succeed unless a refusal is expected;
    ``columns`` (name → Arrow type, as :func:`lakebench.datasets.ducklake.expected.kind` reads it) and ``rows`` are the
    exact answer in any order, written by hand as JSON values; ``refusal`` is a pattern that the engine's refusal must
    match.
    """

    sql: str
    session: str = "a"
    columns: Mapping[str, str] = field(default_factory=dict)
    rows: tuple[tuple[Any, ...], ...] = ()
    refusal: str = ""


@dataclass(frozen=True)
class Look:
    """All sessions end, and the inspector must find ``proofs``: facts of :mod:`lakebench.datasets.ducklake.inspector`.

    A session that has more to do is opened again. ``table`` is the one that the facts are of.
    """

    proofs: tuple[Proof, ...] = ()
    table: str = "t"


@dataclass(frozen=True)
class DuckLakeFeature:
    """A feature that DuckLake's documents name, on a fresh DuckLake of its own.

    ``source`` is the section of the documentation. ``options`` are those of ATTACH for every session, ``sessions``
    further ones for one of them.
    """

    id: str
    title: str
    source: str
    steps: tuple[Step | Look, ...]
    options: Mapping[str, str] = field(default_factory=dict)
    sessions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def used(self) -> tuple[str, ...]:
        """The sessions, in the order of their first step."""
        return tuple(dict.fromkeys(one.session for one in self.steps if isinstance(one, Step)))


FILES: Mapping[str, str] = {"DATA_INLINING_ROW_LIMIT": "0"}
"""Options of a DuckLake that writes every row to a Parquet file."""
INLINED: Mapping[str, str] = {"DATA_INLINING_ROW_LIMIT": "10"}
"""Options of a DuckLake that keeps small changes in its catalog; it is the default since version 1.0."""


def run(*statements: str, session: str = "a") -> tuple[Step, ...]:
    """Statements that must succeed."""
    return tuple(Step(one, session) for one in statements)


def rows(sql: str, columns: str, *expected: tuple[Any, ...], session: str = "a") -> Step:
    """A query and its exact answer; ``columns`` are ``name: type`` in a line, separated by semicolons."""
    listed = (one.partition(":") for one in columns.split(";"))
    return Step(sql, session, {name.strip(): kind.strip() for name, _, kind in listed}, expected)


def no(sql: str, refusal: str, session: str = "a") -> Step:
    """A statement that the engine must refuse in words that ``refusal`` matches."""
    return Step(sql, session, refusal=refusal)


def look(*proofs: tuple[str, str, Any], table: str = "t") -> Look:
    """End the sessions, and look for facts: ``(fact, test, value)``."""
    return Look(tuple(Proof(*one) for one in proofs), table)
