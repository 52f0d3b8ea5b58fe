"""Iceberg's types, fields, partition and sort fields as data (Iceberg specification, *Schemas and Data Types*).

Standard library only: features are planned in the parent and carried out in workers. A type is a primitive's name as
the specification writes it (``decimal(9,2)``, ``fixed[16]``, ``timestamptz_ns``) or one of :class:`Struct`,
:class:`ListOf` and :class:`MapOf`. Values travel as in the section *JSON single-value serialization*, with these
differences: struct fields are keyed by name instead of id; floating-point values that JSON has not are ``"NaN"``,
``"Infinity"``, ``"-Infinity"`` and ``"-0.0"``; what that section leaves out: a variant is the JSON value
itself, geometry and geography are WKB in hex.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_PARAMETERS = re.compile(r"^(\w+)(?:[(\[]\s*(.*?)\s*[)\]])?$")


@dataclass(frozen=True)
class Struct:
    """``struct``."""

    fields: tuple[Field, ...]


@dataclass(frozen=True)
class ListOf:
    """``list``; elements are optional unless ``required``."""

    element: Type
    required: bool = False


@dataclass(frozen=True)
class MapOf:
    """``map``; keys are always required, values unless ``required`` are not."""

    key: Type
    value: Type
    required: bool = False


Type = str | Struct | ListOf | MapOf


@dataclass(frozen=True)
class Field:
    """A column or a struct's field. ``default`` is its *write-default*, and the *initial-default* where it is added."""

    name: str
    type: Type
    required: bool = False
    doc: str = ""
    default: Any = None


@dataclass(frozen=True)
class PartitionField:
    """``transform`` as the specification writes it: ``identity``, ``bucket[16]``, ``day`` and so on."""

    source: str
    transform: str = "identity"


@dataclass(frozen=True)
class SortField:
    """``direction`` is ``asc`` or ``desc``, ``nulls`` is ``nulls-first`` or ``nulls-last``."""

    source: str
    direction: str = "asc"
    nulls: str = "nulls-first"
    transform: str = "identity"


def kind(of: Type) -> str:
    """The type's bare name: ``decimal`` of ``decimal(9,2)``; ``struct``, ``list`` and ``map`` of the nested ones."""
    if isinstance(of, str):
        match = _PARAMETERS.match(of)
        return match[1] if match else of
    return {Struct: "struct", ListOf: "list", MapOf: "map"}[type(of)]


def parameters(of: Type) -> tuple[str, ...]:
    """What is in the type's brackets: ``("9", "2")`` of ``decimal(9,2)``."""
    match = _PARAMETERS.match(of) if isinstance(of, str) else None
    return tuple(part.strip() for part in match[2].split(",")) if match and match[2] else ()


def type_to_json(of: Type) -> Any:
    """The type as JSON; :func:`type_from_json` reads it back."""
    if isinstance(of, str):
        return of
    if isinstance(of, Struct):
        return {"type": "struct", "fields": [field_to_json(one) for one in of.fields]}
    if isinstance(of, ListOf):
        return {"type": "list", "element": type_to_json(of.element), "required": of.required}
    return {"type": "map", "key": type_to_json(of.key), "value": type_to_json(of.value), "required": of.required}


def type_from_json(value: Any) -> Type:
    """The type that :func:`type_to_json` wrote."""
    if isinstance(value, str):
        return value
    if value["type"] == "struct":
        return Struct(tuple(field_from_json(one) for one in value["fields"]))
    if value["type"] == "list":
        return ListOf(type_from_json(value["element"]), value.get("required", False))
    return MapOf(type_from_json(value["key"]), type_from_json(value["value"]), value.get("required", False))


def field_to_json(field: Field) -> dict[str, Any]:
    """The field as JSON; :func:`field_from_json` reads it back."""
    return {
        **{one.name: getattr(field, one.name) for one in dataclasses.fields(field)},
        "type": type_to_json(field.type),
    }


def field_from_json(value: Mapping[str, Any]) -> Field:
    """The field that :func:`field_to_json` wrote."""
    return Field(**{**value, "type": type_from_json(value["type"])})


def find(fields: Iterable[Field], path: str) -> Field:
    """The field at ``path``: names joined by dots; ``element``, ``key`` and ``value`` step into lists and maps.

    A field whose own name is ``path`` comes first: names may have dots.

    Raises:
        KeyError: there is none.
    """
    fields = tuple(fields)
    name, *inner = steps(fields, path)
    for field in fields:
        if field.name == name:
            return find(children(field.type), ".".join(inner)) if inner else field
    raise KeyError(path)


def steps(fields: Iterable[Field], path: str) -> list[str]:
    """The names on the way down ``path``: one where a field of ``fields`` is called so, as names may have dots."""
    return [path] if any(one.name == path for one in fields) else path.split(".")


def children(of: Type) -> tuple[Field, ...]:
    """The fields below a nested type: of a list ``element``, of a map ``key`` and ``value``; none of a primitive."""
    if isinstance(of, Struct):
        return of.fields
    if isinstance(of, ListOf):
        return (Field("element", of.element, of.required),)
    if isinstance(of, MapOf):
        return (Field("key", of.key, required=True), Field("value", of.value, of.required))
    return ()
