"""The data of the site as files: Parquet with the meaning of each column, and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lakebench.reports.site import speed
from lakebench.reports.site.data import Content
from lakebench.reports.site.observations import Observation

_CASE = {
    "case": "the case's id, for display",
    "phase": "the phase that asked",
    "engine": "whose outcome it is",
    "engine_version": "its own version",
    "outcome": "an outcome, PASS, WRONG …; of a cell also MISLED (the write is wrong) and NOT WRITTEN",
    "verdict": "the outcome against what the engine claims; empty where nothing is to be judged",
    "reason": "what the engine said, or why it did not run; accepted outcomes have none",
    "known": "the thread or the reason of an accepted failure",
    "source": "the run",
    "date": "when the run started, ISO 8601",
    "accepted": "whether this is the accepted outcome of an earlier run",
}  # fmt: skip
_CELL = {
    "feature": "the interop feature",
    "writer": "the engine that wrote the table",
    "writer_version": "its own version",
    "reader": "the engine that read it; empty in the cell of the write",
    "reader_version": "its own version",
    "catalog": "the catalog behind which it ran",
}
_TIME = {
    "group": "what may be compared: phase, data, storage and format",
    "engine": "the engine",
    "version": "its own version",
    "query": "the query",
    "outcome": "PASS where the answer was verified; nothing else has a time",
    "warm": "median of the warm samples, in seconds",
    "low": "lower end of its 95 % interval, in seconds",
    "high": "upper end of its 95 % interval, in seconds",
    "n": "number of warm samples",
    "cold": "median of the cold samples, in seconds",
    "unstable": "whether the spread of the warm samples is over 10 %",
    "cached": "whether the object store was asked for nothing",
    "run": "the run",
}
_FLOATS = {"warm", "low", "high", "cold"}


def write(content: Content, folder: Path) -> None:
    """Write ``cells.parquet``, ``cases.parquet``, ``times.parquet`` and ``schema.json`` into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    cells: dict[str, list[Any]] = {
        **{name: [_cell(one)[name] for one in content.cells] for name in _CELL},
        **_cases(content.cells),
    }
    tables = {
        "cells": (cells, {**_CELL, **_CASE}),
        "cases": (_cases(content.observations), _CASE),
        "times": (speed.table(content.runs), _TIME),
    }
    schemas = {f"{name}.parquet": _parquet(folder / f"{name}.parquet", *table) for name, table in tables.items()}
    (folder / "schema.json").write_text(json.dumps(schemas, indent=1) + "\n", encoding="utf-8")


def _parquet(path: Path, columns: dict[str, list[Any]], meanings: dict[str, str]) -> list[dict[str, str]]:
    """Write the file; name, type and meaning of each column, which are in the file's own schema, too."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    fields = [pa.field(name, _type(name), metadata={"meaning": meaning}) for name, meaning in meanings.items()]
    schema = pa.schema(fields, metadata={"made by": "lakebench site"})
    pq.write_table(pa.table({name: columns[name] for name in meanings}, schema=schema), path, compression="zstd")
    return [{"name": name, "type": str(_type(name)), "meaning": meaning} for name, meaning in meanings.items()]


def _type(name: str) -> Any:
    import pyarrow as pa

    if name in _FLOATS:
        return pa.float64()
    if name in {"accepted", "unstable", "cached"}:
        return pa.bool_()
    return pa.int64() if name == "n" else pa.string()


def _cases(every: Iterable[Observation]) -> dict[str, list[Any]]:
    rows = [case(one) for one in every]
    return {name: [row[name] for row in rows] for name in _CASE}


def case(one: Observation) -> dict[str, Any]:
    """The columns of a case."""
    return {
        "case": one.case,
        "phase": one.phase,
        "engine": one.engine.name,
        "engine_version": one.engine.version,
        "outcome": one.state,
        "verdict": one.verdict,
        "reason": one.reason,
        "known": one.known,
        "source": one.source.id,
        "date": one.source.date,
        "accepted": one.source.accepted,
    }


def _cell(one: Observation) -> dict[str, str]:
    about = one.coordinates
    writer, reader = one.version_of(about.writer or ""), one.version_of(about.reader or "")
    return {
        "feature": about.feature or "",
        "writer": writer.name,
        "writer_version": writer.version,
        "reader": reader.name if about.reader else "",
        "reader_version": reader.version if about.reader else "",
        "catalog": about.catalog or "",
    }


def cell(one: Observation) -> dict[str, Any]:
    """All columns of a cell, as JSON values."""
    return {**_cell(one), **case(one)}
