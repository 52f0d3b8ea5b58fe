"""The OpenAPI document of the Iceberg REST catalog: its operations, and the schemas of their answers."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from referencing import Registry

FILE = Path(__file__).parent / "openapi" / "rest-catalog-open-api.yaml"
SHA256 = "ea3df2231c99d507e45894502c35bfd75157499c436f23cfb3567b3b7e6b7890"
_URI = "urn:iceberg-rest-catalog"
_FIRST_ERROR = 400
_SHOWN = 5  # violations of one answer


@dataclass(frozen=True)
class ApiOperation:
    """One operation, by its operationId; ``path`` is the template, such as ``/v1/{prefix}/namespaces``."""

    id: str
    method: str
    path: str

    @property
    def endpoint(self) -> str:
        """As ``endpoints`` of *CatalogConfig* names it."""
        return f"{self.method} {self.path}"


@functools.cache
def operations() -> Mapping[str, ApiOperation]:
    """Every operation by its operationId."""
    found = (
        ApiOperation(content["operationId"], method.upper(), path)
        for path, methods in _document()["paths"].items()
        for method, content in methods.items()
        if "operationId" in content
    )
    return {one.id: one for one in found}


def violations(operation: str, status: int, body: Any) -> list[str]:
    """What in the JSON ``body`` of an answer the schema does not allow, each as ``path: message``.

    An operation without a schema for this ``status`` allows anything.
    """
    from jsonschema import Draft202012Validator

    schema = _answer_schema(operation, status)
    if schema is None:
        return []
    validator = Draft202012Validator({"$ref": f"{_URI}#{schema}"}, registry=_registry())
    errors = sorted(validator.iter_errors(body), key=lambda error: list(map(str, error.absolute_path)))
    return [f"{error.json_path}: {error.message[:200]}" for error in errors[:_SHOWN]]


def _answer_schema(operation: str, status: int) -> str | None:
    """The JSON pointer to the schema of an answer, ``None`` where the document has none.

    An error is an *IcebergErrorResponse*: where the document names *ErrorModel* alone, its examples are of the other.
    """
    if status >= _FIRST_ERROR and operation != "getToken":
        return "/components/schemas/IcebergErrorResponse"
    one = operations()[operation]
    at = f"/paths/{_escaped(one.path)}/{one.method.lower()}/responses/"
    responses = _document()["paths"][one.path][one.method.lower()]["responses"]
    name = next((name for name in (str(status), f"{status // 100}XX") if name in responses), None)
    if name is None:
        return None
    answer, at = responses[name], at + name
    if "$ref" in answer:
        at = answer["$ref"].removeprefix("#")
        answer = _document()["components"]["responses"][at.rpartition("/")[2]]
    has_schema = "schema" in answer.get("content", {}).get("application/json", {})
    return f"{at}/content/application~1json/schema" if has_schema else None


def _escaped(part: str) -> str:
    """A part of a JSON pointer in a URI (RFC 6901, sections 3 and 6)."""
    from urllib.parse import quote

    return quote(part.replace("~", "~0").replace("/", "~1"), safe="~")


@functools.cache
def _document() -> dict[str, Any]:
    import yaml

    loaded = yaml.load(FILE.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - safe
    document: dict[str, Any] = _nullable(json.loads(json.dumps(loaded, default=str)))  # JSON has text as keys
    return document


def _nullable(part: Any) -> Any:
    """``part`` with ``nullable`` of OpenAPI 3.0, which the document still uses, as the type of JSON Schema."""
    if isinstance(part, list):
        return [_nullable(one) for one in part]
    if not isinstance(part, dict):
        return part
    kept = {key: _nullable(value) for key, value in part.items()}
    if part.get("nullable") is True and isinstance(part.get("type"), str):
        kept["type"] = [part["type"], "null"]
    return kept


@functools.cache
def _registry() -> Registry[Any]:
    from referencing import Registry, Resource
    from referencing.jsonschema import DRAFT202012

    resource: Resource[Any] = Resource.from_contents(_document(), default_specification=DRAFT202012)
    registry: Registry[Any] = Registry().with_resource(_URI, resource)
    return registry
