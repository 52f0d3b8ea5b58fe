"""Avro schemas and values (Iceberg specification, Appendix A: Avro), for manifests and for data files."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time
from typing import Any
from uuid import UUID

from lakebench.engines.reference.schema import Json, children, kind, numbers
from lakebench.engines.reference.values import EPOCH_DAY, Row, micros, micros_of_day
from lakebench.iceberg import avro

_STRANGE = re.compile(r"\W")
_PRIMITIVES: Mapping[str, Any] = {
    "boolean": "boolean", "int": "int", "long": "long", "float": "float", "double": "double", "string": "string",
    "binary": "bytes", "geometry": "bytes", "geography": "bytes",
    "date": {"type": "int", "logicalType": "date"},
    "time": {"type": "long", "logicalType": "time-micros"},
}  # fmt: skip
_UNITS = {"timestamp": "micros", "timestamptz": "micros", "timestamp_ns": "nanos", "timestamptz_ns": "nanos"}


def compatible(name: str) -> str:
    """A column's name as an Avro name: other characters than letters and digits become their code.

    As Iceberg's own library writes them (AvroSchemaUtil.sanitize): letters of every alphabet stay, although Avro itself
    knows those of ASCII only; of a character beyond the first plane each UTF-16 unit has its code.
    """
    changed = _STRANGE.sub(lambda match: "".join(f"_x{unit:X}" for unit in _utf16(match[0])), name)
    return f"_{changed}" if changed[:1].isdigit() else changed


def _utf16(character: str) -> Sequence[int]:
    data = character.encode("utf-16-be")
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


class Schema:
    """The Avro schema of a record; a fixed type is defined where it first occurs, and named after that."""

    def __init__(self, name: str, fields: Iterable[Json]) -> None:
        self._defined: set[str] = set()
        self.json = self.record(name, fields)

    def record(self, name: str, fields: Iterable[Json]) -> Json:
        """A record; columns of the type unknown are not stored."""
        return {
            "type": "record",
            "name": name,
            "fields": [self._field(one) for one in fields if one["type"] != "unknown"],
        }

    def _field(self, field: Json) -> Json:
        name = compatible(field["name"])
        result: Json = {"name": name, "type": self._optional(field), "field-id": field["id"]}
        if name != field["name"]:
            result["iceberg-field-name"] = field["name"]
        return result if field["required"] else {**result, "default": None}

    def _optional(self, field: Json) -> Any:
        of = self._type(field["type"], field["id"])
        return of if field["required"] else ["null", of]

    def _type(self, of: Any, number: int) -> Any:
        name = kind(of)
        if name == "struct":
            return self.record(f"r{number}", children(of))
        if name == "list":
            (element,) = children(of)
            return {"type": "array", "items": self._optional(element), "element-id": element["id"]}
        if name == "map":
            return self._map(of)
        if name in _UNITS:
            zoned = name.startswith("timestamptz")
            return {"type": "long", "logicalType": f"timestamp-{_UNITS[name]}", "adjust-to-utc": zoned}
        if name == "variant":
            parts = [{"name": one, "type": "bytes"} for one in ("metadata", "value")]
            return {"type": "record", "logicalType": "variant", "name": f"r{number}", "fields": parts}
        return self._fixed(of) if name in {"decimal", "uuid", "fixed"} else _PRIMITIVES[name]

    def _map(self, of: Any) -> Json:
        key, value = children(of)
        if key["type"] == "string":
            return {"type": "map", "values": self._optional(value), "key-id": key["id"], "value-id": value["id"]}
        record = self.record(f"k{key['id']}_v{value['id']}", (key, value))
        return {"type": "array", "logicalType": "map", "items": record}

    def _fixed(self, of: str) -> Any:
        if of == "uuid":
            fixed: Json = {"name": "uuid_fixed", "size": 16, "logicalType": "uuid"}
        elif kind(of) == "fixed":
            fixed = {"name": f"fixed_{numbers(of)[0]}", "size": numbers(of)[0]}
        else:
            precision, scale = numbers(of)
            size = ((10**precision - 1).bit_length() + 8) // 8
            fixed = {"name": f"decimal_{precision}_{scale}", "size": size, "logicalType": "decimal"}
            fixed |= {"precision": precision, "scale": scale}
        if fixed["name"] in self._defined:
            return fixed["name"]
        self._defined.add(fixed["name"])
        return {"type": "fixed", **fixed}


def outside(of: Any, value: Any) -> Any:
    """A value as fastavro takes it: structs by name, maps of strings as mappings, others as lists of records."""
    name = kind(of)
    if value is None:
        return None
    if name == "struct":
        return {
            compatible(one["name"]): outside(one["type"], value.get(one["id"]))
            for one in children(of)
            if one["type"] != "unknown"
        }
    if name == "list":
        return [outside(of["element"], one) for one in value]
    if name != "map":
        return value
    pairs = [(outside(of["key"], key), outside(of["value"], one)) for key, one in value]
    return dict(pairs) if of["key"] == "string" else [{"key": key, "value": one} for key, one in pairs]


def write(schema: Json, records: Sequence[Json], metadata: Mapping[str, str], codec: str = "deflate") -> bytes:
    """An Avro file."""
    import fastavro

    target = io.BytesIO()
    fastavro.writer(target, schema, records, codec=codec, metadata=dict(metadata))
    return target.getvalue()


def read(data: bytes) -> list[Row]:
    """The records of an Avro file by field id."""
    records, _, schema = avro.read(data)
    reading = Reading(schema)
    return [reading.value(schema, one) for one in records]


class Reading:
    """Values as fastavro gives them, turned into those inside; named types are looked up by their names."""

    def __init__(self, schema: Any) -> None:
        self._named: dict[str, Any] = {}
        self._learn(schema)

    def _learn(self, of: Any) -> None:
        if isinstance(of, list):
            for inner in of:
                self._learn(inner)
        elif isinstance(of, dict):
            if "name" in of:
                self._named[of["name"]] = of
            for inner in of.get("fields", ()):
                self._learn(inner["type"])
            for part in ("items", "values"):
                self._learn(of.get(part))

    def value(self, of: Any, value: Any) -> Any:
        """``value`` of the Avro type ``of``."""
        if value is None:
            return None
        if isinstance(of, list):
            (of,) = (one for one in of if one != "null")
        if isinstance(of, str):
            of = self._named.get(of, {"type": of})
        if of.get("logicalType") == "variant":
            return value
        return self._nested(of, value)

    def _nested(self, of: Json, value: Any) -> Any:
        name = of["type"]
        if name == "record":
            return {one["field-id"]: self.value(one["type"], value[one["name"]]) for one in of["fields"]}
        if name == "array" and of.get("logicalType") == "map":
            key, item = of["items"]["fields"]
            return [(self.value(key["type"], one["key"]), self.value(item["type"], one["value"])) for one in value]
        if name == "array":
            return [self.value(of["items"], one) for one in value]
        if name == "map":
            return [(key, self.value(of["values"], one)) for key, one in value.items()]
        return plain(value)


def plain(value: Any) -> Any:
    """A primitive value as it is inside."""
    if isinstance(value, datetime):
        return micros(value.astimezone(UTC) if value.tzinfo else value)
    if isinstance(value, date):
        return value.toordinal() - EPOCH_DAY
    if isinstance(value, time):
        return micros_of_day(value)
    return value.bytes if isinstance(value, UUID) else value
