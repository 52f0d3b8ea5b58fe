"""A feature as the text of a file that :mod:`lakebench.datasets.interop.feature_files` loads."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from lakebench.datasets.interop.feature import Feature
from lakebench.datasets.interop.program import planned
from lakebench.iceberg.operations import EqualityDelete, Operation, Read, to_json

_BARE = re.compile(r"[A-Za-z0-9_-]+")  # what TOML takes for a key without quotes


def text_of(feature: Feature) -> str:
    """``feature``, without its proof and of the group that all features of files have.

    Raises:
        ValueError: TOML has no way to say it: a column is updated to null, or a condition compares with null.
    """
    ready = planned(feature, lambda name: name).operations
    head = {key: getattr(feature, key) for key in ("id", "title", "claim", "source")}
    lists = {
        "program": [_step(one, at) for one, at in zip(feature.program, ready, strict=True)],
        "reads": [_read(one) for one in feature.reads],
    }
    lines = ["[[feature]]", *(f"{key} = {_toml(value)}" for key, value in head.items())]
    for name, values in lists.items():
        lines += [f"{name} = [", *(f"    {_toml(one)}," for one in values), "]"] if values else []
    return "\n".join(lines) + "\n"


def _step(operation: Operation, ready: Operation) -> dict[str, Any]:
    """``operation`` without what is filled in, or the default; rows are tables by column without nulls."""
    usual = {one.name: one.default for one in dataclasses.fields(operation)}
    filled = {"fields", "before", "rows"}
    given = {one for one in usual if one not in filled and getattr(operation, one) != usual[one]}
    value = to_json(operation)
    step = {"op": value["op"], **{key: _field(one) for key, one in value.items() if key in given}}
    if "rows" in value:
        names = _row_names(operation, ready)
        pairs = (zip(names, row, strict=True) for row in value["rows"])
        step["rows"] = [{name: cell for name, cell in row if cell is not None} for row in pairs]
    return step


def _row_names(operation: Operation, ready: Operation) -> Sequence[str]:
    if isinstance(operation, EqualityDelete):
        return operation.columns or operation.key
    return tuple(one.name for one in ready.fields)


def _field(value: Any) -> Any:
    """A column, or several, without what is the default."""
    if isinstance(value, list):
        return [_field(one) for one in value]
    if isinstance(value, dict) and {"name", "type"} <= value.keys():
        return {key: one for key, one in value.items() if one not in (None, "", False)}
    if isinstance(value, dict) and {"column", "test"} <= value.keys() and value["test"].endswith("null"):
        return {key: value[key] for key in ("column", "test")}
    return value


def _read(read: Read) -> dict[str, Any]:
    usual = {one.name: one.default for one in dataclasses.fields(read)}
    given = {key: value for key, value in vars(read).items() if value != usual[key]}
    return given | ({"where": [_field(vars(one)) for one in read.where]} if read.where else {})


def _toml(value: Any) -> str:
    """``value`` in one line; text, keys and numbers as in JSON, which TOML reads."""
    if value is None:
        raise ValueError("TOML has no null")
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{_key(key)} = {_toml(one)}' for key, one in value.items())} }}" if value else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
