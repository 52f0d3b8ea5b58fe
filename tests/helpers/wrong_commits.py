"""What a commit to a table of :mod:`wrong_catalog` does: requirements, and updates of its metadata."""

from __future__ import annotations

import time
import uuid
from typing import Any

Json = dict[str, Any]
_LAST = -1


class Declined(Exception):
    """The catalog says no, by this status and ``error.type``."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status, self.kind = status, kind


def empty_metadata(body: Json, location: str) -> Json:
    """The metadata of a new table by the body of *createTable*."""
    properties = dict(body.get("properties") or {})
    schema = {**body["schema"], "schema-id": 0}
    spec = {**(body.get("partition-spec") or {"fields": []}), "spec-id": 0}
    order = body.get("write-order") or {"order-id": 0, "fields": []}
    return {
        "format-version": int(properties.pop("format-version", 2)),
        "table-uuid": str(uuid.uuid4()),
        "location": location,
        "last-sequence-number": 0,
        "last-updated-ms": int(time.time() * 1000),
        "last-column-id": max((one["id"] for one in schema["fields"]), default=0),
        "schemas": [schema],
        "current-schema-id": 0,
        "partition-specs": [spec],
        "default-spec-id": 0,
        "last-partition-id": max((one["field-id"] for one in spec["fields"]), default=999),
        "sort-orders": [order],
        "default-sort-order-id": order["order-id"],
        "properties": properties,
        "snapshots": [],
        "refs": {},
    }


_MEMBERS = {
    "assert-table-uuid": ("uuid", "table-uuid"),
    "assert-last-assigned-field-id": ("last-assigned-field-id", "last-column-id"),
    "assert-current-schema-id": ("current-schema-id", "current-schema-id"),
    "assert-last-assigned-partition-id": ("last-assigned-partition-id", "last-partition-id"),
    "assert-default-spec-id": ("default-spec-id", "default-spec-id"),
    "assert-default-sort-order-id": ("default-sort-order-id", "default-sort-order-id"),
}
"""Requirement → its member, and the table's."""


def checked(before: Json | None, requirements: list[Json], *, lenient: bool) -> None:
    """Decline a commit whose requirements do not hold; a ``lenient`` catalog only wants to know them."""
    for one in requirements:
        if one["type"] not in {*_MEMBERS, "assert-create", "assert-ref-snapshot-id"}:
            raise Declined(400, "BadRequestException", f"{one['type']} is no requirement")
        if not _holds(before, one) and not lenient:
            raise Declined(409, "CommitFailedException", f"{one['type']} does not hold")


def _holds(before: Json | None, requirement: Json) -> bool:
    if requirement["type"] == "assert-create":
        return before is None
    if before is None:
        return False
    if requirement["type"] == "assert-ref-snapshot-id":
        ref = before["refs"].get(requirement["ref"])
        return (ref["snapshot-id"] if ref else None) == requirement["snapshot-id"]
    theirs, ours = _MEMBERS[requirement["type"]]
    return bool(before[ours] == requirement[theirs])


def applied(metadata: Json, updates: list[Json], *, keeps_last: bool = False) -> Json:
    """``metadata`` after ``updates``; with ``keeps_last`` the last property stays."""
    for one in updates:
        _apply(metadata, one, keeps_last=keeps_last)
    metadata["last-updated-ms"] = int(time.time() * 1000)
    return metadata


def _apply(table: Json, update: Json, *, keeps_last: bool) -> None:  # noqa: C901 - an action a case
    match update["action"]:
        case "assign-uuid":
            table["table-uuid"] = update["uuid"]
        case "upgrade-format-version":
            table["format-version"] = update["format-version"]
        case "set-location":
            table["location"] = update["location"]
        case "set-properties":
            table["properties"].update(update["updates"])
        case "remove-properties":
            for key in update["removals"]:
                if not (keeps_last and len(table["properties"]) == 1):
                    table["properties"].pop(key, None)
        case "add-snapshot":
            table["snapshots"].append(update["snapshot"])
            table["last-sequence-number"] = update["snapshot"]["sequence-number"]
        case "set-snapshot-ref":
            ref = {"type": update["type"], "snapshot-id": update["snapshot-id"]}
            table["refs"][update["ref-name"]] = ref
            if update["ref-name"] == "main":
                table["current-snapshot-id"] = update["snapshot-id"]
        case "remove-snapshots":
            gone = set(update["snapshot-ids"])
            table["snapshots"] = [one for one in table["snapshots"] if one["snapshot-id"] not in gone]
        case _:
            _evolve(table, update)


_LISTS = {
    "add-schema": ("schemas", "schema", "schema-id"),
    "add-spec": ("partition-specs", "spec", "spec-id"),
    "add-sort-order": ("sort-orders", "sort-order", "order-id"),
}
_CURRENT = {
    "set-current-schema": ("schemas", "schema-id", "schema-id", "current-schema-id"),
    "set-default-spec": ("partition-specs", "spec-id", "spec-id", "default-spec-id"),
    "set-default-sort-order": ("sort-orders", "order-id", "sort-order-id", "default-sort-order-id"),
}


def _evolve(table: Json, update: Json) -> None:
    """Schemas, partition specs and sort orders."""
    if update["action"] in _LISTS:
        member, given, key = _LISTS[update["action"]]
        entry = update[given]
        highest = max(one[key] for one in table[member])
        entry = entry if key == "order-id" and entry[key] == 0 else {**entry, key: highest + 1}
        table[member] = [one for one in table[member] if one[key] != entry[key]] + [entry]
    elif update["action"] in _CURRENT:
        member, key, given, current = _CURRENT[update["action"]]
        table[current] = table[member][-1][key] if update[given] == _LAST else update[given]
    else:
        raise Declined(400, "BadRequestException", f"{update['action']} is no update")
