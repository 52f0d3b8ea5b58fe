"""Operations on a table's metadata: schema, partition spec, sort order, references and the rest."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable, Sequence
from typing import Any

from lakebench.engines.reference import schema, transforms
from lakebench.engines.reference.manifests import DELETED
from lakebench.engines.reference.schema import Json, find
from lakebench.engines.reference.table import MAIN, OpenTable
from lakebench.errors import Refused
from lakebench.iceberg import operations as ops
from lakebench.iceberg.types import PartitionField, SortField

_MAPPING = "schema.name-mapping.default"
_FIRST_PARTITION_FIELD = 1000
_LAST_ADDED = -1


def add_column(table: OpenTable, operation: ops.AddColumn) -> None:
    """A schema with one more column."""
    ids = itertools.count(table.metadata["last-column-id"] + 1)
    position = schema.sibling_index(first=operation.first, after=operation.after)
    _set_schema(table, schema.added(table.schema, operation.column, ids, operation.parent, position))


def drop_column(table: OpenTable, operation: ops.DropColumn) -> None:
    """A schema without a column."""
    _set_schema(table, schema.without(table.schema, operation.path))


def rename_column(table: OpenTable, operation: ops.RenameColumn) -> None:
    """A schema with another name."""
    _set_schema(table, schema.with_attributes(table.schema, operation.path, name=operation.name))


def move_column(table: OpenTable, operation: ops.MoveColumn) -> None:
    """A schema in another order."""
    position = schema.sibling_index(first=operation.first, after=operation.after)
    _set_schema(table, schema.moved(table.schema, operation.path, position))


def change_type(table: OpenTable, operation: ops.ChangeType) -> None:
    """A schema with another type."""
    if not isinstance(operation.type, str):
        raise Refused("only primitive types are promoted")
    _set_schema(table, schema.with_attributes(table.schema, operation.path, type=operation.type))


def make_optional(table: OpenTable, operation: ops.MakeOptional) -> None:
    """A schema with an optional column."""
    _set_schema(table, schema.with_attributes(table.schema, operation.path, required=False))


def set_doc(table: OpenTable, operation: ops.SetDoc) -> None:
    """A schema with another comment."""
    _set_schema(table, schema.with_attributes(table.schema, operation.path, doc=operation.doc))


def _set_schema(table: OpenTable, changed: Json) -> None:
    """Make ``changed`` the current schema, with its names in the name mapping where the table has one."""
    metadata = table.metadata
    same = (one for one in metadata["schemas"] if one["fields"] == changed["fields"])
    existing = next(same, None)
    if existing is None:
        last = max(metadata["last-column-id"], *schema.by_id(changed))
        schema_id = max(one["schema-id"] for one in metadata["schemas"]) + 1
        new = {**changed, "schema-id": schema_id}
        table.change("add-schema", schema=new, **{"last-column-id": last})
    table.change("set-current-schema", **{"schema-id": _LAST_ADDED if existing is None else existing["schema-id"]})
    table.require("assert-current-schema-id", **{"current-schema-id": metadata["current-schema-id"]})
    table.require("assert-last-assigned-field-id", **{"last-assigned-field-id": metadata["last-column-id"]})
    if table.mapping:
        table.change("set-properties", updates={_MAPPING: json.dumps(schema.name_mapping(changed, table.mapping))})


def mapped(metadata: Json) -> str:
    """The name mapping of a table's current schema."""
    return json.dumps(schema.name_mapping(schema.current(metadata)))


def partition_fields(of: Any, fields: Sequence[PartitionField]) -> list[Json]:
    """The fields of a partition spec, still without ids."""
    return [
        {
            "source-id": find(of, one.source)["id"],
            "transform": one.transform,
            "name": transforms.field_name(one.transform, one.source),
        }
        for one in fields
    ]


def sort_fields(of: Any, fields: Sequence[SortField]) -> list[Json]:
    """The fields of a sort order."""
    return [
        {
            "source-id": find(of, one.source)["id"],
            "transform": one.transform,
            "direction": one.direction,
            "null-order": one.nulls,
        }
        for one in fields
    ]


def set_partition(table: OpenTable, operation: ops.SetPartition) -> None:
    """Another default partition spec; in version 1 fields that go are replaced by void, as positions count there."""
    metadata = table.metadata
    wanted = partition_fields(table.schema, operation.partition)
    fields = _with_voids(table.spec["fields"], wanted) if table.version == 1 else _numbered(metadata, wanted)
    free = itertools.count(max(metadata.get("last-partition-id", 0), _FIRST_PARTITION_FIELD - 1) + 1)
    fields = [one if "field-id" in one else {**one, "field-id": next(free)} for one in fields]
    existing = next((one for one in metadata["partition-specs"] if one["fields"] == fields), None)
    if existing is None:
        spec_id = max(one["spec-id"] for one in metadata["partition-specs"]) + 1
        table.change("add-spec", spec={"spec-id": spec_id, "fields": fields})
    table.change("set-default-spec", **{"spec-id": _LAST_ADDED if existing is None else existing["spec-id"]})
    table.require("assert-default-spec-id", **{"default-spec-id": metadata["default-spec-id"]})
    last = metadata.get("last-partition-id", _FIRST_PARTITION_FIELD - 1)
    table.require("assert-last-assigned-partition-id", **{"last-assigned-partition-id": last})


def _same(field: Json, other: Json) -> bool:
    return bool(field["source-id"] == other["source-id"] and field["transform"] == other["transform"])


def _with_voids(now: Sequence[Json], wanted: Sequence[Json]) -> list[Json]:
    kept = [one if any(_same(one, other) for other in wanted) else {**one, "transform": "void"} for one in now]
    return [*kept, *(one for one in wanted if not any(_same(one, other) for other in now))]


def _numbered(metadata: Json, wanted: Sequence[Json]) -> list[Json]:
    """Fields that an older spec has keep their ids."""
    old = [field for spec in metadata["partition-specs"] for field in spec["fields"]]
    return [next(({**one, "field-id": other["field-id"]} for other in old if _same(one, other)), one) for one in wanted]


def set_order(table: OpenTable, operation: ops.SetOrder) -> None:
    """Another default sort order."""
    metadata, fields = table.metadata, sort_fields(table.schema, operation.order)
    existing = next((one for one in metadata["sort-orders"] if one["fields"] == fields), None)
    if existing is None:
        order_id = max(one["order-id"] for one in metadata["sort-orders"]) + 1 if fields else 0
        table.change("add-sort-order", **{"sort-order": {"order-id": order_id, "fields": fields}})
    table.change(
        "set-default-sort-order", **{"sort-order-id": _LAST_ADDED if existing is None else existing["order-id"]}
    )
    required = {"default-sort-order-id": metadata["default-sort-order-id"]}
    table.require("assert-default-sort-order-id", **required)


def set_properties(table: OpenTable, operation: ops.SetProperties) -> None:
    """Table properties."""
    table.change("set-properties", updates=dict(operation.properties))


def upgrade_format(table: OpenTable, operation: ops.UpgradeFormat) -> None:
    """A newer format version."""
    table.change("upgrade-format-version", **{"format-version": operation.format_version})


def _snapshot_id(table: OpenTable, snapshot_id: int | None) -> int:
    if snapshot_id is not None:
        return snapshot_id
    head = table.head()
    if head is None:
        raise Refused("the table has no snapshot yet")
    return int(head["snapshot-id"])


def create_ref(table: OpenTable, operation: ops.CreateRef) -> None:
    """A branch or tag."""
    ref = {"ref-name": operation.name, "type": operation.type}
    table.require("assert-ref-snapshot-id", ref=operation.name, **{"snapshot-id": None})
    table.change("set-snapshot-ref", **ref, **{"snapshot-id": _snapshot_id(table, operation.snapshot_id)})


def drop_ref(table: OpenTable, operation: ops.DropRef) -> None:
    """A branch or tag less."""
    table.head(operation.name)
    table.change("remove-snapshot-ref", **{"ref-name": operation.name})


def rollback(table: OpenTable, operation: ops.Rollback) -> None:
    """The branch main at an older snapshot."""
    table.require("assert-ref-snapshot-id", ref=MAIN, **{"snapshot-id": _snapshot_id(table, None)})
    ref = {"ref-name": MAIN, "type": "branch", "snapshot-id": _snapshot_id(table, operation.snapshot_id)}
    table.change("set-snapshot-ref", **ref)


def expire_snapshots(table: OpenTable, _: ops.ExpireSnapshots) -> None:
    """Snapshots that no branch or tag points to are removed."""
    snapshot_ids = [one["snapshot-id"] for one in expired(table)]
    if snapshot_ids:
        table.require("assert-ref-snapshot-id", ref=MAIN, **{"snapshot-id": _snapshot_id(table, None)})
        table.change("remove-snapshots", **{"snapshot-ids": snapshot_ids})


def expired(table: OpenTable) -> list[Json]:
    """The snapshots that no branch or tag points to."""
    heads = {one["snapshot-id"] for one in table.metadata.get("refs", {}).values()}
    return [one for one in table.metadata.get("snapshots", ()) if one["snapshot-id"] not in heads]


def unreferenced(table: OpenTable) -> set[str]:
    """The files that only :func:`expired` snapshots need."""
    gone = expired(table)
    numbers = {one["snapshot-id"] for one in gone}
    kept = [one for one in table.metadata.get("snapshots", ()) if one["snapshot-id"] not in numbers]
    return _files(table, gone) - _files(table, kept)


def orphans(table: OpenTable, listed: Iterable[str]) -> set[str]:
    """Those of the ``listed`` files that neither a snapshot nor the metadata names; metadata files all stay."""
    statistics = (*table.metadata.get("statistics", ()), *table.metadata.get("partition-statistics", ()))
    needed = _files(table, table.metadata.get("snapshots", ())) | {one["statistics-path"] for one in statistics}
    return {one for one in listed if one not in needed and not one.endswith(".metadata.json")}


def _files(table: OpenTable, snapshots: Sequence[Json]) -> set[str]:
    """What snapshots need: their manifest lists, the manifests in these, and the live files in those."""
    paths = {one["manifest-list"] for one in snapshots}
    for manifest in {one.path: one for snapshot in snapshots for one in table.manifests(snapshot)}.values():
        paths.add(manifest.path)
        paths.update(one.file.path for one in table.entries(manifest) if one.status != DELETED)
    return paths
