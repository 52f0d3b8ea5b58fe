"""A scan of a table as data: projection, conditions and snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from lakebench.iceberg.types import Field, field_from_json, field_to_json


@dataclass(frozen=True)
class Condition:
    """``column test value``: ``=``, ``!=``, ``<``, ``<=``, ``>``, ``>=``, ``in`` (a tuple), ``is-null``, ``not-null``.

    Several conditions are joined by AND. A value compares as SQL says: null is neither equal nor unequal.
    Values are those of :mod:`lakebench.iceberg.types`.
    """

    column: str
    test: str
    value: Any = None


def conditions_from_json(value: Sequence[Mapping[str, Any]]) -> tuple[Condition, ...]:
    """The conditions from the JSON that ``dataclasses.asdict`` made of them."""
    return tuple(
        Condition(one["column"], one["test"], tuple(one["value"]) if one["test"] == "in" else one.get("value"))
        for one in value
    )


NUMBER = "n"
"""The first column of the answer to :attr:`Scan.filters`: which of them a row fits, from 0."""
SUMMARIES = ("count", "sum", "max", "length")
"""How :attr:`Scan.summary` sums a column up: values that are not null, their sum, the greatest, the lengths' sum."""


@dataclass(frozen=True)
class Scan:
    """What a reader has to read.

    ``columns`` ``None`` means all. At most one of ``snapshot_id`` (Iceberg specification, *snapshot-id*), ``ref`` (a
    branch or tag in the table's own ``refs``) and ``at_ms`` (the newest snapshot not after these milliseconds since
    1970) is given. ``count`` asks for count(*) of the rows that ``where`` holds for: one row with one integer column.
    ``metadata`` names a metadata table (``snapshots``, ``refs``, ``history``, ``files``) to read ``columns`` of.
    ``fields`` are the table's columns with their Iceberg types, where they are known: a reader needs them to
    write values of ``where``, and to show variants (as JSON text) and geometries (as WKB).

    ``positions`` asks for the rows at these positions, ascending and from 0, in the order of the table's one file.
    ``summary`` asks for one row instead of the rows: pairs of a function (:data:`SUMMARIES`) and the path of a column.
    With ``fetched`` the engine gives the rows of these columns, and its worker sums them up as they come.
    ``filters`` asks for the rows of each of them instead of ``where``, with :data:`NUMBER` before their columns.
    """

    table: str
    columns: tuple[str, ...] | None = None
    snapshot_id: int | None = None
    ref: str | None = None
    at_ms: int | None = None
    where: tuple[Condition, ...] = ()
    count: bool = False
    metadata: str = ""
    fields: tuple[Field, ...] = ()
    positions: tuple[int, ...] = ()
    summary: tuple[tuple[str, str], ...] = ()
    fetched: bool = False
    filters: tuple[tuple[Condition, ...], ...] = ()

    @property
    def by_filter(self) -> tuple[Scan, ...]:
        """A scan for each of :attr:`filters`."""
        return tuple(replace(self, where=one, filters=()) for one in self.filters)

    @property
    def read_columns(self) -> tuple[str, ...] | None:
        """The columns of the table that have to be read."""
        return tuple(dict.fromkeys(path.partition(".")[0] for _, path in self.summary)) or self.columns

    @property
    def rows_to_fetch(self) -> Scan:
        """What the engine is asked for, where its worker sums up what it gives."""
        return replace(self, columns=self.read_columns, summary=(), fetched=False)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Scan:
        """The scan that :meth:`to_json` wrote."""
        columns = value.get("columns")
        return cls(
            **{
                **value,
                "columns": None if columns is None else tuple(columns),
                "where": conditions_from_json(value.get("where", ())),
                "filters": tuple(map(conditions_from_json, value.get("filters", ()))),
                "fields": tuple(field_from_json(one) for one in value.get("fields", ())),
                "positions": tuple(value.get("positions", ())),
                "summary": tuple((function, path) for function, path in value.get("summary", ())),
            }
        )

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            **vars(self),
            "where": [vars(one) for one in self.where],
            "filters": [[vars(one) for one in where] for where in self.filters],
            "fields": [field_to_json(one) for one in self.fields],
        }
