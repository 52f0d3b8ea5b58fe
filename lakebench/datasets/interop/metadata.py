"""Table metadata as its JSON says it (Iceberg specification, *Table Metadata*), of any format version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = Mapping[str, Any]

# The parameters that the specification gives where none are written.
_DEFAULTS = {"geometry(OGC:CRS84)": "geometry", "geography(OGC:CRS84)": "geography"}


@dataclass(frozen=True)
class Column:
    """A field of a schema at any depth; ``type`` is ``struct``, ``list`` or ``map`` where it is nested."""

    path: str
    id: int
    type: str
    required: bool
    definition: Json


def snapshots(metadata: Json) -> list[Json]:
    """The snapshots in the order in which they were committed."""
    return sorted(metadata.get("snapshots") or (), key=lambda one: one.get("sequence-number", 0))


def current_snapshot(metadata: Json) -> Json | None:
    """The current snapshot; a table without one says ``null``, ``-1`` or nothing."""
    number = metadata.get("current-snapshot-id")
    return next((one for one in snapshots(metadata) if one["snapshot-id"] == number), None)


def references(metadata: Json) -> dict[str, Json]:
    """Branches and tags; ``main`` is there wherever there is a current snapshot."""
    number = metadata.get("current-snapshot-id")
    main = {"main": {"snapshot-id": number, "type": "branch"}} if number not in {None, -1} else {}
    return {**main, **(metadata.get("refs") or {})}


def schemas(metadata: Json) -> list[Json]:
    """All schemas."""
    return metadata.get("schemas") or [metadata["schema"]]


def current_schema(metadata: Json) -> Json | None:
    """The current schema; ``None`` where its id names none."""
    if not metadata.get("schemas"):
        return metadata.get("schema")
    number = metadata.get("current-schema-id")
    return next((one for one in metadata["schemas"] if one.get("schema-id", 0) == number), None)


def spec(metadata: Json, number: int) -> Sequence[Json] | None:
    """The fields of the partition spec ``number``; ``None`` where there is no such spec."""
    specs = metadata.get("partition-specs") or [{"spec-id": 0, "fields": metadata.get("partition-spec") or ()}]
    return next((one["fields"] for one in specs if one["spec-id"] == number), None)


def default_spec(metadata: Json) -> Sequence[Json]:
    """The fields of the default partition spec."""
    return spec(metadata, metadata.get("default-spec-id", 0)) or ()


def default_order(metadata: Json) -> Sequence[Json]:
    """The fields of the default sort order."""
    number = metadata.get("default-sort-order-id", 0)
    return next((one["fields"] for one in metadata.get("sort-orders") or () if one["order-id"] == number), ())


def columns(schema: Json) -> list[Column]:
    """Every field of ``schema``, a parent before its children."""
    return [one for field in schema["fields"] for one in _column(field, "")]


def by_id(metadata: Json) -> dict[int, Column]:
    """The fields of all schemas by id, each as the newest schema has it, the current one above all."""
    fields = {one.id: one for schema in schemas(metadata) for one in columns(schema)}
    return {**fields, **{one.id: one for one in columns(current_schema(metadata) or {"fields": []})}}


def _column(field: Json, parent: str) -> Iterator[Column]:
    path = f"{parent}{field['name']}"
    of = field["type"]
    yield Column(path, field["id"], type_text(of), bool(field.get("required")), field)
    for child in _children(of):
        yield from _column(child, f"{path}.")


def _children(of: Any) -> Sequence[Json]:
    if not isinstance(of, Mapping):
        return ()
    if of["type"] == "struct":
        fields: Sequence[Json] = of["fields"]
        return fields
    parts = ("element",) if of["type"] == "list" else ("key", "value")
    return [
        {"id": of[f"{one}-id"], "name": one, "type": of[one], "required": of.get(f"{one}-required", one == "key")}
        for one in parts
    ]


def type_text(of: Any) -> str:
    """A primitive type without blanks and default parameters; the bare name of a nested one."""
    if isinstance(of, Mapping):
        return str(of["type"])
    text = str(of).replace(" ", "")
    return _DEFAULTS.get(text, "geography" if text == "geography(OGC:CRS84,spherical)" else text)


def order_text(field: Json, names: Mapping[int, Column]) -> str:
    """``id asc nulls-first``; with ``bucket[4](id)`` where it is transformed."""
    source, transform = name_of(field, names), field["transform"]
    what = source if transform == "identity" else f"{transform}({source})"
    return f"{what} {field['direction']} {field['null-order']}"


def name_of(field: Json, names: Mapping[int, Column]) -> str:
    """The source of a partition or sort field."""
    numbers = field.get("source-ids") or [field.get("source-id")]
    return ", ".join(names[one].path if one in names else f"#{one}" for one in numbers)
