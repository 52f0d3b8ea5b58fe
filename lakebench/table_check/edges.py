"""Filters at the bounds of files and partitions, where readers that prune lose rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from lakebench.datasets.interop import metadata as iceberg
from lakebench.datasets.interop.store import Files
from lakebench.datasets.interop.table import StoredTable
from lakebench.iceberg.bounds import bound_value, finite, partition_start
from lakebench.iceberg.damage import parsed
from lakebench.iceberg.manifests import DATA, ManifestEntry
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field, kind

if TYPE_CHECKING:
    import pyarrow.parquet as pq

COLUMNS = 3
"""At most so many columns have filters: those of partitions first, then those of the sort order, then others."""
_FLOATING = frozenset({"float", "double"})
_COMPARED = frozenset({"int", "long", "date", "time", "decimal", "string"}) | _FLOATING
_COMPARED |= {f"timestamp{zone}{unit}" for zone in ("", "tz") for unit in ("", "_ns")}


@dataclass(frozen=True)
class _Edges:
    """The bounds of each of some files, ascending, and the first values of their partitions."""

    bounds: tuple[tuple[Any, Any], ...]
    starts: tuple[Any, ...] = ()


def of_iceberg(table: StoredTable, fields: Sequence[Field]) -> tuple[Condition, ...]:
    """Filters on an Iceberg table: at bounds of its opened data files by the manifests, and at starts of partitions."""
    sources = {one["name"]: one["id"] for one in (iceberg.current_schema(table.metadata) or {"fields": []})["fields"]}
    files = [one for one in table.opened if one.content == DATA]
    edges = {one.name: _edges(table, files, one, sources[one.name]) for one in _able(fields)}
    return tuple(_conditions(fields, edges, _preferred(table, sources)))


def _able(fields: Sequence[Field]) -> list[Field]:
    """The columns that filters may have; a dot in a name would be a path."""
    return [one for one in fields if kind(one.type) in _COMPARED and "." not in one.name]


def _preferred(table: StoredTable, sources: Mapping[str, int]) -> list[str]:
    """The columns of partition specs that are in use, then those of the sort order."""
    specs = [iceberg.spec(table.metadata, number) or () for number in sorted({one.spec_id for one in table.data})]
    used = [field.get("source-id") for spec in specs for field in (*spec, *iceberg.default_order(table.metadata))]
    names = {number: name for name, number in sources.items()}
    return list(dict.fromkeys(names[one] for one in used if one in names))


def _edges(table: StoredTable, files: Sequence[ManifestEntry], of: Field, number: int) -> _Edges:
    pairs = ((_bound(one, "lower_bounds", number, of), _bound(one, "upper_bounds", number, of)) for one in files)
    starts = {start for one in files for start in _starts(table, one, number, of)}
    return _Edges(_sorted(pairs), tuple(sorted(starts)))


def _bound(entry: ManifestEntry, which: str, number: int, of: Field) -> Any:
    bound = (entry.file.get(which) or {}).get(number)
    return bound_value(bound, of.type) if bound is not None else None


def _starts(table: StoredTable, entry: ManifestEntry, number: int, of: Field) -> Iterator[Any]:
    spec = iceberg.spec(table.metadata, entry.spec_id) or ()
    for field, value in zip(spec, (entry.file.get("partition") or {}).values(), strict=False):
        if field.get("source-id") == number:
            start = partition_start(field["transform"], value, of.type)
            if start is not None:
                yield start


def _sorted(pairs: Iterable[tuple[Any, Any]]) -> tuple[tuple[Any, Any], ...]:
    return tuple(sorted({(low, high) for low, high in pairs if low is not None and high is not None}))


def _conditions(fields: Sequence[Field], edges: Mapping[str, _Edges], preferred: Sequence[str]) -> Iterator[Condition]:
    by_name = {one.name: one for one in fields}
    names = dict.fromkeys((*preferred, *sorted(edges, key=lambda one: -len(edges[one].bounds))))
    with_bounds = [one for one in names if one in edges and edges[one].bounds]
    for name in with_bounds[:COLUMNS]:
        yield from _of_column(by_name[name], edges[name])


def _of_column(field: Field, edges: _Edges) -> Iterator[Condition]:
    """The filters on one column.

    How NaN compares is each engine's own matter: what tells are ``=``, ``!=`` and what is below.
    """
    low, high = edges.bounds[len(edges.bounds) // 2]
    above = "<=" if kind(field.type) in _FLOATING else ">="
    tests = [("=", edges.bounds[0][0]), ("=", low), ("!=", low), ("<", low), ("=", high), (above, high)]
    if edges.starts:
        start = edges.starts[len(edges.starts) // 2]
        tests += [("<", start), (">=", start)]
    yield from (Condition(field.name, test, value) for test, value in dict.fromkeys(tests))
    if not field.required:
        yield Condition(field.name, "is-null")


def of_parquet(locations: Sequence[str], files: Files, fields: Sequence[Field]) -> tuple[Condition, ...]:
    """Filters on plain Parquet: at the bounds in the footers of the first file, the last, and one between.

    Raises:
        FileNotFoundError: one is not there.
        Damaged: its footer is damaged.
        ServiceUnavailable: the store does not answer.
    """
    chosen = dict.fromkeys(locations[at] for at in (0, len(locations) // 2, -1))
    found: dict[str, set[tuple[Any, Any]]] = {one.name: set() for one in _able(fields)}
    for location in chosen:
        for name, pair in _statistics(files, location):
            if name in found:
                found[name].add(pair)
    return tuple(_conditions(fields, {name: _Edges(_sorted(pairs)) for name, pairs in found.items()}, ()))


def _statistics(files: Files, location: str) -> list[tuple[str, tuple[Any, Any]]]:
    """The bounds of each column chunk by the column's name."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with files.open(location) as file:
        return parsed(lambda: list(_chunks(pq.read_metadata(file))), pa.ArrowException, OSError)


def _chunks(footer: pq.FileMetaData) -> Iterator[tuple[str, tuple[Any, Any]]]:
    for group in range(footer.num_row_groups):
        for at in range(footer.num_columns):
            chunk = footer.row_group(group).column(at)
            statistics = chunk.statistics
            if statistics is not None and statistics.has_min_max:
                yield chunk.path_in_schema, (_value(statistics.min), _value(statistics.max))


def _value(of: Any) -> Any:
    """A value of Parquet's statistics as one of :mod:`lakebench.iceberg.types`; ``None`` where filters leave it out."""
    if isinstance(of, float):
        return finite(of)
    if isinstance(of, dt.datetime | dt.date | dt.time):
        return of.isoformat()
    return f"{of:f}" if isinstance(of, Decimal) else of if isinstance(of, int | str) else None
