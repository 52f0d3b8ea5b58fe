"""What a table physically is: violations of the specification, the features in use, and the layout of its files."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lakebench.datasets.interop import metadata as iceberg
from lakebench.datasets.interop.footers import Footer, footer
from lakebench.datasets.interop.inspector import facts_of
from lakebench.datasets.interop.store import Files
from lakebench.datasets.interop.table import StoredTable
from lakebench.datasets.interop.violations import remarks_of, violations_of
from lakebench.iceberg.damage import Damaged
from lakebench.iceberg.manifests import EQUALITY_DELETES
from lakebench.iceberg.scan import Condition
from lakebench.model import ObjectStore
from lakebench.table_check import columns, edges

FILES = 500
"""Of more live files than this only so many, spread evenly, have their footers read."""
SMALL_BYTES = 32 * 2**20
"""Below this a data file is small, where a table has several: a quarter of a row group by Iceberg's defaults."""
_NAME_MAPPING = "schema.name-mapping.default"
_MANY_DELETES = 0.1


@dataclass(frozen=True)
class TableFindings:
    """What was found in one table.

    ``facts`` are those of :func:`lakebench.datasets.interop.inspector.facts_of`, of plain Parquet fewer; ``features``
    are those in use, in words; ``layout`` has numbers of the current snapshot's files (bytes, rows, counts);
    ``remarks`` say what costs time, or that only a sample was opened. ``filters`` are worth asking every reader.
    """

    violations: tuple[str, ...]
    features: Mapping[str, str]
    layout: Mapping[str, int]
    remarks: tuple[str, ...]
    facts: Mapping[str, Any]
    filters: tuple[Condition, ...] = ()


def of_iceberg(metadata: Mapping[str, Any], store: ObjectStore | None, at_most: int = FILES) -> TableFindings:
    """The findings about an Iceberg table; at most ``at_most`` footers are read.

    Raises:
        ServiceUnavailable: the store does not answer.
    """
    table = StoredTable(metadata, Files(store), at_most)
    violations = violations_of(table)
    try:
        facts: Mapping[str, Any] = facts_of(table)
        layout = _layout(table)
        remarks = [*remarks_of(table), *_remarks(table, layout)]
        features = _features(table, facts)
        filters = edges.of_iceberg(table, columns.fields_of(iceberg.current_schema(metadata) or {"fields": []}))
    except Damaged as error:
        facts, layout, remarks, features, filters = {}, {}, [], {}, ()
        violations.append(f"the table cannot be described: {error}")
    return TableFindings(tuple(violations), features, layout, tuple(remarks), facts, filters)


def _layout(table: StoredTable) -> dict[str, int]:
    sizes = [int(one.file["file_size_in_bytes"]) for one in table.data]
    deletes = [one for one in table.live if one.content != 0]
    return {
        "snapshots": len(table.metadata.get("snapshots") or ()),
        "manifests": len(table.manifests),
        "manifest bytes": sum(one.size for one in table.manifests),
        "data files": len(sizes),
        "rows in data files": sum(one.records for one in table.data),
        "bytes in data files": sum(sizes),
        "bytes of the median data file": int(statistics.median(sizes)) if sizes else 0,
        "small data files": sum(one < SMALL_BYTES for one in sizes) if len(sizes) > 1 else 0,
        "delete files": len(deletes),
        "rows in position deletes and vectors": sum(one.records for one in deletes if one.content != EQUALITY_DELETES),
        "rows in equality deletes": sum(one.records for one in deletes if one.content == EQUALITY_DELETES),
        "files opened": len(table.footers),
    }


def _remarks(table: StoredTable, layout: Mapping[str, int]) -> Iterable[str]:
    if len(table.opened) < len(table.live):
        yield f"of {len(table.live)} live files {len(table.opened)} were opened, spread evenly; the others were not"
    files, small = layout["data files"], layout["small data files"]
    if small > files / 2:
        yield f"{small} of {files} data files are smaller than {SMALL_BYTES // 2**20} MiB: compaction would help"
    rows, deleted = layout["rows in data files"], layout["rows in position deletes and vectors"]
    if deleted > rows * _MANY_DELETES:
        yield f"{deleted} of {rows} rows are deleted by position: each reader reads and drops them until compaction"
    if layout["rows in equality deletes"]:
        yield f"{layout['rows in equality deletes']} rows of equality deletes: each reader compares every row with them"
    if layout["manifests"] > max(files, 1):
        yield f"{layout['manifests']} manifests for {files} data files: rewriting them would make planning faster"


def _features(table: StoredTable, facts: Mapping[str, Any]) -> dict[str, str]:
    """Name of a feature → how the table uses it; what it does not use is left out."""
    properties = table.metadata.get("properties") or {}
    deletes = {
        "position delete files": facts["position-delete-files"],
        "equality delete files": facts["equality-delete-files"],
        "deletion vectors": facts["deletion-vectors"],
    }
    refs = {name: kind for name, kind in facts["refs"].items() if name != "main"}
    used: dict[str, Any] = {
        "format version": facts["format-version"],
        "schemas": facts["schemas"] if facts["schemas"] > 1 else "",
        "types": _listed(sorted(set(facts["column-types"].values()))),
        "defaults": _listed(facts["defaults"]),
        "partition transforms": _listed(facts["partition-transforms"]),
        "partition specs": facts["specs"] if facts["specs"] > 1 else "",
        "sort order": _listed(facts["sort-order"]),
        "deletes": _listed(f"{number} {name}" for name, number in deletes.items() if number),
        "file formats": _listed(facts["file-formats"]),
        "codecs": _listed(facts["codecs"]),
        "row groups": facts["row-groups"],
        "bloom filters": "yes" if facts["bloom-filters"] else "",
        "bounds": "all data files" if facts["bounds"] else "not in every data file",
        "statistics files": _listed(facts["statistics"]),
        "partition statistics": facts["partition-statistics"] or "",
        "name mapping": "yes" if _NAME_MAPPING in properties else "",
        "files without field ids": "yes" if facts["codecs"] and not facts["parquet-field-ids"] else "",
        "row lineage": "yes" if facts["first-row-ids"] else "",
        "branches and tags": _listed(f"{kind} {name}" for name, kind in refs.items()),
    }
    return {name: str(value) for name, value in used.items() if value not in {"", 0}}


def _listed(values: Iterable[str]) -> str:
    return ", ".join(values)


def sampled(locations: Sequence[str], at_most: int) -> Sequence[str]:
    """All ``locations``, or every n-th, so that there are at most ``at_most``."""
    return locations[:: max(1, -(-len(locations) // at_most))]


def of_parquet(locations: Sequence[str], store: ObjectStore | None, at_most: int = FILES) -> TableFindings:
    """The findings about files of plain Parquet; at most ``at_most`` footers are read.

    Raises:
        ServiceUnavailable: the store does not answer.
    """
    files, opened = Files(store), sampled(locations, at_most)
    footers: dict[str, Footer] = {}
    violations = []
    for location in opened:
        try:
            footers[location] = footer(files, location, "parquet")
        except FileNotFoundError:
            violations.append(f"the file {location} is not in the store")
        except Damaged as error:
            violations.append(f"the file {location} cannot be read: {error}")
    remarks = [*_sampled(opened, locations), *_other_schemas(footers)]
    sizes = [one.size for one in footers.values()]
    layout = {
        "data files": len(locations),
        "files opened": len(footers),
        "rows in opened files": sum(one.rows for one in footers.values()),
        "bytes in opened files": sum(sizes),
        "bytes of the median data file": int(statistics.median(sizes)) if sizes else 0,
        "small data files": sum(one < SMALL_BYTES for one in sizes) if len(sizes) > 1 else 0,
    }
    features = {
        "types": _listed(sorted({text for one in footers.values() for text in one.types.values()})),
        "codecs": _listed(sorted({codec for one in footers.values() for codec in one.codecs})),
        "row groups": str(sum(one.row_groups for one in footers.values())),
        "bloom filters": "yes" if any(one.bloom_filters for one in footers.values()) else "",
    }
    return TableFindings(tuple(violations), {k: v for k, v in features.items() if v}, layout, tuple(remarks), {})


def _sampled(opened: Sequence[str], locations: Sequence[str]) -> Iterable[str]:
    if len(opened) < len(locations):
        yield f"of {len(locations)} files {len(opened)} were opened, spread evenly; engines read only these, too"


def _other_schemas(footers: Mapping[str, Footer]) -> Iterable[str]:
    """Files whose columns are not those of the first: engines unite them in different ways."""
    first = next(iter(footers.values()), None)
    others = [location for location, one in footers.items() if first is not None and one.types != first.types]
    if others:
        yield f"{len(others)} of {len(footers)} files have other columns or types than the first, such as {others[0]}"
