"""Features from files outside the package: programs of neutral operations, as data in TOML.

A file runs no code. ``docs/adding-a-feature.md`` describes it. Values are those of :mod:`lakebench.iceberg.types`; a
row is a table of its columns, and a column that it leaves out is null, as TOML has no null.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lakebench.datasets.interop.feature import Feature, Proof
from lakebench.datasets.interop.program import planned
from lakebench.errors import LakebenchError, UsageError
from lakebench.iceberg.operations import Concurrent, EqualityDelete, Operation, Read, Row, Transaction, from_json
from lakebench.iceberg.scan import conditions_from_json
from lakebench.inputs import files

GROUP = "Features of files"
_ID = re.compile(r"[a-z0-9][a-z0-9-]{0,59}")
_WRONG = (
    ArithmeticError, AttributeError, LookupError, NotImplementedError, StopIteration, TypeError, ValueError,
    LakebenchError,
)  # fmt: skip
_TESTS = ("=", ">=", "contains")


@functools.cache
def load(path: Path) -> tuple[Feature, ...]:
    """The features in the file at ``path``, each checked against the oracle.

    Raises:
        UsageError: there is no such file, it is no TOML, or one of its features is none; the message names both.
    """
    try:
        document = tomllib.loads(files.text(path))
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such file") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{path} is no TOML: {error}") from None
    listed = document.get("feature")
    if document.keys() != {"feature"} or not isinstance(listed, list):
        raise UsageError(f"{path}: a file of features has tables [[feature]], and nothing else")
    return tuple(_checked(path, number, one) for number, one in enumerate(listed, 1))


def _checked(path: Path, number: int, entry: Any) -> Feature:
    name = entry.get("id", f"number {number}") if isinstance(entry, Mapping) else f"number {number}"
    try:
        feature = _feature(entry)
        _answer(feature)
    except KeyError as error:
        raise UsageError(f"{path}: the feature {name}: there is no {error}") from None
    except _WRONG as error:
        raise UsageError(f"{path}: the feature {name}: {error or type(error).__name__}") from None
    return feature


def _feature(entry: Any) -> Feature:
    entry = _plain(entry)
    if not _ID.fullmatch(entry["id"]):
        raise ValueError("an id is of small letters, digits and hyphens, 60 at most")
    steps = entry.pop("program")
    program = tuple(from_json(_without_rows(one)) for one in steps)
    reads = tuple(_read(one) for one in entry.pop("reads", ()))
    proof = tuple(Proof(**one) for one in entry.pop("proof", ()))
    if unknown := [one.test for one in proof if one.test not in _TESTS]:
        raise ValueError(f"{unknown[0]} is no test of a proof: {', '.join(_TESTS)} are")
    feature = Feature(**{"group": GROUP, **entry}, program=program, reads=reads, proof=proof)
    ready = planned(feature, lambda table: table).operations
    return replace(feature, program=tuple(map(_with_rows, steps, program, ready)))


def _plain(value: Any) -> Any:
    """``value`` as JSON has it: TOML's dates and times are text."""
    if isinstance(value, Mapping):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.isoformat() if isinstance(value, dt.date | dt.time) else value


def _read(entry: Mapping[str, Any]) -> Read:
    columns = tuple(entry["columns"]) if "columns" in entry else None
    return Read(**{**entry, "columns": columns, "where": conditions_from_json(entry.get("where", ()))})


def _without_rows(entry: Mapping[str, Any]) -> dict[str, Any]:
    """The operation as the file has it, without its rows: they need the columns of its table."""
    parts = {"operations": [_without_rows(one) for one in entry["operations"]]} if "operations" in entry else {}
    return {**entry, **({"rows": []} if "rows" in entry else {}), **parts}


def _with_rows(entry: Mapping[str, Any], operation: Operation, ready: Operation) -> Operation:
    """``operation`` with the rows of its ``entry``; ``ready`` knows the columns of its table."""
    if isinstance(operation, Concurrent | Transaction) and isinstance(ready, Concurrent | Transaction):
        parts = map(_with_rows, entry["operations"], operation.operations, ready.operations)
        return replace(operation, operations=tuple(parts))
    if "rows" not in entry:
        return operation
    if isinstance(operation, EqualityDelete):
        names = operation.columns or operation.key
    else:
        names = tuple(one.name for one in ready.fields)
    return replace(operation, rows=tuple(_row(one, names) for one in entry["rows"]))  # type: ignore[call-arg]


def _row(entry: Mapping[str, Any], names: Sequence[str]) -> Row:
    if not isinstance(entry, Mapping):
        raise TypeError(f"the row {entry} is no table of columns")
    if strange := [one for one in entry if one not in names]:
        raise ValueError(f"a row has the column {strange[0]}, and its table has {', '.join(names)}")
    return tuple(entry.get(one) for one in names)


def _answer(feature: Feature) -> None:
    """Let the oracle answer each read, so that an error in the file is reported before anything starts."""
    from lakebench.datasets.interop.oracle import Oracle

    succeeded = [[True] * len(one.operations) for one in feature.program if isinstance(one, Concurrent)]
    oracle = Oracle(feature.program, succeeded)
    for read in feature.all_reads:
        if not read.metadata:
            oracle.answer(read)
