"""``records.schema.json``: one line of ``records.jsonl`` as JSON Schema (draft 2020-12), made from the types."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lakebench.errors import UsageError
from lakebench.inputs import untrusted
from lakebench.model import Coordinates
from lakebench.outcomes import Outcome
from lakebench.results.records import KINDS, SCHEMA

FILE = Path(__file__).with_name("records.schema.json")
_ONLY_VERIFIED_HAVE_TIMES = {
    "if": {"properties": {"outcome": {"const": Outcome.PASS.value}}},
    "else": {"properties": {"samples": {"maxItems": 0}, "reason": {"minLength": 1}}},
}


def generated() -> dict[str, Any]:
    """The schema of one line, from the types in :data:`~lakebench.results.records.KINDS`."""
    from pydantic import TypeAdapter

    adapters = [(kind, "serialization", TypeAdapter(made)) for kind, made in KINDS.items()]
    _, made = TypeAdapter.json_schemas(adapters, ref_template="#/$defs/{model}")  # type: ignore[arg-type]
    definitions = {name: _strict(name, one) for name, one in made["$defs"].items()}
    for kind, type_ in KINDS.items():
        one = definitions[type_.__name__]
        one["properties"] = {"kind": {"const": kind}, **one["properties"]}
        one["required"] = ["kind", *one["required"]]
    definitions["Header"]["properties"]["schema"] = {"const": SCHEMA}
    definitions["Record"] |= _ONLY_VERIFIED_HAVE_TIMES
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"One line of records.jsonl, schema {SCHEMA}",
        "oneOf": [{"$ref": f"#/$defs/{type_.__name__}"} for type_ in KINDS.values()],
        "$defs": definitions,
    }


def _strict(name: str, definition: Mapping[str, Any]) -> dict[str, Any]:
    """``definition`` for lines as they are written: all fields and no others. Absent coordinates are left out."""
    schema = {key: value for key, value in definition.items() if key in {"type", "enum", "properties"}}
    if "properties" not in schema:
        return schema
    properties = {field: _bounded(field, one) for field, one in schema["properties"].items()}
    required = [] if name == Coordinates.__name__ else list(properties)
    return {**schema, "additionalProperties": False, "properties": properties, "required": required}


def _bounded(field: str, value: Any) -> Any:
    """``value`` without titles and defaults, and with the minimum of a number in ``field``."""
    if isinstance(value, list):
        return [_bounded(field, one) for one in value]
    if not isinstance(value, dict):
        return value
    schema = {key: _bounded(field, one) for key, one in value.items() if key not in {"title", "default"}}
    if "anyOf" in schema and all(one.keys() <= {"type", "minimum"} for one in schema["anyOf"]):
        return _one_of_types(schema["anyOf"])
    if schema.get("type") in ("integer", "number") and (least := untrusted.least(field)) >= 0:
        schema["minimum"] = least
    return schema


def _one_of_types(options: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """``options``, each a type of JSON, as one list of types."""
    bounds = {key: one for option in options for key, one in option.items()}
    return {**bounds, "type": [option["type"] for option in options]}


def text() -> str:
    """The text of the schema file."""
    return json.dumps(generated(), indent=1) + "\n"


def check(path: Path) -> int:
    """Validate each line of the file at ``path`` against the schema; the number of lines.

    Needs ``jsonschema``, which is a development dependency.

    Raises:
        UsageError: a line does not fit; the message names the first.
    """
    import jsonschema

    validator = jsonschema.Draft202012Validator(json.loads(FILE.read_text(encoding="utf-8")))
    lines = path.read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines, 1):
        if error := jsonschema.exceptions.best_match(validator.iter_errors(json.loads(line))):
            raise UsageError(f"{path} line {number}: {error.json_path}: {error.message[:200]}")
    return len(lines)


if __name__ == "__main__":
    FILE.write_text(text(), encoding="utf-8")
