"""Schemas as table metadata has them in JSON (Iceberg specification, Appendix C), and functions on them."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from lakebench.errors import Refused
from lakebench.iceberg.types import Field, ListOf, MapOf, Struct, Type

Json = dict[str, Any]

ROW_ID = 2147483540
LAST_UPDATED = 2147483539
FILE_PATH = 2147483546
POSITION = 2147483545

LINEAGE: tuple[Json, ...] = (
    {"id": ROW_ID, "name": "_row_id", "required": False, "type": "long"},
    {"id": LAST_UPDATED, "name": "_last_updated_sequence_number", "required": False, "type": "long"},
)
POSITION_DELETE: tuple[Json, ...] = (
    {"id": FILE_PATH, "name": "file_path", "required": True, "type": "string"},
    {"id": POSITION, "name": "pos", "required": True, "type": "long"},
)
"""The reserved columns that are written (Iceberg specification, Reserved Field IDs)."""

_NUMBERS = re.compile(r"\d+")


def kind(of: Any) -> str:
    """The bare name of a type: ``decimal`` of ``decimal(9,2)``; ``struct``, ``list`` and ``map`` of the nested ones."""
    name: str = of["type"] if isinstance(of, dict) else re.split(r"[(\[]", of)[0].strip()
    return name


def numbers(of: str) -> list[int]:
    """The numbers in the brackets of a type or transform."""
    return [int(one) for one in _NUMBERS.findall(of.partition("[")[2] or of.partition("(")[2])]


def children(of: Any) -> list[Json]:
    """The fields of a nested type; a list's is ``element``, a map's are ``key`` and ``value``."""
    if kind(of) == "struct":
        fields: list[Json] = of["fields"]
        return fields
    parts = {"list": ("element",), "map": ("key", "value")}.get(kind(of), ())
    return [
        {"id": of[f"{part}-id"], "name": part, "required": of.get(f"{part}-required", True), "type": of[part]}
        for part in parts
    ]


def find(of: Any, path: str) -> Json:
    """The field at ``path``, names joined by dots; one whose own name is ``path`` comes first.

    Raises:
        Refused: there is none.
    """
    fields = children(of)
    name, inner = next(((path, "") for one in fields if one["name"] == path), path.partition(".")[::2])
    for field in fields:
        if field["name"] == name:
            return find(field["type"], inner) if inner else field
    raise Refused(f"the table has no column {path}")


def by_id(of: Any) -> dict[int, Json]:
    """Every field at every depth by its id."""
    fields = {}
    for field in children(of):
        fields[field["id"]] = field
        fields.update(by_id(field["type"]))
    return fields


def trail(of: Any, path: str) -> list[int]:
    """The ids on the way down ``path``, through structs alone."""
    names = [path] if any(one["name"] == path for one in children(of)) else path.split(".")
    return [find(of, ".".join(names[: n + 1]))["id"] for n in range(len(names))]


def path_to(of: Any, field_id: int) -> list[int]:
    """The ids on the way down to the field ``field_id``; empty where there is none."""
    for field in children(of):
        if field["id"] == field_id:
            return [field_id]
        below = path_to(field["type"], field_id)
        if below:
            return [field["id"], *below]
    return []


def current(metadata: Json) -> Json:
    """The current schema of a table."""
    return schema_of(metadata, metadata["current-schema-id"])


def schema_of(metadata: Json, schema_id: int) -> Json:
    """The schema ``schema_id`` of a table."""
    schema: Json = next(one for one in metadata["schemas"] if one["schema-id"] == schema_id)
    return schema


def type_json(of: Type, ids: Iterator[int]) -> Any:
    """A type with ids: those of siblings first, then those below them."""
    if isinstance(of, Struct):
        return {"type": "struct", "fields": fields_json(of.fields, ids)}
    if isinstance(of, ListOf):
        number = next(ids)
        return {
            "type": "list",
            "element-id": number,
            "element": type_json(of.element, ids),
            "element-required": of.required,
        }
    if isinstance(of, MapOf):
        key, value = next(ids), next(ids)
        return {
            "type": "map",
            "key-id": key,
            "key": type_json(of.key, ids),
            "value-id": value,
            "value": type_json(of.value, ids),
            "value-required": of.required,
        }
    return of


def fields_json(fields: Sequence[Field], ids: Iterator[int]) -> list[Json]:
    """Columns with ids, and with their *write-default*."""
    numbered = [(next(ids), one) for one in fields]
    return [_field_json(number, one, ids) for number, one in numbered]


def _field_json(number: int, field: Field, ids: Iterator[int]) -> Json:
    result = {"id": number, "name": field.name, "required": field.required, "type": type_json(field.type, ids)}
    if field.doc:
        result["doc"] = field.doc
    if field.default is not None:
        result["write-default"] = field.default
    return result


def added(schema: Json, column: Field, ids: Iterator[int], parent: str, index_of: Callable[[list[Json]], int]) -> Json:
    """``schema`` with ``column``, whose default old rows get too; ``index_of`` gives its index among its siblings."""
    changed = copy.deepcopy(schema)
    siblings = _struct_at(changed, parent)["fields"]
    (field,) = fields_json((column,), ids)
    if "write-default" in field:
        field["initial-default"] = field["write-default"]
    siblings.insert(index_of(siblings), field)
    return changed


def without(schema: Json, path: str) -> Json:
    """``schema`` without the field at ``path``."""
    changed = copy.deepcopy(schema)
    siblings, index = _located(changed, path)
    del siblings[index]
    return changed


def moved(schema: Json, path: str, index_of: Callable[[list[Json]], int]) -> Json:
    """``schema`` with the field at ``path`` elsewhere among its siblings."""
    changed = copy.deepcopy(schema)
    siblings, index = _located(changed, path)
    field = siblings.pop(index)
    siblings.insert(index_of(siblings), field)
    return changed


def with_attributes(schema: Json, path: str, **attributes: Any) -> Json:
    """``schema`` with other attributes (``name``, ``type``, ``required``, ``doc``) of the field at ``path``."""
    changed = copy.deepcopy(schema)
    parent, _, last = path.rpartition(".")
    above = _type_at(changed, parent)
    if kind(above) == "struct":
        siblings, index = _located(changed, path)
        siblings[index].update(attributes)
        return changed
    find(above, last)
    for name, value in attributes.items():
        above[last if name == "type" else f"{last}-{name}"] = value
    return changed


def sibling_index(*, first: bool, after: str) -> Callable[[list[Json]], int]:
    """Where a field goes among its siblings: ``first``, ``after`` another, else last."""

    def index_of(siblings: list[Json]) -> int:
        if first:
            return 0
        names = [one["name"] for one in siblings]
        return names.index(after) + 1 if after else len(siblings)

    return index_of


def _type_at(schema: Json, path: str) -> Any:
    return find(schema, path)["type"] if path else schema


def _struct_at(schema: Json, path: str) -> Any:
    of = _type_at(schema, path)
    if kind(of) != "struct":
        raise Refused(f"{path} is no struct")
    return of


def _located(schema: Json, path: str) -> tuple[list[Json], int]:
    parent, _, last = path.rpartition(".")
    find(schema, path)
    siblings: list[Json] = _struct_at(schema, parent)["fields"]
    return siblings, [one["name"] for one in siblings].index(last)


def name_mapping(of: Any, earlier: Sequence[Json] = ()) -> list[Json]:
    """The name mapping of a type's fields (Iceberg specification, Name Mapping Serialization).

    A field that is in ``earlier`` keeps the names that it has there, unless another field has taken them.
    """
    old = {one.get("field-id"): one for one in earlier}
    fields = children(of)
    taken = {one["name"] for one in fields}
    mapped = []
    for field in fields:
        before = old.get(field["id"], {})
        names = [one for one in before.get("names", ()) if one not in taken]
        entry: Json = {"field-id": field["id"], "names": [*names, field["name"]]}
        below = name_mapping(field["type"], before.get("fields", ()))
        mapped.append({**entry, "fields": below} if below else entry)
    return mapped
