"""The inspector: what a table physically is, read from its metadata and files, independent of any writer.

The decoders of :mod:`lakebench.iceberg` read manifests with fastavro and Puffin files from their bytes; Parquet footers
are read with pyarrow.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lakebench.datasets.interop import metadata as iceberg
from lakebench.datasets.interop.feature import Proof
from lakebench.datasets.interop.metadata import Json
from lakebench.datasets.interop.program import proof_in_words
from lakebench.datasets.interop.store import Files
from lakebench.datasets.interop.table import StoredTable
from lakebench.datasets.interop.violations import remarks_of, violations_of
from lakebench.iceberg.manifests import DATA, EQUALITY_DELETES, ManifestEntry
from lakebench.iceberg.operations import Read
from lakebench.model import ObjectStore

if TYPE_CHECKING:
    import pyarrow as pa

_SUMMARY = ("total-records", "total-data-files", "total-delete-files", "total-position-deletes")


@dataclass(frozen=True)
class Inspected:
    """The inspector's result: facts, violations of the specification, and the proofs that do not hold, in words.

    ``files`` are the live data and delete files: ``path``, ``content``, ``format``, ``records``, ``bytes``.
    """

    facts: Mapping[str, Any]
    violations: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    files: tuple[Mapping[str, Any], ...] = ()


def inspect(metadata: Json, store: ObjectStore, proof: Sequence[Proof] = ()) -> Inspected:
    """Inspect the table with this ``metadata`` JSON; its files are read once."""
    table = StoredTable(metadata, Files(store))
    facts = facts_of(table)
    return Inspected(
        facts={**facts, **({"remarks": remarks} if (remarks := remarks_of(table)) else {})},
        violations=tuple(violations_of(table)),
        missing=tuple(missing(proof, facts)),
        files=tuple(_file(one) for one in table.live),
    )


def data_files(metadata: Json, store: ObjectStore | None) -> list[str]:
    """The paths of the data files of the current snapshot, which must have no delete files.

    Raises:
        ValueError: it has some, or a manifest cannot be read.
    """
    table = StoredTable(metadata, Files(store))
    # The caller did not write them, so this is no engine's wrong answer.
    if len(table.data) != len(table.live) or table.problems:
        raise ValueError(f"these are not all of its rows: {'; '.join(table.problems) or 'it has delete files'}")
    return [one.path for one in table.data]


def _file(entry: ManifestEntry) -> dict[str, Any]:
    """A live file as a line of a report."""
    content = {DATA: "data", EQUALITY_DELETES: "equality deletes"}.get(entry.content, "position deletes")
    return {
        "path": entry.path,
        "content": "deletion vector" if entry.format == "puffin" else content,
        "format": entry.format,
        "records": entry.records,
        "bytes": entry.file.get("content_size_in_bytes") or entry.file["file_size_in_bytes"],
    }


def facts_of(table: StoredTable) -> dict[str, Any]:
    """The facts of the table: JSON values, of the current snapshot where they belong to one."""
    return {**_schema_facts(table), **_snapshot_facts(table), **_file_facts(table), **_footer_facts(table)}


def _schema_facts(table: StoredTable) -> dict[str, Any]:
    metadata, names = table.metadata, table.names
    columns = iceberg.columns(iceberg.current_schema(metadata) or {"fields": []})
    return {
        "format-version": metadata["format-version"],
        "schemas": len(iceberg.schemas(metadata)),
        "column-types": {one.path: one.type for one in columns},
        "required-columns": [one.path for one in columns if one.required and "." not in one.path],
        "docs": {one.path: one.definition["doc"] for one in columns if one.definition.get("doc")},
        "defaults": {
            one.path: [one.definition.get("initial-default"), one.definition.get("write-default")]
            for one in columns
            if "initial-default" in one.definition or "write-default" in one.definition
        },
        "specs": len(metadata.get("partition-specs") or [0]),
        "partition-transforms": [
            f"{one['transform']}({iceberg.name_of(one, names)})" for one in iceberg.default_spec(metadata)
        ],
        "sort-order": [iceberg.order_text(one, names) for one in iceberg.default_order(metadata)],
    }


def _snapshot_facts(table: StoredTable) -> dict[str, Any]:
    metadata = table.metadata
    snapshots = iceberg.snapshots(metadata)
    summary = (table.snapshot or {}).get("summary") or {}
    return {
        "refs": {name: one["type"] for name, one in iceberg.references(metadata).items()},
        "snapshots": len(snapshots),
        "operations": [(one.get("summary") or {}).get("operation") for one in snapshots],
        "statistics": [blob["type"] for one in table.statistics for blob in one["blob-metadata"]],
        "partition-statistics": len(metadata.get("partition-statistics") or ()),
        "next-row-id": metadata.get("next-row-id"),
        **{f"summary-{name}": int(summary[name]) for name in _SUMMARY if name in summary},
    }


def _file_facts(table: StoredTable) -> dict[str, Any]:
    data = table.data
    puffins = Counter(one.path for one in table.vectors)
    return {
        "manifests": len(table.manifests),
        "manifest-versions": sorted({one.version for one in table.manifests}),
        "data-files": len(data),
        "rows": sum(one.records for one in data),
        "position-delete-files": len(table.position_deletes),
        "equality-delete-files": sum(one.content == EQUALITY_DELETES for one in table.live),
        "deletion-vectors": len(table.vectors),
        "puffin-files": len(puffins),
        "dvs-in-one-puffin": max(puffins.values(), default=0),
        "file-formats": sorted({one.format for one in data}),
        "data-spec-ids": sorted({one.spec_id for one in data}),
        "delete-spec-ids": sorted({one.spec_id for one in table.live if one.content != DATA}),
        "partitions": len({one.partition for one in data}),
        "sorted-files": sum(bool(one.file.get("sort_order_id")) for one in data),
        "first-row-ids": bool(data) and all(one.first_row_id is not None for one in data),
        "bounds": bool(data) and all(one.file.get("lower_bounds") and one.file.get("upper_bounds") for one in data),
    }


def _footer_facts(table: StoredTable) -> dict[str, Any]:
    footers = [table.footers[one.path] for one in table.data if one.path in table.footers and one.format == "parquet"]
    types: dict[str, set[str]] = {}
    for one in footers:
        for path, text in one.types.items():
            types.setdefault(path, set()).add(text)
    parquet = {path: ", ".join(sorted(texts)) for path, texts in types.items()}
    geo = {one.path for one in table.names.values() if one.type.startswith("geo")}
    return {
        "parquet-types": parquet,
        "parquet-field-ids": bool(footers) and all(None not in one.field_ids.values() for one in footers),
        "bloom-filters": any(one.bloom_filters for one in footers),
        "codecs": sorted({codec for one in footers for codec in one.codecs}),
        "row-groups": sum(one.row_groups for one in footers),
        "geo": {path: text for path, text in parquet.items() if path in geo},
    }


def holds(proof: Proof, facts: Mapping[str, Any]) -> bool:
    """Whether ``proof`` holds among ``facts``; a missing fact proves nothing."""
    fact = facts.get(proof.fact)
    if fact is None:
        return False
    if proof.test == "=":
        return bool(fact == proof.value)
    if proof.test == ">=":
        return bool(fact >= proof.value)
    if proof.test == "contains":
        return _contains(fact, proof.value)
    raise ValueError(f"'{proof.test}' is no test of a proof: = and >= and contains are")


def _contains(fact: Any, value: Any) -> bool:
    """One value, each of a list, or each item of a dictionary in a list or a dictionary."""
    if isinstance(value, Mapping):
        return isinstance(fact, Mapping) and all(name in fact and fact[name] == one for name, one in value.items())
    wanted = value if isinstance(value, list | tuple) else [value]
    return all(one in fact for one in wanted)


def missing(proofs: Iterable[Proof], facts: Mapping[str, Any]) -> list[str]:
    """Each of ``proofs`` that does not hold, in words, with what was found instead."""
    return [f"{proof_in_words(one)}: found {facts.get(one.fact, 'nothing')}" for one in proofs if not holds(one, facts)]


def metadata_rows(metadata: Json, store: ObjectStore | None, read: Read) -> pa.Table:
    """The rows of the metadata table that ``read`` names, as Iceberg's own libraries show them.

    Raises:
        KeyError: there is no such metadata table, or no such column in it.
    """
    import pyarrow as pa

    kinds = {
        "snapshot_id": pa.int64(),
        "parent_id": pa.int64(),
        "record_count": pa.int64(),
        "content": pa.int32(),
        "is_current_ancestor": pa.bool_(),
    }
    columns, rows_of = _METADATA_TABLES[read.metadata]
    rows = rows_of(StoredTable(metadata, Files(store)))
    names = read.columns if read.columns is not None else columns
    return pa.table({name: pa.array([row[name] for row in rows], kinds.get(name, pa.string())) for name in names})


def _snapshot_rows(table: StoredTable) -> list[dict[str, Any]]:
    return [
        {
            "snapshot_id": one["snapshot-id"],
            "parent_id": one.get("parent-snapshot-id"),
            "operation": (one.get("summary") or {}).get("operation"),
        }
        for one in iceberg.snapshots(table.metadata)
    ]


def _reference_rows(table: StoredTable) -> list[dict[str, Any]]:
    return [
        {"name": name, "type": one["type"].upper(), "snapshot_id": one["snapshot-id"]}
        for name, one in iceberg.references(table.metadata).items()
    ]


def _history_rows(table: StoredTable) -> list[dict[str, Any]]:
    ancestors = _ancestors(table)
    return [
        {"snapshot_id": one["snapshot-id"], "is_current_ancestor": one["snapshot-id"] in ancestors}
        for one in table.metadata.get("snapshot-log") or ()
    ]


def _ancestors(table: StoredTable) -> set[int]:
    """The current snapshot, its parent, and so on."""
    parents = {one["snapshot-id"]: one.get("parent-snapshot-id") for one in iceberg.snapshots(table.metadata)}
    ancestors: set[int] = set()
    number = table.metadata.get("current-snapshot-id")
    while number is not None and number in parents and number not in ancestors:
        ancestors.add(number)
        number = parents[number]
    return ancestors


def _file_rows(table: StoredTable) -> list[dict[str, Any]]:
    return [{"record_count": one.records, "content": one.content} for one in table.live]


_METADATA_TABLES: dict[str, tuple[tuple[str, ...], Callable[[StoredTable], list[dict[str, Any]]]]] = {
    "snapshots": (("snapshot_id", "parent_id", "operation"), _snapshot_rows),
    "refs": (("name", "type", "snapshot_id"), _reference_rows),
    "history": (("snapshot_id", "is_current_ancestor"), _history_rows),
    "files": (("record_count", "content"), _file_rows),
}
