"""Identifiers: blanks, dots, quotes, capitals, other alphabets and reserved words, of all that has a name."""

from __future__ import annotations

from collections.abc import Mapping

from lakebench.datasets.interop.feature import Feature, Proof
from lakebench.iceberg.operations import Append, Create, Read
from lakebench.iceberg.types import Field, PartitionField

_GROUP = "Names"
_SPEC = (
    "Iceberg specification, Schemas and Data Types: a name is any string; AvroSchemaUtil.sanitize; duckdb-iceberg 1401"
)
_COLUMNS: Mapping[str, str] = {
    "blank": "a key",
    "umlaut": "Größe",
    "cjk": "東京",
    "quote": 'a "key"',
    "apostrophe": "it's",
    "mixed-case": "MixedCase",
    "reserved": "select",
    "digit": "1st",
    "slash": "a/b",
}
_TABLES: Mapping[str, tuple[str, str]] = {
    "mixed-case": ("a table's name in capitals and small letters", "Mixed{}Case"),
    "odd": ("a table's name with blanks, a quote and another alphabet", 'it\'s the "größe" {}'),
}
_NAMESPACES: Mapping[str, tuple[str, str]] = {
    "mixed-case": ("a namespace in capitals and small letters", "InterOp"),
    "odd": ("a namespace with blanks and another alphabet", "inter op größe"),
}
_PLAIN = (Field("id", "int"), Field("v", "string"))
_ROWS = Append(rows=((1, "one"), (2, "two"), (3, None)))


def _partition(name: str, column: str) -> Feature:
    return Feature(
        f"name-of-partition-{name}",
        _GROUP,
        f"partitioned by a column called {column}",
        (
            Create(columns=(Field("id", "int"), Field(column, "string")), partition=(PartitionField(column),)),
            Append(rows=((1, "a"), (2, "b"), (3, None))),
            Append(rows=((4, "a"), (5, ""))),
        ),
        "partition-transforms",
        _SPEC,
        proof=(Proof("partition-transforms", "=", [f"identity({column})"]),),
    )


def _column(name: str, column: str) -> Feature:
    return Feature(
        f"name-of-column-{name}",
        _GROUP,
        f"a column called {column}",
        (Create(columns=(Field("id", "int"), Field(column, "string"))), _ROWS),
        "types-basic",
        _SPEC,
        proof=(Proof("column-types", "contains", {column: "string"}),),
    )


def _elsewhere(name: str, title: str, *, tables: str = "{}", namespace: str = "interop") -> Feature:
    program = (Create(columns=_PLAIN), _ROWS)
    return Feature(name, _GROUP, title, program, "v2-tables", _SPEC, tables=tables, namespace=namespace)


ALL = (
    *(_partition(name, column) for name, column in _COLUMNS.items()),
    _column("dot", "a.b"),
    *(_elsewhere(f"name-of-table-{name}", title, tables=tables) for name, (title, tables) in _TABLES.items()),
    *(_elsewhere(f"name-of-namespace-{name}", title, namespace=one) for name, (title, one) in _NAMESPACES.items()),
    Feature(
        "name-of-table-twins",
        _GROUP,
        "two tables whose names differ in capitals alone",
        (
            Create(columns=_PLAIN),
            _ROWS,
            Create(table="twin", columns=_PLAIN),
            Append(table="twin", rows=((10, "small"),)),
            Create(table="Twin", columns=_PLAIN),
            Append(table="Twin", rows=((20, "capital"),)),
        ),
        "v2-tables",
        "trino 23715: names of tables in small letters alone",
        (Read("in small letters", table="twin"), Read("with a capital", table="Twin")),
    ),
)
