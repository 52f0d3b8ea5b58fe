"""What pg_lake answers, in Arrow: nested values come as JSON; metadata tables are functions of pg_lake."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from lakebench.engines.boundary import words
from lakebench.errors import EngineUnavailable, Refused
from lakebench.iceberg.scan import Scan
from lakebench.iceberg.types import Field, ListOf, MapOf, Struct, Type, kind

if TYPE_CHECKING:
    import pyarrow as pa

    from lakebench.engines.pg_lake.statements import PgLakeSql

_BYTES = frozenset({"binary", "fixed"})
# Metadata tables by pg_lake's functions, and columns that are called or written otherwise.
_METADATA: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "snapshots": ("lake_iceberg.snapshots", {}),
    "files": (
        "lake_iceberg.files",
        {"content": "CASE content WHEN 'DATA' THEN 0 WHEN 'POSITION_DELETES' THEN 1 ELSE 2 END"},
    ),
}


def metadata_query(sql: PgLakeSql, scan: Scan, location: str) -> str:
    """The query of the metadata table that ``scan`` names, of the metadata file at ``location``.

    Raises:
        EngineUnavailable: there is no such function.
    """
    if scan.metadata not in _METADATA:
        raise EngineUnavailable(f"pg_lake has no function for a table's {scan.metadata}")
    function, written = _METADATA[scan.metadata]
    columns = (f"{written[one]} AS {sql.name(one)}" if one in written else sql.name(one) for one in scan.columns or ())
    return f"SELECT {', '.join(columns) or '*'} FROM {function}({sql.text(location)})"


def selected(scan: Scan) -> tuple[Field | None, ...]:
    """The field of each column of the answer, as far as they are known."""
    if scan.count or not scan.fields:
        return ()
    fields = {one.name: one for one in scan.fields}
    return tuple(fields.get(one) for one in (fields if scan.columns is None else scan.columns))


def with_nested(table: pa.Table, fields: Sequence[Field | None]) -> pa.Table:
    """``table`` with the JSON of nested columns turned into the values that it says.

    Raises:
        Refused: the values have another type.
    """
    for number, field in enumerate(fields):
        if field is not None and not isinstance(field.type, str):
            table = table.set_column(number, field.name, _column(field.type, table.column(number).to_pylist()))
    return table


def _column(of: Type, texts: Sequence[str | None]) -> pa.Array:
    import pyarrow as pa

    from lakebench.iceberg.values import arrow_array

    parsed = [None if text is None else json.loads(text, parse_float=Decimal) for text in texts]
    try:
        return arrow_array(of, [value(of, one) for one in parsed])
    except (KeyError, pa.ArrowInvalid) as error:
        raise Refused(f"the answer has other values than {kind(of)}: {words(error)}") from error


def value(of: Type, shown: Any) -> Any:
    """A value of :mod:`lakebench.iceberg.types` from what ``to_jsonb`` shows of it.

    Raises:
        KeyError: an entry of a map has no key or no value.
        Refused: ``shown`` is not what ``to_jsonb`` shows of that type.
    """
    if shown is None:
        return None
    expected = dict if isinstance(of, Struct) else list if isinstance(of, ListOf | MapOf) else None
    if expected is not None and not isinstance(shown, expected):
        raise Refused(f"the answer has other values than {kind(of)}: {str(shown)[:100]}")
    if isinstance(of, Struct):
        return {one.name: value(one.type, shown.get(one.name)) for one in of.fields}
    if isinstance(of, ListOf):
        return [value(of.element, one) for one in shown]
    if isinstance(of, MapOf):
        return {
            "keys": [value(of.key, one["key"]) for one in shown],
            "values": [value(of.value, one["val"]) for one in shown],
        }
    return shown.removeprefix("\\x") if kind(of) in _BYTES else shown
