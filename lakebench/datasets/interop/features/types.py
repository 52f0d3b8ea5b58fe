"""Types: every primitive and nested type of versions 2 and 3, with the values at their edges."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lakebench.datasets.interop.feature import Feature, Proof
from lakebench.iceberg.operations import Append, Create
from lakebench.iceberg.types import Field, ListOf, MapOf, Struct, Type

_GROUP = "Types"
_V3 = "Types of version 3"
_SPEC = "Iceberg specification, Primitive Types"
_NESTED = "Iceberg specification, Nested Types"
_HUGE = "lakehouse " * 10_000
_POINT = "0101000000000000000000f03f0000000000000040"  # POINT (1 2)
_LINE = "01020000000200000000000000000000000000000000000000000000000000f03f000000000000f03f"  # LINESTRING (0 0, 1 1)


def _of(
    name: str,
    kind: Type,
    values: Sequence[Any],
    topic: str,
    *,
    version: int = 2,
    source: str = _SPEC,
    title: str = "",
    proof: Mapping[str, str] | None = None,
) -> Feature:
    """A table with one column of type ``kind``, its values with a null among them."""
    rows = tuple((n, value) for n, value in enumerate([*values, None]))
    return Feature(
        id=f"type-{name}",
        group=_GROUP if version < 3 else _V3,  # noqa: PLR2004 - format version 3
        title=title or f"{kind if isinstance(kind, str) else name} with the values at its edges",
        program=(Create(columns=(Field("id", "int"), Field("v", kind)), format_version=version), Append(rows=rows)),
        claim=topic,
        source=source,
        proof=(Proof("column-types", "contains", proof or ({"v": kind} if isinstance(kind, str) else {})),),
    )


_FLOATS = ("NaN", "Infinity", "-Infinity", "-0.0", 0.0, 1.5, -2.25)

TYPES = (
    _of("boolean", "boolean", (True, False), "types-basic"),
    _of("int", "int", (-(2**31), -1, 0, 1, 2**31 - 1), "types-basic"),
    _of("long", "long", (-(2**63), -1, 0, 2**53 + 1, 2**63 - 1), "types-basic"),
    _of("float", "float", (*_FLOATS, 1.401298464324817e-45, 3.4028234663852886e38), "types-basic"),
    _of("double", "double", (*_FLOATS, 5e-324, 1.7976931348623157e308, 0.1), "types-basic"),
    _of("decimal-9", "decimal(9,2)", ("-9999999.99", "0.00", "0.01", "9999999.99"), "types-basic"),
    _of(
        "decimal-18",
        "decimal(18,6)",
        ("-999999999999.999999", "0.000001", "999999999999.999999"),
        "types-basic",
    ),
    _of(
        "decimal-38",
        "decimal(38,10)",
        ("-9999999999999999999999999999.9999999999", "0.0000000001", "9999999999999999999999999999.9999999999"),
        "types-basic",
    ),
    _of(
        "date",
        "date",
        ("0001-01-01", "1582-10-04", "1582-10-15", "1969-12-31", "1970-01-01", "2024-02-29", "9999-12-31"),
        "types-basic",
    ),
    _of("time", "time", ("00:00:00", "12:34:56.789012", "23:59:59.999999"), "type-time"),
    _of(
        "timestamp",
        "timestamp",
        (
            "0001-01-01T00:00:00",
            "1969-12-31T23:59:59.999999",
            "2024-03-31T02:30:00.123456",
            "9999-12-31T23:59:59.999999",
        ),
        "type-timestamp",
    ),
    _of(
        "timestamptz",
        "timestamptz",
        (
            "0001-01-01T00:00:00+00:00",
            "1969-12-31T23:59:59.999999+00:00",
            "2024-03-31T01:30:00.123456+00:00",
            "9999-12-31T23:59:59.999999+00:00",
        ),
        "type-timestamp",
    ),
    _of(
        "string",
        "string",
        ("", " ", "plain", 'it\'s "quoted" \\ back', "line\nbreak\ttab", "Zürich 東京 🦆", "e\u0301", _HUGE),
        "types-basic",
    ),
    _of(
        "uuid",
        "uuid",
        (
            "00000000-0000-0000-0000-000000000000",
            "f79c3e09-677c-4bbd-a479-3f349cb785e7",
            "ffffffff-ffff-ffff-ffff-ffffffffffff",
        ),
        "type-uuid",
    ),
    _of("fixed", "fixed[4]", ("00000000", "deadbeef", "ffffffff"), "type-fixed"),
    _of("binary", "binary", ("", "00", "deadbeef", "ff" * 5000), "types-basic"),
    _of(
        "struct",
        Struct((Field("a", "int"), Field("b", "string"))),
        ({"a": 1, "b": "one"}, {"a": None, "b": "no number"}, {"a": 3, "b": None}, {"a": None, "b": None}),
        "type-nested",
        source=_NESTED,
        title="struct with nulls at each level",
    ),
    _of(
        "list",
        ListOf("int"),
        ([1, 2, 3], [], [None], [4, None, 6]),
        "type-nested",
        source=_NESTED,
        title="list: empty, with null elements, and null itself",
    ),
    _of(
        "map",
        MapOf("string", "long"),
        (
            {"keys": ["a", "b"], "values": [1, 2]},
            {"keys": [], "values": []},
            {"keys": ["only"], "values": [None]},
            {"keys": ["", "ü"], "values": [0, -1]},
        ),
        "type-nested",
        source=_NESTED,
        title="map: empty, with null values, and null itself",
    ),
    _of(
        "map-int-keys",
        MapOf("int", Struct((Field("x", "double"), Field("at", "timestamptz")))),
        (
            {"keys": [1, -5], "values": [{"x": 0.5, "at": "2024-01-01T00:00:00+00:00"}, {"x": None, "at": None}]},
            {"keys": [7], "values": [None]},
        ),
        "type-nested",
        source=_NESTED,
        title="map from int to struct, with null structs",
    ),
    _of(
        "deep",
        ListOf(Struct((Field("tags", MapOf("string", ListOf(Struct((Field("n", "long"), Field("s", "string")))))),))),
        (
            [{"tags": {"keys": ["k"], "values": [[{"n": 1, "s": "x"}, {"n": None, "s": None}]]}}],
            [{"tags": {"keys": ["empty", "null"], "values": [[], None]}}, None, {"tags": None}],
            [],
        ),
        "type-nested",
        source=_NESTED,
        title="list of struct of map of list of struct, with nulls at each level",
    ),
    _of(
        "timestamp-ns",
        "timestamp_ns",
        ("1970-01-01T00:00:00.000000001", "1969-12-31T23:59:59.999999999", "2024-01-01T00:00:00.123456789"),
        "type-timestamp-ns",
        version=3,
    ),
    _of(
        "timestamptz-ns",
        "timestamptz_ns",
        ("1970-01-01T00:00:00.000000001+00:00", "2024-01-01T00:00:00.123456789+00:00"),
        "type-timestamp-ns",
        version=3,
    ),
    _of("unknown", "unknown", (None,), "type-unknown", version=3, title="unknown: a column of nulls without a type"),
    _of(
        "variant",
        "variant",
        ({"a": 1, "b": [True, None, "x"]}, [1, 2.5, "three"], "text", 42, True, {}),
        "type-variant",
        version=3,
        source="Iceberg specification, Semi-structured Types",
        title="variant: objects, arrays and scalars in one column",
    ),
    _of(
        "variant-shapes",
        "variant",
        ({"k": 1}, {"k": "one"}, {"k": {"deep": [1]}}, {"other": 2}, {"k": None}, {"k": 2, "extra": "kept"}),
        "type-variant",
        version=3,
        source="apache/iceberg pull 15087: partial shredding of a variant loses data",
        title="variant: one key with values of many shapes, which a shredding writer splits",
    ),
    _of(
        "geometry",
        "geometry",
        (_POINT, _LINE),
        "type-geometry",
        version=3,
        source="Iceberg specification, Geospatial; duckdb-iceberg 1175",
    ),
    _of(
        "geography",
        "geography",
        (_POINT, _LINE),
        "type-geography",
        version=3,
        source="Iceberg specification, Geospatial",
    ),
)

ALL = TYPES
