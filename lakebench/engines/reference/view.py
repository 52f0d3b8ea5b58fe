"""Views (Iceberg View specification): the SQL of each engine that has a dialect of its own for them."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping
from typing import Any

from lakebench.engines.reference.schema import Json, fields_json
from lakebench.iceberg.operations import CreateView
from lakebench.iceberg.scan import Condition
from lakebench.iceberg.types import Field, find, kind

_DIALECTS: Mapping[str, str] = {"spark": "`", "trino": '"'}
_TYPED = {"date": "DATE", "timestamp": "TIMESTAMP", "timestamptz": "TIMESTAMP"}


def body(namespace: str, operation: CreateView) -> Json:
    """The body of the request that makes the view."""
    fields = {one.name: one for one in operation.fields}
    schema = {
        "type": "struct",
        "schema-id": 0,
        "fields": fields_json([_column(fields[one]) for one in operation.columns], itertools.count(1)),
    }
    representations = [
        {"type": "sql", "sql": sql(operation, quote), "dialect": name} for name, quote in _DIALECTS.items()
    ]
    version = {
        "version-id": 1,
        "timestamp-ms": int(time.time() * 1000),
        "schema-id": 0,
        "summary": {"engine-name": "lakebench"},
        "representations": representations,
        "default-namespace": [namespace],
    }
    return {"name": operation.name, "schema": schema, "view-version": version, "properties": {}}


def _column(field: Field) -> Field:
    return Field(field.name, field.type, field.required, field.doc)


def sql(operation: CreateView, quote: str) -> str:
    """The SELECT, with names between ``quote`` and the table by its name alone."""

    def named(name: str) -> str:
        return f"{quote}{name.replace(quote, 2 * quote)}{quote}"

    where = " AND ".join(_condition(operation, one, named) for one in operation.where)
    listed = ", ".join(map(named, operation.columns))
    return f"SELECT {listed} FROM {named(operation.table)}{f' WHERE {where}' if where else ''}"


def _condition(operation: CreateView, condition: Condition, named: Callable[[str], str]) -> str:
    column = ".".join(map(named, condition.column.split(".")))
    if condition.test in {"is-null", "not-null"}:
        return f"{column} IS {'NOT ' if condition.test == 'not-null' else ''}NULL"
    of = kind(find(operation.fields, condition.column).type)
    if condition.test == "in":
        return f"{column} IN ({', '.join(_literal(of, one) for one in condition.value)})"
    return f"{column} {'<>' if condition.test == '!=' else condition.test} {_literal(of, condition.value)}"


def _literal(of: str, value: Any) -> str:
    if of == "decimal":
        return str(value)
    if not isinstance(value, str):
        return str(value).lower()
    text = value.replace("'", "''")
    return f"{_TYPED[of]} '{text.replace('T', ' ')}'" if of in _TYPED else f"'{text}'"
